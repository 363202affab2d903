//! A store in memory: for tests, and for accounts that end with their process.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Changes, Commit, Revision, Row, RowName, Store, StoreError, Table, Value};

/// A store in memory. A clone is the same store, not a copy of it.
///
/// Nothing of it outlives the process. Values are wiped when they are replaced, when
/// they are deleted, and when the last clone is dropped. No call fails.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<RwLock<State>>);

struct State {
    revision: Revision,
    tables: BTreeMap<Table, Rows>,
}

/// The rows of a table. They are put in order when they are first asked for in order: most
/// tables never are, and a row is found faster without.
#[derive(Clone)]
enum Rows {
    Unordered(HashMap<RowName, Value>),
    Ordered(BTreeMap<RowName, Value>),
}

impl Rows {
    fn get(&self, name: &RowName) -> Option<&Value> {
        match self {
            Self::Unordered(rows) => rows.get(name),
            Self::Ordered(rows) => rows.get(name),
        }
    }

    fn set(&mut self, name: &RowName, value: Option<&Value>) {
        match (self, value) {
            (Self::Unordered(rows), Some(value)) => {
                rows.insert(name.clone(), Arc::clone(value));
            }
            (Self::Unordered(rows), None) => drop(rows.remove(name)),
            (Self::Ordered(rows), Some(value)) => {
                rows.insert(name.clone(), Arc::clone(value));
            }
            (Self::Ordered(rows), None) => drop(rows.remove(name)),
        }
    }

    fn order(&mut self) {
        if let Self::Unordered(rows) = self {
            *self = Self::Ordered(std::mem::take(rows).into_iter().collect());
        }
    }

    /// The first rows from this key on; `None` if they are in no order yet.
    fn page(&self, table: Table, key: &[u8], limit: usize) -> Option<Vec<Row>> {
        let Self::Ordered(rows) = self else { return None };
        let rows = rows.range(RowName::from_on(table, key)).take(limit);
        Some(rows.map(|(name, value)| Row::new(name.key().to_vec(), value.to_vec())).collect())
    }

    #[cfg(any(test, feature = "testing"))]
    fn iter(&self) -> Box<dyn Iterator<Item = (&RowName, &Value)> + '_> {
        match self {
            Self::Unordered(rows) => Box::new(rows.iter()),
            Self::Ordered(rows) => Box::new(rows.iter()),
        }
    }
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
        for (name, value) in state.tables.values().flat_map(Rows::iter) {
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
        self.scan(Table(table), &[], usize::MAX).unwrap_or_default()
    }

    /// Whether these bytes stand in the value of any row.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut values = state.tables.values().flat_map(Rows::iter).map(|(_, value)| value);
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
        let Some(rows) = state.tables.get(&table) else { return Ok(Vec::new()) };
        if let Some(rows) = rows.page(table, from, limit) {
            return Ok(rows);
        }
        drop(state);
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(rows) = state.tables.get_mut(&table) else { return Ok(Vec::new()) };
        rows.order();
        Ok(rows.page(table, from, limit).unwrap_or_default())
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
            let rows = state.tables.entry(name.table());
            let rows = rows.or_insert_with(|| Rows::Unordered(HashMap::new()));
            rows.set(name, value.as_ref());
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
    use crate::crypto::SecretBytes;

    #[test]
    fn a_clone_is_the_same_store_and_nothing_prints() {
        let store = MemoryStore::new();
        let first = Revision::EMPTY.next([1; 16]);
        let mut changes = Changes::new(first);
        let value = Arc::new(SecretBytes::new(b"secret".to_vec()));
        changes.push(RowName::new(Table(1), b"key"), Some(value));
        let clone = store.clone();
        assert_eq!(clone.commit(Revision::EMPTY, &changes).unwrap(), Commit::Done);
        assert_eq!(store.get(Table(1), b"key").unwrap().unwrap(), b"secret");
        assert_eq!(store.commit(Revision::EMPTY, &changes).unwrap(), Commit::Conflict);
        assert_eq!(store.revision().unwrap(), first);
        assert_eq!(format!("{store:?}"), "MemoryStore(..)");
    }
}
