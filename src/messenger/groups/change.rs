//! What an app does to a group, and is told that others did.

use std::time::Duration;

use crate::address::UserId;
use crate::group::Role;

/// What is done to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupChange {
    /// These people are members from now on. Whose account is not known yet is added once
    /// it is; the group may have a thousand. By an admin or the owner.
    Add(Vec<UserId>),
    /// These people no longer are. By an admin or the owner; an admin only by the owner.
    Remove(Vec<UserId>),
    /// This member's role is another. By the owner; to make somebody else the owner hands
    /// the group over, on the owner's primary device.
    SetRole(UserId, Role),
    /// The group's name, at most 256 bytes. By an admin or the owner, as all that follows.
    Rename(String),
    /// Where its picture is, as the app has it, at most 1,024 bytes; empty for none.
    SetPicture(Vec<u8>),
    /// How long messages stay once they were read, in whole seconds; `None`: for ever.
    SetTimer(Option<Duration>),
    /// We go. The owner hands the group over first.
    Leave,
}
