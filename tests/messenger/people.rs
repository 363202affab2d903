//! Accepting, blocking, changed identities, compared numbers.

use std::time::Duration;

use subrosa::content::Typing;
use subrosa::directory::MemoryDirectory;
use subrosa::{Consent, Content, Error, EventKind, Learned, Received, Rejection, Scan, Status};

use crate::world::{World, is_first};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The store's table of devices with which there are sessions.
const PEERS: u8 = 5;

#[test]
fn who_is_blocked_hears_and_says_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    bob.messenger.block(alice.user()).unwrap();
    let id = alice.say(&bob.user(), "hello?");
    world.carry(&mut alice);
    let outcomes = world.deliver(&mut bob);
    assert_eq!(outcomes, [Received::Rejected(Rejection::Blocked)]);
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(bob.texts().is_empty());
    assert_eq!(alice.statuses(id), [Status::Sent]);
    let refused = bob.messenger.send(alice.user(), Content::text("no"));
    assert!(matches!(refused, Err(Error::NotAllowed)));
    bob.messenger.accept(alice.user()).unwrap();
    alice.say(&bob.user(), "again");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["again"]);
}

#[test]
fn a_session_that_was_begun_while_blocked_is_kept() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    bob.messenger.block(alice.user()).unwrap();
    alice.say(&bob.user(), "hello?");
    // Nothing comes back, so that Alice begins another session.
    world.pass(9 * DAY, &mut [&mut alice]);
    let mail = world.fetch_mail(&bob);
    let (_, first) = mail.iter().find(|(_, mail)| is_first(mail)).unwrap();
    let mut receive = || bob.messenger.receive(first).unwrap();
    assert_eq!(receive(), Received::Rejected(Rejection::Blocked));
    assert_eq!(receive(), Received::Duplicate);
    bob.messenger.accept(alice.user()).unwrap();
    alice.say(&bob.user(), "again");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["again"]);
}

#[test]
fn a_stranger_gets_nothing_before_they_are_accepted() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let id = alice.say(&bob.user(), "hello");
    world.settle(&mut [&mut alice, &mut bob]);
    // Alice says which list of Bob's she knows, and it is not the newest.
    let mut tablet = world.link(&mut bob);
    let mut hers = world.link(&mut alice);
    world.deliver(&mut bob);
    assert_eq!(bob.device_changes(&alice.user()).0, [hers.address().device]);
    bob.messenger.send(alice.user(), Content::typing(Typing::Started)).unwrap();
    bob.messenger.send(alice.user(), Content::read(&[id])).unwrap();
    world.pass(3 * DAY, &mut [&mut bob, &mut tablet]);
    assert_eq!(world.lying(&bob.user(), &alice.user()), 0);
    bob.messenger.accept(alice.user()).unwrap();
    world.settle(&mut [&mut alice, &mut hers, &mut bob, &mut tablet]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
}

#[test]
fn who_is_blocked_gets_no_repeat_no_sign_of_life_and_no_session() {
    let mut world = World::new();
    let (alice, mut bob) = world.pair();
    let carol = world.person("carol");
    for user in [alice.user(), carol.user()] {
        // With Carol in a session that she has not confirmed.
        bob.say(&user, "lost");
    }
    world.carry(&mut bob);
    world.mailboxes.clear();
    bob.messenger.block(alice.user()).unwrap();
    bob.messenger.block(carol.user()).unwrap();
    world.pass(30 * DAY, &mut [&mut bob]);
    assert!(world.mailboxes.is_empty());
}

#[test]
fn what_waits_for_who_is_blocked_goes_once_they_are_accepted() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    bob.say(&alice.user(), "hello");
    bob.messenger.block(alice.user()).unwrap();
    // The bundle comes, and then time.
    world.pass(10 * DAY, &mut [&mut bob]);
    assert!(world.mailboxes.is_empty() && !bob.store.sizes().contains_key(&PEERS));
    bob.messenger.accept(alice.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.texts(), ["hello"]);
}

#[test]
fn while_an_identity_is_in_question_nothing_goes_to_the_one_before() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    world.mailboxes.clear();
    // Somebody else under Bob's name.
    let genuine = std::mem::replace(&mut world.directory, MemoryDirectory::new());
    drop(world.person("bob"));
    let bundle = world.directory.bundle(&bob.user()).unwrap();
    world.directory = genuine;
    let learned = alice.messenger.learn(&bundle).unwrap();
    assert_eq!(learned, Learned::IdentityChanged(bob.user()));
    bob.say(&alice.user(), "are you there?");
    world.carry(&mut bob);
    world.pass(10 * DAY, &mut [&mut alice]);
    assert_eq!(alice.texts(), ["are you there?"]);
    assert_eq!(world.lying(&alice.user(), &bob.user()), 0);
}

