//! Under which keys a person's state is on disk, and the parts of it that are not
//! records of the crate.

use std::collections::BTreeMap;
use std::io;

use subrosa::handshake::PrekeyId;
use subrosa::session::{Peer, PeerRow};

use crate::file::Pieces;
use crate::letter::Letter;
use crate::line::Mailbox;
use crate::note::Note;
use crate::store::{Batch, Table};

/// The first bytes of keys of which there are several.
const ONE_TIME_PREKEY: u8 = 3;
const LETTER: u8 = 11;
const PIECE: u8 = 13;

/// A row on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Device,
    Account,
    SignedPrekey,
    OneTimePrekey(PrekeyId),
    Replays,
    Mailbox,
    FriendsName,
    FriendsMailbox,
    FriendsList,
    Peer(PeerRow),
    Newest,
    Letter(u64),
    Have,
    Piece(u32),
}

impl Key {
    /// The key in the table.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let (kind, rest) = match self {
            Self::Device => (0, Vec::new()),
            Self::Account => (1, Vec::new()),
            Self::SignedPrekey => (2, Vec::new()),
            Self::OneTimePrekey(id) => (ONE_TIME_PREKEY, id.as_bytes().to_vec()),
            Self::Replays => (4, Vec::new()),
            Self::Mailbox => (5, Vec::new()),
            Self::FriendsName => (6, Vec::new()),
            Self::FriendsMailbox => (7, Vec::new()),
            Self::FriendsList => (8, Vec::new()),
            Self::Peer(row) => (9, row.to_key()),
            Self::Newest => (10, Vec::new()),
            Self::Letter(seq) => (LETTER, seq.to_be_bytes().to_vec()),
            Self::Have => (12, Vec::new()),
            Self::Piece(index) => (PIECE, index.to_be_bytes().to_vec()),
        };
        [vec![kind], rest].concat()
    }
}

/// What is on disk under a key.
pub(crate) fn find(table: &Table, key: Key) -> Option<&[u8]> {
    table.get(&key.to_bytes()).map(Vec::as_slice)
}

/// What must be on disk under a key.
pub(crate) fn need(table: &Table, key: Key) -> io::Result<&[u8]> {
    find(table, key).ok_or_else(|| damaged("a row is missing"))
}

/// The error for state that cannot be loaded.
pub(crate) fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Adds the rows that a step of the peer changed.
pub(crate) fn put_rows(batch: &mut Batch, peer: &Peer, rows: &[PeerRow]) {
    for row in rows {
        match peer.row(*row) {
            Some(bytes) => batch.put(Key::Peer(*row), &bytes),
            None => batch.delete(Key::Peer(*row)),
        }
    }
}

/// The peer on disk, if there is one.
pub(crate) fn peer(table: &Table) -> io::Result<Option<Peer>> {
    let Some(record) = find(table, Key::Peer(PeerRow::Peer)) else { return Ok(None) };
    // What is written from now on is at hand, so it may look its rows up in a copy.
    let rows = table.clone();
    let row = move |row| find(&rows, Key::Peer(row)).map(|bytes| bytes.to_vec().into());
    let loaded = Peer::from_record(record, row).map_err(io::Error::other)?;
    if loaded.damaged.is_empty() { Ok(Some(loaded.peer)) } else { Err(damaged("a session")) }
}

/// The mailbox on disk under a key.
pub(crate) fn mailbox(table: &Table, key: Key) -> io::Result<Mailbox> {
    Mailbox::from_bytes(need(table, key)?).ok_or_else(|| damaged("a mailbox's name"))
}

/// The records of the one-time prekeys that are left.
pub(crate) fn one_time_prekeys(table: &Table) -> impl Iterator<Item = &[u8]> {
    all(table, ONE_TIME_PREKEY).map(|(_, record)| record)
}

/// The messages that are not confirmed, by number.
pub(crate) fn outbox(table: &Table) -> io::Result<BTreeMap<u64, Letter>> {
    let letter = |(seq, record): (&[u8], _)| Ok((number(seq)?, Letter::from_record(record)?));
    all(table, LETTER).map(letter).collect()
}

/// The highest number that came.
pub(crate) fn have(table: &Table) -> io::Result<u64> {
    find(table, Key::Have).map_or(Ok(0), number)
}

/// The pieces of the file that is coming.
pub(crate) fn pieces(table: &Table) -> io::Result<Pieces> {
    let mut pieces = Pieces::default();
    for (_, record) in all(table, PIECE) {
        match Note::decode(record) {
            Some(Note::Piece(piece)) => pieces.add(&piece),
            _ => return Err(damaged("a piece of a file")),
        }
    }
    Ok(pieces)
}

fn number(bytes: &[u8]) -> io::Result<u64> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged("a number"))
}

/// All rows of a kind, with what follows the kind in their keys.
fn all(table: &Table, kind: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    let rows = table.range(vec![kind]..).map(|(key, value)| (key.split_at(1), &**value));
    rows.take_while(move |((first, _), _)| *first == [kind]).map(|((_, rest), value)| (rest, value))
}
