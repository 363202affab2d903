//! A file in pieces, and back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::note::Piece;

/// The longest file that is sent.
const MAX_FILE_LEN: u64 = 64 * 1024 * 1024;

/// How much of it one message carries.
const PIECE_LEN: usize = 16 * 1024;

/// The most pieces that a receiver expects.
const MAX_PIECES: u32 = 64 * 1024;

/// A file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// Its name, without folders.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
}

impl Document {
    /// Reads a file; the error is one line for the user.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error| format!("cannot read {path:?}: {error}");
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        if meta.is_dir() {
            return Err(format!("{path:?} is a directory, not a file"));
        }
        if !meta.is_file() {
            return Err(format!("{path:?} is not a regular file"));
        }
        let mut bytes = Vec::new();
        let mut file = File::open(path).map_err(unreadable)?.take(MAX_FILE_LEN + 1);
        if meta.len() <= MAX_FILE_LEN {
            file.read_to_end(&mut bytes).map_err(unreadable)?;
        }
        if meta.len() > MAX_FILE_LEN || file.limit() == 0 {
            return Err(format!("{path:?} is larger than 64 MiB"));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self { name: name.to_string_lossy().into_owned(), bytes })
    }

    /// The pieces; one if the file is empty.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let mut chunks: Vec<_> = self.bytes.chunks(PIECE_LEN).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let piece = |(index, bytes): (u32, &[u8])| Piece {
            name: self.name.clone(),
            index,
            count,
            bytes: bytes.to_vec(),
        };
        (0..).zip(chunks).map(piece).collect()
    }

    /// Its SHA-256, in hex.
    pub(crate) fn digest(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Pieces as they come, in any order.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    count: u32,
    name: String,
    here: BTreeMap<u32, Vec<u8>>,
}

impl Pieces {
    /// Takes a piece in; one that does not fit the others is ignored.
    pub(crate) fn add(&mut self, piece: &Piece) {
        let Piece { name, index, count, bytes } = piece;
        if self.here.is_empty() && *count <= MAX_PIECES {
            (self.count, self.name) = (*count, name.clone());
        }
        if *count == self.count && *name == self.name {
            self.here.entry(*index).or_insert_with(|| bytes.clone());
        }
    }

    /// The file, if all of it is here.
    pub(crate) fn document(&self) -> Option<Document> {
        let whole = self.count != 0 && self.here.keys().copied().eq(0..self.count);
        whole.then(|| Document {
            name: self.name.clone(),
            bytes: self.here.values().flatten().copied().collect(),
        })
    }
}
