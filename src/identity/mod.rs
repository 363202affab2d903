//! Accounts, their devices, and what two people compare (SPEC.md, section 3).
//!
//! ```
//! use subrosa::identity::{Account, Device, DeviceList, SafetyNumber};
//! use subrosa::UserId;
//!
//! # let mut rng = rand::rng();
//! let phone = Device::generate(UserId::new("alice")?, &mut rng);
//! let account = Account::create(&phone, &mut rng);
//!
//! // What a directory passes on is bytes until it has been verified.
//! let published = account.device_list().signed().clone();
//! let alice = DeviceList::verify(published)?;
//! assert_eq!(alice.device(phone.address().device).map(|d| d.id()), Some(phone.address().device));
//!
//! # let other = Device::generate(UserId::new("bob")?, &mut rng);
//! # let bob = Account::create(&other, &mut rng);
//! let number = SafetyNumber::between(&alice, bob.device_list());
//! assert_eq!(number.to_string(), SafetyNumber::between(bob.device_list(), &alice).to_string());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod comparison;
mod device;
mod device_list;
mod emoji;
mod safety_code;
mod safety_number;
mod view;

pub use account::{Account, AccountKey};
pub(crate) use comparison::{Comparison, EmojiStep, Heard, Party, TransactionId};
pub use device::{Device, DeviceEntry};
pub use device_list::{DeviceList, ListedDevice, MAX_DEVICES, Succession};
pub use emoji::Emoji;
pub(crate) use safety_code::SafetyCode;
pub use safety_number::SafetyNumber;
pub use view::View;

use crate::wire::DecodeError;

/// Why a device list was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not a device list at all.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A list that breaks the rules of SPEC.md section 3.3; whoever sent it has a
    /// bug or lies. Keep what you have.
    #[error("the device list breaks a rule: {0}")]
    Rule(&'static str),
    /// The account key did not sign it, or a device did not agree to be on it: the
    /// server or the network lies. Keep what you have, do not retry.
    #[error("the device list is forged")]
    Forged,
    /// The account has [`MAX_DEVICES`] devices; remove one first.
    #[error("an account has at most {MAX_DEVICES} devices")]
    TooManyDevices,
}
