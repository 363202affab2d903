//! A store that keeps count of what is read and written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use subrosa::store::{Changes, Commit, Revision, Row, Store, StoreError, Table, Write};

/// What happened to a store since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of rows that were put, with their keys, and the keys of those that were deleted.
    pub(crate) bytes_written: usize,
    /// What was read and written, if that is kept.
    pub(crate) steps: Vec<Step>,
    /// How long all commits took.
    pub(crate) committing: Duration,
}

/// One call, or one row of a commit.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Get(u8, Vec<u8>),
    Scan(u8, Vec<u8>, usize),
    Put(u8, Vec<u8>, Vec<u8>),
    Delete(u8, Vec<u8>),
}

/// A store, observed. Clones observe together.
#[derive(Clone)]
pub(crate) struct Observed {
    inner: Arc<dyn Store>,
    seen: Arc<Mutex<Seen>>,
    keep_steps: bool,
}

impl Observed {
    /// Counts bytes.
    pub(crate) fn counting(inner: impl Store) -> Self {
        Self { inner: Arc::new(inner), seen: Arc::default(), keep_steps: false }
    }

    /// Keeps every step.
    pub(crate) fn keeping(inner: impl Store) -> Self {
        Self { keep_steps: true, ..Self::counting(inner) }
    }

    /// What happened since this was last called.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, step: impl FnOnce() -> Step) {
        if self.keep_steps {
            self.seen().steps.push(step());
        }
    }
}

impl Store for Observed {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.keep(|| Step::Get(table.get(), key.to_vec()));
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.keep(|| Step::Scan(table.get(), from.to_vec(), limit));
        self.inner.scan(table, from, limit)
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision()
    }

    fn begin(&self) -> Result<Revision, StoreError> {
        self.inner.begin()
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        for write in changes.writes() {
            let (step, bytes) = match write {
                Write::Put { table, key, value } => (
                    self.keep_steps.then(|| Step::Put(table.get(), key.to_vec(), value.to_vec())),
                    key.len() + value.len(),
                ),
                Write::Delete { table, key } => {
                    (self.keep_steps.then(|| Step::Delete(table.get(), key.to_vec())), key.len())
                }
            };
            let mut seen = self.seen();
            seen.bytes_written += bytes;
            seen.steps.extend(step);
        }
        let begun = Instant::now();
        let commit = self.inner.commit(expected, changes);
        self.seen().committing += begun.elapsed();
        commit
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.inner.tidy()
    }
}
