//! Sender keys: what follows from a chain, handing-over, and a transcript of a group.

use serde_json::{Value, json};

use super::model::{self, array, cat, pb_bytes, pb_fixed64, pb_varint};
use super::{Draws, NOW, Party, hex, with};
use crate::group::sender_key::{
    Closed, DecryptError, Outgoing, ReceivingChain, SenderChains, SenderKeyError, SendingChain,
    Unverified,
};
use crate::group::{GroupId, Head};
use crate::identity::View;
use crate::session::Content;
use crate::timestamp::Timestamp;
use crate::wire::{
    Before, ChainId, Control, GroupMessage, MessageId, Payload, Replaced, SenderKeyDistribution,
};

const TIME: Timestamp = Timestamp::from_secs(NOW);

pub(super) fn vectors() -> Value {
    let mut group = Group::new(20);
    let derivations = group.derivations();
    group.talk();
    let (handed, refused) = group.handed_over();
    json!({
        "sender": group.sender.to_json(),
        "group_id": hex(group.group_id),
        "view": hex(group.view),
        "derivations": derivations,
        "distributions": handed,
        "refused_distributions": refused,
        "chains": group.chains.iter().map(Chain::to_json).collect::<Value>(),
        "events": group.events,
    })
}

/// A chain as the model has it.
#[derive(Clone)]
struct Chain {
    context: Vec<u8>,
    chain_id: [u8; 8],
    chain_key: [u8; 32],
    header_seed: [u8; 32],
    signing_seed: [u8; 32],
    replaced: Option<([u8; 8], u32)>,
    /// How many messages were sent in it.
    sent: u32,
}

impl Chain {
    /// Of what was drawn for it.
    fn new(group: &Group, drawn: &[Vec<u8>], replaced: Option<([u8; 8], u32)>) -> Self {
        let [chain_id, chain_key, header_seed, signing_seed] = drawn else { panic!("{drawn:?}") };
        let (user, device) = (&group.sender.user, group.sender.device_id);
        Self {
            context: model::sender_context(&group.group_id, user, device, &array(chain_id)),
            chain_id: array(chain_id),
            chain_key: array(chain_key),
            header_seed: array(header_seed),
            signing_seed: array(signing_seed),
            replaced,
            sent: 0,
        }
    }

    fn key_of(&self, iteration: u32) -> ([u8; 32], [u8; 32]) {
        let mut chain_key = self.chain_key;
        for _ in 0..iteration {
            (_, chain_key) = model::kdf_ck(&chain_key);
        }
        let (message_key, _) = model::kdf_ck(&chain_key);
        (chain_key, message_key)
    }

    fn keys(&self) -> ([u8; 32], [u8; 32]) {
        model::header_keys(&model::sender_header_key(&self.header_seed, &self.context))
    }

    /// An envelope with this number, and how it is made.
    fn seal(
        &self,
        iteration: u32,
        head: &[u8; 32],
        salt: [u8; 8],
        padded: &[u8],
    ) -> (Vec<u8>, Value) {
        let (_, message_key) = self.key_of(iteration);
        let (tag_key, mask_key) = self.keys();
        let tag = model::tag(&tag_key, iteration);
        let header = cat(&[&iteration.to_be_bytes(), &head[..16]]);
        let masked = model::mask(&mask_key, &model::mask_nonce(&tag, &salt), &header);
        let ad = model::sender_associated_data(&self.context);
        let covered = cat(&[&ad, head, &tag, &salt, &header]);
        let key = model::message_aead_key(&message_key, &salt);
        let sealed = model::seal(&key, &model::message_nonce(&salt), &covered, padded);
        let message = cat(&[&covered, &sealed]);
        let signature = model::sign(&self.signing_seed, "subrosa/1 group message", &message);
        let made = json!({
            "message_key": hex(message_key),
            "header": hex(&header),
            "tag": hex(tag),
            "masked": hex(&masked),
            "key": hex(key),
            "aead_associated_data": hex(&covered),
            "sealed": hex(&sealed),
            "signature": hex(signature),
        });
        (envelope(&cat(&[&tag, &salt, &masked]), &sealed, &signature), made)
    }

