//! Rows that are looked up when they are needed: loading costs the same whatever the
//! history, nothing is forgotten by it, and what is forgotten is gone from the disk.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use subrosa::Timestamp;
use subrosa::handshake::HandshakeId;
use subrosa::identity::View;
use subrosa::session::{
    Body, DecryptError, Delivered, EncryptError, KEPT_MESSAGES, NUMBERS_REMEMBERED, NumberReport,
    Numbers, Peer, PeerRow, RowKey, Session, TagTable, Unsaved,
};
use subrosa::wire::{Envelope, MessageId};

use crate::side::{START, Side, pair};

/// A peer on a disk that it looks rows up on, as an app with many of them would keep it.
struct Stored {
    peer: Peer,
    disk: Arc<Mutex<BTreeMap<PeerRow, Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
    /// Of the tags that were expected when it was first loaded, and what steps changed.
    tags: RefCell<TagTable<()>>,
    side: Side,
}

impl Stored {
    /// Takes over what a side has, and loads it.
    fn new(side: Side) -> Self {
        let disk = Arc::new(Mutex::new(side.rows.clone()));
        let peer = Peer::new(side.peer().address().clone());
        let tags = RefCell::new(TagTable::new());
        let mut stored = Self { peer, disk, asked: Arc::default(), tags, side };
        stored.reload();
        for session in stored.peer.sessions() {
            stored.tags.borrow_mut().extend(&(), session.expected_tags());
        }
        stored
    }

