//! One person's disk: a file of batches, appended one after the other.
//!
//! A batch is written in one piece and counts only when it is whole, so that what it
//! changes is changed together: rows of the ratchet with the message they belong to.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::saved::Key;

/// What is on the disk.
pub(crate) type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// Length and checksum in front of a batch.
const HEAD_LEN: usize = 4 + 8;

/// Changes that are made together.
#[derive(Debug, Default)]
pub(crate) struct Batch(Vec<u8>);

impl Batch {
    /// Sets a row.
    pub(crate) fn put(&mut self, key: Key, value: &[u8]) {
        self.0.push(1);
        self.bytes(&key.to_bytes());
        self.bytes(value);
    }

    /// Deletes a row.
    pub(crate) fn delete(&mut self, key: Key) {
        self.0.push(0);
        self.bytes(&key.to_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("rows are far below 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}

/// An open file of batches.
#[derive(Debug)]
pub(crate) struct Store(File);

impl Store {
    /// A new, empty one.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().append(true).create_new(true).open(path).map(Self)
    }

    /// One that was written before, with what is in it. A batch at the end that was
    /// not written completely is cut off.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Table)> {
        let bytes = std::fs::read(path)?;
        let (mut table, mut rest) = (Table::new(), bytes.as_slice());
        while let Some((batch, next)) = split_batch(rest) {
            apply(batch, &mut table).ok_or(io::ErrorKind::InvalidData)?;
            rest = next;
        }
        let file = OpenOptions::new().append(true).open(path)?;
        let whole = bytes.len() - rest.len();
        file.set_len(u64::try_from(whole).map_err(io::Error::other)?)?;
        Ok((Self(file), table))
    }

    /// Writes a batch durably.
    pub(crate) fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let Batch(changes) = batch;
        let length = u32::try_from(changes.len()).map_err(io::Error::other)?;
        self.0.write_all(&[&length.to_be_bytes()[..], &checksum(changes), changes].concat())?;
        self.0.sync_data()
    }
}

fn checksum(changes: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(changes));
    [a, b, c, d, e, f, g, h]
}

/// The first batch and what comes after it; `None` if there is no whole one.
fn split_batch(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
    let (length, sum) = head.split_first_chunk::<4>()?;
    let (batch, rest) = rest.split_at_checked(index(*length)?)?;
    (checksum(batch) == sum).then_some((batch, rest))
}

fn apply(mut batch: &[u8], table: &mut Table) -> Option<()> {
    while let Some((kind, rest)) = batch.split_first() {
        let (key, rest) = split_bytes(rest)?;
        batch = rest;
        if *kind == 0 {
            table.remove(key);
        } else {
            let (value, rest) = split_bytes(rest)?;
            batch = rest;
            table.insert(key.to_vec(), value.to_vec());
        }
    }
    Some(())
}

fn split_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(index(*length)?)
}

fn index(length: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(length)).ok()
}
