//! Comparing emoji with somebody: one comparison a person, kept across restarts, ended after
//! ten minutes.

use std::time::Duration;

use super::due::Job;
use super::event::EmojiEnd;
use super::happening::Happening;
use super::letter::Weight;
use super::work::Work;
use super::{Consent, Error, EventId, table};
use crate::address::{Address, DeviceId, UserId};
use crate::content::{Frame, Said, Verification, VerificationSays};
use crate::identity::{Comparison, Emoji, EmojiStep, Heard, Party, TransactionId};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger as record;
use crate::wire::{MessageId, stored};

/// How long two people have to compare.
const LASTS: Duration = Duration::from_secs(10 * 60);

/// How many comparisons a person may begin in [`COUNTED_FOR`]. Each shows other emoji, and is
/// a chance of 2⁻⁴² for whoever sits in between.
const MOST_BEGUN: u32 = 10;

/// Over how long they are counted.
const COUNTED_FOR: Duration = Duration::from_secs(60 * 60);

/// A comparison that goes on.
struct Underway {
    comparison: Comparison,
    /// The device that it is with; `None` while all are asked.
    device: Option<DeviceId>,
    began_at: Timestamp,
    /// When that device said the newest of what was heard, by its own clock.
    said_at: Timestamp,
}

/// A person's row.
#[derive(Default)]
struct Row {
    underway: Option<Underway>,
    counted_since: Timestamp,
    counted: u32,
}

