//! SPEC.md once more, over other crates than `crypto` uses where there are any, and
//! with nothing of the crate but ML-KEM: so that a vector cannot repeat a bug.

use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20::{R20, XChaCha20, hchacha};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use curve25519_dalek::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use libcrux_chacha20poly1305::encrypt;
use sha2::{Digest, Sha256, Sha512};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

use crate::crypto::{KemPublicKey, KemSecretKey, Secret};

pub(super) fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

// --- 2.2: primitives ---

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(cat(parts)).into()
}

pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(&cat(parts));
    mac.finalize().into_bytes().into()
}

pub(super) fn expand<const N: usize>(prk: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha256>::from_prk(prk).unwrap().expand(&cat(info), &mut out).unwrap();
    out
}

pub(super) fn hkdf<const N: usize>(salt: &[u8], ikm: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha256>::new(Some(salt), ikm).expand(&cat(info), &mut out).unwrap();
    out
}

pub(super) fn seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    ChaCha20Poly1305::new(key.into()).encrypt(nonce.into(), Payload { msg, aad }).unwrap()
}

/// Nonce, ciphertext and tag.
pub(super) fn xaead(key: &[u8; 32], nonce: &[u8; 24], ad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let input: [u8; 16] = array(&nonce[..16]);
    let subkey = hchacha::<R20>(key.into(), &input.into());
    let inner: [u8; 12] = array(&cat(&[&[0; 4], &nonce[16..]]));
    let mut sealed = vec![0; plaintext.len() + 16];
    encrypt(&subkey.into(), plaintext, &mut sealed, ad, &inner).unwrap();
    cat(&[nonce, &sealed])
}

pub(super) fn mask(key: &[u8; 32], nonce: &[u8; 24], bytes: &[u8]) -> Vec<u8> {
    let mut masked = bytes.to_vec();
    XChaCha20::new(key.into(), nonce.into()).apply_keystream(&mut masked);
    masked
}

pub(super) fn dh_public(private: &[u8; 32]) -> [u8; 32] {
    x25519(*private, X25519_BASEPOINT_BYTES)
}

pub(super) fn dh(private: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    x25519(*private, *public)
}

pub(super) fn signing_public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// `Sign(key, label, m)`; `label` with its prefix.
pub(super) fn sign(seed: &[u8; 32], label: &str, message: &[u8]) -> [u8; 64] {
    let message = cat(&[label.as_bytes(), &[0], message]);
    SigningKey::from_bytes(seed).sign(&message).to_bytes()
}

/// What fulfils the equation, made with the nonce 0: R is the neutral point.
pub(super) fn sign_without_nonce(seed: &[u8; 32], label: &str, message: &[u8]) -> [u8; 64] {
    let message = cat(&[label.as_bytes(), &[0], message]);
    let key = SigningKey::from_bytes(seed);
    let mut signature = [0; 64];
    signature[0] = 1;
    let hashed = [&signature[..32], key.verifying_key().as_bytes(), &message].concat();
    let challenge = Scalar::from_bytes_mod_order_wide(&Sha512::digest(hashed).into());
    let scalar = (challenge * key.to_scalar()).to_bytes();
    signature[32..].copy_from_slice(&scalar);
    let signature = Signature::from_bytes(&signature);
    assert!(key.verifying_key().verify(&message, &signature).is_ok());
    assert!(key.verifying_key().verify_strict(&message, &signature).is_err());
    signature.to_bytes()
}

pub(super) fn kem_public(seed: &[u8; 64]) -> Vec<u8> {
    KemSecretKey::from_seed(Secret::copy_from(seed)).key_pair().public_key().as_bytes().to_vec()
}

/// Ciphertext and shared secret.
pub(super) fn encapsulate(key: &[u8], randomness: &[u8; 32]) -> (Vec<u8>, [u8; 32]) {
    let key = KemPublicKey::from_bytes(key).unwrap();
    let made = key.encapsulate(&Secret::copy_from(randomness));
    (made.ciphertext.as_bytes().to_vec(), *made.shared_secret.expose())
}

// --- 2.1: notation ---

pub(super) fn lp(bytes: &[u8]) -> Vec<u8> {
    cat(&[&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes])
}

// --- Protobuf ---

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of bytes or a message; left out if empty.
pub(super) fn pb_bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if !bytes.is_empty() {
        varint(field << 3 | 2, &mut out);
        varint(bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
    }
    out
}

pub(super) fn pb_varint(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if value != 0 {
        varint(field << 3, &mut out);
        varint(value, &mut out);
    }
    out
}

pub(super) fn pb_fixed32(field: u64, value: u32) -> Vec<u8> {
    let mut out = Vec::new();
    if value != 0 {
        varint(field << 3 | 5, &mut out);
        out.extend_from_slice(&value.to_le_bytes());
    }
    out
}

