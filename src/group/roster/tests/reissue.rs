//! What a seal made void is signed again by whose it was, once, and only if it makes sense.

use super::naive::{A, B, Change, O, Op, Y, Z};
use super::people::{Group, accept, id};
use crate::group::{Action, Role, Roster};

fn targets(actions: &[Action]) -> Vec<(&'static str, usize)> {
    let name = |action: &Action| match action {
        Action::Grant(targets) => ("grant", targets.len()),
        Action::Demote(targets) => ("demote", targets.len()),
        Action::Add(targets) => ("add", targets.len()),
        Action::Remove(targets) => ("remove", targets.len()),
        Action::Leave => ("leave", 0),
        Action::Devices(_) => ("devices", 0),
        Action::Set(_) => ("set", 0),
    };
    actions.iter().map(name).collect()
}

/// A roster in which these changes of A and B came beside a seal that did not know them.
fn beside_a_seal(group: &Group, deeds: &[(usize, Op)]) -> Roster {
    let mut roster = group.first.clone();
    for (author, op) in deeds {
        let update = group.sign(&Change::new(*author, *op, 0), &[group.seal()]);
        accept(&mut roster, &update);
    }
    accept(&mut roster, &group.sign_seal(&group.first, O, O, &[group.seal()]));
    roster
}

#[test]
fn what_a_seal_made_void_is_signed_again_once_and_by_whose_it_was() {
    let group = Group::new();
    let deeds = [(A, Op::Add(Y)), (A, Op::Title), (B, Op::Add(Z)), (B, Op::Leave)];
    let mut roster = beside_a_seal(&group, &deeds);
    assert_eq!(targets(&roster.reissue(&group.member(A))), [("add", 1), ("set", 0)]);
    assert_eq!(targets(&roster.reissue(&group.member(O))), []);
    for who in [A, B] {
        let person = &group.people[who];
        for action in roster.reissue(&person.member) {
            let draft = roster.draft(&person.member, action).unwrap();
            accept(&mut roster, &draft.sign(&person.phone, &person.lists[0]).unwrap());
        }
        assert_eq!(targets(&roster.reissue(&person.member)), []);
    }
    assert_eq!(roster.role(&group.member(Y)), Some(Role::Member));
    assert_eq!(roster.role(&group.member(Z)), Some(Role::Member));
    assert_eq!(roster.role(&group.member(B)), None);
}

#[test]
fn what_somebody_else_has_decided_since_is_not_signed_again() {
    let group = Group::new();
    let mut roster = beside_a_seal(&group, &[(A, Op::Add(Y)), (A, Op::Title)]);
    let seal = roster.ask_seal();
    let title = group.sign(&Change::new(B, Op::Title, 0), &[seal]);
    accept(&mut roster, &title);
    let add = group.sign(&Change::new(B, Op::Add(Y), 0), &[id(&title)]);
    accept(&mut roster, &add);
    let remove = group.sign(&Change::new(B, Op::Del(Y), 0), &[id(&add)]);
    accept(&mut roster, &remove);
    assert_eq!(targets(&roster.reissue(&group.member(A))), []);
}

#[test]
fn the_changes_of_an_ended_admin_are_never_signed_again_by_themselves() {
    let group = Group::new();
    // Void beside his own end: he is told, and nothing more.
    let mut roster = group.first.clone();
    accept(&mut roster, &group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]));
    let end = group.sign(&Change::new(O, Op::Demote(A), 0), &[group.seal()]);
    accept(&mut roster, &end);
    let grant = group.sign(&Change::new(O, Op::Grant(A), 0), &[id(&end)]);
    accept(&mut roster, &grant);
    assert_eq!(roster.role(&group.member(A)), Some(Role::Admin));
    assert_eq!(targets(&roster.reissue(&group.member(A))), []);
    assert_eq!(roster.void().count(), 1);
    // Void by a seal, and he is no admin any more.
    let mut roster = beside_a_seal(&group, &[(A, Op::Add(Y))]);
    let end = group.sign(&Change::new(O, Op::Demote(A), 0), &[roster.ask_seal()]);
    accept(&mut roster, &end);
    assert_eq!(targets(&roster.reissue(&group.member(A))), []);
}
