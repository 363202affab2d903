//! A file in pieces, and back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The longest file that is sent.
const MAX_FILE_LEN: u64 = 64 * 1024 * 1024;

/// How much of it one message carries: so much that there are some 16 pieces, within these
/// bounds.
const SHORTEST_PIECE: usize = 1024;
const LONGEST_PIECE: usize = 16 * 1024;

/// The most pieces that a receiver expects.
const MAX_PIECES: usize = 4096;

/// What a piece begins with.
const MARK: &str = "piece";

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

    /// The pieces as texts; one if the file is empty.
    ///
    /// A content is text, so each byte is written as the character with its number: ASCII
    /// as it is, whatever else in two bytes of UTF-8.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let length = (self.bytes.len() / 16).clamp(SHORTEST_PIECE, LONGEST_PIECE);
        let mut chunks: Vec<_> = self.bytes.chunks(length).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let count = chunks.len();
        let piece = |(index, bytes): (usize, &&[u8])| {
            let text: String = bytes.iter().copied().map(char::from).collect();
            format!("{MARK} {index} {count} {}\n{text}", self.name.escape_default())
        };
        chunks.iter().enumerate().map(piece).collect()
    }

    /// Its SHA-256, in hex.
    pub(crate) fn digest(&self) -> String {
        digest(&self.bytes)
    }
}

/// The SHA-256 of these bytes, in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pieces as they come, in any order.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    count: usize,
    here: BTreeMap<usize, Vec<u8>>,
}

impl Pieces {
    /// Takes a piece in; says whether the text was one.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        self.try_add(text).is_some()
    }

    fn try_add(&mut self, text: &str) -> Option<()> {
        let (head, body) = text.split_once('\n')?;
        let mut words = head.splitn(4, ' ');
        if words.next()? != MARK {
            return None;
        }
        let (index, count) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let bytes = body.chars().map(u8::try_from).collect::<Result<_, _>>().ok()?;
        if index >= count || count > MAX_PIECES {
            return None;
        }
        self.count = count;
        self.here.insert(index, bytes);
        Some(())
    }

    /// How many are here.
    pub(crate) fn len(&self) -> usize {
        self.here.len()
    }

    /// The file's bytes, if all of it is here.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let whole = self.count != 0 && self.here.keys().copied().eq(0..self.count);
        whole.then(|| self.here.values().flatten().copied().collect())
    }
}
