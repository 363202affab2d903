//! Records that version 1 stored still load, and the conversation goes on.
//!
//! Every later version must pass this as it stands: `tests/fixtures/records-v1` is never
//! written again. `WRITE_FIXTURES=1 cargo test --test protocol records` wrote it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::{env, fs};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use subrosa::Timestamp;
use subrosa::handshake::{PrekeySecret, ReplayRecord};
use subrosa::identity::{Account, Device, DeviceList};
use subrosa::session::{DecryptError, Peer, PeerRow, RowKey, Session};
use subrosa::wire::SignedDeviceList;

use crate::protobuf::Fields;
use crate::side::{Rows, START, Side, text};

/// The fields of `subrosa.stored.v1.Session` and of its post-quantum ratchet.
const POST_QUANTUM: u64 = 11;
const IDLE: u64 = 1;
const OFFERING: u64 = 2;
const AGREED: u64 = 3;
const COLLECTING: u64 = 4;
const ANSWERING: u64 = 5;

const NAMES: [&str; 6] =
    ["unconfirmed", "collecting", "received", "answering", "agreed", "second-epoch"];

#[test]
fn records_of_version_1_load_and_the_conversation_goes_on() {
    if env::var_os("WRITE_FIXTURES").is_some() {
        write();
    }
    for name in NAMES {
        let fixture: Value = serde_json::from_slice(&fs::read(path(name)).unwrap()).unwrap();
        let mut sides = [0, 1].map(|place| load(&fixture["sides"][place], place as u64));
        for arriving in fixture["arriving"].as_array().unwrap() {
            let to = usize::try_from(arriving["to"].as_u64().unwrap()).unwrap();
            let received = sides[to].receive(&unhex(&arriving["envelope"]));
            match arriving["text"].as_str() {
                Some(expected) => assert_eq!(text(&received.unwrap()), expected.as_bytes()),
                None => assert!(matches!(received, Err(DecryptError::Duplicate)), "{name}"),
            }
        }
        // A new step each way, and through what the loaded records still knew.
        for round in 0..20 {
            for from in [0, 1] {
                let message = format!("{name}, round {round}");
                let envelope = sides[from].send(message.as_bytes()).unwrap();
                let received = sides[1 - from].receive(&envelope).unwrap();
                assert_eq!(text(&received), message.as_bytes());
            }
        }
        let [alice, bob] = sides.each_ref().map(epochs_mixed);
        assert!(alice == bob && alice >= 1, "{name}: the epoch in progress was completed");
    }
}

fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records-v1");
    folder.join(format!("{name}.json"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn epochs_mixed(side: &Side) -> u32 {
    let sending = side.peer.as_ref().and_then(|peer| peer.sending_session(side.now));
    sending.map_or(0, Session::epochs_mixed)
}

/// What the records of a side hold, for those who cannot look inside.
fn content(side: &Side) -> Value {
    let peer = side.peer.as_ref().map(|peer| {
        let session = peer.sending_session(side.now).unwrap();
        json!({
            "address": peer.address().to_string(),
            "sessions": peer.sessions().len(),
            "handshake_id": hex(session.id().as_bytes()),
            "generation": session.generation(),
            "confirmed": session.is_confirmed(),
            "with_one_time_prekey": session.with_one_time_prekey(),
            "epochs_mixed": session.epochs_mixed(),
            "rows": session.row_keys().filter(|row| session.row(*row).is_some()).count(),
            "gaps": peer.gaps().map(|gap| [*gap.start(), *gap.end()]).collect::<Vec<_>>(),
        })
    });
    let prekey = |prekey: &PrekeySecret| {
        json!({
            "id": hex(prekey.id().as_bytes()),
            "one_time": prekey.is_one_time(),
            "expires_at": prekey.expires_at().as_secs(),
        })
    };
    json!({
        "address": side.address().to_string(),
        "account_key": hex(side.account.key().as_bytes()),
        "list_version": side.account.device_list().version(),
        "list_hash": hex(side.account.device_list().hash()),
        "signed_prekey": prekey(&side.signed),
        "one_time_prekeys": side.one_time.iter().map(prekey).collect::<Value>(),
        "replays": side.replays.len(),
        "peer": peer,
    })
}

/// Loads a side, checks what is in it, and that each row was asked for.
fn load(stored: &Value, seed: u64) -> Side {
    let device = Device::from_record(&unhex(&stored["device"])).unwrap();
    let prekey =
        |record: &Value| PrekeySecret::from_record(&unhex(record), device.address()).unwrap();
    let saved: BTreeMap<String, Value> = serde_json::from_value(stored["rows"].clone()).unwrap();
    let (asked, disk) = (Arc::new(Mutex::new(Rows::new())), saved.clone());
    let rows = Arc::clone(&asked);
    let row = move |row: PeerRow| {
        let bytes = unhex(disk.get(&hex(&row.to_key()))?);
        asked.lock().unwrap().insert(row, bytes.clone());
        Some(bytes.into())
    };
    let peer = row(PeerRow::Peer).map(|record: zeroize::Zeroizing<Vec<u8>>| {
        let loaded = Peer::from_record(&record, row).unwrap();
        assert_eq!(loaded.damaged, []);
        loaded.peer
    });
    if let Some(peer) = &peer {
        // All the others are asked for when they are needed.
        for session in peer.sessions() {
            session.row_keys().for_each(|row| drop(session.row(row)));
        }
        let numbers = (1..2000).flat_map(|seq| [PeerRow::Sent(seq), PeerRow::Received(seq)]);
        numbers.for_each(|row| drop(peer.row(row)));
    }
    let their_list = stored["their_list"].as_str().map(|_| {
        let signed = SignedDeviceList::decode(&unhex(&stored["their_list"])).unwrap();
        DeviceList::verify(signed).unwrap()
    });
    let side = Side {
        account: Account::from_record(&unhex(&stored["account"])).unwrap(),
        signed: prekey(&stored["signed_prekey"]),
        one_time: stored["one_time_prekeys"].as_array().unwrap().iter().map(prekey).collect(),
        replays: ReplayRecord::from_record(&unhex(&stored["replay_record"])).unwrap(),
        peer,
        their_list,
        rows: rows.lock().unwrap().clone(),
        now: Timestamp::from_secs(START),
        rng: ChaCha8Rng::seed_from_u64(seed),
        device,
    };
    assert_eq!(side.rows.len(), saved.len(), "a row that was saved was not asked for");
    assert_eq!(content(&side), stored["expected"]);
    side
}

fn store(side: &Side) -> Value {
    let rows: BTreeMap<String, String> =
        side.rows.iter().map(|(row, bytes)| (hex(&row.to_key()), hex(bytes))).collect();
    let one_time = side.one_time.iter().map(|prekey| hex(&prekey.record()));
    json!({
        "device": hex(&side.device.record()),
        "account": hex(&side.account.record()),
        "signed_prekey": hex(&side.signed.record()),
        "one_time_prekeys": one_time.collect::<Value>(),
        "replay_record": hex(&side.replays.record().unwrap()),
        "their_list": side.their_list.as_ref().map(|list| hex(&list.signed().encode())),
        "rows": rows,
        "expected": content(side),
    })
}

/// Writes both sides as they are now; `arriving` are envelopes to one of them, with
/// their texts if they have not been received.
fn write_moment(name: &str, sides: &[Side; 2], to: usize, arriving: &[(&[u8], Option<&str>)]) {
    let arriving = arriving
        .iter()
        .map(|(envelope, text)| json!({ "to": to, "envelope": hex(envelope), "text": text }));
    let fixture = json!({
        "sides": sides.iter().map(store).collect::<Value>(),
        "arriving": arriving.collect::<Value>(),
    });
    fs::write(path(name), serde_json::to_string_pretty(&fixture).unwrap() + "\n").unwrap();
}

/// A conversation in which a side sends four messages at a time: the first and the
/// third arrive at once, the others are on the way whenever something is written.
fn write() {
    let mut sides = [Side::new("alice", 90), Side::new("bob", 91)];
    sides[1].bundle(true);
    let bundle = sides[1].bundle(false);
    let bob = sides[1].address().user.clone();
    sides[0].initiate(&bob, &bundle);
    let first = ["first", "second"].map(|text| sides[0].send(text.as_bytes()).unwrap());
    let arriving = [(&first[1][..], Some("second")), (&first[0], Some("first"))];
    write_moment("unconfirmed", &sides, 1, &arriving);
    let mut names = NAMES[1..].iter().peekable();
    for from in [0, 1].into_iter().cycle() {
        let texts = ["one", "two", "three", "four"];
        let sent = texts.map(|text| sides[from].send(text.as_bytes()).unwrap());
        for (envelope, expected) in [(&sent[0], "one"), (&sent[2], "three")] {
            assert_eq!(text(&sides[1 - from].receive(envelope).unwrap()), expected.as_bytes());
        }
        let arriving = [(&sent[3][..], Some("four")), (&sent[1], Some("two")), (&sent[0], None)];
        if let Some(name) = names.next_if(|name| is_moment(name, &sides)) {
            write_moment(name, &sides, 1 - from, &arriving);
        }
        if names.peek().is_none() {
            return;
        }
    }
}

/// Whether this is the moment that the fixture is named after.
fn is_moment(name: &str, sides: &[Side; 2]) -> bool {
    let [alice, bob] = sides.each_ref().map(|side| (state(side), shards(side)));
    match name {
        "collecting" => bob.0 == COLLECTING && bob.1 > 12 && alice.0 == OFFERING,
        "received" => bob.0 == COLLECTING && bob.1 >= 37,
        "answering" => bob.0 == ANSWERING && alice.1 > 12,
        "agreed" => alice.0 == AGREED,
        _ => bob.0 == IDLE && epochs_mixed(&sides[1]) == 1,
    }
}

/// Which state the record says that the post-quantum ratchet is in; 0 without session.
fn state(side: &Side) -> u64 {
    let record = side.rows.iter().find(|(row, _)| matches!(row, PeerRow::Session(_)));
    record.map_or(0, |(_, record)| {
        Fields::decode(Fields::decode(record).bytes(POST_QUANTUM)).0[0].number
    })
}

/// How many shards are in the rows.
fn shards(side: &Side) -> usize {
    let is_shards = |row: &PeerRow| matches!(row, PeerRow::Beside(_, RowKey::Shards(_)));
    let rows = side.rows.iter().filter(|(row, _)| is_shards(row));
    rows.map(|(_, field)| field.len() / 32).sum()
}
