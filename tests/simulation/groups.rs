//! What people do in groups: some worlds have some.

use std::collections::{BTreeMap, BTreeSet};

use subrosa::{
    Address, Consent, Content, Error, Group, GroupChange, GroupId, MessageId, Messenger, Role,
    UserId,
};

use crate::account::{Promise, Said};
use crate::dice::{DAY, Dice};
use crate::world::World;

/// What makes the dice of groups another than those of all else: worlds without groups are
/// what they would be if there were none anywhere.
const OTHER_DICE: u64 = 0x67_72_6f_75_70_73;

pub(crate) struct Groups {
    pub(crate) dice: Dice,
    /// How many there are to be.
    wanted: usize,
    pub(crate) ids: BTreeSet<GroupId>,
    /// People do not block each other all the time.
    pub(crate) is_friendly: bool,
    /// They hand groups over. Nobody does whose disk is restored or copied: two seals of one
    /// owner are for a person to decide.
    hands_over: bool,
    /// How often anything was said or changed.
    pub(crate) acts: usize,
    /// Counts what is said and seen.
    moment: u64,
    /// When somebody was last out of a group, or not in it with all devices, in anybody's
    /// eyes.
    out: BTreeMap<(GroupId, UserId), u64>,
    /// Which devices said something in peace, where.
    pub(crate) spoke: BTreeSet<(Address, GroupId)>,
}

impl Groups {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ OTHER_DICE);
        let wanted = if dice.happens(333) { 1 + dice.below(3) } else { 0 };
        let is_friendly = wanted > 0 && dice.happens(700);
        Self {
            dice,
            wanted,
            ids: BTreeSet::new(),
            is_friendly,
            hands_over: false,
            acts: 0,
            moment: 1,
            out: BTreeMap::new(),
            spoke: BTreeSet::new(),
        }
    }

    /// Says what happens to disks.
    pub(crate) fn disks_are_safe(&mut self, safe: bool) {
        self.hands_over = safe;
    }

    fn note_out(&mut self, group: GroupId, user: UserId) {
        self.out.insert((group, user), self.moment);
    }

    /// Whether a user has been in a group since then, with all devices, in everybody's eyes.
    pub(crate) fn has_been_in_since(&self, group: &GroupId, user: &UserId, moment: u64) -> bool {
        self.out.get(&(*group, user.clone())).is_none_or(|out| *out < moment)
    }
}

impl World {
    /// Somebody does something in a group.
    pub(crate) fn act_in_groups(&mut self) {
        if self.groups.wanted == 0 {
            return;
        }
        let i = self.groups.dice.below(self.devices.len() + self.copies.len());
        if !self.device(i).is_ready() {
            return;
        }
        if self.groups.ids.len() < self.groups.wanted && self.groups.dice.happens(300) {
            self.create_group(i);
            return;
        }
        let Ok(groups) = self.call(i, Messenger::groups) else { return };
        if groups.is_empty() {
            return;
        }
        let group = groups[self.groups.dice.below(groups.len())];
        let Ok(Some(view)) = self.call(i, |messenger| messenger.group(&group)) else { return };
        match view.consent {
            Consent::Requested => self.decide(i, &group),
            Consent::Accepted if view.role.is_some() => self.act_as_member(i, &view),
            _ => {}
        }
    }

