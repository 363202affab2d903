//! What is sent, and how it is counted.

use crate::wire::Mark;

/// How a message is to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// A new message that may have to be sent again: the next number (none for what is
    /// no content).
    Next,
    /// Never sent again (typing, receipts): no number.
    Unnumbered,
    /// Sent again, with the same [`MessageId`](crate::wire::MessageId): the number and
    /// the mark that it had. Another id looks to the peer as if this device had been
    /// rolled back.
    Again {
        /// Its number.
        seq: u64,
        /// The newest numbered message before it, as it said the first time.
        last: Option<Mark>,
    },
}

/// An envelope for the peer's mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What to carry.
    pub envelope: Vec<u8>,
    /// Its number, to be kept for [`Numbers::Again`]; 0 without one.
    pub seq: u64,
    /// The newest numbered message before it, to be kept for [`Numbers::Again`].
    pub last: Option<Mark>,
    /// The envelope's tag. By tag, salt and `ephemeral` the receiver names an envelope
    /// that it could not open, so a sender keeps them beside the message (SPEC.md,
    /// section 7.3).
    pub tag: [u8; 8],
    /// The envelope's salt.
    pub salt: [u8; 8],
    /// The ephemeral key of the handshake in front; `None` without one.
    pub ephemeral: Option<[u8; 32]>,
}
