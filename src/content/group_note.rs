//! What members tell each other of a group.

use std::fmt;

use super::{Consent, Content};
use crate::crypto::SecretBytes;
use crate::group::GroupId;
use crate::timestamp::Timestamp;
use crate::wire::content as raw;
use crate::wire::content::group_note::Kind;
use crate::wire::{ChainId, MessageId};

/// What a member says of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupNote {
    pub(crate) group: GroupId,
    pub(crate) said: GroupSaid,
}

/// What is said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupSaid {
    /// News, or as much of them as one message holds.
    Part(GroupPart),
    /// A message to the group, for a device that could not read it there.
    Copy(GroupCopy),
    /// Something that this version does not know; ignored.
    Unknown,
}

/// A part of encoded [`GroupNews`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GroupPart {
    /// Names the whole.
    pub(crate) whole: [u8; 8],
    /// From 0.
    pub(crate) number: u32,
    /// At least 1.
    pub(crate) count: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A message to a group, by its place in its sender's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupCopy {
    pub(crate) chain_id: ChainId,
    pub(crate) iteration: u32,
    pub(crate) message: MessageId,
    pub(crate) sent_at: Timestamp,
    pub(crate) content: Content,
}

/// What a member may lack: bytes that the group's roster reads.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct GroupNews {
    /// An encoded [`Welcome`](crate::wire::Welcome), or nothing.
    pub(crate) welcome: Vec<u8>,
    /// An encoded [`Update`](crate::wire::Update).
    pub(crate) update: Vec<u8>,
    /// What a head stands for: an encoded [`Ask`](crate::wire::Ask), or nothing.
    pub(crate) state: Vec<u8>,
    /// What was decided, and when; only from a device of our own.
    pub(crate) consent: Option<(Consent, Timestamp)>,
}

impl GroupNote {
    /// What a record says; `None` if it breaks the rules.
    pub(super) fn from_raw(raw: raw::GroupNote) -> Option<Self> {
        let raw::GroupNote { group_id, kind } = raw;
        let group = GroupId::from_bytes(group_id.as_slice().try_into().ok()?);
        let said = match kind {
            None => GroupSaid::Unknown,
            Some(Kind::Part(raw::GroupPart { whole, number, count, bytes })) => {
                if number >= count {
                    return None;
                }
                let whole = whole.as_slice().try_into().ok()?;
                GroupSaid::Part(GroupPart { whole, number, count, bytes })
            }
            Some(Kind::Copy(raw::GroupCopy { chain_id, iteration, message_id, content })) => {
                let (sent_at, content) = Content::decode(&SecretBytes::new(content));
                GroupSaid::Copy(GroupCopy {
                    chain_id: ChainId::from_bytes(chain_id.as_slice().try_into().ok()?),
                    iteration,
                    message: MessageId::from_bytes(message_id.as_slice().try_into().ok()?),
                    sent_at,
                    content,
                })
            }
        };
        Some(Self { group, said })
    }

    /// The record.
    pub(super) fn to_raw(&self) -> raw::GroupNote {
        let Self { group, said } = self;
        let kind = match said {
            GroupSaid::Unknown => None,
            GroupSaid::Part(GroupPart { whole, number, count, bytes }) => {
                Some(Kind::Part(raw::GroupPart {
                    whole: whole.to_vec(),
                    number: *number,
                    count: *count,
                    bytes: bytes.clone(),
                }))
            }
            GroupSaid::Copy(copy) => {
                let GroupCopy { chain_id, iteration, message, sent_at, content } = copy;
                Some(Kind::Copy(raw::GroupCopy {
                    chain_id: chain_id.as_bytes().to_vec(),
                    iteration: *iteration,
                    message_id: message.as_bytes().to_vec(),
                    content: std::mem::take(&mut *content.encode_at(*sent_at)),
                }))
            }
        };
        raw::GroupNote { group_id: group.as_bytes().to_vec(), kind }
    }
}

impl GroupNews {
    /// The bytes to be sent in parts.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { welcome, update, state, consent } = self.clone();
        let (consent, at) = consent.unwrap_or((Consent::Undecided, Timestamp::default()));
        let is_said = self.consent.is_some();
        raw::encode_news(&raw::GroupNews {
            welcome,
            update,
            state,
            consent: if is_said { consent.to_raw() } else { 0 },
            consent_at: at.as_millis(),
        })
    }

    /// What the parts say together.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let raw::GroupNews { welcome, update, state, consent, consent_at } =
            raw::decode_news(bytes)?;
        let consent = Consent::from_raw(consent);
        let consent = consent.map(|consent| (consent, Timestamp::from_millis(consent_at)));
        Some(Self { welcome, update, state, consent })
    }
}

impl fmt::Debug for GroupPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whole: _, number, count, bytes } = self;
        f.debug_struct("GroupPart")
            .field("number", number)
            .field("count", count)
            .field("bytes", &bytes.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GroupNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { welcome, update, state: _, consent } = self;
        f.debug_struct("GroupNews")
            .field("welcome", &welcome.len())
            .field("update", &update.len())
            .field("consent", consent)
            .finish_non_exhaustive()
    }
}
