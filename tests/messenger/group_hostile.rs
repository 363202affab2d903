//! Members whose app breaks the rules, with all that their device has.

use std::time::Duration;

use prost::Message;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::content::call::{Call, Media, Offer};
use subrosa::content::{Request, Typing};
use subrosa::group::sender_key::{Outgoing, SendingChain};
use subrosa::group::{GroupId, Head, Roster};
use subrosa::handshake::PrekeyBundle;
use subrosa::identity::View;
use subrosa::{Clock, Content, EventKind, MessageId, Received, Rejection};

use crate::groups::{say, three_in_a_group};
use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a device keeps rosters, and its own chains.
const ROSTERS: u8 = 22;
const OWN_CHAINS: u8 = 28;

/// `OwnChain` of `messenger.proto`, as far as it is read here.
#[derive(Clone, PartialEq, Message)]
struct OwnChain {
    #[prost(bytes = "vec", tag = "1")]
    chain: Vec<u8>,
}

/// What a member's device has of a group, in the hands of another app.
struct Hostile {
    chain: SendingChain,
    head: Head,
    view: View,
    rng: ChaCha8Rng,
}

impl Hostile {
    fn of(device: &Device, group: &GroupId, world: &mut World) -> Self {
        let rows = |table| {
            let mut rows = device.store.rows(table);
            rows.retain(|row| row.key.starts_with(group.as_bytes()));
            rows.into_iter().map(|row| row.value).collect::<Vec<_>>().concat()
        };
        let chain = OwnChain::decode(rows(OWN_CHAINS).as_slice()).unwrap().chain;
        let bundle = world.directory.bundle(&device.user()).unwrap();
        let bundle = PrekeyBundle::decode(&bundle).unwrap();
        let bundle = bundle.verify(&device.user(), world.clock.now()).unwrap();
        Self {
            chain: SendingChain::from_record(&chain).unwrap(),
            head: Roster::from_record(&rows(ROSTERS)).unwrap().head(),
            view: View::of_group_message(bundle.device_list()),
            rng: ChaCha8Rng::seed_from_u64(7),
        }
    }

    /// Whatever the rules of a group are.
    fn say(&mut self, content: &Content) -> Vec<u8> {
        let id = MessageId::generate(&mut self.rng);
        let content = &content.to_bytes();
        let outgoing = Outgoing { id, content, view: self.view, roster: self.head };
        self.chain.encrypt(&outgoing, &mut self.rng).unwrap().saved().envelope
    }
}

/// Three in a group of whom each has the keys of the others.
fn three_who_talk(world: &mut World) -> (Device, Device, Device, GroupId) {
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(world);
    // Twice, since Bob and Carol had never met.
    for _ in 0..2 {
        for device in [&mut alice, &mut bob, &mut carol] {
            say(device, &group, "hello");
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    (alice, bob, carol, group)
}

#[test]
fn what_is_between_two_counts_nowhere_when_it_is_said_to_a_group() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_who_talk(&mut world);
    let text = say(&mut alice, &group, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let mut hostile = Hostile::of(&carol, &group, &mut world);
    let before = alice.told.len();
    let call = Call::begin(Offer::new(Media::Voice, "v=0", &mut hostile.rng), &mut hostile.rng);
    for content in [
        Content::timer(Some(DAY)),
        Content::read(&[text]),
        Content::viewed(&[text]),
        Content::typing(Typing::Started),
        Content::request(Request::Ask),
        Content::request(Request::Accepted),
        Content::call(call),
    ] {
        let envelope = hostile.say(&content);
        for device in [&mut alice, &mut bob] {
            let received = device.messenger.receive(&envelope).unwrap();
            assert_eq!(received, Received::Opened(Vec::new()));
            device.read();
        }
    }
    world.settle(&mut [&mut alice, &mut bob]);
    world.pass(2 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(alice.told.len(), before, "{:?}", alice.told);
}

/// `Envelope` of `envelope.proto`, of a message to a group.
#[derive(Clone, PartialEq, Message)]
struct RawEnvelope {
    #[prost(message, required, tag = "4")]
    message: RawMessage,
}

/// `GroupMessage` of `envelope.proto`.
#[derive(Clone, PartialEq, Message)]
struct RawMessage {
    #[prost(bytes = "vec", tag = "1")]
    head: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    sealed: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
}

/// Envelopes with parts of both, the first all of one, the last all of the other.
fn mixed(one: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
    let [one, other] = [one, other].map(|bytes| RawEnvelope::decode(bytes).unwrap().message);
    let whole = one.head.len();
    let mut all = Vec::new();
    for (of_head, sealed, signed) in [0, 8, 16, whole]
        .into_iter()
        .flat_map(|head| [false, true].map(|sealed| (head, sealed)))
        .flat_map(|(head, sealed)| [false, true].map(|signed| (head, sealed, signed)))
    {
        let head = [&other.head[..of_head], &one.head[of_head..]].concat();
        let sealed = if sealed { &other } else { &one }.sealed.clone();
        let signature = if signed { &other } else { &one }.signature.clone();
        all.push(RawEnvelope { message: RawMessage { head, sealed, signature } }.encode_to_vec());
    }
    all
}

#[test]
fn who_takes_the_tag_or_the_signature_of_another_member_keeps_no_message_back() {
    let mut world = World::new();
    let (mut alice, mut bob, carol, group) = three_who_talk(&mut world);
    let mut hostile = Hostile::of(&carol, &group, &mut world);
    say(&mut alice, &group, "genuine");
    world.carry(&mut alice);
    let mail = world.mail_of(&bob.address());
    let [(_, genuine)] = mail.as_slice() else { panic!("{} envelopes", mail.len()) };
    let false_friend = hostile.say(&Content::text("false friend"));
    let mut all = mixed(&false_friend, genuine);
    assert_eq!(all.pop().as_ref(), Some(genuine));
    assert_eq!(all.remove(0), false_friend);
    let texts = bob.texts().len();
    for envelope in &all {
        let received = bob.messenger.receive(envelope).unwrap();
        let refused = matches!(received, Received::Rejected(Rejection::Forged) | Received::Held);
        assert!(refused || received == Received::Undecryptable, "{received:?}");
    }
    for envelope in [genuine, &false_friend] {
        let received = bob.messenger.receive(envelope).unwrap();
        assert!(matches!(received, Received::Opened(events) if events.len() == 1));
        assert_eq!(bob.messenger.receive(envelope).unwrap(), Received::Duplicate);
    }
    world.pass(2 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts()[texts..], ["genuine", "false friend"]);
    assert!(!bob.told.iter().any(|kind| matches!(kind, EventKind::Lost { .. })));
}
