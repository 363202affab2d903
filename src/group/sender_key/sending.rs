//! The chain that this device sends in (SPEC.md, sections 14.2 and 14.3).

use std::fmt;
use std::time::Duration;

use rand_core::CryptoRng;

use super::header::{Header, protect, start_of};
use super::names::{Names, covered};
use super::{EncryptError, MAX_CHAIN_LEN};
use crate::address::Address;
use crate::crypto::{Label, Secret, SecretBytes, SigningKey, seal};
use crate::group::{GroupId, Head};
use crate::identity::View;
use crate::ratchet::{Chain, HeaderKey, nonce};
use crate::session::{MAX_CONTENT_LEN, Unsaved, padding};
use crate::timestamp::Timestamp;
use crate::wire::{
    ChainId, GroupMessage, MessageId, Payload, Replaced, SenderKeyDistribution, pad,
};

/// After what time a chain is replaced.
///
/// Whoever steals a member's device reads what is sent to the group until each sender has
/// rotated: a week of it at most.
pub const MAX_CHAIN_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is to be said to a group.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Names the message for ever; made once by the author, kept when it is sent again.
    pub id: MessageId,
    /// At most [`MAX_CONTENT_LEN`] bytes.
    pub content: &'a [u8],
    /// Which device list of our own we go by ([`View::of_group_message`]).
    pub view: View,
    /// Which state of the roster we go by.
    pub roster: Head,
}

/// A message to a group, as sent.
#[derive(Debug)]
pub struct Sent {
    /// The bytes for every member's every device.
    pub envelope: Vec<u8>,
    /// In which chain.
    pub chain_id: ChainId,
    /// Under which number: by it a receiver asks for what it lacks.
    pub iteration: u32,
}

/// Why a chain is to be replaced before the next send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// Somebody has the chain who may not read what comes: removed, gone, or a device that
    /// was revoked.
    Departed,
    /// It has had [`MAX_CHAIN_LEN`] messages.
    Full,
    /// It is older than [`MAX_CHAIN_AGE`].
    Old,
}

/// The chain that a device sends in to a group.
///
/// ```text
///  begin --> encrypt ... encrypt --> rotate --> encrypt ...
///                 |
///                 +--> distribution, for each device that lacks it
/// ```
///
/// # Security
///
/// A chain must have one owner, and be saved before anything of it leaves: copies that
/// both send look like a device that was rolled back.
pub struct SendingChain {
    pub(super) names: Names,
    associated_data: [u8; 32],
    pub(super) header_seed: Secret<32>,
    header_key: HeaderKey,
    pub(super) chain: Chain,
    pub(super) signing_key: SigningKey,
    pub(super) begun_at: Timestamp,
    pub(super) replaced: Option<Replaced>,
}

impl SendingChain {
    /// The first chain of this device in a group.
    pub fn begin(
        group_id: GroupId,
        sender: Address,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        Self::after(group_id, sender, None, now, rng)
    }

    fn after(
        group_id: GroupId,
        sender: Address,
        replaced: Option<Replaced>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let names = Names { group_id, sender, chain_id: ChainId::generate(rng) };
        let chain = Chain { key: Secret::random(rng), next: 0 };
        let header_seed = Secret::random(rng);
        Self::new(names, chain, header_seed, SigningKey::generate(rng), now, replaced)
    }

    pub(super) fn new(
        names: Names,
        chain: Chain,
        header_seed: Secret<32>,
        signing_key: SigningKey,
        begun_at: Timestamp,
        replaced: Option<Replaced>,
    ) -> Self {
        Self {
            associated_data: names.associated_data(),
            header_key: names.header_key(&header_seed),
            names,
            header_seed,
            chain,
            signing_key,
            begun_at,
            replaced,
        }
    }

    /// The chain that takes the place of this one, whose keys are gone: all of them new.
    ///
    /// When [`Self::rotation_due`] says so, and on demand. Nobody has it yet: hand it over.
    #[must_use]
    pub fn rotate(self, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let Names { group_id, sender, chain_id } = self.names;
        let replaced = Replaced { chain_id, length: self.chain.next };
        Self::after(group_id, sender, Some(replaced), now, rng)
    }

