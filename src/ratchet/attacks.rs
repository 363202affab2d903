//! Promise 3, attacked by a thief with a quantum computer: it copies a state once, and
//! afterwards computes every Diffie-Hellman agreement from the headers. And promises 7 and
//! 10, by a peer that has all its keys and writes into headers what it likes.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::chain::Seen;
use super::header::{Header, apply_mask};
use super::receive::Applied;
use super::{
    Head, Log, MAX_KEPT_A_JUMP, MAX_PASSED_OVER, OpenError, Ratchet, Recognised, Tag, TagChange,
    root_step,
};
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

const NOW: Timestamp = Timestamp::from_secs(0);

/// Seals a message with the next key, after what is due before it.
fn seal(from: &mut Ratchet, rng: &mut ChaCha8Rng) -> (Head, Vec<u8>) {
    from.prepare_send(&mut Log::default(), rng).unwrap();
    from.seal(b"payload", rng).unwrap()
}

/// As if so many messages more had been sent.
fn jump(from: &mut Ratchet, count: u32) {
    let sending = from.sending.as_mut().unwrap();
    let seen = Seen { opened: 0, at: NOW };
    sending.chain =
        sending.chain.pass_over(sending.chain.next + count, &sending.header_key, seen).chain;
}

/// A receiver, with the tags that its steps said to be expected.
struct Receiver {
    ratchet: Ratchet,
    tags: BTreeSet<Tag>,
}

impl Receiver {
    fn new(ratchet: Ratchet) -> Self {
        let tags = ratchet.expected_tags().collect();
        Self { ratchet, tags }
    }

    /// Opens a message; gives what it changed in the tags besides.
    fn receive(
        &mut self,
        (head, sealed): &(Head, Vec<u8>),
    ) -> Result<(Applied, Vec<TagChange>), OpenError> {
        let mut log = Log::default();
        let recognised = self.ratchet.recognise(head);
        let (_, step) = self.ratchet.open(recognised, head, sealed, NOW)?.into_parts();
        let applied = self.ratchet.apply(step, &[], NOW, &mut log);
        for change in &log.tags {
            match change {
                TagChange::Expected(tag) => self.tags.insert(*tag),
                TagChange::Gone(tag) => self.tags.remove(tag),
            };
        }
        assert!(self.tags == self.ratchet.expected_tags().collect(), "as if it were loaded now");
        Ok((applied, log.tags))
    }

    fn skipped(&self) -> u64 {
        self.ratchet.skipped.next() - self.ratchet.skipped.first()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The numbers before the new message come first; of what is left of the limit
    /// the end of the old chain is reached, or given up whole.
    #[test]
    fn a_message_passes_over_25_000_numbers_in_its_chain_and_the_one_before(
        received in 1..4_u32,
        before in prop_oneof![Just(0), Just(MAX_PASSED_OVER), 0..=MAX_PASSED_OVER],
        over in prop_oneof![0..2_u32, 0..2_000_u32],
        short_of in prop_oneof![Just(0), 0..=MAX_PASSED_OVER],
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let [mut one, other] = pair(&mut rng);
        let mut other = Receiver::new(other);
        for _ in 0..received {
            other.receive(&seal(&mut one, &mut rng)).unwrap();
        }
        let tail = (MAX_PASSED_OVER - before + over).saturating_sub(short_of);
        jump(&mut one, tail);
        let mut one = Receiver::new(one);
        one.receive(&seal(&mut other.ratchet, &mut rng)).unwrap();
        one.ratchet.prepare_send(&mut Log::default(), &mut rng).unwrap();
        jump(&mut one.ratchet, before);
        let (applied, _) = other.receive(&seal(&mut one.ratchet, &mut rng)).unwrap();

        let given_up = tail > MAX_PASSED_OVER - before;
        let kept = |numbers: u32| numbers.min(MAX_KEPT_A_JUMP);
        let kept = kept(before) + if given_up { 0 } else { kept(tail) };
        prop_assert_eq!(other.skipped(), u64::from(kept));
        prop_assert_eq!(applied.lost, tail + before - kept);
        prop_assert!(!applied.peer_rolled_back);
    }

    #[test]
    fn a_jump_leaves_no_tag_behind(
        jumps in prop::collection::vec(prop_oneof![Just(0), 0..3_000_u32], 1..6),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let [mut one, other] = pair(&mut rng);
        let mut other = Receiver::new(other);
        other.receive(&seal(&mut one, &mut rng)).unwrap();
        for count in jumps {
            jump(&mut one, count);
            let ahead = seal(&mut one, &mut rng);
            let (_, changes) = other.receive(&ahead).unwrap();
            if count == 0 {
                let (gone, expected) = (&changes[0], &changes[1..]);
                prop_assert_eq!(gone, &TagChange::Gone(ahead.0.tag));
                prop_assert!(matches!(expected, [TagChange::Expected(_)]), "one for one");
            }
        }
    }

    /// What only the mask key can make, for nobody else can choose what a header says.
    #[test]
    fn a_number_used_again_is_noticed_if_the_rest_of_its_header_can_be(
        number in 0..3_u32,
        is_number in prop::bool::weighted(0.8),
        previous_length in prop_oneof![Just((1 << 24) - 1), Just(1 << 24), any::<u32>()],
        epoch in prop_oneof![0..4_u32, any::<u32>()],
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let [mut one, other] = pair(&mut rng);
        let mut other = Receiver::new(other);
        for _ in 0..3 {
            other.receive(&seal(&mut one, &mut rng)).unwrap();
        }
        let header_key = &one.sending.as_ref().unwrap().header_key;
        let (tag, salt) = (header_key.tag(number), [9; 8]);
        let number = if is_number { number } else { number ^ 1 };
        let header = Header { ratchet_key: [0; 32], number, previous_length, pq_epoch: epoch };
        let mut masked = header.to_bytes();
        apply_mask(header_key.mask_key(), tag, &salt, &mut masked);
        let recognised = other.ratchet.recognise(&Head { tag, salt, masked });
        if is_number && previous_length < 1 << 24 && epoch <= 1 {
            prop_assert!(matches!(recognised, Recognised::PeerRolledBack));
        } else {
            prop_assert!(matches!(recognised, Recognised::Unknown));
        }
    }
}

#[test]
fn a_chain_of_an_epoch_that_is_not_the_next_does_not_begin() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let [mut one, mut other] = pair(&mut rng);
    let mut turns = 0;
    while one.post_quantum.secret_to_introduce().is_none() || one.sending.is_some() {
        turns += 1;
        assert!(turns < 100, "an epoch takes some forty messages");
        if one.sending.is_none() {
            send(&mut one, &mut other, &mut [], &mut rng);
        }
        send(&mut other, &mut one, &mut [], &mut rng);
    }
    one.prepare_send(&mut Log::default(), &mut rng).unwrap();
    let genuine = one.epochs_mixed();
    assert_eq!(genuine, other.epochs_mixed() + 1);
    let mut opens = |epoch| {
        let sending = one.sending.as_mut().unwrap();
        sending.pq_epoch = epoch;
        let (head, sealed) = one.seal(b"payload", &mut rng).unwrap();
        other.open(other.recognise(&head), &head, &sealed, NOW).map(drop)
    };
    for epoch in [genuine - 1, genuine + 1, genuine + 2, u32::MAX] {
        assert_eq!(opens(epoch), Err(OpenError::NotOpened));
    }
    assert_eq!(opens(genuine), Ok(()));
}
