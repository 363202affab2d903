//! An app over HTTP whose loop may stop anywhere: a request fails, an answer is lost, the
//! disk fails, the process ends. It keeps one rule: it deletes on `Ok` only.

use subrosa::store::MemoryStore;
use subrosa::testing::{FailingStore, Failure};
use subrosa::{Content, EventKind, MessageId, Messenger, Status};

use crate::net::{Net, Result, Shown, introduced, open, settle, user};

/// What the app does whenever it is awake.
fn run(net: &Net, bob: &mut Messenger, shown: &mut Shown) -> Result<()> {
    net.carry(bob)?;
    net.take_in(bob)?;
    shown.read(bob)?;
    net.carry(bob)?;
    Ok(())
}

/// Two people with four messages each on their way.
struct Scene {
    net: Net,
    alice: Messenger,
    bob_disk: MemoryStore,
    from_alice: Vec<MessageId>,
    from_bob: Vec<MessageId>,
}

impl Scene {
    fn new() -> Self {
        let (net, [alice_disk, bob_disk]) = (Net::default(), introduced());
        let mut alice = open(alice_disk, "alice").unwrap();
        let mut bob = open(bob_disk.clone(), "bob").unwrap();
        let say = |from: &mut Messenger, to: &str| -> Vec<MessageId> {
            let texts = (1..=4).map(|number| Content::text(format!("{number} to {to}")));
            texts.map(|text| from.send(user(to), text).unwrap()).collect()
        };
        let (from_alice, from_bob) = (say(&mut alice, "bob"), say(&mut bob, "alice"));
        net.carry(&mut alice).unwrap();
        Self { net, alice, bob_disk, from_alice, from_bob }
    }

    /// Bob's app starts again, with nothing but what is on his disk and in its database:
    /// all has arrived, once, and both know that it has.
    fn end(mut self, mut bobs: Shown) {
        let mut alices = Shown::default();
        let mut bob = open(self.bob_disk, "bob").unwrap();
        settle(&self.net, &mut [(&mut bob, &mut bobs), (&mut self.alice, &mut alices)]);
        assert_eq!(bobs.texts(), ["1 to bob", "2 to bob", "3 to bob", "4 to bob"]);
        assert_eq!(alices.texts(), ["1 to alice", "2 to alice", "3 to alice", "4 to alice"]);
        for (shown, sent) in [(&alices, &self.from_alice), (&bobs, &self.from_bob)] {
            for id in sent {
                let arrived = shown.0.values().filter(|kind| {
                    matches!(kind, EventKind::Status { message, status: Status::Delivered(_), .. }
                        if message == id)
                });
                assert_eq!(arrived.count(), 1);
            }
        }
        for device in [&bob, &self.alice] {
            assert!(self.net.waiting(device.address()).is_empty());
        }
    }
}

#[test]
fn a_loop_that_stops_at_any_half_request_loses_nothing() {
    for halves in 0.. {
        let scene = Scene::new();
        let mut bob = open(scene.bob_disk.clone(), "bob").unwrap();
        let mut shown = Shown::default();
        scene.net.fail_after(halves);
        let stopped = run(&scene.net, &mut bob, &mut shown).is_err();
        assert_eq!(stopped, scene.net.has_failed());
        drop(bob);
        scene.end(shown);
        if !stopped {
            assert!(halves > 20, "only {halves} half requests");
            return;
        }
    }
}

#[test]
fn a_loop_that_stops_at_any_failure_of_its_disk_loses_nothing() {
    for failure in [Failure::Before, Failure::After] {
        // A prime step: every kind of operation is among them.
        for number in (1..).step_by(7) {
            let scene = Scene::new();
            let disk = FailingStore::new(scene.bob_disk.clone());
            let mut bob = open(disk.clone(), "bob").unwrap();
            let mut shown = Shown::default();
            disk.fail_at(number, failure);
            let stopped = run(&scene.net, &mut bob, &mut shown).is_err();
            let failed = disk.has_failed();
            drop(bob);
            scene.end(shown);
            // A commit whose answer was lost is found to have counted.
            assert!(failed || !stopped);
            if !failed {
                assert!(number > 50, "only {number} operations");
                break;
            }
        }
    }
}
