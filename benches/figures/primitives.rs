//! The bare primitives that floors are made of: the crates that subrosa calls, called
//! with nothing around them.
//!
//! Each call gets the same inputs and writes where the one before wrote; no result
//! feeds another call, so that a processor may overlap them as far as it can.

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey, verify_batch};
use hmac::{Hmac, KeyInit, Mac};
use libcrux_ml_kem::mlkem768::{self, MlKem768PublicKey};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::clock::timed;

/// How many signatures are verified together.
pub(crate) const TOGETHER: usize = 256;

/// How much of large data is sealed at a time.
const AT_A_TIME: usize = 64 * 1024;

/// One call of an outside crate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Primitive {
    /// HMAC-SHA-256 with a key of 32 bytes, keyed anew, over 4 bytes.
    Hmac,
    /// One block of HKDF-Expand: HMAC over an info of 26 bytes.
    ExpandBlock,
    /// XChaCha20 over the 44 bytes of a header.
    Mask,
    /// ChaCha20-Poly1305 of that many bytes with 92 bytes of associated data.
    Seal(usize),
    /// The same, opened.
    Open(usize),
    /// ChaCha20-Poly1305, by the crate for large data, of that many bytes in memory, in place
    /// and 64 KiB at a time.
    SealLarge(usize),
    /// The same, opened.
    OpenLarge(usize),
    /// SHA-256 of that many bytes in memory.
    Sha256(usize),
    /// That many random bytes.
    Random(usize),
    /// The public half of an X25519 key.
    X25519Key,
    /// An X25519 agreement.
    X25519,
    /// An Ed25519 public key decoded.
    Ed25519Key,
    /// An Ed25519 signature over that many bytes.
    Sign(usize),
    /// An Ed25519 signature over that many bytes verified, strictly.
    Verify(usize),
    /// The same, 256 together.
    VerifyTogether(usize),
    /// An ML-KEM-768 key pair from its seed.
    KemKey,
    /// The modulus check of an ML-KEM-768 encapsulation key.
    KemCheck,
    /// Encapsulation to such a key.
    Encapsulate,
    /// Decapsulation with an expanded private key.
    Decapsulate,
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hmac => f.write_str("HMAC"),
            Self::ExpandBlock => f.write_str("HKDF-Expand block"),
            Self::Mask => f.write_str("XChaCha20 mask"),
            Self::Seal(length) => write!(f, "AEAD seal of {length} B"),
            Self::Open(length) => write!(f, "AEAD open of {length} B"),
            Self::SealLarge(length) => write!(f, "AEAD seal of {length} B, 64 KiB at a time"),
            Self::OpenLarge(length) => write!(f, "AEAD open of {length} B, 64 KiB at a time"),
            Self::Sha256(length) => write!(f, "SHA-256 of {length} B"),
            Self::Random(length) => write!(f, "{length} random bytes"),
            Self::X25519Key => f.write_str("X25519 key"),
            Self::X25519 => f.write_str("X25519"),
            Self::Ed25519Key => f.write_str("Ed25519 key decoded"),
            Self::Sign(length) => write!(f, "Ed25519 sign over {length} B"),
            Self::Verify(length) => write!(f, "Ed25519 verify over {length} B"),
            Self::VerifyTogether(length) => {
                write!(f, "Ed25519 verify over {length} B, {TOGETHER} together")
            }
            Self::KemKey => f.write_str("ML-KEM key pair"),
            Self::KemCheck => f.write_str("ML-KEM key check"),
            Self::Encapsulate => f.write_str("ML-KEM encapsulation"),
            Self::Decapsulate => f.write_str("ML-KEM decapsulation"),
        }
    }
}

/// Inputs for the primitives.
pub(crate) struct Inputs {
    key: [u8; 32],
    signing: SigningKey,
    verifying: VerifyingKey,
    secret: StaticSecret,
    public: PublicKey,
    kem: mlkem768::MlKem768KeyPair,
    rng: ChaCha8Rng,
}

impl Inputs {
    pub(crate) fn new() -> Self {
        let signing = SigningKey::from_bytes(&[3; 32]);
        Self {
            key: [7; 32],
            verifying: signing.verifying_key(),
            signing,
            secret: StaticSecret::from([5; 32]),
            public: PublicKey::from(&StaticSecret::from([6; 32])),
            kem: mlkem768::generate_key_pair([8; 64]),
            rng: ChaCha8Rng::seed_from_u64(9),
        }
    }

