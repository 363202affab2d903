//! One content, of whatever kind.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::kind::seconds;
use super::parts::Parts;
use super::poll::{Answer, Choices, Closing, Poll, Vote};
use super::secret_text::SecretText;
use super::{
    Attachments, Card, ContentError, Edit, Kind, Location, Quote, Reaction, Receipt, ReceiptKind,
    Reference, Request, Sticker, Text, Typing,
};
use crate::address::length_prefixed;
use crate::crypto::{Label, SecretBytes, sha256};
use crate::session::MAX_CONTENT_LEN;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// What the copy of a content for another own device takes beside it: the conversation
/// (255 bytes), the message id, times and framing.
const COPY_ROOM: usize = 320;

/// The most that the encoding of a content may take.
const MAX_ENCODED_LEN: usize = MAX_CONTENT_LEN - COPY_ROOM;

/// A text of up to this many bytes (of UTF-8) always fits one message, as an answer too, if
/// it quotes nothing and nothing else belongs to it.
// The time takes 11 bytes, an expiry 6, what it answers 18, lengths and keys 11.
pub const MAX_TEXT_LEN: usize = MAX_ENCODED_LEN - 64;

/// What is said in a message.
///
/// Cheap to clone: all clones share one copy. It says neither who wrote it nor when;
/// the message around it does. What breaks a rule of its kind (too long, too many, a range
/// that is none) is refused when it is sent.
///
/// # Security
///
/// The text is wiped when the last clone goes. `Debug` shows the kind alone; `Display`
/// shows what was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Arc<Parts>);

impl Content {
    /// A text, at most [`MAX_TEXT_LEN`] bytes of it.
    #[must_use]
    pub fn text(text: impl Into<Text>) -> Self {
        Self::of(Kind::Text(text.into()))
    }

    /// A file, or several together.
    #[must_use]
    pub fn attachment(attachments: impl Into<Attachments>) -> Self {
        Self::of(Kind::Attachments(attachments.into()))
    }

    /// A place.
    #[must_use]
    pub fn location(location: Location) -> Self {
        Self::of(Kind::Location(location))
    }

    /// How somebody can be reached.
    #[must_use]
    pub fn card(card: Card) -> Self {
        Self::of(Kind::Card(card))
    }

    /// An image that says something by itself.
    #[must_use]
    pub fn sticker(sticker: Sticker) -> Self {
        Self::of(Kind::Sticker(sticker))
    }

    /// What we feel about a message, in place of what we felt before; an empty emoji takes
    /// that back.
    #[must_use]
    pub fn reaction(to: Reference, emoji: impl Into<String>) -> Self {
        Self::of(Kind::Reaction(Reaction::new(to, emoji)))
    }

    /// Another text for a message of ours.
    #[must_use]
    pub fn edit(message: MessageId, text: impl Into<Text>) -> Self {
        Self::of(Kind::Edit(Edit::new(message, text.into())))
    }

    /// A message of ours is to be seen no more, by anybody. An app that has it deletes it;
    /// one that is made to show everything shows it still.
    #[must_use]
    pub fn delete(message: MessageId) -> Self {
        Self::of(Kind::Delete(message))
    }

    /// A question with answers to choose from.
    #[must_use]
    pub fn poll(poll: Poll) -> Self {
        Self::of(Kind::Poll(poll))
    }

    /// What we choose in a poll, in place of what we chose before.
    #[must_use]
    pub fn vote(poll: Reference, choices: Choices) -> Self {
        Self::of(Kind::Vote(Vote::new(poll, choices)))
    }

    /// The end of a poll of ours: how often each choice was chosen, and of a quiz the answer.
    #[must_use]
    pub fn close(poll: MessageId, counts: &[u32], answer: Option<&Answer>) -> Self {
        Self::of(Kind::Closing(Closing::new(poll, counts, answer)))
    }

    /// What is said in the conversation from now on disappears so long after it was read:
    /// whole seconds, at least one, at most 136 years. `None`: it stays.
    #[must_use]
    pub fn timer(after: Option<Duration>) -> Self {
        let after = after.map(|after| Duration::from_secs(seconds(after).into()));
        Self::of(Kind::Timer(after))
    }

