//! What is kept in memory of groups. Hints: the store decides.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::chains::Place;
use super::known::Known;
use crate::group::sender_key::SenderChains;
use crate::group::{GroupId, Roster};
use crate::session::TagTable;

/// How many rosters are kept in memory between steps.
///
/// One of a thousand members takes half a megabyte.
const MAX_ROSTERS: usize = 64;

/// Of how many devices chains are.
const MAX_CHAINS: usize = 4096;

/// How many groups' rows are.
const MAX_KNOWN: usize = 4096;

/// What is kept in memory of groups.
#[derive(Default)]
pub(in crate::messenger) struct GroupCache {
    pub(super) known: HashMap<GroupId, Option<Arc<Known>>>,
    pub(super) rosters: HashMap<GroupId, Arc<Roster>>,
    pub(super) chains: HashMap<Place, SenderChains>,
    pub(super) tags: TagTable<Place>,
    /// The tags of every chain of this revision are in the table, but for those in `stale`.
    pub(super) tags_complete: bool,
    pub(super) stale: Vec<Place>,
}

/// What steps have changed of groups.
#[derive(Default)]
pub(in crate::messenger) struct TouchedGroups {
    pub(super) groups: HashSet<GroupId>,
    pub(super) chains: HashSet<Place>,
}

impl TouchedGroups {
    pub(in crate::messenger) fn add(&mut self, others: Self) {
        self.groups.extend(others.groups);
        self.chains.extend(others.chains);
    }
}

impl GroupCache {
    /// Forgets what steps changed that did not come to be.
    pub(in crate::messenger) fn undo(&mut self, touched: TouchedGroups) {
        for group in touched.groups {
            self.known.remove(&group);
            self.rosters.remove(&group);
        }
        for place in touched.chains {
            self.chains.remove(&place);
            self.stale.push(place);
        }
    }

    /// What steps changed is in the store.
    pub(in crate::messenger) fn keep(&mut self, touched: &TouchedGroups) {
        if self.chains.len() > MAX_CHAINS {
            self.chains.retain(|place, _| touched.chains.contains(place));
        }
        if self.rosters.len() > MAX_ROSTERS {
            self.rosters.clear();
        }
        if self.known.len() > MAX_KNOWN {
            self.known.clear();
        }
    }
}
