//! Messages to a group: encrypted once, for everybody's every device.

use super::super::errand::Errand;
use super::super::fading::Kept;
use super::super::happening::{Happening, StatusCode};
use super::super::work::Work;
use super::super::{Error, OutgoingId, table};
use super::own_chain::sent_prefix;
use super::readers::addresses_of;
use crate::address::Address;
use crate::content::Content;
use crate::group::GroupId;
use crate::group::sender_key::{EncryptError, Outgoing, SendingChain, Sent};
use crate::identity::View;
use crate::wire::MessageId;
use crate::wire::stored::{self, messenger::SentToGroup};

impl Work<'_> {
    /// Whether anything may be sent to a group.
    pub(in crate::messenger) fn may_send_to(&mut self, group: &GroupId) -> Result<(), Error> {
        match self.known(group)? {
            Some(known) if known.takes_part() && known.stopped => Err(Error::GroupStopped),
            Some(known) if known.takes_part() => match self.own()?.is_listed() {
                true => Ok(()),
                false => Err(Error::NotLinked),
            },
            _ => Err(Error::NotAMember),
        }
    }

    /// Sends content to a group.
    pub(in crate::messenger) fn send_to_group(
        &mut self,
        group: &GroupId,
        id: MessageId,
        content: &Content,
    ) -> Result<MessageId, Error> {
        self.may_send_to(group)?;
        if content.kind().is_between_two() {
            return Err(Error::NotAllowed);
        }
        let frame = content.encode_at(self.now);
        let mut chain = self.ready_chain(group)?;
        let lacking = self.hand_over(group, &chain)?;
        let sent = self.encrypt_for_group(group, &mut chain, id, &frame)?;
        self.save_own_chain(group, &chain, false);
        let row = SentToGroup {
            message_id: id.as_bytes().to_vec(),
            content: frame.to_vec(),
            sent_at: self.now.as_millis(),
            heads: self.known(group)?.map_or(0, |known| known.heads),
        };
        let number = sent.iteration.to_be_bytes();
        let key = [sent_prefix(group, sent.chain_id).as_slice(), &number].concat();
        self.view.put(table::SENT, key.clone(), stored::encode(&row));
        let envelope = sent.envelope;
        let (readers, to) = (None, Vec::new());
        let errand = Errand::Group { group: *group, envelope, message: id, readers, to };
        let errand = Some(self.add_errand(errand));
        let mut letters = self.copy_for_lacking(group, sent.chain_id, sent.iteration, &lacking)?;
        for user in self.unknown_readers(group)?.into_keys() {
            letters.extend(self.copy_for(group, sent.chain_id, sent.iteration, &user, &[])?);
        }
        self.will_disappear(id, content, Kept { errand, sent_key: key, letters })?;
        Ok(id)
    }

    fn encrypt_for_group(
        &mut self,
        group: &GroupId,
        chain: &mut SendingChain,
        id: MessageId,
        frame: &[u8],
    ) -> Result<Sent, Error> {
        let own = self.own()?;
        let known = self.known(group)?.ok_or(Error::NotAMember)?;
        let view = View::of_group_message(&own.list);
        let outgoing = Outgoing { id, content: frame, view, roster: known.head };
        match chain.encrypt(&outgoing, &mut self.rng) {
            // All of it is written in this commit.
            Ok(step) => Ok(step.saved()),
            Err(EncryptError::TooLong { limit }) => {
                Err(Error::Limit { what: "bytes of content", limit })
            }
            Err(EncryptError::ChainFull) => {
                Err(Error::Limit { what: "messages of a chain", limit: 0 })
            }
        }
    }

    /// Hands our chain to those to whom it goes along with the next message; gives those
    /// that certainly lack it.
    fn hand_over(&mut self, group: &GroupId, chain: &SendingChain) -> Result<Vec<Address>, Error> {
        let message = chain.length();
        let (mut lacking, mut gone) = (Vec::new(), false);
        for (of, slot) in self.due_slots(group, message)? {
            let key = slot.handed(chain);
            let sent = self.send_control(&of, key)?;
            self.handed_over(group, &of, &slot, message, sent);
            if !sent && !slot.handover.may_have_arrived() {
                lacking.push(of);
            }
            gone |= sent;
        }
        if gone {
            self.chain_has_gone(group)?;
        }
        Ok(lacking)
    }

    /// The errand with this id, and who gets it by now.
    pub(in crate::messenger) fn errand_to_carry(
        &self,
        id: OutgoingId,
    ) -> Result<Option<Errand>, Error> {
        self.errand(id)?.map(|errand| self.addressed(errand)).transpose()
    }

    /// The first errand whose id is `from` or above, as above.
    pub(in crate::messenger) fn errand_to_carry_from(
        &self,
        from: &[u8],
    ) -> Result<Option<(OutgoingId, Errand)>, Error> {
        let Some((id, errand)) = self.errand_from(from)? else { return Ok(None) };
        Ok(Some((id, self.addressed(errand)?)))
    }

    fn addressed(&self, mut errand: Errand) -> Result<Errand, Error> {
        if let Errand::Group { group, readers, to, .. } = &mut errand {
            *to = match readers {
                Some(row) => addresses_of(row),
                None => self.known_readers(group)?,
            };
        }
        Ok(errand)
    }

    /// A message to a group has been carried.
    pub(in crate::messenger) fn carried_to_group(
        &mut self,
        group: GroupId,
        message: MessageId,
    ) -> Result<(), Error> {
        let user = self.own()?.address().user.clone();
        let status = StatusCode::Sent;
        self.tell(Happening::Status { message, group: Some(group), user, status });
        self.begins_when_sent(message)
    }
}
