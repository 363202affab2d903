//! Messages of one chain: in order, in reverse, with losses, and beside vodozemac.
//!
//! The session is a confirmed one in which the initiator goes on sending and the
//! responder is silent, after [`WARM_UP`] messages: so as many used tags are kept as ever
//! are, and every message has post-quantum shards in its padding, which the receiver has
//! no more use for.

use std::hint::black_box;

use crate::Run;
use crate::clock::{each, medians, timed};
use crate::figure::{Bound, Figure};
use crate::floors::{self, PADDED_1K, PADDED_100, floor};
use crate::peer::Peer;
use crate::people::Conversation;
use crate::primitives::Inputs;
use crate::sizes::padded_len;

/// More than the thousand messages that used tags are kept for.
const WARM_UP: usize = 2000;

/// Messages a batch: about half a millisecond.
const BATCH: usize = 400;

/// A chain in use.
struct Chain {
    conversation: Conversation,
    content: Vec<u8>,
    envelopes: Vec<Vec<u8>>,
}

impl Chain {
    fn new(length: usize) -> Self {
        let content = vec![b'x'; length];
        let mut chain = Self { conversation: Conversation::new(1), content, envelopes: Vec::new() };
        for _ in 0..WARM_UP {
            chain.encrypt(1);
            chain.decrypt();
        }
        chain
    }

    /// Encrypts that many; nanoseconds for one.
    fn encrypt(&mut self, count: usize) -> f64 {
        let mut envelopes = Vec::with_capacity(count);
        let took = timed(count, || envelopes.push(self.conversation.send(0, &self.content)));
        self.envelopes = envelopes;
        each(took, count)
    }

    /// Decrypts what was encrypted; nanoseconds for one.
    fn decrypt(&mut self) -> f64 {
        let mut envelopes = self.envelopes.iter();
        let took = timed(envelopes.len(), || {
            let envelope = envelopes.next().expect("as many as are counted");
            black_box(self.conversation.receive(1, envelope));
        });
        each(took, self.envelopes.len())
    }
}

/// Encrypting and decrypting contents of 100 and of 1,000 bytes.
pub(crate) fn in_order(run: &Run) -> Vec<Figure> {
    [("encrypt_100", "decrypt_100", 100, PADDED_100), ("encrypt_1k", "decrypt_1k", 1000, PADDED_1K)]
        .into_iter()
        .filter(|(encrypt, decrypt, ..)| run.wants(encrypt) || run.wants(decrypt))
        .flat_map(|(encrypt, decrypt, length, padded)| {
            let (mut inputs, mut chain) = (Inputs::new(), Chain::new(length));
            chain.encrypt(1);
            assert_eq!(padded_len(&chain.envelopes[0]), padded, "the floor's size");
            chain.decrypt();
            let floors = (floors::encrypt(padded), floors::decrypt(padded));
            let [sealing, sealing_floor, opening, opening_floor] = medians(run.rounds(400), || {
                [
                    chain.encrypt(BATCH),
                    floor(&mut inputs, &floors.0, BATCH),
                    chain.decrypt(),
                    floor(&mut inputs, &floors.1, BATCH),
                ]
            });
            [
                Figure::time(encrypt, [sealing, sealing_floor], 1.3, &floors.0),
                Figure::time(decrypt, [opening, opening_floor], 1.3, &floors.1),
            ]
        })
        .collect()
}

/// Encrypting and decrypting 100 bytes, against vodozemac.
///
/// Its batches have an eighth of the messages, so that both take about as long.
pub(crate) fn against_vodozemac(run: &Run) -> Vec<Figure> {
    let times = Peer::start(Peer::VODOZEMAC).map(|mut vodozemac| {
        let mut chain = Chain::new(100);
        medians(run.rounds(400), || {
            let ours = chain.encrypt(BATCH) + chain.decrypt();
            [ours, vodozemac.time("pair_100", BATCH / 8)]
        })
    });
    vec![Figure::against("pair_100_vs_vodozemac", times, Bound::Ratio(0.25))]
}

/// Messages a batch of the figures on disorder: as many keys as one jump keeps.
const DISORDERED: usize = 1000;

/// Delivery in reverse and with losses, each against delivery in order.
pub(crate) fn disordered(run: &Run) -> Vec<Figure> {
    let [mut ordered, mut reversed, mut lossy] = [100; 3].map(Chain::new);
    let [in_order, in_reverse, with_losses] = medians(run.rounds(200), || {
        for chain in [&mut ordered, &mut reversed, &mut lossy] {
            chain.encrypt(DISORDERED);
        }
        reversed.envelopes.reverse();
        let mut number = 0;
        lossy.envelopes.retain(|_| {
            number += 1;
            number % 20 != 0
        });
        [ordered.decrypt(), reversed.decrypt(), lossy.decrypt()]
    });
    vec![
        Figure::time("reversed_1000", [in_reverse, in_order], 1.2, &[]),
        Figure::time("loss_5pct", [with_losses, in_order], 1.2, &[]),
    ]
}
