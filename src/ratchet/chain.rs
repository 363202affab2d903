//! Symmetric-key chains: a fresh key for every message (SPEC.md, section 6.2).

use super::header::{Head, Header, HeaderKey, Salt, Tag};
use super::skipped_keys::SkippedKey;
use crate::crypto::{ChainStep, Label, Secret, chain_step, with_expanded};
use crate::timestamp::Timestamp;

/// The most numbers that one message may pass over.
///
/// Each costs two HMACs, so 25,000 take a receiver some 10 ms; a sender who is
/// offline-proof for a year at 60 messages a day stays below it.
pub const MAX_PASSED_OVER: u32 = 25_000;

/// How many keys of the numbers that one message passes over in a chain are kept.
///
/// A mailbox rarely holds more; each takes about 120 bytes.
pub const MAX_KEPT_A_JUMP: u32 = 1000;

/// The most messages of a chain; a sender stops before it reaches 2²⁴.
///
/// It lets a receiver tell a plausible `PN` from noise.
pub(crate) const MAX_CHAIN_LEN: u32 = (1 << 24) - 1;

/// How many tags of the current chain are known ahead.
///
/// Enough for the reordering of an ordinary network; a longer jump costs one
/// unmasking.
pub(crate) const TAGS_AHEAD: u32 = 8;

/// `MK`: the key of one message.
pub(crate) struct MessageKey(pub(crate) Secret<32>);

impl MessageKey {
    // key = Expand(message key, "subrosa/1 message" || salt, 32)
    pub(crate) fn with_salted<T>(&self, salt: &Salt, use_key: impl FnOnce(&[u8; 32]) -> T) -> T {
        with_expanded(&self.0, Label::MESSAGE, &[salt], use_key)
    }
}

/// `CK`, with the number of the next message.
pub(crate) struct Chain {
    pub(crate) key: Secret<32>,
    pub(crate) next: u32,
}

impl Chain {
    /// Turns the chain one step: the key of the next message, and the chain after it.
    // KDF_CK(ck) = HMAC(ck, 0x01) -> message key, HMAC(ck, 0x02) -> next chain key
    pub(crate) fn step(&self) -> (MessageKey, Self) {
        let ChainStep { message_key, chain_key } = chain_step(&self.key);
        (MessageKey(message_key), Self { key: chain_key, next: self.next.saturating_add(1) })
    }

    /// Passes over all numbers before `to`, keeping the keys of the last
    /// [`MAX_KEPT_A_JUMP`] of them.
    pub(crate) fn pass_over(&self, to: u32, header_key: &HeaderKey, seen: Seen) -> PassedOver {
        let first_kept = to.saturating_sub(MAX_KEPT_A_JUMP);
        let mut chain = Self { key: self.key.duplicate(), next: self.next };
        let mut keys =
            Vec::with_capacity(super::index(to.saturating_sub(first_kept.max(self.next))));
        let mut lost = 0;
        while chain.next < to {
            let number = chain.next;
            let (message_key, next) = chain.step();
            if number >= first_kept {
                keys.push(SkippedKey {
                    tag: header_key.tag(number),
                    number,
                    message_key,
                    mask_key: header_key.mask_key().clone(),
                    opened: seen.opened,
                    at: seen.at,
                });
            } else {
                lost += 1;
            }
            chain = next;
        }
        PassedOver { chain, keys, lost }
    }
}

/// When something happened: after how many opened messages, and at what time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) opened: u64,
    pub(crate) at: Timestamp,
}

/// A chain after a jump.
pub(crate) struct PassedOver {
    pub(crate) chain: Chain,
    pub(crate) keys: Vec<SkippedKey>,
    /// How many numbers' keys were not kept.
    pub(crate) lost: u32,
}

/// The chain that we send in.
pub(crate) struct SendingChain {
    pub(crate) chain: Chain,
    pub(crate) header_key: HeaderKey,
    /// What the headers of this chain say.
    pub(crate) pq_epoch: u32,
}

/// The chain that the peer sends in, with the tags of the next messages.
pub(crate) struct ReceivingChain {
    pub(crate) chain: Chain,
    pub(crate) header_key: HeaderKey,
    /// The tag of number n stands at n modulo [`TAGS_AHEAD`].
    tags: [Tag; 8],
}

impl ReceivingChain {
    pub(crate) fn new(chain: Chain, header_key: HeaderKey) -> Self {
        let mut tags = [Tag(0); 8];
        for ahead in 0..TAGS_AHEAD {
            let number = chain.next.saturating_add(ahead);
            if let Some(tag) = tags.get_mut(super::index(number % TAGS_AHEAD)) {
                *tag = header_key.tag(number);
            }
        }
        Self { chain, header_key, tags }
    }

    /// The number that has this tag, among the next [`TAGS_AHEAD`].
    pub(crate) fn number_of(&self, tag: Tag) -> Option<u32> {
        let place = self.tags.iter().position(|known| *known == tag)?;
        let place = u32::try_from(place).ok()?;
        let start = self.chain.next % TAGS_AHEAD;
        Some(self.chain.next.saturating_add((place + TAGS_AHEAD - start) % TAGS_AHEAD))
    }

    /// The tags of the next messages.
    pub(crate) fn tags(&self) -> &[Tag; 8] {
        &self.tags
    }

    /// Moves on to `chain`, a later state of the same chain; gives each tag that is
    /// now expected for the first time.
    pub(crate) fn advance(&mut self, chain: Chain, mut added: impl FnMut(Tag)) {
        let first_new = self.chain.next.saturating_add(TAGS_AHEAD).max(chain.next);
        for number in first_new..chain.next.saturating_add(TAGS_AHEAD) {
            let tag = self.header_key.tag(number);
            if let Some(place) = self.tags.get_mut(super::index(number % TAGS_AHEAD)) {
                *place = tag;
            }
            added(tag);
        }
        self.chain = chain;
    }
}

/// What the AEAD of a message covers beside the payload:
/// `AD || tag || salt || header`, the header in the clear.
pub(crate) fn associated_data(ad: &[u8; 32], head: &Head, header: &Header) -> [u8; 92] {
    let mut bytes = [0; 92];
    let (first, rest) = bytes.split_at_mut(32);
    first.copy_from_slice(ad);
    let clear = Head { masked: header.to_bytes(), ..*head };
    rest.copy_from_slice(&clear.to_bytes::<{ Head::LEN }>());
    bytes
}

/// `0^4 || salt`
pub(crate) fn nonce(salt: &Salt) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (_, end) = nonce.split_at_mut(4);
    end.copy_from_slice(salt);
    nonce
}
