//! The roster that a seal names, and the settings in it (SPEC.md, section 13.3).

use std::collections::BTreeMap;

use super::change::Setting;
use super::world::SETTINGS;
use super::{Member, Role, RosterError};
use crate::address::length_prefixed;
use crate::crypto::{Label, sha256};
use crate::wire::{DecodeError, GroupEntry, GroupRoster, MAX_PICTURE_LEN, MAX_TITLE_LEN};

/// What a group is called and how it behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The title, at most [`MAX_TITLE_LEN`] bytes.
    pub title: String,
    /// Where the picture is, in the content's own form, at most [`MAX_PICTURE_LEN`] bytes;
    /// empty if there is none.
    pub picture: Vec<u8>,
    /// After how many seconds messages disappear; 0 for never.
    pub timer: u32,
}

impl Settings {
    /// A group with this title, and nothing else that is special.
    #[must_use]
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), RosterError> {
        if self.title.len() > MAX_TITLE_LEN {
            return Err(RosterError::TooLong("the title"));
        }
        if self.picture.len() > MAX_PICTURE_LEN {
            return Err(RosterError::TooLong("the reference to the picture"));
        }
        Ok(())
    }

    pub(super) fn set(&mut self, setting: &Setting) {
        match setting {
            Setting::Title(title) => self.title.clone_from(title),
            Setting::Picture(picture) => self.picture.clone_from(picture),
            Setting::Timer(seconds) => self.timer = *seconds,
        }
    }

    pub(super) fn all(&self) -> [Setting; SETTINGS] {
        [
            Setting::Title(self.title.clone()),
            Setting::Picture(self.picture.clone()),
            Setting::Timer(self.timer),
        ]
    }
}

impl Setting {
    /// Which of the settings this is.
    pub(super) fn number(&self) -> usize {
        match self {
            Self::Title(_) => 0,
            Self::Picture(_) => 1,
            Self::Timer(_) => 2,
        }
    }
}

/// Whether a setting is as long as it may be.
pub(super) fn check_setting(setting: &Setting) -> Result<(), RosterError> {
    let mut settings = Settings::default();
    settings.set(setting);
    settings.check()
}

/// What a seal says of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) role: Role,
    /// The version of the newest device list that a change has told of; 0 if none has.
    pub(super) list_version: u64,
}

/// Everybody and everything that a seal names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SealedRoster {
    pub(super) entries: BTreeMap<Member, Entry>,
    pub(super) settings: Settings,
}

impl SealedRoster {
    // H("subrosa/1 group roster" || 0x00 || lp(title) || lp(picture) || u32(timer)
    //   || u32(number of entries) || for each: u8(role) || u64(list version) || lp(user id)
    //   || account key)
    pub(super) fn hash(&self) -> [u8; 32] {
        let Settings { title, picture, timer } = &self.settings;
        let mut bytes = Vec::with_capacity(64 + 64 * self.entries.len());
        for text in [title.as_bytes(), picture] {
            bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(text);
        }
        bytes.extend_from_slice(&timer.to_be_bytes());
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_be_bytes());
        for (member, Entry { role, list_version }) in &self.entries {
            let role = match role {
                Role::Owner => 1,
                Role::Admin => 2,
                Role::Member => 3,
            };
            bytes.push(role);
            bytes.extend_from_slice(&list_version.to_be_bytes());
            bytes.extend_from_slice(&length_prefixed(member.user()));
            bytes.extend_from_slice(member.key().as_bytes());
        }
        sha256(&[Label::GROUP_ROSTER.as_bytes(), &[0], &bytes])
    }

    pub(super) fn to_wire(&self) -> GroupRoster {
        let entry = |(member, entry): (&Member, &Entry)| GroupEntry {
            member: member.to_wire(),
            role: entry.role.to_wire(),
            list_version: entry.list_version,
        };
        let Settings { title, picture, timer } = self.settings.clone();
        GroupRoster { entries: self.entries.iter().map(entry).collect(), title, picture, timer }
    }

    /// Reads a roster. Its hash says whether it is the one that a seal names.
    pub(super) fn from_wire(raw: GroupRoster) -> Result<Self, DecodeError> {
        const MALFORMED: DecodeError = DecodeError::Malformed("group roster");
        let GroupRoster { entries: raw, title, picture, timer } = raw;
        let mut entries = BTreeMap::new();
        for GroupEntry { member, role, list_version } in raw {
            let entry = Entry { role: Role::from_wire(role), list_version };
            if entries.insert(Member::from_wire(member)?, entry).is_some() {
                return Err(MALFORMED);
            }
        }
        let settings = Settings { title, picture, timer };
        settings.check().map_err(|_| MALFORMED)?;
        Ok(Self { entries, settings })
    }

    /// Whether this member, and nobody else, is the owner.
    pub(super) fn is_owned_by(&self, owner: &Member) -> bool {
        let owners = self.entries.iter().filter(|(_, entry)| entry.role == Role::Owner);
        owners.map(|(member, _)| member).eq([owner])
    }
}
