//! Groups in which something is late, goes missing, is withheld or made up.

use std::collections::BTreeSet;
use std::time::Duration;

use subrosa::wire::GroupMessage;
use subrosa::{Clock, EventKind, GroupChange, GroupId, Incoming, Received, Role, Status};

use crate::group_faults::{is_group, lose, spoken_under_a_new_name};
use crate::groups::{add, group_of, members, say, three, three_in_a_group};
use crate::world::{Device, World};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn what_was_said_before_a_change_goes_to_those_who_were_members_then() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut dave = world.person("robert");
    world.meet(&mut alice, &mut dave);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    say(&mut alice, &group, "with Carol");
    alice.messenger.change_group(&group, GroupChange::Remove(vec![carol.user()])).unwrap();
    alice.messenger.change_group(&group, add(&[&dave])).unwrap();
    alice.restart();
    say(&mut alice, &group, "with Dave");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    assert_eq!(bob.texts(), ["with Carol", "with Dave"]);
    assert_eq!(carol.texts(), ["with Carol"]);
    assert_eq!(dave.texts(), ["with Dave"]);
    // Last words.
    let last = say(&mut bob, &group, "good bye");
    bob.messenger.change_group(&group, GroupChange::Leave).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut dave]);
    assert_eq!(bob.statuses(last), [Status::Sent]);
    assert_eq!(members(&mut alice, &group).len(), 2);
    assert!(alice.texts().contains(&"good bye".to_owned()), "{:?}", alice.texts());
    assert!(dave.texts().contains(&"good bye".to_owned()), "{:?}", dave.texts());
}

#[test]
fn who_asks_for_a_chain_while_the_readers_change_gets_it_with_the_next_message() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let (mut carol, mut dave) = (world.person("carol"), world.person("robert"));
    world.meet(&mut alice, &mut dave);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    // Carol has not decided; the key goes to her with the messages 1, 2 and 4.
    for number in 0..4 {
        say(&mut alice, &group, &format!("{number}"));
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    carol.messenger.accept(group).unwrap();
    world.carry(&mut carol);
    alice.messenger.change_group(&group, add(&[&dave])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    say(&mut alice, &group, "now");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    assert!(carol.texts().contains(&"now".to_owned()), "{:?}", carol.texts());
}

#[test]
fn a_chain_that_nobody_has_confirmed_comes_again_though_nothing_is_said() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "one");
    world.carry(&mut alice);
    assert_eq!(lose(&mut world, &bob, |envelope| !is_group(envelope)), 1);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.texts().is_empty());
    world.pass(2 * HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one"]);
    // Who has it does not get it again.
    let before = world.carried;
    world.pass(2 * HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.carried, before);
}

#[test]
fn each_gap_of_a_chain_is_asked_for_at_its_own_times() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for number in 0..10 {
        let text = format!("lost {number}");
        say(&mut alice, &group, &text);
        world.carry(&mut alice);
        assert_eq!(lose(&mut world, &bob, is_group), 1);
        say(&mut alice, &group, "behind it");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        world.pass(12 * HOUR, &mut [&mut alice, &mut bob, &mut carol]);
        assert!(bob.texts().contains(&text), "{number}");
    }
    assert!(!bob.told.iter().any(|kind| matches!(kind, EventKind::Lost { .. })));
}

#[test]
fn what_came_before_its_chain_is_asked_for_until_it_comes_or_is_lost() {
    for comes in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol) = three(&mut world);
        let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
        say(&mut alice, &group, "one");
        world.carry(&mut alice);
        assert_eq!(lose(&mut world, &bob, |envelope| !is_group(envelope)), 1);
        say(&mut alice, &group, "two");
        world.carry(&mut alice);
        world.deliver(&mut bob);
        // What Bob asks for at once is lost.
        assert!(world.carry(&mut bob) > 0);
        world.mail_of(&alice.address());
        assert_eq!(bob.texts(), ["two"]);
        if comes {
            world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
            assert_eq!(bob.texts(), ["two", "one"]);
        } else {
            world.pass(40 * DAY, &mut [&mut bob, &mut carol]);
        }
        let lost = bob.told.iter().any(|kind| matches!(kind, EventKind::Lost { count: 1, .. }));
        assert_eq!(lost, !comes);
    }
}

