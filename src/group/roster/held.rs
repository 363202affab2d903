//! Changes that wait for something that they name.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Change;
use crate::identity::DeviceList;

/// The most changes that wait for something that they name; then the oldest goes.
///
/// Who was away sees whole branches at once, each change after its parents; what comes in
/// another order waits for minutes. 1,024 changes are more than anybody misses singly, and
/// at most 20 MiB with their lists.
pub const MAX_HELD: usize = 1_024;

/// A change that has not been verified, and the list that came with it, which has.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) change: Change,
    pub(super) list: Option<Arc<DeviceList>>,
}

/// What waits, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(VecDeque<Pending>);

impl Held {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.0.push_back(pending);
        if self.0.len() > MAX_HELD {
            self.0.pop_front();
        }
    }

    pub(super) fn take(&mut self) -> Vec<Pending> {
        std::mem::take(&mut self.0).into()
    }
}
