//! Groups over a network that loses, repeats, reorders and withholds, and among members who
//! do not keep to the rules.

use std::time::Duration;

use subrosa::wire::{Envelope, GroupMessage};
use subrosa::{
    Content, Error, EventKind, GroupChange, GroupId, Incoming, Messenger, Received, RecoveryKey,
    Rejection, Role,
};

use crate::groups::{add, changes, group_of, members, say, three, three_in_a_group};
use crate::world::{Device, World};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn is_group(envelope: &[u8]) -> bool {
    GroupMessage::decode(envelope).is_ok()
}

/// Takes out of a mailbox what is not wanted there.
pub(crate) fn lose(
    world: &mut World,
    device: &Device,
    mut lost: impl FnMut(&[u8]) -> bool,
) -> usize {
    let mail = world.mailboxes.entry(device.address()).or_default();
    let before = mail.len();
    mail.retain(|(_, envelope)| !lost(envelope));
    before - mail.len()
}

#[test]
fn a_sender_key_that_was_lost_comes_again_and_what_was_missed_with_it() {
    for hints in [true, false] {
        let mut world = World::new();
        let (mut alice, mut bob, mut carol) = three(&mut world);
        bob.hints = hints;
        let group = group_of(&mut world, &mut alice, &mut [&mut bob, &mut carol]);
        say(&mut alice, &group, "one");
        world.carry(&mut alice);
        assert_eq!(lose(&mut world, &bob, |envelope| !is_group(envelope)), 1);
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!((bob.texts().len(), carol.texts().len()), (0, 1));
        if hints {
            // It is asked for, though nothing more is said.
            world.pass(2 * HOUR, &mut [&mut alice, &mut bob, &mut carol]);
        } else {
            say(&mut alice, &group, "two");
            world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        }
        assert!(bob.texts().contains(&"one".to_owned()), "{hints} {:?}", bob.texts());
    }
}

#[test]
fn messages_that_are_lost_are_asked_for_also_at_the_end_of_a_chain() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    say(&mut alice, &group, "one");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    say(&mut alice, &group, "lost in the middle");
    world.carry(&mut alice);
    assert_eq!(lose(&mut world, &bob, is_group), 1);
    say(&mut alice, &group, "three");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "three"]);
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "three", "lost in the middle"]);
    say(&mut alice, &group, "lost at the end");
    world.carry(&mut alice);
    assert_eq!(lose(&mut world, &bob, is_group), 1);
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts().len(), 3);
    // The next chain says how long the one before was.
    alice.messenger.rotate_group(&group).unwrap();
    say(&mut alice, &group, "in the next chain");
    world.pass(DAY, &mut [&mut alice, &mut bob, &mut carol]);
    assert!(bob.texts().contains(&"lost at the end".to_owned()), "{:?}", bob.texts());
    assert_eq!(carol.texts().len(), 5);
    assert_eq!(bob.texts().len(), 5);
}

#[test]
fn what_is_missing_for_good_is_reported() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for text in ["one", "lost", "three"] {
        say(&mut alice, &group, text);
        world.carry(&mut alice);
        if text == "lost" {
            assert_eq!(lose(&mut world, &bob, is_group), 1);
        }
        world.settle(&mut [&mut bob, &mut carol]);
    }
    // Alice is away for ever.
    world.pass(40 * DAY, &mut [&mut bob, &mut carol]);
    let lost = bob
        .told
        .iter()
        .any(|kind| matches!(kind, EventKind::Lost { from, count: 1 } if *from == alice.address()));
    assert!(lost, "{:?}", bob.told);
}

/// Alice says something, changes the name, and says more: of that the server keeps the change
/// back from Bob.
pub(crate) fn spoken_under_a_new_name(
    world: &mut World,
    [alice, bob, carol]: [&mut Device; 3],
    group: &GroupId,
) {
    say(alice, group, "one");
    world.settle(&mut [&mut *alice, &mut *bob, &mut *carol]);
    alice.messenger.change_group(group, GroupChange::Rename("Thorns".into())).unwrap();
    say(alice, group, "under another name");
    world.carry(alice);
    assert_eq!(lose(world, bob, |envelope| !is_group(envelope)), 1);
}

