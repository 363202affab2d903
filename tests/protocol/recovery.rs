//! What happens when a device loses its state, a clock goes wrong, or an envelope comes
//! at the worst time: the two sides find together again.

use rand::Rng;
use subrosa::Timestamp;
use subrosa::handshake::{HandshakeError, PrekeySecret};
use subrosa::session::{
    Content, DecryptError, Delivered, FIRST_CHAIN_LIFETIME, NumberReport, Peer, PeerRow,
};

use crate::side::{START, Side, pair, text};

/// Sends and receives one message; what it was is checked.
fn deliver(from: &mut Side, to: &mut Side, content: &[u8]) -> Delivered {
    let envelope = from.send(content).unwrap();
    let delivered = to.receive(&envelope).unwrap();
    assert_eq!(text(&delivered), content);
    delivered
}

/// The same device with its identity and nothing else, having begun a session.
fn restored(lost: &Side, other: &mut Side, now: Timestamp) -> Side {
    let mut side = Side::new("alice", 6);
    assert_eq!(side.address(), lost.address());
    side.now = now;
    let bundle = other.bundle(true);
    side.initiate(&other.address().user.clone(), &bundle);
    side
}

#[test]
fn what_a_restored_device_says_is_never_taken_for_a_duplicate() {
    for count in [1_500, 70_000_u32] {
        let (mut lost, mut other) = pair(6);
        for _ in 0..count {
            let envelope = lost.send(b"").unwrap();
            other.receive(&envelope).unwrap();
        }
        let now = Timestamp::from_secs(START + 3600);
        let mut restored = restored(&lost, &mut other, now);
        let delivered = deliver(&mut restored, &mut other, b"I am back");
        assert!(!delivered.repeated);
        assert_eq!(delivered.numbers, [NumberReport::FarBehind]);
        let answer = deliver(&mut other, &mut restored, b"welcome");
        assert!(answer.numbers.contains(&NumberReport::RolledBack));
        let delivered = deliver(&mut restored, &mut other, b"counting on");
        assert_eq!((delivered.repeated, delivered.numbers.as_slice()), (false, &[][..]));
        assert_eq!(delivered.seq, u64::from(count) + 2);
    }
}

#[test]
fn all_that_a_restored_device_says_before_it_is_answered_is_heard() {
    // Its numbers are remembered under other ids, or too old to be.
    for (count, reports) in [(5, &[][..]), (1_500_u32, &[NumberReport::FarBehind])] {
        let (mut lost, mut other) = pair(6);
        for _ in 0..count {
            let envelope = lost.send(b"").unwrap();
            other.receive(&envelope).unwrap();
        }
        let now = Timestamp::from_secs(START + 3600);
        let mut restored = restored(&lost, &mut other, now);
        // Its ids are not those that it made before.
        restored.rng.fill_bytes(&mut [0; 4096]);
        for content in [b"I am back", b"anybody?!", b"who hears"] {
            let delivered = deliver(&mut restored, &mut other, content);
            assert_eq!((delivered.repeated, delivered.numbers.as_slice()), (false, reports));
            other.reload();
        }
    }
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let (lost, mut other) = pair(6);
    let slow = Timestamp::from_secs(START - 86_400);
    let mut restored = restored(&lost, &mut other, slow);
    for _ in 0..3 {
        let delivered = deliver(&mut restored, &mut other, b"anybody?");
        // The network drops it.
        other.answer(&delivered).unwrap();
    }
    let delivered = deliver(&mut restored, &mut other, b"anybody?");
    let answer = other.answer(&delivered).unwrap();
    assert!(restored.receive(&answer).unwrap().initiate_again);
}

