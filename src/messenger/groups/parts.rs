//! News of a group that are longer than a message go in parts.

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Error, table};
use crate::address::Address;
use crate::content::{Frame, GroupNews, GroupNote, GroupPart, GroupSaid, Said};
use crate::crypto::SecretBytes;
use crate::group::GroupId;

/// How many bytes one part has at most.
const PART_LEN: usize = 60 * 1024;

/// Into how many parts something may be cut: all of the longest news.
const MAX_PARTS: u32 = 40;

/// How many parts of a device are kept, of whatever wholes; then all of them go but those
/// of the whole that is coming in.
const PARTS_A_DEVICE: usize = 80;

fn key_of(address: &Address, whole: &[u8; 8], number: u32) -> Vec<u8> {
    table::of_device(address, &[whole.as_slice(), &number.to_be_bytes()].concat())
}

impl Work<'_> {
    /// News as messages say them.
    pub(super) fn parts_of(&mut self, group: &GroupId, news: &GroupNews) -> Vec<SecretBytes> {
        let bytes = news.encode();
        let whole: [u8; 8] = self.random();
        let count = u32::try_from(bytes.len().div_ceil(PART_LEN).max(1)).unwrap_or(u32::MAX);
        let part = |(number, bytes): (u32, &[u8])| {
            let part = GroupPart { whole, number, count, bytes: bytes.to_vec() };
            let note = GroupNote { group: *group, said: GroupSaid::Part(part) };
            Frame { sent_at: self.now, said: Said::Group(note) }.encode()
        };
        (0..).zip(bytes.chunks(PART_LEN)).map(part).collect()
    }

    /// What a part is of, if it is the last that was missing.
    pub(super) fn put_together(
        &mut self,
        address: &Address,
        part: GroupPart,
    ) -> Result<Option<Vec<u8>>, Error> {
        let GroupPart { whole, number, count, bytes } = part;
        if count == 1 {
            return Ok(Some(bytes));
        }
        if count > MAX_PARTS {
            return Ok(None);
        }
        let of_device = table::of_device(address, &[]);
        let rows = self.view.scan_prefix(table::PARTS, &of_device)?;
        let of_whole = table::of_device(address, &whole);
        if rows.len() >= PARTS_A_DEVICE {
            for (key, _) in rows.iter().filter(|(key, _)| !key.starts_with(&of_whole)) {
                self.view.delete(table::PARTS, key.clone());
            }
        }
        // With when it came.
        let row = [self.now.as_millis().to_be_bytes().as_slice(), &bytes].concat();
        self.view.put(table::PARTS, key_of(address, &whole, number), Zeroizing::new(row));
        let mut together = Vec::new();
        for number in 0..count {
            match self.view.get(table::PARTS, &key_of(address, &whole, number))? {
                Some(part) => together.extend_from_slice(part.get(8..).unwrap_or_default()),
                None => return Ok(None),
            }
        }
        for number in 0..MAX_PARTS {
            self.view.delete(table::PARTS, key_of(address, &whole, number));
        }
        Ok(Some(together))
    }
}
