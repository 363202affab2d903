//! What is said between devices of their chains: that one was saved, or is lacking.

use std::time::Duration;

use rand::RngExt;

use super::super::Error;
use super::super::due::Job;
use super::super::work::Work;
use super::behind::Counted;
use crate::address::{Address, UserId};
use crate::group::GroupId;
use crate::group::sender_key::HandoverState;
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::HeldEnvelope;
use crate::wire::{Control, GroupMessage, SenderKeyAcknowledgement};

/// How long a message may come before its chain, and how much longer is waited at random, so
/// that who sends what nobody knows does not see at once whom it is taken to be from.
const WAIT_FOR_CHAIN: Duration = Duration::from_secs(60 * 60);
const WAIT_AT_RANDOM: u64 = 60 * 60 * 1000;

/// How many chains are asked for within an hour because of such envelopes.
const UNKNOWN_AN_HOUR: u32 = 60;

/// When a chain goes once more to those who have not said that they have it, counted from
/// when it went: then messages alone take it along.
const AGAIN_AFTER: [Duration; 2] =
    [Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60)];

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

    /// An envelope of a group is of no chain that is known here. If the transport says whom it
    /// is from, and some time has not brought the chain, it is asked for, once. Says whether the
    /// record is another.
    pub(in crate::messenger) fn look_after_group_envelope(
        &mut self,
        held: &mut HeldEnvelope,
    ) -> Result<bool, Error> {
        let Ok(user) = UserId::new(&held.claimed_from) else { return Ok(false) };
        if held.ask_at == u64::MAX || GroupMessage::decode(&held.envelope).is_err() {
            return Ok(false);
        }
        let latest = self.now.after(2 * WAIT_FOR_CHAIN).as_millis();
        let decides = held.ask_at == 0 || held.ask_at > latest;
        if decides {
            let at_random = Duration::from_millis(self.rng.random_range(0..WAIT_AT_RANDOM));
            let from = Timestamp::from_millis(held.held_at);
            held.ask_at = from.after(WAIT_FOR_CHAIN).after(at_random).as_millis();
        }
        let ask_at = Timestamp::from_millis(held.ask_at);
        if self.now < ask_at {
            self.set_due(Job::Held, &[], ask_at)?;
            return Ok(decides);
        }
        held.ask_at = u64::MAX;
        let Some(key) = self.list_of(&user)?.map(|list| list.account_key()) else {
            return Ok(true);
        };
        let us = self.own()?.address().clone();
        let of_all = GroupId::from_bytes([0; 32]);
        for (group, _) in self.memberships(&user)?.iter().filter(|(_, member)| *member == key) {
            for address in self.peers_of(&user)? {
                if self.speaker(&address, group)?.is_some()
                    && self.may_again(Counted::UnknownAsked, &us, &of_all, UNKNOWN_AN_HOUR)?
                {
                    self.want_chain(group, &address)?;
                }
            }
        }
        Ok(true)
    }

    /// A device lacks our chain: it gets it as it stands, and counts anew.
    pub(super) fn chain_is_wanted(&mut self, by: &Address, group: &GroupId) -> Result<(), Error> {
        let Some((chain, _)) = self.own_chain(group)? else { return Ok(()) };
        // Whoever is to have it has a state; the next message sees to those who come or go.
        if self.slot(group, by)?.is_none() {
            return Ok(());
        }
        let messages = chain.length();
        self.change_slot(group, by, messages, |slot| slot.asked())?;
        if messages > 0
            && self.readers_hold(group)?
            && self.may_again(Counted::HandedOver, by, group, AN_HOUR)?
        {
            let key = Control::SenderKey(Box::new(chain.distribution()));
            if self.send_control(by, key)? {
                self.change_slot(group, by, messages, |slot| slot.sent())?;
                self.chain_has_gone(group)?;
            }
        }
        Ok(())
    }

    /// Our chain has gone to somebody, and may be lost.
    pub(super) fn chain_has_gone(&mut self, group: &GroupId) -> Result<(), Error> {
        for (number, after) in (0_u8..).zip(AGAIN_AFTER) {
            let subject = [group.as_bytes().as_slice(), &[number]].concat();
            self.set_due(Job::GroupKeys, &subject, self.now.after(after))?;
        }
        Ok(())
    }

    /// Hands our chain once more to those who have not said that they have it.
    pub(in crate::messenger) fn hand_over_again(&mut self, subject: &[u8]) -> Result<(), Error> {
        let Some((group, _)) = subject.split_first_chunk() else { return Ok(()) };
        let group = GroupId::from_bytes(*group);
        let Some((chain, _)) = self.own_chain(&group)? else { return Ok(()) };
        let (readers, _) = self.find_readers(&group)?;
        for (of, slot) in self.slots(&group)? {
            if slot.handover.state() == HandoverState::Sent && readers.contains(&of) {
                let key = Control::SenderKey(Box::new(chain.distribution()));
                self.send_control(&of, key)?;
            }
        }
        Ok(())
    }
}
