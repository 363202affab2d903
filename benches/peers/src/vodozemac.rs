//! vodozemac: Olm between two, Megolm in a group.
//!
//! | work | what is done |
//! | --- | --- |
//! | `pair_100` | 100 bytes encrypted and decrypted, in order, in an Olm session of which both sides have heard from each other |
//! | `group_100` | 100 bytes encrypted and decrypted, in order, in a Megolm session |
//!
//! Envelopes are made bytes and read from bytes.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use subrosa_bench_peers::{PLAINTEXT, serve};
use vodozemac::megolm::{self, GroupSession, InboundGroupSession, MegolmMessage};
use vodozemac::olm::{Account, OlmMessage, Session, SessionConfig};

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

/// Two ends of a Megolm session.
struct Megolm {
    sender: GroupSession,
    receiver: InboundGroupSession,
}

impl Megolm {
    fn new() -> Self {
        let config = megolm::SessionConfig::version_1();
        let sender = GroupSession::new(config);
        let receiver = InboundGroupSession::new(&sender.session_key(), config);
        let mut megolm = Self { sender, receiver };
        megolm.pairs(WARM_UP);
        megolm
    }

    /// Encrypts and decrypts that many messages; nanoseconds for one of each.
    fn pairs(&mut self, count: usize) -> f64 {
        let mut envelopes = Vec::with_capacity(count);
        let begun = Instant::now();
        for _ in 0..count {
            envelopes.push(self.sender.encrypt(black_box(PLAINTEXT)).to_bytes());
        }
        for bytes in &envelopes {
            let message = MegolmMessage::from_bytes(bytes).expect("an honest message");
            black_box(self.receiver.decrypt(&message).expect("an honest message"));
        }
        begun.elapsed().as_nanos() as f64 / count.max(1) as f64
    }
}

fn main() -> io::Result<()> {
    let (mut olm, mut megolm) = (Olm::new(), Megolm::new());
    serve(|work, count| match work {
        "pair_100" => Some(olm.pairs(count)),
        "group_100" => Some(megolm.pairs(count)),
        _ => None,
    })
}
