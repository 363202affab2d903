//! Four members of a group who change it, and a network that loses, repeats, reorders and
//! damages what they say, all as the input says, with genuine keys.
//!
//! Each step is a byte and what belongs to it: its two lowest bits say who, the rest what.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::UserId;
use subrosa::group::{
    Action, Answer, Draft, Member, Refused, Role, Roster, RosterError, Setting, Settings, Update,
    Welcome,
};
use subrosa::identity::{Account, Device};

use crate::input::Input;

const MAX_STEPS: usize = 128;

/// The steps, for whoever writes a list of them.
pub(crate) const ACT: u8 = 0;
pub(crate) const SEAL: u8 = 1;
pub(crate) const DELIVER: u8 = 2;
pub(crate) const DAMAGE: u8 = 3;
pub(crate) const ASK: u8 = 4;
pub(crate) const RELOAD: u8 = 5;
pub(crate) const DROP: u8 = 6;
pub(crate) const FORGE: u8 = 7;
const STEPS: u8 = 8;

struct Client {
    account: Account,
    device: Device,
    member: Member,
    roster: Roster,
}

struct Group {
    clients: Vec<Client>,
    mail: Vec<Update>,
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut group = Group::new();
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        group.step(&mut input);
    }
    group.end();
}

impl Group {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let people = ["owner", "admin", "member", "guest"].map(|name| {
            let device = Device::generate(UserId::new(name).unwrap(), &mut rng);
            (Account::create(&device, &mut rng), device)
        });
        let roster = Roster::create(&people[0].0, Settings::default(), &mut rng).unwrap();
        let client = |(account, device): (Account, Device)| {
            let member = Member::of(account.device_list());
            Client { account, device, member, roster: roster.clone() }
        };
        Self { clients: people.map(client).into(), mail: Vec::new() }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let byte = input.byte();
        let who = usize::from(byte & 3);
        match (byte >> 2) % STEPS {
            ACT => {
                let action = self.action(input);
                let draft = self.clients[who].roster.draft(&self.clients[who].member, action);
                self.say(who, draft);
            }
            SEAL => {
                let next = &self.clients[usize::from(input.byte() & 3)].member;
                let draft = self.clients[who].roster.draft_seal(&self.clients[who].member, next);
                self.say(who, draft);
            }
            DELIVER => {
                let number = usize::from(input.byte());
                if let Some(update) = self.mail.get(number % self.mail.len().max(1)) {
                    insert(&mut self.clients[who].roster, update);
                }
            }
            DAMAGE => {
                let (number, at) = (usize::from(input.byte()), input.short());
                let Some(update) = self.mail.get(number % self.mail.len().max(1)) else { return };
                let mut bytes = update.encode();
                let length = bytes.len();
                bytes[at % length] ^= input.byte();
                let Ok(damaged) = Update::decode(&bytes) else { return };
                self.forge(who, &damaged);
            }
            ASK => {
                let other = usize::from(input.byte() & 3);
                self.exchange(who, other, input.short());
            }
            RELOAD => {
                let roster = &mut self.clients[who].roster;
                let record = roster.record();
                let loaded = Roster::from_record(&record).unwrap();
                assert_eq!(loaded.head(), roster.head());
                assert_eq!(loaded.stopped(), roster.stopped());
                assert_eq!(*loaded.record(), *record);
                *roster = loaded;
            }
            DROP => {
                let Client { member, roster, .. } = &mut self.clients[who];
                let head = roster.head();
                roster.drop_void(Some(member));
                assert_eq!(roster.head(), head);
            }
            _ => {
                let bytes = input.part();
                if let Ok(update) = Update::decode(bytes) {
                    self.forge(who, &update);
                }
                if let Ok(welcome) = Welcome::decode(bytes) {
                    let _ = self.clients[who].roster.catch_up(&welcome);
                }
                let _ = Roster::from_record(bytes);
            }
        }
    }

    fn action(&self, input: &mut Input<'_>) -> Action {
        let byte = input.byte();
        let to = vec![self.clients[usize::from(byte & 3)].member.clone()];
        match byte >> 2 {
            0..8 => Action::Add(to),
            8..16 => Action::Remove(to),
            16..24 => Action::Grant(to),
            24..32 => Action::Demote(to),
            32..40 => Action::Leave,
            other => Action::Set(Setting::Timer(other.into())),
        }
    }

    fn say(&mut self, who: usize, draft: Result<Draft, RosterError>) {
        let Client { account, device, roster, .. } = &mut self.clients[who];
        let Ok(draft) = draft else { return };
        let update = draft
            .clone()
            .sign(device, account.device_list())
            .or_else(|_| draft.sign_as_account(account))
            .unwrap();
        insert(roster, &update);
        self.mail.push(update);
    }

    /// Nothing that nobody has said changes anything.
    fn forge(&mut self, who: usize, update: &Update) {
        let roster = &mut self.clients[who].roster;
        let head = roster.head();
        let told = roster.insert(update);
        let said = |change| self.mail.iter().any(|update| update.changes().any(|c| c == change));
        let accepted = |id| roster.change(id).is_some_and(|change| said(change.signed()));
        // What was held may be accepted now, if the list that it names is in there.
        assert!(told.accepted.iter().all(accepted), "{told:?}");
        if told.accepted.is_empty() {
            assert_eq!(roster.head(), head);
        }
    }

    fn exchange(&mut self, asks: usize, answers: usize, limit: usize) {
        let ask = self.clients[asks].roster.ask();
        let answer = self.clients[answers].roster.answer(&ask, limit);
        let roster = &mut self.clients[asks].roster;
        let update = match answer {
            Answer::Update(update) => update,
            Answer::Welcome(welcome, update) => {
                let _ = roster.catch_up(&welcome);
                update
            }
            _ => return,
        };
        insert(roster, &update);
    }

    /// Once all have talked to all they agree.
    fn end(&mut self) {
        for _ in 0..6 {
            for asks in 0..4 {
                for answers in 0..4 {
                    self.exchange(asks, answers, usize::MAX);
                }
            }
        }
        let [first, rest @ ..] = self.clients.as_slice() else { return };
        for client in rest {
            assert_eq!(client.roster.head(), first.roster.head());
            assert!(client.roster.members().eq(first.roster.members()));
            assert_eq!(client.roster.settings(), first.roster.settings());
        }
        let owners = first.roster.members().filter(|(_, role)| *role == Role::Owner);
        assert_eq!(owners.count(), 1);
    }
}

/// Genuine changes are never refused; a damaged one that was held may be, now.
fn insert(roster: &mut Roster, update: &Update) {
    let told = roster.insert(update);
    assert!(told.refused.iter().all(|(_, why)| *why == Refused::Forged), "{told:?}");
}
