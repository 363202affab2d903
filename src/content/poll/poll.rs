//! A question with answers to choose from.

use super::super::ContentError;
use super::super::refusal::{Refusal, fixed};
use super::super::secret_text::SecretText;
use super::{Answer, Choices, Closing, MAX_CHOICES};
use crate::timestamp::Timestamp;
use crate::wire::content as raw;

/// The longest question, in bytes: a paragraph.
const MAX_QUESTION_LEN: usize = 1000;

/// The longest choice, in bytes: some lines.
const MAX_CHOICE_LEN: usize = 300;

/// A question with answers to choose from; a quiz, if one of them is right.
#[derive(Clone, PartialEq, Eq)]
pub struct Poll {
    question: SecretText,
    choices: Vec<SecretText>,
    most: u32,
    commitment: Option<Box<[u8; 32]>>,
    closes_at: Timestamp,
}

impl Poll {
    /// A question with 2 to [`MAX_CHOICES`] answers, of which each account chooses one.
    #[must_use]
    pub fn new<C: Into<String>>(
        question: impl Into<String>,
        choices: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            question: SecretText::new(question),
            choices: choices.into_iter().map(SecretText::new).collect(),
            most: 1,
            commitment: None,
            closes_at: Timestamp::default(),
        }
    }

    /// The same, where up to so many can be chosen.
    #[must_use]
    pub fn choose_up_to(mut self, most: usize) -> Self {
        self.most = u32::try_from(most).unwrap_or(u32::MAX);
        self
    }

    /// The same as a quiz: the answer is in it, and cannot be read until it is closed, nor
    /// be changed.
    #[must_use]
    pub fn with_answer(mut self, answer: &Answer) -> Self {
        self.commitment = Some(Box::new(answer.commitment()));
        self
    }

    /// The same, with the time when it is meant to be closed.
    #[must_use]
    pub fn closing_at(mut self, at: Timestamp) -> Self {
        self.closes_at = at;
        self
    }

    /// What is asked.
    #[must_use]
    pub fn question(&self) -> &str {
        self.question.as_str()
    }

    /// What there is to choose from.
    pub fn choices(&self) -> impl ExactSizeIterator<Item = &str> {
        self.choices.iter().map(SecretText::as_str)
    }

    /// How many can be chosen.
    #[must_use]
    pub fn most(&self) -> usize {
        usize::try_from(self.most).unwrap_or(MAX_CHOICES)
    }

    /// Whether one of the choices is right.
    #[must_use]
    pub fn is_quiz(&self) -> bool {
        self.commitment.is_some()
    }

    /// When it is meant to be closed, by its author's clock.
    #[must_use]
    pub fn closes_at(&self) -> Option<Timestamp> {
        (self.closes_at != Timestamp::default()).then_some(self.closes_at)
    }

    /// The answer that a closing of this quiz gives, if it is what the quiz had in it from
    /// the beginning.
    #[must_use]
    pub fn answer_in(&self, closing: &Closing) -> Option<Choices> {
        let answer = closing.answer()?;
        (self.commitment.as_deref() == Some(&answer.commitment())).then(|| answer.choices())
    }

    /// Whether so much can be chosen.
    pub(super) fn allows(&self, choices: Choices) -> bool {
        let within = choices.places().all(|place| place < self.choices.len());
        within && choices.count() <= self.most()
    }

    pub(in crate::content) fn check(&self) -> Result<(), ContentError> {
        let Self { question, choices, most: _, commitment: _, closes_at: _ } = self;
        question.check("bytes of a question", MAX_QUESTION_LEN)?;
        ContentError::check("choices", choices.len(), MAX_CHOICES)?;
        choices.iter().try_for_each(|choice| choice.check("bytes of a choice", MAX_CHOICE_LEN))?;
        if choices.len() < 2 || question.is_empty() || choices.iter().any(SecretText::is_empty) {
            return Err(ContentError::Rule("a poll has a question and two choices"));
        }
        if !(1..=choices.len()).contains(&self.most()) {
            return Err(ContentError::Rule("of a poll one choice is chosen, or some"));
        }
        Ok(())
    }

    pub(in crate::content) fn from_raw(raw: &raw::Poll) -> Result<Self, Refusal> {
        let raw::Poll { question, choices, most, commitment, closes_at } = raw;
        let commitment = match commitment.as_slice() {
            [] => None,
            commitment => Some(Box::new(fixed(commitment)?)),
        };
        Ok(Self {
            question: SecretText::new(question.as_str()),
            choices: choices.iter().map(|choice| SecretText::new(choice.as_str())).collect(),
            most: *most,
            commitment,
            closes_at: Timestamp::from_millis(*closes_at),
        })
    }

    pub(in crate::content) fn to_raw(&self) -> raw::Poll {
        let Self { question, choices, most, commitment, closes_at } = self;
        raw::Poll {
            question: question.to_raw(),
            choices: choices.iter().map(SecretText::to_raw).collect(),
            most: *most,
            commitment: commitment.as_ref().map(|hash| hash.to_vec()).unwrap_or_default(),
            closes_at: closes_at.as_millis(),
        }
    }
}
