//! Why a record is no content that this version can show.

use super::ContentError;

/// Why a record is no content that this version can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A part of it is of a later version: its fallback is shown.
    Unknown,
    /// It breaks a rule: nothing of it is shown.
    Broken,
}

impl From<ContentError> for Refusal {
    fn from(_: ContentError) -> Self {
        Self::Broken
    }
}

/// All of them. A broken one counts more than one that is not known, wherever it stands.
pub(super) fn all<T>(parts: impl Iterator<Item = Result<T, Refusal>>) -> Result<Vec<T>, Refusal> {
    let (mut known, mut unknown) = (Vec::new(), false);
    for part in parts {
        match part {
            Ok(part) => known.push(part),
            Err(Refusal::Unknown) => unknown = true,
            Err(Refusal::Broken) => return Err(Refusal::Broken),
        }
    }
    if unknown { Err(Refusal::Unknown) } else { Ok(known) }
}

/// The bytes as an array.
pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes.try_into().map_err(|_| Refusal::Broken)
}
