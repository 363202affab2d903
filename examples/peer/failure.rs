//! What stands after `error`.

use std::fmt;

use subrosa::group::{Refused, RosterError, sender_key};
use subrosa::handshake::HandshakeError;
use subrosa::identity::IdentityError;
use subrosa::session::{DecryptError, EncryptError};
use subrosa::wire::DecodeError;

/// Why a request was not done. Nothing has changed.
#[derive(Debug)]
pub(crate) struct Failure {
    word: &'static str,
    text: String,
}

impl Failure {
    /// The request makes no sense, or not now.
    pub(crate) fn usage(text: impl ToString) -> Self {
        Self::new("usage", text)
    }

    /// A handshake, a bundle or a list was refused.
    pub(crate) fn refused(text: impl ToString) -> Self {
        Self::new("refused", text)
    }

    fn new(word: &'static str, text: impl ToString) -> Self {
        Self { word, text: text.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {} {}", self.word, self.text)
    }
}

impl From<EncryptError> for Failure {
    fn from(error: EncryptError) -> Self {
        Self::usage(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new("malformed", error)
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        Self::refused(error)
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::refused(error)
    }
}

impl From<DecryptError> for Failure {
    fn from(error: DecryptError) -> Self {
        let word = match error {
            DecryptError::Decode(_) => "malformed",
            DecryptError::Unknown => "unknown",
            DecryptError::Duplicate => "duplicate",
            DecryptError::PeerRolledBack => "rolled-back",
            DecryptError::KeyGone => "key-gone",
            DecryptError::TooFarAhead => "too-far",
            DecryptError::Handshake(_) => "refused",
            _ => "not-opened",
        };
        Self::new(word, error)
    }
}

impl From<RosterError> for Failure {
    fn from(error: RosterError) -> Self {
        match error {
            RosterError::Record(_) | RosterError::Refused(Refused::Decode(_)) => {
                Self::new("malformed", error)
            }
            RosterError::Refused(_) => Self::refused(error),
            _ => Self::usage(error),
        }
    }
}

impl From<sender_key::EncryptError> for Failure {
    fn from(error: sender_key::EncryptError) -> Self {
        Self::usage(error)
    }
}

impl From<sender_key::DecryptError> for Failure {
    fn from(error: sender_key::DecryptError) -> Self {
        use sender_key::DecryptError;
        let word = match error {
            DecryptError::Unknown => "unknown",
            DecryptError::Duplicate => "duplicate",
            DecryptError::SenderRolledBack => "rolled-back",
            DecryptError::KeyGone => "key-gone",
            DecryptError::TooFarAhead => "too-far",
            DecryptError::OtherRoster => "unknown-head",
            _ => "not-opened",
        };
        Self::new(word, error)
    }
}
