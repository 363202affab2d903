//! Who takes a call, and how they can be reached.

use rand_core::CryptoRng;

use super::super::ContentError;
use super::super::refusal::Refusal;
use super::MAX_CALL_DESCRIPTION_LEN;
use crate::crypto::{Secret, SecretBytes};
use crate::wire::content as raw;

/// A device takes a call.
pub struct Answer {
    secret: Secret<32>,
    description: SecretBytes,
}

impl Answer {
    /// How the device can be reached: at most [`MAX_CALL_DESCRIPTION_LEN`] bytes that the
    /// apps agree on.
    #[must_use]
    pub fn new(description: impl Into<Vec<u8>>, rng: &mut impl CryptoRng) -> Self {
        let description = SecretBytes::new(description.into());
        Self { secret: Secret::random(rng), description }
    }

    /// How the device can be reached.
    #[must_use]
    pub fn description(&self) -> &[u8] {
        &self.description
    }

    pub(super) fn secret(&self) -> &Secret<32> {
        &self.secret
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        let length = self.description.len();
        ContentError::check("bytes of a description", length, MAX_CALL_DESCRIPTION_LEN)
    }

    pub(super) fn from_raw(raw: &raw::CallAnswer) -> Result<Self, Refusal> {
        let raw::CallAnswer { secret, description } = raw;
        let secret = Secret::from_slice(secret).ok_or(Refusal::Broken)?;
        Ok(Self { secret, description: SecretBytes::new(description.clone()) })
    }

    pub(super) fn to_raw(&self) -> raw::CallAnswer {
        let Self { secret, description } = self;
        raw::CallAnswer { secret: secret.expose().to_vec(), description: description.to_vec() }
    }
}

impl Clone for Answer {
    fn clone(&self) -> Self {
        Self { secret: self.secret.duplicate(), description: self.description.clone() }
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.secret.matches(other.secret.expose()) && self.description == other.description
    }
}

impl Eq for Answer {}
