//! What happened: durable, told again until the app says that it has it.

use std::time::Duration;

use super::event::{EmojiEnd, Event, EventKind, FailReason, Message, Status};
use super::groups::{GroupHappening, decode_group, decode_invitation};
use super::work::Work;
use super::{Conversation, Error, EventId, table};
use crate::address::{Address, DeviceId, UserId};
use crate::content::{Frame, Said, Typing};
use crate::group::GroupId;
use crate::identity::{AccountKey, Emoji};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger as record;
use crate::wire::{MessageId, stored};

/// How long it is news that somebody is typing.
const TYPING_LASTS: Duration = Duration::from_secs(30);

/// How far another's clock may be ahead of ours: those of phones and computers are set by
/// the network, and are off by seconds, or by hours where somebody has set the time zone
/// wrong.
const CLOCKS_APART: Duration = Duration::from_secs(24 * 60 * 60);

/// An event's row.
pub(super) enum Happening {
    Message(Arrival),
    Request(Arrival),
    OwnMessage(Arrival),
    Status { message: MessageId, group: Option<GroupId>, user: UserId, status: StatusCode },
    Lost { from: Address, count: u64 },
    IdentityChanged { user: UserId, key: AccountKey, was_verified: bool },
    Equivocation(UserId),
    DevicesChanged { user: UserId, added: Vec<DeviceId>, removed: Vec<DeviceId> },
    DeviceRestored(Address),
    Restored,
    NoBackup,
    Typing { user: UserId, typing: Typing, at: Timestamp },
    Group(GroupHappening),
    CompareEmoji { user: UserId, emoji: Emoji },
    Verified(UserId),
    EmojiEnded { user: UserId, reason: EmojiEnd },
    ReadElsewhere { author: UserId, messages: Vec<MessageId> },
    Disappeared { author: UserId, message: MessageId },
}

/// A message that has come, its content as it came.
pub(super) struct Arrival {
    pub(super) id: MessageId,
    pub(super) conversation: Conversation,
    pub(super) device: Address,
    pub(super) content: Vec<u8>,
}

/// A [`Status`], but for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusCode {
    Sent,
    Delivered,
    Read,
    Held,
    NoSuchUser,
    Refused,
    Expired,
    Viewed,
}

impl StatusCode {
    const ALL: [Self; 8] = [
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Held,
        Self::NoSuchUser,
        Self::Refused,
        Self::Expired,
        Self::Viewed,
    ];

    fn number(self) -> u32 {
        (0..).zip(Self::ALL).find(|(_, code)| *code == self).map_or(0, |(number, _)| number)
    }

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    fn to_status(self, user: &UserId) -> Status {
        let user = user.clone();
        match self {
            Self::Sent => Status::Sent,
            Self::Delivered => Status::Delivered(user),
            Self::Read => Status::Read(user),
            Self::Viewed => Status::Viewed(user),
            Self::Held => Status::Held(user),
            Self::NoSuchUser => Status::Failed(user, FailReason::NoSuchUser),
            Self::Refused => Status::Failed(user, FailReason::Refused),
            Self::Expired => Status::Failed(user, FailReason::Expired),
        }
    }
}

const fn number_of_end(reason: EmojiEnd) -> u32 {
    match reason {
        EmojiEnd::Cancelled => 0,
        EmojiEnd::Expired => 1,
        EmojiEnd::Mismatch => 2,
        EmojiEnd::IdentityChanged => 3,
    }
}

const fn end_of_number(number: u32) -> Option<EmojiEnd> {
    Some(match number {
        0 => EmojiEnd::Cancelled,
        1 => EmojiEnd::Expired,
        2 => EmojiEnd::Mismatch,
        3 => EmojiEnd::IdentityChanged,
        _ => return None,
    })
}

fn arrival_record(arrival: Arrival) -> record::Arrival {
    let Arrival { id, conversation, device, content } = arrival;
    let (conversation, group_id) = match conversation {
        Conversation::User(user) => (user.as_bytes().to_vec(), Vec::new()),
        Conversation::Group(group) => (Vec::new(), group.as_bytes().to_vec()),
    };
    record::Arrival {
        message_id: id.as_bytes().to_vec(),
        conversation,
        group_id,
        user_id: device.user.as_bytes().to_vec(),
        device_id: device.device.get(),
        content,
    }
}

fn ids(devices: &[DeviceId]) -> Vec<u32> {
    devices.iter().map(|id| id.get()).collect()
}

