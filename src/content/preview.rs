//! What is behind a link.

use super::refusal::Refusal;
use super::secret_text::SecretText;
use super::{ContentError, Pointer};
use crate::wire::content as raw;

/// The longest address of a preview, in bytes: what browsers take.
pub const MAX_URL_LEN: usize = 2048;

/// The longest title of a preview, in bytes: two lines of a screen.
const MAX_PREVIEW_TITLE_LEN: usize = 300;

/// The longest description of a preview, in bytes: some lines of a screen.
const MAX_PREVIEW_DESCRIPTION_LEN: usize = 1000;

/// What the sender has seen behind a link of the text: no receiver has to ask there, and
/// so to say that they have read the message.
///
/// # Security
///
/// What it says is the sender's claim.
#[derive(Clone, PartialEq, Eq)]
pub struct Preview {
    url: SecretText,
    title: SecretText,
    description: SecretText,
    image: Option<Pointer>,
}

impl Preview {
    /// A preview of an address that stands in the text just like this.
    #[must_use]
    pub fn new(url: impl Into<String>, title: impl Into<String>) -> Self {
        let (url, title) = (SecretText::new(url), SecretText::new(title));
        Self { url, title, description: SecretText::default(), image: None }
    }

    /// The same with some sentences.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = SecretText::new(description);
        self
    }

    /// The same with an image.
    #[must_use]
    pub fn with_image(mut self, image: Pointer) -> Self {
        self.image = Some(image);
        self
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.as_str()
    }

    /// What it is about.
    #[must_use]
    pub fn description(&self) -> &str {
        self.description.as_str()
    }

    /// What it looks like.
    #[must_use]
    pub fn image(&self) -> Option<&Pointer> {
        self.image.as_ref()
    }

    /// Whether it is a preview of something in this text.
    pub(super) fn check(&self, text: &str) -> Result<(), ContentError> {
        let Self { url, title, description, image } = self;
        url.check("bytes of an address", MAX_URL_LEN)?;
        title.check("bytes of a title", MAX_PREVIEW_TITLE_LEN)?;
        description.check("bytes of a description", MAX_PREVIEW_DESCRIPTION_LEN)?;
        if url.is_empty() || !text.contains(url.as_str()) {
            return Err(ContentError::Rule("a preview is of an address in the text"));
        }
        image.as_ref().map_or(Ok(()), Pointer::check)
    }

    pub(super) fn from_raw(raw: &raw::Preview) -> Result<Self, Refusal> {
        let raw::Preview { url, title, description, image } = raw;
        Ok(Self {
            url: SecretText::new(url.as_str()),
            title: SecretText::new(title.as_str()),
            description: SecretText::new(description.as_str()),
            image: image.as_ref().map(Pointer::from_raw).transpose()?,
        })
    }

    pub(super) fn to_raw(&self) -> raw::Preview {
        let Self { url, title, description, image } = self;
        raw::Preview {
            url: url.to_raw(),
            title: title.to_raw(),
            description: description.to_raw(),
            image: image.as_ref().map(Pointer::to_raw),
        }
    }
}
