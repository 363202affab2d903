//! Worlds of thirty changes, drawn at random.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::exhaustive::{check, check_refused};
use super::naive::{A, B, Change, Naive, O, Op, PEOPLE, Y, Z, bits};

/// Some change by somebody, with the past of some of the others. Mostly its author has seen
/// what he did himself.
fn draw(changes: &[Change], lists: &mut [u64; PEOPLE], rng: &mut ChaCha8Rng) -> Change {
    let author = [O, O, A, A, B, B, Y, Z][rng.random_range(0..8)];
    let who = rng.random_range(0..PEOPLE);
    let op = match rng.random_range(0..20) {
        0..2 => Op::Grant(who),
        2..4 => Op::Demote(who),
        4..9 => Op::Add(who),
        9..14 => Op::Del(who),
        14..16 => Op::Leave,
        16 => {
            lists[author] += 1;
            Op::Devices(lists[author], rng.random_range(0..4) << 1)
        }
        _ => Op::Title,
    };
    let likely = rng.random_range(1..4);
    let mut past = 0;
    for (place, other) in changes.iter().enumerate() {
        let own = other.author == author && rng.random_range(0..10) != 0;
        if own || rng.random_range(0..10) < likely {
            past |= other.past | 1 << place;
        }
    }
    let version = rng.random_range(1..=lists[author]);
    let device = rng.random_range(1..3);
    Change { author, op, device, version, past }
}

pub(super) fn world(length: usize, rng: &mut ChaCha8Rng, refused: fn(&[Change])) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut lists = [1; PEOPLE];
    while changes.len() < length {
        let change = draw(&changes, &mut lists, rng);
        changes.push(change);
        if !Naive::new(&changes).is_valid(changes.len() - 1) {
            refused(&changes);
            changes.pop();
        }
    }
    changes
}

#[test]
fn worlds_of_thirty_are_as_the_rule_says_and_keep_the_invariants() {
    for seed in 0..400 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let changes = world(30, &mut rng, check_refused);
        check(&changes);
    }
}

#[test]
fn what_is_void_and_not_built_on_makes_no_difference() {
    for seed in 0..400 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let changes = world(30, &mut rng, |_| ());
        let naive = Naive::new(&changes);
        let all = naive.state((1 << 30) - 1);
        let kept = bits(all.counted).fold(0, |set, x| set | 1 << x | changes[x].past);
        assert_eq!(naive.state(kept), all);
    }
}
