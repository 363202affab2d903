//! Each promise of the specification, attacked from outside with what an attacker can
//! have: the network, the directory, a stolen disk, an old copy of a state. What needs
//! the inside of the crate is in `src/session/attacks.rs`.

use std::collections::BTreeSet;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use subrosa::handshake::{HandshakeError, Opening, PrekeyBundle, PrekeySecret, ReplayRecord};
use subrosa::identity::{
    Account, Device, DeviceList, IdentityError, SafetyNumber, Succession, View,
};
use subrosa::session::{
    Body, DecryptError, NumberReport, Numbers, Peer, PeerRow, Session, Unsaved,
};
use subrosa::wire::{Envelope, MessageId, SignedDeviceList};
use subrosa::{Timestamp, UserId};

use crate::protobuf::{Field, Fields, Value, edit};
use crate::side::{Rows, START, Side, load, pair, text};
use crate::thief::Loot;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn list_bytes(side: &Side) -> Vec<u8> {
    side.account.device_list().signed().encode()
}

fn verify_list(bytes: &[u8]) -> Result<DeviceList, IdentityError> {
    DeviceList::verify(SignedDeviceList::decode(bytes)?)
}

/// The bundle with something done to the message at this path.
fn verify_altered(
    side: &Side,
    bundle: &[u8],
    path: &[u64],
    change: impl FnOnce(&mut Fields),
) -> HandshakeError {
    side.verify(&edit(bundle, path, change), &user("bob")).unwrap_err()
}

// Promise 1: only the two devices can read or forge; the author follows from the keys.

#[test]
fn a_directory_cannot_add_a_device_to_an_account() {
    let victim = Side::new("bob", 1);
    let server = Side::new("bob", 2);
    let mut foreign = Fields::decode(&list_bytes(&server));
    let entry = Fields::decode(foreign.bytes(1)).bytes(5).clone();
    let forged = edit(&list_bytes(&victim), &[1], |list| {
        list.0.push(Field { number: 5, value: Value::Bytes(entry) });
    });
    assert_eq!(verify_list(&forged).unwrap_err(), IdentityError::Forged);
}

#[test]
fn another_account_under_the_same_name_is_noticed() {
    let known = Side::new("bob", 1);
    let server = Side::new("bob", 2);
    let (known, other) = (known.account.device_list(), server.account.device_list());
    assert_eq!(known.compare(other), Succession::IdentityChanged);
}

#[test]
fn a_list_that_was_withheld_forked_or_rolled_back_is_noticed() {
    let mut side = Side::new("bob", 1);
    let first = side.account.device_list().clone();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut fork = Account::from_record(&side.account.record()).unwrap();
    for account in [&mut side.account, &mut fork] {
        let device = Device::generate(user("bob"), &mut rng);
        account.add(device.entry(&account.key())).unwrap();
    }
    let (second, forked) = (side.account.device_list().clone(), fork.device_list().clone());
    assert_eq!(first.compare(&second), Succession::Newer);
    assert_eq!(second.compare(&first), Succession::Older);
    assert_eq!(second.compare(&forked), Succession::Equivocation);
    let device = Device::generate(user("bob"), &mut rng);
    fork.add(device.entry(&fork.key())).unwrap();
    assert_eq!(second.compare(fork.device_list()), Succession::Equivocation);
    // Whoever goes by another list says so in every message.
    let own = Side::new("alice", 3);
    let own = own.account.device_list();
    assert_ne!(View::new(&first, own), View::new(&second, own));
    assert_ne!(View::new(own, &first), View::new(own, &second));
    assert_ne!(View::new(own, &first), View::new(&first, own));
}

