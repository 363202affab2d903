//! The store in a file.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::store::{SqliteStore, StoreError};

fn check(open: impl Fn(SqliteStore) -> Box<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let mut places = (0..).map(|number| folder.path().join(format!("{number}.db")));
    check_store(|| places.next().unwrap(), |path| open(SqliteStore::open(path).unwrap()));
}

#[test]
fn an_sqlite_store_is_a_store() {
    check(|store| Box::new(store));
}

#[test]
fn an_encrypted_sqlite_store_is_a_store() {
    check(|store| Box::new(EncryptedStore::open(store, key()).unwrap()));
}

/// All bytes of the store's files.
fn bytes_of(path: &Path) -> Vec<u8> {
    let wal = path.with_extension("db-wal");
    [fs::read(path).unwrap(), fs::read(wal).unwrap_or_default()].concat()
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

#[test]
fn nothing_is_left_of_what_was_overwritten_or_deleted_after_tidying() {
    const MARK: &[u8] = b"MARKED-SECRET";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path).unwrap();
    // Of many sizes and in a scattered order, so that pages are split, merged and
    // rearranged, and values go on over several pages.
    let size = |number: u16| match number % 7 {
        0 => 20_000,
        1 => 3000,
        2..4 => 600,
        _ => usize::from(number % 90) + 13,
    };
    let key = |number: u16| number.wrapping_mul(40_503).to_be_bytes();
    for round in 0..3_u16 {
        for numbers in (0..1200_u16).collect::<Vec<_>>().chunks(40) {
            let rows: Vec<_> = numbers
                .iter()
                .map(|number| {
                    let length = size(number.wrapping_add(round));
                    let value = MARK.iter().copied().cycle().take(length).collect::<Vec<u8>>();
                    (key(*number), value)
                })
                .collect();
            let writes: Vec<Change<'_>> =
                rows.iter().map(|(key, value)| (TABLE, &key[..], Some(&value[..]))).collect();
            write(&store, &writes);
        }
    }
    assert!(contains(&bytes_of(&path), MARK));
    for numbers in (0..1200_u16).collect::<Vec<_>>().chunks(10) {
        let keys: Vec<_> = numbers.iter().map(|number| (*number, key(*number))).collect();
        let writes: Vec<Change<'_>> = keys
            .iter()
            .map(|(number, key)| (TABLE, &key[..], (number % 3 != 0).then_some(&b"harmless"[..])))
            .collect();
        write(&store, &writes);
    }
    store.tidy().unwrap();
    // Nothing to do: nothing was committed.
    let length = fs::metadata(&path).unwrap().len();
    store.tidy().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
    let bytes = bytes_of(&path);
    let left = bytes.windows(MARK.len()).filter(|window| *window == MARK).count();
    assert_eq!(left, 0, "in {} bytes", bytes.len());
    assert!(contains(&bytes, b"harmless"));
}

#[test]
fn closing_the_store_leaves_one_file_and_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path).unwrap();
    write(&store, &[(TABLE, b"a", Some(b"MARKED-SECRET"))]);
    write(&store, &[(TABLE, b"a", Some(b"other"))]);
    assert!(contains(&bytes_of(&path), b"MARKED-SECRET"), "the test sees what is there");
    drop(store);
    assert!(!contains(&bytes_of(&path), b"MARKED-SECRET"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn the_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("a.db")).unwrap();
    write(&store, &[(TABLE, b"a", Some(b"1"))]);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
}

fn is_unavailable(path: &Path) -> bool {
    matches!(SqliteStore::open(path), Err(StoreError::Unavailable(_)))
}

fn is_corrupt(path: &Path) -> bool {
    matches!(SqliteStore::open(path), Err(StoreError::Corrupt(_)))
}

