//! A page of the mailbox in one commit.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use subrosa::testing::seeded;
use subrosa::{EventKind, Messenger, Received};

use crate::group_faults::is_group;
use crate::groups::{say, three_in_a_group};
use crate::world::{Device, World};

/// What became of an envelope, and how much there was to tell.
fn outcome(received: &Received) -> String {
    match received {
        Received::Opened(events) => format!("Opened({})", events.len()),
        other => format!("{other:?}"),
    }
}

/// Another device with the same store.
fn twin(world: &mut World, device: &Device) -> Device {
    let (store, options) = (device.store.snapshot(), seeded(world.options(), 5));
    let messenger = Messenger::open(store.clone(), options.clone()).unwrap().ready().unwrap();
    world.device(messenger, store, options)
}

/// Everything that comes to Bob, who was away: of both, of their group, new keys among it,
/// some of it twice and some of it damaged.
fn mail_of_bob(world: &mut World, bob: &Device, rng: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    let mut page: Vec<Vec<u8>> = Vec::new();
    for (_, envelope) in world.mail_of(&bob.address()) {
        let mut damaged = envelope.clone();
        let at = rng.random_range(0..damaged.len());
        damaged[at] ^= 1 << rng.random_range(0..8);
        page.push(envelope.clone());
        match rng.random_range(0..4) {
            0 => page.push(damaged),
            1 => page.push(envelope),
            2 => page.insert(rng.random_range(0..page.len()), damaged),
            _ => {}
        }
    }
    page
}

#[test]
fn a_page_at_once_tells_what_its_envelopes_tell_one_by_one() {
    for seed in 0..12 {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
        say(&mut alice, &group, "hello");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        for number in 0..8 {
            for device in [&mut alice, &mut carol] {
                say(device, &group, &format!("number {number}"));
                world.carry(device);
            }
            if number == 4 {
                alice.messenger.rotate_group(&group).unwrap();
                alice.say(&bob.user(), "to you alone");
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let page = mail_of_bob(&mut world, &bob, &mut rng);
        assert!(page.iter().filter(|envelope| is_group(envelope)).count() >= 16);
        let (mut single, mut together) = (twin(&mut world, &bob), twin(&mut world, &bob));
        let outcomes = page.iter().map(|envelope| single.messenger.receive(envelope).unwrap());
        let outcomes: Vec<_> = outcomes.collect();
        let at_once = together.messenger.receive_all(&page).unwrap();
        let [one, other] =
            [&outcomes, &at_once].map(|all| all.iter().map(outcome).collect::<Vec<_>>());
        assert_eq!(one, other);
        for device in [&mut single, &mut together] {
            device.read();
        }
        let told = |device: &Device| {
            let message = |kind: &EventKind| matches!(kind, EventKind::Message(_));
            (device.texts(), device.told.iter().filter(|kind| message(kind)).count())
        };
        assert_eq!(told(&single), told(&together));
        assert!(told(&single).1 >= 9);
    }
}

#[test]
fn an_empty_page_is_nothing() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    assert!(alice.messenger.receive_all([] as [&[u8]; 0]).unwrap().is_empty());
}
