//! Everything between this device and one other: sessions, and the numbers that run across
//! them (SPEC.md, sections 5.6 and 7.3). Which of the sessions are kept, and which sends, is in
//! `peer_sessions.rs`.

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
use crate::identity::{Device, DeviceList, View};
use crate::ratchet::{KEPT_TIME, TagChange};
use crate::timestamp::Timestamp;
use crate::wire::{Control, Envelope};

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
