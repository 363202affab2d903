//! What became of messages.

use super::refusal::Refusal;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// How many ids a receipt holds in the smallest size class (SPEC.md, section 7.1),
/// whatever numbers stand in the payload around it.
// 256 is 36 for a shard, 1 for the 0x80, 3 around the body, 16 for the message id, 41
// for `last`, `seen` and `view`, 11 for `sent_at`, 5 around the receipt and 5 for its
// fields, and 138 for ids.
pub(crate) const RECEIPT_IDS: usize = 8;

/// Says of messages that they have arrived, or were read.
///
/// Names each by its id, never a range: nothing that was not seen is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// What became of them.
    pub kind: ReceiptKind,
    /// Which messages.
    pub ids: Vec<MessageId>,
}

/// What became of a message; each implies those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReceiptKind {
    /// A device has it.
    Delivered,
    /// A person has seen it.
    Read,
    /// A person has opened what was attached: heard it, or seen it in full.
    Viewed,
}

impl Receipt {
    /// The receipt in a record.
    pub(super) fn from_raw(raw: &raw::Receipt) -> Result<Self, Refusal> {
        let ids = ids_from_raw(&raw.ids).ok_or(Refusal::Broken)?;
        let kind = match raw::ReceiptKind::try_from(raw.kind) {
            Err(_) | Ok(raw::ReceiptKind::Unspecified) => return Err(Refusal::Unknown),
            Ok(raw::ReceiptKind::Delivered) => ReceiptKind::Delivered,
            Ok(raw::ReceiptKind::Read) => ReceiptKind::Read,
            Ok(raw::ReceiptKind::Viewed) => ReceiptKind::Viewed,
        };
        Ok(Self { kind, ids })
    }

    /// The receipt as a record.
    pub(super) fn to_raw(&self) -> raw::Receipt {
        let kind = match self.kind {
            ReceiptKind::Delivered => raw::ReceiptKind::Delivered,
            ReceiptKind::Read => raw::ReceiptKind::Read,
            ReceiptKind::Viewed => raw::ReceiptKind::Viewed,
        };
        raw::Receipt { kind: kind.into(), ids: ids_to_raw(&self.ids) }
    }
}

/// Message ids, one after the other; `None` if a part of one is left over.
pub(super) fn ids_from_raw(bytes: &[u8]) -> Option<Vec<MessageId>> {
    let (ids, []) = bytes.as_chunks() else { return None };
    Some(ids.iter().copied().map(MessageId::from_bytes).collect())
}

/// Message ids, one after the other.
pub(super) fn ids_to_raw(ids: &[MessageId]) -> Vec<u8> {
    ids.iter().flat_map(MessageId::as_bytes).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Frame, Said};
    use crate::crypto::SecretBytes;
    use crate::timestamp::Timestamp;
    use crate::wire::{Mark, Payload, ShortId};

    /// The length of a payload that is padded to 256 bytes, with a shard's room and 0x80.
    const SMALLEST: usize = 256 - 36 - 1;

    fn payload_len(ids: usize) -> usize {
        let ids = vec![MessageId::from_bytes([0xff; 16]); ids];
        let said = Said::Receipt(Receipt { kind: ReceiptKind::Read, ids });
        let frame = Frame { sent_at: Timestamp::from_millis(u64::MAX), said };
        let mark = Some(Mark { seq: u64::MAX, id: ShortId(u32::MAX) });
        let payload = Payload {
            body: SecretBytes::new([&[7; 16], frame.encode().as_slice()].concat()),
            seq: 0,
            last: mark,
            seen: mark,
            view: u64::MAX,
            control: None,
            shards: Vec::new(),
        };
        payload.encode(|len| len).len()
    }

    #[test]
    fn a_receipt_of_that_many_ids_is_in_the_smallest_class_and_no_more() {
        assert!(payload_len(RECEIPT_IDS) <= SMALLEST);
        assert!(payload_len(RECEIPT_IDS + 1) > SMALLEST);
    }
}
