//! What every store has to do, tried out on any of them.
//!
//! Here alone may [`Changes`] be made outside of the messenger; so whoever writes a
//! store tests it with this.

#![expect(clippy::panic, reason = "a helper of tests says by a panic what is wrong")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::{Changes, Commit, Revision, Row, RowName, Store, StoreError, Table};
use crate::crypto::SecretBytes;

/// Some bytes that are hard to sort, to cut and to quote.
const KEYS: [&[u8]; 18] = [
    b"",
    b"\0",
    b"\0\0",
    b"\0\x01",
    b"\0\xff",
    b"\x01",
    b"'; --",
    b"a",
    b"a\0",
    b"aa",
    b"ab",
    b"b",
    b"\x7f",
    b"\x80",
    b"\xc3\xa4",
    b"\xff",
    b"\xff\0",
    b"\xff\xff",
];

/// Tables that a sign or a text would sort in another way.
const TABLES: [Table; 5] = [Table(0), Table(1), Table(2), Table(128), Table(255)];

/// Checks that a store does what [`Store`] says, on its own, reopened, opened several
/// times, and from several threads at once.
///
/// `place` makes a new empty place each time (a file, a database); `open` opens it. The
/// suite opens one place several times at once, and again when all is closed.
///
/// # Panics
///
/// If the store does something else; the message says what.
pub fn check_store<P, S: Store>(mut place: impl FnMut() -> P, open: impl Fn(&P) -> S) {
    begins_empty(open(&place()));
    keeps_rows(open(&place()));
    keeps_large_rows(open(&place()));
    scans_in_order(open(&place()));
    refuses_what_comes_from_an_older_revision(open(&place()));
    keeps_rows_when_closed(&place(), &open);
    shows_what_another_handle_has_written(&place(), &open);
    begins_from_the_newest_revision(&place(), &open);
    loses_no_update_of_racing_handles(&place(), &open);
    does_what_a_map_does(&place(), &open);
}

/// A row's change, as the checks write it down.
pub(super) type Change<'a> = (Table, &'a [u8], Option<&'a [u8]>);

/// Changes that lead from `from` to some revision that was never used before, in this
/// process or in another one.
pub(super) fn changes(from: Revision, writes: &[Change<'_>]) -> Changes {
    static USED: AtomicU64 = AtomicU64::new(0);
    let unique =
        u128::from(std::process::id()) << 64 | u128::from(USED.fetch_add(1, Ordering::Relaxed));
    let mut changes = Changes::new(from.next(unique.to_be_bytes()));
    for (table, key, value) in writes {
        let value = value.map(|value| SecretBytes::new(value.to_vec()));
        changes.push(RowName::new(*table, key), value.map(std::sync::Arc::new));
    }
    changes
}

fn ok<T>(what: &str, result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| {
        let reason = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{what}: {error}: {}", reason.unwrap_or_default())
    })
}

fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) {
    assert!(found == expected, "{what}: found {found:?}, not {expected:?}");
}

