//! Prekeys, and bundles good and bad.

use serde_json::{Value, json};

use super::model::{self, cat, pb_bytes, pb_fixed32, pb_varint};
use super::{Draws, NOW, Party, hex};
use crate::address::UserId;
use crate::handshake::{HandshakeError, PrekeyBundle, PrekeySecret, VerifiedBundle};
use crate::identity::Account;
use crate::timestamp::Timestamp;

/// How long a prekey may be used, in seconds.
const LIFETIME: u64 = 90 * 24 * 60 * 60;

/// A prekey with its seed, as the crate made it and the model understands it.
pub(super) struct Prekey {
    pub(super) secret: PrekeySecret,
    pub(super) seed: [u8; 32],
    pub(super) kind: u64,
    pub(super) x25519_private: [u8; 32],
    pub(super) mlkem768_seed: [u8; 64],
    /// The encoded `Prekey`, and what the signature covers.
    pub(super) encoded: Vec<u8>,
    pub(super) sp: Vec<u8>,
    pub(super) signature: [u8; 64],
}

impl Prekey {
    pub(super) fn new(owner: &Party, kind: u64, draws: &mut Draws) -> Self {
        let now = Timestamp::from_secs(NOW);
        let make = if kind == 1 { PrekeySecret::signed } else { PrekeySecret::one_time };
        let secret = make(&owner.device, now, draws);
        let seed = model::array(&draws.take()[0]);
        let (x25519_private, mlkem768_seed) = model::prekey_halves(&seed);
        let encoded = encode(
            kind,
            &model::dh_public(&x25519_private),
            &model::kem_public(&mlkem768_seed),
            NOW + LIFETIME,
        );
        let message = model::prekey_message(&owner.user, owner.device_id, &encoded);
        let signature = model::sign(&owner.signing_seed, "subrosa/1 prekey", &message);
        assert_eq!(secret.public().prekey, encoded);
        assert_eq!(secret.public().signature, signature);
        let sp = cat(&[b"subrosa/1 prekey\0", &message]);
        assert_eq!(secret.id().as_bytes()[..], model::sha256(&[&sp])[..8]);
        Self { secret, seed, kind, x25519_private, mlkem768_seed, encoded, sp, signature }
    }

    pub(super) fn x25519(&self) -> [u8; 32] {
        model::dh_public(&self.x25519_private)
    }

    pub(super) fn mlkem768(&self) -> Vec<u8> {
        model::kem_public(&self.mlkem768_seed)
    }

    /// The encoded `SignedPrekey`.
    pub(super) fn signed(&self) -> Vec<u8> {
        cat(&[&pb_bytes(1, &self.encoded), &pb_bytes(2, &self.signature)])
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "kind": self.kind,
            "expires_at": NOW + LIFETIME,
            "seed": hex(self.seed),
            "x25519_private": hex(self.x25519_private),
            "mlkem768_seed": hex(self.mlkem768_seed),
            "x25519": hex(self.x25519()),
            "mlkem768": hex(self.mlkem768()),
            "prekey": hex(&self.encoded),
            "sp": hex(&self.sp),
            "signature": hex(self.signature),
            "id": hex(self.secret.id().as_bytes()),
            "signed_prekey": hex(self.signed()),
        })
    }
}

/// What a prekey is altered in.
struct Content {
    x25519: Vec<u8>,
    mlkem768: Vec<u8>,
    expires_at: u64,
}

fn encode(kind: u64, x25519: &[u8], mlkem768: &[u8], expires_at: u64) -> Vec<u8> {
    let keys = cat(&[&pb_bytes(2, x25519), &pb_bytes(3, mlkem768)]);
    cat(&[&pb_varint(1, kind), &keys, &pb_varint(4, expires_at)])
}

/// A `SignedPrekey` that is signed as it should be, whatever it holds.
fn sign(owner: &Party, prekey: &[u8]) -> Vec<u8> {
    let message = model::prekey_message(&owner.user, owner.device_id, prekey);
    let signature = model::sign(&owner.signing_seed, "subrosa/1 prekey", &message);
    cat(&[&pb_bytes(1, prekey), &pb_bytes(2, &signature)])
}

/// An encoded `DeviceBundle`.
fn device(id: u32, signed: &[u8], one_time: &[u8]) -> Vec<u8> {
    cat(&[&pb_fixed32(1, id), &pb_bytes(2, signed), &pb_bytes(3, one_time)])
}

