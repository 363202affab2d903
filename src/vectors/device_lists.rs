//! Device lists: valid ones, what they are to each other, and what is refused.

use serde_json::{Value, json};

use super::model::{self, cat, pb_bytes, pb_fixed32, pb_varint};
use super::{Draws, hex};
use crate::identity::{DeviceList, Succession};
use crate::wire::SignedDeviceList;

const LABEL: &str = "subrosa/1 device list";
const USER: &[u8] = b"alice";

/// A device to be listed, with its private keys.
#[derive(Clone)]
struct Entry {
    id: u32,
    signing_seed: [u8; 32],
    identity_private: [u8; 32],
}

impl Entry {
    fn new(draws: &mut Draws) -> Self {
        Self {
            id: u32::from_be_bytes(draws.bytes()),
            signing_seed: draws.bytes(),
            identity_private: draws.bytes(),
        }
    }

    fn identity_key(&self) -> [u8; 32] {
        model::dh_public(&self.identity_private)
    }

    fn proof(&self, user: &[u8], account_key: &[u8; 32]) -> [u8; 64] {
        let message = model::device_entry_message(user, account_key, self.id, &self.identity_key());
        model::sign(&self.signing_seed, "subrosa/1 device entry", &message)
    }

    fn encode(&self, user: &[u8], account_key: &[u8; 32]) -> Vec<u8> {
        let signing_key = model::signing_public(&self.signing_seed);
        encode_entry(self.id, &signing_key, &self.identity_key(), &self.proof(user, account_key))
    }
}

fn encode_entry(id: u32, signing_key: &[u8], identity_key: &[u8], proof: &[u8]) -> Vec<u8> {
    let keys = cat(&[&pb_bytes(2, signing_key), &pb_bytes(3, identity_key)]);
    cat(&[&pb_fixed32(1, id), &keys, &pb_bytes(4, proof)])
}

/// A list in the making: whatever it holds, it is signed as it should be.
#[derive(Clone)]
struct Draft {
    account_seed: [u8; 32],
    user: Vec<u8>,
    version: u64,
    previous: Vec<u8>,
    devices: Vec<Entry>,
    /// Appended to the encoded list.
    unknown: Vec<u8>,
}

impl Draft {
    fn account_key(&self) -> [u8; 32] {
        model::signing_public(&self.account_seed)
    }

    fn list(&self) -> Vec<u8> {
        let devices =
            self.devices.iter().map(|entry| entry.encode(&self.user, &self.account_key()));
        self.list_of(&self.account_key(), devices)
    }

    fn list_of(&self, account_key: &[u8], devices: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let devices: Vec<u8> = devices.flat_map(|device| pb_bytes(5, &device)).collect();
        let start = cat(&[&pb_bytes(1, &self.user), &pb_bytes(2, account_key)]);
        let chain = cat(&[&pb_varint(3, self.version), &pb_bytes(4, &self.previous)]);
        cat(&[&start, &chain, &devices, &self.unknown])
    }

    fn sign(&self, list: &[u8]) -> [u8; 64] {
        model::sign(&self.account_seed, LABEL, list)
    }

    fn signed(&self) -> Vec<u8> {
        self.signed_with(&self.list())
    }

    /// These bytes in place of the list, with their signature.
    fn signed_with(&self, list: &[u8]) -> Vec<u8> {
        encode_signed(list, &self.sign(list))
    }

    /// With this entry in place of the first device's.
    fn signed_with_entry(&self, entry: Vec<u8>) -> Vec<u8> {
        self.signed_with(&self.list_of(&self.account_key(), [entry].into_iter()))
    }

    fn hash(&self) -> [u8; 32] {
        model::list_hash(&self.list())
    }

    /// The next version with these devices.
    fn next(&self, devices: &[Entry]) -> Self {
        let (version, previous) = (self.version + 1, self.hash().to_vec());
        Self { version, previous, devices: devices.to_vec(), ..self.clone() }
    }

