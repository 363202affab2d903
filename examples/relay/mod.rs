//! A store-and-forward relay on TCP, for the examples: mailboxes with opaque names, bytes
//! in them, blobs, and the directory of what devices publish.
//!
//! It keeps an envelope until whoever reads the mailbox deletes it. It trusts everybody
//! who connects: a real one lets only owners publish, read and delete.

pub(crate) mod protocol;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use subrosa::UserId;
use subrosa::directory::MemoryDirectory;

use protocol::{Mail, Mailbox, Operation, Reply, Request, read_frame, write_frame};

/// The most connections that are served at a time.
const MAX_CONNECTIONS: usize = 64;

/// The most envelopes that wait in one mailbox.
const MAX_WAITING: usize = 8192;

/// The most envelopes, and about the most bytes, of one page of a mailbox.
const PAGE_ENVELOPES: usize = 64;
const PAGE_BYTES: usize = 256 * 1024;

/// The most bytes of all blobs.
const MAX_BLOB_BYTES: usize = 256 * 1024 * 1024;

/// The way from senders to mailboxes: it may be a bad one.
pub(crate) trait Network: Send + 'static {
    /// What an envelope becomes on its way to a mailbox where so many are waiting.
    fn carry(&mut self, to: Mailbox, envelope: &[u8], waiting: usize) -> Vec<Arrival>;

    /// A blob has grown by this.
    fn stored(&mut self, _blob: &[u8], _part: &[u8]) {}

    /// What a part of a blob becomes on its way to whoever reads it, if it arrives.
    fn loaded(&mut self, _blob: &[u8], part: &[u8]) -> Option<Vec<u8>> {
        Some(part.to_vec())
    }

    /// A mailbox was found empty: what arrives there late.
    fn found_empty(&mut self, _mailbox: Mailbox) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// An envelope that arrives.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// In front of how many; the number of those that wait puts it at the end.
    pub(crate) place: usize,
    pub(crate) envelope: Vec<u8>,
}

/// Starts a relay that runs in threads of this process, to its end; says where.
pub(crate) fn start(address: SocketAddr, network: impl Network) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    let desk = Arc::new(Mutex::new(Desk {
        directory: MemoryDirectory::new(),
        mailboxes: HashMap::new(),
        blobs: HashMap::new(),
        next: 0,
        network: Box::new(network),
    }));
    thread::spawn(move || accept(&listener, &desk));
    Ok(address)
}

fn accept(listener: &TcpListener, desk: &Arc<Mutex<Desk>>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if open.load(Ordering::SeqCst) >= MAX_CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::SeqCst);
        let (desk, open) = (Arc::clone(desk), Arc::clone(&open));
        thread::spawn(move || {
            // A client that hangs up, or says nothing for long, is no news.
            let _ = serve(&stream, &desk);
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Answers requests until the client hangs up.
fn serve(stream: &TcpStream, desk: &Mutex<Desk>) -> io::Result<()> {
    protocol::prepare(stream)?;
    loop {
        let frame = read_frame(stream)?;
        let reply = match Request::decode(&frame) {
            Some(request) => desk.lock().unwrap_or_else(PoisonError::into_inner).answer(&request),
            None => Reply::Refused,
        };
        write_frame(stream, &reply.encode())?;
    }
}

/// Everything that the relay keeps.
struct Desk {
    directory: MemoryDirectory,
    mailboxes: HashMap<Mailbox, VecDeque<Mail>>,
    blobs: HashMap<Vec<u8>, Vec<u8>>,
    next: u64,
    network: Box<dyn Network>,
}

impl Desk {
    fn answer(&mut self, request: &Request<'_>) -> Reply {
        let Request { operation, name, bytes } = *request;
        match (operation, Mailbox::from_bytes(name)) {
            (Operation::Publish, _) => match self.directory.publish(bytes) {
                Ok(()) => Reply::Done,
                Err(_) => Reply::Refused,
            },
            (Operation::Fetch, _) => {
                match UserId::new(name).ok().map(|user| self.directory.bundle(&user)) {
                    Some(Ok(bundle)) => Reply::Found(bundle),
                    _ => Reply::Refused,
                }
            }
            (Operation::Put, Some(mailbox)) => self.put(mailbox, bytes),
            (Operation::Page, Some(mailbox)) => self.page(mailbox),
            (Operation::Delete, Some(mailbox)) => {
                let gone: Vec<_> = Mail::numbers(bytes).collect();
                if let Some(queue) = self.mailboxes.get_mut(&mailbox) {
                    queue.retain(|mail| !gone.contains(&mail.number));
                }
                Reply::Done
            }
            (Operation::Put | Operation::Page | Operation::Delete, None) => Reply::Refused,
            (Operation::Append, _) => self.append(name, bytes),
            (Operation::Read, _) => self.read(name, bytes).map_or(Reply::Refused, Reply::Found),
        }
    }

    fn put(&mut self, mailbox: Mailbox, envelope: &[u8]) -> Reply {
        let queue = self.mailboxes.entry(mailbox).or_default();
        if queue.len() >= MAX_WAITING {
            return Reply::Refused;
        }
        for Arrival { place, envelope } in self.network.carry(mailbox, envelope, queue.len()) {
            queue.insert(place.min(queue.len()), Mail { number: self.next, envelope });
            self.next += 1;
        }
        Reply::Done
    }

    fn append(&mut self, name: &[u8], part: &[u8]) -> Reply {
        if self.blobs.values().map(Vec::len).sum::<usize>() + part.len() > MAX_BLOB_BYTES {
            return Reply::Refused;
        }
        self.blobs.entry(name.to_vec()).or_default().extend(part);
        self.network.stored(name, part);
        Reply::Done
    }

    fn read(&mut self, name: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let (length, begin) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let begin = usize::try_from(u64::from_be_bytes(begin.try_into().ok()?)).ok()?;
        let part = self.blobs.get(name)?.get(begin..)?.get(..length)?;
        self.network.loaded(name, part)
    }

    /// What is in front; it stays there until it is deleted.
    fn page(&mut self, mailbox: Mailbox) -> Reply {
        let queue = self.mailboxes.entry(mailbox).or_default();
        if queue.is_empty() {
            for envelope in self.network.found_empty(mailbox) {
                queue.push_back(Mail { number: self.next, envelope });
                self.next += 1;
            }
            return Reply::Found(Vec::new());
        }
        let mut page = Vec::new();
        for mail in queue.iter().take(PAGE_ENVELOPES) {
            mail.append_to(&mut page);
            if page.len() > PAGE_BYTES {
                break;
            }
        }
        Reply::Found(page)
    }
}
