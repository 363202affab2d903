//! What two session layers say to each other (SPEC.md, sections 3.4 and 5.6).

use super::generated::v1;
use super::keys::SignedDeviceList;
use super::{DecodeError, fixed};

/// A message of the session layer itself; never shown to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// The highest generation known with the receiver's device.
    HighestGeneration(u64),
    /// A `view` was not the expected one: which lists the sender knows.
    Lists(Box<ListVersions>),
    /// Something that this version does not know; ignored.
    Unknown,
}

/// Which device lists someone knows (SPEC.md, section 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListVersions {
    /// The version of the sender's own list.
    pub own_version: u64,
    /// Its hash.
    pub own_hash: [u8; 32],
    /// The version of the receiver's list, as the sender knows it.
    pub their_version: u64,
    /// Its hash.
    pub their_hash: [u8; 32],
    /// The sender's own list, if the receiver may lack it; to be verified.
    pub own_list: Option<SignedDeviceList>,
}

impl Control {
    pub(super) fn from_raw(raw: v1::Control) -> Result<Self, DecodeError> {
        const WHAT: &str = "control message";
        match raw.kind {
            None => Ok(Self::Unknown),
            Some(v1::control::Kind::HighestGeneration(generation)) => {
                Ok(Self::HighestGeneration(generation))
            }
            Some(v1::control::Kind::Lists(lists)) => {
                let v1::ListVersions { own_version, own_hash, their_version, their_hash, own_list } =
                    lists;
                Ok(Self::Lists(Box::new(ListVersions {
                    own_version,
                    own_hash: fixed(&own_hash, WHAT)?,
                    their_version,
                    their_hash: fixed(&their_hash, WHAT)?,
                    own_list: own_list.map(SignedDeviceList::from_raw).transpose()?,
                })))
            }
        }
    }

    pub(super) fn into_raw(self) -> v1::Control {
        let kind = match self {
            Self::Unknown => return v1::Control { kind: None },
            Self::HighestGeneration(generation) => v1::control::Kind::HighestGeneration(generation),
            Self::Lists(lists) => {
                let ListVersions { own_version, own_hash, their_version, their_hash, own_list } =
                    *lists;
                v1::control::Kind::Lists(v1::ListVersions {
                    own_version,
                    own_hash: own_hash.to_vec(),
                    their_version,
                    their_hash: their_hash.to_vec(),
                    own_list: own_list.map(SignedDeviceList::into_raw),
                })
            }
        };
        v1::Control { kind: Some(kind) }
    }
}
