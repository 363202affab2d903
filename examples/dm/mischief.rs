//! What a bad network does to envelopes, from a fixed seed: every run sees the same.

use std::fmt;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// What becomes of one envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes to the end of the queue.
    Straight,
    /// It is dropped.
    Lost,
    /// It is queued twice.
    Twice,
    /// It waits until the mailbox has been emptied so many times.
    Held(u32),
    /// It goes in front of envelopes that came earlier, at this place.
    Overtakes(usize),
    /// A copy with one bit flipped goes before it.
    Altered,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Straight => "",
            Self::Lost => "LOST",
            Self::Twice => "twice",
            Self::Held(_) => "held back",
            Self::Overtakes(_) => "overtakes",
            Self::Altered => "and altered",
        })
    }
}

/// Chooses fates.
#[derive(Debug)]
pub(crate) struct Mischief(ChaCha8Rng);

impl Mischief {
    /// The mischief that this seed stands for.
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// What becomes of the next envelope for a mailbox where so many are waiting.
    pub(crate) fn fate(&mut self, waiting: usize) -> Fate {
        match self.0.random_range(0..100) {
            0..12 => Fate::Lost,
            12..20 => Fate::Twice,
            20..30 => Fate::Held(self.0.random_range(1..=3)),
            30..45 if waiting > 0 => Fate::Overtakes(self.0.random_range(0..waiting)),
            45..48 => Fate::Altered,
            _ => Fate::Straight,
        }
    }

    /// A copy with one bit flipped.
    pub(crate) fn altered(&mut self, envelope: &[u8]) -> Vec<u8> {
        let mut copy = envelope.to_vec();
        if !copy.is_empty() {
            let place = self.0.random_range(0..copy.len());
            copy[place] ^= 1 << self.0.random_range(0..8);
        }
        copy
    }
}
