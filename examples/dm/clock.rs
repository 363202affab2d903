//! A clock that the story moves on, so that days of waiting take no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use subrosa::{Clock, Timestamp};

/// A clock that stands still until it is moved; a clone is the same clock.
#[derive(Debug, Clone)]
pub(crate) struct StoryClock(Arc<AtomicU64>);

impl StoryClock {
    /// A clock that shows the time.
    pub(crate) fn start() -> Self {
        Self(Arc::new(AtomicU64::new(Timestamp::from(SystemTime::now()).as_millis())))
    }

    /// Moves it to this time, unless it is past.
    pub(crate) fn move_to(&self, time: Timestamp) {
        self.0.fetch_max(time.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
