//! Accepting, blocking, changed identities, compared numbers.

use std::time::Duration;

use subrosa::wire::Envelope;
use subrosa::{Consent, Content, Error, EventKind, Received, Rejection, Status};

use crate::world::World;

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
    world.pass(Duration::from_secs(9 * 24 * 60 * 60), &mut [&mut alice]);
    let mail = world.fetch_mail(&bob);
    let is_first =
        |mail: &[u8]| matches!(Envelope::decode(mail), Ok(Envelope::FirstMessage { .. }));
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
fn a_new_account_under_a_known_name_stops_sending_until_a_person_decides() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    // Bob loses his phone, and begins anew under the same name.
    let user = bob.user();
    drop(bob);
    world.directory = subrosa::directory::MemoryDirectory::new();
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
    alice.messenger.send(bob.user(), Content::typing(subrosa::content::Typing::Started)).unwrap();
    world.carry(&mut alice);
    world.deliver(&mut bob);
    assert!(matches!(bob.told.as_slice(), [EventKind::Typing { .. }]), "{:?}", bob.told);
    alice.messenger.send(bob.user(), Content::typing(subrosa::content::Typing::Started)).unwrap();
    world.carry(&mut alice);
    let mail = world.fetch_mail(&bob);
    for (_, envelope) in &mail {
        bob.messenger.receive(envelope).unwrap();
    }
    world.clock.advance(std::time::Duration::from_secs(60));
    bob.told.clear();
    bob.read();
    assert!(bob.told.is_empty(), "old news");
}
