//! The votes of a poll, counted.

use std::collections::BTreeMap;

use super::super::Reference;
use super::{Choices, Poll, Vote};
use crate::address::UserId;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

/// The votes of a poll, each account counted once: the newest of its votes, whatever order
/// they come in, and however often.
#[derive(Clone, PartialEq, Eq)]
pub struct Tally {
    poll: Poll,
    name: Reference,
    votes: BTreeMap<UserId, (Timestamp, MessageId, Choices)>,
}

impl Tally {
    /// No votes yet in the poll with this name.
    #[must_use]
    pub fn of(poll: &Poll, name: Reference) -> Self {
        Self { poll: poll.clone(), name, votes: BTreeMap::new() }
    }

    /// Takes the vote of a message: who wrote it, when, its id. One that is in another poll
    /// or for what cannot be chosen is passed over.
    pub fn add(&mut self, author: &UserId, sent_at: Timestamp, id: MessageId, vote: &Vote) {
        if *vote.poll() != self.name || !self.poll.allows(vote.choices()) {
            return;
        }
        let cast = (sent_at, id, vote.choices());
        let newest = self.votes.entry(author.clone()).or_insert(cast);
        *newest = cast.max(*newest);
    }

    /// What an account has chosen.
    #[must_use]
    pub fn chosen_by(&self, author: &UserId) -> Choices {
        self.votes.get(author).map_or(Choices::NONE, |(_, _, choices)| *choices)
    }

    /// Who has chosen this.
    pub fn choosers(&self, place: usize) -> impl Iterator<Item = &UserId> {
        let votes = self.votes.iter();
        votes.filter(move |(_, (_, _, chosen))| chosen.contains(place)).map(|(user, _)| user)
    }

    /// How often each choice was chosen.
    #[must_use]
    pub fn counts(&self) -> Vec<u32> {
        let count = |place| u32::try_from(self.choosers(place).count()).unwrap_or(u32::MAX);
        (0..self.poll.choices().len()).map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(author: u8, message: u8) -> Reference {
        Reference::new(UserId::new([author]).unwrap(), MessageId::from_bytes([message; 16]))
    }

    proptest! {
        #[test]
        fn each_account_counts_once_whatever_the_order(
            votes in prop::collection::vec((0..4_u8, 0..3_u64, 0..3_u8, 0..3_u8, 0..40_u32), 0..40),
            order in any::<prop::sample::Index>(),
            most in 1..4_usize,
        ) {
            let poll = Poll::new("Which?", ["a", "b", "c", "d"]).choose_up_to(most);
            let add = |tally: &mut Tally, (author, at, id, about, bits): (u8, u64, u8, u8, u32)| {
                let vote = Vote::new(name(9, about), Choices::from_bits(bits));
                let author = UserId::new([author]).unwrap();
                tally.add(&author, Timestamp::from_secs(at), MessageId::from_bytes([id; 16]), &vote);
            };
            let mut tally = Tally::of(&poll, name(9, 0));
            votes.iter().for_each(|vote| add(&mut tally, *vote));
            // Another order, each twice.
            let mut other = Tally::of(&poll, name(9, 0));
            let cut = order.index(votes.len() + 1);
            let turned = votes[cut..].iter().chain(&votes[..cut]).rev();
            turned.clone().chain(votes.iter()).for_each(|vote| add(&mut other, *vote));
            prop_assert!(tally == other);
            // The same said plainly: the newest that is allowed, of each.
            let mut counts = vec![0; 4];
            for author in 0..4 {
                let of_author = votes.iter().filter(|vote| vote.0 == author && vote.3 == 0);
                let allowed =
                    of_author.filter(|vote| vote.4 < 16 && vote.4.count_ones() as usize <= most);
                let newest = allowed.max_by_key(|vote| (vote.1, vote.2, vote.4));
                let chosen = newest.map_or(0, |vote| vote.4);
                prop_assert_eq!(
                    tally.chosen_by(&UserId::new([author]).unwrap()).to_bits(), chosen
                );
                (0..4).for_each(|place| counts[place] += chosen >> place & 1);
            }
            prop_assert_eq!(tally.counts(), counts);
        }
    }
}