    /// The encoded distribution at this number, for a device that may lack this of before.
    fn distribution(&self, group_id: &[u8; 32], iteration: u32, before: &Before) -> Vec<u8> {
        let (chain_key, _) = self.key_of(iteration);
        let (replaced, length) = match &self.replaced {
            Some((chain_id, length)) => (chain_id.as_slice(), *length),
            None => (&[][..], 0),
        };
        let ended = before
            .ended
            .map_or((Vec::new(), 0), |ended| (ended.chain_id.as_bytes().to_vec(), ended.length));
        cat(&[
            &cat(&[&pb_bytes(1, group_id), &pb_bytes(2, &self.chain_id)]),
            &cat(&[&pb_bytes(3, &chain_key), &pb_bytes(4, &self.header_seed)]),
            &pb_bytes(5, &model::signing_public(&self.signing_seed)),
            &cat(&[&pb_varint(6, iteration.into()), &pb_bytes(7, replaced)]),
            &cat(&[&pb_varint(8, length.into()), &pb_varint(9, (iteration - before.first).into())]),
            &cat(&[&pb_varint(10, before.replaced_missed.into()), &pb_bytes(11, &ended.0)]),
            &cat(&[&pb_varint(12, ended.1.into()), &pb_varint(13, before.lost.into())]),
        ])
    }

    fn to_json(&self) -> Value {
        let (replaced, length) = match &self.replaced {
            Some((chain_id, length)) => (hex(chain_id), *length),
            None => (hex([]), 0),
        };
        json!({
            "chain_id": hex(self.chain_id),
            "chain_key": hex(self.chain_key),
            "header_seed": hex(self.header_seed),
            "signing_seed": hex(self.signing_seed),
            "verifying_key": hex(model::signing_public(&self.signing_seed)),
            "replaced_chain_id": replaced,
            "replaced_length": length,
            "length": self.sent,
        })
    }
}

fn envelope(head: &[u8], sealed: &[u8], signature: &[u8]) -> Vec<u8> {
    pb_bytes(4, &cat(&[&pb_bytes(1, head), &pb_bytes(2, sealed), &pb_bytes(3, signature)]))
}

/// An envelope, by its number in the vectors.
#[derive(Clone, Copy)]
struct Sent(usize);

struct Group {
    draws: Draws,
    sender: Party,
    group_id: [u8; 32],
    view: [u8; 8],
    heads: [[u8; 32]; 2],
    sending: Option<SendingChain>,
    chains: Vec<Chain>,
    /// For each receiver, the chains it was handed.
    receivers: [SenderChains; 3],
    envelopes: Vec<(Vec<u8>, [u8; 32])>,
    events: Vec<Value>,
}

const RECEIVERS: [&str; 3] = ["member", "newcomer", "returned"];

/// Nothing, of a chain that is handed over at this number.
fn nothing_before(iteration: u32) -> Before {
    Before { first: iteration, ..Before::default() }
}

impl Group {
    fn new(seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let sender = Party::new("alice", &mut draws);
        let list = sender.account.device_list();
        let view = model::group_view(list.hash());
        assert_eq!(View::of_group_message(list).0, u64::from_le_bytes(view));
        let (group_id, heads) = (draws.bytes(), [draws.bytes(), draws.bytes()]);
        draws.take();
        let (id, address) = (GroupId::from_bytes(group_id), sender.device.address().clone());
        let mut group = Self {
            draws,
            sender,
            group_id,
            view,
            heads,
            sending: None,
            chains: Vec::new(),
            receivers: RECEIVERS.map(|_| SenderChains::new(id, address.clone())),
            envelopes: Vec::new(),
            events: Vec::new(),
        };
        let sending = SendingChain::begin(id, address, TIME, &mut group.draws);
        let drawn = group.draws.take();
        group.chains.push(Chain::new(&group, &drawn, None));
        group.sending = Some(sending);
        group
    }

