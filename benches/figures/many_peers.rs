//! A messenger with sessions with thousands of people: opened, kept in memory, and writing
//! to many of them at once.

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::directory::MemoryDirectory;
use subrosa::handshake::PrekeyBundle;
use subrosa::identity::{Account, Device, DeviceList, View};
use subrosa::session::{Body, Numbers, Peer};
use subrosa::store::{MemoryStore, SqliteStore, Store};
use subrosa::testing::ManualClock;
use subrosa::wire::MessageId;
use subrosa::{Action, Content, Incoming, Messenger, Options, UserId};

use crate::Run;
use crate::bare_sqlite::BareSqlite;
use crate::clock::{each, medians, timed};
use crate::figure::Figure;
use crate::observed::Observed;
use crate::people::{Conversation, NOW};

/// How many people have a session with the messenger.
const MANY: usize = 10_000;

/// To how many devices one text goes.
const DEVICES: usize = 1000;

/// How many people write in one commit while all this is set up: less than there are
/// one-time prekeys.
const PAGE: usize = 50;

/// What the program is called with to say how much memory an opened messenger takes.
pub(crate) const MEMORY: &str = "--memory-of";

/// Somebody who writes to the messenger.
pub(crate) struct Writer {
    user: UserId,
    peer: Peer,
    view: View,
    rng: ChaCha8Rng,
}

impl Writer {
    /// Begins a session with whoever the bundle is of; gives the first message too.
    fn new(number: usize, bundle: &[u8]) -> (Self, Vec<u8>) {
        let mut rng = ChaCha8Rng::seed_from_u64(number.try_into().expect("a small number"));
        let user = UserId::new(format!("writer-{number}")).expect("a short name");
        let device = Device::generate(user.clone(), &mut rng);
        let account = Account::create(&device, &mut rng);
        let bundle = PrekeyBundle::decode(bundle).expect("an honest bundle");
        let bundle = bundle.verify(&me(), NOW).expect("an honest bundle");
        let prekeys = &bundle.devices()[0];
        let mut peer = Peer::new(prekeys.address().clone());
        let list: &DeviceList = account.device_list();
        let begun = peer.initiate(&device, list, prekeys, NOW, &mut rng);
        begun.expect("honest prekeys").saved();
        let view = View::new(list, bundle.device_list());
        let mut writer = Self { user, peer, view, rng };
        let first = writer.write();
        (writer, first)
    }

    fn write(&mut self) -> Vec<u8> {
        let id = MessageId::generate(&mut self.rng);
        let content = Content::text("x".repeat(100)).to_bytes();
        let body = Body::Content { id, content: &content };
        let sent = self.peer.encrypt(body, Numbers::Next, self.view, NOW, &mut self.rng);
        sent.expect("a session in use").saved().envelope
    }
}

fn me() -> UserId {
    UserId::new("me").expect("a short name")
}

pub(crate) fn open(store: impl Store) -> Messenger {
    let options = Options::default().clock(ManualClock::new(NOW));
    let opened = Messenger::open(store, options).expect("a working store");
    opened.or_create(&me()).expect("a working store")
}

/// Makes so many people write to the messenger, which accepts them; gives the last of
/// them.
pub(crate) fn fill(messenger: &mut Messenger, count: usize) -> Vec<Writer> {
    let mut directory = MemoryDirectory::new();
    let mut last = Vec::new();
    for first in (0..count).step_by(PAGE) {
        publish(messenger, &mut directory);
        let page = (first..count.min(first + PAGE)).map(|number| {
            let bundle = directory.bundle(&me()).expect("it was published");
            Writer::new(number, &bundle)
        });
        let (writers, envelopes): (Vec<_>, Vec<_>) = page.unzip();
        let received = messenger.batch(|batch| {
            envelopes.iter().try_for_each(|envelope| batch.receive(envelope).map(drop))
        });
        received.expect("a working store");
        writers.iter().for_each(|writer| {
            messenger.accept(&writer.user).expect("a working store");
        });
        last = writers;
    }
    publish(messenger, &mut directory);
    last
}

/// Carries what is to be published, forgets the rest, and all events.
fn publish(messenger: &mut Messenger, directory: &mut MemoryDirectory) {
    let address = messenger.address().clone();
    let left = directory.prekeys_left(&address);
    messenger.prekeys_left(left.try_into().expect("a hundred")).expect("a working store");
    while let Some(out) = messenger.next_outgoing().expect("a working store") {
        if let Action::Publish { publication } = &out.action {
            directory.publish(publication).expect("an honest publication");
        }
        messenger.outgoing_done(&[out.id]).expect("a working store");
    }
    while let Some(event) = messenger.next_event().expect("a working store") {
        messenger.events_done(&[event.id]).expect("a working store");
    }
}

