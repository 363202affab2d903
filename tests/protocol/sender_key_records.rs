//! Records of sender keys that version 1 stored still load, and the group goes on.
//!
//! Every later version must pass this as it stands: `tests/fixtures/sender-keys-v1` is never
//! written again. `WRITE_FIXTURES=1 cargo test --test protocol sender_key_records` wrote it.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use subrosa::group::sender_key::{
    ChainRow, DecryptError, Handover, HandoverState, Outgoing, ReceivingChain, SenderChains,
    SendingChain,
};
use subrosa::group::{GroupId, Head};
use subrosa::identity::{Account, Device, View};
use subrosa::session::Content;
use subrosa::wire::{ChainId, GroupMessage, MessageId};
use subrosa::{Address, DeviceId, Timestamp, UserId};

const START: Timestamp = Timestamp::from_secs(1_790_000_000);
const ROSTER: Head = Head::from_bytes([2; 32]);

fn sender() -> Address {
    Address { user: UserId::new("alice").unwrap(), device: DeviceId::new(7).unwrap() }
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(6)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn text(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap())
}

fn say(chain: &mut SendingChain, content: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let device = Device::generate(UserId::new("alice").unwrap(), &mut ChaCha8Rng::seed_from_u64(1));
    let account = Account::create(&device, &mut ChaCha8Rng::seed_from_u64(2));
    let view = View::of_group_message(account.device_list());
    let id = MessageId::generate(rng);
    let outgoing = Outgoing { id, content: content.as_bytes(), view, roster: ROSTER };
    chain.encrypt(&outgoing, rng).unwrap().saved().envelope
}

fn decrypt(chains: &mut SenderChains, envelope: &[u8]) -> Result<String, DecryptError> {
    let message = GroupMessage::decode(envelope).unwrap();
    let chain_id = chains.find(&message).ok_or(DecryptError::Unknown)?.chain_id();
    let chain = chains.chain_mut(chain_id).unwrap();
    let received = chain.decrypt(&message, &ROSTER, START)?.saved();
    let Content::Message { plaintext, .. } = received.content else { panic!("no message") };
    Ok(str::from_utf8(plaintext.as_bytes()).unwrap().to_owned())
}

/// A chain that was replaced, of which two messages are missing, and the one behind it, of
/// which one is; both with one that has opened.
fn write(path: &Path) {
    let rng = &mut rng();
    let mut sending = SendingChain::begin(GroupId::from_bytes([1; 32]), sender(), START, rng);
    let mut chains = SenderChains::new(*sending.group_id(), sender());
    let mut arriving = Vec::new();
    chains.take_in(&sending.distribution(), START).unwrap().saved();
    let old = ["old 0", "old 1", "old 2"].map(|said| say(&mut sending, said, rng));
    decrypt(&mut chains, &old[1]).unwrap();
    sending = sending.rotate(START, rng);
    chains.take_in(&sending.distribution(), START).unwrap().saved();
    let new = ["new 0", "new 1", "new 2"].map(|said| say(&mut sending, said, rng));
    decrypt(&mut chains, &new[1]).unwrap();
    for (envelope, said) in [
        (&old[2], Some("old 2")),
        (&old[0], Some("old 0")),
        (&old[1], None),
        (&new[0], Some("new 0")),
        (&new[1], None),
        (&new[2], Some("new 2")),
    ] {
        arriving.push(json!({ "envelope": hex(envelope), "text": said }));
    }
    let rows = chains.chains().iter().flat_map(|chain| {
        let chain_id = chain.chain_id();
        let keys = [None].into_iter().chain(chain.row_keys().map(Some));
        keys.map(move |iteration| ChainRow { chain_id, iteration })
    });
    let rows = rows.filter_map(|row| {
        Some(json!({
            "chain_id": hex(row.chain_id.as_bytes()),
            "iteration": row.iteration,
            "row": hex(&chains.row(row)?),
        }))
    });
    let sent = Handover::needed().with_message().sent();
    let handovers = [
        Handover::needed(),
        Handover::needed().with_message().failed(),
        sent,
        sent.acknowledged(&sending.distribution().acknowledgement(), &sending),
    ];
    let fixture = json!({
        "sending": hex(&sending.record()),
        "rows": rows.collect::<Value>(),
        "handovers": handovers.map(|handover| hex(&handover.record())),
        "arriving": arriving,
    });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_string_pretty(&fixture).unwrap() + "\n").unwrap();
}

#[test]
fn sender_keys_of_version_1_load_and_the_group_goes_on() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sender-keys-v1");
    let path = fixtures.join("group.json");
    if env::var_os("WRITE_FIXTURES").is_some() {
        write(&path);
    }
    let fixture: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut rows = BTreeMap::new();
    for row in fixture["rows"].as_array().unwrap() {
        let chain_id = ChainId::from_bytes(text(&row["chain_id"]).try_into().unwrap());
        let iteration = row["iteration"].as_u64().map(|iteration| iteration.try_into().unwrap());
        rows.insert(ChainRow { chain_id, iteration }, text(&row["row"]));
    }
    let mut sending = SendingChain::from_record(&text(&fixture["sending"])).unwrap();
    let mut chains = SenderChains::new(*sending.group_id(), sender());
    for (ChainRow { chain_id, .. }, record) in rows.iter().filter(|row| row.0.iteration.is_none()) {
        let (rows, chain_id) = (rows.clone(), *chain_id);
        let row = move |iteration: u32| {
            let row = ChainRow { chain_id, iteration: Some(iteration) };
            rows.get(&row).cloned().map(Into::into)
        };
        chains.restore(ReceivingChain::from_record(record, row).unwrap()).unwrap();
    }
    for (row, bytes) in &rows {
        assert_eq!(chains.row(*row).unwrap().to_vec(), *bytes);
    }
    for arriving in fixture["arriving"].as_array().unwrap() {
        let received = decrypt(&mut chains, &text(&arriving["envelope"]));
        match arriving["text"].as_str() {
            Some(said) => assert_eq!(received.unwrap(), said),
            None => assert_eq!(received, Err(DecryptError::Duplicate)),
        }
    }
    assert!(chains.chains().iter().all(|chain| chain.missing().count() == 0));
    let rng = &mut rng();
    let on = say(&mut sending, "and on", rng);
    assert_eq!(decrypt(&mut chains, &on).unwrap(), "and on");
    let mut sending = sending.rotate(START, rng);
    chains.take_in(&sending.distribution(), START).unwrap().saved();
    let on = say(&mut sending, "in the next", rng);
    assert_eq!(decrypt(&mut chains, &on).unwrap(), "in the next");
    let states = fixture["handovers"].as_array().unwrap().iter();
    let states = states.map(|record| Handover::from_record(&text(record)).unwrap().state());
    let expected = [
        HandoverState::Needed,
        HandoverState::Failed,
        HandoverState::Sent,
        HandoverState::Acknowledged,
    ];
    assert!(states.eq(expected));
}
