//! Sending: now, later, something else, or not after all.

use super::due::Job;
use super::fading::Kept;
use super::letter::Weight;
use super::work::Work;
use super::{Consent, Conversation, Error, table};
use crate::address::UserId;
use crate::content::{Content, Sync};
use crate::group::GroupId;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::stored::{
    self,
    messenger::{Letter, Scheduled},
};

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
        let fleeting = content.kind().is_fleeting();
        self.open_conversation(user, fleeting)?;
        if fleeting {
            self.post(user, id, &content.encode_at(self.now), Weight::Fleeting)?;
        } else {
            self.send_to_user(user, id, content)?;
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
        self.schedule(id, to, content, at)?;
        Ok(id)
    }

    /// Takes something else in the place of what is to be sent, and another time.
    pub(super) fn reschedule(
        &mut self,
        message: MessageId,
        content: &Content,
        at: Timestamp,
    ) -> Result<(), Error> {
        let key = message.as_bytes();
        let row = self.view.get(table::SCHEDULED, key)?.ok_or(Error::Unknown)?;
        let record = stored::decode::<Scheduled>(&row, "scheduled message").ok();
        let to = record.as_ref().and_then(conversation_of).ok_or(Error::Unknown)?;
        self.clear_due(Job::Scheduled, key)?;
        self.schedule(message, &to, content, at)
    }

    fn schedule(
        &mut self,
        id: MessageId,
        to: &Conversation,
        content: &Content,
        at: Timestamp,
    ) -> Result<(), Error> {
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
        self.set_due(Job::Scheduled, id.as_bytes(), at)
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
                self.forget_fading(message)?;
                self.take_back_own_copies(message, &letter)
            }
            _ => Err(Error::Unknown),
        }
    }

    /// Our other devices show what was to be sent: they are told that it is not.
    fn take_back_own_copies(&mut self, message: MessageId, letter: &Letter) -> Result<(), Error> {
        let Ok(user) = UserId::new(&letter.user_id) else { return Ok(()) };
        if user == self.own()?.address().user {
            return Ok(());
        }
        let (id, sent_at) = (MessageId::generate(&mut self.rng), self.now);
        let content = Content::delete(message);
        self.post_to_own_devices(Sync::SentCopy { user, message: id, sent_at, content }).map(drop)
    }

    /// The time of a message has come.
    pub(super) fn send_scheduled(&mut self, key: &[u8]) -> Result<(), Error> {
        let Some(row) = self.view.get(table::SCHEDULED, key)? else { return Ok(()) };
        self.view.delete(table::SCHEDULED, key.to_vec());
        let record = stored::decode::<Scheduled>(&row, "scheduled message").ok();
        let id = key.try_into().ok().map(MessageId::from_bytes);
        let (Some(record), Some(id)) = (record, id) else { return Ok(()) };
        let content = Content::from_bytes(&record.content);
        let user = match conversation_of(&record) {
            Some(Conversation::User(user)) => user,
            Some(Conversation::Group(group)) => {
                return match self.send_to_group(&group, id, &content) {
                    Err(error @ Error::Store(_)) => Err(error),
                    // We are no member any more: nothing goes there.
                    _ => Ok(()),
                };
            }
            None => return Ok(()),
        };
        match self.open_conversation(&user, false) {
            Ok(()) => {}
            // Blocked meanwhile: nothing goes there.
            Err(Error::NotAllowed) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.send_to_user(&user, id, &content)
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

    fn send_to_user(
        &mut self,
        user: &UserId,
        id: MessageId,
        content: &Content,
    ) -> Result<(), Error> {
        let mut kept = Kept::default();
        if *user != self.own()?.address().user {
            let (user, message, sent_at) = (user.clone(), id, self.now);
            let copy = Sync::SentCopy { user, message, sent_at, content: content.clone() };
            kept.letters.extend(self.post_to_own_devices(copy)?);
        }
        self.post(user, id, &content.encode_at(self.now), Weight::Kept)?;
        self.will_disappear(id, content, kept)
    }
}

fn conversation_of(record: &Scheduled) -> Option<Conversation> {
    match record.group_id.as_slice().try_into() {
        Ok(group) => Some(Conversation::Group(GroupId::from_bytes(group))),
        Err(_) => UserId::new(&record.user_id).ok().map(Conversation::User),
    }
}
