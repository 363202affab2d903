//! Encryption at rest, around any store.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::sealing::StoreKeys;
use super::{Changes, Commit, Revision, Row, RowName, Store, StoreError, StoreKey, Table, Write};
use crate::crypto::SecretBytes;

/// The one table of the inner store. Its number is none of the messenger's, so that
/// nobody takes an encrypted store for a clear one.
const INNER: Table = Table(255);

/// The inner row that holds what the key is checked against, and the salt; every other
/// one has a name of 32 bytes.
const HEAD: &[u8] = &[];

/// Inner rows that are read at once when a table's keys are gathered.
const PAGE: usize = 64;

/// How often a scan begins anew because another handle has committed meanwhile; each
/// time there was progress, if not here.
const ATTEMPTS: u32 = 1000;

/// A store whose rows are encrypted before they reach another store.
///
/// Row by row: XChaCha20-Poly1305 with a random nonce, bound to the row's table and key.
/// The inner store sees a keyed hash instead of the key.
///
/// The first scan of a table reads the whole table, to gather its keys: they do not
/// stand in order any more. They stay in memory, for as long as nobody else commits.
///
/// # Security
///
/// Who has the inner store sees how many rows there are, which of them are of one table
/// (not which table), which of them a commit changes, their sizes in steps (powers of
/// two from 128 bytes to 4 KiB, then eight steps a doubling), and the revision, which
/// counts commits. Who can write to it can damage rows, delete them, and put back an
/// older state of one row or of the whole store: a single row that was put back is not
/// noticed here, nor is a whole store. An older store in the place of a newer one, whose
/// messages are out already, is for the messenger to find.
pub struct EncryptedStore {
    inner: Box<dyn Store>,
    lock: RwLock<Lock>,
    index: Mutex<Index>,
}

enum Lock {
    /// The inner store was empty when it was last looked at.
    Waiting(StoreKey),
    Open(Arc<StoreKeys>),
}

/// The keys of the tables that were scanned, in order, as they were at one revision.
struct Index {
    revision: Revision,
    tables: HashMap<Table, BTreeSet<Vec<u8>>>,
}

impl Index {
    fn new(revision: Revision) -> Self {
        Self { revision, tables: HashMap::new() }
    }

    /// Follows a commit that was made from `from`.
    fn apply(&mut self, from: Revision, changes: &Changes) {
        if self.revision != from {
            *self = Self::new(changes.revision());
            return;
        }
        self.revision = changes.revision();
        for write in changes.writes() {
            let (Write::Put { table, .. } | Write::Delete { table, .. }) = write;
            let Some(keys) = self.tables.get_mut(&table) else { continue };
            match write {
                Write::Put { key, .. } if keys.contains(key) => {}
                Write::Put { key, .. } => {
                    keys.insert(key.to_vec());
                }
                Write::Delete { key, .. } => {
                    keys.remove(key);
                }
            }
        }
    }
}

impl EncryptedStore {
    /// The store in `inner`, which takes this key with its first commit if it is empty.
    ///
    /// Writes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the key is not the one that the store was first
    /// written with, or if it was written without encryption. (Of two processes that
    /// open an empty store under different keys, one is first to commit; the other gets
    /// this error from its next call.) [`StoreError::Unavailable`] if `inner` fails.
    pub fn open(inner: impl Store, key: StoreKey) -> Result<Self, StoreError> {
        let store = Self {
            inner: Box::new(inner),
            lock: RwLock::new(Lock::Waiting(key)),
            index: Mutex::new(Index::new(Revision::EMPTY)),
        };
        store.keys()?;
        Ok(store)
    }

