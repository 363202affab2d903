//! What is known of a person: whether we talk, which devices there are, which account
//! key is pinned.

use std::sync::Arc;

use super::daily::DAY;
use super::work::Work;
use super::{Error, OutgoingId, table};
use crate::address::{DeviceId, UserId};
use crate::identity::{AccountKey, DeviceList, ListedDevice, View};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger as record;
use crate::wire::{SignedDeviceList, stored};

/// How many former pairs of lists are known by their views.
const FORMER_VIEWS: usize = 8;

/// Of how many pairs of lists it is remembered that they were spoken of.
const SPOKEN_VIEWS: usize = 32;

/// Whether we and a person talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consent {
    /// Nothing was ever said.
    #[default]
    Stranger,
    /// They have written; nothing of ours goes to them before
    /// [`accept`](super::Messenger::accept): no receipt, no typing notice.
    Requested,
    /// We talk.
    Accepted,
    /// Silence: what they send is dropped unseen.
    Blocked,
}

impl Consent {
    const fn number(self) -> u32 {
        match self {
            Self::Stranger => 0,
            Self::Requested => 1,
            Self::Accepted => 2,
            Self::Blocked => 3,
        }
    }

    const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Requested,
            2 => Self::Accepted,
            3 => Self::Blocked,
            _ => Self::Stranger,
        }
    }
}

/// A person, as [`Messenger::contact`](super::Messenger::contact) gives them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contact {
    /// Whether we talk.
    pub consent: Consent,
    /// The account key that is pinned; `None` while none is known.
    pub key: Option<AccountKey>,
    /// The key under which they came since, if it is another one: nothing is sent until
    /// [`accept_identity`](super::Messenger::accept_identity).
    pub new_key: Option<AccountKey>,
    /// Their safety number was compared.
    pub verified: bool,
    /// Their devices.
    pub devices: Vec<DeviceId>,
    /// Their account key signed two lists that exclude each other: nothing is sent.
    pub equivocated: bool,
}

/// A contact's row.
#[derive(Clone, Default)]
pub(super) struct ContactRecord {
    pub(super) consent: Consent,
    pub(super) consent_at: Timestamp,
    pub(super) list: Option<Arc<DeviceList>>,
    pub(super) moved: Option<Arc<DeviceList>>,
    pub(super) verified: bool,
    pub(super) verified_at: Timestamp,
    pub(super) equivocated: bool,
    /// The errand that asks for their bundle.
    pub(super) fetch: Option<OutgoingId>,
    pub(super) former_views: Vec<u64>,
    pub(super) spoken_views: Vec<u64>,
    /// Devices with which another session is to be begun when a bundle comes.
    pub(super) begin_again: Vec<DeviceId>,
    pub(super) learnt_at: Timestamp,
}

impl ContactRecord {
    /// Whether anything may be encrypted to them.
    pub(super) fn may_send(&self) -> bool {
        self.list.is_some() && self.moved.is_none() && !self.equivocated
    }

    pub(super) fn key(&self) -> Option<AccountKey> {
        self.list.as_ref().map(|list| list.account_key())
    }

    pub(super) fn devices(&self) -> Vec<DeviceId> {
        self.list.iter().flat_map(|list| list.devices()).map(ListedDevice::id).collect()
    }

    /// Remembers a pair of lists that was right until now.
    pub(super) fn note_former(&mut self, view: View) {
        self.former_views.push(view.0);
        let over = self.former_views.len().saturating_sub(FORMER_VIEWS);
        self.former_views.drain(..over);
    }

    /// Whether this view was not spoken of today; from now on it was. (What is said of it
    /// may be lost, so once for ever would be too little.)
    pub(super) fn speak_of(&mut self, view: u64, now: Timestamp) -> bool {
        let view = view ^ (now.as_secs() / DAY.as_secs()).rotate_left(32);
        if self.spoken_views.contains(&view) {
            return false;
        }
        self.spoken_views.push(view);
        let over = self.spoken_views.len().saturating_sub(SPOKEN_VIEWS);
        self.spoken_views.drain(..over);
        true
    }

