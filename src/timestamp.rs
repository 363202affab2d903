//! A point in time, as milliseconds since 1970-01-01 UTC.
//!
//! Nothing below the facade reads a clock: `now` is an argument everywhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01 UTC.
///
/// ```
/// use std::time::Duration;
/// use subrosa::Timestamp;
///
/// let sent = Timestamp::from_millis(1_700_000_000_000);
/// assert_eq!(sent.after(Duration::from_secs(1)).as_secs(), 1_700_000_001);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time that is this many milliseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time that is this many seconds after 1970-01-01 UTC; later ones than
    /// fit become the last one.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time and `span` more, or the last time there is.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// How far this and `other` are from each other, whichever is the later one.
    pub(crate) const fn apart(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// How long ago `earlier` was; zero if it is later than this.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, millis))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(Timestamp::from_secs(u64::MAX), last);
        assert_eq!(Timestamp::default().since(last), Duration::ZERO);
        assert_eq!(Timestamp::default().apart(last), last.since(Timestamp::default()));
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(5)).as_millis(), 0);
    }
}
