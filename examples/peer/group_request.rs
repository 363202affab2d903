//! The words of a request about a group.

use subrosa::group::GroupId;
use subrosa::{Address, UserId};

use crate::failure::Failure;
use crate::hex;
use crate::request::{address, no_such_request, user};

/// What a line asks for that begins with `group-`.
pub(crate) enum GroupRequest {
    /// A new group.
    Create {
        /// What it is called.
        title: String,
        /// Its members beside this account.
        users: Vec<UserId>,
    },
    /// A signed change.
    Change(GroupId, GroupChange),
    /// All that a newcomer needs.
    Introduce(GroupId),
    /// What a device says of a group.
    News {
        /// Which device.
        from: Address,
        /// The content that came from it.
        content: Vec<u8>,
    },
    /// How it stands with a group.
    State(GroupId),
    /// The chain, for a device.
    Key(GroupId, Address),
    /// The acknowledgement of a device's chain.
    Saved(GroupId, Address),
    /// Another chain.
    Rotate(GroupId),
    /// A message to a group.
    Send(GroupId, Vec<u8>),
}

/// What a change is to do.
pub(crate) enum GroupChange {
    /// This user is a member.
    Add(UserId),
    /// This user is none.
    Remove(UserId),
    /// This user is an admin.
    Admin(UserId),
    /// The group is called so.
    Title(String),
    /// This account is no member.
    Leave,
}

impl GroupRequest {
    /// The request in the words of a line.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Failure> {
        Ok(match words {
            ["group-create", title, users @ ..] if matches!(users.len(), 1..=4) => Self::Create {
                title: text(title)?,
                users: users.iter().map(|name| user(name)).collect::<Result<_, _>>()?,
            },
            ["group-change", id, change @ ..] => {
                Self::Change(group(id)?, GroupChange::parse(change)?)
            }
            ["group-introduce", id] => Self::Introduce(group(id)?),
            ["group-news", name, number, content] => {
                Self::News { from: address(name, number)?, content: hex::decode(content)? }
            }
            ["group-state", id] => Self::State(group(id)?),
            ["group-key", id, name, number] => Self::Key(group(id)?, address(name, number)?),
            ["group-saved", id, name, number] => Self::Saved(group(id)?, address(name, number)?),
            ["group-rotate", id] => Self::Rotate(group(id)?),
            ["group-send", id, content] => Self::Send(group(id)?, hex::decode(content)?),
            _ => return Err(no_such_request()),
        })
    }
}

impl GroupChange {
    fn parse(words: &[&str]) -> Result<Self, Failure> {
        Ok(match words {
            ["add", name] => Self::Add(user(name)?),
            ["remove", name] => Self::Remove(user(name)?),
            ["admin", name] => Self::Admin(user(name)?),
            ["title", title] => Self::Title(text(title)?),
            ["leave"] => Self::Leave,
            _ => return Err(no_such_request()),
        })
    }
}

fn group(word: &str) -> Result<GroupId, Failure> {
    let id = hex::decode(word)?.try_into();
    id.map(GroupId::from_bytes).map_err(|_| Failure::usage("a group id has 32 bytes"))
}

fn text(word: &str) -> Result<String, Failure> {
    String::from_utf8(hex::decode(word)?).map_err(|_| Failure::usage("a title is UTF-8"))
}
