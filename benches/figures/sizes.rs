//! Bytes on the wire and on the disk.

use prost::Message;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::Run;
use crate::figure::Figure;
use crate::people::{Conversation, NOW, Person, outgoing};

/// An envelope of `envelope.proto`, as far as it takes to find the sealed payload.
#[derive(Clone, PartialEq, Message)]
struct Outer {
    #[prost(message, optional, tag = "1")]
    message: Option<Inner>,
}

/// A message of `envelope.proto`.
#[derive(Clone, PartialEq, Message)]
struct Inner {
    #[prost(bytes = "vec", tag = "2")]
    sealed: Vec<u8>,
}

/// The length of the padded payload in an envelope of a confirmed session.
pub(crate) fn padded_len(envelope: &[u8]) -> usize {
    let outer = Outer::decode(envelope).expect("an honest envelope");
    outer.message.expect("a message without handshake").sealed.len() - 16
}

/// What an envelope adds to the padded payload: the most, over contents of all sizes.
pub(crate) fn later_overhead(_: &Run) -> Vec<Figure> {
    let mut conversation = Conversation::new(2);
    let lengths = [0, 16, 100, 1000, 10_000, 20_000, 65_536];
    let overheads = lengths.map(|length| {
        let envelope = conversation.send(0, &vec![b'x'; length]);
        envelope.len() - padded_len(&envelope)
    });
    let most = overheads.into_iter().max().unwrap_or_default();
    vec![Figure::count("bytes_later_overhead", most as f64, "bytes", 92.0)]
}

/// What a first envelope has beside 16 bytes of content: one device, user ids of 16 bytes.
pub(crate) fn first_over_16(_: &Run) -> Vec<Figure> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let names = ["alice@example.de", "robert@example.x"];
    assert!(names.iter().all(|name| name.len() == 16));
    let [alice, bob] = names.map(|name| Person::new(name, &mut rng));
    let mut session = alice.initiate(&bob, &bob.bundle(true), &mut rng);
    let outgoing = outgoing(&[b'x'; 16], 1, alice.view(&bob));
    let envelope = session.encrypt(&outgoing, NOW, &mut rng).expect("a new session").saved();
    vec![Figure::count("bytes_first_over_16", (envelope.len() - 16) as f64, "bytes", 2100.0)]
}

/// The largest record of a confirmed session, of both ends, over 200 alternating messages.
pub(crate) fn session_record(_: &Run) -> Vec<Figure> {
    let mut conversation = Conversation::new(4);
    let mut largest = 0;
    for number in 0..200 {
        let envelope = conversation.send(number % 2, &[b'x'; 100]);
        conversation.receive(1 - number % 2, &envelope);
        let lengths = conversation.sides().each_ref().map(|session| session.record().len());
        largest = lengths.into_iter().max().unwrap_or_default().max(largest);
    }
    vec![Figure::count("bytes_session_record", largest as f64, "bytes", 1024.0)]
}
