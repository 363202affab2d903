//! The worlds on which other rules died. `n: author.op(target)<past>`.

use super::exhaustive::check;
use super::naive::{A, B, Change, Naive, O, Op, State, Y, Z};
use crate::group::Role;

const MEMBER: Option<Role> = Some(Role::Member);
const ADMIN: Option<Role> = Some(Role::Admin);

/// The state of these changes: author, change, past.
fn state<const N: usize>(deeds: [(usize, Op, &[usize]); N]) -> State {
    let changes = deeds.map(|(author, op, past)| {
        Change::new(author, op, past.iter().fold(0, |mask, place| mask | 1 << place))
    });
    check(&changes);
    Naive::new(&changes).state((1 << N) - 1)
}

#[test]
fn a_backdated_change_makes_no_ended_admin_an_admin_again() {
    // A chain with a choice between forks dies here: A backdates, and B is admin again.
    let seen = state([(A, Op::Add(Z), &[]), (B, Op::Add(Y), &[]), (O, Op::Demote(B), &[1])]);
    assert_eq!(seen.roles, [Some(Role::Owner), ADMIN, MEMBER, MEMBER, MEMBER]);
}

#[test]
fn two_ends_do_not_void_each_other() {
    // A chain with a choice between forks dies here: each branch voids the other.
    let seen = state([
        (A, Op::Add(Z), &[]),
        (O, Op::Demote(B), &[0]),
        (B, Op::Add(Y), &[]),
        (O, Op::Demote(A), &[2]),
    ]);
    // Neither end had seen what the one that it ends did; both hold.
    assert_eq!(seen.roles, [Some(Role::Owner), MEMBER, MEMBER, None, None]);
}

#[test]
fn what_an_ended_admin_backdates_is_void() {
    // A rule without a cut dies here.
    let seen = state([(O, Op::Del(A), &[]), (A, Op::Add(Y), &[])]);
    assert_eq!(seen.roles, [Some(Role::Owner), None, ADMIN, None, None]);
}

#[test]
fn a_removed_admin_removes_no_admin() {
    // A rule by which admins remove admins dies here: A has all of it to himself.
    let changes = [Change::new(O, Op::Del(A), 0), Change::new(A, Op::Del(B), 0)];
    assert!(!Naive::new(&changes).is_valid(1));
    super::exhaustive::check_refused(&changes);
}

#[test]
fn who_has_left_adds_nobody() {
    // A leave without a cut dies here: A is gone and goes on.
    let seen = state([(A, Op::Leave, &[]), (A, Op::Add(Y), &[])]);
    assert_eq!(seen.roles, [Some(Role::Owner), None, ADMIN, None, None]);
}

#[test]
fn a_backdated_leave_undoes_nothing_that_the_owner_has_seen() {
    // A leave with a cut but without `built` dies here: A, ended, throws Y out.
    let seen = state([(A, Op::Add(Y), &[]), (O, Op::Del(A), &[0]), (A, Op::Leave, &[])]);
    assert_eq!(seen.roles, [Some(Role::Owner), None, ADMIN, MEMBER, None]);
}

#[test]
fn void_then_built_on_then_counted() {
    // A's add is void beside his leave, until the owner builds on it.
    let seen = state([(A, Op::Add(Y), &[]), (A, Op::Leave, &[])]);
    assert_eq!(seen.roles[Y], None);
    let seen = state([(A, Op::Add(Y), &[]), (A, Op::Leave, &[]), (O, Op::Add(Z), &[0])]);
    assert_eq!(seen.roles, [Some(Role::Owner), None, ADMIN, MEMBER, MEMBER]);
}

#[test]
fn removed_then_back_by_who_knew_it() {
    let concurrent = state([(A, Op::Add(Y), &[]), (B, Op::Del(Y), &[0]), (A, Op::Add(Y), &[0])]);
    assert_eq!(concurrent.roles[Y], None, "a removal beats an add that did not know of it");
    let knowing = state([(A, Op::Add(Y), &[]), (B, Op::Del(Y), &[0]), (A, Op::Add(Y), &[0, 1])]);
    assert_eq!(knowing.roles[Y], MEMBER);
}
