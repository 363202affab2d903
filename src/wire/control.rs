//! What two session layers say to each other (SPEC.md, sections 3.4 and 5.6).

use super::generated::v1;
use super::keys::SignedDeviceList;
use super::roster::Ask;
use super::sender_key::{ChainId, SenderKeyAcknowledgement, SenderKeyDistribution};
use super::{DecodeError, fixed, required};

/// A message of the session layer itself; never shown to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// The highest generation known with the receiver's device.
    HighestGeneration(u64),
    /// A `view` was not the expected one: which lists the sender knows.
    Lists(Box<ListVersions>),
    /// Asks to send again what had these numbers. At most [`MAX_CONTROL_ITEMS`]; seven
    /// fit the smallest size class whatever the numbers are, 17 while they are below 2²¹.
    Ask(Vec<NumberRange>),
    /// Says that what had these numbers cannot be sent again. As many as of [`Self::Ask`].
    Unavailable(Vec<NumberRange>),
    /// Names envelopes of the receiver's that did not open.
    NotOpened(NotOpened),
    /// Asks for any answer: it brings a new ratchet key.
    SignOfLife,
    /// The answer to that.
    Sign,
    /// The key to the sender's messages in a group (SPEC.md, section 14.4).
    SenderKey(Box<SenderKeyDistribution>),
    /// The receiver's chain of a group has been saved.
    SenderKeySaved(SenderKeyAcknowledgement),
    /// The receiver's chain of this group is not here: asks for it (SPEC.md, section 14.4).
    SenderKeyWanted([u8; 32]),
    /// Messages that the receiver sent to a group are missing: asks for them.
    GroupMessagesWanted(GroupMessagesWanted),
    /// What is known here of a group's changes, and what is not: asks for the rest.
    GroupBehind(Box<GroupBehind>),
    /// Something that this version does not know; ignored.
    Unknown,
}

/// The most ranges, or envelopes, that one control message names.
///
/// As many as a device sends again in an hour; more than that takes more messages.
pub const MAX_CONTROL_ITEMS: usize = 100;

/// Numbers of messages, from the first to the last, both included.
///
/// ```
/// use subrosa::wire::NumberRange;
///
/// assert!(NumberRange::new(3, 3).is_some());
/// assert!(NumberRange::new(0, 3).is_none() && NumberRange::new(4, 3).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumberRange {
    first: u64,
    last: u64,
}

impl NumberRange {
    /// The numbers from `first`, which is at least 1, to `last`, which is at least that.
    #[must_use]
    pub const fn new(first: u64, last: u64) -> Option<Self> {
        if first == 0 || last < first { None } else { Some(Self { first, last }) }
    }

    /// The first of them.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The last of them.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }
}

/// Envelopes that did not open, by what their sender knows them by.
///
/// At most [`MAX_CONTROL_ITEMS`] of both together; ten names, or five first messages, fit
/// the smallest size class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotOpened {
    /// Messages of a session.
    pub names: Vec<EnvelopeName>,
    /// First messages, by the `E` of their handshake.
    pub ephemerals: Vec<[u8; 32]>,
}

/// What names a message of a session: the start of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvelopeName {
    /// Its tag.
    pub tag: [u8; 8],
    /// Its salt.
    pub salt: [u8; 8],
}

/// Messages of a chain that somebody lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMessagesWanted {
    /// The group.
    pub group_id: [u8; 32],
    /// The chain, of the receiver's device.
    pub chain_id: ChainId,
    /// Their numbers, at most [`MAX_CONTROL_ITEMS`].
    pub iterations: Vec<u32>,
}

/// What somebody has of a group's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupBehind {
    /// The group.
    pub group_id: [u8; 32],
    /// What is known, and what is wanted.
    pub ask: Ask,
    /// The first half of a head that is not known.
    pub head: Option<[u8; 16]>,
}

/// Which device lists someone knows (SPEC.md, section 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListVersions {
    /// The version of the sender's own list.
    pub own_version: u64,
    /// Its hash.
    pub own_hash: [u8; 32],
    /// The version of the receiver's list, as the sender knows it.
    pub their_version: u64,
    /// Its hash.
    pub their_hash: [u8; 32],
    /// The sender's own list, if the receiver may lack it; to be verified.
    pub own_list: Option<SignedDeviceList>,
}