/// Writes this; nobody else may be writing.
fn write(store: &dyn Store, writes: &[Change<'_>]) {
    let before = ok("revision", store.revision());
    let changes = changes(before, writes);
    same("a commit", &ok("commit", store.commit(before, &changes)), &Commit::Done);
    let after = ok("revision", store.revision());
    same("the revision after a commit", &after, &changes.revision());
}

fn get(store: &dyn Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    ok("get", store.get(table, key))
}

fn scan(store: &dyn Store, table: Table, from: &[u8], limit: usize) -> Vec<Row> {
    ok("scan", store.scan(table, from, limit))
}

fn begins_empty(store: impl Store) {
    same("the revision of an empty store", &ok("revision", store.revision()), &Revision::EMPTY);
    for table in TABLES {
        same("a row of an empty store", &get(&store, table, b""), &None);
        same("the rows of an empty store", &scan(&store, table, b"", 10), &Vec::new());
    }
    let elsewhere = Revision::from_bytes([1; 24]);
    let commit = store.commit(elsewhere, &changes(elsewhere, &[(Table(1), b"a", Some(b"b"))]));
    same("a commit from a revision that never was", &ok("commit", commit), &Commit::Conflict);
    same("what a conflict wrote", &get(&store, Table(1), b"a"), &None);
    same("the revision of an empty store", &ok("revision", store.revision()), &Revision::EMPTY);
    ok("tidy", store.tidy());
    write(&store, &[]);
    same("a row that is not there", &get(&store, Table(1), b"a"), &None);
}

fn keeps_rows(store: impl Store) {
    for (number, table) in (0_u8..).zip(TABLES) {
        for key in KEYS {
            write(&store, &[(table, key, Some(&[number; 3]))]);
        }
    }
    for (number, table) in (0_u8..).zip(TABLES) {
        for key in KEYS {
            same("a row", &get(&store, table, key), &Some(vec![number; 3]));
        }
        same("a row that is not there", &get(&store, table, b"\0\0\0"), &None);
    }
    let (table, other) = (Table(1), Table(2));
    write(&store, &[(table, b"a", Some(b"longer than before")), (table, b"b", Some(b""))]);
    same("an overwritten row", &get(&store, table, b"a"), &Some(b"longer than before".to_vec()));
    same("an empty value", &get(&store, table, b"b"), &Some(Vec::new()));
    same("the row of another table", &get(&store, other, b"a"), &Some(vec![2; 3]));
    write(&store, &[(table, b"a", None), (table, b"not there", None), (table, b"aa", Some(b"x"))]);
    same("a deleted row", &get(&store, table, b"a"), &None);
    same("the row beside it", &get(&store, table, b"aa"), &Some(b"x".to_vec()));
    same("the row of another table", &get(&store, other, b"a"), &Some(vec![2; 3]));
    write(&store, &[(table, b"a", Some(b"back"))]);
    same("a row that came back", &get(&store, table, b"a"), &Some(b"back".to_vec()));
    ok("tidy", store.tidy());
    same("a row after tidying", &get(&store, table, b"a"), &Some(b"back".to_vec()));
}

fn keeps_large_rows(store: impl Store) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut random = |length| (0..length).map(|_| rng.random()).collect::<Vec<u8>>();
    let (key, value) = (random(1000), random(256 * 1024));
    write(&store, &[(Table(1), &key, Some(&value)), (Table(1), b"\x01", Some(&vec![0; 100_000]))]);
    assert!(get(&store, Table(1), &key) == Some(value.clone()), "a large value is another one");
    let row = scan(&store, Table(1), &key, 1);
    assert!(row == [Row::new(key.clone(), value)], "a large row is another one in a scan");
    let zeros = get(&store, Table(1), b"\x01");
    assert!(zeros == Some(vec![0; 100_000]), "a value of zeros is another one");
    write(&store, &[(Table(1), &key, Some(b"small"))]);
    same("a value that was large", &get(&store, Table(1), &key), &Some(b"small".to_vec()));

    let keys: Vec<[u8; 2]> = (0..3000_u16).map(u16::to_be_bytes).collect();
    let many: Vec<Change<'_>> =
        keys.iter().map(|key| (Table(2), &key[..], Some(&key[..]))).collect();
    write(&store, &many);
    same("the number of many rows", &scan(&store, Table(2), b"", usize::MAX).len(), &keys.len());
    let rows = scan(&store, Table(2), &[1, 0], 500);
    let expected = keys.iter().skip(256).take(500).map(|key| Row::new(key.to_vec(), key.to_vec()));
    assert!(rows == expected.collect::<Vec<_>>(), "some of many rows are other ones in a scan");
}

fn scans_in_order(store: impl Store) {
    let table = Table(1);
    let model: BTreeMap<&[u8], &[u8]> = KEYS.into_iter().map(|key| (key, key)).collect();
    // Not in order, and each between rows of the neighbours.
    for key in KEYS.into_iter().skip(7).chain(KEYS.into_iter().take(7)) {
        let neighbours = [Table(0), Table(2)].map(|table| (table, key, Some(&b"not this"[..])));
        let [below, above] = neighbours;
        write(&store, &[above, (table, key, Some(key)), below]);
    }
    let between: [&[u8]; 5] = [b"\0\0\0", b"\0\x02", b"a\0\0", b"zz", b"\xff\xff\xff"];
    for from in KEYS.into_iter().chain(between) {
        for limit in [0, 1, 2, model.len() - 1, model.len(), model.len() + 1, usize::MAX] {
            let expected = model.range(from..).take(limit);
            let expected: Vec<Row> =
                expected.map(|(key, value)| Row::new(key.to_vec(), value.to_vec())).collect();
            let rows = scan(&store, table, from, limit);
            let keys = |rows: &[Row]| rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
            let what = format!("the keys from {from:?}, at most {limit}");
            same(&what, &keys(&rows), &keys(&expected));
            assert!(rows == expected, "{what}: a value is another one");
        }
    }
    same("the rows of a table that has none", &scan(&store, Table(3), b"", 10), &Vec::new());
}