#[test]
fn what_was_lost_together_with_its_chain_is_asked_for_until_it_comes_or_is_lost() {
    for comes in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol) = three(&mut world);
        let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
        say(&mut alice, &group, "one");
        world.carry(&mut alice);
        assert_eq!(lose(&mut world, &bob, |_| true), 2);
        say(&mut alice, &group, "two");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(bob.texts(), ["two"]);
        if comes {
            world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
            assert_eq!(bob.texts(), ["two", "one"]);
        } else {
            world.pass(40 * DAY, &mut [&mut bob, &mut carol]);
        }
        let lost = bob.told.iter().any(|kind| matches!(kind, EventKind::Lost { count: 1, .. }));
        assert_eq!(lost, !comes);
        // Carol had it all, and a newcomer is owed nothing.
        let mut dave = world.person("robert");
        dave.messenger.accept(alice.user()).unwrap();
        alice.messenger.change_group(&group, add(&[&dave])).unwrap();
        world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
        say(&mut alice, &group, "three");
        world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol, &mut dave]);
        assert_eq!(carol.texts(), ["one", "two", "three"]);
        assert_eq!(dave.texts(), ["three"]);
    }
}

#[test]
fn what_was_lost_with_the_whole_chain_before_is_asked_for() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    say(&mut alice, &group, "one");
    world.carry(&mut alice);
    assert_eq!(lose(&mut world, &bob, |_| true), 2);
    alice.messenger.rotate_group(&group).unwrap();
    say(&mut alice, &group, "two");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["two"]);
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["two", "one"]);
    assert_eq!(carol.texts(), ["one", "two"]);
}

/// How many messages a device was told are lost.
fn lost(device: &Device) -> u64 {
    let count = |kind: &EventKind| match kind {
        EventKind::Lost { count, .. } => *count,
        _ => 0,
    };
    device.told.iter().map(count).sum()
}

#[test]
fn what_was_lost_with_more_than_one_chain_before_is_told() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    for text in ["one", "two", "three"] {
        say(&mut alice, &group, text);
        say(&mut alice, &group, &format!("{text} more"));
        world.carry(&mut alice);
        assert!(lose(&mut world, &bob, |_| true) >= 3);
        world.deliver(&mut carol);
        alice.messenger.rotate_group(&group).unwrap();
    }
    say(&mut alice, &group, "four");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!((bob.texts(), lost(&bob)), (vec!["four".to_owned()], 4));
    world.pass(40 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["four", "three", "three more"]);
    assert_eq!((lost(&bob), lost(&carol)), (4, 0));
}

#[test]
fn the_end_of_a_chain_is_missing_though_the_next_is_lost_too() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "one");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for text in ["at its end", "in the next", "in the one after that"] {
        say(&mut alice, &group, text);
        world.carry(&mut alice);
        assert!(lose(&mut world, &bob, |_| true) >= 1);
        world.deliver(&mut carol);
        alice.messenger.rotate_group(&group).unwrap();
    }
    say(&mut alice, &group, "last");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(lost(&bob), 1);
    world.pass(40 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "last", "in the one after that"]);
    assert_eq!(lost(&bob), 2);
}

