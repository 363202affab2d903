//! Groups: who is in one, what is said there, who reads it.

use std::time::Duration;

use subrosa::{
    Consent, Content, Error, EventKind, GroupChange, GroupId, MessageId, Received, Rejection, Role,
    Status, UserId,
};

use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Alice, who talks with Bob and with Carol; those two have never met.
pub(crate) fn three(world: &mut World) -> (Device, Device, Device) {
    let (mut alice, bob) = world.pair();
    let mut carol = world.person("carol");
    world.meet(&mut alice, &mut carol);
    (alice, bob, carol)
}

pub(crate) fn add(users: &[&Device]) -> GroupChange {
    GroupChange::Add(users.iter().map(|device| device.user()).collect())
}

/// A group of Alice's with these people.
pub(crate) fn group_of(
    world: &mut World,
    alice: &mut Device,
    others: &mut [&mut Device],
) -> GroupId {
    let group = alice.messenger.create_group("Roses").unwrap();
    let users = others.iter().map(|device| device.user()).collect();
    alice.messenger.change_group(&group, GroupChange::Add(users)).unwrap();
    let mut all: Vec<&mut Device> = vec![alice];
    all.extend(others.iter_mut().map(|device| &mut **device));
    world.settle(&mut all);
    group
}

/// The three, in a group of Alice's.
pub(crate) fn three_in_a_group(world: &mut World) -> (Device, Device, Device, GroupId) {
    let (mut alice, mut bob, mut carol) = three(world);
    let group = group_of(world, &mut alice, &mut [&mut bob, &mut carol]);
    (alice, bob, carol, group)
}

pub(crate) fn members(device: &mut Device, group: &GroupId) -> Vec<(UserId, Role)> {
    let group = device.messenger.group(group).unwrap().unwrap();
    group.members.into_iter().map(|member| (member.user, member.role)).collect()
}

pub(crate) fn say(device: &mut Device, group: &GroupId, text: &str) -> MessageId {
    device.messenger.send(group, Content::text(text)).unwrap()
}

pub(crate) fn changes(device: &Device) -> Vec<(Option<UserId>, GroupChange)> {
    let change = |kind: &EventKind| match kind {
        EventKind::GroupChanged { by, change, .. } => Some((by.clone(), change.clone())),
        _ => None,
    };
    device.told.iter().filter_map(change).collect()
}

#[test]
fn a_group_is_made_and_everybody_knows_the_same_of_it() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let expected =
        [(alice.user(), Role::Owner), (bob.user(), Role::Member), (carol.user(), Role::Member)];
    for device in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(members(device, &group), expected);
        let group = device.messenger.group(&group).unwrap().unwrap();
        assert_eq!((group.name.as_str(), group.consent), ("Roses", Consent::Accepted));
        assert!(group.joining.is_empty() && group.stopped.is_none());
    }
    for device in [&bob, &carol] {
        let by = alice.user();
        let invited = device.told.iter().any(|kind| {
            matches!(kind, EventKind::Invited { group: of, by: who } if *of == group && *who == by)
        });
        assert!(invited, "{:?}", device.told);
    }
    // What follows is told with who did it.
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Admin)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    bob.messenger.change_group(&group, GroupChange::Rename("Thorns".into())).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(
        changes(&carol),
        [
            (Some(alice.user()), GroupChange::SetRole(bob.user(), Role::Admin)),
            (Some(bob.user()), GroupChange::Rename("Thorns".into())),
        ]
    );
    assert_eq!(changes(&alice), [(Some(bob.user()), GroupChange::Rename("Thorns".into()))]);
    carol.messenger.change_group(&group, GroupChange::Leave).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(members(&mut alice, &group), members(&mut bob, &group));
    assert_eq!(members(&mut alice, &group).len(), 2);
    let gone = carol.messenger.change_group(&group, GroupChange::Rename("mine".into()));
    assert!(matches!(gone, Err(Error::NotAMember)));
    assert_eq!(carol.messenger.group(&group).unwrap().unwrap().role, None);
}

