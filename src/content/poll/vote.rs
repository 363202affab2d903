//! What somebody chooses.

use super::super::Reference;
use super::super::refusal::Refusal;
use super::Choices;
use crate::wire::content as raw;

/// What somebody chooses. Of several votes of one account the one with the highest
/// `sent_at` counts, and of equal ones the one with the higher message id.
#[derive(Clone, PartialEq, Eq)]
pub struct Vote {
    poll: Reference,
    choices: Choices,
}

impl Vote {
    pub(in crate::content) fn new(poll: Reference, choices: Choices) -> Self {
        Self { poll, choices }
    }

    /// In which poll. There may be none: whoever votes says so.
    #[must_use]
    pub fn poll(&self) -> &Reference {
        &self.poll
    }

    /// What; none: the vote is taken back.
    #[must_use]
    pub fn choices(&self) -> Choices {
        self.choices
    }

    pub(in crate::content) fn from_raw(raw: &raw::Vote) -> Result<Self, Refusal> {
        let raw::Vote { poll, choices } = raw;
        let poll = Reference::from_raw(poll.as_ref())?;
        Ok(Self { poll, choices: Choices::from_bits(*choices) })
    }

    pub(in crate::content) fn to_raw(&self) -> raw::Vote {
        let Self { poll, choices } = self;
        raw::Vote { poll: Some(poll.to_raw()), choices: choices.to_bits() }
    }
}
