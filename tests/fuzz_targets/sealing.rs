//! What a fuzz target seals and opens itself, to get behind the AEAD (SPEC.md, sections 2.2
//! and 12).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Any nonce does: nothing that is sealed here is secret.
const NONCE: [u8; 24] = [7; 24];

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// The first 32 bytes of HKDF-Expand.
pub(crate) fn expand(prk: &[u8], info: &str) -> [u8; 32] {
    hmac(prk, &[info.as_bytes(), &[1]].concat())
}

/// The first 32 bytes of HKDF without salt.
pub(crate) fn hkdf(ikm: &[u8], info: &str) -> [u8; 32] {
    expand(&hmac(&[0; 32], ikm), info)
}

/// `XAEAD`: nonce, ciphertext and tag.
pub(crate) fn seal(key: &[u8; 32], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(&XNonce::from(NONCE), Payload { msg, aad }).unwrap();
    [&NONCE, sealed.as_slice()].concat()
}

/// What is in such a value.
pub(crate) fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_first_chunk::<24>()?;
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok()
}

/// With 0x80 and zero bytes behind it, up to a multiple of `block`.
pub(crate) fn pad(content: &[u8], block: usize) -> Vec<u8> {
    let mut padded = [content, &[0x80]].concat();
    padded.resize(padded.len().next_multiple_of(block), 0);
    padded
}

pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    (padded[end] == 0x80).then_some(&padded[..end])
}
