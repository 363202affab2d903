//! What members tell each other of a group: said in numbered messages, so that it is kept
//! until they have it.

use super::super::letter::Weight;
use super::super::work::Work;
use super::super::{Consent, Error, EventId};
use super::behind::unless_refused;
use super::heads::start_of;
use super::known::Known;
use super::told::{GroupHappening, GroupNotice};
use crate::address::{Address, UserId};
use crate::content::{Consent as Decided, GroupNews};
use crate::group::{Action, GroupId, Inserted, Kind, Member, Roster, RosterEvent, Update, Welcome};
use crate::timestamp::Timestamp;
use crate::wire::{Ask, MAX_UPDATE_LEN, MessageId};

/// How many groups may have invited us and wait for a decision, and how many of those by one
/// user.
const MAX_INVITATIONS: usize = 64;
const INVITATIONS_A_USER: usize = 8;

/// How many bytes a roster has at most that waits for a decision: all of the longest
/// introduction. What comes then is asked for once it is accepted.
const MAX_INVITATION_LEN: usize = MAX_UPDATE_LEN + 256 * 1024;

impl Work<'_> {
    /// These changes, and nothing else.
    pub(super) fn news_of(&self, update: &Update) -> GroupNews {
        GroupNews { update: update.encode(), ..GroupNews::default() }
    }

    /// All that a newcomer needs.
    pub(super) fn introduction(&self, roster: &Roster) -> GroupNews {
        let welcome = roster.welcome().encode();
        // What does not fit is asked for.
        let update = roster.news(MAX_UPDATE_LEN.saturating_sub(welcome.len())).encode();
        GroupNews { welcome, update, ..GroupNews::default() }
    }

    /// Tells a member, on all devices.
    pub(super) fn tell_member(
        &mut self,
        member: &Member,
        group: &GroupId,
        news: &GroupNews,
    ) -> Result<(), Error> {
        let own = self.own()?;
        let ourselves = *member == Member::of(&own.list);
        if ourselves && own.others().next().is_none() {
            return Ok(());
        }
        let user = member.user().clone();
        // Known under another key it is somebody else.
        if !ourselves && self.contact(&user)?.key().is_some_and(|key| key != *member.key()) {
            return Ok(());
        }
        for frame in self.parts_of(group, news) {
            let id = MessageId::generate(&mut self.rng);
            self.post(&user, id, &frame, Weight::ToMember(*member.key()))?;
        }
        Ok(())
    }

    /// Tells our own other devices all that there is to know of a group.
    pub(in crate::messenger) fn introduce_to_own(
        &mut self,
        group: &GroupId,
        consent: Option<(Decided, Timestamp)>,
    ) -> Result<(), Error> {
        let Some(roster) = self.roster(group)? else { return Ok(()) };
        let mut news = self.introduction(&roster);
        news.consent = consent;
        let own = self.own()?;
        self.tell_member(&Member::of(&own.list), group, &news)
    }

    /// The same, of all groups; of those that we have left, that we have: others may not know.
    pub(in crate::messenger) fn introduce_all_to_own(&mut self) -> Result<(), Error> {
        for group in self.all_groups()? {
            let Some(known) = self.known(&group)? else { continue };
            if known.consent != Consent::Stranger || known.left_at.is_some() {
                let decided = (known.decided(), known.consent_at);
                self.introduce_to_own(&group, Some(decided))?;
            }
        }
        Ok(())
    }

    /// Takes what somebody tells of a group; says whether that was too early.
    pub(super) fn take_group_news(
        &mut self,
        address: &Address,
        group: &GroupId,
        news: &[u8],
        events: &mut Vec<EventId>,
    ) -> Result<bool, Error> {
        let Some(news) = GroupNews::decode(news) else { return Ok(false) };
        let news = &news;
        let own = self.own()?;
        let ourselves = address.user == own.address().user;
        let welcome = match news.welcome.as_slice() {
            [] => None,
            welcome => match Welcome::decode(welcome) {
                Ok(welcome) => Some(welcome),
                Err(_) => return Ok(false),
            },
        };
        let Ok(update) = Update::decode(&news.update) else { return Ok(false) };
        let known = self.known(group)?;
        if let Some(known) = &known
            && known.consent == Consent::Blocked
            && !ourselves
        {
            return Ok(false);
        }
        let (before, mut after, mut told) = match (self.roster(group)?, welcome) {
            (Some(roster), welcome) => {
                let mut after = (*roster).clone();
                let mut told = Inserted::default();
                if let Some(caught_up) = welcome.and_then(|welcome| after.catch_up(&welcome).ok()) {
                    told = caught_up;
                }
                (Some(roster), after, told)
            }
            (None, Some(welcome)) => {
                let Ok(roster) = Roster::join(group, &welcome) else { return Ok(false) };
                (None, roster, Inserted::default())
            }
            (None, None) => return Ok(true),
        };
        told.append(after.insert(&update));
        let us = Member::of(&own.list);
        let sender = self.list_of(&address.user)?.map(|list| Member::of(&list));
        let is_member = |roster: &Roster| sender.as_ref().is_some_and(|s| roster.role(s).is_some());
        // Whoever was removed may have left before that, and is not to be added in ignorance.
        let leaves = told.accepted.iter().filter_map(|id| after.change(id)).any(|change| {
            matches!(change.kind(), Kind::Act(Action::Leave))
                && sender.as_ref() == Some(change.author())
        });
        let vouched = ourselves
            || leaves
            || is_member(&after)
            || before.as_ref().is_some_and(|b| is_member(b));
        let is_in = after.role(&us).is_some();
        if !vouched {
            // Who says it may turn out to be a member.
            return Ok(before.is_some());
        }
        if before.is_none() && !is_in && !ourselves {
            return Ok(false);
        }
        let mut known = known.map_or_else(Known::new, |known| (*known).clone());
        // Nobody adds who is back because the removal counts no longer.
        let is_back = told.events.iter().any(|event| {
            matches!(event, RosterEvent::Role { member, now: Some(_), by: None, .. } if *member == us)
        });
        let leave_is_void = known.left_at.is_some()
            && after.reissue(&us).iter().any(|again| matches!(again, Action::Leave));
        let invited = is_in && (before.is_none() || !known.member);
        let invited = invited && !leave_is_void && !(is_back && known.left_at.is_none());
        if invited && !ourselves {
            let accepted = self.contact(&address.user)?.consent == Consent::Accepted;
            if !accepted && !self.may_invite(&address.user)? {
                return Ok(false);
            }
            known.consent = if accepted { Consent::Accepted } else { Consent::Requested };
            known.consent_at = self.now;
            known.invited_by = Some(address.user.clone());
            known.left_at = None;
        }
        if ourselves
            && let Some((decided, at)) = news.consent
            && (before.is_none() || (at, decided) > (known.consent_at, known.decided()))
        {
            known.consent = match decided {
                Decided::Accepted => Consent::Accepted,
                Decided::Blocked => Consent::Blocked,
                Decided::Undecided if is_in => Consent::Requested,
                Decided::Undecided => Consent::Stranger,
            };
            known.consent_at = at;
        }
        // Nothing new, and no head that something waits for.
        let same = before.is_some() && told.accepted.is_empty() && told.events.is_empty();
        let held_before = before.as_ref().map_or(0, |before| before.held_count());
        if same && told.held == held_before && news.state.is_empty() && news.consent.is_none() {
            return Ok(false);
        }
        let waits = known.consent == Consent::Requested;
        if waits && after.record().len() > MAX_INVITATION_LEN {
            return Ok(false);
        }
        self.note_state(address, group, &known, &after, &news.state)?;
        self.enter(before.as_deref(), after.clone(), known)?;
        if invited && !ourselves {
            let (by, notice) = (Some(address.user.clone()), GroupNotice::Invited);
            events.push(self.tell_group(GroupHappening { group: *group, by, notice }));
        } else {
            self.tell_roster(group, &told.events, None, events)?;
        }
        if waits && !is_in {
            self.forget_group(group)?;
            return Ok(false);
        }
        if told.held > 0 && !is_in {
            self.may_have_forgotten(address, group)?;
        } else if told.held > 0 || after.stopped().is_some() {
            self.ask_behind(address, group, None)?;
        } else if !told.accepted.is_empty() {
            // It may have been no more than one answer holds.
            for head in self.awaited(group, address)? {
                if self.head(group, &head)?.is_none() {
                    self.ask_behind(address, group, Some(head))?;
                    break;
                }
            }
        }
        if leave_is_void {
            unless_refused(self.act(group, Action::Leave))?;
        }
        self.do_duties(group)?;
        Ok(false)
    }

    /// Somebody says what a head stands for: if something waits for it, and all of that is
    /// known, so is the head.
    fn note_state(
        &mut self,
        address: &Address,
        group: &GroupId,
        known: &Known,
        roster: &Roster,
        state: &[u8],
    ) -> Result<(), Error> {
        if state.is_empty() {
            return Ok(());
        }
        let Ok(state) = Ask::decode(state) else { return Ok(()) };
        let head = state.head();
        if roster.knows(&state) && self.awaited(group, address)?.contains(start_of(&head)) {
            self.note_other_head(group, known, &state)?;
        }
        Ok(())
    }

    /// Whether somebody whom we do not know may invite us, beside those who have.
    fn may_invite(&mut self, user: &UserId) -> Result<bool, Error> {
        let (mut all, mut theirs) = (0, 0);
        for group in self.all_groups()? {
            if let Some(known) = self.known(&group)?
                && known.consent == Consent::Requested
            {
                all += 1;
                theirs += usize::from(known.invited_by.as_ref() == Some(user));
            }
        }
        Ok(all < MAX_INVITATIONS && theirs < INVITATIONS_A_USER)
    }
}
