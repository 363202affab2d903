//! Sender keys: a message to a group is encrypted once, for all (SPEC.md, section 14).
//!
//! Each device has a [`SendingChain`] in each group, and hands it to every device of every
//! member in their sessions ([`SendingChain::distribution`], by
//! [`Control::SenderKey`](crate::wire::Control)); those keep it as a [`ReceivingChain`]
//! among the [`SenderChains`] of that device.
//! [`Handover`] says to whom it still must go, [`SendingChain::rotation_due`] when another
//! must take its place.
//!
//! What to do with an envelope from a mailbox that
//! [`GroupMessage::decode`](crate::wire::GroupMessage::decode) takes:
//!
//! 1. [`ReceivingChain::peek`] with each chain that a
//!    [`TagTable`](crate::session::TagTable) names, then with the others. Any error but
//!    [`DecryptError::Unknown`] is the answer. If none knows it, hold it.
//! 2. Look up the head of the roster that it names. If it is unknown, hold the message and
//!    ask for the roster's changes; if the sender is no member there, delete it.
//! 3. [`ReceivingChain::decrypt`]; many at a time by [`ReceivingChain::prepare`],
//!    [`Unverified::verify_batch`], [`ReceivingChain::open`].
//! 4. [`Unsaved::save_with`](crate::session::Unsaved::save_with) everything; then show it,
//!    and delete it from the mailbox.
//!
//! Once a day: [`SenderChains::expire`].
//!
//! ```
//! use subrosa::group::sender_key::{Outgoing, ReceivingChain, SendingChain};
//! use subrosa::group::{GroupId, Head};
//! use subrosa::identity::View;
//! use subrosa::session::Content;
//! use subrosa::wire::{GroupMessage, MessageId};
//! use subrosa::{Address, Timestamp, UserId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (mut rng, now) = (rand::rng(), Timestamp::from_secs(1_800_000_000));
//! # let alice = subrosa::identity::Device::generate(UserId::new("alice")?, &mut rng);
//! # let account = subrosa::identity::Account::create(&alice, &mut rng);
//! # let (group, roster) = (GroupId::from_bytes([1; 32]), Head::from_bytes([2; 32]));
//! let mut sending = SendingChain::begin(group, alice.address().clone(), now, &mut rng);
//!
//! // In Bob's session with Alice's device comes:
//! let distribution = sending.distribution();
//! let mut receiving = ReceivingChain::accept(&distribution, alice.address().clone())?;
//!
//! let view = View::of_group_message(account.device_list());
//! let id = MessageId::generate(&mut rng);
//! let outgoing = Outgoing { id, content: b"At eight, all of you.", view, roster };
//! let sent = sending.encrypt(&outgoing, &mut rng)?.saved();
//!
//! let message = GroupMessage::decode(&sent.envelope)?;
//! assert_eq!(receiving.peek(&message)?.roster, roster.as_bytes()[..16]);
//! let received = receiving.decrypt(&message, &roster, now)?.saved();
//! let Content::Message { plaintext, .. } = received.content else { panic!() };
//! assert_eq!(plaintext.as_bytes(), b"At eight, all of you.");
//! # Ok(())
//! # }
//! ```
//!
//! # What is not here
//!
//! Who is a member ([`super`]), what carries the distribution (`session`, below, and the
//! messenger, above), and storage. Nothing here reads a clock, a random source or a file.
//!
//! # Security
//!
//! A member knows the chain keys of all others, so what he could forge must be signed; the
//! signing keys are handed over unsigned and live as long as their chain, so a signature
//! proves nothing to anybody outside. A message changes nothing before its signature is
//! verified and its AEAD has opened.

#[cfg(test)]
mod attacks;
mod error;
mod handover;
mod header;
mod iteration;
mod missing;
mod names;
mod receiving;
mod record;
mod sender_chains;
mod sending;
mod verification;

pub use error::{DecryptError, EncryptError, SenderKeyError};
pub use handover::{Handover, State as HandoverState};
pub use receiving::{Closed, Peek, Received, ReceivingChain};
pub use sender_chains::{ChainRow, MAX_CHAINS, SenderChains, TakenIn};
pub use sending::{MAX_CHAIN_AGE, Outgoing, Rotation, SendingChain, Sent};
pub use verification::{MAX_BATCH, Unverified, Verified};

/// The most messages of a chain: then it is replaced.
///
/// So many keys a device that was away must derive and keep at most, and so many messages
/// a thief reads who listens with a stolen chain.
pub const MAX_CHAIN_LEN: u32 = 1000;
