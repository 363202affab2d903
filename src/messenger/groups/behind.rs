//! Who lacks what of a group's changes: asked, and answered, within bounds.

use std::time::Duration;

use super::super::daily::DAY;
use super::super::errand::Urgency;
use super::super::repair::HOUR;
use super::super::work::Work;
use super::super::{Error, table};
use crate::address::Address;
use crate::content::GroupNews;
use crate::group::{Action, Answer, ChangeId, GroupId, Member, Role};
use crate::session::Numbers;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::AskedOften};
use crate::wire::{Ask, Control, GroupBehind, MessageId};

/// How often a device is asked, or answered, about one group within an hour.
const AN_HOUR: u32 = 20;

/// How often a device that knows nothing of a group is told all of it within a day.
const A_DAY: u32 = 4;

/// How many bytes of changes go into one answer; who lacks more asks again.
const ANSWER_LEN: usize = 128 * 1024;

/// After how many changes the owner seals.
const SEALED_AFTER: usize = 1024;

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    Asked,
    Answered,
    Told,
    Served,
    Wanted,
    HandedOver,
    MissingAsked,
    UnknownAsked,
    Searched,
    Reminded,
    Mentioned,
    IntroductionAsked,
    Introduced,
}

impl Counted {
    const fn number(self) -> u8 {
        match self {
            Self::Asked => 0,
            Self::Answered => 1,
            Self::Told => 2,
            Self::Served => 3,
            Self::Wanted => 4,
            Self::HandedOver => 5,
            Self::MissingAsked => 6,
            Self::UnknownAsked => 7,
            Self::Searched => 8,
            Self::Reminded => 9,
            Self::Mentioned => 10,
            Self::IntroductionAsked => 11,
            Self::Introduced => 12,
        }
    }

    /// Within what time.
    const fn within(self) -> Duration {
        match self {
            Self::Reminded | Self::Introduced => DAY,
            _ => HOUR,
        }
    }
}