#[test]
fn a_clock_that_was_years_ahead_before_a_reinstall_does_no_harm() {
    let mut other = Side::new("bob", 7);
    let mut ahead = Side::new("alice", 6);
    ahead.now = Timestamp::from_secs(START + 5 * 365 * 86_400);
    other.now = ahead.now;
    other.signed = PrekeySecret::signed(&other.device, ahead.now, &mut other.rng);
    let bundle = other.bundle(true);
    ahead.initiate(&other.address().user.clone(), &bundle);
    deliver(&mut ahead, &mut other, b"hello from the future");
    deliver(&mut other, &mut ahead, b"hi");
    other.now = Timestamp::from_secs(START);
    let mut restored = restored(&ahead, &mut other, Timestamp::from_secs(START));
    let delivered = deliver(&mut restored, &mut other, b"I am back");
    let answer = other.answer(&delivered).unwrap();
    assert!(restored.receive(&answer).unwrap().initiate_again);
    let bundle = other.bundle(true);
    restored.initiate(&other.address().user.clone(), &bundle);
    deliver(&mut restored, &mut other, b"and above it");
    deliver(&mut other, &mut restored, b"heard");
}

#[test]
fn a_receiver_that_lost_its_state_notices_gaps_again() {
    let (mut sender, mut receiver) = pair(6);
    let mut last = Vec::new();
    for number in 0..65_600_u32 {
        last = sender.send(b"").unwrap();
        if number % 900 == 0 {
            receiver.receive(&last).unwrap();
        }
    }
    receiver.receive(&last).unwrap();
    receiver.peer = None;
    receiver.rows.clear();
    let bundle = receiver.bundle(true);
    sender.initiate(&receiver.address().user.clone(), &bundle);
    let delivered = deliver(&mut sender, &mut receiver, b"to a fresh disk");
    // The second, because the sender has something that the receiver forgot to have sent.
    assert_eq!(delivered.numbers, [NumberReport::FarAhead, NumberReport::RolledBack]);
    sender.send(b"lost by the network").unwrap();
    let delivered = deliver(&mut sender, &mut receiver, b"and on");
    let missing = delivered.seq - 1;
    assert_eq!(delivered.numbers, [NumberReport::Gap { first: missing, last: missing }]);
}

#[test]
fn an_envelope_held_back_for_256_epochs_does_not_stop_the_post_quantum_ratchet() {
    let (mut one, mut other) = pair(11);
    let epochs = |side: &Side| side.peer().sessions()[0].epochs_mixed();
    // The padding of a long message carries a whole key.
    let turn = |one: &mut Side, other: &mut Side| {
        let mut content = vec![0; 60_000];
        one.rng.fill_bytes(&mut content);
        deliver(one, other, &content);
        deliver(other, one, &content);
    };
    for _ in 0..20 {
        if epochs(&one) == 2 && epochs(&other) == 2 {
            break;
        }
        turn(&mut one, &mut other);
    }
    let held_back = one.send(b"the first shards of a key").unwrap();
    for _ in 0..600 {
        if epochs(&one) == 258 && epochs(&other) == 258 {
            break;
        }
        turn(&mut one, &mut other);
    }
    assert_eq!([epochs(&one), epochs(&other)], [258, 258]);
    other.receive(&held_back).unwrap();
    for _ in 0..20 {
        turn(&mut one, &mut other);
    }
    assert!(epochs(&one) > 264 && epochs(&one) == epochs(&other));
}

#[test]
fn many_replacements_never_cost_the_session_that_works() {
    let (mut one, mut other) = pair(12);
    let on_the_way = other.send(b"written meanwhile").unwrap();
    for _ in 0..12 {
        let bundle = other.bundle(true);
        one.initiate(&other.address().user.clone(), &bundle);
    }
    assert_eq!(text(&one.receive(&on_the_way).unwrap()), b"written meanwhile");
}

#[test]
fn at_most_eight_sessions_are_kept_with_a_device() {
    let (mut one, mut other) = pair(12);
    for _ in 0..20 {
        let bundle = other.bundle(true);
        one.initiate(&other.address().user.clone(), &bundle);
        deliver(&mut one, &mut other, b"in yet another session");
        for side in [&one, &other] {
            assert!(side.peer().sessions().len() <= 8);
            let kept = side.rows.keys().filter(|row| matches!(row, PeerRow::Session(_)));
            assert_eq!(kept.count(), side.peer().sessions().len());
        }
    }
    assert_eq!(other.peer().sessions().len(), 8);
}

