//! A device with its account, and every private key of it.

use serde_json::{Value, json};

use super::{Draws, hex, model};
use crate::address::UserId;
use crate::identity::{Account, Device};
use crate::wire::stored;

/// The first device of an account.
pub(super) struct Party {
    pub(super) user: Vec<u8>,
    pub(super) device_id: u32,
    pub(super) account_seed: [u8; 32],
    pub(super) signing_seed: [u8; 32],
    pub(super) identity_private: [u8; 32],
    pub(super) device: Device,
    pub(super) account: Account,
}

impl Party {
    pub(super) fn new(user: &str, draws: &mut Draws) -> Self {
        let device = Device::generate(UserId::new(user).unwrap(), draws);
        draws.take();
        let account = Account::create(&device, draws);
        let account_seed = model::array(&draws.take()[0]);
        let record: stored::Device = stored::decode(&device.record(), "device").unwrap();
        Self {
            user: user.as_bytes().to_vec(),
            device_id: record.device_id,
            account_seed,
            signing_seed: model::array(&record.signing_seed),
            identity_private: model::array(&record.identity_key),
            device,
            account,
        }
    }

    pub(super) fn account_key(&self) -> [u8; 32] {
        model::signing_public(&self.account_seed)
    }

    pub(super) fn signing_key(&self) -> [u8; 32] {
        model::signing_public(&self.signing_seed)
    }

    pub(super) fn identity_key(&self) -> [u8; 32] {
        model::dh_public(&self.identity_private)
    }

    /// The encoded `SignedDeviceList`.
    pub(super) fn signed_list(&self) -> Vec<u8> {
        self.account.device_list().signed().encode()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "user_id": hex(&self.user),
            "device_id": self.device_id,
            "account_seed": hex(self.account_seed),
            "account_key": hex(self.account_key()),
            "signing_seed": hex(self.signing_seed),
            "signing_key": hex(self.signing_key()),
            "identity_private": hex(self.identity_private),
            "identity_key": hex(self.identity_key()),
            "signed_list": hex(self.signed_list()),
        })
    }
}
