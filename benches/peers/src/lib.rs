//! Other implementations on the same work as the benchmark `figures`, each in a process of
//! its own so that their dependencies stay out of subrosa's.
//!
//! Such a process reads a line with a work and how often, does that, and writes how many
//! nanoseconds one took. By hand:
//! `echo group_100 1000 | cargo run --release --features mls --bin mls`.

use std::io::{self, BufRead, Write};

/// Text of so many bytes is encrypted.
pub const PLAINTEXT: [u8; 100] = [b'x'; 100];

/// Answers lines until there are no more. `work` gets the name of a work and how often to do
/// it, and gives nanoseconds; `None`: there is no such work.
///
/// # Errors
///
/// If lines cannot be read or written.
pub fn serve(mut work: impl FnMut(&str, usize) -> Option<f64>) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let asked = line.split_once(' ').and_then(|(name, count)| work(name, count.parse().ok()?));
        let mut out = io::stdout().lock();
        match asked {
            Some(nanoseconds) => writeln!(out, "{nanoseconds}")?,
            None => writeln!(out, "not understood: {line}")?,
        }
        out.flush()?;
    }
    Ok(())
}
