//! A process that dies at every single point at which it touches its store: nothing that
//! was promised is lost, nothing is said twice under one number, both sides go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use subrosa::directory::MemoryDirectory;
use subrosa::store::{Changes, Commit, MemoryStore, Revision, Row, Store, StoreError, Table};
use subrosa::testing::{ManualClock, seeded};
use subrosa::wire::Envelope;
use subrosa::{
    Action, Address, Content, Error, EventId, EventKind, MessageId, Messenger, Options, Timestamp,
    UserId,
};

/// What a text begins with that disappears, and after what time.
const FADING: &str = "between us";
const FADES: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// When the process dies: at the n-th write to the store, before or after it was written,
/// or at the n-th time that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    BeforeWrite(usize),
    AfterWrite(usize),
    AtRead(usize),
}

/// A store whose process dies.
#[derive(Clone)]
pub(crate) struct Mortal {
    inner: MemoryStore,
    pub(crate) reads: Arc<AtomicUsize>,
    pub(crate) writes: Arc<AtomicUsize>,
    death: Option<Death>,
    dead: Arc<AtomicBool>,
}

impl Mortal {
    pub(crate) fn new(inner: MemoryStore, death: Option<Death>) -> Self {
        let (reads, writes) = (Arc::default(), Arc::default());
        Self { inner, reads, writes, death, dead: Arc::default() }
    }

    /// Fails once the process is dead.
    fn read(&self) -> Result<(), StoreError> {
        let number = self.reads.fetch_add(1, Ordering::SeqCst);
        if self.death == Some(Death::AtRead(number)) {
            self.dead.store(true, Ordering::SeqCst);
        }
        match self.dead.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("dead".into())),
            false => Ok(()),
        }
    }
}

impl Store for Mortal {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read()?;
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.read()?;
        self.inner.scan(table, from, limit)
    }

    fn revision(&self) -> Result<Revision, StoreError> {
        self.read()?;
        self.inner.revision()
    }

    fn commit(&self, expected: Revision, changes: &Changes) -> Result<Commit, StoreError> {
        self.read()?;
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        if self.death == Some(Death::BeforeWrite(number)) {
            self.dead.store(true, Ordering::SeqCst);
            return Err(StoreError::Unavailable("died before it wrote".into()));
        }
        let commit = self.inner.commit(expected, changes)?;
        if self.death == Some(Death::AfterWrite(number)) {
            self.dead.store(true, Ordering::SeqCst);
            return Err(StoreError::Unavailable("died when it had written".into()));
        }
        Ok(commit)
    }
}

/// An app: what it shows is in a database of its own, that survives its process.
struct App {
    user: UserId,
    store: MemoryStore,
    messenger: Option<Messenger>,
    clock: ManualClock,
    seed: u64,
    shown: BTreeMap<MessageId, String>,
    /// What it was told to delete, in order.
    gone: Vec<MessageId>,
    acknowledged: BTreeSet<EventId>,
    /// Messages whose `send` gave `Ok`.
    promised: Vec<MessageId>,
    /// Those of them that disappear.
    fading: Vec<MessageId>,
    deaths: usize,
}

impl App {
    fn new(name: &str, clock: &ManualClock, seed: u64) -> Self {
        Self {
            user: UserId::new(name).unwrap(),
            store: MemoryStore::new(),
            messenger: None,
            clock: clock.clone(),
            seed,
            shown: BTreeMap::new(),
            gone: Vec::new(),
            acknowledged: BTreeSet::new(),
            promised: Vec::new(),
            fading: Vec::new(),
            deaths: 0,
        }
    }

    /// Starts the process; the first one may die.
    fn start(&mut self, death: Option<Death>) -> Result<(), Error> {
        self.seed += 1;
        let options = seeded(Options::default().clock(self.clock.clone()), self.seed);
        let store = Mortal::new(self.store.clone(), death);
        self.messenger = Some(Messenger::open(store, options)?.or_create(&self.user)?);
        Ok(())
    }

