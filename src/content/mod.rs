//! What people say to each other, and what their messengers say by the way
//! (SPEC.md, section 10).
//!
//! A [`Content`] has no author and no id: both belong to the message that carries it,
//! and follow from the cryptography. One that a later version made keeps its bytes and
//! shows its fallback.
//!
//! ```
//! use std::time::Duration;
//!
//! use subrosa::content::{Content, Quote, Reference};
//! use subrosa::{MessageId, UserId};
//!
//! // A message is named by its author and its id.
//! let id = MessageId::generate(&mut rand::rng());
//! let question = (Reference::new(UserId::new("alice")?, id), Content::text("When?"));
//!
//! let answer = Content::text("At eight.")
//!     .quoting(Quote::new(question.0.clone(), &question.1))
//!     .disappearing(Duration::from_secs(24 * 60 * 60));
//! let thanks = Content::reaction(question.0, "👍");
//!
//! // What an app keeps, and loads again.
//! let loaded = Content::from_bytes(&answer.to_bytes());
//! assert_eq!(loaded.as_text(), Some("At eight."));
//! assert!(loaded.quote().unwrap().matches(&question.1));
//! // It is never printed by accident.
//! assert_eq!(format!("{loaded:?}"), "Content(text)");
//! assert_eq!(format!("{thanks} {thanks:?}"), "👍 Content(reaction)");
//! # Ok::<(), subrosa::InvalidUserId>(())
//! ```
//!
//! Files are elsewhere: a [`Pointer`] says where, and has the key. What is said of them is
//! here ([`Attachments`]), and so are [`poll`]s and what leads to a [`call`].
//!
//! # Security
//!
//! What a content says is as its author wanted it: a text may be long, hold control
//! characters or be written from right to left. [`display`] frees it of what deceives; names
//! and pieces of texts come out so. An edit, a deletion and the end of a poll name only the
//! id of a message: it is one of whoever sends them, so that nobody can touch another's. What
//! names another's message (a reaction, a vote, a quote) is a claim that there is one.

mod attachment;
mod attachments;
#[cfg(test)]
mod attacks;
pub mod call;
mod card;
mod consent;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod content;
pub mod display;
mod edit;
mod frame;
mod group_note;
mod kind;
mod location;
mod mention;
mod parts;
mod piece;
mod pointer;
pub mod poll;
mod preview;
mod quote;
mod reaction;
mod receipt;
mod reference;
mod refusal;
mod request;
mod secret_text;
mod sticker;
mod style;
mod sync;
mod text;
mod typing;
mod verification;

pub use attachment::{Attachment, Form, MAX_THUMBNAIL_LEN, MAX_WAVEFORM_LEN};
pub use attachments::{Attachments, MAX_ATTACHMENTS};
pub use card::{Card, MAX_CARD_ENTRIES};
pub use consent::Consent;
pub use content::{Content, MAX_TEXT_LEN};
pub use edit::Edit;
pub(crate) use frame::{Frame, Said};
pub(crate) use group_note::{GroupCopy, GroupNews, GroupNote, GroupPart, GroupSaid};
pub use kind::Kind;
pub use location::Location;
pub use mention::Mention;
pub use piece::Piece;
pub use pointer::Pointer;
pub use preview::{MAX_URL_LEN, Preview};
pub use quote::{MAX_EXCERPT_LEN, Quote};
pub use reaction::{MAX_EMOJI_LEN, Reaction};
pub(crate) use receipt::RECEIPT_IDS;
pub use receipt::{Receipt, ReceiptKind};
pub use reference::Reference;
pub use request::Request;
pub use sticker::Sticker;
pub use style::{Style, Styled};
pub(crate) use sync::{Contact, LinkPackage, READ_MARK_IDS, Sync};
pub use text::{MAX_MENTIONS, MAX_PREVIEWS, MAX_STYLES, Text};
pub use typing::Typing;
pub(crate) use verification::{Verification, VerificationSays};

/// Why a content cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// It is too long for one message: say it in several.
    #[error("the content takes more than {limit} bytes")]
    TooLong {
        /// The most that its encoding may take.
        limit: usize,
    },
    /// There is too much of something in it.
    #[error("{what}: at most {limit}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
    },
    /// A mention or a style is of no part of the text, or cuts a character, or is within
    /// another mention.
    #[error("a mention or a style is of no part of the text")]
    Range,
    /// It is not what it should be.
    #[error("not so: {0}")]
    Rule(&'static str),
}

impl ContentError {
    /// Whether it is not too much of something.
    fn check(what: &'static str, count: usize, limit: usize) -> Result<(), Self> {
        if count > limit { Err(Self::TooMuch { what, limit }) } else { Ok(()) }
    }
}

/// Types that hold what people say: `Debug` shows their names alone.
macro_rules! unprinted {
    ($($name:path),* $(,)?) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let (_, name) = stringify!($name).rsplit_once("::").unwrap_or(("", stringify!($name)));
                write!(f, "{name}(..)")
            }
        })*
    };
}

unprinted! {
    Attachment, Attachments, Card, Edit, Form, Kind, Location, Mention, Piece, Preview, Quote,
    Reaction, Reference, Sticker, Styled, Text,
    call::Answer, call::Call, call::Offer, call::Step,
    poll::Answer, poll::Closing, poll::Poll, poll::Tally, poll::Vote,
}
