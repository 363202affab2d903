//! What people send besides text: that it arrives, whose it is, what counts of it, and what
//! its envelopes show.

use std::collections::BTreeSet;
use std::time::Duration;

use subrosa::content::call::{Answer, Call, EndReason, Media, Offer, Step};
use subrosa::content::poll::{self, Choices, Poll, Tally};
use subrosa::content::{
    Card, ContentError, Kind, Location, Quote, Reference, Request, Style, Text, Typing,
};
use subrosa::testing::{ManualClock, seeded};
use subrosa::{
    Action, Clock, Content, Error, EventKind, Message, MessageId, Messenger, Options, Received,
    Status, store::MemoryStore,
};

use crate::groups::three_in_a_group;
use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn rng() -> rand::rngs::ChaCha8Rng {
    rand::SeedableRng::seed_from_u64(9)
}

/// Everything that a device was told others have said.
fn heard(device: &Device) -> Vec<&Message> {
    let said = device.told.iter().filter_map(|kind| match kind {
        EventKind::Message(message) | EventKind::Request(message) => Some(message),
        _ => None,
    });
    said.collect()
}

/// How long the envelopes are that lie in a device's mailbox.
fn lengths_for(world: &World, device: &Device) -> Vec<usize> {
    let mail = world.mailboxes.get(&device.address());
    mail.into_iter().flatten().map(|(_, envelope)| envelope.len()).collect()
}

fn last(device: &Device) -> &Message {
    heard(device).pop().expect("something was heard")
}

/// What is short, in both senses, and about a message of the receiver's or the sender's.
fn short_interactions(theirs: &Reference, ours: MessageId) -> Vec<Content> {
    let call = Call::begin(Offer::new(Media::Voice, "v=0", &mut rng()), &mut rng());
    vec![
        Content::text("x"),
        Content::text("x".repeat(100)),
        Content::text("yes").reply_to(theirs.message),
        Content::reaction(theirs.clone(), "👩🏽‍❤️‍💋‍👨🏿"),
        Content::reaction(theirs.clone(), ""),
        Content::vote(theirs.clone(), Choices::one(0).and(31)),
        Content::edit(ours, "x".repeat(100)),
        Content::delete(ours),
        Content::read(&[theirs.message]),
        Content::viewed(&[theirs.message; 8]),
        Content::typing(Typing::Started),
        Content::timer(Some(DAY)),
        Content::request(Request::Accepted),
        Content::call(Call::next(call.id(), Step::End(EndReason::HungUp))),
    ]
}

#[test]
fn the_kind_of_what_is_short_cannot_be_told_from_the_length() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let theirs = bob.say(&alice.user(), "Coming?");
    world.settle(&mut [&mut alice, &mut bob]);
    let theirs = Reference::new(bob.user(), theirs);
    let mut lengths = BTreeSet::new();
    let ours = alice.say(&bob.user(), "short");
    for content in short_interactions(&theirs, ours) {
        alice.messenger.send(bob.user(), content).unwrap();
        // With the receipts that Bob's device sends by itself.
        world.carry(&mut alice);
        lengths.extend(lengths_for(&world, &bob));
        world.deliver(&mut bob);
        world.carry(&mut bob);
        lengths.extend(lengths_for(&world, &alice));
        world.deliver(&mut alice);
    }
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}

#[test]
fn nor_can_it_in_a_group() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let theirs = bob.messenger.send(group, Content::text("Coming?")).unwrap();
    let ours = alice.messenger.send(group, Content::text("short")).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let mut lengths = BTreeSet::new();
    for content in short_interactions(&Reference::new(bob.user(), theirs), ours) {
        let sent = alice.messenger.send(group, content.clone());
        let between_two = matches!(
            content.kind(),
            Kind::Receipt(_) | Kind::Typing(_) | Kind::Timer(_) | Kind::Request(_) | Kind::Call(_)
        );
        match sent {
            // These are said to one person.
            Err(error) => assert!(between_two && matches!(error, Error::NotAllowed)),
            Ok(_) => assert!(!between_two),
        }
        while let Some(out) = alice.messenger.next_outgoing().unwrap() {
            if let Action::Deliver { to, envelope, .. } = &out.action
                && to.len() > 1
            {
                lengths.insert(envelope.len());
            }
            alice.messenger.outgoing_done(&[out.id]).unwrap();
        }
    }
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}