#[test]
fn a_replacement_that_nobody_answers_gives_way_after_fourteen_days() {
    let (mut one, mut other) = pair(13);
    let bundle = other.bundle(true);
    // The directory handed out a prekey that was used before.
    other.one_time.clear();
    one.initiate(&other.address().user.clone(), &bundle);
    let envelope = one.send(b"into the void").unwrap();
    let error = other.receive(&envelope).unwrap_err();
    assert_eq!(error, DecryptError::Handshake(HandshakeError::UnknownPrekey));
    one.now = one.now.after(FIRST_CHAIN_LIFETIME).after(std::time::Duration::from_secs(1));
    other.now = one.now;
    deliver(&mut one, &mut other, b"in the session from before");
}

#[test]
fn a_session_used_under_a_clock_that_was_ahead_is_not_believed_to_be_remembered() {
    let (mut one, mut other) = pair(13);
    one.now = Timestamp::from_secs(START + 3 * 365 * 86_400);
    deliver(&mut one, &mut other, b"sent under the wrong clock");
    one.now = Timestamp::from_secs(START + 86_400);
    one.expire();
    let bundle = other.bundle(true);
    one.initiate(&other.address().user.clone(), &bundle);
    deliver(&mut one, &mut other, b"in a session that is not answered");
    for side in [&mut one, &mut other] {
        side.now = Timestamp::from_secs(START + 40 * 86_400);
        side.expire();
        side.reload();
    }
    // The other has forgotten the session from before. Yet another one has to be begun.
    assert!(one.send(b"into the void").is_err());
}

#[test]
fn keys_kept_under_a_clock_that_was_ahead_go_in_time() {
    let (mut one, mut other) = pair(9);
    let early = one.send(b"skipped under the wrong clock").unwrap();
    other.now = Timestamp::from_secs(START + 10 * 365 * 86_400);
    deliver(&mut one, &mut other, b"received under the wrong clock");
    other.now = Timestamp::from_secs(START + 60);
    let late = one.send(b"skipped under the right clock").unwrap();
    deliver(&mut one, &mut other, b"received under the right clock");
    other.now = Timestamp::from_secs(START + 40 * 86_400);
    other.expire();
    other.reload();
    for envelope in [early, late] {
        assert_eq!(other.receive(&envelope).unwrap_err(), DecryptError::KeyGone);
    }
}

#[test]
fn another_account_with_the_same_address_gets_no_session() {
    let (_, mut other) = pair(6);
    let record = Side::new("alice", 6).device.record();
    let mut impostor = Side::new("alice", 99);
    // The address is but a name: an account of its own lists a device of that number.
    let number = crate::protobuf::Fields::decode(&record).find(2).clone();
    let own = crate::protobuf::edit(&impostor.device.record(), &[], |fields| {
        *fields.find(2) = number;
    });
    impostor.device = subrosa::identity::Device::from_record(&own).unwrap();
    impostor.account = subrosa::identity::Account::create(&impostor.device, &mut impostor.rng);
    impostor.signed = PrekeySecret::signed(&impostor.device, impostor.now, &mut impostor.rng);
    let bundle = other.bundle(true);
    impostor.initiate(&other.address().user.clone(), &bundle);
    let envelope = impostor.send(b"it is me").unwrap();
    let before = other.state();
    let error = other.receive(&envelope).unwrap_err();
    assert_eq!(error, DecryptError::Handshake(HandshakeError::OtherAccount));
    assert!(other.state() == before);
    // Nor does a session towards it begin.
    let bundle = impostor.bundle(true);
    let bundle = other.verify(&bundle, &impostor.address().user).unwrap();
    let list = other.account.device_list().clone();
    let peer: &mut Peer = other.peer.as_mut().unwrap();
    let prekeys = &bundle.devices()[0];
    let begun = peer.initiate(&other.device, &list, prekeys, other.now, &mut other.rng);
    assert_eq!(begun.unwrap_err(), HandshakeError::OtherAccount);
}

#[test]
fn a_control_message_takes_no_number() {
    use subrosa::session::{Body, Numbers};
    let (mut one, mut other) = pair(14);
    let control = Body::Control(subrosa::wire::Control::HighestGeneration(1));
    let envelope = one.encrypt(control, Numbers::Next).unwrap();
    let delivered = other.receive(&envelope).unwrap();
    assert!(matches!(delivered.content, Content::Control(_)));
    assert_eq!(delivered.seq, 0);
    assert_eq!(deliver(&mut one, &mut other, b"next").numbers, []);
}
