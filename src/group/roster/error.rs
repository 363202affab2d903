//! Why a change is refused, and why one cannot be made.

use super::change::MAX_PARENTS;
use super::roster::MAX_MEMBERS;
use crate::wire::DecodeError;

/// Why somebody's change was refused. It is not stored; what builds on it never counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Not a change at all.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It breaks a rule of form; whoever made it has a bug or lies.
    #[error("the change breaks a rule: {0}")]
    Form(&'static str),
    /// Its author did not sign it.
    #[error("the change is forged")]
    Forged,
    /// Its author had no right to it, by all that he knew himself.
    #[error("the author may not do this")]
    NotAllowed,
    /// A change of another group.
    #[error("the change is of another group")]
    OtherGroup,
    /// It builds on a seal that is not followed here, or on what two seals exclude.
    #[error("the change goes by another seal")]
    OtherSeal,
    /// More is known or claimed than the limits allow: ask for it again when the owner has
    /// sealed.
    #[error("the group has too many changes")]
    Limit,
}

/// Why something cannot be done with a roster. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The member has no right to this, or it makes no sense as things stand.
    #[error("not allowed")]
    NotAllowed,
    /// A person has to decide first, or something is missing: see `Roster::stopped`.
    #[error("the group has stopped")]
    Stopped,
    /// Nothing that is signed can name so many tips: sign what `Roster::gather` gives first.
    #[error("more than {MAX_PARENTS} tips")]
    TooManyTips,
    /// The group would have more than [`MAX_MEMBERS`] members.
    #[error("a group has at most {MAX_MEMBERS} members")]
    TooManyMembers,
    /// The change would be longer than the protocol allows: name fewer members at a time.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// The device, list or account is not the author's, or the wrong one of them signs.
    #[error("the wrong key")]
    WrongSigner,
    /// A change of somebody else's is at fault: what it is in is refused whole.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A stored record is damaged: ask for a welcome.
    #[error(transparent)]
    Record(#[from] DecodeError),
}
