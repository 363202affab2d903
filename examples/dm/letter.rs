//! Messages that are kept until they are confirmed, and their records.

use std::io;

use subrosa::wire::MessageId;

use crate::saved::damaged;

/// A message of our own by number and id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbered {
    pub(crate) seq: u64,
    pub(crate) id: MessageId,
}

/// A message that is not confirmed, with all that it takes to send it again.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: MessageId,
    /// The numbered message before it.
    pub(crate) before: Option<Numbered>,
    pub(crate) content: Vec<u8>,
}

impl Numbered {
    /// The record.
    pub(crate) fn record(self) -> Vec<u8> {
        [&self.seq.to_be_bytes()[..], self.id.as_bytes()].concat()
    }

    fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (seq, rest) = record.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (seq, id) = (u64::from_be_bytes(*seq), MessageId::from_bytes(*id));
        Some((Self { seq, id }, rest))
    }

    /// The message that [`Self::record`] was made of.
    pub(crate) fn from_record(record: &[u8]) -> io::Result<Self> {
        match Self::split(record) {
            Some((numbered, [])) => Ok(numbered),
            _ => Err(damaged("a message's number")),
        }
    }
}

impl Letter {
    /// The record.
    pub(crate) fn record(&self) -> Vec<u8> {
        let Self { id, before, content } = self;
        let before = before.map_or([0; 24].to_vec(), Numbered::record);
        [id.as_bytes(), &before[..], content].concat()
    }

    /// The letter that [`Self::record`] was made of.
    pub(crate) fn from_record(record: &[u8]) -> io::Result<Self> {
        let damaged = || damaged("a letter");
        let (id, rest) = record.split_first_chunk().ok_or_else(damaged)?;
        let (before, content) = Numbered::split(rest).ok_or_else(damaged)?;
        let before = (before.seq != 0).then_some(before);
        Ok(Self { id: MessageId::from_bytes(*id), before, content: content.to_vec() })
    }
}
