//! Sessions with other devices: handshake, ratchet, padding and payload put together
//! (SPEC.md, sections 5 to 7).
//!
//! [`Session`] is one session, [`Peer`] all of them with one device, [`TagTable`]
//! finds the session that an envelope is for. This is the tier of those who compose
//! the parts: state in, state out, nothing saved and nothing sent.

#[cfg(test)]
mod attacks;
mod delivered;
mod error;
mod numbering;
pub(crate) mod padding;
mod payload;
mod peer;
mod peer_record;
mod peer_row;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod session;
mod tag_table;
mod unsaved;

pub use crate::ratchet::{
    KEPT_MESSAGES, KEPT_TIME, MAX_KEPT_A_JUMP, MAX_PASSED_OVER, MAX_SKIPPED_KEYS, RowKey, Tag,
    TagChange,
};
pub use delivered::{Answer, Delivered};
pub use error::{DecryptError, EncryptError};
pub use numbering::{MAX_GAPS, MAX_NUMBER_JUMP, NUMBERS_REMEMBERED, NumberReport};
pub use payload::{Body, Content, MAX_CONTENT_LEN, Outgoing, Plaintext, Received};
pub use peer::{MAX_SESSIONS, Numbers, Peer, Sent};
pub use peer_record::LoadedPeer;
pub use peer_row::PeerRow;
pub use session::{Accepted, FIRST_CHAIN_LIFETIME, Session};
pub use tag_table::TagTable;
pub use unsaved::Unsaved;
