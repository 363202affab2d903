//! The responder's side (SPEC.md, section 5.3).

use std::fmt;

use super::transcript::{ResponderKeys, SessionKeys, Transcript};
use super::{HandshakeError, HandshakeId, PrekeyId, PrekeySecret, ReplayRecord};
use crate::address::{Address, DeviceId};
use crate::crypto::{DhPublicKey, DhSecretKey, KemCiphertext, Label};
use crate::identity::{AccountKey, Device, DeviceList, ListedDevice};
use crate::wire::{Handshake, Initiator, unpad};

/// Which of our prekeys a handshake used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrekeyIds {
    /// The signed prekey.
    pub signed: PrekeyId,
    /// The one-time prekey, if one was used.
    pub one_time: Option<PrekeyId>,
}

/// A handshake of which it is known which prekeys it wants.
pub struct Opening<'a> {
    us: &'a Device,
    handshake: &'a Handshake,
    ephemeral: DhPublicKey,
    transcript: Transcript,
    prekeys: PrekeyIds,
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("prekeys", &self.prekeys).finish_non_exhaustive()
    }
}

/// A handshake that was answered. Nothing in it counts before the message behind
/// it has opened, so it gives out nothing.
pub struct Responded {
    pub(crate) id: HandshakeId,
    pub(crate) ephemeral: [u8; 32],
    pub(crate) keys: SessionKeys,
    /// The private half of the signed prekey: our first ratchet key.
    pub(crate) ratchet_key: DhSecretKey,
    pub(crate) prekeys: PrekeyIds,
    pub(crate) their_list: DeviceList,
    pub(crate) their_address: Address,
    pub(crate) generation: u64,
}

impl fmt::Debug for Responded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responded").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<'a> Opening<'a> {
    /// Finds out which prekeys a handshake to this device wants.
    ///
    /// Ask first whether a session with this [`HandshakeId`] exists: then the
    /// handshake has been answered and the message belongs to that session.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Refused`] if it is not for this device, or was changed.
    pub fn receive(
        us: &'a Device,
        our_account: &AccountKey,
        handshake: &'a Handshake,
    ) -> Result<Self, HandshakeError> {
        let refused = HandshakeError::Refused;
        let ephemeral = DhPublicKey::from_bytes(&handshake.ephemeral).map_err(|_| refused)?;
        let mut transcript = Transcript::new(&ResponderKeys {
            address: us.address(),
            account_key: our_account,
            signing_key: &us.signing_key(),
            identity_key: us.identity_public(),
        });
        transcript.mix_hash(&[&handshake.ephemeral]);
        let shared = us.identity_key().agree(&ephemeral).map_err(|_| refused)?;
        transcript.mix_key(&[shared.expose()]);
        let ids = transcript.open(&handshake.prekey_ids).ok_or(refused)?;
        let (signed, one_time) = ids.split_first_chunk::<8>().ok_or(refused)?;
        let one_time: [u8; 8] = one_time.try_into().map_err(|_| refused)?;
        let prekeys = PrekeyIds {
            signed: PrekeyId(*signed),
            one_time: (one_time != [0; 8]).then_some(PrekeyId(one_time)),
        };
        Ok(Self { us, handshake, ephemeral, transcript, prekeys })
    }

    /// Which prekeys to look up.
    #[must_use]
    pub fn prekeys(&self) -> PrekeyIds {
        self.prekeys
    }

    /// Answers the handshake with the prekeys that it wants.
    ///
    /// `replays` is the record kept for that signed prekey.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::UnknownPrekey`]: these are not the prekeys it wants.
    /// [`HandshakeError::Replayed`], [`HandshakeError::RecordFull`]: see there.
    /// Anything else: forged or damaged; drop it.
    pub fn respond(
        self,
        signed: &PrekeySecret,
        one_time: Option<&PrekeySecret>,
        replays: &ReplayRecord,
    ) -> Result<Responded, HandshakeError> {
        let refused = HandshakeError::Refused;
        let Self { us, handshake, ephemeral, mut transcript, prekeys } = self;
        if signed.id() != prekeys.signed
            || signed.is_one_time()
            || one_time.map(PrekeySecret::id) != prekeys.one_time
            || one_time.is_some_and(|prekey| !prekey.is_one_time())
        {
            return Err(HandshakeError::UnknownPrekey);
        }
        if one_time.is_none() {
            replays.check(&handshake.ephemeral)?;
        }
        //  5, 6
        transcript.mix_hash(&[signed.signed_part()]);
        transcript.mix_hash(&[
            one_time.map_or(Label::NO_ONE_TIME_PREKEY.as_bytes(), PrekeySecret::signed_part)
        ]);
        //  7
        let signed_halves = signed.halves();
        let one_time_halves = one_time.map(PrekeySecret::halves);
        let kem_key =
            one_time_halves.as_ref().map_or(&signed_halves.mlkem768, |halves| &halves.mlkem768);
        let ciphertext =
            KemCiphertext::from_bytes(&handshake.kem_ciphertext).map_err(|_| refused)?;
        let shared_secret = kem_key.key_pair().decapsulate(&ciphertext);
        transcript.mix_hash(&[ciphertext.as_bytes()]);
        //  8
        let with_signed = signed_halves.x25519.agree(&ephemeral).map_err(|_| refused)?;
        let with_one_time = one_time_halves
            .as_ref()
            .map(|halves| halves.x25519.agree(&ephemeral))
            .transpose()
            .map_err(|_| refused)?;
        let nothing: &[u8] = &[];
        transcript.mix_key(&[
            with_signed.expose(),
            with_one_time.as_ref().map_or(nothing, |shared| shared.expose()),
            shared_secret.expose(),
        ]);
        //  9
        let initiator = transcript.open(&handshake.initiator).ok_or(refused)?;
        let Initiator { device_list, device_id, generation } =
            Initiator::decode(unpad(&initiator).ok_or(refused)?)?;
        let their_list = DeviceList::verify(device_list)?;
        let device =
            DeviceId::new(device_id).and_then(|id| their_list.device(id)).ok_or(refused)?;
        let their_address =
            Address { user: their_list.user().clone(), device: ListedDevice::id(device) };
        if &their_address == us.address() {
            return Err(refused);
        }
        // 10
        let shared = signed_halves.x25519.agree(device.identity_key()).map_err(|_| refused)?;
        transcript.mix_key(&[shared.expose()]);
        Ok(Responded {
            id: HandshakeId::of(handshake),
            ephemeral: handshake.ephemeral,
            keys: transcript.finish(),
            ratchet_key: signed_halves.x25519,
            prekeys,
            their_list,
            their_address,
            generation,
        })
    }
}
