//! Nothing secret is printed, by any type that an app can hold.

use std::fmt::Debug;

use subrosa::handshake::Opening;
use subrosa::identity::View;
use subrosa::session::{Body, Numbers, Outgoing, Peer, Session};
use subrosa::wire::{Envelope, MessageId};

use crate::protobuf::{Fields, Value};
use crate::side::{Side, pair};

const TEXT: &[u8] = b"the words nobody else may read";

/// Both ways in which a value can be printed.
fn printed(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// Panics if the beginning of a secret is in the text: as text, in hex, or as a list
/// of numbers.
fn assert_hidden(printed: &str, secret: &[u8]) {
    let start = &secret[..6.min(secret.len())];
    let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers: Vec<_> = start.iter().map(u8::to_string).collect();
    let tight = printed.split_whitespace().collect::<String>();
    assert!(!printed.to_lowercase().contains(&hex), "in hex: {printed}");
    assert!(!tight.contains(&numbers.join(",")), "as numbers: {printed}");
    assert!(!printed.contains(&*String::from_utf8_lossy(start)), "as text: {printed}");
}

/// The fields of 32 bytes in a record, but for some.
fn long_fields(record: &[u8], public: &[u64]) -> Vec<Vec<u8>> {
    let fields = Fields::decode(record).0.into_iter();
    let secret = fields.filter(|field| !public.contains(&field.number));
    let bytes = secret.filter_map(|field| match field.value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    });
    bytes.filter(|bytes| bytes.len() == 32).collect()
}

#[test]
fn no_key_and_no_plaintext_is_printed() {
    let (mut initiator, mut responder) = pair(1);
    let id = MessageId::generate(&mut initiator.rng);
    let body = Body::Content { id, content: TEXT };
    let outgoing =
        Outgoing { body: body.clone(), seq: 1, last: None, seen: None, view: initiator.view() };
    let mut output = printed(&body) + &printed(&outgoing);

    let (view, now) = (initiator.view(), initiator.now);
    let peer = initiator.peer.as_mut().unwrap();
    let unsaved = peer.encrypt(body, Numbers::Next, view, now, &mut initiator.rng).unwrap();
    output += &printed(&unsaved);
    let sent = unsaved.saved();
    output += &printed(&sent);
    assert!(output.contains("Unsaved"));
    let envelope = Envelope::decode(&sent.envelope).unwrap();
    output += &printed(&envelope);
    let unsaved = responder.peer.as_mut().unwrap().decrypt(&envelope, now).unwrap();
    output += &printed(&unsaved);
    output += &printed(&unsaved.saved());
    assert_hidden(&output, TEXT);
    let session = printed(&initiator.peer().sessions()[0]);
    assert!(session.contains("Session") && session.contains("confirmed"), "{session}");

    let mut secrets = Vec::new();
    for side in [&initiator, &responder] {
        output += &printed(&side.device);
        output += &printed(&side.account);
        output += &printed(&side.signed);
        output += &printed(&side.replays);
        output += &printed(&side.peer);
        let mut session = Fields::decode(&side.peer().sessions()[0].record());
        // Root key, private ratchet key, header keys, chains; but not public keys.
        let ratchet = session.bytes(10);
        secrets.extend(long_fields(ratchet, &[3, 4]));
        for field in Fields::decode(ratchet).0 {
            if let (7 | 8, Value::Bytes(chain)) = (field.number, field.value) {
                secrets.extend(long_fields(&chain, &[]));
            }
        }
        secrets.extend(long_fields(&side.device.record(), &[]));
        secrets.push(Fields::decode(&side.account.record()).bytes(1).clone());
        secrets.push(Fields::decode(&side.signed.record()).bytes(1).clone());
    }
    // The initiator's next send steps: it has no sending chain and no private key.
    // Each side: three or four of the ratchet, two a chain, two of the device, two seeds.
    assert_eq!(secrets.len(), (3 + 2 + 2 + 2) + (4 + 2 + 2 + 2 + 2));
    secrets.iter().for_each(|secret| assert_hidden(&output, secret));
}

#[test]
fn what_a_handshake_makes_prints_no_key() {
    let (mut initiator, mut responder) = (Side::new("alice", 1), Side::new("bob", 2));
    let bundle = responder.bundle(true);
    let them = responder.address().user.clone();
    let verified = initiator.verify(&bundle, &them).unwrap();
    let mut output = printed(&verified);
    initiator.initiate(&them, &bundle);
    let first = initiator.send(TEXT).unwrap();
    let Envelope::FirstMessage { handshake, message } = Envelope::decode(&first).unwrap() else {
        panic!("not a first message");
    };
    let key = responder.account.key();
    let opening = Opening::receive(&responder.device, &key, &handshake).unwrap();
    output += &printed(&opening);
    let one_time = responder.one_time.last();
    let responded = opening.respond(&responder.signed, one_time, &responder.replays).unwrap();
    output += &printed(&responded);
    let accepted = Session::accept(responded, &message, responder.now).unwrap();
    output += &printed(&accepted);
    let mut peer = Peer::new(initiator.address().clone());
    let delivered = peer.admit(accepted, &mut responder.replays, responder.now).unwrap();
    output += &printed(&delivered);
    output += &printed(&peer);
    assert_hidden(&output, TEXT);
    let mut session = Fields::decode(&peer.sessions()[0].record());
    let mut ratchet = Fields::decode(session.bytes(10));
    assert_hidden(&output, ratchet.bytes(1));
    assert_hidden(&output, Fields::decode(&responder.one_time[0].record()).bytes(1));
    // The test can fail: what is public is found.
    let list = responder.account.device_list();
    let view = printed(&View::new(list, list));
    assert!(!view.is_empty() && printed(&MessageId::from_bytes([7; 16])).contains("07"));
}

#[test]
fn errors_say_nothing_of_the_message() {
    let (mut initiator, mut responder) = pair(1);
    let envelope = initiator.send(TEXT).unwrap();
    let mut damaged = envelope.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let error = responder.receive(&damaged).unwrap_err();
    let printed = format!("{error} {error:?}");
    assert_hidden(&printed, &envelope[3..]);
    assert_hidden(&printed, TEXT);
}
