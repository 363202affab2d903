//! One person with one device, as an app would drive the crate: every step's rows are
//! written to a table that stands for the disk.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::handshake::{
    DevicePrekeys, HandshakeError, Opening, PrekeyBundle, PrekeyId, PrekeySecret, ReplayRecord,
    VerifiedBundle,
};
use subrosa::identity::{Account, Device, DeviceList, View};
use subrosa::session::{
    Body, Content, DecryptError, Delivered, EncryptError, Numbers, Peer, PeerRow, Session, Unsaved,
};
use subrosa::wire::{Envelope, MessageId};
use subrosa::{Address, Timestamp, UserId};

/// When every test begins, in seconds.
pub(crate) const START: u64 = 1_790_000_000;

/// What is on disk of a peer.
pub(crate) type Rows = BTreeMap<PeerRow, Vec<u8>>;

pub(crate) struct Side {
    pub(crate) device: Device,
    pub(crate) account: Account,
    pub(crate) signed: PrekeySecret,
    pub(crate) one_time: Vec<PrekeySecret>,
    pub(crate) replays: ReplayRecord,
    pub(crate) peer: Option<Peer>,
    pub(crate) their_list: Option<DeviceList>,
    pub(crate) rows: Rows,
    pub(crate) now: Timestamp,
    pub(crate) rng: ChaCha8Rng,
}

impl Side {
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let now = Timestamp::from_secs(START);
        let device = Device::generate(UserId::new(name).unwrap(), &mut rng);
        let account = Account::create(&device, &mut rng);
        let signed = PrekeySecret::signed(&device, now, &mut rng);
        Self {
            device,
            account,
            signed,
            one_time: Vec::new(),
            replays: ReplayRecord::new(),
            peer: None,
            their_list: None,
            rows: Rows::new(),
            now,
            rng,
        }
    }

    pub(crate) fn address(&self) -> &Address {
        self.device.address()
    }

    pub(crate) fn peer(&self) -> &Peer {
        self.peer.as_ref().unwrap()
    }

    /// What the directory hands out, with a fresh one-time prekey or without.
    pub(crate) fn bundle(&mut self, with_one_time: bool) -> Vec<u8> {
        if with_one_time {
            let prekey = PrekeySecret::one_time(&self.device, self.now, &mut self.rng);
            self.one_time.push(prekey);
        }
        let one_time = self.one_time.last().filter(|_| with_one_time).map(PrekeySecret::public);
        let device =
            DevicePrekeys { device: self.address().device, signed: self.signed.public(), one_time };
        PrekeyBundle::assemble(self.account.device_list().signed(), &[device]).encode()
    }

    pub(crate) fn verify(
        &self,
        bundle: &[u8],
        owner: &UserId,
    ) -> Result<VerifiedBundle, HandshakeError> {
        PrekeyBundle::decode(bundle)?.verify(owner, self.now)
    }

    /// Starts a session with the only device in the bundle.
    pub(crate) fn initiate(&mut self, owner: &UserId, bundle: &[u8]) {
        let bundle = self.verify(bundle, owner).unwrap();
        let prekeys = &bundle.devices()[0];
        self.their_list = Some(bundle.device_list().clone());
        let peer = self.peer.get_or_insert_with(|| Peer::new(prekeys.address().clone()));
        let list = self.account.device_list();
        let begun = peer.initiate(&self.device, list, prekeys, self.now, &mut self.rng).unwrap();
        save(&mut self.rows, peer, begun);
    }

    pub(crate) fn view(&self) -> View {
        View::new(self.account.device_list(), self.their_list.as_ref().unwrap())
    }

    /// Sends a numbered message.
    pub(crate) fn send(&mut self, content: &[u8]) -> Result<Vec<u8>, EncryptError> {
        let id = MessageId::generate(&mut self.rng);
        self.encrypt(Body::Content { id, content }, Numbers::Next)
    }

    pub(crate) fn encrypt(
        &mut self,
        body: Body<'_>,
        numbers: Numbers,
    ) -> Result<Vec<u8>, EncryptError> {
        let view = self.view();
        let peer = self.peer.as_mut().unwrap();
        let sent = peer.encrypt(body, numbers, view, self.now, &mut self.rng)?;
        Ok(save(&mut self.rows, peer, sent).envelope)
    }

    /// Receives an envelope as an app does: by a known session, else as a handshake.
    pub(crate) fn receive(&mut self, envelope: &[u8]) -> Result<Delivered, DecryptError> {
        let envelope = Envelope::decode(envelope)?;
        if let Some(peer) = &mut self.peer {
            match peer.decrypt(&envelope, self.now) {
                Err(DecryptError::Unknown) => {}
                Err(error) => return Err(error),
                Ok(delivered) => return Ok(save(&mut self.rows, peer, delivered)),
            }
        }
        let Envelope::FirstMessage { handshake, message } = &envelope else {
            return Err(DecryptError::Unknown);
        };
        let key = self.account.key();
        let opening = Opening::receive(&self.device, &key, handshake)?;
        let ids = opening.prekeys();
        if ids.signed != self.signed.id() {
            return Err(HandshakeError::UnknownPrekey.into());
        }
        let one_time = ids.one_time.map(|id| self.find(id).ok_or(HandshakeError::UnknownPrekey));
        let responded = opening.respond(&self.signed, one_time.transpose()?, &self.replays)?;
        let accepted = Session::accept(responded, message, self.now)?;
        let (from, list) = (accepted.sender().clone(), accepted.their_list().clone());
        let spent = accepted.spent();
        let fresh = self.peer.is_none();
        let peer = self.peer.get_or_insert_with(|| Peer::new(from));
        let delivered = match peer.admit(accepted, &mut self.replays, self.now) {
            Ok(delivered) => save(&mut self.rows, peer, delivered),
            Err(error) => {
                if fresh {
                    self.peer = None;
                }
                return Err(error.into());
            }
        };
        self.their_list = Some(list);
        self.one_time.retain(|prekey| Some(prekey.id()) != spent);
        Ok(delivered)
    }

    fn find(&self, id: PrekeyId) -> Option<&PrekeySecret> {
        self.one_time.iter().find(|prekey| prekey.id() == id)
    }

    /// Answers what a delivery asks for, as an app does.
    pub(crate) fn answer(&mut self, delivered: &Delivered) -> Option<Vec<u8>> {
        let view = self.view();
        let peer = self.peer.as_mut()?;
        let sent = peer.answer(delivered.answer?, view, self.now, &mut self.rng).unwrap();
        Some(save(&mut self.rows, peer, sent).envelope)
    }

    pub(crate) fn expire(&mut self) {
        let peer = self.peer.as_mut().unwrap();
        let expired = peer.expire(self.now);
        save(&mut self.rows, peer, expired);
    }

    /// Drops everything in memory and loads it from the rows; whatever was not written
    /// is found missing.
    pub(crate) fn reload(&mut self) {
        self.device = Device::from_record(&self.device.record()).unwrap();
        self.account = Account::from_record(&self.account.record()).unwrap();
        self.signed = PrekeySecret::from_record(&self.signed.record(), self.address()).unwrap();
        let Some(peer) = self.peer.take() else { return };
        let loaded = load(&self.rows);
        for (row, bytes) in &self.rows {
            assert!(peer.row(*row).as_deref() == Some(bytes), "{row:?} on disk is not the newest");
            assert!(loaded.row(*row).as_deref() == Some(bytes), "{row:?} changed by loading");
        }
        self.peer = Some(loaded);
    }

    /// Everything that is to be kept, as bytes, made anew from memory.
    pub(crate) fn state(&self) -> Vec<Option<Vec<u8>>> {
        let rows = self.rows.keys();
        let of_peer = |row: &PeerRow| Some(self.peer.as_ref()?.row(*row)?.to_vec());
        let mut state: Vec<_> = rows.map(of_peer).collect();
        state.push(self.replays.record().map(|record| record.to_vec()));
        state.extend(self.one_time.iter().map(|prekey| Some(prekey.record().to_vec())));
        state
    }
}

