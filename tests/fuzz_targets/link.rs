//! A device that is being linked and the primary that links it, between them envelopes as
//! they are, damaged, made up, or made up and sealed under the code.
//!
//! The first byte says whether the linking is then brought to its end. Each step is a byte,
//! its lowest bit says who, and what belongs to it.

use std::sync::OnceLock;
use std::time::Duration;

use subrosa::directory::MemoryDirectory;
use subrosa::handshake::PrekeyBundle;
use subrosa::store::{MemoryStore, Store};
use subrosa::testing::{ManualClock, seeded};
use subrosa::{
    Action, Address, Error, EventKind, LinkCode, Linking, Messenger, Opened, Options, Received,
    Refusal, Rejection, Timestamp, UserId,
};

use crate::input::Input;
use crate::sealing::{expand, open, pad, seal, unpad};
use crate::side::START;

const MAX_STEPS: usize = 16;

/// How many errands one step runs, and how often all are run in the end.
const MAX_ERRANDS: usize = 64;

/// Bytes of what a link envelope seals.
const PADDED_LEN: usize = 4352;

/// What every link envelope begins with.
const FRAMING: [u8; 6] = [0x1a, 0xab, 0x22, 0x0a, 0xa8, 0x22];

pub(crate) const TO_THE_END: u8 = 1;

/// The steps, for whoever writes a list of them.
pub(crate) const CODE: u8 = 0;
pub(crate) const RAW: u8 = 1;
pub(crate) const SEAL: u8 = 2;
pub(crate) const CARRY: u8 = 3;
pub(crate) const RESTART: u8 = 4;
pub(crate) const WAIT: u8 = 5;
const STEPS: u8 = 6;

/// Who takes a step.
pub(crate) const PRIMARY: u8 = 0;
pub(crate) const DEVICE: u8 = 1;

pub(crate) fn user() -> UserId {
    UserId::new("alice").unwrap()
}

fn options(clock: &ManualClock, seed: u64) -> Options {
    seeded(Options::default().clock(clock.clone()), seed)
}

/// The stores of a primary that has read the code, and of the device that shows it.
fn stores() -> &'static [MemoryStore; 2] {
    static STORES: OnceLock<[MemoryStore; 2]> = OnceLock::new();
    STORES.get_or_init(|| {
        let clock = ManualClock::new(Timestamp::from_secs(START));
        let stores = [MemoryStore::new(), MemoryStore::new()];
        let primary = Messenger::open(stores[0].clone(), options(&clock, 1)).unwrap();
        let mut primary = primary.or_create(&user()).unwrap();
        let device = Messenger::open(stores[1].clone(), options(&clock, 2)).unwrap();
        let Opened::Empty(setup) = device else { panic!("{device:?}") };
        primary.link_device(setup.link(&user(), "tablet").unwrap().code()).unwrap();
        stores
    })
}

enum Side {
    Linking(Linking),
    Linked(Messenger),
}

impl Side {
    fn open(store: &MemoryStore, options: Options) -> Self {
        match Messenger::open(store.clone(), options).unwrap() {
            Opened::Ready(messenger) => Self::Linked(messenger),
            Opened::Linking(linking) => Self::Linking(linking),
            Opened::Empty(setup) => panic!("{setup:?}"),
        }
    }

    fn address(&self) -> &Address {
        match self {
            Self::Linking(linking) => linking.address(),
            Self::Linked(messenger) => messenger.address(),
        }
    }
}

pub(crate) struct World {
    sides: [Side; 2],
    stores: [MemoryStore; 2],
    directory: MemoryDirectory,
    clock: ManualClock,
    seeds: u64,
    code: Vec<u8>,
    listed: bool,
    /// Something came in between that may do so.
    disturbed: bool,
    /// Time has passed, which every commit notes.
    waited: bool,
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new();
    let to_the_end = input.byte() % 2 == TO_THE_END;
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    if to_the_end {
        for _ in 0..4 {
            world.carry(0, None);
            world.carry(1, None);
        }
        assert!(world.disturbed || world.is_linked(), "the genuine envelopes did not link it");
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new(Timestamp::from_secs(START));
        let stores = stores().each_ref().map(MemoryStore::snapshot);
        let sides = [0, 1].map(|side| Side::open(&stores[side], options(&clock, 10 + side as u64)));
        let Side::Linking(linking) = &sides[1] else { panic!("{}", sides[1].address()) };
        let code = linking.code().as_bytes().to_vec();
        let directory = MemoryDirectory::new();
        let (seeds, listed, disturbed, waited) = (100, false, false, false);
        Self { sides, stores, directory, clock, seeds, code, listed, disturbed, waited }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let side = usize::from(step & 1);
        match (step >> 1) % STEPS {
            CODE => self.read_code(input.part()),
            RAW => {
                let envelope = input.part().to_vec();
                self.disturbed |= self.receive(side, &envelope);
            }
            SEAL => {
                let padded = input.byte().is_multiple_of(2);
                let plaintext = input.part();
                let plaintext =
                    if padded { pad(plaintext, PADDED_LEN) } else { plaintext.to_vec() };
                let sealed = seal(&self.key(side), &[], &plaintext);
                let envelope = envelope(&sealed);
                let opened = self.receive(side, &envelope);
                assert!(!opened || plaintext.len() == PADDED_LEN);
                self.disturbed |= opened;
            }
            CARRY => {
                let damage = (input.short(), input.byte());
                self.carry(side, Some(damage));
            }
            RESTART => {
                self.seeds += 1;
                let options = options(&self.clock, self.seeds);
                self.sides[side] = Side::open(&self.stores[side], options);
            }
            _ => {
                (self.disturbed, self.waited) = (true, true);
                self.clock.advance(Duration::from_secs(3600 * u64::from(input.byte())));
            }
        }
    }

