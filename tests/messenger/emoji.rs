//! Two people compare emoji.

use std::time::Duration;

use subrosa::directory::MemoryDirectory;
use subrosa::{Content, Emoji, EmojiEnd, Error, EventKind, UserId};

use crate::world::{Device, World};

const MINUTE: Duration = Duration::from_secs(60);

/// What a device shows to its person, if it shows something.
fn shown(device: &Device) -> Option<Emoji> {
    device.told.iter().rev().find_map(|kind| match kind {
        EventKind::CompareEmoji { emoji, .. } => Some(*emoji),
        _ => None,
    })
}

fn verified(device: &Device) -> usize {
    device.told.iter().filter(|kind| matches!(kind, EventKind::Verified { .. })).count()
}

/// Why comparisons have ended, in order.
fn ends(device: &Device) -> Vec<EmojiEnd> {
    let reason = |kind: &EventKind| match kind {
        EventKind::EmojiEnded { reason, .. } => Some(*reason),
        _ => None,
    };
    device.told.iter().filter_map(reason).collect()
}

fn knows(device: &mut Device, user: &UserId) -> bool {
    device.messenger.contact(user).unwrap().verified
}

/// Both see the same.
fn compare(world: &mut World, one: &mut Device, other: &mut Device) -> Emoji {
    one.messenger.start_emoji(&other.user()).unwrap();
    world.settle(&mut [one, other]);
    let emoji = shown(one).unwrap();
    assert_eq!(shown(other), Some(emoji));
    emoji
}

#[test]
fn who_sees_the_same_is_verified_whatever_restarts_in_between() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.messenger.start_emoji(&bob.user()).unwrap();
    // An envelope at a time, and everybody restarts.
    for _ in 0..20 {
        for device in [&mut alice, &mut bob] {
            device.restart();
            world.carry(device);
        }
        for device in [&mut alice, &mut bob] {
            world.deliver(device);
            device.restart();
        }
    }
    let emoji = shown(&alice).unwrap();
    assert_eq!(shown(&bob), Some(emoji));
    bob.messenger.confirm_emoji(&alice.user(), &emoji).unwrap();
    // As often as one likes.
    bob.messenger.confirm_emoji(&alice.user(), &emoji).unwrap();
    bob.restart();
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(!knows(&mut bob, &alice.user()) && !knows(&mut alice, &bob.user()));
    alice.messenger.confirm_emoji(&bob.user(), &emoji).unwrap();
    assert!(knows(&mut alice, &bob.user()));
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(knows(&mut bob, &alice.user()));
    for device in [&alice, &bob] {
        assert_eq!((verified(device), ends(device)), (1, vec![]));
    }
    let again = alice.messenger.confirm_emoji(&bob.user(), &emoji);
    assert!(matches!(again, Err(Error::Unknown)));
}

#[test]
fn one_device_of_each_compares_and_all_of_them_know() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    let mut laptop = world.link(&mut bob);
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut laptop];
    world.settle(&mut all);
    alice.messenger.start_emoji(&bob.user()).unwrap();
    world.settle(&mut [&mut alice, &mut tablet, &mut bob, &mut laptop]);
    let emoji = shown(&alice).unwrap();
    assert_eq!(shown(&tablet), None);
    let (seen, not_seen) =
        if shown(&bob).is_some() { (&mut bob, &mut laptop) } else { (&mut laptop, &mut bob) };
    assert_eq!((shown(seen), shown(not_seen)), (Some(emoji), None));
    let not_there = not_seen.messenger.confirm_emoji(&alice.user(), &emoji);
    assert!(matches!(not_there, Err(Error::Unknown)));
    seen.messenger.confirm_emoji(&alice.user(), &emoji).unwrap();
    alice.messenger.confirm_emoji(&bob.user(), &emoji).unwrap();
    world.settle(&mut [&mut alice, &mut tablet, &mut bob, &mut laptop]);
    for device in [&mut alice, &mut tablet] {
        assert!(knows(device, &bob.user()));
    }
    for device in [&mut bob, &mut laptop] {
        assert!(knows(device, &alice.user()));
    }
}

