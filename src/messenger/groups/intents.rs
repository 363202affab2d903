//! People who are to be added: it stands until their account is known.

use std::time::Duration;

use zeroize::Zeroizing;

use super::super::due::Job;
use super::super::work::Work;
use super::super::{Error, table};
use super::told::{GroupHappening, GroupNotice};
use crate::address::UserId;
use crate::group::{Action, GroupId, Member};

/// How long those who are known wait for others who are to be added with them: each change
/// goes to all members.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(60);

/// How many people one change adds or removes: with names of the longest it is below its limit.
pub(super) const NAMED_AT_ONCE: usize = 48;

fn key_of(user: &UserId, group: &GroupId) -> Vec<u8> {
    table::of_user(user, group.as_bytes())
}

impl Work<'_> {
    /// Means to add somebody.
    pub(super) fn intend(&mut self, user: &UserId, group: &GroupId) {
        self.view.put(table::INTENTS, key_of(user, group), Zeroizing::default());
    }

    /// Does not any more.
    pub(super) fn drop_intent(&mut self, user: &UserId, group: &GroupId) {
        self.view.delete(table::INTENTS, key_of(user, group));
    }

    /// Whom we mean to add to a group.
    pub(super) fn intents_of(&self, group: &GroupId) -> Result<Vec<UserId>, Error> {
        let rows = self.view.scan_prefix(table::INTENTS, &[])?;
        let of_group = rows.iter().filter_map(|(key, _)| {
            let (user, rest) = table::split_user(key)?;
            (rest == group.as_bytes()).then_some(user)
        });
        Ok(of_group.collect())
    }

    /// Where we mean to add somebody.
    fn intents_for(&self, user: &UserId) -> Result<Vec<GroupId>, Error> {
        let rows = self.view.scan_prefix(table::INTENTS, &table::of_user(user, &[]))?;
        let groups = rows.iter().filter_map(|(key, _)| {
            let (_, rest) = table::split_user(key)?;
            rest.try_into().ok().map(GroupId::from_bytes)
        });
        Ok(groups.collect())
    }

    /// A user's account is known now: they are added where they were to be.
    pub(in crate::messenger) fn settle_intents(&mut self, user: &UserId) -> Result<(), Error> {
        for group in self.intents_for(user)? {
            self.add_when_all_are_known(&group)?;
        }
        Ok(())
    }

    /// Adds in one change whom we mean to add, once all are known, or a minute later those
    /// that are.
    fn add_when_all_are_known(&mut self, group: &GroupId) -> Result<(), Error> {
        for user in self.intents_of(group)? {
            if self.contact(&user)?.list.is_none() {
                let at = self.now.after(WAIT_FOR_OTHERS);
                return self.set_due(Job::GroupIntents, group.as_bytes(), at);
            }
        }
        self.add_intended(group)
    }

    /// Adds those whom we mean to add and who are known.
    pub(in crate::messenger) fn add_intended(&mut self, group: &GroupId) -> Result<(), Error> {
        let users = self.intents_of(group)?;
        self.add_known(group, &users)
    }

    /// Adds those of whom an account is known, together; the others are asked for.
    pub(super) fn add_known(&mut self, group: &GroupId, users: &[UserId]) -> Result<(), Error> {
        let mut members = Vec::new();
        for user in users {
            let contact = self.contact(user)?;
            match &contact.list {
                Some(list) if contact.may_send() => members.push(Member::of(list)),
                // A person has to decide first.
                Some(_) => {}
                None => self.fetch(user)?,
            }
        }
        members.iter().for_each(|member| self.drop_intent(member.user(), group));
        let adds = members.chunks(NAMED_AT_ONCE).map(|some| Action::Add(some.to_vec())).collect();
        match self.act_all(group, adds) {
            // We are no admin any more, or the group is full: there is nobody to tell but
            // the app.
            Err(error) if !matches!(error, Error::Store(_)) => {
                members.iter().for_each(|member| self.not_added(member.user(), group));
                Ok(())
            }
            result => result,
        }
    }

    fn not_added(&mut self, user: &UserId, group: &GroupId) {
        self.drop_intent(user, group);
        let notice = GroupNotice::NotAdded(user.clone());
        self.tell_group(GroupHappening { group: *group, by: None, notice });
    }

    /// There is no such user, or we do not talk: nobody is added.
    pub(in crate::messenger) fn give_up_intents(&mut self, user: &UserId) -> Result<(), Error> {
        for group in self.intents_for(user)? {
            self.not_added(user, &group);
            self.add_when_all_are_known(&group)?;
        }
        Ok(())
    }
}
