//! The rule a second time, straight from SPEC.md section 13.4: sets of changes are bit
//! masks, everything is computed anew, seals are part of the world. And its mutants.

use crate::group::Role;

/// People: the owner, two admins, and two whom the group does not have.
pub(super) const O: usize = 0;
pub(super) const A: usize = 1;
pub(super) const B: usize = 2;
pub(super) const Y: usize = 3;
pub(super) const Z: usize = 4;
pub(super) const PEOPLE: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    /// The next owner.
    Seal(usize),
    Grant(usize),
    Demote(usize),
    Add(usize),
    Del(usize),
    Leave,
    /// A new list of this version, with these devices (a mask).
    Devices(u64, u32),
    Title,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) author: usize,
    pub(super) op: Op,
    /// Which device signed, and the version of the list it was on.
    pub(super) device: u32,
    pub(super) version: u64,
    pub(super) past: u32,
}

impl Change {
    pub(super) fn new(author: usize, op: Op, past: u32) -> Self {
        Self { author, op, device: 1, version: 1, past }
    }

    pub(super) fn is_signed_by_account(&self) -> bool {
        matches!(self.op, Op::Seal(_) | Op::Devices(..))
    }

    /// Whether it takes the device that signed `other` off the list.
    pub(super) fn revokes(&self, other: &Self) -> bool {
        let Op::Devices(version, listed) = self.op else { return false };
        self.author == other.author
            && !other.is_signed_by_account()
            && other.version < version
            && listed & (1 << other.device) == 0
    }

    fn is(&self, author: usize, op: Op) -> bool {
        self.author == author && self.op == op
    }
}

/// What the rule must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// What an ended admin signs counts, whatever the end had seen.
    NoCut,
    /// A grant forgives ends that it did not know of.
    GrantForgives,
    /// A grant makes an admin, whatever ends it did not know of.
    GrantBeatsEnd,
    /// A leave does not end an admin's power.
    LeaveWithoutCut,
    /// A leave voids what the owner has built on.
    NoBuilt,
    /// Admins remove admins.
    AdminsRemoveAdmins,
    /// An add beats a removal that it did not know of.
    AddBeatsRemoval,
    /// A member who is no admin any more may add.
    OnceAdmin,
    /// A device that was taken off a list goes on.
    DevicesForever,
}

pub(super) const MUTANTS: [Mutant; 9] = [
    Mutant::NoCut,
    Mutant::GrantForgives,
    Mutant::GrantBeatsEnd,
    Mutant::LeaveWithoutCut,
    Mutant::NoBuilt,
    Mutant::AdminsRemoveAdmins,
    Mutant::AddBeatsRemoval,
    Mutant::OnceAdmin,
    Mutant::DevicesForever,
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) owner: usize,
    pub(super) roles: [Option<Role>; PEOPLE],
    pub(super) counted: u32,
    pub(super) title: Option<usize>,
    /// The last seal; `None`: the group's first.
    pub(super) seal: Option<usize>,
    /// Two seals of one owner, and none was followed before.
    pub(super) stopped: bool,
    /// The versions of the newest lists.
    pub(super) lists: [u64; PEOPLE],
}

pub(super) struct Naive<'a> {
    pub(super) changes: &'a [Change],
    pub(super) mutant: Option<Mutant>,
    /// Whether the seal that came first is followed.
    pub(super) follows: bool,
}

/// O is the owner; A and B are admins.
pub(super) const BASE: [Option<Role>; PEOPLE] =
    [Some(Role::Owner), Some(Role::Admin), Some(Role::Admin), None, None];

pub(super) fn bits(mask: u32) -> impl Iterator<Item = usize> + Clone {
    (0..32).filter(move |bit| mask >> bit & 1 == 1)
}

fn has(mask: u32, place: usize) -> bool {
    mask >> place & 1 == 1
}

impl<'a> Naive<'a> {
    pub(super) fn new(changes: &'a [Change]) -> Self {
        Self { changes, mutant: None, follows: true }
    }

    fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn past(&self, place: usize) -> u32 {
        self.changes[place].past
    }

    fn where_(&self, known: u32, test: impl Fn(&Change) -> bool) -> u32 {
        bits(known).filter(|place| test(&self.changes[*place])).map(|place| 1 << place).sum()
    }

    /// STATE(K).
    pub(super) fn state(&self, known: u32) -> State {
        // 1
        let (mut owner, mut base, mut lists) = (O, BASE, [1; PEOPLE]);
        let (mut seal, mut stopped) = (None, false);
        let mut title = None;
        loop {
            let after = |past: u32| seal.is_none_or(|seal| has(past, seal));
            let next = self.where_(known, |x| {
                x.author == owner && matches!(x.op, Op::Seal(_)) && after(x.past)
            });
            let first: Vec<usize> =
                bits(next).filter(|place| next & self.past(*place) == 0).collect();
            let follow = match first.as_slice() {
                [] => break,
                [only] => *only,
                // Changes have numbers in the order in which they came.
                [first, ..] if self.follows => *first,
                _ => {
                    stopped = true;
                    break;
                }
            };
            let Op::Seal(new) = self.changes[follow].op else { unreachable!() };
            let sealed = self.state(self.past(follow));
            base = sealed.roles;
            base[sealed.owner] = Some(Role::Admin);
            base[new] = Some(Role::Owner);
            (owner, lists, title, seal) = (new, sealed.lists, sealed.title, Some(follow));
        }
        let known = self.where_(known, |x| seal.is_none_or(|seal| has(x.past, seal)));

        // 2, DEVICE
        let revocations = |x: usize| {
            let forever = self.is_mutant(Mutant::DevicesForever);
            self.where_(known, |v| !forever && v.revokes(&self.changes[x]))
        };
        let kept = |x: usize| bits(revocations(x)).all(|v| has(self.past(v), x));
        let owners = self.where_(known, |x| x.author == owner);
        let owners = bits(owners).filter(|x| kept(*x)).map(|x| 1 << x).sum::<u32>();
        let built = bits(owners).fold(0, |built, x| built | self.past(x));

        // 3
        let admins_end = self.is_mutant(Mutant::AdminsRemoveAdmins);
        let ends = |m: usize| {
            let all = if admins_end { known } else { owners };
            self.where_(all, |x| x.op == Op::Demote(m) || x.op == Op::Del(m))
        };
        let leaves = |m: usize| self.where_(known, |x| x.is(m, Op::Leave));
        // What made somebody an admin, by its past; `None` in place of a change: the base.
        let origins = |m: usize| -> Vec<(Option<usize>, u32)> {
            let grants = self.where_(owners, |x| x.op == Op::Grant(m));
            let base = (base[m] == Some(Role::Admin)).then_some((None, 0));
            base.into_iter().chain(bits(grants).map(|g| (Some(g), self.past(g)))).collect()
        };

        // 4, DEVICE
        let counts = |x: usize| {
            let change = &self.changes[x];
            let m = change.author;
            if m == owner {
                return has(owners, x);
            }
            match change.op {
                Op::Leave | Op::Devices(..) => return true,
                Op::Add(_) | Op::Del(_) | Op::Title => {}
                _ => return false,
            }
            let granted = origins(m).into_iter().any(|(g, past_g)| {
                let forgiven =
                    if self.is_mutant(Mutant::GrantForgives) && g.is_some() { !0 } else { past_g };
                let ends_hold = bits(ends(m) & !forgiven).all(|e| has(self.past(e), x))
                    || self.is_mutant(Mutant::NoCut);
                let leaves_hold = bits(leaves(m) & !past_g).all(|l| {
                    !has(change.past, l)
                        && (has(self.past(l), x)
                            || (has(built, x) && !self.is_mutant(Mutant::NoBuilt)))
                }) || self.is_mutant(Mutant::LeaveWithoutCut);
                g.is_none_or(|g| has(change.past, g)) && ends_hold && leaves_hold
            });
            let stands = bits(revocations(x)).all(|v| has(self.past(v), x) || has(built, x));
            granted && stands
        };
        let counted: u32 = bits(known).filter(|x| counts(*x)).map(|x| 1 << x).sum();

        // 5
        let is_admin = |x: usize| {
            origins(x).into_iter().any(|(g, past_g)| {
                (ends(x) | leaves(x)) & !past_g == 0
                    || (self.is_mutant(Mutant::GrantBeatsEnd) && g.is_some())
                    || (self.is_mutant(Mutant::OnceAdmin) && ends(x) != 0)
            })
        };
        let is_member = |x: usize| {
            let gone = self.where_(counted, |c| c.op == Op::Del(x)) | leaves(x);
            let adds = self.where_(counted, |c| c.op == Op::Add(x) || c.op == Op::Demote(x));
            let stands = |a: usize| {
                let knows = |d: usize| has(self.past(a), d);
                bits(gone).all(|d| {
                    knows(d) || (self.is_mutant(Mutant::AddBeatsRemoval) && !has(self.past(d), a))
                })
            };
            (base[x].is_some() && gone == 0) || bits(adds).any(stands)
        };
        let role = |x: usize| match x {
            x if x == owner => Some(Role::Owner),
            x if is_admin(x) => Some(Role::Admin),
            x => is_member(x).then_some(Role::Member),
        };

        // 6: the number stands for the key, and for the hash.
        let titles = self.where_(counted, |x| x.op == Op::Title);
        let in_a_past = bits(titles).fold(0, |all, x| all | self.past(x));
        let rank = |x: &usize| {
            let author = self.changes[*x].author;
            (author == owner, PEOPLE - author, *x)
        };
        let newest = |m: usize| {
            let told = bits(known).filter_map(|x| match self.changes[x] {
                Change { author, op: Op::Devices(version, _), .. } if author == m => Some(version),
                _ => None,
            });
            told.max().unwrap_or(0).max(lists[m])
        };
        State {
            owner,
            roles: std::array::from_fn(role),
            counted,
            title: bits(titles & !in_a_past).max_by_key(rank).or(title),
            seal,
            stopped,
            lists: std::array::from_fn(newest),
        }
    }

