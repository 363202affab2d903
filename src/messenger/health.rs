//! What is noted of a peer device to repair what went wrong with it: names of envelopes, and
//! on which days there was repair.

use super::daily::DAY;
use super::work::Work;
use super::{Error, table};
use crate::address::Address;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::PeerHealth};
use crate::wire::{Envelope, EnvelopeName};

/// On how many days of [`RESTORED_WITHIN`] there is repair before the app is told.
const RESTORED_AFTER: usize = 5;
const RESTORED_WITHIN: u32 = 14;

/// The most names kept of what did not open.
pub(super) const MAX_NAMES: usize = 100;

impl Work<'_> {
    pub(super) fn health(&mut self, address: &Address) -> Result<Option<PeerHealth>, Error> {
        if let Some(health) = self.cache.health.get(address) {
            return Ok(health.clone());
        }
        let row = self.view.get(table::HEALTH, &table::of_device(address, &[]))?;
        let health: Option<PeerHealth> = row.and_then(|row| stored::decode(&row, "health").ok());
        self.cache.health.insert(address.clone(), health.clone());
        Ok(health)
    }

    pub(super) fn save_health(&mut self, address: &Address, health: &PeerHealth) {
        let key = table::of_device(address, &[]);
        let health = Some(health).filter(|health| **health != PeerHealth::default());
        match health {
            None => self.view.delete(table::HEALTH, key),
            Some(health) => self.view.put(table::HEALTH, key, stored::encode(health)),
        }
        self.cache.health.insert(address.clone(), health.cloned());
    }
}

pub(super) fn envelope_name(name: &[u8]) -> Option<EnvelopeName> {
    let (tag, salt) = name.split_first_chunk()?;
    Some(EnvelopeName { tag: *tag, salt: salt.try_into().ok()? })
}

/// `tag || salt`.
pub(super) fn name_of(envelope: &Envelope) -> [u8; 16] {
    envelope.message().name()
}

/// Which of a device's envelopes are noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// One that has the tag of a session with it.
    NotOpened,
    /// One that nobody knows: only the transport says that it is from there.
    Unknown,
}

pub(super) fn note_name(
    health: &mut PeerHealth,
    envelope: &Envelope,
    noted: Noted,
    now: Timestamp,
) {
    let (names, since, name) = match (envelope, noted) {
        (Envelope::FirstMessage { handshake, message: _ }, _) => {
            let ephemeral = handshake.ephemeral().to_vec();
            (&mut health.ephemerals, &mut health.ephemerals_at, ephemeral)
        }
        (_, Noted::NotOpened) => {
            (&mut health.not_opened, &mut health.not_opened_at, name_of(envelope).to_vec())
        }
        (_, Noted::Unknown) => {
            (&mut health.unknown, &mut health.unknown_at, name_of(envelope).to_vec())
        }
    };
    if !names.contains(&name) && names.len() < MAX_NAMES {
        names.push(name);
        since.push(now.as_millis());
    }
}

/// Takes out of a list of names, and of their times, those that begin like this one.
pub(super) fn forget_name(names: &mut Vec<Vec<u8>>, since: &mut Vec<u64>, start: &[u8]) -> bool {
    let before = names.len();
    while let Some(place) = names.iter().position(|name| name.starts_with(start)) {
        names.remove(place);
        if place < since.len() {
            since.remove(place);
        }
    }
    names.len() < before
}

fn today(now: Timestamp) -> u32 {
    u32::try_from(now.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX)
}

pub(super) fn restored_often(health: &PeerHealth, now: Timestamp) -> bool {
    let since = today(now).saturating_sub(RESTORED_WITHIN);
    let recent = |day: &&u32| **day > since && **day <= today(now);
    health.repair_days.iter().filter(recent).count() >= RESTORED_AFTER
}

/// Notes that there was repair today; says whether that makes it too often.
pub(super) fn note_repair_day(health: &mut PeerHealth, now: Timestamp) -> bool {
    let day = today(now);
    if health.repair_days.contains(&day) {
        return false;
    }
    health.repair_days.retain(|known| *known > day.saturating_sub(RESTORED_WITHIN));
    health.repair_days.push(day);
    restored_often(health, now)
}
