//! What was decided about someone.

use crate::wire::content as raw;

/// Whether someone may write to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Consent {
    /// Nothing has been decided: what they write is a request.
    #[default]
    Undecided,
    /// They may.
    Accepted,
    /// They may not: nothing of theirs is shown.
    Blocked,
}

impl Consent {
    /// The consent in a record; `None` if this version does not know it.
    pub(super) fn from_raw(raw: i32) -> Option<Self> {
        match raw::Consent::try_from(raw).ok()? {
            raw::Consent::Unspecified => None,
            raw::Consent::Undecided => Some(Self::Undecided),
            raw::Consent::Accepted => Some(Self::Accepted),
            raw::Consent::Blocked => Some(Self::Blocked),
        }
    }

    /// The consent for a record.
    pub(super) fn to_raw(self) -> i32 {
        match self {
            Self::Undecided => raw::Consent::Undecided,
            Self::Accepted => raw::Consent::Accepted,
            Self::Blocked => raw::Consent::Blocked,
        }
        .into()
    }
}
