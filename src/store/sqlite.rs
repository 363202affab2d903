//! A store in one SQLite file: the embedded default.

use std::error::Error;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::{Changes, Commit, Revision, Row, Store, StoreError, Table, Write};

/// Marks the file as one of this crate: `SubR`.
const APPLICATION_ID: i32 = 0x5375_6252;

/// The version of the schema that is written; every older one is brought up to it.
const SCHEMA_VERSION: i32 = 1;

/// Version 1. Values are small, so they stand beside their keys, without a row id. The
/// state has the store's revision, and the one that it had when it was last tidied.
const SCHEMA_1: &str = "
    CREATE TABLE entries (
        tab INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (tab, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        revision BLOB NOT NULL,
        tidied BLOB NOT NULL
    ) STRICT;
    INSERT INTO state (id, revision, tidied) VALUES (0, zeroblob(24), zeroblob(24));
";

/// How long a call waits for other connections before it gives up: longer than any
/// commit takes on any disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause before it is tried again whether the other connection is done. (SQLite's own
/// pauses grow to 100 ms: many commits long, and whoever waits longest waits worst.)
const PAUSE: Duration = Duration::from_millis(2);

/// How often SQLite itself tries within one call, 10 seconds or more.
const TRIES: i32 = 5000;

/// How long closing waits for others before it leaves the tidying to them.
const CLOSING: Duration = Duration::from_millis(200);

/// A store in one SQLite file, and while it is open two more beside it (`-wal`,
/// `-shm`).
///
/// Any number of threads may share it, and any number of processes may open the file: a
/// call waits for another's commit, for up to a minute. A commit is on the disk before
/// it returns. The path must be on a local disk: the locks of network file systems do
/// not hold.
///
/// [`Store::tidy`] rewrites the file if anything was committed since it last did: that
/// takes a second for each hundred megabytes or so, and as much memory as the file is
/// large.
///
/// # Security
///
/// Rows stand in the file as they are: put an [`EncryptedStore`](super::EncryptedStore)
/// around it, or keep it where the system encrypts. A new file can be read by its owner
/// alone. What is overwritten or deleted is replaced with zeros, but copies of it may
/// stand in the log and between rows until [`Store::tidy`]: then it is gone from the
/// files, unless another connection was reading at that moment. Dropping the store
/// empties the log only. A file system that copies on write, and flash memory, may keep
/// old blocks all the same; SQLite's copies in memory are not wiped.
pub struct SqliteStore(Mutex<Connection>);

impl SqliteStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the path cannot be opened or made (it is a
    /// directory; its directory does not exist), or if a newer version of this crate has
    /// written it: update the app. [`StoreError::Corrupt`] if the file is damaged, or is
    /// no store of this crate; it was not changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        // An absolute path is never one of the names that SQLite knows (`:memory:`).
        let path = std::path::absolute(path).map_err(unavailable)?;
        make_file(&path).map_err(unavailable)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = patiently(|| Connection::open_with_flags(&path, flags))?;
        patiently(|| connection.busy_handler(Some(pause)))?;
        // First of all, so that nobody else's file is changed.
        let mut version = patiently(|| Found::in_one_state(&connection))?.check()?;
        if patiently(|| configure(&connection))? != "wal" {
            return Err(StoreError::Unavailable("no write-ahead log can be kept there".into()));
        }
        while version != SCHEMA_VERSION {
            version = patiently(|| migrate(&mut connection))?.check()?;
        }
        Ok(Self(Mutex::new(connection)))
    }

    // A poisoned lock is of no account: a transaction that a panic ended is rolled back.
    fn reading(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection outside of what [`Store::begin`] has begun.
    fn connection(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        let connection = self.reading();
        patiently(|| end(&connection))?;
        Ok(connection)
    }
}

/// Makes the file if there is none, readable by its owner alone; SQLite gives the files
/// beside it the same permissions.
fn make_file(path: &Path) -> io::Result<()> {
    /// Closing a file ends all locks that the process has on it. So nobody may have
    /// opened with SQLite what is still to be closed here.
    static MAKING: Mutex<()> = Mutex::new(());

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if fs::metadata(path)?.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Err(_) => Ok(()),
    }
}

/// What a file says of itself.
struct Found {
    application_id: i32,
    version: i32,
    /// Counted where it says nothing else.
    objects: i64,
}

impl Found {
    /// All of it from before another process makes its tables, or from after.
    fn in_one_state(connection: &Connection) -> rusqlite::Result<Self> {
        Self::read(&*connection.unchecked_transaction()?)
    }

    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
        let objects = match (application_id, version) {
            (0, 0) => {
                let count = "SELECT count(*) FROM sqlite_schema";
                connection.query_row(count, [], |row| row.get(0))?
            }
            _ => 0,
        };
        Ok(Self { application_id, version, objects })
    }

    /// The version of its schema; 0 if it is empty.
    fn check(&self) -> Result<i32, StoreError> {
        match *self {
            Self { application_id: 0, version: 0, objects: 0 } => Ok(0),
            Self { application_id: APPLICATION_ID, version: 1..=SCHEMA_VERSION, .. } => {
                Ok(self.version)
            }
            Self { application_id: APPLICATION_ID, version, .. } if version > 0 => {
                let newest = SCHEMA_VERSION;
                Err(StoreError::Unavailable(
                    format!("schema {version} is newer than {newest}: update the app").into(),
                ))
            }
            _ => Err(StoreError::Corrupt("a database, but no store of this crate".into())),
        }
    }
}

