//! The table that stands for the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

type Table<K> = BTreeMap<K, Zeroizing<Vec<u8>>>;

/// Rows by their keys; shared with what looks rows up.
pub(crate) struct Disk<K>(Arc<Mutex<Table<K>>>);

impl<K: Copy + Ord> Disk<K> {
    /// A row as it was last saved.
    pub(crate) fn find(&self, row: K) -> Option<Zeroizing<Vec<u8>>> {
        self.0.lock().ok()?.get(&row).cloned()
    }

    /// Saves rows as they are now; what is none any more is deleted.
    pub(crate) fn save(&self, rows: &[K], now: impl Fn(K) -> Option<Zeroizing<Vec<u8>>>) {
        for row in rows {
            // Before the table is locked: whoever is asked may have to look there.
            let bytes = now(*row);
            let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match bytes {
                Some(bytes) => table.insert(*row, bytes),
                None => table.remove(row),
            };
        }
    }
}

impl<K> Default for Disk<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for Disk<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
