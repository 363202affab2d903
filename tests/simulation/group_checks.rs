//! What has to hold in groups in peace.

use std::collections::BTreeSet;

use subrosa::{Consent, Group, GroupId, MessageId, Role, UserId};

use crate::account::{Promise, Said};
use crate::checks::RESTORED_WITHIN;
use crate::dice::DAY;
use crate::process::Device;
use crate::world::World;

impl World {
    /// What was said in groups was shown, or somebody was told.
    ///
    /// It has to be shown on each device of each member, by the roster of its sender, that
    /// the sender knew, if from then on that member and the sender have been in the group
    /// with all their devices, in everybody's eyes. (Who removes somebody does not hear any
    /// more what that one said before; nor does who has not accepted the invitation.)
    ///
    /// Nothing is required in a group in which somebody has ever blocked somebody.
    ///
    /// What somebody says last, and then nothing more, shows nowhere: who takes part in the
    /// owner's eyes has said something since.
    ///
    /// Nothing is required of a device whose disk was restored or copied, neither of what it
    /// said nor of what it should have heard: it does not know which chains it has lost. What
    /// is said last has to reach it all the same.
    pub(crate) fn check_what_was_said(&self) {
        let fell_back = |device: &&Device| self.forgotten.contains_key(&device.address);
        let senders = self.devices.iter().filter(|device| self.is_listed(device));
        for sender in senders.filter(|device| !fell_back(device)) {
            let mut missing = self.missing_of(sender);
            let spoke =
                |said: &Said| self.groups.spoke.contains(&(sender.address.clone(), said.group));
            for (id, said) in sender.database.said.iter().filter(|(_, said)| spoke(said)) {
                for promise in self.owed(sender, said) {
                    let lacking = self.lacking(sender, *id, promise).into_iter();
                    for address in lacking.filter(|to| !self.forgotten.contains_key(to)) {
                        missing.entry(address).or_default().push(id);
                    }
                }
            }
            self.check_who_was_told(sender, missing);
        }
    }

