//! SQLite without a store around it: the floor of what a store costs.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::observed::Step;

const GET: &str = "SELECT value FROM entries WHERE tab = ?1 AND key = ?2";
const SCAN: &str =
    "SELECT key, value FROM entries WHERE tab = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
const PUT: &str = "INSERT INTO entries (tab, key, value) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM entries WHERE tab = ?1 AND key = ?2";

/// A connection with the settings of the store's.
pub(crate) struct BareSqlite(Connection);

impl BareSqlite {
    /// A new file with the table that the store has.
    pub(crate) fn create(path: &Path) -> Self {
        let connection = Connection::open(path).expect("a folder to write to");
        let table = "CREATE TABLE entries (
            tab INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
            PRIMARY KEY (tab, key)
        ) STRICT, WITHOUT ROWID";
        connection.execute_batch(table).expect("an empty file");
        drop(connection);
        Self::open(path)
    }

    /// A file that has the table.
    pub(crate) fn open(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).expect("a database");
        let set = |name, value: &str| {
            connection.pragma_update(None, name, value).expect("a setting of SQLite");
        };
        set("secure_delete", "ON");
        set("temp_store", "MEMORY");
        set("synchronous", "FULL");
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        assert_eq!(mode.expect("a local disk"), "wal");
        Self(connection)
    }

    /// Reads what these steps read; how many bytes there were.
    pub(crate) fn read(&self, steps: &[Step]) -> usize {
        let mut get = self.0.prepare_cached(GET).expect("valid SQL");
        let mut scan = self.0.prepare_cached(SCAN).expect("valid SQL");
        let mut bytes = 0;
        for step in steps {
            match step {
                Step::Get(table, key) => {
                    let mut rows = get.query(params![table, key]).expect("a database");
                    while let Some(row) = rows.next().expect("a database") {
                        bytes += row.get::<_, Vec<u8>>(0).expect("a blob").len();
                    }
                }
                Step::Scan(table, from, limit) => {
                    let limit = i64::try_from(*limit).expect("a small limit");
                    let mut rows = scan.query(params![table, from, limit]).expect("a database");
                    while let Some(row) = rows.next().expect("a database") {
                        bytes += row.get::<_, Vec<u8>>(0).expect("a blob").len();
                        bytes += row.get::<_, Vec<u8>>(1).expect("a blob").len();
                    }
                }
                Step::Put(..) | Step::Delete(..) => {}
            }
        }
        bytes
    }

    /// Writes what these steps wrote, in one transaction.
    pub(crate) fn write(&mut self, steps: &[Step]) {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.expect("nobody else writes");
        {
            let mut put = transaction.prepare_cached(PUT).expect("valid SQL");
            let mut delete = transaction.prepare_cached(DELETE).expect("valid SQL");
            for step in steps {
                match step {
                    Step::Put(table, key, value) => put.execute(params![table, key, value]),
                    Step::Delete(table, key) => delete.execute(params![table, key]),
                    Step::Get(..) | Step::Scan(..) => continue,
                }
                .expect("room on the disk");
            }
        }
        transaction.commit().expect("room on the disk");
    }
}
