//! What an app is told of groups.

use std::time::Duration;

use super::super::happening::Happening;
use super::super::work::Work;
use super::super::{Error, EventId, EventKind};
use super::change::GroupChange;
use crate::address::UserId;
use crate::group::{ChangeId, GroupId, Member, Role, RosterEvent, Setting};
use crate::wire::stored::messenger as record;

/// Something that happened in a group.
pub(in crate::messenger) struct GroupHappening {
    pub(in crate::messenger) group: GroupId,
    pub(in crate::messenger) by: Option<UserId>,
    pub(in crate::messenger) notice: GroupNotice,
}

/// What happened.
pub(in crate::messenger) enum GroupNotice {
    Invited,
    Changed(GroupChange),
    TwoSeals { followed: Option<ChangeId>, other: ChangeId },
    Voided(ChangeId),
    TwoKeys(UserId),
    NotAdded(UserId),
}

/// The kinds in a record.
mod kind {
    pub(super) const ADDED: u32 = 0;
    pub(super) const REMOVED: u32 = 1;
    pub(super) const ROLE: u32 = 2;
    pub(super) const TITLE: u32 = 3;
    pub(super) const PICTURE: u32 = 4;
    pub(super) const TIMER: u32 = 5;
    pub(super) const LEFT: u32 = 6;
    pub(super) const TWO_SEALS: u32 = 7;
    pub(super) const VOIDED: u32 = 8;
    pub(super) const TWO_KEYS: u32 = 9;
    pub(super) const NOT_ADDED: u32 = 10;
}

fn role_number(role: Role) -> u32 {
    match role {
        Role::Owner => 1,
        Role::Admin => 2,
        Role::Member => 3,
    }
}

fn role_of(number: u32) -> Option<Role> {
    Some(match number {
        1 => Role::Owner,
        2 => Role::Admin,
        3 => Role::Member,
        _ => return None,
    })
}

impl GroupHappening {
    pub(in crate::messenger) fn encode(self) -> record::event::Kind {
        let Self { group, by, notice } = self;
        let group_id = group.as_bytes().to_vec();
        let by = by.map(|by| by.as_bytes().to_vec()).unwrap_or_default();
        let mut raw = record::GroupHappening { group_id, by, ..Default::default() };
        match notice {
            GroupNotice::Invited => {
                let (group_id, user_id) = (raw.group_id, raw.by);
                return record::event::Kind::Invited(record::Invitation { group_id, user_id });
            }
            GroupNotice::Changed(change) => encode_change(change, &mut raw),
            GroupNotice::TwoSeals { followed, other } => {
                raw.kind = kind::TWO_SEALS;
                raw.bytes = other.as_bytes().to_vec();
                raw.followed = followed.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
            }
            GroupNotice::Voided(change) => {
                (raw.kind, raw.bytes) = (kind::VOIDED, change.as_bytes().to_vec());
            }
            GroupNotice::TwoKeys(user) => {
                (raw.kind, raw.user_id) = (kind::TWO_KEYS, user.as_bytes().to_vec());
            }
            GroupNotice::NotAdded(user) => {
                (raw.kind, raw.user_id) = (kind::NOT_ADDED, user.as_bytes().to_vec());
            }
        }
        record::event::Kind::Group(raw)
    }
}

