//! One person with one device: keys, the conversation, what was sent and is not yet
//! confirmed. All of it is on disk before an envelope leaves or a message is shown.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use subrosa::UserId;
use subrosa::handshake::{HandshakeError, PrekeyBundle};
use subrosa::identity::{DeviceList, SafetyNumber, View};
use subrosa::session::{
    Body, Content, DecryptError, Delivered, NumberReport, Numbers, Peer, PeerRow, Session, Unsaved,
};
use subrosa::wire::{Envelope, Mark, MessageId, SignedDeviceList};

use crate::file::Pieces;
use crate::keys::{Keys, now};
use crate::letter::{Letter, Numbered};
use crate::line::{Line, Mailbox};
use crate::note::{Note, Receipt};
use crate::saved::{self, Key};
use crate::store::{Batch, Store};

/// What a step gives that cannot go on without the disk, the relay or a session.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A message of the friend's that is not written yet.
type Step = Unsaved<Delivered, PeerRow>;

/// What people swap when they meet: a name, and where to leave envelopes.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) user: UserId,
    pub(crate) mailbox: Mailbox,
}

/// What an envelope from the mailbox turned out to be.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Its number; 0 if it has none.
    pub(crate) seq: u64,
    /// What it says; `None` if that breaks the app's rules.
    pub(crate) note: Option<Note>,
    /// A later one came before it.
    pub(crate) late: bool,
    /// It came before, in another envelope.
    pub(crate) repeated: bool,
    /// Something that does not happen to honest people with intact disks.
    pub(crate) alarm: Option<String>,
}

/// Everything of one person.
#[derive(Debug)]
pub(crate) struct Person {
    /// The file that is coming.
    pub(crate) pieces: Pieces,
    /// Something came that the friend does not know of.
    pub(crate) owes_receipt: bool,
    keys: Keys,
    mailbox: Mailbox,
    friend: Card,
    friends_list: Option<DeviceList>,
    peer: Option<Peer>,
    newest: Option<Numbered>,
    outbox: BTreeMap<u64, Letter>,
    have: u64,
    store: Store,
    line: Line,
}

impl Person {
    /// A new account, saved to a new file.
    pub(crate) fn create(own: Card, friend: Card, disk: &Path, relay: SocketAddr) -> Result<Self> {
        let keys = Keys::generate(own.user);
        let mut batch = Batch::default();
        keys.save(&mut batch);
        batch.put(Key::Mailbox, own.mailbox.as_bytes());
        batch.put(Key::FriendsName, friend.user.as_bytes());
        batch.put(Key::FriendsMailbox, friend.mailbox.as_bytes());
        let mut store = Store::create(disk)?;
        store.write(&batch)?;
        Ok(Self {
            pieces: Pieces::default(),
            keys,
            mailbox: own.mailbox,
            friend,
            friends_list: None,
            peer: None,
            newest: None,
            outbox: BTreeMap::new(),
            have: 0,
            owes_receipt: false,
            store,
            line: Line::open(relay)?,
        })
    }

    /// Loads everything from the file that it was saved to.
    pub(crate) fn restart(disk: &Path, relay: SocketAddr) -> Result<Self> {
        let (store, table) = Store::open(disk)?;
        let friend = Card {
            user: UserId::new(saved::need(&table, Key::FriendsName)?)?,
            mailbox: saved::mailbox(&table, Key::FriendsMailbox)?,
        };
        let list = saved::find(&table, Key::FriendsList);
        let list = list.map(SignedDeviceList::decode).transpose()?;
        Ok(Self {
            pieces: saved::pieces(&table)?,
            keys: Keys::load(&table)?,
            mailbox: saved::mailbox(&table, Key::Mailbox)?,
            friend,
            friends_list: list.map(DeviceList::verify).transpose()?,
            peer: saved::peer(&table)?,
            newest: saved::find(&table, Key::Newest).map(Numbered::from_record).transpose()?,
            outbox: saved::outbox(&table)?,
            have: saved::have(&table)?,
            owes_receipt: true,
            store,
            line: Line::open(relay)?,
        })
    }

    /// Publishes prekeys; gives how many bundles.
    pub(crate) fn publish(&mut self) -> Result<usize> {
        let bundles = self.keys.bundles();
        for bundle in &bundles {
            self.line.publish(&self.keys.device.address().user, bundle)?;
        }
        Ok(bundles.len())
    }

