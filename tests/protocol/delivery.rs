//! Promise 6 of the specification: every delivered message opens exactly once, whatever
//! the network does, and what did not arrive is known.

use std::collections::BTreeSet;

use proptest::prelude::*;
use subrosa::Timestamp;
use subrosa::session::{
    Content, DecryptError, EncryptError, KEPT_MESSAGES, MAX_CONTENT_LEN, MAX_KEPT_A_JUMP,
    MAX_PASSED_OVER, PeerRow,
};

use crate::protobuf::{Value, edit};
use crate::side::{Side, load, pair, text};

/// What happens next in a conversation. Numbers pick one of what is there.
#[derive(Debug, Clone)]
enum Event {
    Send { by: usize, len: usize },
    Deliver { to: usize, pick: usize },
    Repeat { to: usize, pick: usize },
    Lose { to: usize, pick: usize },
    Damage { to: usize, pick: usize, at: usize },
    Initiate { by: usize, one_time: bool },
    Reload { who: usize },
    Wait { minutes: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let (who, pick) = (0..2_usize, 0..1000_usize);
    prop_oneof![
        8 => (who.clone(), 0..400_usize).prop_map(|(by, len)| Event::Send { by, len }),
        8 => (who.clone(), pick.clone()).prop_map(|(to, pick)| Event::Deliver { to, pick }),
        1 => (who.clone(), pick.clone()).prop_map(|(to, pick)| Event::Repeat { to, pick }),
        2 => (who.clone(), pick.clone()).prop_map(|(to, pick)| Event::Lose { to, pick }),
        1 => (who.clone(), pick, 0..5000_usize)
            .prop_map(|(to, pick, at)| Event::Damage { to, pick, at }),
        1 => (who.clone(), any::<bool>()).prop_map(|(by, one_time)| Event::Initiate { by, one_time }),
        2 => who.prop_map(|who| Event::Reload { who }),
        1 => (0..3000_u64).prop_map(|minutes| Event::Wait { minutes }),
    ]
}

/// An envelope on the way.
#[derive(Debug, Clone)]
struct Letter {
    envelope: Vec<u8>,
    /// `None` for a control message.
    text: Option<Vec<u8>>,
    seq: u64,
}

/// Two sides and the network between them.
struct Conversation {
    sides: [Side; 2],
    on_the_way: [Vec<Letter>; 2],
    arrived: [Vec<Letter>; 2],
    /// Numbers of what each side will never get.
    lost: [BTreeSet<u64>; 2],
    sent: [u64; 2],
    handshakes: usize,
}

impl Conversation {
    fn new(seed: u64) -> Self {
        Self {
            sides: [Side::new("one", seed), Side::new("two", seed + 1)],
            on_the_way: Default::default(),
            arrived: Default::default(),
            lost: Default::default(),
            sent: [0; 2],
            handshakes: 0,
        }
    }

    fn initiate(&mut self, by: usize, one_time: bool) {
        let bundle = self.sides[1 - by].bundle(one_time);
        let them = self.sides[1 - by].address().user.clone();
        self.sides[by].initiate(&them, &bundle);
        self.handshakes += 1;
    }

    fn send(&mut self, by: usize, len: usize) {
        let side = &self.sides[by];
        if side.peer.as_ref().is_none_or(|peer| peer.sending_session(side.now).is_none()) {
            self.initiate(by, true);
        }
        self.sent[by] += 1;
        let text = format!("{by} {} {}", self.sent[by], "x".repeat(len)).into_bytes();
        let envelope = self.sides[by].send(&text).unwrap();
        let letter = Letter { envelope, text: Some(text), seq: self.sent[by] };
        self.on_the_way[1 - by].push(letter);
    }

