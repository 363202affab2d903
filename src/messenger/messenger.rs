//! One account on one device: what an app holds.

use std::fmt;
use std::sync::Arc;

use super::batch::Batch;
use super::errand::{Errand, Outgoing, Refusal};
use super::event::Event;
use super::lease::Leases;
use super::receive::{Incoming, Received};
use super::view::View;
use super::work::{Cache, Work, commit};
use super::{
    Contact, Conversation, Error, EventId, Group, GroupChange, Learned, LinkCode, Opened, Options,
    OutgoingId, RecoveryKey, Scan,
};
use crate::address::{Address, DeviceId, UserId};
use crate::content::Content;
use crate::group::{ChangeId, GroupId};
use crate::identity::{AccountKey, Emoji, SafetyNumber};
use crate::store::Store;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

/// How many commits of due work one call does.
const DUE_COMMITS: usize = 8;

/// One account on one device.
///
/// Four sentences are the whole contract:
///
/// 1. **[`receive`](Self::receive): `Ok` means delete it from the mailbox, `Err` means leave
///    it there.** No peer and no server can cause an `Err`.
/// 2. **What [`next_outgoing`](Self::next_outgoing) hands out is already saved; carry it,
///    then say done.** Carrying twice does no harm.
/// 3. **What [`next_event`](Self::next_event) hands out comes again until you say done**,
///    after a crash too, with the same id. Nothing is told any other way.
/// 4. **One lock per account; no call needs the network; every call may wait for the disk.**
///
/// `&mut self` is for what commits. To share a messenger, put it into an
/// `Arc<Mutex<Messenger>>`; on an async runtime, lock it inside `spawn_blocking`.
///
/// The crate's page has a whole conversation.
pub struct Messenger {
    view: Arc<View>,
    cache: Cache,
    options: Options,
    address: Address,
    errands: Leases<OutgoingId>,
    events: Leases<EventId>,
    next_due: Option<Timestamp>,
}

impl Messenger {
    /// Opens whatever the store holds; never replaces an account by a new one.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails or is damaged.
    pub fn open(store: impl Store, options: Options) -> Result<Opened, Error> {
        Opened::open(store, options)
    }

    pub(super) fn new(view: Arc<View>, mut cache: Cache, options: Options) -> Result<Self, Error> {
        let (address, next_due) = commit(&view, &mut cache, &options, |work| {
            Ok((work.own()?.address().clone(), work.next_due()?))
        })?;
        let (errands, events) = (Leases::new(), Leases::new());
        Ok(Self { view, cache, options, address, errands, events, next_due })
    }

    /// This device: its mailbox.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn commit<R>(
        &mut self,
        steps: impl FnMut(&mut Work<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        // Something may be due that was not before.
        self.next_due = None;
        commit(&self.view, &mut self.cache, &self.options, steps)
    }

    /// Sends content: to every device of theirs, and what was said to every other device
    /// of ours. Works before anything is known of them. The id is final, also if the
    /// message has to wait for their bundle.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`]: we have blocked them. [`Error::Limit`]: the content is too
    /// long. [`Error::Store`]: try again.
    pub fn send(
        &mut self,
        to: impl Into<Conversation>,
        content: Content,
    ) -> Result<MessageId, Error> {
        let to = to.into();
        self.commit(|work| work.send(&to, &content))
    }