    fn derivations(&self) -> Value {
        let chain = &self.chains[0];
        let header_key = model::sender_header_key(&chain.header_seed, &chain.context);
        let (tag_key, mask_key) = chain.keys();
        let tags = [0_u32, 1, 999]
            .map(|number| json!({ "number": number, "tag": hex(model::tag(&tag_key, number)) }));
        json!({
            "context": hex(&chain.context),
            "associated_data": hex(model::sender_associated_data(&chain.context)),
            "header_seed": hex(chain.header_seed),
            "header_key": hex(header_key),
            "tag_key": hex(tag_key),
            "mask_key": hex(mask_key),
            "tags": tags,
            "list_hash": hex(self.sender.account.device_list().hash()),
            "view": hex(self.view),
        })
    }

    fn talk(&mut self) {
        self.hand_over(0);
        self.hand_over(2);
        let sent = [&b"one"[..], b"two", b"three"].map(|text| self.send(text, 0));
        self.hand_over(1);
        let more = [&[b'x'; 300][..], b"five", b"six"].map(|text| self.send(text, 1));
        for (receiver, number, outcome) in [
            (0, sent[1], "opened"),
            (0, sent[1], "duplicate"),
            (0, sent[0], "opened"),
            (1, sent[2], "key-gone"),
            (1, more[1], "opened"),
            (0, more[2], "opened"),
            (1, more[0], "opened"),
        ] {
            self.receive(receiver, number, outcome);
        }
        self.forge(sent[2]);
        self.receive(0, sent[2], "opened");
        self.rotate();
        let late = self.send(b"in the new chain", 1);
        self.receive(0, late, "unknown");
        for receiver in [0, 1] {
            self.hand_over(receiver);
            self.receive(receiver, late, "key-gone");
        }
        let next = self.send(b"after it was handed over", 1);
        for receiver in [0, 1] {
            self.receive(receiver, next, "opened");
        }
        self.receive(0, more[0], "opened");
        self.receive(1, more[2], "opened");
        self.receive(2, sent[1], "opened");
        self.end_too_early();
    }

    /// A sender that says that it had fewer messages than came; what is missing all the same,
    /// and what comes behind the end.
    fn end_too_early(&mut self) {
        let [lost, heard] = [&b"lost"[..], b"heard"].map(|text| self.send(text, 1));
        self.receive(0, heard, "opened");
        let (first, second) = (self.replaced(0), self.replaced(1));
        let seed = Chain { header_seed: [9; 32], ..self.chains[1].clone() };
        self.refuse("the id of a known chain, another header seed", &seed);
        let key = Chain { signing_seed: [9; 32], ..self.chains[1].clone() };
        self.refuse("the id of a known chain, another public key", &key);
        self.rotate();
        let early = self.send(b"before it was handed over", 1);
        let replaced = self.chains[2].replaced.map(|(chain_id, _)| (chain_id, 3));
        let too_short = Chain { replaced, ..self.chains[2].clone() };
        let too_short = too_short.distribution(&self.group_id, 1, &nothing_before(1));
        self.take_in(0, &too_short);
        self.receive(0, early, "key-gone");
        self.receive(0, lost, "opened");
        // It was sent there too, and has the chain before.
        self.hand_over_to(1, &Before { first: 0, ..Before::default() });
        self.receive(1, heard, "opened");
        // Of the chain before it has not said that it has it.
        let lacks = Before {
            first: 0,
            replaced_missed: second.length,
            ended: Some(first),
            ..Before::default()
        };
        self.hand_over_to(2, &lacks);
        let next = self.send(b"in the third chain", 1);
        for receiver in 0..3 {
            self.receive(receiver, next, "opened");
        }
        self.hand_over(0);
        let padded = model::pad(&pb_bytes(1, b"seventeen bytes.."), 256);
        let behind = self.chains[1].seal(second.length, &self.heads[1], [9; 8], &padded).0;
        let forged = GroupMessage::decode(&behind).unwrap();
        let mut signature = forged.signature;
        signature[0] ^= 1;
        for (what, envelope, outcome) in [
            ("behind the end of a chain that has ended", behind, "rolled-back"),
            (
                "the same, signature altered",
                envelope(&forged.head, &forged.sealed, &signature),
                "not-opened",
            ),
        ] {
            let event = json!({ "event_text": "forge", "what_text": what });
            let sent = self.carry(event, envelope, self.heads[1]);
            for receiver in [0, 1] {
                self.receive(receiver, sent, outcome);
            }
        }
    }

