//! Sender keys: every message that arrives opens once, whatever the network does, and what
//! did not arrive is known (section 14 of the specification).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::group::sender_key::{
    ChainRow, DecryptError, EncryptError, MAX_CHAIN_AGE, MAX_CHAIN_LEN, MAX_CHAINS, Outgoing,
    Received, ReceivingChain, Rotation, SenderChains, SenderKeyError, SendingChain, Unverified,
};
use subrosa::group::{GroupId, Head};
use subrosa::identity::{Account, Device, View};
use subrosa::session::{Content, KEPT_TIME, Tag, TagTable, Unsaved};
use subrosa::wire::{ChainId, GroupMessage, MessageId, SenderKeyDistribution};
use subrosa::{Address, DeviceId, Timestamp, UserId};

const START: Timestamp = Timestamp::from_secs(1_790_000_000);
const GROUP: GroupId = GroupId::from_bytes([1; 32]);
const ROSTER: Head = Head::from_bytes([2; 32]);
const MEMBERS: usize = 3;

fn address(member: usize) -> Address {
    let user = UserId::new(["alice", "bob", "carol"][member]).unwrap();
    Address { user, device: DeviceId::new(7).unwrap() }
}

fn view() -> View {
    let device = Device::generate(UserId::new("alice").unwrap(), &mut ChaCha8Rng::seed_from_u64(9));
    View::of_group_message(
        Account::create(&device, &mut ChaCha8Rng::seed_from_u64(9)).device_list(),
    )
}

fn encrypt(chain: &mut SendingChain, content: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let id = MessageId::generate(rng);
    let outgoing = Outgoing { id, content, view: view(), roster: ROSTER };
    chain.encrypt(&outgoing, rng).unwrap().saved().envelope
}

fn text(received: &Received) -> &[u8] {
    match &received.content {
        Content::Message { plaintext, .. } => plaintext.as_bytes(),
        other => panic!("no message: {other:?}"),
    }
}

/// What is on disk of a receiving chain.
#[derive(Clone, Default)]
struct Disk {
    record: Vec<u8>,
    rows: Arc<Mutex<BTreeMap<u32, Vec<u8>>>>,
}

/// A receiving chain and its disk.
struct Saved {
    chain: ReceivingChain,
    disk: Disk,
}

impl Saved {
    fn accept(distribution: &SenderKeyDistribution, sender: Address) -> Self {
        let chain = ReceivingChain::accept(distribution, sender).unwrap();
        let disk = Disk { record: chain.record().to_vec(), ..Disk::default() };
        Self { chain, disk }
    }

    fn save<T>(&mut self, unsaved: Unsaved<T, u32>) -> T {
        self.disk.record = self.chain.record().to_vec();
        for row in unsaved.rows() {
            let bytes = self.chain.row(*row);
            let mut rows = self.disk.rows.lock().unwrap();
            match bytes {
                Some(bytes) => drop(rows.insert(*row, bytes.to_vec())),
                None => drop(rows.remove(row)),
            }
        }
        unsaved.saved()
    }

    fn reload(&mut self) {
        let rows = Arc::clone(&self.disk.rows);
        let rows = move |row: u32| rows.lock().unwrap().get(&row).cloned().map(Into::into);
        self.chain = ReceivingChain::from_record(&self.disk.record, rows).unwrap();
        assert_eq!(self.chain.record().to_vec(), self.disk.record);
    }

    fn decrypt(&mut self, envelope: &[u8], now: Timestamp) -> Result<Received, DecryptError> {
        let message = GroupMessage::decode(envelope).unwrap();
        let unsaved = self.chain.decrypt(&message, &ROSTER, now)?;
        Ok(self.save(unsaved))
    }

    fn refuses(&mut self, envelope: &[u8], error: DecryptError) {
        let message = GroupMessage::decode(envelope).unwrap();
        assert_eq!(self.chain.decrypt(&message, &ROSTER, START).unwrap_err(), error);
        assert_eq!(self.chain.record().to_vec(), self.disk.record);
        let rows = self.disk.rows.lock().unwrap().clone();
        assert!(rows.iter().all(|(key, row)| self.chain.row(*key).unwrap().to_vec() == *row));
    }
}

