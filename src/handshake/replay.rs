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
/// One is kept for each signed prekey, as long as its private half is.
#[derive(Debug, Default)]
pub struct ReplayRecord {
    seen: HashMap<[u8; 32], HandshakeId>,
}

impl ReplayRecord {
    /// A record of nothing, for a new signed prekey.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the signed prekey should be replaced early: at three quarters.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.seen.len() >= MAX_REPLAY_ENTRIES / 4 * 3
    }

    /// How many handshakes are recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The record to keep (`stored.proto`, `ReplayRecord`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let mut entries: Vec<_> = self
            .seen
            .iter()
            .map(|(ephemeral, id)| stored::ReplayEntry {
                ephemeral: ephemeral.to_vec(),
                handshake_id: id.0.to_vec(),
            })
            .collect();
        entries.sort_by(|one, other| one.ephemeral.cmp(&other.ephemeral));
        stored::encode(&stored::ReplayRecord { entries })
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
        Ok(Self { seen })
    }

    /// Refuses an `E` that is recorded, and any when the record is full.
    pub(super) fn check(&self, ephemeral: &[u8; 32]) -> Result<(), HandshakeError> {
        if self.seen.contains_key(ephemeral) {
            return Err(HandshakeError::Replayed);
        }
        if self.seen.len() >= MAX_REPLAY_ENTRIES {
            return Err(HandshakeError::RecordFull);
        }
        Ok(())
    }

    /// Adds a handshake whose first message has opened.
    pub(crate) fn insert(&mut self, ephemeral: [u8; 32], id: HandshakeId) {
        self.seen.insert(ephemeral, id);
    }
}
