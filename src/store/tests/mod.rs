//! What the stores promise, tried out.

mod encrypted;
mod failing;
#[cfg(feature = "sqlite")]
mod processes;
#[cfg(feature = "sqlite")]
mod sqlite;

use super::conformance::{Change, changes};
use super::{
    Commit, EncryptedStore, MemoryStore, Revision, RowName, Store, StoreKey, Table, check_store,
};

const TABLE: Table = Table(1);

/// Writes this; nobody else may be writing.
fn write(store: &dyn Store, writes: &[Change<'_>]) -> Revision {
    let before = store.revision().unwrap();
    let changes = changes(before, writes);
    assert_eq!(store.commit(before, &changes).unwrap(), Commit::Done);
    changes.revision()
}

fn key() -> StoreKey {
    StoreKey::from_bytes([5; 32])
}

#[test]
fn a_memory_store_is_a_store() {
    check_store(MemoryStore::new, MemoryStore::clone);
}

#[test]
fn a_boxed_and_a_shared_store_are_stores() {
    check_store(MemoryStore::new, |place| Box::new(place.clone()) as Box<dyn Store>);
    check_store(MemoryStore::new, |place| std::sync::Arc::new(place.clone()));
}

#[test]
fn an_encrypted_store_is_a_store() {
    check_store(MemoryStore::new, |place| EncryptedStore::open(place.clone(), key()).unwrap());
}
