//! Changes of a group's roster, and how they are passed on (SPEC.md, section 13).
//!
//! Nothing here has been verified: `group::Roster` does that.

use prost::Message as _;
use zeroize::Zeroizing;

use super::generated::{roster as stored, v1};
use super::stored::decode as stored_record;
use super::{DecodeError, SignedDeviceList, decode, fixed, required};

/// The longest signed change, in bytes.
///
/// Room for more than 200 targets with ids of usual length; short enough that any number
/// of devices can be told of it in one message each.
pub const MAX_CHANGE_LEN: usize = 16 * 1024;

/// The longest update or welcome, in bytes.
///
/// A roster of 1,000 members with the longest ids takes 300 KiB, an update as many changes
/// as its sender puts into it.
pub const MAX_UPDATE_LEN: usize = 1024 * 1024;

/// The most hashes in a list of an [`Ask`].
///
/// A group has a handful of tips; what is not said is sent once too often, what is not
/// asked for is asked for later.
pub(crate) const MAX_ASK_ITEMS: usize = 256;

/// The longest title of a group, in bytes.
pub const MAX_TITLE_LEN: usize = 256;

/// The longest reference to a group's picture, in bytes.
pub const MAX_PICTURE_LEN: usize = 1024;

/// A change of a group and a signature, neither looked at yet: bytes as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedChange {
    pub(crate) change: Vec<u8>,
    pub(crate) signature: [u8; 64],
}

impl SignedChange {
    /// Decodes a signed change from anywhere.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_raw(decode(bytes, MAX_CHANGE_LEN, "signed change")?)
    }

    /// The bytes to pass on.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_raw().encode_to_vec()
    }

    pub(super) fn from_raw(raw: v1::SignedGroupChange) -> Result<Self, DecodeError> {
        if raw.encoded_len() > MAX_CHANGE_LEN {
            return Err(DecodeError::TooLong { what: "signed change", limit: MAX_CHANGE_LEN });
        }
        let v1::SignedGroupChange { change, signature } = raw;
        Ok(Self { change, signature: fixed(&signature, "change signature")? })
    }

    pub(super) fn to_raw(&self) -> v1::SignedGroupChange {
        v1::SignedGroupChange { change: self.change.clone(), signature: self.signature.to_vec() }
    }
}

/// The fields of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupMember {
    pub(crate) user_id: Vec<u8>,
    pub(crate) account_key: [u8; 32],
}

/// The fields of a change.
#[derive(Debug, Clone)]
pub(crate) struct GroupChange {
    pub(crate) group: Option<[u8; 32]>,
    pub(crate) parents: Vec<[u8; 32]>,
    pub(crate) author: GroupMember,
    pub(crate) device_id: u32,
    pub(crate) device_list: Option<[u8; 32]>,
    pub(crate) kind: GroupKind,
}

/// What a change does.
#[derive(Debug, Clone)]
pub(crate) enum GroupKind {
    Seal(GroupSeal),
    Grant(Vec<GroupMember>),
    Demote(Vec<GroupMember>),
    Add(Vec<GroupMember>),
    Remove(Vec<GroupMember>),
    Leave,
    Devices(SignedDeviceList),
    Title(String),
    Picture(Vec<u8>),
    Timer(u32),
}

/// The fields of a seal.
#[derive(Debug, Clone)]
pub(crate) struct GroupSeal {
    pub(crate) owner: GroupMember,
    pub(crate) roster: [u8; 32],
    pub(crate) previous: Option<[u8; 32]>,
    pub(crate) nonce: Option<[u8; 32]>,
}

impl GroupMember {
    fn from_raw(raw: v1::GroupMember) -> Result<Self, DecodeError> {
        let v1::GroupMember { user_id, account_key } = raw;
        Ok(Self { user_id, account_key: fixed(&account_key, "group member")? })
    }

    fn into_raw(self) -> v1::GroupMember {
        v1::GroupMember { user_id: self.user_id, account_key: self.account_key.to_vec() }
    }
}

