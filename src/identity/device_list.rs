//! The signed, chained list of an account's devices (SPEC.md, section 3.3).
//!
//! # Security
//!
//! A [`DeviceList`] exists only verified: signed by its account key, every device
//! having agreed to be on it. Whether it is the *right* account is for whoever pins
//! keys, or compares safety numbers.

use super::device::keys_hash;
use super::{AccountKey, DeviceEntry, IdentityError};
use crate::address::{DeviceId, UserId};
use crate::crypto::{DhPublicKey, Label, Signature, SigningKey, VerifyingKey, sha256};
use crate::wire::{self, SignedDeviceList};

/// The most devices of an account.
///
/// A sender encrypts to each, so this bounds what one message costs; 16 are more
/// than people carry, and fit a list into a handshake.
pub const MAX_DEVICES: usize = 16;

/// A verified device list.
#[derive(Debug, Clone)]
pub struct DeviceList {
    signed: SignedDeviceList,
    hash: [u8; 32],
    user: UserId,
    account_key: AccountKey,
    version: u64,
    previous: Option<[u8; 32]>,
    devices: Vec<ListedDevice>,
}

/// A device on a verified list.
#[derive(Debug, Clone)]
pub struct ListedDevice {
    id: DeviceId,
    signing_key: VerifyingKey,
    identity_key: DhPublicKey,
    proof: Signature,
}

impl ListedDevice {
    /// Its id, unique within the account.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// Whether both entries have the same keys.
    #[must_use]
    pub fn same_keys(&self, other: &Self) -> bool {
        self.id == other.id
            && self.signing_key == other.signing_key
            && self.identity_key == other.identity_key
    }

    /// What names both of its keys.
    pub(crate) fn keys_hash(&self) -> [u8; 32] {
        keys_hash(&self.signing_key, &self.identity_key)
    }

    /// The key that signs the device's prekeys.
    pub(crate) fn signing_key(&self) -> &VerifyingKey {
        &self.signing_key
    }

    /// The key that takes part in handshakes.
    pub(crate) fn identity_key(&self) -> &DhPublicKey {
        &self.identity_key
    }
}

/// What a further list of a user is, beside the one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Succession {
    /// The same list.
    Same,
    /// A newer list of the same account: adopt it.
    Newer,
    /// An older list of the same account: never adopt it.
    Older,
    /// The account key signed two lists that exclude each other: stop sending, tell
    /// the app.
    Equivocation,
    /// Another user, or another account under the user's name: stop sending until
    /// the app decides.
    IdentityChanged,
}

impl DeviceList {
    /// Checks a list that came from anywhere.
    ///
    /// # Errors
    ///
    /// [`IdentityError`]: keep what you have. [`IdentityError::Forged`] means that
    /// somebody lies.
    pub fn verify(signed: SignedDeviceList) -> Result<Self, IdentityError> {
        Self::read(signed, verify_entry)
    }

    /// Checks a list that this device had verified before it stored it: that it is not
    /// damaged, by its signature; its devices have proved their keys once.
    pub(crate) fn verify_stored(signed: SignedDeviceList) -> Result<Self, IdentityError> {
        Self::read(signed, |entry, user, _| Ok(DeviceEntry::from_wire(entry, user)?.into()))
    }

    fn read(
        signed: SignedDeviceList,
        read_entry: impl Fn(
            wire::DeviceEntry,
            &UserId,
            &AccountKey,
        ) -> Result<ListedDevice, IdentityError>,
    ) -> Result<Self, IdentityError> {
        let wire::DeviceList { user_id, account_key, version, previous, devices } =
            wire::DeviceList::decode(&signed.list)?;
        let user = UserId::new(user_id).map_err(|_| IdentityError::Rule("the user id's length"))?;
        let account_key = AccountKey(
            VerifyingKey::from_bytes(&account_key)
                .map_err(|_| IdentityError::Rule("the account key"))?,
        );
        let signature = Signature::from_bytes(&signed.signature);
        account_key
            .0
            .verify(Label::DEVICE_LIST, &signed.list, &signature)
            .map_err(|_| IdentityError::Forged)?;
        if version == 0 || (version == 1) != previous.is_none() {
            return Err(IdentityError::Rule("its version and the hash of the one before"));
        }
        if devices.is_empty() || devices.len() > MAX_DEVICES {
            return Err(IdentityError::Rule("the number of devices"));
        }
        let mut listed: Vec<ListedDevice> = Vec::with_capacity(devices.len());
        for entry in devices {
            let device = read_entry(entry, &user, &account_key)?;
            if listed.iter().any(|other| other.overlaps(&device)) {
                return Err(IdentityError::Rule("a device id or key listed twice"));
            }
            listed.push(device);
        }
        Ok(Self {
            hash: hash_of(&signed.list),
            signed,
            user,
            account_key,
            version,
            previous,
            devices: listed,
        })
    }

