//! Messages that disappear a while after they were read (SPEC.md, section 11.7).
//!
//! Each has a row from when it came, or was sent, until it is gone. When its time begins a
//! job is set; when that is due, the app is told, and what is still here of the text is
//! forgotten: an event that nobody has taken, of ours the letters and what is kept for a
//! group.
//!
//! ```text
//!  came ----> unread --(mark_read, here or elsewhere)--> running --(job)--> Disappeared
//!                \--(90 days)--> forgotten                ^   |
//!  sent ---------------------------------------------------/   \--(not carried)--> in an hour
//! ```

use std::time::Duration;

use zeroize::Zeroizing;

use super::due::Job;
use super::happening::{Happening, StatusCode};
use super::log::GIVEN_UP_AFTER;
use super::work::Work;
use super::{Error, EventId, OutgoingId, table};
use crate::address::UserId;
use crate::content::{Content, READ_MARK_IDS, Sync};
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::stored::{self, messenger::Fading};

/// How long it is kept in mind that a message disappears which nobody reads.
const UNREAD_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// When it is looked again whether a message still waits to be carried: as long as it does,
/// it does not disappear.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How many messages are kept in mind that were read elsewhere before they came: what our
/// devices do not get in the order in which it was sent is less.
const MOST_READ_EARLY: usize = 1000;

/// What has the text of a message of ours, beside the letter of that name.
#[derive(Default)]
pub(super) struct Kept {
    /// To a group: the errand that carries it.
    pub(super) errand: Option<OutgoingId>,
    /// To a group: the key of what is kept for who may ask for it.
    pub(super) sent_key: Vec<u8>,
    /// What tells our other devices of it, or members of a group who could not read it.
    pub(super) letters: Vec<MessageId>,
}

/// The key of a message, or of one of its letters.
fn key_of(author: &UserId, id: MessageId, letter: &[u8]) -> Vec<u8> {
    table::of_user(author, &[id.as_bytes(), letter].concat())
}

/// What a key names: author, message, and of which letter it is, if of one.
fn split_key(key: &[u8]) -> Option<(UserId, MessageId, Option<MessageId>)> {
    let (author, rest) = table::split_user(key)?;
    let (id, letter) = rest.split_first_chunk()?;
    let letter = match letter {
        [] => None,
        letter => Some(MessageId::from_bytes(letter.try_into().ok()?)),
    };
    Some((author, MessageId::from_bytes(*id), letter))
}

fn time_of(row: &Fading) -> Duration {
    Duration::from_secs(row.seconds)
}

