//! What a person decides about people: accept, block, a changed identity, a compared
//! number; and what our other devices hear of it.

use super::Conversation;
use super::happening::{Arrival, Happening};
use super::letter::Weight;
use super::work::Work;
use super::{Consent, Error, EventId, table};
use crate::address::{Address, UserId};
use crate::content::{Consent as Decided, Contact as Known, Frame, LinkPackage, Said, Sync};
use crate::identity::{AccountKey, DeviceList, SafetyNumber};
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

impl Work<'_> {
    /// Whether we and this user talk: ourselves, who is accepted, and who is in a group with
    /// us, of what is of the group.
    pub(super) fn talks(&mut self, user: &UserId) -> Result<bool, Error> {
        Ok(*user == self.own()?.address().user
            || self.contact(user)?.consent == Consent::Accepted
            || self.shares_group(user)?)
    }

    /// Whether anything may be said to this user: we talk, and their identity is the one that
    /// we know.
    pub(super) fn may_speak(&mut self, user: &UserId) -> Result<bool, Error> {
        let ourselves = *user == self.own()?.address().user;
        Ok(ourselves || (self.talks(user)? && self.contact(user)?.may_send()))
    }

    /// We talk with this person from now on.
    pub(super) fn accept(&mut self, user: &UserId) -> Result<(), Error> {
        if self.decide(user, Consent::Accepted)? {
            let (user, consent, at) = (user.clone(), Decided::Accepted, self.now);
            self.tell_own_devices(Sync::Decision { user, consent, at })?;
        }
        Ok(())
    }

    /// Silence from now on.
    pub(super) fn block(&mut self, user: &UserId) -> Result<(), Error> {
        if self.decide(user, Consent::Blocked)? {
            let (user, consent, at) = (user.clone(), Decided::Blocked, self.now);
            self.tell_own_devices(Sync::Decision { user, consent, at })?;
        }
        Ok(())
    }

    /// Takes a decision down; says whether it changes anything.
    fn decide(&mut self, user: &UserId, consent: Consent) -> Result<bool, Error> {
        let mut contact = self.contact_to_change(user)?;
        if contact.consent == consent {
            return Ok(false);
        }
        contact.consent = consent;
        contact.consent_at = self.now;
        self.save_contact(user, contact);
        self.readers_changed(user)?;
        match consent {
            Consent::Blocked => {
                self.drop_receipts(user)?;
                self.forget_comparison(user)?;
                self.give_up_intents(user)?;
            }
            _ => {
                self.release_receipts(user)?;
                for address in self.peers_of(user)? {
                    self.gap_noticed(&address)?;
                }
                // What could not go while they were blocked.
                self.send_waiting(user)?;
                let begin_again = !self.contact(user)?.begin_again.is_empty();
                if begin_again || self.has_waiting(user)? {
                    self.fetch(user)?;
                }
            }
        }
        Ok(true)
    }

    /// Goes on under the key that the user was shown.
    pub(super) fn accept_identity(&mut self, user: &UserId, key: &AccountKey) -> Result<(), Error> {
        let contact = self.contact(user)?;
        match &contact.moved {
            Some(moved) if moved.account_key() == *key => {}
            None if contact.key() == Some(*key) => return Ok(()),
            _ => return Err(Error::IdentityMoved),
        }
        self.go_on_under_new_key(user)
    }

    /// The number to compare with this person.
    pub(super) fn safety_number(&mut self, user: &UserId) -> Result<Option<SafetyNumber>, Error> {
        let own = self.own()?;
        let contact = self.contact(user)?;
        // Of the key that is to be decided about, if there is one.
        let list = contact.moved.as_ref().or(contact.list.as_ref());
        Ok(list.map(|list| SafetyNumber::between(&own.list, list)))
    }

    /// The user has compared this number.
    pub(super) fn mark_verified(
        &mut self,
        user: &UserId,
        compared: &SafetyNumber,
    ) -> Result<(), Error> {
        let now = self.safety_number(user)?.ok_or(Error::Unknown)?;
        if now.to_string() != compared.to_string() {
            return Err(Error::IdentityMoved);
        }
        self.go_on_under_new_key(user)?;
        self.is_verified_now(user)
    }

    /// Notes that the account key that is known of this person is theirs.
    pub(super) fn is_verified_now(&mut self, user: &UserId) -> Result<(), Error> {
        let mut contact = self.contact_to_change(user)?;
        contact.verified = true;
        contact.verified_at = self.now;
        let key = contact.key().ok_or(Error::Unknown)?;
        self.save_contact(user, contact);
        let (user, account_key, at) = (user.clone(), *key.as_bytes(), self.now);
        self.tell_own_devices(Sync::Verified { user, account_key, at })
    }

    /// Says something to our own other devices.
    pub(super) fn tell_own_devices(&mut self, sync: Sync) -> Result<(), Error> {
        self.post_to_own_devices(sync).map(drop)
    }

    /// The same, with the letter that says it, if there are other devices.
    pub(super) fn post_to_own_devices(&mut self, sync: Sync) -> Result<Option<MessageId>, Error> {
        let own = self.own()?;
        if own.others().next().is_none() {
            return Ok(None);
        }
        let user = own.address().user.clone();
        let frame = Frame { sent_at: self.now, said: Said::Sync(sync) }.encode();
        let id = MessageId::generate(&mut self.rng);
        self.post(&user, id, &frame, Weight::OwnCopy)?;
        Ok(Some(id))
    }

    /// One of our other devices says something.
    pub(super) fn take_sync(
        &mut self,
        address: &Address,
        sync: Sync,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        match sync {
            Sync::SentCopy { user, message: id, sent_at, content } => {
                let key = table::of_user(&address.user, id.as_bytes());
                if self.view.get(table::SHOWN, &key)?.is_some() {
                    return Ok(());
                }
                let now = self.now.as_millis().to_be_bytes().to_vec();
                self.view.put(table::SHOWN, key, zeroize::Zeroizing::new(now));
                if self.contact(&user)?.consent != Consent::Blocked {
                    // To write is to accept, on whatever device.
                    self.decide(&user, Consent::Accepted)?;
                }
                events.push(self.tell(Happening::OwnMessage(Arrival {
                    id,
                    conversation: Conversation::User(user),
                    device: address.clone(),
                    content: content.encode_at(sent_at).to_vec(),
                })));
                self.may_disappear(&address.user, id, &content, events)
            }
            Sync::Decision { user, consent, at } => self.take_decision(&user, consent, at),
            Sync::Verified { user, account_key, at } => {
                let mut contact = self.contact_to_change(&user)?;
                // Only of the key that this device knows too.
                if contact.key().is_some_and(|key| *key.as_bytes() == account_key)
                    && contact.verified_at < at
                {
                    contact.verified = true;
                    contact.verified_at = at;
                    self.save_contact(&user, contact);
                }
                Ok(())
            }
            Sync::LinkPackage(package) => self.take_package(package),
            Sync::ReadMarks { user, ids } => self.was_read_elsewhere(user, ids, events),
            Sync::Unknown => Ok(()),
        }
    }

    /// What the primary gives to a device that it has linked.
    fn take_package(&mut self, package: LinkPackage) -> Result<(), Error> {
        let own = self.own()?;
        if let Ok(list) = DeviceList::verify(package.account_list) {
            self.adopt(&own.address().user, list)?;
        }
        for known in package.contacts {
            let Known { user, device_list, consent, verified, at } = known;
            let list = device_list.and_then(|signed| DeviceList::verify(signed).ok());
            let mut key = None;
            if let Some(list) = list.filter(|list| *list.user() == user) {
                key = Some(list.account_key());
                self.adopt(&user, list)?;
            }
            self.take_decision(&user, consent, at)?;
            let mut contact = self.contact_to_change(&user)?;
            // Of this key and no other.
            let same = key.is_some() && contact.key() == key && contact.moved.is_none();
            if verified && same && !contact.verified {
                contact.verified = true;
                contact.verified_at = at;
                self.save_contact(&user, contact);
            }
        }
        Ok(())
    }

    /// What was decided on another device of ours; the later decision counts, of two at a
    /// time to block.
    fn take_decision(
        &mut self,
        user: &UserId,
        consent: Decided,
        at: Timestamp,
    ) -> Result<(), Error> {
        let consent = match consent {
            Decided::Accepted => Consent::Accepted,
            Decided::Blocked => Consent::Blocked,
            Decided::Undecided => return Ok(()),
        };
        let known = self.contact(user)?;
        let here = match known.consent {
            // Nothing was decided here.
            Consent::Stranger | Consent::Requested => None,
            Consent::Accepted => Some((known.consent_at, false)),
            Consent::Blocked => Some((known.consent_at, true)),
        };
        if here >= Some((at, consent == Consent::Blocked)) {
            return Ok(());
        }
        self.decide(user, consent)?;
        let mut contact = self.contact_to_change(user)?;
        contact.consent_at = at;
        self.save_contact(user, contact);
        Ok(())
    }
}
