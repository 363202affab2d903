//! The messenger above the bare session: what saving, queues and receipts cost.
//!
//! Two people with one device each, in conversation, each on a store of their own. The
//! floor is the same step of a bare session, with its record encoded, in a conversation
//! that turns as often.

use std::hint::black_box;

use subrosa::directory::MemoryDirectory;
use subrosa::store::{MemoryStore, SqliteStore, Store};
use subrosa::{Action, Content, Messenger, Options, UserId};

use crate::Run;
use crate::bare_sqlite::BareSqlite;
use crate::clock::{each, medians, timed};
use crate::figure::Figure;
use crate::observed::Observed;
use crate::people::Conversation;

/// Messages a batch.
const BATCH: usize = 100;

/// How many messages one receipt confirms.
const RECEIPT_IDS: usize = 8;

/// Two people in conversation.
pub(crate) struct Pair {
    pub(crate) sides: [Messenger; 2],
    directory: MemoryDirectory,
}

impl Pair {
    pub(crate) fn new(stores: [Box<dyn Store>; 2]) -> Self {
        let mut names = ["alice", "bob"].into_iter();
        let sides = stores.map(|store| {
            let user = UserId::new(names.next().expect("two")).expect("a short name");
            let opened = Messenger::open(store, Options::default()).expect("a new store");
            opened.or_create(&user).expect("a new store")
        });
        let mut pair = Self { sides, directory: MemoryDirectory::new() };
        pair.settle();
        for from in [0, 1, 0, 1] {
            pair.send(from);
            pair.settle();
        }
        pair
    }

    /// The user on the other side.
    pub(crate) fn other(&self, side: usize) -> UserId {
        self.sides[1 - side].address().user.clone()
    }

    /// Sends 100 bytes.
    fn send(&mut self, from: usize) {
        let to = self.other(from);
        self.sides[from].send(&to, Content::text("x".repeat(100))).expect("a working store");
    }

    /// All envelopes that a side has to carry.
    pub(crate) fn carry(&mut self, side: usize) -> Vec<Vec<u8>> {
        let mut envelopes = Vec::new();
        while let Some(out) = self.sides[side].next_outgoing().expect("a working store") {
            match out.action {
                Action::Deliver { envelope, .. } => envelopes.push(envelope),
                Action::Publish { publication } => {
                    self.directory.publish(&publication).expect("an honest publication");
                }
                Action::Fetch { user } => {
                    if let Ok(bundle) = self.directory.bundle(&user) {
                        self.sides[side].learn(&bundle).expect("a working store");
                    }
                }
            }
            self.sides[side].outgoing_done(&[out.id]).expect("a working store");
        }
        envelopes
    }

    /// Reads all events of a side, and forgets them.
    pub(crate) fn read(&mut self, side: usize) {
        while let Some(event) = self.sides[side].next_event().expect("a working store") {
            self.sides[side].events_done(&[event.id]).expect("a working store");
        }
    }

    /// Carries and reads until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for side in [0, 1] {
                for envelope in self.carry(side) {
                    self.sides[1 - side].receive(&envelope).expect("a working store");
                    moved = true;
                }
                self.read(1 - side);
            }
            if !moved {
                return;
            }
        }
    }
}

