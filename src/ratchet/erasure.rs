//! The erasure code that carries a post-quantum key in shards (SPEC.md, section 6.6).
//!
//! Systematic Reed-Solomon over GF(2⁸) with polynomial 0x11D: shard i is the value
//! at the field element i of the polynomial through the data shards.

use std::sync::LazyLock;

use reed_solomon_erasure::galois_8::ReedSolomon;

/// Bytes of a shard.
pub(crate) const SHARD_LEN: usize = 32;

/// How many different shards there are; the index after the last is 0 again.
const SHARDS: usize = 255;

/// Which of the two things is sent in shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cargo {
    /// The encapsulation key: 37 shards.
    EncapsulationKey,
    /// The ciphertext and its confirmation: 35 shards.
    Ciphertext,
}

impl Cargo {
    /// How many shards give it back.
    pub(crate) const fn data_shards(self) -> usize {
        match self {
            Self::EncapsulationKey => 37,
            Self::Ciphertext => 35,
        }
    }

    /// The code's matrices: constants, made once.
    fn codes(self) -> &'static Codes {
        static KEY: LazyLock<Codes> = LazyLock::new(|| Codes::new(Cargo::EncapsulationKey));
        static CIPHERTEXT: LazyLock<Codes> = LazyLock::new(|| Codes::new(Cargo::Ciphertext));
        match self {
            Self::EncapsulationKey => &KEY,
            Self::Ciphertext => &CIPHERTEXT,
        }
    }
}

/// How many shards beyond the data are made at first: all that a conversation without
/// much loss needs.
const FIRST_PARITY: usize = 16;

/// One code, and the beginning of it: a shard does not depend on how many there are.
struct Codes {
    first: ReedSolomon,
    all: ReedSolomon,
}

impl Codes {
    #[expect(clippy::expect_used, reason = "37 + 218 and 35 + 220 shards fit a field of 256")]
    fn new(cargo: Cargo) -> Self {
        let data = cargo.data_shards();
        let code = |parity| ReedSolomon::new(data, parity).expect("within the field");
        Self { first: code(FIRST_PARITY), all: code(SHARDS - data) }
    }
}

/// Something that is being sent in shards.
pub(crate) struct Sender {
    cargo: Cargo,
    data: Vec<u8>,
    /// Those behind the data that have been made so far.
    parity: Vec<Vec<u8>>,
    /// The index of the next shard.
    cursor: u8,
}

impl Sender {
    /// Starts, or goes on, at shard `cursor`.
    pub(crate) fn new(cargo: Cargo, data: Vec<u8>, cursor: u8) -> Self {
        Self { cargo, data, parity: Vec::new(), cursor }
    }

    pub(crate) fn cursor(&self) -> u8 {
        self.cursor
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Appends the next `count` shards to `out`.
    pub(crate) fn take(&mut self, count: usize, out: &mut Vec<u8>) {
        for _ in 0..count {
            let index = usize::from(self.cursor);
            if let Some(shard) = self.data.chunks_exact(SHARD_LEN).nth(index) {
                out.extend_from_slice(shard);
            } else {
                let index = index - self.cargo.data_shards();
                if index >= self.parity.len() {
                    self.make_parity(index);
                }
                out.extend_from_slice(self.parity.get(index).map_or(&[], Vec::as_slice));
            }
            self.cursor = (self.cursor + 1) % 255;
        }
    }

    /// Makes the shards behind the data, up to this one at least.
    fn make_parity(&mut self, last: usize) {
        let codes = self.cargo.codes();
        let code = if last < FIRST_PARITY { &codes.first } else { &codes.all };
        let data: Vec<&[u8]> = self.data.chunks_exact(SHARD_LEN).collect();
        self.parity = vec![vec![0; SHARD_LEN]; code.parity_shard_count()];
        // Fails only for other numbers or lengths of shards than these.
        let encoded = code.encode_sep(&data, &mut self.parity);
        debug_assert!(encoded.is_ok());
    }
}

/// Which shards of something have been received. The shards themselves stay in the
/// fields that brought them.
pub(crate) struct Collector {
    cargo: Cargo,
    /// A bit for each index.
    known: [u64; 4],
    count: usize,
}

impl Collector {
    pub(crate) fn new(cargo: Cargo) -> Self {
        Self { cargo, known: [0; 4], count: 0 }
    }

