//! Who is in a group, and what he may do there.

use std::cmp::Ordering;
use std::fmt;

use crate::address::UserId;
use crate::identity::{AccountKey, DeviceList};
use crate::wire::{DecodeError, GroupMember, GroupRole};

/// A user under an account key. The same user under another key is another member.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Member {
    user: UserId,
    key: AccountKey,
}

impl Member {
    /// The user under this key.
    #[must_use]
    pub fn new(user: UserId, key: AccountKey) -> Self {
        Self { user, key }
    }

    /// Whose list this is.
    #[must_use]
    pub fn of(list: &DeviceList) -> Self {
        Self::new(list.user().clone(), list.account_key())
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The key of the user's account.
    #[must_use]
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    pub(super) fn from_wire(raw: GroupMember) -> Result<Self, DecodeError> {
        const MALFORMED: DecodeError = DecodeError::Malformed("group member");
        let GroupMember { user_id, account_key } = raw;
        Ok(Self {
            user: UserId::new(user_id).map_err(|_| MALFORMED)?,
            key: AccountKey::from_bytes(&account_key).ok_or(MALFORMED)?,
        })
    }

    pub(super) fn to_wire(&self) -> GroupMember {
        GroupMember { user_id: self.user.as_bytes().to_vec(), account_key: *self.key.as_bytes() }
    }

    fn sort_key(&self) -> (&UserId, &[u8; 32]) {
        (&self.user, self.key.as_bytes())
    }
}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, key } = self;
        write!(f, "Member({user}, {key:?})")
    }
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Nothing but leave.
    Member,
    /// Add and remove ordinary members, and change settings.
    Admin,
    /// All that there is. A group has one.
    Owner,
}

impl Role {
    pub(super) fn from_wire(raw: GroupRole) -> Self {
        match raw {
            GroupRole::Owner => Self::Owner,
            GroupRole::Admin => Self::Admin,
            GroupRole::Member => Self::Member,
        }
    }

    pub(super) fn to_wire(self) -> GroupRole {
        match self {
            Self::Owner => GroupRole::Owner,
            Self::Admin => GroupRole::Admin,
            Self::Member => GroupRole::Member,
        }
    }
}
