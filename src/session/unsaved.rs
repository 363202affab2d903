//! What a step gives, held back until the new state is saved.

use std::fmt;

use crate::ratchet::{RowKey, TagChange};

/// What a step gives, held back until the state behind it is saved.
///
/// The session has already moved on. Write its record and the rows named here, all
/// at once and durably, and with them what the app keeps of the value: that is
/// [`Self::save_with`]. If the write fails, drop the session and load it again:
/// nothing was sent and nothing was shown, so nothing is lost.
///
/// A [`Peer`](super::Peer)'s rows include its record and those of its sessions; a
/// [`Session`](super::Session) has its record beside them. A row that is `None` is to
/// be deleted.
///
/// What is left to the app: keep the content with its id, number and mark, in the same
/// write, until the peer has confirmed it; delete an envelope from the mailbox once
/// what it gave is written or it was refused, never after a failed write.
///
/// # Security
///
/// An envelope that leaves before the state is saved can be followed, after a crash,
/// by another one of the same number. Its key still differs (a random salt is in
/// it), but the receiver takes one of the two for a sign that this device was
/// rolled back.
#[must_use = "nothing has been saved yet: `save_with` what writes the record and the rows"]
pub struct Unsaved<T, K = RowKey> {
    value: T,
    rows: Vec<K>,
    tags: Vec<TagChange>,
}

impl<T, K> Unsaved<T, K> {
    pub(crate) fn new(value: T, rows: Vec<K>, tags: Vec<TagChange>) -> Self {
        Self { value, rows, tags }
    }

    /// The rows beside the record that changed; ask the session for each. A row that
    /// it does not have any more is to be deleted.
    #[must_use]
    pub fn rows(&self) -> &[K] {
        &self.rows
    }

    /// What changed in the tags by which messages are found, for a
    /// [`TagTable`](super::TagTable).
    #[must_use]
    pub fn tags(&self) -> &[TagChange] {
        &self.tags
    }

    /// Gives the value once `write` has written: the record, the rows, and what the
    /// app keeps of the value itself (what a message says, which number it has).
    ///
    /// # Errors
    ///
    /// Those of `write`. Nothing of the step may be used: load the session again.
    pub fn save_with<E>(self, write: impl FnOnce(&T, &[K]) -> Result<(), E>) -> Result<T, E> {
        write(&self.value, &self.rows)?;
        Ok(self.value)
    }

    /// Gives the value to someone who has written everything already, or who keeps
    /// nothing. Nothing checks that: [`Self::save_with`] cannot be used wrongly.
    pub fn saved(self) -> T {
        self.value
    }

    /// The value, for what of it may be seen before it is saved.
    pub(super) fn value(&self) -> &T {
        &self.value
    }

    /// The parts, for a layer that writes more at the same time.
    pub(crate) fn into_parts(self) -> (T, Vec<K>, Vec<TagChange>) {
        (self.value, self.rows, self.tags)
    }
}

impl<T, K: fmt::Debug> fmt::Debug for Unsaved<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsaved").field("rows", &self.rows).finish_non_exhaustive()
    }
}
