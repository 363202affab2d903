//! Why something could not be encrypted, decrypted or taken in.

/// Why a message to a group could not be encrypted. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The content is too long: split it into several messages.
    #[error("the content is longer than {limit} bytes")]
    TooLong {
        /// The most that one message carries.
        limit: usize,
    },
    /// The chain has had all its messages:
    /// [`SendingChain::rotate`](super::SendingChain::rotate).
    #[error("the sender's chain is full")]
    ChainFull,
}

/// Why a message of a group could not be decrypted. Nothing has changed.
///
/// None of these is a reason to answer anything to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// Not a message of this chain. If it is of no chain that is known, hold it: the key
    /// may be on its way.
    #[error("the chain does not recognise the message")]
    Unknown,
    /// This message has opened before; delete it.
    #[error("the message was received before")]
    Duplicate,
    /// The sender used a number again, or one behind the end of the chain: it runs on an
    /// old state. What it sent cannot be read; ask it to rotate, and to send again.
    #[error("the sender was rolled back to an old state")]
    SenderRolledBack,
    /// It is older than the key that was handed over, or its key is not kept any more.
    /// Delete it; what is in [`ReceivingChain::missing`](super::ReceivingChain::missing)
    /// can be asked for.
    #[error("there is no key for the message any more")]
    KeyGone,
    /// Its number is one that no chain gets to; delete it.
    #[error("the message is too far ahead")]
    TooFarAhead,
    /// The roster's head that was given is not the one that the message names: look up the
    /// one in [`Peek::roster`](super::Peek). If there is none, hold the message and ask
    /// whoever sent it for the roster's changes.
    #[error("the message names another state of the roster")]
    OtherRoster,
    /// It has a tag of this chain, but was altered on the way, or forged by a member who
    /// knows the chain's keys. Deliberately says no more. The genuine one can still come.
    #[error("the message could not be opened")]
    NotOpened,
}

/// Why a sender's chain was not taken in. Whoever handed it over has a bug or lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SenderKeyError {
    /// The public key is not canonical, or one under which anybody can sign. Do not
    /// acknowledge it.
    #[error("the sender key has no valid public key")]
    InvalidKey,
    /// It counts further than a chain gets. Do not acknowledge it.
    #[error("the sender key is further than a chain gets")]
    TooFar,
    /// It is for another group, or of another device. Take it where it belongs.
    #[error("the sender key is for another group")]
    OtherGroup,
    /// The chain is known, by other keys. Keep what you have; do not acknowledge it.
    #[error("the sender key is not that of the chain with this id")]
    OtherKeys,
}
