//! Promise 8, attacked by a judge: the recipient makes a whole conversation alone.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Body, Content, Outgoing, Session};
use crate::Timestamp;
use crate::address::UserId;
use crate::handshake::attacks::Responder;
use crate::handshake::{Opening, ReplayRecord};
use crate::identity::{Account, Device, View};
use crate::wire::{Envelope, MessageId};

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
    assert_eq!(accepted.from, victim);
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
