//! The fields of a content, and the bytes that came where there is more in them.

use super::refusal::Refusal;
use super::secret_text::SecretText;
use super::{Kind, Quote};
use crate::crypto::SecretBytes;
use crate::timestamp::Timestamp;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// The fields of a content.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// Seconds; 0: never.
    pub(super) expires_after: u32,
    pub(super) fallback: SecretText,
    pub(super) reply_to: Option<MessageId>,
    pub(super) quote: Option<Box<Quote>>,
    pub(super) forwarded: bool,
    pub(super) kind: Kind,
    /// It is no content: nothing can be added to it.
    pub(super) malformed: bool,
    /// The bytes that came, where there is more in them than this version knows.
    pub(super) came: Option<SecretBytes>,
}

/// Room for one field that is put behind others: a quote is the longest that is made here.
const APPENDED_LEN: usize = 1024;

/// What a time appended to what came takes, at most.
const SENT_AT_LEN: usize = 11;

impl Parts {
    /// What these fields say; nothing if they break a rule.
    #[inline]
    pub(super) fn from_raw(fields: &raw::Content<'_>, bytes: &[u8]) -> Option<Self> {
        let raw::Content {
            sent_at: _,
            expires_after,
            fallback,
            reply_to,
            quote,
            forwarded,
            kind,
            complete,
        } = fields;
        let reply_to = match <[u8; MessageId::LEN]>::try_from(*reply_to) {
            Ok(id) => Some(MessageId::from_bytes(id)),
            Err(_) if reply_to.is_empty() => None,
            Err(_) => return None,
        };
        let quote = match (quote, reply_to) {
            (None, _) => None,
            (Some(quote), Some(message)) => Some(Box::new(Quote::from_raw(quote, message).ok()?)),
            (Some(_), None) => return None,
        };
        quote.as_deref().map_or(Ok(()), Quote::check).ok()?;
        let (kind, whole) = match Kind::from_raw(kind) {
            Ok(known) => known,
            Err(Refusal::Unknown) => (Kind::Unknown, false),
            Err(Refusal::Broken) => return None,
        };
        let keep = !complete || !whole;
        Some(Self {
            expires_after: *expires_after,
            fallback: SecretText::new(*fallback),
            reply_to,
            quote,
            forwarded: *forwarded,
            kind,
            malformed: false,
            came: keep.then(|| SecretBytes::new(bytes.to_vec())),
        })
    }

    /// Puts a field behind the bytes that came, if there are any.
    pub(super) fn append(&mut self, field: impl FnOnce(&mut Vec<u8>)) {
        if let Some(came) = &mut self.came {
            let mut more = SecretBytes::new(Vec::with_capacity(APPENDED_LEN));
            field(&mut more);
            // A vector that moves leaves its bytes behind: this one has the room.
            let length = came.len().saturating_add(more.len());
            let mut longer = SecretBytes::new(Vec::with_capacity(length));
            longer.extend_from_slice(came);
            longer.extend_from_slice(&more);
            *came = longer;
        }
    }

    /// Takes fields out of the bytes that came, if there are any.
    pub(super) fn leave_out(&mut self, fields: &[u32]) {
        let left = self.came.as_ref().and_then(|came| raw::without(came, fields));
        if let Some(left) = left {
            self.came = Some(SecretBytes::new(left));
        }
    }

    #[inline]
    fn to_raw(&self, sent_at: Option<Timestamp>) -> raw::Content<'_> {
        raw::Content {
            sent_at: sent_at.map_or(0, Timestamp::as_millis),
            expires_after: self.expires_after,
            fallback: self.fallback.as_str(),
            reply_to: self.reply_to.as_ref().map_or(&[], |id| id.as_bytes().as_slice()),
            quote: self.quote.as_deref().map(|quote| Box::new(quote.to_raw())),
            forwarded: self.forwarded,
            kind: self.kind.to_raw(),
            complete: true,
        }
    }

    pub(super) fn encoded_len(&self, sent_at: Timestamp) -> usize {
        match &self.came {
            Some(came) => came.len() + SENT_AT_LEN,
            None => self.to_raw(Some(sent_at)).encoded_len(),
        }
    }

    pub(super) fn encode(&self, sent_at: Option<Timestamp>) -> Vec<u8> {
        let Some(came) = &self.came else {
            return self.to_raw(sent_at).encode();
        };
        let mut bytes = Vec::with_capacity(came.len() + SENT_AT_LEN);
        bytes.extend_from_slice(came);
        if let Some(sent_at) = sent_at {
            raw::append_sent_at(&mut bytes, sent_at.as_millis());
        }
        bytes
    }
}
