//! A change that this side makes: what it says, and then who signs it.

use super::change::{Action, Change, Kind, MAX_PARENTS, Seal, SignedBy, check_action};
use super::roster::{MAX_MEMBERS, Roster};
use super::{ChangeId, GroupId, Member, Role, RosterError};
use crate::crypto::{Label, Signature};
use crate::identity::{Account, Device, DeviceList};
use crate::wire::{GroupChange, MAX_CHANGE_LEN, SignedChange, SignedDeviceList, Update};

/// A change to be signed. It is on no record yet: sign it, insert the update here, and pass
/// it on.
#[derive(Debug, Clone)]
#[must_use]
pub struct Draft {
    group: GroupId,
    parents: Vec<ChangeId>,
    author: Member,
    kind: Kind,
}

impl Roster {
    /// A change by this member, if he may make it as things stand.
    ///
    /// Before the end of an admin, or anything over one, ask the others for what they have:
    /// what he did counts if the end has it in its past, and else does not.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotAllowed`], [`RosterError::Stopped`],
    /// [`RosterError::TooManyMembers`], [`RosterError::TooLong`].
    /// [`RosterError::TooManyTips`]: sign what [`Self::gather`] gives first.
    pub fn draft(&self, author: &Member, action: Action) -> Result<Draft, RosterError> {
        let action = action.sorted();
        check_action(&action)?;
        if let Action::Add(targets) = &action {
            let new = targets.iter().filter(|target| self.role(target).is_none()).count();
            if new > 0 && self.members().count() + new > MAX_MEMBERS {
                return Err(RosterError::TooManyMembers);
            }
        }
        let mut parents = self.current.tips(&self.state);
        if parents.len() > MAX_PARENTS {
            // To those who cannot gather it makes no difference.
            if self.role(author) != Some(Role::Member) {
                return Err(RosterError::TooManyTips);
            }
            parents.truncate(MAX_PARENTS);
        }
        self.drafted(author, parents, Kind::Act(action))
    }

    /// A change that does nothing but join tips, as long as there are more than a change can
    /// name. Sign and insert it, and ask again.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotAllowed`]: the member is neither owner nor admin.
    /// [`RosterError::Stopped`].
    pub fn gather(&self, author: &Member) -> Result<Option<Draft>, RosterError> {
        let mut tips = self.current.tips(&self.state);
        if tips.len() <= MAX_PARENTS {
            return Ok(None);
        }
        tips.truncate(MAX_PARENTS);
        self.drafted(author, tips, Kind::Act(Action::Add(Vec::new()))).map(Some)
    }

    /// A seal by the owner: a checkpoint, or the handing-over of the group to `next`. What
    /// he has not seen is void then; who was the owner stays as an admin.
    ///
    /// # Errors
    ///
    /// As [`Self::draft`].
    pub fn draft_seal(&self, author: &Member, next: &Member) -> Result<Draft, RosterError> {
        let parents = self.current.tips(&self.state);
        if parents.len() > MAX_PARENTS {
            return Err(RosterError::TooManyTips);
        }
        let roster = self.current.sealed(&self.current.closure(&parents), next).hash();
        let previous = Some(self.current.seal());
        let seal = Seal { owner: next.clone(), roster, previous, nonce: None };
        self.drafted(author, parents, Kind::Seal(Box::new(seal)))
    }

    fn drafted(
        &self,
        author: &Member,
        mut parents: Vec<ChangeId>,
        kind: Kind,
    ) -> Result<Draft, RosterError> {
        if self.stop.is_some() {
            return Err(RosterError::Stopped);
        }
        if parents.is_empty() {
            parents.push(self.current.seal());
        }
        let draft = Draft { group: self.group, parents, author: author.clone(), kind };
        // Judged as if its device were on the newest list; who signs it sees to that.
        self.current.judge(&draft.clone().unsigned(), u64::MAX).map_err(|why| match why {
            super::Refused::NotAllowed => RosterError::NotAllowed,
            other => RosterError::Refused(other),
        })?;
        Ok(draft)
    }
}

impl Draft {
    /// Signs it with a device of the author's, and puts the list that it names beside it.
    ///
    /// # Errors
    ///
    /// [`RosterError::WrongSigner`]: the list is not the author's or lacks the device, or
    /// this is for [`Self::sign_as_account`]. [`RosterError::TooLong`].
    pub fn sign(self, device: &Device, list: &DeviceList) -> Result<Update, RosterError> {
        let id = device.address().device;
        let key = list.device(id).map(|listed| *listed.signing_key());
        if self.is_for_account()
            || Member::of(list) != self.author
            || key != Some(device.signing_key())
        {
            return Err(RosterError::WrongSigner);
        }
        let signer = SignedBy { device: id, list: *list.hash() };
        let lists = vec![list.signed().clone()];
        self.signed(Some(signer), lists, |change| device.sign(Label::GROUP_CHANGE, change))
    }

    /// Signs a seal, or a change of the author's devices, with the author's account key.
    ///
    /// # Errors
    ///
    /// [`RosterError::WrongSigner`]: the account is not the author's, or this is for
    /// [`Self::sign`]. [`RosterError::TooLong`].
    pub fn sign_as_account(self, account: &Account) -> Result<Update, RosterError> {
        if !self.is_for_account() || Member::of(account.device_list()) != self.author {
            return Err(RosterError::WrongSigner);
        }
        self.signed(None, Vec::new(), |change| account.sign(Label::GROUP_CHANGE, change))
    }

    fn is_for_account(&self) -> bool {
        matches!(self.kind, Kind::Seal(_) | Kind::Act(Action::Devices(_)))
    }

    fn signed(
        self,
        signer: Option<SignedBy>,
        lists: Vec<SignedDeviceList>,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<Update, RosterError> {
        let change = self.encode(signer);
        let signature = sign(&change).to_bytes();
        let signed = SignedChange { change, signature };
        if signed.encode().len() > MAX_CHANGE_LEN {
            return Err(RosterError::TooLong("the change"));
        }
        Ok(Update { changes: vec![signed], lists, roster: None })
    }

    fn encode(&self, signer: Option<SignedBy>) -> Vec<u8> {
        GroupChange {
            group: Some(self.group.0),
            parents: self.parents.iter().map(|parent| parent.0).collect(),
            author: self.author.to_wire(),
            device_id: signer.map_or(0, |signer| signer.device.get()),
            device_list: signer.map(|signer| signer.list),
            kind: self.kind.to_wire(),
        }
        .encode()
    }

    /// The change, for the rule; nobody has signed it.
    fn unsigned(self) -> Change {
        let signed = SignedChange { change: Vec::new(), signature: [0; 64] };
        Change {
            id: ChangeId([0; 32]),
            group: Some(self.group),
            parents: self.parents,
            author: self.author,
            signer: None,
            kind: self.kind,
            signed,
        }
    }
}
