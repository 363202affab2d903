//! Every world of a few changes: the rule is what the naive one says, its invariants hold.
//!
//! `ROSTER_CHANGES=5 CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib every_small_world` goes on
//! to five, 83 million worlds, in a quarter of an hour of one core.

use std::env;

use super::invariants::broken;
use super::naive::{A, B, BASE, Change, Mutant, Naive, O, Op, PEOPLE, Y, Z, bits, closed_sets};
use crate::group::roster::bits::Bits;
use crate::group::roster::rule::{self, Rule};
use crate::group::roster::world::{self, Node, Signer, Who, World};

/// What people do: author, device, version of its list, change.
pub(super) type Deed = (usize, u32, u64, Op);

pub(super) const DEEDS: [Deed; 20] = [
    (O, 1, 1, Op::Grant(A)),
    (O, 1, 1, Op::Grant(Y)),
    (O, 1, 1, Op::Demote(A)),
    (O, 1, 1, Op::Demote(B)),
    (O, 1, 1, Op::Demote(Y)),
    (O, 1, 1, Op::Add(A)),
    (O, 1, 1, Op::Add(Y)),
    (O, 1, 1, Op::Del(A)),
    (O, 1, 1, Op::Del(Y)),
    (O, 1, 1, Op::Title),
    (A, 1, 1, Op::Add(Y)),
    (A, 1, 1, Op::Del(B)),
    (A, 1, 1, Op::Del(Y)),
    (A, 1, 1, Op::Leave),
    (A, 1, 1, Op::Title),
    (B, 1, 1, Op::Add(Y)),
    (B, 1, 1, Op::Del(Y)),
    (B, 1, 1, Op::Title),
    (Y, 1, 1, Op::Add(Z)),
    (Y, 1, 1, Op::Leave),
];

/// Devices 1 and 2 of O and A; the second is taken off by version 2 of a list, or both are.
pub(super) const DEVICE_DEEDS: [Deed; 13] = [
    (O, 1, 1, Op::Demote(A)),
    (O, 1, 2, Op::Grant(A)),
    (O, 2, 1, Op::Add(Y)),
    (O, 2, 1, Op::Del(A)),
    (O, 0, 0, Op::Devices(2, 1 << 1)),
    (A, 1, 1, Op::Add(Z)),
    (A, 1, 2, Op::Add(Y)),
    (A, 2, 1, Op::Add(Y)),
    (A, 2, 1, Op::Del(Y)),
    (A, 2, 1, Op::Leave),
    (A, 0, 0, Op::Devices(2, 1 << 1)),
    (A, 0, 0, Op::Devices(3, 1 << 3)),
    (A, 3, 3, Op::Title),
];

/// Calls `found` with every world of up to `length` deeds that are valid, once at least, and
/// `refused` with every world of which the last deed alone is not.
pub(super) fn worlds(
    deeds: &[Deed],
    length: usize,
    mutant: Option<Mutant>,
    found: &mut dyn FnMut(&[Change]),
    refused: &mut dyn FnMut(&[Change]),
) {
    extend(&mut Vec::new(), &mut Vec::new(), (deeds, length, mutant), found, refused);
}

fn extend(
    changes: &mut Vec<Change>,
    chosen: &mut Vec<usize>,
    search: (&[Deed], usize, Option<Mutant>),
    found: &mut dyn FnMut(&[Change]),
    refused: &mut dyn FnMut(&[Change]),
) {
    let (deeds, length, mutant) = search;
    found(changes);
    if changes.len() == length {
        return;
    }
    let place = changes.len();
    for past in closed_sets(changes) {
        for (number, (author, device, version, op)) in deeds.iter().copied().enumerate() {
            // Of neighbours that do not know each other, one order is enough.
            let swapped =
                chosen.last().is_some_and(|last| past >> (place - 1) & 1 == 0 && *last > number);
            if swapped {
                continue;
            }
            changes.push(Change { author, op, device, version, past });
            if (Naive { mutant, ..Naive::new(changes) }).is_valid(place) {
                chosen.push(number);
                extend(changes, chosen, search, found, refused);
                chosen.pop();
            } else {
                refused(changes);
            }
            changes.pop();
        }
    }
}

