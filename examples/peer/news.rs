//! What members tell each other of a group: contents of kind `group` (SPEC.md, section
//! 13.10).

use prost::Message as _;
use subrosa::Timestamp;
use subrosa::group::{Ask, GroupId, Roster, Update, Welcome};
use subrosa::wire::DecodeError;

use crate::failure::Failure;

/// The most bytes of news in one message.
const MAX_PART_LEN: usize = 61_440;

/// More than the keys and lengths of the fields of news take.
const FRAMING: usize = 16;

const MALFORMED: DecodeError = DecodeError::Malformed("content of kind group");

/// What is told of a group.
pub(crate) struct News {
    /// Of which.
    pub(crate) group: GroupId,
    /// Its seals, for who does not know it.
    pub(crate) welcome: Option<Welcome>,
    /// Its changes.
    pub(crate) update: Update,
    /// What its head stands for.
    pub(crate) state: Option<Ask>,
}

impl News {
    /// These changes, and nothing else.
    pub(crate) fn of(group: GroupId, update: Update) -> Self {
        Self { group, welcome: None, update, state: None }
    }

    /// All that a newcomer needs, or as much of it as one message holds.
    pub(crate) fn introduction(roster: &Roster) -> Self {
        let welcome = roster.welcome();
        let ask = roster.ask();
        let taken = welcome.encode().len() + ask.encode().len() + FRAMING;
        let update = roster.news(MAX_PART_LEN.saturating_sub(taken));
        // With something held, it would ask for what that lacks.
        let state = (roster.held_count() == 0).then_some(ask);
        Self { group: roster.group(), welcome: Some(welcome), update, state }
    }

    /// The content, in one part.
    pub(crate) fn encode(&self, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let Self { group, welcome, update, state } = self;
        let bytes = GroupNews {
            welcome: welcome.as_ref().map(Welcome::encode).unwrap_or_default(),
            update: update.encode(),
            state: state.as_ref().map(Ask::encode).unwrap_or_default(),
        }
        .encode_to_vec();
        if bytes.len() > MAX_PART_LEN {
            return Err(Failure::usage("the news are longer than one part"));
        }
        let whole = rand::random::<[u8; 8]>().to_vec();
        let part = GroupPart { whole, number: 0, count: 1, bytes };
        let note = GroupNote { group_id: group.as_bytes().to_vec(), part: Some(part) };
        Ok(Content { sent_at: now.as_millis(), group: Some(note) }.encode_to_vec())
    }

    /// What such a content says.
    pub(crate) fn decode(content: &[u8]) -> Result<Self, Failure> {
        let content = Content::decode(content).map_err(|_| MALFORMED)?;
        let GroupNote { group_id, part } = content.group.ok_or(MALFORMED)?;
        let group = GroupId::from_bytes(group_id.try_into().map_err(|_| MALFORMED)?);
        let GroupPart { whole, number, count, bytes } = part.ok_or(MALFORMED)?;
        if whole.len() != 8 || number >= count || bytes.len() > MAX_PART_LEN {
            return Err(MALFORMED.into());
        }
        if count != 1 {
            return Err(Failure::usage("the news are in more parts than one"));
        }
        let GroupNews { welcome, update, state } =
            GroupNews::decode(bytes.as_slice()).map_err(|_| MALFORMED)?;
        Ok(Self {
            group,
            welcome: some(welcome).map(|bytes| Welcome::decode(&bytes)).transpose()?,
            update: Update::decode(&update)?,
            state: some(state).map(|bytes| Ask::decode(&bytes)).transpose()?,
        })
    }
}

fn some(bytes: Vec<u8>) -> Option<Vec<u8>> {
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

// The fields of content.proto that are written and looked at here.

#[derive(Clone, PartialEq, prost::Message)]
struct Content {
    #[prost(uint64, tag = "1")]
    sent_at: u64,
    #[prost(message, optional, tag = "21")]
    group: Option<GroupNote>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GroupNote {
    #[prost(bytes = "vec", tag = "1")]
    group_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    part: Option<GroupPart>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GroupPart {
    #[prost(bytes = "vec", tag = "1")]
    whole: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(uint32, tag = "3")]
    count: u32,
    #[prost(bytes = "vec", tag = "4")]
    bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GroupNews {
    #[prost(bytes = "vec", tag = "1")]
    welcome: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    update: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    state: Vec<u8>,
}
