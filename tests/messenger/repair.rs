//! Restored, copied and damaged states: noticed and healed.

use std::time::Duration;

use subrosa::content::Typing;
use subrosa::store::{MemoryStore, SqliteStore};
use subrosa::{Action, Content, Error, EventKind, Messenger, Options, Received, Status, UserId};

use crate::world::{Device, World, is_first, junk};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The store's table of tags, and of handshakes.
const TAGS: u8 = 7;

/// Alice's store, opened with this token.
fn alice_with_token(world: &mut World, store: MemoryStore, token: u8) -> Device {
    let options = world.options().device_token([token; 16]);
    let opened = Messenger::open(store.clone(), options.clone()).unwrap();
    let messenger = opened.or_create(&UserId::new("alice").unwrap()).unwrap();
    world.device(messenger, store, options)
}

#[test]
fn a_restored_store_is_found_by_its_token_before_anything_is_sent() {
    let mut world = World::new();
    let mut bob = world.person("bob");
    let mut alice = alice_with_token(&mut world, MemoryStore::new(), 1);
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
    let mut alice = alice_with_token(&mut world, backup, 2);
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
fn after_a_restore_nothing_is_begun_with_who_does_not_talk_with_us() {
    let mut world = World::new();
    let mut alice = alice_with_token(&mut world, MemoryStore::new(), 1);
    world.carry(&mut alice);
    let (mut bob, mut carol) = (world.person("bob"), world.person("carol"));
    bob.say(&alice.user(), "hello");
    carol.say(&alice.user(), "hello");
    alice.say(&bob.user(), "hi");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // Carol is a stranger.
    alice.messenger.block(bob.user()).unwrap();
    let mut alice = alice_with_token(&mut world, alice.store.snapshot(), 2);
    while let Some(out) = alice.messenger.next_outgoing().unwrap() {
        assert!(matches!(out.action, Action::Publish { .. }), "{out:?}");
    }
    world.pass(3 * DAY, &mut [&mut alice]);
    assert!(world.mailboxes.is_empty());
    alice.messenger.accept(bob.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let id = bob.say(&alice.user(), "and now?");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.statuses(id), [Status::Sent, Status::Delivered(alice.user())]);
}

#[test]
fn the_rows_of_handshakes_go_with_their_sessions() {
    let mut world = World::new();
    let mut bob = world.person("bob");
    let mut alice = alice_with_token(&mut world, MemoryStore::new(), 0);
    world.carry(&mut alice);
    world.meet(&mut alice, &mut bob);
    let mut rows = Vec::new();
    for token in 1..=30 {
        // Each time she begins another session.
        alice = alice_with_token(&mut world, alice.store.clone(), token);
        world.settle(&mut [&mut alice, &mut bob]);
        rows.push(bob.store.sizes()[&TAGS].0);
    }
    assert!(rows[4] > rows[0] && rows[29] <= rows[14], "{rows:?}");
}

#[test]
fn a_device_without_a_sign_of_life_for_six_days_gets_another_session() {
    for asked_after in [48 * HOUR + HOUR / 12, 68 * HOUR] {
        let mut world = World::new();
        let (mut alice, bob) = world.pair();
        // Neither has a receipt; sometimes one is sent again a little later than the other.
        alice.say(&bob.user(), "one");
        world.clock.advance(HOUR / 6);
        alice.say(&bob.user(), "two");
        world.carry(&mut alice);
        world.mailboxes.clear();
        world.clock.advance(asked_after - HOUR / 6);
        world.carry(&mut alice);
        let asked = world.fetch_mail(&bob);
        assert!(asked.len() >= 2 && !asked.iter().any(|(_, mail)| is_first(mail)));
        let mut waited = Duration::ZERO;
        while !world.fetch_mail(&bob).iter().any(|(_, mail)| is_first(mail)) {
            assert!(waited < 7 * DAY, "no session");
            world.clock.advance(HOUR / 6);
            waited += HOUR / 6;
            world.carry(&mut alice);
        }
        assert!(waited >= 6 * DAY && waited < 6 * DAY + HOUR, "{waited:?}");
    }
}

#[test]
fn what_only_the_transport_says_to_be_from_somebody_breaks_no_session() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.hints = true;
    for day in 0..10 {
        for number in 0..3 {
            let mailbox = world.mailboxes.entry(alice.address()).or_default();
            mailbox.push((bob.user(), junk(day * 3 + number, 256)));
        }
        let outcomes = world.deliver(&mut alice);
        assert_eq!(outcomes, [Received::Held, Received::Held, Received::Held]);
        world.pass(23 * HOUR, &mut [&mut alice]);
        assert!(day > 0 || world.mailboxes.is_empty());
        world.pass(HOUR, &mut [&mut alice]);
        world.pass(5 * HOUR, &mut [&mut alice]);
        // They are named, in the session that there is.
        let mail = &world.mailboxes[&bob.address()];
        assert!(!mail.is_empty() && !mail.iter().any(|(_, mail)| is_first(mail)));
        world.settle(&mut [&mut alice, &mut bob]);
    }
}

#[test]
fn damaged_copies_of_what_opened_after_all_break_no_session() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    for _ in 0..3 {
        alice.say(&bob.user(), "hello");
        world.carry(&mut alice);
        let (_, genuine) = world.fetch_mail(&bob).remove(0);
        // Two bytes of the salt: the tag stays.
        for place in [13, 14] {
            let mut damaged = genuine.clone();
            damaged[place] ^= 1;
            assert_eq!(bob.messenger.receive(&damaged).unwrap(), Received::Undecryptable);
        }
        assert!(matches!(bob.messenger.receive(&genuine).unwrap(), Received::Opened(_)));
    }
    world.settle(&mut [&mut alice, &mut bob]);
    let carried = world.carried;
    world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(world.carried, carried);
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

/// Another device has it, so that its sender hears that it is delivered; this one lost the
/// state that could have read it, and whoever wrote has nothing more to say.
#[test]
fn what_only_a_lost_state_could_read_goes_once_more_after_two_weeks() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut bob);
    let (store, options) = (tablet.store.snapshot(), world.options());
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    // All prekeys of that time are used up or gone.
    let carol = world.person("carol");
    let mut carol = carol;
    carol.say(&bob.user(), "hello");
    for _ in 0..12 {
        world.pass(DAY, &mut [&mut carol, &mut bob]);
        world.mail_of(&tablet.address());
    }
    assert_eq!(bob.texts(), ["hello"]);
    bob.messenger.accept(carol.user()).unwrap();
    world.settle(&mut [&mut carol, &mut bob]);
    drop(tablet);
    let opened = Messenger::open(store.clone(), options.clone()).unwrap();
    let mut tablet = world.device(opened.ready().unwrap(), store, options);
    world.pass(6 * DAY, &mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    assert!(tablet.texts().contains(&"hello".to_owned()), "{:?}", tablet.texts());
}