/// A `fixed64` of these bytes.
pub(super) fn pb_fixed64(field: u64, bytes: [u8; 8]) -> Vec<u8> {
    let mut out = Vec::new();
    if bytes != [0; 8] {
        varint(field << 3 | 1, &mut out);
        out.extend_from_slice(&bytes);
    }
    out
}

// --- 3: accounts, devices, lists ---

pub(super) fn device_entry_message(
    user: &[u8],
    account_key: &[u8; 32],
    device: u32,
    identity_key: &[u8; 32],
) -> Vec<u8> {
    cat(&[&lp(user), account_key, &device.to_be_bytes(), identity_key])
}

/// An encoded `DeviceEntry`, with its proof.
pub(super) fn device_entry(
    user: &[u8],
    account_key: &[u8; 32],
    device: u32,
    signing_seed: &[u8; 32],
    identity_private: &[u8; 32],
) -> Vec<u8> {
    let identity_key = dh_public(identity_private);
    let message = device_entry_message(user, account_key, device, &identity_key);
    cat(&[
        &pb_fixed32(1, device),
        &pb_bytes(2, &signing_public(signing_seed)),
        &pb_bytes(3, &identity_key),
        &pb_bytes(4, &sign(signing_seed, "subrosa/1 device entry", &message)),
    ])
}

pub(super) fn list_hash(list: &[u8]) -> [u8; 32] {
    sha256(&[b"subrosa/1 device list\0", list])
}

pub(super) fn view(sender: &[u8; 32], recipient: &[u8; 32]) -> [u8; 8] {
    array(&sha256(&[b"subrosa/1 view\0", sender, recipient])[..8])
}

pub(super) fn safety_hash(user: &[u8], account_key: &[u8; 32]) -> [u8; 32] {
    sha256(&[b"subrosa/1 safety number\0", &lp(user), account_key])
}

/// The QR code that the first shows to the second.
pub(super) fn safety_code(parties: [(&[u8], [u8; 32]); 2]) -> Vec<u8> {
    let parties = parties.map(|(user, account_key)| cat(&[&lp(user), &account_key]));
    cat(&[b"subrosa/1 safety code\0", &parties[0], &parties[1]])
}

pub(super) fn safety_digits(f: &[u8; 32]) -> String {
    let groups = f[..30].chunks(5).map(|group| {
        let number = u64::from_be_bytes(array(&cat(&[&[0; 3], group])));
        format!("{:05}", number % 100_000)
    });
    groups.collect()
}

// --- 4: prekeys ---

/// The X25519 private key and the ML-KEM seed.
pub(super) fn prekey_halves(seed: &[u8; 32]) -> ([u8; 32], [u8; 64]) {
    let s: [u8; 96] = expand(seed, &[b"subrosa/1 prekey halves"]);
    (array(&s[..32]), array(&s[32..]))
}

/// What is signed, without the label.
pub(super) fn prekey_message(user: &[u8], device: u32, prekey: &[u8]) -> Vec<u8> {
    cat(&[&lp(user), &device.to_be_bytes(), prekey])
}

// --- 6: ratchet ---

pub(super) struct RootStep {
    pub(super) root_key: [u8; 32],
    pub(super) chain_key: [u8; 32],
    pub(super) next_header_key: [u8; 32],
}

pub(super) fn kdf_rk(root_key: &[u8; 32], dh: &[u8; 32], pq: &[u8]) -> RootStep {
    let keys: [u8; 96] = hkdf(root_key, &cat(&[dh, pq]), &[b"subrosa/1 root"]);
    RootStep {
        root_key: array(&keys[..32]),
        chain_key: array(&keys[32..64]),
        next_header_key: array(&keys[64..]),
    }
}

/// The message key and the next chain key.
pub(super) fn kdf_ck(chain_key: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    (hmac(chain_key, &[&[1]]), hmac(chain_key, &[&[2]]))
}

/// Tag key and mask key.
pub(super) fn header_keys(header_key: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    let keys: [u8; 64] = expand(header_key, &[b"subrosa/1 header"]);
    (array(&keys[..32]), array(&keys[32..]))
}

pub(super) fn tag(tag_key: &[u8; 32], number: u32) -> [u8; 8] {
    array(&hmac(tag_key, &[&number.to_be_bytes()])[..8])
}

pub(super) fn header(ratchet_key: &[u8; 32], number: u32, previous: u32, epoch: u32) -> Vec<u8> {
    let numbers = [number, previous, epoch].map(u32::to_be_bytes).concat();
    cat(&[ratchet_key, &numbers])
}