    /// The keys; `None` while the inner store is empty.
    fn keys(&self) -> Result<Option<Arc<StoreKeys>>, StoreError> {
        if let Lock::Open(keys) = &*self.lock.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Some(Arc::clone(keys)));
        }
        let mut lock = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        let keys = match &*lock {
            Lock::Open(keys) => Arc::clone(keys),
            Lock::Waiting(_) if self.inner.revision()? == Revision::EMPTY => return Ok(None),
            Lock::Waiting(key) => {
                let head = self.inner.get(INNER, HEAD)?;
                let head =
                    head.ok_or_else(|| StoreError::Corrupt("this store is not encrypted".into()))?;
                Arc::new(key.open_head(&head)?)
            }
        };
        *lock = Lock::Open(Arc::clone(&keys));
        Ok(Some(keys))
    }

    /// Keys for an empty store, and its head; `None` if it is not empty any more.
    fn new_keys(&self) -> Result<Option<(StoreKeys, Vec<u8>)>, StoreError> {
        match &*self.lock.read().unwrap_or_else(PoisonError::into_inner) {
            Lock::Open(_) => Ok(None),
            Lock::Waiting(key) => key.seal_head().map(Some),
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row's value.
    fn value(
        &self,
        keys: &StoreKeys,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let name = keys.name(table, key);
        let Some(sealed) = self.inner.get(INNER, &name)? else { return Ok(None) };
        let opened = keys.open(table, &name, &sealed)?;
        let (sealed_key, value) = opened.parts()?;
        if sealed_key != key {
            return Err(StoreError::Corrupt("a row has the name of another one".into()));
        }
        Ok(Some(value.to_vec()))
    }

    /// The keys of a whole table.
    fn gather(&self, keys: &StoreKeys, table: Table) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let prefix = keys.prefix(table);
        let mut from = prefix.to_vec();
        let mut gathered = BTreeSet::new();
        loop {
            let page = self.inner.scan(INNER, &from, PAGE)?;
            let of_table = page.iter().take_while(|row| row.key.starts_with(&prefix));
            for row in of_table {
                let opened = keys.open(table, &row.key, &row.value)?;
                let (key, _) = opened.parts()?;
                gathered.insert(key.to_vec());
            }
            match page.last() {
                // The least key above the last one.
                Some(last) if page.len() >= PAGE && last.key.starts_with(&prefix) => {
                    from.clone_from(&last.key);
                    from.push(0);
                }
                _ => return Ok(gathered),
            }
        }
    }

    /// The rows in one state of the store; `None` if that changed meanwhile.
    fn try_scan(
        &self,
        index: &mut Index,
        table: Table,
        from: &[u8],
        limit: usize,
    ) -> Result<Option<Vec<Row>>, StoreError> {
        let revision = self.inner.revision()?;
        let Some(keys) = self.keys()? else { return Ok(Some(Vec::new())) };
        if index.revision != revision {
            *index = Index::new(revision);
        }
        if let Entry::Vacant(entry) = index.tables.entry(table) {
            let gathered = self.gather(&keys, table)?;
            if self.inner.revision()? != revision {
                return Ok(None);
            }
            entry.insert(gathered);
        }
        let mut rows = Vec::new();
        let known =
            index.tables.get(&table).into_iter().flat_map(|known| {
                known.range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
            });
        for key in known.take(limit) {
            match self.value(&keys, table, key)? {
                Some(value) => rows.push(Row::new(key.clone(), value)),
                None if self.inner.revision()? != revision => return Ok(None),
                None => return Err(StoreError::Corrupt("a row is missing".into())),
            }
        }
        Ok((self.inner.revision()? == revision).then_some(rows))
    }
}

impl Store for EncryptedStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.keys()? {
            Some(keys) => self.value(&keys, table, key),
            None => Ok(None),
        }
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut index = self.index();
        for _ in 0..ATTEMPTS {
            if let Some(rows) = self.try_scan(&mut index, table, from, limit)? {
                return Ok(rows);
            }
        }
        Err(StoreError::Unavailable("others write without a pause".into()))
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        // Only together with the rows: those of another key are none of ours.
        self.keys()?;
        self.inner.revision()
    }

    fn begin(&self) -> Result<Revision, StoreError> {
        self.keys()?;
        self.inner.begin()
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        // Held all the time, so that the index follows commits in their order.
        let mut index = self.index();
        let mut sealed = Changes::new(changes.revision());
        let (keys, is_first) = match self.keys()? {
            Some(keys) => (keys, false),
            None if expected != Revision::EMPTY => return Ok(Commit::Conflict),
            None => {
                let Some((keys, head)) = self.new_keys()? else { return Ok(Commit::Conflict) };
                sealed.push(RowName::new(INNER, HEAD), Some(Arc::new(SecretBytes::new(head))));
                (Arc::new(keys), true)
            }
        };
        for write in changes.writes() {
            let (table, key, value) = match write {
                Write::Put { table, key, value } => (table, key, Some(value)),
                Write::Delete { table, key } => (table, key, None),
            };
            let name = keys.name(table, key);
            let value = value.map(|value| keys.seal(table, &name, key, value)).transpose()?;
            sealed.push(RowName::new(INNER, &name), value.map(SecretBytes::new).map(Arc::new));
        }
        let outcome = self.inner.commit(expected, &sealed);
        match outcome {
            Ok(Commit::Done) => {
                if is_first {
                    let mut lock = self.lock.write().unwrap_or_else(PoisonError::into_inner);
                    *lock = Lock::Open(keys);
                }
                index.apply(expected, changes);
            }
            Ok(Commit::Conflict) => {}
            // It may have been written; which keys there are is not known any more.
            Err(_) => *index = Index::new(Revision::EMPTY),
        }
        outcome
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.inner.tidy()
    }
}

impl fmt::Debug for EncryptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptedStore(..)")
    }
}