impl Work<'_> {
    /// Whether this may be done (once more) for a device within this hour, or day; then it is
    /// counted.
    pub(super) fn may_again(
        &mut self,
        what: Counted,
        address: &Address,
        group: &GroupId,
        limit: u32,
    ) -> Result<bool, Error> {
        let rest = [group.as_bytes().as_slice(), &[what.number()]].concat();
        let key = table::of_device(address, &rest);
        let row = self.view.get(table::ASKED, &key)?;
        let mut often: AskedOften =
            row.and_then(|row| stored::decode(&row, "count").ok()).unwrap_or_default();
        if self.now.apart(Timestamp::from_millis(often.since)) >= what.within() {
            often = AskedOften { since: self.now.as_millis(), times: 0 };
        }
        if often.times >= limit {
            return Ok(false);
        }
        often.times = often.times.saturating_add(1);
        self.view.put(table::ASKED, key, stored::encode(&often));
        Ok(true)
    }

    /// Asks a device for what is missing of a group, and what this head stands for.
    pub(super) fn ask_behind(
        &mut self,
        address: &Address,
        group: &GroupId,
        head: Option<[u8; 16]>,
    ) -> Result<(), Error> {
        let Some(roster) = self.roster(group)? else { return Ok(()) };
        self.ask_with(address, group, roster.ask(), head)
    }

    fn ask_with(
        &mut self,
        address: &Address,
        group: &GroupId,
        ask: Ask,
        head: Option<[u8; 16]>,
    ) -> Result<(), Error> {
        if !self.known(group)?.is_some_and(|known| known.takes_part())
            || !self.may_again(Counted::Asked, address, group, AN_HOUR)?
        {
            return Ok(());
        }
        let behind = GroupBehind { group_id: *group.as_bytes(), ask, head };
        self.send_control(address, Control::GroupBehind(Box::new(behind))).map(|_| ())
    }

    /// A device says what it has of a group.
    pub(super) fn answer_behind(
        &mut self,
        address: &Address,
        behind: &GroupBehind,
    ) -> Result<(), Error> {
        let group = GroupId::from_bytes(behind.group_id);
        let knows_nothing = behind.ask == Ask::nothing();
        // Also what was before we left, which they may not know.
        let Some(known) = self.known(&group)?.filter(|known| known.may_speak(self.now)) else {
            // Who knows nothing either need not be asked.
            return match knows_nothing {
                true => Ok(()),
                false => self.may_have_forgotten(address, &group),
            };
        };
        let Some(roster) = self.roster(&group)? else { return Ok(()) };
        let sender = self.list_of(&address.user)?.map(|list| Member::of(&list));
        if sender.is_none_or(|sender| roster.role(&sender).is_none()) {
            return Ok(());
        }
        if knows_nothing && !self.may_again(Counted::Introduced, address, &group, A_DAY)? {
            return Ok(());
        }
        if let Some(ask) = roster.ask_for(&behind.ask).filter(|_| !knows_nothing) {
            // They have something that is not here.
            self.ask_with(address, &group, ask, None)?;
        }
        let mut news = match roster.answer(&behind.ask, ANSWER_LEN) {
            _ if knows_nothing => self.introduction(&roster),
            Answer::Update(update) => self.news_of(&update),
            Answer::Welcome(welcome, update) => {
                GroupNews { welcome: welcome.encode(), ..self.news_of(&update) }
            }
        };
        if let Some(start) = behind.head
            && let Some(head) = self.head(&group, &start)?
        {
            news.state = head.state;
        }
        let nothing = news.welcome.is_empty() && news.update.is_empty() && news.state.is_empty();
        if nothing || !self.may_again(Counted::Answered, address, &group, AN_HOUR)? {
            return Ok(());
        }
        if address.user == self.own()?.address().user {
            news.consent = Some((known.decided(), known.consent_at));
        }
        self.tell_device(address, &group, &news)
    }

    /// Tells one device, once.
    pub(super) fn tell_device(
        &mut self,
        address: &Address,
        group: &GroupId,
        news: &GroupNews,
    ) -> Result<(), Error> {
        for frame in self.parts_of(group, news) {
            let id = MessageId::generate(&mut self.rng);
            if let Some(sent) = self.encrypt_content(address, id, &frame, Numbers::Unnumbered)? {
                self.carry(address, sent.envelope, Urgency::Quiet, None);
            }
        }
        Ok(())
    }

    /// Somebody goes by a state that is not the newest. If what he lacks is our user's own,
    /// we tell him, within bounds.
    pub(super) fn tell_who_is_behind(
        &mut self,
        address: &Address,
        group: &GroupId,
        state: &[u8],
    ) -> Result<(), Error> {
        let Some(roster) = self.roster(group)? else { return Ok(()) };
        let own = self.own()?;
        let us = Member::of(&own.list);
        let Ok(theirs) = Ask::decode(state) else { return Ok(()) };
        let ours = roster.ask();
        let tips = ours.tips.iter().map(|tip| ChangeId::from_bytes(*tip));
        let lacks_ours = tips
            .filter(|tip| !theirs.tips.contains(tip.as_bytes()))
            .filter_map(|tip| roster.change(&tip))
            .any(|change| {
                let author = change.author();
                // Who is gone cannot tell them any more: the owner does.
                *author == us || (roster.role(author).is_none() && roster.owner() == Some(&us))
            });
        if !lacks_ours || !self.may_again(Counted::Told, address, group, 2)? {
            return Ok(());
        }
        let Answer::Update(update) = roster.answer(&theirs, ANSWER_LEN) else { return Ok(()) };
        let news = self.news_of(&update);
        self.tell_device(address, group, &news)
    }

    /// What a client does for its group: the owner takes out admins that have left, and
    /// seals when much has come; what a seal made void is signed again; who has rights says
    /// which devices have none.
    pub(super) fn do_duties(&mut self, group: &GroupId) -> Result<(), Error> {
        let Some(known) = self.known(group)?.filter(|known| known.takes_part()) else {
            return Ok(());
        };
        let own = self.own()?;
        if known.stopped || !own.is_listed() {
            return Ok(());
        }
        let us = Member::of(&own.list);
        let Some(roster) = self.roster(group)? else { return Ok(()) };
        for action in roster.reissue(&us) {
            let again = self.act(group, action);
            unless_refused(again)?;
        }
        let Some(roster) = self.roster(group)? else { return Ok(()) };
        let role = roster.role(&us);
        let may_act = role.is_some_and(|role| role != Role::Member);
        let untold = roster.list_version(&us) < own.list.version();
        // Lists that only grew have one device more with each.
        let lost_some = own.list.version() > u64::try_from(own.list.devices().len()).unwrap_or(0);
        if may_act && untold && lost_some && own.account.is_some() {
            let devices = Action::Devices(Box::new((*own.list).clone()));
            unless_refused(self.act(group, devices))?;
        }
        if role != Some(Role::Owner) {
            return Ok(());
        }
        let left = roster.left_admins();
        if !left.is_empty() {
            let removed = self.act(group, Action::Remove(left));
            unless_refused(removed)?;
        }
        if own.account.is_some() && roster.changes_since_seal() >= SEALED_AFTER {
            let sealed = self.seal_group(group, &us);
            unless_refused(sealed)?;
        }
        Ok(())
    }
}

/// What cannot be signed now is no failure of whoever made us try.
pub(super) fn unless_refused(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error @ Error::Store(_)) => Err(error),
        _ => Ok(()),
    }
}
