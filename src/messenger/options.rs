//! How a messenger is to behave: code, not state.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::timestamp::Timestamp;

/// How a messenger is to behave. Nothing of it is stored: give it at every
/// [`open`](super::Messenger::open).
#[derive(Clone)]
pub struct Options {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) identity_policy: IdentityPolicy,
    pub(super) device_token: Option<[u8; 16]>,
    /// For tests that must be repeatable.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) seeds: Option<Seeds>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            identity_policy: IdentityPolicy::default(),
            device_token: None,
            #[cfg(any(test, feature = "testing"))]
            seeds: None,
        }
    }
}

impl Options {
    /// Another clock: needed only where `SystemTime::now` does not work (in a browser).
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What happens when somebody's account key is another one than before.
    #[must_use]
    pub fn identity_policy(mut self, policy: IdentityPolicy) -> Self {
        self.identity_policy = policy;
        self
    }

    /// A random token that the app keeps where backups do not reach (a keychain that
    /// stays on the device).
    ///
    /// The store remembers the first. If another one comes with it, the store was
    /// restored from a backup or copied to another machine: sessions and prekeys end
    /// before anything can be sent, the identity stays, and the app gets
    /// [`EventKind::Restored`](super::EventKind::Restored).
    #[must_use]
    pub fn device_token(mut self, token: [u8; 16]) -> Self {
        self.device_token = Some(token);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("identity_policy", &self.identity_policy)
            .finish_non_exhaustive()
    }
}

/// What happens when a user comes with another account key than the one that is known:
/// a new phone without a backup, or somebody in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdentityPolicy {
    /// Nothing is sent until [`accept_identity`](super::Messenger::accept_identity).
    #[default]
    Hold,
    /// As [`Self::Hold`] for people whose number was compared; with others it goes on
    /// under the new key, with an event.
    HoldIfVerified,
}

/// Where a messenger gets the time from.
///
/// It may jump: nothing is deleted for its age until a clock has been steady for a day.
pub trait Clock: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// Where a test's randomness comes from.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone)]
pub(crate) struct Seeds(Arc<std::sync::Mutex<rand::rngs::ChaCha20Rng>>);

#[cfg(any(test, feature = "testing"))]
impl Seeds {
    pub(crate) fn new(seed: u64) -> Self {
        use rand::SeedableRng;
        Self(Arc::new(std::sync::Mutex::new(rand::rngs::ChaCha20Rng::seed_from_u64(seed))))
    }

    /// Randomness for one commit.
    pub(super) fn next(&self) -> [u8; 32] {
        use rand_core::Rng;
        let mut seed = [0; 32];
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(&mut seed);
        seed
    }
}
