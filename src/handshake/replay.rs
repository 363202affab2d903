//! The record of handshakes that used a signed prekey alone (SPEC.md, section 5.5).

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::{HandshakeError, HandshakeId};
use crate::wire::{DecodeError, stored};

/// The most handshakes recorded for one signed prekey.
///
/// Each costs a stranger a handshake and the owner 64 bytes, 4 MiB in all; none
/// may be forgotten while the prekey lives, so beyond this they are refused.
pub const MAX_REPLAY_ENTRIES: usize = 65_536;

/// Which handshakes used one signed prekey and no one-time prekey.
///
/// One is kept for each signed prekey, as long as its private half is: whole, by
/// [`Self::record`] and [`Self::from_record`], or entry by entry, each beside the
/// others under its [`Handshake::ephemeral`](crate::wire::Handshake::ephemeral), by
/// [`Self::of`].
#[derive(Debug, Default)]
pub struct ReplayRecord {
    seen: HashMap<[u8; 32], HandshakeId>,
    /// How many more there are, if they are kept entry by entry.
    elsewhere: Option<usize>,
}

impl ReplayRecord {
    /// A record of nothing, for a new signed prekey.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stands for a record of `count` handshakes that is kept entry by entry, for one
    /// handshake to be answered: `known` is the entry under its ephemeral key, if there
    /// is one. Save what is added to it as another entry.
    ///
    /// # Security
    ///
    /// Of no use for any other handshake: that would seem to be new.
    #[must_use]
    pub fn of(count: usize, known: Option<([u8; 32], HandshakeId)>) -> Self {
        let seen: HashMap<_, _> = known.into_iter().collect();
        let elsewhere = Some(count.saturating_sub(seen.len()));
        Self { seen, elsewhere }
    }

    /// Whether the signed prekey should be replaced early: at three quarters.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.len() >= MAX_REPLAY_ENTRIES / 4 * 3
    }

    /// How many handshakes are recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len().saturating_add(self.elsewhere.unwrap_or(0))
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record to keep (`stored.proto`, `ReplayRecord`); `None` if it is kept entry
    /// by entry ([`Self::of`]), for it would forget the others.
    #[must_use]
    pub fn record(&self) -> Option<Zeroizing<Vec<u8>>> {
        if self.elsewhere.is_some() {
            return None;
        }
        let mut entries: Vec<_> = self
            .seen
            .iter()
            .map(|(ephemeral, id)| stored::ReplayEntry {
                ephemeral: ephemeral.to_vec(),
                handshake_id: id.0.to_vec(),
            })
            .collect();
        entries.sort_by(|one, other| one.ephemeral.cmp(&other.ephemeral));
        Some(stored::encode(&stored::ReplayRecord { entries }))
    }

    /// The record that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is damaged: replace the signed prekey at once.
    pub fn from_record(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "replay record";
        let raw: stored::ReplayRecord = stored::decode(bytes, WHAT)?;
        let seen = raw
            .entries
            .iter()
            .map(|stored::ReplayEntry { ephemeral, handshake_id }| {
                let id = HandshakeId(stored::array(handshake_id, WHAT)?);
                Ok((stored::array(ephemeral, WHAT)?, id))
            })
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self { seen, elsewhere: None })
    }

    /// Refuses an `E` that is recorded, and any when the record is full.
    pub(super) fn check(&self, ephemeral: &[u8; 32]) -> Result<(), HandshakeError> {
        if self.seen.contains_key(ephemeral) {
            return Err(HandshakeError::Replayed);
        }
        if self.len() >= MAX_REPLAY_ENTRIES {
            return Err(HandshakeError::RecordFull);
        }
        Ok(())
    }

    /// Adds a handshake whose first message has opened.
    pub(crate) fn insert(&mut self, ephemeral: [u8; 32], id: HandshakeId) {
        self.seen.insert(ephemeral, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        key
    }

    #[test]
    fn a_record_fills_and_then_refuses_and_forgets_nothing() {
        let mut record = ReplayRecord::new();
        assert!(record.is_empty() && !record.is_filling());
        for number in 0..MAX_REPLAY_ENTRIES {
            assert_eq!(record.is_filling(), number >= 49_152);
            assert_eq!(record.check(&key(number)), Ok(()));
            record.insert(key(number), HandshakeId(key(number)));
        }
        assert_eq!((record.len(), record.is_empty()), (65_536, false));
        assert_eq!(record.check(&key(MAX_REPLAY_ENTRIES)), Err(HandshakeError::RecordFull));
        let loaded = ReplayRecord::from_record(&record.record().unwrap()).unwrap();
        for number in [0, 1, MAX_REPLAY_ENTRIES - 1] {
            assert_eq!(loaded.check(&key(number)), Err(HandshakeError::Replayed));
        }
    }

    #[test]
    fn a_record_kept_entry_by_entry_counts_them_all_and_cannot_be_kept_whole() {
        let known = (key(1), HandshakeId(key(1)));
        let mut record = ReplayRecord::of(49_151, Some(known));
        assert_eq!((record.len(), record.is_filling(), record.is_empty()), (49_151, false, false));
        assert_eq!(record.check(&key(1)), Err(HandshakeError::Replayed));
        assert_eq!(record.check(&key(2)), Ok(()));
        record.insert(key(2), HandshakeId(key(2)));
        assert_eq!((record.len(), record.is_filling()), (49_152, true));
        assert_eq!(record.check(&key(2)), Err(HandshakeError::Replayed));
        assert!(record.record().is_none());
        assert!(ReplayRecord::of(0, None).is_empty());
        let full = ReplayRecord::of(MAX_REPLAY_ENTRIES, None);
        assert_eq!(full.check(&key(1)), Err(HandshakeError::RecordFull));
    }
}
