//! The content of a message, as it travels (SPEC.md, section 10).
//!
//! Kinds are protobuf records here, as they are; `content` gives them their meaning. The
//! frame around them and texts without more in them, which is almost all that is ever
//! said, are read and written without a record in between, so that a text is copied once.

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use zeroize::Zeroize;

use super::fields::{
    self, bytes_field_len, message_len, put_bytes, put_head, put_varint, varint_field_len,
};

pub(crate) use super::generated::v1::content::Kind as Record;
pub(crate) use super::generated::v1::{
    Attachment, AttachmentKind, Attachments, Call, CallAnswer, CallCandidates, CallEnd,
    CallEndReason, CallMedia, CallOffer, Card, CardEntry, Closing, Consent, Contact, Decision,
    Delete, Edit, GroupCopy, GroupNews, GroupNote, GroupPart, LinkPackage, Location, Mention,
    Pointer, Poll, Preview, Quote, Reaction, ReadMarks, Receipt, ReceiptKind, Reference, Request,
    RequestKind, SentCopy, Sticker, Style, StyleKind, Sync, Text, Timer, Typing, TypingKind,
    Verification, VerificationEnd, VerificationStart, Verified, Vote, call, group_note, sync,
    verification,
};
use super::{DecodeError, MessageId, SignedDeviceList};

const WHAT: &str = "content";

/// Field numbers of `Content`.
mod field {
    pub(crate) const SENT_AT: u32 = 1;
    pub(super) const EXPIRES_AFTER: u32 = 2;
    pub(super) const FALLBACK: u32 = 3;
    pub(crate) const REPLY_TO: u32 = 4;
    pub(crate) const QUOTE: u32 = 5;
    pub(super) const FORWARDED: u32 = 6;
    pub(super) const TEXT: u32 = 16;
    /// Of the last of those that follow each other.
    pub(super) const LAST_KIND: u32 = 33;
    pub(super) const VERIFICATION: u32 = 40;
    /// Of `Text`.
    pub(super) const TEXT_TEXT: u32 = 1;
}

/// The fields of a content.
pub(crate) struct Content<'a> {
    /// Milliseconds.
    pub(crate) sent_at: u64,
    /// Seconds; 0: never.
    pub(crate) expires_after: u32,
    pub(crate) fallback: &'a str,
    /// 16 bytes or none; not checked here.
    pub(crate) reply_to: &'a [u8],
    pub(crate) quote: Option<Box<Quote>>,
    pub(crate) forwarded: bool,
    pub(crate) kind: Kind<'a>,
    /// These fields encode to the very bytes.
    pub(crate) complete: bool,
}

/// What kind of content it is.
pub(crate) enum Kind<'a> {
    /// A text and no more.
    Text(&'a str),
    Record(Box<Record>),
    /// None that this version knows.
    Unknown,
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self {
            sent_at: 0,
            expires_after: 0,
            fallback: "",
            reply_to: &[],
            quote: None,
            forwarded: false,
            kind: Kind::Unknown,
            complete: true,
        }
    }
}