fn refuses_what_comes_from_an_older_revision(store: impl Store) {
    let (table, old) = (Table(1), Revision::EMPTY);
    let lost =
        changes(old, &[(table, b"a", Some(b"2")), (table, b"b", None), (table, b"c", Some(b"2"))]);
    write(&store, &[(table, b"a", Some(b"1")), (table, b"b", Some(b"1"))]);
    let first = ok("revision", store.revision());
    let unharmed = |store: &dyn Store, revision| {
        same("a row after a conflict", &get(store, table, b"a"), &Some(b"1".to_vec()));
        same("a row after a conflict", &get(store, table, b"b"), &Some(b"1".to_vec()));
        same("a row after a conflict", &get(store, table, b"c"), &None);
        same("the rows after a conflict", &scan(store, table, b"", 9).len(), &2);
        same("the revision after a conflict", &ok("revision", store.revision()), &revision);
    };
    same("a late commit", &ok("commit", store.commit(old, &lost)), &Commit::Conflict);
    unharmed(&store, first);
    write(&store, &[]);
    let second = ok("revision", store.revision());
    same("a late commit", &ok("commit", store.commit(first, &lost)), &Commit::Conflict);
    unharmed(&store, second);
    // A revision counts whole, not only by its counter or by its random part.
    for byte in [0, 7, 8, 23] {
        let mut altered = *second.as_bytes();
        for (index, value) in altered.iter_mut().enumerate() {
            *value ^= u8::from(index == byte);
        }
        let altered = Revision::from_bytes(altered);
        let commit = store.commit(altered, &lost);
        same("a commit from another revision", &ok("commit", commit), &Commit::Conflict);
        unharmed(&store, second);
    }
}

fn keeps_rows_when_closed<P, S: Store>(place: &P, open: &impl Fn(&P) -> S) {
    drop(open(place));
    let empty = ok("revision", open(place).revision());
    same("the revision of an empty store that was opened before", &empty, &Revision::EMPTY);
    let mut revision = Revision::EMPTY;
    for round in 0..5_u8 {
        let store = open(place);
        same("the revision of a reopened store", &ok("revision", store.revision()), &revision);
        for earlier in 0..round {
            let expected = (earlier + 1 == round).then(|| vec![earlier; 10]);
            same("a row of a reopened store", &get(&store, Table(1), &[earlier]), &expected);
        }
        let kept = scan(&store, Table(2), b"", 10);
        same("the rows of a reopened store", &kept.len(), &usize::from(round));
        write(
            &store,
            &[
                (Table(1), &[round], Some(&[round; 10])),
                (Table(1), &[round.wrapping_sub(1)], None),
                (Table(2), &[round], Some(&[round])),
            ],
        );
        revision = ok("revision", store.revision());
    }
}

fn shows_what_another_handle_has_written<P, S: Store>(place: &P, open: &impl Fn(&P) -> S) {
    let stores = [open(place), open(place), open(place)];
    let mut model = BTreeMap::new();
    for round in 0..12_u8 {
        for (writer, number) in stores.iter().zip(0_u8..) {
            let key = [round % 4, number];
            let value = (round % 3 != 2).then(|| vec![round; 5]);
            write(writer, &[(Table(1), &key, value.as_deref())]);
            match value.clone() {
                Some(value) => model.insert(key.to_vec(), value),
                None => model.remove(key.as_slice()),
            };
            let expected: Vec<Row> =
                model.iter().map(|(key, value)| Row::new(key.clone(), value.clone())).collect();
            for reader in &stores {
                same("another handle's row", &get(reader, Table(1), &key), &value);
                let rows = scan(reader, Table(1), b"", usize::MAX);
                assert!(rows == expected, "a scan does not show another handle's rows");
            }
        }
    }
}

fn begins_from_the_newest_revision<P, S: Store>(place: &P, open: &impl Fn(&P) -> S) {
    let (table, key) = (Table(1), b"a");
    let [store, other] = [open(place), open(place)];
    for round in 0..6_u8 {
        let (old, new) = (vec![round; 3], vec![round; 4]);
        write(&other, &[(table, key, Some(&old))]);
        let begun = ok("begin", store.begin());
        same("the revision at the beginning", &begun, &ok("revision", other.revision()));
        same("a row after the beginning", &get(&store, table, key), &Some(old.clone()));
        if round % 2 == 0 {
            write(&other, &[(table, key, Some(&new))]);
            let seen = get(&store, table, key);
            assert!(seen == Some(old) || seen.as_ref() == Some(&new), "a row that never was");
            let late = store.commit(begun, &changes(begun, &[(table, key, None)]));
            same("a late commit", &ok("commit", late), &Commit::Conflict);
            same("a row after a conflict", &get(&store, table, key), &Some(new));
        } else if round % 3 == 0 {
            write(&other, &[(table, key, Some(&new))]);
            same(
                "the revision",
                &ok("revision", store.revision()),
                &ok("revision", other.revision()),
            );
            same("a row after the revision was asked for", &get(&store, table, key), &Some(new));
        } else {
            let changes = changes(begun, &[(table, key, Some(&new))]);
            same("a commit", &ok("commit", store.commit(begun, &changes)), &Commit::Done);
            same("another handle's row", &get(&other, table, key), &Some(new));
        }
        ok("begin", store.begin());
        ok("tidy", store.tidy());
    }
}