impl GroupChange {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "group change";
        let raw: v1::GroupChange = decode(bytes, MAX_CHANGE_LEN, WHAT)?;
        let v1::GroupChange { group, parents, author, device_id, device_list, kind } = raw;
        Ok(Self {
            group: optional(&group, WHAT)?,
            parents: hashes(&parents, WHAT)?,
            author: GroupMember::from_raw(required(author, WHAT)?)?,
            device_id,
            device_list: optional(&device_list, WHAT)?,
            kind: GroupKind::from_raw(required(kind, WHAT)?)?,
        })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        v1::GroupChange {
            group: bytes_of(self.group),
            parents: self.parents.iter().map(|parent| parent.to_vec()).collect(),
            author: Some(self.author.into_raw()),
            device_id: self.device_id,
            device_list: bytes_of(self.device_list),
            kind: Some(self.kind.into_raw()),
        }
        .encode_to_vec()
    }
}

impl GroupKind {
    fn from_raw(raw: v1::group_change::Kind) -> Result<Self, DecodeError> {
        use v1::group_change::Kind;
        let members = |raw: v1::GroupMembers| {
            raw.members.into_iter().map(GroupMember::from_raw).collect::<Result<Vec<_>, _>>()
        };
        Ok(match raw {
            Kind::Seal(seal) => Self::Seal(GroupSeal::from_raw(seal)?),
            Kind::Grant(raw) => Self::Grant(members(raw)?),
            Kind::Demote(raw) => Self::Demote(members(raw)?),
            Kind::Add(raw) => Self::Add(members(raw)?),
            Kind::Remove(raw) => Self::Remove(members(raw)?),
            Kind::Leave(v1::GroupLeave {}) => Self::Leave,
            Kind::Devices(list) => Self::Devices(SignedDeviceList::from_raw(list)?),
            Kind::Title(title) => Self::Title(title),
            Kind::Picture(picture) => Self::Picture(picture),
            Kind::Timer(seconds) => Self::Timer(seconds),
        })
    }

    fn into_raw(self) -> v1::group_change::Kind {
        use v1::group_change::Kind;
        let members = |members: Vec<GroupMember>| v1::GroupMembers {
            members: members.into_iter().map(GroupMember::into_raw).collect(),
        };
        match self {
            Self::Seal(seal) => Kind::Seal(seal.into_raw()),
            Self::Grant(targets) => Kind::Grant(members(targets)),
            Self::Demote(targets) => Kind::Demote(members(targets)),
            Self::Add(targets) => Kind::Add(members(targets)),
            Self::Remove(targets) => Kind::Remove(members(targets)),
            Self::Leave => Kind::Leave(v1::GroupLeave {}),
            Self::Devices(list) => Kind::Devices(list.into_raw()),
            Self::Title(title) => Kind::Title(title),
            Self::Picture(picture) => Kind::Picture(picture),
            Self::Timer(seconds) => Kind::Timer(seconds),
        }
    }
}

impl GroupSeal {
    fn from_raw(raw: v1::GroupSeal) -> Result<Self, DecodeError> {
        const WHAT: &str = "seal";
        let v1::GroupSeal { owner, roster, previous, nonce } = raw;
        Ok(Self {
            owner: GroupMember::from_raw(required(owner, WHAT)?)?,
            roster: fixed(&roster, WHAT)?,
            previous: optional(&previous, WHAT)?,
            nonce: optional(&nonce, WHAT)?,
        })
    }

    fn into_raw(self) -> v1::GroupSeal {
        v1::GroupSeal {
            owner: Some(self.owner.into_raw()),
            roster: self.roster.to_vec(),
            previous: bytes_of(self.previous),
            nonce: bytes_of(self.nonce),
        }
    }
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupRole {
    Owner,
    Admin,
    Member,
}

/// The fields of one member's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupEntry {
    pub(crate) member: GroupMember,
    pub(crate) role: GroupRole,
    pub(crate) list_version: u64,
}

/// The members and settings that a seal names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupRoster {
    pub(crate) entries: Vec<GroupEntry>,
    pub(crate) title: String,
    pub(crate) picture: Vec<u8>,
    pub(crate) timer: u32,
}

impl GroupRoster {
    fn from_raw(raw: v1::GroupRoster) -> Result<Self, DecodeError> {
        let v1::GroupRoster { entries, title, picture, timer } = raw;
        let entries = entries.into_iter().map(GroupEntry::from_raw).collect::<Result<_, _>>()?;
        Ok(Self { entries, title, picture, timer })
    }

