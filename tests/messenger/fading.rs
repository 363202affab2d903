//! Messages that disappear, and messages for later that are changed before they go.

use std::time::Duration;

use subrosa::{
    Action, Clock, Content, Error, EventKind, FailReason, GroupChange, MessageId, Status,
    Timestamp, UserId,
};

use crate::group_faults::{is_group, lose};
use crate::groups::{group_of, three, three_in_a_group};
use crate::world::{Device, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What no store may have in the end.
const TEXT: &str = "sub rosa dictum";

fn fading(after: Duration) -> Content {
    Content::text(TEXT).disappearing(after)
}

/// What a device was told to have disappeared, in order.
fn gone(device: &Device) -> Vec<(UserId, MessageId)> {
    let one = |kind: &EventKind| match kind {
        EventKind::Disappeared { author, message } => Some((author.clone(), *message)),
        _ => None,
    };
    device.told.iter().filter_map(one).collect()
}

/// What a device was told to have been read on another one, in order.
fn read_elsewhere(device: &Device) -> Vec<(UserId, MessageId)> {
    let some = |kind: &EventKind| match kind {
        EventKind::ReadElsewhere { author, messages } => {
            Some(messages.iter().map(|id| (author.clone(), *id)).collect::<Vec<_>>())
        }
        _ => None,
    };
    device.told.iter().filter_map(some).flatten().collect()
}

fn has_text(device: &Device) -> bool {
    device.store.holds(TEXT.as_bytes())
}

/// How many rows a device has of messages that disappear, and of those that were read
/// before they came.
fn rows(device: &Device) -> (usize, usize) {
    let sizes = device.store.sizes();
    let count = |table| sizes.get(&table).map_or(0, |(rows, _)| *rows);
    (count(38), count(39))
}

/// Receives all mail, in an app that does not come to reading its events.
fn receive_only(world: &mut World, device: &mut Device) {
    for (_, envelope) in world.fetch_mail(device) {
        device.messenger.receive(&envelope).unwrap();
    }
}

/// Polls as one does who has no network.
fn poll(device: &mut Device) {
    while device.messenger.next_outgoing().unwrap().is_some() {}
    device.read();
}

/// Carries envelopes, and nothing that is asked of the directory.
fn carry_envelopes(world: &mut World, device: &mut Device) {
    let from = device.user();
    while let Some(out) = device.messenger.next_outgoing().unwrap() {
        if let Action::Deliver { to, envelope, .. } = &out.action {
            for address in to {
                let mailbox = world.mailboxes.entry(address.clone()).or_default();
                mailbox.push((from.clone(), envelope.clone()));
            }
            device.messenger.outgoing_done(&[out.id]).unwrap();
        }
    }
    device.read();
}

#[test]
fn what_is_scheduled_can_be_changed_until_it_goes_also_after_a_restart() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let now = world.clock.now();
    let first = Content::text("first");
    let id = alice.messenger.send_at(bob.user(), first, now.after(HOUR)).unwrap();
    let second = Content::text("second");
    alice.messenger.reschedule(&id, second, now.after(3 * HOUR)).unwrap();
    world.pass(2 * HOUR, &mut [&mut alice, &mut bob]);
    assert!(bob.texts().is_empty());
    alice.restart();
    // What cannot be sent takes no place.
    let too_long = Content::text("x".repeat(70_000));
    let refused = alice.messenger.reschedule(&id, too_long, now.after(2 * HOUR));
    assert!(matches!(refused, Err(Error::Limit { .. } | Error::Content(_))), "{refused:?}");
    // Later than its time was, and then earlier.
    let third = Content::text("third");
    alice.messenger.reschedule(&id, third, now.after(9 * HOUR)).unwrap();
    world.pass(2 * HOUR, &mut [&mut alice, &mut bob]);
    assert!(bob.texts().is_empty());
    let fourth = Content::text("fourth");
    alice.messenger.reschedule(&id, fourth, now.after(5 * HOUR)).unwrap();
    assert!(alice.messenger.wake_at() <= now.after(5 * HOUR));
    world.pass(HOUR, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["fourth"]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
    world.pass(DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["fourth"]);
    let late = alice.messenger.reschedule(&id, Content::text("late"), now.after(2 * DAY));
    assert!(matches!(late, Err(Error::Unknown)));
}

#[test]
fn what_has_never_been_scheduled_or_was_taken_back_cannot_be_changed() {
    let mut world = World::new();
    let (mut alice, bob) = world.pair();
    let at = world.clock.now().after(HOUR);
    let id = alice.messenger.send_at(bob.user(), Content::text("one"), at).unwrap();
    alice.messenger.cancel(&id).unwrap();
    let sent = alice.say(&bob.user(), "on its way");
    for id in [id, sent, MessageId::from_bytes([7; 16])] {
        let refused = alice.messenger.reschedule(&id, Content::text("two"), at);
        assert!(matches!(refused, Err(Error::Unknown)));
    }
    let id = alice.messenger.send_at(bob.user(), Content::text("one"), at).unwrap();
    alice.messenger.block(bob.user()).unwrap();
    let refused = alice.messenger.reschedule(&id, Content::text("two"), at);
    assert!(matches!(refused, Err(Error::NotAllowed)));
}

#[test]
fn in_a_group_and_in_a_batch_it_can_be_changed_too() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let at = world.clock.now().after(HOUR);
    let id = alice
        .messenger
        .batch(|batch| {
            let id = batch.send_at(group, Content::text("first"), at)?;
            batch.reschedule(&id, Content::text("second"), at.after(HOUR))?;
            let unknown = MessageId::from_bytes([7; 16]);
            let refused = batch.reschedule(&unknown, Content::text("third"), at);
            assert!(matches!(refused, Err(Error::Unknown)));
            Ok(id)
        })
        .unwrap();
    world.pass(HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.texts().is_empty());
    world.pass(HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!((bob.texts(), carol.texts()), (vec!["second".into()], vec!["second".into()]));
    assert_eq!(alice.statuses(id), [Status::Sent]);
    let refused = alice.messenger.reschedule(&id, Content::text("late"), at.after(DAY));
    assert!(matches!(refused, Err(Error::Unknown)));
}

#[test]
fn a_message_disappears_so_long_after_it_was_read_or_sent() {
    for after in [30 * SECOND, 4 * HOUR, 28 * DAY] {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let id = alice.messenger.send(bob.user(), fading(after)).unwrap();
        let name = (alice.user(), id);
        assert!(has_text(&alice));
        world.settle(&mut [&mut alice, &mut bob]);
        assert_eq!(bob.texts(), [TEXT]);
        world.pass(after - SECOND, &mut [&mut alice, &mut bob]);
        alice.restart();
        world.settle(&mut [&mut alice, &mut bob]);
        assert!(gone(&alice).is_empty());
        world.pass(SECOND, &mut [&mut alice, &mut bob]);
        assert_eq!(gone(&alice), std::slice::from_ref(&name));
        assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
        // He has not read it, and then he has; she is told nothing.
        world.pass(2 * DAY, &mut [&mut alice, &mut bob]);
        assert!(gone(&bob).is_empty());
        let read_at = world.clock.now();
        bob.messenger.mark_read(&alice.user(), &[id]).unwrap();
        assert_eq!(world.carry(&mut bob), 0);
        bob.restart();
        assert!(bob.messenger.wake_at() <= read_at.after(after));
        world.pass(after - SECOND, &mut [&mut alice, &mut bob]);
        // To read it again changes nothing.
        bob.messenger.mark_read(&alice.user(), &[id]).unwrap();
        assert!(gone(&bob).is_empty());
        world.pass(SECOND, &mut [&mut alice, &mut bob]);
        assert_eq!(gone(&bob), [name]);
        world.pass(2 * DAY, &mut [&mut alice, &mut bob]);
        assert_eq!((gone(&alice).len(), gone(&bob).len()), (1, 1));
        assert!(!has_text(&alice) && !has_text(&bob));
        assert_eq!((rows(&alice), rows(&bob)), ((0, 0), (0, 0)));
    }
}

#[test]
fn an_event_that_nobody_has_taken_disappears_with_its_message() {
    for handed_out in [false, true] {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let id = alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
        world.carry(&mut alice);
        receive_only(&mut world, &mut bob);
        assert!(has_text(&bob));
        if handed_out {
            let event = bob.messenger.next_event().unwrap().unwrap();
            assert!(matches!(event.kind, EventKind::Message(_)));
        }
        bob.messenger.batch(|batch| batch.mark_read(&alice.user(), &[id])).unwrap();
        world.clock.advance(HOUR);
        while bob.messenger.next_outgoing().unwrap().is_some() {}
        assert!(!has_text(&bob));
        bob.read();
        assert!(bob.texts().is_empty());
        assert_eq!(gone(&bob), [(alice.user(), id)]);
    }
}

#[test]
fn a_request_that_was_read_disappears_too() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    let id = alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    let mail = world.carried;
    bob.messenger.mark_read(&alice.user(), &[id]).unwrap();
    world.pass(HOUR, &mut [&mut alice, &mut bob]);
    assert_eq!(gone(&bob), [(alice.user(), id)]);
    // A stranger is told nothing.
    assert_eq!(world.carried, mail);
    assert!(!has_text(&bob));
}