impl Control {
    pub(super) fn from_raw(raw: v1::Control) -> Result<Self, DecodeError> {
        const WHAT: &str = "control message";
        match raw.kind {
            None => Ok(Self::Unknown),
            Some(v1::control::Kind::HighestGeneration(generation)) => {
                Ok(Self::HighestGeneration(generation))
            }
            Some(v1::control::Kind::Lists(lists)) => {
                let v1::ListVersions { own_version, own_hash, their_version, their_hash, own_list } =
                    lists;
                Ok(Self::Lists(Box::new(ListVersions {
                    own_version,
                    own_hash: fixed(&own_hash, WHAT)?,
                    their_version,
                    their_hash: fixed(&their_hash, WHAT)?,
                    own_list: own_list.map(SignedDeviceList::from_raw).transpose()?,
                })))
            }
            Some(v1::control::Kind::Ask(ranges)) => Ok(Self::Ask(ranges_from_raw(ranges)?)),
            Some(v1::control::Kind::Unavailable(ranges)) => {
                Ok(Self::Unavailable(ranges_from_raw(ranges)?))
            }
            Some(v1::control::Kind::NotOpened(not_opened)) => {
                Ok(Self::NotOpened(NotOpened::from_raw(&not_opened)?))
            }
            Some(v1::control::Kind::SignOfLife(v1::SignOfLife {})) => Ok(Self::SignOfLife),
            Some(v1::control::Kind::Sign(v1::Sign {})) => Ok(Self::Sign),
            Some(v1::control::Kind::SenderKey(key)) => {
                Ok(Self::SenderKey(Box::new(SenderKeyDistribution::from_raw(&key)?)))
            }
            Some(v1::control::Kind::SenderKeySaved(saved)) => {
                Ok(Self::SenderKeySaved(SenderKeyAcknowledgement::from_raw(&saved)?))
            }
            Some(v1::control::Kind::SenderKeyWanted(v1::SenderKeyWanted { group_id })) => {
                Ok(Self::SenderKeyWanted(fixed(&group_id, WHAT)?))
            }
            Some(v1::control::Kind::GroupMessagesWanted(wanted)) => {
                Ok(Self::GroupMessagesWanted(GroupMessagesWanted::from_raw(wanted)?))
            }
            Some(v1::control::Kind::GroupBehind(behind)) => {
                Ok(Self::GroupBehind(Box::new(GroupBehind::from_raw(behind)?)))
            }
        }
    }

    pub(super) fn into_raw(self) -> v1::Control {
        let kind = match self {
            Self::Unknown => return v1::Control { kind: None },
            Self::HighestGeneration(generation) => v1::control::Kind::HighestGeneration(generation),
            Self::Lists(lists) => {
                let ListVersions { own_version, own_hash, their_version, their_hash, own_list } =
                    *lists;
                v1::control::Kind::Lists(v1::ListVersions {
                    own_version,
                    own_hash: own_hash.to_vec(),
                    their_version,
                    their_hash: their_hash.to_vec(),
                    own_list: own_list.map(SignedDeviceList::into_raw),
                })
            }
            Self::Ask(ranges) => v1::control::Kind::Ask(ranges_into_raw(&ranges)),
            Self::Unavailable(ranges) => v1::control::Kind::Unavailable(ranges_into_raw(&ranges)),
            Self::NotOpened(not_opened) => v1::control::Kind::NotOpened(not_opened.into_raw()),
            Self::SignOfLife => v1::control::Kind::SignOfLife(v1::SignOfLife {}),
            Self::Sign => v1::control::Kind::Sign(v1::Sign {}),
            Self::SenderKey(key) => v1::control::Kind::SenderKey(key.to_raw()),
            Self::SenderKeySaved(saved) => v1::control::Kind::SenderKeySaved(saved.into_raw()),
            Self::SenderKeyWanted(group_id) => {
                let group_id = group_id.to_vec();
                v1::control::Kind::SenderKeyWanted(v1::SenderKeyWanted { group_id })
            }
            Self::GroupMessagesWanted(wanted) => {
                v1::control::Kind::GroupMessagesWanted(wanted.into_raw())
            }
            Self::GroupBehind(behind) => v1::control::Kind::GroupBehind(behind.into_raw()),
        };
        v1::Control { kind: Some(kind) }
    }
}

