//! One session with one device: handshake, ratchet, padding and payload put
//! together (SPEC.md, sections 5 to 7).

use std::fmt;
use std::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::padding;
use super::payload::{Outgoing, Received};
use super::{DecryptError, EncryptError, Rows, Unsaved};
use crate::address::Address;
use crate::handshake::{HandshakeError, HandshakeId, Initiated, PrekeyId, ReplayRecord, Responded};
use crate::identity::DeviceList;
use crate::ratchet::{Head, Log, OpenError, Ratchet, Recognised, RowKey, Saved, SendError, Tag};
use crate::timestamp::Timestamp;
use crate::wire::{
    DecodeError, Envelope, Handshake, Message, Payload, append_shards, pad, stored, unpad,
};

/// How long after its bundle was fetched an initiator uses a first chain.
///
/// The signed prekey behind it is kept 30 days after it was replaced; two weeks leave
/// the message as much again to arrive.
pub const FIRST_CHAIN_LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// An encrypted conversation between two devices.
///
/// ```text
///  Initiated --> unconfirmed --something of the peer's opens--> confirmed
///  Responded + its first message ------------------------------> confirmed
/// ```
///
/// Every step gives an [`Unsaved`]: write [`Session::record`] and the rows it names,
/// then take what it holds. A step that fails has changed nothing.
///
/// # Security
///
/// A session must have one owner: two copies that both send look like a device that
/// was rolled back, and are reported as such by the peer.
pub struct Session {
    id: HandshakeId,
    we_initiated: bool,
    with_one_time_prekey: bool,
    generation: u64,
    created_at: Timestamp,
    last_used_at: Timestamp,
    /// Goes along until something of the peer's has opened.
    pending: Option<Pending>,
    given_up: bool,
    /// Begun by us when there was another one with that device.
    replacement: bool,
    /// The how-manieth session with that device this is.
    ordinal: u32,
    pub(super) ratchet: Ratchet,
}

/// An envelope, with what names it to the receiver.
pub(super) struct Sealed {
    pub(super) envelope: Vec<u8>,
    pub(super) tag: [u8; 8],
    pub(super) salt: [u8; 8],
    /// That of the handshake in front.
    pub(super) ephemeral: Option<[u8; 32]>,
}

struct Pending {
    handshake: Handshake,
    bundle_fetched_at: Timestamp,
}

/// A session that a stranger's first message made, with that message.
///
/// Save the session, what the message was, and the spent prekey's end in one write.
#[derive(Debug)]
pub struct Accepted {
    /// The new session.
    pub session: Session,
    /// The message.
    pub received: Received,
    /// Who made it, as the keys prove.
    pub sender: Address,
    /// The sender's device list, verified; to be compared with the one that is known.
    pub their_list: DeviceList,
    /// The one-time prekey that was used: to be deleted.
    pub spent: Option<PrekeyId>,
    ephemeral: [u8; 32],
}

/// What belongs into the same write as the session's record.
impl Unsaved<Accepted> {
    /// The new session, for its record and rows.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.value().session
    }

    /// Who made it, as the keys prove.
    #[must_use]
    pub fn sender(&self) -> &Address {
        &self.value().sender
    }

    /// The sender's device list, verified; to be compared with the one that is known.
    #[must_use]
    pub fn their_list(&self) -> &DeviceList {
        &self.value().their_list
    }

    /// The one-time prekey that was used: to be deleted.
    #[must_use]
    pub fn spent(&self) -> Option<PrekeyId> {
        self.value().spent
    }

    /// Notes the handshake in the record of its signed prekey, so that it is never
    /// answered again.
    pub fn note_in(&self, replays: &mut ReplayRecord) {
        let Accepted { session, spent, ephemeral, .. } = self.value();
        if spent.is_none() {
            replays.insert(*ephemeral, session.id);
        }
    }
}

