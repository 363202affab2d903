//! Promise 3, attacked by a thief with a quantum computer: it copies a state once, and
//! afterwards computes every Diffie-Hellman agreement from the headers.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Head, Log, Ratchet, root_step};
use crate::crypto::{DhSecretKey, Secret};
use crate::handshake::SessionKeys;
use crate::timestamp::Timestamp;

/// Shards in a message of an ordinary text.
const SHARDS: usize = 4;

/// A copy of one side's keys, turned along with the conversation.
struct Thief {
    root_key: Secret<32>,
    /// The epoch whose secret follows from the stolen state, if any does.
    knows: Option<u32>,
    /// How many epochs had been mixed in at the theft.
    stolen_at: u32,
    is_out: bool,
}

/// Whether the secret of the epoch in progress follows from a side's state: the key
/// pair, or the secret itself, is in it.
fn knows_next_secret(side: &Ratchet) -> bool {
    use crate::wire::stored::post_quantum::State;
    let record = side.post_quantum.to_record();
    matches!(record.state, Some(State::Offering(_) | State::Agreed(_) | State::Answering(_)))
}

fn pair(rng: &mut ChaCha8Rng) -> [Ratchet; 2] {
    let keys = || SessionKeys {
        root_key: Secret::copy_from(&[1; 32]),
        header_key_i: Secret::copy_from(&[2; 32]),
        next_header_key_r: Secret::copy_from(&[3; 32]),
        associated_data: [4; 32],
    };
    let prekey = DhSecretKey::generate(rng);
    let public = prekey.public_key();
    [Ratchet::initiator(keys(), public), Ratchet::responder(keys(), prekey)]
}

/// Sends one message and turns every thief as far as it can go.
fn send(from: &mut Ratchet, to: &mut Ratchet, thieves: &mut [Thief], rng: &mut ChaCha8Rng) {
    let mixed = from.post_quantum.secret_to_introduce().map(Secret::duplicate);
    let epoch = from.epochs_mixed() + 1;
    let steps = from.sending.is_none();
    let mut log = Log::default();
    from.prepare_send(&mut log, rng).unwrap();
    if steps {
        let ours = from.ours.as_ref().unwrap().private.as_ref().unwrap();
        let agreement = ours.agree(from.theirs.as_ref().unwrap()).unwrap();
        for thief in thieves.iter_mut() {
            let secret = mixed.as_ref().filter(|_| thief.knows == Some(epoch));
            thief.root_key = root_step(&thief.root_key, &agreement, secret).root_key;
            thief.is_out = !thief.root_key.matches(from.root_key.expose());
        }
    }
    let field = from.shards(SHARDS);
    let (head, sealed) = from.seal(b"payload", rng).unwrap();
    let now = Timestamp::from_secs(0);
    let head = Head::from_bytes(&head.to_bytes::<{ Head::LEN }>());
    let opened = to.open(to.recognise(&head), &head, &sealed, now).ok().unwrap();
    let (_, step) = opened.into_parts();
    to.apply(step, &field, now, &mut log);
}

#[test]
fn a_thief_with_a_quantum_computer_is_out_once_an_epoch_began_and_completed() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let [mut one, mut other] = pair(&mut rng);
    let mut thieves = Vec::new();
    let mut followed = 0;
    for turn in 0..200 {
        send(&mut one, &mut other, &mut thieves, &mut rng);
        send(&mut other, &mut one, &mut thieves, &mut rng);
        let mixed = one.epochs_mixed();
        for Thief { knows, stolen_at, is_out, .. } in &thieves {
            match mixed - stolen_at {
                0 => assert!(!is_out, "nothing new was mixed in: the attack does work"),
                1 if knows.is_some() => followed += 1,
                _ => assert!(is_out, "turn {turn}, stolen at {stolen_at}, mixed {mixed}"),
            }
        }
        if turn < 100 {
            for side in [&one, &other] {
                thieves.push(Thief {
                    root_key: side.root_key.duplicate(),
                    knows: knows_next_secret(side).then_some(mixed + 1),
                    stolen_at: mixed,
                    is_out: false,
                });
            }
        }
    }
    assert!(one.epochs_mixed() >= 6 && followed > 0);
}