/// Sending and receiving 100 bytes, each a commit.
pub(crate) fn one_by_one(run: &Run) -> Vec<Figure> {
    let mut pair = Pair::new([Box::new(MemoryStore::new()), Box::new(MemoryStore::new())]);
    let mut bare = Conversation::new(1);
    for _ in 0..200 {
        let envelope = bare.send(0, &[b'x'; 100]);
        bare.receive(1, &envelope);
    }
    let times = medians(run.rounds(200), || {
        let to = pair.other(0);
        let mut contents: Vec<_> = (0..BATCH).map(|_| Content::text("x".repeat(100))).collect();
        let sending = each(
            timed(BATCH, || {
                let content = contents.pop().expect("as many as are counted");
                black_box(pair.sides[0].send(&to, content).expect("a working store"));
            }),
            BATCH,
        );
        let envelopes = pair.carry(0);
        let mut arriving = envelopes.iter();
        let receiving = each(
            timed(BATCH, || {
                let envelope = arriving.next().expect("as many as were sent");
                black_box(pair.sides[1].receive(envelope).expect("a working store"));
            }),
            BATCH,
        );
        pair.read(1);
        pair.settle();
        let mut envelopes = Vec::with_capacity(BATCH);
        let bare_sending = each(
            timed(BATCH, || {
                envelopes.push(bare.send(0, &[b'x'; 100]));
                black_box(bare.sides()[0].record());
            }),
            BATCH,
        );
        let mut arriving = envelopes.iter();
        let bare_receiving = each(
            timed(BATCH, || {
                let envelope = arriving.next().expect("as many as were sent");
                black_box(bare.receive(1, envelope));
                black_box(bare.sides()[1].record());
            }),
            BATCH,
        );
        // As many answers as there were receipts, so that the ratchet turns as often.
        for _ in 0..BATCH.div_ceil(RECEIPT_IDS) {
            let envelope = bare.send(1, &[b'x'; 150]);
            bare.receive(0, &envelope);
        }
        [sending, bare_sending, receiving, bare_receiving]
    });
    let [sending, bare_sending, receiving, bare_receiving] = times;
    vec![
        Figure::time("messenger_send_100", [sending, bare_sending], 2.5, &[]),
        Figure::time("messenger_receive_100", [receiving, bare_receiving], 2.5, &[]),
    ]
}

/// How many messages a poll brings where receipts are batched.
const BURST: usize = 10;

/// Bytes that a message makes a side write, at most of sending and receiving, in a
/// conversation with a long history; receipts, and what the app acknowledges, included.
/// Messages come ten at a time, with one receipt for all of them.
pub(crate) fn bytes_written(run: &Run) -> Vec<Figure> {
    let stores = [(); 2].map(|()| Observed::counting(MemoryStore::new()));
    let [first, second] = stores.clone();
    let mut pair = Pair::new([Box::new(first), Box::new(second)]);
    let history = if run.quick { 200 } else { 3000 };
    let mut say = |count: usize| {
        for _ in 0..count / BURST {
            (0..BURST).for_each(|_| pair.send(0));
            pair.settle();
        }
    };
    say(history);
    stores.iter().for_each(|store| drop(store.take()));
    say(BATCH);
    let most = stores.iter().map(|store| store.take().bytes_written).max().unwrap_or(0);
    let value = most as f64 / BATCH as f64;
    vec![Figure::count("bytes_written_a_message", value, "bytes", 2048.0)]
}

/// Receiving on SQLite, so many messages a commit, against a bare transaction that writes
/// the same rows.
pub(crate) fn sqlite_batches(run: &Run) -> Vec<Figure> {
    [("sqlite_receive_batch_100", 100, 40), ("sqlite_receive_batch_1000", 1000, 10)]
        .into_iter()
        .filter(|(name, ..)| run.wants(name))
        .map(|(name, size, rounds)| {
            Figure::time(name, sqlite_batch(size, run.rounds(rounds)), 1.3, &[])
        })
        .collect()
}

fn sqlite_batch(size: usize, rounds: usize) -> [f64; 2] {
    let folder = tempfile::tempdir().expect("a folder to write to");
    let store = SqliteStore::open(folder.path().join("messages")).expect("a new file");
    let observed = Observed::keeping(store);
    let mut bare = BareSqlite::create(&folder.path().join("bare"));
    let mut pair = Pair::new([Box::new(MemoryStore::new()), Box::new(observed.clone())]);
    medians(rounds, || {
        bare.write(&observed.take().steps);
        (0..size).for_each(|_| pair.send(0));
        let envelopes = pair.carry(0);
        let received = timed(1, || {
            pair.sides[1].receive_all(&envelopes).expect("a working store");
        });
        let rows = observed.take().steps;
        let written = timed(1, || bare.write(&rows));
        pair.read(1);
        pair.settle();
        [each(received, size), each(written, size)]
    })
}
