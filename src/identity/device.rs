//! A device's own key pairs, and the entry by which it asks to be listed
//! (SPEC.md, sections 3.1 and 3.2).

use std::fmt;

use rand_core::CryptoRng;

use super::{AccountKey, IdentityError};
use crate::address::{Address, DeviceId, UserId, length_prefixed};
use crate::crypto::{
    DhPublicKey, DhSecretKey, Label, Secret, Signature, SigningKey, VerifyingKey, sha256,
};
use crate::wire::{self, DecodeError, stored};
use zeroize::Zeroizing;

/// This device: its address, its signing key and its identity key.
///
/// # Security
///
/// Losing these keys to a thief lets the thief be this device until the account
/// takes it off its list. They never leave the device.
pub struct Device {
    address: Address,
    signing_key: SigningKey,
    identity_key: DhSecretKey,
    identity_public: DhPublicKey,
}

impl Device {
    /// A new device of this user, with a random id and random keys.
    pub fn generate(user: UserId, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let device = loop {
            if let Some(id) = DeviceId::new(rng.next_u32()) {
                break id;
            }
        };
        let identity_key = DhSecretKey::generate(rng);
        Self {
            address: Address { user, device },
            signing_key: SigningKey::generate(rng),
            identity_public: identity_key.public_key(),
            identity_key,
        }
    }

    /// Where this device's envelopes go.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What the account needs to list this device: its public keys, and the proof
    /// that it agrees to be a device of that account.
    #[must_use]
    pub fn entry(&self, account: &AccountKey) -> DeviceEntry {
        let message = signed_part(&self.address, account, &self.identity_public);
        DeviceEntry {
            address: self.address.clone(),
            signing_key: self.signing_key.verifying_key(),
            identity_key: self.identity_public,
            proof: self.signing_key.sign(Label::DEVICE_ENTRY, &message),
        }
    }

    /// The record to keep, secret (`stored.proto`, `Device`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        stored::encode(&stored::Device {
            user_id: self.address.user.as_bytes().to_vec(),
            device_id: self.address.device.get(),
            signing_seed: self.signing_key.seed().expose().to_vec(),
            identity_key: self.identity_key.secret().expose().to_vec(),
        })
    }

    /// The device that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: restore a backup.
    pub fn from_record(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "device record";
        let raw: stored::Device = stored::decode(bytes, WHAT)?;
        let stored::Device { user_id, device_id, signing_seed, identity_key } = &raw;
        let user = UserId::new(user_id).map_err(|_| DecodeError::Malformed(WHAT))?;
        let device = DeviceId::new(*device_id).ok_or(DecodeError::Malformed(WHAT))?;
        let secret = |bytes: &[u8]| Secret::from_slice(bytes).ok_or(DecodeError::Malformed(WHAT));
        let identity_key = DhSecretKey::from_secret(secret(identity_key)?);
        Ok(Self {
            address: Address { user, device },
            signing_key: SigningKey::from_seed(secret(signing_seed)?),
            identity_public: identity_key.public_key(),
            identity_key,
        })
    }

    /// What names both public keys.
    pub(crate) fn keys_hash(&self) -> [u8; 32] {
        keys_hash(&self.signing_key.verifying_key(), &self.identity_public)
    }

    /// Signs with the device's signing key.
    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.signing_key.sign(label, message)
    }

    /// The public half of the signing key.
    pub(crate) fn signing_key(&self) -> VerifyingKey {
        self.signing_key.verifying_key()
    }

    /// The identity key pair's private half.
    pub(crate) fn identity_key(&self) -> &DhSecretKey {
        &self.identity_key
    }

    /// The identity key pair's public half.
    pub(crate) fn identity_public(&self) -> &DhPublicKey {
        &self.identity_public
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, signing_key: _, identity_key: _, identity_public: _ } = self;
        f.debug_struct("Device").field("address", address).finish_non_exhaustive()
    }
}

/// A device's request to be listed by an account, with its proof.
#[derive(Debug, Clone)]
pub struct DeviceEntry {
    pub(super) address: Address,
    pub(super) signing_key: VerifyingKey,
    pub(super) identity_key: DhPublicKey,
    pub(super) proof: Signature,
}

impl DeviceEntry {
    /// An entry as it came; the proof has not been looked at.
    pub(crate) fn from_wire(
        entry: wire::DeviceEntry,
        user: &UserId,
    ) -> Result<Self, IdentityError> {
        let wire::DeviceEntry { device_id, signing_key, identity_key, proof } = entry;
        let device = DeviceId::new(device_id).ok_or(IdentityError::Rule("a device id of zero"))?;
        Ok(Self {
            address: Address { user: user.clone(), device },
            signing_key: VerifyingKey::from_bytes(&signing_key)
                .map_err(|_| IdentityError::Rule("a signing key"))?,
            identity_key: DhPublicKey::from_bytes(&identity_key)
                .map_err(|_| IdentityError::Rule("an identity key"))?,
            proof: Signature::from_bytes(&proof),
        })
    }

    /// The entry as it travels.
    pub(crate) fn to_wire(&self) -> wire::DeviceEntry {
        wire::DeviceEntry {
            device_id: self.address.device.get(),
            signing_key: *self.signing_key.as_bytes(),
            identity_key: *self.identity_key.as_bytes(),
            proof: self.proof.to_bytes(),
        }
    }

    /// Which device it is of.
    pub(crate) fn device(&self) -> DeviceId {
        self.address.device
    }

    /// What names both keys.
    pub(crate) fn keys_hash(&self) -> [u8; 32] {
        keys_hash(&self.signing_key, &self.identity_key)
    }

    /// Checks that the device agreed to be this device of this account.
    pub(super) fn verify(&self, account: &AccountKey) -> Result<(), IdentityError> {
        let message = signed_part(&self.address, account, &self.identity_key);
        self.signing_key
            .verify(Label::DEVICE_ENTRY, &message, &self.proof)
            .map_err(|_| IdentityError::Forged)
    }
}

/// What a link code says of a device's keys (12.1).
// H("subrosa/1 link code" || 0x00 || signing key || identity key)
pub(super) fn keys_hash(signing_key: &VerifyingKey, identity_key: &DhPublicKey) -> [u8; 32] {
    let label = Label::LINK_CODE.as_bytes();
    sha256(&[label, &[0], signing_key.as_bytes(), identity_key.as_bytes()])
}

/// `lp(user id) || account key || u32(device id) || identity key`
fn signed_part(address: &Address, account: &AccountKey, identity_key: &DhPublicKey) -> Vec<u8> {
    let mut message = length_prefixed(&address.user);
    message.extend_from_slice(account.as_bytes());
    message.extend_from_slice(&address.device.get().to_be_bytes());
    message.extend_from_slice(identity_key.as_bytes());
    message
}
