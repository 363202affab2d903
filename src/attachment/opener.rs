//! Opening, a chunk at a time: no I/O, so that any app can.

use std::fmt;
use std::io::{self, Read};

use zeroize::Zeroize;

use super::keys::Keys;
use super::layout::{HEAD_LEN, Layout, TAG_LEN};
use super::{AttachmentError, MAX_LEN};
use crate::content::Pointer;
use crate::crypto::{RunningHash, SecretBytes, open_large};

/// Bytes of the number in front of a progress, which follows the digest.
const NUMBER_LEN: usize = 8;

/// How much is read at a time of what is only hashed.
const HASHED_AT_ONCE: usize = 8 * 1024;

/// Opens an attachment, a chunk at a time, from its beginning or from any chunk.
///
/// ```
/// use subrosa::attachment::{HEAD_LEN, Opener};
/// # use subrosa::attachment;
/// # let mut blob = Vec::new();
/// # let pointer = attachment::seal(&b"a picture"[..], 9, "image/png", &mut blob)?;
/// # let mut download = &blob[..];
/// # let mut file = Vec::new();
///
/// use std::io::{Read, Write};
/// let mut head = [0; HEAD_LEN];
/// download.read_exact(&mut head)?; // or `.await?`
/// let mut opener = Opener::new(&pointer, &head)?;
/// while let Some(mut chunk) = opener.next_chunk() {
///     download.read_exact(chunk.sealed())?;
///     file.write_all(chunk.open()?)?;
/// }
/// // Only now is it known to be whole, and the sender's.
/// assert!(opener.is_checked());
/// # assert_eq!(file, b"a picture");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Resuming
///
/// Whoever writes the plaintext to a file also keeps what [`progress`](Self::progress) gives,
/// now and then: *first* the file is on the disk, then the progress. When the download has
/// broken off, [`resume`](Self::resume) gives an opener that goes on there: cut the file to
/// [`position`](Self::position), ask for the sealed bytes from
/// [`sealed_position`](Self::sealed_position) on, and append.
///
/// # Security
///
/// Each chunk is verified before a byte of it is given out: nobody made it who does not have
/// the pointer. That it was the sender and not somebody else who was given the pointer shows
/// when all chunks have come in order: the last one opens only if the digest is right.
pub struct Opener {
    keys: Keys,
    layout: Layout,
    digest: [u8; 32],
    /// The chunk that is opened next.
    next: u64,
    /// How many chunks, from the first on, are in `hash`.
    hashed: u64,
    hash: RunningHash,
    is_checked: bool,
    /// A chunk and its tag; where it was opened, its plaintext.
    buffer: SecretBytes,
}

impl Opener {
    /// Begins with the first bytes of what should be the sealed attachment.
    ///
    /// # Errors
    ///
    /// [`AttachmentError::NotThis`] if they are of something else than the pointer names, or
    /// the pointer of no attachment; [`AttachmentError::TooLong`] if it names more than there
    /// can be.
    pub fn new(pointer: &Pointer, head: &[u8; HEAD_LEN]) -> Result<Self, AttachmentError> {
        let mut opener = Self::of(pointer)?;
        if !opener.keys.head.matches(head) {
            return Err(AttachmentError::NotThis);
        }
        opener.hash.update(head);
        Ok(opener)
    }

    /// Goes on from a [`progress`](Self::progress) of the same attachment.
    ///
    /// # Errors
    ///
    /// [`AttachmentError::Progress`] if it is none of this attachment: begin anew.
    pub fn resume(pointer: &Pointer, progress: &[u8]) -> Result<Self, AttachmentError> {
        let mut opener = Self::of(pointer)?;
        let parts = progress.split_first_chunk::<32>();
        let parts = parts.filter(|(digest, _)| **digest == opener.digest);
        let parts = parts.and_then(|(_, rest)| rest.split_first_chunk::<NUMBER_LEN>());
        let (number, hash) = parts.ok_or(AttachmentError::Progress)?;
        let number = u64::from_be_bytes(*number);
        // The last chunk is hashed and checked in one.
        if number >= opener.layout.chunks() {
            return Err(AttachmentError::Progress);
        }
        opener.hash = RunningHash::load(hash).ok_or(AttachmentError::Progress)?;
        opener.hashed = number;
        opener.next = number;
        Ok(opener)
    }

    fn of(pointer: &Pointer) -> Result<Self, AttachmentError> {
        let keys = Keys::derive(pointer.key(), pointer.length(), pointer.media_type())?;
        let layout = Layout::of(pointer.length())
            .ok_or(AttachmentError::TooLong { what: "an attachment", limit: MAX_LEN })?;
        // No chunk is longer than the first. It never shrinks: all of it is wiped.
        let buffer = SecretBytes::new(vec![0; layout.chunk_len(0) + TAG_LEN]);
        Ok(Self {
            keys,
            layout,
            digest: *pointer.digest(),
            next: 0,
            hashed: 0,
            hash: RunningHash::new(),
            is_checked: false,
            buffer,
        })
    }

