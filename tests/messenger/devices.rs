//! Devices of one account: linked, taken off, restored from a backup.

use std::time::Duration;

use subrosa::{
    Action, Consent, Content, Error, EventKind, LinkCode, Messenger, Opened, Received, RecoveryKey,
    Rejection, Status, UserId,
};

use crate::world::{Device, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Alice with two devices, and Bob, who talk.
fn trio(world: &mut World) -> (Device, Device, Device) {
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    for device in [&mut alice, &mut tablet, &mut bob] {
        device.told.clear();
    }
    (alice, tablet, bob)
}

fn equivocations(device: &Device) -> usize {
    device.told.iter().filter(|kind| matches!(kind, EventKind::Equivocation { .. })).count()
}

#[test]
fn a_linked_device_knows_the_contacts_and_is_known_to_them() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let number = alice.messenger.safety_number(&bob.user()).unwrap().unwrap();
    alice.messenger.mark_verified(&bob.user(), &number).unwrap();
    let mut tablet = world.link(&mut alice);
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    let contact = tablet.messenger.contact(&bob.user()).unwrap();
    assert_eq!((contact.consent, contact.verified), (Consent::Accepted, true));
    assert_eq!(contact.key, alice.messenger.contact(&bob.user()).unwrap().key);
    let new = (vec![tablet.address().device], vec![]);
    for device in [&alice, &tablet, &bob] {
        assert_eq!(device.device_changes(&alice.user()), new);
    }
    let same = tablet.messenger.safety_number(&bob.user()).unwrap().unwrap();
    assert_eq!(same, number);
}

#[test]
fn a_message_reaches_all_devices_of_both_sides() {
    let mut world = World::new();
    let (mut alice, mut tablet, mut bob) = trio(&mut world);
    let to_alice = bob.say(&alice.user(), "to all of you");
    let to_bob = tablet.say(&bob.user(), "from the tablet");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!((alice.texts(), tablet.texts()), (vec!["to all of you".into()], alice.texts()));
    assert_eq!(alice.own_texts(), ["from the tablet"]);
    assert_eq!(bob.texts(), ["from the tablet"]);
    assert_eq!(bob.statuses(to_alice), [Status::Sent, Status::Delivered(alice.user())]);
    assert_eq!(tablet.statuses(to_bob), [Status::Sent, Status::Delivered(bob.user())]);
    alice.say(&bob.user(), "from the phone");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(tablet.own_texts(), ["from the phone"]);
    // Both of theirs have two.
    let mut laptop = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut tablet, &mut bob, &mut laptop]);
    tablet.say(&bob.user(), "to both of yours");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob, &mut laptop]);
    assert_eq!(bob.texts().last(), laptop.texts().last());
    assert_eq!(laptop.texts(), ["to both of yours"]);
    assert_eq!(alice.own_texts().last().unwrap(), "to both of yours");
}

#[test]
fn what_is_decided_on_one_device_holds_on_the_others() {
    let mut world = World::new();
    let (mut alice, mut tablet, mut bob) = trio(&mut world);
    let mut carol = world.person("carol");
    carol.say(&alice.user(), "may I?");
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    tablet.messenger.accept(carol.user()).unwrap();
    alice.messenger.block(bob.user()).unwrap();
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    let number = tablet.messenger.safety_number(&carol.user()).unwrap().unwrap();
    tablet.messenger.mark_verified(&carol.user(), &number).unwrap();
    world.clock.advance(Duration::from_secs(1));
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    for device in [&mut alice, &mut tablet] {
        let bob = device.messenger.contact(&bob.user()).unwrap();
        let carol = device.messenger.contact(&carol.user()).unwrap();
        assert_eq!((bob.consent, carol.consent), (Consent::Blocked, Consent::Accepted));
        assert!(carol.verified);
    }
    bob.say(&alice.user(), "hello?");
    let mut all = [&mut alice, &mut tablet, &mut bob, &mut carol];
    world.settle(&mut all);
    assert!(!alice.texts().contains(&"hello?".to_owned()) && tablet.texts() == alice.texts());
}

