//! Someone who is not known asks whether to write.

use crate::wire::content as raw;

/// A message request, or the answer to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Request {
    /// May I write to you?
    Ask,
    /// You may.
    Accepted,
    /// You may not.
    Declined,
}

impl Request {
    /// The request in a record; `None` if this version does not know it.
    pub(super) fn from_raw(raw: &raw::Request) -> Option<Self> {
        match raw::RequestKind::try_from(raw.kind).ok()? {
            raw::RequestKind::Unspecified => None,
            raw::RequestKind::Ask => Some(Self::Ask),
            raw::RequestKind::Accepted => Some(Self::Accepted),
            raw::RequestKind::Declined => Some(Self::Declined),
        }
    }

    /// The request as a record.
    pub(super) fn to_raw(self) -> raw::Request {
        let kind = match self {
            Self::Ask => raw::RequestKind::Ask,
            Self::Accepted => raw::RequestKind::Accepted,
            Self::Declined => raw::RequestKind::Declined,
        };
        raw::Request { kind: kind.into() }
    }
}
