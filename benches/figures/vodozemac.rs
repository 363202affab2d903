//! vodozemac in a process of its own (`benches/peers`), built when it is first asked for.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running process.
pub(crate) struct Vodozemac {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Vodozemac {
    /// Builds and starts it; fails where its dependencies cannot be had.
    pub(crate) fn start() -> io::Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/Cargo.toml");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers");
        let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status()?;
        if !built.success() {
            return Err(io::Error::other("benches/peers could not be built"));
        }
        let mut child = Command::new(target.join("release/subrosa-bench-peers"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Self { child, asks, answers: BufReader::new(answers) })
    }

    /// Nanoseconds that it takes to encrypt and decrypt 100 bytes, over so many.
    pub(crate) fn pair_100(&mut self, count: usize) -> f64 {
        let mut answer = String::new();
        writeln!(self.asks, "pair_100 {count}").expect("a running process");
        self.answers.read_line(&mut answer).expect("a running process");
        answer.trim().parse().expect("a number")
    }
}

impl Drop for Vodozemac {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
