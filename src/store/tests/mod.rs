//! What the stores promise, tried out.

use super::{FailingStore, MemoryStore, check_store};

#[test]
fn a_memory_store_is_a_store() {
    check_store(MemoryStore::new, MemoryStore::clone);
    check_store(|| FailingStore::new(MemoryStore::new()), FailingStore::clone);
}
