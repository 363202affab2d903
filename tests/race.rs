//! Two processes on one SQLite file of one account, both sending and receiving at once:
//! nothing is lost, no key is used twice, nobody sees an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use subrosa::directory::MemoryDirectory;
use subrosa::store::{MemoryStore, SqliteStore};
use subrosa::wire::Envelope;
use subrosa::{
    Action, Address, Content, EventKind, MessageId, Messenger, Options, OutgoingId, UserId,
};

/// How many messages each process sends, and how many come for the two together.
const EACH: usize = 600;
const BACK: usize = 600;

/// Tells a child which of the two it is, and where its folder is.
const ROLE: &str = "SUBROSA_RACE_ROLE";
const FOLDER: &str = "SUBROSA_RACE_FOLDER";

/// Time enough on a slow machine; a race takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Writes a file so that nobody sees half of it.
fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let hidden = folder.join(format!(".{name}"));
    fs::write(&hidden, bytes).unwrap();
    fs::rename(hidden, folder.join(name)).unwrap();
}

/// The finished files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One of the two processes: sends, receives, carries and reads until it is told to stop.
fn be_a_process(role: &str, folder: &Path) {
    let [out, mailbox, log] = ["out", "mailbox", "log"].map(|name| folder.join(name));
    let store = SqliteStore::open(folder.join("account")).unwrap();
    let mut alice = Messenger::open(store, Options::default()).unwrap().ready().unwrap();
    let bob = user("bob");
    let mut sent = 0;
    while !folder.join("stop").exists() {
        for _ in 0..5 {
            if sent < EACH {
                let text = format!("{role} {sent}");
                alice.send(&bob, Content::text(text.as_str())).unwrap();
                sent += 1;
            }
        }
        // Both see the same mailbox, and may take the same envelope.
        for path in files(&mailbox).into_iter().take(30) {
            let Ok(envelope) = fs::read(&path) else { continue };
            alice.receive(&envelope).unwrap();
            let _ = fs::remove_file(path);
        }
        let mut carried = Vec::new();
        while let Some(next) = alice.next_outgoing().unwrap() {
            if let Action::Deliver { envelope, .. } = &next.action {
                write(&out, &format!("{}.{role}", hex(next.id.as_bytes())), envelope);
            }
            carried.push(next.id);
        }
        alice.outgoing_done(&carried).unwrap();
        let mut read = Vec::new();
        while let Some(event) = alice.next_event().unwrap() {
            if let EventKind::Message(message) = &event.kind {
                let line = format!("{} {}", hex(message.id.as_bytes()), message.content);
                write(&log, &format!("{}.{role}", hex(event.id.as_bytes())), line.as_bytes());
            }
            read.push(event.id);
        }
        alice.events_done(&read).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let known = alice.safety_number(&bob).unwrap().unwrap();
    let account = format!("{:?} {known}", alice.address());
    write(folder, &format!("account.{role}"), account.as_bytes());
}

/// Carries everything of a messenger that is alone.
fn carry(
    messenger: &mut Messenger,
    directory: &mut MemoryDirectory,
    mut deliver: impl FnMut(OutgoingId, &Address, &[u8]),
) {
    while let Some(out) = messenger.next_outgoing().unwrap() {
        match &out.action {
            Action::Publish { publication } => directory.publish(publication).unwrap(),
            Action::Fetch { user } => {
                let bundle = directory.bundle(user).unwrap();
                messenger.learn(&bundle).unwrap();
            }
            Action::Deliver { to, envelope, .. } => {
                to.iter().for_each(|to| deliver(out.id, to, envelope));
            }
        }
        messenger.outgoing_done(&[out.id]).unwrap();
    }
}

/// Bob's side of the race.
struct Bob {
    messenger: Messenger,
    shown: BTreeMap<MessageId, String>,
    by_tag: BTreeMap<[u8; 8], Vec<u8>>,
}

impl Bob {
    fn receive(&mut self, envelope: &[u8]) {
        let tag = Envelope::decode(envelope).unwrap().message().tag();
        let known = self.by_tag.entry(tag).or_insert_with(|| envelope.to_vec());
        assert_eq!(known, envelope, "one key was used for two envelopes");
        self.messenger.receive(envelope).unwrap();
        while let Some(event) = self.messenger.next_event().unwrap() {
            if let EventKind::Message(message) | EventKind::Request(message) = event.kind {
                let before = self.shown.insert(message.id, message.content.to_string());
                assert!(before.is_none(), "shown twice");
                self.messenger.accept(&message.from).unwrap();
            }
            self.messenger.events_done(&[event.id]).unwrap();
        }
    }
}

fn start(role: &str, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["two_processes_share_one_account", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .spawn()
        .unwrap()
}

#[test]
fn two_processes_share_one_account() {
    if let (Ok(role), Some(folder)) = (env::var(ROLE), env::var_os(FOLDER)) {
        return be_a_process(&role, Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [out, mailbox, log] = ["out", "mailbox", "log"].map(|name| folder.join(name));
    [&out, &mailbox, &log].into_iter().for_each(|path| fs::create_dir(path).unwrap());
    let mut directory = MemoryDirectory::new();
    let opened = Messenger::open(MemoryStore::new(), Options::default()).unwrap();
    let messenger = opened.or_create(&user("bob")).unwrap();
    let mut bob = Bob { messenger, shown: BTreeMap::new(), by_tag: BTreeMap::new() };
    carry(&mut bob.messenger, &mut directory, |_, _, _| {});
    // They talk before the race begins.
    {
        let store = SqliteStore::open(folder.join("account")).unwrap();
        let opened = Messenger::open(store, Options::default()).unwrap();
        let mut alice = opened.or_create(&user("alice")).unwrap();
        alice.send(user("bob"), Content::text("hello")).unwrap();
        carry(&mut alice, &mut directory, |_, _, envelope| bob.receive(envelope));
        carry(&mut bob.messenger, &mut directory, |_, _, envelope| {
            alice.receive(envelope).unwrap();
        });
    }
    let mut children = [start("one", folder), start("other", folder)];
    let began = Instant::now();
    let mut promised = BTreeSet::new();
    let mut sent = 0;
    let shown_by_them = || {
        let lines = files(&log);
        lines.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    loop {
        for _ in 0..10 {
            if sent < BACK {
                let text = format!("back {sent}");
                let id = bob.messenger.send(user("alice"), Content::text(text.as_str())).unwrap();
                promised.insert(format!("{} {text}", hex(id.as_bytes())));
                sent += 1;
            }
        }
        for path in files(&out) {
            bob.receive(&fs::read(&path).unwrap());
            fs::remove_file(path).unwrap();
        }
        carry(&mut bob.messenger, &mut directory, |id, _, envelope| {
            write(&mailbox, &hex(id.as_bytes()), envelope);
        });
        if bob.shown.len() == 2 * EACH + 1 && files(&log).len() >= BACK {
            break;
        }
        for child in &mut children {
            assert!(child.try_wait().unwrap().is_none(), "a process has ended");
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{} and {} have arrived",
            bob.shown.len(),
            files(&log).len()
        );
        thread::sleep(Duration::from_millis(1));
    }
    write(folder, "stop", &[]);
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let texts: BTreeSet<_> = bob.shown.values().cloned().collect();
    for role in ["one", "other"] {
        assert!((0..EACH).all(|number| texts.contains(&format!("{role} {number}"))));
    }
    // Each message has one event, which both may have been told.
    let events: BTreeSet<_> =
        files(&log).iter().map(|path| name(path).split('.').next().unwrap().to_owned()).collect();
    let shown: BTreeSet<_> = shown_by_them().into_iter().collect();
    assert_eq!((events.len(), shown), (BACK, promised));
    let account = |role| fs::read_to_string(folder.join(format!("account.{role}"))).unwrap();
    assert_eq!(account("one"), account("other"));
}
