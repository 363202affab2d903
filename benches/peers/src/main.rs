//! Other implementations on the same work as the benchmark `figures`, in a process of
//! their own so that their dependencies stay out of subrosa's.
//!
//! Reads a line, does a batch, writes how many nanoseconds one operation took:
//! `pair_100 BATCH` has vodozemac's Olm encrypt and decrypt BATCH messages of 100 bytes,
//! in order, in a session of which both sides have heard from each other; envelopes are
//! made bytes and read from bytes. By hand: `echo pair_100 1000 | cargo run --release`.

use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use vodozemac::olm::{Account, OlmMessage, Session, SessionConfig};

/// What is encrypted.
const PLAINTEXT: [u8; 100] = [b'x'; 100];

/// Messages that both sides have exchanged before anything is timed.
const WARM_UP: usize = 1000;

/// Two ends of a session that have each opened something of the other's.
struct Olm {
    sender: Session,
    receiver: Session,
}

impl Olm {
    fn new() -> Self {
        let (sender, mut receiver) = (Account::new(), Account::new());
        receiver.generate_one_time_keys(1);
        let one_time = *receiver.one_time_keys().values().next().expect("just generated");
        let mut outbound = sender
            .create_outbound_session(
                SessionConfig::version_1(),
                receiver.curve25519_key(),
                one_time,
            )
            .expect("honest keys");
        let first = match outbound.encrypt("first").expect("a new session") {
            OlmMessage::PreKey(first) => first,
            OlmMessage::Normal(_) => unreachable!("nothing has been received"),
        };
        let mut inbound = receiver
            .create_inbound_session(SessionConfig::version_1(), sender.curve25519_key(), &first)
            .expect("an honest first message")
            .session;
        let answer = inbound.encrypt("answer").expect("a session in use");
        outbound.decrypt(&answer).expect("an honest answer");
        let mut olm = Self { sender: outbound, receiver: inbound };
        olm.pairs(WARM_UP);
        olm
    }

    /// Encrypts and decrypts that many messages; nanoseconds for one of each.
    fn pairs(&mut self, count: usize) -> f64 {
        let mut envelopes = Vec::with_capacity(count);
        let begun = Instant::now();
        for _ in 0..count {
            let message = self.sender.encrypt(black_box(PLAINTEXT)).expect("a session in use");
            envelopes.push(message.to_parts());
        }
        for (kind, bytes) in &envelopes {
            let message = OlmMessage::from_parts(*kind, bytes).expect("an honest message");
            black_box(self.receiver.decrypt(&message).expect("an honest message"));
        }
        begun.elapsed().as_nanos() as f64 / count.max(1) as f64
    }
}

fn main() -> io::Result<()> {
    let mut olm = Olm::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("pair_100", count)) => count.parse().ok().map(|count| olm.pairs(count)),
            _ => None,
        };
        let mut out = io::stdout().lock();
        match answer {
            Some(nanoseconds) => writeln!(out, "{nanoseconds}")?,
            None => writeln!(out, "not understood: {line}")?,
        }
        out.flush()?;
    }
    Ok(())
}
