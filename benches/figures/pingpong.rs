//! Strict alternation: a Diffie-Hellman step with each message.
//!
//! Contents are all of one length, so every post-quantum epoch has the same number of
//! messages, and what a message costs depends on its place in the epoch alone: four of
//! them make a key or open a ciphertext. Each place has its median over all epochs; the
//! figure is the mean of these, so it has the whole cost of the epochs, and the floor has
//! their KEM.

use std::hint::black_box;

use subrosa::session::Session;

use crate::Run;
use crate::clock::{each, median, timed};
use crate::figure::Figure;
use crate::floors::{self, PADDED_100, Part, floor};
use crate::people::Conversation;
use crate::primitives::Inputs;

/// Encrypting and decrypting 100 bytes, a step each.
pub(crate) fn pingpong_100(run: &Run) -> Vec<Figure> {
    let mut inputs = Inputs::new();
    let mut conversation = Conversation::new(8);
    let message = message();
    // Two epochs: one that began with the handshake, one to warm up.
    epoch(&mut conversation);
    let length = epoch(&mut conversation).len();
    let mut epochs: Vec<Vec<f64>> = Vec::new();
    let (mut message_floors, mut epoch_floors) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds(200) {
        // An epoch in which the numbers get a byte longer may take a message more.
        epochs.extend(Some(epoch(&mut conversation)).filter(|times| times.len() == length));
        message_floors.push(floor(&mut inputs, &message, length / 4));
        epoch_floors.push(floor(&mut inputs, &floors::EPOCH, 4));
    }
    let place = |place: usize| median(epochs.iter().map(|times| times[place]).collect());
    let value = (0..length).map(place).sum::<f64>() / length as f64;
    let floor = median(message_floors) + median(epoch_floors) / length as f64;
    let parts: Vec<Part> = message.into_iter().chain(floors::EPOCH).collect();
    vec![Figure::time("pingpong_100", [value, floor], 1.06, &parts)]
}

/// What SPEC.md demands for one message that makes a step.
fn message() -> Vec<Part> {
    let mut parts = Vec::from(floors::SENDING_HALF);
    parts.extend(floors::encrypt(PADDED_100));
    parts.extend(floors::RECEIVING_HALF);
    parts.extend(floors::decrypt(PADDED_100));
    parts
}

/// What each message takes, from the mixing of one epoch to the mixing of the next.
fn epoch(conversation: &mut Conversation) -> Vec<f64> {
    let newest = |conversation: &Conversation| {
        conversation.sides().iter().map(Session::epochs_mixed).max().unwrap_or_default()
    };
    let before = newest(conversation);
    let mut times = Vec::new();
    while newest(conversation) == before {
        let side = conversation.next_side();
        let took = timed(1, || {
            let envelope = conversation.send(side, &[b'x'; 100]);
            black_box(conversation.receive(1 - side, &envelope));
        });
        times.push(each(took, 1));
    }
    times
}
