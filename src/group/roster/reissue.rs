//! What a seal made void and its author still wants (SPEC.md, section 13.7, *Again*).

use super::bits::Bits;
use super::change::{Action, Kind};
use super::rule::Rule;
use super::world::Op;
use super::{Member, Role, Roster};

impl Roster {
    /// What this member did and a seal made void, and what still makes sense: to be signed
    /// again, by one of the user's devices, and by nobody else.
    ///
    /// Changes that are void because their author was demoted or removed are not among them:
    /// a person decides ([`Voided`](super::RosterEvent::Voided), [`Self::void`]).
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
                Action::Devices(list) => self.list_version(own) < list.version(),
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

    /// The version of a member's newest device list that a `devices` change or the last seal
    /// has told of; 0 if none has.
    #[must_use]
    pub fn list_version(&self, member: &Member) -> u64 {
        let known = Bits::full(self.current.len());
        let rule = Rule::new(self.current.world(), &known);
        self.current.number(member).map_or(0, |who| rule.list_version(who))
    }
}
