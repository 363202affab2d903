//! Messages to a group, in order, one by one and many together.
//!
//! A chain has 1,000 messages at most, so each round has a chain of its own; beginning and
//! handing it over is not measured.

use std::hint::black_box;

use prost::Message;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::group::sender_key::{Outgoing, ReceivingChain, SendingChain, Unverified};
use subrosa::group::{GroupId, Head};
use subrosa::identity::{Account, Device, View};
use subrosa::wire::{Before, GroupMessage, MessageId};
use subrosa::{Address, UserId};

use crate::Run;
use crate::clock::{each, lower_tenths, timed};
use crate::figure::{Bound, Figure};
use crate::floors::{self, floor};
use crate::peer::Peer;
use crate::people::NOW;
use crate::primitives::{Inputs, TOGETHER};

const GROUP: GroupId = GroupId::from_bytes([1; 32]);
const ROSTER: Head = Head::from_bytes([2; 32]);

/// Messages a batch that are encrypted, and decrypted one by one: about a millisecond.
const APART: usize = 24;

/// A sender.
struct Sender {
    address: Address,
    view: View,
    rng: ChaCha8Rng,
}

impl Sender {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let device = Device::generate(UserId::new("alice").expect("a short name"), &mut rng);
        let view = View::of_group_message(Account::create(&device, &mut rng).device_list());
        Self { address: device.address().clone(), view, rng }
    }

    /// A new chain, at both ends.
    fn begin(&mut self) -> (SendingChain, ReceivingChain) {
        let sending = SendingChain::begin(GROUP, self.address.clone(), NOW, &mut self.rng);
        let receiving = ReceivingChain::accept(&sending.distribution(), self.address.clone());
        (sending, receiving.expect("an honest key"))
    }

    fn send(&mut self, chain: &mut SendingChain, content: &[u8]) -> Vec<u8> {
        let id = MessageId::from_bytes([0x5a; 16]);
        let outgoing = Outgoing { id, content, view: self.view, roster: ROSTER };
        chain.encrypt(&outgoing, &mut self.rng).expect("a new chain").saved().envelope
    }
}

fn receive(chain: &mut ReceivingChain, envelope: &[u8]) {
    let message = GroupMessage::decode(envelope).expect("an honest envelope");
    black_box(chain.decrypt(&message, &ROSTER, NOW).expect("an honest message").saved());
}

fn receive_together(chain: &mut ReceivingChain, envelopes: &[Vec<u8>]) {
    let decode = |envelope: &Vec<u8>| GroupMessage::decode(envelope).expect("an honest envelope");
    let messages: Vec<_> = envelopes.iter().map(decode).collect();
    let prepare = |message| chain.prepare(message, &ROSTER).expect("a message of the chain");
    for verified in Unverified::verify_batch(messages.iter().map(prepare).collect()) {
        let verified = verified.expect("an honest signature");
        black_box(chain.open(verified, NOW).expect("an honest message").saved());
    }
}

/// Encrypting, and decrypting one by one and together, 100 bytes.
pub(crate) fn in_order(run: &Run) -> Vec<Figure> {
    let (mut inputs, mut sender) = (Inputs::new(), Sender::new());
    let floors =
        (floors::group_encrypt(), floors::group_decrypt(), floors::group_decrypt_together());
    let [sealing, sealing_floor, opening, opening_floor, together, together_floor] =
        lower_tenths(run.rounds(400), || {
            let (mut sending, mut receiving) = sender.begin();
            let mut envelopes = Vec::with_capacity(APART + TOGETHER);
            let sealing = timed(APART, || {
                envelopes.push(sender.send(&mut sending, &[b'x'; 100]));
            });
            envelopes.extend((0..TOGETHER).map(|_| sender.send(&mut sending, &[b'x'; 100])));
            let (apart, together) = envelopes.split_at(APART);
            let mut apart = apart.iter();
            let opening = timed(APART, || {
                receive(&mut receiving, apart.next().expect("as many as are counted"));
            });
            let together = timed(1, || receive_together(&mut receiving, together));
            [
                each(sealing, APART),
                floor(&mut inputs, &floors.0, APART),
                each(opening, APART),
                floor(&mut inputs, &floors.1, APART),
                each(together, TOGETHER),
                floor(&mut inputs, &floors.2, TOGETHER),
            ]
        });
    vec![
        Figure::time("group_encrypt_100", [sealing, sealing_floor], 1.25, &floors.0),
        Figure::time("group_decrypt_100", [opening, opening_floor], 1.25, &floors.1),
        Figure::time("group_decrypt_batch_256", [together, together_floor], 1.3, &floors.2),
        Figure::time("group_batch_vs_single", [together, opening], 0.55, &[]),
    ]
}

