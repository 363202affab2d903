//! Devices that run on an old state, and what they have forgotten of groups.

use std::collections::BTreeSet;
use std::time::Duration;

use subrosa::store::MemoryStore;
use subrosa::wire::Envelope;
use subrosa::{Consent, EventKind, GroupChange, GroupId, Messenger, Role};

use crate::groups::{add, group_of, members, say, three};
use crate::world::{Device, World};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The same device on a disk as it was once.
fn restored(world: &mut World, disk: &MemoryStore) -> Device {
    let (store, options) = (disk.snapshot(), world.options());
    let messenger = Messenger::open(store.clone(), options.clone()).unwrap().ready().unwrap();
    world.device(messenger, store, options)
}

/// The ephemeral key of the session that an envelope begins.
fn begun_by(envelope: &[u8]) -> Option<[u8; 32]> {
    match Envelope::decode(envelope) {
        Ok(Envelope::FirstMessage { handshake, message: _ }) => Some(*handshake.ephemeral()),
        _ => None,
    }
}

fn takes_part(device: &mut Device, group: &GroupId) -> bool {
    let known = device.messenger.group(group).unwrap();
    known.is_some_and(|known| known.consent == Consent::Accepted && known.role.is_some())
}

#[test]
fn who_was_restored_to_before_an_invitation_is_told_of_the_group_again() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let disk = bob.store.snapshot();
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    say(&mut alice, &group, "one");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let mut bob = restored(&mut world, &disk);
    assert!(!takes_part(&mut bob, &group));
    bob.say(&alice.user(), "where was I?");
    world.pass(2 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(takes_part(&mut bob, &group));
    assert_eq!(members(&mut bob, &group), members(&mut alice, &group));
    say(&mut alice, &group, "two");
    say(&mut bob, &group, "I am back");
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.texts().contains(&"two".to_owned()), "{:?}", bob.texts());
    assert!(carol.texts().contains(&"I am back".to_owned()), "{:?}", carol.texts());
    // And then there is rest.
    world.pass(2 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    let before = world.carried;
    world.pass(3 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.carried, before);
}

#[test]
fn a_device_that_was_restored_hears_of_its_groups_from_another_of_its_user() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut tablet = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    let disk = tablet.store.snapshot();
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    assert!(takes_part(&mut tablet, &group));
    bob.say(&bob.user(), "what the restored tablet will ask for");
    world.settle(&mut [&mut bob, &mut tablet]);
    let mut tablet = restored(&mut world, &disk);
    // Alice and Carol are away.
    tablet.say(&bob.user(), "a note");
    bob.say(&alice.user(), "hello");
    world.pass(14 * DAY, &mut [&mut bob, &mut tablet]);
    assert!(takes_part(&mut tablet, &group));
}

#[test]
fn a_device_that_hears_of_its_group_by_a_copy_alone_asks_for_it() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let disk = bob.store.snapshot();
    let group = group_of(&mut world, &mut alice, &mut [&mut bob]);
    let mut bob = restored(&mut world, &disk);
    // Bob's phone has forgotten the group, and so cannot tell the new tablet of it.
    let mut tablet = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    // Alice and the tablet have no session yet: it goes in the first one.
    say(&mut alice, &group, "one");
    world.settle(&mut [&mut alice, &mut tablet]);
    assert!(!takes_part(&mut tablet, &group));
    world.pass(2 * HOUR, &mut [&mut alice, &mut tablet]);
    assert!(takes_part(&mut tablet, &group));
    assert_eq!(tablet.texts(), ["one"]);
}

#[test]
fn a_device_that_is_linked_while_its_user_is_added_again_hears_of_that() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    alice.messenger.change_group(&group, GroupChange::Remove(vec![bob.user()])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    alice.messenger.change_group(&group, add(&[&bob])).unwrap();
    world.carry(&mut alice);
    let invitation = world.mail_of(&bob.address());
    // It is told of the group that Bob is out of it; and Alice does not know of the tablet when
    // she hears that her invitation has come.
    let mut tablet = world.link(&mut bob);
    world.mail_of(&alice.address());
    for (_, envelope) in invitation {
        bob.messenger.receive(&envelope).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    assert!(takes_part(&mut bob, &group));
    assert!(!takes_part(&mut tablet, &group));
    say(&mut alice, &group, "one");
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    assert!(takes_part(&mut tablet, &group));
    assert_eq!(tablet.texts(), ["one"]);
}

#[test]
fn who_says_in_groups_alone_notices_that_a_device_has_lost_the_session() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    bob.messenger.accept(alice.user()).unwrap();
    let disk = bob.store.snapshot();
    let group = group_of(&mut world, &mut alice, &mut [&mut bob]);
    assert!(takes_part(&mut bob, &group));
    let mut bob = restored(&mut world, &disk);
    // He does not even know what he does not know.
    for text in ["one", "two", "three"] {
        say(&mut alice, &group, text);
        world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
    }
    assert!(takes_part(&mut bob, &group));
    say(&mut alice, &group, "four");
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(bob.texts().contains(&"four".to_owned()), "{:?}", bob.texts());
}

#[test]
fn with_who_is_gone_one_session_is_begun_and_no_more() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    let (mut sessions, mut carried) = (BTreeSet::new(), Vec::new());
    for _ in 0..8 {
        say(&mut alice, &group, "hello");
        let mut in_a_week = 0;
        for _ in 0..8 {
            world.pass(DAY, &mut [&mut alice, &mut carol]);
            let mail = world.fetch_mail(&bob);
            in_a_week += mail.len();
            sessions.extend(mail.iter().filter_map(|(_, envelope)| begun_by(envelope)));
        }
        carried.push(in_a_week);
    }
    // In the end no more than a message, and its chain three times.
    assert_eq!(carried[2..], [4; 6], "{carried:?}");
    assert_eq!(sessions.len(), 1);
}

#[test]
fn of_what_was_forgotten_only_whom_we_have_accepted_is_asked() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let disk = bob.store.snapshot();
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    let mut bob = restored(&mut world, &disk);
    // Bob and Carol have never met.
    for _ in 0..3 {
        say(&mut carol, &group, "hello");
        world.pass(DAY, &mut [&mut bob, &mut carol]);
    }
    assert!(!bob.told.iter().any(|kind| matches!(kind, EventKind::Invited { .. })));
    say(&mut alice, &group, "hello");
    bob.say(&alice.user(), "hello");
    world.pass(3 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(takes_part(&mut bob, &group));
}

#[test]
fn a_device_that_is_linked_after_its_user_has_left_takes_no_part() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    bob.messenger.change_group(&group, GroupChange::Leave).unwrap();
    world.carry(&mut bob);
    // Nobody hears of it.
    world.mail_of(&alice.address());
    let mut tablet = world.link(&mut bob);
    let known = tablet.messenger.group(&group).unwrap();
    assert!(known.is_some_and(|known| known.role.is_none()));
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    alice.messenger.change_group(&group, GroupChange::Rename("Thorns".into())).unwrap();
    for _ in 0..2 {
        say(&mut alice, &group, "hello");
        world.pass(6 * HOUR, &mut [&mut alice, &mut tablet]);
    }
    assert!(members(&mut alice, &group).contains(&(bob.user(), Role::Member)));
    assert!(!takes_part(&mut tablet, &group));
    assert!(tablet.texts().is_empty());
}
