//! Another implementation in a process of its own (`benches/peers`), built when it is first
//! asked for.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running process.
pub(crate) struct Peer {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// vodozemac: `pair_100`, `group_100`.
    pub(crate) const VODOZEMAC: &str = "vodozemac";

    /// mls-rs: `group_100`, `change_1000`.
    pub(crate) const MLS: &str = "mls";

    /// Builds and starts it. `None`, and a word about it, where its dependencies cannot be
    /// had or built.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let peer = Self::build(name);
        peer.inspect_err(|error| eprintln!("{name} is not measured: {error}")).ok()
    }

    fn build(name: &str) -> io::Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/Cargo.toml");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers");
        let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--locked", "--quiet", "--features", name, "--bin", name])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status()?;
        if !built.success() {
            return Err(io::Error::other("benches/peers could not be built"));
        }
        let mut child = Command::new(target.join("release").join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Self { child, asks, answers: BufReader::new(answers) })
    }

    /// Nanoseconds that one of so many takes.
    pub(crate) fn time(&mut self, work: &str, count: usize) -> f64 {
        let mut answer = String::new();
        writeln!(self.asks, "{work} {count}").expect("a running process");
        self.answers.read_line(&mut answer).expect("a running process");
        answer.trim().parse().expect("a number")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
