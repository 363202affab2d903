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
//! A device's duties: publish one signed prekey, and one-time prekeys up to
//! [`ONE_TIME_PREKEYS`]; make a new signed prekey every week, and keep the old one with
//! its [`ReplayRecord`] for 30 days; delete a one-time prekey with the write that keeps
//! the session it made, or 44 days after it has expired; fill up when the directory runs low.
//!
//! ```
//! use subrosa::handshake::{DevicePrekeys, HandshakeError, PrekeyBundle, PrekeySecret};
//! use subrosa::identity::{Account, Device};
//! use subrosa::{Timestamp, UserId};
//!
//! let (mut rng, now) = (rand::rng(), Timestamp::from_secs(1_800_000_000));
//! let device = Device::generate(UserId::new("bob")?, &mut rng);
//! let account = Account::create(&device, &mut rng);
//! let signed = PrekeySecret::signed(&device, now, &mut rng);
//! let one_time = PrekeySecret::one_time(&device, now, &mut rng);
//!
//! // The directory keeps what is public, and hands it out together.
//! let prekeys = DevicePrekeys {
//!     device: device.address().device,
//!     signed: signed.public(),
//!     one_time: Some(one_time.public()),
//! };
//! let answer = PrekeyBundle::assemble(account.device_list().signed(), &[prekeys]).encode();
//!
//! // Whoever asked checks all of it, for the user that was asked for.
//! let bundle = PrekeyBundle::decode(&answer)?;
//! let refused = bundle.clone().verify(&UserId::new("carol")?, now);
//! assert_eq!(refused.unwrap_err(), HandshakeError::OtherUser);
//! let verified = bundle.verify(&UserId::new("bob")?, now)?;
//! assert!(verified.devices()[0].has_one_time_prekey());
//!
//! // Private prekeys are kept as records.
//! let loaded = PrekeySecret::from_record(&signed.record(), device.address())?;
//! assert_eq!(loaded.id(), signed.id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
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

pub(crate) use bundle::check_published;
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
    /// The device belongs to another account than before: somebody sits in between, or
    /// its owner began anew. Stop until the user has decided, then begin anew with
    /// `Peer::forget_account`.
    #[error("the device belongs to another account than before")]
    OtherAccount,
    /// A prekey that this device does not have (any more). The message is lost here:
    /// delete it. The peer, hearing nothing, has to initiate again and send again; its
    /// `encrypt` fails 14 days after it fetched the bundle.
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