    /// Runs a call; if the process dies in it, starts it anew.
    fn call<R>(&mut self, mut call: impl FnMut(&mut Messenger) -> Result<R, Error>) -> Option<R> {
        if let Some(messenger) = &mut self.messenger {
            match call(messenger) {
                Ok(value) => return Some(value),
                Err(Error::Store(_)) => {}
                Err(error) => panic!("not a matter of the store: {error}"),
            }
        }
        self.deaths += 1;
        self.start(None).unwrap();
        None
    }
}

/// What the relay has seen, for whoever looks for a key that was used twice.
#[derive(Default)]
struct Relay {
    mailboxes: BTreeMap<Address, Vec<Vec<u8>>>,
    by_tag: BTreeMap<(Address, [u8; 8]), Vec<u8>>,
}

impl Relay {
    fn carry(&mut self, to: &Address, envelope: &[u8]) {
        let tag = Envelope::decode(envelope).unwrap().message().tag();
        let known = self.by_tag.entry((to.clone(), tag)).or_insert_with(|| envelope.to_vec());
        assert_eq!(known, envelope, "one number was used for two envelopes");
        self.mailboxes.entry(to.clone()).or_default().push(envelope.to_vec());
    }
}

struct Story {
    directory: MemoryDirectory,
    relay: Relay,
    clock: ManualClock,
}

impl Story {
    fn pump(&mut self, app: &mut App) {
        for _ in 0..100 {
            let Some(Some(out)) = app.call(Messenger::next_outgoing) else {
                if app.messenger.is_some() && app.call(|m| Ok(m.address().clone())).is_some() {
                    break;
                }
                continue;
            };
            match &out.action {
                Action::Publish { publication } => self.directory.publish(publication).unwrap(),
                Action::Fetch { user } => {
                    if let Ok(bundle) = self.directory.bundle(user) {
                        app.call(|messenger| messenger.learn(&bundle));
                    }
                }
                Action::Deliver { to, envelope, .. } => {
                    to.iter().for_each(|to| self.relay.carry(to, envelope));
                }
            }
            app.call(|messenger| messenger.outgoing_done(&[out.id]));
        }
    }

    fn read(&mut self, app: &mut App) {
        let Some(address) = app.call(|messenger| Ok(messenger.address().clone())) else { return };
        // `Ok`: deleted from the mailbox; dead: left there.
        let mail = self.relay.mailboxes.remove(&address).unwrap_or_default();
        let mut left = Vec::new();
        for envelope in mail {
            if app.call(|messenger| messenger.receive(&envelope)).is_none() {
                left.push(envelope);
            }
        }
        self.relay.mailboxes.entry(address).or_default().extend(left);
        for _ in 0..50 {
            let Some(Some(event)) = app.call(Messenger::next_event) else { break };
            if let EventKind::Disappeared { message, .. } = &event.kind
                && app.acknowledged.insert(event.id)
            {
                app.gone.push(*message);
            }
            let (EventKind::Message(message) | EventKind::Request(message)) = &event.kind else {
                app.call(|messenger| messenger.events_done(&[event.id]));
                continue;
            };
            // In the app's own database, by the event's id: a repeat is known by it.
            if app.acknowledged.insert(event.id) {
                let text = message.content.as_text().unwrap().to_owned();
                let before = app.shown.insert(message.id, text);
                assert!(before.is_none(), "shown twice under two event ids");
            }
            let from = message.from.clone();
            app.call(|messenger| messenger.accept(&from));
            let read = [message.id];
            let mark_read = |messenger: &mut Messenger| messenger.mark_read(&from, &read);
            app.call(mark_read).or_else(|| app.call(mark_read)).unwrap();
            app.call(|messenger| messenger.events_done(&[event.id]));
        }
    }

