//! Another text for what was said.

use super::refusal::{Refusal, fixed};
use super::{ContentError, Text};
use crate::wire::MessageId;
use crate::wire::content as raw;

/// Another text for a message of the same author's: in place of its text, or of the caption
/// of its attachments.
///
/// Of several the one with the highest `sent_at` counts, and of equal ones the one with the
/// higher message id.
#[derive(Clone, PartialEq, Eq)]
pub struct Edit {
    message: MessageId,
    text: Text,
}

impl Edit {
    pub(super) fn new(message: MessageId, text: Text) -> Self {
        Self { message, text }
    }

    /// Of which message, among those of whoever sends this: nobody can name another's.
    #[must_use]
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// What it says from now on.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.text
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        self.text.check()
    }

    pub(super) fn from_raw(raw: &raw::Edit) -> Result<Self, Refusal> {
        let raw::Edit { message_id, text } = raw;
        let text = Text::from_raw(text.as_ref().ok_or(Refusal::Broken)?)?;
        Ok(Self::new(MessageId::from_bytes(fixed(message_id)?), text))
    }

    pub(super) fn to_raw(&self) -> raw::Edit {
        let Self { message, text } = self;
        raw::Edit { message_id: message.as_bytes().to_vec(), text: Some(text.to_raw()) }
    }
}
