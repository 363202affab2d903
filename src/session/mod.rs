//! Sessions with other devices: handshake, ratchet, padding and payload put together
//! (SPEC.md, sections 5 to 7).
//!
//! Use [`Peer`]: all sessions with one device, and the numbers across them. [`TagTable`]
//! finds the peer that an envelope is for. [`Session`], [`Outgoing`], [`Received`] and
//! [`initiate`](crate::handshake::initiate) are for those who keep sessions and numbers
//! themselves. It is state in, state out: nothing is saved here, and nothing sent.
//!
//! What to do with an envelope from a mailbox:
//!
//! 1. [`Envelope::decode`](crate::wire::Envelope::decode); if that fails, delete it.
//! 2. [`Peer::decrypt`] with each peer that [`TagTable::owners`] names, then with the
//!    others. Any error but [`DecryptError::Unknown`] is the answer.
//! 3. If none knows it and it is a first message:
//!    [`Opening::receive`](crate::handshake::Opening::receive), look up the prekeys that
//!    it names, `respond`, [`Session::accept`], compare the sender's list with the one
//!    that is pinned, [`Peer::admit`].
//! 4. [`Unsaved::save_with`] everything; then show it, and delete it from the mailbox.
//!
//! Once a day: [`Peer::expire`].
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//!
//! use subrosa::handshake::{DevicePrekeys, Opening, PrekeyBundle, PrekeySecret, ReplayRecord};
//! use subrosa::identity::{Account, Device, View};
//! use subrosa::session::{Body, Content, Numbers, Peer, PeerRow, Session, TagTable};
//! use subrosa::wire::{Envelope, MessageId};
//! use subrosa::{Timestamp, UserId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (mut rng, now) = (rand::rng(), Timestamp::from_secs(1_800_000_000));
//! # let [ours, theirs] = [Device::generate(UserId::new("alice")?, &mut rng), Device::generate(UserId::new("bob")?, &mut rng)];
//! # let [our_account, their_account] = [&ours, &theirs].map(|device| Account::create(device, &mut rng));
//! # let (our_list, their_list) = (our_account.device_list(), their_account.device_list());
//! # let signed = PrekeySecret::signed(&theirs, now, &mut rng);
//! # let prekeys = DevicePrekeys { device: theirs.address().device, signed: signed.public(), one_time: None };
//! # let bundle = PrekeyBundle::assemble(their_list.signed(), &[prekeys]).verify(&UserId::new("bob")?, now)?;
//! # let mut peer = Peer::new(theirs.address().clone());
//! # let begun = peer.initiate(&ours, our_list, &bundle.devices()[0], now, &mut rng)?.saved();
//! # let body = Body::Content { id: MessageId::generate(&mut rng), content: b"hi" };
//! # let view = View::new(our_list, their_list);
//! # let first = peer.encrypt(body, Numbers::Next, view, now, &mut rng)?.saved().envelope;
//! # let Envelope::FirstMessage { handshake, message } = Envelope::decode(&first)? else { panic!() };
//! # let their_key = their_account.key();
//! # let responded = Opening::receive(&theirs, &their_key, &handshake)?.respond(&signed, None, &ReplayRecord::new())?;
//! # let accepted = Session::accept(responded, &message, now)?;
//! # let mut other = Peer::new(accepted.sender().clone());
//! # let _ = other.admit(accepted, &mut ReplayRecord::new(), now)?.saved();
//! // `peer` and `other` are two sides that have met. One answers the other:
//! let body = Body::Content { id: MessageId::generate(&mut rng), content: b"At eight." };
//! let view = View::new(their_list, our_list);
//! let envelope = other.encrypt(body, Numbers::Next, view, now, &mut rng)?.saved().envelope;
//!
//! // A table of tags says whose it is, without trying them all.
//! let mut table = TagTable::new();
//! for session in peer.sessions() {
//!     table.extend(peer.address(), session.expected_tags());
//! }
//! let envelope = Envelope::decode(&envelope)?;
//! let tag = subrosa::session::Tag::from_bytes(envelope.message().tag());
//! assert_eq!(table.owners(tag), [theirs.address().clone()]);
//!
//! // Everything that changed goes to disk before anybody sees the message.
//! let disk: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>> = Arc::default();
//! let unsaved = peer.decrypt(&envelope, now)?;
//! table.apply(peer.address(), unsaved.tags());
//! let delivered = unsaved.save_with(|_, rows| {
//!     for row in rows {
//!         // The row first, then the lock: the peer may ask the disk for it.
//!         let (key, bytes) = (row.to_key(), peer.row(*row));
//!         let mut disk = disk.lock().unwrap();
//!         match bytes {
//!             Some(bytes) => drop(disk.insert(key, bytes.to_vec())),
//!             None => drop(disk.remove(&key)),
//!         }
//!     }
//!     Ok::<(), std::io::Error>(())
//! })?;
//! let Content::Message { plaintext, .. } = &delivered.content else { panic!() };
//! assert_eq!(plaintext.as_bytes(), b"At eight.");
//! assert_eq!(delivered.view, view);
//!
//! // And comes back from there, most of it when it is needed. (Here, only what the last
//! // step wrote.)
//! let record = disk.lock().unwrap()[&PeerRow::Peer.to_key()].clone();
//! let rows = move |row: PeerRow| disk.lock().unwrap().get(&row.to_key()).cloned().map(Into::into);
//! let loaded = Peer::from_record(&record, rows)?;
//! assert_eq!(loaded.peer.sessions().len(), 1);
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod attacks;
mod delivered;
mod error;
mod numbering;
#[cfg(test)]
mod numbering_tests;
pub(crate) mod padding;
mod payload;
mod peer;
mod peer_record;
mod peer_row;
mod peer_sessions;
mod rows;
mod sent;
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
pub use peer::Peer;
pub use peer_record::LoadedPeer;
pub use peer_row::PeerRow;
pub use peer_sessions::MAX_SESSIONS;
pub use rows::Rows;
pub use sent::{Numbers, Sent};
pub use session::{Accepted, FIRST_CHAIN_LIFETIME, Session};
pub use tag_table::TagTable;
pub use unsaved::Unsaved;
