//! A store-and-forward relay on loopback: mailboxes with opaque names, bytes in them,
//! and a directory of prekey bundles. It also plays the bad network.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::line::{self, Mailbox, Operation, Request};
use crate::mischief::{Fate, Mischief};

/// The most connections that are served.
const MAX_CONNECTIONS: usize = 16;

/// The most requests that one connection may make.
const MAX_REQUESTS: usize = 1 << 20;

/// The most envelopes that wait in one mailbox.
const MAX_WAITING: usize = 4096;

/// The most bundles that are kept for one user.
const MAX_BUNDLES: usize = 128;

/// All that the relay sees of an envelope, and what it does with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) mailbox: Mailbox,
    pub(crate) length: usize,
    pub(crate) start: [u8; 8],
    pub(crate) fate: Fate,
}

/// A relay that runs in threads of this process, to its end.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it sees, in order.
    pub(crate) seen: Receiver<Seen>,
}

impl Relay {
    /// Starts a relay with the mischief that the seed stands for.
    pub(crate) fn start(seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (tell, seen) = mpsc::channel();
        let desk = Arc::new(Mutex::new(Desk::new(seed, tell)));
        thread::spawn(move || accept(&listener, &desk));
        Ok(Self { address, seen })
    }
}

fn accept(listener: &TcpListener, desk: &Arc<Mutex<Desk>>) {
    for stream in listener.incoming().take(MAX_CONNECTIONS).flatten() {
        let desk = Arc::clone(desk);
        thread::spawn(move || {
            if let Err(error) = serve(&stream, &desk)
                && error.kind() != io::ErrorKind::UnexpectedEof
            {
                eprintln!("relay: {error}");
            }
        });
    }
}

/// Answers requests until the client hangs up.
fn serve(stream: &TcpStream, desk: &Mutex<Desk>) -> io::Result<()> {
    line::prepare(stream)?;
    for _ in 0..MAX_REQUESTS {
        let frame = line::read_frame(stream)?;
        let reply = match Request::decode(&frame) {
            Some(request) => desk.lock().unwrap_or_else(PoisonError::into_inner).answer(&request),
            None => Reply::Refused,
        };
        line::write_frame(stream, &reply.encode())?;
    }
    Ok(())
}

enum Reply {
    Nothing,
    Found(Vec<u8>),
    Refused,
}

impl Reply {
    fn encode(self) -> Vec<u8> {
        match self {
            Self::Nothing => vec![0],
            Self::Found(bytes) => [&[1], &bytes[..]].concat(),
            Self::Refused => vec![2],
        }
    }
}

impl From<Option<Vec<u8>>> for Reply {
    fn from(found: Option<Vec<u8>>) -> Self {
        found.map_or(Self::Nothing, Self::Found)
    }
}

/// Everything that the relay keeps.
struct Desk {
    mailboxes: HashMap<Mailbox, Waiting>,
    bundles: HashMap<Vec<u8>, VecDeque<Vec<u8>>>,
    mischief: Mischief,
    tell: Sender<Seen>,
}

/// The envelopes of a mailbox.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<Vec<u8>>,
    held: Vec<(u32, Vec<u8>)>,
}

impl Desk {
    fn new(seed: u64, tell: Sender<Seen>) -> Self {
        let (mailboxes, bundles) = (HashMap::new(), HashMap::new());
        Self { mailboxes, bundles, mischief: Mischief::new(seed), tell }
    }

    fn answer(&mut self, request: &Request<'_>) -> Reply {
        let Request { operation, name, bytes } = *request;
        match (operation, Mailbox::from_bytes(name)) {
            (Operation::Publish, _) => self.publish(name, bytes),
            (Operation::Fetch, _) => self.fetch(name).into(),
            (Operation::Put, Some(mailbox)) => self.put(mailbox, bytes),
            (Operation::Take, Some(mailbox)) => self.take(mailbox).into(),
            (Operation::Put | Operation::Take, None) => Reply::Refused,
        }
    }

    fn publish(&mut self, user: &[u8], bundle: &[u8]) -> Reply {
        let bundles = self.bundles.entry(user.to_vec()).or_default();
        if bundles.len() >= MAX_BUNDLES {
            return Reply::Refused;
        }
        bundles.push_back(bundle.to_vec());
        Reply::Nothing
    }

    /// Each bundle is handed out once, the last one again and again.
    fn fetch(&mut self, user: &[u8]) -> Option<Vec<u8>> {
        let bundles = self.bundles.get_mut(user)?;
        if bundles.len() > 1 { bundles.pop_front() } else { bundles.front().cloned() }
    }

    fn put(&mut self, mailbox: Mailbox, envelope: &[u8]) -> Reply {
        let Waiting { queue, held } = self.mailboxes.entry(mailbox).or_default();
        if queue.len() + held.len() >= MAX_WAITING {
            return Reply::Refused;
        }
        let fate = self.mischief.fate(queue.len());
        let bytes = envelope.to_vec();
        match fate {
            Fate::Straight => queue.push_back(bytes),
            Fate::Lost => {}
            Fate::Twice => queue.extend([bytes.clone(), bytes]),
            Fate::Held(times) => held.push((times, bytes)),
            Fate::Overtakes(place) => queue.insert(place, bytes),
            Fate::Altered => queue.extend([self.mischief.altered(&bytes), bytes]),
        }
        let start = *envelope.first_chunk().unwrap_or(&[0; 8]);
        // Nobody listening is no reason not to carry.
        let _ = self.tell.send(Seen { mailbox, length: envelope.len(), start, fate });
        Reply::Nothing
    }

    /// The next envelope; when there is none, what was held back comes nearer.
    fn take(&mut self, mailbox: Mailbox) -> Option<Vec<u8>> {
        let Waiting { queue, held } = self.mailboxes.get_mut(&mailbox)?;
        if let Some(envelope) = queue.pop_front() {
            return Some(envelope);
        }
        for (times, bytes) in std::mem::take(held) {
            if times > 1 {
                held.push((times - 1, bytes));
            } else {
                queue.push_back(bytes);
            }
        }
        None
    }
}
