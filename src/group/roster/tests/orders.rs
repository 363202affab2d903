//! The order in which changes come says nothing: determinism, and that equal heads are equal
//! states.

use std::collections::HashMap;

use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::naive::{Change, Naive, Op, PEOPLE, bits};
use super::people::{Group, id};
use super::random::world;
use crate::group::{ChangeId, Head, Role, Roster, Settings, Update};

/// The changes of a random world without new device lists, signed.
pub(super) fn signed_world(group: &Group, length: usize, rng: &mut ChaCha8Rng) -> Signed {
    loop {
        let changes = world(length, rng, |_| ());
        let simple = |change: &Change| !matches!(change.op, Op::Devices(..));
        // One with lists becomes one without, if it stays valid then.
        let changes: Vec<Change> = changes
            .into_iter()
            .map(|change| match simple(&change) {
                true => Change { version: 1, device: 1, ..change },
                false => Change { op: Op::Title, version: 1, device: 1, ..change },
            })
            .collect();
        let naive = Naive::new(&changes);
        // The same again is not another change.
        let again = (0..length).any(|place| changes[..place].contains(&changes[place]));
        if again || !(0..length).all(|place| naive.is_valid(place)) {
            continue;
        }
        let mut ids: Vec<ChangeId> = Vec::new();
        let mut updates = Vec::new();
        for change in &changes {
            let rest = bits(change.past).fold(0, |all, place| all | changes[place].past);
            let mut parents: Vec<_> = bits(change.past & !rest).map(|place| ids[place]).collect();
            if parents.is_empty() {
                parents.push(group.seal());
            }
            parents.truncate(crate::group::MAX_PARENTS);
            updates.push(group.sign(change, &parents));
            ids.push(id(updates.last().unwrap()));
        }
        return Signed { changes, updates };
    }
}

pub(super) struct Signed {
    pub(super) changes: Vec<Change>,
    pub(super) updates: Vec<Update>,
}

impl Signed {
    fn roles(&self) -> [Option<Role>; PEOPLE] {
        let all = (0..self.changes.len()).fold(0, |all, place| all | 1 << place);
        Naive::new(&self.changes).state(all).roles
    }
}

fn insert_all<'a>(roster: &mut Roster, updates: impl IntoIterator<Item = &'a Update>) {
    for update in updates {
        let told = roster.insert(update);
        assert_eq!(told.refused, [], "{told:?}");
    }
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    if length == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(length - 1);
    let longer = |rest: Vec<usize>| {
        (0..length).map(move |at| {
            let mut order = rest.clone();
            order.insert(at, length - 1);
            order
        })
    };
    shorter.into_iter().flat_map(longer).collect()
}

#[test]
fn every_order_of_five_changes_gives_one_state() {
    let group = Group::new();
    for seed in 0..12 {
        let signed = signed_world(&group, 5, &mut ChaCha8Rng::seed_from_u64(seed));
        let mut heads: Vec<(Head, Settings)> = Vec::new();
        for order in permutations(5) {
            let mut roster = group.first.clone();
            insert_all(&mut roster, order.iter().map(|place| &signed.updates[*place]));
            assert_eq!(group.roles(&roster), signed.roles(), "{:?} {order:?}", signed.changes);
            heads.push((roster.head(), roster.settings()));
        }
        heads.dedup();
        assert_eq!(heads.len(), 1);
    }
}

#[test]
fn every_order_of_thirty_gives_one_state_with_and_without_dropping() {
    let group = Group::new();
    for seed in 0..25 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let signed = signed_world(&group, 30, &mut rng);
        let mut whole = group.first.clone();
        insert_all(&mut whole, &signed.updates);
        assert_eq!(group.roles(&whole), signed.roles());
        for _ in 0..4 {
            let mut shuffled: Vec<_> = signed.updates.iter().collect();
            shuffled.shuffle(&mut rng);
            let mut dropping = group.first.clone();
            for (number, update) in shuffled.into_iter().enumerate() {
                insert_all(&mut dropping, [update]);
                // What was dropped and is built on is asked for, and comes back.
                if number % 3 == 0 {
                    dropping.drop_void(None);
                    fetch(&mut dropping, &signed.updates);
                }
            }
            fetch(&mut dropping, &signed.updates);
            assert_eq!(dropping.held.len(), 0);
            assert_eq!(dropping.head(), whole.head(), "{:?}", signed.changes);
            assert_eq!(group.roles(&dropping), group.roles(&whole));
            assert_eq!(dropping.settings(), whole.settings());
            let reloaded = Roster::from_record(&dropping.record()).unwrap();
            assert_eq!(reloaded.head(), whole.head());
            assert_eq!(*reloaded.record(), *dropping.record());
        }
    }
}

/// Gets what is asked for, as far as `known` has come: everything.
fn fetch(roster: &mut Roster, known: &[Update]) {
    loop {
        let wanted = roster.ask().wanted;
        let held = roster.held.len();
        let mut progress = false;
        for update in known.iter().filter(|update| wanted.contains(&id(update).0)) {
            let told = roster.insert(update);
            progress |= !told.accepted.is_empty() || told.held > held;
        }
        if !progress {
            return;
        }
    }
}

#[test]
fn heads_are_equal_just_when_states_are() {
    let group = Group::new();
    let mut states: HashMap<Head, _> = HashMap::new();
    let mut heads: HashMap<Vec<ChangeId>, Head> = HashMap::new();
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let signed = signed_world(&group, 12, &mut rng);
        for _ in 0..40 {
            // Some of them: what does not follow from the rest waits.
            let chosen = signed.updates.iter().filter(|_| rng.random_range(0..4) != 0);
            let mut roster = group.first.clone();
            insert_all(&mut roster, chosen);
            let counted = roster.current.changes().iter().enumerate();
            let counted = counted.filter(|(place, _)| roster.state.counted.contains(*place));
            let mut counted: Vec<_> = counted.map(|(_, change)| change.id()).collect();
            counted.sort();
            assert_eq!(*heads.entry(counted.clone()).or_insert(roster.head()), roster.head());
            let state = (counted, group.roles(&roster), roster.settings());
            assert_eq!(*states.entry(roster.head()).or_insert_with(|| state.clone()), state);
        }
    }
    assert!(states.len() > 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn what_came_twice_or_damaged_changes_nothing(seed in 0_u64..1000, at in 0_usize..5000) {
        let group = Group::new();
        let signed = signed_world(&group, 6, &mut ChaCha8Rng::seed_from_u64(seed));
        let mut roster = group.first.clone();
        insert_all(&mut roster, &signed.updates);
        let record = roster.record();
        insert_all(&mut roster, &signed.updates);
        prop_assert_eq!(&*roster.record(), &*record);
        // One bit of one of them.
        let mut bytes = signed.updates[at % 6].encode();
        let place = at % bytes.len();
        bytes[place] ^= 1 << (at % 8);
        if let Ok(damaged) = Update::decode(&bytes) {
            let head = roster.head();
            let told = roster.insert(&damaged);
            prop_assert_eq!(told.accepted, []);
            prop_assert_eq!(told.events, []);
            prop_assert_eq!(roster.head(), head);
        }
    }
}
