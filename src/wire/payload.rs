//! What a ratchet message seals, before padding (SPEC.md, section 7).

use std::fmt;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use zeroize::Zeroize;

use super::control::Control;
use super::generated::v1;
use super::{DecodeError, MAX_ENVELOPE_LEN, decode};
use crate::crypto::SecretBytes;

/// The number of the field `shards` of a payload.
const SHARDS_FIELD: u32 = 9;

/// Names a message for ever: 16 random bytes, made by its author.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// Its length in bytes.
    pub const LEN: usize = 16;

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// A new random id.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; Self::LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The first 4 bytes, as [`Mark`]s carry them.
    #[must_use]
    pub const fn short(&self) -> ShortId {
        let [a, b, c, d, ..] = self.0;
        ShortId::from_bytes([a, b, c, d])
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// The first 4 bytes of a [`MessageId`], little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId(pub(crate) u32);

impl ShortId {
    /// The short id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }

    /// Its 4 bytes, to keep.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

/// A numbered message, by its number and short id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Its number; never 0.
    pub seq: u64,
    /// The start of its id.
    pub id: ShortId,
}

impl Mark {
    /// The mark of these two fields, where number 0 means none.
    pub(crate) fn from_fields(seq: u64, id: u32) -> Option<Self> {
        (seq != 0).then_some(Self { seq, id: ShortId(id) })
    }

    /// The two fields of a mark that may be none.
    pub(crate) fn to_fields(mark: Option<Self>) -> (u64, u32) {
        mark.map_or((0, 0), |Self { seq, id }| (seq, id.0))
    }
}

/// The fields of a payload.
pub(crate) struct Payload {
    /// Message id and content; empty with `control`.
    pub(crate) body: SecretBytes,
    /// 0: not numbered.
    pub(crate) seq: u64,
    pub(crate) last: Option<Mark>,
    pub(crate) seen: Option<Mark>,
    pub(crate) view: u64,
    pub(crate) control: Option<Control>,
    /// Empty, or as SPEC.md section 6.6 says; not checked here.
    pub(crate) shards: Vec<u8>,
}

impl Payload {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let v1::Payload { body, seq, last_seq, last_id, seen_seq, seen_id, view, control, shards } =
            decode(bytes, MAX_ENVELOPE_LEN, "payload")?;
        Ok(Self {
            body: SecretBytes::new(body),
            seq,
            last: Mark::from_fields(last_seq, last_id),
            seen: Mark::from_fields(seen_seq, seen_id),
            view,
            control: control.map(Control::from_raw).transpose()?,
            shards,
        })
    }

    /// The encoded payload, but for the shards, in a buffer that has room for what its
    /// length will be padded to.
    pub(crate) fn encode(mut self, padded_len: fn(usize) -> usize) -> SecretBytes {
        let (last_seq, last_id) = Mark::to_fields(self.last);
        let (seen_seq, seen_id) = Mark::to_fields(self.seen);
        let mut raw = v1::Payload {
            body: std::mem::take(&mut *self.body),
            seq: self.seq,
            last_seq,
            last_id,
            seen_seq,
            seen_id,
            view: self.view,
            control: self.control.map(Control::into_raw),
            shards: Vec::new(),
        };
        // All that follows happens in place, without a stray copy of the plaintext.
        let mut buffer = Vec::with_capacity(padded_len(raw.encoded_len()));
        let encoded = raw.encode(&mut buffer);
        debug_assert!(encoded.is_ok(), "a vector grows as needed");
        raw.body.as_mut_slice().zeroize();
        SecretBytes::new(buffer)
    }
}

/// The field `shards`, appended to an encoded payload: last, as SPEC.md section 7.1
/// says.
pub(crate) fn append_shards(payload: &mut Vec<u8>, shards: &[u8]) {
    if !shards.is_empty() {
        encode_key(SHARDS_FIELD, WireType::LengthDelimited, payload);
        encode_varint(u64::try_from(shards.len()).unwrap_or(u64::MAX), payload);
        payload.extend_from_slice(shards);
    }
}