/// Settings of this connection, and the journal's mode for all of them; gives the mode
/// that it has.
fn configure(connection: &Connection) -> rusqlite::Result<String> {
    // What is deleted is overwritten with zeros, and nothing goes to files elsewhere.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On Apple's systems a plain fsync leaves the data in the disk's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Or a statement with another LIMIT is planned anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Refused at once, without waiting, while another connection does it too.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
}

/// One step towards the newest schema; gives what is there now.
fn migrate(connection: &mut Connection) -> rusqlite::Result<Found> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    if matches!(Found::read(&transaction)?, Found { version: 0, objects: 0, .. }) {
        transaction.execute_batch(SCHEMA_1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", 1)?;
    }
    let found = Found::read(&transaction)?;
    transaction.commit()?;
    Ok(found)
}

/// Called by SQLite while another connection has the lock; whether to try again.
fn pause(tries: i32) -> bool {
    thread::sleep(PAUSE);
    tries < TRIES
}

/// Tries until no other connection is in the way: some of what SQLite is refused it gives
/// up at once, to avoid a deadlock.
fn patiently<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> Result<T, StoreError> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_in_the_way(&error) && begun.elapsed() < PATIENCE => {
                thread::sleep(PAUSE);
            }
            result => return result.map_err(store_error),
        }
    }
}

fn is_in_the_way(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt(error.into())
        }
        Some(_) => StoreError::Unavailable(error.into()),
        None => match error {
            // Not of SQLite, but of what was found: a value of another type or length.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows => StoreError::Corrupt(error.into()),
            _ => StoreError::Unavailable(error.into()),
        },
    }
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(error.into())
}

fn revision(connection: &Connection) -> rusqlite::Result<Revision> {
    let mut statement = connection.prepare_cached("SELECT revision FROM state WHERE id = 0")?;
    statement.query_row([], |row| row.get(0).map(Revision::from_bytes))
}

/// Begins a transaction that reads; one that was begun before ends.
fn begin(connection: &Connection) -> rusqlite::Result<Revision> {
    end(connection)?;
    connection.prepare_cached("BEGIN")?.execute([])?;
    revision(connection)
}

/// Ends a transaction that reads, if there is one.
fn end(connection: &Connection) -> rusqlite::Result<()> {
    if !connection.is_autocommit() {
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(())
}

fn commit(
    connection: &mut Connection,
    expected: Revision,
    changes: &Changes,
) -> rusqlite::Result<Commit> {
    // Takes the write lock before anything is read: what is read then stays true.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if revision(&transaction)? != expected {
        return Ok(Commit::Conflict);
    }
    {
        let mut put = transaction.prepare_cached(
            "INSERT INTO entries (tab, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?;
        let mut delete =
            transaction.prepare_cached("DELETE FROM entries WHERE tab = ?1 AND key = ?2")?;
        for write in changes.writes() {
            match write {
                Write::Put { table, key, value } => {
                    put.execute(params![table.get(), key, value])?
                }
                Write::Delete { table, key } => delete.execute(params![table.get(), key])?,
            };
        }
        let mut state = transaction.prepare_cached("UPDATE state SET revision = ?1")?;
        state.execute([changes.revision().as_bytes()])?;
    }
    transaction.commit()?;
    Ok(Commit::Done)
}

/// Rewrites the file if it was written to. `secure_delete` alone does not do: when rows
/// move from one page to another, their old places are not overwritten.
fn rewrite(connection: &Connection) -> rusqlite::Result<()> {
    let state = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (revision, tidied): ([u8; 24], [u8; 24]) =
        connection.query_row("SELECT revision, tidied FROM state WHERE id = 0", [], state)?;
    if revision != tidied {
        connection.execute_batch("VACUUM")?;
        connection.execute("UPDATE state SET tidied = ?1", [revision])?;
    }
    Ok(())
}

/// Copies the log into the file and empties it; leaves it to others if they are at work.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

impl Store for SqliteStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.reading();
        patiently(|| {
            let mut statement = connection
                .prepare_cached("SELECT value FROM entries WHERE tab = ?1 AND key = ?2")?;
            statement.query_row(params![table.get(), key], |row| row.get(0)).optional()
        })
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let connection = self.reading();
        patiently(|| {
            let mut statement = connection.prepare_cached(
                "SELECT key, value FROM entries WHERE tab = ?1 AND key >= ?2
                 ORDER BY key LIMIT ?3",
            )?;
            let row = |row: &rusqlite::Row<'_>| Ok(Row::new(row.get(0)?, row.get(1)?));
            statement.query_map(params![table.get(), from, limit], row)?.collect()
        })
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        let connection = self.connection()?;
        patiently(|| revision(&connection))
    }

    fn begin(&self) -> Result<Revision, StoreError> {
        let connection = self.reading();
        patiently(|| begin(&connection))
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        let mut connection = self.connection()?;
        patiently(|| commit(&mut connection, expected, changes))
    }

    fn tidy(&self) -> Result<(), StoreError> {
        let connection = self.connection()?;
        patiently(|| rewrite(&connection))?;
        patiently(|| empty_log(&connection))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        let Ok(connection) = self.connection() else { return };
        // If it fails, whoever opens the file next finds the log and uses it.
        let _ = connection.busy_timeout(CLOSING).and_then(|()| empty_log(&connection));
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore(..)")
    }
}
