//! What one commit writes.

use std::fmt;
use std::sync::Arc;

use super::{Revision, RowName, Table};
use crate::crypto::SecretBytes;

/// A row's new value, which a store in memory keeps as it is.
pub(crate) type Value = Arc<SecretBytes>;

/// Rows to put and to delete, and the revision that the store has afterwards.
pub struct Changes {
    revision: Revision,
    /// A row without a value is to be deleted.
    writes: Vec<(RowName, Option<Value>)>,
}

/// One row's change. No row is named twice in one [`Changes`].
#[derive(Clone, Copy)]
pub enum Write<'a> {
    /// The row gets this value, whether it was there or not.
    Put {
        /// Its table.
        table: Table,
        /// Its key.
        key: &'a [u8],
        /// Its new value; secret.
        value: &'a [u8],
    },
    /// The row goes, if it was there.
    Delete {
        /// Its table.
        table: Table,
        /// Its key.
        key: &'a [u8],
    },
}

impl Changes {
    /// Changes that lead to this revision; none yet.
    pub(crate) fn new(revision: Revision) -> Self {
        Self { revision, writes: Vec::new() }
    }

    /// Adds a row's change: its new value, or its end.
    pub(crate) fn push(&mut self, row: RowName, value: Option<Value>) {
        self.writes.push((row, value));
    }

    /// What [`Store::revision`](super::Store::revision) has to give from now on.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Every row's name, and its new value.
    pub(super) fn rows(&self) -> &[(RowName, Option<Value>)] {
        &self.writes
    }

    /// Every row's change, in any order.
    pub fn writes(&self) -> impl ExactSizeIterator<Item = Write<'_>> {
        self.writes.iter().map(|(row, value)| {
            let (table, key) = (row.table(), row.key());
            match value {
                Some(value) => Write::Put { table, key, value },
                None => Write::Delete { table, key },
            }
        })
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({} rows)", self.writes.len())
    }
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { table, key: _, value } => {
                write!(f, "Put({}, {} bytes)", table.get(), value.len())
            }
            Self::Delete { table, key: _ } => write!(f, "Delete({})", table.get()),
        }
    }
}
