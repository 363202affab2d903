//! Text that someone wrote: wiped when it is dropped.

use std::fmt;

use super::ContentError;
use crate::crypto::SecretBytes;

/// Text that is wiped on drop and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SecretText(String);

impl SecretText {
    /// This text, from now on secret.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy for a record.
    pub(super) fn to_raw(&self) -> String {
        self.0.clone()
    }

    /// Whether it has at most so many bytes.
    pub(super) fn check(&self, what: &'static str, limit: usize) -> Result<(), ContentError> {
        ContentError::check(what, self.0.len(), limit)
    }
}

/// As much from the beginning of a text as fits that many bytes.
pub(super) fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

impl Drop for SecretText {
    fn drop(&mut self) {
        drop(SecretBytes::new(std::mem::take(&mut self.0).into_bytes()));
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretText({})", self.0.len())
    }
}