    fn act_as_member(&mut self, i: usize, view: &Group) {
        let (group, accounts) = (view.id, self.accounts.len());
        let members = &view.members;
        let one = members[self.groups.dice.below(members.len())].clone();
        match self.groups.dice.below(24) {
            0..12 => {
                for _ in 0..1 + self.groups.dice.below(3) {
                    self.say(i, &group);
                }
            }
            12..15 => {
                let account = self.groups.dice.below(accounts);
                let user = self.user(account);
                self.change_group(i, &group, GroupChange::Add(vec![user]));
            }
            15 => self.change_group(i, &group, GroupChange::Remove(vec![one.user])),
            16..18 => {
                let role = if one.role == Role::Member { Role::Admin } else { Role::Member };
                self.change_group(i, &group, GroupChange::SetRole(one.user, role));
            }
            18 if self.groups.hands_over => {
                self.change_group(i, &group, GroupChange::SetRole(one.user, Role::Owner));
            }
            19..21 => {
                let number = self.groups.dice.below(1000);
                self.change_group(i, &group, GroupChange::Rename(format!("{number}")));
            }
            21 => {
                let number = self.groups.dice.below(3);
                let change = match number {
                    0 => GroupChange::SetTimer(None),
                    // Longer than any world: nothing disappears before it was looked for.
                    1 => GroupChange::SetTimer(Some(400 * DAY)),
                    _ => GroupChange::SetPicture(vec![7]),
                };
                self.change_group(i, &group, change);
            }
            22 if self.groups.dice.happens(500) => {
                self.change_group(i, &group, GroupChange::Leave);
            }
            23 => {
                let _ = self.call(i, |messenger| messenger.rotate_group(&group));
            }
            _ => {}
        }
    }

    fn create_group(&mut self, i: usize) {
        let created = self.call(i, |messenger| done(messenger.create_group("a group")));
        self.groups.acts += 1;
        self.see_groups(i);
        let Ok(Some(group)) = created else { return };
        self.note(&format!("{i} makes a group"), group.as_bytes());
        let accounts = self.accounts.len();
        let users = (0..1 + self.groups.dice.below(accounts.min(5)))
            .map(|_| self.groups.dice.below(accounts))
            .collect::<Vec<_>>();
        let users = users.into_iter().map(|account| self.user(account)).collect();
        self.change_group(i, &group, GroupChange::Add(users));
    }

    fn change_group(&mut self, i: usize, group: &GroupId, change: GroupChange) {
        if let GroupChange::Add(users) = &change {
            // They are accepted.
            self.says_to_own(i, users.len());
        }
        self.groups.acts += 1;
        let what = format!("{i} does {change:?}");
        let changed = self.call(i, |messenger| done(messenger.change_group(group, change.clone())));
        self.note(&format!("{what}: {changed:?}"), group.as_bytes());
        self.see_groups(i);
    }

    /// Somebody who was invited takes part, or does not want to.
    fn decide(&mut self, i: usize, group: &GroupId) {
        let accepts = self.groups.dice.happens(900);
        self.groups.acts += 1;
        let decided = self.call(i, |messenger| {
            done(if accepts { messenger.accept(group) } else { messenger.block(group) })
        });
        self.note(&format!("{i} takes part, {accepts}: {decided:?}"), group.as_bytes());
        self.see_groups(i);
    }

    /// Most of those who were invited take part after all.
    pub(crate) fn decide_in_peace(&mut self) {
        for i in 0..self.devices.len() {
            for group in self.groups.ids.clone() {
                let asked = self.group(i, &group).is_some_and(|g| g.consent == Consent::Requested);
                if asked && self.groups.dice.happens(800) {
                    self.decide(i, &group);
                }
            }
        }
    }

    /// A group as a device knows it.
    pub(crate) fn group(&mut self, i: usize, group: &GroupId) -> Option<Group> {
        if !self.device(i).is_ready() {
            return None;
        }
        loop {
            if let Ok(group) = self.call(i, |messenger| messenger.group(group)) {
                return group;
            }
        }
    }

