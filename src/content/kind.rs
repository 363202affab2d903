//! What a content is.

use std::time::Duration;

use super::call::Call;
use super::poll::{Closing, Poll, Vote};
use super::refusal::{Refusal, fixed};
use super::secret_text::beginning;
use super::{
    Attachments, Card, ContentError, Edit, Location, Reaction, Receipt, Request, Sticker, Text,
    Typing,
};
use crate::wire::MessageId;
use crate::wire::content as raw;

/// The longest fallback that is made of what a content says, in bytes: some lines.
const MADE_FALLBACK_LEN: usize = 256;

/// What a content is, for whoever shows it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// What someone wrote.
    Text(Text),
    /// Images, videos, what was spoken, and other files.
    Attachments(Attachments),
    /// A place.
    Location(Location),
    /// How somebody can be reached.
    Card(Card),
    /// An image that says something by itself.
    Sticker(Sticker),
    /// What someone feels about a message.
    Reaction(Reaction),
    /// Another text for a message of the same author's.
    Edit(Edit),
    /// This message of the same author's is to be seen no more, by anybody.
    Delete(MessageId),
    /// A question with answers to choose from.
    Poll(Poll),
    /// What somebody chooses.
    Vote(Vote),
    /// The end of a poll of the same author's.
    Closing(Closing),
    /// What is said in this conversation from now on disappears so long after it was read;
    /// `None`: it stays. The newest counts, of both sides. (In a group it is a setting of
    /// the group.)
    Timer(Option<Duration>),
    /// A step towards a call, or its end.
    Call(Call),
    /// What became of messages.
    Receipt(Receipt),
    /// Somebody is writing, or no longer.
    Typing(Typing),
    /// A message request, or the answer to one.
    Request(Request),
    /// Nothing that this version knows, or that is for people:
    /// [`Content::fallback`](super::Content::fallback) is to be shown, if there is one.
    Unknown,
}

impl Kind {
    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Attachments(_) => "attachments",
            Self::Location(_) => "location",
            Self::Card(_) => "card",
            Self::Sticker(_) => "sticker",
            Self::Reaction(_) => "reaction",
            Self::Edit(_) => "edit",
            Self::Delete(_) => "delete",
            Self::Poll(_) => "poll",
            Self::Vote(_) => "vote",
            Self::Closing(_) => "closing",
            Self::Timer(_) => "timer",
            Self::Call(_) => "call",
            Self::Receipt(_) => "receipt",
            Self::Typing(_) => "typing",
            Self::Request(_) => "request",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is never sent again, and no other device of ours has to hear of it.
    pub(crate) fn is_fleeting(&self) -> bool {
        match self {
            Self::Receipt(_) | Self::Typing(_) => true,
            Self::Call(call) => call.is_fleeting(),
            _ => false,
        }
    }

    /// Whether it is said to one person, and never to a group.
    pub(crate) fn is_between_two(&self) -> bool {
        matches!(
            self,
            Self::Receipt(_) | Self::Typing(_) | Self::Request(_) | Self::Timer(_) | Self::Call(_)
        )
    }

