//! An attachment that is read as if it were plain.

use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::{AttachmentError, HEAD_LEN, Opener};
use crate::content::Pointer;

/// Reads a sealed attachment as if it were plain, from wherever one likes; one chunk of it
/// is in memory.
///
/// An error of kind [`InvalidData`](io::ErrorKind::InvalidData) is an [`AttachmentError`]: what
/// is there is not what the pointer names.
///
/// # Security
///
/// As for [`Opener`]. Whoever reads from the beginning to the end gets the last chunk only
/// if the digest is right; whoever jumps about can ask for that ([`check`](Self::check)).
pub struct Opened<R> {
    sealed: R,
    opener: Opener,
    /// Of the plaintext.
    position: u64,
    /// The chunk whose plaintext is in the opener's buffer.
    current: Option<u64>,
    /// Where `sealed` stands, if that is known.
    sealed_position: Option<u64>,
}

impl<R: Read + Seek> Opened<R> {
    pub(super) fn new(pointer: &Pointer, mut sealed: R) -> io::Result<Self> {
        let length = sealed.seek(SeekFrom::End(0))?;
        sealed.seek(SeekFrom::Start(0))?;
        let mut head = [0; HEAD_LEN];
        sealed.read_exact(&mut head).map_err(not_this)?;
        let opener = Opener::new(pointer, &head)?;
        if length != opener.sealed_len() {
            return Err(AttachmentError::NotThis.into());
        }
        let sealed_position = Some(opener.sealed_position());
        Ok(Self { sealed, opener, position: 0, current: None, sealed_position })
    }

    /// Reads the sealed bytes through, and finds whether they are those that the sender
    /// named: not even somebody else who has the pointer made them.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if they are not; others if they cannot be
    /// read.
    pub fn check(&mut self) -> io::Result<()> {
        if self.opener.is_checked() {
            return Ok(());
        }
        self.go_to(self.opener.unhashed())?;
        // The buffer is wiped if it fails.
        let current = self.current.take();
        self.opener.check_rest(&mut self.sealed).map_err(not_this)?;
        self.current = current;
        Ok(())
    }

    /// Whether all of it has been read in order, or [`check`](Self::check)ed, and is what
    /// the sender named.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.opener.is_checked()
    }

    /// How long it is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.opener.layout().length()
    }

    /// Puts `sealed` there; where it stands afterwards is not known.
    fn go_to(&mut self, place: u64) -> io::Result<()> {
        if self.sealed_position.take() != Some(place) {
            self.sealed.seek(SeekFrom::Start(place))?;
        }
        Ok(())
    }

    fn load(&mut self, index: u64) -> io::Result<()> {
        self.current = None;
        self.opener.seek(self.position);
        self.go_to(self.opener.sealed_position())?;
        let Some(mut chunk) = self.opener.next_chunk() else { return Ok(()) };
        self.sealed.read_exact(chunk.sealed()).map_err(not_this)?;
        chunk.open()?;
        self.current = Some(index);
        self.sealed_position = Some(self.opener.sealed_position());
        // What follows is padding: nothing that would be asked for.
        let read = index + 1;
        if read == self.opener.layout().filled_chunks() && self.opener.has_hashed(read) {
            self.check()?;
        }
        Ok(())
    }
}

impl<R: Read + Seek> BufRead for Opened<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.length() {
            return Ok(&[]);
        }
        let index = self.opener.layout().chunk_of(self.position);
        if self.current != Some(index) {
            self.load(index)?;
        }
        let into = self.position - self.opener.layout().start(index);
        let into = usize::try_from(into).unwrap_or(usize::MAX);
        Ok(self.opener.opened(index).get(into..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
    }
}

impl<R: Read + Seek> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(buffer)?;
        self.consume(amount);
        Ok(amount)
    }
}

impl<R: Read + Seek> Seek for Opened<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let before = "a position before the beginning";
        self.position =
            position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, before))?;
        Ok(self.position)
    }
}

/// What ends too early is something else.
fn not_this(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => AttachmentError::NotThis.into(),
        _ => error,
    }
}

impl<R> fmt::Debug for Opened<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("position", &self.position)
            .field("opener", &self.opener)
            .finish_non_exhaustive()
    }
}