    /// A chain that has ended, or will.
    fn replaced(&self, place: usize) -> Replaced {
        let Chain { chain_id, sent, .. } = &self.chains[place];
        Replaced { chain_id: ChainId::from_bytes(*chain_id), length: *sent }
    }

    /// What has the id of the sender's chain is refused by who has that.
    fn refuse(&mut self, what: &str, chain: &Chain) {
        let before = nothing_before(chain.sent);
        let encoded = chain.distribution(&self.group_id, chain.sent, &before);
        let refused = self.receivers[0].take_in(&decoded(&encoded), TIME).map(drop);
        assert_eq!(refused, Err(SenderKeyError::OtherKeys), "{what}");
        self.events.push(json!({
            "event_text": "refuse",
            "receiver_text": RECEIVERS[0],
            "what_text": what,
            "distribution": hex(&encoded),
            "missing": self.missing(0),
        }));
    }

    fn sending(&mut self) -> (&mut SendingChain, &mut Draws) {
        (self.sending.as_mut().unwrap(), &mut self.draws)
    }

    fn send(&mut self, content: &[u8], head: usize) -> Sent {
        let (head, view) = (self.heads[head], self.view);
        let id = self.draws.bytes::<16>();
        let outgoing = Outgoing {
            id: MessageId::from_bytes(id),
            content,
            view: View(u64::from_le_bytes(view)),
            roster: Head::from_bytes(head),
        };
        let (sending, draws) = self.sending();
        let sent = sending.encrypt(&outgoing, draws).unwrap().saved();
        let salt = array(&self.draws.take()[0]);
        let payload = cat(&[&pb_bytes(1, &cat(&[&id, content])), &pb_fixed64(7, view)]);
        let padded = model::pad(&payload, model::padded_length(payload.len()));
        let place = self.chains.len() - 1;
        let chain = &mut self.chains[place];
        let iteration = chain.sent;
        let (remade, made) = chain.seal(iteration, &head, salt, &padded);
        assert_eq!((sent.iteration, &sent.envelope), (iteration, &remade));
        chain.sent += 1;
        let event = json!({
            "event_text": "send",
            "chain": place,
            "iteration": iteration,
            "roster_head": hex(head),
            "message_id": hex(id),
            "content": hex(content),
            "salt": hex(salt),
            "padded_payload": hex(&padded),
        });
        self.carry(with(event, made), sent.envelope, head)
    }

    fn carry(&mut self, event: Value, envelope: Vec<u8>, head: [u8; 32]) -> Sent {
        let number = self.envelopes.len();
        let more = json!({ "envelope_number": number, "envelope": hex(&envelope) });
        self.events.push(with(event, more));
        self.envelopes.push((envelope, head));
        Sent(number)
    }

    /// The sender's chain as it stands, to a receiver that lacks nothing of before.
    fn hand_over(&mut self, receiver: usize) {
        let before = nothing_before(self.sending().0.length());
        self.hand_over_to(receiver, &before);
    }

    /// The sender's chain as it stands.
    fn hand_over_to(&mut self, receiver: usize, before: &Before) {
        let distribution = self.sending().0.distribution().for_reader(before);
        let chain = &self.chains[self.chains.len() - 1];
        let encoded = chain.distribution(&self.group_id, chain.sent, before);
        assert_eq!(control(&Control::SenderKey(Box::new(distribution))), pb_bytes(8, &encoded));
        self.take_in(receiver, &encoded);
    }

