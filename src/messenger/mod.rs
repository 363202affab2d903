//! The facade: a state machine with durable queues.
//!
//! ```text
//!             send, accept, …                        next_outgoing
//!   app  ---------------------->  +-------------+  ----------------->  transport, directory
//!        <----------------------  |  Messenger  |  <-----------------
//!             next_event          +-------------+    receive, learn
//!                                        |
//!                                      Store: one commit a call
//! ```
//!
//! An operation computes what changes and what comes out; what comes out does so only
//! from a committed change. See [`Messenger`] for the whole contract.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `messenger`, `batch`, `opened` | what an app calls |
//! | `work`, `view`, `table` | a commit in the making, over the store |
//! | `errand`, `event`, `lease` | the two queues |
//! | `schedule`, `letter`, `log`, `receipts` | sending |
//! | `receive`, `search`, `held`, `peers` | receiving |
//! | `linking`, `link_code`, `devices`, `backup`, `recovery_key` | devices of one account |
//! | `learn`, `contact`, `people`, `own`, `prekeys` | who there is |
//! | `repair`, `silence`, `health`, `serve` | what went missing |
//! | `groups/` | who is in a group, and what is said there |
//! | `fading` | messages that disappear |
//! | `due`, `daily`, `clock` | what is done by time |

pub(crate) mod backup;
mod batch;
mod clock;
mod compare;
mod contact;
mod conversation;
mod daily;
mod devices;
mod due;
mod errand;
mod error;
mod event;
mod fading;
mod groups;
mod happening;
mod health;
mod held;
mod ids;
mod learn;
mod lease;
mod letter;
pub(crate) mod link_code;
pub(crate) mod linking;
mod log;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod messenger;
mod opened;
mod options;
mod own;
mod peers;
mod people;
mod prekeys;
mod receipts;
mod receive;
mod recovery_key;
mod repair;
mod scan;
mod schedule;
mod search;
mod serve;
mod silence;
mod table;
mod view;
mod work;

pub use batch::Batch;
pub use contact::{Consent, Contact};
pub use conversation::Conversation;
pub use errand::{Action, Outgoing, Refusal, Urgency};
pub use error::{Error, ErrorKind};
pub use event::{EmojiEnd, Event, EventKind, FailReason, Message, Status};
pub use groups::{Group, GroupChange, GroupMember};
pub use held::{MAX_HELD, MAX_HELD_BYTES};
pub use ids::{EventId, OutgoingId};
pub use learn::Learned;
pub use link_code::LinkCode;
pub use linking::Linking;
pub use messenger::Messenger;
pub use opened::{Opened, Setup};
#[cfg(any(test, feature = "testing"))]
pub(crate) use options::Seeds;
pub use options::{Clock, IdentityPolicy, Options};
pub use receive::{Incoming, Received, Rejection};
pub use recovery_key::RecoveryKey;
pub use scan::Scan;