#[test]
fn a_directory_cannot_swap_prekeys_between_devices_accounts_or_kinds() {
    let initiator = Side::new("alice", 1);
    let mut responder = Side::new("bob", 2);
    let mut other = Side::new("carol", 3);
    let (bundle, foreign) = (responder.bundle(true), other.bundle(true));
    assert!(initiator.verify(&bundle, &user("bob")).is_ok());
    assert_eq!(initiator.verify(&foreign, &user("bob")).unwrap_err(), HandshakeError::OtherUser);
    let foreign_prekey = |number| {
        let mut bundle = Fields::decode(&foreign);
        Fields::decode(bundle.bytes(2)).bytes(number).clone()
    };
    for number in [2, 3] {
        let error = verify_altered(&initiator, &bundle, &[2], |device| {
            *device.bytes(number) = foreign_prekey(number);
        });
        assert_eq!(error, HandshakeError::Refused);
        // The other kind, of the right device: its signature is genuine.
        let error = verify_altered(&initiator, &bundle, &[2], |device| {
            let genuine = device.bytes(5 - number).clone();
            *device.bytes(number) = genuine;
        });
        assert_eq!(error, HandshakeError::Refused);
    }
    let error = verify_altered(&initiator, &bundle, &[], |bundle| {
        let device = bundle.bytes(2).clone();
        bundle.0.push(Field { number: 2, value: Value::Bytes(device) });
    });
    assert_eq!(error, HandshakeError::Refused);
    let later = Timestamp::from_secs(START + 91 * 86_400);
    let expired = PrekeyBundle::decode(&bundle).unwrap().verify(&user("bob"), later);
    assert_eq!(expired.unwrap_err(), HandshakeError::Expired);
}

#[test]
fn nobody_can_list_the_keys_of_another_as_his_own() {
    let victim = Side::new("bob", 1);
    let thief = Side::new("carol", 2);
    let mut own = Account::from_record(&thief.account.record()).unwrap();
    // The entry that the victim's device made for the victim's account.
    let entry = victim.device.entry(&victim.account.key());
    assert_eq!(own.add(entry).unwrap_err(), IdentityError::Forged);
    // A device of the victim's that is asked to sign for the thief's account would say so.
    let entry = victim.device.entry(&thief.account.key());
    assert!(own.add(entry).is_err());
}

#[test]
fn a_handshake_in_the_name_of_another_device_is_refused_and_leaves_nothing() {
    let mut responder = Side::new("bob", 1);
    let victim = Side::new("alice", 2);
    // The attacker has everything public of the victim, and no private key.
    let attacker = Side::new("alice", 3);
    let device = edit(&attacker.device.record(), &[], |record| {
        *record.find(2) = Value::Fixed32(victim.address().device.get().to_le_bytes());
    });
    let device = Device::from_record(&device).unwrap();
    assert_eq!(device.address(), victim.address());
    let bundle = responder.bundle(true);
    let bundle = attacker.verify(&bundle, &user("bob")).unwrap();
    let prekeys = &bundle.devices()[0];
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut peer = Peer::new(prekeys.address().clone());
    let list = victim.account.device_list();
    let _ = peer.initiate(&device, list, prekeys, attacker.now, &mut rng).unwrap();
    let body = Body::Content { id: MessageId::generate(&mut rng), content: b"it is me" };
    let view = View::new(list, bundle.device_list());
    let sent = peer.encrypt(body, Numbers::Next, view, attacker.now, &mut rng).unwrap().saved();
    let before = responder.state();
    let error = responder.receive(&sent.envelope).unwrap_err();
    assert_eq!(error, DecryptError::Handshake(HandshakeError::Refused));
    assert!(responder.state() == before, "prekeys and replay record are as before");
    assert!(responder.peer.is_none());
}

#[test]
fn a_session_of_one_device_cannot_pass_for_another_s() {
    let (_, mut responder) = pair(1);
    let mut other = Side::new("carol", 9);
    let bundle = responder.bundle(true);
    other.initiate(&user("bob"), &bundle);
    let envelope = other.send(b"from alice").unwrap();
    // `Side::receive` puts every session into the one peer that it has.
    let before = responder.state();
    let error = responder.receive(&envelope).unwrap_err();
    assert_eq!(error, DecryptError::Handshake(HandshakeError::OtherUser));
    assert!(responder.state() == before);
}

#[test]
fn nobody_begins_a_session_with_himself() {
    let mut side = Side::new("bob", 1);
    let bundle = side.bundle(true);
    let bundle = side.verify(&bundle, &user("bob")).unwrap();
    let prekeys = &bundle.devices()[0];
    let mut peer = Peer::new(prekeys.address().clone());
    let list = side.account.device_list();
    let begun = peer.initiate(&side.device, list, prekeys, side.now, &mut side.rng);
    assert_eq!(begun.unwrap_err(), HandshakeError::Refused);
}