/// A world as the rule has it, of which the last change has not been judged.
pub(super) fn world_of(changes: &[Change]) -> (World, Option<Node>) {
    let mut world = World::new();
    for (number, role) in BASE.into_iter().enumerate() {
        world.meet(role, 1, [u8::try_from(number).unwrap(); 32]);
    }
    let mut nodes = changes.iter().enumerate().map(|(number, change)| {
        let op = match change.op {
            Op::Seal(_) => world::Op::Seal,
            Op::Grant(who) => world::Op::Grant(vec![Who(who)]),
            Op::Demote(who) => world::Op::Demote(vec![Who(who)]),
            Op::Add(who) => world::Op::Add(vec![Who(who)]),
            Op::Del(who) => world::Op::Remove(vec![Who(who)]),
            Op::Leave => world::Op::Leave,
            Op::Devices(version, listed) => world::Op::Devices {
                version,
                listed: bits(listed).map(|device| u32::try_from(device).unwrap()).collect(),
            },
            Op::Title => world::Op::Set(0),
        };
        let signer = Signer { device: change.device, version: change.version };
        Node {
            author: Who(change.author),
            signer: (!change.is_signed_by_account()).then_some(signer),
            op,
            past: bits(change.past).collect(),
            hash: [u8::try_from(number).unwrap(); 32],
        }
    });
    let last = nodes.next_back();
    for node in nodes {
        world.push(node);
    }
    (world, last)
}

/// The rule says of this world what the naive one says, and the invariants hold.
pub(super) fn check(changes: &[Change]) {
    let (mut world, last) = world_of(changes);
    if let Some(last) = last {
        assert_eq!(rule::judge(&world, &last), Ok(()), "{changes:?}");
        world.push(last);
    }
    let naive = Naive::new(changes);
    let expected = naive.state(all(changes));
    let known = Bits::full(changes.len());
    let state = Rule::new(&world, &known).state();
    let mask = |places: &mut dyn Iterator<Item = usize>| places.fold(0, |m, place| m | 1 << place);
    assert_eq!(state.roles, expected.roles, "{changes:?}");
    assert_eq!(mask(&mut state.counted.iter()), expected.counted, "{changes:?}");
    assert_eq!(state.settings[0], expected.title, "{changes:?}");
    let in_a_past = bits(expected.counted).fold(0, |all, place| all | changes[place].past);
    let tips = expected.counted & !in_a_past;
    assert_eq!(mask(&mut state.tips.iter().copied()), tips, "{changes:?}");
    for who in 0..PEOPLE {
        assert_eq!(Rule::new(&world, &known).list_version(Who(who)), expected.lists[who]);
    }
    assert_eq!(broken(&naive, &expected), None, "{changes:?}");
}

fn all(changes: &[Change]) -> u32 {
    (0..changes.len()).fold(0, |all, place| all | 1 << place)
}

/// What the naive rule refuses the rule refuses.
pub(super) fn check_refused(changes: &[Change]) {
    let (world, last) = world_of(changes);
    assert!(rule::judge(&world, &last.unwrap()).is_err(), "{changes:?}");
}

fn length() -> usize {
    env::var("ROSTER_CHANGES").map_or(4, |length| length.parse().unwrap())
}

fn exhaust(deeds: &[Deed], length: usize) -> usize {
    let mut count = 0;
    let mut found = |changes: &[Change]| {
        check(changes);
        count += 1;
    };
    worlds(deeds, length, None, &mut found, &mut check_refused);
    count
}

#[test]
fn every_small_world_is_as_the_rule_says_and_keeps_the_invariants() {
    let count = exhaust(&DEEDS, length());
    println!("{count} worlds");
    assert!(count > 100_000);
}

#[test]
fn every_small_world_with_devices_is_as_the_rule_says_and_keeps_the_invariants() {
    let count = exhaust(&DEVICE_DEEDS, length());
    println!("{count} worlds");
    assert!(count > 20_000);
}