    /// A step towards a call, or its end.
    #[must_use]
    pub fn call(call: Call) -> Self {
        Self::of(Kind::Call(call))
    }

    /// Says that these messages have been read.
    #[must_use]
    pub fn read(messages: &[MessageId]) -> Self {
        Self::receipt(ReceiptKind::Read, messages)
    }

    /// Says that what is attached to these messages was opened: heard, or seen in full.
    #[must_use]
    pub fn viewed(messages: &[MessageId]) -> Self {
        Self::receipt(ReceiptKind::Viewed, messages)
    }

    fn receipt(kind: ReceiptKind, messages: &[MessageId]) -> Self {
        Self::of(Kind::Receipt(Receipt { kind, ids: messages.to_vec() }))
    }

    /// Says that somebody is writing, or no longer.
    #[must_use]
    pub fn typing(typing: Typing) -> Self {
        Self::of(Kind::Typing(typing))
    }

    /// Asks whether we may write, or answers that. To send it to somebody is to accept them:
    /// who declines says so first, and then blocks.
    #[must_use]
    pub fn request(request: Request) -> Self {
        Self::of(Kind::Request(request))
    }

    fn of(kind: Kind) -> Self {
        Self(Arc::new(Parts {
            expires_after: 0,
            fallback: SecretText::new(kind.fallback()),
            reply_to: None,
            quote: None,
            forwarded: false,
            kind,
            malformed: false,
            came: None,
        }))
    }

    /// The same as an answer to this message, quoting nothing. Bytes that are no content at
    /// all stay as they are.
    #[must_use]
    pub fn reply_to(self, message: MessageId) -> Self {
        self.change(|parts| {
            parts.reply_to = Some(message);
            parts.leave_out(&[raw::QUOTE]);
            parts.quote = None;
            parts.append(|came| raw::append_reply_to(came, &message));
        })
    }

    /// The same as an answer that shows what it answers. Bytes that are no content at all
    /// stay as they are.
    #[must_use]
    pub fn quoting(self, quote: Quote) -> Self {
        let message = quote.of().message;
        self.reply_to(message).change(|parts| {
            parts.append(|came| raw::append_quote(came, &quote.to_raw()));
            parts.quote = Some(Box::new(quote));
        })
    }

    /// The same to be said in another conversation: marked as such, and no longer an answer.
    /// Bytes that are no content at all stay as they are.
    #[must_use]
    pub fn forward(self) -> Self {
        self.change(|parts| {
            (parts.reply_to, parts.quote, parts.forwarded) = (None, None, true);
            parts.leave_out(&[raw::REPLY_TO, raw::QUOTE]);
            parts.append(raw::append_forwarded);
        })
    }

    /// The same, to disappear this long after it was read, or of ours after it was sent: in
    /// whole seconds, at least one, at most 136 years. See
    /// [`Messenger::mark_read`](crate::Messenger::mark_read). What repeats it, as an edit or
    /// a quote does, disappears only if it says so itself. Bytes that are no content at all stay as they are.
    #[must_use]
    pub fn disappearing(self, after: Duration) -> Self {
        self.change(|parts| {
            let seconds = seconds(after);
            parts.expires_after = seconds;
            parts.append(|came| raw::append_expires_after(came, seconds));
        })
    }