    /// A conversation in which one app may die once; gives how often its first
    /// process read and wrote, if it did not.
    fn run(death: Option<Death>) -> (usize, usize) {
        let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
        let mut story = Self {
            directory: MemoryDirectory::new(),
            relay: Relay::default(),
            clock: clock.clone(),
        };
        let (mut one, mut other) = (App::new("alice", &clock, 10), App::new("bob", &clock, 1000));
        other.start(None).unwrap();
        story.pump(&mut other);
        let mortal = Mortal::new(one.store.clone(), death);
        let (reads, writes) = (mortal.reads.clone(), mortal.writes.clone());
        let options = seeded(Options::default().clock(clock.clone()), 1);
        let opened =
            Messenger::open(mortal, options).and_then(|opened| opened.or_create(&one.user));
        match opened {
            Ok(messenger) => one.messenger = Some(messenger),
            Err(Error::Store(_)) => {
                one.deaths += 1;
                one.start(None).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        for turn in 0..6 {
            for (from, to) in [(0, 1), (1, 0)] {
                if turn == 0 && from == 1 {
                    continue;
                }
                let apps = [&mut one, &mut other];
                let user = apps[to].user.clone();
                let [one, other] = apps;
                let app = if from == 0 { one } else { other };
                let text = format!("{turn} from {from}");
                let content = match turn {
                    2 => Content::text(format!("{FADING} {text}")).disappearing(FADES),
                    _ => Content::text(text),
                };
                if let Some(id) = app.call(|messenger| messenger.send(&user, content.clone())) {
                    app.promised.push(id);
                    app.fading.extend((turn == 2).then_some(id));
                }
            }
            // Both directions cross in every other turn.
            if turn % 2 == 0 {
                story.pump(&mut one);
            }
            story.pump(&mut other);
            story.read(&mut other);
            story.pump(&mut one);
            story.read(&mut one);
        }
        // Time enough for every repair.
        for _ in 0..24 {
            story.clock.advance(Duration::from_secs(12 * 60 * 60));
            for _ in 0..3 {
                story.pump(&mut one);
                story.pump(&mut other);
                story.read(&mut one);
                story.read(&mut other);
            }
        }
        assert!(one.deaths + other.deaths <= 1);
        for (from, to) in [(&one, &other), (&other, &one)] {
            for id in &from.promised {
                assert!(to.shown.contains_key(id), "lost: {id:?}, {death:?}");
            }
            for id in &from.fading {
                for app in [from, to] {
                    let times = app.gone.iter().filter(|gone| *gone == id).count();
                    assert_eq!(times, 1, "{death:?}");
                }
            }
            assert!(!from.store.holds(FADING.as_bytes()), "{death:?}");
        }
        // And both go on.
        let say_last = |m: &mut Messenger| m.send(&other.user, Content::text("last"));
        let last = one.call(say_last).or_else(|| one.call(say_last)).unwrap();
        for _ in 0..3 {
            story.pump(&mut one);
            story.pump(&mut other);
            story.read(&mut other);
            story.read(&mut one);
        }
        assert_eq!(other.shown.get(&last).map(String::as_str), Some("last"));
        (reads.load(Ordering::SeqCst), writes.load(Ordering::SeqCst))
    }
}

#[test]
fn a_process_that_dies_at_any_write_loses_and_repeats_nothing() {
    let (_, writes) = Story::run(None);
    assert!(writes > 60, "{writes}");
    for number in 0..writes {
        Story::run(Some(Death::BeforeWrite(number)));
        Story::run(Some(Death::AfterWrite(number)));
    }
}

#[test]
fn a_process_that_dies_while_reading_loses_and_repeats_nothing() {
    let (reads, _) = Story::run(None);
    assert!(reads > 300, "{reads}");
    // A prime, so that every kind of call is met somewhere.
    for number in (0..reads).step_by(37) {
        Story::run(Some(Death::AtRead(number)));
    }
}