/// An encoded `Bundle`.
fn bundle(list: &[u8], devices: &[Vec<u8>]) -> Vec<u8> {
    let devices: Vec<u8> = devices.iter().flat_map(|device| pb_bytes(2, device)).collect();
    cat(&[&pb_bytes(1, list), &devices])
}

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(4);
    let owner = &Party::new("bob", draws);
    let other = &Party::new("mallory", draws);
    let signed = Prekey::new(owner, 1, draws);
    let one_time = Prekey::new(owner, 2, draws);
    let theirs = Prekey::new(other, 1, draws);
    let list = owner.signed_list();
    let id = owner.device_id;
    let of_owner = |signed: &[u8], one_time: &[u8]| bundle(&list, &[device(id, signed, one_time)]);
    let (s, o) = (signed.signed(), one_time.signed());
    let accepted = [
        ("signed and one-time prekey", of_owner(&s, &o)),
        ("no one-time prekey", of_owner(&s, b"")),
        ("no device has published anything", bundle(&list, &[])),
    ];
    let changed = |change: fn(&mut Content)| {
        let (x25519, mlkem768) = (signed.x25519().to_vec(), signed.mlkem768());
        let mut content = Content { x25519, mlkem768, expires_at: NOW + LIFETIME };
        change(&mut content);
        let Content { x25519, mlkem768, expires_at } = content;
        of_owner(&sign(owner, &encode(1, &x25519, &mlkem768, expires_at)), b"")
    };
    let spoilt = |signed: &[u8]| {
        let mut signed = signed.to_vec();
        *signed.last_mut().unwrap() ^= 1;
        signed
    };
    let refused = [
        ("the list is another user's", bundle(&other.signed_list(), &[])),
        ("the list's signature is wrong", bundle(&spoilt(&list), &[device(id, &s, &o)])),
        ("a device that is not listed", bundle(&list, &[device(id ^ 1, &s, &o)])),
        ("a device twice", bundle(&list, &[device(id, &s, b""), device(id, &s, b"")])),
        ("no signed prekey", of_owner(b"", &o)),
        ("a prekey's signature is wrong", of_owner(&spoilt(&s), &o)),
        ("the one-time prekey's signature is wrong", of_owner(&s, &spoilt(&o))),
        ("a one-time prekey in place of the signed one", of_owner(&o, b"")),
        ("a signed prekey in place of the one-time one", of_owner(&s, &s)),
        ("another account's prekey", of_owner(&theirs.signed(), b"")),
        (
            "kind 0",
            of_owner(&sign(owner, &encode(0, &signed.x25519(), &signed.mlkem768(), NOW * 2)), b""),
        ),
        ("expired at this very second", changed(|prekey| prekey.expires_at = NOW)),
        ("an X25519 key of low order", changed(|prekey| prekey.x25519.fill(0))),
        ("an X25519 key that is not canonical", changed(|prekey| prekey.x25519[31] |= 0x80)),
        ("an X25519 key of 31 bytes", changed(|prekey| prekey.x25519.truncate(31))),
        (
            "an ML-KEM key with a coefficient of 4,095",
            changed(|prekey| {
                prekey.mlkem768[0] = 0xff;
                prekey.mlkem768[1] |= 0x0f;
            }),
        ),
        ("an ML-KEM key of 1,183 bytes", changed(|prekey| prekey.mlkem768.truncate(1183))),
    ];
    let expired = |prekey: &Prekey, change: fn(&mut Vec<u8>)| {
        let mut signed =
            sign(owner, &encode(prekey.kind, &prekey.x25519(), &prekey.mlkem768(), NOW));
        change(&mut signed);
        signed
    };
    let spoil = |signed: &mut Vec<u8>| *signed.last_mut().unwrap() ^= 1;
    let old = expired(&one_time, |_| ());
    // Another device of the owner's, and a list that has both.
    let tablet = Party::new("bob", draws);
    let mut account = Account::from_record(&owner.account.record()).unwrap();
    account.add(tablet.device.entry(&account.key())).unwrap();
    let both = account.device_list().signed().encode();
    let theirs = Prekey::new(&tablet, 1, draws).signed();
    let ours_expired = device(id, &expired(&signed, |_| ()), &o);
    let more = [
        ("a one-time prekey that has expired, which counts as none", of_owner(&s, &old)),
        (
            "two devices, of which one is left out since its signed prekey has expired",
            bundle(&both, &[ours_expired.clone(), device(tablet.device_id, &theirs, b"")]),
        ),
    ];
    let more_refused = [
        (
            "the signature of a one-time prekey that has expired is wrong",
            of_owner(&s, &expired(&one_time, spoil)),
        ),
        ("a device whose signed prekey has expired, and none else", bundle(&both, &[ours_expired])),
    ];
    json!({
        "owner": owner.to_json(),
        "prekeys": [signed.to_json(), one_time.to_json()],
        "bundles": accepted.into_iter().chain(more).map(|(name, bundle)| {
            let verified = verify(owner, &bundle).unwrap();
            let devices = verified.devices().iter().map(|prekeys| json!({
                "device_id": prekeys.address().device.get(),
                "one_time": prekeys.has_one_time_prekey(),
            }));
            json!({
                "name_text": name, "asked_user_id": hex(&owner.user), "now": NOW,
                "bundle": hex(bundle), "devices": devices.collect::<Value>(),
            })
        }).collect::<Value>(),
        "refused_bundles": refused.into_iter().chain(more_refused).map(|(reason, bundle)| {
            assert!(verify(owner, &bundle).is_err(), "{reason}");
            json!({ "reason": reason, "asked_user_id": hex(&owner.user), "now": NOW, "bundle": hex(bundle) })
        }).collect::<Value>(),
    })
}

fn verify(asked: &Party, bundle: &[u8]) -> Result<VerifiedBundle, HandshakeError> {
    let user = UserId::new(&asked.user).unwrap();
    PrekeyBundle::decode(bundle)?.verify(&user, Timestamp::from_secs(NOW))
}
