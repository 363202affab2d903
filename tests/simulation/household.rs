//! Which devices an account has: they are linked, and taken off.

use std::collections::BTreeSet;

use subrosa::{Address, DeviceId, LinkCode, UserId};

use crate::process::Device;
use crate::world::World;

/// One account: the first of its devices is the primary one.
pub(crate) struct Account {
    pub(crate) primary: usize,
    /// How many devices it is to have.
    pub(crate) wanted: usize,
    /// The device that is being linked, and its code.
    pending: Option<(usize, Vec<u8>)>,
    /// Every device that was ever on its list, and those that were taken off, as any app
    /// of it was told.
    added: BTreeSet<DeviceId>,
    removed: BTreeSet<DeviceId>,
}

impl Account {
    /// An account of one device.
    pub(crate) fn new(primary: usize, device: &Device, wanted: usize) -> Self {
        let added = BTreeSet::from([device.address.device]);
        Self { primary, wanted, pending: None, added, removed: BTreeSet::new() }
    }
}

impl World {
    /// The devices of an account, as its primary device knows them.
    pub(crate) fn listed(&self, account: usize) -> &BTreeSet<DeviceId> {
        &self.devices[self.accounts[account].primary].database.own_devices
    }

    /// Whether a device is on the list, as the primary device knows it.
    pub(crate) fn is_listed(&self, device: &Device) -> bool {
        self.listed(device.account).contains(&device.address.device)
    }

    pub(crate) fn account_of(&self, user: &UserId) -> usize {
        let primary = |account: &Account| self.devices[account.primary].address.user == *user;
        self.accounts.iter().position(primary).unwrap()
    }

    /// The devices that are listed, by their indices.
    pub(crate) fn listed_devices(&self, account: usize) -> Vec<usize> {
        let devices = self.devices.iter().enumerate();
        let here = devices.filter(|(_, device)| device.account == account);
        here.filter(|(_, device)| self.is_listed(device)).map(|(i, _)| i).collect()
    }

    /// Notes what a device was told of its account.
    pub(crate) fn note_devices(&mut self, i: usize) {
        let database = &self.device(i).database;
        let (known, gone) = (database.own_devices.clone(), database.gone.clone());
        let account = self.device(i).account;
        self.accounts[account].added.extend(known);
        self.accounts[account].removed.extend(gone);
    }

    /// Whether the primary device knows the newest list, but for one device. One that was
    /// restored may not: what it signed then would contradict what others have seen, and
    /// nothing could be done about that (SPEC.md, section 3.3). So people who restore a
    /// disk that has an account's key let it hear from others first.
    fn is_up_to_date(&self, account: usize, but_for: Option<DeviceId>) -> bool {
        let account = &self.accounts[account];
        let primary = &self.devices[account.primary];
        let newest = account.added.difference(&account.removed).copied();
        let newest: BTreeSet<_> = newest.filter(|device| Some(*device) != but_for).collect();
        let known = primary.database.own_devices.iter().copied();
        let known: BTreeSet<_> = known.filter(|device| Some(*device) != but_for).collect();
        let copied = self.copies.iter().any(|copy| copy.address == primary.address);
        // A device that came and went meanwhile makes a newer list too.
        known == newest && account.removed.is_subset(&primary.database.gone) && !copied
    }

    /// Whether a device waits to be linked by a primary that could. One that was restored to
    /// a time before a list that nobody else has seen will never know the newest.
    pub(crate) fn waits_to_be_linked(&self, account: usize) -> bool {
        self.accounts[account].pending.as_ref().is_some_and(|(i, _)| {
            self.is_up_to_date(account, Some(self.devices[*i].address.device))
        })
    }

    /// Whether the primary device of an account has a link under way; then there is no
    /// second process of it, which would have one too.
    pub(crate) fn is_linking(&self, i: usize) -> bool {
        let account = &self.accounts[self.devices[i].account];
        account.primary == i && account.pending.is_some()
    }

    /// Links another device, goes on with the one that is being linked, or takes one off.
    pub(crate) fn change_devices(&mut self, account: usize, revokes: bool) {
        if self.accounts[account].pending.is_some() {
            self.offer(account);
            return;
        }
        if !self.is_up_to_date(account, None) {
            return;
        }
        let listed = self.listed(account).len();
        if revokes && listed > 1 && self.dice.happens(300) {
            self.revoke(account);
        } else if listed < self.accounts[account].wanted {
            self.link(account);
        }
    }

    fn link(&mut self, account: usize) {
        let others = self.listed(account).clone();
        let (i, now) = (self.devices.len(), self.now);
        let device = Device::linking(account, now, others, &mut self.dice);
        let code = device.code().unwrap().as_bytes().to_vec();
        self.note(&format!("{i} wants to be a device of {account}: {}", device.address), &code);
        self.devices.push(device);
        self.accounts[account].pending = Some((i, code));
        self.offer(account);
    }

    /// The primary device reads the code of the one that is being linked, once more.
    pub(crate) fn offer(&mut self, account: usize) {
        let Some((i, code)) = self.accounts[account].pending.clone() else { return };
        if self.devices[i].database.is_listed() {
            self.accounts[account].pending = None;
            return;
        }
        if !self.is_up_to_date(account, Some(self.devices[i].address.device)) {
            return;
        }
        let primary = self.accounts[account].primary;
        let code = LinkCode::parse(&code).unwrap();
        if self.call(primary, |messenger| messenger.link_device(&code)).is_ok() {
            // Contacts, once it is listed.
            self.says_to_own(primary, 1);
            self.note(&format!("{primary} reads the code of {i}"), i);
        }
    }

    fn revoke(&mut self, account: usize) {
        let primary = self.accounts[account].primary;
        let itself = self.devices[primary].address.device;
        let others: Vec<_> =
            self.listed(account).iter().copied().filter(|device| *device != itself).collect();
        let device = others[self.dice.below(others.len())];
        // It may have happened although its process died of it.
        let _ = self.call(primary, |messenger| messenger.revoke_device(device));
        self.accounts[account].wanted -= usize::from(self.dice.happens(500));
        self.note(&format!("{primary} takes {device:?} off"), device);
        self.read(primary);
    }

    /// Links devices, as people do on the day when they begin.
    pub(crate) fn begin_households(&mut self) {
        self.rest(0);
        for account in 0..self.accounts.len() {
            while self.listed(account).len() < self.accounts[account].wanted
                && self.dice.happens(500)
            {
                self.link(account);
                self.rest(0);
                self.offer(account);
            }
        }
    }

    /// The addresses of all devices that a user ever had.
    pub(crate) fn addresses(&self, user: &UserId) -> Vec<Address> {
        let devices = self.devices.iter().filter(|device| device.address.user == *user);
        devices.map(|device| device.address.clone()).collect()
    }
}
