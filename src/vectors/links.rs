//! Link codes, and the envelopes that are sealed under their secret.

use serde_json::{Value, json};

use super::model::{self, array, cat, pb_bytes, pb_fixed32};
use super::{Draws, Party, hex};
use crate::address::UserId;
use crate::identity::{Account, Device};
use crate::messenger::LinkCode;
use crate::messenger::link_code::Way;
use crate::messenger::linking::{Offer, open_reply};
use crate::wire::{Link, LinkOffer, LinkReply, stored};

const NAME: &str = "Tablet in der Küche";

/// What every link envelope seals, in bytes.
const PADDED_LEN: usize = 4352;

/// A device that shows its code, and all its keys.
struct Shown {
    device: Device,
    code: LinkCode,
    user: Vec<u8>,
    name: String,
    id: u32,
    signing_seed: [u8; 32],
    identity_private: [u8; 32],
    secret: [u8; 32],
}

impl Shown {
    fn new(user: &[u8], name: &str, draws: &mut Draws) -> Self {
        let device = Device::generate(UserId::new(user).unwrap(), draws);
        draws.take();
        let code = LinkCode::generate(&device, name, draws).unwrap();
        let secret = array(&draws.take()[0]);
        let record: stored::Device = stored::decode(&device.record(), "device").unwrap();
        let shown = Self {
            device,
            code,
            user: user.to_vec(),
            name: name.to_owned(),
            id: record.device_id,
            signing_seed: array(&record.signing_seed),
            identity_private: array(&record.identity_key),
            secret,
        };
        assert_eq!(shown.code.as_bytes(), shown.encode());
        assert_eq!(shown.code.keys_hash(), &shown.keys_hash());
        assert_eq!(shown.code.short(), model::short_link_code(&shown.encode()));
        let read = LinkCode::parse(&shown.encode()).unwrap();
        assert_eq!(read.as_bytes(), shown.encode());
        assert_eq!((read.device_name(), read.address()), (name, shown.device.address()));
        shown
    }

    fn keys_hash(&self) -> [u8; 32] {
        let identity_key = model::dh_public(&self.identity_private);
        model::keys_hash(&model::signing_public(&self.signing_seed), &identity_key)
    }

    fn encode(&self) -> Vec<u8> {
        let (user, name) = (&self.user, self.name.as_bytes());
        model::link_code(self.id, &self.secret, &self.keys_hash(), user, name)
    }

    fn entry(&self, account_key: &[u8; 32]) -> Vec<u8> {
        let (signing_seed, identity_private) = (&self.signing_seed, &self.identity_private);
        model::device_entry(&self.user, account_key, self.id, signing_seed, identity_private)
    }

    fn key(&self, way: Way) -> [u8; 32] {
        let label: &[u8] = match way {
            Way::ToDevice => b"subrosa/1 link to device",
            Way::ToPrimary => b"subrosa/1 link to primary",
        };
        model::expand(&self.secret, &[label])
    }

    fn to_json(&self, name: &str) -> Value {
        json!({
            "name_text": name,
            "user_id": hex(&self.user),
            "device_id": self.id,
            "signing_seed": hex(self.signing_seed),
            "signing_key": hex(model::signing_public(&self.signing_seed)),
            "identity_private": hex(self.identity_private),
            "identity_key": hex(model::dh_public(&self.identity_private)),
            "secret": hex(self.secret),
            "device_name": hex(&self.name),
            "keys_hash": hex(self.keys_hash()),
            "code": hex(self.encode()),
            "short_text": self.code.short(),
        })
    }
}

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(11);
    let primary = &Party::new("alice", draws);
    let shown = &Shown::new(b"alice", NAME, draws);
    let longest = Shown::new(&[b'a'; 255], &"n".repeat(64), draws);
    let nameless = Shown::new(b"alice", "", draws);
    json!({
        "account": primary.to_json(),
        "codes": [
            shown.to_json("a device of the account"),
            longest.to_json("the longest user id and name"),
            nameless.to_json("no name"),
        ],
        "refused_codes": refused_codes(shown),
        "envelopes": envelopes(primary, shown, draws),
        "refused_envelopes": refused_envelopes(primary, shown, draws),
    })
}