    fn into_raw(self) -> v1::GroupRoster {
        v1::GroupRoster {
            entries: self.entries.into_iter().map(GroupEntry::into_raw).collect(),
            title: self.title,
            picture: self.picture,
            timer: self.timer,
        }
    }
}

impl GroupEntry {
    fn from_raw(raw: v1::GroupEntry) -> Result<Self, DecodeError> {
        const WHAT: &str = "roster entry";
        let role = match raw.role() {
            v1::GroupRole::Owner => GroupRole::Owner,
            v1::GroupRole::Admin => GroupRole::Admin,
            v1::GroupRole::Member => GroupRole::Member,
            v1::GroupRole::Unspecified => return Err(DecodeError::Malformed(WHAT)),
        };
        let v1::GroupEntry { member, role: _, list_version } = raw;
        Ok(Self { member: GroupMember::from_raw(required(member, WHAT)?)?, role, list_version })
    }

    fn into_raw(self) -> v1::GroupEntry {
        let role = match self.role {
            GroupRole::Owner => v1::GroupRole::Owner,
            GroupRole::Admin => v1::GroupRole::Admin,
            GroupRole::Member => v1::GroupRole::Member,
        };
        v1::GroupEntry {
            member: Some(self.member.into_raw()),
            role: role.into(),
            list_version: self.list_version,
        }
    }
}

/// Changes of a group that somebody may lack, with the device lists that they name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    pub(crate) changes: Vec<SignedChange>,
    pub(crate) lists: Vec<SignedDeviceList>,
    pub(crate) roster: Option<GroupRoster>,
}

impl Update {
    /// Decodes an update from a member.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let raw: v1::GroupUpdate = decode(bytes, MAX_UPDATE_LEN, "group update")?;
        let v1::GroupUpdate { changes, lists, roster } = raw;
        Ok(Self {
            changes: signed_changes(changes)?,
            lists: device_lists(lists)?,
            roster: roster.map(GroupRoster::from_raw).transpose()?,
        })
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        v1::GroupUpdate {
            changes: self.changes.iter().map(SignedChange::to_raw).collect(),
            lists: self.lists.iter().cloned().map(SignedDeviceList::into_raw).collect(),
            roster: self.roster.clone().map(GroupRoster::into_raw),
        }
        .encode_to_vec()
    }

    /// Puts what another one says behind it.
    pub(crate) fn append(&mut self, other: Self) {
        let Self { changes, lists, roster } = other;
        self.changes.extend(changes);
        for list in lists {
            if !self.lists.contains(&list) {
                self.lists.push(list);
            }
        }
        self.roster = roster.or(self.roster.take());
    }

    /// The changes, as they were signed.
    pub fn changes(&self) -> impl Iterator<Item = &SignedChange> {
        self.changes.iter()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.lists.is_empty() && self.roster.is_none()
    }
}

/// What somebody needs who knows nothing of a group, or has missed a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub(crate) seals: Vec<SignedChange>,
    pub(crate) roster: GroupRoster,
}

impl Welcome {
    /// Decodes a welcome from a member.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "group welcome";
        let v1::GroupWelcome { seals, roster } = decode(bytes, MAX_UPDATE_LEN, WHAT)?;
        let roster = GroupRoster::from_raw(required(roster, WHAT)?)?;
        Ok(Self { seals: signed_changes(seals)?, roster })
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        v1::GroupWelcome {
            seals: self.seals.iter().map(SignedChange::to_raw).collect(),
            roster: Some(self.roster.clone().into_raw()),
        }
        .encode_to_vec()
    }
}

/// What somebody has of a group's changes, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub(crate) seal: [u8; 32],
    pub(crate) tips: Vec<[u8; 32]>,
    pub(crate) wanted: Vec<[u8; 32]>,
}

