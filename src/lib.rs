//! Private messages for any app, over any transport: end-to-end encrypted, with
//! forward secrecy and post-quantum security.
//!
//! You hand it content and get bytes to carry. It does no I/O, reads no clock and has
//! no hidden randomness: `now` and `rng` are arguments.
//!
//! # Where to start
//!
//! 1. [`identity`]: a [`Device`](identity::Device) and its
//!    [`Account`](identity::Account), whose signed device list others pin.
//! 2. [`handshake`]: publish a [`PrekeySecret`](handshake::PrekeySecret)'s public half;
//!    [verify](handshake::PrekeyBundle::verify) what a directory hands out of others.
//! 3. [`session`]: a [`Peer`](session::Peer) is all there is with one other device:
//!    initiate, encrypt, decrypt. Each step gives an [`Unsaved`](session::Unsaved),
//!    whose rows you write before you take what it holds.
//! 4. [`content`]: what is said in a message, encoded so that other versions show it.
//! 5. [`directory`]: for whoever runs the server.
//! 6. [`wire`]: what comes from a transport, decoded: [`Envelope`](wire::Envelope).
//!
//! ```
//! use subrosa::identity::{Account, Device, SafetyNumber};
//! use subrosa::UserId;
//!
//! let mut rng = rand::rng();
//! let ours = Device::generate(UserId::new("alice")?, &mut rng);
//! let theirs = Device::generate(UserId::new("bob")?, &mut rng);
//! let [ours, theirs] = [&ours, &theirs].map(|device| Account::create(device, &mut rng));
//! let number = SafetyNumber::between(ours.device_list(), theirs.device_list());
//! println!("compare this on the phone: {number}");
//! # Ok::<(), subrosa::InvalidUserId>(())
//! ```
//!
//! The README and [`session`] have whole messages; `examples/dm` a whole conversation,
//! with files, receipts and resending.
//!
//! # Security
//!
//! What is promised, against whom, and what is not: `SECURITY.md`. The protocol is
//! specified in `proto/SPEC.md`; comments give its sections. Three things are yours:
//! write before you send, keep one owner for each session, and encrypt what you store.

// Whatever the bytes, the code outside of tests goes on.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::dbg_macro,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]

mod address;
pub mod content;
mod crypto;
pub mod directory;
pub mod handshake;
pub mod identity;
mod ratchet;
pub mod session;
pub mod store;
mod timestamp;
#[cfg(test)]
mod vectors;
pub mod wire;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use address::{Address, DeviceId, InvalidUserId, MAX_USER_ID_LEN, UserId};
pub use timestamp::Timestamp;
