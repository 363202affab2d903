//! Who calls, and how they can be reached.

use rand_core::CryptoRng;

use super::super::ContentError;
use super::super::refusal::Refusal;
use super::side::Side;
use crate::crypto::Secret;
use crate::wire::content as raw;

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
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    media: Media,
    side: Side,
}

impl Offer {
    /// A call, and how the caller can be reached: at most
    /// [`MAX_CALL_DESCRIPTION_LEN`](super::MAX_CALL_DESCRIPTION_LEN) bytes that the apps
    /// agree on.
    #[must_use]
    pub fn new(media: Media, description: impl Into<Vec<u8>>, rng: &mut impl CryptoRng) -> Self {
        Self { media, side: Side::new(description.into(), rng) }
    }

    /// What it is made of.
    #[must_use]
    pub fn media(&self) -> Media {
        self.media
    }

    /// How the caller can be reached.
    #[must_use]
    pub fn description(&self) -> &[u8] {
        self.side.description()
    }

    pub(super) fn secret(&self) -> &Secret<32> {
        self.side.secret()
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        self.side.check()
    }

    pub(super) fn from_raw(raw: &raw::CallOffer) -> Result<Self, Refusal> {
        let raw::CallOffer { media, secret, description } = raw;
        let side = Side::from_raw(secret, description)?;
        let media = match raw::CallMedia::try_from(*media) {
            Err(_) | Ok(raw::CallMedia::Unspecified) => return Err(Refusal::Unknown),
            Ok(raw::CallMedia::Voice) => Media::Voice,
            Ok(raw::CallMedia::Video) => Media::Video,
        };
        Ok(Self { media, side })
    }

    pub(super) fn to_raw(&self) -> raw::CallOffer {
        let Self { media, side } = self;
        let media = match media {
            Media::Voice => raw::CallMedia::Voice,
            Media::Video => raw::CallMedia::Video,
        };
        raw::CallOffer {
            media: media.into(),
            secret: side.secret().expose().to_vec(),
            description: side.description().to_vec(),
        }
    }
}
