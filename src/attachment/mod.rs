//! Files of any size, sealed chunk by chunk for whoever is given the pointer (SPEC.md,
//! section 15).
//!
//! The sealed bytes go wherever the app puts files; the [`Pointer`] goes with a message.
//! Sealing and opening take the memory of one chunk, whatever the size.
//!
//! ```
//! use std::io::{Cursor, Read, Seek, SeekFrom};
//! use subrosa::attachment;
//!
//! let video = vec![7; 200_000]; // yours: a file
//! let mut blob = Vec::new(); // yours: a file that is uploaded
//! let pointer = attachment::seal(&video[..], 200_000, "video/mp4", &mut blob)?;
//! let pointer = pointer.at("https://example.com/8a7f");
//!
//! // At the other end, with the pointer and what was downloaded:
//! let mut opened = attachment::open(&pointer, Cursor::new(&blob))?;
//! opened.seek(SeekFrom::Start(150_000))?; // reads and verifies that chunk
//! let mut rest = Vec::new();
//! opened.read_to_end(&mut rest)?;
//! assert_eq!(rest, video[150_000..]);
//!
//! blob[70_000] ^= 1;
//! let mut damaged = attachment::open(&pointer, Cursor::new(&blob))?;
//! assert!(damaged.read_to_end(&mut rest).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On an async runtime, or to go on with a download that broke off, [`Sealer`] and [`Opener`]
//! do the same without any I/O, and `.await` stands between their steps:
//!
//! ```
//! use subrosa::attachment::{HEAD_LEN, Opener, Sealer};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! # let video = vec![7; 200_000];
//! # let (mut file, (mut upload, mut download)) = (&video[..], tokio::io::duplex(500_000));
//! # let mut player = Vec::new();
//! let mut sealer = Sealer::new(200_000, "video/mp4", &mut rand::rng())?;
//! while let Some(mut chunk) = sealer.next_chunk() {
//!     file.read_exact(chunk.plain()).await?;
//!     upload.write_all(chunk.seal()).await?;
//! }
//! let pointer = sealer.finish()?.at("https://example.com/8a7f");
//!
//! let mut head = [0; HEAD_LEN];
//! download.read_exact(&mut head).await?;
//! let mut opener = Opener::new(&pointer, &head)?;
//! while let Some(mut chunk) = opener.next_chunk() {
//!     download.read_exact(chunk.sealed()).await?;
//!     player.write_all(chunk.open()?).await?; // verified
//! }
//! # assert_eq!(player, video);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//!
//! No byte is given out of a chunk that was not verified. Bytes that were damaged, cut,
//! made longer or put in another order, those of another attachment, and a pointer with
//! another length or media type are refused, all with the same error. What the digest is for
//! beside that, [`Opener`] says. The size is padded: at most 12 % are added, and what shows
//! is one of few.

#[cfg(test)]
mod attacks;
mod keys;
mod layout;
mod opened;
mod opener;
mod sealer;

pub use layout::{CHUNK_LEN, HEAD_LEN, MAX_LEN};
pub use opened::Opened;
pub use opener::{Opener, SealedChunk};
pub use sealer::{PlainChunk, Sealer};

use std::io::{self, Read, Seek, Write};

use rand::TryRng;
use rand::rngs::SysRng;

pub use crate::content::Pointer;
use crate::crypto::Secret;

/// The longest media type, in bytes.
///
/// RFC 6838 allows 127 for each half of a name.
pub const MAX_MEDIA_TYPE_LEN: u16 = 255;

/// Seals `length` bytes of `plain` under a fresh key, and writes them to `sealed`.
///
/// The media type is what receivers are told the file is (`image/png`).
///
/// # Errors
///
/// What reading and writing give; [`AttachmentError::WrongLength`] if `plain` has fewer or
/// more bytes; [`AttachmentError::TooLong`]. Whatever it is: throw away what was written, and
/// seal anew.
pub fn seal(
    mut plain: impl Read,
    length: u64,
    media_type: &str,
    mut sealed: impl Write,
) -> io::Result<Pointer> {
    let mut drawn = Ok(());
    let secret = Secret::init_with(|bytes| drawn = SysRng.try_fill_bytes(bytes));
    drawn.map_err(io::Error::other)?;
    let mut sealer = Sealer::with_secret(secret, length, media_type)?;
    while let Some(mut chunk) = sealer.next_chunk() {
        plain.read_exact(chunk.plain()).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => AttachmentError::WrongLength.into(),
            _ => error,
        })?;
        sealed.write_all(chunk.seal())?;
    }
    match plain.read_exact(&mut [0]) {
        Ok(()) => return Err(AttachmentError::WrongLength.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    sealed.flush()?;
    Ok(sealer.finish()?)
}

/// Reads what was sealed as if it were plain; `sealed` is all of it, from its beginning to
/// its end.
///
/// # Errors
///
/// What reading gives; [`AttachmentError::NotThis`] if `sealed` is of another length, or begins
/// otherwise, than what the pointer names.
pub fn open<R: Read + Seek>(pointer: &Pointer, sealed: R) -> io::Result<Opened<R>> {
    Opened::new(pointer, sealed)
}

/// Why an attachment was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// Longer than can be: split it, or refuse the message it came with.
    #[error("{what} has at most {limit} bytes")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The most that it may be, in bytes.
        limit: u64,
    },
    /// There was more or less of it than was said: say its true length, and seal it anew.
    #[error("there are not as many bytes as was said")]
    WrongLength,
    /// Chunks are left to be sealed.
    #[error("the attachment has not been sealed to its end")]
    Unfinished,
    /// Damaged, or another attachment, or the pointer does not tell the truth. Says no more.
    #[error("this is not the attachment that the pointer names")]
    NotThis,
    /// Of another attachment, or damaged: begin anew.
    #[error("this is not how far this attachment has come")]
    Progress,
}

impl From<AttachmentError> for io::Error {
    fn from(error: AttachmentError) -> Self {
        let kind = match error {
            AttachmentError::NotThis => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
