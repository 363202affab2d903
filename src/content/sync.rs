//! What the devices of one account tell each other.

use std::fmt;

use super::receipt::{ids_from_raw, ids_to_raw};
use super::{Consent, Content};
use crate::address::UserId;
use crate::crypto::SecretBytes;
use crate::session::MAX_CONTENT_LEN;
use crate::timestamp::Timestamp;
use crate::wire::content as raw;
use crate::wire::content::sync::Kind;
use crate::wire::{MessageId, SignedDeviceList};

/// How many ids one [`Sync::ReadMarks`] has at most: as many as fit a message.
// The user id takes 258 bytes, the time 11, four lengths and keys up to 6 each.
pub(crate) const READ_MARK_IDS: usize = (MAX_CONTENT_LEN - 320) / MessageId::LEN;

/// Something for another device of the same account.
///
/// # Security
///
/// Counts only in a session with a device of the own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sync {
    /// What another own device has sent to someone.
    SentCopy { user: UserId, message: MessageId, sent_at: Timestamp, content: Content },
    /// What was decided about someone; the newest `at` counts.
    Decision { user: UserId, consent: Consent, at: Timestamp },
    /// These messages of someone's have been read.
    ReadMarks { user: UserId, ids: Vec<MessageId> },
    /// Someone's safety number was compared, for this account key.
    Verified { user: UserId, account_key: [u8; 32], at: Timestamp },
    /// What a primary device gives to one that it has linked.
    LinkPackage(LinkPackage),
    /// Something that this version does not know; ignored.
    Unknown,
}

/// What a newly linked device is given. A contact takes up to 4,400 bytes, so many of
/// them take several packages.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LinkPackage {
    /// The account's newest list, with the linked device on it; to be verified.
    pub(crate) account_list: SignedDeviceList,
    pub(crate) contacts: Vec<Contact>,
}

/// What is known of someone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) user: UserId,
    /// To be verified; `None` while none is known.
    pub(crate) device_list: Option<SignedDeviceList>,
    pub(crate) consent: Consent,
    /// Whether the safety number was compared for the list's account key.
    pub(crate) verified: bool,
    /// When consent was decided.
    pub(crate) at: Timestamp,
}

impl Sync {
    /// What a record says; `None` if it breaks the rules.
    pub(super) fn from_raw(raw: raw::Sync) -> Option<Self> {
        let raw::Sync { kind } = raw;
        let Some(kind) = kind else { return Some(Self::Unknown) };
        Some(match kind {
            Kind::SentCopy(raw::SentCopy { user_id, message_id, content }) => {
                let (sent_at, content) = Content::decode(&SecretBytes::new(content));
                let (user, message) = (user(user_id)?, MessageId::from_bytes(id(&message_id)?));
                Self::SentCopy { user, message, sent_at, content }
            }
            Kind::Decision(raw::Decision { user_id, consent, at }) => Self::Decision {
                user: user(user_id)?,
                consent: Consent::from_raw(consent)?,
                at: Timestamp::from_millis(at),
            },
            Kind::ReadMarks(raw::ReadMarks { user_id, ids }) => {
                Self::ReadMarks { user: user(user_id)?, ids: ids_from_raw(&ids)? }
            }
            Kind::Verified(raw::Verified { user_id, account_key, at }) => Self::Verified {
                user: user(user_id)?,
                account_key: account_key.as_slice().try_into().ok()?,
                at: Timestamp::from_millis(at),
            },
            Kind::LinkPackage(raw::LinkPackage { account_list, contacts }) => {
                Self::LinkPackage(LinkPackage {
                    account_list: raw::device_list(account_list?).ok()?,
                    contacts: contacts.into_iter().map(Contact::from_raw).collect::<Option<_>>()?,
                })
            }
        })
    }

    /// The record.
    pub(super) fn to_raw(&self) -> raw::Sync {
        let kind = match self {
            Self::SentCopy { user, message, sent_at, content } => Kind::SentCopy(raw::SentCopy {
                user_id: user.as_bytes().to_vec(),
                message_id: message.as_bytes().to_vec(),
                content: std::mem::take(&mut *content.encode_at(*sent_at)),
            }),
            Self::Decision { user, consent, at } => Kind::Decision(raw::Decision {
                user_id: user.as_bytes().to_vec(),
                consent: consent.to_raw(),
                at: at.as_millis(),
            }),
            Self::ReadMarks { user, ids } => Kind::ReadMarks(raw::ReadMarks {
                user_id: user.as_bytes().to_vec(),
                ids: ids_to_raw(ids),
            }),
            Self::Verified { user, account_key, at } => Kind::Verified(raw::Verified {
                user_id: user.as_bytes().to_vec(),
                account_key: account_key.to_vec(),
                at: at.as_millis(),
            }),
            Self::LinkPackage(LinkPackage { account_list, contacts }) => {
                Kind::LinkPackage(raw::LinkPackage {
                    account_list: Some(raw::raw_device_list(account_list.clone())),
                    contacts: contacts.iter().map(Contact::to_raw).collect(),
                })
            }
            Self::Unknown => return raw::Sync { kind: None },
        };
        raw::Sync { kind: Some(kind) }
    }
}

impl Contact {
    fn from_raw(raw: raw::Contact) -> Option<Self> {
        let raw::Contact { user_id, device_list, consent, verified, at } = raw;
        Some(Self {
            user: user(user_id)?,
            device_list: device_list.map(raw::device_list).transpose().ok()?,
            consent: Consent::from_raw(consent)?,
            verified,
            at: Timestamp::from_millis(at),
        })
    }

    fn to_raw(&self) -> raw::Contact {
        let Self { user, device_list, consent, verified, at } = self;
        raw::Contact {
            user_id: user.as_bytes().to_vec(),
            device_list: device_list.clone().map(raw::raw_device_list),
            consent: consent.to_raw(),
            verified: *verified,
            at: at.as_millis(),
        }
    }
}

fn user(bytes: Vec<u8>) -> Option<UserId> {
    UserId::new(bytes).ok()
}

fn id(bytes: &[u8]) -> Option<[u8; MessageId::LEN]> {
    bytes.try_into().ok()
}

impl fmt::Debug for LinkPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account_list: _, contacts } = self;
        f.debug_struct("LinkPackage").field("contacts", &contacts.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, device_list: _, consent, verified, at: _ } = self;
        f.debug_struct("Contact")
            .field("user", user)
            .field("consent", consent)
            .field("verified", verified)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Frame, Said};

    #[test]
    fn as_many_marks_as_a_sync_has_fit_a_message() {
        let marks = Sync::ReadMarks {
            user: UserId::new([b'u'; 255]).unwrap(),
            ids: vec![MessageId::from_bytes([0xff; 16]); READ_MARK_IDS],
        };
        let frame = Frame { sent_at: Timestamp::from_millis(u64::MAX), said: Said::Sync(marks) };
        let bytes = frame.encode();
        assert!(bytes.len() <= MAX_CONTENT_LEN);
        assert_eq!(Frame::decode(&bytes), frame);
    }
}
