//! Private messages for any app over any transport.

// Whatever the bytes, the code outside of tests goes on.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::dbg_macro,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]

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
