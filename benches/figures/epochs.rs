//! How many messages a post-quantum epoch takes.
//!
//! Two sides take strict turns. Bodies are a text and 40 bytes of what is around it (its
//! id among them); the lengths of texts are log-normal with median 35 and sigma 1.

use std::f64::consts::TAU;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use subrosa::session::{MAX_CONTENT_LEN, Session};

use crate::Run;
use crate::figure::Figure;
use crate::people::Conversation;

/// Bytes of content beside the text: 40, less the 16 of the message id, which the session
/// puts in front.
const AROUND_A_TEXT: usize = 40 - 16;

/// All messages arrive.
pub(crate) fn alternating(run: &Run) -> Vec<Figure> {
    let messages = messages_an_epoch(run.epochs(), 0.0);
    vec![Figure::count("pq_epoch_alternating", messages, "messages", 45.0)]
}

/// One message in five is lost.
pub(crate) fn with_losses(run: &Run) -> Vec<Figure> {
    let messages = messages_an_epoch(run.epochs(), 0.2);
    vec![Figure::count("pq_epoch_alternating_loss20", messages, "messages", 60.0)]
}

/// The mean over so many epochs, of what both sides send from the mixing of one to the
/// mixing of the next.
fn messages_an_epoch(epochs: u32, loss: f64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut conversation = Conversation::new(5);
    let mut side = 0;
    let mut until = |mixed: u32, conversation: &mut Conversation| {
        let mut sent = 0_u32;
        while newest(conversation) < mixed {
            let content = vec![b'x'; text_len(&mut rng) + AROUND_A_TEXT];
            let envelope = conversation.send(side, &content);
            if rng.random::<f64>() >= loss {
                conversation.receive(1 - side, &envelope);
            }
            side = 1 - side;
            sent += 1;
        }
        sent
    };
    until(1, &mut conversation);
    f64::from(until(1 + epochs, &mut conversation)) / f64::from(epochs)
}

/// How many epochs the side that is ahead has mixed in.
fn newest(conversation: &Conversation) -> u32 {
    conversation.sides().iter().map(Session::epochs_mixed).max().unwrap_or_default()
}

/// Log-normal with median 35 and sigma 1, by Box and Muller.
fn text_len(rng: &mut impl Rng) -> usize {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * angle).cos();
    ((35.0 * normal.exp()).round() as usize).min(MAX_CONTENT_LEN / 2)
}