impl Session {
    /// The initiator's session; its first messages carry the handshake.
    #[must_use]
    pub fn initiate(initiated: Initiated, now: Timestamp) -> Self {
        let Initiated {
            handshake,
            id,
            keys,
            their_ratchet_key,
            generation,
            with_one_time_prekey,
            bundle_fetched_at,
        } = initiated;
        Self {
            id,
            we_initiated: true,
            with_one_time_prekey,
            generation,
            created_at: now,
            last_used_at: now,
            pending: Some(Pending { handshake, bundle_fetched_at }),
            given_up: false,
            replacement: false,
            ordinal: 0,
            ratchet: Ratchet::initiator(keys, their_ratchet_key),
        }
    }

    /// The responder's session, if the message behind the handshake opens in it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Refused`]: forged or damaged. Nothing of it may be kept.
    pub fn accept(
        responded: Responded,
        message: &Message,
        now: Timestamp,
    ) -> Result<Unsaved<Accepted>, HandshakeError> {
        let Responded {
            id,
            ephemeral,
            keys,
            ratchet_key,
            prekeys,
            their_list,
            their_address,
            generation,
        } = responded;
        let mut session = Self {
            id,
            we_initiated: false,
            with_one_time_prekey: prekeys.one_time.is_some(),
            generation,
            created_at: now,
            last_used_at: now,
            pending: None,
            given_up: false,
            replacement: false,
            ordinal: 0,
            ratchet: Ratchet::responder(keys, ratchet_key),
        };
        let opened = session.decrypt(message, now).map_err(|_| HandshakeError::Refused)?;
        let (received, rows, tags) = opened.into_parts();
        let accepted = Accepted {
            session,
            received,
            sender: their_address,
            their_list,
            spent: prekeys.one_time,
            ephemeral,
        };
        Ok(Unsaved::new(accepted, rows, tags))
    }

    /// Encrypts one message into an envelope.
    ///
    /// # Errors
    ///
    /// [`EncryptError`], each saying what to do. Nothing has changed.
    pub fn encrypt(
        &mut self,
        outgoing: &Outgoing<'_>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Vec<u8>>, EncryptError> {
        let (sealed, rows, tags) = self.seal(outgoing, now, rng)?.into_parts();
        Ok(Unsaved::new(sealed.envelope, rows, tags))
    }

    /// As [`Self::encrypt`], with what names the envelope to the receiver.
    pub(super) fn seal(
        &mut self,
        outgoing: &Outgoing<'_>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Sealed>, EncryptError> {
        outgoing.check()?;
        if self.is_first_chain_over(now) {
            return Err(EncryptError::FirstChainExpired);
        }
        let mut log = Log::default();
        self.ratchet.prepare_send(&mut log, rng).map_err(|error| match error {
            SendError::ChainFull => EncryptError::ChainFull,
            SendError::NoPeerKey => EncryptError::NoPeerKey,
        })?;
        let mut payload = outgoing.to_payload().encode(padding::padded_len);
        let padded = padding::padded_len(payload.len());
        let shards = self.ratchet.shards(padding::shards_that_fit(payload.len(), padded));
        append_shards(&mut payload, &shards);
        pad(&mut payload, padded);
        let (head, sealed) = self.ratchet.seal(&payload, rng).ok_or(EncryptError::NoPeerKey)?;
        let message = Message { head: head.to_bytes(), sealed };
        let ephemeral = self.pending.as_ref().map(|pending| *pending.handshake.ephemeral());
        let envelope = match &self.pending {
            None => Envelope::Message(message),
            Some(pending) => {
                Envelope::FirstMessage { handshake: pending.handshake.clone(), message }
            }
        };
        self.last_used_at = now;
        let sealed = Sealed {
            envelope: envelope.encode(),
            tag: head.tag.to_bytes(),
            salt: head.salt,
            ephemeral,
        };
        Ok(Unsaved::new(sealed, log.rows, log.tags))
    }