#[test]
fn envelopes_may_come_in_any_order() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.messenger.start_emoji(&bob.user()).unwrap();
    for _ in 0..2 {
        world.carry(&mut alice);
        world.deliver(&mut bob);
        if let Some(emoji) = shown(&bob) {
            bob.messenger.confirm_emoji(&alice.user(), &emoji).unwrap();
        }
        world.carry(&mut bob);
        // What confirms overtakes the key that it is of.
        world.mailboxes.get_mut(&alice.address()).unwrap().reverse();
        world.deliver(&mut alice);
    }
    let emoji = shown(&alice).unwrap();
    alice.messenger.confirm_emoji(&bob.user(), &emoji).unwrap();
    assert!(knows(&mut alice, &bob.user()));
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(knows(&mut bob, &alice.user()));
}

#[test]
fn other_emoji_than_those_shown_confirm_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let first = compare(&mut world, &mut alice, &mut bob);
    let second = compare(&mut world, &mut bob, &mut alice);
    assert_ne!(first, second);
    let stale = alice.messenger.confirm_emoji(&bob.user(), &first);
    assert!(matches!(stale, Err(Error::IdentityMoved)));
    alice.messenger.confirm_emoji(&bob.user(), &second).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(!knows(&mut alice, &bob.user()) && !knows(&mut bob, &alice.user()));
}

#[test]
fn who_does_not_go_on_ends_it_for_both() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    for _ in 0..2 {
        let emoji = compare(&mut world, &mut alice, &mut bob);
        alice.messenger.confirm_emoji(&bob.user(), &emoji).unwrap();
        bob.messenger.cancel_emoji(&alice.user()).unwrap();
        bob.messenger.cancel_emoji(&alice.user()).unwrap();
        world.settle(&mut [&mut alice, &mut bob]);
        let over = alice.messenger.confirm_emoji(&bob.user(), &emoji);
        assert!(matches!(over, Err(Error::Unknown)));
    }
    assert_eq!((ends(&alice), ends(&bob)), (vec![EmojiEnd::Cancelled; 2], vec![]));
    assert!(!knows(&mut alice, &bob.user()) && !knows(&mut bob, &alice.user()));
    // Before anybody has answered.
    alice.messenger.start_emoji(&bob.user()).unwrap();
    alice.messenger.cancel_emoji(&bob.user()).unwrap();
    bob.told.clear();
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(bob.told.is_empty());
}

#[test]
fn a_comparison_ends_after_ten_minutes() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let emoji = compare(&mut world, &mut alice, &mut bob);
    world.pass(9 * MINUTE, &mut [&mut alice, &mut bob]);
    alice.messenger.confirm_emoji(&bob.user(), &emoji).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    world.pass(MINUTE, &mut [&mut alice, &mut bob]);
    let late = bob.messenger.confirm_emoji(&alice.user(), &emoji);
    assert!(matches!(late, Err(Error::Unknown)));
    assert_eq!((ends(&alice), ends(&bob)), (vec![EmojiEnd::Expired], vec![EmojiEnd::Expired]));
    // Nobody is there.
    alice.messenger.start_emoji(&bob.user()).unwrap();
    world.pass(10 * MINUTE, &mut [&mut alice]);
    assert_eq!(ends(&alice), [EmojiEnd::Expired; 2]);
    // What comes too late begins nothing that could be shown.
    bob.told.clear();
    world.settle(&mut [&mut alice, &mut bob]);
    world.pass(120 * MINUTE, &mut [&mut alice, &mut bob]);
    assert!(shown(&bob).is_none() && ends(&bob).is_empty());
    assert!(!alice.store.sizes().contains_key(&35) && !bob.store.sizes().contains_key(&35));
}

