//! What is said of a group before it is known here, or before whoever says it is known to be a
//! member: kept within bounds, and taken in then (SPEC.md, section 13.10).

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Error, table};
use crate::address::Address;
use crate::content::{Frame, GroupNote, GroupPart, GroupSaid, Said};
use crate::group::GroupId;
use crate::wire::stored::{self, messenger::HeldEnvelope};

/// How much is kept.
#[derive(Clone, Copy)]
struct Kept {
    notes: usize,
    bytes: usize,
}

/// Of one device: more than the copies that wait for a first session with it.
const MAX_OF_DEVICE: Kept = Kept { notes: 128, bytes: 512 * 1024 };
const MAX_OF_ALL: Kept = Kept { notes: 1024, bytes: 4 * 1024 * 1024 };

impl Kept {
    const fn one(bytes: usize) -> Self {
        Self { notes: 1, bytes }
    }

    fn add(&mut self, bytes: usize) {
        self.notes = self.notes.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether it is more than this share of what there may be.
    fn exceeds(self, most: Self, share: usize) -> bool {
        self.notes.saturating_mul(share) > most.notes
            || self.bytes.saturating_mul(share) > most.bytes
    }
}

fn split(key: &[u8]) -> Option<Address> {
    Some(table::split_device(key.get(32..)?)?.0)
}

/// News as one part, as long as they may be.
pub(super) fn as_part(news: Vec<u8>) -> GroupSaid {
    GroupSaid::Part(GroupPart { whole: [0; 8], number: 0, count: 1, bytes: news })
}

impl Work<'_> {
    /// Keeps what a device says too early, as far as there is room: for strangers half of it.
    pub(super) fn keep_early(
        &mut self,
        address: &Address,
        group: &GroupId,
        said: GroupSaid,
    ) -> Result<(), Error> {
        let note = GroupNote { group: *group, said };
        let envelope = Frame { sent_at: self.now, said: Said::Group(note) }.encode().to_vec();
        let (mut theirs, mut all) = (Kept::one(envelope.len()), Kept::one(envelope.len()));
        for (key, row) in self.view.scan(table::EARLY, &[], MAX_OF_ALL.notes)? {
            all.add(row.len());
            if split(&key).as_ref() == Some(address) {
                theirs.add(row.len());
            }
        }
        let share = if self.talks(&address.user)? { 1 } else { 2 };
        if theirs.exceeds(MAX_OF_DEVICE, share) || all.exceeds(MAX_OF_ALL, share) {
            return Ok(());
        }
        let row = HeldEnvelope {
            envelope,
            claimed_from: Vec::new(),
            held_at: self.now.as_millis(),
            tried: false,
            ask_at: 0,
        };
        let order = self.next_order().to_be_bytes();
        let key = [group.as_bytes().as_slice(), &table::of_device(address, &order)].concat();
        self.view.put(table::EARLY, key, stored::encode(&row));
        Ok(())
    }

    /// A group has another state: what was said too early is taken in, if that counts by now.
    pub(super) fn try_early(&mut self, group: &GroupId) -> Result<(), Error> {
        for (key, row) in self.view.scan_prefix(table::EARLY, group.as_bytes())? {
            let record = stored::decode::<HeldEnvelope>(&row, "early note");
            let frame: Option<Zeroizing<Vec<u8>>> = record.ok().map(|r| r.envelope.clone().into());
            let said = frame.map(|frame| Frame::decode(&frame).said);
            let (Some(address), Some(Said::Group(note))) = (split(&key), said) else {
                self.view.delete(table::EARLY, key);
                continue;
            };
            if !self.take_group_said(&address, group, note.said, &mut Vec::new())? {
                self.view.delete(table::EARLY, key);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::heads::tests::with_group;
    use super::*;
    use crate::address::{DeviceId, UserId};

    #[test]
    fn what_is_said_too_early_is_kept_within_bounds() {
        with_group(|work, _| {
            let us = work.own()?.address().user.clone();
            let stranger = UserId::new("mallory").unwrap();
            for (user, share) in [(stranger, 2), (us, 1)] {
                for device in 1..40 {
                    let device = DeviceId::new(device).unwrap();
                    let address = Address { user: user.clone(), device };
                    for number in 0..150 {
                        let group = GroupId::from_bytes([number; 32]);
                        let long = if device.get() < 8 { 20_000 } else { 10 };
                        work.keep_early(&address, &group, as_part(vec![number; long]))?;
                    }
                }
                let rows = work.view.scan_prefix(table::EARLY, &[])?;
                let of_all = rows.iter().fold(Kept { notes: 0, bytes: 0 }, |mut of_all, row| {
                    of_all.add(row.1.len());
                    of_all
                });
                assert!(!of_all.exceeds(MAX_OF_ALL, share), "{} notes", of_all.notes);
                let of_device = |number| {
                    let of = rows.iter().filter_map(|(key, _)| split(key));
                    of.filter(|of| of.user == user && of.device.get() == number).count()
                };
                // The first come with much, the others with many.
                assert!(of_device(1) > 0);
                for number in 1..40 {
                    assert!(of_device(number) <= MAX_OF_DEVICE.notes / share, "{number}");
                }
            }
            Ok(())
        });
    }
}
