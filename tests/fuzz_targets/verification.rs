//! Two people who compare emoji or scan codes, over a network that loses, repeats and
//! reorders, with steps that nobody made by the rules.
//!
//! Each step is a byte, its lowest bit says who, and what belongs to it.

use std::sync::OnceLock;
use std::time::Duration;

use subrosa::content::Content;
use subrosa::directory::MemoryDirectory;
use subrosa::store::MemoryStore;
use subrosa::testing::{ManualClock, seeded};
use subrosa::{Action, Emoji, EventKind, Messenger, Options, Scan, Timestamp, UserId};

use crate::input::Input;

const MAX_STEPS: usize = 64;
const MAX_ERRANDS: usize = 64;
/// How often they try to compare at last: for twenty days, in which all that was lost comes.
const TRIES: usize = 10;
const NAMES: [&str; 2] = ["alice", "bob"];

/// The steps, for whoever writes a list of them.
pub(crate) const START: u8 = 0;
pub(crate) const CONFIRM: u8 = 1;
pub(crate) const CANCEL: u8 = 2;
pub(crate) const CARRY: u8 = 3;
pub(crate) const DELIVER: u8 = 4;
pub(crate) const REPEAT: u8 = 5;
pub(crate) const LOSE: u8 = 6;
pub(crate) const SAY: u8 = 7;
pub(crate) const SCAN: u8 = 8;
pub(crate) const RESTART: u8 = 9;
pub(crate) const WAIT: u8 = 10;
const STEPS: u8 = 11;

struct Side {
    messenger: Messenger,
    store: MemoryStore,
    mailbox: Vec<Vec<u8>>,
    /// What it shows.
    emoji: Option<Emoji>,
    /// What its person has confirmed.
    confirmed: Vec<Emoji>,
}

struct World {
    sides: [Side; 2],
    directory: MemoryDirectory,
    clock: ManualClock,
    seed: u64,
}

fn user(side: usize) -> UserId {
    UserId::new(NAMES[side]).unwrap()
}

/// Stores of two people who talk; made once.
fn stores() -> &'static [MemoryStore; 2] {
    static STORES: OnceLock<[MemoryStore; 2]> = OnceLock::new();
    STORES.get_or_init(|| {
        let mut world = World::new([MemoryStore::new(), MemoryStore::new()], 0);
        (0..2).for_each(|side| world.carry(side));
        for side in [0, 1] {
            world.sides[side].messenger.send(user(1 - side), Content::text("hello")).unwrap();
            world.carry(side);
            world.deliver_all(1 - side);
        }
        world.sides.map(|side| side.store)
    })
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new([0, 1].map(|side: usize| stores()[side].snapshot()), 2);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.check();
    }
    // Whatever happened: nothing fails, and once what was lost has come, they can compare.
    assert!((0..TRIES).any(|_| world.can_compare()), "they can never compare again");
}

impl World {
    /// Opens the stores, with randomness that no process before has had.
    fn new(stores: [MemoryStore; 2], seed: u64) -> Self {
        let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
        let mut numbers = 0..;
        let sides = stores.map(|store| {
            let side = numbers.next().unwrap();
            let (mailbox, confirmed) = (Vec::new(), Vec::new());
            let messenger = open(&store, &clock, side, seed + side as u64);
            Side { messenger, store, mailbox, emoji: None, confirmed }
        });
        Self { sides, directory: MemoryDirectory::new(), clock, seed: seed + 2 }
    }

