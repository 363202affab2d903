//! X25519 (RFC 7748), with the refusals of SPEC.md section 2.2.

use std::fmt;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

use super::{InvalidKey, Secret};

/// 2²⁵⁵ - 19, little-endian.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The canonical points of low order, on the curve or its twist.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    {
        let mut minus_one = PRIME;
        minus_one[0] = 0xec;
        minus_one
    },
];

/// Whether these little-endian bytes are below the prime. Of public keys: they are not
/// secret.
pub(super) fn is_reduced(bytes: &[u8; 32]) -> bool {
    bytes.iter().rev().lt(PRIME.iter().rev())
}

/// The other party's key is of low order: the result would be known to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key agreement gives nothing secret")]
pub(crate) struct NonContributory;

/// A public key: canonical, and not of low order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DhPublicKey([u8; 32]);

impl DhPublicKey {
    /// Checks 32 bytes from anywhere.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        const WHAT: InvalidKey = InvalidKey("X25519 public key");
        let key: [u8; 32] = bytes.try_into().map_err(|_| WHAT)?;
        if !is_reduced(&key) || LOW_ORDER.contains(&key) {
            return Err(WHAT);
        }
        Ok(Self(key))
    }

    /// Its 32 bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DhPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhPublicKey(")?;
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// A private key.
pub(crate) struct DhSecretKey(Secret<32>);

impl DhSecretKey {
    /// A fresh key.
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(Secret::random(rng))
    }

    /// The key with these bytes; clamped when used.
    pub(crate) fn from_secret(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// The bytes, for a stored record.
    pub(crate) fn secret(&self) -> &Secret<32> {
        &self.0
    }

    /// The public key of this private key.
    pub(crate) fn public_key(&self) -> DhPublicKey {
        DhPublicKey(PublicKey::from(&StaticSecret::from(*self.0.expose())).to_bytes())
    }

    /// The shared secret.
    ///
    /// # Errors
    ///
    /// [`NonContributory`] if it would be zero: refuse the peer's key.
    pub(crate) fn agree(&self, theirs: &DhPublicKey) -> Result<Secret<32>, NonContributory> {
        let shared =
            StaticSecret::from(*self.0.expose()).diffie_hellman(&PublicKey::from(theirs.0));
        if !shared.was_contributory() {
            return Err(NonContributory);
        }
        Ok(Secret::copy_from(shared.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_order_points_give_zero_and_are_refused() {
        for point in LOW_ORDER {
            assert!(DhPublicKey::from_bytes(&point).is_err());
            let key = DhSecretKey::from_secret(Secret::copy_from(&[9; 32]));
            assert!(matches!(key.agree(&DhPublicKey(point)), Err(NonContributory)));
        }
    }

    #[test]
    fn keys_that_are_not_canonical_are_refused() {
        for first in 0xed..=0xff {
            let mut key = PRIME;
            key[0] = first;
            assert!(DhPublicKey::from_bytes(&key).is_err());
        }
        let mut high = [9; 32];
        assert!(DhPublicKey::from_bytes(&high).is_ok());
        high[31] |= 0x80;
        assert!(DhPublicKey::from_bytes(&high).is_err());
        assert!(DhPublicKey::from_bytes(&[9; 31]).is_err());
    }
}
