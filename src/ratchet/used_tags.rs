//! The tags of messages that have opened. They are not loaded with the session: a row of its
//! own says for each under which number it is found.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::RowKey;
use super::header::{MaskKey, Salt, Tag};
use super::kept::{KEPT_MESSAGES, KEPT_TIME};
use super::saved::Saved;
use super::tag_map::TagMap;
use crate::crypto::Secret;
use crate::timestamp::Timestamp;
use crate::wire::stored::MAX_STORED_NUMBER;
use crate::wire::{DecodeError, stored};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = MAX_STORED_NUMBER;

    proptest! {
        #[test]
        fn a_record_of_more_used_tags_than_are_kept_or_of_numbers_without_end_is_damaged(
            next in prop_oneof![MOST - 2..MOST + 3, 0..3_000_u64, any::<u64>()],
            count in prop_oneof![998..1_003_u64, 0..4_000_u64],
        ) {
            let first = next.saturating_sub(count);
            let count = next - first;
            let used = UsedTags::saved(first, next, Saved::default()).is_some();
            prop_assert_eq!(used, count <= 1_000 && next <= MOST);
            prop_assert!(count == 0 || UsedTags::saved(next, first, Saved::default()).is_none());
        }
    }
}