#[test]
fn linking_goes_on_after_restarts_of_both_at_every_step() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let (linking, store, options) = world.linking(&alice.user());
    let (code, address) = (linking.code().as_bytes().to_vec(), linking.address().clone());
    drop(linking);
    let open = || Messenger::open(store.clone(), options.clone()).unwrap();
    let Opened::Linking(mut linking) = open() else { panic!("not linking") };
    assert_eq!(linking.code().as_bytes(), code);
    assert!(matches!(open().or_create(&bob.user()), Err(Error::OtherAccount)));
    assert!(matches!(open().or_create(&alice.user()), Err(Error::NotLinked)));
    assert!(open().ready().is_none());
    alice.messenger.link_device(&LinkCode::parse(&code).unwrap()).unwrap();
    alice.restart();
    world.carry(&mut alice);
    let mail = world.mail_of(&address);
    drop(linking.receive(&mail[0].1).unwrap().unwrap());
    let mut tablet = world.device(open().ready().unwrap(), store.clone(), options.clone());
    // It says nothing before it is listed, but what it is to say is not lost.
    let early = tablet.say(&bob.user(), "early");
    tablet.restart();
    assert_eq!(world.carry(&mut tablet), 1);
    assert!(world.fetch_mail(&bob).is_empty());
    alice.restart();
    world.deliver(&mut alice);
    alice.restart();
    world.carry(&mut alice);
    tablet.restart();
    world.deliver(&mut tablet);
    tablet.restart();
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(bob.texts(), ["early"]);
    assert_eq!(alice.own_texts(), ["early"]);
    let statuses = tablet.statuses(early);
    assert_eq!(statuses, [Status::Sent, Status::Delivered(bob.user())]);
}

#[test]
fn a_second_offer_that_was_lost_is_made_up_for_by_the_directory() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let (mut linking, store, options) = world.linking(&alice.user());
    let address = linking.address().clone();
    let code = LinkCode::parse(linking.code().as_bytes()).unwrap();
    alice.messenger.link_device(&code).unwrap();
    world.carry(&mut alice);
    let mail = world.mail_of(&address);
    let messenger = linking.receive(&mail[0].1).unwrap().unwrap();
    let mut tablet = world.device(messenger, store, options);
    world.carry(&mut tablet);
    world.deliver(&mut alice);
    world.carry(&mut alice);
    drop(world.fetch_mail(&tablet));
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert!(tablet.device_changes(&alice.user()).0.is_empty());
    world.pass(2 * DAY, &mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(tablet.device_changes(&alice.user()).0, [address.device]);
    bob.say(&alice.user(), "hello tablet");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(tablet.texts(), ["hello tablet"]);
}

#[test]
fn an_offer_that_comes_when_another_process_has_linked_is_not_lost() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let (mut linking, store, options) = world.linking(&alice.user());
    let address = linking.address().clone();
    let code = LinkCode::parse(linking.code().as_bytes()).unwrap();
    alice.messenger.link_device(&code).unwrap();
    world.carry(&mut alice);
    let first = world.mail_of(&address)[0].1.clone();
    let opened = Messenger::open(store.clone(), options.clone()).unwrap();
    let Opened::Linking(mut other) = opened else { panic!("not linking") };
    let messenger = other.receive(&first).unwrap().unwrap();
    let mut tablet = world.device(messenger, store.clone(), options.clone());
    world.carry(&mut tablet);
    world.deliver(&mut alice);
    world.carry(&mut alice);
    let second = world.mail_of(&address)[0].1.clone();
    let messenger = linking.receive(&second).unwrap().unwrap();
    let mut tablet = world.device(messenger, store, options);
    world.settle(&mut [&mut alice, &mut tablet]);
    assert_eq!(tablet.device_changes(&alice.user()).0, [address.device]);
}