#[test]
fn a_message_under_an_unknown_head_waits_for_the_changes_and_they_are_asked_for() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    spoken_under_a_new_name(&mut world, [&mut alice, &mut bob, &mut carol], &group);
    assert_eq!(world.deliver(&mut bob), [Received::Held]);
    assert_eq!(bob.texts(), ["one"]);
    bob.restart();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["one", "under another name"]);
    assert_eq!(bob.messenger.group(&group).unwrap().unwrap().name, "Thorns");
}

#[test]
fn changes_at_the_same_time_come_together_and_everything_is_read() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    alice.messenger.change_group(&group, GroupChange::SetRole(bob.user(), Role::Admin)).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for device in [&mut alice, &mut bob, &mut carol] {
        say(device, &group, "hello");
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // Each goes by a state that the others never were in.
    alice.messenger.change_group(&group, GroupChange::Rename("by Alice".into())).unwrap();
    bob.messenger.change_group(&group, GroupChange::SetPicture(vec![7])).unwrap();
    say(&mut alice, &group, "from Alice");
    say(&mut bob, &group, "from Bob");
    world.carry(&mut alice);
    world.carry(&mut bob);
    // Their changes are late.
    let all = [alice.address(), bob.address(), carol.address()];
    for address in &all {
        let mail = world.mailboxes.entry(address.clone()).or_default();
        mail.sort_by_key(|(_, envelope)| !is_group(envelope));
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(alice.texts(), ["hello", "hello", "from Bob"]);
    assert_eq!(bob.texts(), ["hello", "hello", "from Alice"]);
    assert_eq!(carol.texts().len(), 4);
    for device in [&mut alice, &mut bob, &mut carol] {
        let group = device.messenger.group(&group).unwrap().unwrap();
        assert_eq!((group.name.as_str(), group.picture.as_slice()), ("by Alice", &[7][..]));
    }
}

#[test]
fn what_comes_twice_and_in_any_order_is_shown_once() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for number in 0..5 {
        say(&mut alice, &group, &format!("{number}"));
        world.carry(&mut alice);
    }
    let mail = world.mailboxes.entry(bob.address()).or_default();
    let twice: Vec<_> = mail.iter().rev().chain(mail.iter()).cloned().collect();
    *mail = twice;
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let mut texts = bob.texts();
    texts.sort();
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    let again = world.deliver(&mut bob);
    assert!(again.is_empty());
}

#[test]
fn a_removed_member_with_all_its_state_reads_and_says_nothing_new() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    // Twice, so that Bob and Carol, who had never met, have each other's keys.
    for _ in 0..2 {
        for device in [&mut alice, &mut bob, &mut carol] {
            say(device, &group, "hello");
        }
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    }
    alice.messenger.change_group(&group, GroupChange::Remove(vec![carol.user()])).unwrap();
    world.carry(&mut alice);
    // Carol is never told, and goes on by what she knows.
    world.mail_of(&carol.address());
    world.settle(&mut [&mut alice, &mut bob]);
    let (before, hers) = (alice.texts(), carol.texts());
    say(&mut carol, &group, "under the old head");
    world.carry(&mut carol);
    for device in [&mut alice, &mut bob] {
        let outcomes = world.deliver(device);
        assert_eq!(outcomes, [Received::Rejected(Rejection::NotAMember)]);
    }
    // A malicious server gives her all that is said from now on.
    for (device, text) in [(&mut alice, "without her"), (&mut bob, "me too")] {
        say(device, &group, text);
        world.carry(device);
    }
    let all: Vec<_> = world.mailboxes.values().flatten().cloned().collect();
    let envelopes = all.iter().filter(|(_, envelope)| is_group(envelope));
    for (_, envelope) in envelopes {
        carol.messenger.receive(envelope).unwrap();
    }
    world.settle(&mut [&mut alice, &mut bob]);
    carol.read();
    assert_eq!(carol.texts(), hers);
    assert_eq!(alice.texts().len(), before.len() + 1);
    // What she asks for is not answered, and what she does to the group is refused.
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(carol.texts(), hers);
    assert_eq!(members(&mut bob, &group).len(), 2);
    // Who is added again is heard again, and reads what comes.
    alice.messenger.change_group(&group, add(&[&carol])).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    say(&mut alice, &group, "back");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    say(&mut carol, &group, "thanks");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert!(carol.texts().contains(&"back".to_owned()), "{:?}", carol.texts());
    assert!(alice.texts().contains(&"thanks".to_owned()));
    assert!(bob.texts().contains(&"thanks".to_owned()));
    assert!(!carol.texts().contains(&"without her".to_owned()));
}

