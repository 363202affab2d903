//! Who calls, and how they can be reached.

use rand_core::CryptoRng;

use super::super::ContentError;
use super::super::refusal::Refusal;
use crate::crypto::{Secret, SecretBytes};
use crate::wire::content as raw;

/// The longest description of how a device can be reached, in bytes: SDP of a call with
/// pictures has some thousand.
pub const MAX_CALL_DESCRIPTION_LEN: usize = 16 * 1024;

/// What a call is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Media {
    /// Sound.
    Voice,
    /// Sound and pictures.
    Video,
}

/// Somebody calls.
pub struct Offer {
    media: Media,
    secret: Secret<32>,
    description: SecretBytes,
}

impl Offer {
    /// A call, and how the caller can be reached: at most [`MAX_CALL_DESCRIPTION_LEN`]
    /// bytes that the apps agree on.
    #[must_use]
    pub fn new(media: Media, description: impl Into<Vec<u8>>, rng: &mut impl CryptoRng) -> Self {
        let description = SecretBytes::new(description.into());
        Self { media, secret: Secret::random(rng), description }
    }

    /// What it is made of.
    #[must_use]
    pub fn media(&self) -> Media {
        self.media
    }

    /// How the caller can be reached.
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

    pub(super) fn from_raw(raw: &raw::CallOffer) -> Result<Self, Refusal> {
        let raw::CallOffer { media, secret, description } = raw;
        let offer = Self {
            media: Media::Voice,
            secret: Secret::from_slice(secret).ok_or(Refusal::Broken)?,
            description: SecretBytes::new(description.clone()),
        };
        offer.check()?;
        let media = match raw::CallMedia::try_from(*media) {
            Err(_) | Ok(raw::CallMedia::Unspecified) => return Err(Refusal::Unknown),
            Ok(raw::CallMedia::Voice) => Media::Voice,
            Ok(raw::CallMedia::Video) => Media::Video,
        };
        Ok(Self { media, ..offer })
    }

    pub(super) fn to_raw(&self) -> raw::CallOffer {
        let Self { media, secret, description } = self;
        let media = match media {
            Media::Voice => raw::CallMedia::Voice,
            Media::Video => raw::CallMedia::Video,
        };
        raw::CallOffer {
            media: media.into(),
            secret: secret.expose().to_vec(),
            description: description.to_vec(),
        }
    }
}

impl Clone for Offer {
    fn clone(&self) -> Self {
        let Self { media, secret, description } = self;
        Self { media: *media, secret: secret.duplicate(), description: description.clone() }
    }
}

impl PartialEq for Offer {
    fn eq(&self, other: &Self) -> bool {
        let Self { media, secret, description } = self;
        secret.matches(other.secret.expose())
            && (media, description) == (&other.media, &other.description)
    }
}

impl Eq for Offer {}
