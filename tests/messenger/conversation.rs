//! Two people talk: first contact, turns, receipts, restarts.

use std::time::Duration;

use subrosa::store::MemoryStore;
use subrosa::{
    Address, Consent, Content, Error, EventKind, Learned, Messenger, Options, Received, Status,
    UserId,
};

use crate::world::{Device, World, junk};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The store's tables of envelopes that nobody knows, and of receipts that wait.
const HELD: u8 = 13;
const RECEIPTS: u8 = 18;

#[test]
fn a_first_message_waits_for_a_bundle_and_arrives_as_a_request() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let id = alice.say(&bob.user(), "meet me under the rose");
    world.settle(&mut [&mut alice, &mut bob]);
    let [EventKind::Request(message)] = bob.told.as_slice() else { panic!("{:?}", bob.told) };
    assert_eq!((message.id, &message.from), (id, &alice.user()));
    assert_eq!(message.device, alice.address());
    assert_eq!(message.content.as_text(), Some("meet me under the rose"));
    // Nothing goes back to a stranger, whatever time passes.
    world.pass(30 * DAY, &mut [&mut bob]);
    assert!(world.fetch_mail(&alice).is_empty());
    assert_eq!(alice.statuses(id), [Status::Sent]);
}

#[test]
fn a_request_that_is_accepted_is_confirmed() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let id = alice.say(&bob.user(), "hello");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.messenger.contact(&alice.user()).unwrap().consent, Consent::Requested);
    bob.messenger.accept(alice.user()).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
    bob.messenger.send(alice.user(), Content::read(&[id])).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.statuses(id).last(), Some(&Status::Read(bob.user())));
}

#[test]
fn every_message_arrives_once_and_is_confirmed_once() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(alice.say(&bob.user(), &format!("{number}")));
        if number % 7 == 0 {
            world.settle(&mut [&mut alice, &mut bob]);
            bob.say(&alice.user(), &format!("answer to {number}"));
        }
        if number % 11 == 0 {
            alice.restart();
            bob.restart();
        }
    }
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(alice.texts().len(), 8);
    for id in ids {
        assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
    }
}

#[test]
fn envelopes_that_come_twice_or_in_any_order_are_told_once() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    for number in 0..40 {
        alice.say(&bob.user(), &number.to_string());
    }
    world.carry(&mut alice);
    let mut mail = world.fetch_mail(&bob);
    mail.reverse();
    for (_, envelope) in &mail {
        let first = bob.messenger.receive(envelope).unwrap();
        // Far ahead in an unknown chain it is held until the rest has come.
        assert!(matches!(first, Received::Opened(_) | Received::Held), "{first:?}");
    }
    world.settle(&mut [&mut alice, &mut bob]);
    bob.restart();
    for (_, envelope) in &mail {
        assert_eq!(bob.messenger.receive(envelope).unwrap(), Received::Duplicate);
    }
    bob.read();
    let mut texts: Vec<u32> = bob.texts().iter().map(|text| text.parse().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..40).collect::<Vec<_>>());
}

#[test]
fn both_write_first_and_settle_on_one_session() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    alice.say(&bob.user(), "one");
    bob.say(&alice.user(), "two");
    world.settle(&mut [&mut alice, &mut bob]);
    alice.say(&bob.user(), "three");
    world.settle(&mut [&mut alice, &mut bob]);
    bob.say(&alice.user(), "four");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["one", "three"]);
    assert_eq!(alice.texts(), ["two", "four"]);
}

