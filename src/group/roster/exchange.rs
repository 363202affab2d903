//! What members tell each other of a group: who lacks what.

use std::collections::{BTreeSet, HashSet};

use super::bits::Bits;
use super::epoch::Epoch;
use super::{Change, ChangeId, Head, Roster, Stop};
use crate::wire::{Ask, MAX_ASK_ITEMS, MAX_UPDATE_LEN, Update, Welcome};

/// What to say to somebody who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// What he lacks, or as much of it as one update holds.
    Update(Update),
    /// He has missed a seal, and what came before it is not kept: the seals and the roster.
    /// Then what has come since.
    Welcome(Welcome, Update),
}

impl Ask {
    /// The head of the state that whoever asks is in, if it named all of its tips.
    #[must_use]
    pub fn head(&self) -> Head {
        let mut tips: Vec<_> = self.tips.iter().map(|tip| ChangeId(*tip)).collect();
        tips.sort();
        Head::new(&ChangeId(self.seal), &tips)
    }
}

impl Roster {
    /// What is known here, and what is named by something that is held and not known: for
    /// whoever sent it.
    #[must_use]
    pub fn ask(&self) -> Ask {
        let tips = self.current.tips(&self.state);
        let held: HashSet<ChangeId> = self.held.iter().map(|held| held.change.id()).collect();
        let mut wanted = BTreeSet::new();
        for pending in self.held.iter() {
            let change = &pending.change;
            let unknown = |id: &&ChangeId| self.change(id).is_none() && !held.contains(id);
            wanted.extend(change.parents.iter().filter(unknown).map(|id| id.0));
            let list = change.signer.map(|signer| signer.list);
            let known = |list: &[u8; 32]| pending.list.is_some() || self.lists.contains_key(list);
            wanted.extend(list.filter(|list| !known(list)));
        }
        if let Some(Stop::RosterMissing { seal }) = &self.stop {
            let named = self.change(seal).and_then(Change::seal).map(|seal| seal.roster);
            wanted.extend(named);
        }
        Ask {
            seal: self.current.seal().0,
            tips: tips.into_iter().map(|tip| tip.0).take(MAX_ASK_ITEMS).collect(),
            wanted: wanted.into_iter().take(MAX_ASK_ITEMS).collect(),
        }
    }

    /// Whether this is a seal that is known here and not followed: who follows it goes another
    /// way for good.
    fn is_rival(&self, seal: &ChangeId) -> bool {
        self.stop.is_none()
            && self.chosen != Some(*seal)
            && self.change(seal).is_some_and(|change| change.seal().is_some())
            && !self.seals.iter().any(|ours| ours.id() == *seal)
    }

    /// The same, to somebody who has said what he has: `None` if all of that is known here, or
    /// he follows another seal than this side does.
    #[must_use]
    pub fn ask_for(&self, theirs: &Ask) -> Option<Ask> {
        let mut ask = self.ask();
        let named = [&theirs.seal].into_iter().chain(&theirs.tips);
        // What is older than the last seals is not kept, and not lacking.
        let is_older = self.seals.iter().any(|seal| seal.id().0 == theirs.seal);
        let is_older = is_older && theirs.seal != ask.seal;
        let lacks = |hash: &&[u8; 32]| !is_older && self.change(&ChangeId(**hash)).is_none();
        let lacking: Vec<_> = named.filter(lacks).copied().collect();
        if lacking.is_empty() || self.is_rival(&ChangeId(theirs.seal)) {
            return None;
        }
        ask.wanted.extend(lacking);
        ask.wanted.truncate(MAX_ASK_ITEMS);
        Some(ask)
    }

    /// Whether a state that somebody names is made of what is known here: its seal, and all of
    /// its tips.
    #[must_use]
    pub fn knows(&self, state: &Ask) -> bool {
        let named = [&state.seal].into_iter().chain(&state.tips);
        named.map(|hash| ChangeId(*hash)).all(|id| self.change(&id).is_some())
    }

