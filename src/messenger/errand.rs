//! What is to be carried: one queue, each errand saved before it is handed out.

use std::fmt;

use super::work::Work;
use super::{Error, OutgoingId, table};
use crate::address::{Address, DeviceId, UserId};
use crate::group::GroupId;
use crate::wire::stored::messenger as record;
use crate::wire::{MessageId, stored};

/// Something to carry. It is saved: carry it, then call
/// [`outgoing_done`](super::Messenger::outgoing_done). Carrying it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// What names it.
    pub id: OutgoingId,
    /// What is to be done.
    pub action: Action,
}

/// The three errands that an app runs for its messenger.
///
/// Exhaustive on purpose: an app that leaves one out does not compile.
///
/// ```compile_fail,E0004
/// # fn carry(out: &subrosa::Outgoing) {
/// match &out.action {
///     subrosa::Action::Deliver { .. } => {}
///     subrosa::Action::Publish { .. } => {}
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Put these bytes into the mailbox of each of these devices, in any order.
    Deliver {
        /// Whose mailboxes.
        to: Vec<Address>,
        /// What to put there.
        envelope: Vec<u8>,
        /// Whether a push notification is deserved.
        urgency: Urgency,
    },
    /// Give this to the directory, in our name. Only the newest is ever handed out.
    Publish {
        /// What [`directory::read`](crate::directory::read) reads.
        publication: Vec<u8>,
    },
    /// Ask the directory for this user, and give the answer to
    /// [`learn`](super::Messenger::learn): that ends the errand, not
    /// [`outgoing_done`](super::Messenger::outgoing_done).
    Fetch {
        /// Whom to ask for.
        user: UserId,
    },
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver { to, envelope, urgency } => f
                .debug_struct("Deliver")
                .field("to", to)
                .field("bytes", &envelope.len())
                .field("urgency", urgency)
                .finish(),
            Self::Publish { publication } => {
                f.debug_struct("Publish").field("bytes", &publication.len()).finish()
            }
            Self::Fetch { user } => f.debug_struct("Fetch").field("user", user).finish(),
        }
    }
}

/// Whether a push notification is deserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person wrote something.
    Alert,
    /// Receipts, typing, repair: no phone should ring.
    Quiet,
}

/// Why the other end does not take an errand, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such user.
    NoSuchUser,
    /// There are no such devices.
    NoSuchDevices(Vec<Address>),
    /// We are not allowed to.
    Denied,
}

/// An errand's row.
pub(super) enum Errand {
    Deliver {
        to: Address,
        envelope: Vec<u8>,
        urgency: Urgency,
        /// The letter that it carries.
        letter: Option<MessageId>,
    },
    Publish(Vec<u8>),
    Fetch(UserId),
    Group {
        group: GroupId,
        envelope: Vec<u8>,
        message: MessageId,
        /// The row of those who read it, if the group has other readers since.
        readers: Option<Vec<u8>>,
        /// Who gets it: found when it is handed out.
        to: Vec<Address>,
    },
}

impl Errand {
    fn encode(self) -> record::Errand {
        let kind = match self {
            Self::Deliver { to, envelope, urgency, letter } => {
                record::errand::Kind::Deliver(record::Delivery {
                    user_id: to.user.as_bytes().to_vec(),
                    device_id: to.device.get(),
                    envelope,
                    quiet: urgency == Urgency::Quiet,
                    message_id: letter.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
                })
            }
            Self::Publish(publication) => record::errand::Kind::Publish(publication),
            Self::Fetch(user) => record::errand::Kind::Fetch(user.as_bytes().to_vec()),
            Self::Group { group, envelope, message, readers, to: _ } => {
                record::errand::Kind::Group(record::GroupDelivery {
                    group_id: group.as_bytes().to_vec(),
                    envelope,
                    message_id: message.as_bytes().to_vec(),
                    readers,
                })
            }
        };
        record::Errand { kind: Some(kind) }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut raw: record::Errand = stored::decode(bytes, "errand").ok()?;
        Some(match raw.kind.as_mut()? {
            record::errand::Kind::Deliver(raw) => Self::Deliver {
                to: Address {
                    user: UserId::new(&raw.user_id).ok()?,
                    device: DeviceId::new(raw.device_id)?,
                },
                envelope: std::mem::take(&mut raw.envelope),
                urgency: if raw.quiet { Urgency::Quiet } else { Urgency::Alert },
                letter: raw.message_id.as_slice().try_into().ok().map(MessageId::from_bytes),
            },
            record::errand::Kind::Publish(publication) => {
                Self::Publish(std::mem::take(publication))
            }
            record::errand::Kind::Fetch(user) => Self::Fetch(UserId::new(user).ok()?),
            record::errand::Kind::Group(raw) => Self::Group {
                group: GroupId::from_bytes(raw.group_id.as_slice().try_into().ok()?),
                envelope: std::mem::take(&mut raw.envelope),
                message: MessageId::from_bytes(raw.message_id.as_slice().try_into().ok()?),
                readers: raw.readers.take(),
                to: Vec::new(),
            },
        })
    }

