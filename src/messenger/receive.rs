//! What becomes of an envelope: whose it is, whether it opens, and what it then says.
//!
//! ```text
//!  envelope --> decode --> whose? --> opens in a session ------> say
//!                            |  \---> a handshake: answer it --> say
//!                            \------> nobody's: hold it
//! ```

use super::Conversation;
use super::happening::{Arrival, Happening};
use super::search::{Peers, Search};
use super::work::Work;
use super::{Consent, Error, EventId, table};
use crate::address::{Address, UserId};
use crate::content::{Frame, Said};
use crate::group::sender_key::{Unverified, Verified};
use crate::handshake::HandshakeError;
use crate::identity::View;
use crate::session::{Content, DecryptError, Delivered, NumberReport, Numbers};
use crate::wire::{Control, Envelope, GroupMessage, Link, MessageId};

/// An envelope as it came in.
///
/// ```
/// use subrosa::{Incoming, UserId};
///
/// let (bytes, alice) = (vec![1, 2, 3], UserId::new("alice")?);
/// let plain: Incoming<'_> = (&bytes).into();
/// let with_hint = Incoming::new(&bytes).claimed_from(&alice);
/// # Ok::<(), subrosa::InvalidUserId>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    pub(super) envelope: &'a [u8],
    pub(super) claimed_from: Option<&'a UserId>,
}

impl<'a> Incoming<'a> {
    /// These bytes, from anybody.
    #[must_use]
    pub const fn new(envelope: &'a [u8]) -> Self {
        Self { envelope, claimed_from: None }
    }

    /// Whom the transport believes it to be from. It makes the search shorter, and repair
    /// possible where nothing else names the sender; it is never trusted.
    #[must_use]
    pub const fn claimed_from(mut self, user: &'a UserId) -> Self {
        self.claimed_from = Some(user);
        self
    }
}

impl<'a> From<&'a [u8]> for Incoming<'a> {
    fn from(envelope: &'a [u8]) -> Self {
        Self::new(envelope)
    }
}

impl<'a> From<&'a Vec<u8>> for Incoming<'a> {
    fn from(envelope: &'a Vec<u8>) -> Self {
        Self::new(envelope)
    }
}

/// What became of an envelope. It is dealt with in every case: delete it from the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// It opened, and this is what there is to tell; often nothing, as for a receipt.
    Opened(Vec<EventId>),
    /// It was here before.
    Duplicate,
    /// Nobody here knows it yet; it is kept for when a key arrives.
    Held,
    /// It cannot be read; repair is under way.
    Undecryptable,
    /// It is not wanted.
    Rejected(Rejection),
    /// No envelope.
    Malformed,
}

/// Why an envelope is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Of somebody whom we have blocked.
    Blocked,
    /// Of a device that its account does not list (any more).
    NotListed,
    /// Said in a group that its sender is no member of (any more), or was not by then; or we
    /// are not.
    NotAMember,
    /// Forged, or damaged.
    Forged,
}

/// What lies in a mailbox.
enum Mail {
    Envelope(Envelope),
    Group(GroupMessage),
    Link(Box<Link>),
    Malformed,
}

impl Mail {
    fn decode(bytes: &[u8]) -> Self {
        if let Ok(envelope) = Envelope::decode(bytes) {
            Self::Envelope(envelope)
        } else if let Ok(message) = GroupMessage::decode(bytes) {
            Self::Group(message)
        } else {
            Link::decode(bytes).map_or(Self::Malformed, |link| Self::Link(Box::new(link)))
        }
    }
}

