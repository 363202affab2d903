//! Hybrid prekeys: both halves from one seed, signed with kind and address
//! (SPEC.md, sections 4.1 and 4.2).

use std::fmt;
use std::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::HandshakeError;
use crate::address::Address;
use crate::crypto::{
    DhPublicKey, DhSecretKey, KemPublicKey, KemSecretKey, Label, Secret, Signature, VerifyingKey,
    expand, sha256,
};
use crate::identity::Device;
use crate::timestamp::Timestamp;
use crate::wire::{self, DecodeError, PrekeyKind, SignedPrekey, stored};

/// How long an initiator may use a prekey after it was made.
///
/// Long, so that someone who is away for a season stays reachable; a signed prekey
/// is nevertheless replaced every week.
pub const PREKEY_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The most one-time prekeys that a device keeps published.
///
/// More would only make a burst of new contacts last longer before handshakes go
/// without; each is 1.3 KiB at the directory.
pub const ONE_TIME_PREKEYS: usize = 100;

/// Names a prekey: the first 8 bytes of a hash of what was signed.
///
/// Not a counter, so a device restored from an old state cannot give one name to
/// two prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrekeyId(pub(super) [u8; 8]);

impl PrekeyId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Its 8 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A private prekey, with the signed public half as it was published.
///
/// # Security
///
/// Delete a one-time prekey in the same write that keeps the session it made, and
/// not before that session's first message has opened. Keep a superseded signed
/// prekey for 30 days.
pub struct PrekeySecret {
    seed: Secret<32>,
    kind: PrekeyKind,
    id: PrekeyId,
    expires_at: Timestamp,
    /// `SP`: what was signed.
    signed_part: Vec<u8>,
    published: SignedPrekey,
}

impl PrekeySecret {
    /// A new signed prekey of this device, used in every handshake until it is
    /// replaced; expires [`PREKEY_LIFETIME`] after `now`.
    pub fn signed(device: &Device, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::generate(device, PrekeyKind::Signed, now, rng)
    }

    /// A new one-time prekey of this device, for one handshake; expires
    /// [`PREKEY_LIFETIME`] after `now`.
    pub fn one_time(device: &Device, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::generate(device, PrekeyKind::OneTime, now, rng)
    }

    fn generate(
        device: &Device,
        kind: PrekeyKind,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let seed = Secret::random(rng);
        let expires_at = Timestamp::from_secs(now.after(PREKEY_LIFETIME).as_secs());
        let halves = Halves::from_seed(&seed);
        let prekey = wire::Prekey {
            kind,
            x25519: *halves.x25519.public_key().as_bytes(),
            mlkem768: halves.mlkem768.key_pair().public_key().as_bytes().to_vec(),
            expires_at: expires_at.as_secs(),
        }
        .encode();
        let message = message(device.address(), &prekey);
        let signature = device.sign(Label::PREKEY, &message).to_bytes();
        let signed_part = signed_part(&message);
        Self {
            seed,
            kind,
            id: id(&signed_part),
            expires_at,
            signed_part,
            published: SignedPrekey { prekey, signature },
        }
    }

    /// What names it.
    #[must_use]
    pub fn id(&self) -> PrekeyId {
        self.id
    }

    /// Whether it is a one-time prekey.
    #[must_use]
    pub fn is_one_time(&self) -> bool {
        self.kind == PrekeyKind::OneTime
    }

    /// From when on no initiator may use it.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The public half, signed, to publish.
    #[must_use]
    pub fn public(&self) -> &SignedPrekey {
        &self.published
    }