    /// What that many calls of a primitive take.
    pub(crate) fn time(&mut self, primitive: Primitive, calls: usize) -> Duration {
        match primitive {
            Primitive::Hmac => self.time_hmac(&[0, 0, 0, 1], calls),
            Primitive::ExpandBlock => {
                self.time_hmac(b"subrosa/1 message\0\0\0\0\0\0\0\0\x01", calls)
            }
            Primitive::Mask => {
                let mut header = [0; 44];
                timed(calls, || {
                    let (key, nonce) = black_box((&self.key, &[1; 24]));
                    XChaCha20::new(key.into(), nonce.into()).apply_keystream(&mut header);
                    black_box(&mut header);
                })
            }
            Primitive::Seal(length) => {
                let (plain, mut sealed) = (vec![1; length], vec![0; length + 16]);
                timed(calls, || self.seal(black_box(&plain), black_box(&mut sealed)))
            }
            Primitive::Open(length) => {
                let (mut plain, mut sealed) = (vec![1; length], vec![0; length + 16]);
                self.seal(&plain, &mut sealed);
                timed(calls, || {
                    let sealed = black_box(&sealed);
                    let opened = libcrux_chacha20poly1305::decrypt(
                        &self.key, &mut plain, sealed, &[2; 92], &[3; 12],
                    );
                    black_box(opened.expect("just sealed"));
                })
            }
            Primitive::SealLarge(length) => {
                let mut bytes = vec![1; length];
                timed(calls, || drop(black_box(self.seal_large(black_box(&mut bytes)))))
            }
            Primitive::OpenLarge(length) => {
                let mut bytes = vec![1; length];
                let tags = self.seal_large(&mut bytes);
                let sealed = bytes.clone();
                // What is opened has to be sealed again, which does not count.
                let open = |_| {
                    bytes.copy_from_slice(&sealed);
                    timed(1, || self.open_large(black_box(&mut bytes), &tags))
                };
                (0..calls).map(open).sum()
            }
            Primitive::Sha256(length) => {
                let bytes = vec![1; length];
                timed(calls, || {
                    black_box(Sha256::digest(black_box(&bytes)));
                })
            }
            Primitive::Random(length) => {
                let mut bytes = vec![0; length];
                timed(calls, || self.rng.fill_bytes(black_box(&mut bytes)))
            }
            Primitive::X25519Key => timed(calls, || {
                black_box(PublicKey::from(black_box(&self.secret)));
            }),
            Primitive::X25519 => timed(calls, || {
                black_box(black_box(&self.secret).diffie_hellman(&self.public));
            }),
            Primitive::Ed25519Key => {
                let bytes = self.verifying.to_bytes();
                timed(calls, || {
                    black_box(VerifyingKey::from_bytes(black_box(&bytes)).expect("a key"));
                })
            }
            Primitive::Verify(length) => {
                let message = vec![4; length];
                let signature = self.signing.sign(&message);
                timed(calls, || {
                    let verified = self.verifying.verify_strict(black_box(&message), &signature);
                    verified.expect("just signed");
                })
            }
            Primitive::Sign(length) => {
                let message = vec![4; length];
                timed(calls, || {
                    black_box(self.signing.sign(black_box(&message)));
                })
            }
            Primitive::VerifyTogether(length) => {
                let messages: Vec<_> = (0..TOGETHER).map(|n| vec![n as u8; length]).collect();
                let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
                let signatures: Vec<_> = messages.iter().map(|m| self.signing.sign(m)).collect();
                let keys = [self.verifying; TOGETHER];
                timed(calls / TOGETHER, || {
                    let messages = black_box(&messages);
                    verify_batch(messages, &signatures, &keys).expect("just signed");
                })
            }
            kem => self.time_kem(kem, calls),
        }
    }

    fn time_kem(&self, primitive: Primitive, calls: usize) -> Duration {
        let public = MlKem768PublicKey::from(*self.kem.pk());
        let (ciphertext, _) = mlkem768::encapsulate(&public, [1; 32]);
        match primitive {
            Primitive::KemCheck => timed(calls, || {
                black_box(mlkem768::validate_public_key(black_box(&public)));
            }),
            Primitive::Encapsulate => timed(calls, || {
                black_box(mlkem768::encapsulate(black_box(&public), [1; 32]));
            }),
            Primitive::Decapsulate => timed(calls, || {
                black_box(mlkem768::decapsulate(self.kem.private_key(), black_box(&ciphertext)));
            }),
            _ => timed(calls, || {
                black_box(mlkem768::generate_key_pair(black_box([8; 64])));
            }),
        }
    }

    fn time_hmac(&self, data: &[u8], calls: usize) -> Duration {
        timed(calls, || {
            let key = black_box(&self.key);
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
            mac.update(black_box(data));
            black_box(mac.finalize());
        })
    }

    fn seal_large(&self, bytes: &mut [u8]) -> Vec<Tag> {
        let cipher = ChaCha20Poly1305::new(&self.key.into());
        let seal = |chunk: &mut [u8]| {
            let sealed = cipher.encrypt_inout_detached(&[3; 12].into(), &[], chunk.into());
            sealed.expect("short enough")
        };
        bytes.chunks_mut(AT_A_TIME).map(seal).collect()
    }

    fn open_large(&self, bytes: &mut [u8], tags: &[Tag]) {
        let cipher = ChaCha20Poly1305::new(&self.key.into());
        for (chunk, tag) in bytes.chunks_mut(AT_A_TIME).zip(tags) {
            let opened = cipher.decrypt_inout_detached(&[3; 12].into(), &[], chunk.into(), tag);
            opened.expect("just sealed");
        }
    }

    fn seal(&self, plain: &[u8], sealed: &mut [u8]) {
        libcrux_chacha20poly1305::encrypt(&self.key, plain, sealed, &[2; 92], &[3; 12])
            .expect("matching lengths");
    }
}