    /// Fetches the friend's prekeys, verifies them and begins a session; gives
    /// whether there was a one-time prekey.
    pub(crate) fn begin(&mut self) -> Result<bool> {
        let bundle = PrekeyBundle::decode(&self.line.fetch(&self.friend.user)?)?;
        let verified = bundle.verify(&self.friend.user, now())?;
        let prekeys = verified.devices().first().ok_or("the friend has no device")?;
        let mut peer = Peer::new(prekeys.address().clone());
        let list = self.keys.account.device_list();
        let step = peer.initiate(&self.keys.device, list, prekeys, now(), &mut rand::rng())?;
        step.save_with(|(), rows| {
            let mut batch = Batch::default();
            saved::put_rows(&mut batch, &peer, rows);
            batch.put(Key::FriendsList, &verified.device_list().signed().encode());
            self.store.write(&batch)
        })?;
        self.peer = Some(peer);
        self.friends_list = Some(verified.device_list().clone());
        Ok(prekeys.has_one_time_prekey())
    }

    /// The number to be compared with the friend's.
    pub(crate) fn safety_number(&self) -> Result<SafetyNumber> {
        Ok(SafetyNumber::between(self.keys.account.device_list(), self.friends_list()?))
    }

    fn friends_list(&self) -> Result<&DeviceList> {
        Ok(self.friends_list.as_ref().ok_or("there was no contact yet")?)
    }

    /// How many post-quantum epochs are mixed in.
    pub(crate) fn epochs(&self) -> u32 {
        let session = self.peer.as_ref().and_then(Peer::sending_session);
        session.map_or(0, Session::epochs_mixed)
    }

    /// Sends a message, which is kept until it is confirmed; gives its number.
    pub(crate) fn send(&mut self, note: &Note) -> Result<u64> {
        let id = MessageId::generate(&mut rand::rng());
        self.post(id, note.encode(), Numbers::Next)
    }

    /// Sends an unconfirmed message again, under its number.
    pub(crate) fn send_again(&mut self, seq: u64) -> Result<()> {
        let letter = self.outbox.get(&seq).ok_or("it is confirmed already")?;
        let last = letter.before.map(|Numbered { seq, id }| Mark { seq, id: id.short() });
        let (id, content) = (letter.id, letter.content.clone());
        self.post(id, content, Numbers::Again { seq, last }).map(drop)
    }

    /// Says what has come and what has not.
    pub(crate) fn send_receipt(&mut self) -> Result<Receipt> {
        let receipt = Receipt { have: self.have, missing: self.gaps().collect() };
        let id = MessageId::generate(&mut rand::rng());
        self.post(id, Note::Receipt(receipt.clone()).encode(), Numbers::Unnumbered)?;
        self.owes_receipt = false;
        Ok(receipt)
    }

    fn post(&mut self, id: MessageId, content: Vec<u8>, numbers: Numbers) -> Result<u64> {
        let view = View::new(self.keys.account.device_list(), self.friends_list()?);
        let peer = self.peer.as_mut().ok_or("there is no session")?;
        let body = Body::Content { id, content: &content };
        let step = peer.encrypt(body, numbers, view, now(), &mut rand::rng())?;
        let sent = step.save_with(|sent, rows| {
            let mut batch = Batch::default();
            saved::put_rows(&mut batch, peer, rows);
            if numbers == Numbers::Next {
                let newest = Numbered { seq: sent.seq, id };
                let letter = Letter { id, before: self.newest.replace(newest), content };
                batch.put(Key::Newest, &newest.record());
                batch.put(Key::Letter(sent.seq), &letter.record());
                self.outbox.insert(sent.seq, letter);
            }
            self.store.write(&batch)
        })?;
        self.line.put(self.friend.mailbox, &sent.envelope)?;
        Ok(sent.seq)
    }

    /// Takes one envelope from the mailbox, if there is one; the inner error says why
    /// it was dropped.
    pub(crate) fn read(&mut self) -> Result<Option<std::result::Result<Reading, DecryptError>>> {
        let Some(bytes) = self.line.take(self.mailbox)? else { return Ok(None) };
        let opened = Envelope::decode(&bytes).map_err(DecryptError::from);
        match opened.and_then(|envelope| self.open(&envelope)) {
            Ok((step, batch)) => self.keep(step, batch).map(|read| Some(Ok(read))),
            Err(error) => Ok(Some(Err(error))),
        }
    }