impl<'a> Content<'a> {
    /// Decodes a content; a kind that is not known is no error.
    #[inline]
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut content = Content::default();
        let mut last = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let field = rest;
            let (number, wire_type) = decode_key(&mut rest).map_err(malformed)?;
            // A field that comes twice, or late, is not how this version encodes.
            content.complete &= number > last;
            last = number;
            content.take_field(number, wire_type, field, &mut rest)?;
        }
        // What is not a kind that this version knows may be anything; and numbers can be
        // longer than they need to be, or said where they need not.
        content.complete &= !matches!(content.kind, Kind::Unknown);
        content.complete = content.complete && content.encoded_len() == bytes.len();
        Ok(content)
    }

    /// Takes the field that `rest` is within.
    #[inline]
    fn take_field(
        &mut self,
        number: u32,
        wire_type: WireType,
        field: &'a [u8],
        rest: &mut &'a [u8],
    ) -> Result<(), DecodeError> {
        match number {
            field::SENT_AT => self.sent_at = take_varint(wire_type, rest)?,
            field::EXPIRES_AFTER => {
                // As protobuf has it: the low half of a number that is too long.
                let [a, b, c, d, ..] = take_varint(wire_type, rest)?.to_le_bytes();
                self.expires_after = u32::from_le_bytes([a, b, c, d]);
            }
            field::FALLBACK => self.fallback = take_text(wire_type, rest)?,
            field::REPLY_TO => self.reply_to = take_bytes(wire_type, rest)?,
            field::QUOTE => {
                let quote = self.quote.get_or_insert_default();
                let bytes = take_bytes(wire_type, rest)?;
                quote.merge(bytes).map_err(malformed)?;
                let mut again = quote.encode_to_vec();
                self.complete &= again == bytes;
                again.as_mut_slice().zeroize();
            }
            field::FORWARDED => {
                let number = take_varint(wire_type, rest)?;
                self.forwarded = number != 0;
                self.complete &= number == 1;
            }
            field::TEXT
                if matches!(self.kind, Kind::Unknown)
                    && let Some(text) = only_text(wire_type, rest) =>
            {
                self.kind = Kind::Text(text);
            }
            field::TEXT..=field::LAST_KIND | field::VERIFICATION => {
                self.take_record(number, wire_type, field, rest)?;
            }
            unknown => {
                self.complete = false;
                skip_field(wire_type, unknown, rest, DecodeContext::default())
                    .map_err(malformed)?;
            }
        }
        Ok(())
    }

    /// Takes a kind that is more than a text.
    #[cold]
    fn take_record(
        &mut self,
        number: u32,
        wire_type: WireType,
        field: &'a [u8],
        rest: &mut &'a [u8],
    ) -> Result<(), DecodeError> {
        let mut record = match std::mem::replace(&mut self.kind, Kind::Unknown) {
            Kind::Text(text) => {
                let mut record = Text::default();
                record.text = text.to_owned();
                Some(Record::Text(record))
            }
            Kind::Record(record) => Some(*record),
            Kind::Unknown => None,
        };
        let context = DecodeContext::default();
        Record::merge(&mut record, number, wire_type, rest, context).map_err(malformed)?;
        if let Some(record) = record {
            let taken = field.len().saturating_sub(rest.len());
            let mut again = Vec::with_capacity(record.encoded_len());
            record.encode(&mut again);
            self.complete &= field.get(..taken) == Some(again.as_slice());
            again.as_mut_slice().zeroize();
            self.kind = Kind::Record(Box::new(record));
        }
        Ok(())
    }

    /// The length of [`Self::encode`]'s bytes.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        varint_field_len(field::SENT_AT, self.sent_at)
            + varint_field_len(field::EXPIRES_AFTER, self.expires_after.into())
            + bytes_field_len(field::FALLBACK, self.fallback.len())
            + bytes_field_len(field::REPLY_TO, self.reply_to.len())
            + match &self.quote {
                Some(quote) => message_len(field::QUOTE, quote.encoded_len()),
                None => 0,
            }
            + varint_field_len(field::FORWARDED, self.forwarded.into())
            + match &self.kind {
                Kind::Text(text) => message_len(field::TEXT, text_len(text)),
                Kind::Record(record) => record.encoded_len(),
                Kind::Unknown => 0,
            }
    }

    /// The bytes of these fields, in a buffer that was never moved.
    #[inline]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        put_varint(field::SENT_AT, self.sent_at, &mut bytes);
        put_varint(field::EXPIRES_AFTER, self.expires_after.into(), &mut bytes);
        put_bytes(field::FALLBACK, self.fallback.as_bytes(), &mut bytes);
        put_bytes(field::REPLY_TO, self.reply_to, &mut bytes);
        if let Some(quote) = &self.quote {
            append_quote(&mut bytes, quote);
        }
        put_varint(field::FORWARDED, self.forwarded.into(), &mut bytes);
        match &self.kind {
            Kind::Text(text) => {
                put_head(field::TEXT, text_len(text), &mut bytes);
                put_bytes(field::TEXT_TEXT, text.as_bytes(), &mut bytes);
            }
            Kind::Record(record) => Record::encode(record, &mut bytes),
            Kind::Unknown => {}
        }
        bytes
    }
}

/// A text, if the field is one and has nothing else in it; else nothing is taken.
#[inline]
fn only_text<'a>(wire_type: WireType, rest: &mut &'a [u8]) -> Option<&'a str> {
    let mut behind = *rest;
    let mut body = fields::take_bytes(wire_type, &mut behind)?;
    let text = match body {
        [] => "",
        _ => std::str::from_utf8(fields::take_field(field::TEXT_TEXT, &mut body)?).ok()?,
    };
    if !body.is_empty() {
        return None;
    }
    *rest = behind;
    Some(text)
}

