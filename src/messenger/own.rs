//! The account of this store, and what this device knows of itself.

use std::sync::Arc;

use super::work::Work;
use super::{Error, LinkCode, table};
use crate::address::{Address, DeviceId};
use crate::crypto::SecretBytes;
use crate::identity::{Account, Device, DeviceList};
use crate::wire::stored;
use crate::wire::stored::messenger as record;
use crate::wire::{DecodeError, SignedDeviceList};

const KEY: &[u8] = b"own";

/// This device, its account if it is the primary, and the account's newest list.
pub(super) struct Own {
    pub(super) device: Device,
    pub(super) account: Option<Account>,
    pub(super) list: Arc<DeviceList>,
    pub(super) device_token: Option<[u8; 16]>,
    pub(super) backed_up: bool,
    pub(super) backup_reminded: bool,
    /// The code that this device shows, until it is on the list.
    pub(super) link_code: Option<LinkCode>,
    /// Restored from a backup, and not on the list yet: the device that made it.
    pub(super) replaces: Option<DeviceId>,
}

/// A device that no list has, and no account is known of.
pub(super) struct NotListed {
    pub(super) device: Device,
    pub(super) code: LinkCode,
    pub(super) device_token: Option<[u8; 16]>,
}

impl Own {
    pub(super) fn address(&self) -> &Address {
        self.device.address()
    }

    /// Whether this device is on the newest list that it knows. If not, it is being linked
    /// or restored, or was taken off: it encrypts nothing and publishes nothing.
    pub(super) fn is_listed(&self) -> bool {
        let listed = self.list.device(self.address().device);
        listed.is_some_and(|listed| {
            *listed.signing_key() == self.device.signing_key()
                && listed.identity_key() == self.device.identity_public()
        })
    }

    /// Whether this device is on its way onto the list.
    pub(super) fn is_awaited(&self) -> bool {
        !self.is_listed() && (self.link_code.is_some() || self.replaces.is_some())
    }

    /// Whether this device was on the list, and a newer one lacks it.
    pub(super) fn was_taken_off(&self) -> bool {
        !self.is_listed() && !self.is_awaited()
    }

    /// Our other devices.
    pub(super) fn others(&self) -> impl Iterator<Item = Address> {
        let Address { user, device: us } = self.address();
        let ids = self.list.devices().iter().map(crate::identity::ListedDevice::id);
        ids.filter(move |id| id != us).map(|device| Address { user: user.clone(), device })
    }

    fn from_record(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let raw: record::Own = stored::decode(bytes, "own record").map_err(Error::corrupt)?;
        if raw.list.is_empty() {
            return Ok(None);
        }
        let account = match raw.account.as_slice() {
            [] => None,
            account => Some(Account::from_record(account).map_err(Error::corrupt)?),
        };
        let list = match &account {
            // The account's record has checked it already.
            Some(account) => account.device_list().clone(),
            None => {
                let signed = SignedDeviceList::decode(&raw.list).map_err(Error::corrupt)?;
                DeviceList::verify_stored(signed).map_err(Error::corrupt)?
            }
        };
        Ok(Some(Self {
            device: Device::from_record(&raw.device).map_err(Error::corrupt)?,
            account,
            list: Arc::new(list),
            device_token: raw.device_token.as_slice().try_into().ok(),
            backed_up: raw.backed_up,
            backup_reminded: raw.backup_reminded,
            link_code: LinkCode::parse(&raw.link_code),
            replaces: DeviceId::new(raw.replaces),
        }))
    }

    /// The row that says all this.
    pub(super) fn to_record(&self) -> record::Own {
        record::Own {
            device: self.device.record().to_vec(),
            account: self.account.as_ref().map(|a| a.record().to_vec()).unwrap_or_default(),
            list: self.list.signed().encode(),
            device_token: self.device_token.map(|token| token.to_vec()).unwrap_or_default(),
            backed_up: self.backed_up,
            backup_reminded: self.backup_reminded,
            link_code: self.link_code.as_ref().map(|c| c.as_bytes().to_vec()).unwrap_or_default(),
            replaces: self.replaces.map_or(0, DeviceId::get),
        }
    }
}

/// The row as it is stored, whatever it says.
pub(super) fn stored_row(work: &Work<'_>) -> Result<Option<SecretBytes>, Error> {
    work.view.get(table::OWN, KEY)
}

/// The row of a device that waits to be linked.
pub(super) fn not_listed_record(
    device: &Device,
    code: &LinkCode,
    device_token: Option<[u8; 16]>,
) -> record::Own {
    let mut own = record::Own::default();
    own.device = device.record().to_vec();
    own.device_token = device_token.map(|token| token.to_vec()).unwrap_or_default();
    own.link_code = code.as_bytes().to_vec();
    own
}

/// The device that waits to be linked; `None` if the store has an account.
pub(super) fn not_listed(work: &Work<'_>) -> Result<Option<NotListed>, Error> {
    const WHAT: &str = "own record";
    let malformed = || Error::corrupt(DecodeError::Malformed(WHAT));
    let row = stored_row(work)?.ok_or_else(malformed)?;
    let raw: record::Own = stored::decode(&row, WHAT).map_err(Error::corrupt)?;
    if !raw.list.is_empty() {
        return Ok(None);
    }
    Ok(Some(NotListed {
        device: Device::from_record(&raw.device).map_err(Error::corrupt)?,
        code: LinkCode::parse(&raw.link_code).ok_or_else(malformed)?,
        device_token: raw.device_token.as_slice().try_into().ok(),
    }))
}

impl Work<'_> {
    /// The account of this store.
    pub(super) fn own(&mut self) -> Result<Arc<Own>, Error> {
        if let Some(own) = &self.cache.own {
            return Ok(Arc::clone(own));
        }
        let missing = || Error::corrupt(DecodeError::Malformed("own record"));
        let row = stored_row(self)?.ok_or_else(missing)?;
        let own = Arc::new(Own::from_record(&row)?.ok_or(Error::NotLinked)?);
        self.cache.own = Some(Arc::clone(&own));
        Ok(own)
    }

    /// Writes what this device knows of itself.
    pub(super) fn save_own(&mut self, record: &record::Own) {
        self.view.put(table::OWN, KEY.to_vec(), stored::encode(record));
        self.cache.own = None;
    }
}
