//! A chain that another device sends in (SPEC.md, sections 14.5 and 14.6).

use std::collections::BTreeMap;
use std::fmt;

use super::header::{Header, MessageHead, start_of, unmask};
use super::iteration::Iteration;
use super::missing::Missing;
use super::names::{Names, covered};
use super::verification::{Unverified, Verified};
use super::{DecryptError, MAX_CHAIN_AGE, MAX_CHAIN_LEN, SenderKeyError};
use crate::address::Address;
use crate::crypto::{Secret, SecretBytes, Signature, VerifyingKey, open};
use crate::group::{GroupId, Head};
use crate::identity::View;
use crate::ratchet::{Chain, HeaderKey, MessageKey, ReceivingChain as Ahead, Saved, nonce};
use crate::session::{self, Content, KEPT_TIME, Tag, TagChange, Unsaved};
use crate::timestamp::Timestamp;
use crate::wire::{
    ChainId, DecodeError, GroupMessage, Payload, Replaced, SenderKeyDistribution, unpad,
};

/// What can be seen of a message before its roster is known. Not authenticated: any member
/// who has the chain could have made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// Its number in its chain.
    pub iteration: u32,
    /// The first half of the roster's head that it goes by: look the whole of it up.
    pub roster: [u8; 16],
}

/// A message that has opened.
#[derive(Debug, Clone)]
pub struct Received {
    /// What it said; never a control message.
    pub content: Content,
    /// Which device list of its own the sender goes by; says nothing if the content is
    /// malformed.
    pub view: View,
    /// Which state of the roster the sender goes by.
    pub roster: Head,
    /// Its number in its chain.
    pub iteration: u32,
    /// How many messages before it are missing since: they may come, and can be asked for.
    pub passed_over: u32,
}

/// What the end of a chain shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// How many messages at the end are missing: they may come, and can be asked for.
    pub passed_over: u32,
    /// The sender says that it had fewer messages than were received.
    pub sender_rolled_back: bool,
}

/// A chain that another device sends in to a group.
///
/// ```text
///  accept --> open --close, when another has replaced it--> closed --30 days--> is over
/// ```
///
/// Every step gives an [`Unsaved`]: write [`Self::record`] and the rows it names, then
/// take what it holds. A step that fails has changed nothing.
pub struct ReceivingChain {
    pub(super) names: Names,
    pub(super) associated_data: [u8; 32],
    pub(super) verifying_key: VerifyingKey,
    pub(super) header_seed: Secret<32>,
    /// The sender's chain before.
    pub(super) replaced: Option<Replaced>,
    pub(super) state: State,
    /// When another chain of the sender's came.
    pub(super) superseded_at: Option<Timestamp>,
    /// What came before the chain was handed over.
    pub(super) first: u32,
    pub(super) missing: Missing,
    /// The rows that changed since the chain was loaded; `None`: deleted.
    pub(super) rows: BTreeMap<u32, Option<Iteration>>,
    pub(super) saved: Saved<u32>,
}

/// Whether more may come at the end.
pub(super) enum State {
    Open(Ahead),
    Closed { header_key: HeaderKey, length: u32, at: Timestamp },
}

/// Where the key of a message is.
enum Place {
    Missing,
    Ahead,
}

impl ReceivingChain {
    /// The chain that was handed over by `sender`, in whose session it came. Save it, and
    /// only then answer with [`SenderKeyDistribution::acknowledgement`].
    ///
    /// # Errors
    ///
    /// [`SenderKeyError`]: do not acknowledge it.
    ///
    /// # Security
    ///
    /// `sender` must be what the session proves, and a device of a member's; nothing in
    /// the distribution says who it is from.
    pub fn accept(
        distribution: &SenderKeyDistribution,
        sender: Address,
    ) -> Result<Self, SenderKeyError> {
        let SenderKeyDistribution {
            group_id,
            chain_id,
            chain_key,
            header_seed,
            verifying_key,
            iteration,
            replaced,
            missed: _,
            replaced_missed: _,
            ended: _,
            lost_before: _,
        } = distribution;
        if *iteration > MAX_CHAIN_LEN {
            return Err(SenderKeyError::TooFar);
        }
        let verifying_key =
            VerifyingKey::from_bytes(verifying_key).map_err(|_| SenderKeyError::InvalidKey)?;
        let group_id = GroupId::from_bytes(*group_id);
        let names = Names { group_id, sender, chain_id: *chain_id };
        let chain = Chain { key: chain_key.duplicate(), next: *iteration };
        let state = State::Open(Ahead::new(chain, names.header_key(header_seed)));
        let header_seed = header_seed.duplicate();
        Ok(Self {
            associated_data: names.associated_data(),
            names,
            verifying_key,
            header_seed,
            replaced: *replaced,
            state,
            superseded_at: None,
            first: *iteration,
            missing: Missing::none(),
            rows: BTreeMap::new(),
            saved: Saved::default(),
        })
    }

