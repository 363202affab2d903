//! The content of a message, as it travels (SPEC.md, section 10).
//!
//! The kinds that devices exchange by the way are protobuf records here, as they are;
//! `content` gives them their meaning. The frame around them and texts, which is almost
//! all that is ever said, are read and written without a record in between, so that a
//! text is copied once.

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use zeroize::Zeroize;

use super::fields::{
    self, bytes_field_len, message_len, put_bytes, put_head, put_varint, varint_field_len,
};

pub(crate) use super::generated::v1::{
    Consent, Contact, Decision, GroupCopy, GroupNews, GroupNote, GroupPart, LinkPackage, ReadMarks,
    Receipt, ReceiptKind, Request, RequestKind, SentCopy, Sync, Typing, TypingKind, Verified,
    group_note, sync,
};
use super::{DecodeError, MessageId, SignedDeviceList};

const WHAT: &str = "content";

/// Field numbers of `Content`.
mod field {
    pub(super) const SENT_AT: u32 = 1;
    pub(super) const EXPIRES_AFTER: u32 = 2;
    pub(super) const FALLBACK: u32 = 3;
    pub(super) const REPLY_TO: u32 = 4;
    pub(super) const TEXT: u32 = 16;
    pub(super) const RECEIPT: u32 = 17;
    pub(super) const TYPING: u32 = 18;
    pub(super) const REQUEST: u32 = 19;
    pub(super) const SYNC: u32 = 20;
    pub(super) const GROUP: u32 = 21;
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
    pub(crate) kind: Kind<'a>,
    /// Nothing else was in the bytes: encoding these fields loses nothing.
    pub(crate) complete: bool,
}

/// What kind of content it is.
pub(crate) enum Kind<'a> {
    Text(&'a str),
    Receipt(Receipt),
    Typing(Typing),
    Request(Request),
    Sync(Sync),
    Group(GroupNote),
    /// None that this version knows.
    Unknown,
}

