//! Which seals a roster goes by (SPEC.md, sections 13.3 and 13.4, step 1).

use super::change::{Change, Seal};
use super::epoch::{Epoch, Found};
use super::roster::MAX_SEALS;
use super::sealed::SealedRoster;
use super::{ChangeId, GroupId, Inserted, Member, Refused, Roster, RosterError, RosterEvent, Stop};
use crate::wire::{GroupRoster, Update, Welcome};

impl Roster {
    /// The roster of somebody who knows nothing of the group but its id. What has come since
    /// the last seal is then inserted.
    ///
    /// # Errors
    ///
    /// [`RosterError::Refused`]: what is said does not follow from what owners have signed.
    ///
    /// # Security
    ///
    /// Whoever made the welcome is trusted for freshness only: he can leave out the newest
    /// seals, and nothing else.
    pub fn join(group: &GroupId, welcome: &Welcome) -> Result<Self, RosterError> {
        let (seals, roster) = read_welcome(group, welcome)?;
        Ok(Self::at(seals, roster))
    }

    /// What a newcomer needs, beside the changes since the last seal.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        Welcome {
            seals: self.seals.iter().map(|seal| seal.signed.clone()).collect(),
            roster: self.current.roster().to_wire(),
        }
    }

    /// Follows one of two seals: a person has chosen. What was held is looked at again.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotAllowed`]: it is not one of those that [`Self::stopped`] names.
    pub fn follow(&mut self, seal: &ChangeId) -> Result<Inserted, RosterError> {
        match &self.stop {
            Some(Stop::TwoSeals { seals }) if seals.contains(seal) => {
                self.chosen = Some(*seal);
                self.stop = None;
                Ok(self.insert(&Update::default()))
            }
            _ => Err(RosterError::NotAllowed),
        }
    }

    /// Goes on from a later seal than the last one that is known, of which the changes in
    /// between are not to be had. What has come since it is then inserted. A seal that builds
    /// on what is known here is followed like any other: of what it has not seen nothing is
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`RosterError::Refused`]: what is said does not follow from what owners have signed.
    /// [`RosterError::NotAllowed`]: it is no later seal. If it goes by another seal than the
    /// one that is followed here, the owner has made two.
    pub fn catch_up(&mut self, welcome: &Welcome) -> Result<Inserted, RosterError> {
        let (seals, roster) = read_welcome(&self.group, welcome)?;
        let later = seals.len() > self.seals.len()
            && self.seals.iter().zip(&seals).all(|(ours, theirs)| ours.id == theirs.id);
        let last = seals.last().filter(|_| later);
        let Some((last, seal)) = last.and_then(|last| Some((last, last.seal()?))) else {
            return Err(RosterError::NotAllowed);
        };
        let mut told = Inserted::default();
        while let Some(next) = seals.get(self.seals.len()).filter(|next| self.ends_with(next)) {
            let (known, changes) = (self.seals.len(), vec![next.signed.clone()]);
            let roster = Some(welcome.roster.clone());
            told.append(self.insert(&Update { changes, lists: Vec::new(), roster }));
            if self.seals.len() == known {
                break;
            }
        }
        let Some(chosen) = seals.get(self.seals.len()).map(Change::id) else { return Ok(told) };
        if self.stop.is_some() && self.chosen != Some(chosen) {
            return Err(RosterError::Stopped);
        }
        let next = Epoch::new(last.id, roster);
        let former = std::mem::replace(&mut self.current, next);
        let before = std::mem::replace(&mut self.state, self.current.state());
        told.accepted.push(last.id);
        told.events.push(RosterEvent::Sealed { seal: last.id, owner: seal.owner.clone() });
        self.tell_difference(&former, &before, None, &mut told);
        (self.seals, self.former, self.chosen, self.stop) = (seals, None, None, None);
        self.forget_lists();
        told.append(self.insert(&Update::default()));
        Ok(told)
    }

    /// Whether this seal, and no other, closes what is known here.
    fn ends_with(&self, seal: &Change) -> bool {
        self.stop.is_none()
            && self.current.seals().next().is_none()
            && seal.parents.iter().all(|parent| self.current.find(parent) == Found::Here)
    }

    /// Goes on from the next seal, if there is one that can be followed.
    pub(super) fn advance(&mut self, offered: Option<&GroupRoster>, told: &mut Inserted) -> bool {
        let seals: Vec<_> = self.current.seals().map(|(place, seal)| (place, seal.id)).collect();
        let chosen = seals.iter().find(|(_, id)| Some(*id) == self.chosen);
        let (place, id) = match (chosen, seals.as_slice()) {
            (_, []) => return false,
            (Some(chosen), _) => *chosen,
            (None, [only]) => *only,
            (None, [_, ..]) => {
                let stop = Stop::TwoSeals { seals: seals.iter().map(|(_, id)| *id).collect() };
                if self.stop.as_ref() != Some(&stop) {
                    let tell = |other| RosterEvent::TwoSeals { followed: None, other };
                    told.events.extend(seals.iter().map(|(_, id)| tell(*id)));
                }
                self.stop = Some(stop);
                return false;
            }
        };
        let Some(seal) = self.current.change(place).cloned() else { return false };
        let Some(Seal { owner, roster: named, .. }) = seal.seal() else { return false };
        let first_seen = self.chosen != Some(id);
        self.chosen = Some(id);
        let rivals = seals.iter().filter(|(_, other)| *other != id);
        if !first_seen {
            let tell = |other| RosterEvent::TwoSeals { followed: Some(id), other };
            let new = rivals.filter(|(_, other)| told.accepted.contains(other));
            told.events.extend(new.map(|(_, other)| tell(*other)));
        }
        let computed = self.current.sealed(self.current.world().past(place), owner);
        let roster = if computed.hash() == *named {
            Some(computed)
        } else {
            if self.stop.is_none() {
                told.events.push(RosterEvent::RosterDiffers { seal: id });
            }
            let offered = offered.cloned().and_then(|raw| SealedRoster::from_wire(raw).ok());
            offered.filter(|roster| roster.hash() == *named && roster.is_owned_by(owner))
        };
        let Some(roster) = roster else {
            self.stop = Some(Stop::RosterMissing { seal: id });
            return false;
        };
        self.go_on(seal.clone(), owner, Epoch::new(id, roster), place, told);
        true
    }

    fn go_on(
        &mut self,
        seal: Change,
        owner: &Member,
        next: Epoch,
        place: usize,
        told: &mut Inserted,
    ) {
        let former = std::mem::replace(&mut self.current, next);
        let before = std::mem::replace(&mut self.state, self.current.state());
        self.seals.push(seal.clone());
        (self.chosen, self.stop) = (None, None);
        told.events.push(RosterEvent::Sealed { seal: seal.id, owner: owner.clone() });
        self.tell_difference(&former, &before, Some(&seal.author), told);
        let past = former.world().past(place);
        for (place, change) in former.changes().iter().enumerate() {
            if before.counted.contains(place) && !past.contains(place) && change.seal().is_none() {
                let (change, author) = (change.id, change.author.clone());
                told.events.push(RosterEvent::Voided { change, author });
            }
        }
        self.former = Some(former);
        self.forget_lists();
    }
}