/// A group of so many.
fn crowd(world: &mut World, count: usize) -> (Vec<Device>, GroupId) {
    let mut people: Vec<Device> =
        (0..count).map(|number| world.person(&format!("member{number}"))).collect();
    let users: Vec<_> = people.iter().map(Device::user).collect();
    // They have met, so that nobody's account has to be asked for.
    for person in &mut people {
        for user in &users {
            person.messenger.accept(user).unwrap();
        }
    }
    let group = people[0].messenger.create_group("Crowd").unwrap();
    people[0].messenger.change_group(&group, GroupChange::Add(users[1..].to_vec())).unwrap();
    world.settle(&mut people.iter_mut().collect::<Vec<_>>());
    (people, group)
}

/// What one device has put into the mailboxes: keys and changes in sessions, and messages to
/// the group; the longest of the first.
fn sent(world: &World) -> (usize, usize, usize) {
    let all = || world.mailboxes.values().flatten().map(|(_, envelope)| envelope);
    let own = all().filter(|envelope| !is_group(envelope));
    let longest = own.clone().map(Vec::len).max().unwrap_or(0);
    (own.count(), all().filter(|envelope| is_group(envelope)).count(), longest)
}

/// Of twelve, or as many as `GROUP_MEMBERS` says: what is counted goes with the devices and
/// nothing else.
#[test]
fn a_rotation_is_one_smallest_envelope_a_device_and_as_many_come_back() {
    let count = std::env::var("GROUP_MEMBERS").map_or(12, |count| count.parse().unwrap());
    let mut world = World::new();
    let (mut people, group) = crowd(&mut world, count);
    let others = count - 1;
    let say_and_count = |world: &mut World, people: &mut [Device]| {
        say(&mut people[0], &group, "hello");
        world.carry(&mut people[0]);
        let counted = sent(world);
        world.settle(&mut people.iter_mut().collect::<Vec<_>>());
        counted
    };
    // Whatever the number of members: once for each device.
    let (keys, messages, _) = say_and_count(&mut world, &mut people);
    assert_eq!((keys, messages), (others, others));
    assert_eq!(say_and_count(&mut world, &mut people), (0, others, 0));
    people[0].restart();
    assert_eq!(say_and_count(&mut world, &mut people), (0, others, 0));
    people[0].messenger.rotate_group(&group).unwrap();
    say(&mut people[0], &group, "rotated");
    world.carry(&mut people[0]);
    let (keys, messages, longest) = sent(&world);
    assert_eq!((keys, messages), (others, others));
    // 256 bytes of payload, and what a message of a session takes beside it.
    assert!(longest <= 350, "{longest}");
    for person in &mut people[1..] {
        world.deliver(person);
    }
    let back: usize = people[1..].iter_mut().map(|person| world.carry(person)).sum();
    assert_eq!(back, others);
    world.settle(&mut people.iter_mut().collect::<Vec<_>>());
    // A removal: the change for everybody, then the same.
    let gone = people.pop().unwrap();
    people[0].messenger.change_group(&group, GroupChange::Remove(vec![gone.user()])).unwrap();
    world.settle(&mut people.iter_mut().collect::<Vec<_>>());
    world.mail_of(&gone.address());
    assert_eq!(say_and_count(&mut world, &mut people).0, others - 1);
    // An addition: the key for the newcomer alone.
    let mut new = world.person("new");
    new.messenger.accept(people[0].user()).unwrap();
    people[0].messenger.change_group(&group, add(&[&new])).unwrap();
    people.push(new);
    world.settle(&mut people.iter_mut().collect::<Vec<_>>());
    assert_eq!(say_and_count(&mut world, &mut people).0, 1);
    let texts: Vec<_> = people.iter().skip(1).map(|person| person.texts().len()).collect();
    assert_eq!(texts, [vec![6; count - 2], vec![1]].concat());
}

