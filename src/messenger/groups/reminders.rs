//! A device that runs on an old state may not know a group any more, nor a chain: whoever notices
//! it says again which groups both are in, and it asks for what it lacks (SPEC.md, section 13.10).

use super::super::daily::DAY;
use super::super::due::Job;
use super::super::repair::HOUR;
use super::super::work::Work;
use super::super::{Consent, Error, table};
use super::behind::Counted;
use crate::address::Address;
use crate::group::GroupId;
use crate::wire::{Ask, Control, GroupBehind};

/// How often all of a group is asked for within an hour, of whomever.
const INTRODUCTIONS_AN_HOUR: u32 = 3;

/// How many groups that are not known a device may speak of within an hour, and be heard.
const MENTIONS_AN_HOUR: u32 = 20;

/// What stands behind the group in the subject of a job: whether all of a group is asked for if
/// we are no member, or the chain alone once we are one.
const ALL: u8 = 0;
const CHAIN: u8 = 1;

fn subject_of(address: &Address, group: &GroupId, step: u8) -> Vec<u8> {
    table::of_device(address, &[group.as_bytes().as_slice(), &[step]].concat())
}

impl Work<'_> {
    /// A device fell back, or begins again: what it has forgotten it is told in a while, when
    /// there is a session that works.
    pub(in crate::messenger) fn may_have_forgotten_groups(
        &mut self,
        address: &Address,
    ) -> Result<(), Error> {
        let at = self.now.after(HOUR);
        self.set_due(Job::GroupReminder, &table::of_device(address, &[]), at)
    }

    /// Says to a device which groups both are in, and hands our chains over anew.
    pub(in crate::messenger) fn remind_of_groups(
        &mut self,
        address: &Address,
    ) -> Result<(), Error> {
        let Some(list) = self.list_of(&address.user)? else { return Ok(()) };
        if list.device(address.device).is_none() || !self.may_speak(&address.user)? {
            return Ok(());
        }
        let of_all = GroupId::from_bytes([0; 32]);
        if !self.may_again(Counted::Reminded, address, &of_all, 1)? {
            return self.set_due(
                Job::GroupReminder,
                &table::of_device(address, &[]),
                self.now.after(DAY),
            );
        }
        for (group, member) in self.memberships(&address.user)? {
            if member == list.account_key()
                && self.known(&group)?.is_some_and(|known| known.takes_part())
            {
                self.ask_behind(address, &group, None)?;
                self.chain_is_wanted(address, &group)?;
            }
        }
        Ok(())
    }

    /// Whether we may be a member of a group of which a device speaks, and not know it: nothing
    /// is known of it here, or that others took us out. If we have left it, our own devices
    /// alone know better.
    pub(super) fn may_be_member(
        &mut self,
        address: &Address,
        group: &GroupId,
    ) -> Result<bool, Error> {
        let Some(known) = self.known(group)? else { return Ok(true) };
        Ok(!known.member
            && match known.consent {
                Consent::Accepted => true,
                Consent::Stranger => address.user == self.own()?.address().user,
                Consent::Requested | Consent::Blocked => false,
            })
    }

    /// Somebody speaks of a group in which we take no part by what is known here: is it one that
    /// was forgotten? Mostly the invitation is under way.
    pub(super) fn may_have_forgotten(
        &mut self,
        address: &Address,
        group: &GroupId,
    ) -> Result<(), Error> {
        let of_all = GroupId::from_bytes([0; 32]);
        if !self.may_be_member(address, group)?
            || !self.is_accepted(address)?
            || !self.may_again(Counted::Mentioned, address, &of_all, MENTIONS_AN_HOUR)?
        {
            return Ok(());
        }
        let subject = subject_of(address, group, ALL);
        self.set_due(Job::GroupForgotten, &subject, self.now.after(HOUR))
    }

    /// Asks for all of a group, if we are no member by what is known still; and once we are, for
    /// the chain of that device: what came of it before was not kept.
    ///
    /// The one is not asked for with the other: a chain that comes to who is no member would
    /// make him ask again, without end.
    pub(in crate::messenger) fn ask_for_forgotten(&mut self, subject: &[u8]) -> Result<(), Error> {
        let Some((address, [group @ .., step])) = table::split_device(subject) else {
            return Ok(());
        };
        let Ok(group) = group.try_into().map(GroupId::from_bytes) else { return Ok(()) };
        if !self.is_accepted(&address)? {
            return Ok(());
        }
        if self.speaker(&address, &group)?.is_some() {
            return self.want_chain(&group, &address);
        }
        if *step != ALL || !self.may_be_member(&address, &group)? {
            return Ok(());
        }
        let us = self.own()?.address().clone();
        if self.may_again(Counted::IntroductionAsked, &us, &group, INTRODUCTIONS_AN_HOUR)? {
            let (group_id, ask) = (*group.as_bytes(), Ask::nothing());
            let behind = GroupBehind { group_id, ask, head: None };
            self.send_control(&address, Control::GroupBehind(Box::new(behind)))?;
        }
        let subject = subject_of(&address, &group, CHAIN);
        self.set_due(Job::GroupForgotten, &subject, self.now.after(HOUR))
    }

    /// A chain of this device has come.
    pub(super) fn has_not_forgotten(
        &mut self,
        address: &Address,
        group: &GroupId,
    ) -> Result<(), Error> {
        for step in [ALL, CHAIN] {
            self.clear_due(Job::GroupForgotten, &subject_of(address, group, step))?;
        }
        Ok(())
    }

    /// Only whom we have accepted is asked: their invitation needs no decision.
    fn is_accepted(&mut self, address: &Address) -> Result<bool, Error> {
        Ok(address.user == self.own()?.address().user
            || self.contact(&address.user)?.consent == Consent::Accepted)
    }
}
