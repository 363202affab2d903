//! Encryption at rest, attacked by whoever holds the inner store.

use super::*;
use crate::store::{Changes, Row, StoreError};

const INNER: Table = Table(255);

fn open(inner: &MemoryStore) -> EncryptedStore {
    EncryptedStore::open(inner.clone(), key()).unwrap()
}

fn inner_rows(inner: &MemoryStore) -> Vec<Row> {
    inner.scan(INNER, b"", usize::MAX).unwrap()
}

/// Changes the inner store behind the encrypted one's back.
fn tamper(inner: &MemoryStore, key: &[u8], value: Option<&[u8]>) {
    write(inner, &[(INNER, key, value)]);
}

fn is_corrupt<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt(_)))
}

#[test]
fn nothing_clear_reaches_the_inner_store() {
    let inner = MemoryStore::new();
    let store = open(&inner);
    write(&store, &[(TABLE, b"the name of a row", Some(b"the value of a row"))]);
    write(&store, &[(Table(2), b"the name of a row", Some(b"the value of a row"))]);
    let rows = inner_rows(&inner);
    assert_eq!(rows.len(), 3, "two rows and the head");
    for Row { key, value } in &rows {
        for clear in [&b"the name"[..], b"the value", b"row"] {
            let shows = |bytes: &[u8]| bytes.windows(clear.len()).any(|window| window == clear);
            assert!(!shows(key) && !shows(value));
        }
        assert!(key.is_empty() || (key.len(), value.len()) == (32, 24 + 128 + 16));
    }
    for table in 0..255 {
        assert_eq!(inner.scan(Table(table), b"", 1).unwrap(), []);
    }
    assert_eq!(format!("{store:?} {:?}", key()), "EncryptedStore(..) StoreKey(..)");
}

#[test]
fn the_same_value_is_never_sealed_alike() {
    let inner = MemoryStore::new();
    let store = open(&inner);
    let sealed: std::collections::HashSet<Vec<u8>> = (0..50)
        .map(|_| {
            write(&store, &[(TABLE, b"a", Some(b"the same"))]);
            inner_rows(&inner).into_iter().find(|row| !row.key.is_empty()).unwrap().value
        })
        .collect();
    assert_eq!(sealed.len(), 50);
}

#[test]
fn opening_an_empty_store_writes_nothing() {
    let inner = MemoryStore::new();
    let store = open(&inner);
    assert_eq!(store.get(TABLE, b"a").unwrap(), None);
    assert_eq!(store.scan(TABLE, b"", 1).unwrap(), []);
    assert_eq!(store.revision().unwrap(), Revision::EMPTY);
    assert_eq!(inner.revision().unwrap(), Revision::EMPTY);
    assert_eq!(inner_rows(&inner), []);
    // So another key can still be chosen.
    drop(store);
    let store = EncryptedStore::open(inner.clone(), StoreKey::from_bytes([6; 32])).unwrap();
    write(&store, &[]);
    assert!(is_corrupt(&EncryptedStore::open(inner, key())));
}

#[test]
fn another_key_is_an_error_and_not_an_empty_store() {
    let inner = MemoryStore::new();
    write(&open(&inner), &[(TABLE, b"a", Some(b"1"))]);
    let before = inner.revision().unwrap();
    for other in [[0; 32], [6; 32]] {
        let opened = EncryptedStore::open(inner.clone(), StoreKey::from_bytes(other));
        assert!(is_corrupt(&opened));
    }
    assert_eq!(inner.revision().unwrap(), before);
    assert_eq!(open(&inner).get(TABLE, b"a").unwrap().unwrap(), b"1");
}

#[test]
fn a_store_that_was_written_without_encryption_is_an_error() {
    let inner = MemoryStore::new();
    write(&inner, &[(TABLE, b"a", Some(b"1"))]);
    assert!(is_corrupt(&EncryptedStore::open(inner, key())));
}

#[test]
fn of_two_keys_for_one_empty_store_the_first_to_commit_wins() {
    let inner = MemoryStore::new();
    let [first, same] = [open(&inner), open(&inner)];
    let other = EncryptedStore::open(inner.clone(), StoreKey::from_bytes([6; 32])).unwrap();
    write(&first, &[(TABLE, b"a", Some(b"1"))]);
    assert_eq!(same.get(TABLE, b"a").unwrap().unwrap(), b"1");
    assert!(is_corrupt(&other.get(TABLE, b"a")));
    assert!(is_corrupt(&other.scan(TABLE, b"a", 1)));
    assert!(is_corrupt(&other.revision()));
    let changes = changes(Revision::EMPTY, &[(TABLE, b"a", Some(b"2"))]);
    assert!(is_corrupt(&other.commit(Revision::EMPTY, &changes)));
    assert_eq!(first.get(TABLE, b"a").unwrap().unwrap(), b"1");
}

#[test]
fn two_handles_race_for_the_first_commit_under_one_key() {
    for _ in 0..50 {
        let inner = MemoryStore::new();
        let stores = [open(&inner), open(&inner), open(&inner)];
        let done: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = stores
                .iter()
                .map(|store| {
                    scope.spawn(move || {
                        let changes = changes(Revision::EMPTY, &[(TABLE, b"a", Some(b"1"))]);
                        store.commit(Revision::EMPTY, &changes).unwrap() == Commit::Done
                    })
                })
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(done, 1);
        for store in &stores {
            assert_eq!(store.get(TABLE, b"a").unwrap().unwrap(), b"1");
        }
    }
}

