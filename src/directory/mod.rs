//! For whoever runs the server: what devices publish, and what it answers to those who
//! ask (SPEC.md, sections 4.3 and 4.5). Needs no keys, no store and no messenger.
//!
//! What a server must do:
//!
//! 1. Authenticate who publishes, by whatever it knows its users by. A publication of
//!    another user's, or of an earlier time, is as genuine as any.
//! 2. [`read`] what was published. Refuse it if that fails, or if the user is known under
//!    another account key, or with a newer list.
//! 3. Ignore it, and say that it was taken, if its id is the last one of that device: the
//!    device repeats itself because it had no answer.
//! 4. Keep the list for the user; for the device, the signed prekey in place of the old
//!    one, and the one-time prekeys behind those there are ([`Stock::Added`]) or in their
//!    place ([`Stock::Whole`]). Devices that the list no longer has lose their keys.
//! 5. Answer with a [`bundle()`] of the list and each device's keys, of every one-time
//!    prekey once. Limit how often one may ask: each answer uses one up.
//!
//! [`MemoryDirectory`] does 2 to 5, for tests and small services.
//!
//! ```
//! use subrosa::directory::{DeviceKeys, MemoryDirectory, bundle, read};
//! # use subrosa::handshake::{PrekeyBundle, PrekeySecret};
//! # use subrosa::identity::{Account, Device};
//! # use subrosa::{Timestamp, UserId};
//! # let (mut rng, now) = (rand::rng(), Timestamp::from_secs(1_800_000_000));
//! # let device = Device::generate(UserId::new("alice")?, &mut rng);
//! # let account = Account::create(&device, &mut rng);
//! # let field = |number: u8, bytes: &[u8]| {
//! #     let length = bytes.len();
//! #     [&[number << 3 | 2, (length & 0x7f | 0x80) as u8, (length >> 7) as u8], bytes].concat()
//! # };
//! # let published = [
//! #     field(1, &[7; 16]),
//! #     field(2, &account.device_list().signed().encode()),
//! #     [&[3 << 3 | 5][..], &device.address().device.get().to_le_bytes()].concat(),
//! #     field(4, &PrekeySecret::signed(&device, now, &mut rng).public().encode()),
//! #     field(5, &PrekeySecret::one_time(&device, now, &mut rng).public().encode()),
//! #     vec![6 << 3, 1],
//! # ]
//! # .concat();
//!
//! // `published` came from someone who has shown to be Alice.
//! let publication = read(&published)?;
//! assert_eq!(publication.address.user, UserId::new("alice")?);
//! // Rows of a table of lists and of a table of keys; and then, when somebody asks:
//! let keys = DeviceKeys {
//!     device: publication.address.device,
//!     signed_prekey: &publication.signed_prekey,
//!     one_time_prekey: publication.one_time_prekeys.first().map(Vec::as_slice),
//! };
//! let answer = bundle(&publication.device_list, &[keys]);
//!
//! // The same, in memory.
//! let mut directory = MemoryDirectory::new();
//! directory.publish(&published)?;
//! assert_eq!(directory.bundle(&publication.address.user)?, answer);
//! # PrekeyBundle::decode(&answer)?.verify(&publication.address.user, now)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//!
//! A directory is not trusted: it can add no device to an account and swap no prekey,
//! since everything that it hands out is signed. It learns who has which devices and
//! since when, how fast one-time prekeys are used up, and who asks for whom. It can
//! withhold one-time prekeys or hand one out twice (the second message to use it is
//! lost and sent again after two days), and show old lists to some, which the next
//! message between them brings to light.

mod bundle;
mod memory;
mod publication;

pub use crate::wire::Stock;
pub use bundle::{DeviceKeys, bundle};
pub use memory::{MemoryDirectory, NoSuchUser};
pub use publication::{Publication, read};

/// Why a publication was refused: the device that made it has a bug, or somebody lies.
/// Keep what you have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the publication is refused: {reason}")]
pub struct Malformed {
    reason: &'static str,
}

impl Malformed {
    fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}