/// Writes what a step changed, and only then takes its value.
pub(crate) fn save<T>(rows: &mut Rows, peer: &Peer, step: Unsaved<T, PeerRow>) -> T {
    for row in step.rows() {
        match peer.row(*row) {
            Some(bytes) => rows.insert(*row, bytes.to_vec()),
            None => rows.remove(row),
        };
    }
    step.saved()
}

/// From a copy of the disk as it is now: what is written after it is at hand.
pub(crate) fn load(rows: &Rows) -> Peer {
    let disk = rows.clone();
    let look_up = move |row: PeerRow| disk.get(&row).map(|bytes| bytes.clone().into());
    let loaded = Peer::from_record(&rows[&PeerRow::Peer], look_up).unwrap();
    assert_eq!(loaded.damaged, []);
    loaded.peer
}

/// The text of a delivered message.
pub(crate) fn text(delivered: &Delivered) -> &[u8] {
    match &delivered.content {
        Content::Message { plaintext, .. } => plaintext.as_bytes(),
        other => panic!("not a message: {other:?}"),
    }
}

/// Two sides that have each opened something of the other's.
pub(crate) fn pair(seed: u64) -> (Side, Side) {
    let (mut initiator, mut responder) = (Side::new("alice", seed), Side::new("bob", seed + 1));
    let bundle = responder.bundle(true);
    initiator.initiate(&responder.address().user.clone(), &bundle);
    let first = initiator.send(b"hello").unwrap();
    assert_eq!(text(&responder.receive(&first).unwrap()), b"hello");
    let answer = responder.send(b"hi").unwrap();
    assert_eq!(text(&initiator.receive(&answer).unwrap()), b"hi");
    (initiator, responder)
}
