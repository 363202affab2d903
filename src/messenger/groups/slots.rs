//! How far our chain has come to each device.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Error, table};
use super::readers::Unknown;
use crate::address::Address;
use crate::crypto::SecretBytes;
use crate::group::GroupId;
use crate::group::sender_key::{Handover, HandoverState, SendingChain};
use crate::wire::stored::{self, messenger as record};
use crate::wire::{Before, ChainId, Control, Replaced};

/// What stands behind the group in the key of a device's state, and in that of the message
/// with which the chain goes there (again).
const BY_DEVICE: u8 = 0;
const BY_MESSAGE: u8 = 1;

fn device_key(group: &GroupId, address: &Address) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[BY_DEVICE], &table::of_device(address, &[])].concat()
}

fn message_prefix(group: &GroupId) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[BY_MESSAGE]].concat()
}

fn message_key(group: &GroupId, next: u32, address: &Address) -> Vec<u8> {
    let place = [next.to_be_bytes().as_slice(), &table::of_device(address, &[])].concat();
    [message_prefix(group), place].concat()
}

/// How far our chain has come to a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) handover: Handover,
    /// Up to which message of the chain it has counted.
    counted: u32,
    /// With which message of the chain it goes there again.
    next: u32,
    /// What it may lack of what was sent there before it has the chain.
    before: Before,
    /// How many messages of the chain went there as copies, and of those that it may lack of
    /// the one before.
    copies: u32,
    replaced_copies: u32,
}

impl Slot {
    /// That of a device which lacks a chain that has had so many messages.
    fn needed(messages: u32) -> Self {
        Self {
            handover: Handover::needed(),
            counted: messages,
            next: messages,
            before: Before { first: messages, ..Before::default() },
            copies: 0,
            replaced_copies: 0,
        }
    }

    /// That of one which has got copies since it was to be a reader.
    fn had_copies(messages: u32, unknown: Unknown) -> Self {
        let Unknown { reads_from, replaced_missed } = unknown;
        Self {
            before: Before { first: reads_from, replaced_missed, ..Before::default() },
            copies: messages.saturating_sub(reads_from),
            replaced_copies: replaced_missed,
            ..Self::needed(messages)
        }
    }

    /// What this device is handed of a chain that goes there now.
    pub(super) fn handed(&self, chain: &SendingChain) -> Control {
        Control::SenderKey(Box::new(chain.distribution().for_reader(&self.before)))
    }

    /// That of the same device for the chain that takes the place of this one.
    fn in_next_chain(&self, replaced: &SendingChain) -> Self {
        let next = Self { before: Before::default(), ..Self::needed(0) };
        if self.handover.state() == HandoverState::Acknowledged {
            return next;
        }
        let Before { first, replaced_missed, ended, lost } = self.before;
        // If nothing of the chain before is lacking, that is the last one that is there.
        let last = replaced.distribution().replaced().filter(|_| replaced_missed == 0);
        // Copies come by themselves.
        let lost_with_it = replaced_missed.saturating_sub(self.replaced_copies);
        Self {
            before: Before {
                first: 0,
                replaced_missed: replaced.length().saturating_sub(first),
                ended: ended.or(last),
                lost: lost.saturating_add(lost_with_it),
            },
            replaced_copies: self.copies,
            ..next
        }
    }

    /// Counts up to the message with this number, which is being sent.
    fn count_to(&mut self, message: u32) {
        while self.counted <= message {
            self.handover = self.handover.with_message();
            self.counted = self.counted.saturating_add(1);
        }
    }

    /// Finds the message with which the chain goes there next: the powers of two, but each
    /// as long as it could not be sent.
    fn find_next(&mut self) {
        self.next = self.counted;
        if self.handover.may_have_arrived() {
            let mut probe = self.handover.with_message();
            while !probe.is_due() && self.next < u32::MAX {
                probe = probe.with_message();
                self.next = self.next.saturating_add(1);
                if probe.state() == HandoverState::Acknowledged {
                    self.next = u32::MAX;
                }
            }
        }
    }

    fn from_record(raw: &record::HandedOver) -> Option<Self> {
        let handover = Handover::from_record(&raw.handover).ok()?;
        let record::HandedOver { counted, next, copies, replaced_copies, .. } = *raw;
        let id = raw.ended_chain_id.as_slice().try_into().ok().map(ChainId::from_bytes);
        let before = Before {
            first: raw.reads_from,
            replaced_missed: raw.replaced_missed,
            ended: id.map(|chain_id| Replaced { chain_id, length: raw.ended_length }),
            lost: raw.lost_before,
        };
        Some(Self { handover, counted, next, before, copies, replaced_copies })
    }

    fn to_record(self) -> record::HandedOver {
        let handover = self.handover.record().to_vec();
        let Self { counted, next, copies, replaced_copies, .. } = self;
        let Before { first: reads_from, replaced_missed, ended, lost: lost_before } = self.before;
        record::HandedOver {
            handover,
            counted,
            next,
            reads_from,
            replaced_missed,
            ended_chain_id: ended.map(|c| c.chain_id.as_bytes().to_vec()).unwrap_or_default(),
            ended_length: ended.map_or(0, |chain| chain.length),
            lost_before,
            copies,
            replaced_copies,
        }
    }
}

