//! What this side does to a group: signed, taken in here, and passed on, in one commit.

use std::collections::BTreeSet;

use super::super::work::Work;
use super::super::{Consent, Error};
use super::change::GroupChange;
use super::intents::NAMED_AT_ONCE;
use super::known::Known;
use crate::address::UserId;
use crate::content::Consent as Decided;
use crate::group::{
    Action, GroupId, Inserted, MAX_MEMBERS, MAX_PICTURE_LEN, MAX_TITLE_LEN, Member, Role, Roster,
    RosterError, Setting, Settings, Update,
};

impl From<RosterError> for Error {
    fn from(error: RosterError) -> Self {
        match error {
            RosterError::Stopped => Self::GroupStopped,
            RosterError::TooManyMembers => Self::Limit { what: "members", limit: MAX_MEMBERS },
            RosterError::TooLong("the title") => {
                Self::Limit { what: "bytes of a group's name", limit: MAX_TITLE_LEN }
            }
            RosterError::TooLong(_) => {
                Self::Limit { what: "bytes of a reference to a picture", limit: MAX_PICTURE_LEN }
            }
            RosterError::WrongSigner => Self::NotPrimary,
            _ => Self::NotAllowed,
        }
    }
}

impl Work<'_> {
    /// Begins a group.
    pub(in crate::messenger) fn create_group(&mut self, name: &str) -> Result<GroupId, Error> {
        let account = self.own_account()?;
        let roster = Roster::create(&account, Settings::titled(name), &mut self.rng)?;
        let group = roster.group();
        let mut known = Known::new();
        known.consent = Consent::Accepted;
        known.consent_at = self.now;
        self.enter(None, roster, known)?;
        self.introduce_to_own(&group, Some((Decided::Accepted, self.now)))?;
        Ok(group)
    }

    /// Does what the app wants to a group.
    pub(in crate::messenger) fn change_group(
        &mut self,
        group: &GroupId,
        change: GroupChange,
    ) -> Result<(), Error> {
        let known = self.known(group)?.ok_or(Error::NotAMember)?;
        if !known.takes_part() {
            return Err(Error::NotAMember);
        }
        if known.stopped && change != GroupChange::Leave {
            return Err(Error::GroupStopped);
        }
        match change {
            GroupChange::Add(users) => self.add_to_group(group, users),
            GroupChange::Remove(users) => {
                users.iter().for_each(|user| self.drop_intent(user, group));
                let targets = self.members_named(group, &users)?;
                let removals = targets.chunks(NAMED_AT_ONCE);
                let removals = removals.map(|some| Action::Remove(some.to_vec())).collect();
                self.act_all(group, removals)
            }
            GroupChange::SetRole(user, Role::Owner) => self.hand_over_group(group, &user),
            GroupChange::SetRole(user, role) => {
                let targets = self.members_named(group, &[user])?;
                if targets.is_empty() {
                    return Err(Error::Unknown);
                }
                let admin = role == Role::Admin;
                self.act(
                    group,
                    if admin { Action::Grant(targets) } else { Action::Demote(targets) },
                )
            }
            GroupChange::Rename(name) => self.act(group, Action::Set(Setting::Title(name))),
            GroupChange::SetPicture(picture) => {
                self.act(group, Action::Set(Setting::Picture(picture)))
            }
            GroupChange::SetTimer(timer) => {
                let seconds = timer.map_or(0, |timer| timer.as_secs().max(1));
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                self.act(group, Action::Set(Setting::Timer(seconds)))
            }
            GroupChange::Leave => self.leave_group(group, Consent::Stranger),
        }
    }

    fn add_to_group(&mut self, group: &GroupId, users: Vec<UserId>) -> Result<(), Error> {
        let roster = self.roster(group)?.ok_or(Error::NotAMember)?;
        let own = self.own()?;
        if roster.role(&Member::of(&own.list)).is_none_or(|role| role == Role::Member) {
            return Err(Error::NotAllowed);
        }
        let users: BTreeSet<UserId> = users.into_iter().collect();
        let waiting = self.intents_of(group)?.len();
        if roster.members().count() + waiting + users.len() > MAX_MEMBERS {
            return Err(Error::Limit { what: "members", limit: MAX_MEMBERS });
        }
        for user in &users {
            if self.contact(user)?.consent == Consent::Blocked {
                return Err(Error::NotAllowed);
            }
        }
        let mut strangers = Vec::new();
        for user in users {
            if roster.members().any(|(member, _)| *member.user() == user) {
                continue;
            }
            // To add somebody is to accept them.
            self.accept(&user)?;
            self.intend(&user, group);
            strangers.push(user);
        }
        self.add_known(group, &strangers)
    }

    /// The members with these names, under whatever key.
    fn members_named(&mut self, group: &GroupId, users: &[UserId]) -> Result<Vec<Member>, Error> {
        let roster = self.roster(group)?.ok_or(Error::NotAMember)?;
        let named = roster.members().filter(|(member, _)| users.contains(member.user()));
        Ok(named.map(|(member, _)| member.clone()).collect())
    }

    /// We go; what is decided about the group is `consent` from now on.
    pub(super) fn leave_group(&mut self, group: &GroupId, consent: Consent) -> Result<(), Error> {
        let known = self.known(group)?.ok_or(Error::NotAMember)?;
        // Before it is said: those hear of it with whom we talk in this group alone.
        let left_at = Some(self.now);
        self.save_known(group, Known { left_at, ..(*known).clone() });
        match self.act(group, Action::Leave) {
            // It is signed when the group goes on.
            Ok(()) | Err(Error::GroupStopped) => self.decide_group(group, consent),
            Err(error) => Err(error),
        }
    }

    /// Makes another member the owner.
    fn hand_over_group(&mut self, group: &GroupId, user: &UserId) -> Result<(), Error> {
        let targets = self.members_named(group, std::slice::from_ref(user))?;
        // Under two keys there are two of them.
        let [next] = targets.as_slice() else { return Err(Error::Unknown) };
        self.seal_group(group, next)
    }

    /// Closes what has come; `next` is the owner from now on.
    pub(super) fn seal_group(&mut self, group: &GroupId, next: &Member) -> Result<(), Error> {
        let account = self.own_account()?;
        let roster = self.roster(group)?.ok_or(Error::NotAMember)?;
        let us = Member::of(account.device_list());
        let mut after = (*roster).clone();
        let mut update = self.gathered(&mut after, &us)?;
        let sealed = after.draft_seal(&us, next)?.sign_as_account(&account)?;
        let told = after.insert(&sealed);
        taken(&told)?;
        update.append(sealed);
        self.pass_on(&roster, after, &update)?;
        self.tell_roster(group, &told.events, Some(&us), &mut Vec::new())
    }

    /// Signs a change, and passes it on.
    pub(super) fn act(&mut self, group: &GroupId, action: Action) -> Result<(), Error> {
        self.act_all(group, vec![action])
    }

    /// Signs several changes, one after the other, and passes them on together.
    pub(super) fn act_all(&mut self, group: &GroupId, actions: Vec<Action>) -> Result<(), Error> {
        let own = self.own()?;
        if actions.is_empty() {
            return Ok(());
        }
        if !own.is_listed() {
            return Err(Error::NotLinked);
        }
        let roster = self.roster(group)?.ok_or(Error::NotAMember)?;
        let us = Member::of(&own.list);
        let mut after = (*roster).clone();
        let mut update = self.gathered(&mut after, &us)?;
        let mut told = Vec::new();
        for action in actions {
            let by_account = matches!(action, Action::Devices(_));
            let draft = after.draft(&us, action)?;
            let signed = match by_account {
                true => draft.sign_as_account(&self.own_account()?)?,
                false => draft.sign(&own.device, &own.list)?,
            };
            let inserted = after.insert(&signed);
            taken(&inserted)?;
            told.extend(inserted.events);
            update.append(signed);
        }
        self.pass_on(&roster, after, &update)?;
        self.tell_roster(group, &told, Some(&us), &mut Vec::new())
    }

    /// Changes that join tips, if there are too many to name them all.
    fn gathered(&mut self, roster: &mut Roster, us: &Member) -> Result<Update, Error> {
        let own = self.own()?;
        let mut all = Update::default();
        while roster.role(us).is_some_and(|role| role != Role::Member) {
            let Some(draft) = roster.gather(us)? else { break };
            let update = draft.sign(&own.device, &own.list)?;
            taken(&roster.insert(&update))?;
            all.append(update);
        }
        Ok(all)
    }

    /// Writes a roster that this side has changed, and tells everybody.
    fn pass_on(&mut self, before: &Roster, after: Roster, update: &Update) -> Result<(), Error> {
        let group = before.group();
        let known = self.known(&group)?.ok_or(Error::NotAMember)?;
        let (old, new) = (members_of(before), members_of(&after));
        let news = self.news_of(update);
        // As long as something may be said to those who go.
        for gone in old.difference(&new) {
            self.tell_member(gone, &group, &news)?;
        }
        let whole = self.introduction(&after);
        self.enter(Some(before), after, (*known).clone())?;
        for member in &new {
            match old.contains(member) {
                true => self.tell_member(member, &group, &news)?,
                false => self.tell_member(member, &group, &whole)?,
            }
        }
        Ok(())
    }
}

/// What our own roster refuses is not passed on: by it, nobody else takes it either.
fn taken(inserted: &Inserted) -> Result<(), Error> {
    match inserted.accepted.is_empty() {
        true => Err(Error::NotAllowed),
        false => Ok(()),
    }
}

fn members_of(roster: &Roster) -> BTreeSet<Member> {
    roster.members().map(|(member, _)| member.clone()).collect()
}
