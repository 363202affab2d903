//! A directory that forgets everything when it is dropped.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;

use super::{DeviceKeys, Malformed, Publication, Stock, bundle, read};
use crate::address::{Address, DeviceId, UserId};
use crate::handshake::ONE_TIME_PREKEYS;
use crate::identity::{DeviceList, Succession};

/// A directory in memory, for tests and small services.
///
/// It stands behind whatever authenticates those who publish.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    users: HashMap<UserId, User>,
}

#[derive(Debug)]
struct User {
    list: DeviceList,
    devices: BTreeMap<DeviceId, Device>,
}

#[derive(Debug)]
struct Device {
    /// The last publication that was taken.
    id: [u8; 16],
    signed_prekey: Vec<u8>,
    one_time_prekeys: VecDeque<Vec<u8>>,
}

/// Nobody has published anything under this user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such user")]
pub struct NoSuchUser;

impl MemoryDirectory {
    /// A directory without users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a publication, which must come from the user that it is of. One that was
    /// the last of its device changes nothing.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: [`read`] refuses it, the user is known under another account key,
    /// or the list is older than the one that is known, or contradicts it. A device that
    /// was behind publishes again once it has the newer list.
    pub fn publish(&mut self, publication: &[u8]) -> Result<(), Malformed> {
        let Publication {
            address: Address { user, device },
            id,
            signed_prekey,
            one_time_prekeys,
            stock,
            verified,
            ..
        } = read(publication)?;
        let user = match self.users.entry(user) {
            Entry::Vacant(entry) => entry.insert(User { list: verified, devices: BTreeMap::new() }),
            Entry::Occupied(entry) => {
                let user = entry.into_mut();
                user.adopt(verified)?;
                user
            }
        };
        let before = user.devices.remove(&device);
        let after = match before {
            Some(device) if device.id == id => device,
            Some(device) if stock == Stock::Added => {
                Device { id, signed_prekey, one_time_prekeys: device.one_time_prekeys }
                    .with(one_time_prekeys)
            }
            _ => Device { id, signed_prekey, one_time_prekeys: VecDeque::new() }
                .with(one_time_prekeys),
        };
        user.devices.insert(device, after);
        Ok(())
    }

    /// What to answer to someone who asks for `user`: uses up a one-time prekey of each
    /// device.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`].
    pub fn bundle(&mut self, user: &UserId) -> Result<Vec<u8>, NoSuchUser> {
        let User { list, devices } = self.users.get_mut(user).ok_or(NoSuchUser)?;
        let one_time: Vec<_> =
            devices.values_mut().map(|keys| keys.one_time_prekeys.pop_front()).collect();
        let keys: Vec<_> = devices
            .iter()
            .zip(&one_time)
            .map(|((device, keys), one_time)| DeviceKeys {
                device: *device,
                signed_prekey: &keys.signed_prekey,
                one_time_prekey: one_time.as_deref(),
            })
            .collect();
        Ok(bundle(&list.signed().encode(), &keys))
    }

    /// How many one-time prekeys of a device are left, for its owner.
    #[must_use]
    pub fn prekeys_left(&self, device: &Address) -> usize {
        let user = self.users.get(&device.user);
        let keys = user.and_then(|user| user.devices.get(&device.device));
        keys.map_or(0, |keys| keys.one_time_prekeys.len())
    }
}

impl User {
    /// Takes a further list, unless it is not the newest.
    fn adopt(&mut self, list: DeviceList) -> Result<(), Malformed> {
        match self.list.compare(&list) {
            Succession::Same => return Ok(()),
            Succession::Newer => {}
            Succession::Older => return Err(Malformed::new("there is a newer device list")),
            Succession::Equivocation => return Err(Malformed::new("the device list is a fork")),
            Succession::IdentityChanged => {
                return Err(Malformed::new("the user has another account key"));
            }
        }
        let before = mem::replace(&mut self.list, list);
        self.devices.retain(|id, _| match (before.device(*id), self.list.device(*id)) {
            (Some(before), Some(now)) => before.same_keys(now),
            _ => false,
        });
        Ok(())
    }
}

impl Device {
    /// With these one-time prekeys behind those there are, the oldest of which go where
    /// there are too many.
    fn with(mut self, one_time_prekeys: Vec<Vec<u8>>) -> Self {
        for prekey in one_time_prekeys {
            if !self.one_time_prekeys.contains(&prekey) {
                self.one_time_prekeys.push_back(prekey);
            }
        }
        let excess = self.one_time_prekeys.len().saturating_sub(ONE_TIME_PREKEYS);
        self.one_time_prekeys.drain(..excess);
        self
    }
}
