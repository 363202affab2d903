//! The code that a device shows to be linked, and what is said under its secret
//! (SPEC.md, sections 12.1 and 12.2).
//!
//! # Security
//!
//! Whoever has seen the code can be one end of the linking: the new device would join a
//! stranger's account, or the account would get nothing (the keys that it lists are those
//! that the code names). So both sides show six digits of it, and people compare.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::address::{Address, DeviceId, UserId, length_prefixed};
use crate::crypto::{
    AT_REST_NONCE_LEN, Label, Secret, SecretBytes, expand, open_at_rest, seal_at_rest, sha256,
};
use crate::identity::Device;
use crate::wire::{Link, PADDED_LINK_LEN, pad, unpad};

/// The version of the layout.
const VERSION: u8 = 1;

/// The longest name of a device, in bytes.
pub(super) const MAX_DEVICE_NAME_LEN: usize = 64;

/// What a device that wants to be linked shows as a QR code, and its account's primary
/// device reads: [`link_device`](super::Messenger::link_device).
///
/// # Security
///
/// A secret until the device is linked: show it to nobody else, and never send it.
pub struct LinkCode {
    bytes: Zeroizing<Vec<u8>>,
    address: Address,
    secret: Secret<32>,
    keys_hash: [u8; 32],
    device_name: String,
}

impl LinkCode {
    /// What a camera has read; `None` if it is no link code.
    #[must_use]
    // u8(1) || u32(device id) || secret || keys hash || lp(user id) || lp(device name)
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (secret, rest) = rest.split_first_chunk()?;
        let (keys_hash, rest) = rest.split_first_chunk()?;
        let (user, rest) = split_prefixed(rest)?;
        let (name, rest) = split_prefixed(rest)?;
        if version != VERSION || !rest.is_empty() || name.len() > MAX_DEVICE_NAME_LEN {
            return None;
        }
        Some(Self {
            bytes: Zeroizing::new(bytes.to_vec()),
            address: Address {
                user: UserId::new(user).ok()?,
                device: DeviceId::new(u32::from_be_bytes(*device))?,
            },
            secret: Secret::copy_from(secret),
            keys_hash: *keys_hash,
            device_name: std::str::from_utf8(name).ok()?.to_owned(),
        })
    }

    /// The code of a device with this name, which has at most [`MAX_DEVICE_NAME_LEN`]
    /// bytes.
    pub(crate) fn generate(
        device: &Device,
        name: &str,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Self> {
        let Address { user, device: id } = device.address();
        let secret = Secret::<32>::random(rng);
        let length = u16::try_from(name.len()).ok()?;
        // So long that it never moves, and leaves nothing behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        bytes.push(VERSION);
        bytes.extend_from_slice(&id.get().to_be_bytes());
        bytes.extend_from_slice(secret.expose());
        bytes.extend_from_slice(&device.keys_hash());
        bytes.extend_from_slice(&length_prefixed(user));
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        Self::parse(&bytes)
    }

    /// What goes into the QR code.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How the device calls itself.
    #[must_use]
    pub fn device_name(&self) -> &str {
        &self.device_name
    }

    /// Six digits, to be shown on both devices before the primary goes on: the same on
    /// both if it read the code that the other shows.
    #[must_use]
    // H("subrosa/1 short link code" || 0x00 || code), the first 8 bytes modulo 10^6
    pub fn short(&self) -> String {
        let [a, b, c, d, e, f, g, h, ..] =
            sha256(&[Label::SHORT_LINK_CODE.as_bytes(), &[0], &self.bytes]);
        format!("{:06}", u64::from_be_bytes([a, b, c, d, e, f, g, h]) % 1_000_000)
    }

    /// The device that shows it.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// What names the device's keys.
    pub(crate) fn keys_hash(&self) -> &[u8; 32] {
        &self.keys_hash
    }

    /// A link envelope.
    pub(crate) fn seal(
        &self,
        way: Way,
        content: Vec<u8>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let mut padded = content;
        pad(&mut padded, PADDED_LINK_LEN);
        let mut nonce = [0; AT_REST_NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        Link::encode(seal_at_rest(&self.key(way), &nonce, &[], &padded))
    }

    /// What a link envelope says, if it was sealed under this code for this way.
    pub(super) fn open(&self, way: Way, link: &Link) -> Option<SecretBytes> {
        let padded = open_at_rest(&self.key(way), &[], &link.sealed).ok()?;
        unpad(&padded).map(|content| SecretBytes::new(content.to_vec()))
    }

    fn key(&self, way: Way) -> Secret<32> {
        let label = match way {
            Way::ToDevice => Label::LINK_TO_DEVICE,
            Way::ToPrimary => Label::LINK_TO_PRIMARY,
        };
        expand(&self.secret, label, &[])
    }
}

/// Which way a link envelope goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    ToDevice,
    ToPrimary,
}

