//! What a step works with: the rows, what is kept of them in memory, the time and
//! randomness of this commit.
//!
//! The files beside this one each add the steps about one thing to [`Work`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::{ChaCha20Rng, SysRng};
use rand_core::{Rng, TryRng};

use super::contact::ContactRecord;
use super::groups::{GroupCache, TouchedGroups};
use super::own::Own;
use super::view::View;
use super::{Error, EventId, Options, OutgoingId, clock, table};
use crate::address::{Address, UserId};
use crate::session::{Peer, PeerRow, TagTable};
use crate::store::{Revision, StoreError};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::PeerHealth;

/// How many peers are kept in memory between steps.
///
/// A peer in conversation takes some 10 KB; one that is not here is read again.
const MAX_PEERS: usize = 1024;

/// What is kept in memory of one revision of the store. Hints: the store decides.
pub(super) struct Cache {
    pub(super) revision: Revision,
    pub(super) own: Option<Arc<Own>>,
    pub(super) clock: Option<clock::Seen>,
    pub(super) contacts: HashMap<UserId, Arc<ContactRecord>>,
    pub(super) peers: HashMap<Address, Peer>,
    pub(super) health: HashMap<Address, Option<PeerHealth>>,
    pub(super) tags: TagTable<Address>,
    pub(super) groups: GroupCache,
    /// The tags of every session of this revision are in the table.
    pub(super) tags_complete: bool,
    /// The store may have remains to get rid of.
    pub(super) tidy: bool,
    touched: Touched,
    /// Peers that this commit has written, and which of their rows have changed since: these
    /// are written once more at its end.
    pub(super) written: HashMap<Address, Vec<PeerRow>>,
    /// A step that failed had changed a peer whose rows were still to be written.
    lost: bool,
}

/// What steps have changed.
#[derive(Default)]
struct Touched {
    peers: HashSet<Address>,
    contacts: HashSet<UserId>,
    groups: TouchedGroups,
}

impl Touched {
    fn add(&mut self, others: Self) {
        let Self { peers, contacts, groups } = others;
        self.peers.extend(peers);
        self.contacts.extend(contacts);
        self.groups.add(groups);
    }
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            revision: Revision::EMPTY,
            own: None,
            clock: None,
            contacts: HashMap::new(),
            peers: HashMap::new(),
            health: HashMap::new(),
            tags: TagTable::new(),
            groups: GroupCache::default(),
            tags_complete: false,
            tidy: false,
            touched: Touched::default(),
            written: HashMap::new(),
            lost: false,
        }
    }

    /// Forgets everything: the store has another revision.
    fn forget(&mut self) {
        self.own = None;
        self.clock = None;
        self.contacts.clear();
        self.peers.clear();
        self.health.clear();
        self.tags_complete = false;
        self.touched = Touched::default();
        self.written.clear();
        self.lost = false;
        self.groups = GroupCache::default();
    }

    /// Forgets what steps changed that did not come to be.
    fn undo(&mut self) {
        self.undo_step();
        self.written.clear();
        self.lost = false;
    }

    /// As above, for one step of a batch: what earlier ones changed is in the overlay, but
    /// for rows that are still to be written.
    fn undo_step(&mut self) {
        self.own = None;
        self.clock = None;
        self.health.clear();
        let Touched { peers, contacts, groups } = std::mem::take(&mut self.touched);
        for address in peers {
            self.peers.remove(&address);
            self.tags_complete = false;
            self.lost |= self.written.get(&address).is_some_and(|rows| !rows.is_empty());
        }
        for user in contacts {
            self.contacts.remove(&user);
        }
        self.groups.undo(groups);
    }

    /// What steps changed is in the store.
    fn keep(&mut self, revision: Revision) {
        self.revision = revision;
        self.written.clear();
        let Touched { peers, contacts: _, groups } = std::mem::take(&mut self.touched);
        self.groups.keep(&groups);
        if self.peers.len() > MAX_PEERS {
            self.peers.retain(|address, _| peers.contains(address));
        }
        if self.contacts.len() > 4 * MAX_PEERS {
            self.contacts.clear();
        }
        if self.health.len() > 4 * MAX_PEERS {
            self.health.clear();
        }
    }
}

/// One commit in the making.
pub(super) struct Work<'m> {
    pub(super) view: &'m Arc<View>,
    pub(super) cache: &'m mut Cache,
    pub(super) options: &'m Options,
    pub(super) now: Timestamp,
    /// The clock has been steady, so that what is old may be deleted.
    pub(super) may_expire: bool,
    /// Since when it has been steady: what was dated before may be younger than it looks.
    pub(super) steady_since: Timestamp,
    pub(super) rng: ChaCha20Rng,
    /// How many places in the order this commit has taken.
    ordered: u64,
}