#[test]
fn a_message_does_not_disappear_before_it_was_carried() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let carol = UserId::new("carol").unwrap();
    let carried = alice.messenger.send(bob.user(), fading(30 * SECOND)).unwrap();
    let waits = alice.messenger.send(&carol, fading(30 * SECOND)).unwrap();
    for _ in 0..10 {
        world.clock.advance(HOUR);
        poll(&mut alice);
    }
    assert!(gone(&alice).is_empty() && has_text(&alice));
    alice.messenger.retry_now();
    carry_envelopes(&mut world, &mut alice);
    world.deliver(&mut bob);
    assert_eq!(bob.texts(), [TEXT]);
    world.clock.advance(HOUR);
    poll(&mut alice);
    assert_eq!(gone(&alice), [(alice.user(), carried)]);
    // Nobody can say who Carol is: as long as any message waits, and then it goes.
    for _ in 0..22 {
        world.clock.advance(DAY);
        poll(&mut alice);
    }
    assert!(has_text(&alice));
    for _ in 0..2 {
        world.clock.advance(DAY);
        poll(&mut alice);
    }
    assert_eq!(gone(&alice)[1..], [(alice.user(), waits)]);
    assert_eq!(alice.statuses(waits), [Status::Failed(carol, FailReason::Expired)]);
    assert!(!has_text(&alice));
}