/// What happens next in a group. Numbers pick one of what is there.
#[derive(Debug, Clone)]
enum Event {
    Send { by: usize, len: usize },
    Deliver { to: usize, pick: usize },
    DeliverMany { to: usize, count: usize },
    Repeat { to: usize, pick: usize },
    Lose { to: usize, pick: usize },
    Damage { to: usize, pick: usize, at: usize },
    Rotate { by: usize },
    Reload { who: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let (who, pick) = (0..MEMBERS, 0..1000_usize);
    prop_oneof![
        8 => (who.clone(), 0..400_usize).prop_map(|(by, len)| Event::Send { by, len }),
        12 => (who.clone(), pick.clone()).prop_map(|(to, pick)| Event::Deliver { to, pick }),
        1 => (who.clone(), 1..20_usize).prop_map(|(to, count)| Event::DeliverMany { to, count }),
        2 => (who.clone(), pick.clone()).prop_map(|(to, pick)| Event::Repeat { to, pick }),
        2 => (who.clone(), pick.clone()).prop_map(|(to, pick)| Event::Lose { to, pick }),
        2 => (who.clone(), pick, 0..5000_usize)
            .prop_map(|(to, pick, at)| Event::Damage { to, pick, at }),
        1 => who.clone().prop_map(|by| Event::Rotate { by }),
        2 => who.prop_map(|who| Event::Reload { who }),
    ]
}

/// On the way to a member.
#[derive(Clone)]
enum Letter {
    /// By a session, which loses nothing.
    Key {
        distribution: SenderKeyDistribution,
        from: usize,
    },
    Message {
        envelope: Vec<u8>,
        text: Vec<u8>,
        place: (ChainId, u32),
    },
}

/// What is on disk of the chains of one sender.
type Rows = Arc<Mutex<BTreeMap<ChainRow, Vec<u8>>>>;

struct Member {
    sending: SendingChain,
    /// Those of each other, with their disk.
    senders: Vec<(SenderChains, Rows)>,
    tags: TagTable<(usize, ChainId)>,
    on_the_way: Vec<Letter>,
    arrived: Vec<Vec<u8>>,
    lost: BTreeSet<(ChainId, u32)>,
}

impl Member {
    /// Whose chain recognises a message.
    fn owner(&mut self, message: &GroupMessage) -> Option<(usize, ChainId)> {
        let find = |from: usize| {
            let chain = self.senders[from].0.find(message)?;
            // What is new is found by its tag too, unless it is further ahead.
            if let Ok(peek) = chain.peek(message) {
                let owners = self.tags.owners(Tag::from_bytes(message.tag()));
                let far = peek.iteration >= chain.next() + 8;
                assert!(far || owners == [(from, chain.chain_id())]);
            }
            Some((from, chain.chain_id()))
        };
        (0..self.senders.len()).find_map(find)
    }

    fn chain(&mut self, (from, chain_id): (usize, ChainId)) -> &mut ReceivingChain {
        self.senders[from].0.chain_mut(chain_id).unwrap()
    }

    /// Writes what changed beside a chain's record, and the record.
    fn save<T>(&mut self, owner: (usize, ChainId), unsaved: Unsaved<T, u32>) -> T {
        let (from, chain_id) = owner;
        self.tags.apply(&owner, unsaved.tags());
        let iterations = unsaved.rows().iter().map(|row| Some(*row));
        for iteration in iterations.chain([None]) {
            self.write(from, ChainRow { chain_id, iteration });
        }
        unsaved.saved()
    }

    fn write(&mut self, from: usize, row: ChainRow) {
        let (chains, rows) = &self.senders[from];
        let bytes = chains.row(row);
        let mut rows = rows.lock().unwrap();
        match bytes {
            Some(bytes) => drop(rows.insert(row, bytes.to_vec())),
            None => drop(rows.remove(&row)),
        }
    }

