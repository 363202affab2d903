//! Groups whose members do not agree, do not know each other, or are not who they were.

use std::time::Duration;

use subrosa::{Consent, Content, EventKind, GroupChange, Received, Rejection, Role, Timestamp};

use crate::groups::{add, changes, group_of, members, say, three, three_in_a_group};
use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn told(device: &Device, is: impl Fn(&EventKind) -> bool) -> bool {
    device.told.iter().any(is)
}

#[test]
fn what_an_ended_admin_did_unseen_is_void_and_told() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut dave = world.person("robert");
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Admin)).unwrap();
    bob.say(&dave.user(), "come");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    // Bob adds somebody, and Alice, who has not heard of it, ends him.
    bob.messenger.change_group(&group, add(&[&dave])).unwrap();
    world.carry(&mut bob);
    world.mail_of(&alice.address());
    world.settle(&mut [&mut carol, &mut dave]);
    assert_eq!(members(&mut carol, &group).len(), 4);
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Member)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    for device in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(members(device, &group).len(), 3);
    }
    assert!(told(&carol, |kind| matches!(kind, EventKind::Voided { by, .. } if *by == bob.user())));
    assert!(changes(&carol).contains(&(None, GroupChange::Remove(vec![dave.user()]))));
    say(&mut carol, &group, "among us");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    assert!(alice.texts().contains(&"among us".to_owned()));
    assert!(!dave.texts().contains(&"among us".to_owned()));
    // Nobody signs it again by himself.
    world.pass(3 * DAY, &mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    assert_eq!(members(&mut alice, &group).len(), 3);
}

#[test]
fn two_seals_of_one_owner_are_told() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for _ in 0..2 {
        for device in [&mut bob, &mut carol] {
            say(device, &group, "hello");
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    let before = alice.store.snapshot();
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Owner)).unwrap();
    world.carry(&mut alice);
    world.mail_of(&carol.address());
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(members(&mut bob, &group).contains(&(bob.user(), Role::Owner)));
    alice.store = before;
    alice.restart();
    alice.messenger.change_group(&group, GroupChange::SetRole(carol.user(), Role::Owner)).unwrap();
    world.carry(&mut alice);
    world.mail_of(&bob.address());
    world.settle(&mut [&mut carol]);
    assert!(members(&mut carol, &group).contains(&(carol.user(), Role::Owner)));
    say(&mut bob, &group, "I am the owner");
    world.settle(&mut [&mut bob, &mut carol]);
    assert!(told(&carol, |kind| matches!(kind, EventKind::TwoSeals { followed: Some(_), .. })));
    // Each stays with the one that it follows.
    assert!(members(&mut bob, &group).contains(&(bob.user(), Role::Owner)));
    assert!(members(&mut carol, &group).contains(&(carol.user(), Role::Owner)));
}

#[test]
fn the_owner_hands_the_group_over_and_may_go() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Owner)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let expected =
        [(alice.user(), Role::Admin), (bob.user(), Role::Owner), (carol.user(), Role::Member)];
    for device in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(members(device, &group), expected);
    }
    alice.messenger.change_group(&group, GroupChange::Leave).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // The owner's client has taken her out for good.
    for device in [&mut bob, &mut carol] {
        assert_eq!(members(device, &group).len(), 2);
    }
    say(&mut carol, &group, "without Alice");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.texts().contains(&"without Alice".to_owned()));
    assert!(!alice.texts().contains(&"without Alice".to_owned()));
}

#[test]
fn an_old_chain_is_replaced_and_scheduled_messages_go_in_their_time() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "one");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    say(&mut alice, &group, "two");
    assert_eq!(world.carry(&mut alice), 2);
    world.pass(8 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    say(&mut alice, &group, "three");
    assert_eq!(world.carry(&mut alice), 4);
    let now = 1_800_000_000 + 8 * 24 * 60 * 60;
    let at = Timestamp::from_secs(now + 60 * 60);
    let messenger = &mut alice.messenger;
    let one = messenger.send_at(group, Content::text("later"), at).unwrap();
    let other = messenger.send_at(group, Content::text("never"), at).unwrap();
    messenger.cancel(&other).unwrap();
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "two", "three", "later"]);
    assert!(!alice.statuses(one).is_empty());
}

