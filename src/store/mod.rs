//! Where an account's state is kept: one trait of four methods, and one write.
//!
//! A store is a set of tables; a table maps keys to values, both bytes. All that the
//! messenger ever keeps is in there, and all that one of its steps
//! changes goes there in a single [`Store::commit`], or not at all.
//!
//! | store | where |
//! | --- | --- |
//! | [`MemoryStore`] | in memory |
//! | `SqliteStore` | in one SQLite file (feature `sqlite`, on by default) |
//! | [`EncryptedStore`] | in any other store, encrypted |
//!
//! ```
//! use subrosa::store::{EncryptedStore, MemoryStore, Revision, Store, StoreKey};
//!
//! let place = MemoryStore::new();
//! // From the system's key store; or `StoreKey::from_passphrase`.
//! let key = StoreKey::from_bytes([7; 32]);
//! let store = EncryptedStore::open(place, key)?;
//! assert_eq!(store.revision()?, Revision::EMPTY);
//! # Ok::<(), subrosa::store::StoreError>(())
//! ```
//!
//! # A store of your own
//!
//! Anything that can replace some rows in one transaction will do. What it has to get
//! right is tried out by `check_store` (feature `testing`), and `FailingStore` lets
//! any of its operations fail.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Mutex;
//!
//! use subrosa::store::{Changes, Commit, Revision, Row, Store, StoreError, Table, Write};
//!
//! type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;
//!
//! struct MapStore(Mutex<(Revision, Rows)>);
//!
//! impl Store for MapStore {
//!     fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
//!         Ok(self.0.lock().unwrap().1.get(&(table, key.to_vec())).cloned())
//!     }
//!
//!     fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
//!         let state = self.0.lock().unwrap();
//!         let rows = state.1.range((table, from.to_vec())..);
//!         let rows = rows.take_while(|((of, _), _)| *of == table).take(limit);
//!         Ok(rows.map(|((_, key), value)| Row::new(key.clone(), value.clone())).collect())
//!     }
//!
//!     fn revision(&self) -> Result<Revision, StoreError> {
//!         Ok(self.0.lock().unwrap().0)
//!     }
//!
//!     fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
//!         let mut state = self.0.lock().unwrap();
//!         if state.0 != expected {
//!             return Ok(Commit::Conflict);
//!         }
//!         state.0 = changes.revision();
//!         for write in changes.writes() {
//!             match write {
//!                 Write::Put { table, key, value } => {
//!                     state.1.insert((table, key.to_vec()), value.to_vec());
//!                 }
//!                 Write::Delete { table, key } => {
//!                     state.1.remove(&(table, key.to_vec()));
//!                 }
//!             }
//!         }
//!         Ok(Commit::Done)
//!     }
//! }
//! ```
//!
//! # Security
//!
//! What is stored is secret: keys, and messages on their way. A store must be durable
//! before `commit` returns, and must refuse a commit that was made from an older
//! revision. A store that forgets a commit, or takes two made from one revision, makes a
//! device say two different things under one message number.

mod changes;
#[cfg(any(test, feature = "testing"))]
mod conformance;
mod encrypted;
#[cfg(any(test, feature = "testing"))]
mod failing;
mod memory;
mod row_name;
mod sealing;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;

pub(crate) use changes::Value;
pub use changes::{Changes, Write};
#[cfg(any(test, feature = "testing"))]
pub use conformance::check_store;
pub use encrypted::EncryptedStore;
#[cfg(any(test, feature = "testing"))]
pub use failing::{FailingStore, Failure};
pub use memory::MemoryStore;
pub(crate) use row_name::RowName;
pub use sealing::StoreKey;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use std::error::Error;
use std::sync::Arc;

/// One account's rows.
///
/// Blocking; shared between threads; may be open in several processes at once. It is
/// object-safe.
pub trait Store: Send + Sync + 'static {
    /// The value at `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage fails; a missing row is `None`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first `limit` rows whose key is `from` or above, in the order of their bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage fails.
    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// The revision of the last commit; [`Revision::EMPTY`] if there was none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage fails.
    fn revision(&self) -> Result<Revision, StoreError>;

    /// As [`Self::revision`], where many rows are read next: what is read from here to the
    /// next call of `begin`, `revision`, [`Self::commit`] or [`Self::tidy`] may all be as it
    /// was in this revision, whatever is committed meanwhile.
    ///
    /// For a database that takes a lock for each read outside of a transaction. What a
    /// store gains nothing by need not be written: it gives the revision.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage fails.
    fn begin(&self) -> Result<Revision, StoreError> {
        self.revision()
    }

    /// If the revision is still `expected`: writes all of `changes`, and
    /// [`Changes::revision`] as the new revision, durably; else nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage fails. Then all may have been written, or nothing,
    /// but never a part: the library asks for the revision to find out.
    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError>;

    /// Called now and then, when there is time: get rid of remains of overwritten
    /// values.
    ///
    /// What a store has nothing to do for need not be written: it does nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the storage fails; rows are as they were in any case.
    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// Everything is written.
    Done,
    /// Somebody else committed first; nothing is written.
    Conflict,
}

/// Why a store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The storage does not work at the moment; the same call may work later.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The storage is damaged, or not opened with the right key.
    #[error("the store is damaged, or this is not its key")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

/// A table of a store, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub(crate) u8);

impl Table {
    /// Its number; the same in every later version.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A row of a table.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; secret.
    pub value: Vec<u8>,
}

impl Row {
    /// A row with this key and value.
    #[must_use]
    pub fn new(key: Vec<u8>, value: Vec<u8>) -> Self {
        Self { key, value }
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({} bytes)", self.value.len())
    }
}

/// Names a state of a store: a counter, and random bytes that no other state shares.
///
/// A store keeps the 24 bytes as they are and compares them whole; it makes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; 24]);

impl Revision {
    /// That of a store in which nothing was ever written.
    pub const EMPTY: Self = Self([0; 24]);

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// The revision with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// How many commits led to it.
    pub(crate) fn count(self) -> u64 {
        let (counter, _) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_be_bytes(*counter)
    }

    /// One that follows this one, with these random bytes.
    pub(crate) fn next(self, random: [u8; 16]) -> Self {
        let counter = self.count().saturating_add(1);
        let mut bytes = [0; 24];
        let (head, tail) = bytes.split_at_mut(8);
        head.copy_from_slice(&counter.to_be_bytes());
        tail.copy_from_slice(&random);
        Self(bytes)
    }
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        (**self).scan(table, from, limit)
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        (**self).revision()
    }

    fn begin(&self) -> Result<Revision, StoreError> {
        (**self).begin()
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        (**self).commit(expected, changes)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        (**self).tidy()
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        (**self).scan(table, from, limit)
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        (**self).revision()
    }

    fn begin(&self) -> Result<Revision, StoreError> {
        (**self).begin()
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        (**self).commit(expected, changes)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        (**self).tidy()
    }
}
