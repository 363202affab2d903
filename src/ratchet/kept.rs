//! What a session keeps of the past: keys of messages that were passed over, and
//! tags of messages that have opened (SPEC.md, sections 6.4 and 6.5).
//!
//! Both are rows beside the session's record. A row's number never changes, so
//! adding, using and forgetting one touches that row alone, whatever the history. The
//! keys are loaded with the session, for their tags may come; the tags are not: a row of
//! its own says for each under which number it is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::RowKey;
use super::chain::{MessageKey, Seen};
use super::header::{MaskKey, Salt, Tag};
use super::saved::Saved;
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

/// After how many more opened messages a skipped key or a used tag is forgotten.
///
/// A key that waits is forward secrecy that waits, so it must end; nobody reads a
/// message that comes in a thousand messages late.
pub const KEPT_MESSAGES: u64 = 1000;

/// After what time a skipped key or a used tag is forgotten.
///
/// As long as mailboxes keep mail.
pub const KEPT_TIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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

/// The tag of a message that has opened.
#[derive(Clone)]
pub(crate) struct UsedTag {
    pub(crate) tag: Tag,
    pub(crate) number: u32,
    pub(crate) mask_key: MaskKey,
    pub(crate) salt: Salt,
    pub(crate) at: Timestamp,
    /// The tag behind the last number of the chain that this message closed.
    pub(crate) closed: Option<ClosedChain>,
}

/// The tag that only a peer who was rolled back into a closed chain would use.
#[derive(Clone)]
pub(crate) struct ClosedChain {
    pub(crate) tag: Tag,
    pub(crate) number: u32,
    pub(crate) mask_key: MaskKey,
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

/// The tags of messages that have opened: row n is the n-th of the session, from 0.
///
/// At hand are those added since the session was loaded; the others are looked up, by
/// their tag or from the oldest on.
pub(crate) struct UsedTags {
    /// The first row that was not forgotten.
    first: u64,
    next: u64,
    /// The newest rows: those added here.
    added: VecDeque<UsedTag>,
    /// From their tags to their numbers.
    index: TagMap<u64>,
    /// Older ones that have been looked up to see how old they are.
    read: BTreeMap<u64, UsedTag>,
    saved: Saved<RowKey>,
}

/// A used tag that was looked up.
pub(crate) struct Used {
    pub(crate) number: u32,
    pub(crate) mask_key: MaskKey,
    /// `None` for the tag behind the end of a closed chain.
    pub(crate) salt: Option<Salt>,
}

impl UsedTags {
    pub(crate) fn empty() -> Self {
        Self {
            first: 0,
            next: 0,
            added: VecDeque::new(),
            index: TagMap::default(),
            read: BTreeMap::new(),
            saved: Saved::default(),
        }
    }

    /// The rows `first..next`, which were saved.
    pub(crate) fn saved(first: u64, next: u64, saved: Saved<RowKey>) -> Option<Self> {
        let count = next.checked_sub(first)?;
        let plausible = count <= KEPT_MESSAGES && next <= MAX_STORED_NUMBER;
        plausible.then(|| Self { first, next, saved, ..Self::empty() })
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the first row that was added here.
    fn first_added(&self) -> u64 {
        self.next.saturating_sub(u64::try_from(self.added.len()).unwrap_or(u64::MAX))
    }

    /// What is known of a tag that was used, or that closed a chain.
    pub(crate) fn find(&self, tag: Tag) -> Option<Used> {
        let row = self.get(self.number_of(tag)?)?;
        if row.tag == tag {
            let UsedTag { tag: _, number, mask_key, salt, at: _, closed: _ } = &*row;
            return Some(Used { number: *number, mask_key: mask_key.clone(), salt: Some(*salt) });
        }
        let ClosedChain { tag: closed, number, mask_key } = row.closed.as_ref()?;
        let used = Used { number: *number, mask_key: mask_key.clone(), salt: None };
        (*closed == tag).then_some(used)
    }

    /// The number of the newest row with this tag.
    pub(crate) fn number_of(&self, tag: Tag) -> Option<u64> {
        self.index.get(&tag).copied().or_else(|| {
            let row = self.saved.row(RowKey::UsedBy(tag))?;
            let number = u64::from_be_bytes(row.as_slice().try_into().ok()?);
            (self.first..self.next).contains(&number).then_some(number)
        })
    }

    /// A row that is at hand.
    fn at_hand(&self, number: u64) -> Option<&UsedTag> {
        match number.checked_sub(self.first_added()) {
            Some(place) => self.added.get(usize::try_from(place).ok()?),
            None => self.read.get(&number),
        }
    }

    /// A row, at hand or not. A damaged one is one that is not there.
    fn get(&self, number: u64) -> Option<Cow<'_, UsedTag>> {
        if !(self.first..self.next).contains(&number) {
            return None;
        }
        if let Some(row) = self.at_hand(number) {
            return Some(Cow::Borrowed(row));
        }
        let row = self.saved.row(RowKey::Used(number))?;
        UsedTag::decode(&row).ok().map(Cow::Owned)
    }

    /// Adds the tag of the message that has just opened; gives the keys of its rows.
    pub(crate) fn push(&mut self, used: UsedTag) -> impl Iterator<Item = RowKey> + use<> {
        let number = self.next;
        let tags = used.tags();
        self.index.extend(tags.clone().map(|tag| (tag, number)));
        self.added.push_back(used);
        self.next = number.saturating_add(1);
        std::iter::once(RowKey::Used(number)).chain(tags.map(RowKey::UsedBy))
    }

