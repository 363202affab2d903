//! Groups in the messenger (SPEC.md, sections 13 and 14): [`group`](crate::group) has the
//! rules, the files here what is stored, said and told of them.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `change`, `view` | what an app says and sees |
//! | `known`, `rosters`, `heads`, `people`, `cache` | what is kept of a group |
//! | `act`, `intents`, `consent` | what this side does |
//! | `notes`, `early`, `news`, `parts`, `behind`, `reminders` | what members tell each other |
//! | `readers`, `slots`, `own_chain`, `speak` | sending |
//! | `chains`, `keys`, `listen`, `unknown`, `waiting` | receiving |
//! | `gaps`, `asked`, `copies`, `sweep` | what went missing, and what is forgotten |
//! | `told` | what an app is told |

mod act;
mod asked;
mod backup;
mod behind;
mod cache;
mod chains;
mod change;
mod consent;
mod copies;
mod early;
mod gaps;
mod heads;
mod intents;
mod keys;
mod known;
mod listen;
mod news;
mod notes;
mod own_chain;
mod parts;
mod people;
mod readers;
mod reminders;
mod rosters;
mod slots;
mod speak;
mod sweep;
mod told;
mod unknown;
mod view;
mod waiting;

pub(super) use cache::{GroupCache, TouchedGroups};
pub use change::GroupChange;
pub(super) use told::{GroupHappening, decode_group, decode_invitation};
pub use view::{Group, GroupMember};
