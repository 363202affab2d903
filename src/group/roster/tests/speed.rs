//! Sizes that a group can have: measured, and bounded by a wide margin.
//!
//! `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib roster::tests::speed -- --nocapture`
//! shows the figures.

use std::ops::Range;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::naive::{A, Change, O, Op, Y};
use super::people::{Group, accept, id};
use crate::group::roster::bits::Bits;
use crate::group::roster::rule::{Rule, judge};
use crate::group::roster::world::{self, Node, Signer, Who, World};
use crate::group::{Action, Member, Role, Roster};

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
    let begun = Instant::now();
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
    let built = begun.elapsed();
    let begun = Instant::now();
    let known = Bits::full(world.len());
    let state = Rule::new(&world, &known).state();
    let computed = begun.elapsed();
    println!("built and judged: {built:?}, computed: {computed:?}, {} count", state.counted.len());
    assert!(computed < Duration::from_millis(400));
}

#[test]
fn a_change_in_a_group_of_a_thousand_costs_a_few_signatures() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let key = *group.member(Y).key();
    let crowd: Vec<Member> = (0..990)
        .map(|n| Member::new(crate::UserId::new(format!("{n:03}")).unwrap(), key))
        .collect();
    let owner = &group.people[O];
    for part in crowd.chunks(200) {
        let draft = roster.draft(&owner.member, Action::Add(part.to_vec())).unwrap();
        accept(&mut roster, &draft.sign(&owner.phone, &owner.lists[0]).unwrap());
    }
    let draft = roster.draft_seal(&owner.member, &owner.member).unwrap();
    accept(&mut roster, &draft.sign_as_account(&owner.account).unwrap());
    let mut parent = roster.ask_seal();
    let updates: Vec<_> = (0..300)
        .map(|number| {
            let op = if number % 2 == 0 { Op::Add(Y) } else { Op::Del(Y) };
            let update = group.sign(&Change::new(A, op, 0), &[parent]);
            parent = id(&update);
            update
        })
        .collect();
    let begun = Instant::now();
    for update in &updates {
        accept(&mut roster, update);
    }
    let each = begun.elapsed() / 300;
    let begun = Instant::now();
    let record = roster.record();
    let written = begun.elapsed();
    let begun = Instant::now();
    let loaded = Roster::from_record(&record).unwrap();
    let read = begun.elapsed();
    assert_eq!(loaded.head(), roster.head());
    println!("each: {each:?}; {} bytes, written {written:?}, read {read:?}", record.len());
    assert!(each < Duration::from_millis(20));
}
