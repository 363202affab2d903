//! The answer to whoever wants to write to someone.

use crate::address::DeviceId;
use crate::wire;

/// What is kept of one device, as [`read`](super::read) gave it.
#[derive(Debug, Clone, Copy)]
pub struct DeviceKeys<'a> {
    /// Which device of the account.
    pub device: DeviceId,
    /// Its signed prekey.
    pub signed_prekey: &'a [u8],
    /// A one-time prekey that nobody had yet and nobody will have again; `None` if there
    /// are none left.
    pub one_time_prekey: Option<&'a [u8]>,
}

/// What to answer when an account is asked for.
///
/// Nothing is checked: whoever asked checks all of it. Devices may be left out, even
/// all.
#[must_use]
pub fn bundle(device_list: &[u8], devices: &[DeviceKeys<'_>]) -> Vec<u8> {
    let devices = devices.iter().map(|keys| {
        let DeviceKeys { device, signed_prekey, one_time_prekey } = keys;
        wire::encode_device_bundle(device.get(), signed_prekey, *one_time_prekey)
    });
    wire::encode_bundle(device_list, devices)
}
