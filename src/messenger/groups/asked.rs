//! What is asked for of a chain, when, and how often it was.

use std::collections::{BTreeMap, BTreeSet};

use super::super::repair::ASKED_AFTER;
use crate::group::sender_key::{MAX_CHAIN_LEN, ReceivingChain};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::{AskedChain, AskedIterations};

/// When a message is asked for next, and how often it was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) at: Timestamp,
    pub(super) times: u32,
}

/// What is asked for of a chain.
#[derive(Default)]
pub(super) struct AskedOf {
    pub(super) missing: BTreeMap<u32, Asked>,
    /// Those before the chain was handed over that have come as copies.
    pub(super) copied: BTreeSet<u32>,
    /// From which on the chain itself shows what is missing, as far as it is known.
    pub(super) first: u32,
}

impl AskedOf {
    pub(super) fn from_record(raw: &AskedChain) -> Self {
        let mut missing = BTreeMap::new();
        for some in &raw.missing {
            let asked = Asked { at: Timestamp::from_millis(some.ask_at), times: some.times };
            let iterations = some.first..=some.last.min(MAX_CHAIN_LEN);
            missing.extend(iterations.map(|iteration| (iteration, asked)));
        }
        Self { missing, copied: raw.copied.iter().copied().collect(), first: raw.first }
    }

    pub(super) fn to_record(&self) -> AskedChain {
        let mut missing: Vec<AskedIterations> = Vec::new();
        for (&iteration, Asked { at, times }) in &self.missing {
            let (ask_at, times) = (at.as_millis(), *times);
            match missing.last_mut() {
                Some(some)
                    if some.last.checked_add(1) == Some(iteration)
                        && (some.ask_at, some.times) == (ask_at, times) =>
                {
                    some.last = iteration;
                }
                _ => {
                    let (first, last) = (iteration, iteration);
                    missing.push(AskedIterations { first, last, ask_at, times });
                }
            }
        }
        AskedChain { missing, copied: self.copied.iter().copied().collect(), first: self.first }
    }

    /// Makes what is asked for what is missing: each has its own times.
    pub(super) fn match_missing(&mut self, chain: &ReceivingChain, now: Timestamp) {
        let missing: BTreeSet<u32> = chain.missing().collect();
        let first = chain.first();
        self.first = first;
        self.missing.retain(|iteration, _| *iteration < first || missing.contains(iteration));
        for iteration in missing {
            let new = Asked { at: now.after(ASKED_AFTER[0]), times: 0 };
            self.missing.entry(iteration).or_insert(new);
        }
    }

    /// What it is time to ask for (again), and what was asked for often enough.
    pub(super) fn due(&self, now: Timestamp) -> (Vec<u32>, Vec<u32>) {
        let latest = now.after(ASKED_AFTER[7]);
        let due = self.missing.iter().filter(|(_, asked)| asked.at <= now || asked.at > latest);
        let (due, over): (Vec<_>, Vec<_>) = due.partition(|(_, asked)| wait(asked.times).is_some());
        let iterations = |some: Vec<(&u32, &Asked)>| some.iter().map(|(at, _)| **at).collect();
        (iterations(due), iterations(over))
    }
}

/// How long is waited after what was asked for so often before is asked for again.
pub(super) fn wait(times: u32) -> Option<std::time::Duration> {
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    ASKED_AFTER.get(times.saturating_add(1)).copied()
}
