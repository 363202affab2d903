//! Handshakes with a one-time prekey, from bytes to bytes.

use std::hint::black_box;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::Run;
use crate::clock::{each, medians, timed};
use crate::figure::Figure;
use crate::floors::{self, floor};
use crate::people::{NOW, Person, outgoing};
use crate::primitives::Inputs;

/// Handshakes a batch: about two milliseconds.
const BATCH: usize = 4;

/// A bundle verified, a session begun, its first message encrypted; and that message
/// taken for a session and opened.
pub(crate) fn both_sides(run: &Run) -> Vec<Figure> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let [alice, bob] = ["alice", "bob"].map(|name| Person::new(name, &mut rng));
    let (view, bundle) = (alice.view(&bob), bob.bundle(true));
    let outgoing = outgoing(&[b'x'; 100], 1, view);
    let (initiate, respond) = (floors::initiate(), floors::respond());
    let mut inputs = Inputs::new();
    let [initiating, initiate_floor, responding, respond_floor] = medians(run.rounds(400), || {
        let mut envelopes = Vec::new();
        let initiating = timed(BATCH, || {
            let mut session = alice.initiate(&bob, &bundle, &mut rng);
            let first = session.encrypt(&outgoing, NOW, &mut rng).expect("a new session");
            envelopes.push(first.saved());
            black_box(session);
        });
        let initiate_floor = floor(&mut inputs, &initiate, BATCH);
        let mut envelopes = envelopes.iter();
        let responding = timed(BATCH, || {
            let envelope = envelopes.next().expect("as many as are counted");
            black_box(bob.respond(envelope));
        });
        let respond_floor = floor(&mut inputs, &respond, BATCH);
        [each(initiating, BATCH), initiate_floor, each(responding, BATCH), respond_floor]
    });
    vec![
        Figure::time("initiate", [initiating, initiate_floor], 1.15, &initiate),
        Figure::time("respond", [responding, respond_floor], 1.15, &respond),
    ]
}