#[test]
fn an_unreachable_device_holds_up_nobody() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for number in 0..20 {
        say(&mut alice, &group, &format!("{number}"));
        world.settle(&mut [&mut alice, &mut bob]);
    }
    assert_eq!(bob.texts().len(), 20);
    // The key went with the messages 1, 2, 4, 8 and 16.
    let mail = world.mailboxes.get(&carol.address()).unwrap();
    let keys = mail.iter().filter(|(_, envelope)| Envelope::decode(envelope).is_ok()).count();
    assert_eq!(keys, 5);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(carol.texts().len(), 20);
}

#[test]
fn a_backup_has_the_groups() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    for device in [&mut alice, &mut bob, &mut carol] {
        say(device, &group, "hello");
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let key = RecoveryKey::generate().unwrap();
    let backup = bob.messenger.backup(&key).unwrap();
    let (setup, store, options) = world.setup();
    let messenger: Messenger = setup.restore(&backup, &key).unwrap();
    let mut again = world.device(messenger, store, options);
    world.settle(&mut [&mut alice, &mut again, &mut carol]);
    assert_eq!(members(&mut again, &group), members(&mut alice, &group));
    say(&mut alice, &group, "to the new one");
    world.settle(&mut [&mut alice, &mut again, &mut carol]);
    say(&mut again, &group, "I am back");
    world.settle(&mut [&mut alice, &mut again, &mut carol]);
    assert_eq!(again.texts(), ["to the new one"]);
    assert!(alice.texts().contains(&"I am back".to_owned()), "{:?}", alice.texts());
    assert!(carol.texts().contains(&"I am back".to_owned()), "{:?}", carol.texts());
}

#[test]
fn a_batch_that_fails_leaves_nothing_of_a_group_behind() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol, group) = three_in_a_group(&mut world);
    let removal = GroupChange::Remove(vec![carol.user()]);
    alice.messenger.change_group(&group, removal).unwrap();
    say(&mut alice, &group, "without her");
    world.carry(&mut alice);
    let mail = world.fetch_mail(&bob);
    let too_long = "x".repeat(70_000);
    let failed = bob.messenger.batch(|batch| {
        for (from, envelope) in &mail {
            batch.receive(Incoming::new(envelope).claimed_from(from))?;
        }
        let _ = batch.send(group, Content::text(too_long.as_str())).unwrap_err();
        // Reads the group once more, and the people in it.
        batch.send(group, Content::text("never said"))?;
        Err::<(), _>(Error::Unknown)
    });
    assert!(matches!(failed, Err(Error::Unknown)), "{failed:?}");
    assert_eq!(members(&mut bob, &group).len(), 3);
    for (from, envelope) in &mail {
        let incoming = Incoming::new(envelope).claimed_from(from);
        bob.messenger.receive(incoming).unwrap();
    }
    bob.read();
    assert_eq!(changes(&bob), [(Some(alice.user()), GroupChange::Remove(vec![carol.user()]))]);
    assert_eq!(bob.texts(), ["without her"]);
    // And by the store alone it is the same.
    bob.restart();
    assert_eq!(members(&mut bob, &group).len(), 2);
    say(&mut carol, &group, "not heard");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(bob.texts(), ["without her"]);
}
