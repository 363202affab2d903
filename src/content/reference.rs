//! What names a message.

use super::refusal::{Refusal, fixed};
use crate::address::UserId;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// What names a message: its author, and the id that this author gave it.
///
/// An id alone is not enough: whoever knows one can give it to another message of theirs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Reference {
    /// Who wrote it, as the keys have proven.
    pub author: UserId,
    /// Which of their messages it is.
    pub message: MessageId,
}

impl Reference {
    /// The message of this author's with that id.
    #[must_use]
    pub fn new(author: UserId, message: MessageId) -> Self {
        Self { author, message }
    }

    pub(super) fn from_raw(raw: Option<&raw::Reference>) -> Result<Self, Refusal> {
        let raw::Reference { author, message_id } = raw.ok_or(Refusal::Broken)?;
        let author = UserId::new(author).map_err(|_| Refusal::Broken)?;
        Ok(Self { author, message: MessageId::from_bytes(fixed(message_id)?) })
    }

    pub(super) fn to_raw(&self) -> raw::Reference {
        let Self { author, message } = self;
        raw::Reference {
            author: author.as_bytes().to_vec(),
            message_id: message.as_bytes().to_vec(),
        }
    }
}
