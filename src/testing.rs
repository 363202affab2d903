//! For tests of apps and stores: a clock and randomness under the test's control.
//!
//! Behind the feature `testing`; nothing here belongs into an app.
//!
//! ```
//! use std::time::Duration;
//! use subrosa::store::MemoryStore;
//! use subrosa::testing::{ManualClock, seeded};
//! use subrosa::{Messenger, Options, Timestamp, UserId};
//!
//! let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
//! let options = seeded(Options::default().clock(clock.clone()), 1);
//! let alice = UserId::new("alice")?;
//! let mut messenger = Messenger::open(MemoryStore::new(), options)?.or_create(&alice)?;
//! clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
//! assert!(messenger.next_outgoing()?.is_some(), "a new signed prekey is due");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::messenger::{Clock, Options, Seeds};
pub use crate::store::{FailingStore, Failure, check_store};
use crate::timestamp::Timestamp;

/// A clock that moves when a test says so; a clone is the same clock.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    /// Moves it on.
    pub fn advance(&self, span: Duration) {
        self.set(Timestamp::from_millis(self.0.load(Ordering::SeqCst)).after(span));
    }

    /// Sets it, to the future or the past.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Options whose messenger draws its randomness from this seed: the same run each time.
///
/// # Security
///
/// Every key is known to whoever knows the seed. Two messengers need two seeds.
#[must_use]
pub fn seeded(mut options: Options, seed: u64) -> Options {
    options.seeds = Some(Seeds::new(seed));
    options
}
