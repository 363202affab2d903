//! What a bad network does to envelopes, from a fixed seed: every run sees the same.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::relay::protocol::Mailbox;
use crate::relay::{Arrival, Network};

/// What becomes of one envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes to the end of the queue.
    Straight,
    /// It is dropped.
    Lost,
    /// It is queued twice.
    Twice,
    /// It waits until the mailbox has been emptied so many times.
    Held(u32),
    /// It goes in front of envelopes that came earlier, at this place.
    Overtakes(usize),
    /// A copy with one bit flipped goes before it.
    Altered,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Straight => "",
            Self::Lost => "LOST",
            Self::Twice => "twice",
            Self::Held(_) => "held back",
            Self::Overtakes(_) => "overtakes",
            Self::Altered => "and altered",
        })
    }
}

/// All that the relay sees of an envelope, or of a part of a blob, and what the network does
/// with it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The beginning of the mailbox's or blob's name.
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fate: Fate,
}

/// The bad network.
#[derive(Debug)]
pub(crate) struct Mischief {
    rng: ChaCha8Rng,
    held: Vec<(Mailbox, u32, Vec<u8>)>,
    seen: Sender<Seen>,
}

impl Mischief {
    /// The mischief that this seed stands for, and what is seen of it, in order.
    pub(crate) fn new(seed: u64) -> (Self, Receiver<Seen>) {
        let (seen, receiver) = mpsc::channel();
        (Self { rng: ChaCha8Rng::seed_from_u64(seed), held: Vec::new(), seen }, receiver)
    }

    /// What becomes of the next envelope for a mailbox where so many are waiting.
    fn fate(&mut self, waiting: usize) -> Fate {
        match self.rng.random_range(0..100) {
            0..12 => Fate::Lost,
            12..20 => Fate::Twice,
            20..30 => Fate::Held(self.rng.random_range(1..=3)),
            30..45 if waiting > 0 => Fate::Overtakes(self.rng.random_range(0..waiting)),
            45..48 => Fate::Altered,
            _ => Fate::Straight,
        }
    }

    fn sees(&self, place: String, bytes: &[u8], fate: Fate) {
        // Nobody listening is no reason not to carry.
        let _ = self.seen.send(Seen { place, bytes: bytes.to_vec(), fate });
    }

    /// A copy with one bit flipped.
    fn altered(&mut self, envelope: &[u8]) -> Vec<u8> {
        let mut copy = envelope.to_vec();
        if !copy.is_empty() {
            let place = self.rng.random_range(0..copy.len());
            copy[place] ^= 1 << self.rng.random_range(0..8);
        }
        copy
    }
}

impl Network for Mischief {
    fn carry(&mut self, mailbox: Mailbox, bytes: &[u8], waiting: usize) -> Vec<Arrival> {
        let fate = self.fate(waiting);
        self.sees(mailbox.to_string(), bytes, fate);
        let arrival = |place, envelope| Arrival { place, envelope };
        let copy = || bytes.to_vec();
        match fate {
            Fate::Straight => vec![arrival(waiting, copy())],
            Fate::Lost => Vec::new(),
            Fate::Twice => vec![arrival(waiting, copy()), arrival(waiting + 1, copy())],
            Fate::Held(times) => {
                self.held.push((mailbox, times, copy()));
                Vec::new()
            }
            Fate::Overtakes(place) => vec![arrival(place, copy())],
            Fate::Altered => {
                vec![arrival(waiting, self.altered(bytes)), arrival(waiting + 1, copy())]
            }
        }
    }

    fn stored(&mut self, blob: &[u8], part: &[u8]) {
        self.sees(blob_place(blob), part, Fate::Straight);
    }

    /// Parts that are read come late or not at all, and altered; in no other order.
    fn loaded(&mut self, blob: &[u8], part: &[u8]) -> Option<Vec<u8>> {
        let fate = match self.fate(0) {
            fate @ (Fate::Lost | Fate::Altered) => fate,
            _ => Fate::Straight,
        };
        self.sees(blob_place(blob), part, fate);
        match fate {
            Fate::Lost => None,
            Fate::Altered => Some(self.altered(part)),
            _ => Some(part.to_vec()),
        }
    }

    /// What was held back comes nearer.
    fn found_empty(&mut self, mailbox: Mailbox) -> Vec<Vec<u8>> {
        for (_, times, _) in self.held.iter_mut().filter(|(to, ..)| *to == mailbox) {
            *times -= 1;
        }
        let here = |(to, times, _): &mut (Mailbox, u32, Vec<u8>)| *to == mailbox && *times == 0;
        self.held.extract_if(.., here).map(|(_, _, envelope)| envelope).collect()
    }
}

fn blob_place(name: &[u8]) -> String {
    format!("blob {}", String::from_utf8_lossy(name.get(..4).unwrap_or(name)))
}