#[test]
fn post_quantum_epochs_are_mixed_in_on_both_sides_as_they_talk() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let begun = alice.messenger.epochs_mixed(&bob.address()).unwrap();
    for turn in 0..60 {
        alice.say(&bob.user(), &format!("turn {turn}"));
        world.settle(&mut [&mut alice, &mut bob]);
        bob.say(&alice.user(), &format!("and {turn}"));
        world.settle(&mut [&mut alice, &mut bob]);
    }
    alice.restart();
    let alices = alice.messenger.epochs_mixed(&bob.address()).unwrap();
    let bobs = bob.messenger.epochs_mixed(&alice.address()).unwrap();
    assert!(alices >= begun + 2 && bobs.abs_diff(alices) <= 1, "{begun}, {alices}, {bobs}");
    let nobody = Address { user: UserId::new("carol").unwrap(), ..bob.address() };
    assert_eq!(alice.messenger.epochs_mixed(&nobody).unwrap(), 0);
}

#[test]
fn a_message_to_nobody_fails_with_a_reason() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let nobody = UserId::new("nobody").unwrap();
    let id = alice.say(&nobody, "hello?");
    world.carry(&mut alice);
    alice.read();
    let failed = Status::Failed(nobody, subrosa::FailReason::NoSuchUser);
    assert_eq!(alice.statuses(id), [failed]);
}

#[test]
fn what_has_no_receipt_is_sent_again_and_at_last_reported() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    let id = alice.say(&bob.user(), "lost on the way");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    // Bob is away: nothing that is sent again reaches him.
    let mut repeats = 0;
    for _ in 0..26 {
        world.clock.advance(DAY);
        world.carry(&mut alice);
        alice.read();
        repeats += world.fetch_mail(&bob).len();
    }
    assert!((2..=12).contains(&repeats), "{repeats} envelopes for one message");
    let expired = Status::Failed(bob.user(), subrosa::FailReason::Expired);
    assert_eq!(alice.statuses(id), [Status::Sent, expired]);
}

#[test]
fn a_lost_message_is_sent_again_after_two_days() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let id = alice.say(&bob.user(), "lost once");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    world.pass(50 * HOUR, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["lost once"]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
}

#[test]
fn a_gap_is_asked_for_after_an_hour() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    alice.say(&bob.user(), "arrives");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["arrives"]);
    world.clock.advance(HOUR + Duration::from_secs(60));
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["arrives", "lost"]);
}

#[test]
fn a_scheduled_message_leaves_when_its_time_has_come_also_after_a_restart() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let at = subrosa::Timestamp::from_secs(1_800_000_000).after(2 * HOUR);
    let later = alice.messenger.send_at(bob.user(), Content::text("later"), at).unwrap();
    let never = alice.messenger.send_at(bob.user(), Content::text("never"), at).unwrap();
    alice.messenger.cancel(&never).unwrap();
    assert!(matches!(alice.messenger.cancel(&never), Err(Error::Unknown)));
    world.settle(&mut [&mut alice, &mut bob]);
    alice.restart();
    assert!(bob.texts().is_empty());
    assert!(alice.messenger.wake_at() <= at);
    world.clock.advance(2 * HOUR);
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["later"]);
    assert_eq!(alice.statuses(later).first(), Some(&Status::Sent));
    assert!(matches!(alice.messenger.cancel(&later), Err(Error::Unknown)));
}

#[test]
fn a_long_conversation_of_months_keeps_the_store_small() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut sizes = Vec::new();
    for month in 0..4 {
        for day in 0..30 {
            for number in 0..5 {
                alice.say(&bob.user(), &format!("{month} {day} {number}"));
                bob.say(&alice.user(), "yes");
            }
            world.pass(DAY, &mut [&mut alice, &mut bob]);
        }
        sizes.push(alice.store.sizes());
    }
    for (table, (rows, _)) in &sizes[3] {
        let before = sizes[1].get(table).map_or(0, |(rows, _)| *rows);
        let most = match table {
            // Three whole stocks of prekeys, of sixty days each, live at a time.
            2 => 320,
            // Beside the rest, the last 1,000 numbers each way are remembered.
            6 => before + 800,
            _ => before * 3 / 2 + 20,
        };
        assert!(*rows < most, "table {table}: {before}, then {rows} rows");
    }
    assert_eq!(bob.texts().len(), 600);
}