    /// What it says in words, if it says something.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Text(text) => text.as_str().to_owned(),
            Self::Edit(edit) => edit.text().as_str().to_owned(),
            Self::Reaction(reaction) => reaction.emoji().unwrap_or_default().to_owned(),
            _ => self.in_words(),
        }
    }

    /// What is shown where the kind is not known: nothing of what is not for itself.
    pub(super) fn fallback(&self) -> String {
        beginning(&self.in_words(), MADE_FALLBACK_LEN).to_owned()
    }

    fn in_words(&self) -> String {
        match self {
            Self::Attachments(attachments) => attachments.summary(),
            Self::Location(location) => location.summary(),
            Self::Card(card) => card.name(),
            Self::Sticker(sticker) => sticker.emoji().to_owned(),
            Self::Poll(poll) => poll.question().to_owned(),
            _ => String::new(),
        }
    }

    /// Whether it keeps the rules of SPEC.md, section 10, for its kind.
    pub(super) fn check(&self) -> Result<(), ContentError> {
        match self {
            Self::Text(text) => text.check(),
            Self::Attachments(attachments) => attachments.check(),
            Self::Location(location) => location.check(),
            Self::Card(card) => card.check(),
            Self::Sticker(sticker) => sticker.check(),
            Self::Reaction(reaction) => reaction.check(),
            Self::Edit(edit) => edit.check(),
            Self::Poll(poll) => poll.check(),
            Self::Closing(closing) => closing.check(),
            Self::Call(call) => call.check(),
            Self::Delete(_)
            | Self::Vote(_)
            | Self::Timer(_)
            | Self::Receipt(_)
            | Self::Typing(_)
            | Self::Request(_)
            | Self::Unknown => Ok(()),
        }
    }

    /// What the wire says; whether nothing of it was passed over.
    #[inline]
    pub(super) fn from_raw(raw: &raw::Kind<'_>) -> Result<(Self, bool), Refusal> {
        match raw {
            raw::Kind::Text(text) => {
                let text = Text::from(*text);
                text.check()?;
                Ok((Self::Text(text), true))
            }
            raw::Kind::Record(record) => Self::read(record),
            raw::Kind::Unknown => Err(Refusal::Unknown),
        }
    }

    /// The same of what is more than a text.
    #[cold]
    fn read(record: &raw::Record) -> Result<(Self, bool), Refusal> {
        let kind = Self::from_record(record)?;
        kind.check()?;
        let whole = matches!(kind.to_raw(), raw::Kind::Record(again) if *again == *record);
        Ok((kind, whole))
    }

    fn from_record(record: &raw::Record) -> Result<Self, Refusal> {
        use raw::Record;
        Ok(match record {
            Record::Text(raw) => Self::Text(Text::from_raw(raw)?),
            Record::Attachments(raw) => Self::Attachments(Attachments::from_raw(raw)?),
            Record::Location(raw) => Self::Location(Location::from_raw(raw)),
            Record::Card(raw) => Self::Card(Card::from_raw(raw)?),
            Record::Sticker(raw) => Self::Sticker(Sticker::from_raw(raw)?),
            Record::Reaction(raw) => Self::Reaction(Reaction::from_raw(raw)?),
            Record::Edit(raw) => Self::Edit(Edit::from_raw(raw)?),
            Record::Delete(raw::Delete { message_id }) => {
                Self::Delete(MessageId::from_bytes(fixed(message_id)?))
            }
            Record::Poll(raw) => Self::Poll(Poll::from_raw(raw)?),
            Record::Vote(raw) => Self::Vote(Vote::from_raw(raw)?),
            Record::Closing(raw) => Self::Closing(Closing::from_raw(raw)?),
            Record::Timer(raw::Timer { expires_after: 0 }) => Self::Timer(None),
            Record::Timer(raw::Timer { expires_after }) => {
                Self::Timer(Some(Duration::from_secs((*expires_after).into())))
            }
            Record::Call(raw) => Self::Call(Call::from_raw(raw)?),
            Record::Receipt(raw) => Self::Receipt(Receipt::from_raw(raw)?),
            Record::Typing(raw) => Self::Typing(Typing::from_raw(raw)?),
            Record::Request(raw) => Self::Request(Request::from_raw(raw)?),
            // These are not for people.
            Record::Sync(_) | Record::Group(_) | Record::Verification(_) => {
                return Err(Refusal::Unknown);
            }
        })
    }

    #[inline]
    pub(super) fn to_raw(&self) -> raw::Kind<'_> {
        match self {
            Self::Text(text) if text.is_plain() => raw::Kind::Text(text.as_str()),
            kind => kind.write().map_or(raw::Kind::Unknown, raw::Kind::Record),
        }
    }

    /// The same of what is more than a text.
    #[cold]
    fn write(&self) -> Option<Box<raw::Record>> {
        use raw::Record;
        Some(Box::new(match self {
            Self::Text(text) => Record::Text(text.to_raw()),
            Self::Attachments(attachments) => Record::Attachments(attachments.to_raw()),
            Self::Location(location) => Record::Location(location.to_raw()),
            Self::Card(card) => Record::Card(card.to_raw()),
            Self::Sticker(sticker) => Record::Sticker(sticker.to_raw()),
            Self::Reaction(reaction) => Record::Reaction(reaction.to_raw()),
            Self::Edit(edit) => Record::Edit(edit.to_raw()),
            Self::Delete(message) => {
                Record::Delete(raw::Delete { message_id: message.as_bytes().to_vec() })
            }
            Self::Poll(poll) => Record::Poll(poll.to_raw()),
            Self::Vote(vote) => Record::Vote(vote.to_raw()),
            Self::Closing(closing) => Record::Closing(closing.to_raw()),
            Self::Timer(after) => {
                Record::Timer(raw::Timer { expires_after: after.map_or(0, seconds) })
            }
            Self::Call(call) => Record::Call(call.to_raw()),
            Self::Receipt(receipt) => Record::Receipt(receipt.to_raw()),
            Self::Typing(typing) => Record::Typing(typing.to_raw()),
            Self::Request(request) => Record::Request(request.to_raw()),
            Self::Unknown => return None,
        }))
    }
}

/// Whole seconds, at least one, at most 136 years.
pub(super) fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX).max(1)
}
