//! What is told when a state becomes another.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Action, Change, Kind};
use super::epoch::Epoch;
use super::rule::State;
use super::world::{Op, Who};
use super::{Inserted, Member, Role, Roster, RosterEvent};

impl Roster {
    /// Says that an owner has made a second seal, if this is one.
    pub(super) fn tell_rival(&self, place: usize, told: &mut Inserted) {
        let change = self.former.as_ref().and_then(|former| former.change(place));
        if let Some(rival) = change.filter(|change| change.seal().is_some()) {
            let followed = Some(self.current.seal());
            told.events.push(RosterEvent::TwoSeals { followed, other: rival.id });
        }
    }

    /// Computes the state anew, and says what is another. Changes from `known` on are new.
    pub(super) fn compute(&mut self, known: usize, told: &mut Inserted) {
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
        let mut all: Vec<_> = world.about(who).chain(world.leaves(who)).collect();
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

    /// Says what is another than in an earlier epoch.
    pub(super) fn tell_difference(
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
        let everybody: BTreeSet<_> = old.keys().chain(new.keys()).collect();
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
}
