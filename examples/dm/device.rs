//! One device: a messenger on an encrypted disk, and a line to the relay.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;

use subrosa::attachment::{HEAD_LEN, Opener, Pointer, Sealer};
use subrosa::store::{EncryptedStore, SqliteStore, StoreKey};
use subrosa::wire::GroupMessage;
use subrosa::{
    Action, Address, Content, Conversation, EventKind, LinkCode, Linking, MessageId, Messenger,
    Opened, Options, Received, Timestamp, Urgency, UserId,
};

use crate::clock::StoryClock;
use crate::line::Line;
use crate::relay::protocol::Mailbox;

/// How often a part of a file is read at most.
const MAX_READS: usize = 100;

/// Whatever goes wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is left of a device whose process ends, and what it is started with.
pub(crate) struct Home {
    pub(crate) user: UserId,
    /// How a further device of an account calls itself; nothing for the first.
    pub(crate) linked_as: Option<&'static str>,
    /// Where the state is kept.
    pub(crate) disk: PathBuf,
    /// What encrypts the disk. A real app keeps it in the system's keychain.
    pub(crate) key: [u8; 32],
    pub(crate) clock: StoryClock,
    pub(crate) relay: SocketAddr,
}

/// A device whose process runs.
pub(crate) struct Device {
    state: State,
    line: Line,
}

enum State {
    /// It waits to be linked.
    Linking(Linking),
    Ready(Messenger),
}

/// What was carried.
pub(crate) enum Carried<'a> {
    Publication,
    Question(&'a UserId),
    /// To one of the devices that get this envelope; whether it is the first of them.
    Envelope {
        to: &'a Address,
        urgency: Urgency,
        first: bool,
        group: bool,
    },
}

/// What became of a mailbox's content.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) came: usize,
    pub(crate) duplicates: usize,
    pub(crate) unreadable: usize,
}

impl Device {
    /// Opens what is on the disk. On an empty one it makes an account, or a device that is
    /// to be linked to one.
    pub(crate) fn open(home: &Home) -> Result<Self> {
        let Home { user, linked_as, disk, key, clock, relay } = home;
        let store = EncryptedStore::open(SqliteStore::open(disk)?, StoreKey::from_bytes(*key))?;
        let options = Options::default().clock(clock.clone());
        let state = match (Messenger::open(store, options)?, linked_as) {
            (Opened::Ready(messenger), _) => State::Ready(messenger),
            (Opened::Linking(linking), _) => State::Linking(linking),
            (Opened::Empty(setup), None) => State::Ready(setup.create(user)?),
            (Opened::Empty(setup), Some(name)) => State::Linking(setup.link(user, name)?),
        };
        Ok(Self { state, line: Line::open(*relay)? })
    }

    /// The messenger, once there is one.
    pub(crate) fn messenger(&mut self) -> Result<&mut Messenger> {
        match &mut self.state {
            State::Ready(messenger) => Ok(messenger),
            State::Linking(_) => Err("the device is not linked yet".into()),
        }
    }

