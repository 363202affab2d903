//! What must hold in every world (SPEC.md, section 13.8), over the naive rule.

use super::naive::{Change, Naive, O, Op, PEOPLE, State, bits};
use crate::group::Role;

/// The number of the first invariant that does not hold in the world of all these changes,
/// which are valid and without seals. (1 and 2 are about order: `orders`, `gossip`.)
pub(super) fn broken(naive: &Naive<'_>, state: &State) -> Option<u32> {
    let changes = naive.changes;
    let all = (0..changes.len()).fold(0, |all, place| all | 1 << place);
    let world = Checked { changes, all, state };
    let without = |x: usize| naive.state(all & !(1 << x));
    let last = |x: &usize| changes.iter().all(|other| other.past >> x & 1 == 0);
    let foreign = || bits(all).filter(last).filter(|x| changes[*x].author != O);
    let checks: [(u32, bool); 7] = [
        (3, bits(all).all(|e| world.an_ended_admin_is_powerless(e))),
        (4, foreign().all(|x| world.rank(x, &without(x)))),
        (5, foreign().all(|x| world.no_rollback(x, &without(x)))),
        (6, bits(all).all(|r| world.removals_stick(r))),
        (7, bits(all).all(|l| world.who_left_is_powerless(l))),
        (8, bits(all).all(|x| world.liveness(x))),
        (9, bits(all).all(|v| world.a_revoked_device_is_powerless(v))),
    ];
    checks.into_iter().find(|(_, holds)| !holds).map(|(number, _)| number)
}

struct Checked<'a> {
    changes: &'a [Change],
    all: u32,
    state: &'a State,
}

impl Checked<'_> {
    fn counts(&self, x: usize) -> bool {
        self.state.counted >> x & 1 == 1
    }

    fn knows(&self, x: usize, other: usize) -> bool {
        self.changes[x].past >> other & 1 == 1
    }

    /// A grant to `m` that knew `x`.
    fn grants_after(&self, m: usize, x: usize) -> impl Iterator<Item = usize> {
        bits(self.all).filter(move |g| {
            let grant = &self.changes[*g];
            grant.op == Op::Grant(m) && self.counts(*g) && self.knows(*g, x)
        })
    }

    fn uses_rights(&self, x: usize) -> bool {
        matches!(self.changes[x].op, Op::Add(_) | Op::Del(_) | Op::Title)
    }

    /// Whose power this ends, by the owner.
    fn ended(&self, e: usize) -> Option<usize> {
        match self.changes[e] {
            Change { author: O, op: Op::Demote(m) | Op::Del(m), .. } if m != O => Some(m),
            _ => None,
        }
    }

    fn built_on(&self, x: usize) -> bool {
        bits(self.all).any(|y| self.changes[y].author == O && self.counts(y) && self.knows(y, x))
    }

    // 3
    fn an_ended_admin_is_powerless(&self, e: usize) -> bool {
        let Some(m) = self.ended(e).filter(|_| self.counts(e)) else { return true };
        let mut his = bits(self.state.counted)
            .filter(|x| self.changes[*x].author == m && self.uses_rights(*x));
        let is_admin = self.state.roles[m] == Some(Role::Admin);
        his.all(|x| self.knows(e, x) || self.grants_after(m, e).any(|g| self.knows(x, g)))
            && (!is_admin || self.grants_after(m, e).next().is_some())
    }

    // 4
    fn rank(&self, x: usize, before: &State) -> bool {
        let Change { author, op, .. } = self.changes[x];
        let own_leave = |who: usize| who == author && op == Op::Leave;
        (0..PEOPLE).filter(|who| !own_leave(*who)).all(|who| {
            let high = |role: Option<Role>| role.is_some_and(|role| role > Role::Member);
            let (was, is) = (before.roles[who], self.state.roles[who]);
            was == is || !(high(was) || high(is))
        })
    }

    // 5: but for what a leave, or a revocation, takes with it: changes of its author that it
    // has not seen, and that the owner has not built on.
    fn no_rollback(&self, x: usize, before: &State) -> bool {
        let Change { author, op, .. } = self.changes[x];
        let lost: Vec<usize> = bits(self.all)
            .filter(|y| self.changes[*y].author == author && !self.knows(x, *y))
            .filter(|y| !self.built_on(*y) && matches!(op, Op::Leave | Op::Devices(..)))
            .collect();
        let lost = |who: usize| lost.iter().any(|y| target(&self.changes[*y]) == Some(who));
        (0..PEOPLE)
            .filter(|who| before.roles[*who] != self.state.roles[*who])
            .all(|who| target(&self.changes[x]) == Some(who) || lost(who))
    }

    // 6
    fn removals_stick(&self, r: usize) -> bool {
        let (who, by_owner) = match self.changes[r] {
            Change { author, op: Op::Del(who), .. } => (who, author == O),
            Change { author, op: Op::Leave, .. } => (author, true),
            _ => return true,
        };
        if !self.counts(r) {
            return true;
        }
        let mut back = bits(self.state.counted).filter(|a| self.knows(*a, r));
        match self.state.roles[who] {
            None | Some(Role::Owner) => true,
            // What an admin does to an admin has no effect.
            Some(Role::Admin) => !by_owner || self.grants_after(who, r).next().is_some(),
            Some(Role::Member) => {
                back.any(|a| [Op::Add(who), Op::Demote(who)].contains(&self.changes[a].op))
            }
        }
    }

    // 7
    fn who_left_is_powerless(&self, l: usize) -> bool {
        let Change { author: m, op: Op::Leave, .. } = self.changes[l] else { return true };
        bits(self.state.counted)
            .filter(|x| self.changes[*x].author == m && self.uses_rights(*x))
            .all(|x| {
                let unknowing = !self.knows(x, l) && self.built_on(x);
                self.knows(l, x) || unknowing || self.grants_after(m, l).any(|g| self.knows(x, g))
            })
    }

    // 9
    fn a_revoked_device_is_powerless(&self, v: usize) -> bool {
        let by_owner = self.changes[v].author == O;
        bits(self.state.counted)
            .filter(|x| self.changes[v].revokes(&self.changes[*x]))
            .filter(|x| by_owner || self.uses_rights(*x))
            .all(|x| self.knows(v, x) || (!by_owner && self.built_on(x)))
    }

    // 8
    fn liveness(&self, x: usize) -> bool {
        let change = &self.changes[x];
        let m = change.author;
        let ended = bits(self.all).any(|e| {
            self.ended(e) == Some(m)
                || (self.changes[e].author == m
                    && matches!(self.changes[e].op, Op::Leave | Op::Devices(..)))
        });
        if ended {
            return true;
        }
        let Some(who) = target(change) else { return self.counts(x) };
        let contradicted = bits(self.all).any(|y| {
            let other = &self.changes[y];
            let same = target(other) == Some(who) || (other.author == who && other.op == Op::Leave);
            y != x && same && !self.knows(x, y)
        });
        let role = self.state.roles[who];
        let effect = match change.op {
            Op::Add(_) => role.is_some(),
            Op::Del(_) => role.is_none() || who == O,
            Op::Grant(_) => role >= Some(Role::Admin),
            Op::Demote(_) => role == Some(Role::Member) || who == O,
            _ => true,
        };
        self.counts(x) && (contradicted || effect)
    }
}

/// Whose membership a change is about.
fn target(change: &Change) -> Option<usize> {
    match change.op {
        Op::Grant(who) | Op::Demote(who) | Op::Add(who) | Op::Del(who) => Some(who),
        Op::Leave => Some(change.author),
        Op::Seal(_) | Op::Devices(..) | Op::Title => None,
    }
}