    /// What somebody lacks, going by what he said of himself: as much of it as `limit` bytes
    /// hold, each change after its parents. [`MAX_UPDATE_LEN`] is the most.
    #[must_use]
    pub fn answer(&self, theirs: &Ask, limit: usize) -> Answer {
        let has: HashSet<ChangeId> = theirs.tips.iter().map(|tip| ChangeId(*tip)).collect();
        let seal = ChangeId(theirs.seal);
        let mut parcel = Parcel::new(self, limit.min(MAX_UPDATE_LEN));
        for hash in &theirs.wanted {
            parcel.add_wanted(hash);
        }
        let former = self.former.as_ref().filter(|former| former.seal() == seal);
        if let Some(former) = former {
            // He has not seen the last seal: what it has in its past, and itself.
            let mut sealed = former.closure([&self.current.seal()]);
            sealed.subtract(&former.closure(&has));
            parcel.add_all(former, &sealed);
        }
        let is_older = self.seals.iter().any(|ours| ours.id() == seal);
        if seal == self.current.seal() || former.is_some() || is_older {
            let mut news: Bits = self.state.counted.clone();
            for place in &self.state.tips {
                news.unite(self.current.world().past(*place));
            }
            if let Some(Stop::RosterMissing { seal }) = &self.stop {
                news.unite(&self.current.closure([seal]));
            }
            news.subtract(&self.current.closure(&has));
            parcel.add_all(&self.current, &news);
        }
        if is_older && former.is_none() && seal != self.current.seal() {
            return Answer::Welcome(self.welcome(), parcel.update);
        }
        Answer::Update(parcel.update)
    }

    /// All that has come since the last seal and is to be kept, or as much of it as `limit`
    /// bytes hold: for a newcomer, after the welcome.
    #[must_use]
    pub fn news(&self, limit: usize) -> Update {
        let nothing = Ask { seal: self.current.seal().0, tips: Vec::new(), wanted: Vec::new() };
        match self.answer(&nothing, limit) {
            Answer::Update(update) | Answer::Welcome(_, update) => update,
        }
    }
}

/// An update that grows, with the lists that its changes name.
struct Parcel<'a> {
    roster: &'a Roster,
    update: Update,
    added: HashSet<[u8; 32]>,
    room: usize,
}

impl<'a> Parcel<'a> {
    fn new(roster: &'a Roster, room: usize) -> Self {
        Self { roster, update: Update::default(), added: HashSet::new(), room }
    }

    /// Whether so many bytes fit, which are then taken.
    fn take(&mut self, length: usize) -> bool {
        let left = self.room.checked_sub(length);
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }

    fn add_all(&mut self, epoch: &Epoch, places: &Bits) {
        for change in places.iter().filter_map(|place| epoch.change(place)) {
            if !self.add(change) {
                return;
            }
        }
    }

    /// Adds a change, if there is room.
    fn add(&mut self, change: &Change) -> bool {
        if self.added.contains(&change.id().0) {
            return true;
        }
        let list = change.signer.and_then(|signer| self.roster.lists.get(&signer.list));
        let list = list.filter(|list| !self.added.contains(list.hash()));
        let lists = list.map_or(0, |list| encoded(list.signed().list.len()));
        if !self.take(encoded(change.signed().change.len()) + lists) {
            return false;
        }
        self.added.insert(change.id().0);
        self.update.changes.push(change.signed().clone());
        if let Some(list) = list {
            self.added.insert(*list.hash());
            self.update.lists.push(list.signed().clone());
        }
        true
    }

    /// Adds the change, the list or the roster with this hash, if it is known and there is
    /// room.
    fn add_wanted(&mut self, hash: &[u8; 32]) {
        if let Some(change) = self.roster.change(&ChangeId(*hash)) {
            self.add(change);
        } else if let Some(list) = self.roster.lists.get(hash) {
            if !self.added.contains(hash) && self.take(encoded(list.signed().list.len())) {
                self.added.insert(*hash);
                self.update.lists.push(list.signed().clone());
            }
        } else if self.update.roster.is_none() && self.roster.current.roster().hash() == *hash {
            let roster = Some(self.roster.current.roster().to_wire());
            let length = Update { roster: roster.clone(), ..Update::default() }.encode().len();
            if self.take(length) {
                self.update.roster = roster;
            }
        }
    }
}

/// How many bytes this takes at most, with its signature and the heads of its fields.
fn encoded(length: usize) -> usize {
    length + 64 + 16
}