#[test]
fn what_came_as_copies_is_not_told_to_be_lost() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let mut tablet = world.link(&mut carol);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    // Alice knows of the tablet, and has no session with it yet.
    let texts = ["one", "two", "three", "four"];
    for text in texts {
        say(&mut alice, &group, text);
        alice.messenger.rotate_group(&group).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    say(&mut alice, &group, "five");
    world.pass(40 * DAY, &mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
    for heard in [carol.texts(), tablet.texts()] {
        let heard: BTreeSet<_> = heard.into_iter().collect();
        assert_eq!(heard.len(), 5, "{heard:?}");
    }
    assert_eq!((lost(&carol), lost(&tablet)), (0, 0));
}

/// Alice makes a group with Bob and adds Carol, whose invitation is late.
fn invited_late(
    world: &mut World,
    alice: &mut Device,
    bob: &mut Device,
    carol: &Device,
) -> (GroupId, Vec<Vec<u8>>) {
    let group = group_of(world, alice, &mut [&mut *bob]);
    alice.messenger.change_group(&group, add(&[carol])).unwrap();
    world.carry(alice);
    let invitation = world.mail_of(&carol.address());
    world.deliver(bob);
    (group, invitation.into_iter().map(|(_, envelope)| envelope).collect())
}

#[test]
fn what_is_said_before_the_invitation_comes_is_taken_in_after_it() {
    for stays in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol) = three(&mut world);
        world.meet(&mut bob, &mut carol);
        let (group, invitation) = invited_late(&mut world, &mut alice, &mut bob, &carol);
        // In their sessions with Carol, who knows of no group.
        say(&mut bob, &group, "one");
        alice.messenger.change_group(&group, GroupChange::Rename("Thorns".into())).unwrap();
        if !stays {
            alice.messenger.change_group(&group, GroupChange::Remove(vec![carol.user()])).unwrap();
        }
        for sender in [&mut alice, &mut bob] {
            world.carry(sender);
        }
        world.deliver(&mut carol);
        assert!(carol.messenger.group(&group).unwrap().is_none());
        carol.restart();
        // Nobody answers.
        carol.messenger.receive_all(&invitation).unwrap();
        world.settle(&mut [&mut carol]);
        let known = carol.messenger.group(&group).unwrap().unwrap();
        assert_eq!((known.name.as_str(), known.role.is_some()), ("Thorns", stays));
    }
}

#[test]
fn a_copy_that_comes_before_the_invitation_is_shown_after_it() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut carol = world.person("carol");
    world.meet(&mut alice, &mut carol);
    carol.messenger.accept(bob.user()).unwrap();
    let (group, invitation) = invited_late(&mut world, &mut alice, &mut bob, &carol);
    // There is no session between Bob and Carol yet: it goes in the first one.
    say(&mut bob, &group, "one");
    world.settle(&mut [&mut bob, &mut carol]);
    assert!(carol.texts().is_empty());
    carol.messenger.receive_all(&invitation).unwrap();
    world.settle(&mut [&mut carol]);
    assert_eq!(carol.texts(), ["one"]);
}

#[test]
fn who_has_left_still_says_what_was_before_that() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let admin = GroupChange::SetRole(bob.user(), Role::Admin);
    alice.messenger.change_group(&group, admin).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    bob.messenger.change_group(&group, GroupChange::Rename("Thorns".into())).unwrap();
    world.carry(&mut bob);
    assert_eq!(lose(&mut world, &alice, |_| true), 1);
    bob.messenger.change_group(&group, GroupChange::Leave).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let known = alice.messenger.group(&group).unwrap().unwrap();
    assert_eq!((known.name.as_str(), known.members.len()), ("Thorns", 2));
}

#[test]
fn what_waits_for_a_head_since_the_clock_was_ahead_is_forgotten_in_time() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    spoken_under_a_new_name(&mut world, [&mut alice, &mut bob, &mut carol], &group);
    let now = world.clock.now();
    world.clock.set(now.after(35 * DAY));
    assert_eq!(world.deliver(&mut bob), [Received::Held]);
    world.clock.set(now);
    // Alice is away for ever.
    world.pass(40 * DAY, &mut [&mut bob]);
    let before = world.carried;
    world.pass(5 * DAY, &mut [&mut bob]);
    assert_eq!(world.carried, before);
}

#[test]
fn a_copy_that_comes_before_its_group_is_known_is_asked_for_with_the_chain() {
    for rotates in [false, true] {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol) = three(&mut world);
        // Bob and Carol have never met.
        let (group, invitation) = invited_late(&mut world, &mut alice, &mut bob, &carol);
        say(&mut bob, &group, "one");
        world.settle(&mut [&mut bob, &mut carol]);
        assert!(carol.texts().is_empty());
        carol.messenger.receive_all(&invitation).unwrap();
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        if rotates {
            bob.messenger.rotate_group(&group).unwrap();
        }
        say(&mut bob, &group, "two");
        world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
        let texts: BTreeSet<_> = carol.texts().into_iter().collect();
        assert_eq!(texts, ["one", "two"].map(str::to_owned).into());
    }
}

