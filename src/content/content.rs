//! One content, of whatever kind.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::secret_text::SecretText;
use super::{ContentError, Kind, Receipt, ReceiptKind, Request, Typing};
use crate::crypto::SecretBytes;
use crate::session::MAX_CONTENT_LEN;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// What the copy of a content for another own device takes beside it: the conversation
/// (255 bytes), the message id, times and framing.
const COPY_ROOM: usize = 320;

/// The most that the encoding of a content may take.
const MAX_ENCODED_LEN: usize = MAX_CONTENT_LEN - COPY_ROOM;

/// A text of up to this many bytes (of UTF-8) always fits one message.
// The time takes 11 bytes, an expiry 6, what it answers 18, lengths and keys 11.
pub const MAX_TEXT_LEN: usize = MAX_ENCODED_LEN - 64;

/// What is said in a message.
///
/// Cheap to clone: all clones share one copy. It says neither who wrote it nor when;
/// the message around it does.
///
/// # Security
///
/// The text is wiped when the last clone goes. `Debug` shows the kind alone; `Display`
/// shows what was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Arc<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    /// Seconds; 0: never.
    expires_after: u32,
    fallback: SecretText,
    reply_to: Option<MessageId>,
    value: Value,
    /// The bytes that came, where there is more in them than this version knows.
    came: Option<SecretBytes>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(SecretText),
    Receipt(Receipt),
    Typing(Typing),
    Request(Request),
    Unknown,
    /// No content at all.
    Malformed,
}

impl Content {
    /// A text, at most [`MAX_TEXT_LEN`] bytes of it; a longer one is refused when it is
    /// sent.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Value::Text(SecretText::new(text.into())))
    }

    /// Says that these messages have been read.
    #[must_use]
    pub fn read(messages: &[MessageId]) -> Self {
        let ids = messages.to_vec();
        Self::of(Value::Receipt(Receipt { kind: ReceiptKind::Read, ids }))
    }

    /// Says that somebody is writing, or no longer.
    #[must_use]
    pub fn typing(typing: Typing) -> Self {
        Self::of(Value::Typing(typing))
    }

    pub(super) fn of(value: Value) -> Self {
        let (expires_after, fallback, reply_to) = (0, SecretText::default(), None);
        Self(Arc::new(Parts { expires_after, fallback, reply_to, value, came: None }))
    }

    /// The same as an answer to this message. Bytes that are no content at all stay as
    /// they are.
    #[must_use]
    pub fn reply_to(mut self, message: MessageId) -> Self {
        if self.0.value != Value::Malformed {
            let parts = Arc::make_mut(&mut self.0);
            parts.reply_to = Some(message);
            parts.append(|came| raw::append_reply_to(came, &message));
        }
        self
    }

    /// The same, to disappear this long after it was read: in whole seconds, at least
    /// one, at most 136 years. Bytes that are no content at all stay as they are.
    #[must_use]
    pub fn disappearing(mut self, after: Duration) -> Self {
        if self.0.value != Value::Malformed {
            let seconds = u32::try_from(after.as_secs()).unwrap_or(u32::MAX).max(1);
            let parts = Arc::make_mut(&mut self.0);
            parts.expires_after = seconds;
            parts.append(|came| raw::append_expires_after(came, seconds));
        }
        self
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        match &self.0.value {
            Value::Text(text) => Kind::Text(text.as_str()),
            Value::Receipt(receipt) => Kind::Receipt(receipt),
            Value::Typing(typing) => Kind::Typing(*typing),
            Value::Request(request) => Kind::Request(*request),
            Value::Unknown | Value::Malformed => Kind::Unknown,
        }
    }

    /// The message that this one answers.
    #[must_use]
    pub fn replied_to(&self) -> Option<MessageId> {
        self.0.reply_to
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
    /// [`Kind::Unknown`] and keeps its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (_, content) = Self::decode(bytes);
        content
    }

    /// The content of these bytes, and its time.
    pub(super) fn decode(bytes: &[u8]) -> (Timestamp, Self) {
        match raw::Content::decode(bytes) {
            Ok(fields) => (Timestamp::from_millis(fields.sent_at), Self::from_raw(fields, bytes)),
            Err(_) => (Timestamp::default(), Self::malformed(bytes)),
        }
    }

    /// No content at all, kept as it came.
    pub(super) fn malformed(bytes: &[u8]) -> Self {
        let mut content = Self::of(Value::Malformed);
        Arc::make_mut(&mut content.0).came = Some(SecretBytes::new(bytes.to_vec()));
        content
    }

    /// The content of these fields, which are those of `bytes`.
    pub(super) fn from_raw(fields: raw::Content<'_>, bytes: &[u8]) -> Self {
        let raw::Content { sent_at: _, expires_after, fallback, reply_to, kind, complete } = fields;
        let reply_to = match <[u8; MessageId::LEN]>::try_from(reply_to) {
            Ok(id) => Some(MessageId::from_bytes(id)),
            Err(_) if reply_to.is_empty() => None,
            Err(_) => return Self::malformed(bytes),
        };
        let value = match kind {
            raw::Kind::Text(text) if text.len() > MAX_TEXT_LEN => return Self::malformed(bytes),
            raw::Kind::Text(text) => Some(Value::Text(SecretText::new(text.to_owned()))),
            raw::Kind::Receipt(receipt) if !receipt.ids.len().is_multiple_of(MessageId::LEN) => {
                return Self::malformed(bytes);
            }
            raw::Kind::Receipt(receipt) => Receipt::from_raw(&receipt).map(Value::Receipt),
            raw::Kind::Typing(typing) => Typing::from_raw(&typing).map(Value::Typing),
            raw::Kind::Request(request) => Request::from_raw(&request).map(Value::Request),
            raw::Kind::Sync(_) | raw::Kind::Group(_) | raw::Kind::Unknown => None,
        };
        let keep = !complete || value.is_none();
        Self(Arc::new(Parts {
            expires_after,
            fallback: SecretText::new(fallback.to_owned()),
            reply_to,
            value: value.unwrap_or(Value::Unknown),
            came: keep.then(|| SecretBytes::new(bytes.to_vec())),
        }))
    }

    /// Whether it fits a message, and a copy of it for another own device as well.
    ///
    /// # Errors
    ///
    /// [`ContentError::TooLong`]: it is not sent; say it in several.
    pub(crate) fn check(&self) -> Result<(), ContentError> {
        if self.as_text().is_some_and(|text| text.len() > MAX_TEXT_LEN) {
            return Err(ContentError::TooLong { limit: MAX_TEXT_LEN });
        }
        let limit = MAX_ENCODED_LEN;
        let length = self.0.encoded_len(Timestamp::from_millis(u64::MAX));
        if length > limit { Err(ContentError::TooLong { limit }) } else { Ok(()) }
    }

    /// Its bytes as a message of that time carries them.
    pub(crate) fn encode_at(&self, sent_at: Timestamp) -> SecretBytes {
        SecretBytes::new(self.0.encode(Some(sent_at)))
    }

    /// What it says, if it is of a kind that messengers deal with themselves.
    pub(super) fn value(&self) -> &Value {
        &self.0.value
    }
}

