//! The answer to a quiz.

use rand_core::CryptoRng;

use super::Choices;
use crate::crypto::{Label, Secret, sha256};

/// The answer to a quiz, and what hides it until the quiz is closed.
///
/// Its author has to keep it until then ([`Self::to_bytes`]).
///
/// # Security
///
/// Whoever has it knows the answer: it is sent with the closing, not before.
pub struct Answer {
    choices: Choices,
    salt: Secret<32>,
}

impl Answer {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 36;

    /// These choices are right.
    #[must_use]
    pub fn new(choices: Choices, rng: &mut impl CryptoRng) -> Self {
        Self { choices, salt: Secret::random(rng) }
    }

    /// Which choices are right.
    #[must_use]
    pub fn choices(&self) -> Choices {
        self.choices
    }

    /// Its bytes, for an app to keep.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (salt, choices) = bytes.split_at_mut(32);
        salt.copy_from_slice(self.salt.expose());
        choices.copy_from_slice(&self.choices.to_bits().to_be_bytes());
        bytes
    }

    /// The answer of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (salt, choices) = bytes.split_at(32);
        let choices = choices.try_into().map_or(0, u32::from_be_bytes);
        let salt = Secret::init_with(|own| own.copy_from_slice(salt));
        Self { choices: Choices::from_bits(choices), salt }
    }

    pub(super) fn of(choices: Choices, salt: Secret<32>) -> Self {
        Self { choices, salt }
    }

    pub(super) fn salt(&self) -> &Secret<32> {
        &self.salt
    }

    /// What the quiz says of it: nothing, until it is there to compare.
    // H("subrosa/1 quiz answer" || 0x00 || salt || u32(answer))
    pub(crate) fn commitment(&self) -> [u8; 32] {
        let choices = self.choices.to_bits().to_be_bytes();
        sha256(&[Label::QUIZ_ANSWER.as_bytes(), &[0], self.salt.expose(), &choices])
    }
}

impl Clone for Answer {
    fn clone(&self) -> Self {
        Self { choices: self.choices, salt: self.salt.duplicate() }
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.choices == other.choices && self.salt.matches(other.salt.expose())
    }
}

impl Eq for Answer {}
