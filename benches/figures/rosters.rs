//! Rosters of large groups: a change that comes, and the state of many.
//!
//! Nobody has sealed since the group began, so that all of its members are there by
//! changes: an earlier seal only spares work.

use std::hint::black_box;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::UserId;
use subrosa::group::{
    Action, Answer, MAX_MEMBERS, MAX_UPDATE_LEN, Member, Roster, Setting, Settings, Update,
};
use subrosa::identity::{Account, Device};

use crate::Run;
use crate::clock::{each, lower_tenths, medians, timed};
use crate::figure::{Bound, Figure};
use crate::floors::{self, floor};
use crate::peer::Peer;
use crate::primitives::Inputs;

/// Members of the group who may change it, the owner among them.
const POWERFUL: usize = 64;

/// How many members one change adds; more do not fit.
const ADDED_AT_ONCE: usize = 200;

/// Changes that a change comes on top of: half of those after which an owner seals.
const BEFORE: usize = 512;

/// Changes a batch: about a millisecond.
const BATCH: usize = 16;

/// Changes of each who may make some, all of them beside those of the others.
const BESIDE: usize = 256;

/// Somebody with one device.
struct Signer {
    member: Member,
    device: Device,
    account: Account,
}

impl Signer {
    fn new(number: usize, rng: &mut ChaCha8Rng) -> Self {
        let user = UserId::new(format!("member-{number:04}")).expect("a short name");
        let device = Device::generate(user, rng);
        let account = Account::create(&device, rng);
        Self { member: Member::of(account.device_list()), device, account }
    }
}

/// A group of a thousand.
struct Group {
    /// The owner, the admins, and all others.
    people: Vec<Signer>,
    roster: Roster,
}

impl Group {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(10);
        let people: Vec<_> = (0..MAX_MEMBERS).map(|number| Signer::new(number, &mut rng)).collect();
        let settings = Settings::titled("a thousand");
        let roster = Roster::create(&people[0].account, settings, &mut rng);
        let mut group = Self { people, roster: roster.expect("a short title") };
        let members: Vec<_> = group.people.iter().map(|person| person.member.clone()).collect();
        for some in members[1..].chunks(ADDED_AT_ONCE) {
            group.change(0, Action::Add(some.to_vec()));
        }
        group.change(0, Action::Grant(members[1..POWERFUL].to_vec()));
        group
    }

    /// A change by the person of this number, who knows of all that the roster has.
    fn change(&mut self, by: usize, action: Action) -> Update {
        let author = &self.people[by];
        let draft = self.roster.draft(&author.member, action).expect("a right of his");
        let update = draft.sign(&author.device, author.account.device_list());
        let update = update.expect("a change that fits");
        assert_eq!(self.roster.insert(&update).accepted.len(), 1, "a valid change");
        update
    }

    /// The change of this number by that person: one in eight is a title, the others take an
    /// ordinary member out and back in.
    fn ordinary(&mut self, by: usize, number: usize) -> Update {
        let target = POWERFUL + (by * 31 + number / 2 * 7) % (MAX_MEMBERS - POWERFUL);
        let target = vec![self.people[target].member.clone()];
        self.change(
            by,
            match number % 8 {
                7 => Action::Set(Setting::Title(format!("title {number}"))),
                even if even % 2 == 0 => Action::Remove(target),
                _ => Action::Add(target),
            },
        )
    }
}

/// Changes that come in a group of a thousand.
struct Coming {
    before: Roster,
    after: Roster,
    changes: Vec<Vec<u8>>,
}

impl Coming {
    fn new() -> Self {
        let mut group = Group::new();
        for number in 0..BEFORE {
            group.ordinary(number % POWERFUL, number);
        }
        let before = group.roster.clone();
        let changes = (0..BATCH).map(|n| group.ordinary(n, BEFORE + n).encode()).collect();
        Self { before, after: group.roster, changes }
    }

    /// Takes all of them from their bytes; nanoseconds for one.
    fn process(&self) -> f64 {
        let mut roster = self.before.clone();
        let mut changes = self.changes.iter();
        let took = timed(BATCH, || {
            let change = changes.next().expect("as many as are counted");
            let update = Update::decode(change).expect("an honest change");
            black_box(roster.insert(&update));
        });
        assert_eq!(roster.head(), self.after.head());
        each(took, BATCH)
    }
}

/// Processing a change in a group of a thousand.
pub(crate) fn change(run: &Run) -> Vec<Figure> {
    let (coming, check) = (Coming::new(), floors::group_change());
    let mut inputs = Inputs::new();
    let times = medians(run.rounds(400), || [coming.process(), floor(&mut inputs, &check, BATCH)]);
    vec![Figure::time("group_change_1000", times, 5.0, &check)]
}

/// The same, against mls-rs, where making a change takes long too.
pub(crate) fn change_against_mls(run: &Run) -> Vec<Figure> {
    let times = Peer::start(Peer::MLS).map(|mut mls| {
        let coming = Coming::new();
        // One who is added and one who is removed.
        medians(run.rounds(200), || [coming.process(), mls.time("change_1000", 2)])
    });
    vec![Figure::against("group_change_1000_vs_mls", times, Bound::Open)]
}

/// The state of 16,384 changes, computed from these changes alone, which have been verified.
pub(crate) fn state(run: &Run) -> Vec<Figure> {
    let mut group = Group::new();
    let base = group.roster.clone();
    let mut all = base.clone();
    for by in 0..POWERFUL {
        group.roster = base.clone();
        for number in 0..BESIDE {
            group.ordinary(by, number);
        }
        let Answer::Update(update) = group.roster.answer(&base.ask(), MAX_UPDATE_LEN) else {
            panic!("nobody has sealed");
        };
        assert_eq!(all.insert(&update).accepted.len(), BESIDE, "all of them valid");
    }
    let [took] = lower_tenths(run.rounds(100), || {
        let mut roster = all.clone();
        let took = timed(1, || roster.drop_void(None));
        assert_eq!(roster.head(), all.head());
        [each(took, 1) / 1e6]
    });
    vec![Figure::count("roster_16384_changes", took, "ms", 100.0)]
}
