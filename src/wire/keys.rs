//! Device lists, prekeys and bundles, as they travel (SPEC.md, sections 3 and 4).
//!
//! Nothing here has been verified: `identity::DeviceList` and
//! `handshake::VerifiedBundle` are what may be relied upon.

use prost::Message as _;

use super::generated::v1;
use super::{DecodeError, decode, fixed, required};

/// The longest signed device list, in bytes.
///
/// 16 devices take at most 16 · 149 bytes, the fields around them under 500.
pub const MAX_DEVICE_LIST_LEN: usize = 4096;

/// The longest signed prekey, in bytes.
///
/// Both public halves take 1,216 bytes, the signature 64; the rest is room for what
/// later versions add.
pub const MAX_SIGNED_PREKEY_LEN: usize = 4200;

/// The longest answer of a directory, in bytes.
///
/// 16 devices with two prekeys each take 44 KiB; the rest is room for what later
/// versions add.
pub const MAX_DIRECTORY_LEN: usize = 256 * 1024;

/// A device list and a signature, neither looked at yet: bytes as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDeviceList {
    pub(crate) list: Vec<u8>,
    pub(crate) signature: [u8; 64],
}

impl SignedDeviceList {
    /// Decodes a signed device list from anywhere.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_raw(decode(bytes, MAX_DEVICE_LIST_LEN, "signed device list")?)
    }

    /// The bytes to publish or pass on.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.clone().into_raw().encode_to_vec()
    }

    pub(super) fn from_raw(raw: v1::SignedDeviceList) -> Result<Self, DecodeError> {
        let v1::SignedDeviceList { list, signature } = raw;
        // Field headers take at most 5 bytes beside the two values.
        if list.len() + signature.len() + 5 > MAX_DEVICE_LIST_LEN {
            return Err(DecodeError::TooLong {
                what: "signed device list",
                limit: MAX_DEVICE_LIST_LEN,
            });
        }
        Ok(Self { list, signature: fixed(&signature, "list signature")? })
    }

    pub(super) fn into_raw(self) -> v1::SignedDeviceList {
        v1::SignedDeviceList { list: self.list, signature: self.signature.to_vec() }
    }
}

/// The fields of a device list.
#[derive(Debug, Clone)]
pub(crate) struct DeviceList {
    pub(crate) user_id: Vec<u8>,
    pub(crate) account_key: [u8; 32],
    pub(crate) version: u64,
    pub(crate) previous: Option<[u8; 32]>,
    pub(crate) devices: Vec<DeviceEntry>,
}

/// The fields of one device's entry.
#[derive(Debug, Clone)]
pub(crate) struct DeviceEntry {
    pub(crate) device_id: u32,
    pub(crate) signing_key: [u8; 32],
    pub(crate) identity_key: [u8; 32],
    pub(crate) proof: [u8; 64],
}

impl DeviceList {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "device list";
        let raw = decode(bytes, MAX_DEVICE_LIST_LEN, WHAT)?;
        let v1::DeviceList { user_id, account_key, version, previous, devices } = raw;
        let previous = match previous.as_slice() {
            [] => None,
            hash => Some(fixed(hash, WHAT)?),
        };
        let devices = devices.into_iter().map(DeviceEntry::from_raw).collect::<Result<_, _>>()?;
        Ok(Self { user_id, account_key: fixed(&account_key, WHAT)?, version, previous, devices })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        v1::DeviceList {
            user_id: self.user_id,
            account_key: self.account_key.to_vec(),
            version: self.version,
            previous: self.previous.map(|hash| hash.to_vec()).unwrap_or_default(),
            devices: self.devices.into_iter().map(DeviceEntry::into_raw).collect(),
        }
        .encode_to_vec()
    }
}

impl DeviceEntry {
    pub(super) fn from_raw(raw: v1::DeviceEntry) -> Result<Self, DecodeError> {
        const WHAT: &str = "device entry";
        let v1::DeviceEntry { device_id, signing_key, identity_key, proof } = raw;
        Ok(Self {
            device_id,
            signing_key: fixed(&signing_key, WHAT)?,
            identity_key: fixed(&identity_key, WHAT)?,
            proof: fixed(&proof, WHAT)?,
        })
    }

