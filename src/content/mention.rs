//! Somebody who is meant in a text.

use std::ops::Range;

use super::refusal::Refusal;
use super::text::{range_from_raw, range_to_raw};
use crate::address::UserId;
use crate::wire::content as raw;

/// A part of a text that means somebody.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mention {
    /// Which part: bytes of UTF-8.
    pub at: Range<usize>,
    /// Who is meant. What stands there instead may be another's name: show theirs.
    pub user: UserId,
}

impl Mention {
    pub(super) fn from_raw(raw: &raw::Mention) -> Result<Self, Refusal> {
        let raw::Mention { start, length, user_id } = raw;
        let user = UserId::new(user_id).map_err(|_| Refusal::Broken)?;
        Ok(Self { at: range_from_raw(*start, *length)?, user })
    }

    pub(super) fn to_raw(&self) -> raw::Mention {
        let [start, length] = range_to_raw(&self.at);
        raw::Mention { start, length, user_id: self.user.as_bytes().to_vec() }
    }
}
