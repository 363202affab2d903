//! The chains of others: loaded, stepped and saved, with the tags by which their messages
//! are found.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::search::Peers;
use super::super::work::Work;
use super::super::{Error, table};
use crate::address::{Address, UserId};
use crate::group::GroupId;
use crate::group::sender_key::{ChainRow, ReceivingChain, SenderChains};
use crate::session::{Tag, TagChange};
use crate::wire::{ChainId, GroupMessage};

/// Where a chain is: whose, and in which group.
pub(super) type Place = (GroupId, Address);

/// The key of a chain, and of what is asked for of it.
pub(super) fn chain_key(sender: &Address, group: &GroupId, chain: ChainId) -> Vec<u8> {
    let rest = [group.as_bytes().as_slice(), chain.as_bytes()].concat();
    table::of_device(sender, &rest)
}

fn row_key(chain: &[u8], iteration: u32) -> Vec<u8> {
    [chain, &iteration.to_be_bytes()].concat()
}

pub(super) fn place_of(key: &[u8]) -> Option<Place> {
    let (address, rest) = table::split_device(key)?;
    let (group, _) = rest.split_first_chunk::<32>()?;
    Some((GroupId::from_bytes(*group), address))
}

impl Work<'_> {
    /// Takes the chains of a device in a group out of memory or the store, to step them:
    /// [`Self::keep_chains`] puts them back.
    pub(super) fn chains(
        &mut self,
        group: &GroupId,
        sender: &Address,
    ) -> Result<SenderChains, Error> {
        let place = (*group, sender.clone());
        self.touched_groups().chains.insert(place.clone());
        if let Some(chains) = self.cache.groups.chains.remove(&place) {
            return Ok(chains);
        }
        let mut chains = SenderChains::new(*group, sender.clone());
        let prefix = table::of_device(sender, group.as_bytes());
        for (key, record) in self.view.scan_prefix(table::CHAINS, &prefix)? {
            let (view, at) = (Arc::clone(self.view), key.clone());
            let rows = move |iteration: u32| {
                view.look_up(table::CHAIN_ROWS, &row_key(&at, iteration)).map(Zeroizing::from)
            };
            match ReceivingChain::from_record(&record, rows) {
                Ok(chain) => drop(chains.restore(chain)),
                // It comes again when it is asked for.
                Err(_) => self.view.delete(table::CHAINS, key),
            }
        }
        Ok(chains)
    }

    pub(super) fn keep_chains(&mut self, chains: SenderChains) {
        let place = (*chains.group_id(), chains.sender().clone());
        self.cache.groups.chains.insert(place, chains);
    }

    /// Writes what a step changed.
    pub(super) fn save_chains(
        &mut self,
        chains: &SenderChains,
        rows: &[ChainRow],
        tags: &[TagChange],
    ) {
        let (group, sender) = (chains.group_id(), chains.sender());
        for row in rows {
            let chain = chain_key(sender, group, row.chain_id);
            let (table, key) = match row.iteration {
                None => (table::CHAINS, chain),
                Some(iteration) => (table::CHAIN_ROWS, row_key(&chain, iteration)),
            };
            match chains.row(*row) {
                Some(value) => self.view.put(table, key, value),
                None => {
                    if row.iteration.is_none() {
                        self.view.delete(table::ASKED, key.clone());
                    }
                    self.view.delete(table, key);
                }
            }
        }
        self.cache.groups.tags.apply(&(*group, sender.clone()), tags);
    }

    /// Puts the tags of every chain into memory.
    fn complete_group_tags(&mut self) -> Result<(), Error> {
        if self.cache.groups.tags_complete {
            return Ok(());
        }
        for place in self.places(&[])? {
            let here = self.cache.groups.chains.contains_key(&place);
            let (group, sender) = &place;
            let chains = self.chains(group, sender)?;
            for chain in chains.chains() {
                self.cache.groups.tags.extend(&place, chain.expected_tags());
            }
            if here {
                self.keep_chains(chains);
            }
        }
        self.cache.groups.tags_complete = true;
        Ok(())
    }

    /// Where there are chains whose keys begin like this.
    fn places(&self, prefix: &[u8]) -> Result<Vec<Place>, Error> {
        let rows = self.view.scan_prefix(table::CHAINS, prefix)?;
        let mut places: Vec<Place> = rows.iter().filter_map(|(key, _)| place_of(key)).collect();
        places.dedup();
        Ok(places)
    }

    /// The chain that a message is of.
    pub(super) fn find_chain(
        &mut self,
        message: &GroupMessage,
        claimed_from: Option<&UserId>,
        peers: Peers<'_>,
    ) -> Result<Option<(GroupId, Address, ChainId)>, Error> {
        self.complete_group_tags()?;
        let tag = Tag::from_bytes(message.tag());
        let mut places = self.cache.groups.tags.owners(tag).to_vec();
        if let Some(found) = self.recognised(&places, message)? {
            return Ok(Some(found));
        }
        if let Some(user) = claimed_from {
            places = self.places(&table::of_user(user, &[]))?;
        }
        match peers {
            Peers::ByTag => {}
            Peers::One(peer) => places.extend(self.places(&table::of_device(peer, &[]))?),
            Peers::All => places = self.places(&[])?,
        }
        self.recognised(&places, message)
    }

    fn recognised(
        &mut self,
        places: &[Place],
        message: &GroupMessage,
    ) -> Result<Option<(GroupId, Address, ChainId)>, Error> {
        for (group, sender) in places {
            let chains = self.chains(group, sender)?;
            let found = chains.find(message).map(ReceivingChain::chain_id);
            self.keep_chains(chains);
            if let Some(chain_id) = found {
                return Ok(Some((*group, sender.clone(), chain_id)));
            }
        }
        Ok(None)
    }

    /// A message is not missing any more.
    pub(super) fn give_up_iteration(
        &mut self,
        sender: &Address,
        group: &GroupId,
        chain_id: ChainId,
        iteration: u32,
    ) -> Result<(), Error> {
        let mut chains = self.chains(group, sender)?;
        if let Some(chain) = chains.chain_mut(chain_id) {
            let ((), iterations, tags) = chain.give_up(iteration).into_parts();
            let rows = rows_of(chain_id, &iterations);
            self.save_chains(&chains, &rows, &tags);
        }
        self.keep_chains(chains);
        Ok(())
    }
}

/// A chain's record, and these rows of it.
pub(super) fn rows_of(chain_id: ChainId, iterations: &[u32]) -> Vec<ChainRow> {
    let record = std::iter::once(None);
    let iterations = record.chain(iterations.iter().copied().map(Some));
    iterations.map(|iteration| ChainRow { chain_id, iteration }).collect()
}