/// Threads that share a handle, and threads with one of their own.
const THREADS: usize = 4;

/// How often each of them counts up.
const STEPS: u64 = 40;

fn loses_no_update_of_racing_handles<P, S: Store>(place: &P, open: &impl Fn(&P) -> S) {
    let handles: Vec<S> = (0..THREADS / 2 + 1).map(|_| open(place)).collect();
    let shared_by_half = (0..THREADS)
        .filter_map(|thread| handles.get(thread).or(handles.last()).map(|handle| (thread, handle)));
    thread::scope(|scope| {
        for (thread, store) in shared_by_half {
            scope.spawn(move || (0..STEPS).for_each(|_| count_up(store, thread)));
        }
    });
    let total = u64::try_from(THREADS).unwrap_or(u64::MAX).saturating_mul(STEPS);
    let store = open(place);
    same("a counter of racing threads", &counter(&store, b"all"), &total);
    for thread in 0..THREADS {
        same("the counter of a thread", &counter(&store, &thread.to_be_bytes()), &STEPS);
    }
}

fn counter(store: &dyn Store, key: &[u8]) -> u64 {
    let value = get(store, Table(1), key).map_or(Ok([0; 8]), <[u8; 8]>::try_from);
    u64::from_be_bytes(value.unwrap_or_else(|value| panic!("a counter of {} bytes", value.len())))
}

/// One more for all and one more for this thread, in one commit; again until it counts.
pub(super) fn count_up(store: &dyn Store, thread: usize) {
    let own = thread.to_be_bytes();
    loop {
        let revision = ok("revision", store.revision());
        let [all, mine] = [&b"all"[..], &own].map(|key| counter(store, key));
        let rows = scan(store, Table(1), b"", usize::MAX);
        if ok("revision", store.revision()) == revision {
            // Nobody committed in between, so all this is one state.
            let values = rows
                .iter()
                .filter(|row| row.key != b"all")
                .map(|row| row.value.first_chunk().map_or(0, |value| u64::from_be_bytes(*value)));
            same("the counters of all threads in one state", &values.sum(), &all);
        }
        let [all, mine] = [all, mine].map(|count| count.saturating_add(1).to_be_bytes());
        let writes: [Change<'_>; 2] =
            [(Table(1), b"all", Some(&all)), (Table(1), &own, Some(&mine))];
        match ok("commit", store.commit(revision, &changes(revision, &writes))) {
            Commit::Done => break,
            Commit::Conflict => {}
        }
    }
}

fn does_what_a_map_does<P, S: Store>(place: &P, open: &impl Fn(&P) -> S) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut stores = [open(place), open(place)];
    let mut model: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>> = BTreeMap::new();
    for _ in 0..250 {
        let [store, _] = &stores;
        let mut writes: BTreeMap<(Table, &[u8]), Option<Vec<u8>>> = BTreeMap::new();
        for _ in 0..rng.random_range(0..8) {
            let row = (any(&mut rng, &TABLES), any(&mut rng, &KEYS));
            let length = rng.random_range(0..600);
            let value = rng.random_bool(0.6).then(|| (0..length).map(|_| rng.random()).collect());
            writes.insert(row, value);
        }
        let changes: Vec<Change<'_>> =
            writes.iter().map(|((table, key), value)| (*table, *key, value.as_deref())).collect();
        write(store, &changes);
        for ((table, key), value) in &writes {
            let rows = model.entry(*table).or_default();
            match value {
                Some(value) => rows.insert(key.to_vec(), value.clone()),
                None => rows.remove(*key),
            };
        }
        let [_, store] = &stores;
        let (table, key) = (any(&mut rng, &TABLES), any(&mut rng, &KEYS));
        let rows = model.entry(table).or_default();
        assert!(get(store, table, key).as_ref() == rows.get(key), "a row is not that of the model");
        let limit = rng.random_range(0..20);
        let expected: Vec<Row> = rows
            .range(key.to_vec()..)
            .take(limit)
            .map(|(key, value)| Row::new(key.clone(), value.clone()))
            .collect();
        let found = scan(store, table, key, limit);
        assert!(found == expected, "a scan does not give the rows of the model");
        match rng.random_range(0..20) {
            0 => {
                let [first, second] = stores;
                drop((first, second));
                stores = [open(place), open(place)];
            }
            1 => ok("tidy", store.tidy()),
            _ => stores.reverse(),
        }
    }
}

fn any<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    *of.choose(rng).unwrap_or_else(|| panic!("nothing to choose from"))
}
