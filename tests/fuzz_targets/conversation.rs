//! Two devices and a network that loses, repeats, reorders and damages, all as the input
//! says, with genuine keys.
//!
//! Each step is a byte and what belongs to it: its lowest bit says who, the rest what.

use std::collections::BTreeSet;
use std::time::Duration;

use subrosa::Timestamp;
use subrosa::session::{
    Content, DecryptError, Delivered, EncryptError, KEPT_TIME, MAX_SESSIONS, NumberReport,
};

use crate::input::Input;
use crate::side::{START, Side, save, text};

const MAX_STEPS: usize = 256;

/// No clock goes further: prekeys last 90 days, and none is replaced here.
const LAST_DAY: u64 = 80;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut conversation = Conversation::new();
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        conversation.step(&mut input);
    }
    conversation.end();
}

/// The steps, for whoever writes a list of them.
pub(crate) const SEND: u8 = 0;
pub(crate) const DELIVER: u8 = 1;
pub(crate) const REPEAT: u8 = 2;
pub(crate) const LOSE: u8 = 3;
pub(crate) const DAMAGE: u8 = 4;
pub(crate) const INITIATE: u8 = 5;
pub(crate) const WAIT: u8 = 6;
pub(crate) const RELOAD: u8 = 7;
pub(crate) const EXPIRE: u8 = 8;
pub(crate) const GIVE_UP: u8 = 9;
const STEPS: u8 = 10;

struct Letter {
    envelope: Vec<u8>,
    /// `None` for a control message.
    text: Option<Vec<u8>>,
    seq: u64,
}

struct Conversation {
    sides: [Side; 2],
    on_the_way: [Vec<Letter>; 2],
    arrived: [Vec<Vec<u8>>; 2],
    /// Numbers of what each side will never get.
    lost: [BTreeSet<u64>; 2],
    sent: [u64; 2],
    handshakes: usize,
}