    fn take_key(&mut self, distribution: &SenderKeyDistribution, from: usize) {
        let unsaved = self.senders[from].0.take_in(distribution, START).unwrap();
        for row in unsaved.rows() {
            self.write(from, *row);
        }
        let taken_in = unsaved.saved();
        assert!(taken_in.closed.is_none_or(|closed| !closed.sender_rolled_back));
        self.note_tags();
        // A second time it changes nothing.
        let again = self.senders[from].0.take_in(distribution, START).unwrap();
        assert!(again.rows().is_empty() && again.saved().known);
    }

    fn note_tags(&mut self) {
        self.tags = TagTable::new();
        for (from, (chains, _)) in self.senders.iter().enumerate() {
            for chain in chains.chains() {
                self.tags.extend(&(from, chain.chain_id()), chain.expected_tags());
            }
        }
    }

    /// Whether all is on disk just as it is.
    fn is_saved(&self) -> bool {
        let saved = |(chains, rows): &(SenderChains, Rows)| {
            let rows = rows.lock().unwrap().clone();
            rows.iter().all(|(key, row)| chains.row(*key).as_deref() == Some(row))
        };
        self.senders.iter().all(saved)
    }

    fn reload(&mut self) {
        self.sending = SendingChain::from_record(&self.sending.record()).unwrap();
        for (chains, rows) in &mut self.senders {
            let mut loaded = SenderChains::new(GROUP, chains.sender().clone());
            let saved = rows.lock().unwrap().clone();
            for (row, record) in saved.iter().filter(|(row, _)| row.iteration.is_none()) {
                let (rows, chain_id) = (Arc::clone(rows), row.chain_id);
                let look_up = move |iteration: u32| {
                    let row = ChainRow { chain_id, iteration: Some(iteration) };
                    rows.lock().unwrap().get(&row).cloned().map(Into::into)
                };
                loaded.restore(ReceivingChain::from_record(record, look_up).unwrap()).unwrap();
            }
            assert_eq!(loaded.chains().len(), chains.chains().len());
            *chains = loaded;
        }
        assert!(self.is_saved());
        self.note_tags();
    }
}

struct Group {
    members: Vec<Member>,
    rng: ChaCha8Rng,
    sent: usize,
}

impl Group {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let member = |member| Member {
            sending: SendingChain::begin(GROUP, address(member), START, &mut rng),
            senders: (0..MEMBERS)
                .map(|from| (SenderChains::new(GROUP, address(from)), Rows::default()))
                .collect(),
            tags: TagTable::new(),
            on_the_way: Vec::new(),
            arrived: Vec::new(),
            lost: BTreeSet::new(),
        };
        let mut group = Self { members: (0..MEMBERS).map(member).collect(), rng, sent: 0 };
        (0..MEMBERS).for_each(|by| group.hand_over(by));
        group
    }

    fn others(member: usize) -> impl Iterator<Item = usize> {
        (0..MEMBERS).filter(move |other| *other != member)
    }

    fn hand_over(&mut self, by: usize) {
        for to in Self::others(by) {
            let distribution = self.members[by].sending.distribution();
            self.members[to].on_the_way.push(Letter::Key { distribution, from: by });
        }
    }

    fn rotate(&mut self, by: usize) {
        let fresh = SendingChain::begin(GROUP, address(by), START, &mut self.rng);
        let old = std::mem::replace(&mut self.members[by].sending, fresh);
        self.members[by].sending = old.rotate(START, &mut self.rng);
        self.hand_over(by);
    }

    fn send(&mut self, by: usize, len: usize) {
        self.sent += 1;
        let text = format!("{by} {} {}", self.sent, "x".repeat(len)).into_bytes();
        let sending = &mut self.members[by].sending;
        let place = (sending.chain_id(), sending.length());
        let envelope = encrypt(sending, &text, &mut self.rng);
        for to in Self::others(by) {
            let (envelope, text) = (envelope.clone(), text.clone());
            self.members[to].on_the_way.push(Letter::Message { envelope, text, place });
        }
    }