    /// Whether a chain that is handed over is this one, later or earlier. Then nothing
    /// changes: acknowledge it again.
    ///
    /// # Errors
    ///
    /// [`SenderKeyError::OtherKeys`] if it has this one's id, and other keys: keep this
    /// one, do not acknowledge.
    pub fn is_of(
        &self,
        distribution: &SenderKeyDistribution,
        sender: &Address,
    ) -> Result<bool, SenderKeyError> {
        let Names { group_id, sender: our_sender, chain_id } = &self.names;
        let named = (&distribution.group_id, sender, &distribution.chain_id);
        if named != (group_id.as_bytes(), our_sender, chain_id) {
            return Ok(false);
        }
        let same = distribution.verifying_key == *self.verifying_key.as_bytes()
            && distribution.header_seed.matches(self.header_seed.expose());
        if same { Ok(true) } else { Err(SenderKeyError::OtherKeys) }
    }

    /// What a message says of itself: with it the caller looks up the roster's whole head,
    /// for [`Self::decrypt`]. Changes nothing, opens nothing.
    ///
    /// # Errors
    ///
    /// [`DecryptError::Unknown`] if it is of another chain; [`DecryptError`] says what to
    /// do with those of this one that cannot be opened whatever the roster.
    pub fn peek(&self, message: &GroupMessage) -> Result<Peek, DecryptError> {
        let (_, Header { iteration, roster }) = self.recognise(message)?;
        Ok(Peek { iteration, roster })
    }

