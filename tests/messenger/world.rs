//! A small world: devices with their stores, mailboxes, a directory and one clock.

use std::collections::BTreeMap;
use std::time::Duration;

use subrosa::directory::MemoryDirectory;
use subrosa::store::MemoryStore;
use subrosa::testing::{ManualClock, seeded};
use subrosa::wire::Envelope;
use subrosa::{
    Action, Address, Content, DeviceId, Event, EventKind, Incoming, LinkCode, Linking, MessageId,
    Messenger, Opened, Options, Received, Setup, Status, Timestamp, UserId,
};

/// No conversation of a test goes back and forth more often than that.
const ROUNDS: usize = 200;

/// One device, as its app sees it.
pub(crate) struct Device {
    pub(crate) messenger: Messenger,
    pub(crate) store: MemoryStore,
    options: Options,
    /// Everything that its app was told, in order.
    pub(crate) told: Vec<EventKind>,
    /// The transport names the sender.
    pub(crate) hints: bool,
}

impl Device {
    pub(crate) fn address(&self) -> Address {
        self.messenger.address().clone()
    }

    pub(crate) fn user(&self) -> UserId {
        self.address().user
    }

    /// Reads all events, as an app that has a database of its own.
    pub(crate) fn read(&mut self) {
        while let Some(Event { id, kind, .. }) = self.messenger.next_event().unwrap() {
            self.told.push(kind);
            self.messenger.events_done(&[id]).unwrap();
        }
    }

    /// Every text that its app was told, in order.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |kind: &EventKind| match kind {
            EventKind::Message(message) | EventKind::Request(message) => {
                message.content.as_text().map(str::to_owned)
            }
            _ => None,
        };
        self.told.iter().filter_map(text).collect()
    }

    /// What became of a message of its own, in order.
    pub(crate) fn statuses(&self, of: MessageId) -> Vec<Status> {
        let status = |kind: &EventKind| match kind {
            EventKind::Status { message, status, .. } if *message == of => Some(status.clone()),
            _ => None,
        };
        self.told.iter().filter_map(status).collect()
    }

    pub(crate) fn say(&mut self, to: &UserId, text: &str) -> MessageId {
        self.messenger.send(to, Content::text(text)).unwrap()
    }

    /// Every text that was written on another of its user's devices, in order.
    pub(crate) fn own_texts(&self) -> Vec<String> {
        let text = |kind: &EventKind| match kind {
            EventKind::OwnMessage(message) => message.content.as_text().map(str::to_owned),
            _ => None,
        };
        self.told.iter().filter_map(text).collect()
    }

    /// Devices that it was told to be new, and those gone.
    pub(crate) fn device_changes(&self, of: &UserId) -> (Vec<DeviceId>, Vec<DeviceId>) {
        let (mut new, mut gone) = (Vec::new(), Vec::new());
        for kind in &self.told {
            if let EventKind::DevicesChanged { user, added, removed } = kind
                && user == of
            {
                new.extend(added);
                gone.extend(removed);
            }
        }
        (new, gone)
    }

    /// Ends the process, and opens the store again.
    pub(crate) fn restart(&mut self) {
        let opened = Messenger::open(self.store.clone(), self.options.clone()).unwrap();
        self.messenger = opened.ready().unwrap();
    }
}

/// Whether an envelope carries a handshake.
pub(crate) fn is_first(envelope: &[u8]) -> bool {
    matches!(Envelope::decode(envelope), Ok(Envelope::FirstMessage { .. }))
}

/// An envelope of the right form that nobody has made, with so many bytes sealed.
pub(crate) fn junk(number: u16, len: usize) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let len = bytes.len();
        let len = [(len & 0x7f) as u8 | 0x80, (len >> 7 & 0x7f) as u8 | 0x80, (len >> 14) as u8];
        [&[number << 3 | 2][..], &len, bytes].concat()
    };
    let head = [&number.to_be_bytes()[..], &[len as u8; 58]].concat();
    field(1, &[field(1, &head), field(2, &vec![0; len])].concat())
}