#[test]
fn what_a_stranger_puts_between_changes_nothing() {
    let mut world = World::new();
    let (mut alice, mut mallory) = (world.person("alice"), world.person("mallory"));
    let (mut linking, store, options) = world.linking(&alice.user());
    let address = linking.address().clone();
    let code = LinkCode::parse(linking.code().as_bytes()).unwrap();
    assert!(matches!(mallory.messenger.link_device(&code), Err(Error::OtherAccount)));
    // An offer under another code.
    let (other, _, _) = world.linking(&alice.user());
    let other_code = LinkCode::parse(other.code().as_bytes()).unwrap();
    alice.messenger.link_device(&other_code).unwrap();
    world.carry(&mut alice);
    let foreign = world.mail_of(other.address())[0].1.clone();
    assert!(linking.receive(&foreign).unwrap().is_none());
    alice.messenger.link_device(&code).unwrap();
    world.carry(&mut alice);
    let offer = world.mail_of(&address)[0].1.clone();
    for place in (0..offer.len()).step_by(97) {
        let mut forged = offer.clone();
        forged[place] ^= 4;
        assert!(linking.receive(&forged).unwrap().is_none());
        assert!(linking.receive(&offer[..place]).unwrap().is_none());
        let outcome = alice.messenger.receive(&forged).unwrap();
        let refused = matches!(outcome, Received::Rejected(Rejection::Forged));
        assert!(refused || outcome == Received::Malformed, "{outcome:?}");
    }
    let messenger = linking.receive(&offer).unwrap().unwrap();
    let mut tablet = world.device(messenger, store, options);
    world.carry(&mut tablet);
    let reply = world.fetch_mail(&alice)[0].1.clone();
    // Alice's own offer, sent back to her, is no reply; nor is a reply to somebody else's.
    for envelope in [&offer, &foreign] {
        let outcome = alice.messenger.receive(envelope).unwrap();
        assert_eq!(outcome, Received::Rejected(Rejection::Forged));
    }
    assert_eq!(mallory.messenger.receive(&reply).unwrap(), Received::Rejected(Rejection::Forged));
    let mut forged = reply.clone();
    *forged.last_mut().unwrap() ^= 1;
    alice.messenger.receive(&forged).unwrap();
    world.carry(&mut alice);
    assert!(world.mail_of(&address).is_empty());
    assert_eq!(alice.messenger.receive(&reply).unwrap(), Received::Opened(vec![]));
    assert_eq!(alice.messenger.receive(&reply).unwrap(), Received::Rejected(Rejection::Forged));
    world.settle(&mut [&mut alice, &mut tablet]);
    assert_eq!(tablet.device_changes(&alice.user()).0, [address.device]);
}

#[test]
fn a_code_is_good_for_a_day_and_can_be_read_again() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let (mut linking, store, options) = world.linking(&alice.user());
    let code = LinkCode::parse(linking.code().as_bytes()).unwrap();
    alice.messenger.link_device(&code).unwrap();
    world.carry(&mut alice);
    let offer = world.mail_of(&linking.address().clone())[0].1.clone();
    let messenger = linking.receive(&offer).unwrap().unwrap();
    let mut tablet = world.device(messenger, store, options);
    world.carry(&mut tablet);
    let reply = world.fetch_mail(&alice)[0].1.clone();
    world.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(alice.messenger.receive(&reply).unwrap(), Received::Rejected(Rejection::Forged));
    alice.messenger.link_device(&code).unwrap();
    world.settle(&mut [&mut alice, &mut tablet]);
    assert_eq!(alice.device_changes(&alice.user()).0, [tablet.address().device]);
    // Once more does no harm.
    alice.messenger.link_device(&code).unwrap();
    world.settle(&mut [&mut alice, &mut tablet]);
    assert_eq!(tablet.device_changes(&alice.user()).0.len(), 1);
}

