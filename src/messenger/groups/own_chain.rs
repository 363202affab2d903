//! The chain that this device sends in: begun lazily, replaced in time.

use std::collections::BTreeMap;

use super::super::work::Work;
use super::super::{Error, table};
use super::readers::Unknown;
use crate::address::{Address, UserId};
use crate::group::GroupId;
use crate::group::sender_key::SendingChain;
use crate::wire::ChainId;
use crate::wire::stored::{self, messenger as record};

pub(super) fn sent_prefix(group: &GroupId, chain: ChainId) -> Vec<u8> {
    [group.as_bytes().as_slice(), chain.as_bytes()].concat()
}

impl Work<'_> {
    /// Our chain in a group, and whether another has to take its place; a damaged one is
    /// none.
    pub(super) fn own_chain(&self, group: &GroupId) -> Result<Option<(SendingChain, bool)>, Error> {
        let row = self.view.get(table::OWN_CHAINS, group.as_bytes())?;
        let raw = row.and_then(|row| stored::decode::<record::OwnChain>(&row, "own chain").ok());
        Ok(raw.and_then(|raw| Some((SendingChain::from_record(&raw.chain).ok()?, raw.rotate))))
    }

    pub(super) fn save_own_chain(&mut self, group: &GroupId, chain: &SendingChain, rotate: bool) {
        let row = record::OwnChain { chain: chain.record().to_vec(), rotate };
        self.view.put(table::OWN_CHAINS, group.as_bytes().to_vec(), stored::encode(&row));
    }

    /// Before the next message another chain takes the place of ours.
    pub(in crate::messenger) fn rotate_group(&mut self, group: &GroupId) -> Result<(), Error> {
        if let Some((chain, false)) = self.own_chain(group)? {
            self.save_own_chain(group, &chain, true);
        }
        Ok(())
    }

    /// The chain for the next message: of a group whose readers are others now, it goes to
    /// the new ones, and is replaced if somebody has it who is none.
    pub(super) fn ready_chain(&mut self, group: &GroupId) -> Result<SendingChain, Error> {
        let own = self.own()?;
        let (new, unknown) = match self.readers_hold(group)? {
            true => Default::default(),
            false => {
                let messages = self.own_chain(group)?.map_or(0, |(chain, _)| chain.length());
                let unknown = self.unknown_readers(group)?;
                (Some(self.renew_readers(group, messages)?), unknown)
            }
        };
        let Some((chain, rotate)) = self.own_chain(group)? else {
            for (of, slot) in self.slots(group)? {
                self.drop_slot(group, &of, &slot);
            }
            let us = own.address().clone();
            let chain = SendingChain::begin(*group, us, self.now, &mut self.rng);
            for of in self.known_readers(group)? {
                self.needs_chain(group, &of, 0, Unknown::default());
            }
            return Ok(chain);
        };
        let slots = match &new {
            Some(_) => self.slots(group)?,
            None => Default::default(),
        };
        let holders = slots.iter().filter(|(_, slot)| slot.handover.may_have_arrived());
        let holders: Vec<&Address> = holders.map(|(of, _)| of).collect();
        let may_read = |of: &Address| new.as_ref().is_none_or(|new| new.contains(of));
        if rotate || chain.rotation_due(holders, may_read, self.now).is_some() {
            return self.next_chain(group, chain, &unknown);
        }
        if let Some(new) = new {
            for (of, slot) in slots.iter().filter(|(of, _)| !new.contains(*of)) {
                self.drop_slot(group, of, slot);
            }
            for of in new.iter().filter(|of| !slots.contains_key(*of)) {
                let messages = chain.length();
                let unknown = unknown.get(&of.user).copied();
                let unknown = unknown.unwrap_or(Unknown::since(messages));
                self.needs_chain(group, of, messages, unknown);
            }
        }
        Ok(chain)
    }

    fn next_chain(
        &mut self,
        group: &GroupId,
        chain: SendingChain,
        unknown: &BTreeMap<UserId, Unknown>,
    ) -> Result<SendingChain, Error> {
        // Of the last two chains it is kept what was sent.
        if let Some(replaced) = chain.distribution().replaced() {
            let prefix = sent_prefix(group, replaced.chain_id);
            for (key, _) in self.view.scan_prefix(table::SENT, &prefix)? {
                self.view.delete(table::SENT, key);
            }
        }
        let slots = self.slots(group)?;
        for (of, slot) in &slots {
            self.drop_slot(group, of, slot);
        }
        for of in self.known_readers(group)? {
            let (slot, unknown) = (slots.get(&of), unknown.get(&of.user));
            self.needs_next_chain(group, &of, slot, unknown, &chain);
        }
        self.unknown_read_all(group, &chain)?;
        Ok(chain.rotate(self.now, &mut self.rng))
    }

    /// We are no member any more: nothing is sent in our chain again.
    pub(super) fn drop_own_chain(&mut self, group: &GroupId) -> Result<(), Error> {
        // What is in the queue still goes to those for whom it was.
        self.replace_readers(group, None)?;
        for table in [table::OWN_CHAINS, table::HANDED_OVER, table::SENT, table::READERS] {
            for (key, _) in self.view.scan_prefix(table, group.as_bytes())? {
                self.view.delete(table, key);
            }
        }
        Ok(())
    }
}
