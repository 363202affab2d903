//! What is known of one group.

use std::collections::{BTreeSet, VecDeque};

use subrosa::group::{Action, Ask, Head, Inserted, Kind, Member, Roster, RosterError};

use crate::failure::Failure;
use crate::news::News;
use crate::own_chain::OwnChain;
use crate::senders::Senders;

/// How many heads are known, for messages that come late.
const MAX_HEADS: usize = 1024;

/// A group that this account is or was a member of.
pub(crate) struct Group {
    /// Who is in it.
    pub(crate) roster: Roster,
    /// What it was before, and who was in it then; the newest last.
    heads: VecDeque<(Head, BTreeSet<Member>)>,
    /// In which this device sends.
    pub(crate) own: Option<OwnChain>,
    /// In which others send.
    pub(crate) senders: Senders,
}

impl Group {
    /// A group of which nothing was known before.
    pub(crate) fn new(roster: Roster) -> Self {
        let mut group =
            Self { roster, heads: VecDeque::new(), own: None, senders: Senders::default() };
        group.note(group.roster.head());
        group
    }

    /// The group is as this roster says from now on.
    pub(crate) fn go_on(&mut self, roster: Roster) {
        self.roster = roster;
        let head = self.roster.head();
        self.heads.retain(|(known, _)| *known != head);
        // Whoever is gone has no say under what was before, also once he is back.
        let roster = &self.roster;
        let is_member = |member: &Member| roster.role(member).is_some();
        self.heads.iter_mut().for_each(|(_, who)| who.retain(is_member));
        self.note(head);
    }

    /// Somebody says what a head stands for: it is known if all of that is.
    pub(crate) fn learn(&mut self, state: &Ask) {
        if self.roster.knows(state) {
            self.note(state.head());
        }
    }

    /// A head goes with those who are members now, unless it is known.
    fn note(&mut self, head: Head) {
        if self.heads.iter().any(|(known, _)| *known == head) {
            return;
        }
        if self.heads.len() >= MAX_HEADS {
            self.heads.pop_front();
        }
        let members = self.roster.members().map(|(member, _)| member.clone());
        self.heads.push_back((head, members.collect()));
    }

    /// The head that begins like this, if it is known.
    pub(crate) fn head(&self, start: &[u8; 16]) -> Option<Head> {
        let mut known = self.heads.iter().map(|(head, _)| *head);
        known.find(|head| head.as_bytes().starts_with(start))
    }

    /// Whether somebody is a member, and has been one since this head was the newest.
    pub(crate) fn hears(&self, member: &Member, head: &Head) -> bool {
        let then = self.heads.iter().find(|(known, _)| known == head);
        self.roster.role(member).is_some() && then.is_some_and(|(_, who)| who.contains(member))
    }

    /// All of it encoded and loaded again.
    pub(crate) fn reloaded(&self) -> Result<Self, Failure> {
        Ok(Self {
            roster: Roster::from_record(&self.roster.record())?,
            heads: self.heads.clone(),
            own: self.own.as_ref().map(OwnChain::reloaded).transpose()?,
            senders: self.senders.reloaded()?,
        })
    }
}

/// What news make of a roster.
pub(crate) struct Heard {
    /// As it is after them.
    pub(crate) roster: Roster,
    told: Inserted,
}

impl Heard {
    /// The roster after these news, if they are of a group that is known or have all that is
    /// needed.
    pub(crate) fn take(known: Option<&Roster>, news: &News) -> Result<Self, Failure> {
        let mut roster = match (known, &news.welcome) {
            (Some(known), None) => known.clone(),
            (Some(known), Some(welcome)) => {
                let mut roster = known.clone();
                match roster.catch_up(welcome) {
                    // No later seal: there is nothing in it.
                    Ok(_) | Err(RosterError::NotAllowed) => roster,
                    Err(error) => return Err(error.into()),
                }
            }
            (None, Some(welcome)) => Roster::join(&news.group, welcome)?,
            (None, None) => return Err(Failure::refused("the group is not known")),
        };
        let held = roster.held_count();
        let told = roster.insert(&news.update);
        let nothing_new = told.accepted.is_empty() && told.held <= held;
        match told.refused.first() {
            Some((_, why)) if nothing_new => Err(RosterError::from(*why).into()),
            _ => Ok(Self { roster, told }),
        }
    }

    /// Whether somebody is a member by the news, or says by them that he has left.
    pub(crate) fn vouches_for(&self, member: &Member) -> bool {
        let changes = self.told.accepted.iter().filter_map(|id| self.roster.change(id));
        let mut leaves = changes.filter(|change| matches!(change.kind(), Kind::Act(Action::Leave)));
        self.roster.role(member).is_some() || leaves.any(|change| change.author() == member)
    }
}