/// Encrypting and decrypting 100 bytes, one by one, against other implementations. What they
/// take is for both.
pub(crate) fn against_others(run: &Run) -> Vec<Figure> {
    [("group_100_vs_megolm", Peer::VODOZEMAC), ("group_100_vs_mls", Peer::MLS)]
        .into_iter()
        .filter(|(name, _)| run.wants(name))
        .map(|(name, peer)| {
            let times = Peer::start(peer).map(|mut peer| {
                let mut sender = Sender::new();
                lower_tenths(run.rounds(400), || {
                    let (mut sending, mut receiving) = sender.begin();
                    let mut envelopes = Vec::with_capacity(APART);
                    let sealing = timed(APART, || {
                        envelopes.push(sender.send(&mut sending, &[b'x'; 100]));
                    });
                    let mut envelopes = envelopes.iter();
                    let opening = timed(APART, || {
                        receive(&mut receiving, envelopes.next().expect("as many as are counted"));
                    });
                    [each(sealing + opening, APART), peer.time("group_100", APART)]
                })
            });
            Figure::against(name, times, Bound::Open)
        })
        .collect()
}

/// An envelope of `envelope.proto`, as far as it takes to find the sealed payload.
#[derive(Clone, PartialEq, Message)]
struct Outer {
    #[prost(message, optional, tag = "4")]
    message: Option<Inner>,
}

/// A message of `sender_key.proto`.
#[derive(Clone, PartialEq, Message)]
struct Inner {
    #[prost(bytes = "vec", tag = "2")]
    sealed: Vec<u8>,
}

/// What an envelope adds to the padded payload: the most, over contents of all sizes.
pub(crate) fn overhead(_: &Run) -> Vec<Figure> {
    let mut sender = Sender::new();
    let (mut sending, _) = sender.begin();
    let lengths = [0, 16, 100, 1000, 10_000, 20_000, 65_536];
    let overheads = lengths.map(|length| {
        let envelope = sender.send(&mut sending, &vec![b'x'; length]);
        let outer = Outer::decode(envelope.as_slice()).expect("an honest envelope");
        let padded = outer.message.expect("a group message").sealed.len() - 16;
        envelope.len() - padded
    });
    let most = overheads.into_iter().max().unwrap_or_default();
    vec![Figure::count("bytes_group_overhead", most as f64, "bytes", 160.0)]
}

/// What hands a chain over that has as many messages as any, and replaces such a one, to a
/// device that may lack all of it and of many before.
pub(crate) fn distribution(_: &Run) -> Vec<Figure> {
    let mut sender = Sender::new();
    let (mut sending, _) = sender.begin();
    for _ in 0..2 {
        sending = sending.rotate(NOW, &mut sender.rng);
        for _ in 0..1000 {
            sender.send(&mut sending, b"");
        }
    }
    let handed_over = sending.distribution();
    let ended = handed_over.replaced();
    let before = Before { first: 0, replaced_missed: 1000, ended, lost: (1 << 21) - 1 };
    let length = handed_over.for_reader(&before).encoded_len();
    vec![Figure::count("bytes_distribution", length as f64, "bytes", 195.0)]
}
