//! The changes since one seal: as they were signed, and as a world for the rule.

use std::collections::HashMap;

use super::bits::Bits;
use super::change::{Action, Change, Kind};
use super::rule::{Rule, State, judge};
use super::sealed::{Entry, SealedRoster, Settings};
use super::world::{Node, Op, Signer, Who, World};
use super::{ChangeId, Head, Member, Refused, Role};

/// What has come since a seal.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    seal: ChangeId,
    roster: SealedRoster,
    world: World,
    people: Vec<Member>,
    numbers: HashMap<Member, Who>,
    changes: Vec<Change>,
    places: HashMap<ChangeId, usize>,
    seals: Vec<usize>,
}

/// Where a hash leads, from the point of view of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Something to build on: the seal itself, or a change since.
    Here,
    /// A seal that ends the epoch.
    End,
    /// Nothing that is known.
    Nowhere,
}

impl Epoch {
    pub(super) fn new(seal: ChangeId, roster: SealedRoster) -> Self {
        let mut epoch = Self {
            seal,
            world: World::new(),
            people: Vec::new(),
            numbers: HashMap::new(),
            changes: Vec::new(),
            places: HashMap::new(),
            seals: Vec::new(),
            roster: SealedRoster::default(),
        };
        for (member, Entry { role, list_version }) in &roster.entries {
            epoch.meet(member, Some(*role), *list_version);
        }
        epoch.roster = roster;
        epoch
    }

    fn meet(&mut self, member: &Member, base: Option<Role>, list_version: u64) -> Who {
        let who = self.world.meet(base, list_version, *member.key().as_bytes());
        self.people.push(member.clone());
        self.numbers.insert(member.clone(), who);
        who
    }

    pub(super) fn seal(&self) -> ChangeId {
        self.seal
    }

    pub(super) fn roster(&self) -> &SealedRoster {
        &self.roster
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// All changes, each after its parents.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(super) fn change(&self, place: usize) -> Option<&Change> {
        self.changes.get(place)
    }

    pub(super) fn place(&self, id: &ChangeId) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(super) fn person(&self, who: Who) -> Option<&Member> {
        self.people.get(who.0)
    }

    pub(super) fn number(&self, member: &Member) -> Option<Who> {
        self.numbers.get(member).copied()
    }

    /// The seals that may end it.
    pub(super) fn seals(&self) -> impl Iterator<Item = (usize, &Change)> {
        self.seals.iter().filter_map(|place| Some((*place, self.changes.get(*place)?)))
    }

    pub(super) fn find(&self, id: &ChangeId) -> Found {
        match self.places.get(id) {
            Some(place) if self.seals.contains(place) => Found::End,
            Some(_) => Found::Here,
            None if *id == self.seal => Found::Here,
            None => Found::Nowhere,
        }
    }

