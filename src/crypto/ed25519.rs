//! Ed25519 (RFC 8032), strict: one signature has one encoding, and no key verifies
//! what nobody signed.

use std::fmt;
use std::hash::{Hash, Hasher};

use ed25519_dalek::Signer;
use rand_core::CryptoRng;

use super::x25519::is_reduced;
use super::{InvalidKey, Label, Secret};

/// The signature was not made by this key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is wrong")]
pub(crate) struct BadSignature;

/// A public key: canonical and not weak. Decompressed once, when it is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Checks 32 bytes from anywhere.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        const WHAT: InvalidKey = InvalidKey("Ed25519 public key");
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| WHAT)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| WHAT)?;
        // A y that is not reduced decompresses too. (The other second encoding, of x = 0
        // with a sign, is of a weak point.)
        let mut y = bytes;
        y[31] &= 0x7f;
        if key.is_weak() || !is_reduced(&y) {
            return Err(WHAT);
        }
        Ok(Self(key))
    }

    /// Its 32 bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Checks a signature over `label || 0x00 || message`.
    ///
    /// # Errors
    ///
    /// [`BadSignature`]: refuse whatever it stands on.
    pub(crate) fn verify(
        &self,
        label: Label,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_unlabelled(&labelled(label, message), signature)
    }

    pub(super) fn verify_unlabelled(
        &self,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.0.verify_strict(message, &signature.0).map_err(|_| BadSignature)
    }
}

/// A signature, with what it is said to be of; not checked.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) key: &'a VerifyingKey,
    pub(crate) message: &'a [u8],
    pub(crate) signature: &'a Signature,
}

/// Checks signatures over `label || 0x00 || message` together, which takes a third of
/// the time.
///
/// # Errors
///
/// [`BadSignature`]: at least one is wrong. [`VerifyingKey::verify`] says which.
///
/// # Security
///
/// Takes a little more than [`VerifyingKey::verify`]: of whoever holds the private key,
/// signatures whose `R` is of small order, has a part of small order, or is not in its
/// one encoding. Nobody else can make one of these, nor alter a signature into one, as
/// keys are not weak, `S` is reduced and `R` is hashed as it came. So it is for places
/// where it does not matter whether all receivers agree on what a dishonest signer made.
pub(crate) fn verify_batch(label: Label, batch: &[Signed<'_>]) -> Result<(), BadSignature> {
    let messages: Vec<_> = batch.iter().map(|signed| labelled(label, signed.message)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let signatures: Vec<_> = batch.iter().map(|signed| signed.signature.0).collect();
    let keys: Vec<_> = batch.iter().map(|signed| signed.key.0).collect();
    ed25519_dalek::verify_batch(&messages, &signatures, &keys).map_err(|_| BadSignature)
}

impl Hash for VerifyingKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        self.as_bytes().iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// A private key, with its public half.
pub(crate) struct SigningKey {
    seed: Secret<32>,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A fresh key.
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_seed(Secret::random(rng))
    }

    /// The key of this seed (RFC 8032, section 5.1.5).
    pub(crate) fn from_seed(seed: Secret<32>) -> Self {
        Self { key: ed25519_dalek::SigningKey::from_bytes(seed.expose()), seed }
    }

    /// The seed, for a stored record.
    pub(crate) fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    /// The public half.
    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.key.verifying_key())
    }

    /// Signs `label || 0x00 || message`.
    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> Signature {
        Signature(self.key.sign(&labelled(label, message)))
    }
}

/// A signature: 64 bytes, not checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature(ed25519_dalek::Signature);

impl Signature {
    /// The signature with these bytes.
    pub(crate) fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(ed25519_dalek::Signature::from_bytes(bytes))
    }

    /// Its 64 bytes.
    pub(crate) fn to_bytes(self) -> [u8; 64] {
        self.0.to_bytes()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// What a signature with this label covers.
fn labelled(label: Label, message: &[u8]) -> Vec<u8> {
    [label.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (SigningKey, VerifyingKey) {
        let key = SigningKey::from_seed(Secret::copy_from(&[5; 32]));
        let public = key.verifying_key();
        (key, public)
    }

    #[test]
    fn a_signature_counts_for_its_label_message_and_key_only() {
        let (key, public) = pair();
        let signature = key.sign(Label::PREKEY, b"message");
        assert!(public.verify(Label::PREKEY, b"message", &signature).is_ok());
        assert!(public.verify(Label::DEVICE_LIST, b"message", &signature).is_err());
        assert!(public.verify(Label::PREKEY, b"massage", &signature).is_err());
        let other = SigningKey::from_seed(Secret::copy_from(&[6; 32])).verifying_key();
        assert!(other.verify(Label::PREKEY, b"message", &signature).is_err());
    }

    #[test]
    fn a_batch_is_right_when_each_signature_in_it_is() {
        let keys = [5, 6, 7].map(|seed| SigningKey::from_seed(Secret::copy_from(&[seed; 32])));
        let public = keys.each_ref().map(SigningKey::verifying_key);
        let message = |place: usize| [b'm', place as u8];
        let right = [0, 1, 2].map(|place| keys[place].sign(Label::PREKEY, &message(place)));
        let check = |label, signatures: &[Signature; 3], messages: [usize; 3]| {
            let messages = messages.map(message);
            let signed = |place: usize| Signed {
                key: &public[place],
                message: &messages[place],
                signature: &signatures[place],
            };
            verify_batch(label, &[0, 1, 2].map(signed))
        };
        assert!(verify_batch(Label::PREKEY, &[]).is_ok());
        assert!(check(Label::PREKEY, &right, [0, 1, 2]).is_ok());
        assert!(check(Label::VIEW, &right, [0, 1, 2]).is_err());
        assert!(check(Label::PREKEY, &right, [0, 2, 1]).is_err());
        let [one, other, _] = right;
        assert!(check(Label::PREKEY, &[other, one, right[2]], [0, 1, 2]).is_err());
        for bit in 0..64 * 8 {
            let mut bytes = right[2].to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let wrong = [one, other, Signature::from_bytes(&bytes)];
            assert!(check(Label::PREKEY, &wrong, [0, 1, 2]).is_err());
        }
    }

    #[test]
    fn weak_keys_and_second_encodings_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        for key in [[0; 32], one] {
            assert!(VerifyingKey::from_bytes(&key).is_err());
        }
        // p to p + 18, with both signs.
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                let mut key = [0xff; 32];
                (key[0], key[31]) = (low, high);
                assert!(VerifyingKey::from_bytes(&key).is_err());
            }
        }
    }

    #[test]
    fn a_signature_with_the_group_order_added_is_refused() {
        // L, little-endian.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let (key, public) = pair();
        let mut bytes = key.sign(Label::PREKEY, b"m").to_bytes();
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add as u8) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(public.verify(Label::PREKEY, b"m", &Signature::from_bytes(&bytes)).is_err());
    }
}