    /// The same, with what is shown by a client that does not know the kind, in the words
    /// of the app; without it, it is made of what is said. Bytes that are no content at all
    /// stay as they are.
    #[must_use]
    pub fn with_fallback(self, fallback: impl Into<String>) -> Self {
        self.change(|parts| {
            parts.fallback = SecretText::new(fallback);
            let fallback = parts.fallback.clone();
            parts.append(|came| raw::append_fallback(came, fallback.as_str()));
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        if !self.0.malformed {
            change(Arc::make_mut(&mut self.0));
        }
        self
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The message that this one answers.
    #[must_use]
    pub fn replied_to(&self) -> Option<MessageId> {
        self.0.reply_to
    }

    /// What this says of the message that it answers.
    #[must_use]
    pub fn quote(&self) -> Option<&Quote> {
        self.0.quote.as_deref()
    }

    /// Whether somebody else has said it before, in another conversation, as its sender says.
    #[must_use]
    pub fn is_forwarded(&self) -> bool {
        self.0.forwarded
    }

    /// How long after it was read it disappears; `None`: never.
    #[must_use]
    pub fn expires_after(&self) -> Option<Duration> {
        match self.0.expires_after {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        }
    }

    /// What is to be shown if the kind is not known; empty: nothing.
    #[must_use]
    pub fn fallback(&self) -> &str {
        self.0.fallback.as_str()
    }

    /// Its bytes, for an app to keep. They are as secret as what is said.
    ///
    /// What [`Self::from_bytes`] did not know comes out as it went in.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.encode(None)
    }

    /// The content of these bytes. What is not known, or not a content at all, is of
    /// [`Kind::Unknown`] and keeps its bytes: a later version of the app may know it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (_, content) = Self::decode(bytes);
        content
    }

    /// The content of these bytes, and its time.
    pub(super) fn decode(bytes: &[u8]) -> (Timestamp, Self) {
        match raw::Content::decode(bytes) {
            Ok(fields) => (Timestamp::from_millis(fields.sent_at), Self::from_raw(&fields, bytes)),
            Err(_) => (Timestamp::default(), Self::malformed(bytes)),
        }
    }

    /// No content at all, kept as it came.
    #[cold]
    pub(super) fn malformed(bytes: &[u8]) -> Self {
        let mut content = Self::of(Kind::Unknown);
        let parts = Arc::make_mut(&mut content.0);
        parts.malformed = true;
        parts.came = Some(SecretBytes::new(bytes.to_vec()));
        content
    }

    /// The content of these fields, which are those of `bytes`.
    #[inline]
    pub(super) fn from_raw(fields: &raw::Content<'_>, bytes: &[u8]) -> Self {
        match Parts::from_raw(fields, bytes) {
            Some(parts) => Self(Arc::new(parts)),
            None => Self::malformed(bytes),
        }
    }

    /// Whether it keeps the rules, fits a message, and a copy of it for another own device
    /// does as well.
    ///
    /// # Errors
    ///
    /// See [`ContentError`]: it is not sent.
    pub(crate) fn check(&self) -> Result<(), ContentError> {
        self.0.kind.check()?;
        self.0.quote.as_deref().map_or(Ok(()), Quote::check)?;
        let limit = MAX_ENCODED_LEN;
        let length = self.0.encoded_len(Timestamp::from_millis(u64::MAX));
        if length > limit { Err(ContentError::TooLong { limit }) } else { Ok(()) }
    }

    /// Its bytes as a message of that time carries them.
    pub(crate) fn encode_at(&self, sent_at: Timestamp) -> SecretBytes {
        SecretBytes::new(self.0.encode(Some(sent_at)))
    }

    /// What it is, as the message of that name; nothing of what is no content.
    // H("subrosa/1 quoted" || 0x00 || lp(author) || message id || content without sent_at)
    pub(super) fn hash(&self, name: &Reference) -> Option<[u8; 32]> {
        let bytes = SecretBytes::new(self.to_bytes());
        let bytes = SecretBytes::new(raw::without(&bytes, &[raw::SENT_AT])?);
        let (author, id) = (length_prefixed(&name.author), name.message.as_bytes());
        Some(sha256(&[Label::QUOTED.as_bytes(), &[0], &author, id, &bytes]))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.0.kind.name())
    }
}