    /// Opens an envelope of the session, or as the beginning of one; gives also what
    /// else is to be written.
    fn open(&mut self, envelope: &Envelope) -> std::result::Result<(Step, Batch), DecryptError> {
        if let Some(peer) = &mut self.peer {
            match peer.decrypt(envelope, now()) {
                Err(DecryptError::Unknown) => {}
                opened => return Ok((opened?, Batch::default())),
            }
        }
        let Envelope::FirstMessage { handshake, message } = envelope else {
            return Err(DecryptError::Unknown);
        };
        let accepted = self.keys.respond(handshake, message)?;
        // One friend with one device: anybody else, and another session, is refused.
        if accepted.sender().user != self.friend.user || self.peer.is_some() {
            return Err(HandshakeError::Refused.into());
        }
        let (list, spent) = (accepted.their_list().clone(), accepted.spent());
        let mut peer = Peer::new(accepted.sender().clone());
        let step = peer.admit(accepted, &mut self.keys.replays, now())?;
        let mut batch = Batch::default();
        self.keys.spend(spent, &mut batch);
        batch.put(Key::FriendsList, &list.signed().encode());
        (self.peer, self.friends_list) = (Some(peer), Some(list));
        Ok((step, batch))
    }

    /// Writes what a message changed together with what it said.
    fn keep(&mut self, step: Step, mut batch: Batch) -> Result<Reading> {
        let peer = self.peer.as_ref().ok_or("there is no session")?;
        let have = self.have;
        let delivered = step.save_with(|delivered, rows| {
            saved::put_rows(&mut batch, peer, rows);
            if let Some(Note::Piece(piece)) = note(delivered) {
                batch.put(Key::Piece(piece.index), &Note::Piece(piece).encode());
            }
            batch.put(Key::Have, &have.max(delivered.seq).to_be_bytes());
            self.store.write(&batch)
        })?;
        let (seq, note) = (delivered.seq, note(&delivered));
        if let Some(Note::Piece(piece)) = &note {
            self.pieces.add(piece);
        }
        self.have = have.max(seq);
        self.owes_receipt |= seq != 0;
        let alarm = self.alarm(&delivered)?;
        Ok(Reading { seq, note, late: 0 < seq && seq < have, repeated: delivered.repeated, alarm })
    }

    fn alarm(&self, delivered: &Delivered) -> Result<Option<String>> {
        let view = View::new(self.friends_list()?, self.keys.account.device_list());
        let gap = |report: &NumberReport| matches!(report, NumberReport::Gap { .. });
        let strange = delivered.numbers.iter().find(|report| !gap(report));
        Ok(if let Some(report) = strange {
            Some(format!("the numbers show {report:?}"))
        } else if delivered.lost > 0 {
            Some(format!("{} messages are lost for ever", delivered.lost))
        } else if delivered.view != view {
            Some("the friend goes by other device lists".to_owned())
        } else {
            None
        })
    }

    /// Forgets what a receipt confirms; gives what it asks for.
    pub(crate) fn confirmed(&mut self, receipt: &Receipt) -> Result<Vec<u64>> {
        let mut batch = Batch::default();
        for (seq, _) in self.outbox.extract_if(.., |seq, _| receipt.confirms(*seq)) {
            batch.delete(Key::Letter(seq));
        }
        self.store.write(&batch)?;
        Ok(self.outbox.keys().copied().filter(|seq| receipt.asks_for(*seq)).collect())
    }

    /// The friend's messages that were sent and have not come.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.peer.iter().flat_map(Peer::gaps)
    }

    /// The newest message that is not confirmed.
    pub(crate) fn unconfirmed(&self) -> Option<u64> {
        self.outbox.keys().next_back().copied()
    }
}

/// What a message says; `None` if that breaks the app's rules.
fn note(delivered: &Delivered) -> Option<Note> {
    match &delivered.content {
        Content::Message { plaintext, .. } => Note::decode(plaintext.as_bytes()),
        _ => None,
    }
}
