//! The ratchet as the model has it: both sides at once, since every step of the one
//! is a step of the other.

use serde_json::{Value, json};

use super::handshakes::Made;
use super::hex;
use super::model::{self, array, cat, pb_bytes};

/// A chain: the root step that began it, and how much was sent in it.
pub(super) struct Step {
    ratchet_private: [u8; 32],
    ratchet_key: [u8; 32],
    dh: [u8; 32],
    pq: Vec<u8>,
    keys: model::RootStep,
    header_key: [u8; 32],
    pub(super) pq_epoch: u32,
    pub(super) previous_length: u32,
    /// The number of the next message.
    pub(super) sent: u32,
}

/// What is drawn in an epoch, and how far its shards have got.
pub(super) struct Epoch {
    seed: Vec<u8>,
    pub(super) randomness: Vec<u8>,
    key_cursor: u8,
    answer_cursor: u8,
}

struct Exchange {
    key: Vec<u8>,
    ciphertext: Vec<u8>,
    shared: [u8; 32],
}

impl Epoch {
    pub(super) fn new(seed: Vec<u8>) -> Self {
        Self { seed, randomness: Vec::new(), key_cursor: 0, answer_cursor: 0 }
    }

    fn exchange(&self) -> Exchange {
        let key = model::kem_public(&array(&self.seed));
        let (ciphertext, shared) = model::encapsulate(&key, &array(&self.randomness));
        Exchange { key, ciphertext, shared }
    }
}

/// Chain `c` is the initiator's if `c` is even.
pub(super) struct Steps {
    associated_data: [u8; 32],
    first_root_key: [u8; 32],
    /// The responder's signed prekey: its first ratchet key.
    first_ratchet_key: [u8; 32],
    /// The header key of each chain, and of the two behind the last.
    header_keys: Vec<[u8; 32]>,
    pub(super) chains: Vec<Step>,
    pub(super) epochs: Vec<Epoch>,
}

impl Steps {
    pub(super) fn new(made: &Made, first_ratchet_key: [u8; 32]) -> Self {
        Self {
            associated_data: made.associated_data,
            first_root_key: made.root_key,
            first_ratchet_key,
            header_keys: vec![made.header_key_i, made.next_header_key_r],
            chains: Vec::new(),
            epochs: Vec::new(),
        }
    }

    /// Begins the next chain. Its first message says in its header which epochs are in.
    pub(super) fn begin(&mut self, ratchet_private: [u8; 32], first: &[u8]) {
        let place = self.chains.len();
        let header_key = self.header_keys[place];
        let previous = self.chains.last();
        let theirs = previous.map_or(self.first_ratchet_key, |step| step.ratchet_key);
        let root_key = previous.map_or(self.first_root_key, |step| step.keys.root_key);
        let mixed = previous.map_or(0, |step| step.pq_epoch);
        let pq_epoch = u32::from_be_bytes(array(&unmask(&header_key, first)[40..]));
        let pq = if pq_epoch == mixed { Vec::new() } else { self.pq_secret(pq_epoch).to_vec() };
        let dh = model::dh(&ratchet_private, &theirs);
        let keys = model::kdf_rk(&root_key, &dh, &pq);
        self.header_keys.push(keys.next_header_key);
        let previous_length = place.checked_sub(2).map_or(0, |place| self.chains[place].sent);
        let ratchet_key = model::dh_public(&ratchet_private);
        self.chains.push(Step {
            ratchet_private,
            ratchet_key,
            dh,
            pq,
            keys,
            header_key,
            pq_epoch,
            previous_length,
            sent: 0,
        });
    }

    fn pq_secret(&self, epoch: u32) -> [u8; 32] {
        let Exchange { key, ciphertext, shared } = self.epochs[epoch as usize - 1].exchange();
        model::pq_secret(&shared, epoch, &key, &ciphertext)
    }

