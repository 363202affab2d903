//! What someone feels about a message.

use super::refusal::Refusal;
use super::secret_text::SecretText;
use super::{ContentError, Reference};
use crate::wire::content as raw;

/// The longest emoji, in bytes: a couple of two skin tones has 35.
pub const MAX_EMOJI_LEN: usize = 48;

/// What someone feels about a message, in one character.
///
/// One account has one reaction to a message; of several the one with the highest
/// `sent_at` counts, and of equal ones the one with the higher message id.
#[derive(Clone, PartialEq, Eq)]
pub struct Reaction {
    to: Reference,
    emoji: SecretText,
}

impl Reaction {
    /// This about that; an empty one takes back what was there.
    pub(super) fn new(to: Reference, emoji: impl Into<String>) -> Self {
        Self { to, emoji: SecretText::new(emoji) }
    }

    /// About which message. There may be none: whoever sends it says so.
    #[must_use]
    pub fn to(&self) -> &Reference {
        &self.to
    }

    /// What; `None`: nothing any more.
    #[must_use]
    pub fn emoji(&self) -> Option<&str> {
        (!self.emoji.is_empty()).then(|| self.emoji.as_str())
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        check_emoji(&self.emoji)
    }

    pub(super) fn from_raw(raw: &raw::Reaction) -> Result<Self, Refusal> {
        let raw::Reaction { to, emoji } = raw;
        Ok(Self::new(Reference::from_raw(to.as_ref())?, emoji.as_str()))
    }

    pub(super) fn to_raw(&self) -> raw::Reaction {
        raw::Reaction { to: Some(self.to.to_raw()), emoji: self.emoji.to_raw() }
    }
}

/// Whether something is short, and turns nothing around.
pub(super) fn check_emoji(emoji: &SecretText) -> Result<(), ContentError> {
    emoji.check("bytes of an emoji", MAX_EMOJI_LEN)?;
    let is_no_part = |character: char| {
        character.is_control()
            || character.is_whitespace()
            || matches!(
                character,
                '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            )
    };
    if emoji.as_str().contains(is_no_part) {
        return Err(ContentError::Rule("an emoji is seen as it is"));
    }
    Ok(())
}