#[test]
fn whatever_is_altered_in_the_inner_store_is_noticed() {
    let inner = MemoryStore::new();
    write(&open(&inner), &[(TABLE, b"a", Some(b"1"))]);
    let row = inner_rows(&inner).into_iter().find(|row| !row.key.is_empty()).unwrap();
    for bit in 0..row.value.len() * 8 {
        let mut altered = row.value.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        tamper(&inner, &row.key, Some(&altered));
        let store = open(&inner);
        assert!(is_corrupt(&store.get(TABLE, b"a")));
        assert!(is_corrupt(&store.scan(TABLE, b"", 1)));
    }
    for length in 0..row.value.len() {
        tamper(&inner, &row.key, Some(&row.value[..length]));
        assert!(is_corrupt(&open(&inner).get(TABLE, b"a")));
    }
    tamper(&inner, &row.key, Some(&row.value));
    assert_eq!(open(&inner).get(TABLE, b"a").unwrap().unwrap(), b"1");
}

#[test]
fn rows_cannot_change_places() {
    let inner = MemoryStore::new();
    let places = [(TABLE, &b"a"[..]), (TABLE, b"b"), (Table(2), b"a")];
    let store = open(&inner);
    for (table, key) in places {
        write(&store, &[(table, key, Some(b"1"))]);
    }
    let rows: Vec<Row> = inner_rows(&inner).into_iter().filter(|row| !row.key.is_empty()).collect();
    for from in &rows {
        for to in rows.iter().filter(|to| to.key != from.key) {
            tamper(&inner, &to.key, Some(&from.value));
            let store = open(&inner);
            let gets = places.map(|(table, key)| is_corrupt(&store.get(table, key)));
            assert_eq!(gets.iter().filter(|corrupt| **corrupt).count(), 1);
            let scans = [TABLE, Table(2)].map(|table| is_corrupt(&store.scan(table, b"", 9)));
            assert_eq!(scans.iter().filter(|corrupt| **corrupt).count(), 1);
            tamper(&inner, &to.key, Some(&to.value));
        }
    }
}

#[test]
fn rows_of_another_store_under_the_same_key_do_not_open() {
    let inners = [MemoryStore::new(), MemoryStore::new()];
    for inner in &inners {
        write(&open(inner), &[(TABLE, b"a", Some(b"1"))]);
    }
    let [own, other] = inners
        .each_ref()
        .map(|inner| inner_rows(inner).into_iter().find(|row| !row.key.is_empty()).unwrap());
    assert_ne!(own.key, other.key, "not even their names are the same");
    tamper(&inners[0], &own.key, Some(&other.value));
    assert!(is_corrupt(&open(&inners[0]).get(TABLE, b"a")));
}

#[test]
fn a_row_that_was_taken_away_behind_its_back_is_noticed_by_a_running_scan_only() {
    let inner = MemoryStore::new();
    let store = open(&inner);
    write(&store, &[(TABLE, b"a", Some(b"1")), (TABLE, b"b", Some(b"2"))]);
    assert_eq!(store.scan(TABLE, b"", 9).unwrap().len(), 2);
    let row = inner_rows(&inner).into_iter().find(|row| !row.key.is_empty()).unwrap();
    // The same revision: no honest store does this.
    let revision = inner.revision().unwrap();
    let mut changes = Changes::new(revision);
    changes.push(RowName::new(INNER, &row.key), None);
    assert_eq!(inner.commit(revision, &changes).unwrap(), Commit::Done);
    assert!(is_corrupt(&store.scan(TABLE, b"", 9)));
    assert_eq!(open(&inner).scan(TABLE, b"", 9).unwrap().len(), 1);
}

#[test]
fn sizes_show_in_steps_only() {
    let sealed_len = |length: usize| {
        let inner = MemoryStore::new();
        write(&open(&inner), &[(TABLE, b"key", Some(&vec![7; length]))]);
        inner_rows(&inner).into_iter().find(|row| !row.key.is_empty()).unwrap().value.len()
    };
    assert_eq!(sealed_len(0), sealed_len(117));
    assert_eq!(sealed_len(118), sealed_len(245));
    assert_eq!(sealed_len(117) + 128, sealed_len(118));
    assert_eq!(sealed_len(8000), sealed_len(8100));
}

#[test]
fn a_commit_writes_as_many_inner_rows_as_it_has_and_the_head_once() {
    let inner = MemoryStore::new();
    let store = open(&inner);
    let first = changes(Revision::EMPTY, &[(TABLE, b"a", Some(b"1"))]);
    assert_eq!(store.commit(Revision::EMPTY, &first).unwrap(), Commit::Done);
    let head = inner.get(INNER, b"").unwrap().unwrap();
    write(&store, &[(TABLE, b"a", None), (TABLE, b"b", Some(b"2"))]);
    assert_eq!(inner.get(INNER, b"").unwrap().unwrap(), head);
    assert_eq!(inner_rows(&inner).len(), 2);
}

#[cfg(feature = "passphrase")]
#[test]
fn a_passphrase_opens_what_it_sealed_and_nothing_else_does() {
    let inner = MemoryStore::new();
    let open = |key| EncryptedStore::open(inner.clone(), key);
    write(&open(StoreKey::from_passphrase("correct horse")).unwrap(), &[(TABLE, b"a", Some(b"1"))]);
    let store = open(StoreKey::from_passphrase("correct horse")).unwrap();
    assert_eq!(store.get(TABLE, b"a").unwrap().unwrap(), b"1");
    assert!(is_corrupt(&open(StoreKey::from_passphrase("correct horse "))));
    assert!(is_corrupt(&open(StoreKey::from_passphrase(""))));
    assert!(is_corrupt(&open(StoreKey::from_bytes([5; 32]))));
    let inner = MemoryStore::new();
    write(&self::open(&inner), &[]);
    assert!(is_corrupt(&EncryptedStore::open(inner, StoreKey::from_passphrase("any"))));
}
