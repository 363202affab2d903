//! One conversation through two post-quantum epochs, over a network that loses,
//! repeats and reorders; then what a sender that breaks the rules could send.

use serde_json::Value;

use super::conversation::{Conversation, Say};
use super::model::{self, cat, pb_bytes};

pub(super) const SIDES: [&str; 2] = ["initiator", "responder"];

/// More rounds than two epochs take.
const MOST_ROUNDS: usize = 200;

pub(super) fn vectors() -> Value {
    let mut talk = Conversation::new(7);
    begin(&mut talk);
    let mut late = Vec::new();
    for round in 0..MOST_ROUNDS {
        if talk.epochs_mixed(0) == 2 && talk.epochs_mixed(1) == 2 {
            break;
        }
        late.extend(burst(&mut talk, 0, round));
        burst(&mut talk, 1, round);
    }
    assert_eq!([0, 1].map(|side| talk.epochs_mixed(side)), [2, 2]);
    alter(&mut talk);
    for number in [late[0], late[late.len() - 1]] {
        talk.receive(1, number, "opened");
    }
    break_rules(&mut talk);
    talk.into_json()
}

/// First messages: out of order, one twice, one lost; then an answer.
fn begin(talk: &mut Conversation) {
    let first = [&b"one"[..], b"two", b"three"].map(|text| talk.send(0, Say::Message(text)));
    for number in [first[1], first[0]] {
        talk.receive(1, number, "opened");
    }
    talk.receive(1, first[1], "duplicate");
    let answers = [&b"four"[..], b"five"].map(|text| talk.send(1, Say::Message(text)));
    for number in [answers[1], answers[0]] {
        talk.receive(0, number, "opened");
    }
    talk.receive(0, answers[1], "duplicate");
    // The one that was lost is sent again; then it turns up after all.
    let again = talk.send(0, Say::Again(first[2]));
    talk.receive(1, again, "opened");
    talk.receive(1, first[2], "opened");
}

/// A side sends some messages of different kinds and lengths; every fourth is lost, and
/// every other burst comes in reverse. Gives those that were lost.
fn burst(talk: &mut Conversation, side: usize, round: usize) -> Vec<usize> {
    let text = format!("round {round}, ");
    let long = text.repeat(60);
    let mut sent = vec![
        talk.send(side, Say::Message(text.as_bytes())),
        talk.send(side, Say::Notice(b"")),
        talk.send(side, Say::Message(&long.as_bytes()[..(round * 97) % 500])),
    ];
    match round {
        1 => sent.push(talk.send(side, Say::Generation(super::NOW))),
        3 => sent.push(talk.send(side, Say::Message(long.repeat(5).as_bytes()))),
        _ => {}
    }
    let (lost, mut arriving): (Vec<_>, Vec<_>) =
        sent.into_iter().partition(|number| number % 4 == 2);
    if round % 2 == 1 {
        arriving.reverse();
    }
    for number in arriving {
        talk.receive(1 - side, number, "opened");
    }
    lost
}

/// Envelopes that were altered on the way change nothing: the genuine one opens still.
fn alter(talk: &mut Conversation) {
    let number = talk.send(0, Say::Message(b"altered on the way"));
    let genuine = talk.carried[number].clone();
    // The head's field key and length.
    let head = genuine.envelope.windows(2).position(|bytes| bytes == [0x0a, 60]).unwrap() + 2;
    let mut flip = |what: &str, at: usize, outcome: &str| {
        let mut envelope = genuine.envelope.clone();
        envelope[at] ^= 1;
        let what = format!("envelope {number}: {what} altered");
        let forged = talk.forge(&what, genuine.chain, envelope);
        talk.receive(1, forged, outcome);
    };
    flip("tag", head, "unknown");
    flip("salt", head + 8, "not-opened");
    flip("ratchet key", head + 16, "not-opened");
    flip("number", head + 16 + 35, "not-opened");
    flip("previous length", head + 16 + 39, "not-opened");
    flip("pq_epoch", head + 16 + 43, "not-opened");
    flip("AEAD tag", genuine.envelope.len() - 1, "not-opened");
    talk.receive(1, number, "opened");
    talk.receive(1, number, "duplicate");
}

/// The initiator goes on in its chain as a sender would that breaks the rules, or
/// was rolled back to an old state.
fn break_rules(talk: &mut Conversation) {
    let chain = talk.sending_chain(0);
    let next = talk.steps.chains[chain].sent;
    let closed = (chain - 2, talk.steps.chains[chain - 2].sent);
    let mut forge_in = |chain: usize, what: &str, number: u32, padded: &[u8]| {
        let salt = talk.draws.bytes();
        let message = talk.steps.seal(chain, number, salt, padded);
        let what = format!("number {number} of chain {chain}: {what}");
        talk.forge(&what, chain, pb_bytes(1, &message))
    };
    let (id, plain) = ([7; 16], model::pad(&pb_bytes(1, b"seventeen bytes.."), 256));
    let ends = [
        (
            forge_in(closed.0, "the first behind the end of a closed chain", closed.1, &plain),
            "rolled-back",
        ),
        (forge_in(closed.0, "the second behind it", closed.1 + 1, &plain), "unknown"),
    ];
    let mut forge = |what: &str, number: u32, padded: &[u8]| forge_in(chain, what, number, padded);
    let said = |text: &[u8], more: &[u8]| {
        let payload = cat(&[&pb_bytes(1, &cat(&[&id, text])), more]);
        model::pad(&payload, model::padded_length(payload.len()))
    };
    let number = |seq| model::pb_varint(2, seq);
    let seen = cat(&[&model::pb_varint(5, 60_000), &model::pb_fixed32(6, 1)]);
    let padded = |payload: &[u8]| model::pad(payload, 256);
    let both = cat(&[&pb_bytes(1, &id), &pb_bytes(8, &model::pb_varint(1, super::NOW))]);
    let jump = next + 1600;
    let cases = [
        (forge("used again, with another salt", next - 1, &plain), "rolled-back"),
        (forge("payload without padding", next, &[0; 256]), "malformed"),
        (forge("payload with neither body nor control", next + 1, &padded(b"")), "malformed"),
        (forge("body of 15 bytes", next + 2, &padded(&pb_bytes(1, &id[1..]))), "malformed"),
        (forge("body and control", next + 3, &padded(&both)), "malformed"),
        (forge("payload that is no protobuf", next + 4, &padded(&[0xff; 16])), "malformed"),
        (forge("shards cut short", next + 5, &said(b"", &pb_bytes(9, &[3, 0, 1]))), "opened"),
        (forge("first seq again, with another id", next + 6, &said(b"", &number(1))), "opened"),
        (forge("seq far above all", next + 7, &said(b"", &number(1 << 20))), "opened"),
        (forge("seen that nobody sent", next + 8, &said(b"", &seen)), "opened"),
        (forge("more than 25,000 ahead", next + 25_010, &plain), "too-far"),
        (forge("far ahead", jump, &plain), "opened"),
        (forge("passed over and lost", jump - 1001, &plain), "key-gone"),
        (forge("passed over and kept", jump - 1000, &plain), "opened"),
    ];
    for (forged, outcome) in ends.into_iter().chain(cases) {
        talk.receive(1, forged, outcome);
    }
    talk.receive(1, cases[1].0, "duplicate");
}