    /// What [`resume`](Self::resume) needs to go on from here, without what has been opened
    /// out of turn. Not secret, but nobody else may change it.
    ///
    /// `None` before the first chunk, and when all have come.
    #[must_use]
    pub fn progress(&self) -> Option<Vec<u8>> {
        (0 < self.hashed && self.hashed < self.layout.chunks()).then(|| {
            [&self.digest, self.hashed.to_be_bytes().as_slice(), &self.hash.save()].concat()
        })
    }

    /// Goes to the chunk that this byte of the attachment is in; back and forth as one likes.
    pub fn seek(&mut self, position: u64) {
        self.next = self.layout.chunk_of(position);
    }

    /// The byte of the attachment that the next chunk begins with.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.layout.start(self.next)
    }

    /// Where the next chunk begins in the sealed bytes.
    #[must_use]
    pub fn sealed_position(&self) -> u64 {
        self.layout.sealed_start(self.next)
    }

    /// How many bytes it is, sealed. What is longer or shorter is something else.
    #[must_use]
    pub fn sealed_len(&self) -> u64 {
        self.layout.sealed_len()
    }

    /// The next chunk, to be filled and opened; `None` behind the last one. One that is
    /// dropped, or does not open, comes again.
    pub fn next_chunk(&mut self) -> Option<SealedChunk<'_>> {
        (self.next < self.layout.chunks()).then_some(SealedChunk { opener: self })
    }

    /// Whether all sealed bytes have been seen in order, and are those that the sender
    /// named.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.is_checked
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the chunks came in order up to this one.
    pub(super) fn has_hashed(&self, chunks: u64) -> bool {
        self.hashed == chunks
    }

    /// Where in the sealed bytes the first chunk begins that has not come in order.
    pub(super) fn unhashed(&self) -> u64 {
        self.layout.sealed_start(self.hashed)
    }

    /// The plaintext that is in the buffer, of the chunk that was opened last.
    pub(super) fn opened(&self, index: u64) -> &[u8] {
        self.buffer.get(..self.layout.plain_len(index)).unwrap_or_default()
    }

    /// Checks the digest by the sealed bytes from [`Self::unhashed`] on, without opening
    /// them. What is in the buffer stays if it is right.
    pub(super) fn check_rest(&mut self, sealed: &mut impl Read) -> io::Result<()> {
        let mut part = [0; HASHED_AT_ONCE];
        let mut left = self.layout.sealed_len() - self.unhashed();
        let mut hash = self.hash.clone();
        while left > 0 {
            let length = usize::try_from(left).map_or(HASHED_AT_ONCE, |left| left.min(part.len()));
            let part = part.get_mut(..length).unwrap_or_default();
            sealed.read_exact(part)?;
            hash.update(part);
            left = left.saturating_sub(u64::try_from(length).unwrap_or(left));
        }
        self.settle(hash)?;
        self.hashed = self.layout.chunks();
        Ok(())
    }

    /// All has come: is it what the sender named?
    fn settle(&mut self, hash: RunningHash) -> Result<(), AttachmentError> {
        if hash.digest() != self.digest {
            self.buffer.as_mut_slice().zeroize();
            return Err(AttachmentError::NotThis);
        }
        self.hash = hash;
        self.is_checked = true;
        Ok(())
    }
}

/// A chunk of sealed bytes, on its way to be opened.
pub struct SealedChunk<'a> {
    opener: &'a mut Opener,
}

impl<'a> SealedChunk<'a> {
    /// Where the next sealed bytes go: fill all of it.
    pub fn sealed(&mut self) -> &mut [u8] {
        let Opener { layout, next, buffer, .. } = &mut *self.opener;
        buffer.get_mut(..layout.chunk_len(*next) + TAG_LEN).unwrap_or_default()
    }

    /// The plaintext; empty where the chunk is nothing but padding.
    ///
    /// # Errors
    ///
    /// [`AttachmentError::NotThis`] if it is not this chunk of the attachment, or the last of
    /// all and the digest is not right; nothing has been given out of it.
    pub fn open(self) -> Result<&'a [u8], AttachmentError> {
        let opener = self.opener;
        let index = opener.next;
        let padded = opener.layout.chunk_len(index);
        let chunk = opener.buffer.get_mut(..padded + TAG_LEN).unwrap_or_default();
        let hash = (index == opener.hashed).then(|| {
            let mut hash = opener.hash.clone();
            hash.update(chunk);
            hash
        });
        let (text, tag) = chunk.split_at_mut_checked(padded).ok_or(AttachmentError::NotThis)?;
        let tag = tag.first_chunk::<TAG_LEN>().ok_or(AttachmentError::NotThis)?;
        open_large(&opener.keys.chunks, &opener.layout.nonce(index), text, tag)
            .map_err(|_| AttachmentError::NotThis)?;
        if let Some(hash) = hash {
            if index + 1 == opener.layout.chunks() {
                opener.settle(hash)?;
            } else {
                opener.hash = hash;
            }
            opener.hashed = index + 1;
        }
        opener.next = index + 1;
        Ok(opener.opened(index))
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("next", &self.next)
            .field("chunks", &self.layout.chunks())
            .field("is_checked", &self.is_checked)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SealedChunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedChunk").field("index", &self.opener.next).finish_non_exhaustive()
    }
}