#[test]
fn safety_numbers_are_equal_on_both_sides_and_differ_for_anybody_in_between() {
    let [one, other] = ["alice", "bob"].map(|name| Side::new(name, 7));
    let between = Side::new("bob", 8);
    let (one, other) = (one.account.device_list(), other.account.device_list());
    assert_eq!(SafetyNumber::between(one, other), SafetyNumber::between(other, one));
    let wrong = SafetyNumber::between(one, between.account.device_list());
    assert_ne!(SafetyNumber::between(one, other), wrong);
    // The name counts, not only the key: here both accounts have the same keys.
    assert_eq!(one.account_key(), other.account_key());
    let digits = SafetyNumber::between(one, other);
    assert_ne!(digits.digits()[..30], digits.digits()[30..]);
}

// Promise 2: forward secrecy.

#[test]
fn a_stolen_disk_opens_nothing_that_was_received_or_sent() {
    let (mut initiator, mut responder) = pair(1);
    let begun = initiator.send(b"a chain has begun").unwrap();
    responder.receive(&begun).unwrap();
    let sent: Vec<_> = (0..6).map(|_| initiator.send(b"secret").unwrap()).collect();
    let before = Loot::new(&responder.rows);
    // The third is passed over, its key kept; then it comes.
    for place in [0, 1, 3, 4, 2] {
        responder.receive(&sent[place]).unwrap();
    }
    let answer = responder.send(b"answer").unwrap();
    let loot = [Loot::new(&initiator.rows), Loot::new(&responder.rows)];
    // The thief can do it at all: with the disk from before, and what has not come yet.
    assert!(before.read(&sent[0]).is_some() && before.read(&sent[4]).is_some());
    assert!(loot[1].read(&sent[5]).is_some());
    for (place, envelope) in sent[..5].iter().enumerate() {
        for loot in &loot {
            assert!(loot.read(envelope).is_none(), "message {place} was opened");
        }
    }
    assert!(loot[1].read(&answer).is_none(), "a sent message was opened");
    // As the specification says, headers of what was received stay readable a while.
    assert!(loot[1].unmasks(&sent[0]));
}

#[test]
fn a_skipped_key_is_gone_from_the_disk_when_it_was_used_or_has_expired() {
    let (mut initiator, mut responder) = pair(1);
    let skipped = [initiator.send(b"one").unwrap(), initiator.send(b"two").unwrap()];
    let last = initiator.send(b"three").unwrap();
    responder.receive(&last).unwrap();
    assert!(skipped.iter().all(|envelope| Loot::new(&responder.rows).read(envelope).is_some()));
    responder.receive(&skipped[0]).unwrap();
    assert!(Loot::new(&responder.rows).read(&skipped[0]).is_none());
    responder.now = Timestamp::from_secs(START + 31 * 86_400);
    responder.expire();
    assert!(Loot::new(&responder.rows).read(&skipped[1]).is_none());
}

#[test]
fn the_first_chain_is_safe_from_a_thief_of_the_signed_prekey_once_the_one_time_prekey_is_gone() {
    for with_one_time in [true, false] {
        let mut responder = Side::new("bob", 1);
        let mut initiator = Side::new("alice", 2);
        let bundle = responder.bundle(with_one_time);
        initiator.initiate(&user("bob"), &bundle);
        let envelope = initiator.send(b"secret").unwrap();
        responder.receive(&envelope).unwrap();
        // The thief takes all that is left, and runs the handshake again.
        assert!(responder.one_time.is_empty(), "the used prekey was deleted");
        let mut thief = Side::new("bob", 1);
        thief.one_time = Vec::new();
        let read = thief.receive(&envelope);
        // Without a one-time prekey it can be read, and the specification says so.
        assert_eq!(read.is_err(), with_one_time);
        // Nor is there a way once the signed prekey has been replaced and deleted.
        let mut thief = Side::new("bob", 1);
        thief.one_time = Vec::new();
        thief.signed = PrekeySecret::signed(&thief.device, thief.now, &mut thief.rng);
        assert!(thief.receive(&envelope).is_err());
        // Both sides know which it is.
        for side in [&initiator, &responder] {
            assert_eq!(side.peer().sessions()[0].with_one_time_prekey(), with_one_time);
        }
    }
}

