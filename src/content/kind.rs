//! What a content is.

use super::{Receipt, Request, Typing};

/// What a content is, for whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// What someone wrote.
    Text(&'a str),
    /// What became of messages.
    Receipt(&'a Receipt),
    /// Somebody is writing, or no longer.
    Typing(Typing),
    /// A message request, or the answer to one.
    Request(Request),
    /// Nothing that this version knows, or that is for people:
    /// [`Content::fallback`](super::Content::fallback) is to be shown, if there is one.
    Unknown,
}