#[test]
fn both_may_ask_at_once() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.messenger.start_emoji(&bob.user()).unwrap();
    bob.messenger.start_emoji(&alice.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let emoji = shown(&alice).unwrap();
    for (device, with) in [(&mut alice, bob.user()), (&mut bob, UserId::new("alice").unwrap())] {
        device.messenger.confirm_emoji(&with, &emoji).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(knows(&mut alice, &bob.user()) && knows(&mut bob, &alice.user()));
    assert!(ends(&alice).is_empty() && ends(&bob).is_empty());
}

#[test]
fn another_identity_ends_what_is_compared() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let emoji = compare(&mut world, &mut alice, &mut bob);
    bob.messenger.confirm_emoji(&alice.user(), &emoji).unwrap();
    // Somebody else under Bob's name.
    let genuine = std::mem::replace(&mut world.directory, MemoryDirectory::new());
    let another = world.person("bob");
    let bundle = world.directory.bundle(&another.user()).unwrap();
    world.directory = genuine;
    alice.messenger.learn(&bundle).unwrap();
    alice.read();
    assert_eq!(ends(&alice), [EmojiEnd::IdentityChanged]);
    let refused = alice.messenger.confirm_emoji(&bob.user(), &emoji);
    assert!(matches!(refused, Err(Error::Unknown)));
    let refused = alice.messenger.start_emoji(&bob.user());
    assert!(matches!(refused, Err(Error::IdentityMoved)));
    let contact = alice.messenger.contact(&bob.user()).unwrap();
    alice.messenger.accept_identity(&bob.user(), &contact.new_key.unwrap()).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(!knows(&mut alice, &bob.user()));
}

#[test]
fn strangers_and_who_asks_too_often_get_no_answer() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) =
        (world.person("alice"), world.person("bob"), world.person("carol"));
    let unknown = alice.messenger.start_emoji(&bob.user());
    assert!(matches!(unknown, Err(Error::Unknown)));
    let ourselves = alice.messenger.start_emoji(&alice.user());
    assert!(matches!(ourselves, Err(Error::NotAllowed)));
    world.meet(&mut alice, &mut bob);
    carol.messenger.send(bob.user(), Content::text("hello")).unwrap();
    world.settle(&mut [&mut carol, &mut bob]);
    carol.messenger.start_emoji(&bob.user()).unwrap();
    world.settle(&mut [&mut carol, &mut bob]);
    assert!(shown(&bob).is_none() && shown(&carol).is_none());

    let mut answered = 0;
    for _ in 0..15 {
        alice.told.clear();
        alice.messenger.start_emoji(&bob.user()).unwrap();
        world.settle(&mut [&mut alice, &mut bob]);
        answered += usize::from(shown(&alice).is_some());
    }
    assert_eq!(answered, 10);
    world.pass(61 * MINUTE, &mut [&mut alice, &mut bob]);
    compare(&mut world, &mut alice, &mut bob);

    bob.messenger.block(alice.user()).unwrap();
    let blocked = bob.messenger.start_emoji(&alice.user());
    assert!(matches!(blocked, Err(Error::NotAllowed)));
    world.settle(&mut [&mut alice, &mut bob]);
    bob.messenger.accept(alice.user()).unwrap();
    let gone = bob.messenger.confirm_emoji(&alice.user(), &shown(&bob).unwrap());
    assert!(matches!(gone, Err(Error::Unknown)));
}

#[test]
fn a_start_that_comes_late_ends_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.messenger.start_emoji(&bob.user()).unwrap();
    world.carry(&mut alice);
    let late = world.mail_of(&bob.address());
    world.clock.advance(MINUTE);
    let emoji = compare(&mut world, &mut alice, &mut bob);
    for (_, envelope) in &late {
        bob.messenger.receive(envelope).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob]);
    bob.messenger.confirm_emoji(&alice.user(), &emoji).unwrap();
    alice.messenger.confirm_emoji(&bob.user(), &emoji).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(knows(&mut alice, &bob.user()) && knows(&mut bob, &alice.user()));
    // One that comes later counts.
    world.clock.advance(MINUTE);
    compare(&mut world, &mut alice, &mut bob);
}
