//! What is said between devices of their chains: that one was saved, or is lacking.

use std::time::Duration;

use super::super::Error;
use super::super::due::Job;
use super::super::work::Work;
use super::behind::Counted;
use crate::address::Address;
use crate::group::GroupId;
use crate::group::sender_key::HandoverState;
use crate::wire::{Control, SenderKeyAcknowledgement};

/// When a chain goes once more to those who have not said that they have it, counted from
/// when it went: then messages alone take it along.
const AGAIN_AFTER: [Duration; 2] =
    [Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60)];

/// What stands behind the group in the subject of each of these, and of the look at those who
/// were asked then whether they are there at all.
const AN_HOUR_LATER: u8 = 0;
const A_DAY_LATER: u8 = 1;
const SIGN_AWAITED: u8 = 2;

/// How often a chain is asked for, and handed over on request, within an hour.
const AN_HOUR: u32 = 4;

impl Work<'_> {
    /// A device has saved a chain.
    pub(super) fn chain_is_saved(
        &mut self,
        by: &Address,
        saved: &SenderKeyAcknowledgement,
    ) -> Result<(), Error> {
        let group = GroupId::from_bytes(saved.group_id);
        let Some((chain, _)) = self.own_chain(&group)? else { return Ok(()) };
        let messages = chain.length();
        self.change_slot(&group, by, messages, |slot| slot.acknowledged(saved, &chain))
    }

    /// Asks a device for its chain.
    pub(super) fn want_chain(&mut self, group: &GroupId, of: &Address) -> Result<(), Error> {
        if self.may_again(Counted::Wanted, of, group, AN_HOUR)? {
            self.send_control(of, Control::SenderKeyWanted(*group.as_bytes()))?;
        }
        Ok(())
    }

    /// A device lacks our chain: it gets it as it stands, and counts anew.
    pub(super) fn chain_is_wanted(&mut self, by: &Address, group: &GroupId) -> Result<(), Error> {
        let Some((chain, _)) = self.own_chain(group)? else { return Ok(()) };
        // Whoever is to have it has a state; the next message sees to those who come or go.
        let Some(slot) = self.slot(group, by)? else { return Ok(()) };
        let messages = chain.length();
        self.change_slot(group, by, messages, |slot| slot.asked())?;
        if messages > 0
            && self.readers_hold(group)?
            && self.may_again(Counted::HandedOver, by, group, AN_HOUR)?
        {
            let key = slot.handed(&chain);
            if self.send_control(by, key)? {
                self.change_slot(group, by, messages, |slot| slot.sent())?;
                self.chain_has_gone(group)?;
            }
        }
        Ok(())
    }

    /// Our chain has gone to somebody, and may be lost.
    pub(super) fn chain_has_gone(&mut self, group: &GroupId) -> Result<(), Error> {
        for (number, after) in [AN_HOUR_LATER, A_DAY_LATER].into_iter().zip(AGAIN_AFTER) {
            let subject = [group.as_bytes().as_slice(), &[number]].concat();
            self.set_due(Job::GroupKeys, &subject, self.now.after(after))?;
        }
        Ok(())
    }

    /// Hands our chain once more to those who have not said that they have it. Who lacks it after
    /// a day may have lost the session, and have nothing else to answer: they are asked for a sign
    /// of life.
    pub(in crate::messenger) fn hand_over_again(&mut self, subject: &[u8]) -> Result<(), Error> {
        let Some((group, &[number])) = subject.split_first_chunk() else { return Ok(()) };
        let group = GroupId::from_bytes(*group);
        let Some((chain, _)) = self.own_chain(&group)? else { return Ok(()) };
        let (readers, _) = self.find_readers(&group)?;
        let mut next = None;
        for (of, slot) in self.slots(&group)? {
            if slot.handover.state() != HandoverState::Sent || !readers.contains(&of) {
                continue;
            }
            if number != SIGN_AWAITED {
                let key = slot.handed(&chain);
                self.send_control(&of, key)?;
            }
            if number == A_DAY_LATER || self.silent_at(&of)?.is_some() {
                self.look_for_sign(&of)?;
                next = self.silent_at(&of)?.into_iter().chain(next).min();
            }
        }
        match next {
            Some(next) => {
                let subject = [group.as_bytes().as_slice(), &[SIGN_AWAITED]].concat();
                self.set_due(Job::GroupKeys, &subject, next)
            }
            None => Ok(()),
        }
    }
}
