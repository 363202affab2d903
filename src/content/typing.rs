//! Somebody is writing.

use super::refusal::Refusal;
use crate::wire::content as raw;

/// Whether somebody is writing.
///
/// Never sent again, and worth nothing after half a minute without another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Typing {
    /// They have begun, or go on.
    Started,
    /// They have stopped without sending anything.
    Stopped,
}

impl Typing {
    /// The notice in a record.
    pub(super) fn from_raw(raw: &raw::Typing) -> Result<Self, Refusal> {
        match raw::TypingKind::try_from(raw.kind) {
            Err(_) | Ok(raw::TypingKind::Unspecified) => Err(Refusal::Unknown),
            Ok(raw::TypingKind::Started) => Ok(Self::Started),
            Ok(raw::TypingKind::Stopped) => Ok(Self::Stopped),
        }
    }

    /// The notice as a record.
    pub(super) fn to_raw(self) -> raw::Typing {
        let kind = match self {
            Self::Started => raw::TypingKind::Started,
            Self::Stopped => raw::TypingKind::Stopped,
        };
        raw::Typing { kind: kind.into() }
    }
}
