//! A client's connection to the relay.

use std::io;
use std::net::{SocketAddr, TcpStream};

use subrosa::UserId;

use crate::relay::protocol::{
    Mail, Mailbox, Operation, Reply, Request, TIMEOUT, prepare, read_frame, write_frame,
};

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

    /// Gives something to the directory.
    pub(crate) fn publish(&mut self, publication: &[u8]) -> io::Result<()> {
        self.ask(Operation::Publish, &[], publication).map(drop)
    }

    /// Asks the directory for a user.
    pub(crate) fn fetch(&mut self, user: &UserId) -> io::Result<Vec<u8>> {
        self.ask(Operation::Fetch, user.as_bytes(), &[])
    }

    /// Leaves an envelope.
    pub(crate) fn put(&mut self, mailbox: Mailbox, envelope: &[u8]) -> io::Result<()> {
        self.ask(Operation::Put, mailbox.as_bytes(), envelope).map(drop)
    }

    /// What is in front in a mailbox; nothing if it is empty.
    pub(crate) fn page(&mut self, mailbox: Mailbox) -> io::Result<Vec<Mail>> {
        Ok(Mail::of_page(&self.ask(Operation::Page, mailbox.as_bytes(), &[])?))
    }

    /// Deletes these from a mailbox.
    pub(crate) fn delete(&mut self, mailbox: Mailbox, mails: &[Mail]) -> io::Result<()> {
        self.ask(Operation::Delete, mailbox.as_bytes(), &Mail::deletion(mails)).map(drop)
    }

    /// Adds to a blob.
    pub(crate) fn append(&mut self, blob: &str, part: &[u8]) -> io::Result<()> {
        self.ask(Operation::Append, blob.as_bytes(), part).map(drop)
    }

    /// So many bytes of a blob, from there on; nothing if they get lost on the way.
    pub(crate) fn read(&mut self, blob: &str, begin: u64, length: usize) -> Option<Vec<u8>> {
        let length = u32::try_from(length).ok()?.to_be_bytes();
        let bytes = [&length[..], &begin.to_be_bytes()].concat();
        self.ask(Operation::Read, blob.as_bytes(), &bytes).ok()
    }

    fn ask(&mut self, operation: Operation, name: &[u8], bytes: &[u8]) -> io::Result<Vec<u8>> {
        write_frame(&self.0, &Request { operation, name, bytes }.encode()?)?;
        match Reply::decode(&read_frame(&self.0)?)? {
            Reply::Done => Ok(Vec::new()),
            Reply::Found(bytes) => Ok(bytes),
            Reply::Refused => Err(io::Error::other("the relay refuses")),
        }
    }
}