    /// The first step of three, for those who verify many messages together: what is to be
    /// verified. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::peek`], and [`DecryptError::OtherRoster`].
    pub fn prepare<'a>(
        &self,
        message: &'a GroupMessage,
        roster: &Head,
    ) -> Result<Unverified<'a>, DecryptError> {
        let (head, header) = self.recognise(message)?;
        if header.roster != start_of(roster) {
            return Err(DecryptError::OtherRoster);
        }
        let associated_data = self.associated_data;
        let covered = covered(&associated_data, roster, &head, &header);
        Ok(Unverified {
            message: Verified { message, head, header, roster: *roster, associated_data },
            key: self.verifying_key,
            signed: [covered.as_slice(), &message.sealed].concat(),
            signature: Signature::from_bytes(&message.signature),
        })
    }

    /// Decrypts a message: [`Self::prepare`], [`Unverified::verify`], [`Self::open`].
    ///
    /// # Errors
    ///
    /// [`DecryptError`], each saying what to do. Nothing has changed: [`Self::record`]
    /// gives the same bytes as before.
    pub fn decrypt(
        &mut self,
        message: &GroupMessage,
        roster: &Head,
        now: Timestamp,
    ) -> Result<Unsaved<Received, u32>, DecryptError> {
        let verified = self.prepare(message, roster)?.verify()?;
        self.open(verified, now)
    }

    /// The last step of three: opens what has been verified.
    ///
    /// # Errors
    ///
    /// As [`Self::decrypt`]: since the first step, the same message may have been opened.
    pub fn open(
        &mut self,
        verified: Verified<'_>,
        now: Timestamp,
    ) -> Result<Unsaved<Received, u32>, DecryptError> {
        if verified.associated_data != self.associated_data {
            return Err(DecryptError::Unknown);
        }
        let iteration = verified.header.iteration;
        let (payload, advance) = match self.place_of(iteration, &verified.head)? {
            Place::Missing => (self.open_missing(&verified)?, None),
            Place::Ahead => {
                let State::Open(ahead) = &self.state else {
                    return Err(DecryptError::SenderRolledBack);
                };
                let passed = PassedOver::to(&ahead.chain, iteration);
                let (message_key, chain) = passed.chain.step();
                let payload = unseal(&message_key, &verified)?;
                (payload, Some((passed.keys, chain)))
            }
        };
        // From here on the message is the sender's own: whatever it says, its key is used up.
        let payload =
            unpad(&payload).ok_or(DecodeError::Malformed("padding")).and_then(Payload::decode);
        let (said, _) = session::Received::from_payload(payload);
        let content = match said.content {
            Content::Control(_) => Content::Malformed(DecodeError::Malformed("payload")),
            content => content,
        };
        let mut log = Log::default();
        let passed_over = match advance {
            None => {
                self.missing.remove(iteration);
                log.tags.push(TagChange::Gone(verified.head.tag));
                0
            }
            Some((keys, chain)) => self.advance(keys, chain, verified.head.tag, now, &mut log),
        };
        self.set(iteration, Some(Iteration::Opened { salt: verified.head.salt }), &mut log);
        let received =
            Received { content, view: said.view, roster: verified.roster, iteration, passed_over };
        Ok(Unsaved::new(received, log.rows, log.tags))
    }

    /// The header of a message of this chain, if that may be opened.
    fn recognise(&self, message: &GroupMessage) -> Result<(MessageHead, Header), DecryptError> {
        let head = MessageHead::from_bytes(&message.head);
        let header = unmask(self.header_key(), &head);
        let ahead = match &self.state {
            State::Open(ahead) => ahead.number_of(head.tag),
            State::Closed { .. } => None,
        };
        match ahead {
            Some(iteration) if iteration != header.iteration => {
                return Err(DecryptError::NotOpened);
            }
            None if self.header_key().tag(header.iteration) != head.tag => {
                return Err(DecryptError::Unknown);
            }
            _ => {}
        }
        match self.place_of(header.iteration, &head) {
            // That it is the sender who used the number again, the signature must show.
            Ok(_) | Err(DecryptError::SenderRolledBack) => Ok((head, header)),
            Err(error) => Err(error),
        }
    }

    /// Where the key of a message is that has this number and head.
    fn place_of(&self, iteration: u32, head: &MessageHead) -> Result<Place, DecryptError> {
        if iteration >= MAX_CHAIN_LEN {
            return Err(DecryptError::TooFarAhead);
        }
        if iteration >= self.next() {
            return match self.state {
                State::Open(_) => Ok(Place::Ahead),
                State::Closed { .. } => Err(DecryptError::SenderRolledBack),
            };
        }
        if self.missing.contains(iteration) {
            return Ok(Place::Missing);
        }
        let used = self.with_row(iteration, |row| match row {
            Iteration::Opened { salt } => Some(*salt == head.salt),
            Iteration::Missing { .. } => None,
        });
        Err(match used.flatten() {
            Some(true) => DecryptError::Duplicate,
            Some(false) => DecryptError::SenderRolledBack,
            None => DecryptError::KeyGone,
        })
    }

    fn open_missing(&self, verified: &Verified<'_>) -> Result<SecretBytes, DecryptError> {
        let opened = self.with_row(verified.header.iteration, |row| match row {
            Iteration::Missing { message_key, at: _ } => Some(unseal(message_key, verified)),
            Iteration::Opened { .. } => None,
        });
        opened.flatten().ok_or(DecryptError::KeyGone)?
    }

    /// Moves the chain on to `chain`, behind the message with this tag; says how many were
    /// passed over.
    fn advance(
        &mut self,
        keys: Vec<(u32, MessageKey)>,
        chain: Chain,
        tag: Tag,
        now: Timestamp,
        log: &mut Log,
    ) -> u32 {
        let State::Open(ahead) = &mut self.state else { return 0 };
        if keys.is_empty() {
            log.tags.push(TagChange::Gone(tag));
            ahead.advance(chain, |tag| log.tags.push(TagChange::Expected(tag)));
        } else {
            log.tags.extend(ahead.tags().map(TagChange::Gone));
            ahead.advance(chain, |_| {});
            log.tags.extend(ahead.tags().map(TagChange::Expected));
        }
        self.keep(keys, now, log)
    }

    /// Keeps the keys of what is missing; says how many they are.
    fn keep(&mut self, keys: Vec<(u32, MessageKey)>, now: Timestamp, log: &mut Log) -> u32 {
        let mut count = 0;
        for (iteration, message_key) in keys {
            log.tags.push(TagChange::Expected(self.header_key().tag(iteration)));
            self.missing.insert(iteration);
            self.set(iteration, Some(Iteration::Missing { message_key, at: now }), log);
            count += 1;
        }
        count
    }

    /// Ends the chain: the sender has replaced it, after so many messages
    /// ([`SenderKeyDistribution::replaced`]). What has not come of it may still come; its
    /// key is gone.
    pub fn close(&mut self, length: u32, now: Timestamp) -> Unsaved<Closed, u32> {
        let mut log = Log::default();
        let length = length.min(MAX_CHAIN_LEN);
        let mut closed = Closed { passed_over: 0, sender_rolled_back: length < self.next() };
        if let State::Open(ahead) = &self.state {
            log.tags.extend(ahead.tags().map(TagChange::Gone));
            let passed = PassedOver::to(&ahead.chain, length);
            let header_key = self.names.header_key(&self.header_seed);
            self.state = State::Closed { header_key, length: passed.chain.next, at: now };
            closed.passed_over = self.keep(passed.keys, now, &mut log);
        }
        Unsaved::new(closed, log.rows, log.tags)
    }

    /// Forgets the keys of what has been missing for more than 30 days; says how many. To
    /// be called daily.
    pub fn expire(&mut self, now: Timestamp) -> Unsaved<u32, u32> {
        let mut log = Log::default();
        let (mut over, mut ahead_of_time) = (Vec::new(), Vec::new());
        for iteration in self.missing.iter() {
            let at = self.with_row(iteration, |row| match row {
                Iteration::Missing { at, .. } => Some(*at),
                Iteration::Opened { .. } => None,
            });
            match at.flatten() {
                None => over.push(iteration),
                // By a clock that was wrong: goes with the next one.
                Some(at) if at > now => ahead_of_time.push(iteration),
                Some(at) if now.since(at) > KEPT_TIME => {
                    over.append(&mut ahead_of_time);
                    over.push(iteration);
                }
                Some(_) => break,
            }
        }
        let mut count = 0;
        for iteration in over {
            self.forget(iteration, &mut log);
            count += 1;
        }
        Unsaved::new(count, log.rows, log.tags)
    }

    /// Forgets the key of a message that is missing no more: it came another way, or is
    /// given up.
    pub fn give_up(&mut self, iteration: u32) -> Unsaved<(), u32> {
        let mut log = Log::default();
        if self.missing.contains(iteration) {
            self.forget(iteration, &mut log);
        }
        Unsaved::new((), log.rows, log.tags)
    }

    fn forget(&mut self, iteration: u32, log: &mut Log) {
        log.tags.push(TagChange::Gone(self.header_key().tag(iteration)));
        self.missing.remove(iteration);
        self.set(iteration, None, log);
    }

    /// Notes that another chain of the sender's has come: if nobody closes this one, because
    /// the one that replaced it never came, it is over after a time too. Gives whether that
    /// changed anything.
    pub(super) fn supersede(&mut self, now: Timestamp) -> bool {
        let changes = matches!(self.state, State::Open(_)) && self.superseded_at.is_none();
        if changes {
            self.superseded_at = Some(now);
        }
        changes
    }

    /// Whether nothing comes of the chain any more: it was closed more than 30 days ago, or
    /// another came so long ago that the sender has replaced this one, and 30 days. To be
    /// deleted, with [`Self::row_keys`], as [`SenderChains`](super::SenderChains) does.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let over = |at: Option<Timestamp>, span| at.is_some_and(|at| now.since(at) > span);
        over(self.closed_at(), KEPT_TIME) || over(self.superseded_at, MAX_CHAIN_AGE + KEPT_TIME)
    }

    /// When it was closed, or another came.
    pub(super) fn left_at(&self) -> Option<Timestamp> {
        self.closed_at().or(self.superseded_at)
    }

    /// When it was closed.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Open(_) => None,
            State::Closed { at, .. } => Some(*at),
        }
    }

    /// The group.
    #[must_use]
    pub fn group_id(&self) -> &GroupId {
        &self.names.group_id
    }

    /// Who sends in it.
    #[must_use]
    pub fn sender(&self) -> &Address {
        &self.names.sender
    }

    /// Names the chain.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.names.chain_id
    }

    /// The chain that it replaces, and how many messages that one had.
    #[must_use]
    pub fn replaced(&self) -> Option<Replaced> {
        self.replaced
    }

    /// The number that a message of this chain says it has, also if it cannot be opened any
    /// more: by it, it can be asked for.
    #[must_use]
    pub fn claimed_iteration(&self, message: &GroupMessage) -> Option<u32> {
        let head = MessageHead::from_bytes(&message.head);
        let Header { iteration, .. } = unmask(self.header_key(), &head);
        (self.header_key().tag(iteration) == head.tag).then_some(iteration)
    }

    /// Whether this is a message of this chain, whatever becomes of it.
    #[must_use]
    pub fn recognises(&self, message: &GroupMessage) -> bool {
        !matches!(self.recognise(message), Err(DecryptError::Unknown))
    }

    /// The number behind the highest that has opened, or, of a chain that is closed, the
    /// number of its messages.
    #[must_use]
    pub fn next(&self) -> u32 {
        match &self.state {
            State::Open(ahead) => ahead.chain.next,
            State::Closed { length, .. } => *length,
        }
    }

    /// The iteration with which it was handed over: nothing before it opens.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The numbers of what has not come and may still.
    pub fn missing(&self) -> impl Iterator<Item = u32> {
        self.missing.iter()
    }

    /// All tags that messages of this chain may come with, for a
    /// [`TagTable`](crate::session::TagTable).
    pub fn expected_tags(&self) -> impl Iterator<Item = Tag> {
        let ahead = match &self.state {
            State::Open(ahead) => ahead.tags().as_slice(),
            State::Closed { .. } => &[],
        };
        let missing = self.missing.iter().map(|iteration| self.header_key().tag(iteration));
        ahead.iter().copied().chain(missing)
    }

    /// The tag of the message with this number, if it has opened.
    pub(super) fn used_tag(&self, iteration: u32) -> Option<Tag> {
        let opened = self.with_row(iteration, |row| matches!(row, Iteration::Opened { .. }));
        (opened == Some(true)).then(|| self.header_key().tag(iteration))
    }

    /// The tags of all that came, and of what was given up.
    pub(super) fn former_tags(&self) -> impl Iterator<Item = Tag> {
        let former = (self.first..self.next()).filter(|number| !self.missing.contains(*number));
        former.map(|iteration| self.header_key().tag(iteration))
    }

    pub(super) fn header_key(&self) -> &HeaderKey {
        match &self.state {
            State::Open(ahead) => &ahead.header_key,
            State::Closed { header_key, .. } => header_key,
        }
    }

    /// What is kept of a number, at hand or not. A damaged row is one that is not there.
    pub(super) fn with_row<T>(
        &self,
        iteration: u32,
        read: impl FnOnce(&Iteration) -> T,
    ) -> Option<T> {
        if let Some(row) = self.rows.get(&iteration) {
            return row.as_ref().map(read);
        }
        let row = self.saved.row(iteration)?;
        Iteration::decode(&row).ok().as_ref().map(read)
    }

    fn set(&mut self, iteration: u32, row: Option<Iteration>, log: &mut Log) {
        self.rows.insert(iteration, row);
        log.rows.push(iteration);
    }
}

