//! The Double Ratchet with hidden headers and a post-quantum ratchet: one secret in,
//! a fresh key for every message out (SPEC.md, section 6).
//!
//! After the [Double Ratchet specification], revision 4, section 4. Names follow it:
//! *root key* (`RK`), *chain key* (`CK`), *message key* (`MK`), *header key* (`HK`,
//! `NHK`), *message number* (`N`), *previous chain length* (`PN`).
//!
//! ```text
//!               send: new key pair, sending half              send
//!            +-----------------------------------> Sending ---------+
//!            |                                      |  ^            |
//!  Deaf --> ToStep <--------------------------------+  +------------+
//!    receive under the next header key: receiving half
//! ```
//!
//! # What is not here
//!
//! Payloads and padding (`session`, above), key agreement (`handshake`, beside) and
//! storage. Nothing here reads a clock, a random source or a file.
//!
//! # Security
//!
//! A received message is recognised and opened without changing anything
//! ([`Ratchet::recognise`], [`Ratchet::open`]); only [`Ratchet::apply`] changes the
//! state, and it cannot fail.
//!
//! [Double Ratchet specification]: https://signal.org/docs/specifications/doubleratchet/

#[cfg(test)]
mod attacks;
mod chain;
pub(crate) mod erasure;
mod header;
mod kept;
mod post_quantum;
mod receive;
mod record;
mod saved;
mod send;
mod skipped_keys;
mod tag_map;
mod used_tags;

pub(crate) use chain::{Chain, MessageKey, ReceivingChain, nonce};
pub use chain::{MAX_KEPT_A_JUMP, MAX_PASSED_OVER};
pub use header::Tag;
pub(crate) use header::{Head, HeaderKey, MessageHead, Salt, apply_mask};
pub use kept::{KEPT_MESSAGES, KEPT_TIME};
pub(crate) use receive::{OpenError, Recognised};
pub(crate) use saved::Saved;
pub(crate) use send::SendError;
pub use skipped_keys::MAX_SKIPPED_KEYS;

use chain::SendingChain;
use post_quantum::PostQuantum;
use skipped_keys::SkippedKeys;
use used_tags::UsedTags;

use crate::crypto::{DhPublicKey, DhSecretKey, Label, Secret, hkdf};
use crate::handshake::SessionKeys;

/// One side of a ratchet.
pub(crate) struct Ratchet {
    associated_data: [u8; 32],
    root_key: Secret<32>,
    ours: Option<OurKey>,
    theirs: Option<DhPublicKey>,
    next_sending_header_key: Secret<32>,
    next_receiving: NextReceiving,
    sending: Option<SendingChain>,
    receiving: Option<ReceivingChain>,
    previous_length: u32,
    post_quantum: PostQuantum,
    skipped: SkippedKeys,
    used: UsedTags,
    /// How many messages have been opened.
    opened: u64,
}

/// Our ratchet key pair; the private half is gone once it is stale.
struct OurKey {
    private: Option<DhSecretKey>,
    public: DhPublicKey,
}

/// `NHKr`, with the tags of the first messages under it.
struct NextReceiving {
    header_key: HeaderKey,
    tags: [Tag; 2],
}

impl NextReceiving {
    fn new(header_key: Secret<32>) -> Self {
        let header_key = HeaderKey::new(header_key);
        Self { tags: [header_key.tag(0), header_key.tag(1)], header_key }
    }
}

/// A row beside the session's record, by its number or its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RowKey {
    /// The key of a message that was passed over.
    Skipped(u64),
    /// The tag of a message that has opened.
    Used(u64),
    /// Under which number [`Self::Used`] has this tag: 8 bytes, the highest first.
    UsedBy(Tag),
    /// Shards of a post-quantum key that is being received.
    Shards(u32),
    /// The post-quantum ciphertext that is being sent.
    Answer,
}

/// Something that happened to the tags by which a session's messages are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagChange {
    /// A message with this tag may come.
    Expected(Tag),
    /// None may come any more.
    Gone(Tag),
}

/// What a step changed beside the session's record.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) rows: Vec<RowKey>,
    pub(crate) tags: Vec<TagChange>,
}

impl Ratchet {
    /// The initiator's state (SPEC.md, section 6.1).
    pub(crate) fn initiator(keys: SessionKeys, their_ratchet_key: DhPublicKey) -> Self {
        let SessionKeys { root_key, header_key_i, next_header_key_r, associated_data } = keys;
        Self {
            associated_data,
            root_key,
            ours: None,
            theirs: Some(their_ratchet_key),
            next_sending_header_key: header_key_i,
            next_receiving: NextReceiving::new(next_header_key_r),
            sending: None,
            receiving: None,
            previous_length: 0,
            post_quantum: PostQuantum::new(true),
            skipped: SkippedKeys::empty(),
            used: UsedTags::empty(),
            opened: 0,
        }
    }

    /// The responder's state (SPEC.md, section 6.1).
    pub(crate) fn responder(keys: SessionKeys, our_ratchet_key: DhSecretKey) -> Self {
        let SessionKeys { root_key, header_key_i, next_header_key_r, associated_data } = keys;
        let ours = OurKey { public: our_ratchet_key.public_key(), private: Some(our_ratchet_key) };
        Self {
            associated_data,
            root_key,
            ours: Some(ours),
            theirs: None,
            next_sending_header_key: next_header_key_r,
            next_receiving: NextReceiving::new(header_key_i),
            sending: None,
            receiving: None,
            previous_length: 0,
            post_quantum: PostQuantum::new(false),
            skipped: SkippedKeys::empty(),
            used: UsedTags::empty(),
            opened: 0,
        }
    }

    /// `AD`: names the session.
    pub(crate) fn associated_data(&self) -> &[u8; 32] {
        &self.associated_data
    }

    /// How many post-quantum epochs are mixed in.
    pub(crate) fn epochs_mixed(&self) -> u32 {
        self.post_quantum.epochs_mixed()
    }

    /// All tags that may come.
    pub(crate) fn expected_tags(&self) -> impl Iterator<Item = Tag> {
        let current = self.receiving.iter().flat_map(|chain| chain.tags().iter().copied());
        current.chain(self.next_receiving.tags).chain(self.skipped.tags())
    }
}

impl Ratchet {
    /// Every row there may be beside the record.
    pub(crate) fn row_keys(&self) -> impl Iterator<Item = RowKey> {
        (self.skipped.first()..self.skipped.next())
            .map(RowKey::Skipped)
            .chain(self.used.row_keys())
            .chain((0..self.post_quantum.row_count()).map(RowKey::Shards))
            .chain(self.post_quantum.answer().map(|_| RowKey::Answer))
    }
}

/// What a step of the root key gives.
struct RootStep {
    root_key: Secret<32>,
    chain_key: Secret<32>,
    next_header_key: Secret<32>,
}

// KDF_RK(rk, dh, pq) = HKDF(rk, dh || pq, "subrosa/1 root", 96)
fn root_step(root_key: &Secret<32>, dh: &Secret<32>, pq: Option<&Secret<32>>) -> RootStep {
    let nothing: &[u8] = &[];
    let pq = pq.map_or(nothing, |secret| secret.expose());
    let keys: Secret<96> = hkdf(root_key, &[dh.expose(), pq], Label::ROOT, &[]);
    let (root_key, rest) = keys.split::<32, 64>();
    let (chain_key, next_header_key) = rest.split::<32, 32>();
    RootStep { root_key, chain_key, next_header_key }
}

/// A number as a place in memory.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
