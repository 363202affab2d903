//! Handshakes with every value of their transcript.

use serde_json::{Value, json};

use super::model::{self, array, cat, pb_bytes, pb_fixed32, pb_varint};
use super::prekeys::Prekey;
use super::{Draws, NOW, Party, hex, with};
use crate::address::UserId;
use crate::handshake::{
    DevicePrekeys, Initiated, Opening, PrekeyBundle, ReplayRecord, Responded, SessionKeys, initiate,
};
use crate::identity::Device;
use crate::timestamp::Timestamp;
use crate::wire::Handshake;

/// Both sides before a handshake.
pub(super) struct Pair {
    pub(super) initiator: Party,
    pub(super) responder: Party,
    pub(super) signed: Prekey,
    pub(super) one_time: Option<Prekey>,
}

impl Pair {
    pub(super) fn new(with_one_time: bool, draws: &mut Draws) -> Self {
        let initiator = Party::new("alice", draws);
        let responder = Party::new("bob", draws);
        let signed = Prekey::new(&responder, 1, draws);
        let one_time = with_one_time.then(|| Prekey::new(&responder, 2, draws));
        Self { initiator, responder, signed, one_time }
    }

    /// What the directory answers to the initiator.
    pub(super) fn bundle(&self) -> PrekeyBundle {
        let device = DevicePrekeys {
            device: self.responder.device.address().device,
            signed: self.signed.secret.public(),
            one_time: self.one_time.as_ref().map(|prekey| prekey.secret.public()),
        };
        PrekeyBundle::assemble(self.responder.account.device_list().signed(), &[device])
    }

    fn initiate(&self, draws: &mut Draws) -> Initiated {
        let now = Timestamp::from_secs(NOW);
        let user = UserId::new(&self.responder.user).unwrap();
        let bundle = self.bundle().verify(&user, now).unwrap();
        let list = self.initiator.account.device_list();
        initiate(&self.initiator.device, list, &bundle.devices()[0], NOW, now, draws).unwrap()
    }

    /// What the responder makes of a handshake; `None` if it refuses.
    fn respond(&self, handshake: &[u8]) -> Option<Responded> {
        let handshake = Handshake::decode(handshake).ok()?;
        let key = self.responder.account.key();
        let opening = Opening::receive(&self.responder.device, &key, &handshake).ok()?;
        let one_time = self.one_time.as_ref().map(|prekey| &prekey.secret);
        let one_time = one_time.filter(|_| opening.prekeys().one_time.is_some());
        opening.respond(&self.signed.secret, one_time, &ReplayRecord::new()).ok()
    }
}

/// `h`, `ck` and `k`, and what they have been.
struct Transcript {
    h: [u8; 32],
    ck: [u8; 32],
    k: [u8; 32],
    entries: Vec<Value>,
}

impl Transcript {
    fn new() -> Self {
        let h = model::sha256(&[b"subrosa/1 X25519 Ed25519 ML-KEM-768 SHA-256 ChaCha20-Poly1305"]);
        let mut transcript = Self { h, ck: h, k: [0; 32], entries: Vec::new() };
        transcript.note(0, "start", b"");
        transcript
    }

    fn note(&mut self, step: u8, operation: &str, input: &[u8]) {
        let mut entry = json!({
            "step": step,
            "operation_text": operation,
            "input": hex(input),
            "h": hex(self.h),
            "ck": hex(self.ck),
        });
        if operation == "MixKey" {
            entry["k"] = hex(self.k);
        }
        self.entries.push(entry);
    }

    fn mix_hash(&mut self, step: u8, data: &[u8]) {
        self.h = model::sha256(&[&self.h, data]);
        self.note(step, "MixHash", data);
    }

    fn mix_key(&mut self, step: u8, ikm: &[u8]) {
        let keys: [u8; 64] = model::hkdf(&self.ck, ikm, &[b"subrosa/1 handshake key"]);
        (self.ck, self.k) = (array(&keys[..32]), array(&keys[32..]));
        self.note(step, "MixKey", ikm);
    }