    pub(super) fn to_contact(&self) -> Contact {
        Contact {
            consent: self.consent,
            key: self.key(),
            new_key: self.moved.as_ref().map(|list| list.account_key()),
            verified: self.verified,
            devices: self.devices(),
            equivocated: self.equivocated,
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let raw: record::Contact = stored::decode(bytes, "contact record").ok()?;
        Some(Self::from_record(&raw))
    }

    pub(super) fn from_record(raw: &record::Contact) -> Self {
        let list = |bytes: &[u8]| {
            let signed = SignedDeviceList::decode(bytes).ok()?;
            DeviceList::verify_stored(signed).ok().map(Arc::new)
        };
        Self {
            consent: Consent::from_number(raw.consent),
            consent_at: Timestamp::from_millis(raw.consent_at),
            list: list(&raw.list),
            moved: list(&raw.moved),
            verified: raw.verified,
            verified_at: Timestamp::from_millis(raw.verified_at),
            equivocated: raw.equivocated,
            fetch: OutgoingId::from_key(&raw.fetch),
            former_views: raw.former_views.clone(),
            spoken_views: raw.spoken_views.clone(),
            begin_again: raw.begin_again.iter().filter_map(|id| DeviceId::new(*id)).collect(),
            learnt_at: Timestamp::from_millis(raw.learnt_at),
        }
    }

    /// What of it outlives a device: the rest is about sessions and errands.
    pub(super) fn for_backup(self) -> Self {
        Self {
            fetch: None,
            former_views: Vec::new(),
            spoken_views: Vec::new(),
            begin_again: Vec::new(),
            learnt_at: Timestamp::default(),
            ..self
        }
    }

    pub(super) fn to_record(&self) -> record::Contact {
        let list = |list: &Option<Arc<DeviceList>>| {
            list.as_ref().map(|list| list.signed().encode()).unwrap_or_default()
        };
        record::Contact {
            consent: self.consent.number(),
            consent_at: self.consent_at.as_millis(),
            list: list(&self.list),
            moved: list(&self.moved),
            verified: self.verified,
            verified_at: self.verified_at.as_millis(),
            equivocated: self.equivocated,
            fetch: self.fetch.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            former_views: self.former_views.clone(),
            spoken_views: self.spoken_views.clone(),
            begin_again: self.begin_again.iter().map(|id| id.get()).collect(),
            learnt_at: self.learnt_at.as_millis(),
        }
    }
}

impl Work<'_> {
    /// What is known of a person; nothing is a record too.
    pub(super) fn contact(&mut self, user: &UserId) -> Result<Arc<ContactRecord>, Error> {
        if let Some(contact) = self.cache.contacts.get(user) {
            return Ok(Arc::clone(contact));
        }
        // A damaged record is that of a stranger: the list comes with the next bundle.
        let row = self.view.get(table::CONTACTS, user.as_bytes())?;
        let contact = row.and_then(|row| ContactRecord::decode(&row)).unwrap_or_default();
        let contact = Arc::new(contact);
        self.cache.contacts.insert(user.clone(), Arc::clone(&contact));
        Ok(contact)
    }

    /// The same, to be changed and saved.
    pub(super) fn contact_to_change(&mut self, user: &UserId) -> Result<ContactRecord, Error> {
        self.contact(user).map(Arc::unwrap_or_clone)
    }

    pub(super) fn save_contact(&mut self, user: &UserId, contact: ContactRecord) {
        let row = stored::encode(&contact.to_record());
        self.view.put(table::CONTACTS, user.as_bytes().to_vec(), row);
        self.touch_contact(user);
        self.cache.contacts.insert(user.clone(), Arc::new(contact));
    }
}
