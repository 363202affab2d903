//! Sending: now, later, or not after all.

use super::due::Job;
use super::letter::Weight;
use super::work::Work;
use super::{Consent, Conversation, Error, table};
use crate::address::UserId;
use crate::content::{Content, Sync};
use crate::group::GroupId;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::stored::{self, messenger::Scheduled};

impl Work<'_> {
    /// Sends content to all devices of a conversation, and tells our own others.
    pub(super) fn send(
        &mut self,
        to: &Conversation,
        content: &Content,
    ) -> Result<MessageId, Error> {
        let id = MessageId::generate(&mut self.rng);
        content.check()?;
        let user = match to {
            Conversation::User(user) => user,
            Conversation::Group(group) => return self.send_to_group(group, id, content),
        };
        let frame = content.encode_at(self.now);
        let fleeting = content.kind().is_fleeting();
        self.open_conversation(user, fleeting)?;
        if fleeting {
            self.post(user, id, &frame, Weight::Fleeting)?;
        } else {
            self.send_frame(user, id, &frame)?;
        }
        Ok(id)
    }

    /// Sends content when the time has come.
    pub(super) fn send_at(
        &mut self,
        to: &Conversation,
        content: &Content,
        at: Timestamp,
    ) -> Result<MessageId, Error> {
        let id = MessageId::generate(&mut self.rng);
        // Too long now is too long then.
        content.check()?;
        let (mut user_id, mut group_id) = (Vec::new(), Vec::new());
        match to {
            Conversation::User(user) if self.contact(user)?.consent == Consent::Blocked => {
                return Err(Error::NotAllowed);
            }
            Conversation::User(user) => user_id.extend_from_slice(user.as_bytes()),
            Conversation::Group(group) => {
                self.may_send_to(group)?;
                group_id.extend_from_slice(group.as_bytes());
            }
        }
        let record = Scheduled { user_id, content: content.to_bytes(), group_id };
        self.view.put(table::SCHEDULED, id.as_bytes().to_vec(), stored::encode(&record));
        self.set_due(Job::Scheduled, id.as_bytes(), at)?;
        Ok(id)
    }

    /// Takes back what has not been encrypted.
    pub(super) fn cancel(&mut self, message: MessageId) -> Result<(), Error> {
        let key = message.as_bytes();
        if self.view.get(table::SCHEDULED, key)?.is_some() {
            self.view.delete(table::SCHEDULED, key.to_vec());
            return self.clear_due(Job::Scheduled, key);
        }
        // It may still wait for its first session.
        match self.letter(message)? {
            Some(letter) if letter.waits && letter.copies.is_empty() => {
                self.view.delete(table::LETTERS, key.to_vec());
                Ok(())
            }
            _ => Err(Error::Unknown),
        }
    }

    /// The time of a message has come.
    pub(super) fn send_scheduled(&mut self, key: &[u8]) -> Result<(), Error> {
        let Some(row) = self.view.get(table::SCHEDULED, key)? else { return Ok(()) };
        self.view.delete(table::SCHEDULED, key.to_vec());
        let record = stored::decode::<Scheduled>(&row, "scheduled message").ok();
        let id = key.try_into().ok().map(MessageId::from_bytes);
        let (Some(record), Some(id)) = (record, id) else { return Ok(()) };
        if let Ok(group) = record.group_id.as_slice().try_into().map(GroupId::from_bytes) {
            let content = Content::from_bytes(&record.content);
            return match self.send_to_group(&group, id, &content) {
                Err(error @ Error::Store(_)) => Err(error),
                // We are no member any more: nothing goes there.
                _ => Ok(()),
            };
        }
        let Ok(user) = UserId::new(&record.user_id) else { return Ok(()) };
        match self.open_conversation(&user, false) {
            Ok(()) => {}
            // Blocked meanwhile: nothing goes there.
            Err(Error::NotAllowed) => return Ok(()),
            Err(error) => return Err(error),
        }
        let frame = Content::from_bytes(&record.content).encode_at(self.now);
        self.send_frame(&user, id, &frame)
    }

    /// To write to somebody is to accept them.
    fn open_conversation(&mut self, user: &UserId, fleeting: bool) -> Result<(), Error> {
        if self.contact(user)?.consent == Consent::Blocked {
            return Err(Error::NotAllowed);
        }
        if !fleeting && *user != self.own()?.address().user {
            self.accept(user)?;
        }
        Ok(())
    }

    fn send_frame(&mut self, user: &UserId, id: MessageId, frame: &[u8]) -> Result<(), Error> {
        let own = self.own()?;
        if *user != own.address().user && own.others().next().is_some() {
            let content = Content::from_bytes(frame);
            let (user, message, sent_at) = (user.clone(), id, self.now);
            self.tell_own_devices(Sync::SentCopy { user, message, sent_at, content })?;
        }
        self.post(user, id, frame, Weight::Kept)
    }
}
