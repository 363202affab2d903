//! Messages of a chain that are missing: asked for by their numbers, and served.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::due::Job;
use super::super::errand::Urgency;
use super::super::happening::{Happening, StatusCode};
use super::super::receive::Received;
use super::super::repair::ASKED_AFTER;
use super::super::work::Work;
use super::super::{Error, Refusal, table};
use super::asked::{Asked, AskedOf, wait};
use super::behind::Counted;
use super::chains::{chain_key, rows_of};
use crate::address::Address;
use crate::group::GroupId;
use crate::group::sender_key::MAX_CHAIN_LEN;
use crate::session::Numbers;
use crate::timestamp::Timestamp;
use crate::wire::stored;
use crate::wire::{
    ChainId, Control, GroupMessagesWanted, MAX_CONTROL_ITEMS, MessageId, Replaced,
    SenderKeyDistribution,
};

/// Of how many chains of a device something is asked for, if not all of them are kept.
const MAX_ASKED_CHAINS: usize = 32;

/// How many messages are said again to a device on its request, an hour and group.
const SERVED_AN_HOUR: u32 = 100;

/// How many numbers fit the smallest envelope, and how many of those go at once: as many
/// as are served.
const NUMBERS_A_MESSAGE: usize = 40;
const ASKS_AT_ONCE: usize = 2;

/// How many of those go to a device an hour.
const ASKS_AN_HOUR: u32 = 20;

fn subject(group: &GroupId, sender: &Address) -> Vec<u8> {
    table::of_device(sender, group.as_bytes())
}