#[test]
fn who_has_no_right_changes_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob, carol, group) = three_in_a_group(&mut world);
    for change in [
        GroupChange::Remove(vec![carol.user()]),
        GroupChange::SetRole(bob.user(), Role::Admin),
        GroupChange::Rename("mine".into()),
        add(&[&carol]),
    ] {
        let refused = bob.messenger.change_group(&group, change);
        assert!(matches!(refused, Err(Error::NotAllowed)), "{refused:?}");
    }
    assert!(matches!(
        alice.messenger.change_group(&group, GroupChange::Leave),
        Err(Error::NotAllowed)
    ));
    let long = GroupChange::Rename("x".repeat(257));
    assert!(matches!(alice.messenger.change_group(&group, long), Err(Error::Limit { .. })));
    alice.messenger.block(bob.user()).unwrap();
    let blocked = alice.messenger.change_group(&group, add(&[&bob]));
    assert!(matches!(blocked, Err(Error::NotAllowed)));
    let unknown = GroupId::from_bytes([7; 32]);
    assert!(matches!(alice.messenger.send(unknown, Content::text("x")), Err(Error::NotAMember)));
    assert!(alice.messenger.group(&unknown).unwrap().is_none());
}

#[test]
fn who_is_to_be_added_joins_when_their_account_is_known() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let group = alice.messenger.create_group("Roses").unwrap();
    let carol = UserId::new("carol").unwrap();
    let both = GroupChange::Add(vec![bob.user(), carol.clone()]);
    alice.messenger.change_group(&group, both).unwrap();
    let known = alice.messenger.group(&group).unwrap().unwrap();
    assert_eq!((known.members.len(), known.joining), (2, vec![carol]));
    alice.restart();
    // She makes her account before anybody asks for it.
    let mut carol = world.person("carol");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let known = alice.messenger.group(&group).unwrap().unwrap();
    assert_eq!((known.members.len(), known.joining), (3, vec![]));
    // To her it is a stranger's invitation.
    assert_eq!(carol.messenger.group(&group).unwrap().unwrap().consent, Consent::Requested);
    // Whom nobody knows cannot be added.
    let nobody = UserId::new("nobody").unwrap();
    alice.messenger.change_group(&group, GroupChange::Add(vec![nobody.clone()])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let told =
        |kind: &EventKind| matches!(kind, EventKind::NotAdded { user, .. } if *user == nobody);
    assert!(alice.told.iter().any(told));
    assert!(alice.messenger.group(&group).unwrap().unwrap().joining.is_empty());
}

#[test]
fn a_strangers_invitation_is_a_request_and_nothing_is_sent_before_it_is_accepted() {
    for accept in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let mut carol = world.person("carol");
        let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
        assert_eq!(carol.messenger.group(&group).unwrap().unwrap().consent, Consent::Requested);
        say(&mut alice, &group, "before");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!((bob.texts(), carol.texts()), (vec!["before".to_owned()], vec![]));
        let refused = carol.messenger.send(group, Content::text("I?"));
        assert!(matches!(refused, Err(Error::NotAMember)));
        assert_eq!(world.carry(&mut carol), 0);
        if accept {
            carol.messenger.accept(group).unwrap();
            world.settle(&mut [&mut alice, &mut bob, &mut carol]);
            say(&mut alice, &group, "welcome");
            world.settle(&mut [&mut alice, &mut bob, &mut carol]);
            say(&mut carol, &group, "thanks");
            world.settle(&mut [&mut alice, &mut bob, &mut carol]);
            assert!(carol.texts().contains(&"welcome".to_owned()));
            assert_eq!(alice.texts(), ["thanks"]);
            assert_eq!(bob.texts(), ["before", "welcome", "thanks"]);
        } else {
            carol.messenger.block(group).unwrap();
            say(&mut alice, &group, "are you there?");
            world.settle(&mut [&mut alice, &mut bob, &mut carol]);
            assert_eq!(world.lying(&carol.user(), &alice.user()), 0);
            assert!(carol.texts().is_empty());
        }
    }
}

