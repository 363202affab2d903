//! Envelopes of groups that nobody knows, or that were here before.

use subrosa::messenger::MAX_HELD;
use subrosa::testing::FailingStore;
use subrosa::{Incoming, Messenger, Received, Rejection};

use crate::group_faults::is_group;
use crate::groups::{group_of, say, three_in_a_group};
use crate::world::{Device, World, junk};

/// The tables of envelopes that are held.
const HELD: u8 = 13;
const UNKNOWN: u8 = 37;

/// And that of tags whose messages have opened.
const USED_TAGS: u8 = 36;

fn rows(device: &Device, table: u8) -> usize {
    device.store.sizes().get(&table).map_or(0, |(rows, _)| *rows)
}

/// The group messages that lie in a mailbox.
fn messages(world: &mut World, device: &Device) -> Vec<Vec<u8>> {
    let mail = world.mail_of(&device.address()).into_iter().map(|(_, envelope)| envelope);
    mail.filter(|envelope| is_group(envelope)).collect()
}

/// The same message under tags that no chain has.
fn of_no_chain(genuine: &[u8], number: u16) -> Vec<u8> {
    let tag = subrosa::wire::GroupMessage::decode(genuine).unwrap().tag();
    let place = genuine.windows(8).position(|bytes| bytes == tag).unwrap();
    let mut envelope = genuine.to_vec();
    envelope[place..place + 2].copy_from_slice(&number.to_be_bytes());
    envelope[place + 2] ^= 1;
    envelope
}

#[test]
fn a_message_that_has_opened_is_known_when_it_comes_again() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let mut all = Vec::new();
    for number in 0..12 {
        say(&mut alice, &group, &format!("{number}"));
        world.carry(&mut alice);
        all.extend(messages(&mut world, &bob));
        bob.messenger.receive(all.last().unwrap()).unwrap();
    }
    for restart in [false, true] {
        if restart {
            bob.restart();
        }
        for envelope in &all {
            assert_eq!(bob.messenger.receive(envelope).unwrap(), Received::Duplicate);
        }
    }
    assert_eq!(rows(&bob, UNKNOWN), 0);
    // Nothing is kept of a chain that is over.
    alice.messenger.rotate_group(&group).unwrap();
    say(&mut alice, &group, "in another chain");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let before = rows(&bob, USED_TAGS);
    assert_eq!(before, 14);
    let days = |days: u64| std::time::Duration::from_secs(days * 24 * 60 * 60);
    world.pass(days(33), &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(rows(&bob, USED_TAGS), 1);
}

#[test]
fn what_nobody_knows_of_groups_puts_out_nothing_else() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "hello");
    world.carry(&mut alice);
    let genuine = messages(&mut world, &bob).pop().unwrap();
    assert_eq!(bob.messenger.receive(&junk(1, 256)).unwrap(), Received::Held);
    for number in 0..u16::try_from(MAX_HELD).unwrap() + 50 {
        let envelope = of_no_chain(&genuine, number);
        for _ in 0..2 {
            assert_eq!(bob.messenger.receive(&envelope).unwrap(), Received::Held);
        }
    }
    assert_eq!((rows(&bob, HELD), rows(&bob, UNKNOWN)), (1, MAX_HELD));
    // Nor does anything else put out this.
    for number in 0..300 {
        bob.messenger.receive(&junk(number, 256)).unwrap();
    }
    assert_eq!((rows(&bob, HELD), rows(&bob, UNKNOWN)), (MAX_HELD, MAX_HELD));
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
}

#[test]
fn what_nobody_knows_is_looked_for_in_all_chains_within_bounds() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut genuine = Vec::new();
    for number in 0..30 {
        let group = group_of(&mut world, &mut alice, &mut [&mut bob]);
        say(&mut alice, &group, &format!("{number}"));
        world.carry(&mut alice);
        let mail = world.mailboxes.get(&bob.address()).unwrap().iter();
        genuine.extend(mail.map(|(_, e)| e.clone()).find(|envelope| is_group(envelope)));
        world.settle(&mut [&mut alice, &mut bob]);
    }
    assert_eq!(bob.texts().len(), 30);
    let store = FailingStore::new(bob.store.clone());
    let opened = Messenger::open(store.clone(), world.options()).unwrap();
    bob.messenger = opened.ready().unwrap();
    let unknown = |bob: &mut Device, number| {
        let before = store.operations();
        let envelope = of_no_chain(&genuine[0], number);
        assert_eq!(bob.messenger.receive(&envelope).unwrap(), Received::Held);
        while let Some(out) = bob.messenger.next_outgoing().unwrap() {
            bob.messenger.outgoing_done(&[out.id]).unwrap();
        }
        store.operations() - before
    };
    let costs: Vec<u64> = (0..200).map(|number| unknown(&mut bob, number)).collect();
    let (first, later) = costs.split_at(100);
    // The chains are gone through for some of them, and not for all.
    assert!(first.iter().filter(|cost| **cost > 30).count() >= 20, "{first:?}");
    assert!(later.iter().all(|cost| *cost < 30), "{later:?}");
}

#[test]
fn a_message_far_ahead_of_its_chain_is_found_without_a_hint() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for number in 0..20 {
        say(&mut alice, &group, &format!("{number}"));
        world.carry(&mut alice);
    }
    let last = messages(&mut world, &bob).pop().unwrap();
    assert_eq!(bob.messenger.receive(&last).unwrap(), Received::Held);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["hello", "19"]);
    assert_eq!(rows(&bob, UNKNOWN), 0);
}

#[test]
fn what_is_of_somebody_whose_groups_we_have_declined_is_not_kept() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    bob.messenger.block(group).unwrap();
    let other = alice.messenger.create_group("Thorns").unwrap();
    let add = crate::groups::add(&[&bob, &carol]);
    alice.messenger.change_group(&other, add).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // As somebody who is in another group with us, Alice may say what is not known yet.
    for declined in [false, true] {
        if declined {
            bob.messenger.block(other).unwrap();
            world.carry(&mut bob);
        }
        say(&mut alice, &other, "hello");
        world.carry(&mut alice);
        let envelope = messages(&mut world, &bob).pop().unwrap();
        let unknown = of_no_chain(&envelope, 1);
        let from = alice.user();
        let outcome = bob.messenger.receive(Incoming::new(&unknown).claimed_from(&from)).unwrap();
        let expected = match declined {
            true => Received::Rejected(Rejection::NotAMember),
            false => Received::Held,
        };
        assert_eq!(outcome, expected);
    }
}