#[test]
fn a_new_account_under_a_known_name_stops_sending_until_a_person_decides() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    // Bob loses his phone, and begins anew under the same name.
    let user = bob.user();
    drop(bob);
    world.directory = MemoryDirectory::new();
    let mut bob = world.person("bob");
    // Alice is not in the new directory yet: she publishes again.
    alice.messenger.prekeys_left(0).unwrap();
    world.carry(&mut alice);
    bob.say(&alice.user(), "it is me");
    world.settle(&mut [&mut alice, &mut bob]);
    let [EventKind::IdentityChanged { user: who, key, was_verified: false }] =
        alice.told.as_slice()
    else {
        panic!("{:?}", alice.told)
    };
    assert_eq!(*who, user);
    let (key, id) = (*key, alice.say(&user, "who are you?"));
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(bob.texts().is_empty());
    assert_eq!(alice.statuses(id), [Status::Held(user.clone())]);
    alice.messenger.accept_identity(&user, &key).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["who are you?"]);
    assert_eq!(alice.texts(), ["it is me"]);
}

#[test]
fn a_number_is_the_same_on_both_sides_and_marks_who_was_seen() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let hers = alice.messenger.safety_number(&bob.user()).unwrap().unwrap();
    let his = bob.messenger.safety_number(&alice.user()).unwrap().unwrap();
    assert_eq!(hers, his);
    let carol = world.person("carol");
    let other = alice.messenger.safety_number(&carol.user()).unwrap();
    assert!(other.is_none());
    assert!(!alice.messenger.contact(&bob.user()).unwrap().verified);
    alice.messenger.mark_verified(&bob.user(), &his).unwrap();
    let contact = alice.messenger.contact(&bob.user()).unwrap();
    assert!(contact.verified && contact.consent == Consent::Accepted);
}

#[test]
fn typing_reaches_only_who_talks_with_us_and_only_at_once() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.messenger.send(bob.user(), Content::typing(Typing::Started)).unwrap();
    world.carry(&mut alice);
    world.deliver(&mut bob);
    assert!(matches!(bob.told.as_slice(), [EventKind::Typing { .. }]), "{:?}", bob.told);
    alice.messenger.send(bob.user(), Content::typing(Typing::Started)).unwrap();
    world.carry(&mut alice);
    let mail = world.fetch_mail(&bob);
    for (_, envelope) in &mail {
        bob.messenger.receive(envelope).unwrap();
    }
    world.clock.advance(Duration::from_secs(60));
    bob.told.clear();
    bob.read();
    assert!(bob.told.is_empty(), "old news");
}

#[test]
fn a_code_that_is_scanned_verifies_the_key_it_was_shown_for_and_no_other() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    let number = bob.messenger.safety_number(&alice.user()).unwrap().unwrap();
    assert_eq!(alice.messenger.safety_number(&bob.user()).unwrap(), Some(number.clone()));
    let code = number.qr();
    // To whom it is not shown, and who shows it.
    for device in [&mut world.person("carol"), &mut bob] {
        assert_eq!(device.messenger.scan(&code).unwrap(), Scan::NotACode);
    }
    let linking = world.linking(&bob.user()).0.code().as_bytes().to_vec();
    for other in [&b""[..], &code[1..], &code[..code.len() - 1], &linking] {
        assert_eq!(alice.messenger.scan(other).unwrap(), Scan::NotACode);
    }
    assert_eq!(alice.messenger.scan(&code).unwrap(), Scan::Verified(bob.user()));
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    for device in [&mut alice, &mut tablet] {
        assert!(device.messenger.contact(&bob.user()).unwrap().verified);
    }
    assert!(!bob.messenger.contact(&alice.user()).unwrap().verified);

    // Somebody who knows another key of hers, and somebody else under his name.
    world.directory = MemoryDirectory::new();
    let (mut another_alice, mut another_bob) = (world.person("alice"), world.person("bob"));
    let unknown = another_alice.messenger.scan(&code);
    assert!(matches!(unknown, Err(Error::Unknown)));
    another_alice.say(&bob.user(), "hello");
    world.settle(&mut [&mut another_alice, &mut another_bob]);
    assert_eq!(another_alice.messenger.scan(&code).unwrap(), Scan::Mismatch(bob.user()));
    let number = another_bob.messenger.safety_number(&alice.user()).unwrap().unwrap();
    assert_eq!(alice.messenger.scan(&number.qr()).unwrap(), Scan::Mismatch(bob.user()));
    assert!(alice.messenger.contact(&bob.user()).unwrap().verified);
}
