//! A thief with a copy of everything on a device's disk, who tries every run of 32 bytes
//! in it as every kind of key. Written from `proto/SPEC.md`, sections 6.2 and 6.3, with
//! other crates than the protocol's own.

use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subrosa::session::PeerRow;

use crate::protobuf::Fields;
use crate::side::Rows;

/// How far the thief turns each key as a chain.
const STEPS: usize = 8;

type Key = [u8; 32];

/// A stolen disk.
pub(crate) struct Loot {
    keys: Vec<Key>,
    mask_keys: Vec<Key>,
    associated_data: Key,
}

impl Loot {
    /// Every run of 32 bytes on the disk, and what the records say openly.
    pub(crate) fn new(rows: &Rows) -> Self {
        let runs = rows.values().flat_map(|bytes| bytes.windows(32));
        let mut keys: Vec<Key> = runs.map(|run| run.try_into().unwrap()).collect();
        keys.sort_unstable();
        keys.dedup();
        let is_session = |row: &PeerRow| matches!(row, PeerRow::Session(_));
        let (_, session) = rows.iter().find(|(row, _)| is_session(row)).unwrap();
        let associated_data = Fields::decode(session).bytes(2).as_slice().try_into().unwrap();
        let mask_keys = keys.iter().flat_map(|key| [*key, mask_key(key)]).collect();
        Self { keys, mask_keys, associated_data }
    }

    /// The padded payload of a recorded envelope, if a key opens it.
    pub(crate) fn read(&self, envelope: &[u8]) -> Option<Vec<u8>> {
        let mut message = Fields::decode(envelope);
        let mut message = match message.0[0].number {
            1 => Fields::decode(message.bytes(1)),
            _ => Fields::decode(Fields::decode(message.bytes(2)).bytes(2)),
        };
        let head = message.bytes(1).clone();
        let sealed = message.bytes(2).clone();
        let headers = self.mask_keys.iter().map(|key| unmask(key, &head));
        let headers: Vec<_> = headers.filter(is_plausible).collect();
        let message_keys = || self.keys.iter().flat_map(|key| turned(*key));
        headers.iter().find_map(|header| {
            let ad = [&self.associated_data, &head[..16], header].concat();
            message_keys().find_map(|key| open(&key, &head[8..16], &ad, &sealed))
        })
    }

    /// Whether any of the keys unmasks the header of a recorded envelope.
    pub(crate) fn unmasks(&self, envelope: &[u8]) -> bool {
        let head = Fields::decode(Fields::decode(envelope).bytes(1)).bytes(1).clone();
        self.mask_keys.iter().any(|key| is_plausible(&unmask(key, &head)))
    }
}

// tag key || mask key = Expand(header key, "subrosa/1 header", 64)
fn mask_key(header_key: &Key) -> Key {
    let mut keys = [0; 64];
    Hkdf::<Sha256>::from_prk(header_key).unwrap().expand(b"subrosa/1 header", &mut keys).unwrap();
    keys[32..].try_into().unwrap()
}

// masked = header XOR XChaCha20(mask key, tag || salt || 0^8)
fn unmask(key: &Key, head: &[u8]) -> [u8; 44] {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(&head[..16]);
    let mut header: [u8; 44] = head[16..].try_into().unwrap();
    XChaCha20::new(key.into(), (&nonce).into()).apply_keystream(&mut header);
    header
}

/// Numbers below 2²⁴, fewer than 2¹⁶ epochs: one in 2³² by chance.
fn is_plausible(header: &[u8; 44]) -> bool {
    [32, 36, 40, 41].iter().all(|place| header[*place] == 0)
}

/// The key itself as a message key, and as a chain key the message keys after it.
fn turned(key: Key) -> impl Iterator<Item = Key> {
    let chain = std::iter::successors(Some(key), |chain| Some(hmac(chain, 2))).take(STEPS);
    std::iter::once(key).chain(chain.map(|chain| hmac(&chain, 1)))
}

fn hmac(key: &Key, input: u8) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(&[input]);
    mac.finalize().into_bytes().into()
}

// key = Expand(message key, "subrosa/1 message" || salt, 32), nonce = 0^4 || salt
fn open(message_key: &Key, salt: &[u8], ad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut key = [0; 32];
    let info = [b"subrosa/1 message".as_slice(), salt].concat();
    Hkdf::<Sha256>::from_prk(message_key).unwrap().expand(&info, &mut key).unwrap();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(salt);
    let cipher = ChaCha20Poly1305::new((&key).into());
    cipher.decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: ad }).ok()
}
