//! The heads that a group has had here: by them a message is placed.

use super::super::work::Work;
use super::super::{Error, table};
use super::known::Known;
use crate::group::{GroupId, Head, Roster};
use crate::timestamp::Timestamp;
use crate::wire::Ask;
use crate::wire::stored::{self, messenger::GroupHead};

/// How many heads of a group are known, for messages that come late.
///
/// A message goes by the newest that its sender knew, so that much may change on its way.
const MAX_HEADS: u32 = 1024;

/// What stands behind the group in the key of a head, and in that of its number.
const BY_HEAD: u8 = 0;
const BY_NUMBER: u8 = 1;

fn head_key(group: &GroupId, start: &[u8]) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[BY_HEAD], start].concat()
}

fn number_key(group: &GroupId, number: u32) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[BY_NUMBER], &number.to_be_bytes()].concat()
}

/// The first half of a head, as messages have it.
pub(super) fn start_of(head: &Head) -> &[u8] {
    head.as_bytes().get(..16).unwrap_or_default()
}

/// A head that is known.
#[derive(Debug, Clone)]
pub(super) struct KnownHead {
    pub(super) head: Head,
    /// Its place among all that there have been here.
    pub(super) number: u32,
    pub(super) left_at: Option<Timestamp>,
    /// Its seal and tips.
    pub(super) state: Vec<u8>,
}

impl Work<'_> {
    /// The head that begins like this.
    pub(super) fn head(&self, group: &GroupId, start: &[u8]) -> Result<Option<KnownHead>, Error> {
        let row = self.view.get(table::HEADS, &head_key(group, start))?;
        let raw = row.and_then(|row| stored::decode::<GroupHead>(&row, "group head").ok());
        Ok(raw.and_then(|raw| {
            Some(KnownHead {
                head: Head::from_bytes(raw.head.as_slice().try_into().ok()?),
                number: raw.number,
                left_at: (raw.left_at != 0).then(|| Timestamp::from_millis(raw.left_at)),
                state: raw.state.clone(),
            })
        }))
    }

    fn save_head(&mut self, group: &GroupId, known: &KnownHead) {
        let raw = GroupHead {
            head: known.head.as_bytes().to_vec(),
            number: known.number,
            left_at: known.left_at.map_or(0, Timestamp::as_millis),
            state: known.state.clone(),
        };
        let key = head_key(group, start_of(&known.head));
        self.view.put(table::HEADS, key, stored::encode(&raw));
    }

    /// The group has another head from now on.
    pub(super) fn note_new_head(
        &mut self,
        group: &GroupId,
        known: &mut Known,
        roster: &Roster,
    ) -> Result<(), Error> {
        if let Some(mut left) = self.head(group, start_of(&known.head))? {
            left.left_at = Some(self.now);
            self.save_head(group, &left);
        }
        known.head = roster.head();
        let mut state = roster.ask();
        state.wanted.clear();
        self.number_head(group, known, known.head, None, state.encode())
    }

    /// A head that never was ours turns out to stand for something that is all known here.
    pub(super) fn note_other_head(
        &mut self,
        group: &GroupId,
        known: &mut Known,
        state: &Ask,
    ) -> Result<(), Error> {
        let head = state.head();
        if self.head(group, start_of(&head))?.is_some() {
            return Ok(());
        }
        self.number_head(group, known, head, Some(self.now), state.encode())
    }

    fn number_head(
        &mut self,
        group: &GroupId,
        known: &mut Known,
        head: Head,
        left_at: Option<Timestamp>,
        state: Vec<u8>,
    ) -> Result<(), Error> {
        known.heads = known.heads.saturating_add(1);
        let number = known.heads;
        self.save_head(group, &KnownHead { head, number, left_at, state });
        let start = zeroize::Zeroizing::new(start_of(&head).to_vec());
        self.view.put(table::HEADS, number_key(group, number), start);
        let Some(oldest) = number.checked_sub(MAX_HEADS) else { return Ok(()) };
        if self.head(group, start_of(&known.head))?.is_some_and(|head| head.number == oldest) {
            return Ok(());
        }
        let key = number_key(group, oldest);
        if let Some(start) = self.view.get(table::HEADS, &key)? {
            self.view.delete(table::HEADS, key);
            // It may have come back since under a later number.
            if self.head(group, &start)?.is_some_and(|head| head.number == oldest) {
                self.view.delete(table::HEADS, head_key(group, &start));
            }
        }
        Ok(())
    }
}
