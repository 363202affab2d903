//! Private messages for any app, over any transport: end-to-end encrypted, with
//! forward secrecy and post-quantum security.
//!
//! A [`Messenger`] is one account on one device. It does no I/O but to its store: you hand
//! it content and get bytes to carry, you hand it bytes and get events to show.
//!
//! 1. **[`receive`](Messenger::receive): `Ok` means delete it from the mailbox, `Err` means
//!    leave it there.** No peer and no server can cause an `Err`.
//! 2. **What [`next_outgoing`](Messenger::next_outgoing) hands out is already saved; carry
//!    it, then say done.** Carrying twice does no harm.
//! 3. **What [`next_event`](Messenger::next_event) hands out comes again until you say
//!    done**, after a crash too, with the same id. Nothing is told any other way.
//! 4. **One lock per account; no call needs the network; every call may wait for the
//!    disk.**
//!
//! ```
//! use subrosa::{directory::MemoryDirectory, store::MemoryStore, *};
//!
//! let mut server = MemoryDirectory::new(); // yours: an HTTP table, a DHT, a file
//! let mut mailbox = Vec::new(); // yours: anything that moves bytes
//! let [alice_id, bob_id] = [UserId::new("alice")?, UserId::new("bob")?];
//! let mut alice = Messenger::open(MemoryStore::new(), Options::default())?.or_create(&alice_id)?;
//! let mut bob = Messenger::open(MemoryStore::new(), Options::default())?.or_create(&bob_id)?;
//!
//! alice.send(&bob_id, Content::text("meet me under the rose"))?;
//!
//! for device in [&mut bob, &mut alice] {
//!     while let Some(out) = device.next_outgoing()? {
//!         match &out.action {
//!             Action::Publish { publication } => server.publish(publication)?,
//!             Action::Fetch { user } => drop(device.learn(&server.bundle(user)?)?),
//!             Action::Deliver { envelope, .. } => mailbox.push(envelope.clone()),
//!         }
//!         device.outgoing_done(&[out.id])?;
//!     }
//! }
//! for envelope in &mailbox {
//!     bob.receive(envelope)?;
//! }
//! # let mut said = Vec::new();
//! while let Some(event) = bob.next_event()? {
//!     if let EventKind::Request(message) = &event.kind {
//!         println!("{}: {}", message.from, message.content);
//! #       said.push(message.content.to_string());
//!     }
//!     bob.events_done(&[event.id])?;
//! }
//! # assert_eq!(said, ["meet me under the rose"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to start
//!
//! An app: [`Messenger`], [`Options`], [`Action`], [`EventKind`], [`Content`], and a
//! [`store`]; for files, [`attachment`]. Whoever runs the server: [`directory`].
//!
//! A protocol engineer, who composes the parts: [`session`] has whole messages between two
//! devices, over [`handshake`], [`identity`] and [`wire`]; [`group`] has the rosters and
//! sender keys of groups. These do no I/O at all, read
//! no clock and have no hidden randomness: `now` and `rng` are arguments.
//!
//! # Security
//!
//! What is promised, against whom, and what is not: `SECURITY.md`. The protocol is
//! specified in `proto/SPEC.md`; comments give its sections. One thing is yours: a store
//! holds keys and messages on their way, so encrypt it
//! ([`EncryptedStore`](store::EncryptedStore)), and never copy it to another device.

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
pub mod attachment;
pub mod content;
mod crypto;
pub mod directory;
pub mod group;
pub mod handshake;
pub mod identity;
pub mod messenger;
mod ratchet;
pub mod session;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod timestamp;
#[cfg(test)]
mod vectors;
pub mod wire;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use address::{Address, DeviceId, InvalidUserId, MAX_USER_ID_LEN, UserId};
pub use content::Content;
pub use group::{GroupId, Role};
pub use identity::Emoji;
pub use messenger::{
    Action, Batch, Clock, Consent, Contact, Conversation, EmojiEnd, Error, ErrorKind, Event,
    EventId, EventKind, FailReason, Group, GroupChange, GroupMember, IdentityPolicy, Incoming,
    Learned, LinkCode, Linking, Message, Messenger, Opened, Options, Outgoing, OutgoingId,
    Received, RecoveryKey, Refusal, Rejection, Scan, Setup, Status, Urgency,
};
pub use timestamp::Timestamp;
pub use wire::MessageId;
