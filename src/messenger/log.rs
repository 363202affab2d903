//! What each device has not confirmed, by number: sent again after days, and on request.

use std::time::Duration;

use super::daily::DAY;
use super::due::Job;
use super::errand::Urgency;
use super::happening::StatusCode;
use super::work::Work;
use super::{Error, table};
use crate::address::Address;
use crate::crypto::SecretBytes;
use crate::session::{Numbers, Sent};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::{Letter, LogEntry};
use crate::wire::{Mark, MessageId, stored};

/// After what times without a receipt a message is sent again.
///
/// The last is for a device that fell back to an old state meanwhile, so that all earlier
/// ones went to keys that are gone.
pub(super) const AGAIN_AFTER: [Duration; 3] = [
    Duration::from_secs(48 * 60 * 60),
    Duration::from_secs(8 * 24 * 60 * 60),
    Duration::from_secs(16 * 24 * 60 * 60),
];

/// After what time without a receipt a message is given up.
///
/// The last repeat has a week to arrive by then.
pub(super) const GIVEN_UP_AFTER: Duration = Duration::from_secs(23 * 24 * 60 * 60);

/// How many messages without a receipt are kept for one device.
///
/// As many as the peer remembers by number.
const LOG_LENGTH: u64 = crate::session::NUMBERS_REMEMBERED;

/// After how many messages those behind that length leave: not one by one, since a look for
/// each costs what a row costs.
const LEAVE_EVERY: u64 = 64;
const LEAVE_AT_MOST: usize = 128;

fn log_key(address: &Address, seq: u64) -> Vec<u8> {
    table::of_device(address, &seq.to_be_bytes())
}

