//! What both who are in a call say of themselves.

use rand_core::CryptoRng;

use super::super::ContentError;
use super::super::refusal::Refusal;
use crate::crypto::{Secret, SecretBytes};

/// The longest description of how a device can be reached, in bytes: SDP of a call with
/// pictures has some thousand.
pub const MAX_CALL_DESCRIPTION_LEN: usize = 16 * 1024;

/// A device's share of the keys of a call, and how it can be reached.
pub(super) struct Side {
    secret: Secret<32>,
    description: SecretBytes,
}

impl Side {
    pub(super) fn new(description: Vec<u8>, rng: &mut impl CryptoRng) -> Self {
        Self { secret: Secret::random(rng), description: SecretBytes::new(description) }
    }

    pub(super) fn secret(&self) -> &Secret<32> {
        &self.secret
    }

    pub(super) fn description(&self) -> &[u8] {
        &self.description
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        let length = self.description.len();
        ContentError::check("bytes of a description", length, MAX_CALL_DESCRIPTION_LEN)
    }

    pub(super) fn from_raw(secret: &[u8], description: &[u8]) -> Result<Self, Refusal> {
        let secret = Secret::from_slice(secret).ok_or(Refusal::Broken)?;
        let side = Self { secret, description: SecretBytes::new(description.to_vec()) };
        side.check()?;
        Ok(side)
    }
}

impl Clone for Side {
    fn clone(&self) -> Self {
        Self { secret: self.secret.duplicate(), description: self.description.clone() }
    }
}

impl PartialEq for Side {
    fn eq(&self, other: &Self) -> bool {
        self.secret.matches(other.secret.expose()) && self.description == other.description
    }
}

impl Eq for Side {}
