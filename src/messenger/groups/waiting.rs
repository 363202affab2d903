//! Messages whose head is not known: kept within bounds until somebody says what it stands
//! for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::seq::SliceRandom;
use zeroize::Zeroizing;

use super::super::due::Job;
use super::super::work::Work;
use super::super::{Error, table};
use crate::address::Address;
use crate::group::GroupId;
use crate::group::sender_key::Peek;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::HeldEnvelope};
use crate::wire::{ChainId, GroupMessage};

/// When it is asked again what a head stands for.
const ASK_AGAIN: Duration = Duration::from_secs(4 * 60 * 60);

/// How many envelopes are kept of one message. Nothing shows before it opens which of them
/// is genuine: a server can give a copy another head.
const ENVELOPES_A_MESSAGE: usize = 4;

/// How many bytes of them are kept of a group; then those go of the device that has most, and
/// so on until it is half. The gap in its numbers finds them.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What waits: whose message, under which head.
type Waiting = (Address, [u8; 16]);

fn prefix_of(group: &GroupId, sender: &Address, chain: ChainId, iteration: u32) -> Vec<u8> {
    let message = [chain.as_bytes().as_slice(), &iteration.to_be_bytes()].concat();
    [group.as_bytes().as_slice(), &table::of_device(sender, &message)].concat()
}

/// What a key says: the sender, the chain and the head.
fn split(key: &[u8]) -> Option<(Address, ChainId, [u8; 16])> {
    let (sender, rest) = table::split_device(key.get(32..)?)?;
    let (chain, rest) = rest.split_first_chunk::<8>()?;
    let (head, _) = rest.get(4..)?.split_first_chunk::<16>()?;
    Some((sender, ChainId::from_bytes(*chain), *head))
}

