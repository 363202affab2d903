//! What a directory answers, and the check that cannot be skipped (SPEC.md, section 4.3).

use super::HandshakeError;
use super::prekey::VerifiedPrekey;
use crate::address::{Address, DeviceId, UserId};
use crate::crypto::{DhPublicKey, VerifyingKey};
use crate::identity::{AccountKey, DeviceList, ListedDevice};
use crate::timestamp::Timestamp;
use crate::wire::{self, PrekeyKind, SignedDeviceList, SignedPrekey};

/// What a device has published, as a directory hands it out.
#[derive(Debug, Clone, Copy)]
pub struct DevicePrekeys<'a> {
    /// Which device of the account.
    pub device: DeviceId,
    /// Its signed prekey.
    pub signed: &'a SignedPrekey,
    /// A one-time prekey, to be handed out this once; `None` if there are none left.
    pub one_time: Option<&'a SignedPrekey>,
}

/// A directory's answer, decoded and not verified.
#[derive(Debug, Clone)]
pub struct PrekeyBundle(wire::Bundle);

impl PrekeyBundle {
    /// Puts an answer together; whoever does need not hold any key.
    #[must_use]
    pub fn assemble(list: &SignedDeviceList, devices: &[DevicePrekeys<'_>]) -> Self {
        let devices = devices
            .iter()
            .map(|DevicePrekeys { device, signed, one_time }| wire::DeviceBundle {
                device_id: device.get(),
                signed_prekey: (*signed).clone(),
                one_time_prekey: one_time.cloned(),
            })
            .collect();
        Self(wire::Bundle { device_list: list.clone(), devices })
    }

    /// Decodes what a directory answered.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Decode`] if it is not a bundle: ask again.
    pub fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        Ok(Self(wire::Bundle::decode(bytes)?))
    }

    /// The bytes that a directory answers with.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.clone().encode()
    }

    /// Whom it claims to be of, for whoever did not ask for one user; `None` if it is
    /// not even well-formed. [`Self::verify`] says whether it is true.
    #[must_use]
    pub fn claimed_user(&self) -> Option<UserId> {
        let list = wire::DeviceList::decode(&self.0.device_list.list).ok()?;
        UserId::new(list.user_id).ok()
    }

    /// Checks every signature, proof, key, kind and expiry in it.
    ///
    /// `user` is who was asked for, `now` when the answer came.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Expired`]: no device of the owner has been online for long; ask
    /// again later. (Of several, one that has not is left out.) Anything else: the
    /// directory or the network lies, or erred; use nothing of it.
    ///
    /// # Security
    ///
    /// Compare [`VerifiedBundle::device_list`] with the list that is pinned for the
    /// user ([`DeviceList::compare`]) before anything is sent.
    pub fn verify(self, user: &UserId, now: Timestamp) -> Result<VerifiedBundle, HandshakeError> {
        let Self(wire::Bundle { device_list, devices }) = self;
        let device_list = DeviceList::verify(device_list)?;
        if device_list.user() != user {
            return Err(HandshakeError::OtherUser);
        }
        let mut verified: Vec<VerifiedPrekeys> = Vec::with_capacity(device_list.devices().len());
        let mut expired = false;
        for device in devices {
            let prekeys = match verify_device(&device, &device_list, now) {
                // One that lies in a drawer does not keep anybody from the others.
                Err(HandshakeError::Expired) => {
                    expired = true;
                    continue;
                }
                verified => verified?,
            };
            if verified.iter().any(|other| other.address == prekeys.address) {
                return Err(HandshakeError::Refused);
            }
            verified.push(prekeys);
        }
        if expired && verified.is_empty() {
            return Err(HandshakeError::Expired);
        }
        Ok(VerifiedBundle { device_list, devices: verified })
    }
}

fn verify_device(
    device: &wire::DeviceBundle,
    list: &DeviceList,
    now: Timestamp,
) -> Result<VerifiedPrekeys, HandshakeError> {
    let wire::DeviceBundle { device_id, signed_prekey, one_time_prekey } = device;
    let listed =
        DeviceId::new(*device_id).and_then(|id| list.device(id)).ok_or(HandshakeError::Refused)?;
    let address = Address { user: list.user().clone(), device: listed.id() };
    let verify = |prekey: &SignedPrekey, kind| {
        VerifiedPrekey::verify(prekey, kind, &address, listed.signing_key(), now)
    };
    let signed = verify(signed_prekey, PrekeyKind::Signed)?;
    let one_time = one_time_prekey.as_ref().map(|prekey| verify(prekey, PrekeyKind::OneTime));
    let one_time = match one_time.transpose() {
        // Published by a clock that was behind, or long ago. The other does without it.
        Err(HandshakeError::Expired) => None,
        verified => verified?,
    };
    Ok(VerifiedPrekeys {
        signed,
        one_time,
        account_key: list.account_key(),
        signing_key: *listed.signing_key(),
        identity_key: *listed.identity_key(),
        fetched_at: now,
        address,
    })
}

/// Checks a prekey of a listed device as a directory does, which goes by no clock.
pub(crate) fn check_published(
    prekey: &SignedPrekey,
    kind: PrekeyKind,
    list: &DeviceList,
    device: &ListedDevice,
) -> Result<(), HandshakeError> {
    let owner = Address { user: list.user().clone(), device: device.id() };
    let at_any_time = Timestamp::default();
    VerifiedPrekey::verify(prekey, kind, &owner, device.signing_key(), at_any_time)?;
    Ok(())
}

/// A bundle of which everything has been checked.
#[derive(Debug, Clone)]
pub struct VerifiedBundle {
    device_list: DeviceList,
    devices: Vec<VerifiedPrekeys>,
}

impl VerifiedBundle {
    /// The account's device list, to be compared with the one that is pinned.
    #[must_use]
    pub fn device_list(&self) -> &DeviceList {
        &self.device_list
    }

    /// The prekeys of each device that has published some.
    #[must_use]
    pub fn devices(&self) -> &[VerifiedPrekeys] {
        &self.devices
    }
}

/// One device's keys, verified: what a session can be started with.
#[derive(Debug, Clone)]
pub struct VerifiedPrekeys {
    pub(super) address: Address,
    pub(super) account_key: AccountKey,
    pub(super) signing_key: VerifyingKey,
    pub(super) identity_key: DhPublicKey,
    pub(super) signed: VerifiedPrekey,
    pub(super) one_time: Option<VerifiedPrekey>,
    pub(super) fetched_at: Timestamp,
}

impl VerifiedPrekeys {
    /// Whose they are.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The key of the account that lists the device.
    pub(crate) fn account_key(&self) -> &AccountKey {
        &self.account_key
    }

    /// Whether there is a one-time prekey among them.
    ///
    /// # Security
    ///
    /// Without one, the first chain has no forward secrecy until the signed prekey
    /// is deleted. A server that withholds them looks like an empty stock.
    #[must_use]
    pub fn has_one_time_prekey(&self) -> bool {
        self.one_time.is_some()
    }
}
