//! Several sessions with one device (SPEC.md, sections 4.4 and 5.6): which generations are
//! taken, which session sends, which go.

use std::time::Duration;

use proptest::prelude::*;
use subrosa::Timestamp;
use subrosa::handshake::{HandshakeError, HandshakeId, Opening, ReplayRecord, initiate};
use subrosa::identity::View;
use subrosa::session::{Body, Content, DecryptError, EncryptError, Numbers, Outgoing, Session};
use subrosa::wire::{Control, Envelope, MessageId};

use crate::side::{START, Side, pair, save, text};

const DAY: Duration = Duration::from_secs(86_400);

/// A session of this generation from one to the other, and its first message.
fn begin(one: &mut Side, other: &mut Side, generation: u64) -> (Session, Vec<u8>) {
    let bundle = other.bundle(true);
    let bundle = one.verify(&bundle, &other.address().user).unwrap();
    let (list, them) = (one.account.device_list(), &bundle.devices()[0]);
    let view = View::new(list, bundle.device_list());
    let initiated = initiate(&one.device, list, them, generation, one.now, &mut one.rng).unwrap();
    let mut session = Session::initiate(initiated, one.now);
    let body = Body::Content { id: MessageId::generate(&mut one.rng), content: b"first" };
    let outgoing = Outgoing { body, seq: 0, last: None, seen: None, view };
    let envelope = session.encrypt(&outgoing, one.now, &mut one.rng).unwrap().saved();
    (session, envelope)
}

fn ids(side: &Side) -> Vec<HandshakeId> {
    side.peer().sessions().iter().map(Session::id).collect()
}

/// Begins another session; gives its id.
fn begin_another(one: &mut Side, other: &mut Side) -> HandshakeId {
    let bundle = other.bundle(true);
    one.initiate(&other.address().user.clone(), &bundle);
    *ids(one).last().unwrap()
}

/// A message in each direction.
fn talk(one: &mut Side, other: &mut Side) {
    let envelope = one.send(b"hello").unwrap();
    other.receive(&envelope).unwrap();
    let envelope = other.send(b"hi").unwrap();
    one.receive(&envelope).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_generation_is_taken_if_it_is_plausible_and_answered_if_it_is_not_above_ours(
        first in prop_oneof![Just((1 << 34) - 1), Just(1_u64 << 34), START - 9..START + 9],
        second in prop_oneof![-2..3_i64, (1 << 24) - 1..(1 << 24) + 3_i64],
    ) {
        let (mut one, mut other) = (Side::new("alice", 1), Side::new("bob", 2));
        let refused = DecryptError::Handshake(HandshakeError::Refused);
        let (_, envelope) = begin(&mut one, &mut other, first);
        let taken = other.receive(&envelope);
        if first >= 1 << 34 {
            prop_assert_eq!(taken.unwrap_err(), refused);
            return Ok(());
        }
        prop_assert!(taken.unwrap().answer.is_none());
        let known = first.max(START);
        let generation = known.saturating_add_signed(second);
        let (mut session, envelope) = begin(&mut one, &mut other, generation);
        let taken = other.receive(&envelope);
        if second > 1 << 24 {
            prop_assert_eq!(taken.unwrap_err(), refused);
            return Ok(());
        }
        let delivered = taken.unwrap();
        let sends = other.peer().sending_session(other.now).unwrap();
        let above = first.max(generation + 1);
        prop_assert_eq!(sends.generation(), first.max(generation));
        prop_assert_eq!(delivered.answer.is_some(), sends.id() != delivered.session);
        if let Some(answer) = other.answer(&delivered) {
            let answer = Envelope::decode(&answer).unwrap();
            let answer = session.decrypt(answer.message(), one.now).unwrap().saved();
            prop_assert_eq!(answer.content, Content::Control(Control::HighestGeneration(above)));
        }
    }

    #[test]
    fn a_session_is_begun_again_for_a_generation_above_the_known_that_is_plausible(
        // Who has taken no generation of the peer's yet takes any below 2^34.
        by_initiator: bool,
        named in prop_oneof![
            START - 2..START + 3,
            START + (1 << 24) - 1..START + (1 << 24) + 3,
            (1 << 34) - 1..(1 << 34) + 2_u64,
        ],
    ) {
        let (mut one, mut other) = pair(3);
        let (by, to) = if by_initiator { (&mut one, &mut other) } else { (&mut other, &mut one) };
        let mut initiates_again = |generation| {
            let control = Body::Control(Control::HighestGeneration(generation));
            let envelope = by.encrypt(control, Numbers::Unnumbered).unwrap();
            to.receive(&envelope).unwrap().initiate_again
        };
        let plausible =
            if by_initiator { named <= START + (1 << 24) } else { named < 1 << 34 };
        let taken = named > START && plausible;
        prop_assert_eq!(initiates_again(named), taken);
        prop_assert!(!initiates_again(named), "it is known by now, or as implausible as before");
        prop_assert_eq!(initiates_again(START + 1), !taken);
    }

    #[test]
    fn the_newest_that_is_known_sends_and_the_least_useful_goes_when_a_ninth_comes(
        fates in prop::collection::vec((any::<bool>(), prop::bool::weighted(0.3)), 8),
    ) {
        let (mut one, mut other) = (Side::new("alice", 1), Side::new("bob", 2));
        for (is_confirmed, is_given_up) in fates {
            let id = begin_another(&mut one, &mut other);
            if is_confirmed {
                talk(&mut one, &mut other);
            }
            if is_given_up {
                let peer = one.peer.as_mut().unwrap();
                let given_up = peer.give_up(id);
                save(&mut one.rows, peer, given_up);
            }
            one.reload();
            let sessions = one.peer().sessions();
            let newest = sessions.last().unwrap();
            prop_assert_eq!(newest.id(), id);
            prop_assert_eq!(newest.is_confirmed(), is_confirmed);
            prop_assert_eq!(newest.is_given_up(), is_given_up);
            // The first was begun as no replacement of another.
            let first = sessions[0].id();
            let rank = |session: &&Session| {
                (session.is_confirmed() || session.id() != first, session.generation())
            };
            let may_send = sessions.iter().filter(|session| !session.is_given_up());
            let sends = may_send.max_by_key(rank).map(Session::id);
            prop_assert_eq!(one.peer().sending_session(one.now).map(Session::id), sends);
        }
        let use_of = |session: &&Session| {
            (!session.is_given_up(), session.is_confirmed(), session.generation())
        };
        let least = one.peer().sessions().iter().min_by_key(use_of).unwrap().id();
        let mut left: Vec<_> = ids(&one).into_iter().filter(|id| *id != least).collect();
        left.push(begin_another(&mut one, &mut other));
        prop_assert_eq!(ids(&one), left);
    }
}

