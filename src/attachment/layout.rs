//! Where everything stands in a sealed attachment (SPEC.md, section 15.1).

use crate::session::padding::padme;

/// Bytes of plaintext in every chunk but the last, which may have fewer.
///
/// Long enough that a tag is nothing beside it, short enough to be kept in memory and
/// fetched for a single byte of it.
pub const CHUNK_LEN: usize = 64 * 1024;

/// The longest attachment, in bytes: as many chunks as a nonce counts.
pub const MAX_LEN: u64 = 1 << 48;

/// Bytes in front of the chunks.
pub const HEAD_LEN: usize = 32;

/// Bytes of a chunk's tag.
pub(super) const TAG_LEN: usize = crate::crypto::LARGE_TAG_LEN;

/// What the shortest are padded to: thumbnails, vCards and notes look alike.
const SMALLEST: u64 = 4096;

const CHUNK: u64 = 64 * 1024;
const TAG: u64 = 16;
const HEAD: u64 = 32;

/// Lengths and places, all of them from the true length alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    length: u64,
    padded: u64,
}

impl Layout {
    /// Of an attachment of that many bytes; `None` above [`MAX_LEN`].
    // P = max(4096, Padme(length))
    pub(super) fn of(length: u64) -> Option<Self> {
        let padded = (length <= MAX_LEN).then(|| padme(length).max(SMALLEST))?;
        Some(Self { length, padded })
    }

    /// Bytes of the attachment.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many chunks there are, at least one.
    pub(super) fn chunks(&self) -> u64 {
        self.padded.div_ceil(CHUNK)
    }

    /// How many of them have more than padding in them.
    pub(super) fn filled_chunks(&self) -> u64 {
        self.length.div_ceil(CHUNK)
    }

    /// Bytes of it all, sealed.
    pub(super) fn sealed_len(&self) -> u64 {
        HEAD + self.padded + TAG * self.chunks()
    }

    /// Where the sealed bytes of a chunk begin; behind the last one, where they end.
    pub(super) fn sealed_start(&self, index: u64) -> u64 {
        (HEAD + index * (CHUNK + TAG)).min(self.sealed_len())
    }

    /// The chunk that has this byte of the attachment in it; behind the end, the one that
    /// would.
    pub(super) fn chunk_of(&self, position: u64) -> u64 {
        (position / CHUNK).min(self.chunks())
    }

    /// The byte of the attachment that a chunk begins with.
    pub(super) fn start(&self, index: u64) -> u64 {
        (index * CHUNK).min(self.length)
    }

    /// Bytes of a chunk, padding included, without its tag.
    pub(super) fn chunk_len(&self, index: u64) -> usize {
        within_chunk(self.padded, index)
    }

    /// How many of them are not padding.
    pub(super) fn plain_len(&self, index: u64) -> usize {
        within_chunk(self.length, index)
    }

    /// What tells a chunk from every other of the same attachment.
    // nonce = 0^7 || u32(index) || u8(last)
    pub(super) fn nonce(&self, index: u64) -> [u8; 12] {
        let [.., a, b, c, d] = index.to_be_bytes();
        let last = u8::from(index + 1 == self.chunks());
        [0, 0, 0, 0, 0, 0, 0, a, b, c, d, last]
    }
}

/// How much of so many bytes falls into a chunk.
fn within_chunk(bytes: u64, index: u64) -> usize {
    let behind = bytes.saturating_sub(index * CHUNK);
    usize::try_from(behind).map_or(CHUNK_LEN, |behind| behind.min(CHUNK_LEN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths() -> impl Strategy<Value = u64> {
        prop_oneof![0..200_000_u64, 0..=MAX_LEN, Just(MAX_LEN), (0..33_u64).prop_map(|n| n << 16)]
    }

    proptest! {
        #[test]
        fn chunks_follow_each_other_and_end_where_the_whole_does(length in lengths()) {
            let layout = Layout::of(length).unwrap();
            let chunks = layout.chunks();
            prop_assert!((1..=1 << 32).contains(&chunks));
            for index in [0, 1, chunks / 2, chunks - 1].into_iter().filter(|i| *i < chunks) {
                let sealed = (layout.chunk_len(index) + TAG_LEN) as u64;
                prop_assert_eq!(
                    layout.sealed_start(index) + sealed,
                    layout.sealed_start(index + 1)
                );
                prop_assert!(layout.chunk_len(index) > 0);
                prop_assert!(layout.plain_len(index) <= layout.chunk_len(index));
                let plain = layout.plain_len(index) as u64;
                prop_assert_eq!(layout.start(index) + plain, layout.start(index + 1));
            }
            prop_assert_eq!(layout.sealed_start(0), HEAD_LEN as u64);
            prop_assert_eq!(layout.sealed_start(chunks), layout.sealed_len());
            prop_assert_eq!(layout.start(chunks), length);
            let overhead = layout.padded - length;
            prop_assert!(overhead <= SMALLEST || overhead * 9 <= length);
        }
    }

    #[test]
    fn the_longest_has_as_many_chunks_as_a_nonce_counts() {
        let layout = Layout::of(MAX_LEN).unwrap();
        assert_eq!(layout.chunks(), 1 << 32);
        assert_eq!(layout.nonce(0)[7..], [0, 0, 0, 0, 0]);
        assert_eq!(layout.nonce((1 << 32) - 1)[7..], [0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(Layout::of(MAX_LEN + 1), None);
        assert_eq!(CHUNK_LEN as u64, CHUNK);
        assert_eq!((HEAD_LEN as u64, TAG_LEN as u64), (HEAD, TAG));
    }
}
