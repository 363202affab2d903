//! Where an attachment is, and what opens it.

use std::fmt;

use super::ContentError;
use super::refusal::{Refusal, fixed};
use crate::crypto::Secret;
use crate::wire::content as raw;

/// The longest location, in bytes: that of an address on the web.
const MAX_LOCATION_LEN: usize = 2048;

/// The longest media type, in bytes: two names of 127 characters (RFC 6838, section 4.2).
const MAX_MEDIA_TYPE_LEN: usize = 255;

/// Where an attachment is, and all that it takes to open it.
///
/// # Security
///
/// Whoever has it can read the attachment. `Debug` shows neither key nor place.
pub struct Pointer {
    location: String,
    key: Secret<32>,
    digest: [u8; 32],
    length: u64,
    media_type: String,
}

impl Pointer {
    /// To what was just sealed and is nowhere yet.
    pub(crate) fn new(key: Secret<32>, digest: [u8; 32], length: u64, media_type: String) -> Self {
        Self { location: String::new(), key, digest, length, media_type }
    }

    /// The same, with the place where the sealed bytes are: an address in the app's own
    /// scheme.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = location.into();
        self
    }

    /// Where the sealed bytes are, as the sender's app says.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// How long the attachment is, in bytes, without its padding.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What it is, as the sender's app says (`image/png`): believed by nobody who opens
    /// the file.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// SHA-256 of the sealed bytes: names them, also for who has no key.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn key(&self) -> &Secret<32> {
        &self.key
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        ContentError::check("bytes of a location", self.location.len(), MAX_LOCATION_LEN)?;
        ContentError::check("bytes of a media type", self.media_type.len(), MAX_MEDIA_TYPE_LEN)
    }

    pub(super) fn from_raw(raw: &raw::Pointer) -> Result<Self, Refusal> {
        let raw::Pointer { location, key, digest, length, media_type } = raw;
        let key = Secret::from_slice(key).ok_or(Refusal::Broken)?;
        let pointer = Self::new(key, fixed(digest)?, *length, media_type.clone());
        Ok(pointer.at(location.as_str()))
    }

    pub(super) fn to_raw(&self) -> raw::Pointer {
        let Self { location, key: _, digest, length, media_type } = self;
        raw::Pointer {
            location: location.clone(),
            key: self.key().expose().to_vec(),
            digest: digest.to_vec(),
            length: *length,
            media_type: media_type.clone(),
        }
    }
}

impl Clone for Pointer {
    fn clone(&self) -> Self {
        let Self { location, key, digest, length, media_type } = self;
        Self {
            location: location.clone(),
            key: key.duplicate(),
            digest: *digest,
            length: *length,
            media_type: media_type.clone(),
        }
    }
}

impl PartialEq for Pointer {
    fn eq(&self, other: &Self) -> bool {
        let Self { location, key, digest, length, media_type } = self;
        key.matches(other.key.expose())
            && (location, digest, length, media_type)
                == (&other.location, &other.digest, &other.length, &other.media_type)
    }
}

impl Eq for Pointer {}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location: _, key: _, digest: _, length, media_type } = self;
        f.debug_struct("Pointer")
            .field("length", length)
            .field("media_type", media_type)
            .finish_non_exhaustive()
    }
}
