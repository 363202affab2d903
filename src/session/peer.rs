//! Everything between this device and one other: sessions, which of them sends, and
//! the numbers that run across them (SPEC.md, sections 5.6 and 7.3).

use std::cmp::Reverse;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::delivered::{Answer, Delivered};
use super::numbering::{Arrived, NumberReport, NumberRow, Numbering};
use super::payload::{Body, Content, Outgoing, Received};
use super::sent::{Numbers, Sent};
use super::session::{Accepted, Sealed, Session};
use super::{DecryptError, EncryptError, PeerRow, Unsaved};
use crate::address::Address;
use crate::handshake::{HandshakeError, HandshakeId, ReplayRecord, VerifiedPrekeys, initiate};
use crate::identity::{AccountKey, Device, DeviceList, View};
use crate::ratchet::{KEPT_TIME, TagChange};
use crate::timestamp::Timestamp;
use crate::wire::{Control, Envelope};

/// The most sessions kept with one device.
///
/// Two cross in practice, a few more when a device is restored again and again;
/// each is some kilobytes.
pub const MAX_SESSIONS: usize = 8;

/// The highest generation that is taken on first contact: a time in the year 2514.
const FIRST_GENERATION_LIMIT: u64 = 1 << 34;

/// How far above everything known a generation may be: half a year in seconds.
const GENERATION_JUMP: u64 = 1 << 24;

/// All sessions with one device, and what was said in them by number.
///
/// As with [`Session`], each step gives an [`Unsaved`], here with [`PeerRow`]s.
#[derive(Debug)]
pub struct Peer {
    pub(super) address: Address,
    /// Of the first session; another one is another person.
    pub(super) account_key: Option<[u8; 32]>,
    /// A generation of the peer's has been accepted.
    pub(super) met: bool,
    pub(super) sessions: Vec<Session>,
    /// The highest that the peer has used, named or answered in.
    pub(super) highest_generation: u64,
    pub(super) next_ordinal: u32,
    pub(super) numbering: Numbering,
}

