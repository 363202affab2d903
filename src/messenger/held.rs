//! Envelopes that nobody here knows yet: kept within bounds, tried again when a key
//! arrives.

use super::due::Job;
use super::search::Peers;
use super::work::Work;
use super::{Error, table};
use crate::address::{Address, UserId};
use crate::store::Table;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::HeldEnvelope};

/// How many envelopes are held; then the oldest goes. A gap in the numbers finds it.
pub const MAX_HELD: usize = 256;

/// How many bytes of envelopes are held.
///
/// Thirty of the longest.
pub const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;

impl Work<'_> {
    /// Keeps an envelope.
    pub(super) fn hold(&mut self, envelope: &[u8], from: Option<&UserId>) -> Result<(), Error> {
        self.hold_in(table::HELD, envelope, from)?;
        // When there is time, every session is tried.
        self.set_due(Job::Held, &[], self.now)
    }

    /// The same, in one of the tables for it: each has room of its own.
    pub(super) fn hold_in(
        &mut self,
        table: Table,
        envelope: &[u8],
        from: Option<&UserId>,
    ) -> Result<(), Error> {
        let held = self.view.scan(table, &[], MAX_HELD + 1)?;
        let mut bytes: usize = held.iter().map(|(_, row)| row.len()).sum();
        let mut count = held.len();
        for (key, row) in held {
            if count < MAX_HELD && bytes.saturating_add(envelope.len()) <= MAX_HELD_BYTES {
                break;
            }
            (count, bytes) = (count - 1, bytes - row.len());
            self.view.delete(table, key);
        }
        let record = HeldEnvelope {
            envelope: envelope.to_vec(),
            claimed_from: from.map(|user| user.as_bytes().to_vec()).unwrap_or_default(),
            held_at: self.now.as_millis(),
            tried: false,
            ask_at: 0,
        };
        let key = self.next_order().to_be_bytes().to_vec();
        self.view.put(table, key, stored::encode(&record));
        Ok(())
    }

    /// New tags are known of this peer: what is held may be its own.
    pub(super) fn retry_held(&mut self, of: &Address) -> Result<(), Error> {
        if self.view.scan(table::HELD, &[], 1)?.is_empty() {
            return Ok(());
        }
        self.set_due(Job::Held, &table::of_device(of, &[]), self.now)
    }

    /// Once a day, what is held is gone through.
    pub(super) fn retry_held_now(&mut self) -> Result<(), Error> {
        self.set_due(Job::Held, &[], self.now)
    }

    /// Tries what is held once more: with this peer, or if none is named with every one
    /// that there is.
    pub(super) fn try_held(&mut self, of: Option<&Address>) -> Result<(), Error> {
        for (key, row) in self.view.scan(table::HELD, &[], MAX_HELD)? {
            let Ok(mut record) = stored::decode::<HeldEnvelope>(&row, "held envelope") else {
                self.view.delete(table::HELD, key);
                continue;
            };
            let from = UserId::new(&record.claimed_from).ok();
            let peers = match of {
                Some(peer) => Peers::One(peer),
                None if record.tried => Peers::ByTag,
                None => Peers::All,
            };
            let held_while_ahead = record.held_at > self.now.as_millis();
            record.held_at = record.held_at.min(self.now.as_millis());
            let old = self.now.since(Timestamp::from_millis(record.held_at));
            let expired = self.may_expire && old > crate::session::KEPT_TIME;
            if expired || self.receive_held(&record.envelope, from.as_ref(), peers)? {
                self.view.delete(table::HELD, key);
            } else if held_while_ahead || matches!(peers, Peers::All) {
                record.tried |= matches!(peers, Peers::All);
                self.view.put(table::HELD, key, stored::encode(&record));
            }
        }
        Ok(())
    }
}