fn refused_codes(shown: &Shown) -> Value {
    let code = shown.encode();
    let other = |device: u32, user: &[u8], name: &[u8]| {
        model::link_code(device, &shown.secret, &shown.keys_hash(), user, name)
    };
    let (user, name) = (&shown.user, shown.name.as_bytes());
    let mut longer_name = code.clone();
    longer_name[70 + user.len() + 2] += 1;
    let cases = [
        ("nothing", Vec::new()),
        ("version 2", cat(&[&[2], &code[1..]])),
        ("a device id of 0", other(0, user, name)),
        ("no user id", other(shown.id, b"", name)),
        ("a user id of 256 bytes", other(shown.id, &[b'a'; 256], name)),
        ("a name of 65 bytes", other(shown.id, user, &[b'n'; 65])),
        ("a name that is not UTF-8", other(shown.id, user, b"tablet\xff")),
        ("a byte behind it", cat(&[&code, &[0]])),
        ("its last byte is missing", code[..code.len() - 1].to_vec()),
        ("no name, and no length of one", code[..code.len() - name.len() - 2].to_vec()),
        ("a name that is shorter than its length", longer_name),
    ];
    cases
        .into_iter()
        .map(|(reason, code)| {
            assert!(LinkCode::parse(&code).is_none(), "{reason}");
            json!({ "reason": reason, "code": hex(code) })
        })
        .collect()
}

fn way_text(way: Way) -> &'static str {
    match way {
        Way::ToDevice => "to device",
        Way::ToPrimary => "to primary",
    }
}

fn envelopes(primary: &Party, shown: &Shown, draws: &mut Draws) -> Value {
    let mut account = Account::from_record(&primary.account.record()).unwrap();
    let offer = |account: &Account, draws: &mut Draws| {
        let signed = account.device_list().signed();
        let device_list = signed.clone();
        let made = LinkOffer { device_list, primary: primary.device_id }.encode();
        let plaintext = cat(&[&pb_bytes(1, &signed.encode()), &pb_fixed32(2, primary.device_id)]);
        assert_eq!(made, plaintext);
        let (envelope, fields) = seal(shown, Way::ToDevice, plaintext, draws);
        let opened = Offer::open(&shown.code, &Link::decode(&envelope).unwrap()).unwrap();
        assert_eq!(opened.list.signed(), signed);
        assert_eq!(opened.primary.get(), primary.device_id);
        let offered = json!({ "signed_list": hex(signed.encode()), "primary": primary.device_id });
        super::with(fields, offered)
    };
    let first = offer(&account, draws);
    let entry = shown.device.entry(&account.key());
    let made = LinkReply { entry: entry.to_wire() }.encode();
    let plaintext = pb_bytes(1, &shown.entry(&primary.account_key()));
    assert_eq!(made, plaintext);
    let (envelope, reply) = seal(shown, Way::ToPrimary, plaintext, draws);
    account.add(open_reply(&shown.code, &Link::decode(&envelope).unwrap()).unwrap()).unwrap();
    let second = offer(&account, draws);
    let named = |name: &str, fields| super::with(json!({ "name_text": name }), fields);
    json!([
        named("the first offer", first),
        named("the reply", reply),
        named("the second offer, with a list that has the device", second),
    ])
}

/// The envelope, by the crate and by the model.
fn seal(shown: &Shown, way: Way, plaintext: Vec<u8>, draws: &mut Draws) -> (Vec<u8>, Value) {
    draws.take();
    let envelope = shown.code.seal(way, plaintext.clone(), draws);
    let nonce: [u8; 24] = array(&draws.take()[0]);
    let (key, padded) = (shown.key(way), model::pad(&plaintext, PADDED_LEN));
    assert_eq!(envelope, model::link_envelope(&model::xaead(&key, &nonce, b"", &padded)));
    let fields = json!({
        "way_text": way_text(way),
        "key": hex(key),
        "nonce": hex(nonce),
        "plaintext": hex(plaintext),
        "envelope": hex(&envelope),
    });
    (envelope, fields)
}