/// Opening a store of 10,000 sessions until a message of a claimed sender is read, but for
/// the commit, against a bare connection that reads the same rows; and the memory that it takes
/// with all tags at hand.
pub(crate) fn opened(run: &Run) -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a folder to write to");
    let path = folder.path().join("messages");
    let store = SqliteStore::open(&path).expect("a new file");
    let count = if run.quick { MANY / 20 } else { MANY };
    let mut writers = fill(&mut open(store), count);
    let mut figures = Vec::new();
    if run.wants("open_10000_sessions") {
        figures.push(until_read(run, &path, &mut writers));
    }
    if run.wants("memory_10000_sessions") {
        // Of a process of its own, which has not held all this before.
        let program = env::current_exe().expect("the path of this program");
        let said = Command::new(program).arg(MEMORY).arg(&path).output().expect("this program");
        let said = String::from_utf8(said.stdout).ok();
        let bytes = said.and_then(|said| said.trim().parse::<f64>().ok());
        figures.push(Figure {
            value: bytes.map(|bytes| bytes / f64::from(1 << 20)),
            ..Figure::count("memory_10000_sessions", 0.0, "MiB", 40.0)
        });
    }
    figures
}

fn until_read(run: &Run, path: &Path, writers: &mut [Writer]) -> Figure {
    let mut turn = 0;
    let mut read_first = |store: Box<dyn Store>| {
        turn += 1;
        let place = turn % writers.len();
        let writer = &mut writers[place];
        let envelope = writer.write();
        let user = writer.user.clone();
        let begun = Instant::now();
        let mut messenger = open(store);
        let incoming = Incoming::new(&envelope).claimed_from(&user);
        black_box(messenger.receive(incoming).expect("a working store"));
        (each(begun.elapsed(), 1), messenger)
    };
    let times = medians(run.rounds(60), || {
        let observed = Observed::keeping(SqliteStore::open(path).expect("a store"));
        drop(read_first(Box::new(observed.clone())));
        let steps = observed.take().steps;
        drop(observed);
        let begun = Instant::now();
        let store = Observed::counting(SqliteStore::open(path).expect("a store"));
        let opening = each(begun.elapsed(), 1);
        let (reading, messenger) = read_first(Box::new(store.clone()));
        let committing = each(store.take().committing, 1);
        drop((messenger, store));
        let mut bare = None;
        let floor = timed(1, || {
            let bare = bare.insert(BareSqlite::open(path));
            black_box(bare.read(&steps));
        });
        drop(bare);
        [opening + reading - committing, each(floor, 1)]
    });
    Figure::time("open_10000_sessions", times, 3.0, &[])
}

/// Says how many bytes more a process has when it has opened this store, with all tags in
/// memory.
pub(crate) fn say_memory(path: &Path) {
    let before = memory_of_process("VmRSS:");
    let mut messenger = open(SqliteStore::open(path).expect("a store"));
    // An envelope of nobody's: before it is called unknown, all tags are looked at.
    let stranger = Conversation::new(9).send(0, b"hello");
    black_box(messenger.receive(&stranger).expect("a working store"));
    println!("{}", memory_of_process("VmRSS:").saturating_sub(before));
    drop(messenger);
}

/// The bytes of memory that this process has, as this line of its status says; 0 where the
/// system does not say.
pub(crate) fn memory_of_process(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|said| said.strip_prefix(line));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// One text to 1,000 devices in one commit, a device.
pub(crate) fn fanout(run: &Run) -> Vec<Figure> {
    let mut messenger = open(MemoryStore::new());
    let count = if run.quick { DEVICES / 10 } else { DEVICES };
    let _ = fill(&mut messenger, count);
    let users: Vec<_> = (0..count)
        .map(|number| UserId::new(format!("writer-{number}")).expect("a short name"))
        .collect();
    let mut bare = Conversation::new(1);
    let mut directory = MemoryDirectory::new();
    let times = medians(run.rounds(20), || {
        let content = Content::text("x".repeat(100));
        let sending = timed(1, || {
            let sent = messenger.batch(|batch| {
                users.iter().try_for_each(|user| batch.send(user, content.clone()).map(drop))
            });
            sent.expect("a working store");
        });
        publish(&mut messenger, &mut directory);
        let bare = timed(count, || {
            black_box(bare.send(0, &[b'x'; 100]));
            black_box(bare.sides()[0].record());
        });
        [each(sending, count), each(bare, count)]
    });
    vec![Figure::time("fanout_1000_devices", times, 2.0, &[])]
}