fn split_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes: _, address, secret: _, keys_hash: _, device_name: _ } = self;
        f.debug_struct("LinkCode").field("address", address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn code(name: &str) -> (LinkCode, ChaCha8Rng) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let device = Device::generate(UserId::new("alice").unwrap(), &mut rng);
        (LinkCode::generate(&device, name, &mut rng).unwrap(), rng)
    }

    #[test]
    fn a_code_says_the_same_to_whoever_reads_it_and_is_never_printed() {
        let (shown, _) = code("tablet");
        let read = LinkCode::parse(shown.as_bytes()).unwrap();
        assert_eq!((read.short(), read.device_name()), (shown.short(), "tablet"));
        assert_eq!(read.short().len(), 6);
        assert_eq!((read.address(), read.keys_hash()), (shown.address(), shown.keys_hash()));
        let printed = format!("{read:?}");
        assert!(printed.starts_with("LinkCode { address: ") && printed.ends_with(", .. }"));
        assert!(!printed.contains("secret") && printed.len() < 120, "{printed}");
    }

    #[test]
    fn whatever_is_cut_off_or_added_is_no_code_and_another_bit_is_another_code() {
        let (shown, _) = code(&"x".repeat(MAX_DEVICE_NAME_LEN));
        let bytes = shown.as_bytes();
        for length in 0..bytes.len() {
            assert!(LinkCode::parse(&bytes[..length]).is_none());
        }
        assert!(LinkCode::parse(&[bytes, &[0]].concat()).is_none());
        let mut same = 0;
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            same += usize::from(
                LinkCode::parse(&altered).is_some_and(|code| code.short() == shown.short()),
            );
        }
        // By chance, one in a million.
        assert_eq!(same, 0);
        let long = "x".repeat(MAX_DEVICE_NAME_LEN + 1);
        let device =
            Device::generate(UserId::new("alice").unwrap(), &mut ChaCha8Rng::seed_from_u64(2));
        let none = LinkCode::generate(&device, &long, &mut ChaCha8Rng::seed_from_u64(3));
        assert!(none.is_none());
    }

    #[test]
    fn what_is_sealed_for_one_way_opens_there_alone() {
        let (shown, mut rng) = code("tablet");
        let (other, _) = {
            let mut rng = ChaCha8Rng::seed_from_u64(9);
            let device = Device::generate(UserId::new("alice").unwrap(), &mut rng);
            (LinkCode::generate(&device, "tablet", &mut rng).unwrap(), rng)
        };
        let envelope = shown.seal(Way::ToDevice, b"offer".to_vec(), &mut rng);
        let link = Link::decode(&envelope).unwrap();
        assert_eq!(shown.open(Way::ToDevice, &link).unwrap().as_slice(), b"offer");
        assert!(shown.open(Way::ToPrimary, &link).is_none());
        assert!(other.open(Way::ToDevice, &link).is_none());
        let short = shown.seal(Way::ToDevice, Vec::new(), &mut rng);
        assert_eq!(short.len(), envelope.len());
    }
}
