//! A roster as a stored record, and back (`stored_roster.proto`).

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::change::Change;
use super::epoch::{Epoch, Found};
use super::held::Pending;
use super::sealed::SealedRoster;
use super::{ChangeId, Roster, RosterError};
use crate::identity::DeviceList;
use crate::wire::{DecodeError, EpochRecord, RosterRecord, SignedChange, SignedDeviceList, Update};

const MALFORMED: DecodeError = DecodeError::Malformed("roster record");

impl Roster {
    /// The record to keep.
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let held = self.held.iter().filter_map(|pending| pending.list.as_deref());
        let lists: BTreeMap<_, _> =
            self.lists.values().chain(held).map(|list| (list.hash(), list)).collect();
        RosterRecord {
            seals: self.seals.iter().map(|seal| seal.signed().clone()).collect(),
            current: epoch_record(&self.current),
            former: self.former.as_ref().map(epoch_record),
            lists: lists.into_values().map(|list| list.signed().clone()).collect(),
            held: self.held.iter().map(|pending| pending.change.signed().clone()).collect(),
            chosen: self.chosen.map(|seal| seal.0),
        }
        .encode()
    }

    /// The roster that [`Self::record`] was made of. Its changes are not verified again.
    ///
    /// # Errors
    ///
    /// [`RosterError`] if the record is damaged: ask another member for a welcome.
    pub fn from_record(bytes: &[u8]) -> Result<Self, RosterError> {
        let RosterRecord { seals, current, former, lists, held, chosen } =
            RosterRecord::decode(bytes)?;
        let seals = decode_all(seals)?;
        let [.., before, _] = seals.as_slice() else {
            return Self::restored(seals, current, None, lists, held, chosen);
        };
        let former = former.map(|former| (before.id(), former));
        Self::restored(seals.clone(), current, former, lists, held, chosen)
    }

    fn restored(
        seals: Vec<Change>,
        current: EpochRecord,
        former: Option<(ChangeId, EpochRecord)>,
        lists: Vec<SignedDeviceList>,
        held: Vec<SignedChange>,
        chosen: Option<[u8; 32]>,
    ) -> Result<Self, RosterError> {
        let last = seals.last().map(Change::id).ok_or(MALFORMED)?;
        let verified = lists.into_iter().filter_map(|list| DeviceList::verify_stored(list).ok());
        let lists: BTreeMap<_, _> = verified.map(|list| (*list.hash(), list)).collect();
        let current = restore_epoch(last, current, &lists)?;
        let former =
            former.map(|(seal, former)| restore_epoch(seal, former, &lists)).transpose()?;
        let mut roster = Self::at(seals, SealedRoster::default());
        roster.state = current.state();
        (roster.current, roster.former, roster.lists) = (current, former, lists);
        for change in decode_all(held)? {
            let list = change.signer.and_then(|signer| roster.lists.get(&signer.list));
            let list = list.cloned().map(Arc::new);
            roster.held.push(Pending { change, list });
        }
        roster.forget_lists();
        roster.chosen = chosen.map(ChangeId);
        // Finds out again whether, and why, the group has stopped.
        roster.insert(&Update::default());
        Ok(roster)
    }
}

fn epoch_record(epoch: &Epoch) -> EpochRecord {
    EpochRecord {
        roster: epoch.roster().to_wire(),
        changes: epoch.changes().iter().map(|change| change.signed().clone()).collect(),
    }
}

fn decode_all(raw: Vec<SignedChange>) -> Result<Vec<Change>, RosterError> {
    raw.into_iter().map(|signed| Ok(Change::decode(signed)?)).collect()
}

fn restore_epoch(
    seal: ChangeId,
    record: EpochRecord,
    lists: &BTreeMap<[u8; 32], DeviceList>,
) -> Result<Epoch, RosterError> {
    let EpochRecord { roster, changes } = record;
    let mut epoch = Epoch::new(seal, SealedRoster::from_wire(roster)?);
    for change in decode_all(changes)? {
        let known = |parent: &ChangeId| epoch.find(parent) == Found::Here;
        if !change.parents.iter().all(known) || epoch.place(&change.id()).is_some() {
            return Err(MALFORMED.into());
        }
        let version = match change.signer {
            Some(signer) => lists.get(&signer.list).ok_or(MALFORMED)?.version(),
            None => 0,
        };
        epoch.restore(change, version);
    }
    Ok(epoch)
}
