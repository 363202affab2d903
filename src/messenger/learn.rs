//! What a directory, or a message, says of somebody's devices: adopted if it follows from
//! what is pinned, reported if it does not.

use std::sync::Arc;
use std::time::Duration;

use super::due::Job;
use super::errand::{Errand, Refusal};
use super::event::EmojiEnd;
use super::happening::{Happening, StatusCode};
use super::repair::Reason;
use super::work::Work;
use super::{Error, IdentityPolicy, OutgoingId, table};
use crate::address::{Address, DeviceId, UserId};
use crate::handshake::{PrekeyBundle, VerifiedPrekeys};
use crate::identity::{DeviceList, ListedDevice, Succession, View};
use crate::wire::{Control, ListVersions, MessageId};

/// When a bundle is asked for again, if a device had no prekeys in it.
const FETCH_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What became of a bundle. A lie is an outcome, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Learned {
    /// The first that is known of this user: their account key is pinned.
    New(UserId),
    /// It follows from what was known.
    Known(UserId),
    /// The user comes with another account key than before.
    IdentityChanged(UserId),
    /// Not a bundle, damaged, expired or forged: nothing of it counts.
    Rejected,
}

/// What became of a device list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adopted {
    /// It is the first, or the next.
    Taken,
    /// It changed nothing, and why.
    Kept(Succession),
    /// It is of another account: a person has to decide.
    Moved,
}

