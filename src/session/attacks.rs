//! Promise 8, attacked by a judge: the recipient makes a whole conversation alone. And
//! a peer that keeps to the cryptography, but not to the payload's rules.

use std::mem::discriminant;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Body, Content, DecryptError, Outgoing, Session, padding};
use crate::Timestamp;
use crate::address::UserId;
use crate::crypto::{Secret, SecretBytes};
use crate::handshake::attacks::Responder;
use crate::handshake::{Opening, ReplayRecord, initiate};
use crate::identity::{Account, Device, View};
use crate::ratchet::Log;
use crate::wire::{
    ChainId, Control, DecodeError, Envelope, EnvelopeName, ListVersions, Message, MessageId,
    NotOpened, NumberRange, Payload, Replaced, SenderKeyDistribution, append_shards, pad,
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

/// One control message of each kind.
fn control_messages(rng: &mut ChaCha8Rng) -> Vec<Control> {
    let list = Responder::new(rng).account.device_list().clone();
    let versions = ListVersions {
        own_version: 1,
        own_hash: *list.hash(),
        their_version: 2,
        their_hash: [9; 32],
        own_list: Some(list.signed().clone()),
    };
    let ranges = [(1, 1), (300, 70_000)].map(|(first, last)| NumberRange::new(first, last));
    let ranges: Vec<_> = ranges.into_iter().flatten().collect();
    let names = vec![EnvelopeName { tag: [1; 8], salt: [2; 8] }; 3];
    let chain_id = ChainId::from_bytes([4; 8]);
    let sender_key = SenderKeyDistribution {
        group_id: [5; 32],
        chain_id,
        chain_key: Secret::copy_from(&[6; 32]),
        header_seed: Secret::copy_from(&[7; 32]),
        verifying_key: [8; 32],
        iteration: 9,
        replaced: Some(Replaced { chain_id, length: 10 }),
        missed: 3,
        replaced_missed: 4,
        ended: Some(Replaced { chain_id: ChainId::from_bytes([3; 8]), length: 11 }),
        lost_before: 12,
    };
    vec![
        Control::Lists(Box::new(versions)),
        Control::Ask(ranges.clone()),
        Control::Unavailable(ranges),
        Control::NotOpened(NotOpened { names, ephemerals: vec![[3; 32]; 2] }),
        Control::SignOfLife,
        Control::Sign,
        Control::SenderKeySaved(sender_key.acknowledgement()),
        Control::SenderKey(Box::new(sender_key)),
    ]
}

fn payload_of(control: Control) -> Vec<u8> {
    let body = Body::Control(control);
    let outgoing = Outgoing { body, seq: 0, last: None, seen: None, view: View(3) };
    outgoing.to_payload().encode(padding::padded_len).to_vec()
}

#[test]
fn a_damaged_control_message_never_panics_and_is_used_up() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut hostile, mut session, now) = pair(&mut rng);
    for control in control_messages(&mut rng) {
        let genuine = payload_of(control.clone());
        let (mut malformed, mut of_its_kind) = (0, 0);
        for bit in 0..genuine.len() * 8 {
            let mut payload = genuine.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            pad(&mut payload, padding::padded_len(genuine.len()));
            let message = inject(&mut hostile, &payload, &mut rng);
            match session.decrypt(&message, now).unwrap().saved().content {
                Content::Malformed(_) => malformed += 1,
                Content::Control(other) if discriminant(&other) == discriminant(&control) => {
                    of_its_kind += 1;
                }
                _ => {}
            }
            assert_eq!(session.decrypt(&message, now).unwrap_err(), DecryptError::Duplicate);
        }
        let least = if matches!(control, Control::Lists(_)) { 100 } else { 10 };
        assert!(
            malformed > least && of_its_kind > least,
            "{control:?}: {malformed}, {of_its_kind}"
        );
    }
}

#[test]
fn a_control_message_that_breaks_a_rule_is_malformed() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (mut hostile, mut session, now) = pair(&mut rng);
    let range = NumberRange::new(5, 9).unwrap();
    let name = EnvelopeName { tag: [1; 8], salt: [2; 8] };
    let not_opened = |names, ephemerals| {
        let (names, ephemerals) = (vec![name; names], vec![[3; 32]; ephemerals]);
        Control::NotOpened(NotOpened { names, ephemerals })
    };
    let mut says = |payload: Vec<u8>| {
        let mut padded = payload.clone();
        pad(&mut padded, padding::padded_len(payload.len()));
        let message = inject(&mut hostile, &padded, &mut rng);
        session.decrypt(&message, now).unwrap().saved().content
    };
    for most in [Control::Ask(vec![range; 100]), not_opened(100, 0), not_opened(60, 40)] {
        assert_eq!(says(payload_of(most.clone())), Content::Control(most));
    }
    let too_many = [
        Control::Ask(vec![range; 101]),
        Control::Unavailable(vec![range; 101]),
        not_opened(101, 0),
        not_opened(60, 41),
    ];
    for control in too_many {
        assert!(matches!(says(payload_of(control)), Content::Malformed(_)));
    }
    let raw: [&[u8]; 5] = [
        // A range from 0, a range that ends before it begins, one without an end.
        &[0x42, 6, 0x1a, 4, 0x0a, 2, 0x10, 3],
        &[0x42, 8, 0x1a, 6, 0x0a, 4, 0x08, 4, 0x10, 3],
        &[0x42, 6, 0x22, 4, 0x0a, 2, 0x08, 3],
        // A part of a name, a part of an `E`.
        &[0x42, 12, 0x2a, 10, 0x0a, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x42, 5, 0x2a, 3, 0x12, 1, 9],
    ];
    for payload in raw {
        assert!(matches!(says(payload.to_vec()), Content::Malformed(_)), "{payload:02x?}");
    }
}

#[test]
fn content_beside_a_control_message_and_content_that_is_too_long_are_malformed() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut hostile, mut session, now) = pair(&mut rng);
    let mut is_malformed = |body: usize, control: Option<Control>| {
        let body = SecretBytes::new(vec![7; body]);
        let genuine = Outgoing {
            body: Body::Control(Control::Sign),
            seq: 0,
            last: None,
            seen: None,
            view: View(3),
        };
        let payload = Payload { body, control, ..genuine.to_payload() };
        let mut payload = payload.encode(padding::padded_len).to_vec();
        let padded = padding::padded_len(payload.len());
        pad(&mut payload, padded);
        let message = inject(&mut hostile, &payload, &mut rng);
        let received = session.decrypt(&message, now).unwrap().saved();
        matches!(received.content, Content::Malformed(_))
    };
    for len in 0..40 {
        assert_eq!(is_malformed(len, Some(Control::Sign)), len > 0);
        // An id alone is content that is empty.
        assert_eq!(is_malformed(len, None), len < 16);
    }
    for len in 65_535..65_538 {
        assert_eq!(is_malformed(16 + len, None), len > 65_536);
    }
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
