//! People with one device each, and sessions between them, as those who compose the parts
//! of the crate drive it.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::handshake::{
    DevicePrekeys, Opening, PrekeyBundle, PrekeySecret, ReplayRecord, initiate,
};
use subrosa::identity::{Account, Device, View};
use subrosa::session::{Accepted, Body, Outgoing, Received, Session};
use subrosa::wire::{Envelope, Mark, MessageId};
use subrosa::{Timestamp, UserId};

/// When all of it happens.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

/// Of every message: its id is the app's to make, not the session's.
const ID: MessageId = MessageId::from_bytes([0x5a; 16]);

/// Somebody with one device and the prekeys of one handshake.
pub(crate) struct Person {
    device: Device,
    account: Account,
    signed: PrekeySecret,
    one_time: PrekeySecret,
}

impl Person {
    pub(crate) fn new(name: &str, rng: &mut ChaCha8Rng) -> Self {
        let device = Device::generate(UserId::new(name).expect("a short name"), rng);
        let account = Account::create(&device, rng);
        let signed = PrekeySecret::signed(&device, NOW, rng);
        let one_time = PrekeySecret::one_time(&device, NOW, rng);
        Self { device, account, signed, one_time }
    }

    /// What a directory answers who asks for this person.
    pub(crate) fn bundle(&self, with_one_time: bool) -> Vec<u8> {
        let prekeys = DevicePrekeys {
            device: self.device.address().device,
            signed: self.signed.public(),
            one_time: with_one_time.then_some(self.one_time.public()),
        };
        PrekeyBundle::assemble(self.account.device_list().signed(), &[prekeys]).encode()
    }

    /// A session with whoever a directory's answer is of.
    pub(crate) fn initiate(&self, them: &Self, bundle: &[u8], rng: &mut ChaCha8Rng) -> Session {
        let bundle = PrekeyBundle::decode(bundle).expect("an honest bundle");
        let user = &them.device.address().user;
        let verified = bundle.verify(user, NOW).expect("an honest bundle");
        let list = self.account.device_list();
        let prekeys = &verified.devices()[0];
        let begun = initiate(&self.device, list, prekeys, NOW.as_secs(), NOW, rng);
        Session::initiate(begun.expect("honest prekeys"), NOW)
    }

    /// The session that a first message makes, with that message.
    pub(crate) fn respond(&self, envelope: &[u8]) -> Accepted {
        let envelope = Envelope::decode(envelope).expect("an honest envelope");
        let Envelope::FirstMessage { handshake, message } = &envelope else {
            panic!("not a first message");
        };
        let key = self.account.key();
        let opening = Opening::receive(&self.device, &key, handshake).expect("an honest handshake");
        let one_time = opening.prekeys().one_time.map(|_| &self.one_time);
        let responded = opening.respond(&self.signed, one_time, &ReplayRecord::new());
        let accepted = Session::accept(responded.expect("an honest handshake"), message, NOW);
        accepted.expect("an honest first message").saved()
    }

    /// Which device lists go with messages to `them`.
    pub(crate) fn view(&self, them: &Self) -> View {
        View::new(self.account.device_list(), them.account.device_list())
    }
}

/// A message of the kind that has all numbers.
pub(crate) fn outgoing(content: &[u8], seq: u64, view: View) -> Outgoing<'_> {
    let mark = |seq| Some(Mark { seq, id: ID.short() });
    Outgoing {
        body: Body::Content { id: ID, content },
        seq,
        last: mark(seq - 1),
        seen: mark(seq),
        view,
    }
}

/// Two ends of a session.
pub(crate) struct Conversation {
    sides: [Session; 2],
    view: View,
    /// How many messages were sent.
    sent: u64,
    rng: ChaCha8Rng,
}

impl Conversation {
    /// Ends that have each opened something of the other's: of a session between these
    /// people, begun with a one-time prekey or without.
    pub(crate) fn between(
        initiator: &Person,
        responder: &Person,
        with_one_time: bool,
        seed: u64,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let view = initiator.view(responder);
        let bundle = responder.bundle(with_one_time);
        let mut first = initiator.initiate(responder, &bundle, &mut rng);
        let hello = first.encrypt(&outgoing(b"hello", 1, view), NOW, &mut rng);
        let second = responder.respond(&hello.expect("a new session").saved()).session;
        let mut conversation = Self { sides: [first, second], view, sent: 1, rng };
        let answer = conversation.send(1, b"hi");
        conversation.receive(0, &answer);
        assert!(conversation.sides.iter().all(Session::is_confirmed));
        conversation
    }

    /// As [`Self::between`], of people of their own.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let [alice, bob] = ["alice", "bob"].map(|name| Person::new(name, &mut rng));
        Self::between(&alice, &bob, true, seed)
    }

    /// The initiator's end, and the responder's.
    pub(crate) fn sides(&self) -> &[Session; 2] {
        &self.sides
    }

    /// Whose turn it is, where sides take turns from the start.
    pub(crate) fn next_side(&self) -> usize {
        usize::from(self.sent % 2 == 1)
    }

    /// A message from this side, as bytes.
    pub(crate) fn send(&mut self, side: usize, content: &[u8]) -> Vec<u8> {
        self.sent += 1;
        let outgoing = outgoing(content, self.sent, self.view);
        let sent = self.sides[side].encrypt(&outgoing, NOW, &mut self.rng);
        sent.expect("a session in use").saved()
    }

    /// Opens a message at this side.
    pub(crate) fn receive(&mut self, side: usize, envelope: &[u8]) -> Received {
        let envelope = Envelope::decode(envelope).expect("an honest envelope");
        let opened = self.sides[side].decrypt(envelope.message(), NOW);
        opened.expect("an honest message").saved()
    }

    /// The ends apart.
    pub(crate) fn into_sides(self) -> [Session; 2] {
        self.sides
    }
}