    /// Sends when the time has come and the app next polls.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn send_at(
        &mut self,
        to: impl Into<Conversation>,
        content: Content,
        at: Timestamp,
    ) -> Result<MessageId, Error> {
        let to = to.into();
        self.commit(|work| work.send_at(&to, &content, at))
    }

    /// Another text and time for what was given to [`send_at`](Self::send_at) and is not on
    /// its way. The id stays.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`]: there is no such message, or its time has come. Else as
    /// [`Self::send`].
    pub fn reschedule(
        &mut self,
        message: &MessageId,
        content: Content,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.commit(|work| work.reschedule(*message, &content, at))
    }

    /// A person has read these messages of this author's, on this device. The time of those
    /// that disappear begins, and our other devices hear of it, where it begins too: their
    /// apps get [`ReadElsewhere`](super::EventKind::ReadElsewhere). When it is up, each gets
    /// [`Disappeared`](super::EventKind::Disappeared).
    ///
    /// The author is told nothing: [`Content::read`] does that.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    ///
    /// # Security
    ///
    /// With it goes every row that has the text. What a store keeps of deleted rows goes
    /// when it is tidied, once a day ([`Store::tidy`]).
    pub fn mark_read(&mut self, author: &UserId, messages: &[MessageId]) -> Result<(), Error> {
        self.commit(|work| work.mark_read(author, messages))
    }

    /// Takes back what has not been encrypted yet. Our other devices, which show it already,
    /// are told by an own message that deletes it ([`Content::delete`]).
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`]: there is no such message, or it is on its way.
    pub fn cancel(&mut self, message: &MessageId) -> Result<(), Error> {
        self.commit(|work| work.cancel(*message))
    }

    /// Takes an envelope from the mailbox. `Ok`: delete it there. `Err`: leave it there.
    ///
    /// What it said comes as events.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later. Never for what is in the envelope.
    pub fn receive<'a>(&mut self, incoming: impl Into<Incoming<'a>>) -> Result<Received, Error> {
        let incoming = incoming.into();
        self.commit(|work| work.receive(incoming))
    }

    /// Takes a page of the mailbox, in order and in one commit: to catch up. `Ok`: delete all
    /// of it there; each has its outcome, as [`Self::receive`] gives it. `Err`: leave all of
    /// it there.
    ///
    /// What was said in groups is verified together, in a third of the time. A page may be
    /// of any length; beyond some hundred envelopes longer ones gain little.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later. Never for what is in an envelope.
    pub fn receive_all<'a>(
        &mut self,
        page: impl IntoIterator<Item = impl Into<Incoming<'a>>>,
    ) -> Result<Vec<Received>, Error> {
        let page: Vec<_> = page.into_iter().map(Into::into).collect();
        self.commit(|work| work.receive_all(&page))
    }

    /// Takes a bundle or device list from the directory, asked for or not.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later. Never for what is in the bundle.
    pub fn learn(&mut self, bundle: &[u8]) -> Result<Learned, Error> {
        self.commit(|work| work.learn(bundle))
    }

    /// The next thing to carry, oldest first. Does due work (rotation, expiry, repair,
    /// what was scheduled) before it looks.
    ///
    /// What is not marked done comes again: after a pause that grows from five seconds to
    /// five minutes, and when the store is opened.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn next_outgoing(&mut self) -> Result<Option<Outgoing>, Error> {
        self.do_due()?;
        let now = self.options.clock.now();
        for id in self.errands.over(now) {
            if let Some(errand) = self.read(|work| work.errand_to_carry(id))? {
                return Ok(Some(self.hand_out(id, errand, now)));
            }
            self.errands.done(id);
        }
        loop {
            let from = self.errands.cursor().map_or_else(Vec::new, after);
            let Some((id, errand)) = self.read(|work| work.errand_to_carry_from(&from))? else {
                return Ok(None);
            };
            if self.errands.is_out(id, now) {
                self.errands.pass(id);
                continue;
            }
            return Ok(Some(self.hand_out(id, errand, now)));
        }
    }

    fn hand_out(&mut self, id: OutgoingId, errand: Errand, now: Timestamp) -> Outgoing {
        self.errands.hand_out(id, now);
        Outgoing { id, action: errand.into_action() }
    }

    /// Carried (the other end has confirmed it): forget these. A delivery is carried when
    /// every mailbox has taken it. Ids that are not known any more are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn outgoing_done(&mut self, ids: &[OutgoingId]) -> Result<(), Error> {
        let left = self.commit(|work| {
            ids.iter().try_for_each(|id| work.errand_done(*id))?;
            let left = ids.iter().map(|id| Ok(work.errand(*id)?.is_some()));
            left.collect::<Result<Vec<_>, Error>>()
        })?;
        // A fetch is not done by this, and so comes again after its pause.
        let gone = ids.iter().zip(left).filter(|(_, left)| !left);
        gone.for_each(|(id, _)| self.errands.done(*id));
        Ok(())
    }

    /// Refused for good: give up, and say so in an event. (What failed for now comes again
    /// by itself: do nothing.)
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn outgoing_refused(&mut self, id: OutgoingId, refusal: Refusal) -> Result<(), Error> {
        self.commit(|work| work.refused(id, &refusal))?;
        self.errands.done(id);
        Ok(())
    }

    /// The network is back: everything that is not done comes again at once.
    pub fn retry_now(&mut self) {
        self.errands.end_pauses();
    }

    /// How many of our one-time prekeys the directory has left, if it says. With few left,
    /// more are made and published.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn prekeys_left(&mut self, count: u32) -> Result<(), Error> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.commit(|work| work.prekeys_left(count))
    }

    /// The next thing that happened, oldest first; again after a pause, and when the store
    /// is opened, until it is marked done.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        let now = self.options.clock.now();
        for id in self.events.over(now) {
            if let Some(event) = self.read(|work| work.event(id))? {
                self.events.hand_out(id, now);
                return Ok(Some(event));
            }
            self.events.done(id);
        }
        loop {
            let from = self.events.cursor().map_or_else(Vec::new, after);
            let Some(event) = self.read(|work| work.event_from(&from))? else { return Ok(None) };
            if self.events.is_out(event.id, now) {
                self.events.pass(event.id);
                continue;
            }
            self.events.hand_out(event.id, now);
            return Ok(Some(event));
        }
    }

    /// The app has these in its own database (or does not want them): forget them.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn events_done(&mut self, ids: &[EventId]) -> Result<(), Error> {
        self.commit(|work| {
            ids.iter().for_each(|id| work.drop_event(*id));
            Ok(())
        })?;
        ids.iter().for_each(|id| self.events.done(*id));
        Ok(())
    }

    /// When to call [`Self::next_outgoing`] again if nothing happens until then.
    #[must_use]
    pub fn wake_at(&self) -> Timestamp {
        let now = self.options.clock.now();
        // Without news, what another process put there is found within the hour.
        let latest = now.after(std::time::Duration::from_secs(60 * 60));
        let due = self.next_due.unwrap_or(now);
        self.errands.next().into_iter().fold(due.min(latest), Timestamp::min)
    }

    /// Commits all that `f` did at once, or nothing; runs `f` again if another process
    /// committed first.
    ///
    /// ```compile_fail,E0499
    /// # fn poll(messenger: &mut subrosa::Messenger) -> Result<(), subrosa::Error> {
    /// messenger.batch(|batch| messenger.next_event())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What `f` gives; then nothing of it counts. [`Error::Store`]: try again later.
    pub fn batch<R>(
        &mut self,
        mut f: impl FnMut(&mut Batch<'_, '_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.commit(|work| f(&mut Batch::new(work)))
    }

    /// A new group with us as its owner; people are added by
    /// [`change_group`](Self::change_group).
    ///
    /// # Errors
    ///
    /// [`Error::NotPrimary`], [`Error::NotLinked`]: only the account's key begins a group.
    /// [`Error::Limit`]: the name is too long. [`Error::Store`]: try again later.
    pub fn create_group(&mut self, name: &str) -> Result<GroupId, Error> {
        self.commit(|work| work.create_group(name))
    }

    /// Changes a group, and tells its members.
    ///
    /// # Errors
    ///
    /// [`Error::NotAMember`], [`Error::GroupStopped`]. [`Error::NotAllowed`]: we have no
    /// right to it, or somebody is blocked. [`Error::NotPrimary`]: to hand it over.
    /// [`Error::Limit`]: too many members, or too long. [`Error::Unknown`]: there is no such
    /// member. [`Error::Store`]: try again later.
    pub fn change_group(&mut self, group: &GroupId, change: GroupChange) -> Result<(), Error> {
        self.commit(|work| work.change_group(group, change.clone()))
    }

    /// A group as it is known here, with who is still joining; `None`: it is not.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn group(&mut self, group: &GroupId) -> Result<Option<Group>, Error> {
        self.read(|work| work.group(group))
    }

    /// All groups that are known here, also those that we have left.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn groups(&mut self) -> Result<Vec<GroupId>, Error> {
        self.read(|work| work.all_groups())
    }

    /// Before our next message to a group another sender key takes the place of ours, as it
    /// does by itself when somebody goes, and once a week.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn rotate_group(&mut self, group: &GroupId) -> Result<(), Error> {
        self.commit(|work| work.rotate_group(group))
    }

    /// The owner of a group has sealed it twice, and the user has chosen one of the seals.
    ///
    /// # Errors
    ///
    /// [`Error::NotAMember`]. [`Error::Unknown`]: it is none of those to choose from.
    /// [`Error::Store`]: try again later.
    pub fn follow_seal(&mut self, group: &GroupId, seal: &ChangeId) -> Result<(), Error> {
        self.commit(|work| work.follow_seal(group, seal))
    }

    /// What is known of a person: consent, pinned key, verified, devices.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn contact(&mut self, user: &UserId) -> Result<Contact, Error> {
        self.read(|work| Ok(work.contact(user)?.to_contact()))
    }

    /// Accepts a request, someone who was blocked, or the invitation to a group.
    ///
    /// # Errors
    ///
    /// [`Error::NotAMember`]: we are not invited any more. [`Error::Unknown`]: there is no
    /// such group. [`Error::Store`]: try again later.
    pub fn accept(&mut self, whom: impl Into<Conversation>) -> Result<(), Error> {
        match whom.into() {
            Conversation::User(user) => self.commit(|work| work.accept(&user)),
            Conversation::Group(group) => self.commit(|work| work.accept_group(&group)),
        }
    }

    /// Silence from now on: what they send is dropped, and nothing tells them. A group is
    /// left; an invitation that was not accepted is dropped unseen.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`]: the owner of a group hands it over first. [`Error::Unknown`]:
    /// there is no such group. [`Error::Store`]: try again later.
    pub fn block(&mut self, whom: impl Into<Conversation>) -> Result<(), Error> {
        match whom.into() {
            Conversation::User(user) => self.commit(|work| work.block(&user)),
            Conversation::Group(group) => self.commit(|work| work.block_group(&group)),
        }
    }

    /// Goes on under the new key that the user was shown.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityMoved`]: it is not the newest any more; show that.
    pub fn accept_identity(&mut self, user: &UserId, key: &AccountKey) -> Result<(), Error> {
        self.commit(|work| work.accept_identity(user, key))
    }

    /// The number to compare with this person; `None` while their key is unknown. If their
    /// identity has changed, it is that of the new key.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn safety_number(&mut self, user: &UserId) -> Result<Option<SafetyNumber>, Error> {
        self.read(|work| work.safety_number(user))
    }

    /// The user has compared this number, and it was the same on both sides.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityMoved`]: it is another one now; compare again.
    pub fn mark_verified(&mut self, user: &UserId, compared: &SafetyNumber) -> Result<(), Error> {
        self.commit(|work| work.mark_verified(user, compared))
    }

    /// Compares by camera: what was read of another person's screen, which shows
    /// [`SafetyNumber::qr`]. Where it fits, it is as if the user had compared the number.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] while their key is not known: send something first.
    pub fn scan(&mut self, qr: &[u8]) -> Result<Scan, Error> {
        self.commit(|work| work.scan(qr))
    }

    /// Asks the other side to compare emoji; both get
    /// [`CompareEmoji`](super::EventKind::CompareEmoji), if both are there within ten minutes.
    /// One that goes on with this person ends.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] while their key is not known: send something first.
    /// [`Error::IdentityMoved`] if they came with another one: the user decides first.
    /// [`Error::NotAllowed`] if they are blocked, or are ourselves.
    pub fn start_emoji(&mut self, with: &UserId) -> Result<(), Error> {
        self.commit(|work| work.start_emoji(with))
    }

    /// The user has seen these same seven at the other person's. When both have said so, both
    /// get [`Verified`](super::EventKind::Verified).
    ///
    /// # Errors
    ///
    /// [`Error::IdentityMoved`] if these are not what is to be compared (any more);
    /// [`Error::Unknown`] if nothing is.
    pub fn confirm_emoji(&mut self, with: &UserId, shown: &Emoji) -> Result<(), Error> {
        self.commit(|work| work.confirm_emoji(with, shown))
    }

    /// They differ, or nobody is there. Where nothing is compared, nothing happens.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn cancel_emoji(&mut self, with: &UserId) -> Result<(), Error> {
        self.commit(|work| work.cancel_emoji(with))
    }

    /// How many post-quantum epochs the session with this device has mixed in; none without
    /// a session. Whoever has copied this store, and listens on with a quantum computer, is
    /// out when both sides have mixed in two more.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]: try again later.
    pub fn epochs_mixed(&mut self, with: &Address) -> Result<u32, Error> {
        self.read(|work| work.epochs_mixed(with))
    }

    /// Offers the device that shows this code to be listed; when it agrees, it is on the
    /// list, gets all contacts, and the app is told
    /// [`DevicesChanged`](super::EventKind::DevicesChanged). Show
    /// [`LinkCode::short`] on both devices first. The offer is good for a day; offering
    /// again does no harm.
    ///
    /// # Errors
    ///
    /// [`Error::NotPrimary`]: link it from the primary device. [`Error::NotLinked`]: this
    /// one is being restored. [`Error::OtherAccount`]: the code is of another user.
    /// [`Error::Limit`]: [`revoke_device`](Self::revoke_device) first.
    /// [`Error::Unknown`]: no code of a new device, since its id is another's.
    pub fn link_device(&mut self, code: &LinkCode) -> Result<DeviceId, Error> {
        self.commit(|work| work.link_device(code))
    }

    /// Takes a device off the list: nothing goes to it any more, and what it sends is
    /// rejected by everybody who knows the new list.
    ///
    /// # Errors
    ///
    /// [`Error::NotPrimary`], [`Error::NotLinked`] as for [`Self::link_device`].
    /// [`Error::Unknown`]: it is not on the list. [`Error::OwnDevice`]: it is this one.
    pub fn revoke_device(&mut self, device: DeviceId) -> Result<(), Error> {
        self.commit(|work| work.revoke_device(device))
    }

    /// The account and all contacts, sealed under `key`: what
    /// [`Setup::restore`](super::Setup::restore) takes. Never a session, a message or a
    /// device's key. Make another one when contacts or devices have changed.
    ///
    /// # Errors
    ///
    /// [`Error::NotPrimary`], [`Error::NotLinked`] as for [`Self::link_device`].
    pub fn backup(&mut self, key: &RecoveryKey) -> Result<Vec<u8>, Error> {
        self.commit(|work| work.backup(key))
    }

    /// Looks something up; nothing is written but what a leap of the clock changes.
    fn read<R>(&mut self, look: impl FnMut(&mut Work<'_>) -> Result<R, Error>) -> Result<R, Error> {
        let before = self.cache.revision;
        let result = commit(&self.view, &mut self.cache, &self.options, look);
        if self.cache.revision != before {
            // By that, or by another process: something may be due that was not before.
            self.next_due = None;
        }
        result
    }

    /// Does the work that is due, in several commits.
    fn do_due(&mut self) -> Result<(), Error> {
        if self.next_due.is_some_and(|due| due > self.options.clock.now())
            && self.view.revision()? == self.cache.revision
        {
            return Ok(());
        }
        for _ in 0..DUE_COMMITS {
            let more = self.commit(|work| {
                let more = work.do_due()?;
                Ok(work.send_receipts()? || more)
            })?;
            if !more {
                break;
            }
        }
        if std::mem::take(&mut self.cache.tidy) {
            self.view.tidy()?;
        }
        let never = Timestamp::from_millis(u64::MAX);
        self.next_due = Some(self.read(|work| work.next_due())?.unwrap_or(never));
        Ok(())
    }
}

/// The first key behind this id.
fn after<Id: Into<[u8; 16]>>(id: Id) -> Vec<u8> {
    let mut key = id.into().to_vec();
    key.push(0);
    key
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger").field("address", &self.address).finish_non_exhaustive()
    }
}
