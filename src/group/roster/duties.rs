//! What an owner's client sees to (SPEC.md, section 13.7).

use super::change::{Action, Kind};
use super::world::Op;
use super::{Member, Role, Roster};

impl Roster {
    /// How many changes have come since the last seal: after some thousand the owner seals.
    #[must_use]
    pub fn changes_since_seal(&self) -> usize {
        self.current.len()
    }

    /// How many changes wait for something that they name.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Admins that have left and that the owner has not removed since: until he does, what
    /// they sign and backdate may still count.
    #[must_use]
    pub fn left_admins(&self) -> Vec<Member> {
        let world = self.current.world();
        let mut left = Vec::new();
        for (place, change) in self.current.changes().iter().enumerate() {
            let Some(who) = self.current.number(&change.author) else { continue };
            if !matches!(change.kind, Kind::Act(Action::Leave)) || left.contains(&change.author) {
                continue;
            }
            let was_admin = world.person(who).is_some_and(|who| who.base == Some(Role::Admin))
                || world.about(who).any(|(_, node)| matches!(node.op, Op::Grant(_)));
            let removed = world.about(who).any(|(_, node)| {
                let ends = matches!(node.op, Op::Remove(_) | Op::Demote(_) | Op::Grant(_));
                ends && node.author == world.owner() && node.past.contains(place)
            });
            if was_admin && !removed {
                left.push(change.author.clone());
            }
        }
        left
    }
}
