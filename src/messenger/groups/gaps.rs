//! Messages of a chain that are missing: asked for by their numbers, and served.

use super::super::due::Job;
use super::super::errand::Urgency;
use super::super::event::{Happening, StatusCode};
use super::super::repair::ASKED_AFTER;
use super::super::work::Work;
use super::super::{Error, Refusal, table};
use super::behind::Counted;
use super::chains::rows_of;
use crate::address::Address;
use crate::group::GroupId;
use crate::session::Numbers;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::AskedChain};
use crate::wire::{ChainId, Control, GroupMessagesWanted, MAX_CONTROL_ITEMS, MessageId};

/// How many messages are said again to a device on its request, an hour and group.
const SERVED_AN_HOUR: u32 = 100;

/// How many numbers fit the smallest envelope, and how many of those go at once: as many
/// as are served.
const NUMBERS_A_MESSAGE: usize = 40;
const ASKS_AT_ONCE: usize = 2;

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
        self.set_due(Job::GroupGaps, &subject(group, sender), self.now.after(ASKED_AFTER[0]))
    }

    /// Asks for what is missing of a device's chains; what was asked for often enough is
    /// lost.
    pub(in crate::messenger) fn look_after_gaps(&mut self, key: &[u8]) -> Result<(), Error> {
        let Some((sender, group)) = table::split_device(key) else { return Ok(()) };
        let Ok(group) = group.try_into().map(GroupId::from_bytes) else { return Ok(()) };
        if self.speaker(&sender, &group)?.is_none() {
            return Ok(());
        }
        let chains = self.chains(&group, &sender)?;
        let missing: Vec<(ChainId, Vec<u32>)> = chains
            .chains()
            .iter()
            .map(|chain| (chain.chain_id(), chain.missing().collect()))
            .collect();
        self.keep_chains(chains);
        let mut next = None;
        for (chain_id, missing) in missing {
            let at = self.ask_for_missing(&group, &sender, chain_id, missing)?;
            next = at.into_iter().chain(next).min();
        }
        match next {
            Some(next) => self.set_due(Job::GroupGaps, key, next),
            None => Ok(()),
        }
    }

    /// Asks for these, if it is time; says when to come back.
    fn ask_for_missing(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        missing: Vec<u32>,
    ) -> Result<Option<Timestamp>, Error> {
        let rest = [group.as_bytes().as_slice(), chain_id.as_bytes()].concat();
        let key = table::of_device(sender, &rest);
        let row = self.view.get(table::ASKED, &key)?;
        if missing.is_empty() {
            // The next gap is another one.
            if row.is_some() {
                self.view.delete(table::ASKED, key);
            }
            return Ok(None);
        }
        let mut asked: AskedChain =
            row.and_then(|row| stored::decode(&row, "asked chain").ok()).unwrap_or_default();
        let at = Timestamp::from_millis(asked.ask_at);
        if at > self.now && at <= self.now.after(ASKED_AFTER[7]) {
            return Ok(Some(at));
        }
        let times = usize::try_from(asked.times).unwrap_or(usize::MAX);
        let Some(wait) = ASKED_AFTER.get(times.saturating_add(1)) else {
            self.view.delete(table::ASKED, key);
            self.lose_missing(group, sender, chain_id, &missing)?;
            return Ok(None);
        };
        for iterations in missing.chunks(NUMBERS_A_MESSAGE).take(ASKS_AT_ONCE) {
            let group_id = *group.as_bytes();
            let iterations = iterations.to_vec();
            let wanted = GroupMessagesWanted { group_id, chain_id, iterations };
            self.send_control(sender, Control::GroupMessagesWanted(wanted))?;
        }
        let at = self.now.after(*wait);
        asked.ask_at = at.as_millis();
        asked.times = asked.times.saturating_add(1);
        self.view.put(table::ASKED, key, stored::encode(&asked));
        Ok(Some(at))
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
                self.save_chains(&chains, &rows_of(chain_id, &iterations), &tags);
            }
        }
        self.keep_chains(chains);
        let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
        self.tell(Happening::Lost { from: sender.clone(), count });
        Ok(())
    }

    /// A message that was sent before its chain came here cannot be opened: asks for it.
    pub(super) fn ask_for_one(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        iteration: u32,
    ) -> Result<(), Error> {
        if self.may_again(Counted::OneAsked, sender, group, SERVED_AN_HOUR)? {
            let (group_id, iterations) = (*group.as_bytes(), vec![iteration]);
            let wanted = GroupMessagesWanted { group_id, chain_id, iterations };
            self.send_control(sender, Control::GroupMessagesWanted(wanted))?;
        }
        Ok(())
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
