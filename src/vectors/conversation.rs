//! Two parties who talk through `Peer`, and the model that makes every envelope again.

use serde_json::{Value, json};

use super::handshakes::{Made, Pair, model_of};
use super::model::{self, array, cat, pb_bytes, pb_fixed32, pb_fixed64, pb_varint};
use super::ratchet::SIDES;
use super::steps::{Epoch, Steps};
use super::{Draws, NOW, hex, with};
use crate::address::UserId;
use crate::handshake::{HandshakeError, Opening, ReplayRecord};
use crate::identity::View;
use crate::session::{
    Body, Content, DecryptError, Delivered, NumberReport, Numbers, Peer, Sent, Session,
};
use crate::timestamp::Timestamp;
use crate::wire::{Control, Envelope, Mark, MessageId};

const TIME: Timestamp = Timestamp::from_secs(NOW);

/// What is to be sent.
#[derive(Clone, Copy)]
pub(super) enum Say<'a> {
    /// A numbered message.
    Message(&'a [u8]),
    /// A message that is never sent again.
    Notice(&'a [u8]),
    /// A numbered message once more, by the envelope that carried it.
    Again(usize),
    /// A control message with this generation.
    Generation(u64),
}

/// An envelope that was sent, as the sender remembers it.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) envelope: Vec<u8>,
    pub(super) chain: usize,
    id: [u8; 16],
    content: Vec<u8>,
    seq: u64,
    last: Option<Mark>,
}

pub(super) struct Conversation {
    pair: Pair,
    pub(super) draws: Draws,
    made: Made,
    peers: [Option<Peer>; 2],
    views: [[u8; 8]; 2],
    /// The highest numbered message that each side has.
    seen: [Option<Mark>; 2],
    /// The newest chain of the other side's that each side has opened something of.
    opened: [Option<usize>; 2],
    pub(super) steps: Steps,
    pub(super) carried: Vec<Carried>,
    events: Vec<Value>,
}

