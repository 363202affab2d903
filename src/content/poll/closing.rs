//! The end of a poll.

use super::super::ContentError;
use super::super::refusal::{Refusal, fixed};
use super::{Answer, Choices, MAX_CHOICES};
use crate::crypto::Secret;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// The end of a poll of the same author's.
#[derive(Clone, PartialEq, Eq)]
pub struct Closing {
    message: MessageId,
    counts: Vec<u32>,
    answer: Option<Answer>,
}

impl Closing {
    pub(in crate::content) fn new(
        message: MessageId,
        counts: &[u32],
        answer: Option<&Answer>,
    ) -> Self {
        Self { message, counts: counts.to_vec(), answer: answer.cloned() }
    }

    /// Of which poll, among those of whoever sends this: nobody can close another's.
    #[must_use]
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// How often each choice was chosen, as the author says: for who came later. A
    /// [`Tally`](super::Tally) counts for itself.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// What the answer is said to be: [`Poll::answer_in`](super::Poll::answer_in) says
    /// whether it is.
    pub(super) fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    pub(in crate::content) fn check(&self) -> Result<(), ContentError> {
        ContentError::check("choices", self.counts.len(), MAX_CHOICES)
    }

    pub(in crate::content) fn from_raw(raw: &raw::Closing) -> Result<Self, Refusal> {
        let raw::Closing { message_id, counts, answer, salt } = raw;
        let answer = match salt.as_slice() {
            [] => None,
            salt => {
                let salt = Secret::from_slice(salt).ok_or(Refusal::Broken)?;
                Some(Answer::of(Choices::from_bits(*answer), salt))
            }
        };
        let message = MessageId::from_bytes(fixed(message_id)?);
        Ok(Self { message, counts: counts.clone(), answer })
    }

    pub(in crate::content) fn to_raw(&self) -> raw::Closing {
        let Self { message, counts, answer } = self;
        let answer = answer.as_ref();
        raw::Closing {
            message_id: message.as_bytes().to_vec(),
            counts: counts.clone(),
            answer: answer.map_or(0, |answer| answer.choices().to_bits()),
            salt: answer.map(|answer| answer.salt().expose().to_vec()).unwrap_or_default(),
        }
    }
}