    fn change(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn to_json(&self, name: &str) -> Value {
        let verified = verify(&self.signed()).unwrap();
        assert_eq!(verified.hash(), &self.hash());
        assert_eq!(verified.signed().encode(), self.signed());
        let devices = self.devices.iter().map(|entry| {
            json!({
                "device_id": entry.id,
                "signing_seed": hex(entry.signing_seed),
                "signing_key": hex(model::signing_public(&entry.signing_seed)),
                "identity_private": hex(entry.identity_private),
                "identity_key": hex(entry.identity_key()),
                "proof": hex(entry.proof(&self.user, &self.account_key())),
            })
        });
        json!({
            "name_text": name,
            "account_seed": hex(self.account_seed),
            "account_key": hex(self.account_key()),
            "user_id": hex(&self.user),
            "version": self.version,
            "previous": hex(&self.previous),
            "devices": devices.collect::<Value>(),
            "list": hex(self.list()),
            "signature": hex(self.sign(&self.list())),
            "signed_list": hex(self.signed()),
            "hash": hex(self.hash()),
        })
    }
}

fn encode_signed(list: &[u8], signature: &[u8]) -> Vec<u8> {
    cat(&[&pb_bytes(1, list), &pb_bytes(2, signature)])
}

fn verify(signed: &[u8]) -> Option<DeviceList> {
    DeviceList::verify(SignedDeviceList::decode(signed).ok()?).ok()
}

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(3);
    let all: Vec<Entry> = (0..17).map(|_| Entry::new(draws)).collect();
    let first = Draft {
        account_seed: draws.bytes(),
        user: USER.to_vec(),
        version: 1,
        previous: Vec::new(),
        devices: all[..1].to_vec(),
        unknown: Vec::new(),
    };
    let second = first.next(&all[..2]);
    let third = second.next(&all[..3]);
    let other_account = first.change(|list| list.account_seed = draws.bytes());
    let stranger: [u8; 32] = draws.bytes();
    let valid = [
        ("first", first.clone()),
        ("second", second.clone()),
        ("third", third.clone()),
        ("fourth, without the first device", third.next(&all[1..3])),
        ("another first", first.change(|list| list.devices = all[1..2].to_vec())),
        ("another second", first.next(&all[2..4])),
        ("second upon another first", second.change(|list| list.previous = stranger.to_vec())),
        ("first of another account", other_account),
        ("16 devices", third.next(&all[..16])),
        (
            "a field that version 1 does not know",
            first.change(|list| list.unknown = pb_bytes(100, b"new")),
        ),
    ];
    json!({
        "valid": valid.iter().map(|(name, list)| list.to_json(name)).collect::<Value>(),
        "successions": successions(&valid),
        "invalid": invalid(&first, &second, &all, &stranger),
    })
}

fn successions(lists: &[(&str, Draft)]) -> Value {
    let mut successions = Vec::new();
    for (known_name, known) in lists {
        for (further_name, further) in lists {
            let meaning = meaning(known, further);
            let ours =
                verify(&known.signed()).unwrap().compare(&verify(&further.signed()).unwrap());
            let word = match ours {
                Succession::Same => "same",
                Succession::Newer => "newer",
                Succession::Older => "older",
                Succession::Equivocation => "equivocation",
                Succession::IdentityChanged => "identity changed",
            };
            assert_eq!(word, meaning, "{known_name}, {further_name}");
            successions.push(json!({
                "known_text": known_name,
                "further_text": further_name,
                "meaning_text": meaning,
            }));
        }
    }
    Value::Array(successions)
}

/// The table of SPEC.md, section 3.3, row by row.
fn meaning(known: &Draft, further: &Draft) -> &'static str {
    if further.account_seed != known.account_seed {
        return "identity changed";
    }
    let succeeds = further.previous == known.hash();
    match further.version.checked_sub(known.version) {
        Some(0) if further.hash() == known.hash() => "same",
        Some(0) => "equivocation",
        None => "older",
        Some(1) if !succeeds => "equivocation",
        Some(_) => "newer",
    }
}