#[test]
fn a_device_that_was_taken_off_hears_of_it_and_of_nothing_else() {
    let mut world = World::new();
    let (mut alice, mut tablet, mut bob) = trio(&mut world);
    let gone = tablet.address().device;
    assert!(matches!(tablet.messenger.revoke_device(gone), Err(Error::NotPrimary)));
    let itself = alice.address().device;
    assert!(matches!(alice.messenger.revoke_device(itself), Err(Error::OwnDevice)));
    // On its way, and then not carried.
    let id = bob.say(&alice.user(), "one");
    tablet.say(&bob.user(), "before");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    alice.say(&bob.user(), "never on the tablet");
    alice.messenger.revoke_device(gone).unwrap();
    assert!(matches!(alice.messenger.revoke_device(gone), Err(Error::Unknown)));
    // The tablet does not know yet.
    tablet.say(&bob.user(), "too late");
    world.carry(&mut alice);
    world.deliver(&mut bob);
    world.carry(&mut tablet);
    let outcomes = world.deliver(&mut bob);
    assert!(outcomes.contains(&Received::Rejected(Rejection::NotListed)), "{outcomes:?}");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    bob.say(&alice.user(), "two");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!((alice.texts().len(), tablet.texts()), (2, vec!["one".into()]));
    assert!(tablet.own_texts().is_empty());
    assert_eq!(bob.texts(), ["before", "never on the tablet"]);
    assert_eq!(bob.statuses(id).last(), Some(&Status::Delivered(alice.user())));
    for device in [&alice, &tablet, &bob] {
        assert_eq!(device.device_changes(&alice.user()).1, [gone]);
    }
    // It is silent from now on.
    tablet.say(&bob.user(), "anybody?");
    assert_eq!(world.carry(&mut tablet), 0);
    world.pass(3 * DAY, &mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(bob.texts().len(), 2);
}

#[test]
fn a_device_that_was_taken_off_shows_it_to_a_primary_that_has_forgotten_it() {
    let mut world = World::new();
    let (mut alice, mut tablet, mut bob) = trio(&mut world);
    let gone = tablet.address().device;
    let before = alice.store.snapshot();
    alice.messenger.revoke_device(gone).unwrap();
    // Nobody else hears of it, no directory either.
    while let Some(out) = alice.messenger.next_outgoing().unwrap() {
        if let Action::Deliver { to, envelope, .. } = &out.action
            && *to == [tablet.address()]
        {
            tablet.messenger.receive(envelope).unwrap();
        }
        alice.messenger.outgoing_done(&[out.id]).unwrap();
    }
    tablet.read();
    assert_eq!(tablet.device_changes(&tablet.user()).1, [gone]);
    // The disk of the primary is as it was.
    let options = world.options();
    let messenger = Messenger::open(before.clone(), options.clone()).unwrap().ready().unwrap();
    let mut alice = world.device(messenger, before, options);

    bob.say(&alice.user(), "to both");
    world.settle(&mut [&mut alice, &mut bob]);
    world.deliver(&mut tablet);
    assert_eq!(tablet.texts(), ["to both"]);
    assert_eq!(world.carry(&mut tablet), 0, "it answers whom it is not to answer");

    alice.say(&bob.user(), "by the old list");
    let mut said = 0;
    for _ in 0..10 * 4 {
        world.clock.advance(DAY / 4);
        world.settle(&mut [&mut alice, &mut bob]);
        world.deliver(&mut tablet);
        said += world.carry(&mut tablet);
    }
    assert_eq!(said, 1, "more than the list");
    for device in [&alice, &bob] {
        assert_eq!(device.device_changes(&alice.user()).1, [gone]);
        assert_eq!(equivocations(device), 0);
    }
    // From then on there is one device, for everybody, and it signs the next list.
    alice.say(&bob.user(), "by the new list");
    bob.say(&alice.user(), "to one");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(world.deliver(&mut tablet), []);
    assert_eq!(bob.texts(), ["by the old list", "by the new list"]);
    let mut laptop = world.link(&mut alice);
    world.settle(&mut [&mut alice, &mut laptop, &mut bob]);
    assert_eq!(bob.device_changes(&alice.user()).0, [laptop.address().device]);
    assert_eq!(equivocations(&bob), 0);
}

/// Bob has noticed the tablet, and what he says reaches it too.
fn writes_to_both(world: &mut World, bob: &mut Device, [alice, tablet]: [&mut Device; 2]) {
    assert_eq!(bob.device_changes(&alice.user()).0, [tablet.address().device]);
    bob.say(&alice.user(), "hello both");
    world.settle(&mut [alice, &mut *tablet, bob]);
    assert_eq!(tablet.texts(), ["hello both"]);
}

#[test]
fn a_list_that_a_directory_withholds_is_noticed_by_the_next_message() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let mut tablet = world.link(&mut alice);
    // The push to Bob is lost, and nobody asks the directory.
    drop(world.fetch_mail(&bob));
    assert!(bob.device_changes(&alice.user()).0.is_empty());
    alice.say(&bob.user(), "hello");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    writes_to_both(&mut world, &mut bob, [&mut alice, &mut tablet]);
}

