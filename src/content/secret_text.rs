//! Text that someone wrote: wiped when it is dropped.

use std::fmt;

use crate::crypto::SecretBytes;

/// Text that is wiped on drop and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SecretText(String);

impl SecretText {
    /// This text, from now on secret.
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
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
