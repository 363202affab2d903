//! The heads that a group has had here: by them a message is placed.

use zeroize::Zeroizing;

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

/// How many heads are known that the group never had here, for messages that wait for them;
/// then the oldest goes.
const MAX_OTHERS: usize = 256;

/// What stands behind the group in the key of a head, in that of its number, and in that of
/// one that the group never had here.
const BY_HEAD: u8 = 0;
const BY_NUMBER: u8 = 1;
const BY_ORDER: u8 = 2;

fn head_key(group: &GroupId, start: &[u8]) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[BY_HEAD], start].concat()
}

fn order_prefix(group: &GroupId) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[BY_ORDER]].concat()
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
        known.heads = known.heads.saturating_add(1);
        let (head, number) = (known.head, known.heads);
        let mut state = roster.ask();
        state.wanted.clear();
        self.save_head(group, &KnownHead { head, number, left_at: None, state: state.encode() });
        let start = Zeroizing::new(start_of(&head).to_vec());
        self.view.put(table::HEADS, number_key(group, number), start);
        let Some(oldest) = number.checked_sub(MAX_HEADS) else { return Ok(()) };
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

    /// A head that never was ours turns out to stand for something that is all known here. It
    /// puts out no head that was.
    pub(super) fn note_other_head(
        &mut self,
        group: &GroupId,
        known: &Known,
        state: &Ask,
    ) -> Result<(), Error> {
        let head = state.head();
        if self.head(group, start_of(&head))?.is_some() {
            return Ok(());
        }
        let others = self.view.scan_prefix(table::HEADS, &order_prefix(group))?;
        if others.len() >= MAX_OTHERS
            && let Some((key, start)) = others.into_iter().next()
        {
            self.view.delete(table::HEADS, key);
            // It may have become ours since.
            if let Some(oldest) = self.head(group, &start)? {
                let ours = self.view.get(table::HEADS, &number_key(group, oldest.number))?;
                if ours.is_none_or(|ours| *ours != *start) {
                    self.view.delete(table::HEADS, head_key(group, &start));
                }
            }
        }
        let order = self.next_order().to_be_bytes();
        let start = Zeroizing::new(start_of(&head).to_vec());
        self.view.put(table::HEADS, [order_prefix(group).as_slice(), &order].concat(), start);
        let (number, left_at) = (known.heads, Some(self.now));
        self.save_head(group, &KnownHead { head, number, left_at, state: state.encode() });
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::address::UserId;
    use crate::content::GroupNews;
    use crate::group::sender_key::Peek;
    use crate::messenger::view::View;
    use crate::messenger::work::{Cache, commit};
    use crate::messenger::{GroupChange, Messenger, Options};
    use crate::store::MemoryStore;
    use crate::testing::seeded;
    use crate::wire::ChainId;

    /// Has a group whose name was changed once.
    pub(in super::super) fn with_group(
        test: impl Fn(&mut Work<'_>, &GroupId) -> Result<(), Error>,
    ) {
        let (store, options) = (MemoryStore::new(), seeded(Options::default(), 1));
        let opened = Messenger::open(store.clone(), options.clone()).unwrap();
        let mut messenger = opened.or_create(&UserId::new("alice").unwrap()).unwrap();
        let group = messenger.create_group("Roses").unwrap();
        messenger.change_group(&group, GroupChange::Rename("Thorns".into())).unwrap();
        let view = Arc::new(View::new(Box::new(store)));
        commit(&view, &mut Cache::new(), &options, |work| test(work, &group)).unwrap();
    }

    #[test]
    fn heads_that_never_were_ours_put_out_none_that_were() {
        with_group(|work, group| {
            let known = work.known(group)?.unwrap();
            let seal = work.roster(group)?.unwrap().ask().seal;
            let state = |number: usize| {
                let mut tip = [7; 32];
                tip[..8].copy_from_slice(&number.to_be_bytes());
                Ask { seal, tips: vec![tip], wanted: Vec::new() }
            };
            for number in 0..2 * MAX_OTHERS {
                work.note_other_head(group, &known, &state(number))?;
            }
            let current = work.head(group, start_of(&known.head))?.unwrap();
            assert_eq!((current.number, current.left_at), (known.heads, None));
            let former = Ask { seal, tips: Vec::new(), wanted: Vec::new() }.head();
            assert!(work.head(group, start_of(&former))?.is_some());
            for number in 0..2 * MAX_OTHERS {
                let head = work.head(group, start_of(&state(number).head()))?;
                assert_eq!(head.is_some(), number >= MAX_OTHERS);
                assert!(head.is_none_or(|head| head.number == known.heads));
            }
            let rows = work.view.scan_prefix(table::HEADS, group.as_bytes())?;
            assert_eq!(rows.len(), 2 * (2 + MAX_OTHERS));
            Ok(())
        });
    }

    #[test]
    fn what_a_head_stands_for_is_taken_only_if_something_waits_for_it() {
        with_group(|work, group| {
            let us = work.own()?.address().clone();
            let ask = work.roster(group)?.unwrap().ask();
            // Of what is known, but never a state of this group.
            let (seal, mut tips) = (ask.seal, ask.tips);
            tips.push(seal);
            let state = Ask { seal, tips, wanted: Vec::new() };
            let head = state.head();
            let news = GroupNews { state: state.encode(), ..GroupNews::default() };
            let bytes = news.encode().to_vec();
            for waits in [false, true] {
                if waits {
                    let roster = start_of(&head).try_into().unwrap();
                    let (chain, peek) =
                        (ChainId::from_bytes([1; 8]), Peek { iteration: 0, roster });
                    assert!(work.hold_for_head(group, &us, chain, peek, b"a message")?);
                }
                work.take_group_news(&us, group, &bytes, &mut Vec::new())?;
                assert_eq!(work.head(group, start_of(&head))?.is_some(), waits);
            }
            Ok(())
        });
    }
}
