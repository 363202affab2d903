//! The store as a step sees it: what is committed, and over it what the step and the
//! batch around it have changed so far.
//!
//! Nothing here reaches the store before [`View::commit`], and then all of it does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Error;
use crate::crypto::SecretBytes;
use crate::store::{Changes, Commit, Revision, RowName, Store, StoreError, Table, Value};

/// How many rows one page of a scan has.
const PAGE: usize = 128;

/// What became of a row: `None` is one that is to be deleted.
type Change = Option<Value>;

/// What a changed row has now.
fn of_change(change: &Change) -> Option<SecretBytes> {
    change.as_deref().cloned()
}

/// Rows that were changed.
#[derive(Default)]
struct Overlay {
    rows: BTreeMap<RowName, Change>,
    /// In a step of a batch: what became of the rows that it changes before, the newest
    /// last.
    before: Option<Vec<(RowName, Option<Change>)>>,
}

impl Overlay {
    fn set(&mut self, row: RowName, change: Change) {
        match &mut self.before {
            None => drop(self.rows.insert(row, change)),
            Some(all) => {
                let before = self.rows.insert(row.clone(), change);
                all.push((row, before));
            }
        }
    }

    /// Takes back what the step changed.
    fn undo_step(&mut self) {
        for (row, before) in self.before.take().into_iter().flatten().rev() {
            match before {
                Some(before) => self.rows.insert(row, before),
                None => self.rows.remove(&row),
            };
        }
    }
}

/// The store, and what is to be written to it.
pub(super) struct View {
    store: Box<dyn Store>,
    overlay: Mutex<Overlay>,
    /// A failure where none could be returned.
    fault: Mutex<Option<StoreError>>,
}

impl View {
    pub(super) fn new(store: Box<dyn Store>) -> Self {
        Self { store, overlay: Mutex::default(), fault: Mutex::default() }
    }

    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of what is committed; from here on, many rows are read.
    pub(super) fn begin(&self) -> Result<Revision, Error> {
        Ok(self.store.begin()?)
    }

    /// The revision of what is committed.
    pub(super) fn revision(&self) -> Result<Revision, Error> {
        Ok(self.store.revision()?)
    }

