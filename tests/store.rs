//! A store written by someone else, on the public interface alone.
#![cfg(feature = "testing")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use subrosa::store::{
    Changes, Commit, EncryptedStore, FailingStore, Failure, MemoryStore, Revision, Row, Store,
    StoreError, StoreKey, Table, Write, check_store,
};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// The one of the documentation, and its mistakes.
#[derive(Clone)]
struct MapStore {
    state: Arc<Mutex<(Revision, Rows)>>,
    mistake: Mistake,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    TakesAnyRevision,
    KeepsItsRevision,
    ForgetsDeletes,
    ScansPastTheTable,
    ScansWithoutTheFirst,
    ScansBackwards,
    IgnoresTheLimit,
    CutsValues,
    WritesBeforeItCompares,
}

impl MapStore {
    fn new(mistake: Mistake) -> Self {
        Self { state: Arc::new(Mutex::new((Revision::EMPTY, Rows::new()))), mistake }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }
}

impl Store for MapStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state.lock().unwrap().1.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let limit = if self.has(Mistake::IgnoresTheLimit) { usize::MAX } else { limit };
        let state = self.state.lock().unwrap();
        let rows = state.1.range((table, from.to_vec())..);
        let rows = rows.skip(usize::from(self.has(Mistake::ScansWithoutTheFirst)));
        let all = self.has(Mistake::ScansPastTheTable);
        let rows = rows.take_while(|((of, _), _)| all || *of == table).take(limit);
        let mut rows: Vec<Row> =
            rows.map(|((_, key), value)| Row::new(key.clone(), value.clone())).collect();
        if self.has(Mistake::ScansBackwards) {
            rows.reverse();
        }
        Ok(rows)
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.state.lock().unwrap().0)
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        let mut state = self.state.lock().unwrap();
        let conflict = state.0 != expected && !self.has(Mistake::TakesAnyRevision);
        if conflict && !self.has(Mistake::WritesBeforeItCompares) {
            return Ok(Commit::Conflict);
        }
        for write in changes.writes() {
            match write {
                Write::Put { table, key, value } => {
                    let cut = if self.has(Mistake::CutsValues) { 65_536 } else { usize::MAX };
                    let value = value.iter().copied().take(cut).collect();
                    state.1.insert((table, key.to_vec()), value);
                }
                Write::Delete { .. } if self.has(Mistake::ForgetsDeletes) => {}
                Write::Delete { table, key } => {
                    state.1.remove(&(table, key.to_vec()));
                }
            }
        }
        if conflict {
            return Ok(Commit::Conflict);
        }
        if !self.has(Mistake::KeepsItsRevision) {
            state.0 = changes.revision();
        }
        Ok(Commit::Done)
    }
}

#[test]
fn a_store_of_ones_own_passes_the_suite() {
    check_store(|| MapStore::new(Mistake::None), MapStore::clone);
}

#[test]
fn the_suite_finds_every_mistake() {
    for mistake in [
        Mistake::TakesAnyRevision,
        Mistake::KeepsItsRevision,
        Mistake::ForgetsDeletes,
        Mistake::ScansPastTheTable,
        Mistake::ScansWithoutTheFirst,
        Mistake::ScansBackwards,
        Mistake::IgnoresTheLimit,
        Mistake::CutsValues,
        Mistake::WritesBeforeItCompares,
    ] {
        let found = std::panic::catch_unwind(|| {
            check_store(|| MapStore::new(mistake), MapStore::clone);
        });
        assert!(found.is_err(), "{mistake:?} was not found");
    }
}

#[test]
fn the_suite_finds_a_store_that_forgets_what_was_committed_when_it_is_closed() {
    let found = std::panic::catch_unwind(|| check_store(|| (), |()| MemoryStore::new()));
    assert!(found.is_err());
}

#[test]
fn stores_stack() {
    let inner = FailingStore::new(MapStore::new(Mistake::None));
    inner.fail_at(1, Failure::Before);
    let key = || StoreKey::from_bytes([1; 32]);
    assert!(matches!(EncryptedStore::open(inner.clone(), key()), Err(StoreError::Unavailable(_))));
    let store: Box<dyn Store> = Box::new(EncryptedStore::open(inner.clone(), key()).unwrap());
    assert_eq!(store.revision().unwrap(), Revision::EMPTY);
    store.tidy().unwrap();
    check_store(
        || MapStore::new(Mistake::None),
        |place| EncryptedStore::open(place.clone(), key()).unwrap(),
    );
}