    /// What a receiver makes of a chain; those end that it replaces.
    fn take_in(&mut self, receiver: usize, encoded: &[u8]) {
        let distribution = decoded(encoded);
        let taken = self.receivers[receiver].take_in(&distribution, TIME).unwrap().saved();
        let Closed { passed_over, sender_rolled_back } = taken.closed.unwrap_or_default();
        // What was sent before that came.
        let end = distribution.iteration();
        let mut before = vec![(distribution.chain_id(), end - distribution.missed()..end)];
        before.extend(distribution.replaced().map(|Replaced { chain_id, length }| {
            (chain_id, length - distribution.replaced_missed()..length)
        }));
        before.retain(|(_, missed)| !missed.is_empty());
        let missed = before.into_iter().map(|(chain_id, missed)| {
            json!({
                "chain_id": hex(chain_id.as_bytes()), "iterations": missed.collect::<Vec<_>>(),
            })
        });
        self.events.push(json!({
            "event_text": "hand over",
            "receiver_text": RECEIVERS[receiver],
            "chain": self.chains.len() - 1,
            "iteration": end,
            "distribution": hex(encoded),
            "known": taken.known,
            "passed_over": passed_over,
            "rolled_back": sender_rolled_back,
            "missed": missed.collect::<Value>(),
            "missing": self.missing(receiver),
        }));
    }

    fn rotate(&mut self) {
        let old = self.sending.take().unwrap();
        self.sending = Some(old.rotate(TIME, &mut self.draws));
        let drawn = self.draws.take();
        let replaced = self.chains.last().map(|chain| (chain.chain_id, chain.sent));
        self.chains.push(Chain::new(self, &drawn, replaced));
        self.events.push(json!({ "event_text": "rotate", "chain": self.chains.len() - 1 }));
    }

    /// All that is missing, by chain.
    fn missing(&self, receiver: usize) -> Value {
        let chains = self.receivers[receiver].chains().iter().map(|chain| {
            json!({
                "chain_id": hex(chain.chain_id().as_bytes()),
                "iterations": chain.missing().collect::<Vec<_>>(),
            })
        });
        chains.collect()
    }

    fn receive(&mut self, receiver: usize, Sent(number): Sent, outcome: &str) {
        let (envelope, head) = self.envelopes[number].clone();
        let message = GroupMessage::decode(&envelope).unwrap();
        let mut result = Err(DecryptError::Unknown);
        let chains = self.receivers[receiver].chains();
        let ids: Vec<_> = chains.iter().map(ReceivingChain::chain_id).collect();
        for id in ids {
            let chain = self.receivers[receiver].chain_mut(id).unwrap();
            result = chain.decrypt(&message, &Head::from_bytes(head), TIME);
            if !matches!(result, Err(DecryptError::Unknown)) {
                break;
            }
        }
        let (word, more) = match result {
            Err(error) => (word(error), json!({})),
            Ok(received) => {
                let received = received.saved();
                let more =
                    json!({ "iteration": received.iteration, "passed_over": received.passed_over });
                match received.content {
                    Content::Message { plaintext, .. } => {
                        let said = json!({ "content": hex(plaintext.as_bytes()) });
                        ("opened", with(more, said))
                    }
                    _ => ("malformed", more),
                }
            }
        };
        assert_eq!(word, outcome, "envelope {number}");
        let event = json!({
            "event_text": "receive",
            "receiver_text": RECEIVERS[receiver],
            "envelope_number": number,
            "roster_head": hex(head),
            "outcome_text": outcome,
            "missing": self.missing(receiver),
        });
        self.events.push(with(event, more));
    }

