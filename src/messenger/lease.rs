//! What has been handed out and is not done: it comes again, after a pause that grows.
//!
//! In memory only: what is open when the process ends comes again when the store is
//! opened.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::timestamp::Timestamp;

/// The first pause; then each twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy)]
struct Lease {
    until: Timestamp,
    pause: Duration,
}

/// What has been handed out, by id; and up to where the queue has been handed out.
#[derive(Debug)]
pub(super) struct Leases<Id> {
    out: HashMap<Id, Lease>,
    /// The newest that was handed out.
    cursor: Option<Id>,
}

impl<Id: Copy + Eq + Ord + Hash> Leases<Id> {
    pub(super) fn new() -> Self {
        Self { out: HashMap::new(), cursor: None }
    }

    /// Behind which id the queue goes on.
    pub(super) fn cursor(&self) -> Option<Id> {
        self.cursor
    }

    /// Whether this one is out, its pause not over.
    pub(super) fn is_out(&self, id: Id, now: Timestamp) -> bool {
        // A clock that went back ends every pause.
        self.out
            .get(&id)
            .is_some_and(|lease| now < lease.until && lease.until.since(now) <= LAST_PAUSE)
    }

    /// Goes on behind one that is out.
    pub(super) fn pass(&mut self, id: Id) {
        self.cursor = Some(self.cursor.map_or(id, |cursor| cursor.max(id)));
    }

    /// Hands one out.
    pub(super) fn hand_out(&mut self, id: Id, now: Timestamp) {
        let pause = self
            .out
            .get(&id)
            .map_or(FIRST_PAUSE, |lease| lease.pause.saturating_mul(2).min(LAST_PAUSE));
        self.out.insert(id, Lease { until: now.after(pause), pause });
        self.pass(id);
    }

    /// Those whose pause is over, oldest first.
    pub(super) fn over(&self, now: Timestamp) -> Vec<Id> {
        let mut over: Vec<_> =
            self.out.keys().copied().filter(|id| !self.is_out(*id, now)).collect();
        over.sort_unstable();
        over
    }

    /// When the next pause is over.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.out.values().map(|lease| lease.until).min()
    }

    /// This one is done, or gone.
    pub(super) fn done(&mut self, id: Id) {
        self.out.remove(&id);
    }

    /// Every pause is over.
    pub(super) fn end_pauses(&mut self) {
        self.out.clear();
        self.cursor = None;
    }
}