impl Work<'_> {
    pub(super) fn slot(&self, group: &GroupId, of: &Address) -> Result<Option<Slot>, Error> {
        let row = self.view.get(table::HANDED_OVER, &device_key(group, of))?;
        let raw = row.and_then(|row| stored::decode(&row, "handover").ok());
        Ok(raw.as_ref().and_then(Slot::from_record))
    }

    /// All devices with a state.
    pub(super) fn slots(&self, group: &GroupId) -> Result<BTreeMap<Address, Slot>, Error> {
        let prefix = [group.as_bytes().as_slice(), &[BY_DEVICE]].concat();
        let rows = self.view.scan_prefix(table::HANDED_OVER, &prefix)?;
        let slot = |(key, row): &(Vec<u8>, SecretBytes)| {
            let (address, _) = table::split_device(key.get(prefix.len()..)?)?;
            let raw = stored::decode(row, "handover").ok()?;
            Some((address, Slot::from_record(&raw)?))
        };
        Ok(rows.iter().filter_map(slot).collect())
    }

    pub(super) fn save_slot(
        &mut self,
        group: &GroupId,
        of: &Address,
        before: Option<&Slot>,
        slot: &Slot,
    ) {
        if let Some(before) = before {
            self.view.delete(table::HANDED_OVER, message_key(group, before.next, of));
        }
        let row = stored::encode(&slot.to_record());
        self.view.put(table::HANDED_OVER, device_key(group, of), row);
        if slot.next != u32::MAX {
            let key = message_key(group, slot.next, of);
            self.view.put(table::HANDED_OVER, key, Zeroizing::default());
        }
    }

    pub(super) fn drop_slot(&mut self, group: &GroupId, of: &Address, slot: &Slot) {
        self.view.delete(table::HANDED_OVER, message_key(group, slot.next, of));
        self.view.delete(table::HANDED_OVER, device_key(group, of));
    }

    /// A device lacks our chain, which has had so many messages, and may have got copies.
    pub(super) fn needs_chain(
        &mut self,
        group: &GroupId,
        of: &Address,
        messages: u32,
        unknown: Unknown,
    ) {
        self.save_slot(group, of, None, &Slot::had_copies(messages, unknown));
    }

    /// A device lacks the chain that takes the place of ours: what it may lack of ours, and of
    /// those before, is said with that one. `unknown`: it has got copies of ours.
    pub(super) fn needs_next_chain(
        &mut self,
        group: &GroupId,
        of: &Address,
        slot: Option<&Slot>,
        unknown: Option<&Unknown>,
        replaced: &SendingChain,
    ) {
        let messages = replaced.length();
        let slot = match (slot, unknown) {
            (Some(slot), _) => slot.in_next_chain(replaced),
            (None, Some(unknown)) => Slot::had_copies(messages, *unknown).in_next_chain(replaced),
            (None, None) => Slot::needed(0),
        };
        self.save_slot(group, of, None, &slot);
    }

    /// A message goes to this device as a copy.
    pub(super) fn goes_as_copy(&mut self, group: &GroupId, of: &Address) -> Result<(), Error> {
        if let Some(before) = self.slot(group, of)? {
            let copies = before.copies.saturating_add(1);
            self.save_slot(group, of, Some(&before), &Slot { copies, ..before });
        }
        Ok(())
    }

    /// The devices to which our chain goes along with the message of this number.
    pub(super) fn due_slots(
        &self,
        group: &GroupId,
        message: u32,
    ) -> Result<Vec<(Address, Slot)>, Error> {
        let prefix = message_prefix(group);
        let mut due = Vec::new();
        let mut from = prefix.clone();
        let first = self.view.scan(table::HANDED_OVER, &from, 1)?;
        let is_due = |key: &[u8]| {
            let place = key.strip_prefix(prefix.as_slice())?.split_first_chunk::<4>()?;
            Some(u32::from_be_bytes(*place.0) <= message)
        };
        // Mostly none is.
        if !first.iter().any(|(key, _)| is_due(key) == Some(true)) {
            return Ok(due);
        }
        loop {
            let page = self.view.scan(table::HANDED_OVER, &from, 64)?;
            let full = page.len() == 64;
            for (key, _) in page {
                let Some(rest) = key.strip_prefix(prefix.as_slice()) else { return Ok(due) };
                let Some((next, rest)) = rest.split_first_chunk::<4>() else { return Ok(due) };
                if u32::from_be_bytes(*next) > message {
                    return Ok(due);
                }
                if let Some((address, _)) = table::split_device(rest)
                    && let Some(slot) = self.slot(group, &address)?
                {
                    due.push((address, slot));
                }
                from.clone_from(&key);
                from.push(0);
            }
            if !full {
                return Ok(due);
            }
        }
    }

    /// A chain went, or could not go, to a device along with this message.
    pub(super) fn handed_over(
        &mut self,
        group: &GroupId,
        of: &Address,
        before: &Slot,
        message: u32,
        sent: bool,
    ) {
        let mut slot = *before;
        slot.count_to(message);
        slot.handover = if sent { slot.handover.sent() } else { slot.handover.failed() };
        slot.find_next();
        self.save_slot(group, of, Some(before), &slot);
    }

    /// What became of a device's state by what it has said.
    pub(super) fn change_slot(
        &mut self,
        group: &GroupId,
        of: &Address,
        messages: u32,
        change: impl FnOnce(Handover) -> Handover,
    ) -> Result<(), Error> {
        let Some(before) = self.slot(group, of)? else { return Ok(()) };
        let handover = change(before.handover);
        if handover == before.handover {
            return Ok(());
        }
        let mut slot = Slot { handover, ..before };
        if handover.state() == HandoverState::Acknowledged {
            // From now on it notices by itself what it lacks.
            slot.next = u32::MAX;
            slot.before = Before { first: messages, ..Before::default() };
            (slot.copies, slot.replaced_copies) = (0, 0);
        } else {
            // It has asked: counted from now on.
            (slot.counted, slot.next) = (messages, messages);
        }
        self.save_slot(group, of, Some(&before), &slot);
        Ok(())
    }
}
