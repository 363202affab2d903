//! A group as an app sees it.

use std::time::Duration;

use super::super::work::Work;
use super::super::{Consent, Error};
use crate::address::UserId;
use crate::group::{GroupId, Member, Role, Stop};
use crate::identity::AccountKey;

/// A group, as [`Messenger::group`](crate::Messenger::group) gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// What names it, for ever.
    pub id: GroupId,
    /// What it is called.
    pub name: String,
    /// Where its picture is, as whoever set it has it; empty if there is none.
    pub picture: Vec<u8>,
    /// How long messages stay once they were read; `None`: for ever.
    pub timer: Option<Duration>,
    /// Everybody, sorted by user.
    pub members: Vec<GroupMember>,
    /// Whom we have added and whose account is not known yet: they are no members before.
    pub joining: Vec<UserId>,
    /// Our own role; `None`: we are no member (any more).
    pub role: Option<Role>,
    /// Whether we take part: an invitation is [`Consent::Requested`], what we have left
    /// [`Consent::Stranger`].
    pub consent: Consent,
    /// Who has invited us.
    pub invited_by: Option<UserId>,
    /// Why nothing can be sent nor changed, if it cannot: see
    /// [`follow_seal`](crate::Messenger::follow_seal).
    pub stopped: Option<Stop>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMember {
    /// Who.
    pub user: UserId,
    /// Under which account key: the same user under another one is another member.
    pub key: AccountKey,
    /// What they may do.
    pub role: Role,
    /// They are known here under another key: nothing that we send reaches them.
    pub other_key: bool,
}

impl Work<'_> {
    /// A group as it is known here.
    pub(in crate::messenger) fn group(&mut self, id: &GroupId) -> Result<Option<Group>, Error> {
        let Some(known) = self.known(id)? else { return Ok(None) };
        let Some(roster) = self.roster(id)? else { return Ok(None) };
        let own = self.own()?;
        let us = Member::of(&own.list);
        let mut members = Vec::new();
        for (member, role) in roster.members() {
            let (user, key) = (member.user().clone(), *member.key());
            let list = self.list_of(&user)?;
            let other_key = list.is_some_and(|list| list.account_key() != key);
            members.push(GroupMember { user, key, role, other_key });
        }
        let settings = roster.settings();
        let timer = u64::from(settings.timer);
        Ok(Some(Group {
            id: *id,
            name: settings.title,
            picture: settings.picture,
            timer: (timer != 0).then(|| Duration::from_secs(timer)),
            members,
            joining: self.intents_of(id)?,
            role: roster.role(&us),
            consent: known.consent,
            invited_by: known.invited_by.clone(),
            stopped: roster.stopped().cloned(),
        }))
    }
}