    /// VALID, of a change whose past is valid.
    pub(super) fn is_valid(&self, place: usize) -> bool {
        let change = &self.changes[place];
        // Its past alone decides, and of two seals in there none was followed first.
        let alone = Naive { follows: false, ..*self };
        let before = alone.state(change.past);
        let m = change.author;
        let is_owner = m == before.owner;
        let is_admin = before.roles[m] == Some(Role::Admin);
        let above = |x: usize| before.roles[x].is_some_and(|role| role > Role::Member);
        let admins_end = self.is_mutant(Mutant::AdminsRemoveAdmins);
        let allowed = match change.op {
            Op::Seal(_) | Op::Grant(_) | Op::Demote(_) => is_owner,
            Op::Add(_) | Op::Title => is_owner || is_admin,
            Op::Del(x) => is_owner || (is_admin && (!above(x) || (admins_end && x != O))),
            Op::Leave => !is_owner && before.roles[m].is_some(),
            Op::Devices(version, _) => before.roles[m].is_some() && version > before.lists[m],
        };
        let with = alone.state(change.past | 1 << place);
        let counts = has(with.counted, place) || matches!(change.op, Op::Seal(_));
        let listed = change.is_signed_by_account() || change.version >= before.lists[m];
        // Each parent is the last seal, or has it in its past.
        let rest = bits(change.past).fold(0, |all, x| all | self.past(x));
        let one_seal = bits(change.past & !rest)
            .all(|p| before.seal.is_none_or(|seal| p == seal || has(self.past(p), seal)));
        allowed && counts && listed && one_seal && !before.stopped
    }
}

/// All closed sets of the first `length` changes.
pub(super) fn closed_sets(changes: &[Change]) -> Vec<u32> {
    (0..1_u32 << changes.len())
        .filter(|set| bits(*set).all(|place| changes[place].past & !set == 0))
        .collect()
}