    /// The letter must open, as what was sent, for the first time.
    fn deliver(&mut self, to: usize, place: usize) {
        let letter = self.on_the_way[to].remove(place);
        let delivered = self.sides[to].receive(&letter.envelope).unwrap();
        match &letter.text {
            Some(sent) => assert_eq!(text(&delivered), sent),
            None => assert!(matches!(delivered.content, Content::Control(_))),
        }
        assert!(!delivered.repeated && !delivered.peer_rolled_back);
        assert_eq!((delivered.seq, delivered.lost), (letter.seq, 0));
        assert_eq!(delivered.view, self.sides[1 - to].view());
        if let Some(envelope) = self.sides[to].answer(&delivered) {
            self.on_the_way[1 - to].push(Letter { envelope, text: None, seq: 0 });
        }
        self.arrived[to].push(letter);
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Send { by, len } => self.send(by, len),
            Event::Deliver { to, pick } => {
                if let Some(place) = pick.checked_rem(self.on_the_way[to].len()) {
                    self.deliver(to, place);
                }
            }
            Event::Repeat { to, pick } => {
                if let Some(place) = pick.checked_rem(self.arrived[to].len()) {
                    let envelope = self.arrived[to][place].envelope.clone();
                    self.refused(to, &envelope, DecryptError::Duplicate);
                }
            }
            Event::Lose { to, pick } => {
                if let Some(place) = pick.checked_rem(self.on_the_way[to].len()) {
                    let letter = self.on_the_way[to].remove(place);
                    self.lost[to].extend(Some(letter.seq).filter(|seq| *seq != 0));
                }
            }
            Event::Damage { to, pick, at } => {
                if let Some(place) = pick.checked_rem(self.on_the_way[to].len()) {
                    let mut envelope = self.on_the_way[to][place].envelope.clone();
                    let at = at % envelope.len();
                    envelope[at] ^= 1;
                    let before = self.sides[to].state();
                    // A damaged protobuf tag can make a field an unknown one.
                    if self.sides[to].receive(&envelope).is_err() {
                        assert!(self.sides[to].state() == before);
                    }
                }
            }
            Event::Initiate { by, one_time } if self.handshakes < 6 => self.initiate(by, one_time),
            Event::Initiate { .. } => {}
            Event::Reload { who } => self.sides[who].reload(),
            Event::Wait { minutes } => {
                for side in &mut self.sides {
                    side.now = Timestamp::from_secs(side.now.as_secs() + 60 * minutes);
                }
            }
        }
    }

    fn refused(&mut self, to: usize, envelope: &[u8], error: DecryptError) {
        let before = self.sides[to].state();
        assert_eq!(self.sides[to].receive(envelope).unwrap_err(), error);
        assert!(self.sides[to].state() == before, "a refused message changed the state");
    }

