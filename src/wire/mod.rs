//! Bytes to typed messages and back (SPEC.md and the `.proto` files).
//!
//! What comes out of a decoder has the right lengths and nothing more: no signature,
//! no key and no list has been checked ([`identity`](crate::identity) and
//! [`handshake`](crate::handshake) do that), nothing has been decrypted
//! ([`session`](crate::session)).
//!
//! # Security
//!
//! No decoder panics, whatever the bytes; what is too long is refused before it is
//! looked at. Bytes that are signed are kept as they came.

pub(crate) mod content;
mod control;
mod directory;
mod envelope;
mod fields;
mod keys;
mod link;
mod padding;
mod payload;
mod roster;
mod sender_key;
pub(crate) mod stored;

mod generated {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

    // Contents are written and read without a record (`content`).
    #[allow(dead_code)]
    pub(super) mod v1 {
        include!("generated/subrosa.v1.rs");
    }
    pub(super) mod stored {
        include!("generated/subrosa.stored.v1.rs");
    }
    pub(crate) mod messenger {
        include!("generated/subrosa.stored.messenger.v1.rs");
    }
    pub(super) mod roster {
        include!("generated/subrosa.stored.roster.v1.rs");
    }
    pub(crate) mod sender_key {
        include!("generated/subrosa.stored.sender_key.v1.rs");
    }
}

pub use control::{
    Control, EnvelopeName, GroupBehind, GroupMessagesWanted, ListVersions, MAX_CONTROL_ITEMS,
    NotOpened, NumberRange,
};
pub use directory::Stock;
pub(crate) use directory::{Publication, encode_bundle, encode_device_bundle};
pub(crate) use envelope::Initiator;
pub use envelope::{Envelope, Handshake, MAX_ENVELOPE_LEN, Message};
pub(crate) use keys::{Bundle, DeviceBundle, DeviceEntry, DeviceList, Prekey, PrekeyKind};
pub use keys::{
    MAX_DEVICE_LIST_LEN, MAX_DIRECTORY_LEN, MAX_SIGNED_PREKEY_LEN, SignedDeviceList, SignedPrekey,
};
pub(crate) use link::{Link, LinkOffer, LinkReply, PADDED_LINK_LEN};
pub(crate) use padding::{pad, unpad};
pub use payload::{Mark, MessageId, ShortId};
pub(crate) use payload::{Payload, append_shards};
pub use roster::{
    Ask, MAX_CHANGE_LEN, MAX_PICTURE_LEN, MAX_TITLE_LEN, MAX_UPDATE_LEN, SignedChange, Update,
    Welcome,
};
pub(crate) use roster::{
    EpochRecord, GroupChange, GroupEntry, GroupKind, GroupMember, GroupRole, GroupRoster,
    GroupSeal, MAX_ASK_ITEMS, RosterRecord,
};
pub use sender_key::{
    Before, ChainId, GroupMessage, Replaced, SenderKeyAcknowledgement, SenderKeyDistribution,
};

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than the protocol allows; drop it.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// What was being decoded.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
    },
    /// Not what it should be; drop it.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

/// The bytes as an array, if they have its length.
fn fixed<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::Malformed(what))
}

/// A field that must be there.
fn required<T>(field: Option<T>, what: &'static str) -> Result<T, DecodeError> {
    field.ok_or(DecodeError::Malformed(what))
}

/// Decodes a protobuf message of at most `limit` bytes.
fn decode<M: prost::Message + Default>(
    bytes: &[u8],
    limit: usize,
    what: &'static str,
) -> Result<M, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { what, limit });
    }
    M::decode(bytes).map_err(|_| DecodeError::Malformed(what))
}