/// The seals, each signed by the owner that the one before names, and the roster that the
/// last one names.
fn read_welcome(
    group: &GroupId,
    welcome: &Welcome,
) -> Result<(Vec<Change>, SealedRoster), RosterError> {
    let Welcome { seals: raw, roster } = welcome;
    if raw.len() > MAX_SEALS {
        return Err(Refused::Limit.into());
    }
    let mut seals: Vec<Change> = Vec::with_capacity(raw.len());
    for signed in raw {
        let change = Change::decode(signed.clone())?;
        let Some(seal) = change.seal() else { return Err(Refused::Form("a seal").into()) };
        if change.group() != *group {
            return Err(Refused::OtherGroup.into());
        }
        let before = seals.last();
        let owner = before.map_or(Some(&change.author), |seal| seal.seal().map(|s| &s.owner));
        if seal.previous != before.map(Change::id) || owner != Some(&change.author) {
            return Err(Refused::OtherSeal.into());
        }
        change.verify(None)?;
        seals.push(change);
    }
    let roster = SealedRoster::from_wire(roster.clone())?;
    match seals.last().and_then(Change::seal) {
        Some(seal) if seal.roster == roster.hash() && roster.is_owned_by(&seal.owner) => {
            Ok((seals, roster))
        }
        _ => Err(Refused::Form("the roster that the last seal names").into()),
    }
}
