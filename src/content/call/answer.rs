//! Who takes a call, and how they can be reached.

use rand_core::CryptoRng;

use super::super::ContentError;
use super::super::refusal::Refusal;
use super::side::Side;
use crate::crypto::Secret;
use crate::wire::content as raw;

/// A device takes a call.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer(Side);

impl Answer {
    /// How the device can be reached: at most
    /// [`MAX_CALL_DESCRIPTION_LEN`](super::MAX_CALL_DESCRIPTION_LEN) bytes that the apps
    /// agree on.
    #[must_use]
    pub fn new(description: impl Into<Vec<u8>>, rng: &mut impl CryptoRng) -> Self {
        Self(Side::new(description.into(), rng))
    }

    /// How the device can be reached.
    #[must_use]
    pub fn description(&self) -> &[u8] {
        self.0.description()
    }

    pub(super) fn secret(&self) -> &Secret<32> {
        self.0.secret()
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        self.0.check()
    }

    pub(super) fn from_raw(raw: &raw::CallAnswer) -> Result<Self, Refusal> {
        let raw::CallAnswer { secret, description } = raw;
        Side::from_raw(secret, description).map(Self)
    }

    pub(super) fn to_raw(&self) -> raw::CallAnswer {
        let Self(side) = self;
        raw::CallAnswer {
            secret: side.secret().expose().to_vec(),
            description: side.description().to_vec(),
        }
    }
}
