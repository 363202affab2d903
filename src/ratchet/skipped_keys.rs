//! The keys of messages that were passed over. They are loaded with the session, for their
//! tags may come.

use std::collections::VecDeque;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::chain::{MessageKey, Seen};
use super::header::{MaskKey, Tag};
use super::kept::{KEPT_MESSAGES, KEPT_TIME};
use super::tag_map::TagMap;
use crate::crypto::Secret;
use crate::timestamp::Timestamp;
use crate::wire::stored::MAX_STORED_NUMBER;
use crate::wire::{DecodeError, stored};

/// The most skipped message keys that a session keeps: the youngest.
///
/// Two full jumps. Each takes about 120 bytes, so a peer can make a session 240 KiB
/// large and no more.
pub const MAX_SKIPPED_KEYS: usize = 2000;

/// The key of a message that was passed over.
pub(crate) struct SkippedKey {
    pub(crate) tag: Tag,
    pub(crate) number: u32,
    pub(crate) message_key: MessageKey,
    pub(crate) mask_key: MaskKey,
    /// How many messages had been opened when it was passed over, and when.
    pub(crate) opened: u64,
    pub(crate) at: Timestamp,
}

/// A number, and a hash table from tags to numbers, for a queue of rows.
struct Queue<T> {
    /// The number of the first row in the queue.
    first: u64,
    rows: VecDeque<Option<T>>,
    index: TagMap<u64>,
}

impl<T> Queue<T> {
    fn new(first: u64) -> Self {
        Self { first, rows: VecDeque::new(), index: TagMap::default() }
    }

    fn next(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.rows.len()).unwrap_or(u64::MAX))
    }

    fn get(&self, number: u64) -> Option<&T> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.rows.get(place)?.as_ref()
    }

    fn take(&mut self, number: u64) -> Option<T> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.rows.get_mut(place)?.take()
    }

    /// Puts a loaded row in its place.
    fn restore(&mut self, number: u64, row: T) -> bool {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some(place) = place.and_then(|place| self.rows.get_mut(place)) else { return false };
        *place = Some(row);
        true
    }
}

/// The keys of messages that were passed over.
pub(crate) struct SkippedKeys(Queue<SkippedKey>);

impl SkippedKeys {
    /// None, the next row having this number.
    pub(crate) fn empty() -> Self {
        Self(Queue::new(0))
    }

    /// Room for the rows `first..next`, to be filled by [`Self::restore`].
    pub(crate) fn awaiting(first: u64, next: u64) -> Option<Self> {
        let count = usize::try_from(next.checked_sub(first)?).ok()?;
        if count > MAX_SKIPPED_KEYS || next > MAX_STORED_NUMBER {
            return None;
        }
        let mut rows = Queue::new(first);
        rows.rows.resize_with(count, || None);
        Some(Self(rows))
    }

    pub(crate) fn first(&self) -> u64 {
        self.0.first
    }

    pub(crate) fn next(&self) -> u64 {
        self.0.next()
    }

    /// The row with this tag.
    pub(crate) fn find(&self, tag: Tag) -> Option<(u64, &SkippedKey)> {
        let number = *self.0.index.get(&tag)?;
        Some((number, self.0.get(number)?))
    }

    /// All tags.
    pub(crate) fn tags(&self) -> impl Iterator<Item = Tag> {
        self.0.index.keys().copied()
    }

    /// Adds a key; gives its row's number.
    pub(crate) fn push(&mut self, key: SkippedKey) -> u64 {
        let number = self.0.next();
        self.0.index.insert(key.tag, number);
        self.0.rows.push_back(Some(key));
        number
    }