    /// A `Message` with this number in a chain.
    pub(super) fn seal(&self, chain: usize, number: u32, salt: [u8; 8], padded: &[u8]) -> Vec<u8> {
        let step = &self.chains[chain];
        let mut chain_key = step.keys.chain_key;
        for _ in 0..number {
            (_, chain_key) = model::kdf_ck(&chain_key);
        }
        let (message_key, _) = model::kdf_ck(&chain_key);
        let (tag_key, mask_key) = model::header_keys(&step.header_key);
        let tag = model::tag(&tag_key, number);
        let header = model::header(&step.ratchet_key, number, step.previous_length, step.pq_epoch);
        let masked = model::mask(&mask_key, &model::mask_nonce(&tag, &salt), &header);
        let covered = cat(&[&self.associated_data, &tag, &salt, &header]);
        let key = model::message_aead_key(&message_key, &salt);
        let sealed = model::seal(&key, &model::message_nonce(&salt), &covered, padded);
        cat(&[&pb_bytes(1, &cat(&[&tag, &salt, &masked])), &pb_bytes(2, &sealed)])
    }

    /// The field that a side (0: the initiator) would send next in this epoch, with
    /// `count` shards; empty if there is nothing yet.
    pub(super) fn shards(&self, side: usize, epoch: u32, count: usize) -> Vec<u8> {
        let Some(current) = self.epochs.get(epoch as usize - 1) else { return Vec::new() };
        let (cursor, data) = if is_key_side(side, epoch) {
            (current.key_cursor, model::kem_public(&array(&current.seed)))
        } else if current.randomness.is_empty() {
            return Vec::new();
        } else {
            let Exchange { ciphertext, shared, .. } = current.exchange();
            (current.answer_cursor, cat(&[&ciphertext, &model::pq_confirmation(&shared, epoch)]))
        };
        let mut field = vec![epoch as u8, cursor];
        for index in indices(cursor, count) {
            field.extend_from_slice(&model::shard(&data, index));
        }
        field
    }

    /// These shards have been sent.
    pub(super) fn sent_shards(&mut self, side: usize, epoch: u32, count: usize) {
        let current = &mut self.epochs[epoch as usize - 1];
        let cursor = if is_key_side(side, epoch) {
            &mut current.key_cursor
        } else {
            &mut current.answer_cursor
        };
        *cursor = indices(*cursor, count + 1).last().unwrap();
    }

    pub(super) fn steps_json(&self) -> Value {
        let steps = self.chains.iter().enumerate().map(|(place, step)| {
            json!({
                "side_text": super::ratchet::SIDES[place % 2],
                "ratchet_private": hex(step.ratchet_private),
                "ratchet_key": hex(step.ratchet_key),
                "dh": hex(step.dh),
                "pq": hex(&step.pq),
                "root_key": hex(step.keys.root_key),
                "chain_key": hex(step.keys.chain_key),
                "header_key": hex(step.header_key),
                "next_header_key": hex(step.keys.next_header_key),
            })
        });
        steps.collect()
    }

    /// The epochs that have been mixed in.
    pub(super) fn epochs_json(&self, mixed: u32) -> Value {
        let epochs = (1..=mixed).zip(&self.epochs).map(|(number, epoch)| {
            let Exchange { key, ciphertext, shared } = epoch.exchange();
            json!({
                "epoch": number,
                "key_side_text": super::ratchet::SIDES[usize::from(!is_key_side(0, number))],
                "mlkem_seed": hex(&epoch.seed),
                "encapsulation_key": hex(&key),
                "encapsulation_randomness": hex(&epoch.randomness),
                "ciphertext": hex(&ciphertext),
                "shared_secret": hex(shared),
                "confirmation": hex(model::pq_confirmation(&shared, number)),
                "pq": hex(model::pq_secret(&shared, number, &key, &ciphertext)),
            })
        });
        epochs.collect()
    }
}

/// The header of a message, given its head.
fn unmask(header_key: &[u8; 32], head: &[u8]) -> Vec<u8> {
    let (_, mask_key) = model::header_keys(header_key);
    let nonce = model::mask_nonce(&array(&head[..8]), &array(&head[8..16]));
    model::mask(&mask_key, &nonce, &head[16..60])
}

fn is_key_side(side: usize, epoch: u32) -> bool {
    (epoch % 2 == 1) == (side == 0)
}

fn indices(first: u8, count: usize) -> impl Iterator<Item = u8> {
    (0..count).map(move |n| ((usize::from(first) + n) % 255) as u8)
}
