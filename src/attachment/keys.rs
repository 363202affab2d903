//! What follows from an attachment's secret (SPEC.md, section 15.2).

use super::{AttachmentError, HEAD_LEN, MAX_LEN, MAX_MEDIA_TYPE_LEN};
use crate::crypto::{Label, Secret, expand};

/// The key of every chunk, and the head in front of them.
pub(super) struct Keys {
    pub(super) chunks: Secret<32>,
    /// Commits to the secret, the length and the media type: no other head opens.
    pub(super) head: Secret<HEAD_LEN>,
}

impl Keys {
    /// The keys of an attachment of that length and media type.
    // key || head = Expand(secret, "subrosa/1 attachment" || u64(length) || lp(media type), 64)
    pub(super) fn derive(
        secret: &Secret<32>,
        length: u64,
        media_type: &str,
    ) -> Result<Self, AttachmentError> {
        if length > MAX_LEN {
            return Err(AttachmentError::TooLong { what: "an attachment", limit: MAX_LEN });
        }
        let limit = MAX_MEDIA_TYPE_LEN;
        let type_len = u16::try_from(media_type.len()).ok().filter(|len| *len <= limit);
        let type_len = type_len
            .ok_or(AttachmentError::TooLong { what: "a media type", limit: limit.into() })?;
        let both: Secret<64> = expand(
            secret,
            Label::ATTACHMENT,
            &[&length.to_be_bytes(), &type_len.to_be_bytes(), media_type.as_bytes()],
        );
        let (chunks, head) = both.split();
        Ok(Self { chunks, head })
    }
}
