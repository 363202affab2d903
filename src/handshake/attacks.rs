//! Promises 4 and 8, attacked with keys that no caller of the crate can hold.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::initiate::{Claim, run};
use super::transcript::{ResponderKeys, SessionKeys, Transcript};
use super::{
    DevicePrekeys, HandshakeError, Initiated, Opening, PrekeyBundle, PrekeySecret, ReplayRecord,
    VerifiedPrekeys, initiate,
};
use crate::Timestamp;
use crate::address::{DeviceId, UserId};
use crate::crypto::{DhPublicKey, KemCiphertext, Label, Secret};
use crate::identity::{Account, Device, DeviceList};
use crate::wire::Handshake;

/// A responder with all its private keys.
pub(crate) struct Responder {
    pub(crate) device: Device,
    pub(crate) account: Account,
    pub(crate) signed: PrekeySecret,
    pub(crate) now: Timestamp,
}

impl Responder {
    pub(crate) fn new(rng: &mut ChaCha8Rng) -> Self {
        let now = Timestamp::from_secs(1_790_000_000);
        let device = Device::generate(UserId::new("bob").unwrap(), rng);
        let account = Account::create(&device, rng);
        let signed = PrekeySecret::signed(&device, now, rng);
        Self { device, account, signed, now }
    }

    pub(crate) fn verified(&self) -> VerifiedPrekeys {
        let Self { device, account, signed, now } = self;
        let address = device.address();
        let device =
            DevicePrekeys { device: address.device, signed: signed.public(), one_time: None };
        let bundle = PrekeyBundle::assemble(account.device_list().signed(), &[device]);
        bundle.verify(&address.user, *now).unwrap().devices()[0].clone()
    }

    /// A handshake in the name of any listed device, made by the responder alone: the
    /// one secret of the initiator's that it takes is an agreement with our own prekey.
    pub(crate) fn forge(
        &self,
        list: &DeviceList,
        device: DeviceId,
        rng: &mut ChaCha8Rng,
    ) -> Initiated {
        let claim = Claim { list, device, generation: self.now.as_secs() };
        let their_identity = *list.device(device).unwrap().identity_key();
        let own_prekey = self.signed.halves().x25519;
        run(&claim, &self.verified(), |_| own_prekey.agree(&their_identity), rng).unwrap()
    }
}

/// What somebody has who can compute every Diffie-Hellman agreement, and takes this for the
/// KEM's secret.
struct Seen {
    identity_opens: bool,
    keys: SessionKeys,
}

fn see_with(
    responder: &Responder,
    initiator: &Device,
    handshake: &Handshake,
    kem_secret: &Secret<32>,
) -> Seen {
    let Responder { device, account, signed, now: _ } = responder;
    let ephemeral = DhPublicKey::from_bytes(&handshake.ephemeral).unwrap();
    let mut transcript = Transcript::new(&ResponderKeys {
        address: device.address(),
        account_key: &account.key(),
        signing_key: &device.signing_key(),
        identity_key: device.identity_public(),
    });
    transcript.mix_hash(&[&handshake.ephemeral]);
    let shared = device.identity_key().agree(&ephemeral).unwrap();
    transcript.mix_key(&[shared.expose()]);
    transcript.open(&handshake.prekey_ids).unwrap();
    transcript.mix_hash(&[signed.signed_part()]);
    transcript.mix_hash(&[Label::NO_ONE_TIME_PREKEY.as_bytes()]);
    transcript.mix_hash(&[&handshake.kem_ciphertext]);
    let shared = signed.halves().x25519.agree(&ephemeral).unwrap();
    transcript.mix_key(&[shared.expose(), kem_secret.expose()]);
    let identity_opens = transcript.open(&handshake.initiator).is_some();
    if !identity_opens {
        transcript.mix_hash(&[&handshake.initiator]);
    }
    let shared = signed.halves().x25519.agree(initiator.identity_public()).unwrap();
    transcript.mix_key(&[shared.expose()]);
    Seen { identity_opens, keys: transcript.finish() }
}

