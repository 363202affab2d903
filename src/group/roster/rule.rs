//! The rule: which of the changes that are known count, and who is what then
//! (SPEC.md, section 13.4).
//!
//! The comments are the specification's own lines. Authority in a layer depends only on the
//! layer above (the owner, admins, members), so nothing here is a recursion, no order is
//! chosen, and nothing is ever rolled back.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::bits::Bits;
use super::world::{Node, Op, SETTINGS, Who, World};
use super::{Refused, Role};

/// The most changes since the last seal in the past of a change, unless the owner made it.
///
/// Judging a change costs a walk of its past: this bounds what a member can make others do.
/// A group has seldom a hundred before its owner seals; the owner has no limit, so that
/// somebody who floods a group can be removed from it.
pub const MAX_PAST: u32 = 16_384;

/// What follows from the changes that are known.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Which changes count.
    pub(super) counted: Bits,
    /// What everybody is, by his number.
    pub(super) roles: Vec<Option<Role>>,
    /// The change that gives each setting; `None`: as it was at the seal.
    pub(super) settings: [Option<usize>; SETTINGS],
    /// The changes that count and are in the past of no other that counts.
    pub(super) tips: Vec<usize>,
}

/// What a grant, or the seal, leaves an admin: the ends and leaves it did not know of still
/// bind him.
struct Authority<'w> {
    /// `None`: he was admin at the seal.
    grant: Option<usize>,
    /// What every end had in its past; `None` without an end.
    kept: Option<Bits>,
    leaves: Bits,
    /// What every leave had in its past.
    left_behind: Option<Bits>,
    world: &'w World,
}

/// The rule, over a causally closed set of changes of a world.
pub(super) struct Rule<'w> {
    world: &'w World,
    known: &'w Bits,
    counted: HashMap<Who, Bits>,
    built: Option<Bits>,
}

impl<'w> Rule<'w> {
    pub(super) fn new(world: &'w World, known: &'w Bits) -> Self {
        Self { world, known, counted: HashMap::new(), built: None }
    }

    // 2 Every change by S.owner counts, but for those of a device that he has revoked: the
    //   revocation keeps what it had seen. built := union of the pasts of those that count.
    fn owner_counts(&self, (place, node): (usize, &Node)) -> bool {
        node.author == self.world.owner()
            && self.known.contains(place)
            && self.revocations(node).all(|v| self.world.past(v).contains(place))
    }

    fn built(&mut self) -> &Bits {
        if self.built.is_none() {
            let mut built = Bits::new();
            let owners: Vec<_> = self.world.by(self.world.owner()).collect();
            // The latest first: mostly it has all the others in its past.
            for (place, node) in owners.into_iter().rev() {
                if !built.contains(place) && self.owner_counts((place, node)) {
                    built.unite(&node.past);
                }
            }
            self.built = Some(built);
        }
        self.built.get_or_insert_default()
    }

    // 3 ends(M) := the owner's demote(M), del(M).
    fn ends(&self, who: Who) -> impl Iterator<Item = usize> {
        let ends = |node: &Node| matches!(node.op, Op::Demote(_) | Op::Remove(_));
        self.by_owner_about(who, ends)
    }

    //   leaves(M) := M's leaves (a leave always counts).
    fn leaves(&self, who: Who) -> impl Iterator<Item = usize> {
        self.only_known(self.world.leaves(who)).map(|(place, _)| place)
    }

    fn grants(&self, who: Who) -> impl Iterator<Item = usize> {
        self.by_owner_about(who, |node| matches!(node.op, Op::Grant(_)))
    }

    /// What made somebody an admin: the seal (`None`), and grants.
    fn origins(&self, who: Who) -> impl Iterator<Item = Option<usize>> {
        let base = self.world.person(who).filter(|person| person.base == Some(Role::Admin));
        base.map(|_| None).into_iter().chain(self.grants(who).map(Some))
    }

    // DEVICE: a `devices` change is, for each device that is no longer listed, a leave of
    // that device.
    fn revocations(&self, node: &Node) -> impl Iterator<Item = usize> {
        let lists = self.only_known(self.world.devices(node.author));
        lists.filter(|(_, v)| v.revokes(node)).map(|(place, _)| place)
    }

