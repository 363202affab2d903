//! Who is in a group: a set of signed changes, whose state is a function of the set.
//!
//! | file | what |
//! | --- | --- |
//! | `rule` | the rule: which changes count, and who is what then; over numbers alone |
//! | `world` | what the rule is about: people, changes and their pasts |
//! | `change` | a change as it was signed |
//! | `sealed` | the roster that a seal names |
//! | `epoch` | the changes since one seal, as a world |
//! | `roster` | all of it, as a member holds it; `insert`, `follow`, `tell`: what becomes of what comes |
//! | `draft`, `reissue`, `exchange` | what a member makes and says |
//!
//! # Security
//!
//! The rule was found by exhausting small worlds, and the tests do so again. What it cannot
//! do: SPEC.md, section 13.9.

mod bits;
mod change;
mod draft;
mod duties;
mod epoch;
mod error;
mod event;
mod exchange;
mod follow;
mod held;
mod ids;
mod insert;
mod member;
mod record;
mod reissue;
#[expect(clippy::module_inception, reason = "the type that gives the folder its name")]
mod roster;
mod rule;
mod sealed;
mod tell;
#[cfg(test)]
mod tests;
mod world;

pub use change::{Action, Change, Kind, MAX_PARENTS, Seal, Setting};
pub use draft::Draft;
pub use error::{Refused, RosterError};
pub use event::{Inserted, RosterEvent, Stop};
pub use exchange::Answer;
pub use held::MAX_HELD;
pub use ids::{ChangeId, GroupId, Head};
pub use member::{Member, Role};
pub use roster::{MAX_CHANGES, MAX_MEMBERS, MAX_SEALS, Roster};
pub use rule::MAX_PAST;
pub use sealed::Settings;
