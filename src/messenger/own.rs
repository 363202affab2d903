//! The account of this store, and what this device knows of itself.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::work::Work;
use super::{Error, table};
use crate::address::Address;
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
}

impl Own {
    pub(super) fn address(&self) -> &Address {
        self.device.address()
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
                DeviceList::verify(signed).map_err(Error::corrupt)?
            }
        };
        Ok(Some(Self {
            device: Device::from_record(&raw.device).map_err(Error::corrupt)?,
            account,
            list: Arc::new(list),
            device_token: raw.device_token.as_slice().try_into().ok(),
            backed_up: raw.backed_up,
            backup_reminded: raw.backup_reminded,
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
            link_code: Vec::new(),
            device_name: Vec::new(),
        }
    }
}

/// The row as it is stored, whatever it says.
pub(super) fn stored_row(work: &Work<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    work.view.get(table::OWN, KEY)
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
