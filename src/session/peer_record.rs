//! A peer as stored records, and back (`stored.proto`, `Peer`).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::numbering::Numbering;
use super::peer::Peer;
use super::peer_sessions::MAX_SESSIONS;
use super::{PeerRow, RowKey, Rows, Session};
use crate::address::{Address, DeviceId, UserId};
use crate::handshake::HandshakeId;
use crate::ratchet::Saved;
use crate::wire::{DecodeError, stored};

/// A peer that was loaded.
#[derive(Debug)]
pub struct LoadedPeer {
    /// The peer.
    pub peer: Peer,
    /// Sessions whose records are damaged. They are gone: delete the rows whose keys begin
    /// like that of [`PeerRow::Beside`] with this id, and initiate another.
    pub damaged: Vec<HandshakeId>,
}

impl Peer {
    pub(super) fn record(&self) -> Zeroizing<Vec<u8>> {
        stored::encode(&stored::Peer {
            user_id: self.address.user.as_bytes().to_vec(),
            device_id: self.address.device.get(),
            highest_generation: self.highest_generation,
            next_ordinal: self.next_ordinal,
            numbering: Some(self.numbering.to_record()),
            sessions: self.sessions.iter().map(|session| session.id().0.to_vec()).collect(),
            account_key: self.account_key.map(|key| key.to_vec()).unwrap_or_default(),
            met: self.met,
        })
    }

    /// The peer whose [`PeerRow::Peer`] is `record`; `rows` is what was saved of
    /// [`Self::row`] (`.into()` makes a `Zeroizing` of a vector).
    ///
    /// `rows` is kept. Now it is asked for the sessions and for the keys of messages that
    /// may still come; for all else, the most of it, when it is needed.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: begin anew with [`Peer::new`].
    pub fn from_record(
        record: &[u8],
        rows: impl Rows + 'static,
    ) -> Result<LoadedPeer, DecodeError> {
        const WHAT: &str = "peer record";
        let malformed = DecodeError::Malformed(WHAT);
        let raw: stored::Peer = stored::decode(record, WHAT)?;
        let stored::Peer {
            user_id,
            device_id,
            highest_generation,
            next_ordinal,
            numbering,
            sessions: ids,
            account_key,
            met,
        } = &raw;
        let address = Address {
            user: UserId::new(user_id).map_err(|_| malformed)?,
            device: DeviceId::new(*device_id).ok_or(malformed)?,
        };
        let account_key = match account_key.as_slice() {
            [] => None,
            key => Some(stored::array(key, WHAT)?),
        };
        let rows: Arc<dyn Rows> = Arc::new(rows);
        let numbers = Arc::clone(&rows);
        let numbering = Numbering::from_record(
            numbering.as_ref().ok_or(malformed)?,
            Saved::new(move |number| numbers.row(PeerRow::from(number))),
        )?;
        let (mut sessions, mut damaged) = (Vec::new(), Vec::new());
        for id in ids.iter().take(MAX_SESSIONS) {
            let id = HandshakeId(stored::array(id, WHAT)?);
            let beside = Arc::clone(&rows);
            let session = rows.row(PeerRow::Session(id)).and_then(|record| {
                let row = move |key: RowKey| beside.row(PeerRow::Beside(id, key));
                Session::from_record(&record, row).ok()
            });
            match session.filter(|session| session.id() == id) {
                Some(session) => sessions.push(session),
                None => damaged.push(id),
            }
        }
        let peer = Self {
            address,
            account_key,
            met: *met,
            sessions,
            highest_generation: *highest_generation,
            next_ordinal: *next_ordinal,
            numbering,
        };
        Ok(LoadedPeer { peer, damaged })
    }
}