    /// Decrypts a message.
    ///
    /// # Errors
    ///
    /// [`DecryptError`], each saying what to do. Nothing has changed:
    /// [`Session::record`] gives the same bytes as before.
    pub fn decrypt(
        &mut self,
        message: &Message,
        now: Timestamp,
    ) -> Result<Unsaved<Received>, DecryptError> {
        let head = Head::from_bytes(&message.head);
        let recognised = self.ratchet.recognise(&head);
        match recognised {
            Recognised::Unknown => return Err(DecryptError::Unknown),
            Recognised::Duplicate => return Err(DecryptError::Duplicate),
            Recognised::PeerRolledBack => return Err(DecryptError::PeerRolledBack),
            Recognised::KeyGone => return Err(DecryptError::KeyGone),
            Recognised::Altered => return Err(DecryptError::NotOpened),
            Recognised::Skipped(_) | Recognised::Current(_) | Recognised::Next(_) => {}
        }
        let opened = self.ratchet.open(recognised, &head, &message.sealed, now).map_err(
            |error| match error {
                OpenError::TooFarAhead => DecryptError::TooFarAhead,
                OpenError::NotOpened => DecryptError::NotOpened,
            },
        )?;
        let (padded, step) = opened.into_parts();
        // From here on the message is the peer's own: whatever it says, its key is used up.
        let payload =
            unpad(&padded).ok_or(DecodeError::Malformed("padding")).and_then(Payload::decode);
        let (mut received, shards) = Received::from_payload(payload);
        let mut log = Log::default();
        let applied = self.ratchet.apply(step, &shards, now, &mut log);
        self.pending = None;
        self.last_used_at = now;
        received.lost = applied.lost;
        received.peer_rolled_back = applied.peer_rolled_back;
        Ok(Unsaved::new(received, log.rows, log.tags))
    }

    /// Forgets used tags and skipped keys older than 30 days. To be called now and
    /// then on sessions that receive nothing.
    pub fn expire(&mut self, now: Timestamp) -> Unsaved<()> {
        let mut log = Log::default();
        self.ratchet.expire(now, &mut log);
        Unsaved::new((), log.rows, log.tags)
    }

    /// Names the session: the id of the handshake that made it.
    #[must_use]
    pub fn id(&self) -> HandshakeId {
        self.id
    }