#[test]
fn a_session_goes_after_thirty_days_unless_it_sends_or_the_peer_may_send_in_it() {
    let (mut one, mut other) = pair(4);
    let late = other.send(b"late").unwrap();
    let used_late = ids(&one)[0];
    let unused = begin_another(&mut one, &mut other);
    talk(&mut one, &mut other);
    let theirs = begin_another(&mut one, &mut other);
    talk(&mut one, &mut other);
    // Of the next two the peer may have but the first.
    let next = begin_another(&mut one, &mut other);
    let sends = begin_another(&mut one, &mut other);
    one.now = one.now.after(20 * DAY);
    one.receive(&late).unwrap();
    for (wait, left) in [
        (10 * DAY, vec![used_late, unused, theirs, next, sends]),
        (Duration::from_secs(1), vec![used_late, theirs, next, sends]),
        (20 * DAY, vec![theirs, next, sends]),
        (1000 * DAY, vec![theirs, next, sends]),
    ] {
        one.now = one.now.after(wait);
        one.expire();
        one.reload();
        assert_eq!(ids(&one), left);
    }
}

#[test]
fn what_the_peer_began_sends_rather_than_a_first_of_ours_that_nobody_has_answered() {
    let (mut one, mut other) = (Side::new("alice", 9), Side::new("bob", 10));
    let theirs = begin_another(&mut other, &mut one);
    one.now = one.now.after(DAY);
    let ours = begin_another(&mut one, &mut other);
    assert_eq!(one.peer().sending_session(one.now).map(Session::id), Some(ours));
    let envelope = other.send(b"hello").unwrap();
    one.receive(&envelope).unwrap();
    one.reload();
    assert_eq!(one.peer().sending_session(one.now).map(Session::id), Some(theirs));
}

#[test]
fn the_newest_session_sends_also_when_an_older_one_was_used_since() {
    let (mut one, mut other) = pair(5);
    let late = other.send(b"late").unwrap();
    let newest = begin_another(&mut one, &mut other);
    talk(&mut one, &mut other);
    for side in [&mut one, &mut other] {
        side.now = side.now.after(40 * DAY);
    }
    assert_eq!(text(&one.receive(&late).unwrap()), b"late");
    let envelope = one.send(b"after a long silence").unwrap();
    assert_eq!(other.receive(&envelope).unwrap().session, newest);
}

#[test]
fn a_first_chain_ends_fourteen_days_after_its_bundle_was_fetched() {
    let (mut one, mut other) = (Side::new("alice", 6), Side::new("bob", 7));
    begin_another(&mut one, &mut other);
    one.now = one.now.after(14 * DAY);
    one.send(b"the last one").unwrap();
    // Too late; or the clock was ahead when the bundle was fetched.
    for now in [one.now.after(Duration::from_secs(1)), Timestamp::from_secs(START - 15 * 86_400)] {
        one.now = now;
        assert_eq!(one.send(b"too late").unwrap_err(), EncryptError::FirstChainExpired);
    }
}

#[test]
fn a_handshake_makes_one_session() {
    let (mut one, mut other) = pair(8);
    let (_, envelope) = begin(&mut one, &mut other, START + 1);
    let Envelope::FirstMessage { handshake, message } = Envelope::decode(&envelope).unwrap() else {
        panic!("a first message")
    };
    let key = other.account.key();
    let mut admit = || {
        let opening = Opening::receive(&other.device, &key, &handshake).unwrap();
        let one_time = other.one_time.last();
        let responded = opening.respond(&other.signed, one_time, &ReplayRecord::new()).unwrap();
        let accepted = Session::accept(responded, &message, other.now).unwrap();
        let peer = other.peer.as_mut().unwrap();
        peer.admit(accepted, &mut other.replays, other.now).map(|step| drop(step.saved()))
    };
    assert_eq!(admit(), Ok(()));
    assert_eq!(admit(), Err(HandshakeError::Refused), "its prekey was not deleted in time");
    assert_eq!(other.peer().sessions().len(), 2);
}
