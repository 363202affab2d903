//! One file, and what is shown before it is there.

use std::time::Duration;

use super::refusal::Refusal;
use super::secret_text::SecretText;
use super::{ContentError, Pointer, display};
use crate::crypto::SecretBytes;
use crate::wire::content as raw;

/// The longest name of a file, in bytes: that of file systems.
const MAX_FILE_NAME_LEN: usize = 255;

/// The longest description of what is to be seen or heard, in bytes: a paragraph.
const MAX_DESCRIPTION_LEN: usize = 1000;

/// The largest thumbnail, in bytes: some 100 pixels wide as WebP. Two with all that belongs
/// to them still fit a message with a caption of pages.
pub const MAX_THUMBNAIL_LEN: usize = 16 * 1024;

/// The longest blurhash, in bytes: its largest, of nine by nine components, has 166.
const MAX_BLURHASH_LEN: usize = 166;

/// The finest waveform, in steps: more than a phone has room for.
pub const MAX_WAVEFORM_LEN: usize = 256;

/// One file, and what is shown before it is there.
///
/// # Security
///
/// All but what the pointer leads to is the sender's claim: a file may be another than it is
/// said to be. Images and sounds of strangers are for a decoder that can stand them.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    pointer: Pointer,
    form: Form,
    name: SecretText,
    description: SecretText,
    thumbnail: SecretBytes,
    blurhash: SecretText,
}

/// How a file is to be shown.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// As a file.
    File,
    /// As an image.
    Image {
        /// In pixels; 0: not known.
        width: u32,
        /// In pixels; 0: not known.
        height: u32,
    },
    /// As a video.
    Video {
        /// In pixels; 0: not known.
        width: u32,
        /// In pixels; 0: not known.
        height: u32,
        /// In whole milliseconds; zero: not known.
        duration: Duration,
    },
    /// As something spoken, to be listened to in place.
    Voice {
        /// In whole milliseconds; zero: not known.
        duration: Duration,
        /// How loud it is, in steps of equal length; at most [`MAX_WAVEFORM_LEN`].
        waveform: Vec<u8>,
    },
}

impl Attachment {
    /// What this leads to, to be shown in that form.
    #[must_use]
    pub fn new(pointer: Pointer, form: Form) -> Self {
        Self {
            pointer,
            form,
            name: SecretText::default(),
            description: SecretText::default(),
            thumbnail: SecretBytes::default(),
            blurhash: SecretText::default(),
        }
    }

    /// The same with the name of the file.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = SecretText::new(name);
        self
    }

    /// The same with what is to be seen or heard, for whoever cannot.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = SecretText::new(description);
        self
    }

    /// The same with a small image (JPEG or WebP), at most [`MAX_THUMBNAIL_LEN`] bytes.
    #[must_use]
    pub fn with_thumbnail(mut self, image: impl Into<Vec<u8>>) -> Self {
        self.thumbnail = SecretBytes::new(image.into());
        self
    }

    /// The same with a small image as <https://blurha.sh> writes it.
    #[must_use]
    pub fn with_blurhash(mut self, blurhash: impl Into<String>) -> Self {
        self.blurhash = SecretText::new(blurhash);
        self
    }

    /// Where it is, and what opens it.
    #[must_use]
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// How it is to be shown.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The name of the file, fit to be shown ([`display::file_name`]); `None` if it has
    /// none.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        (!self.name.is_empty()).then(|| display::file_name(self.name.as_str()))
    }

    /// What is to be seen or heard; empty if nothing is said of it.
    #[must_use]
    pub fn description(&self) -> &str {
        self.description.as_str()
    }

    /// A small image; empty if there is none.
    #[must_use]
    pub fn thumbnail(&self) -> &[u8] {
        &self.thumbnail
    }

    /// A small image as <https://blurha.sh> writes it; empty if there is none.
    #[must_use]
    pub fn blurhash(&self) -> &str {
        self.blurhash.as_str()
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        let Self { pointer, form, name, description, thumbnail, blurhash } = self;
        name.check("bytes of a file name", MAX_FILE_NAME_LEN)?;
        description.check("bytes of a description", MAX_DESCRIPTION_LEN)?;
        blurhash.check("bytes of a blurhash", MAX_BLURHASH_LEN)?;
        ContentError::check("bytes of a thumbnail", thumbnail.len(), MAX_THUMBNAIL_LEN)?;
        if let Form::Voice { waveform, .. } = form {
            ContentError::check("steps of a waveform", waveform.len(), MAX_WAVEFORM_LEN)?;
        }
        pointer.check()
    }

    pub(super) fn from_raw(raw: &raw::Attachment) -> Result<Self, Refusal> {
        let pointer = raw.pointer.as_ref().ok_or(Refusal::Broken)?;
        let attachment = Self {
            pointer: Pointer::from_raw(pointer)?,
            form: Form::File,
            name: SecretText::new(raw.name.as_str()),
            description: SecretText::new(raw.description.as_str()),
            thumbnail: SecretBytes::new(raw.thumbnail.clone()),
            blurhash: SecretText::new(raw.blurhash.as_str()),
        };
        ContentError::check("steps of a waveform", raw.waveform.len(), MAX_WAVEFORM_LEN)?;
        attachment.check()?;
        Ok(Self { form: Form::from_raw(raw)?, ..attachment })
    }

    pub(super) fn to_raw(&self) -> raw::Attachment {
        let Self { pointer, form, name, description, thumbnail, blurhash } = self;
        let mut raw = raw::Attachment::default();
        raw.pointer = Some(pointer.to_raw());
        raw.name = name.to_raw();
        raw.description = description.to_raw();
        raw.thumbnail = thumbnail.to_vec();
        raw.blurhash = blurhash.to_raw();
        form.put(&mut raw);
        raw
    }
}

impl Form {
    fn from_raw(raw: &raw::Attachment) -> Result<Self, Refusal> {
        let (width, height) = (raw.width, raw.height);
        let duration = Duration::from_millis(raw.duration.into());
        Ok(match raw::AttachmentKind::try_from(raw.kind) {
            Err(_) | Ok(raw::AttachmentKind::Unspecified) => return Err(Refusal::Unknown),
            Ok(raw::AttachmentKind::File) => Self::File,
            Ok(raw::AttachmentKind::Image) => Self::Image { width, height },
            Ok(raw::AttachmentKind::Video) => Self::Video { width, height, duration },
            Ok(raw::AttachmentKind::Voice) => {
                Self::Voice { duration, waveform: raw.waveform.clone() }
            }
        })
    }

    fn put(&self, raw: &mut raw::Attachment) {
        let millis = |duration: &Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let kind = match self {
            Self::File => raw::AttachmentKind::File,
            Self::Image { width, height } => {
                (raw.width, raw.height) = (*width, *height);
                raw::AttachmentKind::Image
            }
            Self::Video { width, height, duration } => {
                (raw.width, raw.height) = (*width, *height);
                raw.duration = millis(duration);
                raw::AttachmentKind::Video
            }
            Self::Voice { duration, waveform } => {
                raw.duration = millis(duration);
                raw.waveform.clone_from(waveform);
                raw::AttachmentKind::Voice
            }
        };
        raw.kind = kind.into();
    }
}

impl From<Pointer> for Attachment {
    /// A file without a name.
    fn from(pointer: Pointer) -> Self {
        Self::new(pointer, Form::File)
    }
}
