//! Restored, copied and damaged states: noticed and healed.

use std::time::Duration;

use subrosa::content::Typing;
use subrosa::store::{MemoryStore, SqliteStore};
use subrosa::testing::seeded;
use subrosa::{Action, Content, Error, EventKind, Messenger, Options, Received, Status, UserId};

use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_restored_store_is_found_by_its_token_before_anything_is_sent() {
    let mut world = World::new();
    let mut bob = world.person("bob");
    let alice_id = UserId::new("alice").unwrap();
    let store = MemoryStore::new();
    let options =
        |seed| seeded(Options::default().clock(world.clock.clone()).device_token([1; 16]), seed);
    let messenger =
        Messenger::open(store.clone(), options(100)).unwrap().or_create(&alice_id).unwrap();
    let mut alice = world.device(messenger, store, options(100));
    world.settle(&mut [&mut alice, &mut bob]);
    alice.say(&bob.user(), "hello");
    world.settle(&mut [&mut alice, &mut bob]);
    bob.messenger.accept(alice.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let backup = alice.store.snapshot();
    for number in 0..5 {
        alice.say(&bob.user(), &format!("after the backup {number}"));
        bob.say(&alice.user(), "yes");
        world.settle(&mut [&mut alice, &mut bob]);
    }
    // The same rows on another device, or after a restore: another token.
    let clock = world.clock.clone();
    let options = seeded(Options::default().clock(clock).device_token([2; 16]), 101);
    let opened = Messenger::open(backup.clone(), options.clone()).unwrap();
    let mut alice = world.device(opened.ready().unwrap(), backup, options);
    alice.read();
    assert!(matches!(alice.told.as_slice(), [EventKind::Restored]), "{:?}", alice.told);
    alice.say(&bob.user(), "here again");
    world.settle(&mut [&mut alice, &mut bob]);
    bob.say(&alice.user(), "good");
    world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts().last().map(String::as_str), Some("here again"));
    assert!(alice.texts().contains(&"good".to_owned()));
}

#[test]
fn a_store_that_fell_back_without_a_token_heals_with_the_peer() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let backup = alice.store.snapshot();
    for number in 0..5 {
        alice.say(&bob.user(), &format!("after the backup {number}"));
        world.settle(&mut [&mut alice, &mut bob]);
        bob.say(&alice.user(), "yes");
        world.settle(&mut [&mut alice, &mut bob]);
    }
    let options = world.options();
    let opened = Messenger::open(backup.clone(), options.clone()).unwrap();
    let mut alice = world.device(opened.ready().unwrap(), backup, options);
    alice.hints = true;
    bob.hints = true;
    alice.say(&bob.user(), "from the past");
    world.settle(&mut [&mut alice, &mut bob]);
    bob.say(&alice.user(), "are you there?");
    world.pass(10 * DAY, &mut [&mut alice, &mut bob]);
    assert!(bob.texts().contains(&"from the past".to_owned()), "{:?}", bob.texts());
    assert!(alice.texts().contains(&"are you there?".to_owned()), "{:?}", alice.texts());
    bob.say(&alice.user(), "and on");
    alice.say(&bob.user(), "and on");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.texts().last().map(String::as_str), Some("and on"));
    assert_eq!(bob.texts().last().map(String::as_str), Some("and on"));
}

#[test]
fn two_sides_that_know_different_sessions_find_each_other_and_then_rest() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let mut reopened = |device: &Device| {
        let (store, options) = (device.store.snapshot(), world.options());
        let opened = Messenger::open(store.clone(), options.clone()).unwrap();
        world.device(opened.ready().unwrap(), store, options)
    };
    let (mut alice_before, mut bob_before) = (reopened(&alice), reopened(&bob));
    world.meet(&mut alice, &mut bob);
    // The same once more, from stores that know nothing of it.
    world.meet(&mut alice_before, &mut bob_before);
    let mut bob = bob_before;
    alice.hints = true;
    bob.hints = true;
    // Nothing that anybody waits for: no receipt will be missed.
    alice.messenger.send(bob.user(), Content::typing(Typing::Started)).unwrap();
    world.pass(30 * DAY, &mut [&mut alice, &mut bob]);
    let carried = world.carried;
    world.pass(30 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(world.carried, carried);
    alice.say(&bob.user(), "there you are");
    bob.say(&alice.user(), "there you are");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.texts().last().map(String::as_str), Some("there you are"));
    assert_eq!(bob.texts().last().map(String::as_str), Some("there you are"));
}

#[test]
fn one_store_in_two_processes_is_one_account() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account");
    let user = UserId::new("alice").unwrap();
    let open = || Messenger::open(SqliteStore::open(&path).unwrap(), Options::default()).unwrap();
    let mut one = open().or_create(&user).unwrap();
    let mut other = open().ready().unwrap();
    let friend = UserId::new("bob").unwrap();
    let first = one.send(&friend, Content::text("from the app")).unwrap();
    let second = other.send(&friend, Content::text("from the notification")).unwrap();
    one.cancel(&second).unwrap();
    other.cancel(&first).unwrap();
    assert!(matches!(one.cancel(&first), Err(Error::Unknown)));
}

#[test]
fn the_session_that_a_peer_sends_in_outlives_a_newer_one_that_never_arrived() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    alice.say(&bob.user(), "hello");
    world.carry(&mut alice);
    let first = world.fetch_mail(&bob);
    // Without an answer Alice begins another session, and what is sent in it is lost.
    world.clock.advance(50 * Duration::from_secs(60 * 60));
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    for (_, envelope) in &first {
        bob.messenger.receive(envelope).unwrap();
    }
    bob.read();
    bob.messenger.accept(alice.user()).unwrap();
    world.pass(45 * DAY, &mut [&mut alice, &mut bob]);
    bob.say(&alice.user(), "are you still there?");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.texts(), ["are you still there?"]);
}

#[test]
fn prekeys_that_a_copy_has_published_are_replaced_when_somebody_uses_them() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let mut carol = world.person("carol");
    world.clock.advance(2 * DAY);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let (store, options) = (alice.store.snapshot(), world.options());
    let copy = Messenger::open(store.clone(), options.clone()).unwrap().ready().unwrap();
    let mut copy = world.device(copy, store, options);
    copy.messenger.prekeys_left(0).unwrap();
    world.carry(&mut copy);
    drop(copy);
    // To prekeys that only the copy had.
    let id = bob.say(&alice.user(), "hello");
    carol.say(&alice.user(), "hello");
    world.carry(&mut bob);
    assert_eq!(world.deliver(&mut alice), [Received::Undecryptable]);
    let out = alice.messenger.next_outgoing().unwrap().unwrap();
    assert!(matches!(out.action, Action::Publish { .. }), "{out:?}");
    world.carry(&mut carol);
    world.carry(&mut alice);
    // Once a day: anybody can send such a handshake.
    assert_eq!(world.deliver(&mut alice), [Received::Undecryptable]);
    assert_eq!(alice.messenger.next_outgoing().unwrap(), None);
    world.pass(3 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(alice.texts(), ["hello", "hello"]);
    alice.messenger.accept(bob.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.statuses(id), [Status::Sent, Status::Delivered(alice.user())]);
}
