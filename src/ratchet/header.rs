//! The message header, its tag and its mask (SPEC.md, section 6.3; after RFC 9001,
//! section 5.4).

use std::fmt;
use std::sync::Arc;

use crate::crypto::{HmacKey, Label, Secret, expand, hmac_tag, mask};

/// Ratchet key, number, previous length and epoch: 32 + 4 + 4 + 4 bytes.
const HEADER_LEN: usize = 44;

/// The first 8 bytes of a message: looks random, but both sides can compute it.
///
/// # Security
///
/// Compared as one machine word, so in constant time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(crate) u64);

impl Tag {
    /// The tag with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:016x})", self.0)
    }
}

/// 8 random bytes that make every message's key its own.
pub(crate) type Salt = [u8; 8];

/// Tag, salt and masked header of `N` bytes, as they stand in front of a message.
#[derive(Clone, Copy)]
pub(crate) struct MessageHead<const N: usize> {
    pub(crate) tag: Tag,
    pub(crate) salt: Salt,
    pub(crate) masked: [u8; N],
}

/// That of a message in a session.
pub(crate) type Head = MessageHead<HEADER_LEN>;

impl<const N: usize> MessageHead<N> {
    pub(crate) const LEN: usize = 16 + N;

    /// `L` must be [`Self::LEN`], which the compiler checks.
    pub(crate) fn from_bytes<const L: usize>(bytes: &[u8; L]) -> Self {
        const { assert!(L == Self::LEN) };
        let (mut tag, mut salt, mut masked) = ([0; 8], [0; 8], [0; N]);
        let (start, end) = bytes.split_at(16);
        masked.copy_from_slice(end);
        let (first, second) = start.split_at(8);
        tag.copy_from_slice(first);
        salt.copy_from_slice(second);
        Self { tag: Tag::from_bytes(tag), salt, masked }
    }

    /// As above.
    pub(crate) fn to_bytes<const L: usize>(self) -> [u8; L] {
        const { assert!(L == Self::LEN) };
        let mut bytes = [0; L];
        let (start, end) = bytes.split_at_mut(16);
        end.copy_from_slice(&self.masked);
        let (first, second) = start.split_at_mut(8);
        first.copy_from_slice(&self.tag.to_bytes());
        second.copy_from_slice(&self.salt);
        bytes
    }
}

/// What a header says, in the clear.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The sender's ratchet key; not checked.
    pub(crate) ratchet_key: [u8; 32],
    /// `N`.
    pub(crate) number: u32,
    /// `PN`.
    pub(crate) previous_length: u32,
    /// How many post-quantum epochs were mixed in when the chain began.
    pub(crate) pq_epoch: u32,
}

impl Header {
    // ratchet key (32) || u32(n) || u32(PN) || u32(pq_epoch)
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (key, numbers) = bytes.split_at_mut(32);
        key.copy_from_slice(&self.ratchet_key);
        let values = [self.number, self.previous_length, self.pq_epoch];
        for (place, value) in numbers.chunks_exact_mut(4).zip(values) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut ratchet_key = [0; 32];
        let (key, numbers) = bytes.split_at(32);
        ratchet_key.copy_from_slice(key);
        let mut values = [0; 3];
        for (value, place) in values.iter_mut().zip(numbers.chunks_exact(4)) {
            *value = place.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
        }
        let [number, previous_length, pq_epoch] = values;
        Self { ratchet_key, number, previous_length, pq_epoch }
    }
}

/// A key that masks headers: XChaCha20, 32 bytes. Kept beside skipped keys and used
/// tags, hence shared.
pub(crate) type MaskKey = Arc<Secret<32>>;

/// Unmasks what stands behind tag and salt.
// masked = Mask(mask_key, tag || salt || 0^8, header)
pub(crate) fn unmask(key: &Secret<32>, head: &Head) -> Header {
    let mut header = head.masked;
    apply_mask(key, head.tag, &head.salt, &mut header);
    Header::from_bytes(&header)
}

/// Masks a header, or unmasks it.
pub(crate) fn apply_mask<const N: usize>(
    key: &Secret<32>,
    tag: Tag,
    salt: &Salt,
    header: &mut [u8; N],
) {
    let mut nonce = [0; 24];
    let (first, rest) = nonce.split_at_mut(8);
    first.copy_from_slice(&tag.to_bytes());
    let (second, _) = rest.split_at_mut(8);
    second.copy_from_slice(salt);
    mask(key, &nonce, header);
}

/// `hk` of one chain, with the two keys derived from it.
pub(crate) struct HeaderKey {
    key: Secret<32>,
    tag_key: HmacKey,
    mask_key: MaskKey,
}

impl HeaderKey {
    // hk -> tag_key || mask_key = Expand(hk, "subrosa/1 header", 64)
    pub(crate) fn new(key: Secret<32>) -> Self {
        let keys: Secret<64> = expand(&key, Label::HEADER, &[]);
        let (tag_key, mask_key) = keys.split::<32, 32>();
        Self { key, tag_key: HmacKey::from(&tag_key), mask_key: Arc::new(mask_key) }
    }

    /// For the stored record.
    pub(crate) fn key(&self) -> &Secret<32> {
        &self.key
    }

    pub(crate) fn mask_key(&self) -> &MaskKey {
        &self.mask_key
    }

    // tag = HMAC(tag_key, u32(n))[..8]
    pub(crate) fn tag(&self, number: u32) -> Tag {
        let [a, b, c, d, e, f, g, h, ..] = hmac_tag(&self.tag_key, &number.to_be_bytes());
        Tag::from_bytes([a, b, c, d, e, f, g, h])
    }

    /// The head of a message.
    pub(crate) fn protect(&self, header: &Header, salt: Salt) -> Head {
        let tag = self.tag(header.number);
        let mut masked = header.to_bytes();
        apply_mask(&self.mask_key, tag, &salt, &mut masked);
        Head { tag, salt, masked }
    }

    /// The header behind a head, if its tag is the one that its number has here.
    pub(crate) fn unprotect(&self, head: &Head) -> Option<Header> {
        let header = unmask(&self.mask_key, head);
        (self.tag(header.number) == head.tag).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protected_header_comes_back_and_an_altered_tag_does_not() {
        let key = HeaderKey::new(Secret::copy_from(&[7; 32]));
        let header = Header { ratchet_key: [9; 32], number: 5, previous_length: 3, pq_epoch: 1 };
        let head = key.protect(&header, [1; 8]);
        assert!(
            key.unprotect(&Head::from_bytes(&head.to_bytes::<{ Head::LEN }>())) == Some(header)
        );
        let altered = Head { tag: Tag(head.tag.0 ^ 1), ..head };
        assert!(key.unprotect(&altered).is_none());
    }
}
