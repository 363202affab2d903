//! The account key, and the list of devices that it signs (SPEC.md, sections 3.1 and 3.3).

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Device, DeviceEntry, DeviceList, IdentityError, Succession};
use crate::address::DeviceId;
use crate::crypto::{Label, Secret, Signature, SigningKey, VerifyingKey};
use crate::wire::{DecodeError, SignedDeviceList, stored};

/// The public key of an account: what is pinned, compared and verified.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountKey(pub(super) VerifyingKey);

impl AccountKey {
    /// The key with these bytes, if they are one: canonical, and not of small order.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().map(Self)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key that checks what the account signed.
    pub(crate) fn verifying_key(&self) -> &VerifyingKey {
        &self.0
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(")?;
        self.as_bytes().iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// An account as its owner holds it: the private account key and the newest list.
///
/// # Security
///
/// Whoever has this can add devices to the account. It belongs on one device, or
/// offline; other devices of the account do not have it.
pub struct Account {
    key: SigningKey,
    list: DeviceList,
}

impl Account {
    /// A new account of which `device` is the first device.
    pub fn create(device: &Device, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let key = SigningKey::generate(rng);
        let entry = device.entry(&AccountKey(key.verifying_key()));
        Self { list: DeviceList::first(&key, entry), key }
    }

    /// The public account key.
    #[must_use]
    pub fn key(&self) -> AccountKey {
        AccountKey(self.key.verifying_key())
    }

    /// The newest device list.
    #[must_use]
    pub fn device_list(&self) -> &DeviceList {
        &self.list
    }

    /// Signs with the account key.
    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.key.sign(label, message)
    }

    /// Lists one more device, in a new version of the list.
    ///
    /// # Errors
    ///
    /// [`IdentityError::TooManyDevices`]: remove one first.
    /// [`IdentityError::Rule`]: its id or a key of it is listed already.
    /// [`IdentityError::Forged`]: the entry was made for another account.
    pub fn add(&mut self, entry: DeviceEntry) -> Result<(), IdentityError> {
        entry.verify(&self.key())?;
        self.list = self.list.with(&self.key, entry)?;
        Ok(())
    }

    /// Takes a device off the list, in a new version of it.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Rule`] if it is not listed, or is the only one.
    pub fn remove(&mut self, device: DeviceId) -> Result<(), IdentityError> {
        self.list = self.list.without(&self.key, device)?;
        Ok(())
    }

    /// Goes on from a list of this account that was signed elsewhere: by a device that was
    /// the primary until now, after a restore from a backup.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Forged`]: it is another account's. [`IdentityError::Rule`]: it is
    /// older than the newest that is known here.
    pub fn adopt(&mut self, list: DeviceList) -> Result<(), IdentityError> {
        match self.list.compare(&list) {
            Succession::IdentityChanged => Err(IdentityError::Forged),
            Succession::Older => Err(IdentityError::Rule("older than the one that is known")),
            // Which of two lists of one version stands is for who calls to decide.
            Succession::Same | Succession::Newer | Succession::Equivocation => {
                self.list = list;
                Ok(())
            }
        }
    }

    /// The record to keep, secret (`stored.proto`, `Account`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let SignedDeviceList { list, signature } = self.list.signed();
        stored::encode(&stored::Account {
            seed: self.key.seed().expose().to_vec(),
            list: list.clone(),
            list_signature: signature.to_vec(),
        })
    }

    /// The account that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if the record is damaged: restore a backup.
    pub fn from_record(bytes: &[u8]) -> Result<Self, IdentityError> {
        const WHAT: &str = "account record";
        let raw: stored::Account = stored::decode(bytes, WHAT)?;
        let stored::Account { seed, list, list_signature } = &raw;
        let key =
            SigningKey::from_seed(Secret::from_slice(seed).ok_or(DecodeError::Malformed(WHAT))?);
        let signature = stored::array(list_signature, WHAT)?;
        let list = DeviceList::verify_stored(SignedDeviceList { list: list.clone(), signature })?;
        if list.account_key() != AccountKey(key.verifying_key()) {
            return Err(IdentityError::Forged);
        }
        Ok(Self { key, list })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, list } = self;
        f.debug_struct("Account").field("list", list).finish_non_exhaustive()
    }
}
