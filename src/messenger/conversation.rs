//! Where something is said.

use crate::address::UserId;
use crate::group::GroupId;

/// Where something is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Conversation {
    /// With this user; with ourselves, it is a note to our own devices.
    User(UserId),
    /// With all members of this group.
    Group(GroupId),
}

impl From<GroupId> for Conversation {
    fn from(group: GroupId) -> Self {
        Self::Group(group)
    }
}

impl From<&GroupId> for Conversation {
    fn from(group: &GroupId) -> Self {
        Self::Group(*group)
    }
}

impl From<UserId> for Conversation {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<&UserId> for Conversation {
    fn from(user: &UserId) -> Self {
        Self::User(user.clone())
    }
}

impl From<&Self> for Conversation {
    fn from(conversation: &Self) -> Self {
        conversation.clone()
    }
}
