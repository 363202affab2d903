//! Sealing, a chunk at a time: no I/O, so that any app can.

use std::fmt;

use rand_core::CryptoRng;

use super::keys::Keys;
use super::layout::{HEAD_LEN, Layout, TAG_LEN};
use super::{AttachmentError, MAX_LEN};
use crate::content::Pointer;
use crate::crypto::{RunningHash, Secret, SecretBytes, seal_large};

/// Seals an attachment, a chunk at a time.
///
/// ```
/// use subrosa::attachment::Sealer;
/// # let mut file: &[u8] = b"a picture";
/// # let mut upload = Vec::new();
///
/// use std::io::{Read, Write};
/// let mut sealer = Sealer::new(9, "image/png", &mut rand::rng())?;
/// while let Some(mut chunk) = sealer.next_chunk() {
///     file.read_exact(chunk.plain())?; // or `.await?`
///     upload.write_all(chunk.seal())?;
/// }
/// let pointer = sealer.finish()?.at("https://example.com/8a7f");
/// # assert_eq!(pointer.length(), 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// Its key is drawn for it alone, and nothing is ever sealed twice: there is no way back to
/// a chunk. An upload that broke off goes on from sealed bytes that the app has kept (a
/// file, until it is up); without them, everything is sealed anew by another `Sealer`.
pub struct Sealer {
    secret: Secret<32>,
    keys: Keys,
    layout: Layout,
    media_type: String,
    /// The chunk that is sealed next.
    next: u64,
    hash: RunningHash,
    /// The head, and behind it one chunk and its tag.
    buffer: SecretBytes,
}

impl Sealer {
    /// Begins an attachment of that many bytes.
    ///
    /// # Errors
    ///
    /// [`AttachmentError::TooLong`] above [`MAX_LEN`], or with a media type of more than 255
    /// bytes.
    pub fn new(
        length: u64,
        media_type: &str,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, AttachmentError> {
        Self::with_secret(Secret::random(rng), length, media_type)
    }

    pub(crate) fn with_secret(
        secret: Secret<32>,
        length: u64,
        media_type: &str,
    ) -> Result<Self, AttachmentError> {
        const TOO_LONG: AttachmentError =
            AttachmentError::TooLong { what: "an attachment", limit: MAX_LEN };
        let keys = Keys::derive(&secret, length, media_type)?;
        let layout = Layout::of(length).ok_or(TOO_LONG)?;
        // No chunk is longer than the first. It never shrinks: all of it is wiped.
        let mut buffer = vec![0; HEAD_LEN + layout.chunk_len(0) + TAG_LEN];
        if let Some((head, _)) = buffer.split_at_mut_checked(HEAD_LEN) {
            head.copy_from_slice(keys.head.expose());
        }
        Ok(Self {
            secret,
            keys,
            layout,
            media_type: media_type.to_owned(),
            next: 0,
            hash: RunningHash::new(),
            buffer: SecretBytes::new(buffer),
        })
    }

    /// How many bytes it will be, sealed.
    #[must_use]
    pub fn sealed_len(&self) -> u64 {
        self.layout.sealed_len()
    }

    /// The next chunk, to be filled and sealed; `None` when there are no more. One that is
    /// dropped unsealed comes again.
    pub fn next_chunk(&mut self) -> Option<PlainChunk<'_>> {
        (self.next < self.layout.chunks()).then_some(PlainChunk { sealer: self })
    }

    /// What opens it. The app says where it is ([`Pointer::at`]).
    ///
    /// # Errors
    ///
    /// [`AttachmentError::Unfinished`] if there are chunks left to be sealed.
    pub fn finish(self) -> Result<Pointer, AttachmentError> {
        if self.next < self.layout.chunks() {
            return Err(AttachmentError::Unfinished);
        }
        let (digest, length) = (self.hash.digest(), self.layout.length());
        Ok(Pointer::new(self.secret, digest, length, self.media_type))
    }
}

/// A chunk of plaintext, on its way to be sealed.
pub struct PlainChunk<'a> {
    sealer: &'a mut Sealer,
}

impl<'a> PlainChunk<'a> {
    /// Where the next bytes of the attachment go: fill all of it. Empty where nothing but
    /// padding is left.
    pub fn plain(&mut self) -> &mut [u8] {
        let Sealer { layout, next, buffer, .. } = &mut *self.sealer;
        let room = buffer.get_mut(HEAD_LEN..HEAD_LEN + layout.plain_len(*next));
        room.unwrap_or_default()
    }

    /// Seals it; gives the sealed bytes that come next.
    #[must_use]
    pub fn seal(self) -> &'a [u8] {
        let Sealer { keys, layout, next, hash, buffer, .. } = self.sealer;
        let index = *next;
        *next += 1;
        let (plain, padded) = (layout.plain_len(index), layout.chunk_len(index));
        let end = HEAD_LEN + padded + TAG_LEN;
        let chunk = buffer.get_mut(HEAD_LEN..end).unwrap_or_default();
        if let Some((text, tag_room)) = chunk.split_at_mut_checked(padded) {
            text.get_mut(plain..).unwrap_or_default().fill(0);
            tag_room.copy_from_slice(&seal_large(&keys.chunks, &layout.nonce(index), text));
        }
        // The head goes with the first.
        let begin = if index == 0 { 0 } else { HEAD_LEN };
        let sealed = buffer.get(begin..end).unwrap_or_default();
        hash.update(sealed);
        sealed
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("next", &self.next)
            .field("chunks", &self.layout.chunks())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PlainChunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainChunk").field("index", &self.sealer.next).finish_non_exhaustive()
    }
}
