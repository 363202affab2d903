//! Rows that were saved and are looked up when they are needed.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

type LookUp<K> = dyn Fn(K) -> Option<Zeroizing<Vec<u8>>> + Send + Sync;

/// The rows of something that was loaded, as they were last saved; of something that
/// was made in this process there are none, as all of it is at hand.
pub(crate) struct Saved<K>(Option<Arc<LookUp<K>>>);

impl<K> Saved<K> {
    pub(crate) fn new(
        look_up: impl Fn(K) -> Option<Zeroizing<Vec<u8>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(look_up)))
    }

    /// A row as it was last saved. To be asked only for what was not deleted since.
    pub(crate) fn row(&self, key: K) -> Option<Zeroizing<Vec<u8>>> {
        self.0.as_ref().and_then(|look_up| look_up(key))
    }
}

impl<K> Default for Saved<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K> fmt::Debug for Saved<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Saved(..)")
    }
}