impl Peer {
    /// A device with which there is no session yet.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            account_key: None,
            met: false,
            sessions: Vec::new(),
            highest_generation: 0,
            next_ordinal: 1,
            numbering: Numbering::default(),
        }
    }

    /// Whose device it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// All sessions, oldest first.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The session that a message goes into at this time: of those that the peer would
    /// refuse, one only if there is no other.
    #[must_use]
    pub fn sending_session(&self, now: Timestamp) -> Option<&Session> {
        let place = self.sending_place(|session| self.is_plausible(session, now));
        self.sessions.get(place.or_else(|| self.sending_place(|_| true))?)
    }

    /// Numbers of the peer's messages that were sent and are not here, oldest first,
    /// as first and last of each range.
    pub fn gaps(&self) -> impl Iterator<Item = std::ops::RangeInclusive<u64>> {
        self.numbering.gaps().map(|(first, last)| first..=last)
    }

    /// Starts a session. If there is one already, the new one replaces it: the next
    /// message goes into it, and carries its handshake.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::OtherUser`]: these are another device's prekeys.
    /// [`HandshakeError::OtherAccount`]: of another account than before. For the rest
    /// see [`initiate`].
    pub fn initiate(
        &mut self,
        us: &Device,
        our_list: &DeviceList,
        prekeys: &VerifiedPrekeys,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<(), PeerRow>, HandshakeError> {
        if prekeys.address() != &self.address {
            return Err(HandshakeError::OtherUser);
        }
        let account_key = self.check_account(prekeys.account_key())?;
        let plausible = self.sessions.iter().filter(|session| self.is_plausible(session, now));
        let highest = plausible.map(Session::generation).max().unwrap_or(0);
        let highest = highest.max(self.highest_generation);
        let generation = highest.saturating_add(1).max(now.as_secs());
        let initiated = initiate(us, our_list, prekeys, generation, now, rng)?;
        self.account_key = Some(account_key);
        let (mut rows, mut tags) = (Vec::new(), Vec::new());
        let mut session = Session::initiate(initiated, now);
        session.set_replacement(!self.sessions.is_empty());
        tags.extend(session.expected_tags().map(TagChange::Expected));
        self.add(session, &mut rows, &mut tags);
        Ok(Unsaved::new((), rows, tags))
    }

    /// Encrypts one message, in the session that is to send.
    ///
    /// # Errors
    ///
    /// [`EncryptError`]; nothing has changed.
    pub fn encrypt(
        &mut self,
        body: Body<'_>,
        numbers: Numbers,
        view: View,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Sent, PeerRow>, EncryptError> {
        // Rather an older session than one whose first chain nobody answered in time; if
        // the peer has not forgotten it by now. (Of one that was used while the clock was
        // ahead, nobody knows when that was.)
        let newest = self.sending_session(now).map(Session::id);
        let recent = |at: Timestamp| at <= now && now.since(at) <= KEPT_TIME;
        let remembered =
            |session: &Session| Some(session.id()) == newest || recent(session.last_used_at());
        let plausible = |session: &Session| self.is_plausible(session, now);
        let usable = |session: &Session| !session.is_first_chain_over(now) && remembered(session);
        let place = self
            .sending_place(|session| plausible(session) && usable(session))
            .or_else(|| self.sending_place(plausible))
            .or_else(|| self.sending_place(|_| true))
            .ok_or(EncryptError::NoSession)?;
        self.encrypt_at(place, body, numbers, view, now, rng)
    }

    /// Encrypts what [`Delivered::answer`] asks for, in the session that it came in.
    ///
    /// # Errors
    ///
    /// [`EncryptError`]; nothing has changed.
    pub fn answer(
        &mut self,
        answer: Answer,
        view: View,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Sent, PeerRow>, EncryptError> {
        let Answer { session, generation } = answer;
        let body = Body::Control(Control::HighestGeneration(generation));
        self.encrypt_in(session, body, Numbers::Unnumbered, view, now, rng)
    }

    /// Encrypts one message in the session with this id, whichever is to send.
    ///
    /// # Errors
    ///
    /// [`EncryptError`]; nothing has changed.
    pub(crate) fn encrypt_in(
        &mut self,
        session: HandshakeId,
        body: Body<'_>,
        numbers: Numbers,
        view: View,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Sent, PeerRow>, EncryptError> {
        let place = self.sessions.iter().position(|known| known.id() == session);
        let place = place.ok_or(EncryptError::NoSession)?;
        self.encrypt_at(place, body, numbers, view, now, rng)
    }

    fn encrypt_at(
        &mut self,
        place: usize,
        body: Body<'_>,
        numbers: Numbers,
        view: View,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Sent, PeerRow>, EncryptError> {
        let session = self.sessions.get_mut(place).ok_or(EncryptError::NoSession)?;
        let (seq, last) = match numbers {
            Numbers::Next if matches!(body, Body::Content { .. }) => self.numbering.next(),
            Numbers::Next | Numbers::Unnumbered => (0, self.numbering.last()),
            Numbers::Again { seq, last } => (seq, last),
        };
        let id = match &body {
            Body::Content { id, content: _ } => Some(*id),
            Body::Control(_) => None,
        };
        let outgoing = Outgoing { body, seq, last, seen: self.numbering.seen(), view };
        let (sealed, beside, tags) = session.seal(&outgoing, now, rng)?.into_parts();
        let mut rows = vec![PeerRow::Session(session.id())];
        rows.extend(beside.into_iter().map(|row| PeerRow::Beside(session.id(), row)));
        if let (Numbers::Next, Some(id)) = (numbers, id) {
            rows.push(PeerRow::Peer);
            rows.extend(self.numbering.sent(seq, id).into_iter().map(PeerRow::from));
        }
        let Sealed { envelope, tag, salt, ephemeral } = sealed;
        Ok(Unsaved::new(Sent { envelope, seq, last, tag, salt, ephemeral }, rows, tags))
    }

    /// Whether the handshake with this id has been answered, or made, here.
    #[must_use]
    pub fn has_session(&self, id: HandshakeId) -> bool {
        self.sessions.iter().any(|session| session.id() == id)
    }

    /// Decrypts an envelope of one of the sessions.
    ///
    /// # Errors
    ///
    /// [`DecryptError::Unknown`] if it is of none of them: a first message may be a
    /// handshake to respond to. Nothing has changed.
    pub fn decrypt(
        &mut self,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Result<Unsaved<Delivered, PeerRow>, DecryptError> {
        let only = match envelope {
            Envelope::Message(_) => None,
            Envelope::FirstMessage { handshake, message: _ } => Some(HandshakeId::of(handshake)),
        };
        for session in &mut self.sessions {
            if only.is_some_and(|id| id != session.id()) {
                continue;
            }
            match session.decrypt(envelope.message(), now) {
                Err(DecryptError::Unknown) => {}
                Err(error) => return Err(error),
                Ok(unsaved) => {
                    let (id, ordinal) = (session.id(), session.ordinal());
                    let generation = session.generation();
                    let (received, beside, tags) = unsaved.into_parts();
                    let mut rows = vec![PeerRow::Session(id)];
                    if generation > self.highest_generation {
                        self.highest_generation = generation;
                        rows.push(PeerRow::Peer);
                    }
                    rows.extend(beside.into_iter().map(|row| PeerRow::Beside(id, row)));
                    let mut delivered = self.deliver(id, ordinal, received, now, &mut rows);
                    // Still with its handshake: nothing of ours has arrived there.
                    if only.is_some() {
                        delivered.answer = self.answer_to(id, generation, now);
                    }
                    return Ok(Unsaved::new(delivered, rows, tags));
                }
            }
        }
        Err(DecryptError::Unknown)
    }

    /// Takes in a session that this peer began, and notes its handshake in the record
    /// of the signed prekey that it used.
    ///
    /// Read [`Unsaved::spent`] and [`Unsaved::their_list`] first: the spent prekey's
    /// deletion, the list and the record of `replays` belong into the same write as the
    /// rows. If that fails, load the record of `replays` again as well.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::OtherUser`]: it is another device's.
    /// [`HandshakeError::OtherAccount`]: it is of another account than before.
    /// [`HandshakeError::Refused`]: its generation is implausible. Nothing of it may
    /// be kept.
    pub fn admit(
        &mut self,
        accepted: Unsaved<Accepted>,
        replays: &mut ReplayRecord,
        now: Timestamp,
    ) -> Result<Unsaved<Delivered, PeerRow>, HandshakeError> {
        if accepted.sender() != &self.address {
            return Err(HandshakeError::OtherUser);
        }
        let account_key = self.check_account(&accepted.their_list().account_key())?;
        let session = accepted.session();
        if !self.takes_generation(session.generation(), now) || self.has_session(session.id()) {
            return Err(HandshakeError::Refused);
        }
        accepted.note_in(replays);
        let (accepted, beside, mut tags) = accepted.into_parts();
        let Accepted { session, received, .. } = accepted;
        let (id, generation) = (session.id(), session.generation());
        self.highest_generation = self.highest_generation.max(generation);
        self.account_key = Some(account_key);
        self.met = true;
        let mut rows: Vec<_> = beside.into_iter().map(|row| PeerRow::Beside(id, row)).collect();
        tags.extend(session.expected_tags().map(TagChange::Expected));
        let ordinal = self.add(session, &mut rows, &mut tags);
        let mut delivered = self.deliver(id, ordinal, received, now, &mut rows);
        delivered.answer = self.answer_to(id, generation, now);
        Ok(Unsaved::new(delivered, rows, tags))
    }

    /// Stops sending in a session; it still receives.
    pub fn give_up(&mut self, id: HandshakeId) -> Unsaved<(), PeerRow> {
        let mut rows = Vec::new();
        if let Some(session) = self.sessions.iter_mut().find(|session| session.id() == id) {
            session.give_up();
            rows.push(PeerRow::Session(id));
        }
        Unsaved::new((), rows, Vec::new())
    }

    /// Stops sending in all sessions; they still receive. Nothing can be sent before
    /// another one is initiated, or begun by the peer.
    pub fn give_up_all(&mut self) -> Unsaved<(), PeerRow> {
        let mut rows = Vec::new();
        for session in &mut self.sessions {
            session.give_up();
            rows.push(PeerRow::Session(session.id()));
        }
        Unsaved::new((), rows, Vec::new())
    }

    /// Begins anew with whoever has this address from now on: gives up all sessions, and
    /// takes the next account for the right one, be it another than before. Numbers stay:
    /// what was sent can be sent again.
    ///
    /// # Security
    ///
    /// For an app whose user has accepted the new identity, as after
    /// [`HandshakeError::OtherAccount`]. The sessions that are given up still receive, and
    /// what comes in them is of the account from before.
    pub fn forget_account(&mut self) -> Unsaved<(), PeerRow> {
        self.account_key = None;
        let ((), mut rows, tags) = self.give_up_all().into_parts();
        rows.push(PeerRow::Peer);
        Unsaved::new((), rows, tags)
    }

    /// Takes numbers out of [`Self::gaps`]: the peer says that it cannot send these. One
    /// that comes all the same is delivered if its number is still remembered.
    ///
    /// Gives what had to be given up because a range fell into two, and there are more
    /// than [`MAX_GAPS`](super::MAX_GAPS).
    pub fn close_gap(
        &mut self,
        numbers: std::ops::RangeInclusive<u64>,
    ) -> Unsaved<Vec<NumberReport>, PeerRow> {
        Unsaved::new(self.numbering.abandon(&numbers), vec![PeerRow::Peer], Vec::new())
    }

    /// Forgets what is older than 30 days: keys and tags, and sessions that do not
    /// send and were not used; but never the newest that the peer is known to have. To be
    /// called once a day or so.
    pub fn expire(&mut self, now: Timestamp) -> Unsaved<(), PeerRow> {
        let (mut rows, mut tags) = (Vec::new(), Vec::new());
        let sending = self.sending_session(now).map(Session::id);
        // Where the peer sends while it knows nothing of the session that we send in.
        let confirmed = self.sessions.iter().filter(|session| session.is_confirmed());
        let theirs = confirmed.max_by_key(|session| session.generation()).map(Session::id);
        // And where it sends if it has taken one that looks as if it would be refused.
        let highest = self.sessions.iter().max_by_key(|session| session.generation());
        let kept = [sending, theirs, highest.map(Session::id)];
        let old = |session: &Session| {
            !kept.contains(&Some(session.id())) && now.since(session.last_used_at()) > KEPT_TIME
        };
        while let Some(place) = self.sessions.iter().position(old) {
            self.drop_session(place, &mut rows, &mut tags);
        }
        for session in &mut self.sessions {
            let id = session.id();
            let ((), beside, gone) = session.expire(now).into_parts();
            rows.push(PeerRow::Session(id));
            rows.extend(beside.into_iter().map(|row| PeerRow::Beside(id, row)));
            tags.extend(gone);
        }
        Unsaved::new((), rows, tags)
    }

    /// A row as it is now, secret; `None` if it is to be deleted.
    #[must_use]
    pub fn row(&self, row: PeerRow) -> Option<Zeroizing<Vec<u8>>> {
        let session = |id| self.sessions.iter().find(|session| session.id() == id);
        match row {
            PeerRow::Peer => Some(self.record()),
            PeerRow::Session(id) => session(id).map(Session::record),
            PeerRow::Beside(id, row) => session(id)?.row(row),
            PeerRow::Sent(seq) => self.numbering.row(NumberRow::Sent(seq)),
            PeerRow::Received(seq) => self.numbering.row(NumberRow::Received(seq)),
        }
    }

    /// Adds a session, at the cost of the least useful one if there are too many.
    fn add(
        &mut self,
        mut session: Session,
        rows: &mut Vec<PeerRow>,
        tags: &mut Vec<TagChange>,
    ) -> u32 {
        let ordinal = self.next_ordinal;
        self.next_ordinal = self.next_ordinal.saturating_add(1);
        session.set_ordinal(ordinal);
        if self.sessions.len() >= MAX_SESSIONS {
            // Of what the peer may still send in, the newest stays longest.
            let use_of = |session: &Session| {
                (!session.is_given_up(), session.is_confirmed(), session.generation())
            };
            let least = (0..).zip(&self.sessions).min_by_key(|(_, session)| use_of(session));
            if let Some((place, _)) = least {
                self.drop_session(place, rows, tags);
            }
        }
        rows.extend([PeerRow::Peer, PeerRow::Session(session.id())]);
        self.sessions.push(session);
        ordinal
    }

    fn drop_session(&mut self, place: usize, rows: &mut Vec<PeerRow>, tags: &mut Vec<TagChange>) {
        let session = self.sessions.remove(place);
        let id = session.id();
        rows.extend([PeerRow::Peer, PeerRow::Session(id)]);
        rows.extend(session.row_keys().map(|row| PeerRow::Beside(id, row)));
        tags.extend(session.expected_tags().map(TagChange::Gone));
    }

    /// The session that sends: of those that are not given up, and confirmed or begun
    /// as a replacement, the one with the highest generation, then the smaller `AD`;
    /// without any, the newest own one.
    fn sending_place(&self, may: impl Fn(&Session) -> bool) -> Option<usize> {
        (0..)
            .zip(&self.sessions)
            .filter(|(_, session)| !session.is_given_up() && may(session))
            .max_by_key(|(_, session)| rank(session))
            .map(|(place, _)| place)
    }

    /// Names a generation above that of a session which the peer sends in, if ours is
    /// another one with none lower.
    fn answer_to(&self, session: HandshakeId, generation: u64, now: Timestamp) -> Option<Answer> {
        let sending = self.sending_session(now)?;
        if sending.id() == session || sending.generation() < generation {
            return None;
        }
        let ours = self.highest_generation.max(sending.generation());
        let above = ours.max(generation.saturating_add(1));
        Some(Answer { session, generation: above })
    }

    fn check_account(&self, key: &AccountKey) -> Result<[u8; 32], HandshakeError> {
        let key = *key.as_bytes();
        match self.account_key {
            Some(known) if known != key => Err(HandshakeError::OtherAccount),
            _ => Ok(key),
        }
    }

    fn takes_generation(&self, generation: u64, now: Timestamp) -> bool {
        if !self.met {
            return generation < FIRST_GENERATION_LIMIT;
        }
        generation <= self.highest_plausible(now)
    }

    fn highest_plausible(&self, now: Timestamp) -> u64 {
        self.highest_generation.max(now.as_secs()).saturating_add(GENERATION_JUMP)
    }

    /// Whether the peer may have taken a session: not if a clock that was ahead has begun
    /// it.
    fn is_plausible(&self, session: &Session, now: Timestamp) -> bool {
        session.is_confirmed() || session.generation() <= self.highest_plausible(now)
    }

    fn deliver(
        &mut self,
        session: HandshakeId,
        ordinal: u32,
        received: Received,
        now: Timestamp,
        rows: &mut Vec<PeerRow>,
    ) -> Delivered {
        let Received { content, seq, last, seen, view, lost, peer_rolled_back } = received;
        let id = match &content {
            Content::Message { id, plaintext: _ } => Some(*id),
            _ => None,
        };
        let numbered = self.numbering.arrived(Arrived {
            numbered: id.filter(|_| seq != 0).map(|id| (seq, id)),
            last,
            seen,
            session: ordinal,
            newest_session: self.next_ordinal.saturating_sub(1),
        });
        let mut initiate_again = false;
        if let Content::Control(Control::HighestGeneration(generation)) = &content
            && *generation > self.highest_generation
            && self.takes_generation(*generation, now)
        {
            self.highest_generation = *generation;
            self.met = true;
            initiate_again = true;
        }
        rows.push(PeerRow::Peer);
        rows.extend(numbered.rows.into_iter().map(PeerRow::from));
        Delivered {
            session,
            content,
            seq,
            repeated: numbered.repeated,
            seen,
            view,
            numbers: numbered.reports,
            lost,
            peer_rolled_back,
            answer: None,
            initiate_again,
        }
    }
}

/// What decides between sessions: the highest sends.
fn rank(session: &Session) -> (bool, u64, Reverse<[u8; 32]>) {
    (
        session.is_confirmed() || session.is_replacement(),
        session.generation(),
        Reverse(*session.associated_data()),
    )
}
