//! What a device publishes: its prekeys and its account's list.

use std::collections::HashSet;

use super::{Malformed, Stock};
use crate::address::{Address, DeviceId};
use crate::handshake::{ONE_TIME_PREKEYS, check_published};
use crate::identity::{AccountKey, DeviceList, IdentityError};
use crate::wire::{self, DecodeError, PrekeyKind, SignedDeviceList, SignedPrekey};

/// A publication of which everything has been checked that can be without a key or a
/// clock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Publication {
    /// Whose device it is of.
    pub address: Address,
    /// The key that signed the list. A user who is known has the same as before, or is
    /// another.
    pub account_key: AccountKey,
    /// Names the publication: 16 random bytes.
    pub id: [u8; 16],
    /// The account's list, to be kept and handed out as it is; at most 4,096 bytes.
    pub device_list: Vec<u8>,
    /// The list's version; the highest is the newest.
    pub list_version: u64,
    /// The device's signed prekey, as above; at most 4,200 bytes.
    pub signed_prekey: Vec<u8>,
    /// Its one-time prekeys, at most 100, as above.
    pub one_time_prekeys: Vec<Vec<u8>>,
    /// What becomes of those that there are.
    pub stock: Stock,
    pub(super) verified: DeviceList,
}

/// Reads and checks what a device published.
///
/// Takes about 60 µs for each prekey.
///
/// # Errors
///
/// [`Malformed`]: it is too long (256 KiB), not a publication, or not genuine.
///
/// # Security
///
/// Says nothing about who sent it: authenticate that first.
pub fn read(publication: &[u8]) -> Result<Publication, Malformed> {
    let wire::Publication { id, device_list, device_id, signed_prekey, one_time_prekeys, stock } =
        wire::Publication::decode(publication)?;
    let verified = DeviceList::verify(device_list)?;
    let device = DeviceId::new(device_id)
        .and_then(|id| verified.device(id))
        .ok_or(Malformed::new("the device is not listed"))?;
    if one_time_prekeys.len() > ONE_TIME_PREKEYS {
        return Err(Malformed::new("more than 100 one-time prekeys"));
    }
    let genuine = |prekey: &SignedPrekey, kind| {
        check_published(prekey, kind, &verified, device)
            .map_err(|_| Malformed::new("a prekey is not genuine"))
    };
    genuine(&signed_prekey, PrekeyKind::Signed)?;
    let mut different = HashSet::new();
    for prekey in &one_time_prekeys {
        genuine(prekey, PrekeyKind::OneTime)?;
        if !different.insert(&prekey.prekey) {
            return Err(Malformed::new("a one-time prekey twice"));
        }
    }
    Ok(Publication {
        address: Address { user: verified.user().clone(), device: device.id() },
        account_key: verified.account_key(),
        id,
        device_list: verified.signed().encode(),
        list_version: verified.version(),
        signed_prekey: signed_prekey.encode(),
        one_time_prekeys: one_time_prekeys.iter().map(SignedPrekey::encode).collect(),
        stock,
        verified,
    })
}

impl Publication {
    /// The publication of these keys of a listed device.
    pub(crate) fn encode(
        id: [u8; 16],
        list: &SignedDeviceList,
        device: DeviceId,
        signed: &SignedPrekey,
        one_time: &[&SignedPrekey],
        stock: Stock,
    ) -> Vec<u8> {
        wire::Publication {
            id,
            device_list: list.clone(),
            device_id: device.get(),
            signed_prekey: signed.clone(),
            one_time_prekeys: one_time.iter().map(|prekey| (*prekey).clone()).collect(),
            stock,
        }
        .encode()
    }
}

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        Self::new(match error {
            DecodeError::TooLong { .. } => "it is too long",
            DecodeError::Malformed(_) => "it cannot be decoded",
        })
    }
}

impl From<IdentityError> for Malformed {
    fn from(_: IdentityError) -> Self {
        Self::new("the device list is not genuine")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::address::UserId;
    use crate::handshake::PrekeySecret;
    use crate::identity::{Account, Device};
    use crate::timestamp::Timestamp;

    fn publication(one_time: usize) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let now = Timestamp::from_secs(1_800_000_000);
        let device = Device::generate(UserId::new("alice").unwrap(), &mut rng);
        let account = Account::create(&device, &mut rng);
        let signed = PrekeySecret::signed(&device, now, &mut rng);
        let one_time: Vec<_> =
            (0..one_time).map(|_| PrekeySecret::one_time(&device, now, &mut rng)).collect();
        let one_time: Vec<_> = one_time.iter().map(PrekeySecret::public).collect();
        let (list, id) = (account.device_list().signed(), device.address().device);
        Publication::encode([7; 16], list, id, signed.public(), &one_time, Stock::Added)
    }

    #[test]
    fn a_damaged_publication_is_refused_or_lacks_something() {
        let bytes = publication(1);
        let genuine = read(&bytes).unwrap();
        let cut = (0..bytes.len()).map(|len| bytes[..len].to_vec());
        let flipped = (0..bytes.len() * 8).map(|bit| {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for damaged in cut.chain(flipped) {
            // Its id is signed by nobody, and a prekey can be left out; no other can be
            // put in its place.
            let Ok(read) = read(&damaged) else { continue };
            assert!(read.id != genuine.id || read.one_time_prekeys.is_empty());
            assert_eq!(read.device_list, genuine.device_list);
            assert_eq!(read.signed_prekey, genuine.signed_prekey);
            assert_eq!(read.stock, genuine.stock);
            assert!(genuine.one_time_prekeys.starts_with(&read.one_time_prekeys));
        }
    }

    #[test]
    fn a_hundred_one_time_prekeys_are_the_most() {
        assert_eq!(read(&publication(100)).unwrap().one_time_prekeys.len(), 100);
        assert!(read(&publication(101)).is_err());
        assert!(read(&vec![0; wire::MAX_DIRECTORY_LEN + 1]).is_err());
    }
}