impl Happening {
    fn encode(self) -> record::Event {
        use record::event::Kind;
        let kind = match self {
            Self::Message(arrival) => Kind::Message(arrival_record(arrival)),
            Self::Request(arrival) => Kind::Request(arrival_record(arrival)),
            Self::OwnMessage(arrival) => Kind::OwnMessage(arrival_record(arrival)),
            Self::Group(happening) => happening.encode(),
            Self::Status { message, group, user, status } => Kind::Status(record::StatusChange {
                message_id: message.as_bytes().to_vec(),
                conversation: user.as_bytes().to_vec(),
                group_id: group.map(|group| group.as_bytes().to_vec()).unwrap_or_default(),
                status: status.number(),
            }),
            Self::Lost { from, count } => Kind::Lost(record::LostMessages {
                user_id: from.user.as_bytes().to_vec(),
                device_id: from.device.get(),
                count,
            }),
            Self::IdentityChanged { user, key, was_verified } => {
                Kind::IdentityChanged(record::IdentityChange {
                    user_id: user.as_bytes().to_vec(),
                    account_key: key.as_bytes().to_vec(),
                    was_verified,
                })
            }
            Self::Equivocation(user) => Kind::Equivocation(user.as_bytes().to_vec()),
            Self::DevicesChanged { user, added, removed } => {
                Kind::DevicesChanged(record::DeviceChange {
                    user_id: user.as_bytes().to_vec(),
                    added: ids(&added),
                    removed: ids(&removed),
                })
            }
            Self::DeviceRestored(device) => Kind::DeviceRestored(record::DeviceRepeats {
                user_id: device.user.as_bytes().to_vec(),
                device_id: device.device.get(),
            }),
            Self::CompareEmoji { user, emoji } => Kind::CompareEmoji(record::EmojiShown {
                user_id: user.as_bytes().to_vec(),
                numbers: emoji.to_numbers().to_vec(),
            }),
            Self::Verified(user) => Kind::Verified(user.as_bytes().to_vec()),
            Self::EmojiEnded { user, reason } => Kind::EmojiEnded(record::EmojiEnd {
                user_id: user.as_bytes().to_vec(),
                reason: number_of_end(reason),
            }),
            Self::ReadElsewhere { author, messages } => {
                Kind::ReadElsewhere(record::ReadElsewhere {
                    user_id: author.as_bytes().to_vec(),
                    message_ids: messages.iter().flat_map(|id| *id.as_bytes()).collect(),
                })
            }
            Self::Disappeared { author, message } => Kind::Disappeared(record::Disappearance {
                user_id: author.as_bytes().to_vec(),
                message_id: message.as_bytes().to_vec(),
            }),
            Self::Restored => Kind::Restored(true),
            Self::NoBackup => Kind::NoBackup(true),
            Self::Typing { user, typing, at } => Kind::Typing(record::TypingNotice {
                user_id: user.as_bytes().to_vec(),
                stopped: typing == Typing::Stopped,
                at: at.as_millis(),
            }),
        };
        record::Event { kind: Some(kind) }
    }
}

fn message(raw: &record::Arrival, now: Timestamp) -> Option<Message> {
    let device = address(&raw.user_id, raw.device_id)?;
    let Frame { sent_at, said } = Frame::decode(&raw.content);
    let Said::Content(content) = said else { return None };
    Some(Message {
        id: MessageId::from_bytes(raw.message_id.as_slice().try_into().ok()?),
        conversation: conversation(&raw.group_id, &raw.conversation)?,
        from: device.user.clone(),
        device,
        sent_at,
        from_the_future: sent_at > now.after(CLOCKS_APART),
        content,
    })
}

fn conversation(group: &[u8], other: &[u8]) -> Option<Conversation> {
    Some(match group.try_into() {
        Ok(group) => Conversation::Group(GroupId::from_bytes(group)),
        Err(_) => Conversation::User(user(other)?),
    })
}

fn user(bytes: &[u8]) -> Option<UserId> {
    UserId::new(bytes).ok()
}

fn messages(ids: &[u8]) -> Option<Vec<MessageId>> {
    let (ids, []) = ids.as_chunks() else { return None };
    Some(ids.iter().copied().map(MessageId::from_bytes).collect())
}

fn address(user_id: &[u8], device: u32) -> Option<Address> {
    Some(Address { user: user(user_id)?, device: DeviceId::new(device)? })
}