// Promise 3: a thief who only listens is out after a round trip.

#[test]
fn a_thief_is_out_once_a_message_has_passed_each_way() {
    let mut thieves = 0;
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (one, other) = pair(seed);
        let mut sides = [one, other];
        let mut turn = 0;
        let mut speak = |sides: &mut [Side; 2], rng: &mut ChaCha8Rng| {
            let from = turn % 2;
            turn += 1;
            let count = rng.random_range(1..4);
            let sent: Vec<_> = (0..count).map(|_| sides[from].send(b"secret").unwrap()).collect();
            sent.iter().for_each(|envelope| drop(sides[1 - from].receive(envelope).unwrap()));
            (from, sent)
        };
        for _ in 0..rng.random_range(2..8) {
            speak(&mut sides, &mut rng);
        }
        // Everything of one side; it only listens from here on.
        let victim = rng.random_range(0..2);
        let stolen: Rows = sides[victim].rows.clone();
        let mut thief = load(&stolen);
        let mut read_one = false;
        for after in 0..6 {
            let (from, sent) = speak(&mut sides, &mut rng);
            for envelope in &sent {
                let decoded = Envelope::decode(envelope).unwrap();
                let opens = from != victim && thief.decrypt(&decoded, sides[victim].now).is_ok();
                let read = opens || Loot::new(&stolen).read(envelope).is_some();
                read_one |= read;
                assert!(after < 2 || !read, "seed {seed}: read in turn {after} after the theft");
            }
        }
        thieves += usize::from(read_one);
    }
    // Whoever comes just before the victim makes a new key reads nothing at all.
    assert!((6..24).contains(&thieves), "{thieves} have read anything");
}

// Promise 5: an envelope shows its kind and size class.

#[test]
fn envelopes_of_a_session_have_nothing_in_common_but_their_framing() {
    let (mut initiator, mut responder) = pair(1);
    let mut envelopes = Vec::new();
    for turn in 0..256_u32 {
        let (sender, receiver) = match turn % 3 {
            0 => (&mut responder, &mut initiator),
            _ => (&mut initiator, &mut responder),
        };
        let envelope = sender.send(b"the same").unwrap();
        receiver.receive(&envelope).unwrap();
        envelopes.push(envelope);
    }
    let len = envelopes[0].len();
    assert!(envelopes.iter().all(|envelope| envelope.len() == len));
    let values = |place: usize| -> BTreeSet<u8> {
        envelopes.iter().map(|envelope| envelope[place]).collect()
    };
    let constant = (0..len).filter(|place| values(*place).len() == 1).count();
    // Envelope key and length, message's two keys and lengths.
    assert_eq!(constant, 3 + 2 + 3);
    let varied = (0..len).filter(|place| values(*place).len() > 100).count();
    assert_eq!(constant + varied, len, "no byte takes few values: not the numbers, not zeros");
}

