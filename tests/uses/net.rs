//! A mail server and a directory as they are behind HTTP, and an app's loops around them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, OnceLock};

use subrosa::directory::MemoryDirectory;
use subrosa::store::{MemoryStore, Store};
use subrosa::{
    Action, Address, Content, EventId, EventKind, Messenger, Options, Refusal, Urgency, UserId,
};

/// Whatever stops an app's loop.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many envelopes one request gives.
const PAGE: usize = 3;

/// A server that answers requests, until the network fails.
#[derive(Default)]
pub(crate) struct Net(Mutex<State>);

#[derive(Default)]
struct State {
    directory: MemoryDirectory,
    mailboxes: BTreeMap<Address, BTreeMap<u64, Vec<u8>>>,
    next: u64,
    alerts: usize,
    /// After how many half requests the network fails, once.
    fails_after: Option<usize>,
}

/// No answer came.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl Error for NoAnswer {}

impl State {
    fn half(&mut self) -> std::result::Result<(), NoAnswer> {
        match &mut self.fails_after {
            Some(0) => {
                self.fails_after = None;
                Err(NoAnswer)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Net {
    /// The network fails once: before the server has the request, or before its answer is
    /// back. Each is half a request.
    pub(crate) fn fail_after(&self, halves: usize) {
        self.0.lock().unwrap().fails_after = Some(halves);
    }

    /// Whether it has failed; it will not any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.lock().unwrap().fails_after.take().is_none()
    }

    fn request<R>(&self, answer: impl FnOnce(&mut State) -> R) -> Result<R> {
        let mut state = self.0.lock().unwrap();
        state.half()?;
        let answer = answer(&mut state);
        state.half()?;
        Ok(answer)
    }

    /// What is in front in a mailbox.
    pub(crate) fn page(&self, mailbox: &Address) -> Result<Vec<(u64, Vec<u8>)>> {
        self.request(|state| {
            let waiting = state.mailboxes.entry(mailbox.clone()).or_default();
            waiting.iter().take(PAGE).map(|(number, bytes)| (*number, bytes.clone())).collect()
        })
    }

    /// Deletes an envelope.
    pub(crate) fn delete(&self, mailbox: &Address, number: u64) -> Result<()> {
        self.request(|state| {
            drop(state.mailboxes.entry(mailbox.clone()).or_default().remove(&number))
        })
    }

    /// What waits in a mailbox.
    pub(crate) fn waiting(&self, mailbox: &Address) -> Vec<Vec<u8>> {
        let state = self.0.lock().unwrap();
        state
            .mailboxes
            .get(mailbox)
            .map(|mails| mails.values().cloned().collect())
            .unwrap_or_default()
    }

    /// How many envelopes deserved a push notification.
    pub(crate) fn alerts(&self) -> usize {
        self.0.lock().unwrap().alerts
    }

    /// Runs every errand of a device; says how many.
    pub(crate) fn carry(&self, device: &mut Messenger) -> Result<usize> {
        let mut carried = 0;
        while let Some(out) = device.next_outgoing()? {
            match &out.action {
                Action::Publish { publication } => {
                    self.request(|state| state.directory.publish(publication))??;
                }
                Action::Fetch { user } => {
                    match self.request(|state| state.directory.bundle(user))? {
                        Ok(bundle) => drop(device.learn(&bundle)?),
                        Err(_) => device.outgoing_refused(out.id, Refusal::NoSuchUser)?,
                    }
                }
                Action::Deliver { to, envelope, urgency } => {
                    self.request(|state| {
                        for mailbox in to {
                            state.next += 1;
                            let waiting = state.mailboxes.entry(mailbox.clone()).or_default();
                            waiting.insert(state.next, envelope.clone());
                        }
                        state.alerts += usize::from(*urgency == Urgency::Alert);
                    })?;
                }
            }
            device.outgoing_done(&[out.id])?;
            carried += 1;
        }
        Ok(carried)
    }

    /// Takes in a device's mailbox; says how many envelopes.
    pub(crate) fn take_in(&self, device: &mut Messenger) -> Result<usize> {
        let mailbox = device.address().clone();
        let mut came = 0;
        loop {
            let page = self.page(&mailbox)?;
            if page.is_empty() {
                return Ok(came);
            }
            for (number, envelope) in page {
                // An `Err` leaves this loop, and the envelope where it is.
                device.receive(&envelope)?;
                self.delete(&mailbox, number)?;
                came += 1;
            }
        }
    }
}

/// What an app shows: its own database, which outlives its process.
#[derive(Default)]
pub(crate) struct Shown(pub(crate) BTreeMap<EventId, EventKind>);

impl Shown {
    /// Writes down what has happened, then says so.
    pub(crate) fn read(&mut self, device: &mut Messenger) -> Result<()> {
        while let Some(event) = device.next_event()? {
            self.0.insert(event.id, event.kind);
            device.events_done(&[event.id])?;
        }
        Ok(())
    }

    /// The texts of others, in the order in which they came.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |kind: &EventKind| match kind {
            EventKind::Message(message) | EventKind::Request(message) => {
                message.content.as_text().map(str::to_owned)
            }
            _ => None,
        };
        self.0.values().filter_map(text).collect()
    }
}

/// Everybody carries and takes in until nothing moves.
pub(crate) fn settle(net: &Net, devices: &mut [(&mut Messenger, &mut Shown)]) {
    for _ in 0..100 {
        let mut moved = 0;
        for (device, shown) in devices.iter_mut() {
            moved += net.carry(device).unwrap() + net.take_in(device).unwrap();
            shown.read(device).unwrap();
        }
        if moved == 0 {
            return;
        }
    }
    panic!("they never settle");
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// The account in this store; a new one in an empty store.
pub(crate) fn open(store: impl Store, name: &str) -> Result<Messenger> {
    Ok(Messenger::open(store, Options::default())?.or_create(&user(name))?)
}

/// Two people say something to each other, so that they talk.
pub(crate) fn introduce(net: &Net, one: &mut Messenger, other: &mut Messenger) {
    let [mut ones, mut others] = [Shown::default(), Shown::default()];
    net.carry(other).unwrap();
    one.send(&other.address().user, Content::text("hello")).unwrap();
    settle(net, &mut [(one, &mut ones), (other, &mut others)]);
    other.send(&one.address().user, Content::text("hi")).unwrap();
    settle(net, &mut [(one, &mut ones), (other, &mut others)]);
    assert_eq!((ones.texts(), others.texts()), (vec!["hi".into()], vec!["hello".into()]));
}

/// The disks of Alice and Bob, who talk. Each time others, with the same on them: to make
/// accounts takes most of a test's time.
pub(crate) fn introduced() -> [MemoryStore; 2] {
    static DISKS: OnceLock<[MemoryStore; 2]> = OnceLock::new();
    let disks = DISKS.get_or_init(|| {
        let disks = [MemoryStore::new(), MemoryStore::new()];
        let mut alice = open(disks[0].clone(), "alice").unwrap();
        let mut bob = open(disks[1].clone(), "bob").unwrap();
        introduce(&Net::default(), &mut alice, &mut bob);
        disks
    });
    disks.each_ref().map(MemoryStore::snapshot)
}