    pub(super) fn into_raw(self) -> v1::DeviceEntry {
        v1::DeviceEntry {
            device_id: self.device_id,
            signing_key: self.signing_key.to_vec(),
            identity_key: self.identity_key.to_vec(),
            proof: self.proof.to_vec(),
        }
    }
}

/// A prekey and a signature, neither looked at yet: bytes as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPrekey {
    pub(crate) prekey: Vec<u8>,
    pub(crate) signature: [u8; 64],
}

impl SignedPrekey {
    /// Decodes a prekey that a device published; a directory need not look further.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_raw(decode(bytes, MAX_SIGNED_PREKEY_LEN, "signed prekey")?)
    }

    /// The bytes to publish.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.clone().into_raw().encode_to_vec()
    }

    pub(super) fn from_raw(raw: v1::SignedPrekey) -> Result<Self, DecodeError> {
        let v1::SignedPrekey { prekey, signature } = raw;
        Ok(Self { prekey, signature: fixed(&signature, "prekey signature")? })
    }

    pub(super) fn into_raw(self) -> v1::SignedPrekey {
        v1::SignedPrekey { prekey: self.prekey, signature: self.signature.to_vec() }
    }
}

/// What a prekey may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrekeyKind {
    Signed,
    OneTime,
}

/// The fields of a prekey.
#[derive(Debug, Clone)]
pub(crate) struct Prekey {
    pub(crate) kind: PrekeyKind,
    pub(crate) x25519: [u8; 32],
    pub(crate) mlkem768: Vec<u8>,
    pub(crate) expires_at: u64,
}

impl Prekey {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "prekey";
        let raw: v1::Prekey = decode(bytes, MAX_DEVICE_LIST_LEN, WHAT)?;
        let kind = match raw.kind() {
            v1::PrekeyKind::Signed => PrekeyKind::Signed,
            v1::PrekeyKind::OneTime => PrekeyKind::OneTime,
            v1::PrekeyKind::Unspecified => return Err(DecodeError::Malformed(WHAT)),
        };
        let v1::Prekey { kind: _, x25519, mlkem768, expires_at } = raw;
        Ok(Self { kind, x25519: fixed(&x25519, WHAT)?, mlkem768, expires_at })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let kind = match self.kind {
            PrekeyKind::Signed => v1::PrekeyKind::Signed,
            PrekeyKind::OneTime => v1::PrekeyKind::OneTime,
        };
        v1::Prekey {
            kind: kind.into(),
            x25519: self.x25519.to_vec(),
            mlkem768: self.mlkem768,
            expires_at: self.expires_at,
        }
        .encode_to_vec()
    }
}

/// What a directory says of an account.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) device_list: SignedDeviceList,
    pub(crate) devices: Vec<DeviceBundle>,
}

/// What a directory says of one device.
#[derive(Debug, Clone)]
pub(crate) struct DeviceBundle {
    pub(crate) device_id: u32,
    pub(crate) signed_prekey: SignedPrekey,
    pub(crate) one_time_prekey: Option<SignedPrekey>,
}

impl Bundle {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let v1::Bundle { device_list, devices } = decode(bytes, MAX_DIRECTORY_LEN, "bundle")?;
        Ok(Self {
            device_list: SignedDeviceList::from_raw(required(device_list, "bundle")?)?,
            devices: devices.into_iter().map(DeviceBundle::from_raw).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        v1::Bundle {
            device_list: Some(self.device_list.into_raw()),
            devices: self.devices.into_iter().map(DeviceBundle::into_raw).collect(),
        }
        .encode_to_vec()
    }
}

impl DeviceBundle {
    fn from_raw(raw: v1::DeviceBundle) -> Result<Self, DecodeError> {
        let v1::DeviceBundle { device_id, signed_prekey, one_time_prekey } = raw;
        Ok(Self {
            device_id,
            signed_prekey: SignedPrekey::from_raw(required(signed_prekey, "device bundle")?)?,
            one_time_prekey: one_time_prekey.map(SignedPrekey::from_raw).transpose()?,
        })
    }

    fn into_raw(self) -> v1::DeviceBundle {
        v1::DeviceBundle {
            device_id: self.device_id,
            signed_prekey: Some(self.signed_prekey.into_raw()),
            one_time_prekey: self.one_time_prekey.map(SignedPrekey::into_raw),
        }
    }
}