impl GroupMessagesWanted {
    fn from_raw(raw: v1::GroupMessagesWanted) -> Result<Self, DecodeError> {
        const WHAT: &str = "wanted messages";
        let v1::GroupMessagesWanted { group_id, chain_id, iterations } = raw;
        if iterations.len() > MAX_CONTROL_ITEMS {
            return Err(DecodeError::Malformed(WHAT));
        }
        let chain_id = ChainId::from_bytes(fixed(&chain_id, WHAT)?);
        Ok(Self { group_id: fixed(&group_id, WHAT)?, chain_id, iterations })
    }

    fn into_raw(self) -> v1::GroupMessagesWanted {
        let Self { group_id, chain_id, iterations } = self;
        let (group_id, chain_id) = (group_id.to_vec(), chain_id.as_bytes().to_vec());
        v1::GroupMessagesWanted { group_id, chain_id, iterations }
    }
}

impl GroupBehind {
    fn from_raw(raw: v1::GroupBehind) -> Result<Self, DecodeError> {
        const WHAT: &str = "group ask";
        let v1::GroupBehind { group_id, ask, head } = raw;
        Ok(Self {
            group_id: fixed(&group_id, WHAT)?,
            ask: Ask::from_raw(&required(ask, WHAT)?)?,
            head: if head.is_empty() { None } else { Some(fixed(&head, WHAT)?) },
        })
    }

    fn into_raw(self) -> v1::GroupBehind {
        let Self { group_id, ask, head } = self;
        let head = head.map(|head| head.to_vec()).unwrap_or_default();
        v1::GroupBehind { group_id: group_id.to_vec(), ask: Some(ask.to_raw()), head }
    }
}

fn ranges_from_raw(raw: v1::NumberRanges) -> Result<Vec<NumberRange>, DecodeError> {
    const WHAT: &str = "number ranges";
    let v1::NumberRanges { ranges } = raw;
    if ranges.len() > MAX_CONTROL_ITEMS {
        return Err(DecodeError::Malformed(WHAT));
    }
    let range = |raw| {
        let v1::NumberRange { first, last } = raw;
        NumberRange::new(first, last).ok_or(DecodeError::Malformed(WHAT))
    };
    ranges.into_iter().map(range).collect()
}

fn ranges_into_raw(ranges: &[NumberRange]) -> v1::NumberRanges {
    let raw = |range: &NumberRange| v1::NumberRange { first: range.first, last: range.last };
    v1::NumberRanges { ranges: ranges.iter().map(raw).collect() }
}

impl NotOpened {
    fn from_raw(raw: &v1::NotOpened) -> Result<Self, DecodeError> {
        let v1::NotOpened { names, ephemerals } = raw;
        let ((names, []), (ephemerals, [])) = (names.as_chunks::<8>(), ephemerals.as_chunks())
        else {
            return Err(DecodeError::Malformed("not opened"));
        };
        let (names, []) = names.as_chunks() else {
            return Err(DecodeError::Malformed("not opened"));
        };
        if names.len() + ephemerals.len() > MAX_CONTROL_ITEMS {
            return Err(DecodeError::Malformed("not opened"));
        }
        let names = names.iter().map(|&[tag, salt]| EnvelopeName { tag, salt }).collect();
        Ok(Self { names, ephemerals: ephemerals.to_vec() })
    }

    fn into_raw(self) -> v1::NotOpened {
        let Self { names, ephemerals } = self;
        v1::NotOpened {
            names: names.iter().flat_map(|name| [name.tag, name.salt]).flatten().collect(),
            ephemerals: ephemerals.concat(),
        }
    }
}
