//! A process with an SQLite file is killed at moments that nobody chooses, again and
//! again, in the middle of a conversation: nothing that it promised is lost, nothing is
//! shown twice, no key is used for two envelopes, and both sides go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{env, thread};

use subrosa::directory::MemoryDirectory;
use subrosa::store::{MemoryStore, SqliteStore};
use subrosa::wire::Envelope;
use subrosa::{Action, Content, EventKind, MessageId, Messenger, Options, UserId};

/// How often the process is killed.
const KILLED: usize = 50;

/// Tells a child where its store is.
const STORE: &str = "SUBROSA_KILL_STORE";

/// What stands in front of a line that is meant for the parent: the test harness prints
/// to the same pipe.
const MARK: &str = "subrosa:";

const PATIENCE: Duration = Duration::from_secs(60);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
    (0..hex.len() / 2).map(digits).collect()
}

/// What a child hears and says, a line each: a word and its arguments.
///
/// | it hears | it says |
/// | --- | --- |
/// | `mail n envelope` | `taken n`: delete it from the mailbox |
/// | `bundle bytes` | |
/// | `write` | `promised id text` |
/// | `turn` | what there is to carry and to show, then `idle` |
fn be_alice(store: &Path) {
    let store = SqliteStore::open(store).unwrap();
    let opened = Messenger::open(store, Options::default()).unwrap();
    let mut alice = opened.or_create(&user("alice")).unwrap();
    let mut out = std::io::stdout();
    let mut say = |line: String| {
        writeln!(out, "\n{MARK}{line}").unwrap();
        out.flush().unwrap();
    };
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["mail", number, envelope] => {
                alice.receive(&bytes(envelope)).unwrap();
                say(format!("taken {number}"));
            }
            ["bundle", bundle] => drop(alice.learn(&bytes(bundle)).unwrap()),
            ["write"] => {
                let id = alice.send(user("bob"), Content::text("from alice")).unwrap();
                say(format!("promised {}", hex(id.as_bytes())));
            }
            _ => {
                while let Some(next) = alice.next_outgoing().unwrap() {
                    match &next.action {
                        Action::Publish { publication } => {
                            say(format!("publish {}", hex(publication)))
                        }
                        Action::Fetch { user } => say(format!("fetch {user}")),
                        Action::Deliver { envelope, .. } => say(format!("carry {}", hex(envelope))),
                    }
                    alice.outgoing_done(&[next.id]).unwrap();
                }
                while let Some(event) = alice.next_event().unwrap() {
                    if let EventKind::Message(message) | EventKind::Request(message) = &event.kind {
                        let (event, id) = (hex(event.id.as_bytes()), hex(message.id.as_bytes()));
                        say(format!("show {event} {id}"));
                    }
                    alice.events_done(&[event.id]).unwrap();
                }
                say("idle".to_owned());
            }
        }
    }
}

/// Alice's process, as the parent sees it.
struct Process {
    child: Child,
    hears: ChildStdin,
    says: Receiver<String>,
}

impl Process {
    fn start(store: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["a_process_that_is_killed_loses_and_repeats_nothing", "--exact", "--nocapture"])
            .env(STORE, store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (hears, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, says) = mpsc::channel();
        thread::spawn(move || {
            let (mut out, mut line) = (BufReader::new(out), String::new());
            // The last line of a process that was killed may be half a line.
            while out.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if let Some(said) = line.trim_end().strip_prefix(MARK)
                    && sender.send(said.to_owned()).is_err()
                {
                    return;
                }
                line.clear();
            }
        });
        Self { child, hears, says }
    }

    /// Nothing if it is dead.
    fn tell(&mut self, line: &str) {
        let _ = writeln!(self.hears, "{line}");
    }
}

/// The parent: Bob, the mailboxes, the directory, and the database of Alice's app.
struct Parent {
    bob: Messenger,
    directory: MemoryDirectory,
    to_alice: BTreeMap<usize, Vec<u8>>,
    sent: usize,
    by_tag: BTreeMap<Vec<u8>, Vec<u8>>,
    shown_to_bob: BTreeSet<MessageId>,
    shown_to_alice: BTreeSet<String>,
    events_of_alice: BTreeSet<String>,
    promised_by_alice: BTreeSet<String>,
    promised_by_bob: BTreeSet<String>,
}

impl Parent {
    fn new() -> Self {
        let opened = Messenger::open(MemoryStore::new(), Options::default()).unwrap();
        let bob = opened.or_create(&user("bob")).unwrap();
        let mut parent = Self {
            bob,
            directory: MemoryDirectory::new(),
            to_alice: BTreeMap::new(),
            sent: 0,
            by_tag: BTreeMap::new(),
            shown_to_bob: BTreeSet::new(),
            shown_to_alice: BTreeSet::new(),
            events_of_alice: BTreeSet::new(),
            promised_by_alice: BTreeSet::new(),
            promised_by_bob: BTreeSet::new(),
        };
        parent.run_bob();
        parent
    }