    /// A letter arrives; a message before its key goes back to the queue.
    fn deliver(&mut self, to: usize, pick: usize) {
        let member = &mut self.members[to];
        let Some(place) = pick.checked_rem(member.on_the_way.len()) else { return };
        match member.on_the_way.remove(place) {
            Letter::Key { distribution, from } => member.take_key(&distribution, from),
            Letter::Message { envelope, text: sent, place } => {
                let message = GroupMessage::decode(&envelope).unwrap();
                let Some(owner) = member.owner(&message) else {
                    let awaited = |letter: &Letter| {
                        matches!(letter, Letter::Key { distribution, .. }
                            if distribution.chain_id() == place.0)
                    };
                    assert!(member.on_the_way.iter().any(awaited));
                    member.on_the_way.push(Letter::Message { envelope, text: sent, place });
                    return;
                };
                let opened = member.chain(owner).decrypt(&message, &ROSTER, START).unwrap();
                let received = member.save(owner, opened);
                assert_eq!(text(&received), sent);
                assert_eq!((received.view, received.iteration), (view(), place.1));
                member.arrived.push(envelope);
            }
        }
    }

    /// The next letters, of which the messages are verified together.
    fn deliver_many(&mut self, to: usize, count: usize) {
        let member = &mut self.members[to];
        let mut batch = Vec::new();
        let mut rest = Vec::new();
        for letter in std::mem::take(&mut member.on_the_way) {
            if let Letter::Message { envelope, text, .. } = &letter
                && batch.len() < count
                && let message = GroupMessage::decode(envelope).unwrap()
                && let Some(owner) = member.owner(&message)
            {
                member.arrived.push(envelope.clone());
                batch.push((message, text.clone(), owner));
            } else {
                rest.push(letter);
            }
        }
        member.on_the_way = rest;
        let unverified = batch
            .iter()
            .map(|(message, _, owner)| member.chain(*owner).prepare(message, &ROSTER).unwrap());
        let verified = Unverified::verify_batch(unverified.collect());
        assert_eq!(verified.len(), batch.len());
        for (verified, (_, sent, owner)) in verified.into_iter().zip(&batch) {
            let opened = member.chain(*owner).open(verified.unwrap(), START).unwrap();
            assert_eq!(text(&member.save(*owner, opened)), sent);
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Send { by, len } => self.send(by, len),
            Event::Deliver { to, pick } => self.deliver(to, pick),
            Event::DeliverMany { to, count } => self.deliver_many(to, count),
            Event::Repeat { to, pick } => {
                let member = &mut self.members[to];
                let Some(place) = pick.checked_rem(member.arrived.len()) else { return };
                let message = GroupMessage::decode(&member.arrived[place]).unwrap();
                let owner = member.owner(&message).unwrap();
                let error = member.chain(owner).decrypt(&message, &ROSTER, START).unwrap_err();
                assert_eq!(error, DecryptError::Duplicate);
                assert!(member.is_saved());
            }
            Event::Lose { to, pick } => {
                let member = &mut self.members[to];
                let Some(place) = pick.checked_rem(member.on_the_way.len()) else { return };
                if let Letter::Message { place: lost, .. } = member.on_the_way[place] {
                    member.lost.insert(lost);
                    member.on_the_way.remove(place);
                }
            }
            Event::Damage { to, pick, at } => {
                let member = &mut self.members[to];
                let Some(place) = pick.checked_rem(member.on_the_way.len()) else { return };
                let Letter::Message { envelope, .. } = &member.on_the_way[place] else { return };
                let mut damaged = envelope.clone();
                let at = at % damaged.len();
                damaged[at] ^= 4;
                let Ok(message) = GroupMessage::decode(&damaged) else { return };
                if let Some(owner) = member.owner(&message) {
                    assert!(member.chain(owner).decrypt(&message, &ROSTER, START).is_err());
                    assert!(member.is_saved());
                }
            }
            Event::Rotate { by } => self.rotate(by),
            Event::Reload { who } => self.members[who].reload(),
        }
    }

