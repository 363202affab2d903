//! An image that says something.

use super::reaction::check_emoji;
use super::refusal::Refusal;
use super::secret_text::SecretText;
use super::{ContentError, Pointer};
use crate::wire::content as raw;

/// An image that says something by itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Sticker {
    image: Box<Pointer>,
    emoji: SecretText,
    width: u32,
    height: u32,
}

impl Sticker {
    /// This image, so many pixels wide and high, and what it says in one character.
    #[must_use]
    pub fn new(image: Pointer, width: u32, height: u32, emoji: impl Into<String>) -> Self {
        Self { image: Box::new(image), emoji: SecretText::new(emoji), width, height }
    }

    /// Where it is, and what opens it.
    #[must_use]
    pub fn image(&self) -> &Pointer {
        &self.image
    }

    /// What it says in one character.
    #[must_use]
    pub fn emoji(&self) -> &str {
        self.emoji.as_str()
    }

    /// In pixels; 0: not known.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// In pixels; 0: not known.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        check_emoji(&self.emoji)?;
        self.image.check()
    }

    pub(super) fn from_raw(raw: &raw::Sticker) -> Result<Self, Refusal> {
        let raw::Sticker { image, emoji, width, height } = raw;
        let image = Pointer::from_raw(image.as_ref().ok_or(Refusal::Broken)?)?;
        Ok(Self::new(image, *width, *height, emoji.as_str()))
    }

    pub(super) fn to_raw(&self) -> raw::Sticker {
        let Self { image, emoji, width, height } = self;
        raw::Sticker {
            image: Some(image.to_raw()),
            emoji: emoji.to_raw(),
            width: *width,
            height: *height,
        }
    }
}