#[test]
fn who_is_blocked_is_not_heard_and_reads_nothing_of_ours() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for _ in 0..2 {
        for device in [&mut alice, &mut bob, &mut carol] {
            say(device, &group, "hello");
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    let (to_bob, to_carol) = (bob.texts().len(), carol.texts().len());
    bob.messenger.block(carol.user()).unwrap();
    say(&mut carol, &group, "you there?");
    say(&mut bob, &group, "not for her");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!((bob.texts().len(), carol.texts().len()), (to_bob, to_carol));
    assert!(alice.texts().ends_with(&["not for her".into(), "you there?".into()]));
    bob.messenger.accept(carol.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for device in [&mut bob, &mut carol] {
        say(device, &group, "again");
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(carol.texts().last().unwrap(), "again");
    assert_eq!(bob.texts().last().unwrap(), "again");
}

#[test]
fn what_somebody_blocked_changes_in_a_group_counts_and_is_not_answered() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    alice.messenger.change_group(&group, GroupChange::SetRole(carol.user(), Role::Admin)).unwrap();
    for _ in 0..2 {
        for device in [&mut alice, &mut bob, &mut carol] {
            say(device, &group, "hello");
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    bob.messenger.block(carol.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    bob.told.clear();
    carol.messenger.change_group(&group, GroupChange::Rename("Thorns".into())).unwrap();
    carol.messenger.change_group(&group, GroupChange::Remove(vec![alice.user()])).unwrap_err();
    carol.say(&bob.user(), "are you there?");
    world.carry(&mut carol);
    let outcomes = world.deliver(&mut bob);
    assert!(
        matches!(
            outcomes.as_slice(),
            [Received::Opened(events), Received::Rejected(Rejection::Blocked)] if events.len() == 1
        ),
        "{outcomes:?}"
    );
    assert_eq!(bob.messenger.group(&group).unwrap().unwrap().name, "Thorns");
    // Nothing tells her, and what she sends again is known.
    for _ in 0..12 {
        world.pass(DAY, &mut [&mut bob]);
        world.carry(&mut carol);
        let outcomes = world.deliver(&mut bob);
        assert!(!outcomes.iter().any(|outcome| matches!(outcome, Received::Opened(_))));
        world.carry(&mut bob);
        assert_eq!(world.lying(&bob.user(), &carol.user()), 0);
    }
    assert!(bob.texts().is_empty());
    assert_eq!(changes(&bob), [(Some(carol.user()), GroupChange::Rename("Thorns".into()))]);
}

#[test]
fn who_becomes_an_admin_says_which_devices_have_no_rights() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let tablet = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut bob]);
    bob.messenger.revoke_device(tablet.address().device).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let group = group_of(&mut world, &mut alice, &mut [&mut bob]);
    // An ordinary member has nothing to say: in a large group they would be many. An admin
    // says it once. (Each change has a receipt.)
    let admin = GroupChange::SetRole(bob.user(), Role::Admin);
    let rename = GroupChange::Rename("Thorns".into());
    for (change, envelopes) in [(rename.clone(), 2), (admin, 4), (rename, 2)] {
        let before = world.carried;
        alice.messenger.change_group(&group, change).unwrap();
        world.settle(&mut [&mut alice, &mut bob]);
        assert_eq!(world.carried - before, envelopes);
    }
}

#[test]
fn an_invitation_is_decided_on_any_of_our_devices() {
    for accept in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let mut carol = world.person("carol");
        let mut tablet = world.link(&mut carol);
        let group = alice.messenger.create_group("Roses").unwrap();
        alice.messenger.change_group(&group, add(&[&bob, &carol])).unwrap();
        world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
        let consent = |device: &mut Device| {
            device.messenger.group(&group).unwrap().map(|group| group.consent)
        };
        assert_eq!(consent(&mut tablet), Some(Consent::Requested));
        match accept {
            true => tablet.messenger.accept(group).unwrap(),
            false => tablet.messenger.block(group).unwrap(),
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
        let decided = if accept { Consent::Accepted } else { Consent::Blocked };
        assert_eq!(consent(&mut carol), Some(decided));
        say(&mut alice, &group, "hello");
        world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet]);
        let shown: &[&str] = if accept { &["hello"] } else { &[] };
        assert_eq!(
            (carol.texts(), tablet.texts()),
            (shown.iter().map(|s| (*s).into()).collect(), carol.texts())
        );
    }
}