    /// Envelopes that the sender did not make, or not by the rules, in place of one that is
    /// missing: they change nothing, but for those of the sender's own that open.
    fn forge(&mut self, Sent(genuine): Sent) {
        let (envelope_of, head) = self.envelopes[genuine].clone();
        let message = GroupMessage::decode(&envelope_of).unwrap();
        let GroupMessage { head: start, sealed, signature } = message;
        let flip = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let chain = &self.chains[0];
        let salt = array(&start[8..16]);
        let plain = model::pad(&pb_bytes(1, b"seventeen bytes.."), 256);
        let mut forged = Vec::new();
        let mut add = |what: &'static str, envelope: Vec<u8>, outcome: &'static str| {
            forged.push((what, envelope, outcome));
        };
        add("tag altered", envelope(&flip(&start, 7), &sealed, &signature), "unknown");
        add("salt altered", envelope(&flip(&start, 15), &sealed, &signature), "unknown");
        add("iteration altered", envelope(&flip(&start, 19), &sealed, &signature), "unknown");
        add(
            "roster head altered",
            envelope(&flip(&start, 35), &sealed, &signature),
            "other-roster",
        );
        add("sealed altered", envelope(&start, &flip(&sealed, 0), &signature), "not-opened");
        add("signature altered", envelope(&start, &sealed, &flip(&signature, 0)), "not-opened");
        let ad = model::sender_associated_data(&chain.context);
        let header = cat(&[&2_u32.to_be_bytes(), &head[..16]]);
        let signed = cat(&[&ad, &head, &start[..16], &header, &sealed]);
        let label = "subrosa/1 group message";
        let by_another = model::sign(&[7; 32], label, &signed);
        add("signed by another member", envelope(&start, &sealed, &by_another), "not-opened");
        let neutral = model::sign_without_nonce(&chain.signing_seed, label, &signed);
        let neutral = envelope(&start, &sealed, &neutral);
        // By itself it is refused; this crate, and whoever verifies many together by the
        // equation alone, takes it in a batch. Nobody but the sender can make it.
        let decoded = GroupMessage::decode(&neutral).unwrap();
        let unverified =
            self.receivers[0].chains()[0].prepare(&decoded, &Head::from_bytes(head)).unwrap();
        assert!(Unverified::verify_batch(vec![unverified])[0].is_ok());
        add("R is the neutral point", neutral, "not-opened");
        let (again, _) = chain.seal(1, &head, [9; 8], &plain);
        add("an iteration used again, with another salt", again, "rolled-back");
        let (far, _) = chain.seal(1000, &head, salt, &plain);
        add("behind the last iteration there is", far, "too-far");
        let (broken, _) = chain.seal(6, &head, salt, &[0; 256]);
        add("payload without padding", broken, "malformed");
        let numbered = cat(&[&pb_bytes(1, b"seventeen bytes.."), &pb_varint(2, 5)]);
        let (numbered, _) = chain.seal(7, &head, salt, &model::pad(&numbered, 256));
        add("payload with a number, which counts for nothing", numbered, "opened");
        // `sign`, an empty message.
        let control = pb_bytes(8, &[0x3a, 0]);
        let (control, _) = chain.seal(8, &head, salt, &model::pad(&control, 256));
        add("payload with a control message", control, "malformed");
        self.chains[0].sent = 9;
        self.skip_to(9);
        for (what, envelope, outcome) in forged {
            let event = json!({ "event_text": "forge", "what_text": what });
            let sent = self.carry(event, envelope, head);
            self.receive(0, sent, outcome);
        }
    }

    /// Lets the sender's own chain pass over what was made in its name.
    fn skip_to(&mut self, length: u32) {
        while self.sending().0.length() < length {
            let (id, roster) = (MessageId::from_bytes([0; 16]), Head::from_bytes([0; 32]));
            let outgoing = Outgoing { id, content: b"", view: View(0), roster };
            let (sending, draws) = self.sending();
            sending.encrypt(&outgoing, draws).unwrap().saved();
        }
        self.draws.take();
    }

