//! Private messages for any app over any transport.

mod address;
mod crypto;
pub mod handshake;
pub mod identity;
mod ratchet;
pub mod session;
mod timestamp;
#[cfg(test)]
mod vectors;
pub mod wire;

pub use address::{Address, DeviceId, InvalidUserId, MAX_USER_ID_LEN, UserId};
pub use timestamp::Timestamp;