    /// Days later, both try; whether they see the same.
    fn can_compare(&mut self) -> bool {
        for _ in 0..2 {
            for side in [0, 1, 0, 1, 0, 1] {
                self.carry(side);
                self.deliver_all(1 - side);
            }
            self.clock.advance(Duration::from_secs(26 * 60 * 60));
        }
        self.sides.iter_mut().for_each(|side| side.emoji = None);
        self.sides[0].messenger.start_emoji(&user(1)).unwrap();
        for side in [0, 1, 0, 1, 0, 1] {
            self.carry(side);
            self.deliver_all(1 - side);
        }
        let [one, other] = [0, 1].map(|side: usize| self.sides[side].emoji);
        one.is_some() && one == other
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let side = usize::from(step & 1);
        let other = user(1 - side);
        let Side { messenger, mailbox, emoji, confirmed, .. } = &mut self.sides[side];
        match (step >> 1) % STEPS {
            START => messenger.start_emoji(&other).unwrap(),
            CONFIRM => {
                if let Some(shown) = emoji
                    && messenger.confirm_emoji(&other, shown).is_ok()
                {
                    confirmed.push(*shown);
                }
            }
            CANCEL => messenger.cancel_emoji(&other).unwrap(),
            CARRY => self.carry(side),
            kind @ (DELIVER | REPEAT | LOSE) => {
                let Some(place) = usize::from(input.byte()).checked_rem(mailbox.len()) else {
                    return;
                };
                let envelope = match kind {
                    REPEAT => mailbox[place].clone(),
                    _ => mailbox.remove(place),
                };
                if kind != LOSE {
                    messenger.receive(&envelope).unwrap();
                }
            }
            SAY => {
                // A content of field 40, whatever is in it.
                let part = input.part();
                let part = &part[..part.len().min(127)];
                let content = [&[0xc2, 0x02, part.len() as u8], part].concat();
                let _ = messenger.send(&other, Content::from_bytes(&content));
            }
            SCAN => {
                let scanned = messenger.scan(input.part());
                assert!(!matches!(scanned, Ok(Scan::Verified(_))), "nobody has shown a code");
            }
            RESTART => {
                self.seed += 1;
                let store = &self.sides[side].store;
                self.sides[side].messenger = open(store, &self.clock, side, self.seed);
            }
            _ => self.clock.advance(Duration::from_secs(10 * u64::from(input.byte()))),
        }
        self.read(side);
    }

    /// Where somebody is verified, both people have confirmed the same emoji.
    fn check(&mut self) {
        for side in [0, 1] {
            let contact = self.sides[side].messenger.contact(&user(1 - side)).unwrap();
            let [one, other] = &self.sides;
            let both = one.confirmed.iter().any(|emoji| other.confirmed.contains(emoji));
            assert!(!contact.verified || both, "verified without a comparison");
        }
    }

    fn read(&mut self, side: usize) {
        let Side { messenger, emoji, .. } = &mut self.sides[side];
        while let Some(event) = messenger.next_event().unwrap() {
            match event.kind {
                EventKind::CompareEmoji { emoji: shown, .. } => *emoji = Some(shown),
                EventKind::EmojiEnded { .. } => *emoji = None,
                _ => {}
            }
            messenger.events_done(&[event.id]).unwrap();
        }
    }

    fn deliver_all(&mut self, side: usize) {
        for envelope in std::mem::take(&mut self.sides[side].mailbox) {
            self.sides[side].messenger.receive(&envelope).unwrap();
        }
        self.read(side);
    }

    fn carry(&mut self, side: usize) {
        for _ in 0..MAX_ERRANDS {
            let Some(out) = self.sides[side].messenger.next_outgoing().unwrap() else { break };
            match &out.action {
                Action::Publish { publication } => self.directory.publish(publication).unwrap(),
                Action::Fetch { user } => {
                    if let Ok(bundle) = self.directory.bundle(user) {
                        self.sides[side].messenger.learn(&bundle).unwrap();
                    }
                }
                Action::Deliver { envelope, .. } => {
                    self.sides[1 - side].mailbox.push(envelope.clone());
                }
            }
            self.sides[side].messenger.outgoing_done(&[out.id]).unwrap();
        }
        self.read(side);
    }
}

fn open(store: &MemoryStore, clock: &ManualClock, side: usize, seed: u64) -> Messenger {
    let options = seeded(Options::default().clock(clock.clone()), seed);
    Messenger::open(store.clone(), options).unwrap().or_create(&user(side)).unwrap()
}
