//! Which devices read what is sent to a group, and how far our chain has come to each.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Consent, Error, table};
use crate::address::{Address, DeviceId, UserId};
use crate::group::sender_key::{Handover, HandoverState, SendingChain};
use crate::group::{GroupId, Member};
use crate::wire::stored::{self, messenger as record};
use crate::wire::{Before, ChainId, Control, Replaced};

/// What stands behind the group in the key of a device's state, and in that of the message
/// with which the chain goes there (again).
const BY_DEVICE: u8 = 0;
const BY_MESSAGE: u8 = 1;

/// What stands behind the group in the key of the row that says that its list of readers
/// holds, and in front of a member who is not known.
const HOLDS: u8 = 0;
const UNKNOWN: u8 = 1;

fn beside(group: &GroupId, what: u8, rest: &[u8]) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[what], rest].concat()
}

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

/// From which message of our chain on somebody is to read it of whom no list is known yet,
/// and how many messages of the chain before went there as copies alone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unknown {
    pub(super) reads_from: u32,
    pub(super) replaced_missed: u32,
}

impl Unknown {
    /// What is sent from now on, in a chain that has had so many messages.
    pub(super) fn since(messages: u32) -> Self {
        Self { reads_from: messages, replaced_missed: 0 }
    }

    /// The same, once another chain has taken the place of ours, which had so many messages.
    fn in_next_chain(self, messages: u32) -> Self {
        let replaced_missed = messages.saturating_sub(self.reads_from);
        Self { reads_from: 0, replaced_missed }
    }

    fn from_row(row: &[u8]) -> Option<Self> {
        let (reads_from, replaced_missed) = row.split_first_chunk::<4>()?;
        let replaced_missed = u32::from_be_bytes(replaced_missed.try_into().ok()?);
        Some(Self { reads_from: u32::from_be_bytes(*reads_from), replaced_missed })
    }

    fn to_row(self) -> Zeroizing<Vec<u8>> {
        let Self { reads_from, replaced_missed } = self;
        Zeroizing::new([reads_from.to_be_bytes(), replaced_missed.to_be_bytes()].concat())
    }
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
    /// The devices of all members but this one, by the roster and the lists as they are now;
    /// and the members of whom no list is known.
    pub(super) fn find_readers(
        &mut self,
        group: &GroupId,
    ) -> Result<(BTreeSet<Address>, Vec<UserId>), Error> {
        let (mut readers, mut unknown) = (BTreeSet::new(), Vec::new());
        let Some(roster) = self.roster(group)? else { return Ok((readers, unknown)) };
        let own = self.own()?;
        let us = Member::of(&own.list);
        for (member, _) in roster.members() {
            if *member == us {
                readers.extend(own.others());
                continue;
            }
            let user = member.user();
            let contact = self.contact(user)?;
            if contact.consent == Consent::Blocked || *user == own.address().user {
                continue;
            }
            if contact.list.is_none() {
                unknown.push(user.clone());
            } else if contact.key() == Some(*member.key()) && contact.may_send() {
                let address = |device| Address { user: user.clone(), device };
                readers.extend(contact.devices().into_iter().map(address));
            }
        }
        Ok((readers, unknown))
    }

    /// Who reads what is sent to a group, as it was found last.
    pub(super) fn known_readers(&self, group: &GroupId) -> Result<Vec<Address>, Error> {
        let row = self.view.get(table::READERS, group.as_bytes())?;
        Ok(row.map(|row| addresses_of(&row)).unwrap_or_default())
    }

    /// Whether that still is so.
    pub(super) fn readers_hold(&self, group: &GroupId) -> Result<bool, Error> {
        Ok(self.view.get(table::READERS, &beside(group, HOLDS, &[]))?.is_some())
    }

    /// The members of whom no list was known then.
    pub(super) fn unknown_readers(
        &self,
        group: &GroupId,
    ) -> Result<BTreeMap<UserId, Unknown>, Error> {
        let prefix = beside(group, UNKNOWN, &[]);
        // Mostly there is none, and what follows is another group's list.
        let first = self.view.scan(table::READERS, &prefix, 1)?;
        if !first.first().is_some_and(|(key, _)| key.starts_with(&prefix)) {
            return Ok(BTreeMap::new());
        }
        let rows = self.view.scan_prefix(table::READERS, &prefix)?;
        let users = rows.iter().filter_map(|(key, row)| {
            let user = UserId::new(key.get(prefix.len()..)?).ok()?;
            Some((user, Unknown::from_row(row)?))
        });
        Ok(users.collect())
    }

