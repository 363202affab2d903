//! Alice and Bob talk over a bad network, Bob soon on two devices. Carol joins them in a
//! group, where they send all that people send, until she is removed; and Alice sends Bob a
//! file.
//!
//! ```text
//! cargo run --release --example dm [-- FILE]
//! ```
//!
//! Everything runs in this process, over a relay on loopback that delays, doubles,
//! reorders, damages and loses envelopes and parts of files. State is kept in a temporary
//! folder that is deleted at the end.
//!
//! | file | what it does |
//! | --- | --- |
//! | `story`, `script` | what happens, in order; what is said |
//! | `roses`, `sendings` | the group of the three; all that they send there |
//! | `talk` | devices that carry, read, are told things, and sleep |
//! | `ledger` | what was said, and what became of it |
//! | `healing` | how far the post-quantum ratchet has come |
//! | `words` | a message in a line |
//! | `who`, `device` | one device: a messenger on an encrypted disk, and a line to the relay |
//! | `screen` | what somebody sees: an app's own database |
//! | `file`, `voice` | the file that is sent; a voice note |
//! | `clock` | a clock that the story moves on |
//! | `line`, `../relay` | the client's end of the relay's protocol; the relay |
//! | `mischief` | what the bad network does |
//! | `transcript` | what is printed |

mod clock;
mod device;
mod file;
mod healing;
mod ledger;
mod line;
mod mischief;
#[path = "../relay/mod.rs"]
mod relay;
mod roses;
mod screen;
mod script;
mod sendings;
mod story;
mod talk;
mod transcript;
mod voice;
mod who;
mod words;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use file::Document;

const USAGE: &str = "\
usage: dm [FILE]

Alice and Bob talk over a bad network, Bob soon on two devices, for a while in a group
with Carol. Alice sends Bob FILE (at most 64 MiB), or this crate's README.md. Exit
code: 0 if everything arrived, 1 if not, 2 if FILE cannot be sent.";

/// What the command line asks for.
enum Wish {
    Help,
    Send(PathBuf),
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let document = match parse(&arguments) {
        Ok(Wish::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Wish::Send(path)) => Document::read(&path),
        Err(error) => Err(error),
    };
    let document = match document {
        Ok(document) => document,
        Err(error) => {
            eprintln!("dm: {error}");
            return ExitCode::from(2);
        }
    };
    let told =
        Folder::create().map_err(Into::into).and_then(|folder| story::tell(&document, &folder.0));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Wish, String> {
    match arguments {
        [] => Ok(Wish::Send(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))),
        [word] if word == "--help" || word == "-h" => Ok(Wish::Help),
        [word] if word.as_encoded_bytes().starts_with(b"-") => {
            Err(format!("unknown option {word:?}; try --help"))
        }
        [file] => Ok(Wish::Send(file.into())),
        _ => Err("too many arguments; try --help".to_owned()),
    }
}

/// A temporary folder for nobody else, deleted when dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("subrosa-dm-{:016x}", rand::random::<u64>()));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("dm: cannot delete {}: {error}", self.0.display());
        }
    }
}
