//! A store in memory: for tests, and for accounts that end with their process.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Changes, Commit, Revision, Row, Store, StoreError, Table, Write};
use crate::crypto::SecretBytes;

/// A store in memory. A clone is the same store, not a copy of it.
///
/// Nothing of it outlives the process. Values are wiped when they are replaced, when
/// they are deleted, and when the last clone is dropped. No call fails.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<RwLock<State>>);

struct State {
    revision: Revision,
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, SecretBytes>>,
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
        let copy = |(table, rows): (&Table, &BTreeMap<Vec<u8>, SecretBytes>)| {
            let rows = rows.iter().map(|(key, value)| (key.clone(), value.clone()));
            (*table, rows.collect())
        };
        let tables = state.tables.iter().map(copy).collect();
        Self(Arc::new(RwLock::new(State { revision: state.revision, tables })))
    }

    /// How many rows there are, and how many bytes in them, by table.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn sizes(&self) -> BTreeMap<u8, (usize, usize)> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let size = |(table, rows): (&Table, &BTreeMap<Vec<u8>, SecretBytes>)| {
            let bytes = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
            (table.get(), (rows.len(), bytes))
        };
        state.tables.iter().map(size).collect()
    }
}

// A poisoned lock is of no account: nothing panics between two changes of a commit.
impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let value = state.tables.get(&table).and_then(|rows| rows.get(key));
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(rows) = state.tables.get(&table) else { return Ok(Vec::new()) };
        let rows = rows.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        Ok(rows.take(limit).map(|(key, value)| Row::new(key.clone(), value.to_vec())).collect())
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).revision)
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.revision != expected {
            return Ok(Commit::Conflict);
        }
        for write in changes.writes() {
            match write {
                Write::Put { table, key, value } => {
                    let value = SecretBytes::new(value.to_vec());
                    let rows = state.tables.entry(table).or_default();
                    match rows.get_mut(key) {
                        Some(place) => *place = value,
                        None => drop(rows.insert(key.to_vec(), value)),
                    }
                }
                Write::Delete { table, key } => {
                    if let Some(rows) = state.tables.get_mut(&table) {
                        rows.remove(key);
                    }
                }
            }
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
        changes.push(Table(1), b"key".to_vec(), Some(SecretBytes::new(b"secret".to_vec())));
        let clone = store.clone();
        assert_eq!(clone.commit(Revision::EMPTY, &changes).unwrap(), Commit::Done);
        assert_eq!(store.get(Table(1), b"key").unwrap().unwrap(), b"secret");
        assert_eq!(store.commit(Revision::EMPTY, &changes).unwrap(), Commit::Conflict);
        assert_eq!(store.revision().unwrap(), first);
        assert_eq!(format!("{store:?}"), "MemoryStore(..)");
    }
}
