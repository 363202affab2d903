//! The post-quantum ratchet: one ML-KEM exchange an epoch, in what padding would
//! waste (SPEC.md, section 6.6; after ML-KEM Braid and Apple PQ3).
//!
//! ```text
//!  key side:    Idle ----send----> Offering --35 shards, confirmed--> Agreed --our next step--+
//!    ^                                                                                        |
//!    |                                      (roles swap, epoch + 1)                           v
//!    +---------their step-------- Answering <------send------- Received <--37 shards-- Collecting  :other side
//! ```

use super::erasure::{Cargo, Collector, SHARD_LEN, Sender};
use crate::crypto::{
    CIPHERTEXT_LEN, Encapsulated, KemCiphertext, KemPublicKey, KemSecretKey, Label, Secret, expand,
    hmac_parts, sha256,
};
use crate::wire::{DecodeError, stored};
use rand_core::CryptoRng;
use stored::post_quantum::State as Stored;

/// Epoch and first index, in front of the shards.
const FIELD_HEAD_LEN: usize = 2;

/// The exchange in progress.
pub(crate) struct PostQuantum {
    we_initiated: bool,
    epochs_mixed: u32,
    state: State,
    /// The fields of this epoch that brought something new, as they came.
    rows: Vec<Vec<u8>>,
}

enum State {
    Idle,
    Offering {
        secret_key: KemSecretKey,
        sender: Option<Sender>,
        cursor: u8,
        heard: bool,
        answer: Collector,
    },
    Agreed(Secret<32>),
    Collecting(Collector),
    Received(KemPublicKey),
    Answering {
        secret: Secret<32>,
        sender: Sender,
    },
}

/// What a field changed in the rows beside the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsChange {
    None,
    /// One was added, with this number.
    Added(u32),
    /// All before this number went.
    Dropped(u32),
}

impl PostQuantum {
    pub(crate) fn new(we_initiated: bool) -> Self {
        Self {
            we_initiated,
            epochs_mixed: 0,
            state: Self::first_state(we_initiated, 1),
            rows: Vec::new(),
        }
    }

    // The key side of odd epochs is the initiator, of even epochs the responder.
    fn first_state(we_initiated: bool, epoch: u32) -> State {
        if (epoch % 2 == 1) == we_initiated {
            State::Idle
        } else {
            State::Collecting(Collector::new(Cargo::EncapsulationKey))
        }
    }

    pub(crate) fn epochs_mixed(&self) -> u32 {
        self.epochs_mixed
    }

    fn epoch(&self) -> u32 {
        self.epochs_mixed.saturating_add(1)
    }