impl Work<'_> {
    /// Keeps a message until its head is known; says whether there was room.
    pub(super) fn hold_for_head(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain: ChainId,
        peek: Peek,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        let prefix = prefix_of(group, sender, chain, peek.iteration);
        let held = self.view.scan_prefix(table::GROUP_HELD, &prefix)?;
        if held.iter().any(|(_, row)| holds(row, bytes)) {
            return Ok(true);
        }
        if held.len() >= ENVELOPES_A_MESSAGE {
            return Ok(false);
        }
        let row = stored::encode(&HeldEnvelope {
            envelope: bytes.to_vec(),
            claimed_from: sender.user.as_bytes().to_vec(),
            held_at: self.now.as_millis(),
            tried: false,
            ask_at: 0,
        });
        let row_count = self.view.get(table::GROUP_HELD, group.as_bytes())?;
        let total = row_count.and_then(|row| row.as_slice().try_into().ok());
        let mut total = total.map_or(0, u64::from_be_bytes);
        let length = u64::try_from(row.len()).unwrap_or(u64::MAX);
        if total.saturating_add(length) > u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) {
            total = self.make_room(group)?;
        }
        self.count_held(group, total.saturating_add(length));
        let order = self.next_order().to_be_bytes();
        let key = [prefix.as_slice(), &peek.roster, &order].concat();
        self.view.put(table::GROUP_HELD, key, row);
        self.set_due(Job::GroupHeld, group.as_bytes(), self.now.after(ASK_AGAIN))?;
        Ok(true)
    }

    /// Notes how many bytes of a group are kept.
    fn count_held(&mut self, group: &GroupId, total: u64) {
        let key = group.as_bytes().to_vec();
        match total {
            0 => self.view.delete(table::GROUP_HELD, key),
            _ => {
                let total = Zeroizing::new(total.to_be_bytes().to_vec());
                self.view.put(table::GROUP_HELD, key, total);
            }
        }
    }

    /// A message has come another way: nothing that waits is needed of it.
    pub(super) fn forget_held(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain: ChainId,
        iteration: u32,
    ) -> Result<(), Error> {
        let prefix = prefix_of(group, sender, chain, iteration);
        let rows = self.view.scan_prefix(table::GROUP_HELD, &prefix)?;
        if rows.is_empty() {
            return Ok(());
        }
        rows.into_iter().for_each(|(key, _)| self.view.delete(table::GROUP_HELD, key));
        // There it is counted what is left.
        self.set_due(Job::GroupHeld, group.as_bytes(), self.now)
    }

    /// Forgets what devices have most of, until it is half of what there may be; says how
    /// much is left.
    fn make_room(&mut self, group: &GroupId) -> Result<u64, Error> {
        let mut by_sender: BTreeMap<Address, (usize, Vec<Vec<u8>>)> = BTreeMap::new();
        for (key, row) in self.view.scan_prefix(table::GROUP_HELD, group.as_bytes())? {
            if let Some((sender, ..)) = split(&key) {
                let (length, keys) = by_sender.entry(sender).or_default();
                *length = length.saturating_add(row.len());
                keys.push(key);
            }
        }
        let mut all: Vec<(usize, Vec<Vec<u8>>)> = by_sender.into_values().collect();
        all.sort();
        let mut total: usize = all.iter().map(|(length, _)| length).sum();
        while total > MAX_BYTES / 2
            && let Some((length, keys)) = all.pop()
        {
            total = total.saturating_sub(length);
            keys.into_iter().for_each(|key| self.view.delete(table::GROUP_HELD, key));
        }
        Ok(u64::try_from(total).unwrap_or(u64::MAX))
    }

    /// The heads that messages of this device wait for.
    pub(super) fn awaited(
        &self,
        group: &GroupId,
        sender: &Address,
    ) -> Result<BTreeSet<[u8; 16]>, Error> {
        let prefix = [group.as_bytes().as_slice(), &table::of_device(sender, &[])].concat();
        let rows = self.view.scan_prefix(table::GROUP_HELD, &prefix)?;
        Ok(rows.iter().filter_map(|(key, _)| split(key)).map(|(_, _, head)| head).collect())
    }

    /// A group has another state: what waited for one is tried again. What still waits is
    /// asked for again in time.
    pub(in crate::messenger) fn try_group_held(&mut self, group: &[u8]) -> Result<(), Error> {
        let Ok(group) = group.try_into().map(GroupId::from_bytes) else { return Ok(()) };
        self.try_early(&group)?;
        // Whether it is late.
        let mut waiting: BTreeMap<Waiting, bool> = BTreeMap::new();
        let mut total = 0_u64;
        for (key, row) in self.view.scan_prefix(table::GROUP_HELD, group.as_bytes())? {
            let Some((sender, chain, head)) = split(&key) else { continue };
            let speaks = self.speaker(&sender, &group)?.is_some();
            if speaks && self.head(&group, &head)?.is_none() {
                total = total.saturating_add(u64::try_from(row.len()).unwrap_or(u64::MAX));
                let late = waiting.entry((sender, head)).or_default();
                *late = *late || held_at(&row).is_some_and(|at| self.now.since(at) >= ASK_AGAIN);
                continue;
            }
            self.view.delete(table::GROUP_HELD, key);
            let record = stored::decode::<HeldEnvelope>(&row, "held envelope");
            let message = record.and_then(|record| GroupMessage::decode(&record.envelope));
            if let Ok(message) = message
                && speaks
            {
                self.take_group_message(&group, &sender, chain, &message, None, None)?;
            }
        }
        self.count_held(&group, total);
        if waiting.is_empty() {
            return Ok(());
        }
        // In any order: there may be more than are asked for at once.
        let mut late: Vec<Waiting> =
            waiting.into_iter().filter_map(|(waiting, late)| late.then_some(waiting)).collect();
        late.shuffle(&mut self.rng);
        for (sender, head) in late {
            self.ask_behind(&sender, &group, Some(head))?;
        }
        self.set_due(Job::GroupHeld, group.as_bytes(), self.now.after(ASK_AGAIN))
    }
}

fn held_at(row: &[u8]) -> Option<Timestamp> {
    let record = stored::decode::<HeldEnvelope>(row, "held envelope").ok()?;
    Some(Timestamp::from_millis(record.held_at))
}

pub(super) fn holds(row: &[u8], bytes: &[u8]) -> bool {
    stored::decode::<HeldEnvelope>(row, "held envelope").is_ok_and(|held| held.envelope == bytes)
}

#[cfg(test)]
mod tests {
    use super::super::heads::tests::with_group;
    use super::*;
    use crate::content::{Content, GroupCopy};
    use crate::wire::MessageId;

    #[test]
    fn of_what_came_as_a_copy_nothing_waits() {
        with_group(|work, group| {
            let us = work.own()?.address().clone();
            let chain = ChainId::from_bytes([1; 8]);
            for iteration in 0..2 {
                let peek = Peek { iteration, roster: [7; 16] };
                assert!(work.hold_for_head(group, &us, chain, peek, b"a message")?);
            }
            let copy = |iteration| GroupCopy {
                chain_id: chain,
                iteration,
                message: MessageId::from_bytes([2; 16]),
                sent_at: work.now,
                content: Content::text("hello"),
            };
            let copies = [copy(0), copy(1)];
            for (waits, copy) in [1, 0].into_iter().zip(copies) {
                assert!(!work.take_group_copy(&us, group, &copy, &mut Vec::new())?);
                work.try_group_held(group.as_bytes())?;
                let held = work.view.scan_prefix(table::GROUP_HELD, group.as_bytes())?;
                // With how many bytes they are.
                assert_eq!(held.len(), 2 * waits);
            }
            Ok(())
        });
    }
}