/// What a step changed beside the chain's record.
#[derive(Default)]
struct Log {
    rows: Vec<u32>,
    tags: Vec<TagChange>,
}

/// A chain after a jump, and the keys of what was passed over.
struct PassedOver {
    chain: Chain,
    keys: Vec<(u32, MessageKey)>,
}

impl PassedOver {
    /// Steps to the number `end`, or not at all if that is behind.
    fn to(chain: &Chain, end: u32) -> Self {
        let mut chain = Chain { key: chain.key.duplicate(), next: chain.next };
        let mut keys = Vec::new();
        while chain.next < end {
            let (message_key, next) = chain.step();
            keys.push((chain.next, message_key));
            chain = next;
        }
        Self { chain, keys }
    }
}

fn unseal(key: &MessageKey, verified: &Verified<'_>) -> Result<SecretBytes, DecryptError> {
    let Verified { message, head, header, roster, associated_data } = verified;
    let covered = covered(associated_data, roster, head, header);
    key.with_salted(&head.salt, |key| open(key, &nonce(&head.salt), &covered, &message.sealed))
        .map_err(|_| DecryptError::NotOpened)
}

impl fmt::Debug for ReceivingChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivingChain")
            .field("names", &self.names)
            .field("next", &self.next())
            .field("closed_at", &self.closed_at())
            .finish_non_exhaustive()
    }
}
