//! What comes for a group: envelopes from anywhere to members who have a chain, and damaged
//! records of everything that is stored of sender keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread_local;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::group::sender_key::{
    DecryptError, Handover, Outgoing, ReceivingChain, SendingChain, Unverified,
};
use subrosa::group::{GroupId, Head};
use subrosa::identity::View;
use subrosa::session::KEPT_TIME;
use subrosa::wire::{Envelope, GroupMessage, MessageId};
use subrosa::{Address, DeviceId, Timestamp, UserId};

use crate::input::Input;
use crate::side::{START, Side};

// What stands for the kind of input in its first byte.
pub(crate) const ENVELOPE: u8 = 0;
pub(crate) const RECEIVING: u8 = 1;
pub(crate) const SENDING: u8 = 2;
pub(crate) const HANDOVER: u8 = 3;

const GROUP: GroupId = GroupId::from_bytes([1; 32]);
const ROSTER: Head = Head::from_bytes([2; 32]);

thread_local! {
    static RECEIVER: (Vec<u8>, Rows) = {
        let receiver = sender_and_receiver().1;
        (receiver.record().to_vec(), rows_of(&receiver))
    };
    static VIEW: View = View::of_group_message(Side::new("one", START).account.device_list());
}

type Rows = BTreeMap<u32, Vec<u8>>;

/// A sender, and a receiver who has opened its messages 1 and 3.
pub(crate) fn sender_and_receiver() -> (SendingChain, ReceivingChain) {
    let user = UserId::new("alice").unwrap();
    let address = Address { user, device: DeviceId::new(7).unwrap() };
    let mut sending = SendingChain::begin(GROUP, address.clone(), now(), &mut rng());
    let mut receiving = ReceivingChain::accept(&sending.distribution(), address).unwrap();
    for number in 0..4 {
        let envelope = say(&mut sending, b"words");
        if number % 2 == 1 {
            let message = GroupMessage::decode(&envelope).unwrap();
            receiving.decrypt(&message, &ROSTER, now()).unwrap().saved();
        }
    }
    (sending, receiving)
}

/// An envelope of this chain.
pub(crate) fn say(sending: &mut SendingChain, content: &[u8]) -> Vec<u8> {
    let id = MessageId::from_bytes([9; 16]);
    let outgoing = Outgoing { id, content, view: VIEW.with(|view| *view), roster: ROSTER };
    sending.encrypt(&outgoing, &mut rng()).unwrap().saved().envelope
}

pub(crate) fn rows_of(chain: &ReceivingChain) -> Rows {
    let row = |key| Some((key, chain.row(key)?.to_vec()));
    chain.row_keys().filter_map(row).collect()
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        ENVELOPE => envelope(input.rest()),
        RECEIVING => receiving(input),
        SENDING => sending(input.rest()),
        HANDOVER.. => handover(input.rest()),
    }
}

fn load(record: &[u8], rows: Rows) -> Option<ReceivingChain> {
    let rows = Arc::new(rows);
    ReceivingChain::from_record(record, move |row| rows.get(&row).cloned().map(Into::into)).ok()
}

fn envelope(data: &[u8]) {
    let Ok(message) = GroupMessage::decode(data) else { return };
    assert!(Envelope::decode(data).is_err());
    RECEIVER.with(|(record, rows)| {
        let mut chain = load(record, rows.clone()).unwrap();
        let peek = chain.peek(&message);
        let together = match chain.prepare(&message, &ROSTER) {
            Ok(unverified) => Unverified::verify_batch(vec![unverified]).remove(0).map(|_| ()),
            Err(error) => Err(error),
        };
        match chain.decrypt(&message, &ROSTER, now()) {
            Ok(received) => {
                assert_eq!(peek.map(|peek| peek.iteration), Ok(received.saved().iteration));
                assert!(together.is_ok());
                let again = chain.decrypt(&message, &ROSTER, now()).unwrap_err();
                assert_eq!(again, DecryptError::Duplicate);
                loads_again(&chain);
            }
            Err(error) => {
                assert!(peek.is_ok() || peek == Err(error));
                assert!(chain.record().to_vec() == *record && rows_of(&chain) == *rows);
            }
        }
    });
}

/// The record, an envelope that is to come, and rows by their number, four bytes
/// little-endian.
fn receiving(mut input: Input<'_>) {
    let (record, envelope) = (input.part(), input.part());
    let number = |key: &[u8]| Some(u32::from_le_bytes(key.try_into().ok()?));
    let rows = input.rows().into_iter().filter_map(|(key, row)| Some((number(&key)?, row)));
    let Some(mut chain) = load(record, rows.collect()) else { return };
    loads_again(&chain);
    if let Ok(message) = GroupMessage::decode(envelope) {
        let before = chain.record();
        match chain.decrypt(&message, &ROSTER, now()) {
            Ok(received) => drop(received.saved()),
            Err(_) => assert_eq!(chain.record(), before),
        }
    }
    chain.expire(now().after(KEPT_TIME * 2)).saved();
    loads_again(&chain);
    let end = chain.next().saturating_add(3);
    let closed = chain.close(end, now()).saved();
    assert!(!closed.sender_rolled_back && closed.passed_over <= 3);
    loads_again(&chain);
}

fn loads_again(chain: &ReceivingChain) {
    let record = chain.record();
    let again = load(&record, rows_of(chain)).unwrap();
    assert_eq!(again.record(), record);
    assert!(again.missing().eq(chain.missing()));
}

fn sending(record: &[u8]) {
    let Ok(mut chain) = SendingChain::from_record(record) else { return };
    let record = chain.record();
    assert_eq!(SendingChain::from_record(&record).unwrap().record(), record);
    let outgoing = Outgoing {
        id: MessageId::from_bytes([9; 16]),
        content: b"words",
        view: VIEW.with(|view| *view),
        roster: ROSTER,
    };
    let distribution = chain.distribution();
    let address = Address { user: UserId::new("x").unwrap(), device: DeviceId::new(1).unwrap() };
    ReceivingChain::accept(&distribution, address).unwrap();
    if let Ok(sent) = chain.encrypt(&outgoing, &mut rng()) {
        GroupMessage::decode(&sent.saved().envelope).unwrap();
    }
    assert_eq!(chain.rotate(now(), &mut rng()).length(), 0);
}

fn handover(record: &[u8]) {
    let Ok(handover) = Handover::from_record(record) else { return };
    assert_eq!(Handover::from_record(&handover.record()), Ok(handover));
    assert!(!handover.with_message().sent().asked().is_due());
}

fn now() -> Timestamp {
    Timestamp::from_secs(START)
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(START)
}
