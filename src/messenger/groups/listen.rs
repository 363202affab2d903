//! What comes to us in groups.

use super::super::Conversation;
use super::super::happening::{Arrival, Happening};
use super::super::receive::{Received, Rejection};
use super::super::work::Work;
use super::super::{Consent, Error, EventId, table};
use super::chains::{Place, rows_of};
use crate::address::{Address, UserId};
use crate::content::{Frame, Said};
use crate::group::sender_key::{
    DecryptError, Received as Opened, ReceivingChain, Unverified, Verified,
};
use crate::group::{GroupId, Member};
use crate::session::{Content, KEPT_TIME, Unsaved};
use crate::timestamp::Timestamp;
use crate::wire::{ChainId, Control, GroupMessage, MessageId, SenderKeyDistribution};

/// Among how many devices the one is looked for that a message of a page is from.
const HEARD: usize = 8;

impl Work<'_> {
    /// Takes an envelope of a group.
    pub(in crate::messenger) fn receive_group(
        &mut self,
        bytes: &[u8],
        message: &GroupMessage,
        claimed_from: Option<&UserId>,
        verified: Option<Verified<'_>>,
    ) -> Result<Received, Error> {
        match self.find_chain(message, claimed_from)? {
            Some(((group, sender), chain_id)) => {
                let held = Some(bytes);
                self.take_group_message(&group, &sender, chain_id, message, held, verified)
            }
            None => self.hold_unknown(bytes, claimed_from),
        }
    }

    /// What is to be verified of a message, if its chain and its head are known by now.
    /// `heard` is where the messages before it are from: of a chain only the next few tags are
    /// known.
    pub(in crate::messenger) fn prepare_group<'a>(
        &mut self,
        message: &'a GroupMessage,
        claimed_from: Option<&UserId>,
        heard: &mut Vec<Place>,
    ) -> Result<Option<Unverified<'a>>, Error> {
        let mut found = self.find_chain(message, claimed_from)?;
        for place in heard.iter().rev() {
            if found.is_none() {
                found = self.chain_at(place, message)?.map(|chain| (place.clone(), chain));
            }
        }
        let Some((place, chain_id)) = found else { return Ok(None) };
        heard.retain(|known| *known != place);
        heard.push(place.clone());
        let over = heard.len().saturating_sub(HEARD);
        heard.drain(..over);
        let (group, sender) = place;
        let mut chains = self.chains(&group, &sender)?;
        let peek = chains.chain_mut(chain_id).and_then(|chain| chain.peek(message).ok());
        self.keep_chains(chains);
        let Some(peek) = peek else { return Ok(None) };
        let Some(head) = self.head(&group, &peek.roster)? else { return Ok(None) };
        let mut chains = self.chains(&group, &sender)?;
        let chain = chains.chain_mut(chain_id);
        let prepared = chain.and_then(|chain| chain.prepare(message, &head.head).ok());
        self.keep_chains(chains);
        Ok(prepared)
    }

    /// Takes a message of a chain that is known. `bytes` is what is held if its head is not.
    /// It may be verified already.
    pub(super) fn take_group_message(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        message: &GroupMessage,
        bytes: Option<&[u8]>,
        verified: Option<Verified<'_>>,
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
        let peek = match (peek, claimed) {
            (Ok(peek), _) => peek,
            (Err(DecryptError::KeyGone), Some(iteration)) => {
                return self.key_is_gone(group, sender, chain_id, iteration);
            }
            (Err(error), _) => return self.not_read(group, sender, error),
        };
        let Some(head) = self.head(group, &peek.roster)? else {
            if let Some(bytes) = bytes {
                if !self.hold_for_head(group, sender, chain_id, peek, bytes)? {
                    return Ok(Received::Undecryptable);
                }
                self.ask_behind(sender, group, Some(peek.roster))?;
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
        let open = |chain: &mut ReceivingChain, now| match verified {
            Some(verified) => chain.open(verified, now),
            None => chain.decrypt(message, &head.head, now),
        };
        self.read_group_message(group, sender, chain_id, open)
    }

    fn read_group_message(
        &mut self,
        group: &GroupId,
        sender: &Address,
        chain_id: ChainId,
        open: impl FnOnce(&mut ReceivingChain, Timestamp) -> Result<Unsaved<Opened, u32>, DecryptError>,
    ) -> Result<Received, Error> {
        let mut chains = self.chains(group, sender)?;
        let opened = match chains.chain_mut(chain_id) {
            Some(chain) => open(chain, self.now),
            None => Err(DecryptError::Unknown),
        };
        let step = match opened {
            Ok(step) => step,
            Err(error) => {
                self.keep_chains(chains);
                return self.not_read(group, sender, error);
            }
        };
        let (received, iterations, tags) = step.into_parts();
        self.save_chains(&chains, &rows_of(chain_id, &iterations), &tags)?;
        self.keep_chains(chains);
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
        let said = match Frame::decode(content).said {
            Said::Content(said) if !said.kind().is_between_two() => said,
            _ => return Ok(()),
        };
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
        self.may_disappear(&sender.user, id, &said, events)
    }

    /// A device hands over its chain.
    pub(super) fn take_sender_key(
        &mut self,
        sender: &Address,
        distribution: &SenderKeyDistribution,
    ) -> Result<(), Error> {
        let group = GroupId::from_bytes(*distribution.group_id());
        if self.speaker(sender, &group)?.is_none() {
            return self.may_have_forgotten(sender, &group);
        }
        let mut chains = self.chains(&group, sender)?;
        let taken = match chains.take_in(distribution, self.now) {
            Ok(step) => {
                let (taken, rows, tags) = step.into_parts();
                self.save_chains(&chains, &rows, &tags)?;
                Some(taken)
            }
            Err(_) => None,
        };
        self.keep_chains(chains);
        let Some(taken) = taken else { return Ok(()) };
        self.send_control(sender, Control::SenderKeySaved(distribution.acknowledgement()))?;
        if taken.given_up > 0 {
            let (from, count) = (sender.clone(), u64::from(taken.given_up));
            self.tell(Happening::Lost { from, count });
        }
        if let Some(closed) = taken.closed {
            if closed.passed_over > 0 {
                self.chain_has_gaps(&group, sender)?;
            }
            if closed.sender_rolled_back {
                self.peer_fell_back(sender)?;
            }
        }
        if !taken.known {
            self.missed_before(&group, sender, distribution)?;
            self.retry_unknown(sender)?;
            self.has_not_forgotten(sender, &group)?;
        }
        Ok(())
    }
}
