//! Someone who is not known asks whether to write.

use super::refusal::Refusal;
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
    /// The request in a record.
    pub(super) fn from_raw(raw: &raw::Request) -> Result<Self, Refusal> {
        match raw::RequestKind::try_from(raw.kind) {
            Err(_) | Ok(raw::RequestKind::Unspecified) => Err(Refusal::Unknown),
            Ok(raw::RequestKind::Ask) => Ok(Self::Ask),
            Ok(raw::RequestKind::Accepted) => Ok(Self::Accepted),
            Ok(raw::RequestKind::Declined) => Ok(Self::Declined),
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