impl Conversation {
    fn new() -> Self {
        Self {
            sides: [Side::new("one", START), Side::new("two", START + 1)],
            on_the_way: Default::default(),
            arrived: Default::default(),
            lost: Default::default(),
            sent: [0; 2],
            handshakes: 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let who = usize::from(kind & 1);
        match (kind >> 1) % STEPS {
            SEND => self.send(who, input.short()),
            DELIVER => {
                if let Some(place) = place(&self.on_the_way[who], input) {
                    self.deliver(who, place);
                }
            }
            REPEAT => {
                if let Some(place) = place(&self.arrived[who], input) {
                    self.repeat(who, place);
                }
            }
            LOSE => {
                if let Some(place) = place(&self.on_the_way[who], input) {
                    let letter = self.on_the_way[who].remove(place);
                    self.lost[who].insert(letter.seq);
                }
            }
            DAMAGE => {
                if let Some(place) = place(&self.on_the_way[who], input) {
                    self.damage(who, place, input.short(), input.byte());
                }
            }
            INITIATE => self.initiate(who, input.byte() & 1 == 0),
            WAIT => {
                let minutes = Duration::from_secs(60) * input.short().try_into().unwrap();
                let now = self.sides[who].now.after(minutes);
                let last = Timestamp::from_secs(START + LAST_DAY * 86_400);
                self.sides[who].now = now.min(last);
            }
            RELOAD => self.sides[who].reload(),
            EXPIRE => {
                if self.sides[who].peer.is_some() {
                    self.sides[who].expire();
                }
            }
            GIVE_UP.. => self.give_up(who),
        }
    }

    /// Initiates, unless a session would have to go for it.
    fn initiate(&mut self, by: usize, one_time: bool) {
        if self.handshakes < MAX_SESSIONS {
            let bundle = self.sides[1 - by].bundle(one_time);
            let them = self.sides[1 - by].address().user.clone();
            self.sides[by].initiate(&them, &bundle);
            self.handshakes += 1;
        }
    }

    fn send(&mut self, by: usize, len: usize) {
        if self.sides[by].peer.is_none() {
            self.initiate(by, true);
        }
        if self.sides[by].peer.is_none() {
            return;
        }
        let text = format!("{by} {} {}", self.sent[by] + 1, "x".repeat(len % 3000)).into_bytes();
        match self.sides[by].send(&text) {
            Ok(envelope) => {
                self.sent[by] += 1;
                let letter = Letter { envelope, text: Some(text), seq: self.sent[by] };
                self.on_the_way[1 - by].push(letter);
            }
            Err(EncryptError::NoSession | EncryptError::FirstChainExpired) => {
                self.initiate(by, true);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn give_up(&mut self, who: usize) {
        let side = &mut self.sides[who];
        let Some(peer) = &mut side.peer else { return };
        if let Some(id) = peer.sending_session(side.now).map(|session| session.id()) {
            let given_up = peer.give_up(id);
            save(&mut side.rows, peer, given_up);
        }
    }

    /// Whether nothing can be too old for this side yet.
    fn remembers_all(&self, who: usize) -> bool {
        self.sides[who].now.since(Timestamp::from_secs(START)) <= KEPT_TIME
    }

    fn deliver(&mut self, to: usize, place: usize) {
        let letter = self.on_the_way[to].remove(place);
        match self.sides[to].receive(&letter.envelope) {
            Ok(delivered) => self.delivered(to, letter, &delivered),
            Err(error) => {
                assert!(!self.remembers_all(to), "a genuine message was refused: {error}");
                assert!(is_as_saved(&self.sides[to]));
                self.lost[to].insert(letter.seq);
            }
        }
    }

    fn delivered(&mut self, to: usize, letter: Letter, delivered: &Delivered) {
        match &letter.text {
            Some(sent) => assert_eq!(text(delivered), sent),
            None => assert!(matches!(delivered.content, Content::Control(_))),
        }
        assert_eq!(delivered.seq, letter.seq);
        assert_eq!(delivered.view, self.sides[1 - to].view());
        assert!(!delivered.repeated && !delivered.peer_rolled_back);
        assert!(delivered.numbers.iter().all(|report| matches!(report, NumberReport::Gap { .. })));
        assert!(delivered.lost == 0 || !self.remembers_all(to));
        self.arrived[to].push(letter.envelope);
        if let Some(envelope) = self.sides[to].answer(delivered) {
            self.on_the_way[1 - to].push(Letter { envelope, text: None, seq: 0 });
        }
        if delivered.initiate_again {
            self.initiate(to, true);
        }
    }

    fn repeat(&mut self, to: usize, place: usize) {
        let error = self.sides[to].receive(&self.arrived[to][place]).unwrap_err();
        assert!(error == DecryptError::Duplicate || !self.remembers_all(to), "{error}");
        assert!(is_as_saved(&self.sides[to]));
    }

    /// A letter whose copy opens in spite of the damage counts as delivered.
    fn damage(&mut self, to: usize, place: usize, at: usize, by: u8) {
        let mut envelope = self.on_the_way[to][place].envelope.clone();
        let at = at % envelope.len();
        envelope[at] ^= by;
        match self.sides[to].receive(&envelope) {
            Ok(delivered) => {
                let letter = self.on_the_way[to].remove(place);
                self.delivered(to, letter, &delivered);
            }
            Err(_) => assert!(is_as_saved(&self.sides[to])),
        }
    }

    /// All that was not lost arrives, and what is missing then was lost.
    fn end(&mut self) {
        for to in [0, 1, 0, 1] {
            while !self.on_the_way[to].is_empty() {
                self.deliver(to, 0);
            }
        }
        for to in 0..2 {
            self.sides[to].reload();
            if let Some(peer) = &self.sides[to].peer {
                assert!(peer.gaps().flatten().all(|seq| self.lost[to].contains(&seq)));
            }
        }
    }
}

/// Whether nothing has changed since the last step that succeeded.
fn is_as_saved(side: &Side) -> bool {
    let row = |row| side.peer.as_ref()?.row(row);
    side.rows.iter().all(|(key, saved)| row(*key).as_deref() == Some(saved))
}

fn place<T>(letters: &[T], input: &mut Input<'_>) -> Option<usize> {
    usize::from(input.byte()).checked_rem(letters.len())
}
