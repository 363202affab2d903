//! Clocks that were wrong for a while, and are right again.

use std::time::Duration;

use subrosa::{Received, Rejection, Status, Timestamp};

use crate::world::{World, is_first};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[test]
fn a_message_that_was_lost_while_the_clock_was_ahead_is_sent_again() {
    for ahead in [40 * DAY, 3 * YEAR] {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let right = subrosa::Clock::now(&world.clock);
        world.clock.advance(ahead);
        let id = alice.say(&bob.user(), "lost");
        world.carry(&mut alice);
        drop(world.fetch_mail(&bob));
        world.clock.set(right);
        world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
        assert_eq!(bob.texts(), ["lost"]);
        assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
    }
}

#[test]
fn repeats_that_were_lost_while_the_clock_was_ahead_do_not_count() {
    // Each leap brings the next repeat forward.
    for leaps in 0..5 {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let right = subrosa::Clock::now(&world.clock);
        let id = alice.say(&bob.user(), "lost");
        world.carry(&mut alice);
        for _ in 0..leaps {
            world.clock.advance(30 * DAY);
            world.carry(&mut alice);
        }
        drop(world.fetch_mail(&bob));
        world.clock.set(right);
        world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
        assert_eq!(bob.texts(), ["lost"], "{leaps}");
        assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
    }
}

#[test]
fn a_session_that_was_begun_while_the_clock_was_ahead_never_seems_to_be_new() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    world.settle(&mut [&mut alice, &mut bob]);
    let right = subrosa::Clock::now(&world.clock);
    world.clock.advance(50 * DAY);
    alice.say(&bob.user(), "a request");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    world.clock.set(right);
    // Bob's prekeys of that time are gone.
    world.pass(52 * DAY, &mut [&mut alice, &mut bob]);
    bob.read();
    alice.say(&bob.user(), "another");
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(bob.texts().contains(&"another".to_owned()), "{:?}", bob.texts());
}

#[test]
fn a_message_without_receipt_is_given_up_though_the_clock_was_ahead() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    let right = subrosa::Clock::now(&world.clock);
    world.clock.advance(3 * YEAR);
    let id = alice.say(&bob.user(), "lost for good");
    world.carry(&mut alice);
    world.clock.set(right);
    for _ in 0..26 {
        world.clock.advance(DAY);
        world.carry(&mut alice);
        alice.read();
    }
    let expired = Status::Failed(bob.user(), subrosa::FailReason::Expired);
    assert_eq!(alice.statuses(id), [Status::Sent, expired]);
}

#[test]
fn a_message_that_was_sent_while_the_clock_was_behind_is_not_given_up_early() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let right = subrosa::Clock::now(&world.clock);
    world.clock.set(Timestamp::from_secs(right.as_secs() - 3 * YEAR.as_secs()));
    let id = alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    world.clock.set(right);
    for _ in 0..5 {
        world.clock.advance(DAY);
        world.carry(&mut alice);
        alice.read();
        drop(world.fetch_mail(&bob));
    }
    assert_eq!(alice.statuses(id), [Status::Sent]);
    world.pass(5 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["lost"]);
}

#[test]
fn a_session_that_was_just_begun_outlives_a_clock_that_is_ahead_for_days() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    // Each begins a session; that of Alice is long under way.
    bob.say(&alice.user(), "one");
    alice.say(&bob.user(), "two");
    world.carry(&mut bob);
    world.carry(&mut alice);
    let late = world.fetch_mail(&bob);
    world.deliver(&mut alice);
    let right = subrosa::Clock::now(&world.clock);
    world.clock.advance(4 * YEAR);
    for _ in 0..4 {
        world.clock.advance(DAY);
        world.carry(&mut alice);
    }
    world.clock.set(right);
    drop(world.fetch_mail(&bob));
    for (_, envelope) in &late {
        bob.messenger.receive(envelope).unwrap();
    }
    // He sends in hers, as the newer one.
    bob.say(&alice.user(), "three");
    world.carry(&mut bob);
    let outcomes = world.deliver(&mut alice);
    assert!(!outcomes.contains(&Received::Held), "{outcomes:?}");
    assert_eq!(alice.texts(), ["one", "three"]);
}

