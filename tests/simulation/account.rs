//! A person's app: its database, which is as durable as the messenger's store.

use std::collections::{BTreeMap, BTreeSet};

use subrosa::{EventId, EventKind, MessageId, Status, UserId};

/// What an app has in a database of its own. It is restored and copied with the store, as
/// both are on one disk.
#[derive(Clone, Default)]
pub(crate) struct Database {
    events: BTreeSet<EventId>,
    /// What was shown, and whose it is.
    pub(crate) shown: BTreeMap<MessageId, UserId>,
    /// Messages of its own whose `send` gave `Ok`, and to whom.
    pub(crate) promised: BTreeMap<MessageId, UserId>,
    /// Messages of its own of which it was told that they failed.
    pub(crate) failed: BTreeSet<MessageId>,
    /// How many messages it was told are lost, by sender.
    pub(crate) lost: BTreeMap<UserId, u64>,
    /// Of which devices it was told that they fall back.
    pub(crate) fallen_back: BTreeSet<UserId>,
    pub(crate) restored: usize,
    /// Who has asked and has no answer yet.
    pub(crate) requests: BTreeSet<UserId>,
    /// What may be marked as read.
    pub(crate) unread: Vec<(UserId, MessageId)>,
}

impl Database {
    /// Takes an event, once.
    pub(crate) fn take(&mut self, id: EventId, kind: EventKind) {
        if !self.events.insert(id) {
            return;
        }
        match kind {
            EventKind::Message(message) => self.show(message.id, message.from),
            EventKind::Request(message) => {
                self.requests.insert(message.from.clone());
                self.show(message.id, message.from);
            }
            EventKind::Status { message, status: Status::Failed(..), .. } => {
                self.failed.insert(message);
            }
            EventKind::Lost { from, count } => *self.lost.entry(from.user).or_default() += count,
            EventKind::DeviceRestored { device } => drop(self.fallen_back.insert(device.user)),
            EventKind::Restored => self.restored += 1,
            _ => {}
        }
    }

    fn show(&mut self, id: MessageId, from: UserId) {
        let before = self.shown.insert(id, from.clone());
        assert!(before.is_none(), "{id:?} was shown under two event ids");
        self.unread.push((from, id));
    }
}
