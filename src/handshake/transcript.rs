//! The running hash and chaining key that bind every byte of a handshake
//! (SPEC.md, section 5.2; after the Noise framework's `SymmetricState`).

use crate::address::Address;
use crate::crypto::{
    DhPublicKey, Label, Secret, SecretBytes, VerifyingKey, expand, hkdf, open, seal, sha256,
};
use crate::identity::AccountKey;
use crate::wire::Handshake;

/// Names a handshake, and the session that it made: a hash of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandshakeId(pub(crate) [u8; 32]);

impl HandshakeId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id of a handshake.
    // H("subrosa/1 handshake id" || 0x00 || E || c1 || ct || c2)
    #[must_use]
    pub fn of(handshake: &Handshake) -> Self {
        let Handshake { ephemeral, prekey_ids, kem_ciphertext, initiator } = handshake;
        Self(sha256(&[
            Label::HANDSHAKE_ID.as_bytes(),
            &[0],
            ephemeral,
            prekey_ids,
            kem_ciphertext,
            initiator,
        ]))
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The responder, as both sides bind it.
pub(super) struct ResponderKeys<'a> {
    pub(super) address: &'a Address,
    pub(super) account_key: &'a AccountKey,
    pub(super) signing_key: &'a VerifyingKey,
    pub(super) identity_key: &'a DhPublicKey,
}

/// What a handshake gives to a session.
pub(crate) struct SessionKeys {
    pub(crate) root_key: Secret<32>,
    /// The initiator's first sending header key.
    pub(crate) header_key_i: Secret<32>,
    /// The responder's first sending header key.
    pub(crate) next_header_key_r: Secret<32>,
    /// `AD`.
    pub(crate) associated_data: [u8; 32],
}

/// `h` and `ck`.
pub(super) struct Transcript {
    hash: [u8; 32],
    chaining_key: Secret<32>,
    /// The key of the last `MixKey`, until it has sealed or opened something.
    key: Option<Secret<32>>,
}

impl Transcript {
    // 1  MixHash(lp(user id) || u32(device id) || account key || signing key || identity key)
    pub(super) fn new(responder: &ResponderKeys<'_>) -> Self {
        let hash = sha256(&[Label::SUITE.as_bytes()]);
        let mut transcript = Self { hash, chaining_key: Secret::copy_from(&hash), key: None };
        transcript.mix_hash(&[
            &responder.address.to_signed_bytes(),
            responder.account_key.as_bytes(),
            responder.signing_key.as_bytes(),
            responder.identity_key.as_bytes(),
        ]);
        transcript
    }

    // MixHash(d):  h = H(h || d)
    pub(super) fn mix_hash(&mut self, parts: &[&[u8]]) {
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        all.push(&self.hash);
        all.extend_from_slice(parts);
        let hash = sha256(&all);
        self.hash = hash;
    }

    // MixKey(ikm):  ck || k = HKDF(ck, ikm, "subrosa/1 handshake key", 64)
    pub(super) fn mix_key(&mut self, ikm: &[&[u8]]) {
        let keys: Secret<64> = hkdf(&self.chaining_key, ikm, Label::HANDSHAKE_KEY, &[]);
        let (chaining_key, key) = keys.split::<32, 32>();
        self.chaining_key = chaining_key;
        self.key = Some(key);
    }

    // Seal(pt):  c = AEAD(k, 0^12, h, pt); MixHash(c)
    //
    // `None` without a `mix_key` since the last one: each key seals once.
    pub(super) fn seal(&mut self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let sealed = seal(self.key.take()?.expose(), &[0; 12], &self.hash, plaintext);
        self.mix_hash(&[&sealed]);
        Some(sealed)
    }

    pub(super) fn open(&mut self, sealed: &[u8]) -> Option<SecretBytes> {
        let plaintext = open(self.key.take()?.expose(), &[0; 12], &self.hash, sealed).ok()?;
        self.mix_hash(&[sealed]);
        Some(plaintext)
    }

    // s = Expand(ck, "subrosa/1 session" || h, 96)
    pub(super) fn finish(self) -> SessionKeys {
        let keys: Secret<96> = expand(&self.chaining_key, Label::SESSION, &[&self.hash]);
        let (root_key, rest) = keys.split::<32, 64>();
        let (header_key_i, next_header_key_r) = rest.split::<32, 32>();
        SessionKeys { root_key, header_key_i, next_header_key_r, associated_data: self.hash }
    }
}