impl Work<'_> {
    /// Asks the directory for a user, unless that is under way.
    pub(super) fn fetch(&mut self, user: &UserId) -> Result<(), Error> {
        let mut contact = self.contact_to_change(user)?;
        if let Some(id) = contact.fetch
            && self.errand(id)?.is_some()
        {
            return Ok(());
        }
        contact.fetch = Some(self.add_errand(Errand::Fetch(user.clone())));
        self.save_contact(user, contact);
        Ok(())
    }

    /// Takes a bundle.
    pub(super) fn learn(&mut self, bytes: &[u8]) -> Result<Learned, Error> {
        let Ok(bundle) = PrekeyBundle::decode(bytes) else { return Ok(Learned::Rejected) };
        let Some(user) = bundle.claimed_user() else { return Ok(Learned::Rejected) };
        let Ok(bundle) = bundle.verify(&user, self.now) else { return Ok(Learned::Rejected) };
        let was_known = self.list_of(&user)?.is_some();
        let adopted = self.adopt(&user, bundle.device_list().clone())?;
        let mut contact = self.contact_to_change(&user)?;
        if let Some(id) = contact.fetch.take() {
            self.drop_errand(id);
        }
        contact.learnt_at = self.now;
        self.save_contact(&user, contact);
        match adopted {
            Adopted::Moved => return Ok(Learned::IdentityChanged(user)),
            Adopted::Kept(Succession::Equivocation) => return Ok(Learned::Known(user)),
            Adopted::Taken | Adopted::Kept(_) => {}
        }
        self.settle_intents(&user)?;
        self.use_bundle(&user, bundle.devices())?;
        Ok(if was_known { Learned::Known(user) } else { Learned::New(user) })
    }

    /// Begins the sessions that are needed, and sends what waits for them.
    fn use_bundle(&mut self, user: &UserId, devices: &[VerifiedPrekeys]) -> Result<(), Error> {
        let own = self.own()?;
        if !own.is_listed() || !self.may_speak(user)? {
            return Ok(());
        }
        let list = self.list_of(user)?;
        let waiting = self.has_waiting(user)?;
        for prekeys in devices {
            let address = prekeys.address();
            // The bundle may be older than what is known.
            let listed = list.as_ref().is_some_and(|list| list.device(address.device).is_some());
            if !listed || address == own.address() {
                continue;
            }
            let again = self.contact(user)?.begin_again.contains(&address.device);
            let mut peer = self.peer(address)?;
            let can_send = peer
                .sending_session(self.now)
                .is_some_and(|session| !session.is_first_chain_over(self.now));
            if !again && (can_send || !waiting) {
                self.keep_peer(peer);
                continue;
            }
            let begun = peer.initiate(&own.device, &own.list, prekeys, self.now, &mut self.rng);
            let begun = match begun {
                Ok(step) => self.save_step(&peer, step).map(|()| true),
                Err(_) => Ok(false),
            };
            self.keep_peer(peer);
            if begun? && again {
                let mut contact = self.contact_to_change(user)?;
                contact.begin_again.retain(|device| *device != address.device);
                self.save_contact(user, contact);
                self.has_begun_again(address)?;
            }
        }
        self.send_waiting(user)?;
        if self.has_waiting(user)? || !self.contact(user)?.begin_again.is_empty() {
            let at = self.now.after(FETCH_AGAIN);
            self.set_due(Job::Fetch, &table::of_user(user, &[]), at)?;
        }
        Ok(())
    }

    /// Takes a device list that has been verified, wherever it came from.
    pub(super) fn adopt(&mut self, user: &UserId, list: DeviceList) -> Result<Adopted, Error> {
        let own = self.own()?;
        if *user == own.address().user {
            return self.adopt_own(list);
        }
        let mut contact = self.contact_to_change(user)?;
        let Some(known) = contact.list.clone() else {
            contact.list = Some(Arc::new(list));
            self.save_contact(user, contact);
            self.readers_changed(user)?;
            return Ok(Adopted::Taken);
        };
        match known.compare(&list) {
            Succession::Newer => {
                contact.note_former(View::new(&known, &own.list));
                contact.list = Some(Arc::new(list.clone()));
                self.save_contact(user, contact);
                self.devices_changed(user, &known, &list)?;
                Ok(Adopted::Taken)
            }
            Succession::Equivocation => {
                if !contact.equivocated {
                    contact.equivocated = true;
                    self.save_contact(user, contact);
                    self.readers_changed(user)?;
                    self.tell(Happening::Equivocation(user.clone()));
                }
                Ok(Adopted::Kept(Succession::Equivocation))
            }
            Succession::IdentityChanged => {
                let hold = match self.options.identity_policy {
                    IdentityPolicy::Hold => true,
                    IdentityPolicy::HoldIfVerified => contact.verified,
                };
                let key = list.account_key();
                let told = contact.moved.as_ref().is_some_and(|moved| moved.account_key() == key);
                let was_verified = contact.verified;
                contact.moved = Some(Arc::new(list));
                self.save_contact(user, contact);
                self.readers_changed(user)?;
                self.end_comparison(user, EmojiEnd::IdentityChanged)?;
                if !told {
                    let user = user.clone();
                    self.tell(Happening::IdentityChanged { user, key, was_verified });
                }
                if hold {
                    return Ok(Adopted::Moved);
                }
                self.go_on_under_new_key(user)?;
                Ok(Adopted::Taken)
            }
            same_or_older => Ok(Adopted::Kept(same_or_older)),
        }
    }

    /// A user's account is another one from now on: every session with the old one ends.
    pub(super) fn go_on_under_new_key(&mut self, user: &UserId) -> Result<(), Error> {
        let mut contact = self.contact_to_change(user)?;
        let Some(moved) = contact.moved.take() else { return Ok(()) };
        contact.list = Some(moved);
        contact.verified = false;
        contact.equivocated = false;
        contact.former_views.clear();
        contact.spoken_views.clear();
        contact.begin_again = contact.devices();
        self.save_contact(user, contact);
        self.readers_changed(user)?;
        for address in self.peers_of(user)? {
            let mut peer = self.peer(&address)?;
            let step = peer.forget_account();
            self.save_step(&peer, step)?;
            self.keep_peer(peer);
        }
        self.set_due(Job::Held, &[], self.now)?;
        self.fetch(user)
    }

    /// Our own account's list, from the primary, the directory or another device of ours.
    fn adopt_own(&mut self, list: DeviceList) -> Result<Adopted, Error> {
        let own = self.own()?;
        if own.replaces.is_some() {
            return self.restore_on(list);
        }
        match own.list.compare(&list) {
            Succession::Newer => {
                self.follow_list(&list)?;
                Ok(Adopted::Taken)
            }
            // Nobody but ourselves says which account is ours.
            Succession::IdentityChanged => Ok(Adopted::Kept(Succession::Equivocation)),
            Succession::Equivocation => {
                let user = own.address().user.clone();
                let mut contact = self.contact_to_change(&user)?;
                if !contact.equivocated {
                    contact.equivocated = true;
                    self.save_contact(&user, contact);
                    self.tell(Happening::Equivocation(user));
                }
                Ok(Adopted::Kept(Succession::Equivocation))
            }
            other => Ok(Adopted::Kept(other)),
        }
    }

    /// Our own list is another one: everybody who has a session with us gets it.
    pub(super) fn own_list_changed(
        &mut self,
        old: &DeviceList,
        new: &DeviceList,
    ) -> Result<(), Error> {
        let user = old.user().clone();
        self.devices_changed(&user, old, new)?;
        let own = self.own()?;
        if !own.is_listed() {
            // We were taken off, or are not on it yet: nothing that we say counts.
            return Ok(());
        }
        for address in self.all_peers()? {
            if address.user == user {
                self.send_lists(&address)?;
                continue;
            }
            let mut contact = self.contact_to_change(&address.user)?;
            if let Some(theirs) = &contact.list {
                let former = View::new(theirs, old);
                if !contact.former_views.contains(&former.0) {
                    contact.note_former(former);
                    self.save_contact(&address.user, contact.clone());
                }
            }
            if contact.consent == super::Consent::Accepted && contact.may_send() {
                self.send_lists(&address)?;
            }
        }
        match old.device(own.address().device) {
            Some(_) => self.publish_anew(),
            None => self.listed_now(),
        }
    }

    /// Tells the app; nothing more goes to what is gone.
    fn devices_changed(
        &mut self,
        user: &UserId,
        old: &DeviceList,
        new: &DeviceList,
    ) -> Result<(), Error> {
        let ids = |list: &DeviceList| -> Vec<DeviceId> {
            list.devices().iter().map(ListedDevice::id).collect()
        };
        let (before, after) = (ids(old), ids(new));
        let added: Vec<_> = after.iter().filter(|id| !before.contains(id)).copied().collect();
        let removed: Vec<_> = before.iter().filter(|id| !after.contains(id)).copied().collect();
        let own = self.own()?;
        if !added.is_empty() && user != &own.address().user {
            // Before what went to those that are gone is forgotten: a new one may have come
            // in their place.
            self.send_to_new_devices(user, old)?;
        }
        for device in &removed {
            let address = Address { user: user.clone(), device: *device };
            if address != *own.address() {
                self.part_from(&address)?;
            }
        }
        if !removed.is_empty() && self.has_waiting(user)? {
            // It may have waited for these devices alone.
            self.send_waiting(user)?;
        }
        self.members_devices_changed(user, &removed)?;
        if !(added.is_empty() && removed.is_empty()) {
            self.tell(Happening::DevicesChanged { user: user.clone(), added, removed });
        }
        Ok(())
    }

    /// Says to a device which lists we go by, with our own.
    pub(super) fn send_lists(&mut self, to: &Address) -> Result<(), Error> {
        let own = self.own()?;
        let Some(theirs) = self.list_of(&to.user)? else { return Ok(()) };
        let lists = ListVersions {
            own_version: own.list.version(),
            own_hash: *own.list.hash(),
            their_version: theirs.version(),
            their_hash: *theirs.hash(),
            own_list: Some(own.list.signed().clone()),
        };
        self.send_control(to, Control::Lists(Box::new(lists))).map(|_| ())
    }

    /// A device says which lists it goes by.
    pub(super) fn take_lists(
        &mut self,
        address: &Address,
        lists: &ListVersions,
    ) -> Result<(), Error> {
        if let Some(signed) = &lists.own_list
            && let Ok(list) = DeviceList::verify(signed.clone())
            && *list.user() == address.user
        {
            self.adopt(&address.user, list)?;
        }
        let own = self.own()?;
        if lists.their_hash == *own.list.hash() || !self.may_speak(&address.user)? {
            return Ok(());
        }
        if lists.their_version > own.list.version() {
            // They know a list of ours that we do not: somebody withholds it.
            return self.fetch(&own.address().user);
        }
        let [a, b, c, d, e, f, g, h, ..] = lists.their_hash;
        let pair = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ own.list.version();
        let mut contact = self.contact_to_change(&address.user)?;
        if contact.speak_of(pair ^ u64::from(address.device.get()), self.now) {
            self.save_contact(&address.user, contact);
            self.send_lists(address)?;
        }
        Ok(())
    }

    /// The other end does not take an errand, for good.
    pub(super) fn refused(&mut self, id: OutgoingId, refusal: &Refusal) -> Result<(), Error> {
        let Some(errand) = self.errand(id)? else { return Ok(()) };
        self.drop_errand(id);
        match errand {
            Errand::Fetch(user) => {
                let mut contact = self.contact_to_change(&user)?;
                contact.fetch = None;
                self.save_contact(&user, contact);
                let own = self.own()?;
                let ourselves = user == own.address().user;
                if ourselves && own.replaces.is_some() && *refusal == Refusal::NoSuchUser {
                    // Nobody there knows a newer list than the backup's.
                    return self.take_over(None);
                }
                let status = match refusal {
                    Refusal::NoSuchUser | Refusal::NoSuchDevices(_) => StatusCode::NoSuchUser,
                    Refusal::Denied => StatusCode::Refused,
                };
                self.give_up_intents(&user)?;
                self.give_up_waiting(&user, status)
            }
            Errand::Deliver { to, letter, .. } => {
                if let Some(id) = letter {
                    self.copy_refused(id, &to, StatusCode::Refused)?;
                }
                // A device that is gone is no longer on the list, if we have the newest.
                self.fetch(&to.user)
            }
            Errand::Group { group, message, .. } => self.group_refused(group, message, refusal),
            Errand::Publish(_) => {
                // It may know a newer list of ours, as after a restore.
                self.publication_refused();
                let own = self.own()?;
                self.fetch(&own.address().user)
            }
        }
    }

    fn give_up_waiting(&mut self, user: &UserId, status: StatusCode) -> Result<(), Error> {
        for (key, row) in self.view.scan_prefix(table::WAITING, &table::of_user(user, &[]))? {
            self.view.delete(table::WAITING, key);
            let Ok(id) = row.as_slice().try_into().map(MessageId::from_bytes) else { continue };
            if let Some(mut letter) = self.letter(id)? {
                letter.waits = false;
                if letter.copies.is_empty() {
                    self.give_up_letter(id, &letter, status)?;
                } else {
                    self.save_letter(id, &letter);
                }
            }
        }
        Ok(())
    }

    /// Another session with this device is to be begun, once we talk.
    pub(super) fn begin_again(&mut self, address: &Address) -> Result<(), Error> {
        let mut contact = self.contact_to_change(&address.user)?;
        if !contact.begin_again.contains(&address.device) {
            contact.begin_again.push(address.device);
            self.save_contact(&address.user, contact);
        }
        if self.talks(&address.user)? { self.fetch(&address.user) } else { Ok(()) }
    }

    /// As [`Self::begin_again`], to repair something: not too often.
    pub(super) fn begin_again_for(
        &mut self,
        address: &Address,
        reason: Reason,
    ) -> Result<(), Error> {
        if self.may_begin(address, reason)? { self.begin_again(address) } else { Ok(()) }
    }
}
