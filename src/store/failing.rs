//! A store that fails on demand.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Changes, Commit, Revision, Row, Store, StoreError, Table};

/// A store around another one, of which one chosen operation fails. A clone is the same
/// store, so a test keeps one while the code under test has the other.
///
/// A test walks through every point of failure: it lets the first operation of what it
/// tests fail, then the second, and so on until none is left to fail
/// ([`Self::has_failed`]). All are counted but `tidy`.
#[derive(Clone)]
pub struct FailingStore(Arc<Shared>);

struct Shared {
    inner: Box<dyn Store>,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    operations: u64,
    /// The operation that is to fail, and how.
    next: Option<(u64, Failure)>,
}

/// What a failing commit has done. What only reads fails alike in both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is written.
    Before,
    /// All is written, unless it is a conflict; only the answer is lost.
    After,
}

impl FailingStore {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(inner: impl Store) -> Self {
        Self(Arc::new(Shared { inner: Box::new(inner), plan: Mutex::default() }))
    }

    /// Lets the `n`th operation from now, 1 being the next, fail with
    /// [`StoreError::Unavailable`]; those before and behind it work. It takes the place
    /// of what was to fail before; 0 lets nothing fail.
    pub fn fail_at(&self, n: u64, failure: Failure) {
        let mut plan = self.plan();
        plan.next = plan.operations.checked_add(n).filter(|_| n > 0).map(|at| (at, failure));
    }

    /// Whether all has failed that was to fail.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.plan().next.is_none()
    }

    /// How many operations there were, those that failed included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.plan().operations
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(
        &self,
        operation: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let failure = {
            let mut plan = self.plan();
            plan.operations = plan.operations.saturating_add(1);
            let now = plan.operations;
            plan.next.take_if(|(at, _)| *at == now).map(|(_, failure)| failure)
        };
        let inner = &*self.0.inner;
        match failure {
            None => operation(inner),
            Some(Failure::Before) => Err(on_demand()),
            Some(Failure::After) => operation(inner).and_then(|_| Err(on_demand())),
        }
    }
}

fn on_demand() -> StoreError {
    StoreError::Unavailable("this failure was asked for".into())
}

impl Store for FailingStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.run(|store| store.get(table, key))
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.run(|store| store.scan(table, from, limit))
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        self.run(|store| store.revision())
    }

    fn begin(&self) -> Result<Revision, StoreError> {
        self.run(|store| store.begin())
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        self.run(|store| store.commit(expected, changes))
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.0.inner.tidy()
    }
}

impl fmt::Debug for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailingStore({} operations)", self.operations())
    }
}