#[test]
fn a_list_is_spoken_of_again_if_all_that_was_said_of_it_was_lost() {
    for answer_is_lost in [false, true] {
        let mut world = World::new();
        let (mut alice, mut bob) = world.pair();
        let mut tablet = world.link(&mut alice);
        // The push to Bob is lost; then what he says of it, or what he is answered.
        drop(world.fetch_mail(&bob));
        alice.say(&bob.user(), "one");
        world.carry(&mut alice);
        world.deliver(&mut bob);
        world.carry(&mut bob);
        if answer_is_lost {
            world.deliver(&mut alice);
            world.carry(&mut alice);
            drop(world.fetch_mail(&bob));
        } else {
            drop(world.fetch_mail(&alice));
        }
        assert!(bob.device_changes(&alice.user()).0.is_empty());
        world.clock.advance(DAY);
        alice.say(&bob.user(), "two");
        world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
        writes_to_both(&mut world, &mut bob, [&mut alice, &mut tablet]);
    }
}

#[test]
fn a_primary_that_was_restored_learns_its_newest_list_when_it_publishes() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let before = alice.store.snapshot();
    let tablet = world.link(&mut alice);
    let options = world.options();
    let messenger = Messenger::open(before.clone(), options.clone()).unwrap().ready().unwrap();
    let mut alice = world.device(messenger, before, options);
    // Nobody has told it; its publication is refused.
    alice.messenger.prekeys_left(0).unwrap();
    world.carry(&mut alice);
    alice.read();
    assert_eq!(alice.device_changes(&alice.user()).0, [tablet.address().device]);
    // Its prekeys at the directory are its own again.
    let mut bob = world.person("bob");
    bob.say(&alice.user(), "hello");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.texts(), ["hello"]);
}

#[test]
fn a_fork_of_the_own_list_is_told_once() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let (store, options) = (alice.store.snapshot(), world.options());
    drop(world.link(&mut alice));
    // A copy of the primary signs another second list.
    let messenger = Messenger::open(store.clone(), options.clone()).unwrap().ready().unwrap();
    let mut copy = world.device(messenger, store, options);
    let mut tablet = world.link(&mut copy);
    let bundle = world.directory.bundle(&alice.user()).unwrap();
    for device in [&mut copy, &mut tablet] {
        device.messenger.learn(&bundle).unwrap();
        device.read();
        let told = device.told.iter().filter_map(|kind| match kind {
            EventKind::Equivocation { user } => Some(user),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [&alice.user()]);
    }
}

#[test]
fn what_nobody_has_confirmed_goes_to_devices_that_are_learnt_of_later() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    alice.say(&bob.user(), "confirmed");
    world.settle(&mut [&mut alice, &mut bob]);
    let id = alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    world.mailboxes.clear();
    let mut tablet = world.link(&mut bob);
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!((bob.texts(), tablet.texts()), (vec!["confirmed".into()], vec!["lost".into()]));
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
}

#[test]
fn what_a_lost_device_never_got_goes_to_the_one_that_takes_its_place() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let key = RecoveryKey::generate().unwrap();
    let backup = bob.messenger.backup(&key).unwrap();
    let id = alice.say(&bob.user(), "lost");
    world.carry(&mut alice);
    world.mailboxes.clear();
    let (setup, store, options) = world.setup();
    let mut bob = world.device(setup.restore(&backup, &key).unwrap(), store, options);
    // By one list Alice learns that the old device is gone and the new one is there.
    bob.say(&alice.user(), "a new phone");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["lost"]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
}

#[test]
fn a_device_that_lies_in_a_drawer_does_not_keep_strangers_from_the_others() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let mut tablet = world.link(&mut alice);
    world.pass(100 * DAY, &mut [&mut alice]);
    let mut bob = world.person("bob");
    bob.say(&alice.user(), "hello");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!((alice.texts(), tablet.texts()), (vec!["hello".into()], vec![]));
    // Once it is online, it gets it too.
    world.pass(2 * DAY, &mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(tablet.texts(), ["hello"]);
}

