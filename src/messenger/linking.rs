//! A device that is not on its account's list yet: shows its code, takes the offer, and
//! replies (SPEC.md, section 12). The primary's side is in `devices`.
//!
//! ```text
//!  Setup::link -> Linking --- first offer: reply ---> Messenger, says nothing yet
//!                                                          |
//!                                second offer, or the list from anywhere
//!                                                          v
//!                                     listed: publishes, begins sessions, sends
//! ```

use std::fmt;
use std::sync::Arc;

use super::errand::Urgency;
use super::learn::Adopted;
use super::link_code::{MAX_DEVICE_NAME_LEN, Way};
use super::own::{self, NotListed, Own};
use super::view::View;
use super::work::{Cache, Work, commit};
use super::{Error, LinkCode, Messenger, Options};
use crate::address::{Address, DeviceId, UserId};
use crate::identity::{Device, DeviceEntry, DeviceList, Succession};
use crate::wire::{Link, LinkOffer, LinkReply};

/// A device that waits to be linked: it shows its code, and takes the primary's answer.
/// It cannot send. After a restart it is [`Opened::Linking`](super::Opened::Linking) again,
/// with the same code.
pub struct Linking {
    /// Nothing once there is a messenger.
    open: Option<Open>,
    code: LinkCode,
}

struct Open {
    view: Arc<View>,
    cache: Cache,
    options: Options,
}

impl Linking {
    pub(super) fn new(view: Arc<View>, options: Options, code: LinkCode) -> Self {
        Self { open: Some(Open { view, cache: Cache::new(), options }), code }
    }

    /// Makes a device's keys and its code.
    pub(super) fn begin(
        view: Arc<View>,
        mut cache: Cache,
        options: Options,
        user: &UserId,
        device_name: &str,
    ) -> Result<Self, Error> {
        let too_long =
            || Error::Limit { what: "bytes of a device's name", limit: MAX_DEVICE_NAME_LEN };
        let code = commit(&view, &mut cache, &options, |work| {
            if own::stored_row(work)?.is_some() {
                return Err(Error::OtherAccount);
            }
            let device = Device::generate(user.clone(), &mut work.rng);
            let code =
                LinkCode::generate(&device, device_name, &mut work.rng).ok_or_else(too_long)?;
            work.save_own(&own::not_listed_record(&device, &code, work.options.device_token));
            Ok(code)
        })?;
        Ok(Self::new(view, options, code))
    }

    /// What to show as a QR code, with its [`short`](LinkCode::short) form beside it.
    #[must_use]
    pub fn code(&self) -> &LinkCode {
        &self.code
    }

    /// The mailbox to poll for the answer.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.code.address()
    }

    /// Takes an envelope from the mailbox. The messenger, if it was the primary's answer;
    /// anything else changes nothing.
    ///
    /// The messenger can send when its device is on the list: then it is told
    /// [`DevicesChanged`](super::EventKind::DevicesChanged). What is sent before waits.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn receive(&mut self, envelope: &[u8]) -> Result<Option<Messenger>, Error> {
        let Some(Open { view, cache, options }) = &mut self.open else { return Ok(None) };
        let Ok(link) = Link::decode(envelope) else { return Ok(None) };
        if !commit(view, cache, options, |work| work.take_first_offer(&link))? {
            return Ok(None);
        }
        let messenger = Messenger::new(Arc::clone(view), Cache::new(), options.clone())?;
        self.open = None;
        Ok(Some(messenger))
    }
}

impl fmt::Debug for Linking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linking").field("code", &self.code).finish_non_exhaustive()
    }
}

/// An offer that has opened and says what it should.
pub(crate) struct Offer {
    pub(crate) list: DeviceList,
    pub(crate) primary: DeviceId,
}

impl Offer {
    pub(crate) fn open(code: &LinkCode, link: &Link) -> Option<Self> {
        let content = code.open(Way::ToDevice, link)?;
        let LinkOffer { device_list, primary } = LinkOffer::decode(&content).ok()?;
        let list = DeviceList::verify(device_list).ok()?;
        let primary = DeviceId::new(primary)?;
        let ours = *list.user() == code.address().user && list.device(primary).is_some();
        ours.then_some(Self { list, primary })
    }
}

/// The entry in a reply that has opened and is of the device that showed the code; its
/// proof has not been looked at.
pub(crate) fn open_reply(code: &LinkCode, link: &Link) -> Option<DeviceEntry> {
    let content = code.open(Way::ToPrimary, link)?;
    let LinkReply { entry } = LinkReply::decode(&content).ok()?;
    let Address { user, device } = code.address();
    let entry = DeviceEntry::from_wire(entry, user).ok()?;
    (entry.device() == *device && entry.keys_hash() == *code.keys_hash()).then_some(entry)
}

impl Work<'_> {
    /// The first offer makes an account of what is in the store. Says whether there is one.
    fn take_first_offer(&mut self, link: &Link) -> Result<bool, Error> {
        let Some(NotListed { device, code, device_token }) = own::not_listed(self)? else {
            // Another process was first: it may be the second offer by now.
            self.take_link(link)?;
            return Ok(true);
        };
        let Some(Offer { list, primary }) = Offer::open(&code, link) else { return Ok(false) };
        let listed = list.device(device.address().device).is_some();
        self.begin(&Own {
            device,
            account: None,
            list: Arc::new(list),
            device_token,
            backed_up: false,
            backup_reminded: false,
            link_code: (!listed).then_some(code),
            replaces: None,
        })?;
        if self.own()?.is_listed() {
            self.listed_now()?;
        } else {
            self.reply(primary)?;
        }
        Ok(true)
    }

    /// A further offer; says whether it was one.
    pub(super) fn take_offer(&mut self, link: &Link) -> Result<bool, Error> {
        let own = self.own()?;
        let offer = own.link_code.as_ref().and_then(|code| Offer::open(code, link));
        let Some(Offer { list, primary }) = offer else { return Ok(false) };
        let user = own.address().user.clone();
        let adopted = self.adopt(&user, list)?;
        let same = matches!(adopted, Adopted::Taken | Adopted::Kept(Succession::Same));
        if same && !self.own()?.is_listed() {
            // Our reply was lost.
            self.reply(primary)?;
        }
        Ok(true)
    }

    /// Asks the primary to be listed.
    fn reply(&mut self, primary: DeviceId) -> Result<(), Error> {
        let own = self.own()?;
        let Some(code) = &own.link_code else { return Ok(()) };
        let entry = own.device.entry(&own.list.account_key()).to_wire();
        let envelope = code.seal(Way::ToPrimary, LinkReply { entry }.encode(), &mut self.rng);
        let to = Address { user: own.address().user.clone(), device: primary };
        self.carry(&to, envelope, Urgency::Quiet, None);
        Ok(())
    }

    /// The list has this device from now on: it publishes its prekeys, and begins sessions
    /// with our other devices and with everybody for whom something waits.
    pub(super) fn listed_now(&mut self) -> Result<(), Error> {
        self.publish_whole()?;
        let own = self.own()?;
        for other in own.others() {
            self.begin_again(&other)?;
        }
        for user in self.waited_for()? {
            self.fetch(&user)?;
        }
        Ok(())
    }
}