    /// Distributions and acknowledgements in control messages; and what is refused.
    fn handed_over(&self) -> (Value, Value) {
        let handed = self.chains.iter().flat_map(|chain| {
            let last = chain.sent;
            [0, last].map(|iteration| {
                let encoded =
                    chain.distribution(&self.group_id, iteration, &nothing_before(iteration));
                let acknowledgement =
                    cat(&[&pb_bytes(1, &self.group_id), &pb_bytes(2, &chain.chain_id)]);
                let payload = pb_bytes(8, &pb_bytes(8, &encoded));
                let Some(Control::SenderKey(ours)) = Payload::decode(&payload).unwrap().control
                else {
                    panic!("a sender key")
                };
                assert_eq!(control(&Control::SenderKey(ours.clone())), pb_bytes(8, &encoded));
                let saved = Control::SenderKeySaved(ours.acknowledgement());
                assert_eq!(control(&saved), pb_bytes(9, &acknowledgement));
                json!({
                    "iteration": iteration,
                    "distribution": hex(&encoded),
                    "control": hex(pb_bytes(8, &encoded)),
                    "acknowledgement": hex(&acknowledgement),
                    "acknowledgement_control": hex(pb_bytes(9, &acknowledgement)),
                })
            })
        });
        let good = self.chains[0].distribution(&self.group_id, 0, &nothing_before(0));
        let with_key = |key: &[u8; 32]| cat(&[&good, &pb_bytes(5, key)]);
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut second = [0xff; 32];
        (second[0], second[31]) = (0xf0, 0x7f);
        let refused = [
            ("group id of 31 bytes", cat(&[&good, &pb_bytes(1, &[1; 31])])),
            ("chain id of 7 bytes", cat(&[&good, &pb_bytes(2, &[1; 7])])),
            ("chain key of 33 bytes", cat(&[&good, &pb_bytes(3, &[1; 33])])),
            ("header seed of 16 bytes", cat(&[&good, &pb_bytes(4, &[1; 16])])),
            ("replaced chain id of 9 bytes", cat(&[&good, &pb_bytes(7, &[1; 9])])),
            ("iteration above 1,000", cat(&[&good, &pb_varint(6, 1001)])),
            ("verifying key is the neutral point", with_key(&neutral)),
            ("verifying key of order 4", with_key(&[0; 32])),
            ("verifying key is not canonical", with_key(&second)),
            ("verifying key is no point", with_key(&[2; 32])),
        ];
        let refused = refused.map(|(reason, encoded)| {
            let payload = Payload::decode(&pb_bytes(8, &pb_bytes(8, &encoded)));
            let address = self.sender.device.address().clone();
            let taken = match payload.map(|payload| payload.control) {
                Ok(Some(Control::SenderKey(key))) => ReceivingChain::accept(&key, address).is_ok(),
                _ => false,
            };
            assert!(!taken, "{reason}");
            json!({ "reason": reason, "distribution": hex(&encoded) })
        });
        (handed.collect(), refused.into_iter().collect())
    }
}

/// The distribution of these bytes.
fn decoded(encoded: &[u8]) -> SenderKeyDistribution {
    let payload = Payload::decode(&pb_bytes(8, &pb_bytes(8, encoded))).unwrap();
    let Some(Control::SenderKey(distribution)) = payload.control else { panic!("a sender key") };
    *distribution
}

/// The encoded `Control`.
fn control(control: &Control) -> Vec<u8> {
    let payload = Payload {
        body: crate::crypto::SecretBytes::default(),
        seq: 0,
        last: None,
        seen: None,
        view: 0,
        control: Some(control.clone()),
        shards: Vec::new(),
    };
    let encoded = payload.encode(|length| length);
    // One field of bytes, of fewer than 2¹⁴.
    let start = if encoded[1] < 0x80 { 2 } else { 3 };
    encoded[start..].to_vec()
}

/// The word of SPEC.md, sections 8 and 14.5.
fn word(error: DecryptError) -> &'static str {
    match error {
        DecryptError::Unknown => "unknown",
        DecryptError::Duplicate => "duplicate",
        DecryptError::SenderRolledBack => "rolled-back",
        DecryptError::KeyGone => "key-gone",
        DecryptError::TooFarAhead => "too-far",
        DecryptError::OtherRoster => "other-roster",
        DecryptError::NotOpened => "not-opened",
    }
}
