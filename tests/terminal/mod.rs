//! Examples that are talked to, each in a process of its own.

use std::env::{self, consts};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example in a terminal of its own.
pub(crate) struct Terminal {
    process: Child,
    lines: Receiver<String>,
    shown: Vec<String>,
}

impl Terminal {
    /// Cargo builds the examples before it runs the tests.
    pub(crate) fn start(example: &str, arguments: &[&str], relay: &str) -> Self {
        let test = env::current_exe().unwrap();
        let target = test.parent().and_then(|deps| deps.parent()).unwrap();
        let program = target.join("examples").join(format!("{example}{}", consts::EXE_SUFFIX));
        assert!(program.exists(), "`cargo build --example {example}` comes first");
        let mut process = Command::new(program)
            .args(arguments)
            .env("CHAT_RELAY", relay)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, lines, shown: Vec::new() }
    }

    /// Somebody's chat.
    pub(crate) fn account(name: &str, folder: &Path, relay: &str) -> Self {
        Self::start("chat", &[name, folder.join(name).to_str().unwrap()], relay)
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Waits for a line with this text.
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("nothing with {text:?} after {:#?}", self.shown);
            };
            self.shown.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// What it has shown to its end.
    pub(crate) fn quits(mut self) -> Vec<String> {
        self.types("/quit");
        self.ends();
        std::mem::take(&mut self.shown)
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A relay, and where it is.
pub(crate) fn relay() -> (Terminal, String) {
    let mut relay = Terminal::start("chat", &["relay", "127.0.0.1:0"], "");
    let address = relay.sees("relay on ").split_off("relay on ".len());
    (relay, address)
}