    /// Says something in a group, if the process outlives that.
    pub(crate) fn say(&mut self, i: usize, group: &GroupId) -> Option<MessageId> {
        // What is out in anybody's eyes now.
        for i in 0..self.devices.len() + self.copies.len() {
            self.see_group(i, group);
        }
        self.groups.moment += 1;
        self.groups.acts += 1;
        let us = self.device(i).address.user.clone();
        let own_devices = self.device(i).database.others();
        let view = self.group(i, group)?;
        let to_us = Promise { to: us.clone(), devices: Some(Vec::new()), own_devices };
        let mut promises = vec![to_us];
        for member in view.members.iter().filter(|member| member.user != us) {
            let (to, own_devices) = (member.user.clone(), Vec::new());
            let devices = Some(self.contact(i, &to).devices).filter(|devices| !devices.is_empty());
            promises.push(Promise { to, devices, own_devices });
        }
        let text = Content::text(format!("{} in a group", self.groups.dice.number()));
        let sent = self.call(i, |messenger| done(messenger.send(group, text.clone())));
        let (Ok(Some(id)), moment) = (&sent, self.groups.moment) else { return None };
        self.note(&format!("{i} says {id:?} in {group:?}"), id.as_bytes());
        self.device(i).database.said.insert(*id, Said { group: *group, moment, promises });
        Some(*id)
    }

    /// Notes to which devices goes what was said to people of whom nothing was known.
    pub(crate) fn address_what_was_said(&mut self, i: usize) {
        let said = self.device(i).database.said.values();
        let promises = said.flat_map(|said| &said.promises);
        let unknown: BTreeSet<_> =
            promises.filter(|p| p.devices.is_none()).map(|p| p.to.clone()).collect();
        for user in unknown {
            let devices = self.contact(i, &user).devices;
            if devices.is_empty() {
                continue;
            }
            let said = self.device(i).database.said.values_mut();
            for promise in said.flat_map(|said| &mut said.promises) {
                if promise.to == user && promise.devices.is_none() {
                    promise.devices = Some(devices.clone());
                }
            }
        }
    }

    /// Looks at all groups of a device.
    pub(crate) fn see_groups(&mut self, i: usize) {
        if self.groups.wanted == 0 || !self.device(i).is_ready() {
            return;
        }
        let groups = loop {
            if let Ok(groups) = self.call(i, Messenger::groups) {
                break groups;
            }
        };
        self.groups.ids.extend(&groups);
        // What was left is forgotten in the end, and is as out of as before.
        let database = &self.device(i).database;
        let known = database.members.keys().filter(|group| !groups.contains(group));
        let left = known.filter(|group| !database.takes_part.contains(group));
        let (left, us): (Vec<_>, _) = (left.copied().collect(), database.user().clone());
        left.into_iter().for_each(|group| self.groups.note_out(group, us.clone()));
        for group in groups {
            self.see_group(i, &group);
        }
    }

    /// Notes who is out of a group in a device's eyes.
    fn see_group(&mut self, i: usize, group: &GroupId) {
        let Some(view) = self.group(i, group) else { return };
        let database = &mut self.device(i).database;
        let us = database.user().clone();
        match view.consent == Consent::Accepted && view.role.is_some() {
            true => database.takes_part.insert(*group),
            false => database.takes_part.remove(group),
        };
        let members: BTreeSet<_> = view.members.iter().map(|member| member.user.clone()).collect();
        let seen = database.members.entry(*group).or_default();
        let gone: Vec<_> = seen.difference(&members).cloned().collect();
        seen.extend(members);
        for user in gone {
            self.groups.note_out(*group, user);
        }
        if view.consent != Consent::Accepted || view.stopped.is_some() {
            self.groups.note_out(*group, us);
        }
    }

    /// Notes who goes, by what a device is told.
    pub(crate) fn hear_of_group(
        &mut self,
        group: &GroupId,
        by: Option<UserId>,
        change: &GroupChange,
    ) {
        match change {
            GroupChange::Remove(users) => {
                users.iter().for_each(|user| self.groups.note_out(*group, user.clone()));
            }
            GroupChange::Leave => by.into_iter().for_each(|by| self.groups.note_out(*group, by)),
            _ => {}
        }
    }
}

/// What an app may be refused, and the store alone may fail.
fn done<R>(result: Result<R, Error>) -> Result<Option<R>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ Error::Store(_)) => Err(error),
        Err(_) => Ok(None),
    }
}