#[test]
fn what_was_taken_back_before_it_could_go_does_not_disappear_as_well() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let bob = UserId::new("bob").unwrap();
    let id = alice.messenger.send(&bob, fading(HOUR)).unwrap();
    alice.messenger.cancel(&id).unwrap();
    assert!(!has_text(&alice));
    assert_eq!(rows(&alice), (0, 0));
    world.clock.advance(DAY);
    poll(&mut alice);
    assert!(gone(&alice).is_empty());
}

#[test]
fn what_is_scheduled_and_disappears_counts_from_when_it_was_sent() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let at = world.clock.now().after(5 * HOUR);
    let id = alice.messenger.send_at(bob.user(), fading(2 * HOUR), at).unwrap();
    world.pass(5 * HOUR, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), [TEXT]);
    world.pass(2 * HOUR - SECOND, &mut [&mut alice, &mut bob]);
    assert!(gone(&alice).is_empty());
    world.pass(SECOND, &mut [&mut alice, &mut bob]);
    assert_eq!(gone(&alice), [(alice.user(), id)]);
    assert!(!has_text(&alice));
}

#[test]
fn what_has_disappeared_is_not_repeated_and_asks_for_it_find_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let id = alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
    world.carry(&mut alice);
    drop(world.fetch_mail(&bob));
    assert!(has_text(&alice));
    world.pass(HOUR, &mut [&mut alice, &mut bob]);
    let expired = Status::Failed(bob.user(), FailReason::Expired);
    assert_eq!(alice.statuses(id), [Status::Sent, expired]);
    assert_eq!(gone(&alice), [(alice.user(), id)]);
    assert!(!has_text(&alice));
    alice.say(&bob.user(), "another");
    world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["another"]);
    let lost: Vec<u64> = bob
        .told
        .iter()
        .filter_map(|kind| match kind {
            EventKind::Lost { from, count } if *from == alice.address() => Some(*count),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [1]);
}