#[test]
fn a_chain_that_comes_before_its_group_is_known_is_asked_for() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.meet(&mut bob, &mut carol);
    let (group, _lost) = invited_late(&mut world, &mut alice, &mut bob, &carol);
    // More devices than are asked for one group within an hour.
    let mut tablets: Vec<Device> = (0..4).map(|_| world.link(&mut bob)).collect();
    let mut all: Vec<&mut Device> = tablets.iter_mut().chain([&mut bob]).collect();
    carol.say(&all[0].user(), "hello");
    all.push(&mut carol);
    world.settle(&mut all);
    let (carol, speakers) = all.split_last_mut().unwrap();
    for (number, speaker) in speakers.iter_mut().enumerate() {
        say(speaker, &group, &number.to_string());
        world.settle(&mut [speaker, carol]);
    }
    // Carol is away as long as these chains come by themselves.
    world.pass(2 * DAY, speakers);
    assert!(lose(&mut world, carol, |_| true) > 0);
    world.pass(DAY, &mut all);
    let texts: BTreeSet<String> = all[5].texts().into_iter().collect();
    assert_eq!(texts, (0..5).map(|number: usize| number.to_string()).collect());
}

#[test]
fn a_server_that_gives_a_message_other_heads_fills_no_store() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    spoken_under_a_new_name(&mut world, [&mut alice, &mut bob, &mut carol], &group);
    let mail = world.mail_of(&bob.address());
    let [(_, genuine)] = mail.as_slice() else { panic!("{} envelopes", mail.len()) };
    let tag = GroupMessage::decode(genuine).unwrap().tag();
    let head = genuine.windows(8).position(|bytes| bytes == tag).unwrap();
    let mut outcomes = Vec::new();
    for flip in 0..100 {
        let mut envelope = genuine.clone();
        // Behind the tag, the salt and the iteration.
        envelope[head + 20] ^= flip;
        outcomes.push(bob.messenger.receive(&envelope).unwrap());
    }
    let held = outcomes.iter().take_while(|outcome| **outcome == Received::Held).count();
    assert_eq!(held, 4);
    assert!(outcomes[held..].iter().all(|outcome| *outcome == Received::Undecryptable));
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "under another name"]);
}

#[test]
fn who_lacks_more_than_one_answer_holds_asks_on() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "one");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for number in 0..400 {
        let name = format!("{number:0>200}");
        alice.messenger.change_group(&group, GroupChange::Rename(name)).unwrap();
    }
    world.carry(&mut alice);
    assert_eq!(lose(&mut world, &bob, |_| true), 400);
    say(&mut alice, &group, "at last");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "at last"]);
    assert_eq!(bob.messenger.group(&group).unwrap().unwrap().name, format!("{:0>200}", 399));
}

#[test]
fn what_the_transport_says_to_be_of_somebody_makes_us_ask_them_once() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let with_bob = group_of(&mut world, &mut alice, &mut [&mut bob]);
    let with_carol = group_of(&mut world, &mut alice, &mut [&mut carol]);
    for group in [&with_bob, &with_carol] {
        say(&mut alice, group, "hello");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    // Bob gets what is none of his.
    say(&mut alice, &with_carol, "not for Bob");
    world.carry(&mut alice);
    let mail = world.mail_of(&carol.address());
    let (from, envelope) = mail.iter().find(|(_, envelope)| is_group(envelope)).unwrap();
    bob.messenger.receive(Incoming::new(envelope).claimed_from(from)).unwrap();
    let before = world.carried;
    world.pass(DAY, &mut [&mut alice, &mut bob]);
    assert!(world.carried > before);
    let before = world.carried;
    world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(world.carried, before);
}