fn invalid(first: &Draft, second: &Draft, all: &[Entry], stranger: &[u8; 32]) -> Value {
    let key = first.account_key();
    let (entry, list) = (&all[0], first.list());
    let signing_key = model::signing_public(&entry.signing_seed);
    let (identity_key, proof) = (entry.identity_key(), entry.proof(USER, &key));
    let with_keys = |signing_key: &[u8], identity_key: &[u8]| {
        first.signed_with_entry(encode_entry(entry.id, signing_key, identity_key, &proof))
    };
    let with_identity = |identity_key: &[u8; 32]| {
        let message = model::device_entry_message(USER, &key, entry.id, identity_key);
        let proof = model::sign(&entry.signing_seed, "subrosa/1 device entry", &message);
        first.signed_with_entry(encode_entry(entry.id, &signing_key, identity_key, &proof))
    };
    let with_account = |key: &[u8]| {
        first.signed_with(
            &first.list_of(key, [entry.encode(USER, &first.account_key())].into_iter()),
        )
    };
    let twice = |change: &dyn Fn(&mut Entry)| {
        let mut again = all[1].clone();
        change(&mut again);
        first.change(|list| list.devices = vec![entry.clone(), again]).signed()
    };
    let mut altered = list.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut small_order = [0; 32];
    small_order[0] = 1;
    // R = B and S = 1 fulfil the equation for every message under the neutral point.
    let mut forged = [0x66; 64];
    forged[0] = 0x58;
    forged[32..].fill(0);
    forged[32] = 1;
    let weak_account = first.list_of(&small_order, [entry.encode(USER, &small_order)].into_iter());
    let mut not_canonical = identity_key;
    not_canonical[31] |= 0x80;
    let cases = [
        ("an altered list", encode_signed(&altered, &first.sign(&list))),
        ("signed by another key", encode_signed(&list, &model::sign(stranger, LABEL, &list))),
        (
            "signed under another label",
            encode_signed(
                &list,
                &model::sign(&first.account_seed, "subrosa/1 device entry", &list),
            ),
        ),
        ("a signature whose S is not below L", encode_signed(&list, &add_order(first.sign(&list)))),
        ("a signature of 63 bytes", encode_signed(&list, &first.sign(&list)[..63])),
        ("no signature", encode_signed(&list, b"")),
        (
            "a proof for another account",
            first.signed_with_entry(entry.encode(USER, &model::signing_public(stranger))),
        ),
        ("a proof for another user", first.signed_with_entry(entry.encode(b"bob", &key))),
        (
            "a proof by another signing key",
            with_keys(&model::signing_public(&all[1].signing_seed), &identity_key),
        ),
        ("a proof for another identity key", with_keys(&signing_key, &all[1].identity_key())),
        (
            "a signing key of small order",
            first.signed_with_entry(encode_entry(entry.id, &small_order, &identity_key, &forged)),
        ),
        ("a signing key of 31 bytes", with_keys(&signing_key[..31], &identity_key)),
        ("an identity key of low order", with_identity(&[0; 32])),
        ("an identity key that is not canonical", with_identity(&not_canonical)),
        ("an account key of small order", encode_signed(&weak_account, &forged)),
        (
            "a signature with an R of small order",
            encode_signed(&list, &model::sign_without_nonce(&first.account_seed, LABEL, &list)),
        ),
        ("an account key of 31 bytes", with_account(&key[..31])),
        ("no devices", first.change(|list| list.devices.clear()).signed()),
        ("17 devices", first.change(|list| list.devices = all.to_vec()).signed()),
        ("a device id of zero", first.change(|list| list.devices[0].id = 0).signed()),
        ("a device id twice", twice(&|again| again.id = entry.id)),
        ("a signing key twice", twice(&|again| again.signing_seed = entry.signing_seed)),
        ("an identity key twice", twice(&|again| again.identity_private = entry.identity_private)),
        ("version 0", first.change(|list| list.version = 0).signed()),
        (
            "version 1 with the hash of a list before",
            second.change(|list| list.version = 1).signed(),
        ),
        (
            "version 2 without the hash of the list before",
            second.change(|list| list.previous.clear()).signed(),
        ),
        ("a hash of 31 bytes", second.change(|list| list.previous.truncate(31)).signed()),
        ("no user id", first.change(|list| list.user.clear()).signed()),
        ("a user id of 256 bytes", first.change(|list| list.user = vec![b'a'; 256]).signed()),
        ("4,097 bytes", first.change(|list| list.unknown = filler(first)).signed()),
    ];
    cases
        .into_iter()
        .map(|(reason, signed)| {
            assert!(verify(&signed).is_none(), "{reason}");
            json!({ "reason": reason, "signed_list": hex(signed) })
        })
        .collect()
}

/// An unknown field that makes the signed list one byte too long.
fn filler(list: &Draft) -> Vec<u8> {
    let length = (3000..4096).find(|length| {
        let filled = list.change(|list| list.unknown = pb_bytes(100, &vec![0; *length]));
        filled.signed().len() == 4097
    });
    pb_bytes(100, &vec![0; length.unwrap()])
}

/// The signature with the order of the group added to its S.
fn add_order(signature: [u8; 64]) -> [u8; 64] {
    const LOW: u128 = 0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed;
    let half = |at: usize| u128::from_le_bytes(model::array(&signature[at..at + 16]));
    let (low, carry) = half(32).overflowing_add(LOW);
    let high = half(48) + (1 << 124) + u128::from(carry);
    model::array(&cat(&[&signature[..32], &low.to_le_bytes(), &high.to_le_bytes()]))
}