    /// How many rows there are.
    pub(crate) fn row_count(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// A row, for the store.
    pub(crate) fn row(&self, number: u32) -> Option<&[u8]> {
        self.rows.get(super::index(number)).map(Vec::as_slice)
    }

    /// What is being answered, for the store.
    pub(crate) fn answer(&self) -> Option<&[u8]> {
        match &self.state {
            State::Answering { sender, .. } => Some(sender.data()),
            _ => None,
        }
    }

    /// Does what is due at a send: makes the key pair, or encapsulates. If an answer
    /// was made, its row is new, and all rows before the given number went.
    pub(crate) fn before_send(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Option<u32> {
        let epoch = self.epoch();
        match &self.state {
            State::Idle => {
                self.state = State::Offering {
                    secret_key: KemSecretKey::from_seed(Secret::random(rng)),
                    sender: None,
                    cursor: 0,
                    heard: false,
                    answer: Collector::new(Cargo::Ciphertext),
                };
                None
            }
            State::Received(key) => {
                let Encapsulated { ciphertext, shared_secret } =
                    key.encapsulate(&Secret::random(rng));
                let mut data = ciphertext.as_bytes().to_vec();
                data.extend_from_slice(confirmation(&shared_secret, epoch).expose());
                self.state = State::Answering {
                    secret: epoch_secret(&shared_secret, epoch, key, &ciphertext),
                    sender: Sender::new(Cargo::Ciphertext, data, 0),
                };
                let rows = self.row_count();
                self.rows.clear();
                Some(rows)
            }
            _ => None,
        }
    }

    /// The field for a message whose padding has room for `count` shards; empty if
    /// there is nothing to send.
    pub(crate) fn next_field(&mut self, count: usize) -> Vec<u8> {
        let [.., epoch] = self.epoch().to_be_bytes();
        let sender = match &mut self.state {
            State::Offering { secret_key, sender, cursor, heard: false, answer: _ } => sender
                .get_or_insert_with(|| {
                    let key = secret_key.key_pair().public_key();
                    Sender::new(Cargo::EncapsulationKey, key.as_bytes().to_vec(), *cursor)
                }),
            State::Answering { secret: _, sender } => sender,
            _ => return Vec::new(),
        };
        if count == 0 {
            return Vec::new();
        }
        let mut field = Vec::with_capacity(FIELD_HEAD_LEN + count * SHARD_LEN);
        field.extend_from_slice(&[epoch, sender.cursor()]);
        sender.take(count, &mut field);
        field
    }

    /// Takes in what a message carried.
    pub(crate) fn receive(&mut self, field: &[u8]) -> RowsChange {
        let Some((&[epoch, first], shards)) = field.split_first_chunk() else {
            return RowsChange::None;
        };
        let [.., current] = self.epoch().to_be_bytes();
        if epoch != current || first == 255 || shards.is_empty() || shards.len() % SHARD_LEN != 0 {
            return RowsChange::None;
        }
        let collector = match &mut self.state {
            State::Collecting(collector) => collector,
            State::Offering { answer, heard, .. } => {
                *heard = true;
                answer
            }
            _ => return RowsChange::None,
        };
        if !collector.add(first, shards) {
            return RowsChange::None;
        }
        let complete = collector.is_complete();
        let number = self.row_count();
        // All that a collection can take of one field.
        let most = FIELD_HEAD_LEN + Cargo::EncapsulationKey.data_shards() * SHARD_LEN;
        self.rows.push(field.get(..most).unwrap_or(field).to_vec());
        if complete && !self.complete() {
            self.rows.clear();
            return RowsChange::Dropped(number);
        }
        RowsChange::Added(number)
    }

    /// Acts on a complete collection; says whether its rows are still needed.
    fn complete(&mut self) -> bool {
        let epoch = self.epoch();
        match &mut self.state {
            State::Collecting(collector) => {
                let data = collector.data(runs(&self.rows));
                let key = data.and_then(|data| KemPublicKey::from_bytes(&data).ok());
                match key {
                    Some(key) => {
                        self.state = State::Received(key);
                        true
                    }
                    None => {
                        *collector = Collector::new(Cargo::EncapsulationKey);
                        false
                    }
                }
            }
            State::Offering { secret_key, answer, .. } => {
                let data = answer.data(runs(&self.rows));
                match data.and_then(|data| agree(secret_key, &data, epoch)) {
                    Some(secret) => self.state = State::Agreed(secret),
                    None => *answer = Collector::new(Cargo::Ciphertext),
                }
                false
            }
            _ => true,
        }
    }

    /// The secret that our next sending half mixes in, if one waits.
    pub(crate) fn secret_to_introduce(&self) -> Option<&Secret<32>> {
        match &self.state {
            State::Agreed(secret) => Some(secret),
            _ => None,
        }
    }

    /// The secret that a receiving half mixes in if the header says one epoch more.
    pub(crate) fn secret_to_follow(&self) -> Option<&Secret<32>> {
        match &self.state {
            State::Answering { secret, sender: _ } => Some(secret),
            _ => None,
        }
    }

    /// The epoch's secret has been mixed in: the next epoch, with roles swapped.
    pub(crate) fn advance(&mut self) {
        self.epochs_mixed = self.epoch();
        self.state = Self::first_state(self.we_initiated, self.epoch());
        self.rows.clear();
    }

    /// The part of the session's record.
    pub(crate) fn to_record(&self) -> stored::PostQuantum {
        let state = match &self.state {
            State::Idle => Stored::Idle(true),
            State::Offering { secret_key, sender, cursor, heard, answer: _ } => {
                Stored::Offering(stored::Offering {
                    seed: secret_key.seed().expose().to_vec(),
                    cursor: sender.as_ref().map_or(*cursor, Sender::cursor).into(),
                    heard: *heard,
                })
            }
            State::Agreed(secret) => {
                Stored::Agreed(stored::Agreed { secret: secret.expose().to_vec() })
            }
            // The key is in the shard rows.
            State::Collecting(_) | State::Received(_) => Stored::Collecting(true),
            State::Answering { secret, sender } => Stored::Answering(stored::Answering {
                secret: secret.expose().to_vec(),
                cursor: sender.cursor().into(),
            }),
        };
        stored::PostQuantum { state: Some(state) }
    }

    /// Reads [`Self::to_record`]; rows and answer are still missing.
    pub(crate) fn from_record(
        we_initiated: bool,
        epochs_mixed: u32,
        record: &stored::PostQuantum,
    ) -> Result<Self, DecodeError> {
        let malformed = DecodeError::Malformed("post-quantum record");
        let secret = |bytes: &[u8]| Secret::from_slice(bytes).ok_or(malformed);
        let cursor =
            |cursor: u32| u8::try_from(cursor).ok().filter(|cursor| *cursor < 255).ok_or(malformed);
        let state = match record.state.as_ref().ok_or(malformed)? {
            Stored::Idle(_) => State::Idle,
            Stored::Offering(offering) => State::Offering {
                secret_key: KemSecretKey::from_seed(
                    Secret::from_slice(&offering.seed).ok_or(malformed)?,
                ),
                sender: None,
                cursor: cursor(offering.cursor)?,
                heard: offering.heard,
                answer: Collector::new(Cargo::Ciphertext),
            },
            Stored::Agreed(agreed) => State::Agreed(secret(&agreed.secret)?),
            Stored::Collecting(_) => State::Collecting(Collector::new(Cargo::EncapsulationKey)),
            Stored::Answering(answering) => State::Answering {
                secret: secret(&answering.secret)?,
                sender: Sender::new(Cargo::Ciphertext, Vec::new(), cursor(answering.cursor)?),
            },
        };
        Ok(Self { we_initiated, epochs_mixed, state, rows: Vec::new() })
    }

    /// Puts back the next row, in order.
    pub(crate) fn restore_row(&mut self, field: &[u8]) {
        self.receive(field);
    }

    /// Puts back the row of [`Self::answer`].
    pub(crate) fn restore_answer(&mut self, data: &[u8]) -> Result<(), DecodeError> {
        match &mut self.state {
            State::Answering { secret: _, sender } if data.len() == CIPHERTEXT_LEN + SHARD_LEN => {
                *sender = Sender::new(Cargo::Ciphertext, data.to_vec(), sender.cursor());
                Ok(())
            }
            _ => Err(DecodeError::Malformed("post-quantum answer record")),
        }
    }

    /// Whether the row of [`Self::answer`] is still missing.
    pub(crate) fn lacks_answer(&self) -> bool {
        self.answer().is_some_and(<[u8]>::is_empty)
    }
}

/// First index and shards of each field.
fn runs(fields: &[Vec<u8>]) -> impl Iterator<Item = (u8, &[u8])> {
    fields.iter().filter_map(|field| {
        let (&[_, first], shards) = field.split_first_chunk()?;
        Some((first, shards))
    })
}

/// The epoch's secret, if ciphertext and confirmation are right.
fn agree(secret_key: &KemSecretKey, data: &[u8], epoch: u32) -> Option<Secret<32>> {
    let (ciphertext, confirmed) = data.split_at_checked(CIPHERTEXT_LEN)?;
    let ciphertext = KemCiphertext::from_bytes(ciphertext).ok()?;
    let key_pair = secret_key.key_pair();
    let shared_secret = key_pair.decapsulate(&ciphertext);
    confirmation(&shared_secret, epoch)
        .matches(confirmed)
        .then(|| epoch_secret(&shared_secret, epoch, &key_pair.public_key(), &ciphertext))
}

// HMAC(ss, "subrosa/1 pq confirm" || u32(e))
fn confirmation(shared_secret: &Secret<32>, epoch: u32) -> Secret<32> {
    hmac_parts(shared_secret, &[Label::PQ_CONFIRM.as_bytes(), &epoch.to_be_bytes()])
}

// pq = Expand(ss, "subrosa/1 pq secret" || u32(e) || H(ek) || H(ct), 32)
fn epoch_secret(
    shared_secret: &Secret<32>,
    epoch: u32,
    key: &KemPublicKey,
    ciphertext: &KemCiphertext,
) -> Secret<32> {
    expand(
        shared_secret,
        Label::PQ_SECRET,
        &[&epoch.to_be_bytes(), &sha256(&[key.as_bytes()]), &sha256(&[ciphertext.as_bytes()])],
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    /// A side that takes in shards: of the key, or of the answer to its own.
    fn collecting(key_side: bool) -> PostQuantum {
        let mut side = PostQuantum::new(key_side);
        side.before_send(&mut ChaCha8Rng::seed_from_u64(1));
        side
    }

    fn has_heard(side: &PostQuantum) -> bool {
        matches!(side.state, State::Offering { heard: true, .. })
    }

    /// Records of a side that offers a key, and of one that answers.
    fn records(cursor: u32) -> [stored::PostQuantum; 2] {
        let seed = vec![7; 64];
        [
            Stored::Offering(stored::Offering { seed, cursor, heard: false }),
            Stored::Answering(stored::Answering { secret: vec![7; 32], cursor }),
        ]
        .map(|state| stored::PostQuantum { state: Some(state) })
    }

    proptest! {
        #[test]
        fn a_field_that_is_none_of_this_epoch_changes_nothing_and_no_row_is_longer_than_a_key(
            key_side: bool,
            epoch in prop_oneof![3 => Just(1_u8), 1 => any::<u8>()],
            first in prop_oneof![1 => Just(255_u8), 3 => any::<u8>()],
            shards in 0..80_usize,
            rest in prop_oneof![3 => Just(0), 1 => 0..SHARD_LEN],
        ) {
            let mut side = collecting(key_side);
            let mut field = vec![epoch, first];
            field.resize(FIELD_HEAD_LEN + shards * SHARD_LEN + rest, 3);
            let change = side.receive(&field);
            if epoch == 1 && first < 255 && shards > 0 && rest == 0 {
                prop_assert_eq!(has_heard(&side), key_side);
                if shards < 35 {
                    prop_assert_eq!(change, RowsChange::Added(0));
                }
                field.truncate(FIELD_HEAD_LEN + 37 * SHARD_LEN);
                prop_assert!(side.row(0).is_none_or(|row| row == field));
            } else {
                prop_assert_eq!(change, RowsChange::None);
                prop_assert!(!has_heard(&side) && side.row_count() == 0);
            }
        }

        #[test]
        fn a_record_that_counts_beyond_the_last_shard_is_damaged(
            cursor in prop_oneof![Just(254_u32), Just(255), any::<u32>()],
        ) {
            for record in records(cursor) {
                let loaded = PostQuantum::from_record(true, 0, &record);
                prop_assert_eq!(loaded.is_ok(), cursor < 255);
            }
        }

        #[test]
        fn an_answer_of_another_length_or_of_nobody_is_damaged(
            len in prop_oneof![Just(1120_usize), 0..2_000_usize],
        ) {
            let [offering, answering] = records(0).map(|record| {
                let mut loaded = PostQuantum::from_record(true, 0, &record).unwrap();
                loaded.restore_answer(&vec![5; len]).is_ok()
            });
            prop_assert!(!offering);
            prop_assert_eq!(answering, len == 1120);
        }
    }
}