    fn authority(&self, who: Who, grant: Option<usize>) -> Authority<'w> {
        let past = grant.map(|grant| self.world.past(grant));
        let open = |place: &usize| past.is_none_or(|past| !past.contains(*place));
        let leaves: Bits = self.leaves(who).filter(open).collect();
        let common = |places: &mut dyn Iterator<Item = usize>| {
            places.map(|place| self.world.past(place).clone()).reduce(|mut common, past| {
                common.intersect(&past);
                common
            })
        };
        let kept = common(&mut self.ends(who).filter(open));
        let left_behind = common(&mut leaves.iter());
        Authority { grant, kept, left_behind, leaves, world: self.world }
    }

    // 4 add, del, title x by admin M counts iff for some g (M admin in base: past(g) empty; or
    //   grant(M) in past(x)) `covers` holds; DEVICE: and for each revocation v of the device
    //   that signed x: x in past(v) or x in built.
    fn counted_by(&mut self, who: Who) -> &Bits {
        if !self.counted.contains_key(&who) {
            let counted = self.count(who);
            self.counted.insert(who, counted);
        }
        self.counted.entry(who).or_default()
    }

    fn count(&mut self, who: Who) -> Bits {
        if who == self.world.owner() {
            let mine = self.world.by(who).filter(|change| self.owner_counts(*change));
            return mine.map(|(place, _)| place).collect();
        }
        let authorities: Vec<_> =
            self.origins(who).map(|grant| self.authority(who, grant)).collect();
        let mut counted = Bits::new();
        for (place, node) in self.world.by(who) {
            let counts = self.known.contains(place)
                && match node.op {
                    Op::Leave | Op::Devices { .. } => true,
                    Op::Add(_) | Op::Remove(_) | Op::Set(_) => {
                        let built = |rule: &mut Self| rule.built().contains(place);
                        authorities.iter().any(|g| g.covers(place, || built(self)))
                            && (self.revocations(node).all(|v| self.world.past(v).contains(place))
                                || built(self))
                    }
                    Op::Seal | Op::Grant(_) | Op::Demote(_) => false,
                };
            if counts {
                counted.insert(place);
            }
        }
        counted
    }

    fn counts(&mut self, (place, node): (usize, &Node)) -> bool {
        self.counted_by(node.author).contains(place)
    }

    // 5 X is admin iff for some g (base or grant(X)): ends(X) and leaves(X) all in past(g).
    pub(super) fn is_admin(&self, who: Who) -> bool {
        let over: Bits = self.ends(who).chain(self.leaves(who)).collect();
        self.origins(who).any(|grant| match grant {
            None => over.is_empty(),
            Some(grant) => over.is_within(self.world.past(grant)),
        })
    }

    //   X is a member iff owner, admin, or for some a (base entry, or counted add(X) or
    //   demote(X)): every counted del(X) and leave of X is in past(a).
    pub(super) fn role(&mut self, who: Who) -> Option<Role> {
        if who == self.world.owner() {
            return Some(Role::Owner);
        }
        if self.is_admin(who) {
            return Some(Role::Admin);
        }
        let world = self.world;
        let mut gone: Bits = self.leaves(who).collect();
        for change in world.about(who).filter(|(_, node)| matches!(node.op, Op::Remove(_))) {
            if self.counts(change) {
                gone.insert(change.0);
            }
        }
        let base = world.person(who).is_some_and(|person| person.base.is_some());
        let is_member = (base && gone.is_empty())
            || world
                .about(who)
                .filter(|(_, node)| matches!(node.op, Op::Add(_) | Op::Demote(_)))
                .any(|a| gone.is_within(&a.1.past) && self.counts(a));
        is_member.then_some(Role::Member)
    }

    // 6 title: of the counted ones in no other's past the owner's, else that of the smallest
    //   author account key (same author: larger hash).
    fn setting(&mut self, setting: usize) -> Option<usize> {
        let world = self.world;
        let mut covered = Bits::new();
        let mut latest = Vec::new();
        for place in world.sets(setting).iter().rev() {
            let Some(node) = world.node(*place) else { continue };
            if !covered.contains(*place) && self.counts((*place, node)) {
                covered.unite(&node.past);
                latest.push((*place, node));
            }
        }
        let rank = |(_, node): &(usize, &Node)| {
            let key = world.person(node.author).map(|person| person.key);
            (node.author == world.owner(), Reverse(key), node.hash)
        };
        latest.into_iter().max_by_key(rank).map(|(place, _)| place)
    }

    // 7 head := H(S, sorted tips of the counted changes).
    fn tips(&self, counted: &Bits) -> Vec<usize> {
        let mut covered = Bits::new();
        let mut tips = Vec::new();
        for place in counted.iter().rev() {
            if !covered.contains(place) {
                covered.unite(self.world.past(place));
                tips.push(place);
            }
        }
        tips
    }

    /// STATE, of everybody and everything.
    pub(super) fn state(mut self) -> State {
        let mut state = State::default();
        for who in self.world.people() {
            state.roles.push(self.role(who));
            if self.world.by(who).next().is_some() {
                state.counted.unite(self.counted_by(who));
            }
        }
        for (setting, place) in state.settings.iter_mut().enumerate() {
            *place = self.setting(setting);
        }
        state.tips = self.tips(&state.counted);
        state
    }

    /// The version of somebody's newest device list that is known.
    pub(super) fn list_version(&self, who: Who) -> u64 {
        let told = self.only_known(self.world.devices(who)).filter_map(|(_, node)| match node.op {
            Op::Devices { version, .. } => Some(version),
            _ => None,
        });
        told.chain(self.world.person(who).map(|person| person.list_version)).max().unwrap_or(0)
    }

    fn only_known(
        &self,
        changes: impl Iterator<Item = (usize, &'w Node)>,
    ) -> impl Iterator<Item = (usize, &'w Node)> {
        changes.filter(|(place, _)| self.known.contains(*place))
    }

    fn by_owner_about(&self, who: Who, is: fn(&Node) -> bool) -> impl Iterator<Item = usize> {
        self.world
            .about(who)
            .filter(move |change| is(change.1) && self.owner_counts(*change))
            .map(|(place, _)| place)
    }
}