fn refused_envelopes(primary: &Party, shown: &Shown, draws: &mut Draws) -> Value {
    let list = primary.signed_list();
    let stranger = Shown::new(b"alice", NAME, draws);
    let bob = Party::new("bob", draws);
    let offer = |list: &[u8], id| cat(&[&pb_bytes(1, list), &pb_fixed32(2, id)]);
    let genuine = offer(&list, primary.device_id);
    let account_key = primary.account_key();
    let entry = shown.entry(&account_key);
    let mut forged = list.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut proof = entry.clone();
    *proof.last_mut().unwrap() ^= 1;
    let entry_of = |id, keys: &Shown| {
        let (signing_seed, identity_private) = (&keys.signing_seed, &keys.identity_private);
        model::device_entry(b"alice", &account_key, id, signing_seed, identity_private)
    };
    let nonce: [u8; 24] = draws.bytes();
    let seal = |key: &[u8; 32], padded: &[u8]| model::xaead(key, &nonce, b"", padded);
    let padded = |plaintext: &[u8]| model::pad(plaintext, PADDED_LEN);
    let (to_device, to_primary) = (shown.key(Way::ToDevice), shown.key(Way::ToPrimary));
    let offered = |plaintext: &[u8]| seal(&to_device, &padded(plaintext));
    let replied = |entry: &[u8]| seal(&to_primary, &padded(&pb_bytes(1, entry)));
    let mut altered = offered(&genuine);
    *altered.last_mut().unwrap() ^= 1;
    let shorter = seal(&to_device, &model::pad(&genuine, PADDED_LEN - 1));
    let longer = seal(&to_device, &model::pad(&genuine, PADDED_LEN + 1));
    let of_bob = bob.account_key();
    let cases = [
        (Way::ToDevice, "under the key of the other way", seal(&to_primary, &padded(&genuine))),
        (
            Way::ToDevice,
            "under another code",
            seal(&stranger.key(Way::ToDevice), &padded(&genuine)),
        ),
        (Way::ToDevice, "an altered tag", altered),
        (Way::ToDevice, "4,391 bytes", shorter),
        (Way::ToDevice, "4,393 bytes", longer),
        (Way::ToDevice, "zeros alone, without 0x80", seal(&to_device, &[0; PADDED_LEN])),
        (Way::ToDevice, "no protobuf", offered(b"an offer")),
        (Way::ToDevice, "no device list", offered(&pb_fixed32(2, primary.device_id))),
        (Way::ToDevice, "another user's list", offered(&offer(&bob.signed_list(), bob.device_id))),
        (
            Way::ToDevice,
            "the list's signature is wrong",
            offered(&offer(&forged, primary.device_id)),
        ),
        (
            Way::ToDevice,
            "a primary that is not listed",
            offered(&offer(&list, primary.device_id ^ 1)),
        ),
        (Way::ToDevice, "no primary", offered(&pb_bytes(1, &list))),
        (Way::ToPrimary, "an offer", seal(&to_device, &padded(&genuine))),
        (Way::ToPrimary, "no entry", replied(b"")),
        (
            Way::ToPrimary,
            "another device id than the code's",
            replied(&entry_of(shown.id ^ 1, shown)),
        ),
        (Way::ToPrimary, "other keys than the code's", replied(&entry_of(shown.id, &stranger))),
        (Way::ToPrimary, "a proof for another account", replied(&shown.entry(&of_bob))),
        (Way::ToPrimary, "the proof is wrong", replied(&proof)),
    ];
    cases
        .into_iter()
        .map(|(way, reason, sealed)| {
            let envelope = model::link_envelope(&sealed);
            assert!(!is_accepted(primary, shown, way, &envelope), "{reason}");
            let way = way_text(way);
            json!({ "reason": reason, "way_text": way, "envelope": hex(envelope) })
        })
        .collect()
}

fn is_accepted(primary: &Party, shown: &Shown, way: Way, envelope: &[u8]) -> bool {
    let Ok(link) = Link::decode(envelope) else { return false };
    match way {
        Way::ToDevice => Offer::open(&shown.code, &link).is_some(),
        Way::ToPrimary => {
            let mut account = Account::from_record(&primary.account.record()).unwrap();
            open_reply(&shown.code, &link).is_some_and(|entry| account.add(entry).is_ok())
        }
    }
}
