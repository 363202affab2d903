//! Chance, from a seed.

use std::time::Duration;

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) struct Dice(ChaCha20Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// Whether something happens that does so in so many of a thousand cases.
    pub(crate) fn happens(&mut self, in_a_thousand: usize) -> bool {
        self.below(1000) < in_a_thousand
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.random()
    }

    /// Up to this long, in seconds.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_secs(self.0.random_range(0..=most.as_secs()))
    }

    /// How long mail is under way: mostly moments, sometimes hours or days.
    pub(crate) fn delay(&mut self) -> Duration {
        match self.below(20) {
            0..14 => self.up_to(MINUTE),
            14..18 => self.up_to(3 * HOUR),
            18 => self.up_to(DAY),
            _ => self.up_to(4 * DAY),
        }
    }

    /// By how many milliseconds a clock is wrong.
    pub(crate) fn offset(&mut self) -> i64 {
        let most = match self.below(8) {
            0..2 => Duration::ZERO,
            2..4 => MINUTE,
            4 => 3 * HOUR,
            5 => 5 * DAY,
            6 => 40 * DAY,
            _ => 5 * YEAR,
        };
        let offset = i64::try_from(self.up_to(most).as_millis()).unwrap();
        if self.happens(500) { offset } else { -offset }
    }
}