impl Authority<'_> {
    //   each e in ends(M) - past(g):    x in past(e);
    //   each l in leaves(M) - past(g):  l not in past(x), and (x in past(l) or x in built).
    fn covers(&self, place: usize, built: impl FnOnce() -> bool) -> bool {
        let past = self.world.past(place);
        self.grant.is_none_or(|grant| past.contains(grant))
            && self.kept.as_ref().is_none_or(|kept| kept.contains(place))
            && !past.meets(&self.leaves)
            && (self.left_behind.as_ref().is_none_or(|seen| seen.contains(place)) || built())
    }
}

/// VALID, of a change whose past is known: its kind allowed to its author, and itself
/// counting in the state of past(x) + {x} alone.
///
/// # Errors
///
/// [`Refused`]: it is never stored.
pub(super) fn judge(world: &World, node: &Node) -> Result<(), Refused> {
    let mut rule = Rule::new(world, &node.past);
    let is_owner = node.author == world.owner();
    if !is_owner && node.past.len() > MAX_PAST {
        return Err(Refused::Limit);
    }
    let newest = rule.list_version(node.author);
    if node.signer.is_some_and(|signer| signer.version < newest) {
        return Err(Refused::NotAllowed);
    }
    let allowed = match &node.op {
        Op::Seal | Op::Grant(_) | Op::Demote(_) => is_owner,
        Op::Add(_) | Op::Set(_) => is_owner || rule.is_admin(node.author),
        Op::Remove(targets) => {
            let above = |who: &Who| *who == world.owner() || rule.is_admin(*who);
            is_owner || (rule.is_admin(node.author) && !targets.iter().any(above))
        }
        Op::Leave => !is_owner && rule.role(node.author).is_some(),
        Op::Devices { version, .. } => newest < *version && rule.role(node.author).is_some(),
    };
    if allowed { Ok(()) } else { Err(Refused::NotAllowed) }
}