    /// What `newer` is, for someone who has this list.
    #[must_use]
    pub fn compare(&self, newer: &Self) -> Succession {
        if newer.account_key != self.account_key || newer.user != self.user {
            Succession::IdentityChanged
        } else if newer.hash == self.hash {
            Succession::Same
        } else if newer.version < self.version {
            Succession::Older
        } else if newer.version == self.version
            || (newer.version - 1 == self.version && newer.previous != Some(self.hash))
        {
            Succession::Equivocation
        } else {
            Succession::Newer
        }
    }

    /// Whose devices these are.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The key that signed this list.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        self.account_key
    }

    /// 1 for an account's first list, then one more each time.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What names this list: 32 bytes.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// What would name the list in there, which has not been verified.
    pub(crate) fn claimed_hash(signed: &SignedDeviceList) -> [u8; 32] {
        hash_of(&signed.list)
    }

    /// The list as it was signed, to publish or pass on.
    #[must_use]
    pub fn signed(&self) -> &SignedDeviceList {
        &self.signed
    }

    /// All devices, in the list's order.
    #[must_use]
    pub fn devices(&self) -> &[ListedDevice] {
        &self.devices
    }

    /// The device with this id, if it is listed.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&ListedDevice> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// Version 1 of an account's list.
    pub(super) fn first(key: &SigningKey, entry: DeviceEntry) -> Self {
        let user = entry.address.user.clone();
        Self::sign(key, user, 1, None, vec![ListedDevice::from(entry)])
    }

    /// The next version, with one device more.
    pub(super) fn with(&self, key: &SigningKey, entry: DeviceEntry) -> Result<Self, IdentityError> {
        if self.devices.len() >= MAX_DEVICES {
            return Err(IdentityError::TooManyDevices);
        }
        if entry.address.user != self.user {
            return Err(IdentityError::Rule("a device of another user"));
        }
        let device = ListedDevice::from(entry);
        if self.devices.iter().any(|other| other.overlaps(&device)) {
            return Err(IdentityError::Rule("a device id or key listed twice"));
        }
        let mut devices = self.devices.clone();
        devices.push(device);
        self.next(key, devices)
    }

    /// The next version, with one device less.
    pub(super) fn without(&self, key: &SigningKey, id: DeviceId) -> Result<Self, IdentityError> {
        let devices: Vec<_> = self.devices.iter().filter(|d| d.id != id).cloned().collect();
        if devices.len() == self.devices.len() || devices.is_empty() {
            return Err(IdentityError::Rule("the number of devices"));
        }
        self.next(key, devices)
    }

    fn next(&self, key: &SigningKey, devices: Vec<ListedDevice>) -> Result<Self, IdentityError> {
        let version = self.version.checked_add(1).ok_or(IdentityError::Rule("its version"))?;
        Ok(Self::sign(key, self.user.clone(), version, Some(self.hash), devices))
    }

    fn sign(
        key: &SigningKey,
        user: UserId,
        version: u64,
        previous: Option<[u8; 32]>,
        devices: Vec<ListedDevice>,
    ) -> Self {
        let account_key = AccountKey(key.verifying_key());
        let list = wire::DeviceList {
            user_id: user.as_bytes().to_vec(),
            account_key: *account_key.as_bytes(),
            version,
            previous,
            devices: devices.iter().map(ListedDevice::to_wire).collect(),
        }
        .encode();
        let signature = key.sign(Label::DEVICE_LIST, &list).to_bytes();
        let hash = hash_of(&list);
        let signed = SignedDeviceList { list, signature };
        Self { signed, hash, user, account_key, version, previous, devices }
    }
}

// H("subrosa/1 device list" || 0x00 || the list)
fn hash_of(list: &[u8]) -> [u8; 32] {
    sha256(&[Label::DEVICE_LIST.as_bytes(), &[0], list])
}

fn verify_entry(
    entry: wire::DeviceEntry,
    user: &UserId,
    account: &AccountKey,
) -> Result<ListedDevice, IdentityError> {
    let entry = DeviceEntry::from_wire(entry, user)?;
    entry.verify(account)?;
    Ok(ListedDevice::from(entry))
}

impl ListedDevice {
    fn overlaps(&self, other: &Self) -> bool {
        self.id == other.id
            || self.signing_key == other.signing_key
            || self.identity_key == other.identity_key
    }

    fn to_wire(&self) -> wire::DeviceEntry {
        wire::DeviceEntry {
            device_id: self.id.get(),
            signing_key: *self.signing_key.as_bytes(),
            identity_key: *self.identity_key.as_bytes(),
            proof: self.proof.to_bytes(),
        }
    }
}

impl From<DeviceEntry> for ListedDevice {
    fn from(entry: DeviceEntry) -> Self {
        let DeviceEntry { address, signing_key, identity_key, proof } = entry;
        Self { id: address.device, signing_key, identity_key, proof }
    }
}
