//! What the largest groups cost: how many changes are looked at. How long that takes is among
//! the figures (`roster_16384_changes`, `group_change_1000`).

use std::ops::Range;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::group::Role;
use crate::group::roster::bits::Bits;
use crate::group::roster::rule::{Rule, judge};
use crate::group::roster::world::{self, Node, Signer, VISITED, Who, World};

#[test]
fn sixteen_thousand_changes_by_sixty_four_admins_are_computed_at_once() {
    computed_at_once(0..65);
}

#[test]
fn sixteen_thousand_changes_by_one_admin_are_computed_at_once() {
    computed_at_once(1..2);
}

/// Of 64 admins and the owner, who is the first, these make changes.
fn computed_at_once(authors: Range<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut world = World::new();
    for number in 0..2_000_u32 {
        let role = match number {
            0 => Role::Owner,
            1..=64 => Role::Admin,
            _ => Role::Member,
        };
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        world.meet(Some(role), 1, key);
    }
    VISITED.set(0);
    let mut tips: Vec<usize> = Vec::new();
    while world.len() < 16_384 {
        let author = rng.random_range(authors.clone());
        let target = vec![Who(rng.random_range(65..2_000))];
        let ended = vec![Who(rng.random_range(1..65))];
        let op = match rng.random_range(0..1_000) {
            0..3 if author == 0 => world::Op::Demote(ended),
            3..10 if author == 0 => world::Op::Grant(ended),
            10..12 if author != 0 && authors.len() > 1 => world::Op::Leave,
            12..100 => world::Op::Set(0),
            100..550 => world::Op::Add(target),
            _ => world::Op::Remove(target),
        };
        let mut past = Bits::new();
        let parents = tips.split_off(tips.len().saturating_sub(rng.random_range(1..4)));
        for parent in parents {
            past.unite(world.past(parent));
            past.insert(parent);
        }
        let hash = rng.random();
        let signer = Some(Signer { device: 1, version: 1 });
        let node = Node { author: Who(author), signer, op, past, hash };
        if judge(&world, &node).is_ok() {
            tips.push(world.push(node));
        } else {
            tips.extend(node.past.iter().next_back());
        }
    }
    let judged = VISITED.replace(0);
    let known = Bits::full(world.len());
    let state = Rule::new(&world, &known).state();
    let computed = VISITED.get();
    assert!(state.counted.iter().count() > world.len() / 10);
    // Each change a few times, and never for each change all that its author did.
    assert!(judged < 8 * world.len() && computed < 8 * world.len(), "{judged}, {computed}");
}
