//! The file that is sent.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The longest file that is sent.
const MAX_FILE_LEN: u64 = 64 * 1024 * 1024;

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

    /// Its SHA-256, in hex.
    pub(crate) fn digest(&self) -> String {
        digest(&self.bytes)
    }
}

/// The SHA-256 of these bytes, in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