/// Fields of a content that are left out of it or put behind it.
pub(crate) use field::{QUOTE, REPLY_TO, SENT_AT};

/// The bytes of an encoded content without these fields; nothing of what is no protobuf.
pub(crate) fn without(content: &[u8], fields: &[u32]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(content.len());
    let mut rest = content;
    while !rest.is_empty() {
        let field = rest;
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).ok()?;
        if !fields.contains(&number) {
            kept.extend_from_slice(field.get(..field.len().checked_sub(rest.len())?)?);
        }
    }
    Some(kept)
}

/// The field `sent_at`, appended to an encoded content: the last one counts.
pub(crate) fn append_sent_at(content: &mut Vec<u8>, sent_at: u64) {
    encode_key(field::SENT_AT, WireType::Varint, content);
    encode_varint(sent_at, content);
}

/// The field `expires_after`, as above.
pub(crate) fn append_expires_after(content: &mut Vec<u8>, expires_after: u32) {
    encode_key(field::EXPIRES_AFTER, WireType::Varint, content);
    encode_varint(expires_after.into(), content);
}

/// The field `reply_to`, as above.
pub(crate) fn append_reply_to(content: &mut Vec<u8>, reply_to: &MessageId) {
    put_bytes(field::REPLY_TO, reply_to.as_bytes(), content);
}

/// The field `fallback`, as above.
pub(crate) fn append_fallback(content: &mut Vec<u8>, fallback: &str) {
    put_head(field::FALLBACK, fallback.len(), content);
    content.extend_from_slice(fallback.as_bytes());
}

/// The field `quote`, as above: none may be there yet, or both would be one.
pub(crate) fn append_quote(content: &mut Vec<u8>, quote: &Quote) {
    put_head(field::QUOTE, quote.encoded_len(), content);
    let encoded = quote.encode(content);
    debug_assert!(encoded.is_ok(), "a vector grows as needed");
}

/// The field `forwarded`, as above.
pub(crate) fn append_forwarded(content: &mut Vec<u8>) {
    put_varint(field::FORWARDED, 1, content);
}

/// Wipes what was said out of a record that has been encoded.
pub(crate) fn wipe(sync: &mut Sync) {
    if let Some(sync::Kind::SentCopy(copy)) = &mut sync.kind {
        copy.content.as_mut_slice().zeroize();
    }
}

/// The same, of what is said of a group.
pub(crate) fn wipe_note(note: &mut GroupNote) {
    if let Some(group_note::Kind::Copy(copy)) = &mut note.kind {
        copy.content.as_mut_slice().zeroize();
    }
}

/// The record of a group's news, as bytes.
pub(crate) fn encode_news(news: &GroupNews) -> Vec<u8> {
    news.encode_to_vec()
}

/// A group's news.
pub(crate) fn decode_news(bytes: &[u8]) -> Option<GroupNews> {
    GroupNews::decode(bytes).ok()
}

/// A signed device list in a record.
pub(crate) fn device_list(
    raw: super::generated::v1::SignedDeviceList,
) -> Result<SignedDeviceList, DecodeError> {
    SignedDeviceList::from_raw(raw)
}

/// A signed device list for a record.
pub(crate) fn raw_device_list(list: SignedDeviceList) -> super::generated::v1::SignedDeviceList {
    list.into_raw()
}

fn malformed(_: prost::DecodeError) -> DecodeError {
    DecodeError::Malformed(WHAT)
}

fn take_varint(wire_type: WireType, rest: &mut &[u8]) -> Result<u64, DecodeError> {
    fields::take_varint(wire_type, rest).ok_or(DecodeError::Malformed(WHAT))
}

fn take_bytes<'a>(wire_type: WireType, rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    fields::take_bytes(wire_type, rest).ok_or(DecodeError::Malformed(WHAT))
}

fn take_text<'a>(wire_type: WireType, rest: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    let bytes = take_bytes(wire_type, rest)?;
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Malformed(WHAT))
}

fn text_len(text: &str) -> usize {
    bytes_field_len(field::TEXT_TEXT, text.len())
}

#[cfg(test)]
mod tests {
    use super::super::generated::v1;
    use super::*;