impl Conversation {
    pub(super) fn new(seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let pair = Pair::new(true, &mut draws);
        let bundle = pair.bundle();
        let bundle = bundle.verify(&UserId::new(&pair.responder.user).unwrap(), TIME).unwrap();
        let prekeys = &bundle.devices()[0];
        let mut peer = Peer::new(prekeys.address().clone());
        let (us, list) = (&pair.initiator.device, pair.initiator.account.device_list());
        peer.initiate(us, list, prekeys, TIME, &mut draws).unwrap().saved();
        let made = model_of(&pair, NOW, &draws.take());
        let (own, theirs) = (list.hash(), bundle.device_list().hash());
        Self {
            views: [model::view(own, theirs), model::view(theirs, own)],
            steps: Steps::new(&made, pair.signed.x25519()),
            pair,
            draws,
            made,
            peers: [Some(peer), None],
            seen: [None; 2],
            opened: [None; 2],
            carried: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn epochs_mixed(&self, side: usize) -> u32 {
        let peer = self.peers[side].as_ref();
        peer.and_then(|peer| peer.sending_session(TIME)).map_or(0, Session::epochs_mixed)
    }

    /// A side makes an envelope; gives its number.
    pub(super) fn send(&mut self, side: usize, say: Say<'_>) -> usize {
        let first = self.peers[side].as_ref().unwrap().sending_session(TIME).unwrap();
        let first = !first.is_confirmed();
        let (id, content) = match say {
            Say::Message(content) | Say::Notice(content) => (self.draws.bytes(), content.to_vec()),
            Say::Again(number) => (self.carried[number].id, self.carried[number].content.clone()),
            Say::Generation(_) => ([0; 16], Vec::new()),
        };
        let body = match say {
            Say::Generation(generation) => Body::Control(Control::HighestGeneration(generation)),
            _ => Body::Content { id: MessageId::from_bytes(id), content: &content },
        };
        let numbers = match say {
            Say::Message(_) => Numbers::Next,
            Say::Notice(_) | Say::Generation(_) => Numbers::Unnumbered,
            Say::Again(number) => {
                let Carried { seq, last, .. } = self.carried[number];
                Numbers::Again { seq, last }
            }
        };
        let view = View(u64::from_le_bytes(self.views[side]));
        let peer = self.peers[side].as_mut().unwrap();
        let sent = peer.encrypt(body, numbers, view, TIME, &mut self.draws).unwrap().saved();
        let Sent { envelope, seq, last, .. } = sent;
        let (said, payload) = match say {
            Say::Generation(generation) => {
                let control = pb_bytes(8, &pb_varint(1, generation));
                let payload = self.payload(side, b"", seq, last, &control);
                (json!({ "highest_generation": generation }), payload)
            }
            _ => {
                let body = cat(&[&id, &content]);
                let payload = self.payload(side, &body, seq, last, b"");
                (json!({ "message_id": hex(id), "content": hex(&content) }), payload)
            }
        };
        let made = self.remake(side, first, &envelope, &payload);
        let seen = Mark::to_fields(self.seen[side]);
        let last_fields = Mark::to_fields(last);
        let numbers = json!({
            "event_text": "send",
            "side_text": SIDES[side],
            "envelope_number": self.carried.len(),
            "seq": seq,
            "last_seq": last_fields.0,
            "last_id": last_fields.1,
            "seen_seq": seen.0,
            "seen_id": seen.1,
            "envelope": hex(&envelope),
        });
        self.events.push(with(with(numbers, said), made));
        let chain = self.sending_chain(side);
        self.carried.push(Carried { envelope, chain, id, content, seq, last });
        self.carried.len() - 1
    }

    /// An encoded payload without shards.
    pub(super) fn payload(
        &self,
        side: usize,
        body: &[u8],
        seq: u64,
        last: Option<Mark>,
        control: &[u8],
    ) -> Vec<u8> {
        let (last_seq, last_id) = Mark::to_fields(last);
        let (seen_seq, seen_id) = Mark::to_fields(self.seen[side]);
        cat(&[
            &cat(&[&pb_bytes(1, body), &pb_varint(2, seq)]),
            &cat(&[&pb_varint(3, last_seq), &pb_fixed32(4, last_id)]),
            &cat(&[&pb_varint(5, seen_seq), &pb_fixed32(6, seen_id)]),
            &cat(&[&pb_fixed64(7, self.views[side]), control]),
        ])
    }

    /// The newest chain of this side.
    pub(super) fn sending_chain(&self, side: usize) -> usize {
        (0..self.steps.chains.len()).rev().find(|chain| chain % 2 == side).unwrap()
    }

    /// Makes an envelope again out of what was drawn for it.
    fn remake(&mut self, side: usize, first: bool, envelope: &[u8], payload: &[u8]) -> Value {
        let mut random = Vec::new();
        let mut drawn = self.draws.take().into_iter().peekable();
        let last = self.steps.chains.len().checked_sub(1);
        if last.map_or(side == 0, |last| last % 2 != side && self.opened[side] == Some(last)) {
            let private = drawn.next().unwrap();
            let head = Envelope::decode(envelope).unwrap().message().head;
            self.steps.begin(array(&private), &head);
            random.push(json!({ "what_text": "ratchet_private", "bytes": hex(private) }));
        }
        if let Some(seed) = drawn.next_if(|bytes| bytes.len() == 64) {
            random.push(json!({ "what_text": "mlkem_seed", "bytes": hex(&seed) }));
            self.steps.epochs.push(Epoch::new(seed));
        }
        if let Some(randomness) = drawn.next_if(|bytes| bytes.len() == 32) {
            random.push(
                json!({ "what_text": "encapsulation_randomness", "bytes": hex(&randomness) }),
            );
            self.steps.epochs.last_mut().unwrap().randomness = randomness;
        }
        let salt = drawn.next().unwrap();
        random.push(json!({ "what_text": "salt", "bytes": hex(&salt) }));
        assert!(drawn.next().is_none());

        let (length, epoch) = (payload.len(), self.epochs_mixed(side) + 1);
        let (padded_length, count) = (model::padded_length(length), model::shards_that_fit(length));
        let chain = self.sending_chain(side);
        let number = self.steps.chains[chain].sent;
        let candidates = [self.steps.shards(side, epoch, count), Vec::new()];
        // A side that has nothing to send, or was heard, sends no shards.
        let (shards, padded) = candidates
            .into_iter()
            .find_map(|shards| {
                let padded = model::pad(&cat(&[payload, &pb_bytes(9, &shards)]), padded_length);
                let message = self.steps.seal(chain, number, array(&salt), &padded);
                let remade = if first {
                    let both = cat(&[&pb_bytes(1, &self.made.handshake), &pb_bytes(2, &message)]);
                    pb_bytes(2, &both)
                } else {
                    pb_bytes(1, &message)
                };
                (remade == envelope).then_some((shards, padded))
            })
            .expect("the envelope that SPEC.md says");
        if !shards.is_empty() {
            self.steps.sent_shards(side, epoch, count);
        }
        let step = &mut self.steps.chains[chain];
        step.sent += 1;
        json!({
            "random": random,
            "chain": chain,
            "number": number,
            "previous_length": step.previous_length,
            "pq_epoch": step.pq_epoch,
            "shards": hex(shards),
            "padded_payload": hex(padded),
        })
    }

    /// An envelope that no side made by the rules; gives its number.
    pub(super) fn forge(&mut self, what: &str, chain: usize, envelope: Vec<u8>) -> usize {
        self.events.push(json!({
            "event_text": "forge",
            "what_text": what,
            "envelope_number": self.carried.len(),
            "envelope": hex(&envelope),
        }));
        let (id, content) = ([0; 16], Vec::new());
        self.carried.push(Carried { envelope, chain, id, content, seq: 0, last: None });
        self.carried.len() - 1
    }

    /// A side receives an envelope, with this outcome.
    pub(super) fn receive(&mut self, side: usize, number: usize, outcome: &str) {
        let Carried { envelope, chain, .. } = self.carried[number].clone();
        let envelope = Envelope::decode(&envelope).unwrap();
        let result = self.decrypt(side, &envelope);
        let (word, more) = match result {
            Err(error) => (word(error), json!({})),
            Ok(delivered) => {
                self.opened[side] = self.opened[side].max(Some(chain));
                self.note_seen(side, &delivered);
                outcome_of(&delivered)
            }
        };
        assert_eq!(word, outcome, "envelope {number}: {more}");
        let event = json!({
            "event_text": "receive",
            "side_text": SIDES[side],
            "envelope_number": number,
            "outcome_text": outcome,
            "epochs_mixed": self.epochs_mixed(side),
        });
        self.events.push(with(event, more));
    }

    fn note_seen(&mut self, side: usize, delivered: &Delivered) {
        let Delivered { seq, repeated, numbers, .. } = delivered;
        let far = numbers.contains(&NumberReport::FarAhead);
        if let Content::Message { id, .. } = &delivered.content
            && !repeated
            && !far
            && self.seen[side].map_or(0, |seen| seen.seq) < *seq
        {
            self.seen[side] = Some(Mark { seq: *seq, id: id.short() });
        }
    }

    fn decrypt(&mut self, side: usize, envelope: &Envelope) -> Result<Delivered, DecryptError> {
        if let Some(peer) = &mut self.peers[side] {
            return peer.decrypt(envelope, TIME).map(|delivered| delivered.saved());
        }
        let Envelope::FirstMessage { handshake, message } = envelope else {
            return Err(DecryptError::Unknown);
        };
        let Pair { responder, signed, one_time, .. } = &self.pair;
        let key = responder.account.key();
        let one_time = one_time.as_ref().map(|prekey| &prekey.secret);
        let responded = Opening::receive(&responder.device, &key, handshake)?.respond(
            &signed.secret,
            one_time,
            &ReplayRecord::new(),
        )?;
        let accepted = Session::accept(responded, message, TIME)?;
        let mut peer = Peer::new(accepted.sender().clone());
        let delivered = peer.admit(accepted, &mut ReplayRecord::new(), TIME)?.saved();
        self.peers[side] = Some(peer);
        Ok(delivered)
    }

    pub(super) fn into_json(self) -> Value {
        let mixed = self.epochs_mixed(0);
        assert_eq!(self.epochs_mixed(1), mixed);
        json!({
            "handshake": self.made.json("the handshake of the conversation"),
            "view_of_initiator": hex(self.views[0]),
            "view_of_responder": hex(self.views[1]),
            "events": self.events,
            "steps": self.steps.steps_json(),
            "epochs": self.steps.epochs_json(mixed),
        })
    }
}

/// The word of SPEC.md, section 8.
fn word(error: DecryptError) -> &'static str {
    match error {
        DecryptError::Decode(_) => "malformed",
        DecryptError::Unknown => "unknown",
        DecryptError::Duplicate => "duplicate",
        DecryptError::PeerRolledBack => "rolled-back",
        DecryptError::KeyGone => "key-gone",
        DecryptError::TooFarAhead => "too-far",
        DecryptError::NotOpened => "not-opened",
        DecryptError::Handshake(HandshakeError::Decode(_)) => "malformed",
        DecryptError::Handshake(_) => "refused",
    }
}

fn outcome_of(delivered: &Delivered) -> (&'static str, Value) {
    let Delivered { content, repeated, numbers, lost, peer_rolled_back, .. } = delivered;
    let (word, said) = match content {
        Content::Message { plaintext, .. } => {
            ("opened", json!({ "content": hex(plaintext.as_bytes()), "repeated": repeated }))
        }
        Content::Control(_) => ("opened", json!({})),
        Content::Malformed(_) => ("malformed", json!({})),
    };
    assert!(!peer_rolled_back, "no step of a peer that was rolled back is among the events");
    let reports = numbers.iter().map(|report| match report {
        NumberReport::Gap { first, last } => format!("gap:{first}-{last}"),
        NumberReport::GivenUp { first, last } => format!("given-up:{first}-{last}"),
        NumberReport::FarBehind => "far-behind".to_owned(),
        NumberReport::FarAhead => "far-ahead".to_owned(),
        NumberReport::PeerRolledBack => "peer-rolled-back".to_owned(),
        NumberReport::RolledBack => "rolled-back".to_owned(),
    });
    (word, with(said, json!({ "lost": lost, "reports": reports.collect::<Value>() })))
}
