//! How long a session keeps the past: keys of messages that were passed over, and tags of
//! messages that have opened (SPEC.md, sections 6.4 and 6.5).
//!
//! Both are rows beside the session's record. A row's number never changes, so
//! adding, using and forgetting one touches that row alone, whatever the history.

use std::time::Duration;

/// After how many more opened messages a skipped key or a used tag is forgotten.
///
/// A key that waits is forward secrecy that waits, so it must end; nobody reads a
/// message that comes in a thousand messages late.
pub const KEPT_MESSAGES: u64 = 1000;

/// After what time a skipped key or a used tag is forgotten.
///
/// As long as mailboxes keep mail.
pub const KEPT_TIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
