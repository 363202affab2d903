//! A person's app on one device: its database, which is as durable as the messenger's
//! store.

use std::collections::{BTreeMap, BTreeSet};

use subrosa::{
    Address, Conversation, DeviceId, EventId, EventKind, GroupId, Message, MessageId, Status,
    UserId,
};

/// A message whose `send` gave `Ok`.
#[derive(Clone)]
pub(crate) struct Promise {
    pub(crate) to: UserId,
    /// The devices of its receiver that the sender knew when it sent it; if it knew none,
    /// those that it came to know first. (What is sent by an older list goes to the devices
    /// of that list: nobody knows of another one.)
    pub(crate) devices: Option<Vec<DeviceId>>,
    /// The sender's other devices of which its app had been told.
    pub(crate) own_devices: Vec<DeviceId>,
}

/// What was said in a group.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) group: GroupId,
    /// When, by the count of what was said in groups.
    pub(crate) moment: u64,
    /// To whom: all members, by the roster of the sender; itself first.
    pub(crate) promises: Vec<Promise>,
}

/// What an app has in a database of its own. It is restored and copied with the store, as
/// both are on one disk.
#[derive(Clone)]
pub(crate) struct Database {
    address: Address,
    events: BTreeSet<EventId>,
    /// What was shown, and whose it is.
    pub(crate) shown: BTreeMap<MessageId, UserId>,
    /// What was written on other devices of the same person, and shown.
    pub(crate) own_shown: BTreeSet<MessageId>,
    pub(crate) promised: BTreeMap<MessageId, Promise>,
    pub(crate) said: BTreeMap<MessageId, Said>,
    /// Who ever was in a group, as far as it has seen.
    pub(crate) members: BTreeMap<GroupId, BTreeSet<UserId>>,
    /// In which groups it takes part, as it has seen last.
    pub(crate) takes_part: BTreeSet<GroupId>,
    /// Promises of which it is not known yet to which devices they go.
    pub(crate) unaddressed: BTreeSet<MessageId>,
    /// Messages of its own of which it was told that they failed.
    pub(crate) failed: BTreeSet<MessageId>,
    /// How many messages it was told are lost, by sender.
    pub(crate) lost: BTreeMap<Address, u64>,
    /// Of which devices it was told that they fall back.
    pub(crate) fallen_back: BTreeSet<UserId>,
    pub(crate) restored: usize,
    /// Who has asked and has no answer yet.
    pub(crate) requests: BTreeSet<UserId>,
    /// What may be marked as read.
    pub(crate) unread: Vec<(UserId, MessageId)>,
    /// The devices of this person, as told; this one is among them once it is listed.
    pub(crate) own_devices: BTreeSet<DeviceId>,
    /// Those that were taken off.
    pub(crate) gone: BTreeSet<DeviceId>,
}

impl Database {
    /// An empty one, of a device that knows of these devices of its person.
    pub(crate) fn new(address: Address, own_devices: BTreeSet<DeviceId>) -> Self {
        Self {
            address,
            events: BTreeSet::new(),
            shown: BTreeMap::new(),
            own_shown: BTreeSet::new(),
            promised: BTreeMap::new(),
            said: BTreeMap::new(),
            members: BTreeMap::new(),
            takes_part: BTreeSet::new(),
            unaddressed: BTreeSet::new(),
            failed: BTreeSet::new(),
            lost: BTreeMap::new(),
            fallen_back: BTreeSet::new(),
            restored: 0,
            requests: BTreeSet::new(),
            unread: Vec::new(),
            own_devices,
            gone: BTreeSet::new(),
        }
    }

    /// Whose it is.
    pub(crate) fn user(&self) -> &UserId {
        &self.address.user
    }

    /// Whether it was told that its device is on the list.
    pub(crate) fn is_listed(&self) -> bool {
        self.own_devices.contains(&self.address.device)
    }

    /// The other devices of its person.
    pub(crate) fn others(&self) -> Vec<DeviceId> {
        let others = self.own_devices.iter().copied();
        others.filter(|device| *device != self.address.device).collect()
    }

    /// Takes an event, once.
    pub(crate) fn take(&mut self, id: EventId, kind: EventKind) {
        if !self.events.insert(id) {
            return;
        }
        match kind {
            EventKind::Message(message) => self.show(message),
            EventKind::Request(message) => {
                self.requests.insert(message.from.clone());
                self.show(message);
            }
            EventKind::OwnMessage(message) => {
                assert_eq!(message.from, self.address.user, "somebody else's message as our own");
                assert!(
                    self.own_shown.insert(message.id),
                    "{:?} of ours was shown under two event ids",
                    message.id
                );
            }
            EventKind::Status { message, status: Status::Failed(..), .. } => {
                self.failed.insert(message);
            }
            EventKind::Lost { from, count } => *self.lost.entry(from).or_default() += count,
            EventKind::DeviceRestored { device } => drop(self.fallen_back.insert(device.user)),
            EventKind::Restored => self.restored += 1,
            EventKind::DevicesChanged { user, added, removed } if user == self.address.user => {
                self.own_devices.extend(added);
                self.own_devices.retain(|device| !removed.contains(device));
                self.gone.extend(removed);
            }
            EventKind::Equivocation { user } => panic!("two lists of {user}"),
            EventKind::IdentityChanged { user, .. } => panic!("two accounts of {user}"),
            _ => {}
        }
    }

    fn show(&mut self, message: Message) {
        let Message { id, from, conversation, .. } = message;
        assert_ne!(from, self.address.user, "our own message as somebody else's");
        let before = self.shown.insert(id, from.clone());
        assert!(before.is_none(), "{id:?} was shown under two event ids");
        if matches!(conversation, Conversation::User(_)) {
            self.unread.push((from, id));
        }
    }
}
