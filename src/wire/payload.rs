//! What a ratchet message seals, before padding (SPEC.md, section 7).

use std::fmt;

use prost::Message as _;
use zeroize::Zeroize;

use super::control::Control;
use super::fields::{put_bytes, take_bytes, take_fixed32, take_fixed64, take_key, take_varint};
use super::generated::v1;
use super::{DecodeError, MAX_ENVELOPE_LEN, decode};
use crate::crypto::SecretBytes;

/// Field numbers of `Payload`.
mod field {
    pub(super) const BODY: u32 = 1;
    pub(super) const SEQ: u32 = 2;
    pub(super) const LAST_SEQ: u32 = 3;
    pub(super) const LAST_ID: u32 = 4;
    pub(super) const SEEN_SEQ: u32 = 5;
    pub(super) const SEEN_ID: u32 = 6;
    pub(super) const VIEW: u32 = 7;
    pub(super) const SHARDS: u32 = 9;
}

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
        if let Some(payload) = Self::in_order(bytes) {
            return Ok(payload);
        }
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

    /// A payload without `control` whose fields come once and in order, as everybody
    /// writes them; whatever else protobuf allows is read by its records.
    fn in_order(mut rest: &[u8]) -> Option<Self> {
        if rest.len() > MAX_ENVELOPE_LEN {
            return None;
        }
        let (mut body, mut shards): (&[u8], &[u8]) = (&[], &[]);
        let (mut seq, mut last_seq, mut last_id) = (0, 0, 0);
        let (mut seen_seq, mut seen_id, mut view) = (0, 0, 0);
        let mut before = 0;
        while !rest.is_empty() {
            let (number, wire_type) = take_key(&mut rest)?;
            if number <= before {
                return None;
            }
            before = number;
            match number {
                field::BODY => body = take_bytes(wire_type, &mut rest)?,
                field::SEQ => seq = take_varint(wire_type, &mut rest)?,
                field::LAST_SEQ => last_seq = take_varint(wire_type, &mut rest)?,
                field::LAST_ID => last_id = take_fixed32(wire_type, &mut rest)?,
                field::SEEN_SEQ => seen_seq = take_varint(wire_type, &mut rest)?,
                field::SEEN_ID => seen_id = take_fixed32(wire_type, &mut rest)?,
                field::VIEW => view = take_fixed64(wire_type, &mut rest)?,
                field::SHARDS => shards = take_bytes(wire_type, &mut rest)?,
                _ => return None,
            }
        }
        Some(Self {
            body: SecretBytes::new(body.to_vec()),
            seq,
            last: Mark::from_fields(last_seq, last_id),
            seen: Mark::from_fields(seen_seq, seen_id),
            view,
            control: None,
            shards: shards.to_vec(),
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
    put_bytes(field::SHARDS, shards, payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields as protobuf has them.
    fn by_records(bytes: &[u8]) -> Option<v1::Payload> {
        v1::Payload::decode(bytes).ok()
    }

    fn check(bytes: &[u8]) -> bool {
        let Some(payload) = Payload::in_order(bytes) else { return false };
        let raw = by_records(bytes).unwrap();
        assert_eq!((&*payload.body, &payload.shards), (&raw.body, &raw.shards), "{bytes:02x?}");
        assert_eq!((payload.seq, payload.view), (raw.seq, raw.view));
        assert_eq!(payload.last, Mark::from_fields(raw.last_seq, raw.last_id));
        assert_eq!(payload.seen, Mark::from_fields(raw.seen_seq, raw.seen_id));
        assert!(raw.control.is_none());
        true
    }

    #[test]
    fn payloads_are_read_as_protobuf_has_it_whatever_the_damage() {
        let mark = Some(Mark { seq: 300, id: ShortId(7) });
        let payload = Payload {
            body: SecretBytes::new(vec![5; 140]),
            seq: 301,
            last: mark,
            seen: mark,
            view: u64::MAX - 3,
            control: None,
            shards: Vec::new(),
        };
        let mut bytes = payload.encode(|length| length).to_vec();
        append_shards(&mut bytes, &[3; 66]);
        assert!(check(&bytes));
        for length in 0..bytes.len() {
            check(&bytes[..length]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            check(&damaged);
        }
        assert!(!check(&[bytes.as_slice(), &bytes].concat()));
        // Wire type and number of a field that only a later version knows.
        assert!(!check(&[bytes.as_slice(), &[0x50, 1]].concat()));
    }
}