/// A change of one thing: of several people, the first.
fn encode_change(change: GroupChange, raw: &mut record::GroupHappening) {
    let first =
        |users: Vec<UserId>| users.first().map(|user| user.as_bytes().to_vec()).unwrap_or_default();
    match change {
        GroupChange::Add(users) => (raw.kind, raw.user_id) = (kind::ADDED, first(users)),
        GroupChange::Remove(users) => (raw.kind, raw.user_id) = (kind::REMOVED, first(users)),
        GroupChange::SetRole(user, role) => {
            (raw.kind, raw.user_id) = (kind::ROLE, user.as_bytes().to_vec());
            raw.role = role_number(role);
        }
        GroupChange::Rename(title) => (raw.kind, raw.title) = (kind::TITLE, title),
        GroupChange::SetPicture(picture) => (raw.kind, raw.bytes) = (kind::PICTURE, picture),
        GroupChange::SetTimer(timer) => {
            let seconds = timer.map_or(0, |timer| timer.as_secs());
            (raw.kind, raw.timer) = (kind::TIMER, u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        GroupChange::Leave => raw.kind = kind::LEFT,
    }
}

/// What the row of an invitation says.
pub(in crate::messenger) fn decode_invitation(raw: &record::Invitation) -> Option<EventKind> {
    let group = GroupId::from_bytes(raw.group_id.as_slice().try_into().ok()?);
    Some(EventKind::Invited { group, by: UserId::new(&raw.user_id).ok()? })
}

/// What the row of anything else in a group says.
pub(in crate::messenger) fn decode_group(raw: &record::GroupHappening) -> Option<EventKind> {
    let group = GroupId::from_bytes(raw.group_id.as_slice().try_into().ok()?);
    let by = UserId::new(&raw.by).ok();
    let user = || UserId::new(&raw.user_id).ok();
    let id = |bytes: &[u8]| bytes.try_into().ok().map(ChangeId::from_bytes);
    let change = match raw.kind {
        kind::ADDED => GroupChange::Add(vec![user()?]),
        kind::REMOVED => GroupChange::Remove(vec![user()?]),
        kind::ROLE => GroupChange::SetRole(user()?, role_of(raw.role)?),
        kind::TITLE => GroupChange::Rename(raw.title.clone()),
        kind::PICTURE => GroupChange::SetPicture(raw.bytes.clone()),
        kind::TIMER => GroupChange::SetTimer(
            (raw.timer != 0).then(|| Duration::from_secs(u64::from(raw.timer))),
        ),
        kind::LEFT => GroupChange::Leave,
        kind::TWO_SEALS => {
            let (followed, other) = (id(&raw.followed), id(&raw.bytes)?);
            return Some(EventKind::TwoSeals { group, followed, other });
        }
        kind::VOIDED => return Some(EventKind::Voided { group, by: by?, change: id(&raw.bytes)? }),
        kind::TWO_KEYS => return Some(EventKind::TwoKeys { group, user: user()? }),
        kind::NOT_ADDED => return Some(EventKind::NotAdded { group, user: user()? }),
        _ => return None,
    };
    Some(EventKind::GroupChanged { group, by, change })
}

impl Work<'_> {
    pub(super) fn tell_group(&mut self, happening: GroupHappening) -> EventId {
        self.tell(Happening::Group(happening))
    }

    /// Tells what has changed in a group; not what `except` did.
    pub(super) fn tell_roster(
        &mut self,
        group: &GroupId,
        changed: &[RosterEvent],
        except: Option<&Member>,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        for changed in changed {
            for (by, notice) in notices(changed) {
                if except.is_some_and(|except| by.as_ref() == Some(except)) {
                    continue;
                }
                let by = by.map(|by| by.user().clone());
                events.push(self.tell_group(GroupHappening { group: *group, by, notice }));
            }
            if let RosterEvent::Role { member, before: None, now: Some(_), .. } = changed {
                // A user whom we know under another key: somebody is not who they seem.
                let list = self.list_of(member.user())?;
                if list.is_some_and(|list| list.account_key() != *member.key()) {
                    let notice = GroupNotice::TwoKeys(member.user().clone());
                    let happening = GroupHappening { group: *group, by: None, notice };
                    events.push(self.tell_group(happening));
                }
            }
        }
        Ok(())
    }
}

/// What is told of it, and who did it.
fn notices(changed: &RosterEvent) -> Vec<(Option<Member>, GroupNotice)> {
    let change = |by: &Option<Member>, change| vec![(by.clone(), GroupNotice::Changed(change))];
    match changed {
        RosterEvent::Role { member, before, now, by } => {
            let user = member.user().clone();
            match (before, now) {
                (None, Some(role)) => {
                    let mut all = change(by, GroupChange::Add(vec![user.clone()]));
                    if *role != Role::Member {
                        all.extend(change(by, GroupChange::SetRole(user, *role)));
                    }
                    all
                }
                (Some(_), None) if by.as_ref() == Some(member) => change(by, GroupChange::Leave),
                (Some(_), None) => change(by, GroupChange::Remove(vec![user])),
                (Some(_), Some(role)) => change(by, GroupChange::SetRole(user, *role)),
                (None, None) => Vec::new(),
            }
        }
        RosterEvent::Setting { setting, by } => {
            let new = match setting {
                Setting::Title(title) => GroupChange::Rename(title.clone()),
                Setting::Picture(picture) => GroupChange::SetPicture(picture.clone()),
                Setting::Timer(0) => GroupChange::SetTimer(None),
                Setting::Timer(seconds) => {
                    GroupChange::SetTimer(Some(Duration::from_secs(u64::from(*seconds))))
                }
            };
            change(by, new)
        }
        RosterEvent::Voided { change, author } => {
            vec![(Some(author.clone()), GroupNotice::Voided(*change))]
        }
        RosterEvent::TwoSeals { followed, other } => {
            vec![(None, GroupNotice::TwoSeals { followed: *followed, other: *other })]
        }
        RosterEvent::TwoKeys { user } => vec![(None, GroupNotice::TwoKeys(user.clone()))],
        RosterEvent::Restored { .. }
        | RosterEvent::Sealed { .. }
        | RosterEvent::RosterDiffers { .. } => Vec::new(),
    }
}