    /// What the device shows.
    pub(crate) fn code(&self) -> &[u8] {
        &self.code
    }

    /// The key of what is sealed for this side.
    fn key(&self, side: usize) -> [u8; 32] {
        let labels = ["subrosa/1 link to primary", "subrosa/1 link to device"];
        expand(&self.code[5..37], labels[side])
    }

    fn read_code(&mut self, bytes: &[u8]) {
        let Some(code) = LinkCode::parse(bytes) else { return };
        assert_eq!(code.as_bytes(), bytes);
        assert!(code.short().len() == 6 && code.short().bytes().all(|b| b.is_ascii_digit()));
        assert!(code.device_name().len() <= 64);
        assert!(LinkCode::parse(&bytes[..bytes.len() - 1]).is_none());
        assert!(LinkCode::parse(&[bytes, &[0]].concat()).is_none());
        let Side::Linked(primary) = &mut self.sides[0] else { panic!("no primary") };
        match primary.link_device(&code) {
            Ok(_) => self.disturbed = true,
            Err(Error::OtherAccount | Error::Unknown | Error::Limit { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Gives an envelope to a side; says whether it opened. One of linking that did not has
    /// changed nothing.
    fn receive(&mut self, side: usize, envelope: &[u8]) -> bool {
        let before = self.stores[side].revision().unwrap();
        let opened = match &mut self.sides[side] {
            Side::Linked(messenger) => match messenger.receive(envelope).unwrap() {
                Received::Opened(_) => true,
                Received::Rejected(Rejection::Forged) | Received::Malformed => false,
                // A message, which is kept or not.
                _ => {
                    assert!(!envelope.starts_with(&FRAMING));
                    return false;
                }
            },
            Side::Linking(linking) => match linking.receive(envelope).unwrap() {
                None => false,
                Some(messenger) => {
                    self.sides[side] = Side::Linked(messenger);
                    true
                }
            },
        };
        let unchanged = self.stores[side].revision().unwrap() == before;
        assert!(opened || unchanged || self.waited);
        opened
    }

    /// Runs the errands of a side; each link envelope comes damaged first.
    fn carry(&mut self, side: usize, damage: Option<(usize, u8)>) {
        for _ in 0..MAX_ERRANDS {
            let Side::Linked(messenger) = &mut self.sides[side] else { return };
            while let Some(event) = messenger.next_event().unwrap() {
                self.listed |= matches!(event.kind, EventKind::DevicesChanged { .. });
                messenger.events_done(&[event.id]).unwrap();
            }
            let Some(out) = messenger.next_outgoing().unwrap() else { return };
            match &out.action {
                Action::Publish { publication } => {
                    if self.directory.publish(publication).is_err() {
                        messenger.outgoing_refused(out.id, Refusal::Denied).unwrap();
                    }
                }
                Action::Fetch { user } => match self.directory.bundle(user) {
                    Ok(bundle) => drop(messenger.learn(&bundle).unwrap()),
                    Err(_) => messenger.outgoing_refused(out.id, Refusal::NoSuchUser).unwrap(),
                },
                Action::Deliver { to, envelope, .. } => {
                    if to.contains(self.sides[1 - side].address()) {
                        let envelope = envelope.clone();
                        self.deliver(1 - side, &envelope, damage);
                    }
                }
            }
            let Side::Linked(messenger) = &mut self.sides[side] else { return };
            messenger.outgoing_done(&[out.id]).unwrap();
        }
    }

    fn deliver(&mut self, side: usize, envelope: &[u8], damage: Option<(usize, u8)>) {
        if let Some((place, bit)) = damage
            && envelope.starts_with(&FRAMING)
        {
            let mut damaged = envelope.to_vec();
            damaged[place % envelope.len()] ^= 1 << (bit % 8);
            assert!(!self.receive(side, &damaged), "a damaged link envelope was taken");
        }
        self.receive(side, envelope);
    }

    /// Both have prekeys at the directory, under one list.
    fn is_linked(&mut self) -> bool {
        let Ok(bundle) = self.directory.bundle(&user()) else { return false };
        let bundle = PrekeyBundle::decode(&bundle).unwrap();
        let devices = bundle.verify(&user(), Timestamp::from_secs(START)).unwrap();
        self.listed && devices.devices().len() == 2
    }

    /// What waits to be carried by a side to the other, as it is and opened.
    pub(crate) fn waiting(&mut self, side: usize) -> (Vec<u8>, Vec<u8>) {
        let to = self.sides[1 - side].address().clone();
        let key = self.key(1 - side);
        let Side::Linked(messenger) = &mut self.sides[side] else { panic!("not linked") };
        loop {
            let out = messenger.next_outgoing().unwrap().unwrap();
            if let Action::Deliver { to: whom, envelope, .. } = &out.action
                && whom.contains(&to)
            {
                let padded = open(&key, &[], &envelope[FRAMING.len()..]).unwrap();
                return (envelope.clone(), unpad(&padded).unwrap().to_vec());
            }
        }
    }

    /// What the device says to this offer.
    pub(crate) fn answer(&mut self, offer: &[u8]) -> (Vec<u8>, Vec<u8>) {
        assert!(self.receive(1, offer));
        self.waiting(1)
    }
}

fn envelope(sealed: &[u8]) -> Vec<u8> {
    let length = |length: usize| [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
    let inner = [&[0x0a], length(sealed.len()).as_slice(), sealed].concat();
    [&[0x1a], length(inner.len()).as_slice(), &inner].concat()
}
