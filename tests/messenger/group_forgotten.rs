//! What is kept of groups, and how long: nobody can make us keep more, or for ever.

use std::time::Duration;

use subrosa::{Consent, GroupChange, GroupId};

use crate::groups::{add, members, say, three_in_a_group};
use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The tables of groups: rosters, heads, who is a member where, whom we mean to add, parts of
/// news, counts, our chains with what belongs to them, the chains of others, and what waits.
const TABLES: std::ops::RangeInclusive<u8> = 22..=37;
const GROUPS: u8 = 21;
const ROSTERS: u8 = 22;
const PARTS: u8 = 26;
const CHAINS: u8 = 32;

fn rows(device: &Device, table: u8) -> usize {
    device.store.sizes().get(&table).map_or(0, |(rows, _)| *rows)
}

fn invite(world: &mut World, from: &mut Device, to: &mut Device) -> GroupId {
    let group = from.messenger.create_group("Roses").unwrap();
    from.messenger.change_group(&group, add(&[to])).unwrap();
    world.settle(&mut [from, to]);
    group
}

fn consent(device: &mut Device, group: &GroupId) -> Option<Consent> {
    device.messenger.group(group).unwrap().map(|group| group.consent)
}

#[test]
fn a_stranger_does_not_use_up_the_invitations() {
    let mut world = World::new();
    let (mut stranger, mut alice) = (world.person("stranger"), world.person("alice"));
    let mut bob = world.person("bob");
    let groups: Vec<GroupId> =
        (0..20).map(|_| invite(&mut world, &mut stranger, &mut bob)).collect();
    let waiting = |bob: &mut Device| {
        groups.iter().filter(|group| consent(bob, group) == Some(Consent::Requested)).count()
    };
    assert_eq!((waiting(&mut bob), rows(&bob, GROUPS)), (8, 8));
    let other = invite(&mut world, &mut alice, &mut bob);
    assert_eq!(consent(&mut bob, &other), Some(Consent::Requested));
    // One that is taken back is none.
    let removal = GroupChange::Remove(vec![bob.user()]);
    stranger.messenger.change_group(&groups[3], removal).unwrap();
    world.settle(&mut [&mut stranger, &mut bob]);
    assert_eq!((consent(&mut bob, &groups[3]), waiting(&mut bob)), (None, 7));
    assert_eq!((rows(&bob, GROUPS), rows(&bob, ROSTERS)), (8, 8));
    stranger.messenger.change_group(&groups[3], add(&[&bob])).unwrap();
    world.settle(&mut [&mut stranger, &mut bob]);
    assert_eq!(waiting(&mut bob), 8);
}

#[test]
fn an_invitation_grows_within_bounds_until_it_is_accepted() {
    let mut world = World::new();
    let (mut stranger, mut bob) = (world.person("stranger"), world.person("bob"));
    let group = stranger.messenger.create_group("Roses").unwrap();
    let mut pictures = (0_u16..).map(|number| {
        let picture = [&number.to_be_bytes()[..], &[7; 1022]].concat();
        GroupChange::SetPicture(picture)
    });
    for picture in pictures.by_ref().take(700) {
        stranger.messenger.change_group(&group, picture).unwrap();
    }
    stranger.messenger.change_group(&group, add(&[&bob])).unwrap();
    world.settle(&mut [&mut stranger, &mut bob]);
    assert_eq!(consent(&mut bob, &group), Some(Consent::Requested));
    let mut last = None;
    for picture in pictures.take(600) {
        stranger.messenger.change_group(&group, picture.clone()).unwrap();
        last = Some(picture);
    }
    world.settle(&mut [&mut stranger, &mut bob]);
    let (_, bytes) = bob.store.sizes()[&ROSTERS];
    assert!((1 << 20..3 << 19).contains(&bytes), "{bytes}");
    // Nothing is lost by it.
    bob.messenger.accept(group).unwrap();
    bob.messenger.accept(stranger.user()).unwrap();
    world.settle(&mut [&mut stranger, &mut bob]);
    say(&mut stranger, &group, "welcome");
    world.settle(&mut [&mut stranger, &mut bob]);
    assert_eq!(bob.texts(), ["welcome"]);
    let picture = bob.messenger.group(&group).unwrap().unwrap().picture;
    assert_eq!(Some(GroupChange::SetPicture(picture)), last);
}

#[test]
fn parts_of_what_never_comes_whole_are_forgotten() {
    let mut world = World::new();
    let (mut stranger, mut bob) = (world.person("stranger"), world.person("bob"));
    stranger.say(&bob.user(), "hello");
    world.settle(&mut [&mut stranger, &mut bob]);
    let group = stranger.messenger.create_group("Roses").unwrap();
    for number in 0..100 {
        let picture = GroupChange::SetPicture(vec![number; 1024]);
        stranger.messenger.change_group(&group, picture).unwrap();
    }
    stranger.messenger.change_group(&group, add(&[&bob])).unwrap();
    world.carry(&mut stranger);
    let lost = world.mailboxes.get_mut(&bob.address()).unwrap().pop();
    assert!(lost.is_some());
    world.deliver(&mut bob);
    assert!(rows(&bob, PARTS) > 0);
    world.pass(20 * DAY, &mut [&mut bob]);
    assert!(rows(&bob, PARTS) > 0);
    world.pass(13 * DAY, &mut [&mut bob]);
    assert_eq!(rows(&bob, PARTS), 0);
}

#[test]
fn a_group_that_was_left_is_forgotten() {
    for removed in [false, true] {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
        for _ in 0..3 {
            for device in [&mut alice, &mut bob, &mut carol] {
                say(device, &group, "hello");
            }
            world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        }
        assert!(rows(&bob, CHAINS) > 0);
        match removed {
            true => {
                let removal = GroupChange::Remove(vec![bob.user()]);
                alice.messenger.change_group(&group, removal).unwrap();
            }
            false => bob.messenger.change_group(&group, GroupChange::Leave).unwrap(),
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        world.pass(36 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
        assert!(consent(&mut bob, &group).is_some());
        world.pass(7 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(consent(&mut bob, &group), None);
        let kept: Vec<u8> = TABLES.chain([GROUPS]).filter(|table| rows(&bob, *table) > 0).collect();
        assert_eq!(kept, [0; 0], "{removed}");
        // Those who are left have forgotten what was his.
        assert_eq!((rows(&alice, CHAINS), rows(&carol, CHAINS)), (1, 1));
        // Who is added again begins anew.
        alice.messenger.change_group(&group, add(&[&bob])).unwrap();
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(members(&mut bob, &group).len(), 3);
        bob.told.clear();
        say(&mut alice, &group, "back");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(bob.texts(), ["back"]);
    }
}

#[test]
fn a_group_that_was_declined_stays_so() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    bob.messenger.block(group).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    world.pass(45 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!((rows(&bob, GROUPS), rows(&bob, ROSTERS)), (1, 0));
    bob.told.clear();
    alice.messenger.change_group(&group, add(&[&bob])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    say(&mut alice, &group, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.told.is_empty(), "{:?}", bob.told);
    assert_eq!((rows(&bob, GROUPS), rows(&bob, ROSTERS)), (1, 0));
}
