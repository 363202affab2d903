//! Recovery keys in words, and backups.

use serde_json::{Value, json};

use super::model::{self, array, cat, pb_bytes, pb_fixed32, pb_varint};
use super::{Draws, NOW, Party, hex};
use crate::messenger::backup;
use crate::messenger::{Messenger, Opened, Options, RecoveryKey, Refusal};
use crate::store::MemoryStore;
use crate::testing::{ManualClock, seeded};
use crate::timestamp::Timestamp;
use crate::wire::stored;

/// When everything was decided, in milliseconds.
const AT: u64 = NOW * 1000 + 7;

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(12);
    let keys: [[u8; 16]; 3] = [draws.bytes(), [0; 16], [0xff; 16]];
    let owner = &Party::new("alice", draws);
    json!({
        "recovery_keys": keys.iter().map(recovery_key).collect::<Value>(),
        "refused_words": refused_words(&keys[0]),
        "backups": backups(owner, &keys[0], draws),
        "refused_backups": refused_backups(owner, &keys[0], draws),
    })
}

fn read(words: &str) -> Option<RecoveryKey> {
    RecoveryKey::from_words(words)
}

fn recovery_key(key: &[u8; 16]) -> Value {
    let words = model::recovery_words(key);
    let typed = [
        words.to_uppercase(),
        words.replace('-', " "),
        words.replace('-', ""),
        format!(" «{}». ", words.replace('-', ",\n")),
    ];
    for typed in typed.iter().chain([&words]) {
        assert_eq!(*read(typed).unwrap().to_words(), words);
    }
    json!({
        "key": hex(key),
        "checksum": hex(model::recovery_checksum(key)),
        "words_text": words,
        "typed_text": typed,
    })
}

fn refused_words(key: &[u8; 16]) -> Value {
    let words = model::recovery_words(key);
    let mut altered = *key;
    altered[15] ^= 1;
    let (start, checksum) = words.rsplit_once('-').unwrap();
    let altered = model::recovery_words(&altered);
    let (other, _) = altered.rsplit_once('-').unwrap();
    let cases = [
        ("nothing", String::new()),
        ("eight words", start.to_owned()),
        ("ten words", format!("{words}-{checksum}")),
        ("another key's checksum", format!("{other}-{checksum}")),
        ("a letter that no word has", words.replacen(['a', 'i', 'o', 'u'], "e", 1)),
        ("a digit more", format!("{words}7")),
        ("a letter more", format!("{words}-b")),
        ("a letter of another alphabet more", format!("{words}é")),
        ("a letter of another alphabet in place of its like", words.replacen('a', "а", 1)),
    ];
    cases
        .into_iter()
        .map(|(reason, words)| {
            assert!(read(&words).is_none(), "{reason}");
            json!({ "reason": reason, "words_text": words })
        })
        .collect()
}

/// What a backup says of somebody, times in milliseconds.
#[derive(Clone, Default)]
struct Person {
    user: Vec<u8>,
    consent: u64,
    consent_at: u64,
    list: Vec<u8>,
    moved: Vec<u8>,
    verified_at: Option<u64>,
    equivocated: bool,
}

impl Person {
    /// The encoded `BackedUpContact`.
    fn encode(&self) -> Vec<u8> {
        let contact = cat(&[
            &pb_varint(1, self.consent),
            &pb_varint(2, self.consent_at),
            &pb_bytes(3, &self.list),
            &pb_bytes(4, &self.moved),
            &pb_varint(5, self.verified_at.is_some().into()),
            &pb_varint(6, self.verified_at.unwrap_or(0)),
            &pb_varint(7, self.equivocated.into()),
        ]);
        self.encode_with(&contact)
    }

    /// A contact is written even if there is nothing in it.
    fn encode_with(&self, contact: &[u8]) -> Vec<u8> {
        let contact = if contact.is_empty() { vec![0x12, 0] } else { pb_bytes(2, contact) };
        cat(&[&pb_bytes(1, &self.user), &contact])
    }

