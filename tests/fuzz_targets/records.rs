//! Damaged records of everything that is stored: loading never panics, and what loads
//! can be used and stored again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread_local;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::handshake::{Opening, PrekeySecret, ReplayRecord};
use subrosa::identity::{Account, Device, DeviceList, View};
use subrosa::session::{Body, KEPT_TIME, Numbers, Outgoing, Peer, PeerRow, RowKey, Session};
use subrosa::wire::{Envelope, MessageId};

use crate::input::Input;
use crate::side::{START, Side};

// What stands for the type of record in the first byte of an input.
pub(crate) const DEVICE: u8 = 0;
pub(crate) const ACCOUNT: u8 = 1;
pub(crate) const PREKEY: u8 = 2;
pub(crate) const REPLAYS: u8 = 3;
pub(crate) const SESSION: u8 = 4;
pub(crate) const PEER: u8 = 5;

thread_local! {
    static OWNER: (Side, Envelope) = owner_and_first_message();
}

/// Whose prekey records load, and a first message to it without a one-time prekey.
pub(crate) fn owner_and_first_message() -> (Side, Envelope) {
    let (mut sender, mut side) = (Side::new("sender", START), Side::new("side", START + 1));
    let bundle = side.bundle(false);
    sender.initiate(&side.address().user.clone(), &bundle);
    let first = sender.send(b"first").unwrap();
    (side, Envelope::decode(&first).unwrap())
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 6 {
        DEVICE => device(input.rest()),
        ACCOUNT => account(input.rest()),
        PREKEY => prekey(input.rest()),
        REPLAYS => replays(input.rest()),
        SESSION => session(input),
        PEER.. => peer(input),
    }
}

fn device(bytes: &[u8]) {
    let Ok(device) = Device::from_record(bytes) else { return };
    let record = device.record();
    assert_eq!(Device::from_record(&record).unwrap().record(), record);
    let account = Account::create(&device, &mut rng());
    DeviceList::verify(account.device_list().signed().clone()).unwrap();
}

fn account(bytes: &[u8]) {
    let Ok(mut account) = Account::from_record(bytes) else { return };
    let record = account.record();
    assert_eq!(Account::from_record(&record).unwrap().record(), record);
    let device = Device::generate(account.device_list().user().clone(), &mut rng());
    if account.add(device.entry(&account.key())).is_ok() {
        DeviceList::verify(account.device_list().signed().clone()).unwrap();
        account.remove(device.address().device).unwrap();
    }
}

fn prekey(bytes: &[u8]) {
    OWNER.with(|(side, first)| {
        let Ok(prekey) = PrekeySecret::from_record(bytes, side.address()) else { return };
        let record = prekey.record();
        let again = PrekeySecret::from_record(&record, side.address()).unwrap();
        assert_eq!((again.id(), again.record()), (prekey.id(), record));
        let Envelope::FirstMessage { handshake, .. } = first else { return };
        let opening = Opening::receive(&side.device, &side.account.key(), handshake).unwrap();
        let responded = opening.respond(&prekey, None, &side.replays);
        assert!(responded.is_err() || prekey.id() == side.signed.id());
    });
}

fn replays(bytes: &[u8]) {
    let Ok(replays) = ReplayRecord::from_record(bytes) else { return };
    let record = replays.record().unwrap();
    let again = ReplayRecord::from_record(&record).unwrap();
    assert_eq!((again.len(), again.record().unwrap()), (replays.len(), record));
}

/// The record, an envelope that is to come, and rows by [`row_key`].
fn session(mut input: Input<'_>) {
    let (record, envelope) = (input.part(), Envelope::decode(input.part()));
    let rows = input.rows();
    let load = |bytes: &[u8], rows: BTreeMap<_, Vec<u8>>| {
        let row = move |key| rows.get(&row_key(key)?).map(|row| row.clone().into());
        Session::from_record(bytes, row)
    };
    let saved = |session: &Session| {
        let rows = session.row_keys().filter_map(|key| Some((row_key(key)?, session.row(key)?)));
        rows.map(|(key, row)| (key, row.to_vec())).collect()
    };
    let Ok(mut session) = load(record, rows) else { return };
    let loads_again = |session: &Session| {
        let record = session.record();
        assert_eq!(load(&record, saved(session)).unwrap().record(), record);
    };
    loads_again(&session);
    let body = Body::Content { id: MessageId::generate(&mut rng()), content: b"sent" };
    let outgoing = Outgoing { body, seq: 1, last: None, seen: None, view: view() };
    if let Ok(sent) = session.encrypt(&outgoing, later(0), &mut rng()) {
        Envelope::decode(&sent.saved()).unwrap();
    }
    if let Ok(envelope) = envelope {
        let before = session.record();
        match session.decrypt(envelope.message(), later(0)) {
            Ok(received) => drop(received.saved()),
            Err(_) => assert_eq!(session.record(), before),
        }
    }
    loads_again(&session);
    session.expire(later(1)).saved();
    loads_again(&session);
}

/// The record, an envelope that is to come, and rows by [`PeerRow::to_key`].
fn peer(mut input: Input<'_>) {
    let (record, envelope) = (input.part(), Envelope::decode(input.part()));
    let rows = input.rows();
    let row = move |row: PeerRow| rows.get(&row.to_key()).map(|bytes| bytes.clone().into());
    let Ok(loaded) = Peer::from_record(record, row) else { return };
    let mut peer = loads_again(loaded.peer);
    let body = Body::Content { id: MessageId::generate(&mut rng()), content: b"sent" };
    if let Ok(sent) = peer.encrypt(body, Numbers::Next, view(), later(0), &mut rng()) {
        Envelope::decode(&sent.saved().envelope).unwrap();
    }
    if let Ok(envelope) = envelope {
        let before = peer.row(PeerRow::Peer);
        match peer.decrypt(&envelope, later(0)) {
            Ok(delivered) => drop(delivered.saved()),
            Err(_) => assert_eq!(peer.row(PeerRow::Peer), before),
        }
    }
    let mut peer = loads_again(peer);
    peer.expire(later(1)).saved();
    loads_again(peer);
}

fn loads_again(peer: Peer) -> Peer {
    let peer = Arc::new(peer);
    let disk = Arc::clone(&peer);
    let record = peer.row(PeerRow::Peer).unwrap();
    let again = Peer::from_record(&record, move |row| disk.row(row)).unwrap();
    assert_eq!(again.damaged, []);
    assert_eq!(again.peer.row(PeerRow::Peer), Some(record));
    for session in peer.sessions() {
        let row = PeerRow::Session(session.id());
        assert_eq!(again.peer.row(row), peer.row(row));
    }
    drop(again);
    Arc::into_inner(peer).unwrap()
}

/// A key for a row beside a session's record.
pub(crate) fn row_key(row: RowKey) -> Option<Vec<u8>> {
    let (kind, number) = match row {
        RowKey::Skipped(number) => (0, number),
        RowKey::Used(number) => (1, number),
        RowKey::Shards(number) => (2, number.into()),
        RowKey::Answer => (3, 0),
        RowKey::UsedBy(tag) => (4, u64::from_be_bytes(tag.to_bytes())),
        _ => return None,
    };
    Some([&[kind][..], &number.to_be_bytes()].concat())
}

fn view() -> View {
    OWNER.with(|(side, _)| View::new(side.account.device_list(), side.account.device_list()))
}

/// The beginning, and so many times all that anything is kept for.
fn later(spans: u32) -> subrosa::Timestamp {
    subrosa::Timestamp::from_secs(START).after(KEPT_TIME * spans)
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(START)
}