    fn save_unknown(&mut self, group: &GroupId, user: &UserId, unknown: Unknown) {
        let key = beside(group, UNKNOWN, user.as_bytes());
        self.view.put(table::READERS, key, unknown.to_row());
    }

    /// Another chain takes the place of ours: they are to read all of it.
    pub(super) fn unknown_read_all(
        &mut self,
        group: &GroupId,
        replaced: &SendingChain,
    ) -> Result<(), Error> {
        for (user, unknown) in self.unknown_readers(group)? {
            self.save_unknown(group, &user, unknown.in_next_chain(replaced.length()));
        }
        Ok(())
    }

    /// Finds anew who reads what is sent to a group, in our chain from this message on.
    pub(super) fn renew_readers(
        &mut self,
        group: &GroupId,
        messages: u32,
    ) -> Result<BTreeSet<Address>, Error> {
        let (readers, unknown) = self.find_readers(group)?;
        let before = self.unknown_readers(group)?;
        for user in before.keys() {
            self.view.delete(table::READERS, beside(group, UNKNOWN, user.as_bytes()));
        }
        for user in unknown {
            let unknown = before.get(&user).copied().unwrap_or(Unknown::since(messages));
            self.save_unknown(group, &user, unknown);
        }
        let mut by_user: BTreeMap<&UserId, Vec<u32>> = BTreeMap::new();
        for Address { user, device } in &readers {
            by_user.entry(user).or_default().push(device.get());
        }
        let by_user = by_user
            .into_iter()
            .map(|(user, devices)| record::Reader { user_id: user.as_bytes().to_vec(), devices });
        let row = stored::encode(&record::Readers { readers: by_user.collect() });
        self.replace_readers(group, Some(row))?;
        self.view.put(table::READERS, beside(group, HOLDS, &[]), Zeroizing::default());
        Ok(readers)
    }

    /// What was sent to those who have read it so far, and has not gone yet, still goes to
    /// them.
    pub(super) fn replace_readers(
        &mut self,
        group: &GroupId,
        new: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<(), Error> {
        let key = group.as_bytes().to_vec();
        let old = self.view.get(table::READERS, &key)?;
        if let Some(old) = old.filter(|old| new.as_ref().is_none_or(|new| **new != **old)) {
            self.address_errands(group, &old)?;
        }
        match new {
            Some(new) => self.view.put(table::READERS, key, new),
            None => self.view.delete(table::READERS, key),
        }
        Ok(())
    }

    /// A group's members, or their devices, are others.
    pub(super) fn forget_readers(&mut self, group: &GroupId) {
        self.view.delete(table::READERS, beside(group, HOLDS, &[]));
    }

    /// A user's devices, or what we think of them, are others: what is sent to their groups
    /// goes by that.
    pub(in crate::messenger) fn readers_changed(&mut self, user: &UserId) -> Result<(), Error> {
        for (group, _) in self.memberships(user)? {
            self.forget_readers(&group);
        }
        Ok(())
    }

    pub(super) fn slot(&self, group: &GroupId, of: &Address) -> Result<Option<Slot>, Error> {
        let row = self.view.get(table::HANDED_OVER, &device_key(group, of))?;
        let raw = row.and_then(|row| stored::decode(&row, "handover").ok());
        Ok(raw.as_ref().and_then(Slot::from_record))
    }

    /// All devices with a state.
    pub(super) fn slots(&self, group: &GroupId) -> Result<BTreeMap<Address, Slot>, Error> {
        let prefix = [group.as_bytes().as_slice(), &[BY_DEVICE]].concat();
        let rows = self.view.scan_prefix(table::HANDED_OVER, &prefix)?;
        let slot = |(key, row): &(Vec<u8>, crate::crypto::SecretBytes)| {
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

/// The devices in a row of readers.
pub(super) fn addresses_of(row: &[u8]) -> Vec<Address> {
    let raw = stored::decode::<record::Readers>(row, "readers").ok();
    raw.map(|raw| raw.readers.iter().flat_map(addresses).collect()).unwrap_or_default()
}

fn addresses(reader: &record::Reader) -> Vec<Address> {
    let Ok(user) = UserId::new(&reader.user_id) else { return Vec::new() };
    let devices = reader.devices.iter().filter_map(|id| DeviceId::new(*id));
    devices.map(|device| Address { user: user.clone(), device }).collect()
}