impl Work<'_> {
    /// Messages of a device are missing in a group.
    pub(super) fn chain_has_gaps(
        &mut self,
        group: &GroupId,
        sender: &Address,
    ) -> Result<(), Error> {
        self.match_all_missing(group, sender)?;
        self.set_due(Job::GroupGaps, &subject(group, sender), self.now.after(ASKED_AFTER[0]))
    }

    /// What is asked for of each chain of a device.
    fn match_all_missing(
        &mut self,
        group: &GroupId,
        sender: &Address,
    ) -> Result<Vec<(ChainId, AskedOf)>, Error> {
        let chains = self.chains(group, sender)?;
        let mut all = Vec::new();
        for chain in chains.chains() {
            let chain_id = chain.chain_id();
            match self.asked(sender, group, chain_id) {
                Ok(mut asked) => {
                    asked.match_missing(chain, self.now);
                    self.save_asked(sender, group, chain_id, &asked);
                    all.push((chain_id, asked));
                }
                Err(error) => {
                    self.keep_chains(chains);
                    return Err(error);
                }
            }
        }
        let known: BTreeSet<ChainId> = chains.chains().iter().map(|c| c.chain_id()).collect();
        self.keep_chains(chains);
        for chain_id in self.asked_chains(group, sender)? {
            if !known.contains(&chain_id) {
                all.push((chain_id, self.asked(sender, group, chain_id)?));
            }
        }
        Ok(all)
    }

    /// The chains of a device of which something is asked for.
    fn asked_chains(&self, group: &GroupId, sender: &Address) -> Result<Vec<ChainId>, Error> {
        let prefix = subject(group, sender);
        let rows = self.view.scan_prefix(table::ASKED, &prefix)?;
        let id = |key: &Vec<u8>| key.get(prefix.len()..)?.try_into().ok().map(ChainId::from_bytes);
        Ok(rows.iter().filter_map(|(key, _)| id(key)).collect())
    }

    fn asked(
        &self,
        sender: &Address,
        group: &GroupId,
        chain_id: ChainId,
    ) -> Result<AskedOf, Error> {
        let row = self.view.get(table::ASKED, &chain_key(sender, group, chain_id))?;
        let raw = row.and_then(|row| stored::decode(&row, "asked chain").ok());
        Ok(raw.as_ref().map(AskedOf::from_record).unwrap_or_default())
    }

    fn save_asked(
        &mut self,
        sender: &Address,
        group: &GroupId,
        chain_id: ChainId,
        asked: &AskedOf,
    ) {
        let key = chain_key(sender, group, chain_id);
        match asked.missing.is_empty() && asked.copied.is_empty() {
            true => self.view.delete(table::ASKED, key),
            false => self.view.put(table::ASKED, key, stored::encode(&asked.to_record())),
        }
    }

    /// A chain is forgotten, and what it lacked is told; what was sent before it was handed
    /// over is asked for as long as if it was there.
    pub(super) fn chain_is_over(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
    ) -> Result<(), Error> {
        let mut asked = self.asked(sender, group, chain_id)?;
        asked.missing.retain(|iteration, _| *iteration < asked.first);
        asked.copied.clear();
        self.save_asked(sender, group, chain_id, &asked);
        Ok(())
    }

    /// Nothing of a device is asked for any more.
    pub(super) fn ask_for_nothing(
        &mut self,
        group: &GroupId,
        sender: &Address,
    ) -> Result<(), Error> {
        for chain_id in self.asked_chains(group, sender)? {
            self.view.delete(table::ASKED, chain_key(sender, group, chain_id));
        }
        Ok(())
    }

    /// Asks for what is missing of a device's chains; what was asked for often enough is
    /// lost.
    pub(in crate::messenger) fn look_after_gaps(&mut self, key: &[u8]) -> Result<(), Error> {
        let Some((sender, group)) = table::split_device(key) else { return Ok(()) };
        let Ok(group) = group.try_into().map(GroupId::from_bytes) else { return Ok(()) };
        if self.speaker(&sender, &group)?.is_none() {
            return Ok(());
        }
        let mut next = None;
        for (chain_id, asked) in self.match_all_missing(&group, &sender)? {
            let at = self.ask_for_missing(&group, &sender, chain_id, asked)?;
            next = at.into_iter().chain(next).min();
        }
        match next {
            Some(next) => self.set_due(Job::GroupGaps, key, next),
            None => Ok(()),
        }
    }

    /// Asks for what it is time for; says when to come back.
    fn ask_for_missing(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        mut asked: AskedOf,
    ) -> Result<Option<Timestamp>, Error> {
        let (mut due, over) = asked.due(self.now);
        if !over.is_empty() {
            asked.missing.retain(|iteration, _| !over.contains(iteration));
            self.lose_missing(group, sender, chain_id, &over)?;
        }
        for _ in 0..ASKS_AT_ONCE {
            let some = due.len().min(NUMBERS_A_MESSAGE);
            let iterations: Vec<u32> = due.drain(..some).collect();
            if iterations.is_empty() {
                break;
            }
            if !self.may_again(Counted::MissingAsked, sender, group, ASKS_AN_HOUR)? {
                due.extend(iterations);
                break;
            }
            for iteration in &iterations {
                if let Some(asked) = asked.missing.get_mut(iteration)
                    && let Some(wait) = wait(asked.times)
                {
                    asked.at = self.now.after(wait);
                    asked.times = asked.times.saturating_add(1);
                }
            }
            let group_id = *group.as_bytes();
            let wanted = GroupMessagesWanted { group_id, chain_id, iterations };
            self.send_control(sender, Control::GroupMessagesWanted(wanted))?;
        }
        // The others have an hour of their own.
        for iteration in &due {
            if let Some(asked) = asked.missing.get_mut(iteration) {
                asked.at = self.now.after(ASKED_AFTER[0]);
            }
        }
        self.save_asked(sender, group, chain_id, &asked);
        Ok(asked.missing.values().map(|asked| asked.at).min())
    }

    fn lose_missing(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        missing: &[u32],
    ) -> Result<(), Error> {
        let mut chains = self.chains(group, sender)?;
        for iteration in missing {
            if let Some(chain) = chains.chain_mut(chain_id) {
                let ((), iterations, tags) = chain.give_up(*iteration).into_parts();
                self.save_chains(&chains, &rows_of(chain_id, &iterations), &tags)?;
            }
        }
        self.keep_chains(chains);
        let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        self.tell(Happening::Lost { from: sender.clone(), count });
        Ok(())
    }

    /// A message has no key here. If it was sent before its chain came, it is asked for.
    pub(super) fn key_is_gone(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        iteration: u32,
    ) -> Result<Received, Error> {
        let mut asked = self.asked(sender, group, chain_id)?;
        if asked.copied.contains(&iteration) {
            return Ok(Received::Duplicate);
        }
        let was_asked = asked.missing.get(&iteration).is_some_and(|asked| asked.times > 0);
        if self.came_before(group, sender, chain_id, iteration)? && !was_asked {
            asked.missing.insert(iteration, Asked { at: self.now, times: 0 });
            asked.first = asked.first.max(iteration.saturating_add(1));
            self.save_asked(sender, group, chain_id, &asked);
            self.set_due(Job::GroupGaps, &subject(group, sender), self.now)?;
        }
        Ok(Received::Undecryptable)
    }

    /// A chain was handed over after messages that its sender has sent here too, in it or in
    /// the one before.
    pub(super) fn missed_before(
        &mut self,
        group: &GroupId,
        sender: &Address,
        handed_over: &SenderKeyDistribution,
    ) -> Result<(), Error> {
        let first = handed_over.iteration();
        let missed = first.saturating_sub(handed_over.missed())..first;
        self.missed_of(group, sender, handed_over.chain_id(), missed)?;
        let replaced = handed_over.replaced().filter(|_| !handed_over.names_itself());
        let Some(Replaced { chain_id, length }) = replaced else { return Ok(()) };
        let length = length.min(MAX_CHAIN_LEN);
        let missed = length.saturating_sub(handed_over.replaced_missed())..length;
        self.missed_of(group, sender, chain_id, missed)?;
        self.lost_before(group, sender, handed_over)
    }

    /// More than one chain was replaced before this one came: what was sent in those of which
    /// nothing is known here cannot be asked for.
    fn lost_before(
        &mut self,
        group: &GroupId,
        sender: &Address,
        handed_over: &SenderKeyDistribution,
    ) -> Result<(), Error> {
        let chains = self.chains(group, sender)?;
        let (told, open) =
            (chains.has_neighbour_of(handed_over), chains.left_open(handed_over.chain_id()));
        self.keep_chains(chains);
        let count = u64::from(handed_over.lost_before().saturating_sub(open));
        if count > 0 && !told {
            self.tell(Happening::Lost { from: sender.clone(), count });
        }
        Ok(())
    }

    /// These messages of a chain were sent here, and there is no key for them.
    fn missed_of(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        missed: Range<u32>,
    ) -> Result<(), Error> {
        let mut chains = self.chains(group, sender)?;
        let first = chains.chain_mut(chain_id).map(|chain| chain.first());
        self.keep_chains(chains);
        // What comes behind that the chain notices by itself.
        let missed = missed.start..missed.end.min(first.unwrap_or(missed.end));
        if missed.is_empty() {
            return Ok(());
        }
        if first.is_none() && self.asked_chains(group, sender)?.len() >= MAX_ASKED_CHAINS {
            let count = u64::try_from(missed.len()).unwrap_or(u64::MAX);
            self.tell(Happening::Lost { from: sender.clone(), count });
            return Ok(());
        }
        let mut asked = self.asked(sender, group, chain_id)?;
        let new = Asked { at: self.now.after(ASKED_AFTER[0]), times: 0 };
        for iteration in missed.filter(|iteration| !asked.copied.contains(iteration)) {
            asked.missing.entry(iteration).or_insert(new);
            asked.first = asked.first.max(iteration.saturating_add(1));
        }
        self.save_asked(sender, group, chain_id, &asked);
        self.set_due(Job::GroupGaps, &subject(group, sender), new.at)
    }

    /// A message has come another way, and is not missing any more.
    pub(super) fn came_as_copy(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        iteration: u32,
    ) -> Result<(), Error> {
        self.give_up_iteration(sender, group, chain_id, iteration)?;
        let mut asked = self.asked(sender, group, chain_id)?;
        let was_asked = asked.missing.remove(&iteration).is_some();
        let before = self.came_before(group, sender, chain_id, iteration)?;
        if before {
            asked.copied.insert(iteration);
        }
        if was_asked || before {
            self.save_asked(sender, group, chain_id, &asked);
        }
        Ok(())
    }

    /// Whether a message is of before its chain was handed over here.
    fn came_before(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        iteration: u32,
    ) -> Result<bool, Error> {
        let mut chains = self.chains(group, sender)?;
        let first = chains.chain_mut(chain_id).map(|chain| chain.first());
        self.keep_chains(chains);
        Ok(first.is_some_and(|first| iteration < first))
    }

    /// Says messages to a group again, to a device of a member's that lacks them.
    pub(super) fn serve_group(
        &mut self,
        to: &Address,
        wanted: &GroupMessagesWanted,
    ) -> Result<(), Error> {
        let group = GroupId::from_bytes(wanted.group_id);
        let Some(since) = self.speaker(to, &group)? else { return Ok(()) };
        for iteration in wanted.iterations.iter().take(MAX_CONTROL_ITEMS) {
            let copy = self.group_copy(&group, wanted.chain_id, *iteration, since)?;
            let Some(frame) = copy else { continue };
            if !self.may_again(Counted::Served, to, &group, SERVED_AN_HOUR)? {
                break;
            }
            let id = MessageId::generate(&mut self.rng);
            if let Some(sent) = self.encrypt_content(to, id, &frame, Numbers::Unnumbered)? {
                self.carry(to, sent.envelope, Urgency::Quiet, None);
            }
        }
        Ok(())
    }

    /// The other end does not take a message to a group.
    pub(in crate::messenger) fn group_refused(
        &mut self,
        group: GroupId,
        message: MessageId,
        refusal: &Refusal,
    ) -> Result<(), Error> {
        if let Refusal::NoSuchDevices(gone) = refusal {
            for address in gone {
                self.fetch(&address.user)?;
            }
            return self.carried_to_group(group, message);
        }
        let user = self.own()?.address().user.clone();
        let (group, status) = (Some(group), StatusCode::Refused);
        self.tell(Happening::Status { message, group, user, status });
        Ok(())
    }
}