    /// Whether the chain is to be replaced before the next send: `holders` are the devices
    /// that may have it, `may_read` says whether what is sent now is for a device.
    ///
    /// # Security
    ///
    /// To be asked in the same step as [`Self::encrypt`], by the roster and the device lists
    /// that the message goes by. A clock that was set back counts as one that has moved on.
    pub fn rotation_due<'a>(
        &self,
        holders: impl IntoIterator<Item = &'a Address>,
        may_read: impl Fn(&Address) -> bool,
        now: Timestamp,
    ) -> Option<Rotation> {
        if !holders.into_iter().all(may_read) {
            return Some(Rotation::Departed);
        }
        if self.chain.next >= MAX_CHAIN_LEN {
            return Some(Rotation::Full);
        }
        (now.apart(self.begun_at) >= MAX_CHAIN_AGE).then_some(Rotation::Old)
    }

    /// Encrypts one message: the same envelope for everyone.
    ///
    /// # Errors
    ///
    /// [`EncryptError`], each saying what to do. Nothing has changed.
    pub fn encrypt(
        &mut self,
        outgoing: &Outgoing<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Unsaved<Sent, u32>, EncryptError> {
        let Outgoing { id, content, view, roster } = outgoing;
        if content.len() > MAX_CONTENT_LEN {
            return Err(EncryptError::TooLong { limit: MAX_CONTENT_LEN });
        }
        if self.chain.next >= MAX_CHAIN_LEN {
            return Err(EncryptError::ChainFull);
        }
        let sent = self.seal(&padded_payload(id, content, *view), roster, rng);
        Ok(Unsaved::new(sent, Vec::new(), Vec::new()))
    }

    /// Seals and signs a padded payload with the next key of the chain.
    ///
    /// The random salt makes every key and every mask its own, also for a device whose
    /// state was rolled back and that repeats a number; it tells a receiver such a message
    /// from one that comes twice.
    // key    = Expand(message key, "subrosa/1 message" || salt, 32)
    // sealed = AEAD(key, 0^4 || salt, covered, padded payload)
    pub(super) fn seal(
        &mut self,
        payload: &[u8],
        roster: &Head,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Sent {
        let iteration = self.chain.next;
        let header = Header { iteration, roster: start_of(roster) };
        let (message_key, chain) = self.chain.step();
        let mut salt = [0; 8];
        rng.fill_bytes(&mut salt);
        let head = protect(&self.header_key, &header, salt);
        let covered = covered(&self.associated_data, roster, &head, &header);
        let sealed =
            message_key.with_salted(&salt, |key| seal(key, &nonce(&salt), &covered, payload));
        let signed = [covered.as_slice(), &sealed].concat();
        let signature = self.signing_key.sign(Label::GROUP_MESSAGE, &signed).to_bytes();
        self.chain = chain;
        let envelope = GroupMessage { head: head.to_bytes(), sealed, signature }.encode();
        Sent { envelope, chain_id: self.names.chain_id, iteration }
    }

    /// The chain as it stands now, for a device of a member's: it opens what is sent from
    /// now on, and nothing before.
    ///
    /// # Security
    ///
    /// Only in a session with that device; made anew each time, and kept in no log.
    #[must_use]
    pub fn distribution(&self) -> SenderKeyDistribution {
        SenderKeyDistribution {
            group_id: *self.names.group_id.as_bytes(),
            chain_id: self.names.chain_id,
            chain_key: self.chain.key.duplicate(),
            header_seed: self.header_seed.duplicate(),
            verifying_key: *self.signing_key.verifying_key().as_bytes(),
            iteration: self.chain.next,
            replaced: self.replaced,
            missed: 0,
            replaced_missed: 0,
            ended: None,
            lost_before: 0,
        }
    }

    /// The group.
    #[must_use]
    pub fn group_id(&self) -> &GroupId {
        &self.names.group_id
    }

    /// Names the chain.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.names.chain_id
    }

    /// How many messages were sent in it.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.chain.next
    }
}

fn padded_payload(id: &MessageId, content: &[u8], view: View) -> SecretBytes {
    let payload = Payload {
        body: SecretBytes::new([id.as_bytes(), content].concat()),
        seq: 0,
        last: None,
        seen: None,
        view: view.0,
        control: None,
        shards: Vec::new(),
    };
    let mut payload = payload.encode(padding::padded_len);
    let padded = padding::padded_len(payload.len());
    pad(&mut payload, padded);
    payload
}

impl fmt::Debug for SendingChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendingChain")
            .field("names", &self.names)
            .field("length", &self.chain.next)
            .field("replaced", &self.replaced)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("id", &self.id)
            .field("roster", &self.roster)
            .finish_non_exhaustive()
    }
}
