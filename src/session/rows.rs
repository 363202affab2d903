//! Where a peer or a session finds what was saved of it.

use zeroize::Zeroizing;

use super::PeerRow;

/// The rows of one peer device, or those of one session (`Rows<RowKey>`), on disk.
///
/// [`Peer::from_record`](super::Peer::from_record) keeps it and asks for a row when it
/// is needed, so that loading costs the same whatever the history. Every closure from a
/// key to a row is one:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
///
/// use subrosa::session::{PeerRow, Rows};
///
/// let disk: Arc<Mutex<HashMap<PeerRow, Vec<u8>>>> = Arc::default();
/// let rows = move |row: PeerRow| Some(disk.lock().ok()?.get(&row)?.clone().into());
/// assert!(rows.row(PeerRow::Peer).is_none());
/// ```
///
/// It must give what was last saved. (Of rows that the peer itself has changed since it
/// was loaded, the older state does as well: those are at hand.) It is asked in the
/// middle of any call on the peer, [`Peer::row`](super::Peer::row) included, so it must
/// not wait for a lock that is held around such a call.
///
/// There is no error to give: if the storage fails, give `None`, remember the failure,
/// and let the save of whatever step is on the way fail with it. What such a step says
/// is not to be believed, an error of `decrypt` included; load the peer again.
///
/// # Security
///
/// A row that is withheld is a message that is shown twice, or a peer whose roll-back
/// goes unnoticed. No key of a message is used twice by it.
pub trait Rows<K = PeerRow>: Send + Sync {
    /// A row as it was last saved; `None` if there is none.
    fn row(&self, row: K) -> Option<Zeroizing<Vec<u8>>>;
}

impl<K, F: Fn(K) -> Option<Zeroizing<Vec<u8>>> + Send + Sync> Rows<K> for F {
    fn row(&self, row: K) -> Option<Zeroizing<Vec<u8>>> {
        self(row)
    }
}
