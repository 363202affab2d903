//! Which sessions there are with a device: which are taken and kept, and which of them sends
//! (SPEC.md, section 5.6).

use std::cmp::Reverse;

use super::delivered::Answer;
use super::peer::Peer;
use super::session::Session;
use super::{PeerRow, Unsaved};
use crate::handshake::{HandshakeError, HandshakeId};
use crate::identity::AccountKey;
use crate::ratchet::{KEPT_TIME, TagChange};
use crate::timestamp::Timestamp;

/// The most sessions kept with one device.
///
/// Two cross in practice, a few more when a device is restored again and again;
/// each is some kilobytes.
pub const MAX_SESSIONS: usize = 8;

/// The highest generation that is taken on first contact: a time in the year 2514.
const FIRST_GENERATION_LIMIT: u64 = 1 << 34;

/// How far above everything known a generation may be: half a year in seconds.
const GENERATION_JUMP: u64 = 1 << 24;

impl Peer {
    /// The session that a message goes into at this time: of those that the peer would
    /// refuse, one only if there is no other.
    #[must_use]
    pub fn sending_session(&self, now: Timestamp) -> Option<&Session> {
        let place = self.sending_place(|session| self.is_plausible(session, now));
        self.sessions.get(place.or_else(|| self.sending_place(|_| true))?)
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

    /// Ends the first chains that a clock has begun which was ahead by more than such a chain
    /// lasts: when that time comes, they would seem to be new. To be called once a day or so,
    /// when the clock is right.
    pub fn end_what_was_begun_ahead(&mut self, now: Timestamp) -> Unsaved<(), PeerRow> {
        let ahead = self.sessions.iter_mut().filter_map(|session| {
            session.end_if_begun_ahead(now).then(|| PeerRow::Session(session.id()))
        });
        Unsaved::new((), ahead.collect(), Vec::new())
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

    /// Forgets what is older than 30 days: keys and tags, and sessions that do not
    /// send and were not used; but never the newest that the peer is known to have, nor what
    /// is newer. To be called once a day or so, in the place of
    /// [`end_what_was_begun_ahead`](Self::end_what_was_begun_ahead), when the clock has been right for 30
    /// days.
    pub fn expire(&mut self, now: Timestamp) -> Unsaved<(), PeerRow> {
        let ((), mut rows, mut tags) = self.end_what_was_begun_ahead(now).into_parts();
        let sending = self.sending_session(now).map(Session::id);
        // Where the peer sends while it knows nothing of the session that we send in: in this
        // one, or in any after it of which it has not said anything.
        let confirmed = self.sessions.iter().filter(|session| session.is_confirmed());
        let theirs = confirmed.map(Session::generation).max();
        let old = |session: &Session| {
            Some(session.id()) != sending
                && Some(session.generation()) < theirs
                && now.since(session.last_used_at()) > KEPT_TIME
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

    /// Adds a session, at the cost of the least useful one if there are too many.
    pub(super) fn add(
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

    pub(super) fn drop_session(
        &mut self,
        place: usize,
        rows: &mut Vec<PeerRow>,
        tags: &mut Vec<TagChange>,
    ) {
        let session = self.sessions.remove(place);
        let id = session.id();
        rows.extend([PeerRow::Peer, PeerRow::Session(id)]);
        rows.extend(session.row_keys().map(|row| PeerRow::Beside(id, row)));
        tags.extend(session.expected_tags().map(TagChange::Gone));
    }

    /// The session that sends: of those that are not given up, and confirmed or begun
    /// as a replacement, the one with the highest generation, then the smaller `AD`;
    /// without any, the newest own one.
    pub(super) fn sending_place(&self, may: impl Fn(&Session) -> bool) -> Option<usize> {
        (0..)
            .zip(&self.sessions)
            .filter(|(_, session)| !session.is_given_up() && may(session))
            .max_by_key(|(_, session)| rank(session))
            .map(|(place, _)| place)
    }

    /// Names a generation above that of a session which the peer sends in, if ours is
    /// another one with none lower.
    pub(super) fn answer_to(
        &self,
        session: HandshakeId,
        generation: u64,
        now: Timestamp,
    ) -> Option<Answer> {
        let sending = self.sending_session(now)?;
        if sending.id() == session || sending.generation() < generation {
            return None;
        }
        let ours = self.highest_generation.max(sending.generation());
        let above = ours.max(generation.saturating_add(1));
        Some(Answer { session, generation: above })
    }

    pub(super) fn check_account(&self, key: &AccountKey) -> Result<[u8; 32], HandshakeError> {
        let key = *key.as_bytes();
        match self.account_key {
            Some(known) if known != key => Err(HandshakeError::OtherAccount),
            _ => Ok(key),
        }
    }

    pub(super) fn takes_generation(&self, generation: u64, now: Timestamp) -> bool {
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
    pub(super) fn is_plausible(&self, session: &Session, now: Timestamp) -> bool {
        session.is_confirmed() || session.generation() <= self.highest_plausible(now)
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