    fn run_bob(&mut self) {
        while let Some(event) = self.bob.next_event().unwrap() {
            if let EventKind::Message(message) | EventKind::Request(message) = event.kind {
                assert!(self.shown_to_bob.insert(message.id), "shown twice");
                self.bob.accept(&message.from).unwrap();
            }
            self.bob.events_done(&[event.id]).unwrap();
        }
        while let Some(out) = self.bob.next_outgoing().unwrap() {
            match &out.action {
                Action::Publish { publication } => self.directory.publish(publication).unwrap(),
                Action::Fetch { user } => {
                    // She may have been killed before she published.
                    let Ok(bundle) = self.directory.bundle(user) else { continue };
                    self.bob.learn(&bundle).unwrap();
                }
                Action::Deliver { envelope, .. } => {
                    self.to_alice.insert(self.sent, envelope.clone());
                    self.sent += 1;
                }
            }
            self.bob.outgoing_done(&[out.id]).unwrap();
        }
    }

    /// Hears one line; says whether it was the last of a turn.
    fn hear(&mut self, line: &str, alice: &mut Process) -> bool {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["idle"] => return true,
            ["taken", number] => drop(self.to_alice.remove(&number.parse().unwrap())),
            ["publish", publication] => self.directory.publish(&bytes(publication)).unwrap(),
            ["fetch", name] => {
                let bundle = self.directory.bundle(&user(name)).unwrap();
                alice.tell(&format!("bundle {}", hex(&bundle)));
            }
            ["carry", envelope] => {
                let envelope = bytes(envelope);
                let tag = Envelope::decode(&envelope).unwrap().message().tag().to_vec();
                let known = self.by_tag.entry(tag).or_insert_with(|| envelope.clone());
                assert_eq!(*known, envelope, "one key was used for two envelopes");
                self.bob.receive(&envelope).unwrap();
                self.run_bob();
            }
            ["promised", id] => drop(self.promised_by_alice.insert((*id).to_owned())),
            ["show", event, id] => {
                if self.events_of_alice.insert((*event).to_owned()) {
                    assert!(self.shown_to_alice.insert((*id).to_owned()), "shown twice");
                }
            }
            words => panic!("{words:?}"),
        }
        false
    }

    /// Gives the process its mail and a turn.
    fn prompt(&mut self, alice: &mut Process, write: bool) {
        if write {
            alice.tell("write");
        }
        for (number, envelope) in &self.to_alice {
            alice.tell(&format!("mail {number} {}", hex(envelope)));
        }
        alice.tell("turn");
    }

    /// A conversation until this time, and then a kill wherever the process is.
    fn talk_and_kill(&mut self, store: &Path, life: Duration) {
        let mut alice = Process::start(store);
        let end = Instant::now() + life;
        self.prompt(&mut alice, true);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Ok(line) = alice.says.recv_timeout(left) else { break };
            if self.hear(&line, &mut alice) {
                let id = self.bob.send(user("alice"), Content::text("from bob")).unwrap();
                self.promised_by_bob.insert(hex(id.as_bytes()));
                self.run_bob();
                self.prompt(&mut alice, true);
            }
        }
        alice.child.kill().unwrap();
        alice.child.wait().unwrap();
        // What it had said before it died has been said; only whole lines count.
        while let Ok(line) = alice.says.recv() {
            self.hear(&line, &mut alice);
        }
    }

    fn is_complete(&self) -> bool {
        let shown: BTreeSet<_> = self.shown_to_bob.iter().map(|id| hex(id.as_bytes())).collect();
        self.promised_by_alice.is_subset(&shown)
            && self.promised_by_bob.is_subset(&self.shown_to_alice)
    }
}

#[test]
fn a_process_that_is_killed_loses_and_repeats_nothing() {
    if let Some(store) = env::var_os(STORE) {
        return be_alice(Path::new(&store));
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("account");
    let mut parent = Parent::new();
    let mut random = 0x9e37_79b9_u64;
    for _ in 0..KILLED {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // From before the store is open to some turns later.
        parent.talk_and_kill(&store, Duration::from_millis(20 + (random >> 33) % 250));
    }
    let written = (parent.promised_by_alice.len(), parent.promised_by_bob.len());
    assert!(written.0.min(written.1) > KILLED / 2, "{written:?}");
    let mut alice = Process::start(&store);
    let began = Instant::now();
    parent.prompt(&mut alice, true);
    let mut turns = 0;
    while turns < 3 || !parent.is_complete() {
        assert!(began.elapsed() < PATIENCE, "something was lost");
        let line = alice.says.recv_timeout(PATIENCE).unwrap();
        if parent.hear(&line, &mut alice) {
            turns += 1;
            parent.prompt(&mut alice, turns < 3);
        }
    }
    alice.child.kill().unwrap();
    alice.child.wait().unwrap();
}