#[test]
fn every_kind_arrives_and_our_other_devices_have_what_is_kept() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    bob.told.clear();
    let rng = &mut rng();
    let theirs = Reference::new(bob.user(), MessageId::from_bytes([5; 16]));
    let offer = Offer::new(Media::Video, "v=0", rng);
    let call = Call::begin(offer, rng);
    let rich = Text::from("Ask Bob").mentioning(4..7, bob.user()).styled(0..3, Style::Bold);
    let contents = [
        Content::text(rich).quoting(Quote::new(theirs.clone(), &Content::text("Whom?"))),
        Content::location(Location::at(481_234_567, 115_000_000)),
        Content::card(Card::of("Carol").with_entry("home", "1")),
        Content::reaction(theirs.clone(), "🌹"),
        Content::edit(MessageId::from_bytes([6; 16]), "better"),
        Content::delete(MessageId::from_bytes([6; 16])),
        Content::poll(Poll::new("When?", ["Mon", "Tue"])),
        Content::vote(theirs, Choices::one(1)),
        Content::close(MessageId::from_bytes([6; 16]), &[1, 2], None),
        Content::timer(None),
        Content::call(call.clone()),
        Content::call(Call::next(call.id(), Step::Answer(Answer::new("v=0", rng)))),
        Content::call(Call::next(call.id(), Step::Candidates(vec![b"host".to_vec()]))),
        Content::request(Request::Ask),
        Content::text("again").disappearing(DAY).forward(),
    ];
    for content in &contents {
        alice.messenger.send(bob.user(), content.clone()).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    let arrived: Vec<_> = heard(&bob).iter().map(|message| message.content.clone()).collect();
    assert_eq!(arrived, contents);
    let own = tablet.told.iter().filter_map(|kind| match kind {
        EventKind::OwnMessage(message) => Some(message.content.clone()),
        _ => None,
    });
    let fleeting = |content: &&Content| match content.kind() {
        Kind::Call(call) => matches!(call.step(), Step::Candidates(_)),
        _ => false,
    };
    let kept: Vec<_> = contents.iter().filter(|content| !fleeting(content)).cloned().collect();
    assert_eq!(own.collect::<Vec<_>>(), kept);
}

#[test]
fn whoever_edits_deletes_or_closes_can_only_name_what_is_their_own() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let said = alice.messenger.send(group, Content::text("I like it")).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let original = last(&bob).name();
    assert_eq!(original, Reference::new(alice.user(), said));
    let about = |content: Content, by: &mut Device, world: &mut World, bob: &mut Device| {
        by.messenger.send(group, content).unwrap();
        world.carry(by);
        world.deliver(bob);
        (last(bob).from.clone(), last(bob).about())
    };
    // Carol knows the id, and says all she can about it.
    for content in
        [Content::edit(said, "I hate it"), Content::delete(said), Content::close(said, &[], None)]
    {
        let (from, named) = about(content.clone(), &mut carol, &mut world, &mut bob);
        assert_eq!((from, named), (carol.user(), Some(Reference::new(carol.user(), said))));
        let (from, named) = about(content, &mut alice, &mut world, &mut bob);
        assert_eq!((from, named.as_ref()), (alice.user(), Some(&original)));
    }
    for content in [
        Content::reaction(original.clone(), "🌹"),
        Content::vote(original.clone(), Choices::one(0)),
    ] {
        let (_, named) = about(content, &mut carol, &mut world, &mut bob);
        assert_eq!(named.as_ref(), Some(&original));
    }
    let (_, named) = about(Content::text("no"), &mut carol, &mut world, &mut bob);
    assert_eq!(named, None);
}

#[test]
fn what_was_viewed_was_read_and_only_what_we_sent_there_counts() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut carol = world.person("carol");
    world.meet(&mut alice, &mut carol);
    let id = alice.say(&bob.user(), "see what I have found");
    world.carry(&mut alice);
    // Carol has it from somebody; Alice sent her nothing of that name.
    let invented = MessageId::from_bytes([9; 16]);
    carol.messenger.send(alice.user(), Content::viewed(&[id, invented])).unwrap();
    world.carry(&mut carol);
    world.deliver(&mut alice);
    assert_eq!(alice.statuses(id), [Status::Sent]);
    assert!(alice.statuses(invented).is_empty());
    world.deliver(&mut bob);
    bob.messenger.send(alice.user(), Content::viewed(&[id, invented])).unwrap();
    bob.messenger.send(alice.user(), Content::read(&[id])).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let [sent, delivered, read, viewed] = [
        Status::Sent,
        Status::Delivered(bob.user()),
        Status::Read(bob.user()),
        Status::Viewed(bob.user()),
    ];
    assert_eq!(alice.statuses(id), [sent, delivered, read, viewed]);
    assert!(alice.statuses(invented).is_empty());
}

#[test]
fn a_time_far_ahead_is_flagged() {
    let mut world = World::new();
    let mut bob = world.person("bob");
    for (name, ahead, flagged) in [("alice", DAY / 2, false), ("carol", 3 * DAY, true)] {
        let clock = ManualClock::new(world.clock.now().after(ahead));
        let options = seeded(Options::default().clock(clock), 77);
        let store = MemoryStore::new();
        let opened = Messenger::open(store.clone(), options.clone()).unwrap();
        let messenger = opened.or_create(&subrosa::UserId::new(name).unwrap()).unwrap();
        let mut other = world.device(messenger, store, options);
        world.carry(&mut other);
        bob.say(&other.user(), "hello");
        world.settle(&mut [&mut bob, &mut other]);
        other.say(&bob.user(), "the last word");
        world.settle(&mut [&mut bob, &mut other]);
        let message = last(&bob);
        assert_eq!((&message.from, message.from_the_future), (&other.user(), flagged));
    }
}