    /// Gets rid of remains of what was overwritten.
    pub(super) fn tidy(&self) -> Result<(), Error> {
        Ok(self.store.tidy()?)
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<SecretBytes>, Error> {
        if let Some(change) = self.overlay().rows.get(&RowName::new(table, key)) {
            return Ok(of_change(change));
        }
        Ok(self.store.get(table, key)?.map(SecretBytes::new))
    }

    /// As [`Self::get`], for where no error can be returned: it comes up at the step's end.
    pub(super) fn look_up(&self, table: Table, key: &[u8]) -> Option<SecretBytes> {
        match self.get(table, key) {
            Ok(value) => value,
            Err(error) => {
                if let Error::Store(error) = error {
                    *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                None
            }
        }
    }

    /// What failed in [`Self::look_up`].
    pub(super) fn check(&self) -> Result<(), Error> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        fault.map_or(Ok(()), |error| Err(Error::Store(error)))
    }

    pub(super) fn put(&self, table: Table, key: Vec<u8>, value: impl Into<SecretBytes>) {
        let value = Arc::new(value.into());
        self.overlay().set(RowName::new(table, &key), Some(value));
    }

    pub(super) fn delete(&self, table: Table, key: Vec<u8>) {
        self.overlay().set(RowName::new(table, &key), None);
    }

    /// The first `limit` rows from `from` on, in order.
    pub(super) fn scan(
        &self,
        table: Table,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, SecretBytes)>, Error> {
        let overlay = self.overlay();
        let changed = overlay.rows.range(RowName::from_on(table, from));
        let mut changed = changed.map(|(name, change)| (name.key(), change)).peekable();
        let mut page = self.store.scan(table, from, limit)?;
        if changed.peek().is_none() {
            let rows = page.into_iter().map(|row| (row.key, SecretBytes::new(row.value)));
            return Ok(rows.collect());
        }
        let mut rows = Vec::new();
        loop {
            // Where the rows of the store go on behind this page.
            let next = page.last().filter(|_| page.len() == limit);
            let next = next.map(|row| [row.key.as_slice(), &[0]].concat());
            let mut committed = page.into_iter().peekable();
            while rows.len() < limit && !(committed.peek().is_none() && next.is_some()) {
                let first = [
                    changed.peek().map(|(key, _)| *key),
                    committed.peek().map(|row| row.key.as_slice()),
                ];
                let Some(key) = first.into_iter().flatten().min().map(<[u8]>::to_vec) else {
                    break;
                };
                let saved = committed.next_if(|row| row.key == key);
                let value = match changed.next_if(|(changed, _)| *changed == key) {
                    Some((_, change)) => of_change(change),
                    None => saved.map(|row| SecretBytes::new(row.value)),
                };
                rows.extend(value.map(|value| (key, value)));
            }
            match next {
                Some(next) if rows.len() < limit => page = self.store.scan(table, &next, limit)?,
                _ => return Ok(rows),
            }
        }
    }

    /// Every row whose key begins with `prefix`.
    pub(super) fn scan_prefix(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, SecretBytes)>, Error> {
        let mut found = Vec::new();
        let mut from = prefix.to_vec();
        loop {
            let page = self.scan(table, &from, PAGE)?;
            let full = page.len() == PAGE;
            for (key, value) in page {
                if !key.starts_with(prefix) {
                    return Ok(found);
                }
                from.clone_from(&key);
                found.push((key, value));
            }
            if !full {
                return Ok(found);
            }
            // The next key there can be.
            from.push(0);
        }
    }

    /// A step of a batch begins.
    pub(super) fn begin_step(&self) {
        self.overlay().before = Some(Vec::new());
    }

    /// What the step changed stays.
    pub(super) fn keep_step(&self) {
        self.overlay().before = None;
    }

    /// Forgets what the step changed.
    pub(super) fn undo_step(&self) {
        self.overlay().undo_step();
        let _ = self.check();
    }

    /// Forgets all that is not committed.
    pub(super) fn undo(&self) {
        *self.overlay() = Overlay::default();
        let _ = self.check();
        // Nothing more is read of what was begun.
        let _ = self.store.revision();
    }

    /// Writes everything to the store, if its revision is still `expected`; gives the
    /// revision that it then has, or `None` if somebody else was first.
    pub(super) fn commit(
        &self,
        expected: Revision,
        random: [u8; 16],
    ) -> Result<Option<Revision>, Error> {
        let rows = std::mem::take(&mut *self.overlay()).rows;
        if rows.is_empty() {
            // What was read may be of two revisions; then it counts for nothing.
            return Ok((self.store.revision()? == expected).then_some(expected));
        }
        let revision = expected.next(random);
        let mut changes = Changes::new(revision);
        rows.into_iter().for_each(|(row, change)| changes.push(row, change));
        match self.store.commit(expected, &changes) {
            Ok(Commit::Done) => Ok(Some(revision)),
            Ok(Commit::Conflict) => Ok(None),
            // Whether it counted is known by the revision.
            Err(error) => match self.store.revision() {
                Ok(now) if now == revision => Ok(Some(revision)),
                _ => Err(Error::Store(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::store::MemoryStore;

    const TABLE: Table = Table(1);

    /// Every scan of the view, against a map of what should be there.
    fn check(view: &View, expected: &BTreeMap<Vec<u8>, Vec<u8>>) {
        for from in 0..=16u8 {
            for limit in 0..8 {
                let rows = view.scan(TABLE, &[from], limit).unwrap();
                let rows: Vec<_> = rows.iter().map(|(key, value)| (key, &**value)).collect();
                let expected: Vec<_> = expected.range(vec![from]..).take(limit).collect();
                assert_eq!(rows, expected, "{from} {limit}");
            }
        }
    }

    #[test]
    fn a_scan_sees_the_store_and_all_changes_as_one() {
        for seed in 0..100 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let view = View::new(Box::new(MemoryStore::new()));
            let mut kept = BTreeMap::new();
            for _ in 0..12 {
                let mut step = kept.clone();
                view.begin_step();
                for _ in 0..rng.random_range(0..6) {
                    let key = vec![rng.random_range(0..16u8)];
                    if rng.random() {
                        let value: [u8; 2] = rng.random();
                        view.put(TABLE, key.clone(), SecretBytes::new(value.to_vec()));
                        step.insert(key, value.to_vec());
                    } else {
                        view.delete(TABLE, key.clone());
                        step.remove(&key);
                    }
                }
                check(&view, &step);
                match rng.random_range(0..3) {
                    0 => view.undo_step(),
                    1 => {
                        view.keep_step();
                        kept = step;
                    }
                    _ => {
                        let revision = view.revision().unwrap();
                        assert!(view.commit(revision, rng.random()).unwrap().is_some());
                        kept = step;
                    }
                }
                check(&view, &kept);
            }
        }
    }
}
