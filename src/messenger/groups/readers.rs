//! Which devices read what is sent to a group.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Consent, Error, table};
use crate::address::{Address, DeviceId, UserId};
use crate::group::sender_key::SendingChain;
use crate::group::{GroupId, Member};
use crate::wire::stored::{self, messenger as record};

/// What stands behind the group in the key of the row that says that its list of readers
/// holds, and in front of a member who is not known.
const HOLDS: u8 = 0;
const UNKNOWN: u8 = 1;

fn beside(group: &GroupId, what: u8, rest: &[u8]) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[what], rest].concat()
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