/// What a server sees and keeps.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) directory: MemoryDirectory,
    pub(crate) mailboxes: BTreeMap<Address, Vec<(UserId, Vec<u8>)>>,
    pub(crate) carried: usize,
    seeds: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: ManualClock::new(Timestamp::from_secs(1_800_000_000)),
            directory: MemoryDirectory::new(),
            mailboxes: BTreeMap::new(),
            carried: 0,
            seeds: 0,
        }
    }

    pub(crate) fn options(&mut self) -> Options {
        self.seeds += 1;
        seeded(Options::default().clock(self.clock.clone()), self.seeds)
    }

    /// A person with one device, published.
    pub(crate) fn person(&mut self, name: &str) -> Device {
        let (options, store) = (self.options(), MemoryStore::new());
        let user = UserId::new(name).unwrap();
        let opened = Messenger::open(store.clone(), options.clone()).unwrap();
        let messenger = opened.or_create(&user).unwrap();
        let mut device = Device { messenger, store, options, told: Vec::new(), hints: false };
        self.carry(&mut device);
        device
    }

    /// An empty store, opened.
    pub(crate) fn setup(&mut self) -> (Setup, MemoryStore, Options) {
        let (options, store) = (self.options(), MemoryStore::new());
        let opened = Messenger::open(store.clone(), options.clone()).unwrap();
        let Opened::Empty(setup) = opened else { panic!("{opened:?}") };
        (setup, store, options)
    }

    /// A device that waits to be linked.
    pub(crate) fn linking(&mut self, user: &UserId) -> (Linking, MemoryStore, Options) {
        let (setup, store, options) = self.setup();
        (setup.link(user, "tablet").unwrap(), store, options)
    }

    /// Takes what lies in a mailbox.
    pub(crate) fn mail_of(&mut self, address: &Address) -> Vec<(UserId, Vec<u8>)> {
        self.mailboxes.remove(address).unwrap_or_default()
    }

    /// A further device, linked by its primary.
    pub(crate) fn link(&mut self, primary: &mut Device) -> Device {
        let (mut linking, store, options) = self.linking(&primary.user());
        let code = LinkCode::parse(linking.code().as_bytes()).unwrap();
        assert_eq!(code.short(), linking.code().short());
        let id = primary.messenger.link_device(&code).unwrap();
        assert_eq!(id, linking.address().device);
        self.carry(primary);
        let mail = self.mail_of(&linking.address().clone());
        let [(_, offer)] = mail.as_slice() else { panic!("{} envelopes", mail.len()) };
        let messenger = linking.receive(offer).unwrap().unwrap();
        assert!(linking.receive(offer).unwrap().is_none());
        let mut device = self.device(messenger, store, options);
        self.settle(&mut [primary, &mut device]);
        device
    }

    /// A device whose store was opened by the test.
    pub(crate) fn device(
        &self,
        messenger: Messenger,
        store: MemoryStore,
        options: Options,
    ) -> Device {
        Device { messenger, store, options, told: Vec::new(), hints: false }
    }

    /// Runs all errands of a device, and says how many envelopes there were.
    pub(crate) fn carry(&mut self, device: &mut Device) -> usize {
        let before = self.carried;
        let from = device.user();
        for _ in 0..100 * ROUNDS {
            let Some(out) = device.messenger.next_outgoing().unwrap() else {
                return self.carried - before;
            };
            match &out.action {
                Action::Publish { publication } => {
                    if self.directory.publish(publication).is_err() {
                        // By a list that is not the newest.
                        let refusal = subrosa::Refusal::Denied;
                        device.messenger.outgoing_refused(out.id, refusal).unwrap();
                    }
                }
                Action::Fetch { user } => match self.directory.bundle(user) {
                    Ok(bundle) => drop(device.messenger.learn(&bundle).unwrap()),
                    Err(_) => {
                        let refusal = subrosa::Refusal::NoSuchUser;
                        device.messenger.outgoing_refused(out.id, refusal).unwrap();
                    }
                },
                Action::Deliver { to, envelope, .. } => {
                    for address in to {
                        let mailbox = self.mailboxes.entry(address.clone()).or_default();
                        mailbox.push((from.clone(), envelope.clone()));
                        self.carried += 1;
                    }
                }
            }
            device.messenger.outgoing_done(&[out.id]).unwrap();
        }
        panic!("errands without end");
    }

    /// Takes a device's whole mailbox.
    pub(crate) fn fetch_mail(&mut self, device: &Device) -> Vec<(UserId, Vec<u8>)> {
        self.mailboxes.remove(&device.address()).unwrap_or_default()
    }

    /// How many envelopes of one user lie in the mailboxes of another.
    pub(crate) fn lying(&self, from: &UserId, to: &UserId) -> usize {
        let theirs = self.mailboxes.iter().filter(|(address, _)| address.user == *to);
        theirs.flat_map(|(_, mail)| mail).filter(|(sender, _)| sender == from).count()
    }

    /// Gives a device its mail, and says what became of it.
    pub(crate) fn deliver(&mut self, device: &mut Device) -> Vec<Received> {
        let mail = self.fetch_mail(device);
        let outcomes = mail.iter().map(|(from, envelope)| {
            let mut incoming = Incoming::new(envelope);
            if device.hints {
                incoming = incoming.claimed_from(from);
            }
            device.messenger.receive(incoming).unwrap()
        });
        let outcomes = outcomes.collect();
        device.read();
        outcomes
    }

    /// Carries and delivers until nothing moves any more.
    pub(crate) fn settle(&mut self, devices: &mut [&mut Device]) {
        for _ in 0..ROUNDS {
            let mut moved = 0;
            for device in devices.iter_mut() {
                moved += self.carry(device);
            }
            for device in devices.iter_mut() {
                moved += self.deliver(device).len();
                device.read();
            }
            if moved == 0 {
                return;
            }
        }
        panic!("they never settle");
    }

    /// Lets time pass, with everybody online.
    pub(crate) fn pass(&mut self, span: Duration, devices: &mut [&mut Device]) {
        let step = Duration::from_secs(6 * 60 * 60).min(span);
        let mut left = span;
        while !left.is_zero() {
            let now = step.min(left);
            self.clock.advance(now);
            left -= now;
            self.settle(devices);
        }
    }

    /// Two people who talk.
    pub(crate) fn pair(&mut self) -> (Device, Device) {
        let (mut one, mut other) = (self.person("alice"), self.person("bob"));
        self.meet(&mut one, &mut other);
        (one, other)
    }

    /// Makes two people talk who have never met.
    pub(crate) fn meet(&mut self, one: &mut Device, other: &mut Device) {
        one.say(&other.user(), "hello");
        self.settle(&mut [one, other]);
        other.messenger.accept(one.user()).unwrap();
        other.say(&one.user(), "hi");
        self.settle(&mut [one, other]);
        assert_eq!((one.texts(), other.texts()), (vec!["hi".into()], vec!["hello".into()]));
        one.told.clear();
        other.told.clear();
    }
}
