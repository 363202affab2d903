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
                // A repeat is no news, even if another device has published a newer list.
                if user.devices.get(&device).is_some_and(|known| known.id == id) {
                    return Ok(());
                }
                user.adopt(verified)?;
                user
            }
        };
        let before = user.devices.remove(&device);
        let after = match before {
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::Timestamp;
    use crate::handshake::{PrekeyBundle, PrekeySecret, VerifiedBundle};
    use crate::identity::{Account, Device as OwnDevice};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    struct Owner {
        device: OwnDevice,
        signed: PrekeySecret,
        rng: ChaCha8Rng,
    }

    impl Owner {
        fn new(user: &str, seed: u64) -> Self {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let device = OwnDevice::generate(UserId::new(user).unwrap(), &mut rng);
            let signed = PrekeySecret::signed(&device, NOW, &mut rng);
            Self { device, signed, rng }
        }

        fn one_time(&mut self, count: usize) -> Vec<PrekeySecret> {
            let device = &self.device;
            (0..count).map(|_| PrekeySecret::one_time(device, NOW, &mut self.rng)).collect()
        }

        fn publication(
            &self,
            id: u8,
            account: &Account,
            one_time: &[PrekeySecret],
            stock: Stock,
        ) -> Vec<u8> {
            let one_time: Vec<_> = one_time.iter().map(PrekeySecret::public).collect();
            let (list, device) = (account.device_list().signed(), self.device.address().device);
            Publication::encode([id; 16], list, device, self.signed.public(), &one_time, stock)
        }
    }

    fn ask(directory: &mut MemoryDirectory, user: &str) -> VerifiedBundle {
        let user = UserId::new(user).unwrap();
        let bundle = directory.bundle(&user).unwrap();
        PrekeyBundle::decode(&bundle).unwrap().verify(&user, NOW).unwrap()
    }

    /// Which devices are handed out, and whether with a one-time prekey.
    fn devices(bundle: &VerifiedBundle) -> Vec<(DeviceId, bool)> {
        let devices = bundle.devices().iter();
        devices.map(|keys| (keys.address().device, keys.has_one_time_prekey())).collect()
    }

    #[test]
    fn a_one_time_prekey_is_handed_out_once_and_a_repeat_brings_none_back() {
        let mut owner = Owner::new("alice", 1);
        let account = Account::create(&owner.device, &mut owner.rng);
        let id = owner.device.address().device;
        let mut directory = MemoryDirectory::new();
        assert_eq!(directory.bundle(&UserId::new("alice").unwrap()), Err(NoSuchUser));
        let one_time = owner.one_time(2);
        let first = owner.publication(1, &account, &one_time, Stock::Whole);
        directory.publish(&first).unwrap();
        assert_eq!(devices(&ask(&mut directory, "alice")), [(id, true)]);
        directory.publish(&first).unwrap();
        assert_eq!(directory.prekeys_left(owner.device.address()), 1);
        assert_eq!(devices(&ask(&mut directory, "alice")), [(id, true)]);
        assert_eq!(devices(&ask(&mut directory, "alice")), [(id, false)]);
        directory.publish(&first).unwrap();
        assert_eq!(devices(&ask(&mut directory, "alice")), [(id, false)]);
    }

    #[test]
    fn a_stock_is_added_to_or_replaced_and_never_more_than_a_hundred() {
        let mut owner = Owner::new("alice", 2);
        let account = Account::create(&owner.device, &mut owner.rng);
        let mut directory = MemoryDirectory::new();
        let one_time = owner.one_time(100);
        let steps = [
            (&one_time[..3], Stock::Added, 3),
            (&one_time[2..5], Stock::Added, 5),
            (&one_time[..2], Stock::Whole, 2),
            (&one_time[..], Stock::Added, 100),
        ];
        for (id, (one_time, stock, expected)) in (1..).zip(steps) {
            let publication = owner.publication(id, &account, one_time, stock);
            directory.publish(&publication).unwrap();
            assert_eq!(directory.prekeys_left(owner.device.address()), expected);
        }
        let more = owner.one_time(1);
        directory.publish(&owner.publication(9, &account, &more, Stock::Added)).unwrap();
        assert_eq!(directory.prekeys_left(owner.device.address()), 100);
    }

    #[test]
    fn the_newest_list_counts_and_who_is_no_longer_listed_loses_the_keys() {
        let (mut owner, mut second) = (Owner::new("alice", 3), Owner::new("alice", 4));
        let mut account = Account::create(&owner.device, &mut owner.rng);
        let before = Account::from_record(&account.record()).unwrap();
        let mut directory = MemoryDirectory::new();
        let alone = owner.publication(1, &account, &[], Stock::Whole);
        directory.publish(&alone).unwrap();
        account.add(second.device.entry(&account.key())).unwrap();
        let fork = {
            let mut fork = Account::from_record(&account.record()).unwrap();
            fork.remove(second.device.address().device).unwrap();
            fork
        };
        let one_time = second.one_time(1);
        directory.publish(&second.publication(2, &account, &one_time, Stock::Whole)).unwrap();
        assert_eq!(ask(&mut directory, "alice").devices().len(), 2);
        let older = owner.publication(3, &before, &[], Stock::Whole);
        assert!(directory.publish(&older).is_err());
        account.remove(owner.device.address().device).unwrap();
        directory.publish(&second.publication(4, &account, &[], Stock::Added)).unwrap();
        let left = ask(&mut directory, "alice");
        assert_eq!(devices(&left), [(second.device.address().device, false)]);
        assert!(directory.publish(&owner.publication(5, &fork, &[], Stock::Whole)).is_err());
        // Another account under the same name.
        let mut other = Owner::new("alice", 5);
        let other_account = Account::create(&other.device, &mut other.rng);
        let taken_over = other.publication(6, &other_account, &[], Stock::Whole);
        assert!(directory.publish(&taken_over).is_err());
        assert_eq!(ask(&mut directory, "alice").device_list().account_key(), account.key());
    }
}
