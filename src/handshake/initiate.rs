//! The initiator's side (SPEC.md, section 5.2).

use std::fmt;

use rand_core::CryptoRng;

use super::transcript::{ResponderKeys, SessionKeys, Transcript};
use super::{HandshakeError, HandshakeId, VerifiedPrekeys};
use crate::address::DeviceId;
use crate::crypto::{DhPublicKey, DhSecretKey, Encapsulated, Label, NonContributory, Secret};
use crate::identity::{Device, DeviceList};
use crate::timestamp::Timestamp;
use crate::wire::{Handshake, Initiator, pad};

/// In steps of so many bytes the length of a device list shows.
const INITIATOR_BLOCK: usize = 512;

/// A handshake that was begun: goes into a session, and in front of its first messages.
pub struct Initiated {
    pub(crate) handshake: Handshake,
    pub(crate) id: HandshakeId,
    pub(crate) keys: SessionKeys,
    pub(crate) their_ratchet_key: DhPublicKey,
    pub(crate) generation: u64,
    pub(crate) with_one_time_prekey: bool,
    pub(crate) bundle_fetched_at: Timestamp,
}

impl fmt::Debug for Initiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiated").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Begins a handshake with the device that these prekeys belong to.
///
/// `our_list` is the newest list of our own account, `generation` what section 5.6
/// says (`session::Peer::initiate` knows it).
///
/// # Errors
///
/// [`HandshakeError::Expired`]: fetch the bundle again.
/// [`HandshakeError::NotListed`]: `our_list` does not have this device; link it first.
/// [`HandshakeError::Refused`]: a key of theirs is degenerate, or these are our own
/// prekeys; do not retry.
pub fn initiate(
    us: &Device,
    our_list: &DeviceList,
    them: &VerifiedPrekeys,
    generation: u64,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Initiated, HandshakeError> {
    let one_time = them.one_time.as_ref();
    if them.signed.expires_at <= now || one_time.is_some_and(|prekey| prekey.expires_at <= now) {
        return Err(HandshakeError::Expired);
    }
    if our_list.user() != &us.address().user || our_list.device(us.address().device).is_none() {
        return Err(HandshakeError::NotListed);
    }
    if us.address() == &them.address {
        return Err(HandshakeError::Refused);
    }
    let claim = Claim { list: our_list, device: us.address().device, generation };
    run(&claim, them, |signed_prekey| us.identity_key().agree(signed_prekey), rng)
}

/// Who the initiator says it is.
pub(super) struct Claim<'a> {
    pub(super) list: &'a DeviceList,
    pub(super) device: DeviceId,
    pub(super) generation: u64,
}

/// The initiator's side. `prove` is the one step that needs its private identity key:
/// `DH(initiator's identity key, signed prekey)`.
pub(super) fn run(
    claim: &Claim<'_>,
    them: &VerifiedPrekeys,
    prove: impl FnOnce(&DhPublicKey) -> Result<Secret<32>, NonContributory>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Initiated, HandshakeError> {
    let one_time = them.one_time.as_ref();
    let refused = |_| HandshakeError::Refused;
    let mut transcript = Transcript::new(&ResponderKeys {
        address: &them.address,
        account_key: &them.account_key,
        signing_key: &them.signing_key,
        identity_key: &them.identity_key,
    });
    //  2, 3   E; MixHash(E); MixKey(DH(E, responder's identity key))
    let ephemeral_key = DhSecretKey::generate(rng);
    let ephemeral = *ephemeral_key.public_key().as_bytes();
    transcript.mix_hash(&[&ephemeral]);
    let shared = ephemeral_key.agree(&them.identity_key).map_err(refused)?;
    transcript.mix_key(&[shared.expose()]);
    //  4   c1 = Seal(signed prekey id || one-time prekey id)
    let one_time_id = one_time.map_or([0; 8], |prekey| prekey.id.0);
    let prekey_ids = transcript
        .seal(&[them.signed.id.0, one_time_id].concat())
        .and_then(|sealed| sealed.try_into().ok())
        .ok_or(HandshakeError::Refused)?;
    //  5, 6   MixHash(SP of the signed prekey); MixHash(SP of the one-time prekey, or the marker)
    transcript.mix_hash(&[&them.signed.signed_part]);
    transcript.mix_hash(&[one_time
        .map_or(Label::NO_ONE_TIME_PREKEY.as_bytes(), |prekey| prekey.signed_part.as_slice())]);
    //  7   ct, ss = Encaps; MixHash(ct)
    let kem_key = one_time.map_or(&them.signed.mlkem768, |prekey| &prekey.mlkem768);
    let Encapsulated { ciphertext, shared_secret } = kem_key.encapsulate(&Secret::random(rng));
    transcript.mix_hash(&[ciphertext.as_bytes()]);
    //  8   MixKey(DH(E, signed prekey) || [DH(E, one-time prekey)] || ss)
    let with_signed = ephemeral_key.agree(&them.signed.x25519).map_err(refused)?;
    let with_one_time =
        one_time.map(|prekey| ephemeral_key.agree(&prekey.x25519)).transpose().map_err(refused)?;
    let nothing: &[u8] = &[];
    transcript.mix_key(&[
        with_signed.expose(),
        with_one_time.as_ref().map_or(nothing, |shared| shared.expose()),
        shared_secret.expose(),
    ]);
    //  9   c2 = Seal(pad(Initiator))
    let initiator = Initiator {
        device_list: claim.list.signed().clone(),
        device_id: claim.device.get(),
        generation: claim.generation,
    };
    let mut initiator = initiator.encode();
    let padded = (initiator.len() + 1).next_multiple_of(INITIATOR_BLOCK);
    pad(&mut initiator, padded);
    let initiator = transcript.seal(&initiator).ok_or(HandshakeError::Refused)?;
    // 10   MixKey(DH(initiator's identity key, signed prekey))
    let shared = prove(&them.signed.x25519).map_err(refused)?;
    transcript.mix_key(&[shared.expose()]);

    let kem_ciphertext = ciphertext.as_bytes().to_vec();
    let handshake = Handshake { ephemeral, prekey_ids, kem_ciphertext, initiator };
    Ok(Initiated {
        id: HandshakeId::of(&handshake),
        handshake,
        keys: transcript.finish(),
        their_ratchet_key: them.signed.x25519,
        generation: claim.generation,
        with_one_time_prekey: one_time.is_some(),
        bundle_fetched_at: them.fetched_at,
    })
}
