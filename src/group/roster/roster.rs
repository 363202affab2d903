//! The roster of a group, as a member holds it.

use std::collections::{BTreeMap, HashSet};

use rand_core::CryptoRng;

use super::bits::Bits;
use super::change::{Change, Kind, Seal};
use super::epoch::Epoch;
use super::held::Held;
use super::rule::State;
use super::sealed::{Entry, SealedRoster};
use super::world::Who;
use super::{ChangeId, GroupId, Head, Member, Role, RosterError, Settings, Stop};
use crate::crypto::Label;
use crate::identity::{Account, DeviceList};
use crate::wire::{GroupChange, SignedChange};

/// The most members that this side makes a group have.
///
/// Each of a thousand sends every newcomer a key of his own, one by one; beyond, that is
/// not what such groups are for. A roster that has more, by the changes of others, is
/// computed all the same.
pub const MAX_MEMBERS: usize = 1_000;

/// The most changes kept since a seal.
///
/// Twice the past of a change, so that what is right stays right beside a flood; their
/// pasts take 64 MiB then. Who gets there drops what is void, and refuses the rest.
pub const MAX_CHANGES: usize = 32_768;

/// The most seals of a group.
///
/// An owner seals after some thousand changes; with their signatures a thousand seals take
/// half a megabyte of what a newcomer gets.
pub const MAX_SEALS: usize = 1_024;

/// Who is in a group, and all that was signed about it.
///
/// A state is a function of the set of changes: the order in which they came says nothing,
/// except which of two seals of one owner is followed.
#[derive(Debug, Clone)]
pub struct Roster {
    pub(super) group: GroupId,
    /// The seals that are followed, from the group's first.
    pub(super) seals: Vec<Change>,
    pub(super) current: Epoch,
    /// Kept so that what comes late is known for what it is.
    pub(super) former: Option<Epoch>,
    pub(super) state: State,
    pub(super) lists: BTreeMap<[u8; 32], DeviceList>,
    pub(super) held: Held,
    /// The seal that is followed next: the first that came, or that a person chose.
    pub(super) chosen: Option<ChangeId>,
    pub(super) stop: Option<Stop>,
}

impl Roster {
    /// A new group: its owner alone. Everything else is a change.
    ///
    /// # Errors
    ///
    /// [`RosterError::TooLong`]: a setting.
    pub fn create(
        account: &Account,
        settings: Settings,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, RosterError> {
        settings.check()?;
        let owner = Member::of(account.device_list());
        let entry = Entry { role: Role::Owner, list_version: account.device_list().version() };
        let roster = SealedRoster { entries: [(owner.clone(), entry)].into(), settings };
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let seal = Seal {
            owner: owner.clone(),
            roster: roster.hash(),
            previous: None,
            nonce: Some(nonce),
        };
        let change = GroupChange {
            group: None,
            parents: Vec::new(),
            author: owner.to_wire(),
            device_id: 0,
            device_list: None,
            kind: Kind::Seal(Box::new(seal)).to_wire(),
        }
        .encode();
        let signature = account.sign(Label::GROUP_CHANGE, &change).to_bytes();
        let seal = Change::decode(SignedChange { change, signature })?;
        Ok(Self::at(vec![seal], roster))
    }

    /// `seals` has one at least.
    pub(super) fn at(seals: Vec<Change>, roster: SealedRoster) -> Self {
        let id = |seal: Option<&Change>| seal.map_or(ChangeId([0; 32]), Change::id);
        let current = Epoch::new(id(seals.last()), roster);
        Self {
            group: GroupId(id(seals.first()).0),
            seals,
            state: current.state(),
            current,
            former: None,
            lists: BTreeMap::new(),
            held: Held::default(),
            chosen: None,
            stop: None,
        }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// What names the state that the group is in.
    #[must_use]
    pub fn head(&self) -> Head {
        self.current.head(&self.state)
    }

    /// What stands in the way of sending and changing anything.
    #[must_use]
    pub fn stopped(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// Everybody with his role, sorted by user id and account key.
    pub fn members(&self) -> impl Iterator<Item = (&Member, Role)> {
        let roles = self.current.roles(&self.state).map(|(member, role, _)| (member, role));
        let mut members: Vec<_> = roles.collect();
        members.sort_unstable();
        members.into_iter()
    }

    /// Somebody's role; `None`: not a member.
    #[must_use]
    pub fn role(&self, member: &Member) -> Option<Role> {
        let Who(number) = self.current.number(member)?;
        self.state.roles.get(number).copied().flatten()
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> Option<&Member> {
        self.current.person(self.current.world().owner())
    }

    /// What the group is called and how it behaves.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.current.settings(&self.state)
    }

    /// A change that is known, of the last two stretches between seals.
    #[must_use]
    pub fn change(&self, id: &ChangeId) -> Option<&Change> {
        let find = |epoch: &Epoch| epoch.place(id);
        let in_former = || self.former.as_ref().and_then(|former| former.change(find(former)?));
        let in_seals = || self.seals.iter().find(|seal| seal.id == *id);
        find(&self.current)
            .and_then(|place| self.current.change(place))
            .or_else(in_former)
            .or_else(in_seals)
    }

    /// The changes that do not count, and are still kept.
    pub fn void(&self) -> impl Iterator<Item = &Change> {
        let current = self.current.changes().iter().enumerate();
        let open = current
            .filter(|(place, change)| {
                !self.state.counted.contains(*place) && change.seal().is_none()
            })
            .map(|(_, change)| change);
        self.late().chain(open)
    }

    /// The changes that the last seal did not have in its past.
    pub(super) fn late(&self) -> impl Iterator<Item = &Change> {
        self.former.iter().flat_map(|former| {
            let past = former.closure([&self.current.seal()]);
            former.changes().iter().enumerate().filter_map(move |(place, change)| {
                (!past.contains(place) && change.seal().is_none()).then_some(change)
            })
        })
    }

    /// Drops what does not count and nothing that counts builds on, but for `own` user's.
    /// If somebody builds on it later, it is asked for and comes back.
    pub fn drop_void(&mut self, own: Option<&Member>) {
        let mine = |epoch: &Epoch| {
            let kept = epoch.changes().iter().filter(|change| {
                change.seal().is_some() || own.is_some_and(|own| change.author == *own)
            });
            epoch.closure(kept.map(|change| &change.id).collect::<Vec<_>>())
        };
        let mut keep = mine(&self.current);
        for place in &self.state.tips {
            keep.unite(self.current.world().past(*place));
        }
        keep.unite(&self.state.counted);
        self.current.keep(&keep);
        self.state = self.current.state();
        if let Some(former) = &mut self.former {
            let keep: Bits = mine(former);
            former.keep(&keep);
        }
        self.forget_lists();
    }

    /// Drops the device lists that no change names any more.
    pub(super) fn forget_lists(&mut self) {
        let epochs = [Some(&self.current), self.former.as_ref()].into_iter().flatten();
        let named: HashSet<[u8; 32]> = epochs
            .flat_map(|epoch| epoch.changes())
            .filter_map(|change| Some(change.signer?.list))
            .collect();
        self.lists.retain(|hash, _| named.contains(hash));
    }
}