/// What an event's row says; nothing if it is damaged, or no longer of interest.
fn decode(bytes: &[u8], now: Timestamp) -> Option<EventKind> {
    use record::event::Kind;
    let raw: record::Event = stored::decode(bytes, "event").ok()?;
    let devices =
        |ids: &[u32]| ids.iter().filter_map(|id| DeviceId::new(*id)).collect::<Vec<DeviceId>>();
    Some(match raw.kind.as_ref()? {
        Kind::Message(raw) => EventKind::Message(message(raw, now)?),
        Kind::Request(raw) => EventKind::Request(message(raw, now)?),
        Kind::OwnMessage(raw) => EventKind::OwnMessage(message(raw, now)?),
        Kind::Status(raw) => {
            let about = user(&raw.conversation)?;
            EventKind::Status {
                message: MessageId::from_bytes(raw.message_id.as_slice().try_into().ok()?),
                status: StatusCode::from_number(raw.status)?.to_status(&about),
                conversation: conversation(&raw.group_id, &raw.conversation)?,
            }
        }
        Kind::Lost(raw) => {
            EventKind::Lost { from: address(&raw.user_id, raw.device_id)?, count: raw.count }
        }
        Kind::IdentityChanged(raw) => EventKind::IdentityChanged {
            user: user(&raw.user_id)?,
            key: AccountKey::from_bytes(raw.account_key.as_slice().try_into().ok()?)?,
            was_verified: raw.was_verified,
        },
        Kind::Equivocation(raw) => EventKind::Equivocation { user: user(raw)? },
        Kind::DevicesChanged(raw) => EventKind::DevicesChanged {
            user: user(&raw.user_id)?,
            added: devices(&raw.added),
            removed: devices(&raw.removed),
        },
        Kind::DeviceRestored(raw) => {
            EventKind::DeviceRestored { device: address(&raw.user_id, raw.device_id)? }
        }
        Kind::Restored(_) => EventKind::Restored,
        Kind::Invited(raw) => decode_invitation(raw)?,
        Kind::Group(raw) => decode_group(raw)?,
        Kind::NoBackup(_) => EventKind::NoBackup,
        Kind::CompareEmoji(raw) => EventKind::CompareEmoji {
            user: user(&raw.user_id)?,
            emoji: Emoji::from_numbers(&raw.numbers)?,
        },
        Kind::Verified(raw) => EventKind::Verified { user: user(raw)? },
        Kind::EmojiEnded(raw) => {
            EventKind::EmojiEnded { user: user(&raw.user_id)?, reason: end_of_number(raw.reason)? }
        }
        Kind::ReadElsewhere(raw) => EventKind::ReadElsewhere {
            author: user(&raw.user_id)?,
            messages: messages(&raw.message_ids)?,
        },
        Kind::Disappeared(raw) => EventKind::Disappeared {
            author: user(&raw.user_id)?,
            message: MessageId::from_bytes(raw.message_id.as_slice().try_into().ok()?),
        },
        Kind::Typing(raw) => {
            if now.since(Timestamp::from_millis(raw.at)) > TYPING_LASTS {
                return None;
            }
            let typing = if raw.stopped { Typing::Stopped } else { Typing::Started };
            EventKind::Typing { user: user(&raw.user_id)?, typing }
        }
    })
}

impl Work<'_> {
    /// Tells the app something.
    pub(super) fn tell(&mut self, happening: Happening) -> EventId {
        let id = self.new_event_id();
        self.view.put(table::EVENTS, id.as_bytes().to_vec(), stored::encode(&happening.encode()));
        id
    }

    pub(super) fn tell_typing(&mut self, user: &UserId, typing: Typing) -> EventId {
        let at = self.now;
        self.tell(Happening::Typing { user: user.clone(), typing, at })
    }

    /// Tells the app what became of a message.
    pub(super) fn tell_status(&mut self, message: MessageId, user: &UserId, status: StatusCode) {
        self.tell(Happening::Status { message, group: None, user: user.clone(), status });
    }

    /// The event with this id, if it is still to be told.
    pub(super) fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        let row = self.view.get(table::EVENTS, id.as_bytes())?;
        Ok(row.and_then(|row| decode(&row, self.now)).map(|kind| Event { id, kind }))
    }

    pub(super) fn drop_event(&mut self, id: EventId) {
        self.view.delete(table::EVENTS, id.as_bytes().to_vec());
    }

    /// The first event whose id is `from` or above. One that is damaged is passed over.
    pub(super) fn event_from(&self, from: &[u8]) -> Result<Option<Event>, Error> {
        let mut from = from.to_vec();
        loop {
            let Some((key, row)) = self.view.scan(table::EVENTS, &from, 1)?.pop() else {
                return Ok(None);
            };
            if let (Some(id), Some(kind)) = (EventId::from_key(&key), decode(&row, self.now)) {
                return Ok(Some(Event { id, kind }));
            }
            from = key;
            from.push(0);
        }
    }
}