/// Fresh randomness, drawn from the system for each commit: a copied process or machine
/// never repeats it.
pub(super) fn randomness(options: &Options) -> Result<ChaCha20Rng, Error> {
    #[cfg(any(test, feature = "testing"))]
    if let Some(seeds) = &options.seeds {
        return Ok(ChaCha20Rng::from_seed(seeds.next()));
    }
    let _ = options;
    let mut seed = [0; 32];
    SysRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| Error::Store(StoreError::Unavailable(Box::new(error))))?;
    Ok(ChaCha20Rng::from_seed(seed))
}

/// Runs steps that become one commit, again if another process commits first.
pub(super) fn commit<R>(
    view: &Arc<View>,
    cache: &mut Cache,
    options: &Options,
    mut steps: impl FnMut(&mut Work<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    loop {
        let revision = view.begin()?;
        if cache.revision != revision {
            cache.forget();
            cache.revision = revision;
        }
        let mut rng = randomness(options)?;
        let mut random = [0; 16];
        rng.fill_bytes(&mut random);
        let now = options.clock.now();
        let steady_since = now;
        let may_expire = false;
        let mut work =
            Work { view, cache, options, now, may_expire, steady_since, rng, ordered: 0 };
        let result = clock::observe(&mut work).and_then(|()| steps(&mut work));
        let result = result.and_then(|value| work.write_again().map(|()| value));
        let result = result.and_then(|value| view.check().map(|()| value));
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                view.undo();
                cache.undo();
                return Err(error);
            }
        };
        match view.commit(revision, random) {
            Ok(Some(revision)) => {
                cache.keep(revision);
                return Ok(value);
            }
            Ok(None) => cache.forget(),
            Err(error) => {
                cache.forget();
                return Err(error);
            }
        }
    }
}

impl Work<'_> {
    /// Runs a step of a batch: one that fails leaves the batch as it was. (But if it fails
    /// at the store in the middle of a peer's change, the batch fails too.)
    pub(super) fn step<R>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.view.begin_step();
        let before = std::mem::take(&mut self.cache.touched);
        let result = step(self).and_then(|value| self.view.check().map(|()| value));
        match result {
            Ok(_) => self.view.keep_step(),
            Err(_) => {
                self.view.undo_step();
                self.cache.undo_step();
            }
        }
        // The many of the batch stay where they are.
        let of_step = std::mem::replace(&mut self.cache.touched, before);
        self.cache.touched.add(of_step);
        result
    }

    /// Writes the rows of peers that changed again after they were written: a page of the
    /// mailbox is of few peers, and each is encoded twice at most.
    fn write_again(&mut self) -> Result<(), Error> {
        if self.cache.lost {
            let reason = "a step of this batch failed in the middle: do it all again";
            return Err(Error::Store(StoreError::Unavailable(reason.into())));
        }
        for (address, rows) in std::mem::take(&mut self.cache.written) {
            if rows.is_empty() {
                continue;
            }
            let peer = self.peer(&address)?;
            let key = table::of_device(&address, &[]);
            rows.into_iter().for_each(|row| self.write_row(&peer, &key, row));
            self.keep_peer(peer);
        }
        Ok(())
    }

    /// Notes that a peer is being changed.
    pub(super) fn touch(&mut self, address: &Address) {
        self.cache.touched.peers.insert(address.clone());
    }

    /// Notes that a contact is being changed.
    pub(super) fn touch_contact(&mut self, user: &UserId) {
        self.cache.touched.contacts.insert(user.clone());
    }

    /// Notes what is being changed of groups.
    pub(super) fn touched_groups(&mut self) -> &mut TouchedGroups {
        &mut self.cache.touched.groups
    }

    /// A place in the order of errands and events, above every earlier one: by commits, so
    /// that neither a clock nor another process upsets it.
    pub(super) fn next_order(&mut self) -> u64 {
        let commit = self.cache.revision.count().saturating_add(1).saturating_mul(1 << 24);
        self.ordered = self.ordered.saturating_add(1);
        commit.saturating_add(self.ordered)
    }

    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    pub(super) fn new_outgoing_id(&mut self) -> OutgoingId {
        OutgoingId::new(self.next_order(), self.random())
    }

    pub(super) fn new_event_id(&mut self) -> EventId {
        EventId::new(self.next_order(), self.random())
    }
}
