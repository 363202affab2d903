//! People with keys, who sign whatever a test wants.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::naive::{self, A, B, O, PEOPLE};
use crate::UserId;
use crate::crypto::Label;
use crate::group::roster::change::{Kind, Seal, SignedBy};
use crate::group::roster::sealed::{Entry, SealedRoster};
use crate::group::{Action, Change, ChangeId, Inserted, Member, Role, Roster, Setting, Settings};
use crate::identity::{Account, Device, DeviceList};
use crate::wire::{GroupChange, SignedChange, Update};

pub(super) struct Person {
    pub(super) account: Account,
    pub(super) phone: Device,
    pub(super) laptop: Device,
    /// All lists that the account has signed, the first one first.
    pub(super) lists: Vec<DeviceList>,
    pub(super) member: Member,
}

impl Person {
    pub(super) fn new(name: &str, rng: &mut ChaCha8Rng) -> Self {
        let user = UserId::new(name).unwrap();
        let phone = Device::generate(user.clone(), rng);
        let laptop = Device::generate(user, rng);
        let mut account = Account::create(&phone, rng);
        account.add(laptop.entry(&account.key())).unwrap();
        let lists = vec![account.device_list().clone()];
        let member = Member::of(&lists[0]);
        Self { account, phone, laptop, lists, member }
    }

    /// Takes the laptop off the list.
    pub(super) fn lose_laptop(&mut self) {
        self.account.remove(self.laptop.address().device).unwrap();
        self.lists.push(self.account.device_list().clone());
    }

    /// A change by the phone, under the newest list.
    pub(super) fn by_phone(&self, group: &Group, action: Action, parents: &[ChangeId]) -> Update {
        self.by(&self.phone, self.lists.last().unwrap(), group, action, parents)
    }

    pub(super) fn by(
        &self,
        device: &Device,
        list: &DeviceList,
        group: &Group,
        action: Action,
        parents: &[ChangeId],
    ) -> Update {
        let signer = SignedBy { device: device.address().device, list: *list.hash() };
        let change = encode(group, &self.member, Some(signer), Kind::Act(action), parents);
        let signature = device.sign(Label::GROUP_CHANGE, &change).to_bytes();
        let lists = vec![list.signed().clone()];
        Update { changes: vec![SignedChange { change, signature }], lists, roster: None }
    }

    pub(super) fn by_account(&self, group: &Group, kind: Kind, parents: &[ChangeId]) -> Update {
        let change = encode(group, &self.member, None, kind, parents);
        let signature = self.account.sign(Label::GROUP_CHANGE, &change).to_bytes();
        Update { changes: vec![SignedChange { change, signature }], ..Update::default() }
    }
}

fn encode(
    group: &Group,
    author: &Member,
    signer: Option<SignedBy>,
    kind: Kind,
    parents: &[ChangeId],
) -> Vec<u8> {
    let mut parents: Vec<_> = parents.iter().map(|parent| parent.0).collect();
    parents.sort();
    parents.dedup();
    GroupChange {
        group: Some(group.first.group().0),
        parents,
        author: author.to_wire(),
        device_id: signer.map_or(0, |signer| signer.device.get()),
        device_list: signer.map(|signer| signer.list),
        kind: kind.to_wire(),
    }
    .encode()
}

/// A group of O, the owner, and A and B, admins; Y and Z are outside.
pub(super) struct Group {
    pub(super) people: Vec<Person>,
    /// As it began.
    pub(super) first: Roster,
}

impl Group {
    pub(super) fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut people: Vec<_> = ["owner", "admin", "deputy", "guest", "stranger"]
            .iter()
            .map(|n| Person::new(n, &mut rng))
            .collect();
        // So that the smaller number is the smaller key, as in naive worlds.
        people[1..].sort_by_key(|person| *person.member.key().as_bytes());
        let entry = |number: usize| {
            let role = if number == O { Role::Owner } else { Role::Admin };
            (people[number].member.clone(), Entry { role, list_version: 2 })
        };
        let roster = SealedRoster {
            entries: [O, A, B].into_iter().map(entry).collect(),
            settings: Settings::default(),
        };
        let owner = &people[O];
        let seal = Seal {
            owner: owner.member.clone(),
            roster: roster.hash(),
            previous: None,
            nonce: Some([7; 32]),
        };
        let change = GroupChange {
            group: None,
            parents: Vec::new(),
            author: owner.member.to_wire(),
            device_id: 0,
            device_list: None,
            kind: Kind::Seal(Box::new(seal)).to_wire(),
        }
        .encode();
        let signature = owner.account.sign(Label::GROUP_CHANGE, &change).to_bytes();
        let seal = Change::decode(SignedChange { change, signature }).unwrap();
        Self { people, first: Roster::at(vec![seal], roster) }
    }

    pub(super) fn seal(&self) -> ChangeId {
        self.first.ask_seal()
    }

    pub(super) fn member(&self, who: usize) -> Member {
        self.people[who].member.clone()
    }

    /// What the group is, to compare with naive worlds.
    pub(super) fn roles(&self, roster: &Roster) -> [Option<Role>; PEOPLE] {
        std::array::from_fn(|who| roster.role(&self.people[who].member))
    }

    /// A change of a naive world. Versions of lists count from 1 there, from 2 here.
    pub(super) fn sign(&self, change: &naive::Change, parents: &[ChangeId]) -> Update {
        let person = &self.people[change.author];
        let to = |who: usize| vec![self.member(who)];
        let action = match change.op {
            naive::Op::Grant(who) => Action::Grant(to(who)),
            naive::Op::Demote(who) => Action::Demote(to(who)),
            naive::Op::Add(who) => Action::Add(to(who)),
            naive::Op::Del(who) => Action::Remove(to(who)),
            naive::Op::Leave => Action::Leave,
            naive::Op::Title => {
                let title = format!("{} {parents:?}", change.author);
                Action::Set(Setting::Title(title))
            }
            naive::Op::Devices(..) | naive::Op::Seal(_) => unreachable!(),
        };
        person.by_phone(self, action, parents)
    }

    /// A seal over what `roster` knows in the past of `parents`.
    pub(super) fn sign_seal(
        &self,
        roster: &Roster,
        author: usize,
        owner: usize,
        parents: &[ChangeId],
    ) -> Update {
        let owner = self.member(owner);
        let epoch = match &roster.former {
            Some(former)
                if parents.iter().all(|p| former.find(p) == super::super::epoch::Found::Here) =>
            {
                former
            }
            _ => &roster.current,
        };
        let sealed = epoch.sealed(&epoch.closure(parents), &owner);
        let previous = Some(epoch.seal());
        let seal = Seal { owner, roster: sealed.hash(), previous, nonce: None };
        self.people[author].by_account(self, Kind::Seal(Box::new(seal)), parents)
    }
}

impl Roster {
    pub(super) fn ask_seal(&self) -> ChangeId {
        ChangeId(self.ask().seal)
    }
}

/// The only change of an update.
pub(super) fn id(update: &Update) -> ChangeId {
    Change::claimed_id(&update.changes[0])
}

/// Inserts one change, which is valid.
pub(super) fn accept(roster: &mut Roster, update: &Update) -> Inserted {
    let told = roster.insert(update);
    assert_eq!(told.accepted, [id(update)], "{told:?}");
    told
}
