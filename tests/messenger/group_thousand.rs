//! A group of a thousand: one messenger that speaks, and 999 members that are no more than
//! their keys and a session with it each.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::handshake::PrekeyBundle;
use subrosa::identity::{Account, Device as Identity, View};
use subrosa::session::{Body, Content as Said, Numbers, Peer};
use subrosa::wire::{Control, Envelope, MessageId};
use subrosa::{Action, Address, Content, GroupChange, GroupId, Timestamp, UserId};

use crate::group_faults::is_group;
use crate::world::{Device, World};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// How many begin a session before there are new one-time prekeys.
const PAGE: usize = 50;

/// A member's only device.
struct Bare {
    peer: Peer,
    view: View,
    rng: ChaCha8Rng,
}

impl Bare {
    /// Begins a session with whoever the bundle is of; gives its address and first message.
    fn new(number: u64, user: &UserId, bundle: &[u8]) -> (Address, Self, Vec<u8>) {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let name = UserId::new(format!("member{number}")).unwrap();
        let device = Identity::generate(name, &mut rng);
        let account = Account::create(&device, &mut rng);
        let bundle = PrekeyBundle::decode(bundle).unwrap().verify(user, NOW).unwrap();
        let prekeys = &bundle.devices()[0];
        let mut peer = Peer::new(prekeys.address().clone());
        let list = account.device_list();
        peer.initiate(&device, list, prekeys, NOW, &mut rng).unwrap().saved();
        let view = View::new(list, bundle.device_list());
        let mut member = Self { peer, view, rng };
        let content = Content::text("hello").to_bytes();
        let id = MessageId::generate(&mut member.rng);
        let first = member.say(Body::Content { id, content: &content }, Numbers::Next);
        (device.address().clone(), member, first)
    }

    fn say(&mut self, body: Body<'_>, numbers: Numbers) -> Vec<u8> {
        let said = self.peer.encrypt(body, numbers, self.view, NOW, &mut self.rng);
        said.unwrap().saved().envelope
    }

    /// Takes a sender key, and says that it is saved.
    fn acknowledge(&mut self, envelope: &[u8]) -> Vec<u8> {
        let envelope = Envelope::decode(envelope).unwrap();
        let delivered = self.peer.decrypt(&envelope, NOW).unwrap().saved();
        let Said::Control(Control::SenderKey(key)) = delivered.content else {
            panic!("{:?}", delivered.content)
        };
        let saved = Control::SenderKeySaved(key.acknowledgement());
        self.say(Body::Control(saved), Numbers::Unnumbered)
    }
}

struct Crowd {
    world: World,
    alice: Device,
    members: BTreeMap<Address, Bare>,
    group: GroupId,
}

impl Crowd {
    fn of(count: usize) -> Self {
        let mut world = World::new();
        let mut alice = world.person("alice");
        let group = alice.messenger.create_group("Crowd").unwrap();
        let mut crowd = Self { world, alice, members: BTreeMap::new(), group };
        let users = crowd.meet(count);
        crowd.alice.messenger.change_group(&group, GroupChange::Add(users)).unwrap();
        crowd.carried();
        crowd
    }

    /// So many more begin a session with Alice, and are accepted.
    fn meet(&mut self, count: usize) -> Vec<UserId> {
        let mut users = Vec::new();
        while users.len() < count {
            let left = self.world.directory.prekeys_left(&self.alice.address());
            self.alice.messenger.prekeys_left(left.try_into().unwrap()).unwrap();
            self.carried();
            let mut envelopes = Vec::new();
            for _ in 0..PAGE.min(count - users.len()) {
                let bundle = self.world.directory.bundle(&self.alice.user()).unwrap();
                let number = u64::try_from(self.members.len()).unwrap();
                let (address, member, first) = Bare::new(number, &self.alice.user(), &bundle);
                users.push(address.user.clone());
                self.members.insert(address, member);
                envelopes.push(first);
            }
            self.receive(&envelopes);
            for user in &users {
                self.alice.messenger.accept(user).unwrap();
            }
        }
        self.carried();
        users
    }

    fn receive(&mut self, envelopes: &[Vec<u8>]) {
        self.alice.messenger.receive_all(envelopes).unwrap();
        self.alice.read();
    }

    /// Carries all that there is, and gives what is to be delivered.
    fn carried(&mut self) -> Vec<(Vec<Address>, Vec<u8>)> {
        let mut delivered = Vec::new();
        while let Some(out) = self.alice.messenger.next_outgoing().unwrap() {
            match out.action {
                Action::Publish { publication } => {
                    self.world.directory.publish(&publication).unwrap();
                }
                Action::Deliver { to, envelope, .. } => delivered.push((to, envelope)),
                Action::Fetch { user } => panic!("{user:?} is known"),
            }
            self.alice.messenger.outgoing_done(&[out.id]).unwrap();
        }
        self.alice.read();
        delivered
    }

    /// Says something; gives to how many it goes, and the keys that go along with it.
    fn say(&mut self) -> (usize, Vec<(Address, Vec<u8>)>) {
        self.alice.messenger.send(self.group, Content::text("hello")).unwrap();
        let (messages, keys): (Vec<_>, Vec<_>) =
            self.carried().into_iter().partition(|(_, envelope)| is_group(envelope));
        let [(to, _)] = messages.as_slice() else { panic!("{} messages", messages.len()) };
        let keys = keys.into_iter().map(|(to, envelope)| {
            let [to] = to.as_slice() else { panic!("to {} devices", to.len()) };
            (to.clone(), envelope)
        });
        (to.len(), keys.collect())
    }

    /// Says something: a smallest envelope goes to each of so many, who each say that they have
    /// the key; then none goes any more, nor after a restart.
    fn hands_over_once(&mut self, readers: usize, new: usize) {
        let (to, keys) = self.say();
        assert_eq!((to, keys.len()), (readers, new));
        // 256 bytes of payload, and what a message of a session takes beside it.
        assert!(keys.iter().all(|(_, envelope)| envelope.len() <= 350));
        let saved: Vec<Vec<u8>> = keys
            .iter()
            .map(|(of, envelope)| self.members.get_mut(of).unwrap().acknowledge(envelope))
            .collect();
        self.receive(&saved);
        assert!(self.carried().is_empty());
        let (to, keys) = self.say();
        assert_eq!((to, keys.len()), (readers, 0));
        self.alice.restart();
        let (to, keys) = self.say();
        assert_eq!((to, keys.len()), (readers, 0));
    }
}

#[test]
fn a_thousand_get_one_smallest_envelope_each_for_a_new_key_and_none_otherwise() {
    let mut crowd = Crowd::of(999);
    let group = crowd.group;
    crowd.hands_over_once(999, 999);
    crowd.alice.messenger.rotate_group(&group).unwrap();
    crowd.hands_over_once(999, 999);
    let gone = crowd.members.keys().next().unwrap().user.clone();
    crowd.alice.messenger.change_group(&group, GroupChange::Remove(vec![gone])).unwrap();
    assert_eq!(crowd.carried().len(), 999);
    crowd.hands_over_once(998, 998);
    let users = crowd.meet(1);
    crowd.alice.messenger.change_group(&group, GroupChange::Add(users)).unwrap();
    let news = crowd.carried();
    let addressed: std::collections::BTreeSet<_> = news.iter().flat_map(|(to, _)| to).collect();
    assert_eq!(addressed.len(), 999);
    crowd.hands_over_once(999, 1);
}
