//! Size classes: what a length may betray (SPEC.md, section 7.1; Padmé from PURBs,
//! Nikitin et al. 2019). How padding is marked is `wire::padding`.

/// The smallest class, in bytes.
///
/// Control messages, receipts, typing notices, reactions, sender keys and most texts
/// fit it, so they all look alike.
pub(crate) const SMALLEST: usize = 256;

/// What a field with one shard takes; always counted, whether or not there is one.
const ROOM_FOR_A_SHARD: usize = 1 + 1 + 2 + 32;

/// The 0x80 that every payload ends with.
const MARKER: usize = 1;

/// The length that a payload of `length` bytes, without shards, is padded to.
// P = max(256, Padme(L + 36 + 1))
pub(crate) fn padded_len(length: usize) -> usize {
    let filled = length + ROOM_FOR_A_SHARD + MARKER;
    let padded = u64::try_from(filled).map(padme).and_then(usize::try_from);
    padded.unwrap_or(usize::MAX).max(SMALLEST)
}

/// The length that `length` bytes are padded to, in whichever layer: at most an eighth
/// more, and less of it the longer they are.
// E = floor(log2 x); S = floor(log2 E) + 1; x rounded up to a multiple of 2^(E - S)
pub(crate) fn padme(length: u64) -> u64 {
    let Some(exponent) = length.checked_ilog2() else { return length };
    let significant = exponent.checked_ilog2().map_or(0, |log| log + 1);
    length.next_multiple_of(1 << exponent.saturating_sub(significant))
}

/// How many shards fit into what the padding would waste.
pub(crate) fn shards_that_fit(length: usize, padded: usize) -> usize {
    let room = padded.saturating_sub(length + MARKER);
    // A field of up to 127 bytes has one byte of length, that is up to 3 shards.
    let count = room.saturating_sub(1 + 1 + 2) / 32;
    if count <= 3 { count } else { (room - (1 + 2 + 2)) / 32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(count: usize) -> usize {
        let content = 2 + 32 * count;
        1 + if content > 127 { 2 } else { 1 } + content
    }

    #[test]
    fn one_shard_always_fits_and_one_more_than_fits_never_does() {
        for length in 0..5000 {
            let padded = padded_len(length);
            let count = shards_that_fit(length, padded);
            assert!(count >= 1);
            assert!(length + field(count) < padded, "{length}");
            assert!(length + field(count + 1) + 1 > padded, "{length}");
        }
    }

    #[test]
    fn padding_costs_at_most_an_eighth_above_the_smallest_class() {
        for length in 300..100_000 {
            let padded = padded_len(length);
            assert!(padded >= length + ROOM_FOR_A_SHARD + MARKER);
            assert!(padded * 8 <= (length + ROOM_FOR_A_SHARD + MARKER) * 9);
        }
    }
}