#[test]
fn an_account_has_sixteen_devices_and_those_being_linked_count() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let mut codes = Vec::new();
    for _ in 0..16 {
        let (linking, _, _) = world.linking(&alice.user());
        codes.push(LinkCode::parse(linking.code().as_bytes()).unwrap());
    }
    for code in &codes[..15] {
        alice.messenger.link_device(code).unwrap();
    }
    let refused = alice.messenger.link_device(&codes[15]);
    assert!(matches!(refused, Err(Error::Limit { limit: 16, .. })));
    alice.messenger.link_device(&codes[0]).unwrap();
    world.clock.advance(DAY + Duration::from_secs(1));
    alice.messenger.link_device(&codes[15]).unwrap();
    let (setup, _, _) = world.setup();
    let long = setup.link(&alice.user(), &"x".repeat(65));
    assert!(matches!(long, Err(Error::Limit { limit: 64, .. })));
}

fn reminders(device: &Device) -> usize {
    device.told.iter().filter(|kind| matches!(kind, EventKind::NoBackup)).count()
}

#[test]
fn a_missing_backup_is_told_once_with_the_first_device() {
    let mut world = World::new();
    let (mut alice, mut bob) = (world.person("alice"), world.person("bob"));
    drop(world.link(&mut alice));
    assert_eq!(reminders(&alice), 1);
    drop(world.link(&mut alice));
    assert_eq!(reminders(&alice), 1);
    bob.messenger.backup(&RecoveryKey::generate().unwrap()).unwrap();
    let mut tablet = world.link(&mut bob);
    assert_eq!((reminders(&bob), reminders(&tablet)), (0, 0));
    let key = RecoveryKey::generate().unwrap();
    assert!(matches!(tablet.messenger.backup(&key), Err(Error::NotPrimary)));
}

#[test]
fn a_backup_opens_with_its_key_alone() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let key = RecoveryKey::generate().unwrap();
    let backup = alice.messenger.backup(&key).unwrap();
    assert_eq!(backup.len() % 4096, 41);
    let mut refused = |backup: &[u8], key: &RecoveryKey| {
        let (setup, _, _) = world.setup();
        assert!(matches!(setup.restore(backup, key), Err(Error::Backup)));
    };
    refused(&backup, &RecoveryKey::generate().unwrap());
    refused(&[], &key);
    for place in (0..backup.len()).step_by(101) {
        let mut damaged = backup.clone();
        damaged[place] ^= 1;
        refused(&damaged, &key);
        refused(&backup[..place], &key);
    }
}

#[test]
fn a_restored_account_goes_on_from_the_newest_list() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let number = alice.messenger.safety_number(&bob.user()).unwrap().unwrap();
    alice.messenger.mark_verified(&bob.user(), &number).unwrap();
    let key = RecoveryKey::generate().unwrap();
    let backup = alice.messenger.backup(&key).unwrap();
    // After the backup the list goes on, and Bob knows it.
    let mut tablet = world.link(&mut alice);
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    let lost = alice.address();
    drop(alice);

    let typed = RecoveryKey::from_words(&key.to_words()).unwrap();
    let (setup, store, options) = world.setup();
    let messenger = setup.restore(&backup, &typed).unwrap();
    let mut alice = world.device(messenger, store, options);
    assert_ne!(alice.address(), lost);
    let contact = alice.messenger.contact(&bob.user()).unwrap();
    assert_eq!((contact.consent, contact.verified), (Consent::Accepted, true));
    // Nothing leaves before the directory has answered.
    let id = alice.say(&bob.user(), "I am back");
    alice.restart();
    while let Some(out) = alice.messenger.next_outgoing().unwrap() {
        assert!(matches!(out.action, Action::Fetch { .. }), "{out:?}");
    }
    let early = RecoveryKey::generate().unwrap();
    assert!(matches!(alice.messenger.backup(&early), Err(Error::NotLinked)));
    alice.restart();
    bob.told.clear();
    tablet.told.clear();
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!(bob.texts(), ["I am back"]);
    assert_eq!(tablet.own_texts(), ["I am back"]);
    assert_eq!(alice.statuses(id), [Status::Sent, Status::Delivered(bob.user())]);
    let changed = (vec![alice.address().device], vec![lost.device]);
    for device in [&tablet, &bob] {
        assert_eq!(device.device_changes(&alice.user()), changed);
        assert_eq!(equivocations(device), 0);
    }
    bob.say(&alice.user(), "welcome");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob]);
    assert_eq!((alice.texts(), tablet.texts()), (vec!["welcome".into()], vec!["welcome".into()]));
    // It is the primary now.
    let mut laptop = world.link(&mut alice);
    world.settle(&mut [&mut alice, &mut tablet, &mut bob, &mut laptop]);
    bob.say(&alice.user(), "to three");
    world.settle(&mut [&mut alice, &mut tablet, &mut bob, &mut laptop]);
    assert_eq!(laptop.texts(), ["to three"]);
}

