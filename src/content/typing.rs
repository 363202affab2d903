//! Somebody is writing.

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
    /// The notice in a record; `None` if this version does not know it.
    pub(super) fn from_raw(raw: &raw::Typing) -> Option<Self> {
        match raw::TypingKind::try_from(raw.kind).ok()? {
            raw::TypingKind::Unspecified => None,
            raw::TypingKind::Started => Some(Self::Started),
            raw::TypingKind::Stopped => Some(Self::Stopped),
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