impl Ask {
    /// Of somebody who knows nothing of the group: all of it.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { seal: [0; 32], tips: Vec::new(), wanted: Vec::new() }
    }

    /// Decodes what a member asks for.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_raw(&decode(bytes, MAX_UPDATE_LEN, "group ask")?)
    }

    pub(super) fn from_raw(raw: &v1::GroupAsk) -> Result<Self, DecodeError> {
        const WHAT: &str = "group ask";
        let v1::GroupAsk { seal, tips, wanted } = raw;
        if tips.len() > MAX_ASK_ITEMS || wanted.len() > MAX_ASK_ITEMS {
            return Err(DecodeError::Malformed(WHAT));
        }
        Ok(Self {
            seal: fixed(seal, WHAT)?,
            tips: hashes(tips, WHAT)?,
            wanted: hashes(wanted, WHAT)?,
        })
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_raw().encode_to_vec()
    }

    pub(super) fn to_raw(&self) -> v1::GroupAsk {
        v1::GroupAsk {
            seal: self.seal.to_vec(),
            tips: self.tips.iter().map(|tip| tip.to_vec()).collect(),
            wanted: self.wanted.iter().map(|hash| hash.to_vec()).collect(),
        }
    }
}

/// The fields of a stored roster.
#[derive(Debug, Clone)]
pub(crate) struct RosterRecord {
    pub(crate) seals: Vec<SignedChange>,
    pub(crate) current: EpochRecord,
    pub(crate) former: Option<EpochRecord>,
    pub(crate) lists: Vec<SignedDeviceList>,
    pub(crate) held: Vec<SignedChange>,
    pub(crate) chosen: Option<[u8; 32]>,
}

/// The fields of what came since a seal.
#[derive(Debug, Clone)]
pub(crate) struct EpochRecord {
    pub(crate) roster: GroupRoster,
    pub(crate) changes: Vec<SignedChange>,
}

impl RosterRecord {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "roster record";
        let raw: stored::Roster = stored_record(bytes, WHAT)?;
        let stored::Roster { seals, current, former, lists, held, chosen } = &raw;
        Ok(Self {
            seals: encoded_changes(seals)?,
            current: EpochRecord::from_raw(required(current.as_ref(), WHAT)?)?,
            former: former.as_ref().map(EpochRecord::from_raw).transpose()?,
            lists: lists.iter().map(|l| SignedDeviceList::decode(l)).collect::<Result<_, _>>()?,
            held: encoded_changes(held)?,
            chosen: optional(chosen, WHAT)?,
        })
    }

    pub(crate) fn encode(self) -> Zeroizing<Vec<u8>> {
        super::stored::encode(&stored::Roster {
            seals: self.seals.iter().map(SignedChange::encode).collect(),
            current: Some(self.current.into_raw()),
            former: self.former.map(EpochRecord::into_raw),
            lists: self.lists.iter().map(SignedDeviceList::encode).collect(),
            held: self.held.iter().map(SignedChange::encode).collect(),
            chosen: bytes_of(self.chosen),
        })
    }
}

impl EpochRecord {
    fn from_raw(raw: &stored::Epoch) -> Result<Self, DecodeError> {
        let stored::Epoch { roster, changes } = raw;
        let roster = GroupRoster::from_raw(decode(roster, usize::MAX, "roster record")?)?;
        Ok(Self { roster, changes: encoded_changes(changes)? })
    }

    fn into_raw(self) -> stored::Epoch {
        stored::Epoch {
            roster: self.roster.into_raw().encode_to_vec(),
            changes: self.changes.iter().map(SignedChange::encode).collect(),
        }
    }
}

fn encoded_changes(raw: &[Vec<u8>]) -> Result<Vec<SignedChange>, DecodeError> {
    raw.iter().map(|change| SignedChange::decode(change)).collect()
}

fn signed_changes(raw: Vec<v1::SignedGroupChange>) -> Result<Vec<SignedChange>, DecodeError> {
    raw.into_iter().map(SignedChange::from_raw).collect()
}

fn device_lists(raw: Vec<v1::SignedDeviceList>) -> Result<Vec<SignedDeviceList>, DecodeError> {
    raw.into_iter().map(SignedDeviceList::from_raw).collect()
}

fn hashes(raw: &[Vec<u8>], what: &'static str) -> Result<Vec<[u8; 32]>, DecodeError> {
    raw.iter().map(|hash| fixed(hash, what)).collect()
}

/// A hash, or nothing where it is left out.
fn optional(raw: &[u8], what: &'static str) -> Result<Option<[u8; 32]>, DecodeError> {
    if raw.is_empty() { Ok(None) } else { fixed(raw, what).map(Some) }
}

fn bytes_of(hash: Option<[u8; 32]>) -> Vec<u8> {
    hash.map(|hash| hash.to_vec()).unwrap_or_default()
}
