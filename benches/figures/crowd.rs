//! Finding the session of a message among many, by its tag.
//!
//! The session of each message is chosen at random; all are in memory, as an app that has
//! loaded them holds them. The ten sessions of the floor are new ones each time, so that
//! on neither side many used tags are kept.

use std::hint::black_box;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use subrosa::identity::View;
use subrosa::session::{Session, Tag, TagTable};
use subrosa::wire::Envelope;

use crate::Run;
use crate::clock::{each, medians, timed};
use crate::figure::Figure;
use crate::people::{Conversation, NOW, Person, outgoing};

/// Sessions of the figure, and of its floor.
const MANY: usize = 10_000;
const FEW: usize = 10;

/// Messages a batch.
const BATCH: usize = 200;

/// Two people who talk in many sessions at once.
struct Crowd {
    senders: Vec<Session>,
    receivers: Vec<Session>,
    table: TagTable<usize>,
    view: View,
    sent: u64,
    rng: ChaCha8Rng,
}

impl Crowd {
    fn new(alice: &Person, bob: &Person, size: usize, seed: u64) -> Self {
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        let mut table = TagTable::new();
        for (owner, seed) in (0..size).zip(seed..) {
            let mut conversation = Conversation::between(alice, bob, false, seed);
            // What follows stays in the chain that this begins.
            let begun = conversation.send(0, b"hello again");
            conversation.receive(1, &begun);
            let [sender, receiver] = conversation.into_sides();
            table.extend(&owner, receiver.expected_tags());
            senders.push(sender);
            receivers.push(receiver);
        }
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { senders, receivers, table, view: alice.view(bob), sent: 1, rng }
    }

    /// Receives a batch; nanoseconds for one message.
    fn receive(&mut self) -> f64 {
        let envelopes: Vec<_> = (0..BATCH).map(|_| self.send()).collect();
        let mut envelopes = envelopes.iter();
        let took = timed(BATCH, || {
            let envelope = envelopes.next().expect("as many as are counted");
            let envelope = Envelope::decode(envelope).expect("an honest envelope");
            let message = envelope.message();
            let owner = self.table.owners(Tag::from_bytes(message.tag()))[0];
            let opened = self.receivers[owner].decrypt(message, NOW).expect("an honest message");
            self.table.apply(&owner, opened.tags());
            black_box(opened.saved());
        });
        each(took, BATCH)
    }

    /// A message of one of the sessions.
    fn send(&mut self) -> Vec<u8> {
        self.sent += 1;
        let from = self.rng.random_range(0..self.senders.len());
        let outgoing = outgoing(&[b'x'; 100], self.sent, self.view);
        let sent = self.senders[from].encrypt(&outgoing, NOW, &mut self.rng);
        sent.expect("a session in use").saved()
    }
}

/// Receiving with 10,000 sessions, against receiving with ten.
pub(crate) fn receive_10000_sessions(run: &Run) -> Vec<Figure> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let [alice, bob] = ["alice", "bob"].map(|name| Person::new(name, &mut rng));
    let mut many = Crowd::new(&alice, &bob, MANY, 1000);
    let mut seed = 0;
    let times = medians(run.rounds(200), || {
        seed += 1;
        let mut few = Crowd::new(&alice, &bob, FEW, 1_000_000 + 10 * seed);
        [many.receive(), few.receive()]
    });
    vec![Figure::time("receive_10000_sessions", times, 2.0, &[])]
}