#[test]
fn on_all_devices_of_both_it_disappears() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut her_tablet = world.link(&mut alice);
    let mut his_tablet = world.link(&mut bob);
    let mut all = [&mut alice, &mut bob, &mut her_tablet, &mut his_tablet];
    world.settle(&mut all);
    let id = all[0].messenger.send(all[1].user(), fading(4 * HOUR)).unwrap();
    let name = (all[0].user(), id);
    world.settle(&mut all);
    assert_eq!(all[2].own_texts(), [TEXT]);
    assert_eq!((all[1].texts(), all[3].texts()), (vec![TEXT.into()], vec![TEXT.into()]));
    world.pass(HOUR, &mut all);
    // He reads it on the tablet.
    all[3].messenger.mark_read(&name.0, &[id]).unwrap();
    world.settle(&mut all);
    assert_eq!(read_elsewhere(all[1]), std::slice::from_ref(&name));
    assert!(read_elsewhere(all[3]).is_empty());
    assert!(read_elsewhere(all[0]).is_empty() && read_elsewhere(all[2]).is_empty());
    for device in &mut all {
        device.restart();
    }
    world.pass(3 * HOUR - SECOND, &mut all);
    assert!(all.iter().all(|device| gone(device).is_empty()));
    world.pass(SECOND, &mut all);
    let told = |device: &&mut Device| gone(device);
    let (hers, his) = (vec![name.clone()], Vec::new());
    assert_eq!(all.each_ref().map(told), [hers.clone(), his.clone(), hers, his]);
    world.pass(HOUR, &mut all);
    assert!(all.iter().all(|device| gone(device) == [name.clone()]));
    assert!(!all.iter().any(|device| has_text(device)));
    assert!(all.iter().all(|device| rows(device) == (0, 0)));
}

#[test]
fn a_copy_for_our_own_device_that_never_came_is_forgotten_with_the_message() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
    world.carry(&mut alice);
    drop(world.fetch_mail(&tablet));
    world.pass(HOUR - SECOND, &mut [&mut alice, &mut bob]);
    assert!(has_text(&alice));
    drop(world.fetch_mail(&tablet));
    world.pass(SECOND, &mut [&mut alice, &mut bob]);
    assert!(!has_text(&alice));
    drop(world.fetch_mail(&tablet));
    world.pass(3 * DAY, &mut [&mut alice, &mut bob, &mut tablet]);
    assert!(tablet.own_texts().is_empty() && !has_text(&tablet));
}

#[test]
fn a_note_to_ourselves_disappears_on_every_device() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let id = alice.messenger.send(alice.user(), fading(HOUR)).unwrap();
    let mut tablet = world.link(&mut alice);
    let other = alice.messenger.send(alice.user(), fading(HOUR)).unwrap();
    world.settle(&mut [&mut alice, &mut tablet]);
    assert_eq!(tablet.own_texts(), [TEXT]);
    world.pass(HOUR, &mut [&mut alice, &mut tablet]);
    assert_eq!(gone(&alice), [(alice.user(), id), (alice.user(), other)]);
    assert_eq!(gone(&tablet), [(alice.user(), other)]);
    assert!(!has_text(&alice) && !has_text(&tablet));
}

