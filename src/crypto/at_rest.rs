//! The AEAD of what is stored: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03,
//! section 2), whose nonce is long enough to be drawn at random for each value.
//!
//! By `chacha20poly1305`, which is the faster one for values of several kilobytes.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305};

use super::aead::OpenFailed;
use super::{Secret, SecretBytes};

/// Bytes of a nonce, which stands in front of what it sealed.
pub(crate) const AT_REST_NONCE_LEN: usize = 24;

/// Bytes of a tag, which stands behind what it is of.
const TAG_LEN: usize = 16;

/// Seals `plaintext`; gives nonce, ciphertext and tag.
///
/// # Security
///
/// The nonce is random: 2⁸⁰ values under one key meet with odds of 2⁻³³.
#[expect(clippy::expect_used, reason = "fails only above 256 GiB")]
pub(crate) fn seal_at_rest(
    key: &Secret<32>,
    nonce: &[u8; AT_REST_NONCE_LEN],
    ad: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(nonce.len() + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(nonce);
    sealed.extend_from_slice(plaintext);
    let (_, text) = sealed.split_at_mut(nonce.len());
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let tag = cipher.encrypt_inout_detached(nonce.into(), ad, text.into()).expect("short enough");
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens what [`seal_at_rest`] made. The tag is compared in constant time, before
/// anything is decrypted.
///
/// # Errors
///
/// [`OpenFailed`], whatever the reason.
pub(crate) fn open_at_rest(
    key: &Secret<32>,
    ad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, OpenFailed> {
    let (nonce, sealed) = sealed.split_first_chunk::<AT_REST_NONCE_LEN>().ok_or(OpenFailed)?;
    let (text, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(OpenFailed)?;
    let mut plaintext = SecretBytes::new(text.to_vec());
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    cipher
        .decrypt_inout_detached(nonce.into(), ad, plaintext.as_mut_slice().into(), &Tag::from(*tag))
        .map_err(|_| OpenFailed)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_altered_does_not_open() {
        let key = Secret::copy_from(&[7; 32]);
        let sealed = seal_at_rest(&key, &[3; 24], b"ad", b"text");
        assert_eq!(open_at_rest(&key, b"ad", &sealed).unwrap().as_slice(), b"text");
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open_at_rest(&key, b"ad", &altered).is_err());
        }
        for length in 0..sealed.len() {
            assert!(open_at_rest(&key, b"ad", &sealed[..length]).is_err());
        }
        assert!(open_at_rest(&key, b"da", &sealed).is_err());
        assert!(open_at_rest(&Secret::copy_from(&[8; 32]), b"ad", &sealed).is_err());
    }
}
