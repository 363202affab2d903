//! The roster of a group, as a member holds it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rand_core::CryptoRng;

use super::bits::Bits;
use super::change::{Action, Change, Kind, Seal};
use super::epoch::{Epoch, Found};
use super::held::{Held, Pending};
use super::rule::State;
use super::sealed::{Entry, SealedRoster};
use super::world::{Op, Who};
use super::{
    ChangeId, GroupId, Head, Inserted, Member, Refused, Role, RosterError, RosterEvent, Settings,
    Stop,
};
use crate::crypto::Label;
use crate::identity::{Account, DeviceList};
use crate::wire::{GroupChange, GroupRoster, SignedChange, SignedDeviceList, Update, Welcome};

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

    /// The roster of somebody who knows nothing of the group but its id. What has come since
    /// the last seal is then inserted.
    ///
    /// # Errors
    ///
    /// [`RosterError::Refused`]: what is said does not follow from what owners have signed.
    ///
    /// # Security
    ///
    /// Whoever made the welcome is trusted for freshness only: he can leave out the newest
    /// seals, and nothing else.
    pub fn join(group: &GroupId, welcome: &Welcome) -> Result<Self, RosterError> {
        let (seals, roster) = read_welcome(group, welcome)?;
        Ok(Self::at(seals, roster))
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
    fn late(&self) -> impl Iterator<Item = &Change> {
        self.former.iter().flat_map(|former| {
            let past = former.closure([&self.current.seal()]);
            former.changes().iter().enumerate().filter_map(move |(place, change)| {
                (!past.contains(place) && change.seal().is_none()).then_some(change)
            })
        })
    }

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
            let lacks = |hash: &[u8; 32]| list.is_none() && !self.lists.contains_key(hash);
            let Some(hash) = named.filter(lacks) else { continue };
            if let (None, Some(signed)) = (verified.get(&hash), lists.get(&hash))
                && let Ok(list) = DeviceList::verify((*signed).clone())
            {
                verified.insert(hash, Arc::new(list));
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

    /// Says that an owner has made a second seal, if this is one.
    fn tell_rival(&self, place: usize, told: &mut Inserted) {
        let change = self.former.as_ref().and_then(|former| former.change(place));
        if let Some(rival) = change.filter(|change| change.seal().is_some()) {
            let followed = Some(self.current.seal());
            told.events.push(RosterEvent::TwoSeals { followed, other: rival.id });
        }
    }

    /// Computes the state anew, and says what is another. Changes from `known` on are new.
    fn compute(&mut self, known: usize, told: &mut Inserted) {
        let before = std::mem::replace(&mut self.state, self.current.state());
        let (epoch, state) = (&self.current, &self.state);
        let author_of = |place: usize| epoch.change(place).map(|change| change.author.clone());
        let mut events = Vec::new();
        for (number, now) in state.roles.iter().enumerate() {
            let before = before.roles.get(number).copied().flatten();
            let Some(member) = epoch.person(Who(number)).filter(|_| before != *now) else {
                continue;
            };
            let by = self.witness(Who(number), now.is_some(), known).and_then(author_of);
            let member = member.clone();
            if before.is_none() && self.is_twice(&member) {
                events.push(RosterEvent::TwoKeys { user: member.user().clone() });
            }
            events.push(RosterEvent::Role { member, before, now: *now, by });
        }
        for (now, before) in state.settings.iter().zip(&before.settings) {
            if now != before {
                let by = now.filter(|place| *place >= known).and_then(author_of);
                let changed = now.or(*before).and_then(|place| epoch.change(place));
                if let Some(Kind::Act(Action::Set(setting))) = changed.map(Change::kind) {
                    let value = epoch.settings(state).all().into_iter().nth(setting.number());
                    events.extend(value.map(|setting| RosterEvent::Setting { setting, by }));
                }
            }
        }
        for place in 0..known {
            let (was, is) = (before.counted.contains(place), state.counted.contains(place));
            let Some(change) = epoch.change(place).filter(|_| was != is) else { continue };
            let (change, author) = (change.id, change.author.clone());
            events.push(match is {
                true => RosterEvent::Restored { change, author },
                false => RosterEvent::Voided { change, author },
            });
        }
        told.events.extend(events);
    }

    /// The new change that made somebody a member, or not one.
    fn witness(&self, who: Who, is_member: bool, known: usize) -> Option<usize> {
        let world = self.current.world();
        let left = world.by(who).filter(|(_, node)| node.op == Op::Leave);
        let mut all: Vec<_> = world.about(who).chain(left).collect();
        all.retain(|(place, node)| {
            let fits = match node.op {
                Op::Add(_) | Op::Grant(_) | Op::Demote(_) => is_member,
                _ => !is_member,
            };
            fits && *place >= known && self.state.counted.contains(*place)
        });
        all.into_iter().map(|(place, _)| place).max()
    }

    /// Whether the user is a member under another key too.
    fn is_twice(&self, member: &Member) -> bool {
        self.members().any(|(other, _)| other.user() == member.user() && other != member)
    }

    /// Goes on from the next seal, if there is one that can be followed.
    fn advance(&mut self, offered: Option<&GroupRoster>, told: &mut Inserted) -> bool {
        let seals: Vec<_> = self.current.seals().map(|(place, seal)| (place, seal.id)).collect();
        let chosen = seals.iter().find(|(_, id)| Some(*id) == self.chosen);
        let (place, id) = match (chosen, seals.as_slice()) {
            (_, []) => return false,
            (Some(chosen), _) => *chosen,
            (None, [only]) => *only,
            (None, [_, ..]) => {
                let stop = Stop::TwoSeals { seals: seals.iter().map(|(_, id)| *id).collect() };
                if self.stop.as_ref() != Some(&stop) {
                    let tell = |other| RosterEvent::TwoSeals { followed: None, other };
                    told.events.extend(seals.iter().map(|(_, id)| tell(*id)));
                }
                self.stop = Some(stop);
                return false;
            }
        };
        let Some(seal) = self.current.change(place).cloned() else { return false };
        let Some(Seal { owner, roster: named, .. }) = seal.seal() else { return false };
        let first_seen = self.chosen != Some(id);
        self.chosen = Some(id);
        let rivals = seals.iter().filter(|(_, other)| *other != id);
        if !first_seen {
            let tell = |other| RosterEvent::TwoSeals { followed: Some(id), other };
            let new = rivals.filter(|(_, other)| told.accepted.contains(other));
            told.events.extend(new.map(|(_, other)| tell(*other)));
        }
        let computed = self.current.sealed(self.current.world().past(place), owner);
        let roster = if computed.hash() == *named {
            Some(computed)
        } else {
            if self.stop.is_none() {
                told.events.push(RosterEvent::RosterDiffers { seal: id });
            }
            let offered = offered.cloned().and_then(|raw| SealedRoster::from_wire(raw).ok());
            offered.filter(|roster| roster.hash() == *named && roster.is_owned_by(owner))
        };
        let Some(roster) = roster else {
            self.stop = Some(Stop::RosterMissing { seal: id });
            return false;
        };
        self.go_on(seal.clone(), owner, Epoch::new(id, roster), place, told);
        true
    }

    fn go_on(
        &mut self,
        seal: Change,
        owner: &Member,
        next: Epoch,
        place: usize,
        told: &mut Inserted,
    ) {
        let former = std::mem::replace(&mut self.current, next);
        let before = std::mem::replace(&mut self.state, self.current.state());
        self.seals.push(seal.clone());
        (self.chosen, self.stop) = (None, None);
        told.events.push(RosterEvent::Sealed { seal: seal.id, owner: owner.clone() });
        self.tell_difference(&former, &before, Some(&seal.author), told);
        let past = former.world().past(place);
        for (place, change) in former.changes().iter().enumerate() {
            if before.counted.contains(place) && !past.contains(place) && change.seal().is_none() {
                let (change, author) = (change.id, change.author.clone());
                told.events.push(RosterEvent::Voided { change, author });
            }
        }
        self.former = Some(former);
        self.forget_lists();
    }

    /// Says what is another than in an earlier epoch.
    fn tell_difference(
        &self,
        former: &Epoch,
        before: &State,
        by: Option<&Member>,
        told: &mut Inserted,
    ) {
        let roles = |epoch: &Epoch, state: &State| -> BTreeMap<Member, Role> {
            epoch.roles(state).map(|(member, role, _)| (member.clone(), role)).collect()
        };
        let (old, new) = (roles(former, before), roles(&self.current, &self.state));
        let everybody: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for member in everybody {
            let (before, now) = (old.get(member).copied(), new.get(member).copied());
            if before != now {
                let (member, by) = (member.clone(), by.cloned());
                told.events.push(RosterEvent::Role { member, before, now, by });
            }
        }
        let old = former.settings(before).all();
        for (setting, old) in self.settings().all().into_iter().zip(old) {
            if setting != old {
                told.events.push(RosterEvent::Setting { setting, by: by.cloned() });
            }
        }
    }

    /// Follows one of two seals: a person has chosen. What was held is looked at again.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotAllowed`]: it is not one of those that [`Self::stopped`] names.
    pub fn follow(&mut self, seal: &ChangeId) -> Result<Inserted, RosterError> {
        match &self.stop {
            Some(Stop::TwoSeals { seals }) if seals.contains(seal) => {
                self.chosen = Some(*seal);
                self.stop = None;
                Ok(self.insert(&Update::default()))
            }
            _ => Err(RosterError::NotAllowed),
        }
    }

    /// Goes on from a later seal than the last one that is known, of which the changes in
    /// between are not to be had. What has come since it is then inserted.
    ///
    /// # Errors
    ///
    /// [`RosterError::Refused`]: what is said does not follow from what owners have signed.
    /// [`RosterError::NotAllowed`]: it is no later seal. If it goes by another seal than the
    /// one that is followed here, the owner has made two.
    pub fn catch_up(&mut self, welcome: &Welcome) -> Result<Inserted, RosterError> {
        let (seals, roster) = read_welcome(&self.group, welcome)?;
        let later = seals.len() > self.seals.len()
            && self.seals.iter().zip(&seals).all(|(ours, theirs)| ours.id == theirs.id);
        let chosen = seals.get(self.seals.len()).map(Change::id);
        let Some((last, Kind::Seal(seal))) =
            seals.last().map(|last| (last, &last.kind)).filter(|_| later)
        else {
            return Err(RosterError::NotAllowed);
        };
        if self.stop.is_some() && self.chosen != chosen {
            return Err(RosterError::Stopped);
        }
        let mut told = Inserted::default();
        let next = Epoch::new(last.id, roster);
        let former = std::mem::replace(&mut self.current, next);
        let before = std::mem::replace(&mut self.state, self.current.state());
        told.accepted.push(last.id);
        told.events.push(RosterEvent::Sealed { seal: last.id, owner: seal.owner.clone() });
        self.tell_difference(&former, &before, None, &mut told);
        (self.seals, self.former, self.chosen, self.stop) = (seals, None, None, None);
        self.forget_lists();
        let rest = self.insert(&Update::default());
        told.accepted.extend(rest.accepted);
        told.refused.extend(rest.refused);
        told.events.extend(rest.events);
        told.held = rest.held;
        Ok(told)
    }

    /// What a newcomer needs, beside the changes since the last seal.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        Welcome {
            seals: self.seals.iter().map(|seal| seal.signed.clone()).collect(),
            roster: self.current.roster().to_wire(),
        }
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

    /// What this member did and a seal made void, and what still makes sense: to be signed
    /// again, by one of the user's devices, and by nobody else.
    ///
    /// Changes that are void because their author was demoted or removed are not among them:
    /// a person decides ([`RosterEvent::Voided`], [`Self::void`]).
    #[must_use]
    pub fn reissue(&self, own: &Member) -> Vec<Action> {
        let Some(role) = self.role(own).filter(|_| self.stop.is_none()) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        for change in self.late().filter(|change| change.author == *own) {
            let Kind::Act(action) = &change.kind else { continue };
            let is_owner = role == Role::Owner;
            let may = match action {
                Action::Grant(_) | Action::Demote(_) => is_owner,
                Action::Add(_) | Action::Remove(_) | Action::Set(_) => role != Role::Member,
                Action::Leave => !is_owner,
                Action::Devices(_) => true,
            };
            // Nobody has done anything to the same person or setting since.
            let open = |keep: fn(Role, Option<Role>) -> bool| -> Vec<Member> {
                let open = action.targets().iter().filter(|target| {
                    let who = self.current.number(target);
                    let touched = who.is_some_and(|who| {
                        let world = self.current.world();
                        world.about(who).next().is_some()
                            || world.by(who).any(|(_, node)| node.op == Op::Leave)
                    });
                    !touched && keep(role, self.role(target))
                });
                open.cloned().collect()
            };
            let again = match action {
                Action::Grant(_) => Action::Grant(open(|_, now| now != Some(Role::Admin))),
                Action::Demote(_) => Action::Demote(open(|_, now| now == Some(Role::Admin))),
                Action::Add(_) => Action::Add(open(|_, now| now.is_none())),
                Action::Remove(_) => {
                    Action::Remove(open(|role, now| now.is_some_and(|now| now < role)))
                }
                other => other.clone(),
            };
            let makes_sense = match &again {
                Action::Grant(targets)
                | Action::Demote(targets)
                | Action::Add(targets)
                | Action::Remove(targets) => !targets.is_empty(),
                Action::Leave => true,
                Action::Devices(list) => self
                    .current
                    .number(own)
                    .is_some_and(|who| self.newest_list(who) < list.version()),
                Action::Set(setting) => {
                    self.current.world().sets(setting.number()).is_empty()
                        && !self.settings().all().contains(setting)
                }
            };
            if may && makes_sense {
                actions.push(again);
            }
        }
        actions
    }

    fn newest_list(&self, who: Who) -> u64 {
        let known = Bits::full(self.current.len());
        super::rule::Rule::new(self.current.world(), &known).list_version(who)
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

/// The seals, each signed by the owner that the one before names, and the roster that the
/// last one names.
fn read_welcome(
    group: &GroupId,
    welcome: &Welcome,
) -> Result<(Vec<Change>, SealedRoster), RosterError> {
    let Welcome { seals: raw, roster } = welcome;
    if raw.len() > MAX_SEALS {
        return Err(Refused::Limit.into());
    }
    let mut seals: Vec<Change> = Vec::with_capacity(raw.len());
    for signed in raw {
        let change = Change::decode(signed.clone())?;
        let Some(seal) = change.seal() else { return Err(Refused::Form("a seal").into()) };
        if change.group() != *group {
            return Err(Refused::OtherGroup.into());
        }
        let before = seals.last();
        let owner = before.map_or(Some(&change.author), |seal| seal.seal().map(|s| &s.owner));
        if seal.previous != before.map(Change::id) || owner != Some(&change.author) {
            return Err(Refused::OtherSeal.into());
        }
        change.verify(None)?;
        seals.push(change);
    }
    let roster = SealedRoster::from_wire(roster.clone())?;
    match seals.last().and_then(Change::seal) {
        Some(seal) if seal.roster == roster.hash() && roster.is_owned_by(&seal.owner) => {
            Ok((seals, roster))
        }
        _ => Err(Refused::Form("the roster that the last seal names").into()),
    }
}
