//! What a client and the relay say to each other.
//!
//! A request or reply is a frame: its length in four bytes, big-endian, and so many
//! bytes. A request is `operation (1) || length of the name (1) || name || bytes`, a
//! reply `kind (1) || bytes`. Names are of users (`Fetch`), of blobs (`Append`, `Read`) or of
//! mailboxes.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subrosa::Address;

/// The longest frame; more than any page, envelope or publication with a name in front.
pub(crate) const MAX_FRAME_LEN: usize = 1024 * 1024;

/// How long either end waits for the other.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// An opaque name under which a relay keeps envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mailbox([u8; 16]);

impl Mailbox {
    /// The mailbox of a device, as everybody can work it out. (To hide even from a relay
    /// that guesses whose it is, an app gives random names to its friends.)
    pub(crate) fn of(device: &Address) -> Self {
        let mut hash = Sha256::new_with_prefix(b"mailbox");
        hash.update(device.device.get().to_be_bytes());
        hash.update(device.user.as_bytes());
        let mut name = [0; 16];
        name.copy_from_slice(&hash.finalize()[..16]);
        Self(name)
    }

    /// The mailbox with this name.
    pub(crate) fn from_bytes(name: &[u8]) -> Option<Self> {
        name.try_into().ok().map(Self)
    }

    /// Its name.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The first two bytes, enough for a transcript.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "{a:02x}{b:02x}")
    }
}

/// An envelope in a mailbox.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// What names it when it is deleted.
    pub(crate) number: u64,
    pub(crate) envelope: Vec<u8>,
}

impl Mail {
    /// Adds `number (8) || length (4) || envelope` to a page.
    pub(crate) fn append_to(&self, page: &mut Vec<u8>) {
        let length = u32::try_from(self.envelope.len()).unwrap_or_default();
        page.extend(self.number.to_be_bytes());
        page.extend(length.to_be_bytes());
        page.extend(&self.envelope);
    }

    /// What is in a page.
    pub(crate) fn of_page(mut page: &[u8]) -> Vec<Self> {
        let mut mails = Vec::new();
        while let Some((mail, rest)) = Self::split(page) {
            mails.push(mail);
            page = rest;
        }
        mails
    }

    fn split(page: &[u8]) -> Option<(Self, &[u8])> {
        let (number, rest) = page.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (envelope, rest) = rest.split_at_checked(length)?;
        Some((Self { number: u64::from_be_bytes(*number), envelope: envelope.to_vec() }, rest))
    }

    /// The bytes of a `Delete` of these.
    pub(crate) fn deletion(mails: &[Self]) -> Vec<u8> {
        mails.iter().flat_map(|mail| mail.number.to_be_bytes()).collect()
    }

    /// The numbers in the bytes of a `Delete`.
    pub(crate) fn numbers(bytes: &[u8]) -> impl Iterator<Item = u64> {
        bytes.as_chunks().0.iter().map(|number| u64::from_be_bytes(*number))
    }
}

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Takes a publication for the directory.
    Publish = 1,
    /// Hands out a bundle of the named user.
    Fetch = 2,
    /// Keeps an envelope in the named mailbox.
    Put = 3,
    /// Shows what is in front in the named mailbox.
    Page = 4,
    /// Deletes envelopes of the named mailbox, by their numbers.
    Delete = 5,
    /// Adds to the end of the named blob.
    Append = 6,
    /// Shows a part of the named blob: so many bytes (4) from there on (8).
    Read = 7,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    pub(crate) name: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The request in a frame.
    pub(crate) fn decode(frame: &'a [u8]) -> Option<Self> {
        let ([operation, length], rest) = frame.split_first_chunk()?;
        let operation = match operation {
            1 => Operation::Publish,
            2 => Operation::Fetch,
            3 => Operation::Put,
            4 => Operation::Page,
            5 => Operation::Delete,
            6 => Operation::Append,
            7 => Operation::Read,
            _ => return None,
        };
        let (name, bytes) = rest.split_at_checked((*length).into())?;
        Some(Self { operation, name, bytes })
    }

    /// The frame.
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        let Self { operation, name, bytes } = self;
        let length = u8::try_from(name.len()).map_err(io::Error::other)?;
        Ok([&[*operation as u8, length], *name, *bytes].concat())
    }
}

/// The relay's answer.
#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    Found(Vec<u8>),
    Refused,
}

impl Reply {
    /// The reply in a frame.
    pub(crate) fn decode(frame: &[u8]) -> io::Result<Self> {
        match frame.split_first() {
            Some((0, [])) => Ok(Self::Done),
            Some((1, found)) => Ok(Self::Found(found.to_vec())),
            Some((2, [])) => Ok(Self::Refused),
            _ => Err(io::Error::other("the relay does not make sense")),
        }
    }

    /// The frame.
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::Done => vec![0],
            Self::Found(bytes) => [&[1], &bytes[..]].concat(),
            Self::Refused => vec![2],
        }
    }
}

/// Sets a connection up, at either end.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))
}

/// The length of a frame that is not too long.
pub(crate) fn frame_length(length: [u8; 4]) -> io::Result<usize> {
    match usize::try_from(u32::from_be_bytes(length)) {
        Ok(length) if length <= MAX_FRAME_LEN => Ok(length),
        _ => Err(io::Error::other("the frame is too long")),
    }
}

/// Reads one frame.
pub(crate) fn read_frame(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = vec![0; frame_length(length)?];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

/// A frame with its length in front.
pub(crate) fn framed(frame: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), frame].concat())
}

/// Writes one frame, in one piece.
pub(crate) fn write_frame(mut to: impl Write, frame: &[u8]) -> io::Result<()> {
    to.write_all(&framed(frame)?)
}
