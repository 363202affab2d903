//! What the rule is about: people and changes as numbers, and what came before what.
//!
//! A world is what happened since one seal. It knows no keys, hashes mean nothing to it but
//! an order, and all that is in it is valid (`rule::judge`).

use super::Role;
use super::bits::Bits;

/// The number of a person in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who(pub(super) usize);

/// Three settings, each by itself: title, picture, timer.
pub(super) const SETTINGS: usize = 3;

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// Ends the world. All that is not in its past is void from then on.
    Seal,
    Grant(Vec<Who>),
    Demote(Vec<Who>),
    Add(Vec<Who>),
    Remove(Vec<Who>),
    Leave,
    /// The author's devices are these from now on.
    Devices {
        version: u64,
        listed: Vec<u32>,
    },
    /// One of the settings.
    Set(usize),
}

impl Op {
    fn targets(&self) -> &[Who] {
        match self {
            Self::Grant(who) | Self::Demote(who) | Self::Add(who) | Self::Remove(who) => who,
            Self::Seal | Self::Leave | Self::Devices { .. } | Self::Set(_) => &[],
        }
    }
}

/// The device that signed a change, and the version of the list that it was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signer {
    pub(super) device: u32,
    pub(super) version: u64,
}

/// A change, with its place among the others.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) author: Who,
    /// `None` if the account key signed it.
    pub(super) signer: Option<Signer>,
    pub(super) op: Op,
    /// All that its author had seen.
    pub(super) past: Bits,
    /// Its hash; only its order counts.
    pub(super) hash: [u8; 32],
}

impl Node {
    /// Whether this says that the device which signed `other` is no longer its author's.
    pub(super) fn revokes(&self, other: &Self) -> bool {
        let (Op::Devices { version, listed }, Some(signer)) = (&self.op, other.signer) else {
            return false;
        };
        self.author == other.author && signer.version < *version && !listed.contains(&signer.device)
    }
}

/// Somebody who was a member at the seal, or of whom a change speaks.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// What he was at the seal.
    pub(super) base: Option<Role>,
    /// The version of the newest device list of his that was known at the seal.
    pub(super) list_version: u64,
    /// His account key; only its order counts.
    pub(super) key: [u8; 32],
    /// His changes.
    by: Vec<usize>,
    /// Those of them that are leaves.
    leaves: Vec<usize>,
    /// Those of them that say which devices are his.
    devices: Vec<usize>,
    /// Changes with him as a target.
    about: Vec<usize>,
}

/// What happened since one seal.
#[derive(Debug, Clone)]
pub(super) struct World {
    owner: Who,
    people: Vec<Person>,
    nodes: Vec<Node>,
    sets: [Vec<usize>; SETTINGS],
}

#[cfg(test)]
thread_local! {
    /// How many changes were looked at.
    pub(super) static VISITED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// What is asked for a place that is not there.
static NOTHING: Bits = Bits::new();

impl World {
    /// A world with nobody in it, owned by the first who comes.
    pub(super) fn new() -> Self {
        Self { owner: Who(0), people: Vec::new(), nodes: Vec::new(), sets: Default::default() }
    }

    /// Somebody more.
    pub(super) fn meet(&mut self, base: Option<Role>, list_version: u64, key: [u8; 32]) -> Who {
        let who = Who(self.people.len());
        let [by, leaves, devices, about] = [const { Vec::new() }; 4];
        self.people.push(Person { base, list_version, key, by, leaves, devices, about });
        if base == Some(Role::Owner) {
            self.owner = who;
        }
        who
    }

    /// One change more; it is valid. Gives its place.
    pub(super) fn push(&mut self, node: Node) -> usize {
        let place = self.nodes.len();
        if let Some(author) = self.people.get_mut(node.author.0) {
            author.by.push(place);
            match node.op {
                Op::Leave => author.leaves.push(place),
                Op::Devices { .. } => author.devices.push(place),
                _ => {}
            }
        }
        for target in node.op.targets() {
            if let Some(target) = self.people.get_mut(target.0) {
                target.about.push(place);
            }
        }
        if let Op::Set(setting) = node.op
            && let Some(places) = self.sets.get_mut(setting)
        {
            places.push(place);
        }
        self.nodes.push(node);
        place
    }

    /// The owner, from the seal on.
    pub(super) fn owner(&self) -> Who {
        self.owner
    }

    /// How many changes there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn people(&self) -> impl Iterator<Item = Who> + use<> {
        (0..self.people.len()).map(Who)
    }

    pub(super) fn person(&self, who: Who) -> Option<&Person> {
        self.people.get(who.0)
    }

    pub(super) fn node(&self, place: usize) -> Option<&Node> {
        self.nodes.get(place)
    }

    pub(super) fn past(&self, place: usize) -> &Bits {
        self.nodes.get(place).map_or(&NOTHING, |node| &node.past)
    }

    /// The changes by somebody, in the order in which they became known.
    pub(super) fn by(&self, who: Who) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes_at(self.people.get(who.0).map_or(&[], |person| &person.by))
    }

    /// Somebody's leaves.
    pub(super) fn leaves(&self, who: Who) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes_at(self.people.get(who.0).map_or(&[], |person| &person.leaves))
    }

    /// What somebody has said of his devices.
    pub(super) fn devices(&self, who: Who) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes_at(self.people.get(who.0).map_or(&[], |person| &person.devices))
    }

    /// The changes with somebody as a target.
    pub(super) fn about(&self, who: Who) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes_at(self.people.get(who.0).map_or(&[], |person| &person.about))
    }

    /// The changes of a setting.
    pub(super) fn sets(&self, setting: usize) -> &[usize] {
        self.sets.get(setting).map_or(&[], Vec::as_slice)
    }

    fn nodes_at<'a>(&'a self, places: &'a [usize]) -> impl Iterator<Item = (usize, &'a Node)> {
        #[cfg(test)]
        let places = places.iter().inspect(|_| VISITED.set(VISITED.get() + 1));
        #[cfg(not(test))]
        let places = places.iter();
        places.filter_map(|place| Some((*place, self.nodes.get(*place)?)))
    }
}