impl Work<'_> {
    /// Notes that a device has to confirm a message, until when it is sent again.
    pub(super) fn log(&mut self, to: &Address, id: MessageId, sent: &Sent) -> Result<(), Error> {
        let again_at = self.now.after(AGAIN_AFTER[0]);
        let (last_seq, last_id) = Mark::to_fields(sent.last);
        let mut entry = LogEntry {
            message_id: id.as_bytes().to_vec(),
            last_seq,
            last_id,
            sent_at: self.now.as_millis(),
            again_at: again_at.as_millis(),
            ..LogEntry::default()
        };
        name_envelope(&mut entry, sent);
        self.save_log_entry(to, sent.seq, &entry);
        if sent.seq.is_multiple_of(LEAVE_EVERY)
            && let Some(oldest) = sent.seq.checked_sub(LOG_LENGTH)
        {
            for seq in self.first_logged(to)?.take_while(|seq| *seq <= oldest) {
                self.leave_log(to, seq)?;
            }
        }
        self.set_due(Job::Log, &table::of_device(to, &[]), again_at)
    }

    /// Forgets a message that a device has, or that it will never have.
    pub(super) fn unlog(&mut self, to: &Address, seq: u64) {
        self.view.delete(table::LOG, log_key(to, seq));
    }

    fn save_log_entry(&mut self, to: &Address, seq: u64, entry: &LogEntry) {
        self.view.put(table::LOG, log_key(to, seq), stored::encode(entry));
    }

    pub(super) fn log_entry(&self, to: &Address, seq: u64) -> Result<Option<LogEntry>, Error> {
        let row = self.view.get(table::LOG, &log_key(to, seq))?;
        Ok(row.and_then(|row| stored::decode(&row, "log entry").ok()))
    }

    /// The first numbers that a device has not confirmed.
    fn first_logged(&self, to: &Address) -> Result<impl Iterator<Item = u64> + use<>, Error> {
        let prefix = table::of_device(to, &[]);
        let rows = self.view.scan(table::LOG, &prefix, LEAVE_AT_MOST)?;
        let seq = move |key: &[u8]| key.strip_prefix(prefix.as_slice())?.try_into().ok();
        Ok(rows.into_iter().map_while(move |(key, _)| seq(&key).map(u64::from_be_bytes)))
    }

    /// All that a device has not confirmed, oldest first.
    pub(super) fn log_of(&self, to: &Address) -> Result<Vec<(u64, LogEntry)>, Error> {
        let rows = self.view.scan_prefix(table::LOG, &table::of_device(to, &[]))?;
        let entry = |(key, row): (Vec<u8>, SecretBytes)| {
            let (_, seq) = table::split_device(&key)?;
            let seq = u64::from_be_bytes(seq.try_into().ok()?);
            Some((seq, stored::decode(&row, "log entry").ok()?))
        };
        Ok(rows.into_iter().filter_map(entry).collect())
    }

    /// The message that an entry is of, if it is still there.
    pub(super) fn letter_of(&self, entry: &LogEntry) -> Result<Option<(MessageId, Letter)>, Error> {
        let id = entry.message_id.as_slice().try_into().ok().map(MessageId::from_bytes);
        let letter = id.map(|id| self.letter(id)).transpose()?.flatten();
        Ok(id.zip(letter))
    }

    /// Sends a message of the log again, with the number that it had; says whether there
    /// still is one and a session to send it in.
    pub(super) fn send_again(
        &mut self,
        to: &Address,
        seq: u64,
        mut entry: LogEntry,
    ) -> Result<bool, Error> {
        let Some((id, letter)) = self.letter_of(&entry)? else { return Ok(false) };
        if letter.content.is_empty() || !self.is_for_account(&letter, &to.user)? {
            return Ok(false);
        }
        let numbers =
            Numbers::Again { seq, last: Mark::from_fields(entry.last_seq, entry.last_id) };
        let Some(sent) = self.encrypt_content(to, id, &letter.content, numbers)? else {
            return Ok(false);
        };
        name_envelope(&mut entry, &sent);
        self.save_log_entry(to, seq, &entry);
        self.carry(to, sent.envelope, Urgency::Quiet, None);
        Ok(true)
    }

    /// A message is too old for the log: nobody can say that it arrived.
    fn leave_log(&mut self, to: &Address, seq: u64) -> Result<(), Error> {
        let Some(entry) = self.log_entry(to, seq)? else { return Ok(()) };
        self.unlog(to, seq);
        let Some((id, mut letter)) = self.letter_of(&entry)? else { return Ok(()) };
        letter.copies.retain(|copy| copy.device_id != to.device.get());
        let nobody = letter.copies.iter().all(|copy| !copy.received) && !letter.waits;
        if nobody && letter.copies.is_empty() {
            self.give_up_letter(id, &letter, StatusCode::Expired)?;
        } else {
            self.settle_letter(id, letter);
        }
        Ok(())
    }

    /// A device is no longer on its list: nothing more goes to it.
    pub(super) fn drop_copies(&mut self, address: &Address) -> Result<(), Error> {
        for (seq, entry) in self.log_of(address)? {
            self.unlog(address, seq);
            if let Some((id, mut letter)) = self.letter_of(&entry)? {
                letter.copies.retain(|copy| copy.device_id != address.device.get());
                self.settle_letter(id, letter);
            }
        }
        Ok(())
    }

    /// Sends again what a device has not confirmed for days.
    pub(super) fn look_after_log(&mut self, to: &Address) -> Result<(), Error> {
        let own = self.own()?;
        let listed = self.list_of(&to.user)?.is_some_and(|list| list.device(to.device).is_some());
        if !listed || to == own.address() {
            return self.drop_copies(to);
        }
        let mut next: Option<Timestamp> = None;
        let mut overdue = false;
        for (seq, mut entry) in self.log_of(to)? {
            let sent_while_ahead = entry.sent_at > self.now.as_millis();
            entry.sent_at = entry.sent_at.min(self.now.as_millis());
            // Sent while the clock was behind, it looks old and is not.
            let sent_at = Timestamp::from_millis(entry.sent_at).max(self.steady_since);
            let latest = sent_at.after(GIVEN_UP_AFTER).max(self.now.after(DAY));
            if sent_while_ahead || entry.again_at > latest.as_millis() {
                // Put off while it was ahead: what went again until now went too early.
                entry.again_at = self.now.after(AGAIN_AFTER[0]).as_millis();
                entry.times = 0;
                self.save_log_entry(to, seq, &entry);
            }
            if self.may_expire && self.now >= sent_at.after(GIVEN_UP_AFTER) {
                self.leave_log(to, seq)?;
                continue;
            }
            let mut again_at = Timestamp::from_millis(entry.again_at);
            if again_at <= self.now {
                overdue = true;
                entry.times = entry.times.saturating_add(1);
                let times = usize::try_from(entry.times).unwrap_or(usize::MAX);
                again_at = sent_at.after(AGAIN_AFTER.get(times).copied().unwrap_or(GIVEN_UP_AFTER));
                entry.again_at = again_at.max(self.now.after(Duration::from_secs(60))).as_millis();
                if times <= AGAIN_AFTER.len() {
                    self.save_log_entry(to, seq, &entry);
                    self.send_again(to, seq, entry)?;
                } else {
                    entry.again_at = self.now.after(DAY).as_millis();
                    again_at = Timestamp::from_millis(entry.again_at);
                    self.save_log_entry(to, seq, &entry);
                }
            }
            next = Some(next.map_or(again_at, |next| next.min(again_at)));
        }
        if let Some(mut next) = next {
            overdue |= self.silent_at(to)?.is_some_and(|at| at <= self.now);
            if self.may_speak(&to.user)? {
                if overdue {
                    self.is_silent(to)?;
                }
                next = self.silent_at(to)?.map_or(next, |at| next.min(at));
            }
            let at = next.max(self.now.after(Duration::from_secs(60)));
            self.set_due(Job::Log, &table::of_device(to, &[]), at)?;
        }
        Ok(())
    }

    /// After this side fell back to an old state: everything that has no receipt goes
    /// again.
    pub(super) fn send_all_again(&mut self, to: &Address) -> Result<(), Error> {
        for (seq, entry) in self.log_of(to)? {
            self.send_again(to, seq, entry)?;
        }
        Ok(())
    }
}

/// Notes by what names a receiver may speak of an envelope.
fn name_envelope(entry: &mut LogEntry, sent: &Sent) {
    entry.names.push([sent.tag, sent.salt].concat());
    entry.ephemerals.extend(sent.ephemeral.map(|key| key.to_vec()));
}