impl Work<'_> {
    fn fading(&self, key: &[u8]) -> Result<Option<Fading>, Error> {
        let row = self.view.get(table::FADING, key)?;
        Ok(row.and_then(|row| stored::decode(&row, "disappearing message").ok()))
    }

    fn save_fading(&mut self, key: &[u8], row: &Fading) {
        self.view.put(table::FADING, key.to_vec(), stored::encode(row));
    }

    /// The app is told of a message by the last of these events: it may be one that
    /// disappears, and it may have been read elsewhere.
    pub(super) fn may_disappear(
        &mut self,
        author: &UserId,
        id: MessageId,
        content: &Content,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        let key = key_of(author, id, &[]);
        let event_id = events.last().map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let read = self.view.get(table::READ_EARLY, &key)?.is_some();
        if read {
            self.view.delete(table::READ_EARLY, key.clone());
            let (author, messages) = (author.clone(), vec![id]);
            events.push(self.tell(Happening::ReadElsewhere { author, messages }));
        }
        let Some(after) = content.expires_after() else { return Ok(()) };
        let (seconds, came_at) = (after.as_secs(), self.now.as_millis());
        let row = Fading { seconds, came_at, event_id, ..Fading::default() };
        // What we have written we have read.
        if read || *author == self.own()?.address().user {
            return self.begin_to_disappear(&key, row);
        }
        self.save_fading(&key, &row);
        Ok(())
    }

    /// A message of ours is sent from here: it may be one that disappears.
    pub(super) fn will_disappear(
        &mut self,
        id: MessageId,
        content: &Content,
        kept: Kept,
    ) -> Result<(), Error> {
        let Some(after) = content.expires_after() else { return Ok(()) };
        let Kept { errand, sent_key, letters } = kept;
        let us = self.own()?.address().user.clone();
        for letter in letters {
            let key = key_of(&us, id, letter.as_bytes());
            self.view.put(table::FADING, key, Zeroizing::default());
        }
        let errand_id = errand.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let (seconds, came_at) = (after.as_secs(), self.now.as_millis());
        let row = Fading { seconds, came_at, errand_id, sent_key, ..Fading::default() };
        self.begin_to_disappear(&key_of(&us, id, &[]), row)
    }

    /// A message of ours has been carried: if it disappears, its time begins.
    pub(super) fn begins_when_sent(&mut self, id: MessageId) -> Result<(), Error> {
        let key = key_of(&self.own()?.address().user, id, &[]);
        match self.fading(&key)? {
            Some(row) => self.begin_to_disappear(&key, row),
            None => Ok(()),
        }
    }

    fn begin_to_disappear(&mut self, key: &[u8], mut row: Fading) -> Result<(), Error> {
        row.since = self.now.as_millis();
        self.save_fading(key, &row);
        self.set_due(Job::Disappear, key, self.now.after(time_of(&row)))
    }

    /// A person has read these messages here.
    pub(super) fn mark_read(
        &mut self,
        author: &UserId,
        messages: &[MessageId],
    ) -> Result<(), Error> {
        for id in messages {
            self.was_read(author, *id)?;
        }
        for ids in messages.chunks(READ_MARK_IDS) {
            let (user, ids) = (author.clone(), ids.to_vec());
            self.tell_own_devices(Sync::ReadMarks { user, ids })?;
        }
        Ok(())
    }

    /// A person has read these messages on another device of ours.
    pub(super) fn was_read_elsewhere(
        &mut self,
        author: UserId,
        messages: Vec<MessageId>,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        let mut early = Vec::new();
        for id in &messages {
            if !self.was_read(&author, *id)? {
                early.push(key_of(&author, *id, &[]));
            }
        }
        if !early.is_empty() {
            let known = self.view.scan(table::READ_EARLY, &[], MOST_READ_EARLY)?.len();
            let now = self.now.as_millis().to_be_bytes();
            for key in early.into_iter().take(MOST_READ_EARLY.saturating_sub(known)) {
                self.view.put(table::READ_EARLY, key, Zeroizing::new(now.to_vec()));
            }
        }
        if !messages.is_empty() {
            events.push(self.tell(Happening::ReadElsewhere { author, messages }));
        }
        Ok(())
    }

    /// A message was read: its time begins, if it has one. Says whether it has come here.
    fn was_read(&mut self, author: &UserId, id: MessageId) -> Result<bool, Error> {
        let key = key_of(author, id, &[]);
        let Some(row) = self.fading(&key)? else {
            return Ok(self.view.get(table::SHOWN, &key)?.is_some());
        };
        if row.since == 0 {
            self.begin_to_disappear(&key, row)?;
        }
        Ok(true)
    }

    /// The time of a message is up, or it is to be seen when it is.
    pub(super) fn disappear(&mut self, key: &[u8]) -> Result<(), Error> {
        let (Some(mut row), Some((author, id, None))) = (self.fading(key)?, split_key(key)) else {
            return Ok(());
        };
        let ours = author == self.own()?.address().user;
        let mut at = self.disappears_at(&mut row);
        if at <= self.now && ours && self.is_to_be_carried(id, &row)? {
            at = self.now.after(LOOK_AGAIN);
        }
        if at > self.now {
            self.save_fading(key, &row);
            return self.set_due(Job::Disappear, key, at);
        }
        if let Some(event) = EventId::from_key(&row.event_id) {
            self.drop_event(event);
        }
        if ours {
            self.give_up_fading(id)?;
            self.forget_fading(id)?;
        } else {
            self.view.delete(table::FADING, key.to_vec());
        }
        self.tell(Happening::Disappeared { author, message: id });
        Ok(())
    }

    /// When the time of a message is up, by a clock that may have leapt since it began.
    ///
    /// A leap looks as if the time was up, where the clock was behind when it began, or is
    /// ahead now: so it begins anew. But only once, unless the clock has gone back: else on
    /// a device that is rarely on nothing would ever disappear.
    fn disappears_at(&self, row: &mut Fading) -> Timestamp {
        let mut since = Timestamp::from_millis(row.since);
        if since > self.now {
            // It began while the clock was ahead.
            (since, row.begun_anew) = (self.now, false);
        } else if since < self.steady_since && !row.begun_anew {
            (since, row.begun_anew) = (self.steady_since, true);
        }
        row.since = since.as_millis();
        since.after(time_of(row))
    }

    /// Whether a message of ours still waits for a session, or to be carried: not longer than
    /// any message does.
    fn is_to_be_carried(&self, id: MessageId, row: &Fading) -> Result<bool, Error> {
        if self.now >= Timestamp::from_millis(row.since).after(GIVEN_UP_AFTER) {
            return Ok(false);
        }
        match OutgoingId::from_key(&row.errand_id) {
            Some(errand) => Ok(self.errand(errand)?.is_some()),
            None => Ok(self
                .letter(id)?
                .is_some_and(|letter| !letter.sent && (letter.waits || letter.to_carry > 0))),
        }
    }

    fn give_up_fading(&mut self, id: MessageId) -> Result<(), Error> {
        let Some(letter) = self.letter(id)? else { return Ok(()) };
        if letter.waits
            && let Ok(user) = UserId::new(&letter.user_id)
        {
            // Its place is for others.
            let waiting = self.view.scan_prefix(table::WAITING, &table::of_user(&user, &[]))?;
            for (key, _) in waiting.into_iter().filter(|(_, row)| **row == *id.as_bytes()) {
                self.view.delete(table::WAITING, key);
            }
        }
        self.give_up_letter(id, &letter, StatusCode::Expired)
    }

    /// Forgets that a message of ours disappears, and all that has its text beside its own
    /// letter.
    pub(super) fn forget_fading(&mut self, id: MessageId) -> Result<(), Error> {
        let key = key_of(&self.own()?.address().user, id, &[]);
        let Some(row) = self.fading(&key)? else { return Ok(()) };
        if !row.sent_key.is_empty() {
            self.view.delete(table::SENT, row.sent_key);
        }
        for (key, _) in self.view.scan_prefix(table::FADING, &key)? {
            if let Some((_, _, Some(letter))) = split_key(&key) {
                self.give_up_fading(letter)?;
            }
            self.view.delete(table::FADING, key);
        }
        self.clear_due(Job::Disappear, &key)
    }

    /// Forgets that a message disappears, if nobody has read it for a long time.
    pub(super) fn sweep_fading(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        let (row, names) = (stored::decode::<Fading>(row, "disappearing message"), split_key(key));
        let (Ok(mut row), Some((author, id, letter))) = (row, names) else {
            self.view.delete(table::FADING, key.to_vec());
            return Ok(());
        };
        if letter.is_some() {
            if self.fading(&key_of(&author, id, &[]))?.is_none() {
                self.view.delete(table::FADING, key.to_vec());
            }
            return Ok(());
        }
        if row.since != 0 {
            return Ok(());
        }
        if row.came_at > self.now.as_millis() {
            // It came while the clock was ahead.
            row.came_at = self.now.as_millis();
            self.save_fading(key, &row);
        }
        // It came while it was behind, looks old and is not.
        let came_at = Timestamp::from_millis(row.came_at).max(self.steady_since);
        if self.now.since(came_at) > UNREAD_KEPT {
            self.view.delete(table::FADING, key.to_vec());
        }
        Ok(())
    }
}