    /// Gives how many rows were asked for.
    fn reload(&mut self) -> usize {
        let record = self.disk.lock().unwrap()[&PeerRow::Peer].clone();
        let (disk, asked) = (Arc::clone(&self.disk), Arc::clone(&self.asked));
        self.asked.store(0, Ordering::Relaxed);
        let rows = move |row: PeerRow| {
            asked.fetch_add(1, Ordering::Relaxed);
            disk.lock().unwrap().get(&row).map(|bytes| bytes.clone().into())
        };
        let loaded = Peer::from_record(&record, rows).unwrap();
        assert_eq!(loaded.damaged, []);
        self.peer = loaded.peer;
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn view(&self) -> View {
        self.side.view()
    }

    fn save<T>(&self, step: Unsaved<T, PeerRow>) -> T {
        self.tags.borrow_mut().apply(&(), step.tags());
        for row in step.rows() {
            let bytes = self.peer.row(*row);
            let mut disk = self.disk.lock().unwrap();
            match bytes {
                Some(bytes) => disk.insert(*row, bytes.to_vec()),
                None => disk.remove(row),
            };
        }
        step.saved()
    }

    fn send(&mut self) -> Vec<u8> {
        let id = MessageId::generate(&mut self.side.rng);
        self.send_as(id, Numbers::Next)
    }

    fn send_as(&mut self, id: MessageId, numbers: Numbers) -> Vec<u8> {
        self.try_send_as(id, numbers).unwrap()
    }

    fn try_send_as(&mut self, id: MessageId, numbers: Numbers) -> Result<Vec<u8>, EncryptError> {
        let (body, view) = (Body::Content { id, content: b"text" }, self.view());
        let sent = self.peer.encrypt(body, numbers, view, self.side.now, &mut self.side.rng);
        Ok(self.save(sent?).envelope)
    }

    fn receive(&mut self, envelope: &[u8]) -> Result<Delivered, DecryptError> {
        let delivered = self.peer.decrypt(&Envelope::decode(envelope)?, self.side.now)?;
        Ok(self.save(delivered))
    }

    fn expire(&mut self) {
        let expired = self.peer.expire(self.side.now);
        self.save(expired);
    }

    /// What the steps said of tags is what the sessions expect, as if they were loaded now.
    fn check_tags(&self) {
        let sessions = self.peer.sessions().iter();
        let expected: BTreeSet<_> = sessions.flat_map(Session::expected_tags).collect();
        let tags = self.tags.borrow();
        assert!(expected.iter().all(|tag| tags.owners(*tag) == [()]));
        assert_eq!(tags.len(), expected.len(), "tags of nobody");
    }

    /// What is on disk of a session is what it says may be there; all else that is there
    /// is of the peer or in a window of numbers.
    fn check_disk(&self) {
        let mut known: BTreeSet<PeerRow> = BTreeSet::from([PeerRow::Peer]);
        for session in self.peer.sessions() {
            known.insert(PeerRow::Session(session.id()));
            known.extend(session.row_keys().map(|row| PeerRow::Beside(session.id(), row)));
        }
        let disk = self.disk.lock().unwrap().clone();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for (row, bytes) in &disk {
            assert!(self.peer.row(*row).as_deref() == Some(bytes), "{row:?} is not the newest");
            match row {
                PeerRow::Sent(seq) => sent.push(*seq),
                PeerRow::Received(seq) => received.push(*seq),
                row => assert!(known.contains(row), "{row:?} was left behind"),
            }
        }
        for row in known {
            assert_eq!(disk.contains_key(&row), self.peer.row(row).is_some(), "{row:?}");
        }
        for numbers in [sent, received] {
            let (first, last) = (numbers.first(), numbers.last());
            let width = last.zip(first).map_or(0, |(last, first)| last - first);
            assert!(width < NUMBERS_REMEMBERED, "a number below the window was left behind");
        }
    }

    fn count(&self, of: impl Fn(&RowKey) -> bool) -> usize {
        let is_one = |row: &PeerRow| matches!(row, PeerRow::Beside(_, key) if of(key));
        self.disk.lock().unwrap().keys().filter(|row| is_one(row)).count()
    }
}

/// A pair with so many messages behind it in turns, and the envelopes to the second.
fn history(turns: usize) -> (Stored, Stored, Vec<Vec<u8>>) {
    let (one, other) = pair(40);
    let (mut one, mut other) = (Stored::new(one), Stored::new(other));
    let mut envelopes = Vec::new();
    for _ in 0..turns {
        let envelope = one.send();
        other.receive(&envelope).unwrap();
        envelopes.push(envelope);
        let envelope = other.send();
        one.receive(&envelope).unwrap();
    }
    (one, other, envelopes)
}

#[test]
fn a_peer_with_a_full_history_loads_from_a_handful_of_rows_and_reads_few_a_message() {
    let (mut one, mut other, envelopes) = history(1100);
    let rows = other.disk.lock().unwrap().len();
    assert!(rows > 4 * 1000, "used tags twice, numbers each way: {rows}");
    // Beside the session there are the shards of the key that is being collected.
    let shards = other.count(|row| matches!(row, RowKey::Shards(_)));
    let answers = other.count(|row| matches!(row, RowKey::Answer));
    let asked = other.reload();
    assert_eq!(asked, 1 + shards + answers);
    assert!(asked <= 12, "{asked}");

    let steady: Vec<_> = (0..20)
        .map(|_| {
            let envelope = one.send();
            other.receive(&envelope).unwrap();
            other.asked.swap(0, Ordering::Relaxed)
        })
        .collect();
    assert!(steady.iter().all(|asked| *asked <= 8), "{steady:?}");
    other.send();
    assert_eq!(other.asked.swap(0, Ordering::Relaxed), 0);

    // The last thousand are known, those before are not.
    other.reload();
    let is_known = |envelope: &Vec<u8>, other: &mut Stored| {
        let error = other.receive(envelope).unwrap_err();
        assert!(matches!(error, DecryptError::Duplicate | DecryptError::Unknown), "{error}");
        error == DecryptError::Duplicate
    };
    let known = envelopes.iter().rev().take_while(|envelope| is_known(envelope, &mut other));
    assert_eq!(known.count(), usize::try_from(KEPT_MESSAGES).unwrap() - steady.len());
    other.check_disk();
    one.check_disk();
    let used = other.count(|row| matches!(row, RowKey::Used(_)));
    let by_tag = other.count(|row| matches!(row, RowKey::UsedBy(_)));
    assert!(used == 1000 && by_tag > used && by_tag <= 2 * used, "{used} and {by_tag}");
}

#[test]
fn a_peer_that_was_rolled_back_is_noticed_by_rows_that_were_not_loaded() {
    let (mut one, mut other, _) = history(3);
    let backup = one.disk.lock().unwrap().clone();
    let envelope = one.send();
    other.receive(&envelope).unwrap();
    // The number is used again, under another salt.
    *one.disk.lock().unwrap() = backup.clone();
    one.reload();
    other.reload();
    let again = one.send();
    assert_eq!(other.receive(&again).unwrap_err(), DecryptError::PeerRolledBack);
    assert_eq!(other.receive(&envelope).unwrap_err(), DecryptError::Duplicate);
    // Behind the end of a chain that was closed.
    let (mut one, mut other, _) = history(3);
    let envelope = one.send();
    other.receive(&envelope).unwrap();
    let backup = one.disk.lock().unwrap().clone();
    for _ in 0..2 {
        let envelope = other.send();
        one.receive(&envelope).unwrap();
        let envelope = one.send();
        other.receive(&envelope).unwrap();
    }
    *one.disk.lock().unwrap() = backup;
    one.reload();
    other.reload();
    let behind = one.send();
    assert_eq!(other.receive(&behind).unwrap_err(), DecryptError::PeerRolledBack);
}

#[test]
fn numbers_are_remembered_by_rows_that_were_not_loaded() {
    let (mut one, mut other, _) = history(5);
    one.send();
    let id = MessageId::from_bytes([7; 16]);
    let unnumbered =
        |one: &mut Stored| one.send_as(MessageId::from_bytes([1; 16]), Numbers::Unnumbered);
    let envelope = one.send_as(id, Numbers::Next);
    let seq = other.receive(&envelope).unwrap().seq;
    other.reload();
    one.reload();
    // The same message once more: repeated. Another under its number: rolled back.
    let again = one.send_as(id, Numbers::Again { seq, last: None });
    assert!(other.receive(&again).unwrap().repeated);
    let another = MessageId::from_bytes([8; 16]);
    let other_id = one.send_as(another, Numbers::Again { seq, last: None });
    assert_eq!(other.receive(&other_id).unwrap().numbers, [NumberReport::PeerRolledBack]);
    other.reload();
    let again = one.send_as(another, Numbers::Again { seq, last: None });
    assert!(other.receive(&again).unwrap().repeated, "both ids are remembered");
    // What the other side has seen of ours is known to have been sent.
    let envelope = other.send();
    one.reload();
    assert_eq!(one.receive(&envelope).unwrap().numbers, []);
    assert_eq!(other.peer.gaps().collect::<Vec<_>>(), [seq - 1..=seq - 1]);
    for _ in 0..NUMBERS_REMEMBERED {
        other.reload();
        let envelope = one.send();
        other.receive(&envelope).unwrap();
    }
    let envelope = unnumbered(&mut one);
    other.receive(&envelope).unwrap();
    other.reload();
    let again = one.send_as(id, Numbers::Again { seq, last: None });
    assert!(other.receive(&again).unwrap().repeated, "too old, and not missing");
    other.check_disk();
    one.check_disk();
    let on_disk =
        other.disk.lock().unwrap().keys().filter(|row| matches!(row, PeerRow::Received(_))).count();
    assert_eq!(on_disk, 1000);
}

#[test]
fn a_gap_that_is_closed_is_not_asked_for() {
    let (mut one, mut other, _) = history(1);
    let lost: Vec<_> = (0..5).map(|_| one.send()).collect();
    let envelope = one.send();
    other.receive(&envelope).unwrap();
    let gaps = |other: &Stored| {
        other.peer.gaps().map(|gap| (*gap.start(), *gap.end())).collect::<Vec<_>>()
    };
    let [(first, last)] = gaps(&other)[..] else { panic!("one gap") };
    assert_eq!(last - first, 4);
    let closed = other.peer.close_gap(first + 1..=first + 2);
    assert_eq!(other.save(closed), []);
    other.reload();
    assert_eq!(gaps(&other), [(first, first), (first + 3, last)]);
    // It comes all the same.
    assert!(!other.receive(&lost[1]).unwrap().repeated);
    let closed = other.peer.close_gap(0..=u64::MAX);
    assert_eq!(other.save(closed), []);
    assert_eq!(gaps(&other), []);
}

#[test]
fn used_tags_kept_under_a_clock_that_was_ahead_go_with_those_after_them() {
    let (one, other) = pair(41);
    let (mut one, mut other) = (Stored::new(one), Stored::new(other));
    let mut receive = |other: &mut Stored, count: usize, at: u64| {
        other.side.now = Timestamp::from_secs(at);
        for _ in 0..count {
            let envelope = one.send();
            other.receive(&envelope).unwrap();
        }
    };
    let (ahead, day) = (START + 10 * 365 * 86_400, 86_400);
    receive(&mut other, 50, ahead);
    receive(&mut other, 3, START + 60);
    let used = |other: &Stored| other.count(|row| matches!(row, RowKey::Used(_)));
    let all = used(&other);
    other.reload();
    other.side.now = Timestamp::from_secs(START + 60 + 30 * day);
    other.expire();
    assert_eq!(used(&other), all);
    other.reload();
    other.side.now = Timestamp::from_secs(START + 31 * day);
    other.expire();
    assert_eq!(used(&other), 0);
    other.check_disk();
    // Without the daily call they go message by message, a few at a time.
    receive(&mut other, 40, START + 31 * day);
    other.reload();
    receive(&mut other, 1, START + 62 * day);
    assert_eq!(used(&other), 40 + 1 - 4);
    other.check_disk();
    // Those from the future as well, once the first is found that is not.
    receive(&mut other, 10, START + 30 * 365 * day);
    receive(&mut other, 1, START + 62 * day);
    other.reload();
    for _ in 0..20 {
        receive(&mut other, 1, START + 93 * day);
    }
    assert_eq!(used(&other), 20);
    other.check_disk();
}

#[test]
fn a_message_reads_four_rows_to_see_how_old_they_are_and_those_at_hand_besides() {
    let (one, other) = pair(47);
    let (mut one, mut other) = (Stored::new(one), Stored::new(other));
    let mut receive = |other: &mut Stored, count: usize, at: u64| {
        other.side.now = Timestamp::from_secs(at);
        for _ in 0..count {
            let envelope = one.send();
            other.receive(&envelope).unwrap();
        }
    };
    receive(&mut other, 2 * 4, START + 10 * 365 * 86_400);
    other.reload();
    receive(&mut other, 1, START + 60);
    receive(&mut other, 1, START + 61 + 30 * 86_400);
    assert_eq!(other.count(|row| matches!(row, RowKey::Used(_))), 1);
    other.check_disk();
}

#[test]
fn used_tags_that_were_lost_cost_no_other_and_do_not_stay_in_front_of_them() {
    let (one, other) = pair(48);
    let (mut one, mut other) = (Stored::new(one), Stored::new(other));
    let envelopes: Vec<_> = (0..20).map(|_| one.send()).collect();
    // By a clock that is ahead, so that none of them says how old the others are.
    other.side.now = Timestamp::from_secs(START + 40 * 86_400);
    for envelope in &envelopes {
        other.receive(envelope).unwrap();
    }
    other.side.now = Timestamp::from_secs(START);
    let lose = |other: &Stored, lost: std::ops::Range<u64>| {
        let is_lost = |row: &PeerRow| match row {
            PeerRow::Beside(_, RowKey::Used(number)) => lost.contains(number),
            _ => false,
        };
        other.disk.lock().unwrap().retain(|row, _| !is_lost(row));
    };
    lose(&other, 10..11);
    other.reload();
    other.expire();
    let known = envelopes.iter().map(|envelope| other.receive(envelope).unwrap_err());
    assert_eq!(known.filter(|error| *error == DecryptError::Duplicate).count(), 19);
    lose(&other, 0..10);
    other.reload();
    other.side.now = Timestamp::from_secs(START + 71 * 86_400);
    for _ in 0..20 {
        let envelope = one.send();
        other.receive(&envelope).unwrap();
    }
    assert_eq!(other.count(|row| matches!(row, RowKey::Used(_))), 20);
}

#[test]
fn an_account_that_was_forgotten_may_be_another() {
    let (one, mut other) = pair(42);
    let envelope = {
        let mut one = one;
        one.send(b"from before").unwrap()
    };
    let forgotten = other.peer.as_mut().unwrap().forget_account();
    crate::side::save(&mut other.rows, other.peer.as_ref().unwrap(), forgotten);
    other.reload();
    assert!(other.peer().sending_session(other.now).is_none());
    assert!(other.peer().sessions().iter().all(|session| session.is_given_up()));
    other.receive(&envelope).unwrap();
    // Another account with the same address.
    let record = Side::new("alice", 42).device.record();
    let mut successor = Side::new("alice", 99);
    let number = crate::protobuf::Fields::decode(&record).find(2).clone();
    let own = crate::protobuf::edit(&successor.device.record(), &[], |fields| {
        *fields.find(2) = number;
    });
    successor.device = subrosa::identity::Device::from_record(&own).unwrap();
    successor.account = subrosa::identity::Account::create(&successor.device, &mut successor.rng);
    let bundle = other.bundle(true);
    successor.initiate(&other.address().user.clone(), &bundle);
    let envelope = successor.send(b"it is me").unwrap();
    other.receive(&envelope).unwrap();
    let envelope = other.send(b"welcome").unwrap();
    successor.receive(&envelope).unwrap();
}

#[test]
fn what_is_sent_says_what_names_its_envelope() {
    let (mut one, mut other) = (Side::new("alice", 43), Side::new("bob", 44));
    let bundle = other.bundle(true);
    one.initiate(&other.address().user.clone(), &bundle);
    let send = |one: &mut Side| {
        let (body, view) =
            (Body::Content { id: MessageId::from_bytes([1; 16]), content: b"" }, one.view());
        let peer = one.peer.as_mut().unwrap();
        peer.encrypt(body, Numbers::Next, view, one.now, &mut one.rng).unwrap().saved()
    };
    let first = send(&mut one);
    let Envelope::FirstMessage { handshake, message } = Envelope::decode(&first.envelope).unwrap()
    else {
        panic!("a first message")
    };
    assert_eq!((first.tag, first.ephemeral), (message.tag(), Some(*handshake.ephemeral())));
    assert!(first.envelope.windows(8).any(|bytes| bytes == first.salt));
    let session = &one.peer().sessions()[0];
    assert_eq!(session.bundle_fetched_at(), Some(one.now));
    assert_eq!((session.created_at(), session.last_used_at()), (one.now, one.now));
    other.receive(&first.envelope).unwrap();
    let answer = other.send(b"hi").unwrap();
    one.receive(&answer).unwrap();
    assert_eq!(one.peer().sessions()[0].bundle_fetched_at(), None);
    let next = send(&mut one);
    let envelope = Envelope::decode(&next.envelope).unwrap();
    assert_eq!((next.tag, next.ephemeral), (envelope.message().tag(), None));
}

/// What happens to a peer that is on a disk.
#[derive(Debug, Clone)]
enum Event {
    Send { by: usize, lost: bool },
    Late { to: usize },
    Wait { days: u64 },
    WrongClock { days: u64 },
    Expire { who: usize },
    Reload { who: usize },
    GiveUp { who: usize },
    Initiate,
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..2_usize;
    prop_oneof![
        12 => (who.clone(), prop::bool::weighted(0.2)).prop_map(|(by, lost)| Event::Send { by, lost }),
        2 => who.clone().prop_map(|to| Event::Late { to }),
        1 => (0..40_u64).prop_map(|days| Event::Wait { days }),
        1 => (0..40_u64).prop_map(|days| Event::WrongClock { days }),
        2 => who.clone().prop_map(|who| Event::Expire { who }),
        3 => who.clone().prop_map(|who| Event::Reload { who }),
        1 => who.prop_map(|who| Event::GiveUp { who }),
        2 => Just(Event::Initiate),
    ]
}

/// Begins another session from the first to the second.
fn initiate([one, other]: &mut [Stored; 2]) {
    let bundle = other.side.bundle(true);
    let bundle = one.side.verify(&bundle, &other.side.address().user).unwrap();
    let (prekeys, list) = (&bundle.devices()[0], one.side.account.device_list());
    let begun = one.peer.initiate(&one.side.device, list, prekeys, one.side.now, &mut one.side.rng);
    one.save(begun.unwrap());
    let envelope = Envelope::decode(&one.send()).unwrap();
    let Envelope::FirstMessage { handshake, message } = &envelope else { panic!("a handshake") };
    let key = other.side.account.key();
    let opening =
        subrosa::handshake::Opening::receive(&other.side.device, &key, handshake).unwrap();
    let responded = opening
        .respond(&other.side.signed, other.side.one_time.last(), &other.side.replays)
        .unwrap();
    let accepted = subrosa::session::Session::accept(responded, message, other.side.now).unwrap();
    let admitted = other.peer.admit(accepted, &mut other.side.replays, other.side.now);
    // An implausible generation is refused: a clock was wrong.
    if let Ok(admitted) = admitted {
        other.save(admitted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_stays_on_disk_or_in_the_table_of_tags_that_no_session_knows_of(
        events in prop::collection::vec(event(), 1..150),
    ) {
        let (one, other) = pair(45);
        let mut sides = [Stored::new(one), Stored::new(other)];
        let mut late: [Vec<Vec<u8>>; 2] = Default::default();
        for event in &events {
            match *event {
                Event::Send { by, lost } => {
                    let id = MessageId::generate(&mut sides[by].side.rng);
                    // Without a session, or with one that nobody answered in time: nothing.
                    let Ok(envelope) = sides[by].try_send_as(id, Numbers::Next) else { continue };
                    if lost {
                        late[1 - by].push(envelope);
                    } else {
                        // Of a session that the other side has dropped: unknown.
                        let _ = sides[1 - by].receive(&envelope);
                    }
                }
                Event::Late { to } => {
                    if let Some(envelope) = late[to].pop() {
                        let _ = sides[to].receive(&envelope);
                    }
                }
                Event::Wait { days } => {
                    for side in &mut sides {
                        side.side.now = side.side.now.after(Duration::from_secs(days * 86_400));
                    }
                }
                Event::WrongClock { days } => {
                    sides[1].side.now = Timestamp::from_secs(START + days * 86_400);
                }
                Event::Expire { who } => sides[who].expire(),
                Event::Reload { who } => drop(sides[who].reload()),
                Event::GiveUp { who } => {
                    let given_up = sides[who].peer.give_up_all();
                    sides[who].save(given_up);
                }
                Event::Initiate => {
                    let now = sides[0].side.now.max(sides[1].side.now);
                    // Prekeys are of their day.
                    sides[0].side.now = now;
                    sides[1].side.now = now;
                    sides[1].side.signed = subrosa::handshake::PrekeySecret::signed(
                        &sides[1].side.device,
                        now,
                        &mut sides[1].side.rng,
                    );
                    initiate(&mut sides);
                }
            }
            sides.iter().for_each(Stored::check_disk);
            sides.iter().for_each(Stored::check_tags);
        }
        // Once sessions are gone, so are their rows; the newest that the peer knows stays, and
        // what is newer, which it may know.
        for side in &mut sides {
            // Later than any clock was.
            side.side.now = Timestamp::from_secs(START + 10_000 * 86_400);
            let given_up = side.peer.give_up_all();
            side.save(given_up);
            side.reload();
            side.expire();
            let sessions = side.peer.sessions();
            let theirs = sessions.iter().filter(|session| session.is_confirmed());
            let theirs = theirs.map(Session::generation).max();
            prop_assert!(sessions.iter().all(|session| Some(session.generation()) >= theirs));
            side.check_disk();
            side.check_tags();
            let kept: Vec<_> = side.peer.sessions().iter().map(Session::id).collect();
            let disk: Vec<_> = side.disk.lock().unwrap().keys().copied().collect();
            for row in disk {
                if let PeerRow::Session(id) | PeerRow::Beside(id, _) = row {
                    prop_assert!(kept.contains(&id), "{row:?}");
                }
            }
        }
    }
}

#[test]
fn rows_of_used_tags_have_keys_of_their_own() {
    let (one, _) = pair(46);
    let rows: Vec<PeerRow> = one.rows.keys().copied().collect();
    let keys: BTreeSet<_> = rows.iter().map(|row| row.to_key()).collect();
    assert_eq!(keys.len(), rows.len());
    let id: HandshakeId = one.peer().sessions()[0].id();
    let tag = subrosa::session::Tag::from_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
    let key = PeerRow::Beside(id, RowKey::UsedBy(tag)).to_key();
    assert_eq!(key, [&[2], &id.as_bytes()[..], &[4, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
}