#[test]
fn what_cannot_be_a_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    assert!(is_unavailable(folder.path()), "a directory");
    assert!(is_unavailable(&folder.path().join("missing/a.db")), "no directory");
    assert!(is_unavailable(Path::new("")), "no path");

    let text = folder.path().join("text");
    fs::write(&text, "this is a text and no database at all\n".repeat(100)).unwrap();
    let before = fs::read(&text).unwrap();
    assert!(is_corrupt(&text));
    assert_eq!(fs::read(&text).unwrap(), before);

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    let before = fs::read(&foreign).unwrap();
    assert!(is_corrupt(&foreign));
    assert_eq!(fs::read(&foreign).unwrap(), before);

    let newer = folder.path().join("newer.db");
    drop(SqliteStore::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(is_unavailable(&newer));
    let error =
        std::error::Error::source(&SqliteStore::open(&newer).unwrap_err()).unwrap().to_string();
    assert!(error.contains("schema 2 is newer than 1"), "{error}");

    let damaged = folder.path().join("damaged.db");
    let store = SqliteStore::open(&damaged).unwrap();
    write(&store, &[(TABLE, b"a", Some(&[1; 10_000]))]);
    drop(store);
    let mut bytes = fs::read(&damaged).unwrap();
    let length = bytes.len();
    bytes[4096..length].fill(0xa5);
    fs::write(&damaged, bytes).unwrap();
    let read = SqliteStore::open(&damaged).and_then(|store| store.get(TABLE, b"a"));
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

#[test]
fn a_name_that_sqlite_would_keep_in_memory_is_a_file_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:a?mode=memory", "with 'quotes' and spaces ä"] {
        let path = folder.path().join(name);
        write(&SqliteStore::open(&path).unwrap(), &[(TABLE, b"a", Some(b"1"))]);
        let found = SqliteStore::open(&path).unwrap().get(TABLE, b"a").unwrap();
        assert_eq!(found.unwrap(), b"1");
        assert!(path.is_file());
    }
}

#[test]
fn many_threads_open_one_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().join(format!("{round}.db"));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let store = SqliteStore::open(path).unwrap();
                    crate::store::conformance::count_up(&store, thread);
                });
            }
        });
        let store = SqliteStore::open(&path).unwrap();
        let all = store.get(TABLE, b"all").unwrap().unwrap();
        assert_eq!(all, 8_u64.to_be_bytes());
    }
}

/// Where stores of released versions are.
fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores").join(name)
}

/// What stands in the fixtures.
const FIXED: [Change<'static>; 4] = [
    (Table(0), b"", Some(b"")),
    (Table(1), b"name\0\xff", Some(b"value")),
    (Table(1), b"other", Some(b"MARKED")),
    (Table(255), b"last", Some(&[9; 300])),
];

#[test]
fn stores_of_every_released_version_still_open() {
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        fs::create_dir_all(fixture("")).unwrap();
        write(&SqliteStore::open(fixture("sqlite-v1.db")).unwrap(), &FIXED);
        let sealed = SqliteStore::open(fixture("encrypted-v1.db")).unwrap();
        write(&EncryptedStore::open(sealed, key()).unwrap(), &FIXED);
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let path = folder.path().join(name);
        fs::copy(fixture(name), &path).unwrap();
        SqliteStore::open(path).unwrap()
    };
    let stores: [Box<dyn Store>; 2] = [
        Box::new(copy("sqlite-v1.db")),
        Box::new(EncryptedStore::open(copy("encrypted-v1.db"), key()).unwrap()),
    ];
    for store in stores {
        let revision = store.revision().unwrap();
        assert_eq!(revision.as_bytes()[..8], 1_u64.to_be_bytes());
        for (table, key, value) in FIXED {
            assert_eq!(store.get(table, key).unwrap().as_deref(), value);
        }
        assert_eq!(store.scan(Table(1), b"", 9).unwrap().len(), 2);
        write(&store, &[(TABLE, b"other", Some(b"written"))]);
        assert_eq!(store.get(TABLE, b"other").unwrap().unwrap(), b"written");
    }
}
