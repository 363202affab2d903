//! The primary device's side of its account: who is on the list (SPEC.md, sections 3.3
//! and 12).

use std::time::Duration;

use super::errand::{Errand, Urgency};
use super::happening::Happening;
use super::link_code::Way;
use super::linking::open_reply;
use super::receive::{Received, Rejection};
use super::work::Work;
use super::{Consent, Error, LinkCode, OutgoingId, table};
use crate::address::{Address, DeviceId, UserId};
use crate::content::{Consent as Decided, Contact as Known, LinkPackage, Sync};
use crate::identity::{Account, DeviceList, MAX_DEVICES};
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::PendingLink};
use crate::wire::{Link, LinkOffer, MessageId};

/// How long a code that was read is good for.
const LINK_LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bytes of contacts go into one package; a message takes 64 KiB.
const PACKAGE_LEN: usize = 56 * 1024;

/// What a contact takes beside its user id and list, in bytes, and more.
const CONTACT_LEN: usize = 64;

impl Work<'_> {
    /// Makes the device that shows this code an offer.
    pub(super) fn link_device(&mut self, code: &LinkCode) -> Result<DeviceId, Error> {
        let own = self.own()?;
        self.own_account()?;
        let Address { user, device } = code.address();
        if *user != own.address().user {
            return Err(Error::OtherAccount);
        }
        if let Some(listed) = own.list.device(*device) {
            if listed.keys_hash() != *code.keys_hash() {
                return Err(Error::Unknown);
            }
            // It may not have heard of it.
            self.offer(code)?;
            return Ok(*device);
        }
        let key = device.get().to_be_bytes().to_vec();
        let pending = self.pending_links()?;
        let others = pending.iter().filter(|(id, _)| id != device).count();
        if own.list.devices().len().saturating_add(others) >= MAX_DEVICES {
            return Err(Error::Limit { what: "devices", limit: MAX_DEVICES });
        }
        let row = PendingLink { code: code.as_bytes().to_vec(), made_at: self.now.as_millis() };
        self.view.put(table::LINKS, key, stored::encode(&row));
        self.offer(code)?;
        Ok(*device)
    }

    /// The account, to sign a list with.
    pub(super) fn own_account(&mut self) -> Result<Account, Error> {
        let own = self.own()?;
        let account = own.account.as_ref().ok_or(Error::NotPrimary)?;
        if !own.is_listed() {
            return Err(Error::NotLinked);
        }
        Account::from_record(&account.record()).map_err(Error::corrupt)
    }

    /// Sends our list to a device under the secret of its code.
    fn offer(&mut self, code: &LinkCode) -> Result<(), Error> {
        let own = self.own()?;
        let device_list = own.list.signed().clone();
        let offer = LinkOffer { device_list, primary: own.address().device.get() };
        let envelope = code.seal(Way::ToDevice, offer.encode(), &mut self.rng);
        self.carry(code.address(), envelope, Urgency::Quiet, None);
        Ok(())
    }

    /// Devices that are being linked; codes that are too old are forgotten.
    pub(super) fn pending_links(&mut self) -> Result<Vec<(DeviceId, LinkCode)>, Error> {
        let mut pending = Vec::new();
        for (key, row) in self.view.scan_prefix(table::LINKS, &[])? {
            let row = stored::decode::<PendingLink>(&row, "pending link").ok();
            let fresh =
                row.filter(|row| self.now.since(Timestamp::from_millis(row.made_at)) <= LINK_LASTS);
            match fresh.and_then(|row| LinkCode::parse(&row.code)) {
                Some(code) => pending.push((code.address().device, code)),
                None => self.view.delete(table::LINKS, key),
            }
        }
        Ok(pending)
    }

    /// Takes a link envelope: a reply to an offer of ours, or an offer.
    pub(super) fn take_link(&mut self, link: &Link) -> Result<Received, Error> {
        if self.take_offer(link)? || self.take_reply(link)? {
            return Ok(Received::Opened(Vec::new()));
        }
        Ok(Received::Rejected(Rejection::Forged))
    }

    /// A device that was offered to be listed agrees; says whether that is so.
    fn take_reply(&mut self, link: &Link) -> Result<bool, Error> {
        let own = self.own()?;
        if own.account.is_none() || !own.is_listed() {
            return Ok(false);
        }
        let pending = self.pending_links()?;
        let mut opened = pending
            .iter()
            .filter_map(|(device, code)| Some((device, code, open_reply(code, link)?)));
        let Some((device, code, entry)) = opened.next() else { return Ok(false) };
        let mut account = self.own_account()?;
        if account.add(entry).is_err() {
            return Ok(false);
        }
        self.view.delete(table::LINKS, device.get().to_be_bytes().to_vec());
        self.sign_list(&account)?;
        self.offer(code)?;
        self.send_packages()?;
        self.remind_of_backup()?;
        Ok(true)
    }

    /// Goes by the newest list of this account from now on.
    pub(super) fn sign_list(&mut self, account: &Account) -> Result<(), Error> {
        let own = self.own()?;
        let list = account.device_list();
        let mut record = own.to_record();
        record.account = account.record().to_vec();
        record.list = list.signed().encode();
        record.replaces = 0;
        self.save_own(&record);
        self.own_list_changed(&own.list, list)
    }

    /// Takes a device off the list.
    pub(super) fn revoke_device(&mut self, device: DeviceId) -> Result<(), Error> {
        let mut account = self.own_account()?;
        if device == self.own()?.address().device {
            return Err(Error::OwnDevice);
        }
        account.remove(device).map_err(|_| Error::Unknown)?;
        self.sign_list(&account)
    }

    /// Tells our other devices all that is known of people.
    fn send_packages(&mut self) -> Result<(), Error> {
        let mut contacts: Vec<Known> = Vec::new();
        let mut length = 0_usize;
        for user in self.all_contacts()? {
            let contact = self.contact(&user)?;
            let consent = match contact.consent {
                Consent::Accepted => Decided::Accepted,
                Consent::Blocked => Decided::Blocked,
                Consent::Stranger | Consent::Requested => Decided::Undecided,
            };
            let device_list = contact.list.as_ref().map(|list| list.signed().clone());
            let list_len = device_list.as_ref().map_or(0, |list| list.encode().len());
            let takes = user.as_bytes().len() + list_len + CONTACT_LEN;
            if length.saturating_add(takes) > PACKAGE_LEN {
                self.send_package(std::mem::take(&mut contacts))?;
                length = 0;
            }
            length = length.saturating_add(takes);
            let (verified, at) = (contact.verified, contact.consent_at);
            contacts.push(Known { user, device_list, consent, verified, at });
        }
        self.send_package(contacts)?;
        self.introduce_all_to_own()
    }

    fn send_package(&mut self, contacts: Vec<Known>) -> Result<(), Error> {
        let account_list = self.own()?.list.signed().clone();
        self.tell_own_devices(Sync::LinkPackage(LinkPackage { account_list, contacts }))
    }

    /// Everybody of whom something is known, but ourselves.
    pub(super) fn all_contacts(&mut self) -> Result<Vec<UserId>, Error> {
        let own = self.own()?;
        let rows = self.view.scan_prefix(table::CONTACTS, &[])?;
        let users = rows.iter().filter_map(|(key, _)| UserId::new(key).ok());
        Ok(users.filter(|user| *user != own.address().user).collect())
    }

    /// Says, once, that there is no backup.
    fn remind_of_backup(&mut self) -> Result<(), Error> {
        let own = self.own()?;
        if own.backed_up || own.backup_reminded {
            return Ok(());
        }
        let mut record = own.to_record();
        record.backup_reminded = true;
        self.save_own(&record);
        self.tell(Happening::NoBackup);
        Ok(())
    }

    /// A device is gone from its list: what is in the queue for it is not carried. One of
    /// ours hears of it from the primary, as the last thing.
    pub(super) fn part_from(&mut self, address: &Address) -> Result<(), Error> {
        for (id, letter) in self.errands_to(address)? {
            self.drop_errand(id);
            if let Some(letter) = letter {
                self.carried(letter)?;
            }
        }
        let own = self.own()?;
        if address.user == own.address().user && own.account.is_some() {
            self.send_lists(address)?;
        }
        let mut peer = self.peer(address)?;
        let step = peer.give_up_all();
        self.save_step(&peer, step)?;
        self.keep_peer(peer);
        self.drop_copies(address)
    }

    /// What stands in the queue for a device, and which letters it carries.
    fn errands_to(&self, address: &Address) -> Result<Vec<(OutgoingId, Option<MessageId>)>, Error> {
        let mut found = Vec::new();
        let mut from = Vec::new();
        while let Some((id, errand)) = self.errand_from(&from)? {
            if let Errand::Deliver { to, letter, .. } = errand
                && to == *address
            {
                found.push((id, letter));
            }
            from = id.as_bytes().to_vec();
            from.push(0);
        }
        Ok(found)
    }

    /// A newer list of our account than the one we have, signed by whoever is the primary
    /// now. A device that was it until now is it no more: two of them would contradict each
    /// other.
    pub(super) fn follow_list(&mut self, list: &DeviceList) -> Result<(), Error> {
        let own = self.own()?;
        let mut record = own.to_record();
        record.account = Vec::new();
        record.list = list.signed().encode();
        if list.device(own.address().device).is_some() {
            record.link_code = Vec::new();
            if let Some(account) = &own.account {
                let mut account =
                    Account::from_record(&account.record()).map_err(Error::corrupt)?;
                account.adopt(list.clone()).map_err(Error::corrupt)?;
                record.account = account.record().to_vec();
            }
        }
        self.save_own(&record);
        self.own_list_changed(&own.list, list)
    }
}
