//! Stored records: what the layers above keep for themselves, as bytes.
//!
//! The record types are those of `proto/stored.proto`. They wipe themselves when
//! dropped and cannot be printed; no layer keeps one longer than it takes to read
//! or write it.

use prost::Message;
use zeroize::Zeroizing;

/// The records of `proto/messenger.proto`.
pub(crate) use super::generated::messenger;
/// The records of `proto/stored_sender_key.proto`.
pub(crate) use super::generated::sender_key;
pub(crate) use super::generated::stored::{
    Account, Agreed, Answering, Chain, ClosedChain, Comparison, Device, Gap, Numbering, Offering,
    Peer, PendingHandshake, PostQuantum, PrekeySecret, Ratchet, ReceivedId, ReceivedNumber,
    ReplayEntry, ReplayRecord, SentNumber, Session, SkippedKey, UsedTag, post_quantum,
};
use super::{DecodeError, fixed};

/// The highest number that a genuine record counts to; higher ones are damaged, and
/// would leave no room to count on.
pub(crate) const MAX_STORED_NUMBER: u64 = u64::MAX / 2;

/// Encodes a record; the bytes are as secret as the keys in them.
pub(crate) fn encode(record: &impl Message) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(record.encode_to_vec())
}

/// Decodes a record.
pub(crate) fn decode<M: Message + Default>(
    bytes: &[u8],
    what: &'static str,
) -> Result<M, DecodeError> {
    M::decode(bytes).map_err(|_| DecodeError::Malformed(what))
}

/// A field of a record that must have just this length.
pub(crate) fn array<const N: usize>(
    bytes: &[u8],
    what: &'static str,
) -> Result<[u8; N], DecodeError> {
    fixed(bytes, what)
}
