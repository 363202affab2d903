//! `examples/chat`: two terminals talk over a relay, and one is started again.

use std::env::{self, consts};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal.
struct Terminal {
    process: Child,
    lines: Receiver<String>,
    shown: Vec<String>,
}

impl Terminal {
    /// Cargo builds the examples before it runs the tests.
    fn start(arguments: &[&str], relay: &str) -> Self {
        let test = env::current_exe().unwrap();
        let target = test.parent().and_then(|deps| deps.parent()).unwrap();
        let program = target.join("examples").join(format!("chat{}", consts::EXE_SUFFIX));
        assert!(program.exists(), "`cargo build --example chat` comes first");
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

    fn account(name: &str, folder: &Path, relay: &str) -> Self {
        Self::start(&[name, folder.join(name).to_str().unwrap()], relay)
    }

    fn types(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Waits for a line with this text.
    fn sees(&mut self, text: &str) -> String {
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

    fn quits(mut self) -> Vec<String> {
        self.types("/quit");
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
        std::mem::take(&mut self.shown)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn relay() -> (Terminal, String) {
    let mut relay = Terminal::start(&["relay", "127.0.0.1:0"], "");
    let address = relay.sees("relay on ").split_off("relay on ".len());
    (relay, address)
}

#[test]
fn two_terminals_talk_and_one_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_relay, address) = relay();
    let mut bob = Terminal::account("bob", folder, &address);
    bob.sees("-- connected");
    let mut alice = Terminal::account("alice", folder, &address);
    alice.types("hello?");
    alice.sees("to whom?");
    alice.types("/to bob");
    alice.types("meet me under the rose");
    alice.sees("#1 to bob: meet me under the rose");
    alice.sees("#1 ✓");

    bob.sees("request from alice: meet me under the rose");
    bob.types("/to alice");
    bob.types("/accept");
    alice.sees("#1 ✓✓");
    bob.types("at eight?");
    alice.sees("bob: at eight?");
    bob.sees("#1 ✓✓ read");

    alice.types("/number");
    bob.types("/number");
    let number = |line: String| line.split_once(": ").unwrap().1.to_owned();
    assert_eq!(number(alice.sees("compare with")), number(bob.sees("compare with")));

    // Alice writes while Bob is away; he has his history when he comes back.
    bob.quits();
    alice.types("bring the \u{1b}[31mcamera");
    alice.sees("#2 ✓");
    let mut bob = Terminal::account("bob", folder, &address);
    bob.sees("alice: bring the ·[31mcamera");
    alice.sees("#2 ✓✓ read");
    let shown = bob.quits();
    let history: Vec<_> = shown.iter().take_while(|line| !line.starts_with("You are")).collect();
    assert_eq!(history, ["request from alice: meet me under the rose", "you to alice: at eight?"]);
    alice.quits();
}

#[test]
fn what_is_written_without_a_relay_is_sent_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A port where nobody listens any more.
    let (gone, nowhere) = relay();
    drop(gone);
    let mut alice = Terminal::account("alice", folder, &nowhere);
    alice.sees("not connected");
    alice.types("/to bob");
    alice.types("are you there?");
    alice.sees("#1 to bob");
    alice.quits();

    let (_relay, address) = relay();
    let mut bob = Terminal::account("bob", folder, &address);
    // Bob's prekeys come first, else there is no such user.
    bob.sees("-- connected");
    let mut alice = Terminal::account("alice", folder, &address);
    bob.sees("request from alice: are you there?");
    bob.types("/to alice");
    bob.types("/block");
    bob.sees("blocked");
    alice.types("/to nobody");
    alice.types("hello?");
    alice.sees("#1 to nobody failed: NoSuchUser");
}

#[test]
fn bad_arguments_get_a_clear_error() {
    for arguments in [&["--what"][..], &["a", "b", "c"], &["relay", "here"], &[""]] {
        let mut terminal = Terminal::start(arguments, "");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = terminal.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
}
