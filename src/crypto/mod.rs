//! The primitives of SPEC.md section 2, and nothing of the protocol.
//!
//! The only folder that names a cipher crate. What leaves it are types that cannot
//! hold a key of the wrong kind: secrets wipe themselves and never print, public keys
//! exist only once they were checked, and every derivation and signature takes a
//! label from the one table.
//!
//! | file | primitive | by |
//! | --- | --- | --- |
//! | `x25519` | X25519 (RFC 7748) | `x25519-dalek` |
//! | `ed25519` | Ed25519, strict (RFC 8032) | `ed25519-dalek` |
//! | `mlkem` | ML-KEM-768 (FIPS 203) | `libcrux-ml-kem`, formally verified |
//! | `kdf` | SHA-256, HMAC, HKDF (RFC 2104, RFC 5869) | `sha2`, `hmac` |
//! | `aead` | ChaCha20-Poly1305 (RFC 8439) | `libcrux-chacha20poly1305`, formally verified |
//! | `large` | the same, for large data | `chacha20poly1305` |
//! | `mask` | XChaCha20 (draft-irtf-cfrg-xchacha) | `chacha20` |
//! | `at_rest` | XChaCha20-Poly1305 (the same draft) | `chacha20poly1305` |
//! | `running_hash` | SHA-256 piece by piece | `sha2` |
//! | `passphrase` | Argon2id (RFC 9106) | `argon2` |

mod aead;
mod at_rest;
mod ed25519;
mod kdf;
mod label;
mod large;
mod mask;
mod mlkem;
#[cfg(feature = "passphrase")]
mod passphrase;
mod running_hash;
mod secret;
#[cfg(test)]
mod wycheproof;
mod x25519;

pub(crate) use aead::{open, seal};
pub(crate) use at_rest::{AT_REST_NONCE_LEN, open_at_rest, seal_at_rest};
pub(crate) use ed25519::{Signature, Signed, SigningKey, VerifyingKey, verify_batch};
pub(crate) use kdf::{
    ChainStep, HmacKey, chain_step, expand, hkdf, hmac_parts, hmac_tag, sha256, with_expanded,
};
pub(crate) use label::Label;
pub(crate) use large::{LARGE_TAG_LEN, open_large, seal_large};
pub(crate) use mask::mask;
pub(crate) use mlkem::{CIPHERTEXT_LEN, Encapsulated, KemCiphertext, KemPublicKey, KemSecretKey};
#[cfg(feature = "passphrase")]
pub(crate) use passphrase::stretch;
pub(crate) use running_hash::RunningHash;
pub(crate) use secret::{Secret, SecretBytes};
pub(crate) use x25519::{DhPublicKey, DhSecretKey, NonContributory};

/// The bytes are no key or signature of this kind: wrong length, not canonical, or
/// degenerate. Whoever made them has a bug or lies; refuse what they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub(crate) struct InvalidKey(pub(crate) &'static str);
