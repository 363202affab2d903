//! Two messengers, as apps drive them, and a network that loses, repeats, reorders,
//! damages and invents, all as the input says.
//!
//! Each step is a byte, its lowest bit says who, and what belongs to it.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use subrosa::directory::MemoryDirectory;
use subrosa::store::MemoryStore;
use subrosa::testing::{ManualClock, seeded};
use subrosa::{
    Action, Content, EventKind, MessageId, Messenger, Options, Outgoing, Timestamp, UserId,
};

use crate::input::Input;

const MAX_STEPS: usize = 64;

/// How many errands one step runs.
const MAX_ERRANDS: usize = 64;

const NAMES: [&str; 2] = ["alice", "bob"];

/// The steps, for whoever writes a list of them.
pub(crate) const SAY: u8 = 0;
pub(crate) const CARRY: u8 = 1;
pub(crate) const DELIVER: u8 = 2;
pub(crate) const REPEAT: u8 = 3;
pub(crate) const LOSE: u8 = 4;
pub(crate) const DAMAGE: u8 = 5;
pub(crate) const INVENT: u8 = 6;
pub(crate) const LEARN: u8 = 7;
pub(crate) const RESTART: u8 = 8;
pub(crate) const WAIT: u8 = 9;
pub(crate) const DECIDE: u8 = 10;
const STEPS: u8 = 11;

struct Side {
    messenger: Messenger,
    store: MemoryStore,
    /// Envelopes on their way to it.
    mailbox: Vec<Vec<u8>>,
    shown: BTreeSet<MessageId>,
}

struct World {
    sides: [Side; 2],
    directory: MemoryDirectory,
    clock: ManualClock,
    seeds: u64,
}

/// Stores of two people who have published; made once.
fn stores() -> &'static [MemoryStore; 2] {
    static STORES: OnceLock<[MemoryStore; 2]> = OnceLock::new();
    STORES.get_or_init(|| {
        let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
        [0, 1].map(|side| {
            let store = MemoryStore::new();
            let options = seeded(Options::default().clock(clock.clone()), side as u64);
            let user = UserId::new(NAMES[side]).unwrap();
            Messenger::open(store.clone(), options).unwrap().or_create(&user).unwrap();
            store
        })
    })
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
    let mut seeds = 100;
    let sides = [0, 1].map(|side: usize| {
        let store = stores()[side].snapshot();
        seeds += 1;
        let messenger = open(&store, &clock, seeds);
        Side { messenger, store, mailbox: Vec::new(), shown: BTreeSet::new() }
    });
    let mut world = World { sides, directory: MemoryDirectory::new(), clock, seeds };
    [0, 1].into_iter().for_each(|side| world.carry(side));
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    // Whatever happened: nothing fails, and both still work.
    for side in [0, 1, 0, 1] {
        world.carry(side);
        for envelope in std::mem::take(&mut world.sides[side].mailbox) {
            world.receive(side, &envelope);
        }
        world.read(side);
    }
}

fn open(store: &MemoryStore, clock: &ManualClock, seed: u64) -> Messenger {
    let options = seeded(Options::default().clock(clock.clone()), seed);
    Messenger::open(store.clone(), options).unwrap().ready().unwrap()
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let side = usize::from(step & 1);
        let user = UserId::new(NAMES[1 - side]).unwrap();
        match (step >> 1) % STEPS {
            SAY => {
                let text = String::from_utf8_lossy(input.part()).into_owned();
                // Refused: to who is blocked, or too long.
                let _ = self.sides[side].messenger.send(&user, Content::text(text));
            }
            CARRY => self.carry(side),
            kind @ (DELIVER | REPEAT | LOSE | DAMAGE) => {
                let mailbox = &mut self.sides[side].mailbox;
                let Some(place) = usize::from(input.byte()).checked_rem(mailbox.len()) else {
                    return;
                };
                let mut envelope = match kind {
                    DELIVER | LOSE => mailbox.remove(place),
                    _ => mailbox[place].clone(),
                };
                if kind == DAMAGE {
                    let place = usize::from(input.byte()) * 7 % envelope.len();
                    envelope[place] ^= 1 << (input.byte() % 8);
                }
                if kind != LOSE {
                    self.receive(side, &envelope);
                }
            }
            INVENT => {
                let envelope = input.part().to_vec();
                self.receive(side, &envelope);
            }
            LEARN => {
                let bundle = input.part().to_vec();
                self.sides[side].messenger.learn(&bundle).unwrap();
            }
            RESTART => {
                self.seeds += 1;
                self.sides[side].messenger = open(&self.sides[side].store, &self.clock, self.seeds);
            }
            WAIT => self.clock.advance(Duration::from_secs(600 * u64::from(input.byte()))),
            _ => match input.byte() % 2 {
                0 => self.sides[side].messenger.accept(&user).unwrap(),
                _ => self.sides[side].messenger.block(&user).unwrap(),
            },
        }
        self.read(side);
    }

    fn receive(&mut self, side: usize, envelope: &[u8]) {
        self.sides[side].messenger.receive(envelope).unwrap();
    }

    fn read(&mut self, side: usize) {
        let Side { messenger, shown, .. } = &mut self.sides[side];
        while let Some(event) = messenger.next_event().unwrap() {
            if let EventKind::Message(message) | EventKind::Request(message) = &event.kind {
                assert!(shown.insert(message.id), "told twice");
            }
            messenger.events_done(&[event.id]).unwrap();
        }
    }

    fn carry(&mut self, side: usize) {
        for _ in 0..MAX_ERRANDS {
            let Some(out) = self.sides[side].messenger.next_outgoing().unwrap() else { return };
            self.run_errand(side, &out);
            self.sides[side].messenger.outgoing_done(&[out.id]).unwrap();
        }
    }

    fn run_errand(&mut self, side: usize, out: &Outgoing) {
        match &out.action {
            Action::Publish { publication } => self.directory.publish(publication).unwrap(),
            Action::Fetch { user } => {
                if let Ok(bundle) = self.directory.bundle(user) {
                    self.sides[side].messenger.learn(&bundle).unwrap();
                }
            }
            Action::Deliver { envelope, .. } => self.sides[1 - side].mailbox.push(envelope.clone()),
        }
    }
}