#[test]
fn a_store_holds_one_account() {
    let store = MemoryStore::new();
    let [alice, bob] = ["alice", "bob"].map(|name| UserId::new(name).unwrap());
    let opened = Messenger::open(store.clone(), Options::default()).unwrap();
    let address = opened.or_create(&alice).unwrap().address().clone();
    let opened = Messenger::open(store.clone(), Options::default()).unwrap();
    assert!(matches!(opened.or_create(&bob), Err(Error::OtherAccount)));
    let opened = Messenger::open(store, Options::default()).unwrap();
    assert_eq!(opened.or_create(&alice).unwrap().address(), &address);
}

#[test]
fn what_comes_from_outside_is_never_an_error() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    for bytes in [&[][..], &[0; 100], b"\x0a\x02\x0a\x00", &[0xff; 4096]] {
        assert_eq!(alice.messenger.receive(bytes).unwrap(), Received::Malformed);
        assert_eq!(alice.messenger.learn(bytes).unwrap(), Learned::Rejected);
    }
    let mut bundle = world.directory.bundle(&bob.user()).unwrap();
    let middle = bundle.len() / 2;
    bundle[middle] ^= 1;
    assert_eq!(alice.messenger.learn(&bundle).unwrap(), Learned::Rejected);
}

#[test]
fn what_nobody_knows_is_held_within_bounds() {
    use subrosa::messenger::{MAX_HELD, MAX_HELD_BYTES};
    let mut world = World::new();
    let mut alice = world.person("alice");
    for len in [256, 100_000] {
        for number in 0..300_u16 {
            let received = alice.messenger.receive(&junk(number, len)).unwrap();
            assert_eq!(received, Received::Held);
        }
        let (count, bytes) = alice.store.sizes()[&HELD];
        assert!(count <= MAX_HELD && bytes <= MAX_HELD_BYTES + MAX_HELD * 32, "{count}, {bytes}");
        assert!(count == MAX_HELD || bytes > MAX_HELD_BYTES - 2 * len, "{count}, {bytes}");
    }
}

#[test]
fn receipts_that_wait_for_a_stranger_to_be_accepted_go_after_a_month() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    for number in 0..100 {
        alice.say(&bob.user(), &number.to_string());
    }
    world.settle(&mut [&mut alice, &mut bob]);
    let waiting = |bob: &Device| bob.store.sizes().get(&RECEIPTS).map_or(0, |(rows, _)| *rows);
    world.pass(29 * DAY, &mut [&mut bob]);
    assert_eq!(waiting(&bob), 100);
    world.pass(3 * DAY, &mut [&mut bob]);
    assert_eq!(waiting(&bob), 0);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let user = bob.user();
    let result = alice.messenger.batch(|batch| {
        batch.send(&user, Content::text("never seen"))?;
        Err::<(), _>(Error::Unknown)
    });
    assert!(matches!(result, Err(Error::Unknown)));
    let too_long = "x".repeat(70_000);
    alice
        .messenger
        .batch(|batch| {
            batch.send(&user, Content::text("first"))?;
            // A step that fails leaves the batch as it was.
            assert!(matches!(
                batch.send(&user, Content::text(too_long.as_str())),
                Err(Error::Limit { .. })
            ));
            batch.send(&user, Content::text("second"))
        })
        .unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["first", "second"]);
}

#[test]
fn a_fetch_comes_again_until_it_is_answered() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    alice.say(&UserId::new("bob").unwrap(), "are you there?");
    for _ in 0..3 {
        let out = alice.messenger.next_outgoing().unwrap().expect("the fetch");
        assert!(matches!(out.action, subrosa::Action::Fetch { .. }));
        // Marked done like everything else; but nothing was learnt.
        alice.messenger.outgoing_done(&[out.id]).unwrap();
        assert!(alice.messenger.next_outgoing().unwrap().is_none(), "not before its pause is over");
        world.clock.advance(Duration::from_secs(60));
    }
}