    /// Forgets what is too old or too much, giving the keys of the rows; to find out
    /// what is too old, reads at most so many rows that are not at hand.
    pub(crate) fn expire(
        &mut self,
        now: Timestamp,
        mut reads: u64,
        mut forgotten: impl FnMut(RowKey),
    ) {
        while self.next.saturating_sub(self.first) > KEPT_MESSAGES {
            self.forget_first(&mut forgotten);
        }
        while let Some(last) = self.last_too_old(now, &mut reads) {
            while self.first <= last {
                self.forget_first(&mut forgotten);
            }
        }
    }

    /// A number up to which all rows are too old, or gone.
    ///
    /// Rows are in the order in which they were made, so one from the future, by a clock
    /// that was wrong, is no younger than those after it: the first that is not from the
    /// future decides for all before it. That there is none in reach of `reads` decides
    /// nothing: then they go by their number, or when [`KEPT_MESSAGES`] rows may be read.
    /// What is read stays at hand, so that it is read once.
    fn last_too_old(&mut self, now: Timestamp, reads: &mut u64) -> Option<u64> {
        for number in self.first..self.next {
            if number < self.first_added() && !self.read.contains_key(&number) {
                *reads = reads.checked_sub(1)?;
                if let Some(Cow::Owned(row)) = self.get(number) {
                    self.read.insert(number, row);
                }
            }
            match self.at_hand(number) {
                None if number == self.first => return Some(number),
                Some(row) if row.at <= now => {
                    return (now.since(row.at) > KEPT_TIME).then_some(number);
                }
                None | Some(_) => {}
            }
        }
        None
    }

    fn forget_first(&mut self, forgotten: &mut impl FnMut(RowKey)) {
        let number = self.first;
        for tag in self.tags_of(number) {
            if self.index.get(&tag) == Some(&number) {
                self.index.remove(&tag);
            }
            forgotten(RowKey::UsedBy(tag));
        }
        forgotten(RowKey::Used(number));
        if number >= self.first_added() {
            self.added.pop_front();
        } else {
            self.read.remove(&number);
        }
        self.first = number.saturating_add(1);
    }

    fn tags_of(&self, number: u64) -> impl Iterator<Item = Tag> + use<> {
        self.get(number).map(|row| row.tags()).into_iter().flatten()
    }

    /// The keys of all rows there may be.
    pub(crate) fn row_keys(&self) -> impl Iterator<Item = RowKey> {
        (self.first..self.next).flat_map(|number| {
            let by_tag = self.tags_of(number).map(RowKey::UsedBy);
            std::iter::once(RowKey::Used(number)).chain(by_tag)
        })
    }

    /// The row with this number, for the store.
    pub(crate) fn encode(&self, number: u64) -> Option<Zeroizing<Vec<u8>>> {
        self.get(number).map(|row| row.encode())
    }

    /// The row that says which row has this tag, for the store.
    pub(crate) fn encode_number_of(&self, tag: Tag) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(self.number_of(tag)?.to_be_bytes().to_vec()))
    }
}

impl UsedTag {
    /// Its tag, and that behind the chain that it closed.
    fn tags(&self) -> impl Iterator<Item = Tag> + Clone + use<> {
        let closed = self.closed.as_ref().map(|closed| closed.tag);
        std::iter::once(self.tag).chain(closed)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { tag, number, mask_key, salt, at, closed } = self;
        let closed =
            closed.as_ref().map(|ClosedChain { tag, number, mask_key }| stored::ClosedChain {
                tag: tag.0,
                number: *number,
                mask_key: mask_key.expose().to_vec(),
            });
        stored::encode(&stored::UsedTag {
            tag: tag.0,
            number: *number,
            mask_key: mask_key.expose().to_vec(),
            salt: salt.to_vec(),
            at: at.as_millis(),
            closed,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "used tag record";
        let malformed = DecodeError::Malformed(WHAT);
        let raw: stored::UsedTag = stored::decode(bytes, WHAT)?;
        let stored::UsedTag { tag, number, mask_key, salt, at, closed } = &raw;
        let secret = |bytes: &[u8]| Secret::from_slice(bytes).map(Arc::new).ok_or(malformed);
        let closed = closed
            .as_ref()
            .map(|stored::ClosedChain { tag, number, mask_key }| {
                let mask_key = secret(mask_key)?;
                Ok(ClosedChain { tag: Tag(*tag), number: *number, mask_key })
            })
            .transpose()?;
        Ok(Self {
            tag: Tag(*tag),
            number: *number,
            mask_key: secret(mask_key)?,
            salt: stored::array(salt, WHAT)?,
            at: Timestamp::from_millis(*at),
            closed,
        })
    }
}

fn is_over(opened: u64, at: Timestamp, seen: Seen) -> bool {
    seen.opened.saturating_sub(opened) > KEPT_MESSAGES || seen.at.since(at) > KEPT_TIME
}

#[cfg(test)]
mod tests {
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
        fn a_record_of_more_rows_than_are_kept_or_of_numbers_without_end_is_damaged(
            next in prop_oneof![MOST - 2..MOST + 3, 0..3_000_u64, any::<u64>()],
            count in prop_oneof![998..1_003_u64, 1_998..2_003_u64, 0..4_000_u64],
        ) {
            let first = next.saturating_sub(count);
            let count = next - first;
            let skipped = SkippedKeys::awaiting(first, next).is_some();
            prop_assert_eq!(skipped, count <= 2_000 && next <= MOST);
            let used = UsedTags::saved(first, next, Saved::default()).is_some();
            prop_assert_eq!(used, count <= 1_000 && next <= MOST);
            if count > 0 {
                prop_assert!(SkippedKeys::awaiting(next, first).is_none());
                prop_assert!(UsedTags::saved(next, first, Saved::default()).is_none());
            }
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