    fn owed<'a>(&'a self, sender: &'a Device, said: &'a Said) -> impl Iterator<Item = &'a Promise> {
        let divided = self.is_divided(&said.group);
        let stays =
            move |user: &UserId| self.groups.has_been_in_since(&said.group, user, said.moment);
        let counts = !divided && stays(&sender.address.user);
        said.promises.iter().filter(move |promise| counts && stays(&promise.to))
    }

    /// Nothing that was said in a group is shown to anybody who was no member of it for its
    /// sender.
    pub(crate) fn check_outsiders(&self) {
        let gone = self.forgotten.values().flatten();
        for database in gone.chain(self.devices.iter().map(|device| &device.database)) {
            for (id, said) in &database.said {
                let may_see: BTreeSet<_> =
                    said.promises.iter().map(|promise| &promise.to).collect();
                for device in self.devices.iter().filter(|d| !may_see.contains(&d.address.user)) {
                    let shown = self.has_shown(&device.address, *id);
                    let to = &device.address;
                    assert!(!shown, "seed {}: {to} has seen {id:?} of {:?}", self.seed, said.group);
                }
            }
        }
    }

    /// All devices that take part in a group know the same of it.
    pub(crate) fn check_rosters(&mut self) {
        for group in self.groups.ids.clone() {
            let all = self.taking_part(&group);
            if self.is_divided(&group) {
                continue;
            }
            for (i, view) in &all {
                let (first, theirs) = &all[0];
                assert_eq!(
                    known_by_all(view),
                    known_by_all(theirs),
                    "seed {}: {i} and {first} know other things of {group:?}",
                    self.seed
                );
            }
        }
    }

    /// The devices that take part in a group, and how they know it; not those that nobody
    /// has told that they are out: who was restored to a time when he was in it, or whose own
    /// leave came late to others, takes part in his own eyes alone.
    fn taking_part(&mut self, group: &GroupId) -> Vec<(usize, Group)> {
        let all = (0..self.devices.len()).filter(|i| self.is_listed(&self.devices[*i]));
        let all = all.collect::<Vec<_>>().into_iter();
        let views = all.filter_map(|i| Some((i, self.group(i, group)?)));
        let takes_part = |v: &Group| v.consent == Consent::Accepted && v.role.is_some();
        let mut all: Vec<_> = views.filter(|(_, view)| takes_part(view)).collect();
        let of_owner = all.iter().find(|(_, view)| view.role == Some(Role::Owner));
        if let Some((_, of_owner)) = of_owner.cloned() {
            all.retain(|(i, _)| {
                let user = &self.devices[*i].address.user;
                of_owner.members.iter().any(|member| member.user == *user)
            });
        }
        all
    }

    /// Whether some who ever were in a group do not hear others: what these change in it, or
    /// whom they add, others may not be told.
    fn is_divided(&self, group: &GroupId) -> bool {
        let databases = self.devices.iter().map(|device| &device.database);
        let members = databases.filter_map(|database| database.members.get(group)).flatten();
        let members: BTreeSet<_> = members.collect();
        members.iter().any(|one| members.iter().any(|other| self.have_blocked(one, other)))
    }

    /// Whoever takes part says something: by that it is seen what was lost before.
    pub(crate) fn all_speak_in_groups(&mut self) {
        for group in self.groups.ids.clone() {
            for (i, _) in self.taking_part(&group) {
                if self.say(i, &group).is_some() {
                    self.groups.spoke.insert((self.devices[i].address.clone(), group));
                }
            }
        }
    }

    /// Whoever takes part can speak, and is heard by all others, at once. If a disk of theirs
    /// was restored or copied, it may lack chains that others believe it to have: until they
    /// take another one, a week later.
    pub(crate) fn say_last_words_in_groups(&mut self) {
        for group in self.groups.ids.clone() {
            let all = self.taking_part(&group);
            for newest_list in [false, true] {
                let mut late = Vec::new();
                for (i, _) in &all {
                    late.extend(self.say_last_word_in_group(*i, &group, newest_list));
                }
                for step in 0..RESTORED_WITHIN {
                    late.retain(|(i, id)| !self.is_heard_by_all(*i, *id));
                    if late.is_empty() {
                        break;
                    }
                    self.pass(DAY);
                    self.rest(step);
                }
                late.retain(|(i, id)| !self.is_heard_by_all_who_may_know(*i, *id));
                let first = !newest_list;
                assert!(first || late.is_empty(), "seed {}: not heard: {late:?}", self.seed);
            }
        }
        self.check_rosters();
        self.check_outsiders();
    }

    fn say_last_word_in_group(
        &mut self,
        i: usize,
        group: &GroupId,
        newest_list: bool,
    ) -> Option<(usize, MessageId)> {
        let id = self.say(i, group);
        assert!(id.is_some(), "seed {}: {i} cannot speak in {group:?}", self.seed);
        let id = id?;
        if newest_list {
            let us = self.devices[i].address.user.clone();
            let mut said = self.devices[i].database.said[&id].clone();
            for promise in said.promises.iter_mut().filter(|promise| promise.to != us) {
                let listed = self.listed(self.account_of(&promise.to));
                promise.devices = Some(listed.iter().copied().collect());
            }
            self.devices[i].database.said.insert(id, said);
        }
        self.rest(0);
        if self.is_heard_by_all(i, id) {
            return None;
        }
        let said = &self.devices[i].database.said[&id];
        let users: BTreeSet<&UserId> = said.promises.iter().map(|promise| &promise.to).collect();
        let restored = self.forgotten.keys().any(|address| users.contains(&address.user));
        assert!(restored, "seed {}: {i} is not heard in {group:?}: {id:?}", self.seed);
        Some((i, id))
    }

    fn is_heard_by_all(&self, i: usize, id: MessageId) -> bool {
        let sender = &self.devices[i];
        let said = &sender.database.said[&id];
        let mut owed = self.owed(sender, said);
        owed.all(|promise| self.lacking(sender, id, promise).is_empty())
    }

    /// The same, but for people who were restored to before they knew of the group and of anybody
    /// in it: strangers are not asked for what was forgotten (SPEC.md, section 13.10), so nobody
    /// tells them.
    fn is_heard_by_all_who_may_know(&mut self, i: usize, id: MessageId) -> bool {
        let sender = &self.devices[i];
        let said = sender.database.said[&id].clone();
        let owed = self.owed(sender, &said);
        let lacking: Vec<_> =
            owed.flat_map(|promise| self.lacking(sender, id, promise)).map(|to| to.user).collect();
        let members: Vec<_> = said.promises.iter().map(|promise| promise.to.clone()).collect();
        lacking.into_iter().all(|user| self.has_forgotten_all(&user, &said.group, &members))
    }

    fn has_forgotten_all(&mut self, user: &UserId, group: &GroupId, members: &[UserId]) -> bool {
        let devices = self.listed_devices(self.account_of(user));
        let fell_back = |i: &usize| self.forgotten.contains_key(&self.devices[*i].address);
        devices.iter().any(fell_back)
            && devices.into_iter().all(|i| {
                let mut others = members.iter().filter(|member| *member != user);
                self.group(i, group).is_none()
                    && others.all(|other| self.contact(i, other).consent != Consent::Accepted)
            })
    }
}

/// What is the same for all who take part.
fn known_by_all(group: &Group) -> impl PartialEq + std::fmt::Debug + '_ {
    let members = group.members.iter().map(|member| (&member.user, member.role));
    (members.collect::<Vec<_>>(), &group.name, &group.picture, group.timer, &group.stopped)
}