impl Parts {
    /// Puts a field behind the bytes that came, if there are any.
    fn append(&mut self, field: impl FnOnce(&mut Vec<u8>)) {
        if let Some(came) = &mut self.came {
            // A vector that moves leaves its bytes behind: this one has the room.
            let mut longer = SecretBytes::new(Vec::with_capacity(came.len() + 32));
            longer.extend_from_slice(came);
            field(&mut longer);
            *came = longer;
        }
    }

    fn with_raw<R>(
        &self,
        sent_at: Option<Timestamp>,
        then: impl FnOnce(raw::Content<'_>) -> R,
    ) -> R {
        let kind = match &self.value {
            Value::Text(text) => raw::Kind::Text(text.as_str()),
            Value::Receipt(receipt) => raw::Kind::Receipt(receipt.to_raw()),
            Value::Typing(typing) => raw::Kind::Typing(typing.to_raw()),
            Value::Request(request) => raw::Kind::Request(request.to_raw()),
            Value::Unknown | Value::Malformed => raw::Kind::Unknown,
        };
        then(raw::Content {
            sent_at: sent_at.map_or(0, Timestamp::as_millis),
            expires_after: self.expires_after,
            fallback: self.fallback.as_str(),
            reply_to: self.reply_to.as_ref().map_or(&[], |id| id.as_bytes().as_slice()),
            kind,
            complete: true,
        })
    }

    fn encoded_len(&self, sent_at: Timestamp) -> usize {
        match &self.came {
            Some(came) => came.len() + 11,
            None => self.with_raw(Some(sent_at), |raw| raw.encoded_len()),
        }
    }

    fn encode(&self, sent_at: Option<Timestamp>) -> Vec<u8> {
        let Some(came) = &self.came else {
            return self.with_raw(sent_at, |raw| raw.encode());
        };
        let mut bytes = Vec::with_capacity(came.len() + 11);
        bytes.extend_from_slice(came);
        if let Some(sent_at) = sent_at {
            raw::append_sent_at(&mut bytes, sent_at.as_millis());
        }
        bytes
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            Kind::Text(_) => "Content(text)",
            Kind::Receipt(_) => "Content(receipt)",
            Kind::Typing(_) => "Content(typing)",
            Kind::Request(_) => "Content(request)",
            Kind::Unknown => "Content(unknown)",
        })
    }
}

impl fmt::Display for Content {
    /// The text, or the fallback of anything else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_text().unwrap_or(self.fallback()))
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
        assert!(matches!(content.kind(), Kind::Unknown));
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
            assert!(matches!(content.kind(), Kind::Unknown));
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

    #[test]
    fn nothing_that_was_said_is_printed() {
        let unknown = Content::from_bytes(b"secret");
        for content in [Content::text("secret"), Content::read(&[ID]), unknown] {
            let shown = format!("{content:?}");
            assert!(shown.starts_with("Content(") && !shown.contains("secret"), "{shown}");
        }
    }
}