    /// The record to keep, secret (`stored.proto`, `PrekeySecret`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        stored::encode(&stored::PrekeySecret {
            seed: self.seed.expose().to_vec(),
            prekey: self.published.prekey.clone(),
            signature: self.published.signature.to_vec(),
        })
    }

    /// The prekey of the device at `owner` that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: delete it, publish new prekeys.
    pub fn from_record(bytes: &[u8], owner: &Address) -> Result<Self, DecodeError> {
        const WHAT: &str = "prekey record";
        let raw: stored::PrekeySecret = stored::decode(bytes, WHAT)?;
        let stored::PrekeySecret { seed, prekey, signature } = &raw;
        let wire::Prekey { kind, x25519: _, mlkem768: _, expires_at } =
            wire::Prekey::decode(prekey)?;
        let signed_part = signed_part(&message(owner, prekey));
        Ok(Self {
            seed: Secret::from_slice(seed).ok_or(DecodeError::Malformed(WHAT))?,
            kind,
            id: id(&signed_part),
            expires_at: Timestamp::from_secs(expires_at),
            signed_part,
            published: SignedPrekey {
                prekey: prekey.clone(),
                signature: stored::array(signature, WHAT)?,
            },
        })
    }

    /// Both private halves.
    pub(super) fn halves(&self) -> Halves {
        Halves::from_seed(&self.seed)
    }

    /// `SP`.
    pub(super) fn signed_part(&self) -> &[u8] {
        &self.signed_part
    }
}

impl fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed: _, kind, id, expires_at, signed_part: _, published: _ } = self;
        f.debug_struct("PrekeySecret")
            .field("kind", kind)
            .field("id", id)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

/// Both private halves of a prekey.
pub(super) struct Halves {
    pub(super) x25519: DhSecretKey,
    pub(super) mlkem768: KemSecretKey,
}

impl Halves {
    // s = Expand(seed, "subrosa/1 prekey halves", 96)
    fn from_seed(seed: &Secret<32>) -> Self {
        let halves: Secret<96> = expand(seed, Label::PREKEY_HALVES, &[]);
        let (x25519, mlkem768) = halves.split::<32, 64>();
        Self {
            x25519: DhSecretKey::from_secret(x25519),
            mlkem768: KemSecretKey::from_seed(mlkem768),
        }
    }
}

/// A public prekey whose signature, kind, keys and expiry have been checked.
#[derive(Debug, Clone)]
pub(super) struct VerifiedPrekey {
    pub(super) id: PrekeyId,
    pub(super) x25519: DhPublicKey,
    pub(super) mlkem768: KemPublicKey,
    pub(super) expires_at: Timestamp,
    /// `SP`.
    pub(super) signed_part: Vec<u8>,
}

impl VerifiedPrekey {
    /// Checks a prekey of the device at `owner` with this signing key.
    pub(super) fn verify(
        prekey: &SignedPrekey,
        kind: PrekeyKind,
        owner: &Address,
        signing_key: &VerifyingKey,
        now: Timestamp,
    ) -> Result<Self, HandshakeError> {
        let message = message(owner, &prekey.prekey);
        let signature = Signature::from_bytes(&prekey.signature);
        signing_key
            .verify(Label::PREKEY, &message, &signature)
            .map_err(|_| HandshakeError::Refused)?;
        let fields = wire::Prekey::decode(&prekey.prekey)?;
        let expires_at = Timestamp::from_secs(fields.expires_at);
        if fields.kind != kind {
            return Err(HandshakeError::Refused);
        }
        if expires_at <= now {
            return Err(HandshakeError::Expired);
        }
        let signed_part = signed_part(&message);
        Ok(Self {
            id: id(&signed_part),
            x25519: DhPublicKey::from_bytes(&fields.x25519).map_err(|_| HandshakeError::Refused)?,
            mlkem768: KemPublicKey::from_bytes(&fields.mlkem768)
                .map_err(|_| HandshakeError::Refused)?,
            expires_at,
            signed_part,
        })
    }
}

/// `lp(user id) || u32(device id) || bytes of Prekey`
fn message(owner: &Address, prekey: &[u8]) -> Vec<u8> {
    let mut message = owner.to_signed_bytes();
    message.extend_from_slice(prekey);
    message
}

/// `SP = "subrosa/1 prekey" || 0x00 || message`
fn signed_part(message: &[u8]) -> Vec<u8> {
    [Label::PREKEY.as_bytes(), &[0], message].concat()
}

fn id(signed_part: &[u8]) -> PrekeyId {
    let [a, b, c, d, e, f, g, h, ..] = sha256(&[signed_part]);
    PrekeyId([a, b, c, d, e, f, g, h])
}
