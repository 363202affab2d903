//! Files, and what is said of them together.

use super::refusal::{Refusal, all};
use super::{Attachment, ContentError, Pointer, Text};
use crate::wire::content as raw;

/// How many files a message can have: an album.
pub const MAX_ATTACHMENTS: usize = 32;

/// Files, and what is said of them together.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachments {
    items: Vec<Attachment>,
    caption: Option<Text>,
}

impl Attachments {
    /// The same with what is said of them.
    #[must_use]
    pub fn captioned(mut self, caption: impl Into<Text>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// The files: at least one, at most [`MAX_ATTACHMENTS`].
    #[must_use]
    pub fn items(&self) -> &[Attachment] {
        &self.items
    }

    /// What is said of them.
    #[must_use]
    pub fn caption(&self) -> Option<&Text> {
        self.caption.as_ref()
    }

    /// The caption, or the names.
    pub(super) fn summary(&self) -> String {
        match &self.caption {
            Some(caption) if !caption.as_str().is_empty() => caption.as_str().to_owned(),
            _ => self.items.iter().filter_map(Attachment::name).collect::<Vec<_>>().join(", "),
        }
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        let Self { items, caption } = self;
        if items.is_empty() {
            return Err(ContentError::Rule("attachments are at least one"));
        }
        ContentError::check("attachments", items.len(), MAX_ATTACHMENTS)?;
        caption.as_ref().map_or(Ok(()), Text::check)?;
        items.iter().try_for_each(Attachment::check)
    }

    pub(super) fn from_raw(raw: &raw::Attachments) -> Result<Self, Refusal> {
        let raw::Attachments { items, caption } = raw;
        let caption = caption.as_ref().map(Text::from_raw).transpose()?;
        caption.as_ref().map_or(Ok(()), Text::check)?;
        ContentError::check("attachments", items.len(), MAX_ATTACHMENTS)?;
        Ok(Self { items: all(items.iter().map(Attachment::from_raw))?, caption })
    }

    pub(super) fn to_raw(&self) -> raw::Attachments {
        let Self { items, caption } = self;
        raw::Attachments {
            items: items.iter().map(Attachment::to_raw).collect(),
            caption: caption.as_ref().map(Text::to_raw),
        }
    }
}

impl From<Vec<Attachment>> for Attachments {
    fn from(items: Vec<Attachment>) -> Self {
        Self { items, caption: None }
    }
}

impl From<Attachment> for Attachments {
    fn from(item: Attachment) -> Self {
        Self::from(vec![item])
    }
}

impl From<Pointer> for Attachments {
    fn from(pointer: Pointer) -> Self {
        Self::from(Attachment::from(pointer))
    }
}
