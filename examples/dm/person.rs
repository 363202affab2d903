//! One person: a messenger on an encrypted disk, and a line to the relay.

use std::net::SocketAddr;
use std::path::PathBuf;

use subrosa::store::{EncryptedStore, SqliteStore, StoreKey};
use subrosa::{
    Action, Content, EventKind, MessageId, Messenger, Options, Received, Timestamp, UserId,
};

use crate::clock::StoryClock;
use crate::line::Line;
use crate::relay::protocol::Mailbox;

/// Whatever goes wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is left of a person whose process ends, and what it is started with.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) user: UserId,
    /// Where the state is kept.
    pub(crate) disk: PathBuf,
    /// What encrypts the disk. A real app keeps it in the system's keychain.
    pub(crate) key: [u8; 32],
    pub(crate) clock: StoryClock,
    pub(crate) relay: SocketAddr,
}

/// A person whose process runs.
pub(crate) struct Person {
    pub(crate) messenger: Messenger,
    line: Line,
}

/// What became of a mailbox's content.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) came: usize,
    pub(crate) duplicates: usize,
    pub(crate) unreadable: usize,
}

impl Person {
    /// Opens what is on the disk; on an empty one it makes an account.
    pub(crate) fn open(home: &Home) -> Result<Self> {
        let Home { user, disk, key, clock, relay } = home;
        let store = EncryptedStore::open(SqliteStore::open(disk)?, StoreKey::from_bytes(*key))?;
        let options = Options::default().clock(clock.clone());
        let messenger = Messenger::open(store, options)?.or_create(user)?;
        Ok(Self { messenger, line: Line::open(*relay)? })
    }

    /// The mailbox that this person reads.
    pub(crate) fn mailbox(&self) -> Mailbox {
        Mailbox::of(self.messenger.address())
    }

    /// Says several things in one commit.
    pub(crate) fn say(&mut self, to: &UserId, texts: &[String]) -> Result<Vec<MessageId>> {
        Ok(self.messenger.batch(|batch| {
            texts.iter().map(|text| batch.send(to, Content::text(text.as_str()))).collect()
        })?)
    }

    /// Runs every errand; `carried` hears of each.
    pub(crate) fn carry(&mut self, mut carried: impl FnMut(&Action) -> Result<()>) -> Result<()> {
        let mut done = Vec::new();
        while let Some(out) = self.messenger.next_outgoing()? {
            match &out.action {
                Action::Publish { publication } => self.line.publish(publication)?,
                Action::Fetch { user } => drop(self.messenger.learn(&self.line.fetch(user)?)?),
                Action::Deliver { to, envelope, .. } => {
                    for device in to {
                        self.line.put(Mailbox::of(device), envelope)?;
                    }
                }
            }
            carried(&out.action)?;
            done.push(out.id);
        }
        if !done.is_empty() {
            self.messenger.outgoing_done(&done)?;
        }
        Ok(())
    }

    /// Takes in all that is in the mailbox, a page in one commit.
    pub(crate) fn receive(&mut self) -> Result<Mail> {
        let mut mail = Mail::default();
        let mailbox = self.mailbox();
        loop {
            let page = self.line.page(mailbox)?;
            if page.is_empty() {
                return Ok(mail);
            }
            let outcomes: Vec<Received> = self
                .messenger
                .batch(|batch| page.iter().map(|mail| batch.receive(&mail.envelope)).collect())?;
            // `Ok`: it is saved, so it can go from the mailbox.
            self.line.delete(mailbox, &page)?;
            mail.came += outcomes.len();
            for outcome in outcomes {
                match outcome {
                    Received::Opened(_) | Received::Held => {}
                    Received::Duplicate => mail.duplicates += 1,
                    _ => mail.unreadable += 1,
                }
            }
        }
    }

    /// All that has happened. (The story is the app's database, and outlives the process.)
    pub(crate) fn events(&mut self) -> Result<Vec<EventKind>> {
        let (mut ids, mut events) = (Vec::new(), Vec::new());
        while let Some(event) = self.messenger.next_event()? {
            ids.push(event.id);
            events.push(event.kind);
        }
        if !ids.is_empty() {
            self.messenger.events_done(&ids)?;
        }
        Ok(events)
    }

    /// When this person's app wakes up by itself.
    pub(crate) fn wakes_at(&self) -> Timestamp {
        self.messenger.wake_at()
    }
}