#[test]
fn a_gap_that_was_noticed_while_the_clock_was_ahead_is_asked_for() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let right = subrosa::Clock::now(&world.clock);
    alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    alice.say(&bob.user(), "arrives");
    world.carry(&mut alice);
    world.clock.advance(3 * YEAR);
    world.deliver(&mut bob);
    world.clock.set(right);
    // Bob's own asking: Alice would send it again after two days.
    for _ in 0..3 {
        world.clock.advance(HOUR + Duration::from_secs(60));
        world.settle(&mut [&mut alice, &mut bob]);
    }
    assert_eq!(bob.texts(), ["arrives", "lost"]);
}

#[test]
fn who_published_with_a_clock_that_was_behind_is_asked_for_again() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let right = subrosa::Clock::now(&world.clock);
    world.clock.set(Timestamp::from_secs(right.as_secs() - 5 * YEAR.as_secs()));
    let mut bob = world.person("bob");
    world.clock.set(right);
    // His prekeys have expired; he makes new ones when he is online.
    alice.say(&bob.user(), "hello");
    world.carry(&mut alice);
    world.carry(&mut bob);
    world.pass(2 * HOUR, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["hello"]);
}

#[test]
fn a_process_that_only_polls_notices_that_its_clock_went_back() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let right = subrosa::Clock::now(&world.clock);
    world.clock.advance(40 * DAY);
    alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    alice.read();
    // All is done, and it is known when the next thing is due: by the clock that is ahead.
    assert_eq!(world.carry(&mut alice), 0);
    world.clock.set(right);
    for _ in 0..6 {
        world.clock.advance(DAY);
        world.carry(&mut alice);
    }
    world.deliver(&mut bob);
    assert_eq!(bob.texts(), ["lost"]);
}

#[test]
fn a_session_that_a_clock_far_ahead_has_begun_does_not_stand_in_the_way_of_others() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let right = subrosa::Clock::now(&world.clock);
    // What she said has no receipt, so she begins another session: from years ahead.
    alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    world.clock.advance(3 * YEAR);
    for _ in 0..10 {
        world.clock.advance(DAY);
        bob.messenger.prekeys_left(0).unwrap();
        world.carry(&mut bob);
        world.carry(&mut alice);
    }
    let begun = world.fetch_mail(&bob);
    assert!(begun.iter().any(|(_, envelope)| is_first(envelope)));
    // Bob's clock was right all the time, and refuses it.
    world.clock.set(right);
    for (_, envelope) in begun.iter().filter(|(_, envelope)| is_first(envelope)) {
        let outcome = bob.messenger.receive(envelope).unwrap();
        assert_eq!(outcome, Received::Rejected(Rejection::Forged));
    }
    let id = alice.say(&bob.user(), "heard");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["heard"]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
}

#[test]
fn one_time_prekeys_that_a_clock_behind_has_made_keep_nobody_from_a_device() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let right = subrosa::Clock::now(&world.clock);
    // All that he has published are given away; those that follow have expired already.
    for _ in 0..100 {
        world.directory.bundle(&bob.user()).unwrap();
    }
    world.clock.set(Timestamp::from_secs(right.as_secs() - YEAR.as_secs()));
    bob.messenger.prekeys_left(0).unwrap();
    world.carry(&mut bob);
    world.clock.set(right);
    alice.say(&bob.user(), "hello");
    world.carry(&mut alice);
    world.deliver(&mut bob);
    assert_eq!(bob.texts(), ["hello"]);
}

#[test]
fn a_session_that_a_clock_far_ahead_has_begun_is_kept_for_who_may_answer_in_it() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let right = subrosa::Clock::now(&world.clock);
    // On first contact Bob takes what comes, and says nothing before he has decided.
    world.clock.advance(YEAR);
    let mut bob = world.person("bob");
    alice.say(&bob.user(), "hello");
    world.carry(&mut alice);
    world.clock.set(right);
    world.deliver(&mut bob);
    world.pass(60 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["hello"]);
    bob.messenger.accept(alice.user()).unwrap();
    bob.say(&alice.user(), "hi");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.texts(), ["hi"]);
}