    fn seal(&mut self, step: u8, plaintext: &[u8]) -> Vec<u8> {
        let sealed = model::seal(&self.k, &[0; 12], &self.h, plaintext);
        self.mix_hash(step, &sealed);
        sealed
    }
}

/// A handshake as the model makes it; the crate has made the same.
pub(super) struct Made {
    pub(super) root_key: [u8; 32],
    pub(super) header_key_i: [u8; 32],
    pub(super) next_header_key_r: [u8; 32],
    pub(super) associated_data: [u8; 32],
    pub(super) handshake: Vec<u8>,
    json: Value,
}

impl Made {
    pub(super) fn json(&self, name: &str) -> Value {
        with(self.json.clone(), json!({ "name_text": name }))
    }
}

/// Makes the handshake again that was made with these draws.
pub(super) fn model_of(pair: &Pair, generation: u64, drawn: &[Vec<u8>]) -> Made {
    let Pair { initiator, responder, signed, one_time } = pair;
    let [ephemeral_private, randomness] = drawn else { panic!("E and ML-KEM's randomness") };
    let (ephemeral_private, randomness) = (array(ephemeral_private), array(randomness));
    let ephemeral = model::dh_public(&ephemeral_private);
    let mut transcript = Transcript::new();
    let keys =
        cat(&[&responder.account_key(), &responder.signing_key(), &responder.identity_key()]);
    let id = responder.device_id.to_be_bytes();
    transcript.mix_hash(1, &cat(&[&model::lp(&responder.user), &id, &keys]));
    transcript.mix_hash(2, &ephemeral);
    transcript.mix_key(3, &model::dh(&ephemeral_private, &responder.identity_key()));
    let one_time_id = one_time.as_ref().map_or([0; 8], |prekey| *prekey.secret.id().as_bytes());
    let ids = cat(&[signed.secret.id().as_bytes(), &one_time_id]);
    let c1 = transcript.seal(4, &ids);
    transcript.mix_hash(5, &signed.sp);
    let sp = one_time.as_ref().map(|prekey| prekey.sp.as_slice());
    transcript.mix_hash(6, sp.unwrap_or(b"subrosa/1 no one-time prekey"));
    let encapsulation_key = one_time.as_ref().unwrap_or(signed).mlkem768();
    let (ct, ss) = model::encapsulate(&encapsulation_key, &randomness);
    transcript.mix_hash(7, &ct);
    let with_signed = model::dh(&ephemeral_private, &signed.x25519());
    let with_one_time =
        one_time.as_ref().map(|prekey| model::dh(&ephemeral_private, &prekey.x25519()));
    let with_one_time = with_one_time.map_or(Vec::new(), |shared| shared.to_vec());
    transcript.mix_key(8, &cat(&[&with_signed, &with_one_time, &ss]));
    let plaintext = cat(&[
        &pb_bytes(1, &initiator.signed_list()),
        &pb_fixed32(2, initiator.device_id),
        &pb_varint(3, generation),
    ]);
    let padded = model::pad(&plaintext, (plaintext.len() + 1).next_multiple_of(512));
    let c2 = transcript.seal(9, &padded);
    transcript.mix_key(10, &model::dh(&initiator.identity_private, &signed.x25519()));
    let Transcript { h, ck, entries, .. } = transcript;
    let s: [u8; 96] = model::expand(&ck, &[b"subrosa/1 session", &h]);
    let handshake = cat(&[
        &cat(&[&pb_bytes(1, &ephemeral), &pb_bytes(2, &c1)]),
        &cat(&[&pb_bytes(3, &ct), &pb_bytes(4, &c2)]),
    ]);
    let json = json!({
        "initiator": initiator.to_json(),
        "responder": responder.to_json(),
        "signed_prekey": signed.to_json(),
        "one_time_prekey": one_time.as_ref().map(Prekey::to_json),
        "generation": generation,
        "ephemeral_private": hex(ephemeral_private),
        "ephemeral": hex(ephemeral),
        "encapsulation_randomness": hex(randomness),
        "transcript": entries,
        "c1_plaintext": hex(ids),
        "c1": hex(&c1),
        "ct": hex(&ct),
        "ss": hex(ss),
        "initiator_encoded": hex(plaintext),
        "c2_plaintext": hex(padded),
        "c2": hex(&c2),
        "root_key": hex(&s[..32]),
        "header_key_i": hex(&s[32..64]),
        "next_header_key_r": hex(&s[64..]),
        "associated_data": hex(h),
        "handshake_id": hex(model::sha256(&[b"subrosa/1 handshake id\0", &ephemeral, &c1, &ct, &c2])),
        "handshake": hex(&handshake),
    });
    Made {
        root_key: array(&s[..32]),
        header_key_i: array(&s[32..64]),
        next_header_key_r: array(&s[64..]),
        associated_data: h,
        handshake,
        json,
    }
}

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(5);
    let pair = Pair::new(true, draws);
    let (first, made) = handshake("with a one-time prekey", &pair, draws);
    let mut without = Pair::new(false, draws);
    for _ in 0..2 {
        let user = UserId::new(&without.initiator.user).unwrap();
        let device = Device::generate(user, draws);
        let account = &mut without.initiator.account;
        account.add(device.entry(&account.key())).unwrap();
    }
    draws.take();
    let (second, _) =
        handshake("without one-time prekey, from an account of three devices", &without, draws);
    json!({ "handshakes": [first, second], "refused": refused(&pair, &made) })
}