    pub(super) fn into_action(self) -> Action {
        match self {
            Self::Deliver { to, envelope, urgency, letter: _ } => {
                Action::Deliver { to: vec![to], envelope, urgency }
            }
            Self::Publish(publication) => Action::Publish { publication },
            Self::Fetch(user) => Action::Fetch { user },
            Self::Group { envelope, to, .. } => {
                Action::Deliver { to, envelope, urgency: Urgency::Alert }
            }
        }
    }
}

impl Work<'_> {
    /// Puts an errand at the end of the queue.
    pub(super) fn add_errand(&mut self, errand: Errand) -> OutgoingId {
        let id = self.new_outgoing_id();
        self.view.put(table::ERRANDS, id.as_bytes().to_vec(), stored::encode(&errand.encode()));
        id
    }

    /// The errand with this id, if it is still to be run.
    pub(super) fn errand(&self, id: OutgoingId) -> Result<Option<Errand>, Error> {
        let row = self.view.get(table::ERRANDS, id.as_bytes())?;
        Ok(row.and_then(|row| Errand::decode(&row)))
    }

    /// An errand has been run. A fetch ends when its answer is learnt.
    pub(super) fn errand_done(&mut self, id: OutgoingId) -> Result<(), Error> {
        match self.errand(id)? {
            None | Some(Errand::Fetch(_)) => return Ok(()),
            Some(Errand::Publish(_)) => {}
            Some(Errand::Group { group, message, .. }) => self.carried_to_group(group, message)?,
            Some(Errand::Deliver { letter, .. }) => {
                if let Some(letter) = letter {
                    self.carried(letter)?;
                }
            }
        }
        self.drop_errand(id);
        Ok(())
    }

    pub(super) fn drop_errand(&mut self, id: OutgoingId) {
        self.view.delete(table::ERRANDS, id.as_bytes().to_vec());
    }

    /// A group has other readers from now on: what was sent before goes to these.
    pub(super) fn address_errands(&mut self, group: &GroupId, to: &[u8]) -> Result<(), Error> {
        let mut from = Vec::new();
        loop {
            let page = self.view.scan(table::ERRANDS, &from, 64)?;
            for (key, row) in &page {
                if let Ok(mut raw) = stored::decode::<record::Errand>(row, "errand")
                    && let Some(record::errand::Kind::Group(of_group)) = &mut raw.kind
                    && of_group.group_id == group.as_bytes()
                    && of_group.readers.is_none()
                {
                    of_group.readers = Some(to.to_vec());
                    self.view.put(table::ERRANDS, key.clone(), stored::encode(&raw));
                }
            }
            let Some((last, _)) = page.last() else { return Ok(()) };
            from.clone_from(last);
            from.push(0);
        }
    }

    /// The first errand whose id is `from` or above, with its id. One that is damaged is
    /// passed over: nothing can be done with it.
    pub(super) fn errand_from(&self, from: &[u8]) -> Result<Option<(OutgoingId, Errand)>, Error> {
        let mut from = from.to_vec();
        loop {
            let Some((key, row)) = self.view.scan(table::ERRANDS, &from, 1)?.pop() else {
                return Ok(None);
            };
            if let (Some(id), Some(errand)) = (OutgoingId::from_key(&key), Errand::decode(&row)) {
                return Ok(Some((id, errand)));
            }
            from = key;
            from.push(0);
        }
    }
}
