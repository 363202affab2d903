//! From a stranger's prekeys to shared keys, with post-quantum security
//! (SPEC.md, sections 4 and 5).
//!
//! ```text
//!  initiator                     directory                     responder
//!                                           <- PrekeySecret::signed, one_time
//!  PrekeyBundle::verify  <------ bundle <---------- PrekeyBundle::assemble
//!  initiate -> Initiated
//!     |            handshake + first ratchet message
//!     +---------------------------------------------> Opening::receive
//!                                                     Opening::respond -> Responded
//! ```
//!
//! `session` turns [`Initiated`] and [`Responded`] into sessions; they are of no
//! other use.
//!
//! # Security
//!
//! Nothing that a handshake says may be kept before the ratchet message behind it
//! has opened: until then anybody could have made it. So a [`Responded`] gives out
//! nothing, and only `session` opens it.

#[cfg(test)]
pub(crate) mod attacks;
mod bundle;
mod initiate;
mod prekey;
mod replay;
mod respond;
mod transcript;

pub use bundle::{DevicePrekeys, PrekeyBundle, VerifiedBundle, VerifiedPrekeys};
pub use initiate::{Initiated, initiate};
pub use prekey::{ONE_TIME_PREKEYS, PREKEY_LIFETIME, PrekeyId, PrekeySecret};
pub use replay::{MAX_REPLAY_ENTRIES, ReplayRecord};
pub use respond::{Opening, PrekeyIds, Responded};
pub use transcript::HandshakeId;
pub(crate) use transcript::SessionKeys;

use crate::identity::IdentityError;
use crate::wire::DecodeError;

/// Why a bundle or a handshake was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not a bundle or handshake at all; drop it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The device list in it is refused; drop it.
    #[error("its device list: {0}")]
    Identity(#[from] IdentityError),
    /// A signature, a key or a sealed part is wrong: somebody lies, or it was
    /// damaged. Do not retry with the same bytes.
    #[error("the handshake could not be verified")]
    Refused,
    /// The bundle, or a prekey in it, has expired: fetch again.
    #[error("the prekeys have expired")]
    Expired,
    /// The bundle is not of the user that was asked for: the server lies or erred.
    #[error("the bundle belongs to another user")]
    OtherUser,
    /// A prekey that this device does not have (any more). The peer will initiate
    /// again by itself.
    #[error("the handshake uses a prekey that is unknown here")]
    UnknownPrekey,
    /// This handshake has been seen before: a replay, drop it.
    #[error("the handshake was seen before")]
    Replayed,
    /// Too many handshakes used the signed prekey without a one-time prekey:
    /// publish new prekeys.
    #[error("the record of handshakes is full")]
    RecordFull,
    /// Misuse: this device is not on its own account's list.
    #[error("this device is not on its own device list")]
    NotListed,
}