    /// All that was not lost arrives, and just the rest is known to be missing.
    fn end(&mut self) {
        (0..MEMBERS).for_each(|by| self.rotate(by));
        for to in 0..MEMBERS {
            while !self.members[to].on_the_way.is_empty() {
                self.deliver(to, 0);
            }
            let member = &mut self.members[to];
            member.reload();
            let chains = member.senders.iter().flat_map(|(chains, _)| chains.chains());
            let missing: BTreeSet<_> = chains
                .clone()
                .flat_map(|chain| chain.missing().map(|iteration| (chain.chain_id(), iteration)))
                .collect();
            assert_eq!(missing, member.lost);
            // Each has one that goes on, in whatever order they came.
            let open = chains.filter(|chain| chain.closed_at().is_none());
            assert_eq!(open.count(), MEMBERS - 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_group_message_that_arrives_opens_exactly_once(
        seed in any::<u64>(),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut group = Group::new(seed);
        events.iter().for_each(|event| group.happen(event));
        group.end();
    }
}

/// A sender, and a receiver who has the chain from the start.
fn pair() -> (SendingChain, Saved, ChaCha8Rng) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let sending = SendingChain::begin(GROUP, address(0), START, &mut rng);
    let receiving = Saved::accept(&sending.distribution(), address(0));
    (sending, receiving, rng)
}

#[test]
fn a_damaged_group_message_is_refused_and_changes_nothing() {
    let (mut sending, mut receiving, mut rng) = pair();
    let envelopes = [0, 1, 2].map(|_| encrypt(&mut sending, b"words", &mut rng));
    receiving.decrypt(&envelopes[0], START).unwrap();
    receiving.decrypt(&envelopes[2], START).unwrap();
    let next = encrypt(&mut sending, b"next", &mut rng);
    // One that is missing, one that is next, one that has opened.
    for envelope in [&envelopes[1], &next, &envelopes[0]] {
        for bit in 0..envelope.len() * 8 {
            let mut damaged = envelope.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(message) = GroupMessage::decode(&damaged) else { continue };
            let error = receiving.chain.decrypt(&message, &ROSTER, START).unwrap_err();
            let typed = match error {
                DecryptError::Unknown | DecryptError::NotOpened => true,
                DecryptError::Duplicate => envelope == &envelopes[0],
                DecryptError::OtherRoster => true,
                _ => false,
            };
            assert!(typed, "bit {bit}: {error}");
            assert_eq!(receiving.chain.record().to_vec(), receiving.disk.record);
        }
        for length in 0..envelope.len() {
            assert!(GroupMessage::decode(&envelope[..length]).is_err());
        }
    }
    assert_eq!(text(&receiving.decrypt(&envelopes[1], START).unwrap()), b"words");
    assert_eq!(text(&receiving.decrypt(&next, START).unwrap()), b"next");
}

#[test]
fn a_whole_chain_arrives_in_any_order_and_then_takes_no_more() {
    for reloading in [false, true] {
        let (mut sending, mut receiving, mut rng) = pair();
        let mut envelopes: Vec<_> =
            (0..MAX_CHAIN_LEN).map(|_| encrypt(&mut sending, b"words", &mut rng)).collect();
        let id = MessageId::generate(&mut rng);
        let outgoing = Outgoing { id, content: b"", view: view(), roster: ROSTER };
        let full = sending.encrypt(&outgoing, &mut rng).unwrap_err();
        assert_eq!(full, EncryptError::ChainFull);
        assert_eq!(sending.rotation_due([], |_| true, START), Some(Rotation::Full));
        // The distribution of a full chain opens nothing, and does no harm.
        let late = Saved::accept(&sending.distribution(), address(0));
        envelopes.reverse();
        for (place, envelope) in envelopes.iter().enumerate() {
            let received = receiving.decrypt(envelope, START).unwrap();
            assert_eq!(received.passed_over, if place == 0 { MAX_CHAIN_LEN - 1 } else { 0 });
            if reloading && place % 100 == 0 {
                receiving.reload();
            }
        }
        for mut chain in [receiving, late] {
            let error = match chain.chain.missing().count() {
                0 if chain.chain.row(0).is_some() => DecryptError::Duplicate,
                _ => DecryptError::KeyGone,
            };
            envelopes.iter().step_by(100).for_each(|envelope| chain.refuses(envelope, error));
        }
    }
}

#[test]
fn a_newcomer_reads_what_comes_and_nothing_before() {
    let (mut sending, mut receiving, mut rng) = pair();
    let before = encrypt(&mut sending, b"before", &mut rng);
    let mut newcomer = Saved::accept(&sending.distribution(), address(0));
    let after = encrypt(&mut sending, b"after", &mut rng);
    newcomer.refuses(&before, DecryptError::KeyGone);
    assert_eq!(text(&newcomer.decrypt(&after, START).unwrap()), b"after");
    assert_eq!(newcomer.chain.missing().count(), 0);
    assert_eq!(receiving.decrypt(&after, START).unwrap().passed_over, 1);
    assert_eq!(text(&receiving.decrypt(&before, START).unwrap()), b"before");
}

#[test]
fn a_sender_that_was_rolled_back_is_noticed() {
    let (mut sending, mut receiving, mut rng) = pair();
    let old = sending.record();
    let first = encrypt(&mut sending, b"first", &mut rng);
    receiving.decrypt(&first, START).unwrap();
    let mut rolled_back = SendingChain::from_record(&old).unwrap();
    let again = encrypt(&mut rolled_back, b"other", &mut rng);
    // Neither the mask nor the key are used twice.
    assert!(first.windows(20).all(|part| !again.windows(20).any(|other| part == other)));
    for _ in 0..2 {
        receiving.refuses(&again, DecryptError::SenderRolledBack);
        receiving.refuses(&first, DecryptError::Duplicate);
        receiving.reload();
    }
    // And behind the end of a chain that was replaced.
    let length = sending.length();
    let closed = receiving.chain.close(length, START);
    assert!(!receiving.save(closed).sender_rolled_back);
    let behind = encrypt(&mut rolled_back, b"behind the end", &mut rng);
    receiving.refuses(&behind, DecryptError::SenderRolledBack);
    // One that counts less than was received says it too.
    let (mut sending, mut receiving, mut rng) = pair();
    receiving.decrypt(&encrypt(&mut sending, b"first", &mut rng), START).unwrap();
    let closed = receiving.chain.close(0, START);
    assert!(receiving.save(closed).sender_rolled_back);
    assert_eq!(receiving.chain.next(), 1);
}

#[test]
fn the_end_of_a_replaced_chain_is_missing_until_it_comes() {
    let (mut sending, mut receiving, mut rng) = pair();
    let envelopes = [0, 1, 2].map(|_| encrypt(&mut sending, b"words", &mut rng));
    receiving.decrypt(&envelopes[0], START).unwrap();
    let next = sending.rotate(START, &mut rng);
    let replaced = next.distribution().replaced().unwrap();
    assert_eq!((replaced.chain_id, replaced.length), (receiving.chain.chain_id(), 3));
    let closed = receiving.chain.close(replaced.length, START);
    assert_eq!(receiving.save(closed).passed_over, 2);
    receiving.reload();
    assert!(receiving.chain.missing().eq([1, 2]));
    assert_eq!(text(&receiving.decrypt(&envelopes[2], START).unwrap()), b"words");
    // What came another way is not awaited any more.
    let given_up = receiving.chain.give_up(1);
    receiving.save(given_up);
    receiving.refuses(&envelopes[1], DecryptError::KeyGone);
    assert_eq!(receiving.chain.missing().count(), 0);
    let again = receiving.chain.close(replaced.length, START);
    assert_eq!(receiving.save(again).passed_over, 0);
    assert!(!receiving.chain.is_over(START.after(KEPT_TIME)));
    assert!(receiving.chain.is_over(START.after(KEPT_TIME * 2)));
}

#[test]
fn keys_of_missing_messages_go_after_thirty_days() {
    let (mut sending, mut receiving, mut rng) = pair();
    let envelopes = [0, 1, 2, 3, 4].map(|_| encrypt(&mut sending, b"words", &mut rng));
    let at = |days: u32| START.after(KEPT_TIME / 30 * days);
    receiving.decrypt(&envelopes[1], at(400)).unwrap();
    receiving.decrypt(&envelopes[3], at(5)).unwrap();
    receiving.reload();
    let day = |receiving: &mut Saved, days| {
        let expired = receiving.chain.expire(at(days));
        receiving.save(expired)
    };
    // The first was passed over by a clock that was wrong: it goes with the next.
    assert_eq!(day(&mut receiving, 35), 0);
    assert_eq!(day(&mut receiving, 36), 2);
    for envelope in [&envelopes[0], &envelopes[2]] {
        receiving.refuses(envelope, DecryptError::KeyGone);
    }
    let left: Vec<_> = receiving.disk.rows.lock().unwrap().keys().copied().collect();
    assert_eq!(left, [1, 3]);
    assert_eq!(text(&receiving.decrypt(&envelopes[4], at(40)).unwrap()), b"words");
}

#[test]
fn a_chain_is_replaced_when_it_is_full_or_old_or_somebody_is_gone() {
    let (mut sending, _, mut rng) = pair();
    let holders = [address(1), address(2)];
    let due = |sending: &SendingChain, gone: Option<Address>, now| {
        sending.rotation_due(&holders, |holder| Some(holder) != gone.as_ref(), now)
    };
    let age = |part: u32| START.after(MAX_CHAIN_AGE * part / 2);
    assert_eq!(due(&sending, None, START), None);
    assert_eq!(due(&sending, Some(address(0)), age(1)), None);
    assert_eq!(due(&sending, Some(address(2)), START), Some(Rotation::Departed));
    assert_eq!(due(&sending, None, age(2)), Some(Rotation::Old));
    // A clock that was set back.
    assert_eq!(due(&sending, None, Timestamp::from_secs(0)), Some(Rotation::Old));
    for _ in 1..MAX_CHAIN_LEN {
        encrypt(&mut sending, b"", &mut rng);
    }
    assert_eq!(due(&sending, None, age(1)), None);
    encrypt(&mut sending, b"", &mut rng);
    assert_eq!(due(&sending, None, age(1)), Some(Rotation::Full));
    let old = sending.distribution();
    let fresh = sending.rotate(age(1), &mut rng).distribution();
    assert_ne!(fresh.chain_id(), old.chain_id());
    assert_eq!(fresh.iteration(), 0);
}

#[test]
fn sixteen_chains_of_a_sender_are_kept_and_those_that_ended_first_go() {
    let (mut sending, _, mut rng) = pair();
    let mut chains = SenderChains::new(GROUP, address(0));
    let mut handed = Vec::new();
    let day = |day: u32| START.after(KEPT_TIME / 30 * day);
    for number in 0..20 {
        let distribution = sending.distribution();
        let taken_in = chains.take_in(&distribution, day(number)).unwrap();
        let gone = handed.len().checked_sub(MAX_CHAINS).map(|place| handed[place]);
        let deleted = taken_in.rows().iter().filter(|row| chains.row(**row).is_none());
        assert!(deleted.map(|row| Some(row.chain_id)).eq(gone.map(Some)));
        handed.push(distribution.chain_id());
        sending = sending.rotate(day(number), &mut rng);
    }
    assert!(chains.chains().iter().map(ReceivingChain::chain_id).eq(handed[4..].iter().copied()));
    let elsewhere = SendingChain::begin(GroupId::from_bytes([3; 32]), address(0), START, &mut rng);
    let refused = chains.take_in(&elsewhere.distribution(), START).unwrap_err();
    assert_eq!(refused, SenderKeyError::OtherGroup);
    // The fifth was closed with the sixth, on day 5.
    chains.expire(day(35)).saved();
    assert_eq!(chains.chains().len(), MAX_CHAINS);
    let expired = chains.expire(day(36));
    assert!(expired.rows().iter().all(|row| row.chain_id == handed[4]));
    assert_eq!((expired.saved(), chains.chains().len()), (0, MAX_CHAINS - 1));
    // All that was closed goes, and what nothing will ever close.
    chains.take_in(&sending.rotate(START, &mut rng).distribution(), day(37)).unwrap().saved();
    chains.expire(day(37 + 37)).saved();
    assert_eq!(chains.chains().len(), 2);
    chains.expire(day(37 + 38)).saved();
    assert_eq!(chains.chains().len(), 1);
}

#[test]
fn what_is_missing_of_a_chain_that_goes_is_given_up() {
    let day = |day: u32| START.after(KEPT_TIME / 30 * day);
    // The first chain goes with the seventeenth, or when it is old; and what a clock that was
    // ahead has noticed as missing is not older than that for it.
    for (others, noticed, expired) in [(16, 0, 0), (1, 0, 32), (1, 90, 32)] {
        let (mut sending, _, mut rng) = pair();
        let mut chains = SenderChains::new(GROUP, address(0));
        chains.take_in(&sending.distribution(), day(0)).unwrap().saved();
        let sent: Vec<_> = (0..3).map(|_| encrypt(&mut sending, b"words", &mut rng)).collect();
        let last = GroupMessage::decode(&sent[2]).unwrap();
        let chain = chains.chain_mut(sending.chain_id()).unwrap();
        chain.decrypt(&last, &ROSTER, day(noticed)).unwrap().saved();
        let mut given_up = 0;
        for _ in 0..others {
            sending = sending.rotate(day(1), &mut rng);
            given_up += chains.take_in(&sending.distribution(), day(1)).unwrap().saved().given_up;
        }
        given_up += chains.expire(day(expired)).saved();
        assert_eq!(given_up, 2, "{others} {noticed}");
    }
}

#[test]
fn envelopes_of_a_chain_have_nothing_in_common_but_their_framing() {
    let (mut sending, _, mut rng) = pair();
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let envelope = encrypt(&mut sending, b"words", &mut rng);
        assert_eq!(envelope.len(), 256 + 126);
        // Head, sealed and signature, behind what frames them.
        for (start, end) in [(6, 42), (45, 317), (319, 383)] {
            let part = envelope.get(start..end.min(envelope.len())).unwrap();
            assert!(part.chunks_exact(8).all(|bytes| seen.insert(bytes.to_vec())));
        }
    }
}

#[test]
fn no_key_of_a_group_and_no_plaintext_is_printed() {
    let (mut sending, mut receiving, mut rng) = pair();
    let words = b"the words nobody else may read";
    let record = sending.record();
    let distribution = sending.distribution();
    let id = MessageId::generate(&mut rng);
    let outgoing = Outgoing { id, content: words, view: view(), roster: ROSTER };
    let mut output = format!("{sending:?} {distribution:#?} {outgoing:?}");
    let envelope = encrypt(&mut sending, words, &mut rng);
    let message = GroupMessage::decode(&envelope).unwrap();
    let unverified = receiving.chain.prepare(&message, &ROSTER).unwrap();
    output += &format!("{unverified:?}");
    output += &format!("{:?}", unverified.verify().unwrap());
    let received = receiving.decrypt(&envelope, START).unwrap();
    output += &format!("{received:?} {:?}", receiving.chain);
    assert!(!output.contains("nobody"));
    let tight: String = output.split_whitespace().collect();
    // Six bytes each of what is behind the names in the record, as a list or in hex.
    for secret in record[60..].chunks_exact(6).take(18) {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        assert!(!tight.contains(&hex) && !tight.contains(&list));
    }
}
