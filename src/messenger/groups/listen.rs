//! What comes to us in groups.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::due::Job;
use super::super::event::{Arrival, Conversation, Happening};
use super::super::receive::{Received, Rejection};
use super::super::search::Peers;
use super::super::work::Work;
use super::super::{Consent, Error, EventId, table};
use super::chains::rows_of;
use crate::address::{Address, UserId};
use crate::content::{Frame, Said};
use crate::group::sender_key::{DecryptError, Peek};
use crate::group::{GroupId, Head, Member};
use crate::session::{Content, KEPT_TIME};
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::HeldEnvelope};
use crate::wire::{ChainId, Control, GroupMessage, MessageId, SenderKeyDistribution};

/// When it is asked again what a head stands for.
const ASK_AGAIN: Duration = Duration::from_secs(4 * 60 * 60);

/// How many messages of one device are held because their head is not known; then the
/// oldest goes.
const MAX_HELD: usize = 1024;

impl Work<'_> {
    /// Takes an envelope of a group; nothing if nobody knows it yet.
    pub(in crate::messenger) fn receive_group(
        &mut self,
        bytes: &[u8],
        message: &GroupMessage,
        claimed_from: Option<&UserId>,
        peers: Peers<'_>,
    ) -> Result<Option<Received>, Error> {
        let Some((group, sender, chain_id)) = self.find_chain(message, claimed_from, peers)? else {
            return Ok(None);
        };
        self.take_group_message(&group, &sender, chain_id, message, Some(bytes)).map(Some)
    }

    /// Takes a message of a chain that is known. `bytes` is what is held if its head is not.
    fn take_group_message(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        message: &GroupMessage,
        bytes: Option<&[u8]>,
    ) -> Result<Received, Error> {
        let since = match self.speaker(sender, group)? {
            Some(since) => since,
            None => {
                let contact = self.contact(&sender.user)?;
                let blocked = contact.consent == Consent::Blocked;
                let why = if blocked { Rejection::Blocked } else { Rejection::NotAMember };
                return Ok(Received::Rejected(why));
            }
        };
        let mut chains = self.chains(group, sender)?;
        let chain = chains.chain_mut(chain_id);
        let claimed = chain.as_ref().and_then(|chain| chain.claimed_iteration(message));
        let peek = chain.map_or(Err(DecryptError::Unknown), |chain| chain.peek(message));
        self.keep_chains(chains);
        let roster = match (peek, claimed) {
            (Ok(Peek { roster, .. }), _) => roster,
            (Err(DecryptError::KeyGone), Some(iteration)) => {
                // It was sent before its chain came here.
                self.ask_for_one(group, sender, chain_id, iteration)?;
                return Ok(Received::Undecryptable);
            }
            (Err(error), _) => return self.not_read(group, sender, error),
        };
        let Some(head) = self.head(group, &roster)? else {
            if let Some(bytes) = bytes {
                self.hold_for_head(group, sender, bytes)?;
                self.ask_behind(sender, group, Some(roster))?;
            }
            return Ok(Received::Held);
        };
        let too_old = head.left_at.is_some_and(|at| self.now.since(at) > KEPT_TIME);
        if head.number < since || too_old {
            return Ok(Received::Rejected(Rejection::NotAMember));
        }
        if head.left_at.is_some() {
            self.tell_who_is_behind(sender, group, &head.state)?;
        }
        self.read_group_message(group, sender, chain_id, message, &head.head)
    }

    fn read_group_message(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        message: &GroupMessage,
        head: &Head,
    ) -> Result<Received, Error> {
        let mut chains = self.chains(group, sender)?;
        let opened = match chains.chain_mut(chain_id) {
            Some(chain) => chain.decrypt(message, head, self.now),
            None => Err(DecryptError::Unknown),
        };
        let opened = opened.map(|step| {
            let (received, iterations, tags) = step.into_parts();
            self.save_chains(&chains, &rows_of(chain_id, &iterations), &tags);
            received
        });
        self.keep_chains(chains);
        let received = match opened {
            Ok(received) => received,
            Err(error) => return self.not_read(group, sender, error),
        };
        if received.passed_over > 0 {
            self.chain_has_gaps(group, sender)?;
        }
        let mut events = Vec::new();
        if let Content::Message { id, plaintext } = &received.content {
            let content = plaintext.as_bytes();
            self.take_group_content(sender, group, *id, content, &mut events)?;
        }
        Ok(Received::Opened(events))
    }

    /// What becomes of a message that does not open.
    fn not_read(
        &mut self,
        group: &GroupId,
        sender: &Address,
        error: DecryptError,
    ) -> Result<Received, Error> {
        match error {
            DecryptError::Duplicate => Ok(Received::Duplicate),
            DecryptError::SenderRolledBack => {
                self.peer_fell_back(sender)?;
                self.want_chain(group, sender)?;
                Ok(Received::Undecryptable)
            }
            _ => Ok(Received::Undecryptable),
        }
    }

    /// Since which head somebody may be heard in a group: a device, on its list, of a member
    /// under the key that we know; we take part, and have not blocked them.
    pub(super) fn speaker(
        &mut self,
        address: &Address,
        group: &GroupId,
    ) -> Result<Option<u32>, Error> {
        if !self.known(group)?.is_some_and(|known| known.takes_part()) {
            return Ok(None);
        }
        let ourselves = address.user == self.own()?.address().user;
        if !ourselves && self.contact(&address.user)?.consent == Consent::Blocked {
            return Ok(None);
        }
        let Some(list) = self.list_of(&address.user)? else { return Ok(None) };
        if list.device(address.device).is_none() {
            return Ok(None);
        }
        self.member_since(&Member::of(&list), group)
    }

    /// Shows what was said in a group, once.
    pub(super) fn take_group_content(
        &mut self,
        sender: &Address,
        group: &GroupId,
        id: MessageId,
        content: &[u8],
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        let shown = table::of_user(&sender.user, id.as_bytes());
        if self.view.get(table::SHOWN, &shown)?.is_some() {
            return Ok(());
        }
        let now = self.now.as_millis().to_be_bytes().to_vec();
        self.view.put(table::SHOWN, shown, zeroize::Zeroizing::new(now));
        // What is not for people is not said to groups.
        if !matches!(Frame::decode(content).said, Said::Content(_)) {
            return Ok(());
        }
        let arrival = Arrival {
            id,
            conversation: Conversation::Group(*group),
            device: sender.clone(),
            content: content.to_vec(),
        };
        let ourselves = sender.user == self.own()?.address().user;
        events.push(self.tell(match ourselves {
            true => Happening::OwnMessage(arrival),
            false => Happening::Message(arrival),
        }));
        Ok(())
    }

    fn hold_for_head(
        &mut self,
        group: &GroupId,
        sender: &Address,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let prefix = [group.as_bytes().as_slice(), &table::of_device(sender, &[])].concat();
        let held = self.view.scan_prefix(table::GROUP_HELD, &prefix)?;
        if held.iter().any(|(_, row)| holds(row, bytes)) {
            return Ok(());
        }
        if held.len() >= MAX_HELD
            && let Some((oldest, _)) = held.first()
        {
            self.view.delete(table::GROUP_HELD, oldest.clone());
        }
        let record = HeldEnvelope {
            envelope: bytes.to_vec(),
            claimed_from: sender.user.as_bytes().to_vec(),
            held_at: self.now.as_millis(),
            tried: false,
        };
        let order = self.next_order().to_be_bytes();
        let key = [prefix.as_slice(), &order].concat();
        self.view.put(table::GROUP_HELD, key, stored::encode(&record));
        self.set_due(Job::GroupHeld, group.as_bytes(), self.now.after(ASK_AGAIN))
    }

    /// Whether a message of this device waits for this head.
    pub(super) fn is_awaited(
        &mut self,
        sender: &Address,
        group: &GroupId,
        head: &Head,
    ) -> Result<bool, Error> {
        let prefix = [group.as_bytes().as_slice(), &table::of_device(sender, &[])].concat();
        let held = self.view.scan_prefix(table::GROUP_HELD, &prefix)?;
        let chains = self.chains(group, sender)?;
        let awaited = held.iter().any(|(_, row)| {
            let record = stored::decode::<HeldEnvelope>(row, "held envelope").ok();
            let message = record.and_then(|record| GroupMessage::decode(&record.envelope).ok());
            let peek = message.and_then(|message| chains.find(&message)?.peek(&message).ok());
            peek.is_some_and(|peek| head.as_bytes().starts_with(&peek.roster))
        });
        self.keep_chains(chains);
        Ok(awaited)
    }

    /// A group has another state: what waited for one is tried again.
    pub(in crate::messenger) fn try_group_held(&mut self, group: &[u8]) -> Result<(), Error> {
        let Ok(group) = group.try_into().map(GroupId::from_bytes) else { return Ok(()) };
        let mut waiting = BTreeSet::new();
        for (key, row) in self.view.scan_prefix(table::GROUP_HELD, group.as_bytes())? {
            let record = stored::decode::<HeldEnvelope>(&row, "held envelope").ok();
            let sender = key.get(32..).and_then(table::split_device).map(|(sender, _)| sender);
            let message =
                record.as_ref().and_then(|record| GroupMessage::decode(&record.envelope).ok());
            let (Some(record), Some(sender), Some(message)) = (record, sender, message) else {
                self.view.delete(table::GROUP_HELD, key);
                continue;
            };
            let found = self.recognised_of(&group, &sender, &message)?;
            let Some(chain_id) = found else {
                self.view.delete(table::GROUP_HELD, key);
                continue;
            };
            let outcome = self.take_group_message(&group, &sender, chain_id, &message, None)?;
            if outcome != Received::Held {
                self.view.delete(table::GROUP_HELD, key);
            } else {
                // Asked when it came; by now the answer is lost.
                let late = self.now.since(Timestamp::from_millis(record.held_at)) >= ASK_AGAIN;
                let chains = self.chains(&group, &sender)?;
                let peek = chains.find(&message).and_then(|chain| chain.peek(&message).ok());
                self.keep_chains(chains);
                if let Some(Peek { roster, .. }) = peek.filter(|_| late)
                    && !waiting.contains(&sender)
                {
                    self.ask_behind(&sender, &group, Some(roster))?;
                }
                waiting.insert(sender);
            }
        }
        match waiting.is_empty() {
            true => Ok(()),
            false => {
                let at = self.now.after(ASK_AGAIN);
                self.set_due(Job::GroupHeld, group.as_bytes(), at)
            }
        }
    }

    fn recognised_of(
        &mut self,
        group: &GroupId,
        sender: &Address,
        message: &GroupMessage,
    ) -> Result<Option<ChainId>, Error> {
        let chains = self.chains(group, sender)?;
        let found = chains.find(message).map(|chain| chain.chain_id());
        self.keep_chains(chains);
        Ok(found)
    }

    /// A device hands over its chain.
    pub(super) fn take_sender_key(
        &mut self,
        sender: &Address,
        distribution: &SenderKeyDistribution,
    ) -> Result<(), Error> {
        let group = GroupId::from_bytes(*distribution.group_id());
        if self.speaker(sender, &group)?.is_none() {
            return Ok(());
        }
        let mut chains = self.chains(&group, sender)?;
        let taken = match chains.take_in(distribution, self.now) {
            Ok(step) => {
                let (taken, rows, tags) = step.into_parts();
                self.save_chains(&chains, &rows, &tags);
                Some(taken)
            }
            Err(_) => None,
        };
        self.keep_chains(chains);
        let Some(taken) = taken else { return Ok(()) };
        self.send_control(sender, Control::SenderKeySaved(distribution.acknowledgement()))?;
        if let Some(closed) = taken.closed {
            if closed.passed_over > 0 {
                self.chain_has_gaps(&group, sender)?;
            }
            if closed.sender_rolled_back {
                self.peer_fell_back(sender)?;
            }
        }
        if !taken.known {
            self.retry_held(sender)?;
        }
        Ok(())
    }
}

fn holds(row: &[u8], bytes: &[u8]) -> bool {
    stored::decode::<HeldEnvelope>(row, "held envelope").is_ok_and(|held| held.envelope == bytes)
}