    /// The same by the generated decoder: the fields, in its own encoding.
    fn by_protobuf(bytes: &[u8]) -> Option<Vec<u8>> {
        v1::Content::decode(bytes).ok().map(|content| content.encode_to_vec())
    }

    fn check(bytes: &[u8]) {
        let ours = Content::decode(bytes);
        let ours_encoded = ours.as_ref().ok().map(Content::encode);
        assert_eq!(ours_encoded, by_protobuf(bytes), "{bytes:02x?}");
        if let Ok(content) = ours
            && content.complete
        {
            assert_eq!(content.encode(), bytes);
        }
    }

    fn contents() -> Vec<v1::Content> {
        use v1::content::Kind;
        let mut plain = v1::Text::default();
        plain.text = "Grüße".to_owned();
        let rich = v1::Text {
            text: "Grüße".to_owned(),
            mentions: vec![Mention { start: 0, length: 2, user_id: b"bob".to_vec() }],
            styles: vec![Style { start: 1, length: 1, kind: 1 }],
            previews: vec![Preview {
                url: "x".to_owned(),
                title: String::new(),
                description: "y".to_owned(),
                image: None,
            }],
        };
        let poll = Poll {
            question: "When?".to_owned(),
            choices: ["a", "b"].map(str::to_owned).to_vec(),
            most: 1,
            commitment: Vec::new(),
            closes_at: 7,
        };
        let call =
            Call { call_id: vec![7; 16], step: Some(call::Step::End(CallEnd { reason: 1 })) };
        let kinds = [
            Some(Kind::Text(plain)),
            Some(Kind::Text(v1::Text::default())),
            Some(Kind::Text(rich)),
            Some(Kind::Poll(poll)),
            Some(Kind::Call(call)),
            Some(Kind::Receipt(Receipt { kind: 2, ids: vec![9; 32] })),
            Some(Kind::Typing(Typing { kind: 1 })),
            Some(Kind::Request(Request { kind: 7 })),
            Some(Kind::Sync(Sync {
                kind: Some(sync::Kind::ReadMarks(ReadMarks {
                    user_id: b"bob".to_vec(),
                    ids: vec![1; 16],
                })),
            })),
            Some(Kind::Group(GroupNote {
                group_id: vec![4; 32],
                kind: Some(group_note::Kind::Part(GroupPart {
                    whole: vec![5; 8],
                    number: 0,
                    count: 1,
                    bytes: vec![6; 7],
                })),
            })),
            None,
        ];
        kinds
            .into_iter()
            .map(|kind| v1::Content {
                sent_at: 1_790_000_000_000,
                expires_after: 300,
                fallback: "fallback".to_owned(),
                reply_to: vec![3; 16],
                quote: Some(Quote {
                    author: b"bob".to_vec(),
                    excerpt: "before".to_owned(),
                    hash: Vec::new(),
                }),
                forwarded: true,
                kind,
            })
            .collect()
    }

    #[test]
    fn contents_are_read_and_written_as_protobuf_has_it_whatever_the_damage() {
        let encoded: Vec<_> = contents().iter().map(v1::Content::encode_to_vec).collect();
        for (bytes, next) in encoded.iter().zip(encoded.iter().cycle().skip(1)) {
            check(bytes);
            (0..bytes.len()).for_each(|len| check(&bytes[..len]));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                check(&damaged);
            }
            // Fields that come twice, kinds that replace each other.
            check(&[bytes.as_slice(), next].concat());
            check(&[next.as_slice(), bytes].concat());
            check(&[bytes.as_slice(), bytes].concat());
        }
    }

    #[test]
    fn what_is_left_out_of_the_fields_is_noticed() {
        for content in contents() {
            let bytes = content.encode_to_vec();
            let complete = Content::decode(&bytes).unwrap().complete;
            assert_eq!(complete, content.kind.is_some());
            let more = [bytes.as_slice(), &[0xa0, 0x06, 1]].concat();
            assert!(!Content::decode(&more).unwrap().complete);
        }
        // A text of a later version, with a field 15.
        let bytes = [0x82, 0x01, 5, 0x0a, 1, b'x', 0x78, 1];
        let content = Content::decode(&bytes).unwrap();
        assert!(matches!(content.kind, Kind::Record(_)) && !content.complete);
    }
}
