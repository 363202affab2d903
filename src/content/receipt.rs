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
