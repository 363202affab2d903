//! What an answer shows of what it answers.

use super::refusal::{Refusal, fixed};
use super::secret_text::{SecretText, beginning};
use super::{Content, ContentError, Reference};
use crate::address::UserId;
use crate::wire::MessageId;
use crate::wire::content as raw;

/// The longest excerpt, in bytes: some lines.
pub const MAX_EXCERPT_LEN: usize = 400;

/// What an answer shows of the message that it answers, for whoever does not have that.
///
/// # Security
///
/// It is a claim of who answers: the author, and what they are made to have said. Who has
/// the message shows that, if it [matches](Self::matches); a quote that does not match says
/// something else than was said.
#[derive(Clone, PartialEq, Eq)]
pub struct Quote {
    of: Reference,
    excerpt: SecretText,
    hash: Option<[u8; 32]>,
}

impl Quote {
    /// The beginning of this message, and its hash.
    #[must_use]
    pub fn new(of: Reference, original: &Content) -> Self {
        let excerpt = SecretText::new(beginning(&original.to_string(), MAX_EXCERPT_LEN));
        let hash = original.hash(&of);
        Self { of, excerpt, hash }
    }

    /// Which message it is said to be of.
    #[must_use]
    pub fn of(&self) -> &Reference {
        &self.of
    }

    /// What it is said to begin with.
    #[must_use]
    pub fn excerpt(&self) -> &str {
        self.excerpt.as_str()
    }

    /// Whether this is what it quotes, and begins like that.
    #[must_use]
    pub fn matches(&self, original: &Content) -> bool {
        self.hash.is_some()
            && self.hash == original.hash(&self.of)
            && original.to_string().starts_with(self.excerpt())
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        self.excerpt.check("bytes of an excerpt", MAX_EXCERPT_LEN)
    }

    /// What a record says of the message that is answered.
    pub(super) fn from_raw(raw: &raw::Quote, message: MessageId) -> Result<Self, Refusal> {
        let raw::Quote { author, excerpt, hash } = raw;
        let author = UserId::new(author).map_err(|_| Refusal::Broken)?;
        let hash = match hash.as_slice() {
            [] => None,
            hash => Some(fixed(hash)?),
        };
        let of = Reference::new(author, message);
        Ok(Self { of, excerpt: SecretText::new(excerpt.as_str()), hash })
    }

    pub(super) fn to_raw(&self) -> raw::Quote {
        let Self { of, excerpt, hash } = self;
        raw::Quote {
            author: of.author.as_bytes().to_vec(),
            excerpt: excerpt.to_raw(),
            hash: hash.map(|hash| hash.to_vec()).unwrap_or_default(),
        }
    }
}
