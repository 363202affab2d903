//! What a session keeps of the past: keys of messages that were passed over, and
//! tags of messages that have opened (SPEC.md, sections 6.4 and 6.5).
//!
//! Both are rows beside the session's record. A row's number never changes, so
//! adding, using and forgetting one touches that row alone, whatever the history.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::chain::{MessageKey, Seen};
use super::header::{MaskKey, Salt, Tag};
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
pub(crate) struct ClosedChain {
    pub(crate) tag: Tag,
    pub(crate) number: u32,
    pub(crate) mask_key: MaskKey,
}

/// A number, and a hash table from tags to numbers, for a queue of rows.
struct Rows<T> {
    /// The number of the first row in the queue.
    first: u64,
    rows: VecDeque<Option<T>>,
    index: HashMap<Tag, u64>,
}

impl<T> Rows<T> {
    fn new(first: u64) -> Self {
        Self { first, rows: VecDeque::new(), index: HashMap::new() }
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
pub(crate) struct SkippedKeys(Rows<SkippedKey>);

impl SkippedKeys {
    /// None, the next row having this number.
    pub(crate) fn empty() -> Self {
        Self(Rows::new(0))
    }

    /// Room for the rows `first..next`, to be filled by [`Self::restore`].
    pub(crate) fn awaiting(first: u64, next: u64) -> Option<Self> {
        let count = usize::try_from(next.checked_sub(first)?).ok()?;
        if count > MAX_SKIPPED_KEYS || next > MAX_STORED_NUMBER {
            return None;
        }
        let mut rows = Rows::new(first);
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
pub(crate) struct UsedTags(Rows<UsedTag>);

/// A used tag that was looked up.
pub(crate) struct Used<'a> {
    pub(crate) number: u32,
    pub(crate) mask_key: &'a MaskKey,
    /// `None` for the tag behind the end of a closed chain.
    pub(crate) salt: Option<&'a Salt>,
}

impl UsedTags {
    pub(crate) fn empty() -> Self {
        Self(Rows::new(0))
    }

    /// Room for the rows `first..next`, to be filled by [`Self::restore`].
    pub(crate) fn awaiting(first: u64, next: u64) -> Option<Self> {
        let count = next.checked_sub(first)?;
        if count > KEPT_MESSAGES || next > MAX_STORED_NUMBER {
            return None;
        }
        let mut rows = Rows::new(first);
        rows.rows.resize_with(usize::try_from(count).ok()?, || None);
        Some(Self(rows))
    }

    pub(crate) fn first(&self) -> u64 {
        self.0.first
    }

    /// What is known of a tag that was used, or that closed a chain.
    pub(crate) fn find(&self, tag: Tag) -> Option<Used<'_>> {
        let row = self.0.get(*self.0.index.get(&tag)?)?;
        if row.tag == tag {
            let UsedTag { tag: _, number, mask_key, salt, at: _, closed: _ } = row;
            return Some(Used { number: *number, mask_key, salt: Some(salt) });
        }
        let ClosedChain { tag: _, number, mask_key } = row.closed.as_ref()?;
        Some(Used { number: *number, mask_key, salt: None })
    }

    /// Adds the tag of the message that has just opened; gives its row's number.
    pub(crate) fn push(&mut self, used: UsedTag) -> u64 {
        let number = self.0.next();
        self.0.index.insert(used.tag, number);
        if let Some(closed) = &used.closed {
            self.0.index.insert(closed.tag, number);
        }
        self.0.rows.push_back(Some(used));
        number
    }

    /// Forgets what is too old; gives the rows' numbers.
    pub(crate) fn expire(&mut self, now: Timestamp, mut forgotten: impl FnMut(u64)) {
        let most = usize::try_from(KEPT_MESSAGES).unwrap_or(usize::MAX);
        while let Some(row) = self.0.rows.front() {
            let over = self.0.rows.len() > most;
            if let Some(used) = row {
                // A row from the future, by a clock that was wrong, goes with those after it.
                let dated = self.0.rows.iter().flatten().find(|used| used.at <= now);
                if !over && dated.is_none_or(|dated| now.since(dated.at) <= KEPT_TIME) {
                    break;
                }
                self.0.index.remove(&used.tag);
                if let Some(closed) = &used.closed {
                    self.0.index.remove(&closed.tag);
                }
            }
            forgotten(self.0.first);
            self.0.rows.pop_front();
            self.0.first = self.0.first.saturating_add(1);
        }
    }

    /// The row with this number, for the store.
    pub(crate) fn encode(&self, number: u64) -> Option<Zeroizing<Vec<u8>>> {
        let UsedTag { tag, number, mask_key, salt, at, closed } = self.0.get(number)?;
        let closed =
            closed.as_ref().map(|ClosedChain { tag, number, mask_key }| stored::ClosedChain {
                tag: tag.0,
                number: *number,
                mask_key: mask_key.expose().to_vec(),
            });
        Some(stored::encode(&stored::UsedTag {
            tag: tag.0,
            number: *number,
            mask_key: mask_key.expose().to_vec(),
            salt: salt.to_vec(),
            at: at.as_millis(),
            closed,
        }))
    }

    /// Puts back a row that [`Self::encode`] gave.
    pub(crate) fn restore(&mut self, row: u64, bytes: &[u8]) -> Result<(), DecodeError> {
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
        let used = UsedTag {
            tag: Tag(*tag),
            number: *number,
            mask_key: secret(mask_key)?,
            salt: stored::array(salt, WHAT)?,
            at: Timestamp::from_millis(*at),
            closed,
        };
        let tags = [Some(used.tag), used.closed.as_ref().map(|closed| closed.tag)];
        if !self.0.restore(row, used) {
            return Err(malformed);
        }
        for tag in tags.into_iter().flatten() {
            self.0.index.insert(tag, row);
        }
        Ok(())
    }
}

fn is_over(opened: u64, at: Timestamp, seen: Seen) -> bool {
    seen.opened.saturating_sub(opened) > KEPT_MESSAGES || seen.at.since(at) > KEPT_TIME
}