#[test]
fn what_a_later_version_says_is_shown_by_its_fallback_and_kept_for_an_upgrade() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    bob.told.clear();
    let later = b"\x1a\x0ba hologram \xa2\x38\x05holo!".to_vec();
    alice.messenger.send(bob.user(), Content::from_bytes(&later)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    let EventKind::OwnMessage(copied) = tablet.told.last().unwrap() else {
        panic!("{:?}", tablet.told)
    };
    let content = last(&bob).content.clone();
    assert_eq!((content.to_string().as_str(), content.kind()), ("a hologram ", &Kind::Unknown));
    for content in [&content, &copied.content] {
        // The app keeps it; what comes after the upgrade reads it again.
        let kept = content.to_bytes();
        assert!(kept.starts_with(&later));
        assert_eq!(Content::from_bytes(&kept), *content);
    }
    // What breaks a rule arrives too, and shows nothing.
    let broken = b"\x1a\x05shown\xe2\x01\x02\x0a\x00".to_vec();
    alice.messenger.send(bob.user(), Content::from_bytes(&broken)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!(last(&bob).content.to_string(), "");
}

#[test]
fn what_breaks_a_rule_is_not_sent() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    let at = world.clock.now().after(DAY);
    let cut = Content::text(Text::from("für").styled(1..2, Style::Bold));
    let many = Content::poll(Poll::new("Which?", vec!["x"; 33]));
    let quote = Content::text("x".repeat(subrosa::content::MAX_TEXT_LEN));
    let quote = quote.quoting(Quote::new(
        Reference::new(bob.user(), MessageId::from_bytes([1; 16])),
        &Content::text("x".repeat(400)),
    ));
    for content in [cut, many, quote] {
        let now = alice.messenger.send(bob.user(), content.clone()).unwrap_err();
        let later = alice.messenger.send_at(bob.user(), content, at).unwrap_err();
        for error in [now, later] {
            assert!(matches!(
                error,
                Error::Content(ContentError::Range)
                    | Error::Limit { what: "choices", limit: 32 }
                    | Error::Limit { what: "bytes of content", .. }
            ));
            assert_eq!(error.kind(), subrosa::ErrorKind::Misuse);
        }
    }
    assert_eq!(world.carry(&mut alice), 0);
}

#[test]
fn a_request_is_asked_and_answered() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    alice.messenger.send(bob.user(), Content::request(Request::Ask)).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let [EventKind::Request(asked)] = bob.told.as_slice() else { panic!("{:?}", bob.told) };
    assert_eq!(asked.content.kind(), &Kind::Request(Request::Ask));
    bob.messenger.send(alice.user(), Content::request(Request::Accepted)).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(last(&alice).content.kind(), &Kind::Request(Request::Accepted));
}

#[test]
fn everybody_in_a_group_counts_the_same_votes() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let answer = poll::Answer::new(Choices::one(2), &mut rng());
    let quiz = Poll::new("Which?", ["a", "b", "c"]).with_answer(&answer);
    let id = alice.messenger.send(group, Content::poll(quiz.clone())).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let name = last(&bob).name();
    let elsewhere = Reference::new(carol.user(), id);
    for (is_bob, of, place) in [
        (true, &name, 0),
        (false, &name, 1),
        // Another poll, what cannot be chosen, and another mind.
        (true, &elsewhere, 1),
        (true, &name, 3),
        (true, &name, 2),
    ] {
        world.clock.advance(Duration::from_secs(1));
        let device = if is_bob { &mut bob } else { &mut carol };
        device.messenger.send(group, Content::vote(of.clone(), Choices::one(place))).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let tally = |device: &Device| {
        let mut tally = Tally::of(&quiz, name.clone());
        let ours = device.told.iter().filter_map(|kind| match kind {
            EventKind::OwnMessage(message) | EventKind::Message(message) => Some(message),
            _ => None,
        });
        for message in ours {
            if let Kind::Vote(vote) = message.content.kind() {
                tally.add(&message.from, message.sent_at, message.id, vote);
            }
        }
        tally
    };
    assert_eq!(tally(&alice).counts(), [0, 1, 1]);
    assert_eq!(tally(&alice).chosen_by(&bob.user()), Choices::one(2));
    // Who votes adds that: here it is what the others said.
    assert_eq!(tally(&bob).counts(), [0, 1, 0]);
    let closing = Content::close(id, &tally(&alice).counts(), Some(&answer));
    alice.messenger.send(group, closing).unwrap();
    world.carry(&mut alice);
    assert!(matches!(world.deliver(&mut bob).as_slice(), [Received::Opened(_)]));
    let closing = last(&bob);
    assert_eq!(closing.about(), Some(name.clone()));
    let Kind::Closing(closing) = closing.content.kind() else { panic!("a closing") };
    assert_eq!(
        (closing.counts(), quiz.answer_in(closing)),
        (&[0, 1, 1][..], Some(Choices::one(2)))
    );
}
