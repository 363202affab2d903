//! Changes that come: taken, held or refused (SPEC.md, section 13.2).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::epoch::Found;
use super::held::Pending;
use super::roster::{MAX_CHANGES, MAX_SEALS};
use super::{Change, ChangeId, Inserted, Refused, Roster};
use crate::identity::DeviceList;
use crate::wire::{SignedDeviceList, Update};

/// Where a change belongs.
enum Ground {
    Current,
    Former,
}

/// What becomes of a change.
enum Admitted {
    Known,
    Waiting,
    Accepted { place: usize, ground: Ground },
}

impl Roster {
    /// Takes what a member passed on: changes in any order, again or in part.
    ///
    /// What is valid is kept and counts by the rule; what names something unknown waits
    /// ([`Self::ask`]); the rest is refused.
    pub fn insert(&mut self, update: &Update) -> Inserted {
        let mut told = Inserted::default();
        if self.current.len() >= MAX_CHANGES {
            self.drop_void(None);
        }
        let mut pending = self.take_pending(update, &mut told);
        loop {
            let known = self.current.len();
            self.admit_all(&mut pending, &mut told);
            if self.current.len() > known {
                self.compute(known, &mut told);
            }
            if !self.advance(update.roster.as_ref(), &mut told) {
                break;
            }
        }
        pending.into_iter().for_each(|pending| self.held.push(pending));
        told.held = self.held.len();
        told
    }

    /// What was held and what has come, with the lists that came.
    fn take_pending(&mut self, update: &Update, told: &mut Inserted) -> Vec<Pending> {
        let lists: HashMap<[u8; 32], &SignedDeviceList> =
            update.lists.iter().map(|list| (DeviceList::claimed_hash(list), list)).collect();
        let mut pending = self.held.take();
        let came = pending.iter().filter_map(|pending| pending.list.clone());
        let mut verified: HashMap<[u8; 32], Arc<DeviceList>> =
            came.map(|list| (*list.hash(), list)).collect();
        for signed in &update.changes {
            match Change::decode(signed.clone()) {
                Ok(change) => pending.push(Pending { change, list: None }),
                Err(why) => told.refused.push((Change::claimed_id(signed), why)),
            }
        }
        // Of the same bytes under two signatures one may be genuine.
        let mut seen: HashSet<(ChangeId, [u8; 64])> = HashSet::new();
        pending.retain(|Pending { change, .. }| seen.insert((change.id, change.signed.signature)));
        for Pending { change, list } in &mut pending {
            let named = change.signer.map(|signer| signer.list);
            let Some(hash) = named.filter(|_| list.is_none()) else { continue };
            if !verified.contains_key(&hash) {
                // What waits keeps it: it may be forgotten here with the epoch that it is of.
                let known = self.lists.get(&hash).cloned();
                let came = lists.get(&hash);
                let came = || came.and_then(|list| DeviceList::verify((*list).clone()).ok());
                verified.extend(known.or_else(came).map(|list| (hash, Arc::new(list))));
            }
            *list = verified.get(&hash).cloned();
        }
        pending
    }

    /// Takes of them what can be taken, until nothing more can.
    fn admit_all(&mut self, pending: &mut Vec<Pending>, told: &mut Inserted) {
        loop {
            let mut progress = false;
            for Pending { change, list } in std::mem::take(pending) {
                let id = change.id;
                match self.admit(&change, list.as_deref()) {
                    Ok(Admitted::Known) => {}
                    Ok(Admitted::Waiting) => pending.push(Pending { change, list }),
                    Ok(Admitted::Accepted { place, ground }) => {
                        progress = true;
                        told.accepted.push(id);
                        if let Ground::Former = ground {
                            self.tell_rival(place, told);
                        }
                    }
                    Err(why) => {
                        told.refused.push((id, why));
                        progress = true;
                    }
                }
            }
            drop_descendants(pending, told);
            if !progress {
                return;
            }
        }
    }

    fn admit(&mut self, change: &Change, list: Option<&DeviceList>) -> Result<Admitted, Refused> {
        if change.group() != self.group {
            return Err(Refused::OtherGroup);
        }
        if self.change(&change.id).is_some() {
            return Ok(Admitted::Known);
        }
        let Some(ground) = self.ground(change)? else {
            return Ok(Admitted::Waiting);
        };
        let known = change.signer.and_then(|signer| self.lists.get(&signer.list));
        let list = known.or(list);
        if change.signer.is_some() && list.is_none() {
            return Ok(Admitted::Waiting);
        }
        change.verify(list)?;
        let version = list.map_or(0, DeviceList::version);
        let epoch = match (&ground, &mut self.former) {
            (Ground::Former, Some(former)) => former,
            _ => &mut self.current,
        };
        if epoch.len() >= MAX_CHANGES || (change.seal().is_some() && self.seals.len() >= MAX_SEALS)
        {
            return Err(Refused::Limit);
        }
        let learnt = list.cloned();
        let place = epoch.admit(change.clone(), version)?;
        if let Some(list) = learnt {
            self.lists.insert(*list.hash(), list);
        }
        Ok(Admitted::Accepted { place, ground })
    }

    /// What a change builds on: all of it since one seal. `None`: something is unknown.
    fn ground(&self, change: &Change) -> Result<Option<Ground>, Refused> {
        let (mut current, mut former) = (0, 0);
        for parent in &change.parents {
            let late = || self.former.as_ref().map_or(Found::Nowhere, |f| f.find(parent));
            match self.current.find(parent) {
                Found::Here => current += 1,
                // Until it is followed, or another one is.
                Found::End => return Ok(None),
                Found::Nowhere => match late() {
                    Found::Here => former += 1,
                    Found::End => return Err(Refused::OtherSeal),
                    // What came since an older seal is not kept.
                    Found::Nowhere if self.seals.iter().any(|seal| seal.id == *parent) => {
                        return Err(Refused::OtherSeal);
                    }
                    Found::Nowhere => return Ok(None),
                },
            }
        }
        match (current, former) {
            (_, 0) => Ok(Some(Ground::Current)),
            (0, _) => Ok(Some(Ground::Former)),
            _ => Err(Refused::OtherSeal),
        }
    }
}

/// What descends from something invalid is never stored either. (The bytes of a forgery may
/// be genuine, under another signature.)
fn drop_descendants(pending: &mut Vec<Pending>, told: &Inserted) {
    let invalid = told.refused.iter().filter(|(_, why)| *why != Refused::Forged);
    let mut gone: HashSet<ChangeId> = invalid.map(|(id, _)| *id).collect();
    loop {
        let before = gone.len();
        pending.retain(|Pending { change, .. }| {
            let stays = !change.parents.iter().any(|parent| gone.contains(parent));
            if !stays {
                gone.insert(change.id);
            }
            stays
        });
        if gone.len() == before {
            return;
        }
    }
}
