//! A change of a group, as its author signed it (SPEC.md, section 13.2).

use super::sealed::check_setting;
use super::{ChangeId, GroupId, Member, Refused, RosterError};
use crate::address::DeviceId;
use crate::crypto::{Label, Signature, sha256};
use crate::identity::DeviceList;
use crate::wire::{GroupChange, GroupKind, GroupMember, GroupSeal, SignedChange};

/// The most changes that a change can have as parents.
///
/// A group whose members see each other's changes has one tip or two; each parent is 34
/// bytes of a change.
pub const MAX_PARENTS: usize = 16;

/// What a change does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Kind {
    /// The owner closes all that came before it.
    Seal(Box<Seal>),
    /// All else.
    Act(Action),
}

/// What a member does, within his rights.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// The owner makes these admins.
    Grant(Vec<Member>),
    /// The owner makes these ordinary members.
    Demote(Vec<Member>),
    /// The owner or an admin adds these. Of nobody, it joins tips ([`MAX_PARENTS`]).
    Add(Vec<Member>),
    /// The owner removes these, or an admin these ordinary members.
    Remove(Vec<Member>),
    /// Anyone but the owner goes.
    Leave,
    /// A member's devices are these from now on; the account key signs it.
    Devices(Box<DeviceList>),
    /// The owner or an admin changes a setting.
    Set(Setting),
}

/// A new value of one of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// The title, at most [`MAX_TITLE_LEN`](crate::wire::MAX_TITLE_LEN) bytes.
    Title(String),
    /// Where the picture is, in the content's own form, at most
    /// [`MAX_PICTURE_LEN`](crate::wire::MAX_PICTURE_LEN) bytes; empty for none.
    Picture(Vec<u8>),
    /// After how many seconds messages disappear; 0 for never.
    Timer(u32),
}

/// What a seal says.
#[derive(Debug, Clone)]
pub struct Seal {
    pub(super) owner: Member,
    pub(super) roster: [u8; 32],
    pub(super) previous: Option<ChangeId>,
    pub(super) nonce: Option<[u8; 32]>,
}

impl Seal {
    /// Who is the owner from then on.
    #[must_use]
    pub fn owner(&self) -> &Member {
        &self.owner
    }

    /// Whether it is a group's first, if it may be what it is.
    fn is_first(&self, author: &Member) -> Result<bool, Refused> {
        match (self.previous, self.nonce) {
            (None, Some(_)) if self.owner == *author => Ok(true),
            (Some(_), None) => Ok(false),
            _ => Err(Refused::Form("the seal before")),
        }
    }
}

/// The device that signed a change, and the hash of the list that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignedBy {
    pub(super) device: DeviceId,
    pub(super) list: [u8; 32],
}

/// A change that is well formed. Whether its author signed it, and had the right to it, is
/// for the roster.
#[derive(Debug, Clone)]
pub struct Change {
    pub(super) id: ChangeId,
    pub(super) group: Option<GroupId>,
    pub(super) parents: Vec<ChangeId>,
    pub(super) author: Member,
    /// `None`: the account key signed it.
    pub(super) signer: Option<SignedBy>,
    pub(super) kind: Kind,
    pub(super) signed: SignedChange,
}

impl Change {
    /// What names it.
    #[must_use]
    pub fn id(&self) -> ChangeId {
        self.id
    }

    /// Who made it.
    #[must_use]
    pub fn author(&self) -> &Member {
        &self.author
    }

    /// The device that signed it; `None` if the account key did.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.signer.map(|signer| signer.device)
    }

    /// What it does.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The bytes to pass on.
    #[must_use]
    pub fn signed(&self) -> &SignedChange {
        &self.signed
    }

    /// Reads a change from anywhere, and checks its form.
    pub(super) fn decode(signed: SignedChange) -> Result<Self, Refused> {
        let GroupChange { group, parents, author, device_id, device_list, kind } =
            GroupChange::decode(&signed.change)?;
        let author = Member::from_wire(author)?;
        let signer = match (DeviceId::new(device_id), device_list) {
            (None, None) => None,
            (Some(device), Some(list)) => Some(SignedBy { device, list }),
            _ => return Err(Refused::Form("a device and its list")),
        };
        let kind = read_kind(kind, &author)?;
        let by_account = matches!(kind, Kind::Seal(_) | Kind::Act(Action::Devices(_)));
        if by_account != signer.is_none() {
            return Err(Refused::Form("who signs it"));
        }
        let first = match &kind {
            Kind::Seal(seal) => seal.is_first(&author)?,
            Kind::Act(_) => false,
        };
        if first != group.is_none() || first != parents.is_empty() {
            return Err(Refused::Form("its group and parents"));
        }
        if parents.len() > MAX_PARENTS || !parents.is_sorted_by(|one, next| one < next) {
            return Err(Refused::Form("its parents"));
        }
        Ok(Self {
            id: ChangeId(hash_of(&signed.change)),
            group: group.map(GroupId),
            parents: parents.into_iter().map(ChangeId).collect(),
            author,
            signer,
            kind,
            signed,
        })
    }

    /// Checks that its author signed it; `list` is the one that it names.
    pub(super) fn verify(&self, list: Option<&DeviceList>) -> Result<(), Refused> {
        let signature = Signature::from_bytes(&self.signed.signature);
        let key = match (self.signer, list) {
            (None, _) => self.author.key().verifying_key(),
            (Some(signer), Some(list)) => {
                if *list.hash() != signer.list || Member::of(list) != self.author {
                    return Err(Refused::Forged);
                }
                list.device(signer.device).ok_or(Refused::Forged)?.signing_key()
            }
            (Some(_), None) => return Err(Refused::Forged),
        };
        key.verify(Label::GROUP_CHANGE, &self.signed.change, &signature)
            .map_err(|_| Refused::Forged)
    }

    /// What would name the change in there, whatever it is.
    pub(super) fn claimed_id(signed: &SignedChange) -> ChangeId {
        ChangeId(hash_of(&signed.change))
    }

    /// The group that it is of.
    pub(super) fn group(&self) -> GroupId {
        self.group.unwrap_or(GroupId(self.id.0))
    }

    pub(super) fn seal(&self) -> Option<&Seal> {
        match &self.kind {
            Kind::Seal(seal) => Some(seal),
            Kind::Act(_) => None,
        }
    }
}

