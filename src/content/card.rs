//! How somebody can be reached.

use super::refusal::Refusal;
use super::secret_text::SecretText;
use super::{ContentError, display};
use crate::address::UserId;
use crate::wire::content as raw;

/// The longest name of a person, in bytes: a line.
const MAX_NAME_LEN: usize = 255;

/// The longest label of an entry, in bytes: some words.
const MAX_LABEL_LEN: usize = 64;

/// The longest entry, in bytes: a postal address of some lines.
const MAX_ENTRY_LEN: usize = 1000;

/// How many entries a card has at most: a screen full.
pub const MAX_CARD_ENTRIES: usize = 32;

/// How somebody can be reached.
///
/// # Security
///
/// Nobody vouches for it but who sends it: a user id on it may be anybody's.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    name: SecretText,
    user: Option<UserId>,
    entries: Vec<(SecretText, SecretText)>,
}

impl Card {
    /// Somebody of this name.
    #[must_use]
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: SecretText::new(name), user: None, entries: Vec::new() }
    }

    /// The same, who is here too.
    #[must_use]
    pub fn with_user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// The same with another way to reach them: a label as `work`, and a number or an
    /// address.
    #[must_use]
    pub fn with_entry(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.entries.push((SecretText::new(label), SecretText::new(value)));
        self
    }

    /// The name, fit to be shown ([`display::name`]).
    #[must_use]
    pub fn name(&self) -> String {
        display::name(self.name.as_str())
    }

    /// Who it is here.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Labels and what they stand for.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(label, value)| (label.as_str(), value.as_str()))
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        let Self { name, user: _, entries } = self;
        if name.is_empty() {
            return Err(ContentError::Rule("a card has a name"));
        }
        name.check("bytes of a name", MAX_NAME_LEN)?;
        ContentError::check("entries of a card", entries.len(), MAX_CARD_ENTRIES)?;
        entries.iter().try_for_each(|(label, value)| {
            label.check("bytes of a label", MAX_LABEL_LEN)?;
            value.check("bytes of an entry", MAX_ENTRY_LEN)
        })
    }

    pub(super) fn from_raw(raw: &raw::Card) -> Result<Self, Refusal> {
        let raw::Card { name, user_id, entries } = raw;
        let user = match user_id.as_slice() {
            [] => None,
            id => Some(UserId::new(id).map_err(|_| Refusal::Broken)?),
        };
        let mut card = Self { user, ..Self::of(name.as_str()) };
        for raw::CardEntry { label, value } in entries {
            card = card.with_entry(label.as_str(), value.as_str());
        }
        Ok(card)
    }

    pub(super) fn to_raw(&self) -> raw::Card {
        let Self { name, user, entries } = self;
        let entry = |(label, value): &(SecretText, SecretText)| raw::CardEntry {
            label: label.to_raw(),
            value: value.to_raw(),
        };
        raw::Card {
            name: name.to_raw(),
            user_id: user.as_ref().map(|user| user.as_bytes().to_vec()).unwrap_or_default(),
            entries: entries.iter().map(entry).collect(),
        }
    }
}