impl Work<'_> {
    /// Takes an envelope.
    pub(super) fn receive(&mut self, incoming: Incoming<'_>) -> Result<Received, Error> {
        self.take(incoming, &Mail::decode(incoming.envelope), None)
    }

    /// Takes many envelopes. What is signed by members of groups is verified together, as
    /// far as it is known before the first is taken who has signed it.
    pub(super) fn receive_all(&mut self, page: &[Incoming<'_>]) -> Result<Vec<Received>, Error> {
        let mails: Vec<_> = page.iter().map(|incoming| Mail::decode(incoming.envelope)).collect();
        let (mut places, mut unverified, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (incoming, mail)) in page.iter().zip(&mails).enumerate() {
            if let Mail::Group(message) = mail
                && let Some(prepared) =
                    self.prepare_group(message, incoming.claimed_from, &mut heard)?
            {
                places.push(place);
                unverified.push(prepared);
            }
        }
        let mut verified = places.into_iter().zip(Unverified::verify_batch(unverified)).peekable();
        let take = |(place, (incoming, mail)): (usize, (&Incoming<'_>, &Mail))| {
            let verified = verified.next_if(|(of, _)| *of == place);
            self.take(*incoming, mail, verified.and_then(|(_, verified)| verified.ok()))
        };
        page.iter().zip(&mails).enumerate().map(take).collect()
    }

    fn take(
        &mut self,
        incoming: Incoming<'_>,
        mail: &Mail,
        verified: Option<Verified<'_>>,
    ) -> Result<Received, Error> {
        let Incoming { envelope: bytes, claimed_from } = incoming;
        let envelope = match mail {
            Mail::Envelope(envelope) => envelope,
            Mail::Group(message) => {
                return self.receive_group(bytes, message, claimed_from, verified);
            }
            Mail::Link(link) => return self.take_link(link),
            Mail::Malformed => return Ok(Received::Malformed),
        };
        match self.search(envelope, claimed_from, Peers::ByTag)? {
            found @ (Search::Unknown | Search::Moved) => {
                if matches!(found, Search::Unknown) {
                    self.unknown_from(claimed_from, envelope)?;
                }
                self.hold(bytes, claimed_from)?;
                Ok(Received::Held)
            }
            found => self.conclude(envelope, claimed_from, found),
        }
    }

    /// Takes an envelope that was held, once more; says whether somebody knows it now.
    pub(super) fn receive_held(
        &mut self,
        bytes: &[u8],
        claimed_from: Option<&UserId>,
        peers: Peers<'_>,
    ) -> Result<bool, Error> {
        let Ok(envelope) = Envelope::decode(bytes) else { return Ok(true) };
        match self.search(&envelope, claimed_from, peers)? {
            Search::Unknown | Search::Moved => Ok(false),
            found => self.conclude(&envelope, claimed_from, found).map(|_| true),
        }
    }

    fn conclude(
        &mut self,
        envelope: &Envelope,
        claimed_from: Option<&UserId>,
        found: Search,
    ) -> Result<Received, Error> {
        match found {
            Search::Opened(address, delivered) => {
                self.opened_after_all(&address, envelope)?;
                self.say(&address, *delivered)
            }
            Search::Failed(_, DecryptError::Duplicate) => Ok(Received::Duplicate),
            Search::Failed(address, error) => {
                self.did_not_open(&address, envelope, error)?;
                Ok(Received::Undecryptable)
            }
            Search::Rejected(rejection) => Ok(Received::Rejected(rejection)),
            Search::Gone(HandshakeError::Replayed) => Ok(Received::Duplicate),
            Search::Gone(error) => {
                if error == HandshakeError::UnknownPrekey {
                    self.prekey_is_missing()?;
                }
                self.unknown_from(claimed_from, envelope)?;
                Ok(Received::Undecryptable)
            }
            Search::Unknown | Search::Moved => Ok(Received::Held),
        }
    }

    /// Takes in what a message says that has opened.
    pub(super) fn say(
        &mut self,
        address: &Address,
        delivered: Delivered,
    ) -> Result<Received, Error> {
        let own = self.own()?;
        let ourselves = address.user == own.address().user;
        let contact = self.contact(&address.user)?;
        if contact.consent == Consent::Blocked && !ourselves {
            return self.take_of_blocked(address, &delivered);
        }
        // A list may come in the very message.
        if let Content::Control(Control::Lists(lists)) = &delivered.content {
            self.take_lists(address, lists)?;
        }
        let list = self.list_of(&address.user)?;
        if list.as_ref().is_none_or(|list| list.device(address.device).is_none()) {
            return Ok(Received::Rejected(Rejection::NotListed));
        }
        let talking = self.talks(&address.user)?;
        if talking {
            self.compare_views(address, &delivered)?;
            if let Some(answer) = delivered.answer {
                self.send_answer(address, answer)?;
            }
            if delivered.initiate_again {
                self.begin_again(address)?;
            }
            self.heard_from(address)?;
        }
        let mut events = Vec::new();
        self.take_numbers(address, &delivered, &mut events)?;
        match delivered.content {
            Content::Message { id, plaintext } => {
                let arrived = Arrived { id, numbered: delivered.seq != 0 };
                let repeated = delivered.repeated;
                self.take_content(address, arrived, repeated, plaintext.as_bytes(), &mut events)
            }
            Content::Control(control) => {
                if talking && !self.take_group_control(address, &control)? {
                    self.take_control(address, control)?;
                }
                Ok(Received::Opened(events))
            }
            _ => Ok(Received::Opened(events)),
        }
    }

    fn take_numbers(
        &mut self,
        address: &Address,
        delivered: &Delivered,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        if delivered.peer_rolled_back {
            self.session_is_broken(address)?;
        }
        for report in &delivered.numbers {
            match report {
                NumberReport::Gap { .. } => self.gap_noticed(address)?,
                NumberReport::GivenUp { first, last } => {
                    let count = last.saturating_sub(*first).saturating_add(1);
                    events.push(self.tell(Happening::Lost { from: address.clone(), count }));
                }
                NumberReport::PeerRolledBack => self.peer_fell_back(address)?,
                NumberReport::RolledBack => {
                    events.push(self.tell(Happening::Restored));
                    self.send_all_again(address)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take_content(
        &mut self,
        address: &Address,
        arrived: Arrived,
        repeated: bool,
        content: &[u8],
        events: &mut Vec<EventId>,
    ) -> Result<Received, Error> {
        let own = self.own()?;
        let ourselves = address.user == own.address().user;
        let Arrived { id, numbered } = arrived;
        let contact = self.contact(&address.user)?;
        let shown_key = table::of_user(&address.user, id.as_bytes());
        let duplicate =
            repeated || (numbered && self.view.get(table::SHOWN, &shown_key)?.is_some());
        let talking = ourselves || contact.consent == Consent::Accepted;
        let Frame { sent_at, said } = Frame::decode(content);
        // Between strangers in a group, what is of the group is confirmed.
        let of_group = !talking && matches!(said, Said::Group(_)) && self.talks(&address.user)?;
        if numbered {
            self.owe_receipt(address, id, talking || of_group);
        }
        if duplicate {
            return Ok(Received::Duplicate);
        }
        if numbered {
            let now = self.now.as_millis().to_be_bytes().to_vec();
            self.view.put(table::SHOWN, shown_key, zeroize::Zeroizing::new(now));
        }
        match said {
            Said::Group(note) => self.take_group_note(address, note, events)?,
            Said::Receipt(receipt) => {
                if self.talks(&address.user)? {
                    self.receipt(address, &receipt)?;
                }
            }
            Said::Typing(typing) => {
                if talking && !ourselves {
                    events.push(self.tell_typing(&address.user, typing));
                }
            }
            Said::Sync(sync) => {
                if ourselves {
                    self.take_sync(address, sync, events)?;
                }
            }
            Said::Verification(verification) => {
                if talking && !ourselves {
                    self.take_verification(address, sent_at, verification, events)?;
                }
            }
            Said::Nothing => {}
            Said::Content(said) => {
                let arrival = Arrival {
                    id,
                    conversation: Conversation::User(address.user.clone()),
                    device: address.clone(),
                    content: content.to_vec(),
                };
                let happening = if ourselves {
                    Happening::OwnMessage(arrival)
                } else if contact.consent == Consent::Accepted {
                    Happening::Message(arrival)
                } else {
                    if contact.consent == Consent::Stranger {
                        let mut contact = self.contact_to_change(&address.user)?;
                        contact.consent = Consent::Requested;
                        contact.consent_at = self.now;
                        self.save_contact(&address.user, contact);
                    }
                    Happening::Request(arrival)
                };
                events.push(self.tell(happening));
                if numbered {
                    self.may_disappear(&address.user, id, &said, events)?;
                }
            }
        }
        Ok(Received::Opened(std::mem::take(events)))
    }

    /// Whether both sides go by the same device lists; if not, says which we know.
    fn compare_views(&mut self, address: &Address, delivered: &Delivered) -> Result<(), Error> {
        if matches!(delivered.content, Content::Malformed(_) | Content::Control(_)) {
            return Ok(());
        }
        let Some(their_list) = self.list_of(&address.user)? else { return Ok(()) };
        let own = self.own()?;
        if delivered.view == View::new(&their_list, &own.list) {
            return Ok(());
        }
        let mut contact = self.contact_to_change(&address.user)?;
        if contact.former_views.contains(&delivered.view.0) {
            return Ok(());
        }
        // Once a day for each pair of lists.
        let device = u64::from(address.device.get());
        let pair = delivered.view.0 ^ View::new(&own.list, &their_list).0.rotate_left(1) ^ device;
        if contact.speak_of(pair, self.now) {
            self.save_contact(&address.user, contact);
            self.send_lists(address)?;
        }
        Ok(())
    }

    fn send_answer(
        &mut self,
        address: &Address,
        answer: crate::session::Answer,
    ) -> Result<(), Error> {
        let Some(lists) = self.lists_with(&address.user)? else { return Ok(()) };
        let mut peer = self.peer(address)?;
        if let Ok(step) = peer.answer(answer, lists, self.now, &mut self.rng) {
            let sent = self.save_step(&peer, step)?;
            self.carry(address, sent.envelope, super::Urgency::Quiet, None);
        }
        self.keep_peer(peer);
        Ok(())
    }

    /// Sends something of the session layer itself; without a session nothing is sent.
    pub(super) fn send_control(
        &mut self,
        address: &Address,
        control: Control,
    ) -> Result<bool, Error> {
        let body = crate::session::Body::Control(control);
        let Some(sent) = self.encrypt_to(address, body, Numbers::Unnumbered)? else {
            return Ok(false);
        };
        self.carry(address, sent.envelope, super::Urgency::Quiet, None);
        Ok(true)
    }
}

/// A message's id, and whether it may be sent again.
#[derive(Clone, Copy)]
struct Arrived {
    id: MessageId,
    numbered: bool,
}
