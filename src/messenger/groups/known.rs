//! What is known of a group beside its roster: all that a message needs, in a small row.

use std::sync::Arc;
use std::time::Duration;

use super::super::work::Work;
use super::super::{Consent, Error, table};
use crate::address::UserId;
use crate::content::Consent as Decided;
use crate::group::{GroupId, Head};
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger as record};

/// How long after we have left those are told who could not be told before.
const LEAVING_LASTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A group's row.
#[derive(Debug, Clone)]
pub(in crate::messenger) struct Known {
    /// [`Consent::Stranger`]: we have left, or were never asked.
    pub(in crate::messenger) consent: Consent,
    pub(in crate::messenger) consent_at: Timestamp,
    pub(in crate::messenger) invited_by: Option<UserId>,
    pub(in crate::messenger) head: Head,
    /// How many heads there have been here.
    pub(in crate::messenger) heads: u32,
    /// We are a member.
    pub(in crate::messenger) member: bool,
    /// Nothing can be sent nor changed until a person decides, or something comes.
    pub(in crate::messenger) stopped: bool,
    /// When we left it.
    pub(in crate::messenger) left_at: Option<Timestamp>,
    /// Since when we are no member, whatever the reason.
    pub(in crate::messenger) gone_at: Option<Timestamp>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            consent: Consent::Stranger,
            consent_at: Timestamp::default(),
            invited_by: None,
            head: Head::from_bytes([0; 32]),
            heads: 0,
            member: false,
            stopped: false,
            left_at: None,
            gone_at: None,
        }
    }

    /// Whether we take part.
    pub(in crate::messenger) fn takes_part(&self) -> bool {
        self.member && self.consent == Consent::Accepted
    }

    /// What was decided, for our other devices; of two decisions at a time the greater counts.
    pub(super) fn decided(&self) -> Decided {
        match self.consent {
            Consent::Accepted => Decided::Accepted,
            Consent::Blocked => Decided::Blocked,
            Consent::Requested | Consent::Stranger => Decided::Undecided,
        }
    }

    /// Whether anything of the group may be said to its members: also that we have left.
    pub(super) fn may_speak(&self, now: Timestamp) -> bool {
        self.takes_part() || self.left_at.is_some_and(|at| now.apart(at) < LEAVING_LASTS)
    }

    pub(super) fn from_record(raw: &record::KnownGroup) -> Option<Self> {
        Some(Self {
            consent: match raw.consent {
                1 => Consent::Requested,
                2 => Consent::Accepted,
                3 => Consent::Blocked,
                _ => Consent::Stranger,
            },
            consent_at: Timestamp::from_millis(raw.consent_at),
            invited_by: UserId::new(&raw.invited_by).ok(),
            head: Head::from_bytes(raw.head.as_slice().try_into().ok()?),
            heads: raw.heads,
            member: raw.member,
            stopped: raw.stopped,
            left_at: time(raw.left_at),
            gone_at: time(raw.gone_at),
        })
    }

    pub(super) fn to_record(&self) -> record::KnownGroup {
        let Self { consent, consent_at, invited_by, head, heads, member, .. } = self;
        record::KnownGroup {
            consent: match consent {
                Consent::Stranger => 0,
                Consent::Requested => 1,
                Consent::Accepted => 2,
                Consent::Blocked => 3,
            },
            consent_at: consent_at.as_millis(),
            invited_by: invited_by.as_ref().map(|by| by.as_bytes().to_vec()).unwrap_or_default(),
            head: head.as_bytes().to_vec(),
            heads: *heads,
            member: *member,
            stopped: self.stopped,
            left_at: self.left_at.map_or(0, Timestamp::as_millis),
            gone_at: self.gone_at.map_or(0, Timestamp::as_millis),
        }
    }
}

fn time(millis: u64) -> Option<Timestamp> {
    (millis != 0).then(|| Timestamp::from_millis(millis))
}

impl Work<'_> {
    /// What is known of a group.
    pub(in crate::messenger) fn known(
        &mut self,
        group: &GroupId,
    ) -> Result<Option<Arc<Known>>, Error> {
        if let Some(known) = self.cache.groups.known.get(group) {
            return Ok(known.clone());
        }
        let row = self.view.get(table::GROUPS, group.as_bytes())?;
        let raw = row.and_then(|row| stored::decode::<record::KnownGroup>(&row, "group").ok());
        let known = raw.as_ref().and_then(Known::from_record).map(Arc::new);
        self.cache.groups.known.insert(*group, known.clone());
        Ok(known)
    }

    pub(super) fn save_known(&mut self, group: &GroupId, known: Known) {
        let row = stored::encode(&known.to_record());
        self.view.put(table::GROUPS, group.as_bytes().to_vec(), row);
        self.touched_groups().groups.insert(*group);
        self.cache.groups.known.insert(*group, Some(Arc::new(known)));
    }

    /// Forgets a group of which we are no member, but that it was declined.
    pub(super) fn forget_group(&mut self, group: &GroupId) -> Result<(), Error> {
        if let Some(roster) = self.roster(group)? {
            roster.members().for_each(|(member, _)| self.forget_membership(member, group));
        }
        self.drop_own_chain(group)?;
        for user in self.intents_of(group)? {
            self.drop_intent(&user, group);
        }
        for table in [table::ROSTERS, table::HEADS, table::GROUP_HELD, table::EARLY] {
            for (key, _) in self.view.scan_prefix(table, group.as_bytes())? {
                self.view.delete(table, key);
            }
        }
        self.touched_groups().groups.insert(*group);
        self.cache.groups.rosters.remove(group);
        match self.known(group)? {
            Some(known) if known.consent == Consent::Blocked => {
                // What comes after begins anew.
                self.save_known(group, Known { heads: 0, ..(*known).clone() });
            }
            _ => {
                self.view.delete(table::GROUPS, group.as_bytes().to_vec());
                self.cache.groups.known.insert(*group, None);
            }
        }
        Ok(())
    }

    /// Every group of which something is known.
    pub(in crate::messenger) fn all_groups(&self) -> Result<Vec<GroupId>, Error> {
        let rows = self.view.scan_prefix(table::GROUPS, &[])?;
        let ids = rows.iter().filter_map(|(key, _)| key.as_slice().try_into().ok());
        Ok(ids.map(GroupId::from_bytes).collect())
    }
}
