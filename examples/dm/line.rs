//! The relay's protocol, and a client's end of it.
//!
//! A request or reply is a frame: its length in four bytes, big-endian, and so many
//! bytes. A request is `operation (1) || length of the name (1) || name || bytes`, a
//! reply `found (1) || bytes`. Bundles are kept under users' names, envelopes under
//! mailboxes' names; the relay knows nothing else.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rand::Rng as _;
use subrosa::UserId;

/// The longest frame; more than any envelope or bundle with a name in front.
const MAX_FRAME_LEN: usize = 512 * 1024;

/// How long either end waits for the other.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An opaque name under which a relay keeps envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mailbox([u8; 16]);

impl Mailbox {
    /// A new random name.
    pub(crate) fn generate() -> Self {
        let mut name = [0; 16];
        rand::rng().fill_bytes(&mut name);
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

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Keep a prekey bundle of the named user.
    Publish = 1,
    /// Hand out a prekey bundle of the named user.
    Fetch = 2,
    /// Keep an envelope in the named mailbox.
    Put = 3,
    /// Hand out the next envelope of the named mailbox, and forget it. (A real mailbox
    /// forgets only what was acknowledged; here it counts among what the relay loses.)
    Take = 4,
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
            4 => Operation::Take,
            _ => return None,
        };
        let (name, bytes) = rest.split_at_checked((*length).into())?;
        Some(Self { operation, name, bytes })
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let Self { operation, name, bytes } = self;
        let length = u8::try_from(name.len()).map_err(io::Error::other)?;
        Ok([&[*operation as u8, length], *name, *bytes].concat())
    }
}

/// Sets a connection up, at either end.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))
}

/// Reads one frame.
pub(crate) fn read_frame(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME_LEN {
        return Err(io::Error::other("the frame is too long"));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

/// Writes one frame, in one piece.
pub(crate) fn write_frame(mut to: impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), frame].concat())
}

/// A client's connection to the relay.
#[derive(Debug)]
pub(crate) struct Line(TcpStream);

impl Line {
    /// Connects.
    pub(crate) fn open(relay: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&relay, TIMEOUT)?;
        prepare(&stream)?;
        Ok(Self(stream))
    }

    /// Publishes a prekey bundle.
    pub(crate) fn publish(&mut self, user: &UserId, bundle: &[u8]) -> io::Result<()> {
        self.ask(Operation::Publish, user.as_bytes(), bundle).map(drop)
    }

    /// Fetches a prekey bundle.
    pub(crate) fn fetch(&mut self, user: &UserId) -> io::Result<Vec<u8>> {
        self.ask(Operation::Fetch, user.as_bytes(), &[])?
            .ok_or_else(|| io::Error::other("the directory has no prekeys of this user"))
    }

    /// Leaves an envelope.
    pub(crate) fn put(&mut self, mailbox: Mailbox, envelope: &[u8]) -> io::Result<()> {
        self.ask(Operation::Put, mailbox.as_bytes(), envelope).map(drop)
    }

    /// Takes the next envelope, if there is one.
    pub(crate) fn take(&mut self, mailbox: Mailbox) -> io::Result<Option<Vec<u8>>> {
        self.ask(Operation::Take, mailbox.as_bytes(), &[])
    }

    fn ask(
        &mut self,
        operation: Operation,
        name: &[u8],
        bytes: &[u8],
    ) -> io::Result<Option<Vec<u8>>> {
        write_frame(&self.0, &Request { operation, name, bytes }.encode()?)?;
        match read_frame(&self.0)?.split_first() {
            Some((1, found)) => Ok(Some(found.to_vec())),
            Some((0, [])) => Ok(None),
            _ => Err(io::Error::other("the relay refused")),
        }
    }
}
