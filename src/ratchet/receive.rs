//! The receiving half: recognise, open, and only then change anything
//! (SPEC.md, sections 6.4 and 6.5).

use super::chain::{
    Chain, MAX_PASSED_OVER, MessageKey, PassedOver, ReceivingChain, Seen, associated_data, nonce,
};
use super::header::{Head, Header, HeaderKey, MaskKey, Tag, unmask};
use super::post_quantum::RowsChange;
use super::skipped_keys::SkippedKey;
use super::used_tags::{ClosedChain, UsedTag};
use super::{Log, NextReceiving, Ratchet, RowKey, TagChange, root_step};
use crate::crypto::{DhPublicKey, Secret, SecretBytes, open};
use crate::timestamp::Timestamp;

/// How many rows of used tags a message may have read to find out that they are too old.
///
/// More than it adds, so that a session that receives does not fall behind; what is left
/// after a long silence goes with [`Ratchet::expire`].
const READS_A_MESSAGE: u64 = 4;

/// What a session makes of the head of a message.
#[derive(Clone, Copy)]
pub(crate) enum Recognised {
    /// Not a tag of this session.
    Unknown,
    /// This message has opened before.
    Duplicate,
    /// The peer used a number again: it runs on an old state.
    PeerRolledBack,
    /// A message of this session whose key is not kept any more.
    KeyGone,
    /// It has the tag of a message of this session, but its header was altered.
    Altered,
    /// A message that was passed over; its row's number.
    Skipped(u64),
    /// A message of the receiving chain.
    Current(Header),
    /// A message under the next header key.
    Next(Header),
}

/// Why a recognised message did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// It would pass over too many numbers.
    TooFarAhead,
    /// Altered, or not made by the peer.
    NotOpened,
}

/// A message that has opened, and the step that makes it count.
pub(crate) struct Opened {
    pub(crate) payload: SecretBytes,
    step: Step,
    used: (Tag, u32, MaskKey, [u8; 8]),
    /// What its header says.
    pq_epoch: u32,
}

/// What a message that has opened changes.
#[expect(clippy::large_enum_variant, reason = "lives on the stack for the length of one step")]
enum Step {
    Skipped(u64),
    Current(PassedOver),
    Next {
        root_key: Secret<32>,
        theirs: DhPublicKey,
        next_receiving: NextReceiving,
        passed: PassedOver,
        previous_length: u32,
        mixed: bool,
    },
}

/// What there is to report when a message counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Applied {
    /// How many messages can never be opened any more.
    pub(crate) lost: u32,
    /// The peer closed a chain at a number below what was received of it.
    pub(crate) peer_rolled_back: bool,
}

impl Ratchet {
    /// Finds out what a message is, by its tag. Changes nothing, opens nothing.
    pub(crate) fn recognise(&self, head: &Head) -> Recognised {
        // Mostly it is one of these, and what is looked up need not be.
        if let Some(chain) = &self.receiving
            && let Some(number) = chain.number_of(head.tag)
        {
            let header = unmask(chain.header_key.mask_key(), head);
            return self.in_current(header, number);
        }
        if let Some(used) = self.used.find(head.tag) {
            if used.salt == Some(head.salt) {
                return Recognised::Duplicate;
            }
            let header = unmask(&used.mask_key, head);
            let plausible = header.number == used.number
                && header.previous_length < 1 << 24
                && header.pq_epoch <= self.epochs_mixed().saturating_add(1);
            return if plausible { Recognised::PeerRolledBack } else { Recognised::Unknown };
        }
        if let Some((row, _)) = self.skipped.find(head.tag) {
            return Recognised::Skipped(row);
        }
        let next = &self.next_receiving;
        if let Some((number, _)) = (0..).zip(next.tags).find(|(_, tag)| *tag == head.tag) {
            let header = unmask(next.header_key.mask_key(), head);
            return self.in_next(header, number);
        }
        if let Some(chain) = &self.receiving
            && let Some(header) = chain.header_key.unprotect(head)
        {
            if header.number < chain.chain.next {
                return Recognised::KeyGone;
            }
            return self.in_current(header, header.number);
        }
        match next.header_key.unprotect(head) {
            Some(header) => self.in_next(header, header.number),
            None => Recognised::Unknown,
        }
    }

    fn in_current(&self, header: Header, number: u32) -> Recognised {
        let known = self.theirs.as_ref().is_some_and(|key| *key.as_bytes() == header.ratchet_key);
        if known && header.number == number {
            Recognised::Current(header)
        } else {
            Recognised::Altered
        }
    }

    fn in_next(&self, header: Header, number: u32) -> Recognised {
        let known = self.theirs.as_ref().is_some_and(|key| *key.as_bytes() == header.ratchet_key);
        if known || header.number != number {
            Recognised::Altered
        } else {
            Recognised::Next(header)
        }
    }