    /// All that these changes have in their past, and themselves. The seal is in no past.
    pub(super) fn closure<'a>(&self, ids: impl IntoIterator<Item = &'a ChangeId>) -> Bits {
        let mut past = Bits::new();
        for place in ids.into_iter().filter_map(|id| self.places.get(id)) {
            past.unite(self.world.past(*place));
            past.insert(*place);
        }
        past
    }

    /// The change as the rule sees it, and whom it names who has not been met. Its parents
    /// are known.
    fn node(&self, change: &Change, list_version: u64) -> (Node, Vec<Member>) {
        let mut strangers = Vec::new();
        let mut number = |member: &Member| {
            self.numbers.get(member).copied().unwrap_or_else(|| {
                strangers.push(member.clone());
                Who(self.people.len() + strangers.len() - 1)
            })
        };
        let author = number(&change.author);
        let mut all = |members: &[Member]| {
            members.iter().map(|m| if *m == change.author { author } else { number(m) }).collect()
        };
        let op = match &change.kind {
            Kind::Seal(_) => Op::Seal,
            Kind::Act(action) => match action {
                Action::Grant(targets) => Op::Grant(all(targets)),
                Action::Demote(targets) => Op::Demote(all(targets)),
                Action::Add(targets) => Op::Add(all(targets)),
                Action::Remove(targets) => Op::Remove(all(targets)),
                Action::Leave => Op::Leave,
                Action::Devices(list) => Op::Devices {
                    version: list.version(),
                    listed: list.devices().iter().map(|device| device.id().get()).collect(),
                },
                Action::Set(setting) => Op::Set(setting.number()),
            },
        };
        let signer =
            change.signer.map(|s| Signer { device: s.device.get(), version: list_version });
        let past = self.closure(&change.parents);
        (Node { author, signer, op, past, hash: change.id.0 }, strangers)
    }

    /// Whether this change, whose parents are known, is valid.
    pub(super) fn judge(&self, change: &Change, list_version: u64) -> Result<(), Refused> {
        let (node, _) = self.node(change, list_version);
        self.judge_node(change, &node)
    }

    fn judge_node(&self, change: &Change, node: &Node) -> Result<(), Refused> {
        if change.seal().is_some_and(|seal| seal.previous != Some(self.seal)) {
            return Err(Refused::OtherSeal);
        }
        judge(&self.world, node)
    }

    /// Takes a change whose parents are known and whose signature has been checked.
    pub(super) fn admit(&mut self, change: Change, list_version: u64) -> Result<usize, Refused> {
        let (node, strangers) = self.node(&change, list_version);
        self.judge_node(&change, &node)?;
        Ok(self.push(change, node, &strangers))
    }

    /// Takes a change that has been judged before.
    pub(super) fn restore(&mut self, change: Change, list_version: u64) {
        let (node, strangers) = self.node(&change, list_version);
        self.push(change, node, &strangers);
    }

    fn push(&mut self, change: Change, node: Node, strangers: &[Member]) -> usize {
        for stranger in strangers {
            self.meet(stranger, None, 0);
        }
        let place = self.world.push(node);
        if change.seal().is_some() {
            self.seals.push(place);
        }
        self.places.insert(change.id, place);
        self.changes.push(change);
        place
    }

    /// STATE of all that is known.
    pub(super) fn state(&self) -> State {
        Rule::new(&self.world, &Bits::full(self.len())).state()
    }

    pub(super) fn settings(&self, state: &State) -> Settings {
        let mut settings = self.roster.settings.clone();
        for place in state.settings.iter().flatten() {
            if let Some(Kind::Act(Action::Set(setting))) =
                self.changes.get(*place).map(Change::kind)
            {
                settings.set(setting);
            }
        }
        settings
    }

    pub(super) fn head(&self, state: &State) -> Head {
        Head::new(&self.seal, &self.tips(state))
    }

    /// The tips of what counts, sorted.
    pub(super) fn tips(&self, state: &State) -> Vec<ChangeId> {
        let tip = |place: &usize| Some(self.changes.get(*place)?.id);
        let mut tips: Vec<_> = state.tips.iter().filter_map(tip).collect();
        tips.sort();
        tips
    }

    /// What a seal with this past, in favour of this owner, has to name.
    pub(super) fn sealed(&self, past: &Bits, owner: &Member) -> SealedRoster {
        let state = Rule::new(&self.world, past).state();
        let rule = Rule::new(&self.world, past);
        let entry = |(role, who): (Role, Who)| Entry { role, list_version: rule.list_version(who) };
        let members = self.roles(&state).map(|(member, role, who)| {
            // Who hands the group over stays as an admin.
            let role = if role == Role::Owner { Role::Admin } else { role };
            (member.clone(), entry((role, who)))
        });
        let mut entries: std::collections::BTreeMap<_, _> = members.collect();
        // Who is no member may have been one before.
        let list_version = self.number(owner).map_or(0, |who| rule.list_version(who));
        entries.insert(owner.clone(), Entry { role: Role::Owner, list_version });
        SealedRoster { entries, settings: self.settings(&state) }
    }

    /// Everybody who is a member.
    pub(super) fn roles<'a>(
        &'a self,
        state: &'a State,
    ) -> impl Iterator<Item = (&'a Member, Role, Who)> {
        let people = self.people.iter().zip(&state.roles).enumerate();
        people.filter_map(|(number, (member, role))| Some((member, (*role)?, Who(number))))
    }

    /// Drops what is not in `keep`, which has the past of all that is in it.
    pub(super) fn keep(&mut self, keep: &Bits) {
        let mut kept = Self::new(self.seal, std::mem::take(&mut self.roster));
        for (place, change) in std::mem::take(&mut self.changes).into_iter().enumerate() {
            if keep.contains(place) {
                let signer = self.world.node(place).and_then(|node| node.signer);
                kept.restore(change, signer.map_or(0, |signer| signer.version));
            }
        }
        *self = kept;
    }
}