#[test]
fn a_member_who_comes_with_another_key_is_another_member() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for device in [&mut alice, &mut bob, &mut carol] {
        say(device, &group, "hello");
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // Somebody else has her name now.
    world.mail_of(&carol.address());
    let mut other = world.person("carol");
    other.say(&alice.user(), "I lost my phone");
    world.settle(&mut [&mut alice, &mut bob, &mut other]);
    let key = alice.messenger.contact(&other.user()).unwrap().new_key.unwrap();
    say(&mut alice, &group, "not for the other one");
    world.settle(&mut [&mut alice, &mut bob, &mut other]);
    alice.messenger.accept_identity(&other.user(), &key).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut other]);
    say(&mut alice, &group, "nor this");
    world.settle(&mut [&mut alice, &mut bob, &mut other]);
    assert!(other.texts().is_empty(), "{:?}", other.texts());
    let known = alice.messenger.group(&group).unwrap().unwrap();
    let hers: Vec<_> = known.members.iter().filter(|member| member.user == other.user()).collect();
    assert!(matches!(hers.as_slice(), [member] if member.other_key), "{hers:?}");
}

#[test]
fn a_leave_that_a_seal_has_not_seen_is_signed_again() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    // Alice seals before she hears that Carol has gone.
    carol.messenger.change_group(&group, GroupChange::Leave).unwrap();
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Owner)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    carol.told.clear();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for device in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(members(device, &group).len(), 2);
    }
    assert_eq!(carol.messenger.group(&group).unwrap().unwrap().consent, Consent::Stranger);
    assert!(!told(&carol, |kind| matches!(kind, EventKind::Invited { .. })));
}

#[test]
fn a_leave_that_comes_after_a_removal_counts_before_who_left_is_added_again() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    bob.messenger.change_group(&group, GroupChange::Leave).unwrap();
    alice.messenger.change_group(&group, GroupChange::Remove(vec![bob.user()])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    alice.messenger.change_group(&group, add(&[&bob])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let all = members(&mut alice, &group);
    assert_eq!(all.len(), 3);
    assert_eq!((&members(&mut bob, &group), &members(&mut carol, &group)), (&all, &all));
    say(&mut carol, &group, "welcome");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.texts().contains(&"welcome".to_owned()));
}

#[test]
fn what_is_said_to_a_member_does_not_go_to_another_account_of_that_name() {
    let mut world = World::new();
    let (mut alice, mut bob, _, group) = three_in_a_group(&mut world);
    let mut other = world.person("carol");
    other.say(&alice.user(), "I lost my phone");
    world.settle(&mut [&mut alice, &mut bob, &mut other]);
    let key = alice.messenger.contact(&other.user()).unwrap().new_key.unwrap();
    // Before she decides whom to believe, nothing goes to either.
    alice.messenger.change_group(&group, GroupChange::Rename("x".repeat(250))).unwrap();
    say(&mut alice, &group, &"y".repeat(250));
    world.settle(&mut [&mut alice, &mut bob]);
    world.mail_of(&other.address());
    alice.messenger.accept_identity(&other.user(), &key).unwrap();
    alice.say(&other.user(), "get well");
    world.pass(10 * DAY, &mut [&mut alice, &mut bob]);
    let mail = world.mail_of(&other.address());
    let longest = mail.iter().map(|(_, envelope)| envelope.len()).max();
    assert!(longest.is_some_and(|len| len < 500), "{longest:?}");
}