// id = H("subrosa/1 group change" || 0x00 || the bytes of the change)
fn hash_of(change: &[u8]) -> [u8; 32] {
    sha256(&[Label::GROUP_CHANGE.as_bytes(), &[0], change])
}

fn read_kind(raw: GroupKind, author: &Member) -> Result<Kind, Refused> {
    let act = match raw {
        GroupKind::Seal(GroupSeal { owner, roster, previous, nonce }) => {
            let owner = Member::from_wire(owner)?;
            let previous = previous.map(ChangeId);
            return Ok(Kind::Seal(Box::new(Seal { owner, roster, previous, nonce })));
        }
        GroupKind::Grant(targets) => Action::Grant(read_members(targets)?),
        GroupKind::Demote(targets) => Action::Demote(read_members(targets)?),
        GroupKind::Add(targets) => Action::Add(read_members(targets)?),
        GroupKind::Remove(targets) => Action::Remove(read_members(targets)?),
        GroupKind::Leave => Action::Leave,
        GroupKind::Devices(list) => {
            let list = DeviceList::verify(list).map_err(|_| Refused::Form("a device list"))?;
            if Member::of(&list) != *author {
                return Err(Refused::Form("whose devices"));
            }
            Action::Devices(Box::new(list))
        }
        GroupKind::Title(title) => Action::Set(Setting::Title(title)),
        GroupKind::Picture(picture) => Action::Set(Setting::Picture(picture)),
        GroupKind::Timer(seconds) => Action::Set(Setting::Timer(seconds)),
    };
    check_action(&act).map_err(|_| Refused::Form("the length of a setting"))?;
    Ok(Kind::Act(act))
}

/// Whether what is set is as long as it may be.
pub(super) fn check_action(action: &Action) -> Result<(), RosterError> {
    match action {
        Action::Set(setting) => check_setting(setting),
        _ => Ok(()),
    }
}

fn read_members(raw: Vec<GroupMember>) -> Result<Vec<Member>, Refused> {
    let members: Vec<_> = raw.into_iter().map(Member::from_wire).collect::<Result<_, _>>()?;
    if !members.is_sorted_by(|one, next| one < next) {
        return Err(Refused::Form("the order of members"));
    }
    Ok(members)
}

impl Kind {
    pub(super) fn to_wire(&self) -> GroupKind {
        let members = |list: &[Member]| list.iter().map(Member::to_wire).collect();
        match self {
            Self::Seal(seal) => GroupKind::Seal(GroupSeal {
                owner: seal.owner.to_wire(),
                roster: seal.roster,
                previous: seal.previous.map(|seal| seal.0),
                nonce: seal.nonce,
            }),
            Self::Act(action) => match action {
                Action::Grant(targets) => GroupKind::Grant(members(targets)),
                Action::Demote(targets) => GroupKind::Demote(members(targets)),
                Action::Add(targets) => GroupKind::Add(members(targets)),
                Action::Remove(targets) => GroupKind::Remove(members(targets)),
                Action::Leave => GroupKind::Leave,
                Action::Devices(list) => GroupKind::Devices(list.signed().clone()),
                Action::Set(Setting::Title(title)) => GroupKind::Title(title.clone()),
                Action::Set(Setting::Picture(picture)) => GroupKind::Picture(picture.clone()),
                Action::Set(Setting::Timer(seconds)) => GroupKind::Timer(*seconds),
            },
        }
    }
}

impl Action {
    /// In the one order that a change may have them in.
    pub(super) fn sorted(self) -> Self {
        let sort = |mut members: Vec<Member>| {
            members.sort();
            members.dedup();
            members
        };
        match self {
            Self::Grant(targets) => Self::Grant(sort(targets)),
            Self::Demote(targets) => Self::Demote(sort(targets)),
            Self::Add(targets) => Self::Add(sort(targets)),
            Self::Remove(targets) => Self::Remove(sort(targets)),
            other => other,
        }
    }

    pub(super) fn targets(&self) -> &[Member] {
        match self {
            Self::Grant(who) | Self::Demote(who) | Self::Add(who) | Self::Remove(who) => who,
            Self::Leave | Self::Devices(_) | Self::Set(_) => &[],
        }
    }
}