impl Work<'_> {
    /// Asks a person's devices.
    pub(super) fn start_emoji(&mut self, user: &UserId) -> Result<(), Error> {
        let own = self.own()?;
        let contact = self.contact(user)?;
        if *user == own.address().user || contact.consent == Consent::Blocked || contact.equivocated
        {
            return Err(Error::NotAllowed);
        }
        if contact.moved.is_some() {
            return Err(Error::IdentityMoved);
        }
        let account_key = contact.key().ok_or(Error::Unknown)?;
        self.accept(user)?;
        let mut row = self.comparison_row(user)?;
        if let Some(before) = row.underway.take() {
            self.say_step(user, &before, VerificationSays::Cancelled)?;
        }
        let theirs = Party { user: user.clone(), account_key };
        let comparison = Comparison::start(self.own_party()?, theirs, &mut self.rng);
        let underway = Underway {
            comparison,
            device: None,
            began_at: self.now,
            said_at: Timestamp::default(),
        };
        self.say_step(user, &underway, VerificationSays::Step(EmojiStep::Start))?;
        row.underway = Some(underway);
        self.save_comparison(user, &row)
    }

    /// The person here has compared.
    pub(super) fn confirm_emoji(&mut self, user: &UserId, shown: &Emoji) -> Result<(), Error> {
        let mut row = self.comparison_row(user)?;
        let mut underway = row.underway.take().ok_or(Error::Unknown)?;
        if !self.is_of_known_key(&underway)? {
            return Err(Error::IdentityMoved);
        }
        if underway.comparison.emoji().is_none() {
            return Err(Error::Unknown);
        }
        let step = underway.comparison.confirm(shown).ok_or(Error::IdentityMoved)?;
        self.say_step(user, &underway, VerificationSays::Step(step))?;
        self.conclude_comparison(user, row, underway).map(drop)
    }

    /// The person here does not go on.
    pub(super) fn cancel_emoji(&mut self, user: &UserId) -> Result<(), Error> {
        let mut row = self.comparison_row(user)?;
        let Some(underway) = row.underway.take() else { return Ok(()) };
        self.say_step(user, &underway, VerificationSays::Cancelled)?;
        self.save_comparison(user, &row)
    }

    /// A device of somebody with whom we talk says something of a comparison.
    pub(super) fn take_verification(
        &mut self,
        from: &Address,
        sent_at: Timestamp,
        said: Verification,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        let Verification { transaction, to, says } = said;
        if says == VerificationSays::Step(EmojiStep::Start) {
            return self.asked_to_compare(from, sent_at, transaction, events);
        }
        let user = &from.user;
        let mut row = self.comparison_row(user)?;
        let Some(mut underway) = row.underway.take() else { return Ok(()) };
        if underway.comparison.transaction() != transaction
            || underway.device.is_some_and(|device| device != from.device)
        {
            return Ok(());
        }
        underway.said_at = underway.said_at.max(sent_at);
        let own = self.own()?;
        if to.is_some_and(|to| to != own.address().device) {
            // They go on with another device of ours.
            return self.save_comparison(user, &row);
        }
        let step = match says {
            VerificationSays::Step(step) => step,
            VerificationSays::Cancelled => {
                return self.tell_comparison_ended(
                    user,
                    row,
                    &underway,
                    EmojiEnd::Cancelled,
                    events,
                );
            }
            VerificationSays::Mismatch => {
                return self.tell_comparison_ended(
                    user,
                    row,
                    &underway,
                    EmojiEnd::Mismatch,
                    events,
                );
            }
        };
        if !self.is_of_known_key(&underway)? {
            let reason = EmojiEnd::IdentityChanged;
            return self.tell_comparison_ended(user, row, &underway, reason, events);
        }
        let Ok(Heard { say, show }) = underway.comparison.hear(step) else {
            self.say_step(user, &underway, VerificationSays::Mismatch)?;
            return self.tell_comparison_ended(user, row, &underway, EmojiEnd::Mismatch, events);
        };
        if let Some(step) = say {
            underway.device = Some(from.device);
            self.say_step(user, &underway, VerificationSays::Step(step))?;
        }
        if let Some(emoji) = show {
            events.push(self.tell(Happening::CompareEmoji { user: user.clone(), emoji }));
        }
        events.extend(self.conclude_comparison(user, row, underway)?);
        Ok(())
    }

    /// Somebody asks us to compare: this device says that it is there.
    fn asked_to_compare(
        &mut self,
        from: &Address,
        sent_at: Timestamp,
        transaction: TransactionId,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        let user = &from.user;
        let contact = self.contact(user)?;
        let Some(account_key) = contact.key().filter(|_| contact.may_send()) else {
            return Ok(());
        };
        let mut row = self.comparison_row(user)?;
        if self.now.since(row.counted_since) > COUNTED_FOR {
            row.counted_since = self.now;
            row.counted = 0;
        }
        if row.counted >= MOST_BEGUN {
            return Ok(());
        }
        row.counted = row.counted.saturating_add(1);
        let is_late =
            |before: &Underway| before.device == Some(from.device) && sent_at < before.said_at;
        if row.underway.as_ref().is_some_and(is_late) {
            return self.save_comparison(user, &row);
        }
        if let Some(before) = row.underway.take() {
            // Both have asked: that of the smaller name counts, for both.
            if before.comparison.is_unanswered() && before.comparison.transaction() < transaction {
                row.underway = Some(before);
                return self.save_comparison(user, &row);
            }
            if before.comparison.emoji().is_some() {
                let (user, reason) = (user.clone(), EmojiEnd::Cancelled);
                events.push(self.tell(Happening::EmojiEnded { user, reason }));
            }
        }
        let theirs = Party { user: user.clone(), account_key };
        let ours = self.own_party()?;
        let (comparison, step) = Comparison::accept(transaction, ours, theirs, &mut self.rng);
        let device = Some(from.device);
        let underway = Underway { comparison, device, began_at: self.now, said_at: sent_at };
        self.say_step(user, &underway, VerificationSays::Step(step))?;
        row.underway = Some(underway);
        self.save_comparison(user, &row)
    }

    /// Keeps a comparison, or takes note that both people have compared.
    fn conclude_comparison(
        &mut self,
        user: &UserId,
        mut row: Row,
        underway: Underway,
    ) -> Result<Option<EventId>, Error> {
        let mut event = None;
        if underway.comparison.is_verified() {
            self.is_verified_now(user)?;
            event = Some(self.tell(Happening::Verified(user.clone())));
        } else {
            row.underway = Some(underway);
        }
        self.save_comparison(user, &row)?;
        Ok(event)
    }

    /// A comparison ends without anything verified. Who was only asked, and has seen nothing,
    /// is told nothing.
    fn tell_comparison_ended(
        &mut self,
        user: &UserId,
        row: Row,
        ended: &Underway,
        reason: EmojiEnd,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        if ended.comparison.is_known_to_person() {
            events.push(self.tell(Happening::EmojiEnded { user: user.clone(), reason }));
        }
        self.save_comparison(user, &row)
    }

    /// What is compared with this person, if anything is, counts no longer.
    pub(super) fn end_comparison(&mut self, user: &UserId, reason: EmojiEnd) -> Result<(), Error> {
        let mut row = self.comparison_row(user)?;
        let Some(ended) = row.underway.take() else { return Ok(()) };
        self.tell_comparison_ended(user, row, &ended, reason, &mut Vec::new())
    }

    /// Forgets what is compared with this person, and tells nobody.
    pub(super) fn forget_comparison(&mut self, user: &UserId) -> Result<(), Error> {
        let mut row = self.comparison_row(user)?;
        if row.underway.take().is_some() { self.save_comparison(user, &row) } else { Ok(()) }
    }

    /// Ends what has taken too long; forgets a row that is of no more use.
    pub(super) fn look_after_comparison(&mut self, user: &UserId) -> Result<(), Error> {
        let Some(row) = self.view.get(table::COMPARISONS, user.as_bytes())? else {
            return Ok(());
        };
        let mut row = self.read_comparison(user, &row)?;
        let now = self.now;
        let is_over = |underway: &mut Underway| now.since(underway.began_at) >= LASTS;
        if let Some(ended) = row.underway.take_if(is_over) {
            let events = &mut Vec::new();
            return self.tell_comparison_ended(user, row, &ended, EmojiEnd::Expired, events);
        }
        self.save_comparison(user, &row)
    }

    /// What goes on with a person, or went on within the hour.
    fn comparison_row(&mut self, user: &UserId) -> Result<Row, Error> {
        self.look_after_comparison(user)?;
        match self.view.get(table::COMPARISONS, user.as_bytes())? {
            Some(row) => self.read_comparison(user, &row),
            None => Ok(Row::default()),
        }
    }

    /// A damaged row is that of nobody.
    fn read_comparison(&mut self, user: &UserId, row: &[u8]) -> Result<Row, Error> {
        let Ok(raw) = stored::decode::<record::EmojiComparison>(row, "comparison row") else {
            return Ok(Row::default());
        };
        let comparison = match raw.comparison.as_slice() {
            [] => None,
            bytes => Comparison::from_record(bytes, self.own_party()?, user.clone()).ok(),
        };
        let underway = comparison.map(|comparison| Underway {
            comparison,
            device: DeviceId::new(raw.device_id),
            // It may have begun while the clock was ahead.
            began_at: Timestamp::from_millis(raw.began_at).min(self.now),
            said_at: Timestamp::from_millis(raw.said_at),
        });
        let counted_since = Timestamp::from_millis(raw.counted_since).min(self.now);
        Ok(Row { underway, counted_since, counted: raw.counted })
    }

    fn save_comparison(&mut self, user: &UserId, row: &Row) -> Result<(), Error> {
        let key = user.as_bytes();
        let Row { underway, counted_since, counted } = row;
        let is_counted = *counted > 0 && self.now.since(*counted_since) <= COUNTED_FOR;
        let mut raw = record::EmojiComparison::default();
        if is_counted {
            raw.counted_since = counted_since.as_millis();
            raw.counted = *counted;
        }
        let next = match underway {
            Some(Underway { comparison, device, began_at, said_at }) => {
                raw.said_at = said_at.as_millis();
                raw.comparison = comparison.record().to_vec();
                raw.device_id = device.map_or(0, DeviceId::get);
                raw.began_at = began_at.as_millis();
                began_at.after(LASTS)
            }
            None if is_counted => counted_since.after(COUNTED_FOR + Duration::from_secs(1)),
            None => {
                self.view.delete(table::COMPARISONS, key.to_vec());
                return self.clear_due(Job::Emoji, key);
            }
        };
        self.view.put(table::COMPARISONS, key.to_vec(), stored::encode(&raw));
        self.clear_due(Job::Emoji, key)?;
        self.set_due(Job::Emoji, key, next)
    }

    /// Says something to the device that a comparison is with, or to all.
    fn say_step(
        &mut self,
        user: &UserId,
        underway: &Underway,
        says: VerificationSays,
    ) -> Result<(), Error> {
        let (transaction, to) = (underway.comparison.transaction(), underway.device);
        let said = Said::Verification(Verification { transaction, to, says });
        let frame = Frame { sent_at: self.now, said }.encode();
        let id = MessageId::generate(&mut self.rng);
        self.post(user, id, &frame, Weight::OwnCopy)
    }

    fn own_party(&mut self) -> Result<Party, Error> {
        let own = self.own()?;
        Ok(Party { user: own.address().user.clone(), account_key: own.list.account_key() })
    }

    /// Whether the key that is compared is still the one that is known.
    fn is_of_known_key(&mut self, underway: &Underway) -> Result<bool, Error> {
        let Party { user, account_key } = underway.comparison.theirs();
        let contact = self.contact(user)?;
        Ok(contact.key() == Some(*account_key) && contact.may_send())
    }
}
