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
//! use subrosa::content::{Content, Kind};
//! use subrosa::wire::MessageId;
//!
//! let question = MessageId::generate(&mut rand::rng());
//! let answer = Content::text("At eight.")
//!     .reply_to(question)
//!     .disappearing(Duration::from_secs(24 * 60 * 60));
//! assert_eq!(answer.to_string(), "At eight.");
//! // What an app keeps, and loads again.
//! let loaded = Content::from_bytes(&answer.to_bytes());
//! assert!(matches!(loaded.kind(), Kind::Text("At eight.")));
//! assert_eq!(loaded.replied_to(), Some(question));
//! // It is never printed by accident.
//! assert_eq!(format!("{loaded:?}"), "Content(text)");
//! ```
//!
//! # Security
//!
//! What a content says is as its author wanted it: a text may be long, hold control
//! characters or be written from right to left. What is shown is up to the app.

mod consent;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod content;
mod frame;
mod group_note;
mod kind;
mod receipt;
mod request;
mod secret_text;
mod sync;
mod typing;

pub use consent::Consent;
pub use content::{Content, MAX_TEXT_LEN};
pub(crate) use frame::{Frame, Said};
pub(crate) use group_note::{GroupCopy, GroupNews, GroupNote, GroupPart, GroupSaid};
pub use kind::Kind;
pub(crate) use receipt::RECEIPT_IDS;
pub use receipt::{Receipt, ReceiptKind};
pub use request::Request;
pub(crate) use sync::{Contact, LinkPackage, Sync};
pub use typing::Typing;

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
}