    fn to_json(&self) -> Value {
        json!({
            "user_id": hex(&self.user),
            "consent": self.consent,
            "consent_at": self.consent_at,
            "signed_list": hex(&self.list),
            "moved": hex(&self.moved),
            "verified": u8::from(self.verified_at.is_some()),
            "verified_at": self.verified_at.unwrap_or(0),
            "equivocated": u8::from(self.equivocated),
        })
    }
}

/// The encoded `Account` with this list.
fn account(seed: &[u8], signed_list: &[u8]) -> Vec<u8> {
    let signed = crate::wire::SignedDeviceList::decode(signed_list).unwrap();
    cat(&[&pb_bytes(1, seed), &pb_bytes(2, &signed.list), &pb_bytes(3, &signed.signature)])
}

/// The encoded `Backup`.
fn content(account: &[u8], made_by: u32, contacts: &[Vec<u8>]) -> Vec<u8> {
    let contacts: Vec<u8> = contacts.iter().flat_map(|contact| pb_bytes(3, contact)).collect();
    cat(&[&pb_bytes(1, account), &pb_fixed32(2, made_by), &contacts])
}

fn seal(key: &[u8; 16], nonce: &[u8; 24], padded: &[u8]) -> Vec<u8> {
    cat(&[&[1], &model::xaead(&model::backup_key(key), nonce, &[1], padded)])
}

fn backups(owner: &Party, key: &[u8; 16], draws: &mut Draws) -> Value {
    let people = people(draws);
    let account = account(&owner.account_seed, &owner.signed_list());
    let content = |contacts: &[Vec<u8>]| content(&account, owner.device_id, contacts);
    let of = |people: &[Person]| people.iter().map(Person::encode).collect::<Vec<_>>();
    let [full, fuller] = [4095, 4096].map(|length| crowd(length, |people| content(&of(people))));
    let stranger = Person { user: b"z".to_vec(), ..Person::default() };
    let odd = [
        stranger.encode_with(&cat(&[&pb_varint(1, 9), &pb_bytes(3, b"no list")])),
        Person::default().encode_with(&pb_varint(1, 2)),
        pb_bytes(1, b"no contact"),
    ];
    let backup =
        |name: &str, people: &[Person], left_out: &str, content: Vec<u8>, draws: &mut Draws| {
            let nonce = draws.bytes();
            let sealed = seal(key, &nonce, &model::pad_backup(&content));
            is_restored(owner, key, &sealed, people, name);
            json!({
                "name_text": name,
                "key": hex(key),
                "sealing_key": hex(model::backup_key(key)),
                "nonce": hex(nonce),
                "account_seed": hex(owner.account_seed),
                "user_id": hex(&owner.user),
                "signed_list": hex(owner.signed_list()),
                "device_id": owner.device_id,
                "contacts": people.iter().map(Person::to_json).collect::<Value>(),
                "left_out_text": left_out,
                "content": hex(content),
                "backup": hex(sealed),
            })
        };
    let with_odd = [of(&people), odd.to_vec()].concat();
    let kept = [people.clone(), vec![stranger]].concat();
    let left_out = "a list that is none and an unknown consent; an entry without a user id, and one \
                    without a contact";
    json!([
        backup("people", &people, "", content(&of(&people)), draws),
        backup("nobody is known", &[], "", content(&[]), draws),
        backup("a full block", &full, "", content(&of(&full)), draws),
        backup("one byte more", &fuller, "", content(&of(&fuller)), draws),
        backup("what does not count", &kept, left_out, content(&with_odd), draws),
    ])
}

/// One of every kind, in the order of their ids.
fn people(draws: &mut Draws) -> Vec<Person> {
    let [bob, carol, moved, to] =
        ["bob", "carol", "moved", "moved"].map(|name| Party::new(name, draws).signed_list());
    let named = |user: &[u8], consent, list| Person {
        user: user.to_vec(),
        consent,
        consent_at: AT,
        list,
        ..Person::default()
    };
    vec![
        Person { verified_at: Some(AT + 1), ..named(b"bob", 2, bob) },
        Person { equivocated: true, ..named(b"carol", 3, carol) },
        named(b"has no list", 2, Vec::new()),
        Person { moved: to, ..named(b"moved", 1, moved) },
        Person { user: vec![b'x'; 255], ..Person::default() },
    ]
}

