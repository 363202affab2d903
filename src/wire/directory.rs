//! What a device publishes, and what a directory answers, as they travel (SPEC.md,
//! sections 4.3 and 4.5).

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, fixed32};

use super::generated::v1;
use super::keys::{MAX_DIRECTORY_LEN, SignedDeviceList, SignedPrekey};
use super::{DecodeError, decode, fixed, required};

/// What becomes of the one-time prekeys that a directory still has of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    /// They stay, and these come behind them.
    Added,
    /// They go: these are all there are.
    Whole,
}

/// The fields of a publication.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) id: [u8; 16],
    pub(crate) device_list: SignedDeviceList,
    pub(crate) device_id: u32,
    pub(crate) signed_prekey: SignedPrekey,
    pub(crate) one_time_prekeys: Vec<SignedPrekey>,
    pub(crate) stock: Stock,
}

impl Publication {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "publication";
        let raw: v1::Publication = decode(bytes, MAX_DIRECTORY_LEN, WHAT)?;
        let stock = match raw.stock() {
            v1::Stock::Added => Stock::Added,
            v1::Stock::Whole => Stock::Whole,
            v1::Stock::Unspecified => return Err(DecodeError::Malformed(WHAT)),
        };
        let v1::Publication {
            id,
            device_list,
            device_id,
            signed_prekey,
            one_time_prekeys,
            stock: _,
        } = raw;
        Ok(Self {
            id: fixed(&id, WHAT)?,
            device_list: SignedDeviceList::from_raw(required(device_list, WHAT)?)?,
            device_id,
            signed_prekey: SignedPrekey::from_raw(required(signed_prekey, WHAT)?)?,
            one_time_prekeys: one_time_prekeys
                .into_iter()
                .map(SignedPrekey::from_raw)
                .collect::<Result<_, _>>()?,
            stock,
        })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let stock = match self.stock {
            Stock::Added => v1::Stock::Added,
            Stock::Whole => v1::Stock::Whole,
        };
        v1::Publication {
            id: self.id.to_vec(),
            device_list: Some(self.device_list.into_raw()),
            device_id: self.device_id,
            signed_prekey: Some(self.signed_prekey.into_raw()),
            one_time_prekeys: self
                .one_time_prekeys
                .into_iter()
                .map(SignedPrekey::into_raw)
                .collect(),
            stock: stock.into(),
        }
        .encode_to_vec()
    }
}

/// A `Bundle` of an encoded `SignedDeviceList` and encoded `DeviceBundle`s.
pub(crate) fn encode_bundle(device_list: &[u8], devices: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bundle = Vec::new();
    put_message(1, device_list, &mut bundle);
    devices.for_each(|device| put_message(2, &device, &mut bundle));
    bundle
}

/// A `DeviceBundle` of encoded `SignedPrekey`s.
pub(crate) fn encode_device_bundle(
    device_id: u32,
    signed_prekey: &[u8],
    one_time_prekey: Option<&[u8]>,
) -> Vec<u8> {
    let mut bundle = Vec::new();
    fixed32::encode(1, &device_id, &mut bundle);
    put_message(2, signed_prekey, &mut bundle);
    if let Some(prekey) = one_time_prekey {
        put_message(3, prekey, &mut bundle);
    }
    bundle
}

/// A field whose message is encoded already.
fn put_message(field: u32, message: &[u8], bytes: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, bytes);
    encode_varint(u64::try_from(message.len()).unwrap_or(u64::MAX), bytes);
    bytes.extend_from_slice(message);
}
