//! Whether what is compared or decoded in secret can be told from the time it takes:
//! `cargo run --release --example timing`.
//!
//! Each test has two classes of input that differ only in what must not show, and
//! prints Welch's t over both (after dudect, Reparaz et al. 2017). A |t| that stays
//! below 5, however long it runs, shows no difference; one that grows is a leak.
//! `-- --continuous NAME` runs one for ever.

use std::cell::RefCell;

use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main};
use rand::RngExt;
use subrosa::handshake::{
    DevicePrekeys, Opening, PrekeyBundle, PrekeySecret, ReplayRecord, initiate,
};
use subrosa::identity::{Account, Device, View};
use subrosa::session::{Body, Outgoing, Session, Tag, TagChange, TagTable};
use subrosa::wire::{Envelope, MessageId};
use subrosa::{Timestamp, UserId};

/// Inputs a test; the slowest takes some seconds.
const INPUTS: usize = 20_000;

/// Inputs in random order, about half of each class.
fn inputs<T>(
    rng: &mut BenchRng,
    mut make: impl FnMut(&Class, &mut BenchRng) -> T,
) -> Vec<(Class, T)> {
    let input = |_| {
        let class = if rng.random() { Class::Left } else { Class::Right };
        let input = make(&class, rng);
        (class, input)
    };
    (0..INPUTS).map(input).collect()
}

/// Looking up a tag that nobody expects: one that begins like an expected one, or not.
fn tag_look_up(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mut table = TagTable::new();
    let known: Vec<u64> = (0..INPUTS).map(|_| rng.random()).collect();
    for tag in &known {
        table.apply(&0_u8, &[TagChange::Expected(Tag::from_bytes(tag.to_be_bytes()))]);
    }
    // Each once: what was looked up before is found sooner in the processor's cache.
    let mut unused = known.iter();
    let inputs = inputs(rng, |class, rng| {
        let near = unused.next().expect("as many as inputs") ^ 1;
        let far: u64 = rng.random();
        let tag = if matches!(class, Class::Left) { near } else { far };
        Tag::from_bytes(tag.to_be_bytes())
    });
    for (class, tag) in inputs {
        runner.run_one(class, || table.owners(tag).len());
    }
}

/// Refusing a message whose authentication is wrong in its first or in its last byte.
fn mac_comparison(runner: &mut CtRunner, rng: &mut BenchRng) {
    let (session, envelope, now) = session_with_a_message(rng);
    let session = RefCell::new(session);
    let inputs = inputs(rng, |class, _| {
        let mut bytes = envelope.clone();
        let place = bytes.len() - if matches!(class, Class::Left) { 16 } else { 1 };
        bytes[place] ^= 0x80;
        Envelope::decode(&bytes).unwrap()
    });
    for (class, envelope) in inputs {
        runner.run_one(class, || session.borrow_mut().decrypt(envelope.message(), now).is_err());
    }
}

/// Loading private keys: always the same ones, or others each time.
fn key_decoding(runner: &mut CtRunner, rng: &mut BenchRng) {
    let user = UserId::new("bob").unwrap();
    let fixed = Device::generate(user.clone(), rng).record();
    let inputs = inputs(rng, |class, rng| match class {
        Class::Left => fixed.clone(),
        Class::Right => Device::generate(user.clone(), rng).record(),
    });
    for (class, record) in inputs {
        runner.run_one(class, || Device::from_record(&record).is_ok());
    }
}

/// A responder's session, and an envelope that it has not opened yet.
fn session_with_a_message(rng: &mut BenchRng) -> (Session, Vec<u8>, Timestamp) {
    let now = Timestamp::from_secs(1_790_000_000);
    let [ours, theirs] =
        ["bob", "alice"].map(|name| Device::generate(UserId::new(name).unwrap(), rng));
    let account = Account::create(&ours, rng);
    let signed = PrekeySecret::signed(&ours, now, rng);
    let device = ours.address().device;
    let prekeys = DevicePrekeys { device, signed: signed.public(), one_time: None };
    let bundle = PrekeyBundle::assemble(account.device_list().signed(), &[prekeys]);
    let bundle = bundle.verify(&ours.address().user, now).unwrap();
    let list = Account::create(&theirs, rng).device_list().clone();
    let initiated = initiate(&theirs, &list, &bundle.devices()[0], 1, now, rng).unwrap();
    let mut initiator = Session::initiate(initiated, now);
    let mut say = |rng: &mut BenchRng| {
        let body = Body::Content { id: MessageId::generate(rng), content: &[0; 100] };
        let view = View::new(&list, bundle.device_list());
        let outgoing = Outgoing { body, seq: 1, last: None, seen: None, view };
        initiator.encrypt(&outgoing, now, rng).unwrap().saved()
    };
    let (first, second) = (say(rng), say(rng));
    let Envelope::FirstMessage { handshake, message } = Envelope::decode(&first).unwrap() else {
        unreachable!("an initiator's first message has the handshake")
    };
    let opening = Opening::receive(&ours, &account.key(), &handshake).unwrap();
    let responded = opening.respond(&signed, None, &ReplayRecord::new()).unwrap();
    let session = Session::accept(responded, &message, now).unwrap().saved().session;
    (session, second, now)
}

ctbench_main!(tag_look_up, mac_comparison, key_decoding);