#[test]
fn a_primary_whose_account_was_restored_elsewhere_is_it_no_more() {
    let mut world = World::new();
    let (mut old, mut bob) = world.pair();
    let key = RecoveryKey::generate().unwrap();
    let backup = old.messenger.backup(&key).unwrap();
    let (setup, store, options) = world.setup();
    let messenger = setup.restore(&backup, &key).unwrap();
    let mut alice = world.device(messenger, store, options);
    alice.say(&bob.user(), "from the new one");
    world.settle(&mut [&mut alice, &mut bob]);
    // The old one turns up again.
    old.say(&bob.user(), "from the old one");
    world.settle(&mut [&mut old, &mut alice, &mut bob]);
    let bundle = world.directory.bundle(&alice.user()).unwrap();
    old.messenger.learn(&bundle).unwrap();
    old.read();
    assert_eq!(old.device_changes(&alice.user()).1, [old.address().device]);
    assert!(matches!(old.messenger.backup(&key), Err(Error::NotPrimary)));
    assert_eq!(bob.texts(), ["from the new one"]);
    assert_eq!(equivocations(&bob), 0);
}

#[test]
fn an_account_that_no_directory_knows_is_restored_from_its_backup_alone() {
    let mut world = World::new();
    let (mut alice, mut bob) = world.pair();
    let key = RecoveryKey::generate().unwrap();
    let backup = alice.messenger.backup(&key).unwrap();
    let user = alice.user();
    drop(alice);
    world.directory = subrosa::directory::MemoryDirectory::new();
    bob.messenger.prekeys_left(0).unwrap();
    world.carry(&mut bob);
    let (setup, store, options) = world.setup();
    let mut alice = world.device(setup.restore(&backup, &key).unwrap(), store, options);
    alice.say(&bob.user(), "back");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(bob.texts(), ["back"]);
    assert_eq!(bob.device_changes(&user).0, [alice.address().device]);
    let nobody = UserId::new("nobody").unwrap();
    alice.say(&nobody, "hello?");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.device_changes(&user).0.len(), 1);
}

#[test]
fn what_is_cancelled_before_it_left_is_taken_back_on_our_other_devices() {
    let mut world = World::new();
    let mut alice = world.person("alice");
    let mut tablet = world.link(&mut alice);
    let bob = world.person("bob");
    let id = alice.say(&bob.user(), "hello?");
    // The directory does not answer.
    while let Some(out) = alice.messenger.next_outgoing().unwrap() {
        if let Action::Deliver { envelope, .. } = &out.action {
            tablet.messenger.receive(envelope).unwrap();
        }
        alice.messenger.outgoing_done(&[out.id]).unwrap();
    }
    tablet.read();
    alice.messenger.cancel(&id).unwrap();
    world.settle(&mut [&mut alice, &mut tablet]);
    let own = tablet.told.iter().filter_map(|kind| match kind {
        EventKind::OwnMessage(message) => Some((message.id, message.content.clone())),
        _ => None,
    });
    let said: Vec<_> = own.collect();
    let [(of, said), (_, taken_back)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((*of, said.as_text()), (id, Some("hello?")));
    assert_eq!(*taken_back, Content::delete(id));
}
