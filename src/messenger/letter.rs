//! Messages of ours: written once, a copy for each device, kept until everybody has it.

use zeroize::Zeroizing;

use super::errand::{Errand, Urgency};
use super::happening::StatusCode;
use super::log::GIVEN_UP_AFTER;
use super::work::Work;
use super::{Error, table};
use crate::address::{Address, DeviceId, UserId};
use crate::content::{Receipt, ReceiptKind};
use crate::identity::{AccountKey, DeviceList, ListedDevice};
use crate::session::Numbers;
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::{Copy, Letter};
use crate::wire::{MessageId, stored};

/// What kind of message something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// A person's: kept until everybody has it.
    Kept,
    /// Kept, and the app is told nothing.
    OwnCopy,
    /// The same, for a member of a group: for devices under this account key alone.
    ToMember(AccountKey),
    /// Never sent again.
    Fleeting,
}

/// The key of a letter that waits for a session.
fn waiting_key(user: &UserId, order: u64) -> Vec<u8> {
    table::of_user(user, &order.to_be_bytes())
}

impl Work<'_> {
    pub(super) fn letter(&self, id: MessageId) -> Result<Option<Letter>, Error> {
        let row = self.view.get(table::LETTERS, id.as_bytes())?;
        Ok(row.and_then(|row| stored::decode(&row, "letter").ok()))
    }

    pub(super) fn save_letter(&mut self, id: MessageId, letter: &Letter) {
        self.view.put(table::LETTERS, id.as_bytes().to_vec(), stored::encode(letter));
    }

    /// Sends something to all devices of a user; what cannot be encrypted yet waits.
    pub(super) fn post(
        &mut self,
        user: &UserId,
        id: MessageId,
        content: &[u8],
        weight: Weight,
    ) -> Result<(), Error> {
        let own = self.own()?;
        let ourselves = *user == own.address().user;
        let contact = self.contact(user)?;
        let devices: Vec<Address> = match ourselves {
            true => own.others().collect(),
            false => addresses(user, contact.devices()),
        };
        let may_send = ourselves || contact.may_send();
        if weight == Weight::Fleeting {
            let urgency = Urgency::Quiet;
            for to in devices.iter().filter(|_| may_send) {
                if let Some(sent) = self.encrypt_content(to, id, content, Numbers::Unnumbered)? {
                    self.carry(to, sent.envelope, urgency, None);
                }
            }
            return Ok(());
        }
        let mut letter = Letter::default();
        letter.user_id = user.as_bytes().to_vec();
        letter.sent_at = self.now.as_millis();
        letter.own_copy = weight != Weight::Kept;
        if let Weight::ToMember(key) = weight {
            letter.account_key = key.as_bytes().to_vec();
        }
        if ourselves && devices.is_empty() {
            if weight == Weight::Kept {
                self.tell_status(id, user, StatusCode::Sent);
            }
            return Ok(());
        }
        let mut waits = !ourselves && contact.list.is_none();
        for to in &devices {
            waits |= !(may_send && self.copy_to(to, id, content, &mut letter)?);
        }
        letter.content = content.to_vec();
        if waits {
            letter.waits = true;
            self.wait_for_session(user, id);
            if ourselves || contact.list.is_none() || may_send {
                self.fetch(user)?;
            } else {
                self.tell_status(id, user, StatusCode::Held);
            }
        }
        self.save_letter(id, &letter);
        Ok(())
    }

    /// Encrypts one device's copy of a letter; says whether it could.
    fn copy_to(
        &mut self,
        to: &Address,
        id: MessageId,
        content: &[u8],
        letter: &mut Letter,
    ) -> Result<bool, Error> {
        if !self.is_for_account(letter, &to.user)? {
            return Ok(true);
        }
        let Some(sent) = self.encrypt_content(to, id, content, Numbers::Next)? else {
            return Ok(false);
        };
        letter.copies.push(Copy { device_id: to.device.get(), seq: sent.seq, received: false });
        letter.to_carry = letter.to_carry.saturating_add(1);
        self.log(to, id, &sent)?;
        let urgency = if letter.own_copy { Urgency::Quiet } else { Urgency::Alert };
        self.carry(to, sent.envelope, urgency, Some(id));
        Ok(true)
    }

    /// Whether a letter is for whoever has this name now: who has another account key is no
    /// member of the group that it is about.
    pub(super) fn is_for_account(&mut self, letter: &Letter, user: &UserId) -> Result<bool, Error> {
        if letter.account_key.is_empty() {
            return Ok(true);
        }
        let list = self.list_of(user)?;
        Ok(list.is_none_or(|list| *list.account_key().as_bytes() == *letter.account_key))
    }

    /// Puts an envelope into the queue.
    pub(super) fn carry(
        &mut self,
        to: &Address,
        envelope: Vec<u8>,
        urgency: Urgency,
        letter: Option<MessageId>,
    ) {
        self.add_errand(Errand::Deliver { to: to.clone(), envelope, urgency, letter });
    }

    /// Encrypts all that waits for a user's devices.
    pub(super) fn send_waiting(&mut self, user: &UserId) -> Result<(), Error> {
        let own = self.own()?;
        let ourselves = *user == own.address().user;
        let contact = self.contact(user)?;
        if !ourselves && !contact.may_send() {
            return Ok(());
        }
        let devices: Vec<Address> = match ourselves {
            true => own.others().collect(),
            false => addresses(user, contact.devices()),
        };
        for (key, row) in self.view.scan_prefix(table::WAITING, &table::of_user(user, &[]))? {
            let id = row.as_slice().try_into().ok().map(MessageId::from_bytes);
            let letter = id.map(|id| self.letter(id)).transpose()?.flatten();
            let (Some(id), Some(mut letter)) = (id, letter) else {
                self.view.delete(table::WAITING, key);
                continue;
            };
            let content = Zeroizing::new(letter.content.clone());
            let mut waits = false;
            for to in &devices {
                let copied = |copy: &Copy| copy.device_id == to.device.get();
                if !letter.copies.iter().any(copied) {
                    waits |= !self.copy_to(to, id, &content, &mut letter)?;
                }
            }
            if waits {
                self.save_letter(id, &letter);
                continue;
            }
            letter.waits = false;
            self.view.delete(table::WAITING, key);
            if letter.to_carry == 0 && !letter.sent {
                // Nobody is left who lacked it.
                letter.sent = true;
                if !letter.own_copy {
                    self.tell_status(id, user, StatusCode::Sent);
                    self.begins_when_sent(id)?;
                }
            }
            self.settle_letter(id, letter);
        }
        Ok(())
    }

    /// A user has devices that we did not know when we wrote: what nobody there has
    /// confirmed goes to them too.
    pub(super) fn send_to_new_devices(
        &mut self,
        user: &UserId,
        known: &DeviceList,
    ) -> Result<(), Error> {
        for device in known.devices().iter().map(ListedDevice::id) {
            for (_, entry) in self.log_of(&Address { user: user.clone(), device })? {
                if let Some((id, mut letter)) = self.letter_of(&entry)?
                    && !letter.waits
                    && !letter.delivered
                {
                    letter.waits = true;
                    self.save_letter(id, &letter);
                    self.wait_for_session(user, id);
                }
            }
        }
        if self.has_waiting(user)? { self.fetch(user) } else { Ok(()) }
    }

    pub(super) fn wait_for_session(&mut self, user: &UserId, id: MessageId) {
        let key = waiting_key(user, self.next_order());
        self.view.put(table::WAITING, key, Zeroizing::new(id.as_bytes().to_vec()));
    }

    /// Everybody for whom something waits.
    pub(super) fn waited_for(&self) -> Result<Vec<UserId>, Error> {
        let rows = self.view.scan_prefix(table::WAITING, &[])?;
        let mut users: Vec<_> =
            rows.iter().filter_map(|(key, _)| Some(table::split_user(key)?.0)).collect();
        users.dedup();
        Ok(users)
    }

    /// How many letters wait for a session with this user, `most` at most.
    pub(super) fn waiting_count(&self, user: &UserId, most: usize) -> Result<usize, Error> {
        let prefix = table::of_user(user, &[]);
        let rows = self.view.scan(table::WAITING, &prefix, most)?;
        Ok(rows.iter().filter(|(key, _)| key.starts_with(&prefix)).count())
    }

    /// Whether anything waits for a session with this user.
    pub(super) fn has_waiting(&self, user: &UserId) -> Result<bool, Error> {
        let prefix = table::of_user(user, &[]);
        let first = self.view.scan(table::WAITING, &prefix, 1)?;
        Ok(first.first().is_some_and(|(key, _)| key.starts_with(&prefix)))
    }

    /// A device has confirmed messages of ours.
    pub(super) fn receipt(&mut self, from: &Address, receipt: &Receipt) -> Result<(), Error> {
        for id in &receipt.ids {
            let Some(mut letter) = self.letter(*id)? else { continue };
            // Only what our log says that we sent there counts.
            if letter.user_id != from.user.as_bytes() {
                continue;
            }
            let device = from.device.get();
            let Some(copy) = letter.copies.iter_mut().find(|copy| copy.device_id == device) else {
                continue;
            };
            let (first, seq) = (!copy.received, copy.seq);
            copy.received = true;
            if first {
                self.unlog(from, seq);
            }
            // Each implies those before it.
            let steps = [
                (ReceiptKind::Delivered, &mut letter.delivered, StatusCode::Delivered),
                (ReceiptKind::Read, &mut letter.read, StatusCode::Read),
                (ReceiptKind::Viewed, &mut letter.viewed, StatusCode::Viewed),
            ];
            let mut news = Vec::new();
            for (kind, known, status) in steps {
                if receipt.kind >= kind && !*known {
                    *known = true;
                    news.push(status);
                }
            }
            if !letter.own_copy {
                news.iter().for_each(|status| self.tell_status(*id, &from.user, *status));
            }
            if first || !news.is_empty() {
                self.settle_letter(*id, letter);
            }
        }
        Ok(())
    }

    /// Keeps of a letter what is still needed.
    pub(super) fn settle_letter(&mut self, id: MessageId, mut letter: Letter) {
        let everybody = !letter.waits && letter.copies.iter().all(|copy| copy.received);
        if everybody {
            if letter.own_copy && letter.to_carry == 0 {
                self.view.delete(table::LETTERS, id.as_bytes().to_vec());
                return;
            }
            // For read receipts; what it said is not kept.
            zeroize::Zeroize::zeroize(&mut letter.content);
        }
        self.save_letter(id, &letter);
    }

    /// An envelope of a letter has been carried.
    pub(super) fn carried(&mut self, id: MessageId) -> Result<(), Error> {
        let Some(mut letter) = self.letter(id)? else { return Ok(()) };
        letter.to_carry = letter.to_carry.saturating_sub(1);
        if letter.to_carry == 0 && !letter.sent && !letter.waits {
            letter.sent = true;
            if !letter.own_copy
                && let Ok(user) = UserId::new(&letter.user_id)
            {
                self.tell_status(id, &user, StatusCode::Sent);
                self.begins_when_sent(id)?;
            }
        }
        self.settle_letter(id, letter);
        Ok(())
    }

    /// Gives a letter up, and says so if nobody has it.
    pub(super) fn give_up_letter(
        &mut self,
        id: MessageId,
        letter: &Letter,
        status: StatusCode,
    ) -> Result<(), Error> {
        if let Ok(user) = UserId::new(&letter.user_id) {
            for copy in &letter.copies {
                if let Some(device) = DeviceId::new(copy.device_id) {
                    let address = Address { user: user.clone(), device };
                    self.unlog(&address, copy.seq);
                }
            }
            if !letter.delivered && !letter.own_copy {
                self.tell_status(id, &user, status);
            }
        }
        self.view.delete(table::LETTERS, id.as_bytes().to_vec());
        Ok(())
    }

    /// The other end does not take one device's copy.
    pub(super) fn copy_refused(
        &mut self,
        id: MessageId,
        to: &Address,
        status: StatusCode,
    ) -> Result<(), Error> {
        let Some(mut letter) = self.letter(id)? else { return Ok(()) };
        let device = to.device.get();
        if let Some(copy) = letter.copies.iter().find(|copy| copy.device_id == device) {
            self.unlog(to, copy.seq);
        }
        letter.copies.retain(|copy| copy.device_id != device);
        letter.to_carry = letter.to_carry.saturating_sub(1);
        if letter.copies.is_empty() && !letter.waits {
            return self.give_up_letter(id, &letter, status);
        }
        self.settle_letter(id, letter);
        Ok(())
    }

    /// Gives up what is weeks old; forgets what nobody needs.
    pub(super) fn sweep_letter(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        let id = key.try_into().ok().map(MessageId::from_bytes);
        let letter = stored::decode::<Letter>(row, "letter").ok();
        let (Some(id), Some(mut letter)) = (id, letter) else {
            self.view.delete(table::LETTERS, key.to_vec());
            return Ok(());
        };
        if letter.sent_at > self.now.as_millis() {
            // Written while the clock was ahead.
            letter.sent_at = self.now.as_millis();
            self.save_letter(id, &letter);
        }
        // Written while it was behind, it looks old and is not.
        let sent_at = Timestamp::from_millis(letter.sent_at).max(self.steady_since);
        let age = self.now.since(sent_at);
        if age > crate::session::KEPT_TIME || (age > GIVEN_UP_AFTER && !letter.delivered) {
            self.give_up_letter(id, &letter, StatusCode::Expired)?;
        }
        Ok(())
    }
}

fn addresses(user: &UserId, devices: Vec<DeviceId>) -> Vec<Address> {
    devices.into_iter().map(|device| Address { user: user.clone(), device }).collect()
}
