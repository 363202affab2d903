//! Whether we take part in a group: decided by a person, and heard by our other devices.

use super::super::due::Job;
use super::super::work::Work;
use super::super::{Consent, Error};
use super::behind::unless_refused;
use crate::address::{DeviceId, UserId};
use crate::group::{Action, ChangeId, GroupId};

impl Work<'_> {
    /// We take part from now on.
    pub(in crate::messenger) fn accept_group(&mut self, group: &GroupId) -> Result<(), Error> {
        let known = self.known(group)?.ok_or(Error::Unknown)?;
        if !known.member {
            return Err(Error::NotAMember);
        }
        self.decide_group(group, Consent::Accepted)?;
        self.set_due(Job::GroupHeld, group.as_bytes(), self.now)?;
        // The chains that came before the decision were not kept.
        let roster = self.roster(group)?.ok_or(Error::NotAMember)?;
        for (member, _) in roster.members() {
            for address in self.peers_of(member.user())? {
                self.want_chain(group, &address)?;
            }
        }
        self.do_duties(group)
    }

    /// Silence from now on: the group is left, if we took part, and never heard again.
    pub(in crate::messenger) fn block_group(&mut self, group: &GroupId) -> Result<(), Error> {
        let known = self.known(group)?.ok_or(Error::Unknown)?;
        if known.takes_part() {
            return self.leave_group(group, Consent::Blocked);
        }
        self.decide_group(group, Consent::Blocked)
    }

    pub(super) fn decide_group(&mut self, group: &GroupId, consent: Consent) -> Result<(), Error> {
        let known = self.known(group)?.ok_or(Error::Unknown)?;
        if known.consent == consent {
            return Ok(());
        }
        let mut known = (*known).clone();
        known.consent = consent;
        known.consent_at = self.now;
        let decided = known.decided();
        self.save_known(group, known);
        self.introduce_to_own(group, Some((decided, self.now)))
    }

    /// Devices of a user are others. If some of ours are gone, the primary says so in each
    /// group: what they sign counts no longer.
    pub(in crate::messenger) fn members_devices_changed(
        &mut self,
        user: &UserId,
        removed: &[DeviceId],
    ) -> Result<(), Error> {
        self.readers_changed(user)?;
        let own = self.own()?;
        if *user != own.address().user || removed.is_empty() || own.account.is_none() {
            return Ok(());
        }
        for group in self.all_groups()? {
            if self.known(&group)?.is_some_and(|known| known.takes_part()) {
                let devices = Action::Devices(Box::new((*own.list).clone()));
                unless_refused(self.act(&group, devices))?;
            }
        }
        Ok(())
    }

    /// A person has chosen between two seals.
    pub(in crate::messenger) fn follow_seal(
        &mut self,
        group: &GroupId,
        seal: &ChangeId,
    ) -> Result<(), Error> {
        let known = self.known(group)?.ok_or(Error::NotAMember)?;
        let roster = self.roster(group)?.ok_or(Error::NotAMember)?;
        let mut after = (*roster).clone();
        let told = after.follow(seal).map_err(|_| Error::Unknown)?;
        self.enter(Some(&roster), after, (*known).clone())?;
        self.tell_roster(group, &told.events, None, &mut Vec::new())?;
        self.do_duties(group)
    }
}
