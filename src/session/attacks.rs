//! Promise 8, attacked by a judge: the recipient makes a whole conversation alone. And
//! a peer that keeps to the cryptography, but not to the payload's rules.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Body, Content, DecryptError, Outgoing, Session, padding};
use crate::Timestamp;
use crate::address::UserId;
use crate::handshake::attacks::Responder;
use crate::handshake::{Opening, ReplayRecord, initiate};
use crate::identity::{Account, Device, View};
use crate::ratchet::Log;
use crate::wire::{
    Control, DecodeError, Envelope, ListVersions, Message, MessageId, append_shards, pad,
};

fn say(session: &mut Session, content: &[u8], rng: &mut ChaCha8Rng, now: Timestamp) -> Envelope {
    let body = Body::Content { id: MessageId::generate(rng), content };
    let outgoing = Outgoing { body, seq: 0, last: None, seen: None, view: View(0) };
    let bytes = session.encrypt(&outgoing, now, rng).unwrap().saved();
    Envelope::decode(&bytes).unwrap()
}

fn text(content: &Content) -> &[u8] {
    match content {
        Content::Message { plaintext, .. } => plaintext.as_bytes(),
        other => panic!("not a message: {other:?}"),
    }
}

#[test]
fn the_recipient_alone_can_make_the_whole_transcript() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let judge = Responder::new(&mut rng);
    // All that is public of the other side; her private keys are dropped at once.
    let (victim, list) = {
        let device = Device::generate(UserId::new("alice").unwrap(), &mut rng);
        let list = Account::create(&device, &mut rng).device_list().clone();
        (device.address().clone(), list)
    };
    let forged = judge.forge(&list, victim.device, &mut rng);
    let mut puppet = Session::initiate(forged, judge.now);
    let first = say(&mut puppet, b"I owe you a thousand", &mut rng, judge.now);

    // Every check that the recipient's device makes of a genuine conversation holds.
    let Envelope::FirstMessage { handshake, message } = &first else { panic!("{first:?}") };
    let key = judge.account.key();
    let opening = Opening::receive(&judge.device, &key, handshake).unwrap();
    let responded = opening.respond(&judge.signed, None, &ReplayRecord::new()).unwrap();
    let accepted = Session::accept(responded, message, judge.now).unwrap().saved();
    assert_eq!(accepted.sender, victim);
    assert_eq!(text(&accepted.received.content), b"I owe you a thousand");
    let mut session = accepted.session;
    for turn in 0..100 {
        let answer = say(&mut session, b"when?", &mut rng, judge.now);
        let _ = puppet.decrypt(answer.message(), judge.now).unwrap();
        let promise = say(&mut puppet, b"tomorrow", &mut rng, judge.now);
        let received = session.decrypt(promise.message(), judge.now).unwrap().saved();
        assert_eq!(text(&received.content), b"tomorrow", "turn {turn}");
    }
    assert!(session.epochs_mixed() >= 2, "post-quantum epochs included");
}

/// A pair in conversation: initiator's and responder's session.
fn pair(rng: &mut ChaCha8Rng) -> (Session, Session, Timestamp) {
    let responder = Responder::new(rng);
    let now = responder.now;
    let device = Device::generate(UserId::new("alice").unwrap(), rng);
    let account = Account::create(&device, rng);
    let (list, them) = (account.device_list(), responder.verified());
    let initiated = initiate(&device, list, &them, now.as_secs(), now, rng).unwrap();
    let mut ours = Session::initiate(initiated, now);
    let first = say(&mut ours, b"hello", rng, now);
    let Envelope::FirstMessage { handshake, message } = &first else { panic!("{first:?}") };
    let key = responder.account.key();
    let opening = Opening::receive(&responder.device, &key, handshake).unwrap();
    let responded = opening.respond(&responder.signed, None, &ReplayRecord::new()).unwrap();
    let accepted = Session::accept(responded, message, now).unwrap().saved();
    (ours, accepted.session, now)
}

/// Sends this payload as it stands, sealed as it should be.
fn inject(session: &mut Session, payload: &[u8], rng: &mut ChaCha8Rng) -> Message {
    session.ratchet.prepare_send(&mut Log::default(), rng).unwrap();
    let (head, sealed) = session.ratchet.seal(payload, rng).unwrap();
    Message { head: head.to_bytes(), sealed }
}

#[test]
fn a_damaged_control_message_never_panics_and_is_used_up() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut hostile, mut session, now) = pair(&mut rng);
    let list = Responder::new(&mut rng).account.device_list().clone();
    let versions = ListVersions {
        own_version: 1,
        own_hash: *list.hash(),
        their_version: 2,
        their_hash: [9; 32],
        own_list: Some(list.signed().clone()),
    };
    let body = Body::Control(Control::Lists(Box::new(versions)));
    let outgoing = Outgoing { body, seq: 0, last: None, seen: None, view: View(3) };
    let genuine = outgoing.to_payload().encode(padding::padded_len).to_vec();
    let (mut malformed, mut lists) = (0, 0);
    for bit in 0..genuine.len() * 8 {
        let mut payload = genuine.clone();
        payload[bit / 8] ^= 1 << (bit % 8);
        pad(&mut payload, padding::padded_len(genuine.len()));
        let message = inject(&mut hostile, &payload, &mut rng);
        match session.decrypt(&message, now).unwrap().saved().content {
            Content::Malformed(_) => malformed += 1,
            Content::Control(Control::Lists(_)) => lists += 1,
            _ => {}
        }
        assert_eq!(session.decrypt(&message, now).unwrap_err(), DecryptError::Duplicate);
    }
    assert!(malformed > 100 && lists > 100, "{malformed} malformed, {lists} lists");
}

#[test]
fn a_hostile_payload_is_malformed_or_content_and_the_conversation_goes_on() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut hostile, mut session, now) = pair(&mut rng);
    let body = Body::Content { id: MessageId::generate(&mut rng), content: b"text" };
    let outgoing = Outgoing { body, seq: 7, last: None, seen: None, view: View(3) };
    let mut genuine = outgoing.to_payload().encode(padding::padded_len).to_vec();
    append_shards(&mut genuine, &[[1, 0].as_slice(), &[9; 64]].concat());
    pad(&mut genuine, 256);
    let cut = (1..genuine.len()).map(|len| genuine[..len].to_vec());
    let flipped = (0..genuine.len() * 8).map(|bit| {
        let mut payload = genuine.clone();
        payload[bit / 8] ^= 1 << (bit % 8);
        payload
    });
    let (mut malformed, mut taken) = (0, 0);
    for payload in cut.chain(flipped).collect::<Vec<_>>() {
        let message = inject(&mut hostile, &payload, &mut rng);
        match session.decrypt(&message, now).unwrap().saved().content {
            Content::Malformed(_) => malformed += 1,
            _ => taken += 1,
        }
        // Its key is used up all the same.
        assert_eq!(session.decrypt(&message, now).unwrap_err(), DecryptError::Duplicate);
    }
    assert!(malformed > 500 && taken > 500, "{malformed} malformed, {taken} taken");
    let message = inject(&mut hostile, &[0; 256], &mut rng);
    let received = session.decrypt(&message, now).unwrap().saved();
    assert_eq!(received.content, Content::Malformed(DecodeError::Malformed("padding")));
    let envelope = say(&mut hostile, b"still here", &mut rng, now);
    let received = session.decrypt(envelope.message(), now).unwrap().saved();
    assert_eq!(text(&received.content), b"still here");
}
