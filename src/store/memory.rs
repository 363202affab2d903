//! A store in memory: for tests, and for accounts that end with their process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Changes, Commit, Revision, Row, RowName, Store, StoreError, Table};
use crate::crypto::SecretBytes;

/// A store in memory. A clone is the same store, not a copy of it.
///
/// Nothing of it outlives the process. Values are wiped when they are replaced, when
/// they are deleted, and when the last clone is dropped. No call fails.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<RwLock<State>>);

struct State {
    revision: Revision,
    /// By table: a search goes through the rows of one alone.
    tables: BTreeMap<Table, BTreeMap<RowName, SecretBytes>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store of its own with the same rows: what a backup of the disk would have.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let State { revision, tables } = &*state;
        Self(Arc::new(RwLock::new(State { revision: *revision, tables: tables.clone() })))
    }

    /// How many rows there are, and how many bytes in them, by table.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn sizes(&self) -> BTreeMap<u8, (usize, usize)> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut sizes = BTreeMap::<u8, (usize, usize)>::new();
        for (name, value) in state.tables.values().flatten() {
            let (rows, bytes) = sizes.entry(name.table().get()).or_default();
            *rows += 1;
            *bytes += name.key().len() + value.len();
        }
        sizes
    }

    /// The rows of the table of that number, in order.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn rows(&self, table: u8) -> Vec<Row> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let rows = state.tables.get(&Table(table)).into_iter().flatten();
        rows.map(|(name, value)| Row::new(name.key().to_vec(), value.to_vec())).collect()
    }

    /// Whether these bytes stand in the value of any row.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut values = state.tables.values().flat_map(BTreeMap::values);
        values.any(|value| value.windows(bytes.len().max(1)).any(|window| window == bytes))
    }
}

// A poisoned lock is of no account: nothing panics between two changes of a commit.
impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let rows = state.tables.get(&table);
        let value = rows.and_then(|rows| rows.get(&RowName::new(table, key)));
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let rows = state.tables.get(&table).into_iter();
        let rows = rows.flat_map(|rows| rows.range(RowName::from_on(table, from)));
        Ok(rows
            .take(limit)
            .map(|(name, value)| Row::new(name.key().to_vec(), value.to_vec()))
            .collect())
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).revision)
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.revision != expected {
            return Ok(Commit::Conflict);
        }
        for (name, value) in changes.rows() {
            let rows = state.tables.entry(name.table()).or_default();
            match value {
                Some(value) => rows.insert(name.clone(), value.clone()),
                None => rows.remove(name),
            };
        }
        state.revision = changes.revision();
        Ok(Commit::Done)
    }
}

impl Default for State {
    fn default() -> Self {
        Self { revision: Revision::EMPTY, tables: BTreeMap::new() }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_store_and_nothing_prints() {
        let store = MemoryStore::new();
        let first = Revision::EMPTY.next([1; 16]);
        let mut changes = Changes::new(first);
        changes.push(RowName::new(Table(1), b"key"), Some(SecretBytes::new(b"secret".to_vec())));
        let clone = store.clone();
        assert_eq!(clone.commit(Revision::EMPTY, &changes).unwrap(), Commit::Done);
        assert_eq!(store.get(Table(1), b"key").unwrap().unwrap(), b"secret");
        assert_eq!(store.commit(Revision::EMPTY, &changes).unwrap(), Commit::Conflict);
        assert_eq!(store.revision().unwrap(), first);
        assert_eq!(format!("{store:?}"), "MemoryStore(..)");
    }
}