pub(super) fn mask_nonce(tag: &[u8; 8], salt: &[u8; 8]) -> [u8; 24] {
    array(&cat(&[tag, salt, &[0; 8]]))
}

pub(super) fn message_aead_key(message_key: &[u8; 32], salt: &[u8; 8]) -> [u8; 32] {
    expand(message_key, &[b"subrosa/1 message", salt])
}

pub(super) fn message_nonce(salt: &[u8; 8]) -> [u8; 12] {
    array(&cat(&[&[0; 4], salt]))
}

pub(super) fn pq_confirmation(shared: &[u8; 32], epoch: u32) -> [u8; 32] {
    hmac(shared, &[b"subrosa/1 pq confirm", &epoch.to_be_bytes()])
}

pub(super) fn pq_secret(shared: &[u8; 32], epoch: u32, key: &[u8], ciphertext: &[u8]) -> [u8; 32] {
    let (key, ciphertext) = (sha256(&[key]), sha256(&[ciphertext]));
    expand(shared, &[b"subrosa/1 pq secret", &epoch.to_be_bytes(), &key, &ciphertext])
}

// --- 14: sender keys ---

pub(super) fn sender_context(
    group: &[u8; 32],
    user: &[u8],
    device: u32,
    chain_id: &[u8; 8],
) -> Vec<u8> {
    cat(&[group, &lp(user), &device.to_be_bytes(), chain_id])
}

pub(super) fn sender_associated_data(context: &[u8]) -> [u8; 32] {
    sha256(&[b"subrosa/1 sender chain\0", context])
}

pub(super) fn sender_header_key(seed: &[u8; 32], context: &[u8]) -> [u8; 32] {
    expand(seed, &[b"subrosa/1 sender header", context])
}

pub(super) fn group_view(own: &[u8; 32]) -> [u8; 8] {
    array(&sha256(&[b"subrosa/1 group view\0", own])[..8])
}

// --- 6.6: the erasure code ---

/// Multiplies in GF(2⁸) with the polynomial 0x11D.
fn gf_multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1d } else { 0 };
        b >>= 1;
    }
    product
}

fn gf_invert(a: u8) -> u8 {
    (1..=255).find(|b| gf_multiply(a, *b) == 1).unwrap()
}

/// Shard `index` of this data, by Lagrange interpolation.
pub(super) fn shard(data: &[u8], index: u8) -> [u8; 32] {
    let count = u8::try_from(data.len() / 32).unwrap();
    let mut out = [0; 32];
    for point in 0..count {
        let coefficient = (0..count).filter(|other| *other != point).fold(1, |product, other| {
            let factor = gf_multiply(index ^ other, gf_invert(point ^ other));
            gf_multiply(product, factor)
        });
        let values = &data[usize::from(point) * 32..][..32];
        for (sum, value) in out.iter_mut().zip(values) {
            *sum ^= gf_multiply(coefficient, *value);
        }
    }
    out
}

// --- 7.1: padding ---

pub(super) fn padded_length(length: usize) -> usize {
    256.max(padme(length as u64 + 36 + 1) as usize)
}

fn padme(x: u64) -> u64 {
    let e = u64::BITS - 1 - x.leading_zeros();
    let s = f64::from(e).log2().floor() as u32 + 1;
    let step = 1 << (e - s);
    x.div_ceil(step) * step
}

pub(super) fn shards_that_fit(length: usize) -> usize {
    let field = |n: usize| pb_bytes(9, &vec![0; 2 + 32 * n]).len();
    (1..).take_while(|n| length + field(*n) < padded_length(length)).last().unwrap()
}

pub(super) fn pad(payload: &[u8], length: usize) -> Vec<u8> {
    cat(&[payload, &[0x80], &vec![0; length - payload.len() - 1]])
}

// --- 12.1 and 12.2: linking ---

pub(super) fn keys_hash(signing_key: &[u8; 32], identity_key: &[u8; 32]) -> [u8; 32] {
    sha256(&[b"subrosa/1 link code\0", signing_key, identity_key])
}

pub(super) fn link_code(
    device: u32,
    secret: &[u8; 32],
    keys_hash: &[u8; 32],
    user: &[u8],
    name: &[u8],
) -> Vec<u8> {
    cat(&[&[1], &device.to_be_bytes(), secret, keys_hash, &lp(user), &lp(name)])
}

pub(super) fn short_link_code(code: &[u8]) -> String {
    let hash = sha256(&[b"subrosa/1 short link code\0", code]);
    format!("{:06}", u64::from_be_bytes(array(&hash[..8])) % 1_000_000)
}

/// The encoded envelope.
pub(super) fn link_envelope(sealed: &[u8]) -> Vec<u8> {
    pb_bytes(3, &pb_bytes(1, sealed))
}

// --- 12.4: recovery keys and backups ---