impl fmt::Display for Content {
    /// What it says in words: the text, a caption, a question; of a kind that is not known
    /// the fallback. As it was written: see [`display`](super::display).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Unknown => f.write_str(self.fallback()),
            Kind::Text(text) => f.write_str(text.as_str()),
            kind => f.write_str(SecretText::new(kind.summary()).as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: MessageId = MessageId::from_bytes([7; 16]);

    fn bytes_of(field: u8, bytes: &[u8]) -> Vec<u8> {
        [&[field << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    #[test]
    fn what_a_later_version_made_survives_and_can_be_passed_on() {
        let mut bytes = bytes_of(3, b"A poll: when?");
        bytes.extend(bytes_of(15, b"when?"));
        let content = Content::from_bytes(&bytes);
        assert!(*content.kind() == Kind::Unknown);
        assert_eq!(content.to_string(), "A poll: when?");
        assert_eq!(content.to_bytes(), bytes);
        let passed_on = content.disappearing(Duration::from_secs(60)).reply_to(ID);
        let sent = passed_on.encode_at(Timestamp::from_millis(99));
        let (sent_at, received) = Content::decode(&sent);
        assert_eq!(sent_at, Timestamp::from_millis(99));
        assert!(sent.starts_with(&bytes));
        assert_eq!(received.to_string(), "A poll: when?");
        assert_eq!(received.expires_after(), Some(Duration::from_secs(60)));
        assert_eq!(received.replied_to(), Some(ID));
    }

    #[test]
    fn of_what_breaks_a_rule_nothing_is_shown() {
        let receipt = |fields: &[u8]| [&[0x8a, 1, fields.len() as u8], fields].concat();
        let shown = |kind: &[u8]| {
            let bytes = [bytes_of(3, b"fallback"), kind.to_vec()].concat();
            let content = Content::from_bytes(&bytes);
            assert!(*content.kind() == Kind::Unknown);
            assert_eq!(content.to_bytes(), bytes);
            content.to_string()
        };
        for len in [1, 15, 17] {
            let ids = bytes_of(2, &[7; 17][..len]);
            assert_eq!(shown(&receipt(&[&[8, 1], ids.as_slice()].concat())), "");
        }
        // Of a kind that is not known the fallback is.
        assert_eq!(shown(&receipt(&bytes_of(2, ID.as_bytes()))), "fallback");
    }

    #[test]
    fn what_is_no_content_cannot_be_made_one() {
        // Cut within a field that the next one would be taken for.
        let cut = [bytes_of(3, b"fallback"), vec![0xe8]].concat();
        let content = Content::from_bytes(&cut);
        let same = content.clone().disappearing(Duration::from_secs(60)).reply_to(ID);
        assert_eq!(same, content);
        assert_eq!(same.to_bytes(), cut);
    }

    #[test]
    fn a_text_with_more_in_it_is_shown_and_keeps_the_rest() {
        let text = Content::text("text");
        let mut bytes = text.to_bytes();
        bytes.extend([0xa0, 0x06, 1]);
        let content = Content::from_bytes(&bytes);
        assert_eq!(content.as_text(), Some("text"));
        assert_eq!(content.to_bytes(), bytes);
        assert_eq!(Content::from_bytes(&text.to_bytes()), text);
    }

    #[test]
    fn the_longest_text_fits_and_so_does_its_copy() {
        let longest = Content::text("x".repeat(MAX_TEXT_LEN))
            .reply_to(ID)
            .disappearing(Duration::from_secs(u64::MAX));
        assert_eq!(longest.check(), Ok(()));
        let last = Timestamp::from_millis(u64::MAX);
        assert!(longest.encode_at(last).len() <= MAX_ENCODED_LEN);
        let copy = super::super::Sync::SentCopy {
            user: crate::UserId::new([b'u'; 255]).unwrap(),
            message: ID,
            sent_at: last,
            content: longest,
        };
        let frame = super::super::Frame { sent_at: last, said: super::super::Said::Sync(copy) };
        assert!(frame.encode().len() <= MAX_CONTENT_LEN);
        let limit = MAX_TEXT_LEN;
        let text = Content::text("x".repeat(limit + 1));
        assert_eq!(text.check(), Err(ContentError::TooLong { limit }));
        let whole = Content::from_bytes(&text.to_bytes());
        assert!(whole.as_text().is_none() && whole.to_string().is_empty());
        let limit = MAX_ENCODED_LEN;
        let too_long = [Content::read(&[ID; 5000]), Content::from_bytes(&[0xff; MAX_ENCODED_LEN])];
        for content in too_long {
            assert_eq!(content.check(), Err(ContentError::TooLong { limit }));
        }
    }
}