#[test]
fn every_diffie_hellman_agreement_together_opens_neither_identity_nor_content() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let responder = Responder::new(&mut rng);
    let device = Device::generate(UserId::new("alice").unwrap(), &mut rng);
    let account = Account::create(&device, &mut rng);
    let (list, now) = (account.device_list(), responder.now);
    let them = responder.verified();
    let Initiated { handshake, keys, .. } =
        initiate(&device, list, &them, now.as_secs(), now, &mut rng).unwrap();
    let ciphertext = KemCiphertext::from_bytes(&handshake.kem_ciphertext).unwrap();
    let genuine = responder.signed.halves().mlkem768.key_pair().decapsulate(&ciphertext);
    let same_keys = |seen: &Seen| {
        [
            (&seen.keys.root_key, &keys.root_key),
            (&seen.keys.header_key_i, &keys.header_key_i),
            (&seen.keys.next_header_key_r, &keys.next_header_key_r),
        ]
        .map(|(seen, genuine)| seen.matches(genuine.expose()))
    };
    let seen = see_with(&responder, &device, &handshake, &genuine);
    assert!(seen.identity_opens && same_keys(&seen) == [true; 3], "the attack does work");
    // Identity and session keys both follow from the KEM's secret, and it is unknown.
    for unknown in [Secret::copy_from(&[0; 32]), Secret::random(&mut rng)] {
        let seen = see_with(&responder, &device, &handshake, &unknown);
        assert!(!seen.identity_opens && same_keys(&seen) == [false; 3]);
        // Only what is public anyway.
        assert_eq!(seen.keys.associated_data, keys.associated_data);
    }
}

#[test]
fn the_own_address_is_refused_as_initiator() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let responder = Responder::new(&mut rng);
    let own = responder.account.device_list();
    let Initiated { handshake, .. } =
        responder.forge(own, responder.device.address().device, &mut rng);
    let key = responder.account.key();
    let opening = Opening::receive(&responder.device, &key, &handshake).unwrap();
    let responded = opening.respond(&responder.signed, None, &ReplayRecord::new());
    assert_eq!(responded.unwrap_err(), HandshakeError::Refused);
}

#[test]
fn a_device_begins_no_handshake_under_a_list_that_does_not_have_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let responder = Responder::new(&mut rng);
    // The first and the last have the same number.
    let [own, second, other] = [("alice", 30), ("alice", 31), ("carol", 30)].map(|(name, seed)| {
        Device::generate(UserId::new(name).unwrap(), &mut ChaCha8Rng::seed_from_u64(seed))
    });
    assert_eq!(own.address().device, other.address().device);
    let them = responder.verified();
    let mut begin = |device: &Device, list: &DeviceList| {
        initiate(device, list, &them, 1, responder.now, &mut rng).map(drop)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let list = Account::create(&own, &mut rng).device_list().clone();
    assert!(begin(&own, &list).is_ok());
    assert_eq!(begin(&second, &list), Err(HandshakeError::NotListed));
    assert_eq!(begin(&other, &list), Err(HandshakeError::NotListed));
}

#[test]
fn expired_prekeys_begin_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let responder = Responder::new(&mut rng);
    let device = Device::generate(UserId::new("alice").unwrap(), &mut rng);
    let list = Account::create(&device, &mut rng).device_list().clone();
    let them = responder.verified();
    let at = them.signed.expires_at;
    let second = std::time::Duration::from_secs(1);
    let before = Timestamp::from_secs(at.as_secs() - 1);
    assert!(initiate(&device, &list, &them, 1, before, &mut rng).is_ok());
    for now in [at, at.after(second)] {
        let begun = initiate(&device, &list, &them, 1, now, &mut rng);
        assert_eq!(begun.map(drop), Err(HandshakeError::Expired));
    }
}
