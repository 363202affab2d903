//! Why a call failed: never for what a peer or a server did.

use crate::content::ContentError;
use crate::store::StoreError;

/// Why a call on a messenger failed. Nothing has changed, but see [`Self::Store`].
///
/// What a peer or a server sends is never a reason: that has an outcome
/// ([`Received`](super::Received), [`Learned`](super::Learned)), so `?` in a loop that
/// receives cannot be stopped from outside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not be read or written: try again later. If a commit's answer was
    /// lost and the store cannot even say its revision, the call may have counted: look
    /// at what comes out before repeating it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// We have blocked this person: ask the user, then
    /// [`accept`](super::Messenger::accept). Or, in a group, we have no right to this.
    #[error("not allowed: this person is blocked, or the group has not given the right")]
    NotAllowed,
    /// We take no part in this group (any more).
    #[error("not a member of this group")]
    NotAMember,
    /// The group stands still until a person decides, or something comes that is missing:
    /// see [`Group::stopped`](super::Group::stopped).
    #[error("the group has stopped")]
    GroupStopped,
    /// Only the account's primary device can do this.
    #[error("only the account's primary device can do this")]
    NotPrimary,
    /// This device is not on its account's list yet: show its code, or after a restore
    /// carry its errands until it is.
    #[error("this device is not on its account's list yet")]
    NotLinked,
    /// The primary device cannot be taken off by itself: restore a backup elsewhere.
    #[error("the primary device cannot take itself off")]
    OwnDevice,
    /// The store holds another user's account: open another store.
    #[error("the store holds another user's account")]
    OtherAccount,
    /// What the user was shown is not true any more: show what is now, and ask again.
    #[error("the identity has changed since it was shown")]
    IdentityMoved,
    /// There is no such thing (any more).
    #[error("there is no such thing here")]
    Unknown,
    /// The backup is damaged, or this is not its key.
    #[error("the backup is damaged, or this is not its key")]
    Backup,
    /// What was to be sent is not as its kind has to be.
    #[error(transparent)]
    Content(ContentError),
    /// There is too much of something.
    #[error("{what}: at most {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
    },
}

/// Whose turn it is after an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nobody's: the same call may work later.
    Retry,
    /// The app's: the call cannot work like this.
    Misuse,
    /// The user's: the store is damaged, or not opened with its key.
    Corrupt,
}

impl Error {
    /// Whose turn it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(StoreError::Corrupt(_)) => ErrorKind::Corrupt,
            Self::Store(_) => ErrorKind::Retry,
            _ => ErrorKind::Misuse,
        }
    }

    /// A record that every other row depends on cannot be read.
    pub(super) fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(StoreError::Corrupt(Box::new(error)))
    }
}

impl From<ContentError> for Error {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::TooLong { limit } => Self::Limit { what: "bytes of content", limit },
            ContentError::TooMuch { what, limit } => Self::Limit { what, limit },
            ContentError::Range | ContentError::Rule(_) => Self::Content(error),
        }
    }
}
