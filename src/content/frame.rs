//! What a payload's body carries behind the message id, with its time.

use super::{Content, GroupNote, Kind, Receipt, Sync, Typing, Verification};
use crate::crypto::SecretBytes;
use crate::timestamp::Timestamp;
use crate::wire::content as raw;
use crate::wire::content::Record;

/// A content as it travels, told apart by who deals with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// By the author's clock.
    pub(crate) sent_at: Timestamp,
    pub(crate) said: Said,
}

/// What was said, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Something for the app.
    Content(Content),
    Receipt(Receipt),
    Typing(Typing),
    /// From another device of the same account; from anybody else it counts for nothing.
    Sync(Sync),
    /// What a member says of a group.
    Group(GroupNote),
    /// Towards emoji that two people compare.
    Verification(Verification),
    /// One of the last three that breaks a rule.
    Nothing,
}

impl Frame {
    /// The bytes behind the message id; at most `MAX_CONTENT_LEN` of what
    /// [`Content::check`] has passed.
    pub(crate) fn encode(&self) -> SecretBytes {
        let Self { sent_at, said } = self;
        let record = match said {
            Said::Content(content) => return content.encode_at(*sent_at),
            Said::Receipt(receipt) => Record::Receipt(receipt.to_raw()),
            Said::Typing(typing) => Record::Typing(typing.to_raw()),
            Said::Sync(sync) => Record::Sync(sync.to_raw()),
            Said::Group(note) => Record::Group(note.to_raw()),
            Said::Verification(verification) => Record::Verification(verification.to_raw()),
            Said::Nothing => return SecretBytes::default(),
        };
        let mut content = raw::Content {
            sent_at: sent_at.as_millis(),
            kind: raw::Kind::Record(Box::new(record)),
            ..raw::Content::default()
        };
        let bytes = SecretBytes::new(content.encode());
        if let raw::Kind::Record(record) = &mut content.kind {
            match record.as_mut() {
                Record::Sync(sync) => raw::wipe(sync),
                Record::Group(note) => raw::wipe_note(note),
                _ => {}
            }
        }
        bytes
    }

    /// What a body says. What is malformed or not known is a content of an unknown kind.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let Ok(mut fields) = raw::Content::decode(bytes) else {
            let said = Said::Content(Content::malformed(bytes));
            return Self { sent_at: Timestamp::default(), said };
        };
        let sent_at = Timestamp::from_millis(fields.sent_at);
        let record = match &mut fields.kind {
            raw::Kind::Record(record) => Some(record.as_mut()),
            _ => None,
        };
        let said = match record {
            Some(Record::Sync(sync)) => {
                Sync::from_raw(std::mem::take(sync)).map_or(Said::Nothing, Said::Sync)
            }
            Some(Record::Group(note)) => {
                GroupNote::from_raw(std::mem::take(note)).map_or(Said::Nothing, Said::Group)
            }
            Some(Record::Verification(verification)) => {
                Verification::from_raw(verification).map_or(Said::Nothing, Said::Verification)
            }
            _ => {
                let content = Content::from_raw(&fields, bytes);
                match content.kind() {
                    Kind::Receipt(receipt) => Said::Receipt(receipt.clone()),
                    Kind::Typing(typing) => Said::Typing(*typing),
                    _ => Said::Content(content),
                }
            }
        };
        Self { sent_at, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_that_breaks_a_rule_says_nothing() {
        // A decision about nobody.
        let decision = [0xa2, 1, 2, 0x12, 0];
        let with_a_bad_id = [&[0x22, 1, 7], decision.as_slice()].concat();
        let with_fallback = [b"\x1a\x04show", decision.as_slice()].concat();
        for bytes in [decision.as_slice(), &with_a_bad_id, &with_fallback] {
            assert_eq!(Frame::decode(bytes).said, Said::Nothing);
        }
    }
}