/// So many people that the content has just this length.
fn crowd(length: usize, content: impl Fn(&[Person]) -> Vec<u8>) -> Vec<Person> {
    let accepted = |user| Person { user, consent: 2, consent_at: AT, ..Person::default() };
    let mut people = Vec::new();
    for letter in b'a'..=b'z' {
        for last in 1..=255 {
            people.push(accepted(vec![letter; last]));
            if content(&people).len() == length {
                return people;
            }
            people.pop();
        }
        people.push(accepted(vec![letter; 200]));
    }
    panic!("no room");
}

/// Brings the account to a new device and back into a backup: the same is known of people.
fn is_restored(owner: &Party, key: &[u8; 16], sealed: &[u8], people: &[Person], name: &str) {
    let key = read(&model::recovery_words(key)).unwrap();
    let opened = backup::open(sealed, &key).unwrap();
    assert_eq!(opened.raw.account, account(&owner.account_seed, &owner.signed_list()), "{name}");
    assert_eq!(opened.raw.device_id, owner.device_id, "{name}");
    let opened = Messenger::open(MemoryStore::new(), options()).unwrap();
    let Opened::Empty(setup) = opened else { panic!("{opened:?}") };
    let mut messenger = setup.restore(sealed, &key).unwrap();
    // Nobody there knows a newer list.
    let fetch = messenger.next_outgoing().unwrap().unwrap();
    messenger.outgoing_refused(fetch.id, Refusal::NoSuchUser).unwrap();
    let again = messenger.backup(&key).unwrap();
    let again = backup::open(&again, &key).unwrap();
    let contacts: Vec<_> =
        again.raw.contacts.iter().map(|contact| stored::encode(contact).to_vec()).collect();
    assert_eq!(contacts, people.iter().map(Person::encode).collect::<Vec<_>>(), "{name}");
}

fn options() -> Options {
    seeded(Options::default().clock(ManualClock::new(Timestamp::from_secs(NOW))), 1)
}

fn refused_backups(owner: &Party, key: &[u8; 16], draws: &mut Draws) -> Value {
    let list = owner.signed_list();
    let genuine = content(&account(&owner.account_seed, &list), owner.device_id, &[]);
    let nonce: [u8; 24] = draws.bytes();
    let sealed = |content: &[u8]| seal(key, &nonce, &model::pad_backup(content));
    let backup = sealed(&genuine);
    let [other_key, other_seed]: [[u8; 32]; 2] = [draws.bytes(), draws.bytes()];
    let mut altered = backup.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut forged = list.clone();
    *forged.last_mut().unwrap() ^= 1;
    let sealed_without_ad =
        model::xaead(&model::backup_key(key), &nonce, b"", &model::pad_backup(&genuine));
    let with_account =
        |seed: &[u8], list: &[u8]| sealed(&content(&account(seed, list), owner.device_id, &[]));
    let cases = [
        ("nothing", Vec::new()),
        ("another key", seal(&array(&other_key[..16]), &nonce, &model::pad_backup(&genuine))),
        ("version 2", cat(&[&[2], &backup[1..]])),
        ("without associated data", cat(&[&[1], &sealed_without_ad])),
        ("an altered tag", altered),
        ("its last byte is missing", backup[..backup.len() - 1].to_vec()),
        ("no 0x80", seal(key, &nonce, &[0; 4096])),
        ("no protobuf", sealed(b"a backup")),
        ("no account", sealed(&content(b"", owner.device_id, &[]))),
        ("no device id", sealed(&content(&account(&owner.account_seed, &list), 0, &[]))),
        ("a seed of 31 bytes", with_account(&owner.account_seed[..31], &list)),
        ("the list of another account", with_account(&other_seed, &list)),
        ("the list's signature is wrong", with_account(&owner.account_seed, &forged)),
    ];
    let key = read(&model::recovery_words(key)).unwrap();
    cases
        .into_iter()
        .map(|(reason, sealed)| {
            assert!(backup::open(&sealed, &key).is_err(), "{reason}");
            json!({ "reason": reason, "backup": hex(sealed) })
        })
        .collect()
}
