//! A server keeps all its accounts in the database that it has anyway: one table of rows,
//! and one of accounts with the revision of the last commit, which a commit locks.
//!
//! The statements are Postgres's. Here SQLite stands for it, in a file with a connection for
//! each process: it has no `FOR UPDATE`, and locks the whole database instead of a row.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior, params,
};
use subrosa::store::{
    Changes, Commit, Revision, Row, Store, StoreError, Table, Write, check_store,
};
use subrosa::{Content, Received};

use crate::net::{Net, Shown, introduce, open, user};

const TABLES: &str = "
    CREATE TABLE accounts (
        name TEXT PRIMARY KEY,
        revision BYTEA NOT NULL
    );
    CREATE TABLE account_rows (
        account TEXT NOT NULL REFERENCES accounts (name),
        tab SMALLINT NOT NULL,
        key BYTEA NOT NULL,
        value BYTEA NOT NULL,
        PRIMARY KEY (account, tab, key)
    );
";

const NEW: &str = "INSERT INTO accounts (name, revision) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const GET: &str = "SELECT value FROM account_rows WHERE account = $1 AND tab = $2 AND key = $3";
const SCAN: &str = "SELECT key, value FROM account_rows
                    WHERE account = $1 AND tab = $2 AND key >= $3 ORDER BY key LIMIT $4";
const REVISION: &str = "SELECT revision FROM accounts WHERE name = $1";
const LOCK: &str = "SELECT revision FROM accounts WHERE name = $1 FOR UPDATE";
const PUT: &str = "INSERT INTO account_rows (account, tab, key, value) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (account, tab, key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM account_rows WHERE account = $1 AND tab = $2 AND key = $3";
const ADVANCE: &str = "UPDATE accounts SET revision = $2 WHERE name = $1";

/// One account's rows, over a connection of this process.
struct AccountStore {
    connection: Mutex<Connection>,
    account: String,
}

impl AccountStore {
    fn new(connection: Connection, account: &str) -> Result<Self, StoreError> {
        let new = params![account, Revision::EMPTY.as_bytes()];
        prepare(&connection, NEW)
            .and_then(|mut insert| insert.execute(new))
            .map_err(unavailable)?;
        Ok(Self { connection: Mutex::new(connection), account: account.to_owned() })
    }

    /// The connection; what it refuses may work later.
    fn with<R>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<R>,
    ) -> Result<R, StoreError> {
        work(&mut self.connection.lock().unwrap()).map_err(unavailable)
    }

    fn write(&self, transaction: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
        for write in changes.writes() {
            match write {
                Write::Put { table, key, value } => prepare(transaction, PUT)?.execute(params![
                    self.account,
                    table.get(),
                    key,
                    value
                ])?,
                Write::Delete { table, key } => prepare(transaction, DELETE)?.execute(params![
                    self.account,
                    table.get(),
                    key
                ])?,
            };
        }
        let revision = changes.revision();
        let advanced = params![self.account, revision.as_bytes()];
        prepare(transaction, ADVANCE)?.execute(advanced).map(drop)
    }
}

/// A connection was lost, or the server starts again. If it was at a commit, the messenger
/// asks for the revision, and so knows whether it counted.
fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}

impl Store for AccountStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|connection| {
            let row = params![self.account, table.get(), key];
            prepare(connection, GET)?.query_row(row, |row| row.get(0)).optional()
        })
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let rows = params![self.account, table.get(), from, limit];
            let row = |row: &rusqlite::Row<'_>| Ok(Row::new(row.get(0)?, row.get(1)?));
            prepare(connection, SCAN)?.query_map(rows, row)?.collect()
        })
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        self.with(|connection| prepare(connection, REVISION)?.query_row([&self.account], revision))
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        self.with(|connection| {
            // What ends before its commit is rolled back.
            let transaction = begin(connection)?;
            // Whoever else is to commit waits here, until this one has ended.
            if prepare(&transaction, LOCK)?.query_row([&self.account], revision)? != expected {
                return Ok(Commit::Conflict);
            }
            self.write(&transaction, changes)?;
            transaction.commit()?;
            Ok(Commit::Done)
        })
    }
}

fn revision(row: &rusqlite::Row<'_>) -> rusqlite::Result<Revision> {
    row.get(0).map(Revision::from_bytes)
}

/// A transaction; in the model it is this that waits for others.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// A statement, as the model writes it.
fn prepare<'c>(
    connection: &'c Connection,
    statement: &str,
) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(&statement.replace(" FOR UPDATE", "").replace('$', "?"))
}

/// The database server.
struct Database {
    path: PathBuf,
    _open: Connection,
    _folder: tempfile::TempDir,
}

impl Database {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch(TABLES).unwrap();
        Self { path, _open: connection, _folder: folder }
    }

    /// Another process connects.
    fn account(&self, name: &str) -> AccountStore {
        let connection = Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        AccountStore::new(connection, name).unwrap()
    }
}

#[test]
fn each_account_among_others_in_the_same_table_is_a_store() {
    let database = Database::new();
    let mut number = 0;
    let place = || {
        number += 1;
        format!("account {number}")
    };
    check_store(place, |name| database.account(name));
}

#[test]
fn two_processes_that_take_in_one_mailbox_at_the_same_time_tell_each_message_once() {
    let (database, net) = (Database::new(), Net::default());
    let mut alice = open(database.account("alice"), "alice").unwrap();
    let mut bobs = [(); 2].map(|()| open(database.account("bob"), "bob").unwrap());
    introduce(&net, &mut alice, &mut bobs[0]);
    let texts: Vec<String> = (10..40).map(|number| format!("number {number}")).collect();
    for text in &texts {
        alice.send(user("bob"), Content::text(text.as_str())).unwrap();
    }
    net.carry(&mut alice).unwrap();
    let mail = net.waiting(bobs[0].address());
    let opened = thread::scope(|scope| {
        let taken = bobs.each_mut().map(|bob| {
            let mail = &mail;
            scope.spawn(move || {
                let outcomes = mail.iter().map(|envelope| bob.receive(envelope).unwrap());
                outcomes.filter(|outcome| matches!(outcome, Received::Opened(_))).count()
            })
        });
        taken.map(|thread| thread.join().unwrap())
    });
    assert_eq!(opened.iter().sum::<usize>(), texts.len(), "{opened:?}");
    let mut shown = Shown::default();
    shown.read(&mut bobs[1]).unwrap();
    let mut told = shown.texts();
    told.sort();
    assert_eq!(told, texts);
}
