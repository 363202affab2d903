//! A process that dies while it makes a group, speaks in it, and takes somebody out.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use subrosa::store::MemoryStore;
use subrosa::{
    Action, Content, Error, EventKind, GroupChange, GroupId, MessageId, Messenger, Options,
};

use crate::crash::{Death, Mortal};
use crate::world::{Device, World};

/// Alice's app, whose process may die once.
struct App {
    messenger: Option<Messenger>,
    store: MemoryStore,
    options: Options,
    deaths: usize,
}

impl App {
    /// Runs a call until it works.
    fn call<R>(&mut self, mut call: impl FnMut(&mut Messenger) -> Result<R, Error>) -> R {
        loop {
            if let Some(messenger) = &mut self.messenger {
                match call(messenger) {
                    Ok(value) => return value,
                    Err(Error::Store(_)) => self.deaths += 1,
                    Err(error) => panic!("not a matter of the store: {error}"),
                }
            }
            let opened = Messenger::open(self.store.clone(), self.options.clone()).unwrap();
            self.messenger = opened.ready();
        }
    }

    fn settle(&mut self, world: &mut World, others: &mut [&mut Device]) {
        for _ in 0..12 {
            while let Some(out) = self.call(Messenger::next_outgoing) {
                match &out.action {
                    Action::Publish { publication } => {
                        let _ = world.directory.publish(publication);
                    }
                    Action::Fetch { user } => {
                        let bundle = world.directory.bundle(user).unwrap();
                        self.call(|messenger| messenger.learn(&bundle));
                    }
                    Action::Deliver { to, envelope, .. } => {
                        let from = self.call(|messenger| Ok(messenger.address().clone())).user;
                        for to in to {
                            let mailbox = world.mailboxes.entry(to.clone()).or_default();
                            mailbox.push((from.clone(), envelope.clone()));
                        }
                    }
                }
                self.call(|messenger| messenger.outgoing_done(&[out.id]));
            }
            world.settle(others);
            let address = self.call(|messenger| Ok(messenger.address().clone()));
            for (_, envelope) in world.mail_of(&address) {
                self.call(|messenger| messenger.receive(&envelope));
            }
        }
    }
}

fn shown(device: &Device) -> Vec<MessageId> {
    let id = |kind: &EventKind| match kind {
        EventKind::Message(message) => Some(message.id),
        _ => None,
    };
    device.told.iter().filter_map(id).collect()
}

/// Gives how often the process wrote, if it did not die.
fn run(death: Option<Death>) -> usize {
    let mut world = World::new();
    let (alice, mut bob) = world.pair();
    let mut carol = world.person("carol");
    carol.messenger.accept(alice.user()).unwrap();
    let options = world.options();
    let store = alice.store.clone();
    drop(alice);
    let mortal = Mortal::new(store.clone(), death);
    let writes = mortal.writes.clone();
    let messenger = match Messenger::open(mortal, options.clone()) {
        Ok(opened) => opened.ready(),
        Err(_) => None,
    };
    let mut app = App { messenger, store, options, deaths: 0 };
    let group = app.call(|messenger| match messenger.groups()?.first() {
        Some(group) => Ok(*group),
        None => messenger.create_group("Roses"),
    });
    let users = vec![bob.user(), carol.user()];
    app.call(|messenger| messenger.change_group(&group, GroupChange::Add(users.clone())));
    app.settle(&mut world, &mut [&mut bob, &mut carol]);
    let say = |app: &mut App, group: GroupId, text: &str| {
        app.call(|messenger| messenger.send(group, Content::text(text)))
    };
    let mut promised = vec![say(&mut app, group, "one")];
    app.settle(&mut world, &mut [&mut bob, &mut carol]);
    bob.messenger.send(group, Content::text("two")).unwrap();
    promised.push(say(&mut app, group, "three"));
    app.settle(&mut world, &mut [&mut bob, &mut carol]);
    app.call(|messenger| {
        messenger.change_group(&group, GroupChange::Remove(vec![users[1].clone()]))
    });
    let before = shown(&carol).len();
    promised.push(say(&mut app, group, "four"));
    app.settle(&mut world, &mut [&mut bob, &mut carol]);
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    app.settle(&mut world, &mut [&mut bob, &mut carol]);
    assert!(app.deaths <= 1);
    let all = shown(&bob);
    for id in &promised {
        assert_eq!(all.iter().filter(|shown| *shown == id).count(), 1, "{death:?} {all:?}");
    }
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{death:?}");
    assert_eq!(shown(&carol).len(), before, "{death:?}");
    let ours = app.call(|messenger| messenger.group(&group)).unwrap();
    let theirs = bob.messenger.group(&group).unwrap().unwrap();
    assert_eq!((ours.members.len(), &ours.members), (2, &theirs.members), "{death:?}");
    writes.load(Ordering::SeqCst)
}

#[test]
fn a_process_that_dies_at_any_write_leaves_its_group_whole() {
    let writes = run(None);
    assert!(writes > 30, "{writes}");
    for number in 0..writes {
        run(Some(Death::BeforeWrite(number)));
        run(Some(Death::AfterWrite(number)));
    }
}