    /// Forgets a key that has been used.
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(key) = self.0.take(number) {
            self.0.index.remove(&key.tag);
        }
    }

    /// Forgets what is too old or too much, giving the rows' numbers and tags; says
    /// how many keys were too much.
    pub(crate) fn expire(&mut self, seen: Seen, mut forgotten: impl FnMut(u64, Tag)) -> u32 {
        let mut evicted = 0;
        while let Some(row) = self.0.rows.front() {
            let over = self.0.rows.len() > MAX_SKIPPED_KEYS;
            if row.is_some() && !over {
                // A row from the future, by a clock that was wrong, goes with those after it.
                let dated = self.0.rows.iter().flatten().find(|key| key.at <= seen.at);
                let goes = |key: &SkippedKey| is_over(key.opened, key.at, seen);
                if !row.iter().chain(dated).any(goes) {
                    break;
                }
            }
            if let Some(key) = row {
                let tag = key.tag;
                forgotten(self.0.first, tag);
                evicted += u32::from(over);
                if self.0.index.get(&tag) == Some(&self.0.first) {
                    self.0.index.remove(&tag);
                }
            }
            self.0.rows.pop_front();
            self.0.first = self.0.first.saturating_add(1);
        }
        evicted
    }

    /// The row with this number, for the store.
    pub(crate) fn encode(&self, number: u64) -> Option<Zeroizing<Vec<u8>>> {
        let SkippedKey { tag, number, message_key, mask_key, opened, at } = self.0.get(number)?;
        Some(stored::encode(&stored::SkippedKey {
            tag: tag.0,
            number: *number,
            message_key: message_key.0.expose().to_vec(),
            mask_key: mask_key.expose().to_vec(),
            opened: *opened,
            at: at.as_millis(),
        }))
    }

    /// Puts back a row that [`Self::encode`] gave.
    pub(crate) fn restore(&mut self, row: u64, bytes: &[u8]) -> Result<(), DecodeError> {
        const WHAT: &str = "skipped key record";
        let malformed = DecodeError::Malformed(WHAT);
        let raw: stored::SkippedKey = stored::decode(bytes, WHAT)?;
        let stored::SkippedKey { tag, number, message_key, mask_key, opened, at } = &raw;
        let key = SkippedKey {
            tag: Tag(*tag),
            number: *number,
            message_key: MessageKey(Secret::from_slice(message_key).ok_or(malformed)?),
            mask_key: Arc::new(Secret::from_slice(mask_key).ok_or(malformed)?),
            opened: *opened,
            at: Timestamp::from_millis(*at),
        };
        let tag = key.tag;
        if !self.0.restore(row, key) {
            return Err(malformed);
        }
        self.0.index.insert(tag, row);
        Ok(())
    }
}

fn is_over(opened: u64, at: Timestamp, seen: Seen) -> bool {
    seen.opened.saturating_sub(opened) > KEPT_MESSAGES || seen.at.since(at) > KEPT_TIME
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = MAX_STORED_NUMBER;

    fn key(tag: u64, at: u64) -> SkippedKey {
        SkippedKey {
            tag: Tag(tag),
            number: 0,
            message_key: MessageKey(Secret::copy_from(&[1; 32])),
            mask_key: Arc::new(Secret::copy_from(&[2; 32])),
            opened: 0,
            at: Timestamp::from_secs(at),
        }
    }

    proptest! {
        #[test]
        fn a_record_of_more_skipped_keys_than_are_kept_or_of_numbers_without_end_is_damaged(
            next in prop_oneof![MOST - 2..MOST + 3, 0..3_000_u64, any::<u64>()],
            count in prop_oneof![1_998..2_003_u64, 0..4_000_u64],
        ) {
            let first = next.saturating_sub(count);
            let count = next - first;
            let skipped = SkippedKeys::awaiting(first, next).is_some();
            prop_assert_eq!(skipped, count <= 2_000 && next <= MOST);
            prop_assert!(count == 0 || SkippedKeys::awaiting(next, first).is_none());
        }
    }

    /// A peer can search for keys that give one tag twice.
    #[test]
    fn of_two_skipped_keys_with_one_tag_the_younger_is_found_when_the_older_has_gone() {
        let mut skipped = SkippedKeys::empty();
        skipped.push(key(7, 0));
        let younger = skipped.push(key(7, 1));
        let seen = Seen { opened: 0, at: Timestamp::from_secs(0).after(KEPT_TIME) };
        let at = seen.at.after(Duration::from_secs(1));
        skipped.expire(Seen { at, ..seen }, |_, _| {});
        assert_eq!((skipped.first(), skipped.next()), (younger, younger + 1));
        assert_eq!(skipped.find(Tag(7)).map(|(number, _)| number), Some(younger));
        assert_eq!(skipped.tags().collect::<Vec<_>>(), [Tag(7)]);
        let later = at.after(Duration::from_secs(1));
        skipped.expire(Seen { at: later, ..seen }, |_, _| {});
        assert!(skipped.find(Tag(7)).is_none() && skipped.tags().next().is_none());
    }
}