#[test]
fn what_was_read_elsewhere_before_it_came_disappears_in_time() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    let id = alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
    let stays = alice.say(&bob.user(), "stays");
    world.carry(&mut alice);
    let late = world.fetch_mail(&tablet);
    world.deliver(&mut bob);
    bob.messenger.mark_read(&alice.user(), &[id, stays]).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    let names = [(alice.user(), id), (alice.user(), stays)];
    assert_eq!(read_elsewhere(&tablet), names);
    assert!(tablet.texts().is_empty());
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut tablet]);
    for (_, envelope) in late {
        tablet.messenger.receive(&envelope).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!(tablet.texts(), [TEXT, "stays"]);
    assert_eq!(read_elsewhere(&tablet)[2..], names);
    assert_eq!(rows(&tablet), (1, 0));
    world.pass(HOUR, &mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!(gone(&tablet), names[..1]);
    assert!(!has_text(&tablet));
}

#[test]
fn marks_of_what_nobody_knows_are_bounded_and_forgotten() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    let ids: Vec<_> = (0..5000_u128).map(|n| MessageId::from_bytes(n.to_be_bytes())).collect();
    let before = world.carried;
    bob.messenger.mark_read(&alice.user(), &ids).unwrap();
    world.carry(&mut bob);
    // As many in one as fit.
    assert_eq!(world.carried - before, 2);
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!(read_elsewhere(&tablet).len(), ids.len());
    assert_eq!((rows(&bob), rows(&tablet)), ((0, 0), (0, 1000)));
    bob.messenger.mark_read(&alice.user(), &ids[1000..2000]).unwrap();
    world.pass(32 * DAY, &mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!(rows(&tablet), (0, 0));
}

#[test]
fn what_nobody_reads_is_forgotten_after_ninety_days() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let id = alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
    world.pass(89 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(rows(&bob), (1, 0));
    world.pass(3 * DAY, &mut [&mut alice, &mut bob]);
    assert_eq!(rows(&bob), (0, 0));
    bob.messenger.mark_read(&alice.user(), &[id]).unwrap();
    world.pass(DAY, &mut [&mut alice, &mut bob]);
    assert!(gone(&bob).is_empty());
}

#[test]
fn ninety_days_are_so_long_though_the_clock_was_wrong_when_it_came() {
    for secs in [1_000_000_000, 1_900_000_000] {
        let mut world = World::new();
        let right = world.clock.now();
        world.clock.set(Timestamp::from_secs(secs));
        let (mut alice, mut bob) = world.pair();
        alice.messenger.send(bob.user(), fading(HOUR)).unwrap();
        world.settle(&mut [&mut alice, &mut bob]);
        world.clock.set(right);
        world.pass(89 * DAY, &mut [&mut alice, &mut bob]);
        assert_eq!(rows(&bob), (1, 0));
        world.pass(5 * DAY, &mut [&mut alice, &mut bob]);
        assert_eq!(rows(&bob), (0, 0));
    }
}

#[test]
fn in_a_group_it_disappears_for_each_who_has_read_it() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let id = alice.messenger.send(group, fading(4 * HOUR)).unwrap();
    let name = (alice.user(), id);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!((bob.texts(), carol.texts()), (vec![TEXT.into()], vec![TEXT.into()]));
    assert!(has_text(&alice));
    world.pass(HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    bob.messenger.mark_read(&alice.user(), &[id]).unwrap();
    world.pass(3 * HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(gone(&alice), std::slice::from_ref(&name));
    assert!(gone(&bob).is_empty() && !has_text(&alice));
    world.pass(HOUR, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(gone(&bob), [name]);
    world.pass(2 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(gone(&carol).is_empty());
    assert!(!has_text(&bob) && !has_text(&carol));
    assert_eq!((rows(&alice), rows(&bob)), ((0, 0), (0, 0)));
}

#[test]
fn in_a_group_our_other_devices_forget_it_and_hear_what_was_read() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut her_tablet = world.link(&mut alice);
    let mut his_tablet = world.link(&mut bob);
    let mut all = [&mut alice, &mut bob, &mut carol, &mut her_tablet, &mut his_tablet];
    world.settle(&mut all);
    let group = all[0].messenger.create_group("Roses").unwrap();
    let users = vec![all[1].user(), all[2].user()];
    all[0].messenger.change_group(&group, GroupChange::Add(users)).unwrap();
    world.settle(&mut all);
    let id = all[0].messenger.send(group, fading(HOUR)).unwrap();
    let name = (all[0].user(), id);
    world.settle(&mut all);
    assert_eq!(all[3].own_texts(), [TEXT]);
    all[1].messenger.mark_read(&name.0, &[id]).unwrap();
    world.settle(&mut all);
    world.pass(HOUR, &mut all);
    assert_eq!(read_elsewhere(all[4]), std::slice::from_ref(&name));
    let told = all.iter().map(|device| gone(device).len());
    assert_eq!(told.collect::<Vec<_>>(), [1, 1, 0, 1, 1]);
    assert!(!all.iter().any(|device| has_text(device)));
}

#[test]
fn what_a_group_was_told_is_not_said_again_once_it_has_disappeared() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    alice.messenger.send(group, fading(30 * MINUTE)).unwrap();
    world.carry(&mut alice);
    assert_eq!(lose(&mut world, &bob, is_group), 1);
    alice.messenger.send(group, Content::text("another")).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["another"]);
    world.pass(30 * MINUTE, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(!has_text(&alice));
    world.pass(3 * DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["another"]);
}

/// Bob says something in a group to Carol, of whom he knows no device: it waits for her.
fn says_to_whom_he_does_not_know(world: &mut World) -> (Device, Device, MessageId) {
    let (mut alice, mut bob, mut carol) = three(world);
    let group = group_of(world, &mut alice, &mut [&mut bob]);
    let add = crate::groups::add(&[&carol]);
    alice.messenger.change_group(&group, add).unwrap();
    world.carry(&mut alice);
    receive_only(world, &mut bob);
    world.settle(&mut [&mut alice, &mut carol]);
    let id = bob.messenger.send(group, fading(HOUR)).unwrap();
    (bob, carol, id)
}

#[test]
fn a_copy_that_waits_for_a_member_of_a_group_is_forgotten_as_well() {
    let mut world = World::new();
    let (mut bob, _, id) = says_to_whom_he_does_not_know(&mut world);
    assert!(has_text(&bob));
    // The directory is not there.
    carry_envelopes(&mut world, &mut bob);
    world.clock.advance(HOUR);
    poll(&mut bob);
    assert_eq!(gone(&bob), [(bob.user(), id)]);
    assert!(!has_text(&bob));
    assert_eq!(rows(&bob), (0, 0));
    // Nor does anything of it wait: the letters, and the order in which they wait.
    let sizes = bob.store.sizes();
    assert!(!sizes.contains_key(&14), "{sizes:?}");
}

#[test]
fn to_a_group_it_does_not_disappear_before_it_was_carried_either() {
    let mut world = World::new();
    let (mut bob, mut carol, id) = says_to_whom_he_does_not_know(&mut world);
    for _ in 0..5 {
        world.clock.advance(HOUR);
        poll(&mut bob);
    }
    assert!(gone(&bob).is_empty());
    bob.messenger.retry_now();
    world.carry(&mut bob);
    world.deliver(&mut carol);
    assert_eq!(carol.texts(), [TEXT]);
    world.clock.advance(HOUR);
    poll(&mut bob);
    assert_eq!(gone(&bob), [(bob.user(), id)]);
    assert!(!has_text(&bob));
}

/// A message that Bob reads at once; it disappears a day later.
fn read_at_once(world: &mut World) -> (Device, Device) {
    let (mut alice, mut bob) = world.pair();
    let id = alice.messenger.send(bob.user(), fading(DAY)).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    bob.messenger.mark_read(&alice.user(), &[id]).unwrap();
    (alice, bob)
}

/// Says when, in minutes from now, both have lost a message; and at the same time.
fn minutes_left(world: &World, alice: &mut Device, bob: &mut Device) -> u32 {
    for minute in 0..4 * 24 * 60 {
        poll(alice);
        poll(bob);
        match (gone(alice).len(), gone(bob).len()) {
            (0, 0) => world.clock.advance(MINUTE),
            (1, 1) => return minute,
            other => panic!("{other:?} after {minute} minutes"),
        }
    }
    panic!("they never lose it")
}

#[test]
fn a_clock_that_leaps_ahead_lets_nothing_disappear_early() {
    let mut world = World::new();
    let (mut alice, mut bob) = read_at_once(&mut world);
    let mut right = world.clock.now();
    // Each time further ahead, and right again for an hour.
    for years in [3, 4, 6] {
        right = right.after(HOUR);
        let ahead = right.after(years * 365 * DAY);
        for now in [ahead, ahead.after(23 * HOUR), right, right.after(HOUR)] {
            world.clock.set(now);
            for device in [&mut alice, &mut bob] {
                poll(device);
                assert!(gone(device).is_empty());
            }
        }
    }
    // From when it was right again.
    let left = minutes_left(&world, &mut alice, &mut bob);
    assert!((24 * 60..=25 * 60).contains(&left), "{left}");
}

#[test]
fn a_clock_that_was_behind_lets_nothing_disappear_early() {
    let mut world = World::new();
    let right = world.clock.now();
    world.clock.set(Timestamp::from_secs(1_000_000_000));
    let (mut alice, mut bob) = read_at_once(&mut world);
    world.clock.set(right);
    assert_eq!(minutes_left(&world, &mut alice, &mut bob), 24 * 60);
}

#[test]
fn what_was_read_while_the_clock_was_ahead_disappears_all_the_same() {
    let mut world = World::new();
    let right = world.clock.now();
    world.clock.advance(3 * 365 * DAY);
    let (mut alice, mut bob) = read_at_once(&mut world);
    world.clock.set(right);
    let left = minutes_left(&world, &mut alice, &mut bob);
    assert!((24 * 60..=25 * 60).contains(&left), "{left}");
}

#[test]
fn on_a_device_that_is_rarely_on_it_disappears_the_second_time() {
    let mut world = World::new();
    let (mut alice, mut bob) = read_at_once(&mut world);
    for times in 0..2 {
        assert_eq!((gone(&alice).len(), gone(&bob).len()), (0, 0), "{times}");
        world.clock.advance(8 * DAY);
        poll(&mut alice);
        poll(&mut bob);
    }
    assert_eq!((gone(&alice).len(), gone(&bob).len()), (1, 1));
}