#[test]
fn what_is_said_in_a_group_reaches_all_members_and_nobody_else() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut dave = world.person("bob2");
    let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
    let first = say(&mut alice, &group, "At eight, all of you.");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(alice.statuses(first), [Status::Sent]);
    // Bob and Carol have never met.
    say(&mut bob, &group, "I cannot.");
    say(&mut carol, &group, "I can.");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dave]);
    assert_eq!(bob.texts(), ["At eight, all of you.", "I can."]);
    assert_eq!(carol.texts(), ["At eight, all of you.", "I cannot."]);
    assert_eq!(alice.texts(), ["I cannot.", "I can."]);
    assert!(dave.told.is_empty());
    // Once the keys are there, a message is one envelope a device.
    say(&mut alice, &group, "again");
    assert_eq!(world.carry(&mut alice), 2);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for _ in 0..3 {
        say(&mut alice, &group, "and again");
        assert_eq!(world.carry(&mut alice), 2);
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    assert_eq!(bob.texts().len(), 6);
}

#[test]
fn who_was_removed_reads_nothing_new_and_is_not_heard_any_more() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for device in [&mut alice, &mut bob, &mut carol] {
        say(device, &group, "hello");
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // Carol says something that is late.
    say(&mut carol, &group, "not yet received");
    world.carry(&mut carol);
    alice.messenger.change_group(&group, GroupChange::Remove(vec![carol.user()])).unwrap();
    say(&mut alice, &group, "without her");
    assert!(world.carry(&mut alice) > 0);
    let outcomes = world.deliver(&mut alice);
    assert!(outcomes.contains(&Received::Rejected(Rejection::NotAMember)), "{outcomes:?}");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    say(&mut bob, &group, "as I say");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(carol.texts(), ["hello", "hello"]);
    assert!(alice.texts().contains(&"as I say".to_owned()));
    assert!(bob.texts().contains(&"without her".to_owned()));
    let refused = carol.messenger.send(group, Content::text("still here"));
    assert!(matches!(refused, Err(Error::NotAMember)));
    assert_eq!(changes(&carol), [(Some(alice.user()), GroupChange::Remove(vec![carol.user()]))]);
}

#[test]
fn our_other_devices_follow() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut tablet = world.link(&mut alice);
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    let group = alice.messenger.create_group("Roses").unwrap();
    alice.messenger.change_group(&group, add(&[&bob, &carol])).unwrap();
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    assert_eq!(members(&mut tablet, &group), members(&mut bob, &group));
    say(&mut tablet, &group, "from the tablet");
    say(&mut alice, &group, "from the phone");
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    assert_eq!(alice.own_texts(), ["from the tablet"]);
    assert_eq!(tablet.own_texts(), ["from the phone"]);
    assert_eq!(bob.texts().len(), 2);
    // A device that is linked later knows the group, and gets what comes.
    let mut laptop = world.link(&mut bob);
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut laptop, &mut carol];
    world.settle(&mut all);
    assert_eq!(members(&mut laptop, &group), members(&mut bob, &group));
    say(&mut tablet, &group, "hello laptop");
    say(&mut laptop, &group, "hello");
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut laptop, &mut carol];
    world.settle(&mut all);
    assert_eq!(laptop.texts(), ["hello laptop"]);
    assert_eq!(bob.own_texts(), ["hello"]);
    assert!(carol.texts().contains(&"hello".to_owned()));
    // One that is revoked is not heard any more, and reads nothing.
    let id = laptop.address().device;
    bob.messenger.revoke_device(id).unwrap();
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    say(&mut tablet, &group, "not for the laptop");
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    assert_eq!(world.lying(&alice.user(), &bob.user()), 0);
    assert_eq!(laptop.texts(), ["hello laptop"]);
    world.pass(DAY, &mut [&mut alice, &mut tablet, &mut bob, &mut carol]);
}