    /// The code that it shows while it waits to be linked.
    pub(crate) fn code(&self) -> Result<&LinkCode> {
        match &self.state {
            State::Linking(linking) => Ok(linking.code()),
            State::Ready(_) => Err("the device shows no code any more".into()),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        match &self.state {
            State::Linking(linking) => linking.address(),
            State::Ready(messenger) => messenger.address(),
        }
    }

    /// Says several things in one commit.
    pub(crate) fn say(
        &mut self,
        to: &Conversation,
        contents: &[Content],
    ) -> Result<Vec<MessageId>> {
        Ok(self.messenger()?.batch(|batch| {
            contents.iter().map(|content| batch.send(to, content.clone())).collect()
        })?)
    }

    /// Seals a file, and leaves it at the relay; gives what opens it.
    pub(crate) fn upload(&mut self, mut file: &[u8], media_type: &str) -> Result<Pointer> {
        let name = format!("{:016x}", rand::random::<u64>());
        let length = u64::try_from(file.len())?;
        let mut sealer = Sealer::new(length, media_type, &mut rand::rng())?;
        while let Some(mut chunk) = sealer.next_chunk() {
            file.read_exact(chunk.plain())?;
            self.line.append(&name, chunk.seal())?;
        }
        Ok(sealer.finish()?.at(name))
    }

    /// Reads a file at the relay and opens it, chunk by chunk. What does not arrive, or is
    /// not what was sealed, is read again.
    pub(crate) fn download(&mut self, pointer: &Pointer) -> Result<Vec<u8>> {
        let line = &mut self.line;
        let mut read = |begin, length| line.read(pointer.location(), begin, length);
        let head = |_| read(0, HEAD_LEN)?.try_into().ok();
        let mut opener = (0..MAX_READS)
            .filter_map(head)
            .find_map(|head| Opener::new(pointer, &head).ok())
            .ok_or("the file does not come")?;
        let (mut file, mut failed) = (Vec::new(), 0);
        loop {
            let begin = opener.sealed_position();
            let Some(mut chunk) = opener.next_chunk() else { break };
            let room = chunk.sealed();
            if let Some(part) = read(begin, room.len())
                && part.len() == room.len()
            {
                room.copy_from_slice(&part);
                if let Ok(plain) = chunk.open() {
                    file.extend(plain);
                    failed = 0;
                    continue;
                }
            }
            failed += 1;
            if failed == MAX_READS {
                return Err("the file does not come".into());
            }
        }
        if opener.is_checked() { Ok(file) } else { Err("the file is another one".into()) }
    }

    /// Says something later.
    pub(crate) fn say_at(
        &mut self,
        to: &Conversation,
        content: &Content,
        at: Timestamp,
    ) -> Result<MessageId> {
        Ok(self.messenger()?.send_at(to, content.clone(), at)?)
    }

    /// Tries to open envelopes that are none of its business; says of how many it could.
    pub(crate) fn overhear(&mut self, envelopes: &[Vec<u8>]) -> Result<usize> {
        let messenger = self.messenger()?;
        let mut opened = 0;
        for envelope in envelopes {
            match messenger.receive(envelope)? {
                Received::Held | Received::Undecryptable | Received::Malformed => {}
                _ => opened += 1,
            }
        }
        Ok(opened)
    }

    /// Runs every errand; `carried` hears of each.
    pub(crate) fn carry(
        &mut self,
        mut carried: impl FnMut(Carried<'_>) -> Result<()>,
    ) -> Result<()> {
        let State::Ready(messenger) = &mut self.state else { return Ok(()) };
        let mut done = Vec::new();
        while let Some(out) = messenger.next_outgoing()? {
            match &out.action {
                Action::Publish { publication } => {
                    self.line.publish(publication)?;
                    carried(Carried::Publication)?;
                }
                Action::Fetch { user } => {
                    messenger.learn(&self.line.fetch(user)?)?;
                    carried(Carried::Question(user))?;
                }
                Action::Deliver { to, envelope, urgency } => {
                    let (urgency, group) = (*urgency, GroupMessage::decode(envelope).is_ok());
                    for (number, to) in to.iter().enumerate() {
                        self.line.put(Mailbox::of(to), envelope)?;
                        carried(Carried::Envelope { to, urgency, first: number == 0, group })?;
                    }
                }
            }
            done.push(out.id);
        }
        if !done.is_empty() {
            messenger.outgoing_done(&done)?;
        }
        Ok(())
    }

    /// Takes in all that is in the mailbox, a page in one commit.
    pub(crate) fn receive(&mut self) -> Result<Mail> {
        let mut mail = Mail::default();
        let mailbox = Mailbox::of(self.address());
        loop {
            let mut page = self.line.page(mailbox)?;
            let Some(first) = page.first() else { return Ok(mail) };
            match &mut self.state {
                State::Ready(messenger) => {
                    for outcome in messenger.receive_all(page.iter().map(|mail| &mail.envelope))? {
                        match outcome {
                            Received::Opened(_) | Received::Held => {}
                            Received::Duplicate => mail.duplicates += 1,
                            _ => mail.unreadable += 1,
                        }
                    }
                }
                State::Linking(linking) => {
                    match linking.receive(&first.envelope)? {
                        Some(messenger) => self.state = State::Ready(messenger),
                        None => mail.unreadable += 1,
                    }
                    // What stands behind it may be for the messenger that there is now.
                    page.truncate(1);
                }
            }
            // `Ok`: it is saved, so it can go from the mailbox.
            self.line.delete(mailbox, &page)?;
            mail.came += page.len();
        }
    }

    /// All that has happened. (The story is the app's database, and outlives the process.)
    pub(crate) fn events(&mut self) -> Result<Vec<EventKind>> {
        let State::Ready(messenger) = &mut self.state else { return Ok(Vec::new()) };
        let (mut ids, mut events) = (Vec::new(), Vec::new());
        while let Some(event) = messenger.next_event()? {
            ids.push(event.id);
            events.push(event.kind);
        }
        if !ids.is_empty() {
            messenger.events_done(&ids)?;
        }
        Ok(events)
    }

    /// When this device's app wakes up by itself.
    pub(crate) fn wakes_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Ready(messenger) => Some(messenger.wake_at()),
            State::Linking(_) => None,
        }
    }
}