pub(super) fn recovery_checksum(key: &[u8; 16]) -> [u8; 2] {
    array(&sha256(&[b"subrosa/1 recovery key\0", key])[..2])
}

/// Five letters for 16 bits.
fn proquint(value: u16) -> String {
    const CONSONANTS: &str = "bdfghjklmnprstvz";
    const VOWELS: &str = "aiou";
    let bits = format!("{value:016b}");
    let letter = |letters: &str, bits: &str| {
        letters.chars().nth(usize::from_str_radix(bits, 2).unwrap()).unwrap()
    };
    let first = [letter(CONSONANTS, &bits[..4]), letter(VOWELS, &bits[4..6])];
    let middle = [letter(CONSONANTS, &bits[6..10]), letter(VOWELS, &bits[10..12])];
    first.iter().chain(&middle).chain([&letter(CONSONANTS, &bits[12..])]).collect()
}

pub(super) fn recovery_words(key: &[u8; 16]) -> String {
    let bytes = cat(&[key, &recovery_checksum(key)]);
    let words = bytes.chunks(2).map(|pair| proquint(u16::from_be_bytes(array(pair))));
    words.collect::<Vec<_>>().join("-")
}

pub(super) fn backup_key(key: &[u8; 16]) -> [u8; 32] {
    hkdf(&[0; 32], key, &[b"subrosa/1 backup"])
}

pub(super) fn pad_backup(content: &[u8]) -> Vec<u8> {
    pad(content, (content.len() / 4096 + 1) * 4096)
}

// --- 15: attachments ---

/// Padded length, how many chunks, and bytes of it all.
pub(super) fn attachment_layout(length: u64) -> (u64, u64, u64) {
    let padded = if length <= 4096 { 4096 } else { padme(length) };
    let chunks = padded.div_ceil(65_536);
    (padded, chunks, 32 + padded + 16 * chunks)
}

/// Key and head.
pub(super) fn attachment_keys(
    secret: &[u8; 32],
    length: u64,
    media_type: &[u8],
) -> ([u8; 32], [u8; 32]) {
    let length = length.to_be_bytes();
    let both: [u8; 64] = expand(secret, &[b"subrosa/1 attachment", &length, &lp(media_type)]);
    (array(&both[..32]), array(&both[32..]))
}

pub(super) fn attachment_nonce(index: u64, chunks: u64) -> [u8; 12] {
    let index = u32::try_from(index).unwrap();
    let last = u8::from(u64::from(index) == chunks - 1);
    array(&cat(&[&[0; 7], &index.to_be_bytes(), &[last]]))
}

/// A sealed attachment, chunk by chunk.
pub(super) fn attachment_chunks(key: &[u8; 32], file: &[u8]) -> Vec<Vec<u8>> {
    let (padded, chunks, _) = attachment_layout(file.len() as u64);
    let padded = cat(&[file, &vec![0; padded as usize - file.len()]]);
    let numbered = padded.chunks(65_536).zip(0..);
    numbered.map(|(chunk, i)| seal(key, &attachment_nonce(i, chunks), &[], chunk)).collect()
}

// --- 16: emoji ---

/// A user id and an account key, as they are bound.
pub(super) fn emoji_party(user: &[u8], account_key: &[u8; 32]) -> Vec<u8> {
    cat(&[&lp(user), account_key])
}

pub(super) fn emoji_commitment(
    transaction: &[u8; 16],
    [initiator, responder]: [&[u8]; 2],
    key: &[u8; 32],
) -> [u8; 32] {
    sha256(&[b"subrosa/1 emoji commitment\0", transaction, initiator, responder, key])
}

/// Six bytes of which emoji are made, and the key of confirmations.
pub(super) fn emoji_keys(
    transaction: &[u8; 16],
    [initiator, responder]: [&[u8]; 2],
    [key_i, key_r]: [&[u8; 32]; 2],
    secret: &[u8; 32],
) -> ([u8; 6], [u8; 32]) {
    let context = cat(&[transaction, initiator, key_i, responder, key_r]);
    (
        hkdf(&[0; 32], secret, &[b"subrosa/1 emoji", &context]),
        hkdf(&[0; 32], secret, &[b"subrosa/1 emoji mac", &context]),
    )
}

/// The numbers of seven emoji: groups of six bits, from the first.
pub(super) fn emoji_numbers(bytes: &[u8; 6]) -> [u8; 7] {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    std::array::from_fn(|i| bits[6 * i..6 * i + 6].iter().fold(0, |sum, bit| sum << 1 | bit))
}

pub(super) fn emoji_confirmation(mac_key: &[u8; 32], role: u8, party: &[u8]) -> [u8; 32] {
    hmac(mac_key, &[&[role, 1], party])
}
