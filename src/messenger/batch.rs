//! Several steps, one commit.

use std::fmt;

use super::receive::{Incoming, Received};
use super::work::Work;
use super::{Conversation, Error, EventId, Learned, OutgoingId};
use crate::address::UserId;
use crate::content::Content;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

/// Several steps, one commit; a step that fails leaves the batch as it was.
///
/// For sending to many, and for a bot, whose answer and acknowledgement are then one commit: exactly one answer, whatever
/// crashes.
///
/// Nothing can be polled from it, since nothing of it is saved yet:
///
/// ```compile_fail,E0599
/// # fn poll(messenger: &mut subrosa::Messenger) -> Result<(), subrosa::Error> {
/// messenger.batch(|batch| batch.next_outgoing())?;
/// # Ok(())
/// # }
/// ```
pub struct Batch<'b, 'm> {
    work: &'b mut Work<'m>,
}

impl<'b, 'm> Batch<'b, 'm> {
    pub(super) fn new(work: &'b mut Work<'m>) -> Self {
        Self { work }
    }

    /// As [`Messenger::send`](super::Messenger::send).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send(
        &mut self,
        to: impl Into<Conversation>,
        content: Content,
    ) -> Result<MessageId, Error> {
        let to = to.into();
        self.work.step(|work| work.send(&to, &content))
    }

    /// As [`Messenger::send_at`](super::Messenger::send_at).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send_at(
        &mut self,
        to: impl Into<Conversation>,
        content: Content,
        at: Timestamp,
    ) -> Result<MessageId, Error> {
        let to = to.into();
        self.work.step(|work| work.send_at(&to, &content, at))
    }

    /// As [`Messenger::reschedule`](super::Messenger::reschedule).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reschedule(
        &mut self,
        message: &MessageId,
        content: Content,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.work.step(|work| work.reschedule(*message, &content, at))
    }

    /// As [`Messenger::mark_read`](super::Messenger::mark_read).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn mark_read(&mut self, author: &UserId, messages: &[MessageId]) -> Result<(), Error> {
        self.work.step(|work| work.mark_read(author, messages))
    }

    /// As [`Messenger::receive`](super::Messenger::receive), but delete the envelope from
    /// the mailbox only when the whole batch has given `Ok`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn receive<'a>(&mut self, incoming: impl Into<Incoming<'a>>) -> Result<Received, Error> {
        let incoming = incoming.into();
        self.work.step(|work| work.receive(incoming))
    }

    /// As [`Messenger::learn`](super::Messenger::learn).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn learn(&mut self, bundle: &[u8]) -> Result<Learned, Error> {
        self.work.step(|work| work.learn(bundle))
    }

    /// As [`Messenger::outgoing_done`](super::Messenger::outgoing_done).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn outgoing_done(&mut self, ids: &[OutgoingId]) -> Result<(), Error> {
        self.work.step(|work| ids.iter().try_for_each(|id| work.errand_done(*id)))
    }

    /// As [`Messenger::events_done`](super::Messenger::events_done).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn events_done(&mut self, ids: &[EventId]) -> Result<(), Error> {
        self.work.step(|work| {
            ids.iter().for_each(|id| work.drop_event(*id));
            Ok(())
        })
    }
}

impl fmt::Debug for Batch<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batch(..)")
    }
}