#[test]
fn messages_before_the_first_reply_share_just_the_handshake() {
    let mut responder = Side::new("bob", 1);
    let mut initiator = Side::new("alice", 2);
    let bundle = responder.bundle(true);
    initiator.initiate(&user("bob"), &bundle);
    let envelopes = [initiator.send(b"one").unwrap(), initiator.send(b"two").unwrap()];
    let [one, two] = envelopes.map(|bytes| Envelope::decode(&bytes).unwrap());
    let handshake = |envelope: &Envelope| match envelope {
        Envelope::FirstMessage { handshake, .. } => handshake.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(handshake(&one), handshake(&two));
    assert_ne!(one.message().tag(), two.message().tag());
}

#[test]
fn the_size_says_nothing_but_its_class() {
    let (mut initiator, _) = pair(1);
    let mut lens = |range: std::ops::Range<usize>| -> BTreeSet<usize> {
        range.map(|len| initiator.send(&vec![b'x'; len]).unwrap().len()).collect()
    };
    assert_eq!(lens(0..128).len(), 1, "whatever is short has one size");
    let classes = lens(0..2000);
    assert!(classes.len() <= 3 * 16 + 2, "16 classes an octave, not {}", classes.len());
}

#[test]
fn a_handshake_shows_the_length_of_the_device_list_in_steps_of_512_bytes() {
    let mut responder = Side::new("bob", 1);
    let mut initiator = Side::new("alice", 2);
    let mut lens = BTreeSet::new();
    for count in 1..=16 {
        let bundle = responder.bundle(true);
        initiator.initiate(&user("bob"), &bundle);
        let envelope = initiator.send(b"first").unwrap();
        let mut first = Fields::decode(Fields::decode(&envelope).bytes(2));
        let len = Fields::decode(first.bytes(1)).bytes(4).len();
        assert_eq!((len - 16) % 512, 0, "{count} devices");
        lens.insert(len);
        if count < 16 {
            let device = Device::generate(user("alice"), &mut initiator.rng);
            initiator.account.add(device.entry(&initiator.account.key())).unwrap();
        }
    }
    assert!(lens.len() > 2 && lens.len() <= 9, "{lens:?}");
}

#[test]
fn notices_and_numbered_messages_have_one_size() {
    let (mut initiator, _) = pair(1);
    let numbered = initiator.send(b"text").unwrap();
    let id = MessageId::generate(&mut initiator.rng);
    let notice =
        initiator.encrypt(Body::Content { id, content: b"" }, Numbers::Unnumbered).unwrap();
    let control = subrosa::wire::Control::HighestGeneration(1);
    let control = initiator.encrypt(Body::Control(control), Numbers::Unnumbered).unwrap();
    assert_eq!([notice.len(), control.len()], [numbered.len(); 2]);
}

// Promise 6 as far as handshakes go: nothing is replayed, nothing is drained.

#[test]
fn a_replayed_handshake_is_refused_with_and_without_a_one_time_prekey() {
    for with_one_time in [true, false] {
        let mut responder = Side::new("bob", 1);
        let mut initiator = Side::new("alice", 2);
        let bundle = responder.bundle(with_one_time);
        initiator.initiate(&user("bob"), &bundle);
        let envelope = initiator.send(b"pay").unwrap();
        responder.receive(&envelope).unwrap();
        assert_eq!(responder.receive(&envelope).unwrap_err(), DecryptError::Duplicate);
        // Even when the session is long gone.
        responder.peer = None;
        let error = responder.receive(&envelope).unwrap_err();
        let expected = match with_one_time {
            true => HandshakeError::UnknownPrekey,
            false => HandshakeError::Replayed,
        };
        assert_eq!(error, DecryptError::Handshake(expected));
    }
}

#[test]
fn naming_a_prekey_does_not_use_it_up() {
    let mut responder = Side::new("bob", 1);
    let mut initiator = Side::new("alice", 2);
    let bundle = responder.bundle(true);
    initiator.initiate(&user("bob"), &bundle);
    let genuine = initiator.send(b"hello").unwrap();
    for path in [[2, 1], [2, 2]] {
        for place in [0, 1, 20] {
            for number in [1, 2] {
                let damaged = edit(&genuine, &path, |message| {
                    message.bytes(number)[place] ^= 1;
                });
                let before = responder.state();
                responder.receive(&damaged).unwrap_err();
                assert!(responder.state() == before);
            }
        }
    }
    assert_eq!(text(&responder.receive(&genuine).unwrap()), b"hello");
}

#[test]
fn a_handshake_without_its_one_time_prekey_is_refused() {
    // A downgrade: the directory hands out a one-time prekey, the network wants the
    // responder to do without. The ids are sealed and in the transcript.
    let mut responder = Side::new("bob", 1);
    let mut initiator = Side::new("alice", 2);
    let bundle = responder.bundle(true);
    initiator.initiate(&user("bob"), &bundle);
    let envelope = Envelope::decode(&initiator.send(b"hello").unwrap()).unwrap();
    let Envelope::FirstMessage { handshake, .. } = &envelope else { panic!("{envelope:?}") };
    let key = responder.account.key();
    let opening = Opening::receive(&responder.device, &key, handshake).unwrap();
    assert!(opening.prekeys().one_time.is_some());
    let responded = opening.respond(&responder.signed, None, &ReplayRecord::new());
    assert_eq!(responded.unwrap_err(), HandshakeError::UnknownPrekey);
    // With another signed prekey, or another one-time prekey: not the one that was named.
    let opening = Opening::receive(&responder.device, &key, handshake).unwrap();
    let other = PrekeySecret::signed(&responder.device, responder.now, &mut responder.rng);
    let one_time = responder.one_time.last();
    let responded = opening.respond(&other, one_time, &ReplayRecord::new());
    assert_eq!(responded.unwrap_err(), HandshakeError::UnknownPrekey);
    let opening = Opening::receive(&responder.device, &key, handshake).unwrap();
    let other = PrekeySecret::one_time(&responder.device, responder.now, &mut responder.rng);
    let responded = opening.respond(&responder.signed, Some(&other), &ReplayRecord::new());
    assert_eq!(responded.unwrap_err(), HandshakeError::UnknownPrekey);
}

#[test]
fn a_handshake_for_one_device_cannot_be_answered_by_another() {
    let mut responder = Side::new("bob", 1);
    let other = Side::new("carol", 3);
    let mut initiator = Side::new("alice", 2);
    let bundle = responder.bundle(true);
    initiator.initiate(&user("bob"), &bundle);
    let envelope = Envelope::decode(&initiator.send(b"hello").unwrap()).unwrap();
    let Envelope::FirstMessage { handshake, .. } = &envelope else { panic!("{envelope:?}") };
    let opening = Opening::receive(&other.device, &other.account.key(), handshake);
    assert_eq!(opening.unwrap_err(), HandshakeError::Refused);
}

#[test]
fn an_implausible_generation_is_refused_and_does_not_block_the_next() {
    let mut responder = Side::new("bob", 1);
    let mut initiator = Side::new("alice", 2);
    let bundle = responder.bundle(true);
    initiator.initiate(&user("bob"), &bundle);
    let first = initiator.send(b"first").unwrap();
    responder.receive(&first).unwrap();
    initiator.now = Timestamp::from_secs(START + (1 << 25));
    let signed = PrekeySecret::from_record(&responder.signed.record(), responder.address());
    let signed = signed.unwrap();
    let bundle = {
        let mut later = Side::new("bob", 1);
        later.now = initiator.now;
        later.signed = PrekeySecret::signed(&later.device, later.now, &mut later.rng);
        responder.signed =
            PrekeySecret::from_record(&later.signed.record(), responder.address()).unwrap();
        later.bundle(false)
    };
    initiator.initiate(&user("bob"), &bundle);
    // The initiator still sends in the confirmed session, or in the newest of its own.
    let envelope = initiator.send(b"from the future").unwrap();
    let before = responder.state();
    let error = responder.receive(&envelope).unwrap_err();
    assert_eq!(error, DecryptError::Handshake(HandshakeError::Refused));
    assert!(responder.state() == before);
    // Once its clock is right, the initiator does not begin above that.
    initiator.now = responder.now;
    responder.signed = signed;
    let bundle = responder.bundle(false);
    initiator.initiate(&user("bob"), &bundle);
    let envelope = initiator.send(b"from now").unwrap();
    assert_eq!(text(&responder.receive(&envelope).unwrap()), b"from now");
    let answer = responder.send(b"answer").unwrap();
    assert_eq!(text(&initiator.receive(&answer).unwrap()), b"answer");
    let envelope = initiator.send(b"from then on").unwrap();
    assert_eq!(text(&responder.receive(&envelope).unwrap()), b"from then on");
}

// Promise 7: a restored state repeats no key and nonce, and is noticed.

#[test]
fn copies_of_one_state_never_seal_under_the_same_key_and_nonce() {
    let (initiator, _) = pair(1);
    let mut salts = BTreeSet::new();
    let mut tags = BTreeSet::new();
    for seed in 0..200 {
        let mut copy = load(&initiator.rows);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let body = Body::Content { id: MessageId::generate(&mut rng), content: b"copy" };
        let (view, now) = (initiator.view(), initiator.now);
        let sent = copy.encrypt(body, Numbers::Next, view, now, &mut rng).unwrap().saved();
        let head = head_of(&sent.envelope);
        tags.insert(head[..8].to_vec());
        salts.insert(head[8..16].to_vec());
    }
    // A copy whose turn it is to step makes its own ratchet key: here it is not.
    assert_eq!(tags.len(), 1, "all copies are at the same number of the same chain");
    assert_eq!(salts.len(), 200, "the salt is in the key and in the nonce");
}

fn head_of(envelope: &[u8]) -> Vec<u8> {
    Fields::decode(Fields::decode(envelope).bytes(1)).bytes(1).clone()
}

#[test]
fn a_peer_that_was_rolled_back_is_noticed_by_its_first_message() {
    let (mut initiator, mut responder) = pair(1);
    let envelope = initiator.send(b"before").unwrap();
    responder.receive(&envelope).unwrap();
    let old = initiator.rows.clone();
    let envelope = initiator.send(b"after the backup").unwrap();
    responder.receive(&envelope).unwrap();
    initiator.peer = Some(load(&old));
    initiator.rows = old;
    let again = initiator.send(b"after the restore").unwrap();
    let before = responder.state();
    assert_eq!(responder.receive(&again).unwrap_err(), DecryptError::PeerRolledBack);
    assert!(responder.state() == before);
    // And the restored side learns it from what the peer has seen.
    let answer = responder.send(b"answer").unwrap();
    let delivered = initiator.receive(&answer).unwrap();
    assert_eq!(delivered.numbers, [NumberReport::RolledBack]);
}

#[test]
fn a_peer_rolled_back_into_an_older_chain_is_noticed() {
    let (mut initiator, mut responder) = pair(1);
    let envelope = initiator.send(b"last of its chain").unwrap();
    responder.receive(&envelope).unwrap();
    let old = initiator.rows.clone();
    let answer = responder.send(b"answer").unwrap();
    initiator.receive(&answer).unwrap();
    let envelope = initiator.send(b"of the next chain").unwrap();
    responder.receive(&envelope).unwrap();
    initiator.peer = Some(load(&old));
    initiator.rows = old;
    // The next number of a chain that was closed before it.
    let again = initiator.send(b"after the restore").unwrap();
    assert_eq!(responder.receive(&again).unwrap_err(), DecryptError::PeerRolledBack);
}

#[test]
fn what_was_not_saved_was_not_sent() {
    // The envelope is inside `Unsaved` until `saved` is called; a crash before that is
    // an old state whose message never left: nobody notices, nothing is lost.
    let (mut initiator, mut responder) = pair(1);
    let view = initiator.view();
    let id = MessageId::generate(&mut initiator.rng);
    let body = Body::Content { id, content: b"never left" };
    let peer = initiator.peer.as_mut().unwrap();
    let unsaved: Unsaved<_, PeerRow> =
        peer.encrypt(body, Numbers::Next, view, initiator.now, &mut initiator.rng).unwrap();
    drop(unsaved);
    initiator.peer = Some(load(&initiator.rows));
    let envelope = initiator.send(b"after the crash").unwrap();
    let delivered = responder.receive(&envelope).unwrap();
    assert_eq!(text(&delivered), b"after the crash");
    assert!(delivered.numbers.is_empty() && !delivered.peer_rolled_back);
}

// Beside the promises: what broke others.

#[test]
fn a_damaged_copy_does_not_use_up_the_key_of_the_genuine_message() {
    let (mut initiator, mut responder) = pair(1);
    let genuine = initiator.send(b"genuine").unwrap();
    for place in 0..genuine.len() {
        let mut damaged = genuine.clone();
        damaged[place] ^= 0x40;
        let before = responder.state();
        responder.receive(&damaged).unwrap_err();
        assert!(responder.state() == before);
    }
    assert_eq!(text(&responder.receive(&genuine).unwrap()), b"genuine");
}

#[test]
fn deeply_nested_and_oversized_protobuf_is_refused() {
    let mut nested = Vec::new();
    for _ in 0..20_000 {
        let mut outer = vec![0x12];
        let mut len = nested.len();
        while len >= 0x80 {
            outer.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
            len >>= 7;
        }
        outer.push(u8::try_from(len).unwrap());
        outer.extend_from_slice(&nested);
        nested = outer;
        if nested.len() > 100_000 {
            break;
        }
    }
    assert!(Envelope::decode(&nested).is_err());
    assert!(PrekeyBundle::decode(&nested).is_err());
    assert!(Envelope::decode(&vec![0; 128 * 1024 + 1]).is_err());
    assert!(Session::from_record(&nested, |_| None).is_err());
}
