//! The chains of others: loaded, stepped and saved, with the tags by which their messages
//! are found.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Error, table};
use crate::address::{Address, UserId};
use crate::crypto::SecretBytes;
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
        self.load_chains(&place)
    }

    fn load_chains(&self, (group, sender): &Place) -> Result<SenderChains, Error> {
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
    ) -> Result<(), Error> {
        let (group, sender) = (chains.group_id(), chains.sender());
        let mut is_over = false;
        for row in rows {
            let chain = chain_key(sender, group, row.chain_id);
            match (row.iteration, chains.row(*row)) {
                (None, Some(record)) => self.view.put(table::CHAINS, chain, record),
                (None, None) => {
                    is_over = true;
                    self.chain_is_over(group, sender, row.chain_id)?;
                    self.view.delete(table::CHAINS, chain);
                }
                (Some(iteration), Some(value)) => {
                    self.view.put(table::CHAIN_ROWS, row_key(&chain, iteration), value);
                    if let Some(tag) = chains.used_tag(*row) {
                        let tag = tag.to_bytes().to_vec();
                        self.view.put(table::USED_TAGS, tag, SecretBytes::new(chain));
                    }
                }
                (Some(iteration), None) => {
                    self.view.delete(table::CHAIN_ROWS, row_key(&chain, iteration));
                }
            }
        }
        for change in tags.iter().filter(|_| is_over) {
            if let TagChange::Gone(tag) = change {
                self.view.delete(table::USED_TAGS, tag.to_bytes().to_vec());
            }
        }
        self.cache.groups.tags.apply(&(*group, sender.clone()), tags);
        Ok(())
    }

    /// Looks at the chains of a device in a group. They are not kept in memory for that.
    pub(super) fn look_at<R>(
        &self,
        place: &Place,
        look: impl FnOnce(&SenderChains) -> R,
    ) -> Result<R, Error> {
        match self.cache.groups.chains.get(place) {
            Some(chains) => Ok(look(chains)),
            None => Ok(look(&self.load_chains(place)?)),
        }
    }

    /// Puts the tags of every chain into memory, or of those that are not as they were there.
    fn complete_group_tags(&mut self) -> Result<(), Error> {
        if !self.cache.groups.tags_complete {
            self.cache.groups.stale = self.places(&[])?;
            self.cache.groups.tags_complete = true;
        }
        while let Some(place) = self.cache.groups.stale.last().cloned() {
            let tags = |chains: &SenderChains| -> Vec<Tag> {
                chains.chains().iter().flat_map(ReceivingChain::expected_tags).collect()
            };
            let tags = self.look_at(&place, tags)?;
            self.cache.groups.tags.extend(&place, tags);
            self.cache.groups.stale.pop();
        }
        Ok(())
    }

    /// Where there are chains whose keys begin like this.
    pub(super) fn places(&self, prefix: &[u8]) -> Result<Vec<Place>, Error> {
        let rows = self.view.scan_prefix(table::CHAINS, prefix)?;
        let mut places: Vec<Place> = rows.iter().filter_map(|(key, _)| place_of(key)).collect();
        places.dedup();
        Ok(places)
    }

    /// The chain that a message is of: by its tag, or one of whoever the transport says that
    /// it is from.
    pub(super) fn find_chain(
        &mut self,
        message: &GroupMessage,
        claimed_from: Option<&UserId>,
    ) -> Result<Option<(Place, ChainId)>, Error> {
        self.complete_group_tags()?;
        let tag = Tag::from_bytes(message.tag());
        for place in self.cache.groups.tags.owners(tag).to_vec() {
            if let Some(chain) = self.chain_at(&place, message)? {
                return Ok(Some((place, chain)));
            }
        }
        // What has opened before comes again.
        let used = self.view.get(table::USED_TAGS, &tag.to_bytes())?;
        let mut places: Vec<_> = used.and_then(|key| place_of(&key)).into_iter().collect();
        if let Some(user) = claimed_from {
            places.extend(self.places(&table::of_user(user, &[]))?);
        }
        for place in places {
            if let Some(chain) = self.chain_at(&place, message)? {
                return Ok(Some((place, chain)));
            }
        }
        Ok(None)
    }

    /// The chain of a device that a message is of.
    pub(super) fn chain_at(
        &self,
        place: &Place,
        message: &GroupMessage,
    ) -> Result<Option<ChainId>, Error> {
        self.look_at(place, |chains| chains.find(message).map(ReceivingChain::chain_id))
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
            self.save_chains(&chains, &rows, &tags)?;
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