    /// Brings everything to the end: all that is not lost arrives, and a few turns.
    fn settle(&mut self) {
        for _ in 0..4 {
            for to in 0..2 {
                while !self.on_the_way[to].is_empty() {
                    let last = self.on_the_way[to].len() - 1;
                    self.deliver(to, last);
                }
                self.send(to, 3);
            }
        }
        for to in [0, 1, 0] {
            while !self.on_the_way[to].is_empty() {
                self.deliver(to, 0);
            }
            self.sides[to].reload();
        }
        for to in 0..2 {
            let peer = self.sides[to].peer();
            let gaps: BTreeSet<u64> = peer.gaps().flatten().collect();
            assert_eq!(gaps, self.lost[to], "the gaps are what was lost");
        }
        let [one, two] = &self.sides;
        let [one, two] = [one, two].map(|side| side.peer().sending_session(side.now).unwrap());
        assert_eq!(one.id(), two.id(), "both send in the same session");
        assert_eq!(one.epochs_mixed(), two.epochs_mixed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Also: a repeated envelope is a duplicate and changes nothing, a damaged one
    /// changes nothing, every row that a step changes is named by it, and what is
    /// missing at the end is just what was lost.
    #[test]
    fn every_delivered_message_opens_exactly_once(
        seed in 0..1_000_000_u64,
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut conversation = Conversation::new(seed);
        events.iter().for_each(|event| conversation.happen(event));
        conversation.settle();
    }

    #[test]
    fn a_burst_arrives_in_any_order(
        seed in 0..1_000_000_u64,
        order in Just((0..60_usize).collect::<Vec<_>>()).prop_shuffle(),
        kept in 1..60_usize,
    ) {
        let mut conversation = Conversation::new(seed);
        (0..60).for_each(|_| conversation.send(0, 20));
        let letters = std::mem::take(&mut conversation.on_the_way[1]);
        for place in &order[..kept] {
            conversation.on_the_way[1].push(letters[*place].clone());
        }
        conversation.lost[1].extend(order[kept..].iter().map(|place| letters[*place].seq));
        conversation.settle();
    }
}

#[test]
fn two_sides_that_alternate_pass_post_quantum_epochs_and_agree() {
    let (mut initiator, mut responder) = pair(1);
    let mut turns = 0;
    while responder.peer().sessions()[0].epochs_mixed() < 5 {
        turns += 1;
        assert!(turns < 200, "five epochs take some 200 messages");
        let envelope = initiator.send(b"ping").unwrap();
        assert_eq!(text(&responder.receive(&envelope).unwrap()), b"ping");
        responder.reload();
        let envelope = responder.send(b"pong").unwrap();
        assert_eq!(text(&initiator.receive(&envelope).unwrap()), b"pong");
        initiator.reload();
        let epochs = [&initiator, &responder].map(|side| side.peer().sessions()[0].epochs_mixed());
        assert_eq!(epochs[0], epochs[1]);
    }
}

#[test]
fn a_jump_keeps_the_last_thousand_keys_and_reports_the_rest_lost() {
    let (mut initiator, mut responder) = pair(2);
    let count = 1500;
    let mut envelopes: Vec<_> =
        (0..count).map(|n: u32| initiator.send(&n.to_be_bytes()).unwrap()).collect();
    let last = envelopes.pop().unwrap();
    let delivered = responder.receive(&last).unwrap();
    assert_eq!(delivered.lost, count - 1 - MAX_KEPT_A_JUMP);
    responder.reload();
    let first_kept = usize::try_from(delivered.lost).unwrap();
    for envelope in &envelopes[..first_kept] {
        assert_eq!(responder.receive(envelope).unwrap_err(), DecryptError::KeyGone);
    }
    for (number, envelope) in envelopes.iter().enumerate().skip(first_kept) {
        let delivered = responder.receive(envelope).unwrap();
        assert_eq!(text(&delivered), u32::try_from(number).unwrap().to_be_bytes());
    }
}

#[test]
fn more_than_25_000_numbers_ahead_is_refused_and_changes_nothing() {
    let (mut initiator, mut responder) = pair(3);
    let passed = usize::try_from(MAX_PASSED_OVER).unwrap();
    let mut envelopes = Vec::new();
    for _ in 0..passed + 3 {
        envelopes.push(initiator.send(b"").unwrap());
    }
    let before = responder.state();
    // The first message of the chain is among those passed over.
    let error = responder.receive(&envelopes[passed + 2]).unwrap_err();
    assert_eq!(error, DecryptError::TooFarAhead);
    assert!(responder.state() == before);
    responder.receive(&envelopes[passed]).unwrap();
    responder.receive(&envelopes[passed + 2]).unwrap();
}

#[test]
fn skipped_keys_go_after_a_thousand_messages_or_thirty_days() {
    let (mut initiator, mut responder) = pair(4);
    let late = initiator.send(b"late").unwrap();
    let later = initiator.send(b"later").unwrap();
    let in_time = initiator.send(b"in time").unwrap();
    for _ in 0..KEPT_MESSAGES {
        let envelope = initiator.send(b"").unwrap();
        responder.receive(&envelope).unwrap();
    }
    assert_eq!(text(&responder.receive(&in_time).unwrap()), b"in time");
    let envelope = initiator.send(b"").unwrap();
    responder.receive(&envelope).unwrap();
    responder.reload();
    assert_eq!(responder.receive(&late).unwrap_err(), DecryptError::KeyGone);
    assert_eq!(responder.receive(&later).unwrap_err(), DecryptError::KeyGone);

    let kept = initiator.send(b"kept").unwrap();
    let envelope = initiator.send(b"").unwrap();
    responder.receive(&envelope).unwrap();
    responder.now = Timestamp::from_secs(responder.now.as_secs() + 30 * 86_400 + 1);
    responder.expire();
    responder.reload();
    assert_eq!(responder.receive(&kept).unwrap_err(), DecryptError::KeyGone);
}

#[test]
fn at_most_2_000_skipped_keys_are_kept_oldest_first_out() {
    let (mut initiator, mut responder) = pair(5);
    let (mut envelopes, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let jump: Vec<_> = (0..MAX_KEPT_A_JUMP).map(|_| initiator.send(b"").unwrap()).collect();
        envelopes.push(jump);
        let last = initiator.send(b"").unwrap();
        lost.push(responder.receive(&last).unwrap().lost);
    }
    assert_eq!(lost, [0, 0, MAX_KEPT_A_JUMP], "what goes is reported");
    responder.reload();
    assert_eq!(responder.receive(&envelopes[0][999]).unwrap_err(), DecryptError::KeyGone);
    responder.receive(&envelopes[1][0]).unwrap();
    responder.receive(&envelopes[2][999]).unwrap();
}

#[test]
fn a_device_restored_with_a_slow_clock_is_told_the_generation_and_takes_over() {
    let (mut initiator, mut responder) = pair(6);
    // It lost everything but its identity, and its clock is a day behind.
    let mut restored = Side::new("alice", 6);
    restored.now = Timestamp::from_secs(restored.now.as_secs() - 86_400);
    let them = responder.address().user.clone();
    let bundle = responder.bundle(true);
    restored.initiate(&them, &bundle);
    let envelope = restored.send(b"I am back").unwrap();
    let delivered = responder.receive(&envelope).unwrap();
    assert_eq!(text(&delivered), b"I am back");
    // What the responder sends otherwise goes into the session that is lost.
    let lost = responder.send(b"into the void").unwrap();
    assert_eq!(restored.receive(&lost).unwrap_err(), DecryptError::Unknown);
    let answer = responder.answer(&delivered).unwrap();
    assert!(restored.receive(&answer).unwrap().initiate_again);
    let bundle = responder.bundle(true);
    restored.initiate(&them, &bundle);
    let envelope = restored.send(b"and now for good").unwrap();
    assert_eq!(text(&responder.receive(&envelope).unwrap()), b"and now for good");
    let envelope = responder.send(b"welcome").unwrap();
    assert_eq!(text(&restored.receive(&envelope).unwrap()), b"welcome");
    // The old copy still lives somewhere: what it sends opens, in its own session.
    let envelope = initiator.send(b"from the old device").unwrap();
    responder.receive(&envelope).unwrap();
}

#[test]
fn a_chain_ends_before_2_to_the_24_and_goes_on_when_the_peer_has_answered() {
    let (mut initiator, mut responder) = pair(7);
    let envelope = initiator.send(b"a chain has begun").unwrap();
    responder.receive(&envelope).unwrap();
    // As if the chain had come this far: its number is in the session's record.
    let row = PeerRow::Session(initiator.peer().sessions()[0].id());
    let session = edit(&initiator.rows[&row], &[10, 7], |chain| {
        *chain.find(2) = Value::Varint((1 << 24) - 2);
    });
    initiator.rows.insert(row, session);
    initiator.peer = Some(load(&initiator.rows));
    initiator.send(b"the last one").unwrap();
    let before = initiator.state();
    assert_eq!(initiator.send(b"one too many").unwrap_err(), EncryptError::ChainFull);
    assert!(initiator.state() == before);
    let envelope = responder.send(b"answer").unwrap();
    initiator.receive(&envelope).unwrap();
    initiator.send(b"in a new chain").unwrap();
}

#[test]
fn content_of_64_kib_passes_and_one_byte_more_is_refused() {
    let (mut initiator, mut responder) = pair(8);
    let content = vec![7; 65_536];
    let envelope = initiator.send(&content).unwrap();
    assert_eq!(text(&responder.receive(&envelope).unwrap()), content);
    let error = initiator.send(&[content.as_slice(), &[0]].concat()).unwrap_err();
    assert_eq!(error, EncryptError::TooLong { limit: MAX_CONTENT_LEN });
}