impl<'a> Content<'a> {
    /// Decodes a content; a kind that is not known is no error.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut content = Content {
            sent_at: 0,
            expires_after: 0,
            fallback: "",
            reply_to: &[],
            kind: Kind::Unknown,
            complete: true,
        };
        let mut last = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (number, wire_type) = decode_key(&mut rest).map_err(malformed)?;
            // A field that comes twice, or late, is not how this version encodes.
            content.complete &= number > last;
            last = number;
            content.take_field(number, wire_type, &mut rest)?;
        }
        // What is not a kind that this version knows may be anything.
        content.complete &= !matches!(content.kind, Kind::Unknown);
        Ok(content)
    }

    fn take_field(
        &mut self,
        number: u32,
        wire_type: WireType,
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
            field::TEXT => self.take_kind_text(take_bytes(wire_type, rest)?)?,
            field::RECEIPT => {
                let earlier = match &mut self.kind {
                    Kind::Receipt(receipt) => std::mem::take(receipt),
                    _ => Receipt::default(),
                };
                self.kind = Kind::Receipt(self.merge(earlier, take_bytes(wire_type, rest)?)?);
            }
            field::TYPING => {
                let earlier = match &mut self.kind {
                    Kind::Typing(typing) => std::mem::take(typing),
                    _ => Typing::default(),
                };
                self.kind = Kind::Typing(self.merge(earlier, take_bytes(wire_type, rest)?)?);
            }
            field::REQUEST => {
                let earlier = match &mut self.kind {
                    Kind::Request(request) => std::mem::take(request),
                    _ => Request::default(),
                };
                self.kind = Kind::Request(self.merge(earlier, take_bytes(wire_type, rest)?)?);
            }
            field::SYNC => {
                let earlier = match &mut self.kind {
                    Kind::Sync(sync) => std::mem::take(sync),
                    _ => Sync::default(),
                };
                self.kind = Kind::Sync(self.merge(earlier, take_bytes(wire_type, rest)?)?);
            }
            field::GROUP => {
                let earlier = match &mut self.kind {
                    Kind::Group(note) => std::mem::take(note),
                    _ => GroupNote::default(),
                };
                self.kind = Kind::Group(self.merge(earlier, take_bytes(wire_type, rest)?)?);
            }
            unknown => {
                self.complete = false;
                skip_field(wire_type, unknown, rest, DecodeContext::default())
                    .map_err(malformed)?;
            }
        }
        Ok(())
    }

    /// Protobuf merges what comes twice under one number.
    fn merge<M: prost::Message>(&mut self, mut kind: M, bytes: &[u8]) -> Result<M, DecodeError> {
        kind.merge(bytes).map_err(malformed)?;
        self.complete &= kind.encoded_len() == bytes.len();
        Ok(kind)
    }

    fn take_kind_text(&mut self, mut bytes: &'a [u8]) -> Result<(), DecodeError> {
        let mut text = match self.kind {
            Kind::Text(text) => text,
            _ => "",
        };
        let mut fields = 0;
        while !bytes.is_empty() {
            let (number, wire_type) = decode_key(&mut bytes).map_err(malformed)?;
            fields += 1;
            if number == field::TEXT_TEXT && fields == 1 {
                text = take_text(wire_type, &mut bytes)?;
                continue;
            }
            self.complete = false;
            if number == field::TEXT_TEXT {
                text = take_text(wire_type, &mut bytes)?;
            } else {
                skip_field(wire_type, number, &mut bytes, DecodeContext::default())
                    .map_err(malformed)?;
            }
        }
        self.kind = Kind::Text(text);
        Ok(())
    }

    /// The length of [`Self::encode`]'s bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        varint_field_len(field::SENT_AT, self.sent_at)
            + varint_field_len(field::EXPIRES_AFTER, self.expires_after.into())
            + bytes_field_len(field::FALLBACK, self.fallback.len())
            + bytes_field_len(field::REPLY_TO, self.reply_to.len())
            + match &self.kind {
                Kind::Text(text) => message_len(field::TEXT, text_len(text)),
                Kind::Receipt(receipt) => message_len(field::RECEIPT, receipt.encoded_len()),
                Kind::Typing(typing) => message_len(field::TYPING, typing.encoded_len()),
                Kind::Request(request) => message_len(field::REQUEST, request.encoded_len()),
                Kind::Sync(sync) => message_len(field::SYNC, sync.encoded_len()),
                Kind::Group(note) => message_len(field::GROUP, note.encoded_len()),
                Kind::Unknown => 0,
            }
    }

    /// The bytes of these fields, in a buffer that was never moved.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        put_varint(field::SENT_AT, self.sent_at, &mut bytes);
        put_varint(field::EXPIRES_AFTER, self.expires_after.into(), &mut bytes);
        put_bytes(field::FALLBACK, self.fallback.as_bytes(), &mut bytes);
        put_bytes(field::REPLY_TO, self.reply_to, &mut bytes);
        match &self.kind {
            Kind::Text(text) => {
                put_head(field::TEXT, text_len(text), &mut bytes);
                put_bytes(field::TEXT_TEXT, text.as_bytes(), &mut bytes);
            }
            Kind::Receipt(receipt) => put_message(field::RECEIPT, receipt, &mut bytes),
            Kind::Typing(typing) => put_message(field::TYPING, typing, &mut bytes),
            Kind::Request(request) => put_message(field::REQUEST, request, &mut bytes),
            Kind::Sync(sync) => put_message(field::SYNC, sync, &mut bytes),
            Kind::Group(note) => put_message(field::GROUP, note, &mut bytes),
            Kind::Unknown => {}
        }
        bytes
    }
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

fn put_message(number: u32, message: &impl prost::Message, bytes: &mut Vec<u8>) {
    put_head(number, message.encoded_len(), bytes);
    let encoded = message.encode(bytes);
    debug_assert!(encoded.is_ok(), "a vector grows as needed");
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
            assert_eq!(Content::decode(&content.encode()).unwrap().encode(), content.encode());
        }
    }

    fn contents() -> Vec<v1::Content> {
        use v1::content::Kind;
        let kinds = [
            Some(Kind::Text(v1::Text { text: "Grüße".to_owned(), ..v1::Text::default() })),
            Some(Kind::Text(v1::Text::default())),
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
                kind,
                ..v1::Content::default()
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
        // A text of a later version, with a field 2.
        let bytes = [0x82, 0x01, 5, 0x0a, 1, b'x', 0x10, 1];
        let content = Content::decode(&bytes).unwrap();
        assert!(matches!(content.kind, Kind::Text("x")) && !content.complete);
    }
}
