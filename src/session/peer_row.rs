//! The rows that a peer device's state is saved in.

use super::numbering::NumberRow;
use crate::handshake::HandshakeId;
use crate::ratchet::RowKey;

/// A row to be saved for a peer device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PeerRow {
    /// [`Peer`](super::Peer) itself.
    Peer,
    /// A session's record.
    Session(HandshakeId),
    /// A row beside a session's record.
    Beside(HandshakeId, RowKey),
    /// What was sent under a number.
    Sent(u64),
    /// What was received under a number.
    Received(u64),
}

impl PeerRow {
    /// A key for the row in a table of one peer device's rows; the same in every later
    /// version.
    #[must_use]
    pub fn to_key(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(42);
        match self {
            Self::Peer => key.push(0),
            Self::Session(id) => {
                key.push(1);
                key.extend_from_slice(id.as_bytes());
            }
            Self::Beside(id, row) => {
                key.push(2);
                key.extend_from_slice(id.as_bytes());
                let (kind, number) = match row {
                    RowKey::Skipped(number) => (0, number),
                    RowKey::Used(number) => (1, number),
                    RowKey::Shards(number) => (2, number.into()),
                    RowKey::Answer => (3, 0),
                    RowKey::UsedBy(tag) => (4, tag.0),
                };
                key.push(kind);
                key.extend_from_slice(&number.to_be_bytes());
            }
            Self::Sent(seq) => {
                key.push(3);
                key.extend_from_slice(&seq.to_be_bytes());
            }
            Self::Received(seq) => {
                key.push(4);
                key.extend_from_slice(&seq.to_be_bytes());
            }
        }
        key
    }
}

impl From<NumberRow> for PeerRow {
    fn from(row: NumberRow) -> Self {
        match row {
            NumberRow::Sent(seq) => Self::Sent(seq),
            NumberRow::Received(seq) => Self::Received(seq),
        }
    }
}
