//! Where a row stands: its table and its key in one, so that one map has all tables.

use std::ops::Bound;

use smallvec::SmallVec;

use super::Table;

/// How long a name may be to need no memory of its own: longer than most.
const INLINE: usize = 48;

/// A row's table and key; in order by table, then by key.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowName(SmallVec<[u8; INLINE]>);

impl RowName {
    pub(crate) fn new(table: Table, key: &[u8]) -> Self {
        let mut name = SmallVec::with_capacity(key.len().saturating_add(1));
        name.push(table.0);
        name.extend_from_slice(key);
        Self(name)
    }

    /// The names in this table from this key on.
    pub(crate) fn from_on(table: Table, key: &[u8]) -> (Bound<Self>, Bound<Self>) {
        let end = table.0.checked_add(1).map(|next| Self::new(Table(next), &[]));
        (Bound::Included(Self::new(table, key)), end.map_or(Bound::Unbounded, Bound::Excluded))
    }

    pub(crate) fn table(&self) -> Table {
        Table(self.0.first().copied().unwrap_or_default())
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl Clone for RowName {
    /// By its bytes at once, not one by one as a vector of anything is cloned.
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}