    /// Opens a message that was recognised. Changes nothing.
    pub(crate) fn open(
        &self,
        recognised: Recognised,
        head: &Head,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<Opened, OpenError> {
        let seen = Seen { opened: self.opened, at: now };
        match recognised {
            Recognised::Skipped(row) => {
                let (_, key) = self.skipped.find(head.tag).ok_or(OpenError::NotOpened)?;
                let SkippedKey { number, message_key, mask_key, .. } = key;
                let header = unmask(mask_key, head);
                if header.number != *number {
                    return Err(OpenError::NotOpened);
                }
                let payload = self.unseal(message_key, head, &header, sealed)?;
                let used = (head.tag, *number, mask_key.clone(), head.salt);
                let pq_epoch = header.pq_epoch;
                Ok(Opened { payload, step: Step::Skipped(row), used, pq_epoch })
            }
            Recognised::Current(header) => {
                let receiving = self.receiving.as_ref().ok_or(OpenError::NotOpened)?;
                let (message_key, passed) =
                    reach(&receiving.chain, header.number, &receiving.header_key, seen)?;
                let payload = self.unseal(&message_key, head, &header, sealed)?;
                let mask_key = receiving.header_key.mask_key().clone();
                let used = (head.tag, header.number, mask_key, head.salt);
                let pq_epoch = header.pq_epoch;
                Ok(Opened { payload, step: Step::Current(passed), used, pq_epoch })
            }
            Recognised::Next(header) => self.open_next(header, head, sealed, seen),
            _ => Err(OpenError::NotOpened),
        }
    }

    fn open_next(
        &self,
        header: Header,
        head: &Head,
        sealed: &[u8],
        seen: Seen,
    ) -> Result<Opened, OpenError> {
        let not_opened = OpenError::NotOpened;
        let mixed = header.pq_epoch != self.epochs_mixed();
        let secret = match mixed {
            false => None,
            true if header.pq_epoch == self.epochs_mixed().saturating_add(1) => {
                Some(self.post_quantum.secret_to_follow().ok_or(not_opened)?)
            }
            true => return Err(not_opened),
        };
        if header.number > MAX_PASSED_OVER {
            return Err(OpenError::TooFarAhead);
        }
        let private = self.ours.as_ref().and_then(|key| key.private.as_ref()).ok_or(not_opened)?;
        let theirs = DhPublicKey::from_bytes(&header.ratchet_key).map_err(|_| not_opened)?;
        let shared = private.agree(&theirs).map_err(|_| not_opened)?;
        let step = root_step(&self.root_key, &shared, secret);
        let chain = Chain { key: step.chain_key, next: 0 };
        let header_key = &self.next_receiving.header_key;
        let (message_key, passed) = reach(&chain, header.number, header_key, seen)?;
        let payload = self.unseal(&message_key, head, &header, sealed)?;
        Ok(Opened {
            payload,
            used: (head.tag, header.number, header_key.mask_key().clone(), head.salt),
            pq_epoch: header.pq_epoch,
            step: Step::Next {
                root_key: step.root_key,
                theirs,
                next_receiving: NextReceiving::new(step.next_header_key),
                passed,
                previous_length: header.previous_length,
                mixed,
            },
        })
    }

    fn unseal(
        &self,
        key: &MessageKey,
        head: &Head,
        header: &Header,
        sealed: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        let ad = associated_data(&self.associated_data, head, header);
        key.with_salted(&head.salt, |key| open(key, &nonce(&head.salt), &ad, sealed))
            .map_err(|_| OpenError::NotOpened)
    }

    /// Makes a message that has opened count.
    pub(crate) fn apply(
        &mut self,
        step: OpenedStep,
        shards: &[u8],
        now: Timestamp,
        log: &mut Log,
    ) -> Applied {
        let OpenedStep { step, used: (tag, number, mask_key, salt), pq_epoch } = step;
        let seen = Seen { opened: self.opened, at: now };
        let mut applied = Applied::default();
        let mut closed = None;
        log.tags.push(TagChange::Gone(tag));
        match step {
            Step::Skipped(row) => {
                self.skipped.remove(row);
                log.rows.push(RowKey::Skipped(row));
            }
            Step::Current(passed) => {
                applied.lost = passed.lost;
                self.move_on(passed, log);
            }
            Step::Next { root_key, theirs, next_receiving, passed, previous_length, mixed } => {
                applied.lost = passed.lost;
                let left = MAX_PASSED_OVER.saturating_sub(passed.chain.next.saturating_sub(1));
                closed = self.close_chain(previous_length, left, seen, &mut applied, log);
                self.previous_length = self.sending.take().map_or(0, |sending| sending.chain.next);
                if let Some(ours) = &mut self.ours {
                    ours.private = None;
                }
                self.root_key = root_key;
                self.theirs = Some(theirs);
                let next = std::mem::replace(&mut self.next_receiving, next_receiving);
                log.tags.extend(next.tags.map(TagChange::Gone));
                log.tags.extend(self.next_receiving.tags.map(TagChange::Expected));
                let chain = ReceivingChain::new(passed.chain, next.header_key);
                log.tags.extend(chain.tags().map(TagChange::Expected));
                self.receiving = Some(chain);
                self.keep(passed.keys, log);
                if mixed {
                    self.post_quantum.advance();
                    log.rows.push(RowKey::Answer);
                }
            }
        }
        let used = UsedTag { tag, number, mask_key, salt, at: now, closed };
        log.rows.extend(self.used.push(used));
        self.opened = self.opened.saturating_add(1);
        // Shards of an epoch travel under headers of the one before: those of a message that
        // comes late are of no use.
        let shards = if pq_epoch == self.epochs_mixed() { shards } else { &[] };
        match self.post_quantum.receive(shards) {
            RowsChange::None => {}
            RowsChange::Added(row) => log.rows.push(RowKey::Shards(row)),
            RowsChange::Dropped(rows) => log.rows.extend((0..rows).map(RowKey::Shards)),
        }
        applied.lost = applied.lost.saturating_add(self.forget(now, READS_A_MESSAGE, log));
        applied
    }

    /// Forgets used tags and skipped keys that are too old.
    pub(crate) fn expire(&mut self, now: Timestamp, log: &mut Log) {
        self.forget(now, u64::MAX, log);
    }

    /// Forgets used tags and skipped keys that are too old, reading at most so many
    /// rows to find them; says how many keys went because there were too many.
    fn forget(&mut self, now: Timestamp, reads: u64, log: &mut Log) -> u32 {
        self.used.expire(now, reads, |row| log.rows.push(row));
        let seen = Seen { opened: self.opened, at: now };
        self.skipped.expire(seen, |row, tag| {
            log.rows.push(RowKey::Skipped(row));
            log.tags.push(TagChange::Gone(tag));
        })
    }

    /// Moves the receiving chain on, behind the message that has opened.
    fn move_on(&mut self, passed: PassedOver, log: &mut Log) {
        let PassedOver { chain, keys, lost: _ } = passed;
        if let Some(receiving) = &mut self.receiving {
            if receiving.chain.next.saturating_add(1) < chain.next {
                log.tags.extend(receiving.tags().map(TagChange::Gone));
                receiving.advance(chain, |_| {});
                log.tags.extend(receiving.tags().map(TagChange::Expected));
            } else {
                receiving.advance(chain, |tag| log.tags.push(TagChange::Expected(tag)));
            }
        }
        self.keep(keys, log);
    }

    /// Keeps the keys of what the closing chain still owes.
    fn close_chain(
        &mut self,
        previous_length: u32,
        left: u32,
        seen: Seen,
        applied: &mut Applied,
        log: &mut Log,
    ) -> Option<ClosedChain> {
        let ReceivingChain { chain, header_key, .. } = {
            let receiving = self.receiving.take()?;
            log.tags.extend(receiving.tags().map(TagChange::Gone));
            receiving
        };
        if previous_length < chain.next {
            applied.peer_rolled_back = true;
        } else if previous_length - chain.next > left {
            applied.lost = applied.lost.saturating_add(previous_length - chain.next);
        } else {
            let passed = chain.pass_over(previous_length, &header_key, seen);
            applied.lost = applied.lost.saturating_add(passed.lost);
            self.keep(passed.keys, log);
        }
        let number = previous_length.max(chain.next);
        let mask_key = header_key.mask_key().clone();
        Some(ClosedChain { tag: header_key.tag(number), number, mask_key })
    }

    fn keep(&mut self, keys: Vec<SkippedKey>, log: &mut Log) {
        for key in keys {
            log.tags.push(TagChange::Expected(key.tag));
            log.rows.push(RowKey::Skipped(self.skipped.push(key)));
        }
    }
}

/// The key of message `number`, and what was passed over to get there; the chain in
/// it stands behind that message.
fn reach(
    chain: &Chain,
    number: u32,
    header_key: &HeaderKey,
    seen: Seen,
) -> Result<(MessageKey, PassedOver), OpenError> {
    let ahead = number.checked_sub(chain.next).ok_or(OpenError::NotOpened)?;
    if ahead > MAX_PASSED_OVER {
        return Err(OpenError::TooFarAhead);
    }
    if ahead == 0 {
        let (message_key, chain) = chain.step();
        return Ok((message_key, PassedOver { chain, keys: Vec::new(), lost: 0 }));
    }
    let PassedOver { chain, keys, lost } = chain.pass_over(number, header_key, seen);
    let (message_key, chain) = chain.step();
    Ok((message_key, PassedOver { chain, keys, lost }))
}

/// The part of an [`Opened`] that makes it count.
pub(crate) struct OpenedStep {
    step: Step,
    used: (Tag, u32, MaskKey, [u8; 8]),
    pq_epoch: u32,
}

impl Opened {
    /// The payload apart from the step, so that one can be read before the other counts.
    pub(crate) fn into_parts(self) -> (SecretBytes, OpenedStep) {
        let Self { payload, step, used, pq_epoch } = self;
        (payload, OpenedStep { step, used, pq_epoch })
    }
}