fn handshake(name: &str, pair: &Pair, draws: &mut Draws) -> (Value, Made) {
    let initiated = pair.initiate(draws);
    let made = model_of(pair, NOW, &draws.take());
    assert_eq!(initiated.handshake.encode(), made.handshake);
    assert_eq!(hex(initiated.id.as_bytes()), made.json["handshake_id"]);
    same_keys(&initiated.keys, &made);
    let responded = pair.respond(&made.handshake).unwrap();
    assert_eq!(responded.id, initiated.id);
    same_keys(&responded.keys, &made);
    (made.json(name), made)
}

fn same_keys(keys: &SessionKeys, made: &Made) {
    assert!(keys.root_key.matches(&made.root_key));
    assert!(keys.header_key_i.matches(&made.header_key_i));
    assert!(keys.next_header_key_r.matches(&made.next_header_key_r));
    assert_eq!(keys.associated_data, made.associated_data);
}

/// The handshake, changed in one place each.
fn refused(pair: &Pair, made: &Made) -> Value {
    let Handshake { ephemeral, prekey_ids, kem_ciphertext, initiator } =
        Handshake::decode(&made.handshake).unwrap();
    let parts = [ephemeral.to_vec(), prekey_ids.to_vec(), kem_ciphertext, initiator];
    let changed = |part: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut parts = parts.clone();
        change(&mut parts[part]);
        (1..).zip(parts).flat_map(|(field, part)| pb_bytes(field, &part)).collect::<Vec<u8>>()
    };
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let cases = [
        ("another E", changed(0, &|e| e[0] ^= 1)),
        ("an E of low order", changed(0, &|e| e.fill(0))),
        ("an E that is not canonical", changed(0, &|e| e[31] |= 0x80)),
        ("an E of 31 bytes", changed(0, &|e| e.truncate(31))),
        ("an altered c1", changed(1, &flip)),
        ("a c1 of 31 bytes", changed(1, &|c1| c1.truncate(31))),
        ("an altered ct", changed(2, &flip)),
        ("a ct of 1,087 bytes", changed(2, &|ct| ct.truncate(1087))),
        ("an altered c2", changed(3, &flip)),
        ("a c2 of 16 bytes", changed(3, &|c2| c2.truncate(16))),
        ("a c2 of 527 bytes", changed(3, &|c2| c2.truncate(527))),
        ("a c2 of 16 + 10·512 bytes", changed(3, &|c2| c2.resize(16 + 10 * 512, 0))),
        ("no c2", changed(3, &Vec::clear)),
    ];
    cases
        .into_iter()
        .map(|(reason, handshake)| {
            assert!(pair.respond(&handshake).is_none(), "{reason}");
            json!({ "reason": reason, "handshake": hex(handshake) })
        })
        .collect()
}
