//! Why something could not be encrypted or decrypted.

use crate::handshake::HandshakeError;
use crate::wire::DecodeError;

/// Why a message could not be encrypted. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The content is too long: split it into several messages.
    #[error("the content is longer than {limit} bytes")]
    TooLong {
        /// The most that one message carries.
        limit: usize,
    },
    /// There is no session to send in: fetch a bundle and initiate one.
    #[error("there is no session with this device")]
    NoSession,
    /// The peer has never answered and its bundle is 14 days old: fetch another and
    /// initiate again.
    #[error("the bundle that began this session is too old")]
    FirstChainExpired,
    /// 2²⁴ messages without an answer: initiate again, or wait for one.
    #[error("the sending chain is full until the peer answers")]
    ChainFull,
    /// The peer's ratchet key is unknown or degenerate: initiate again.
    #[error("the session cannot send")]
    NoPeerKey,
}

/// Why a message could not be decrypted. Nothing has changed.
///
/// None of these is a reason to answer anything to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// Not an envelope; delete it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// No session has this tag: it is for another peer, or noise. A first message:
    /// [`Opening::receive`](crate::handshake::Opening::receive). Else try the sessions
    /// with all other peers, then delete it.
    #[error("no session recognises the message")]
    Unknown,
    /// This message has opened before; delete it.
    #[error("the message was received before")]
    Duplicate,
    /// The peer runs on an old state, and used a number again. What it sent cannot be
    /// read: fetch a bundle, call [`Peer::initiate`](super::Peer::initiate), and send
    /// something in the new session.
    #[error("the peer was rolled back to an old state")]
    PeerRolledBack,
    /// It comes too late: its key is not kept any more. Delete it; its number stays in
    /// [`Peer::gaps`](super::Peer::gaps), so ask for it again.
    #[error("the message comes too late")]
    KeyGone,
    /// It would pass over more than 25,000 numbers: fetch a bundle, call
    /// [`Peer::initiate`](super::Peer::initiate), and send something in the new session.
    #[error("the message is too far ahead")]
    TooFarAhead,
    /// A message of this session, altered on the way or forged. Deliberately says no
    /// more. The genuine one can still come.
    #[error("the message could not be opened")]
    NotOpened,
    /// The handshake in front of it was refused. Given by no function here; so that an
    /// app's receiving needs one error.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}