    /// Which of several sessions with a device sends: the highest.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether something of the peer's has opened here.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.pending.is_none()
    }

    /// Whether this session was given up: it receives, but does not send.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether a one-time prekey was used; without one the first chain has no
    /// forward secrecy until the signed prekey is deleted.
    #[must_use]
    pub fn with_one_time_prekey(&self) -> bool {
        self.with_one_time_prekey
    }

    /// Whether nothing can be sent any more before the peer has answered. Of what a clock that
    /// was ahead has begun, nobody knows how old it is.
    pub(crate) fn is_first_chain_over(&self, now: Timestamp) -> bool {
        self.bundle_fetched_at().is_some_and(|fetched| now.apart(fetched) > FIRST_CHAIN_LIFETIME)
    }

    /// Ends the first chain for good if the clock was too far ahead when the bundle was fetched;
    /// says whether it was.
    pub(super) fn end_if_begun_ahead(&mut self, now: Timestamp) -> bool {
        let pending = self.pending.as_mut();
        let ahead = pending.filter(|p| p.bundle_fetched_at.since(now) > FIRST_CHAIN_LIFETIME);
        ahead.map(|pending| pending.bundle_fetched_at = Timestamp::default()).is_some()
    }

    /// How many post-quantum epochs have been mixed in.
    #[must_use]
    pub fn epochs_mixed(&self) -> u32 {
        self.ratchet.epochs_mixed()
    }

    /// All tags that messages of this session may come with.
    pub fn expected_tags(&self) -> impl Iterator<Item = Tag> {
        self.ratchet.expected_tags()
    }

    /// `AD`: the tie-breaker among sessions of one generation.
    pub(super) fn associated_data(&self) -> &[u8; 32] {
        self.ratchet.associated_data()
    }

    /// When it was initiated or accepted.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When something was last sent or opened.
    #[must_use]
    pub fn last_used_at(&self) -> Timestamp {
        self.last_used_at
    }

    /// When the bundle behind it was fetched; `None` once it is confirmed.
    #[must_use]
    pub fn bundle_fetched_at(&self) -> Option<Timestamp> {
        self.pending.as_ref().map(|pending| pending.bundle_fetched_at)
    }

    pub(super) fn ordinal(&self) -> u32 {
        self.ordinal
    }

    pub(super) fn set_ordinal(&mut self, ordinal: u32) {
        self.ordinal = ordinal;
    }

    pub(super) fn is_replacement(&self) -> bool {
        self.replacement
    }

    pub(super) fn set_replacement(&mut self, replacement: bool) {
        self.replacement = replacement;
    }

    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// The record to keep, secret (`stored.proto`, `Session`): at most 1,024 bytes
    /// once confirmed.
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let mut record = stored::Session::default();
        record.handshake_id = self.id.0.to_vec();
        record.we_initiated = self.we_initiated;
        record.with_one_time_prekey = self.with_one_time_prekey;
        record.generation = self.generation;
        record.created_at = self.created_at.as_millis();
        record.last_used_at = self.last_used_at.as_millis();
        record.pending = self.pending.as_ref().map(|pending| stored::PendingHandshake {
            handshake: pending.handshake.encode(),
            bundle_fetched_at: pending.bundle_fetched_at.as_millis(),
        });
        record.given_up = self.given_up;
        record.replacement = self.replacement;
        record.ordinal = self.ordinal;
        self.ratchet.fill_record(&mut record);
        stored::encode(&record)
    }

    /// A row beside the record as it is now, secret; `None` if there is none any
    /// more, so that it is to be deleted.
    #[must_use]
    pub fn row(&self, key: RowKey) -> Option<Zeroizing<Vec<u8>>> {
        self.ratchet.row(key)
    }

    /// Every row that may have been saved: to be deleted with the session.
    pub fn row_keys(&self) -> impl Iterator<Item = RowKey> {
        self.ratchet.row_keys()
    }

    /// The session that [`Self::record`] was made of; `rows` is what was saved of
    /// [`Self::row`], and is kept: it is asked for the tag of a message when one has
    /// come.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record or a row that it cannot do without is damaged: drop
    /// the session and initiate another. A damaged used tag is found by nobody: that
    /// message is not known to have been opened.
    pub fn from_record(
        bytes: &[u8],
        rows: impl Rows<RowKey> + 'static,
    ) -> Result<Self, DecodeError> {
        const WHAT: &str = "session record";
        let record: stored::Session = stored::decode(bytes, WHAT)?;
        let pending = record
            .pending
            .as_ref()
            .map(|pending| {
                Ok::<_, DecodeError>(Pending {
                    handshake: Handshake::decode(&pending.handshake)?,
                    bundle_fetched_at: Timestamp::from_millis(pending.bundle_fetched_at),
                })
            })
            .transpose()?;
        Ok(Self {
            id: HandshakeId(stored::array(&record.handshake_id, WHAT)?),
            we_initiated: record.we_initiated,
            with_one_time_prekey: record.with_one_time_prekey,
            generation: record.generation,
            created_at: Timestamp::from_millis(record.created_at),
            last_used_at: Timestamp::from_millis(record.last_used_at),
            pending,
            given_up: record.given_up,
            replacement: record.replacement,
            ordinal: record.ordinal,
            ratchet: Ratchet::from_record(&record, Saved::new(move |row| rows.row(row)))?,
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("generation", &self.generation)
            .field("confirmed", &self.is_confirmed())
            .field("epochs_mixed", &self.epochs_mixed())
            .finish_non_exhaustive()
    }
}