    /// Notes shards with consecutive indices from `first`; says whether any was new.
    /// The first of an index counts; what is not needed any more is left out.
    pub(crate) fn add(&mut self, first: u8, shards: &[u8]) -> bool {
        let before = self.count;
        for (index, _) in run(first, shards) {
            let bit = 1_u64 << (index % 64);
            let Some(word) = self.known.get_mut(index / 64) else { continue };
            if self.count < self.cargo.data_shards() && *word & bit == 0 {
                *word |= bit;
                self.count += 1;
            }
        }
        self.count > before
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.count >= self.cargo.data_shards()
    }

    /// The data in all that was added, in the same order; `None` if it is not enough.
    pub(crate) fn data<'a>(
        &self,
        added: impl IntoIterator<Item = (u8, &'a [u8])>,
    ) -> Option<Vec<u8>> {
        let needed = self.cargo.data_shards();
        let mut shards: Vec<Option<Vec<u8>>> = vec![None; SHARDS];
        let mut count = 0;
        for (index, shard) in added.into_iter().flat_map(|(first, shards)| run(first, shards)) {
            let place = shards.get_mut(index)?;
            if count < needed && place.is_none() {
                *place = Some(shard.to_vec());
                count += 1;
            }
        }
        if count < needed {
            return None;
        }
        if shards.iter().take(needed).any(Option::is_none) {
            self.cargo.codes().all.reconstruct_data(&mut shards).ok()?;
        }
        Some(shards.into_iter().take(needed).flatten().flatten().collect())
    }
}

/// Shards with their indices, from `first` on.
fn run(first: u8, shards: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let shards = shards.chunks_exact(SHARD_LEN).enumerate();
    shards.map(move |(number, shard)| ((usize::from(first) + number) % SHARDS, shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(cargo: Cargo) -> Vec<u8> {
        (0..cargo.data_shards() * SHARD_LEN).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn any_set_of_enough_shards_gives_the_data_back() {
        for cargo in [Cargo::EncapsulationKey, Cargo::Ciphertext] {
            let data = data(cargo);
            for (first, step) in [(0_u8, 1_usize), (1, 1), (30, 3), (200, 1), (254, 2)] {
                let (mut collector, mut added) = (Collector::new(cargo), Vec::new());
                let mut index = usize::from(first);
                for _ in 0..cargo.data_shards() {
                    assert!(!collector.is_complete());
                    let mut out = Vec::new();
                    Sender::new(cargo, data.clone(), index as u8).take(1, &mut out);
                    assert!(collector.add(index as u8, &out));
                    added.push((index as u8, out));
                    index = (index + step) % 255;
                }
                assert!(collector.is_complete());
                let recovered = collector.data(added.iter().map(|(at, out)| (*at, &**out)));
                assert_eq!(recovered.as_ref(), Some(&data), "{cargo:?} from {first}");
            }
        }
    }

    #[test]
    fn shards_go_round_after_254() {
        let cargo = Cargo::Ciphertext;
        let mut sender = Sender::new(cargo, data(cargo), 254);
        let mut out = Vec::new();
        sender.take(2, &mut out);
        assert_eq!(sender.cursor(), 1);
        assert_eq!(out.get(SHARD_LEN..), data(cargo).get(..SHARD_LEN));
    }

    #[test]
    fn the_first_shard_of_an_index_counts() {
        let mut collector = Collector::new(Cargo::Ciphertext);
        assert!(collector.add(3, &[1; SHARD_LEN]));
        assert!(!collector.add(3, &[2; SHARD_LEN]));
        let cargo = Cargo::Ciphertext;
        let genuine = data(cargo);
        let added = [(0, &genuine[..]), (0, &[0; 32 * 35][..])];
        assert_eq!(Collector::new(cargo).data(added).as_deref(), Some(&genuine[..]));
        let (start, rest) = genuine.split_at(SHARD_LEN);
        let added = [(0, start), (0, &[0; SHARD_LEN]), (1, rest)];
        assert_eq!(Collector::new(cargo).data(added).as_deref(), Some(&genuine[..]));
    }

    #[test]
    fn what_comes_when_there_is_enough_is_left_out() {
        let cargo = Cargo::Ciphertext;
        let needed = cargo.data_shards();
        let mut enough = Vec::new();
        Sender::new(cargo, data(cargo), 1).take(needed, &mut enough);
        let mut collector = Collector::new(cargo);
        assert!(collector.add(1, &enough) && collector.is_complete());
        assert!(!collector.add(0, &[0; SHARD_LEN]));
        let added = [(1, &enough[..]), (0, &[0; SHARD_LEN])];
        assert_eq!(collector.data(added), Some(data(cargo)));
    }
}
