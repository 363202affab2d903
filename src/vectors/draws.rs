//! A random source that remembers what was drawn from it.

use std::convert::Infallible;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_core::{Rng, TryCryptoRng, TryRng};

/// ChaCha8 under a constant seed, with a list of what every call gave.
pub(super) struct Draws {
    rng: ChaCha8Rng,
    drawn: Vec<Vec<u8>>,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), drawn: Vec::new() }
    }

    /// What was drawn since the last call of this.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.drawn)
    }

    /// The next bytes, not remembered.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(bytes);
        self.drawn.push(bytes.to_vec());
        Ok(())
    }
}

impl TryCryptoRng for Draws {}
