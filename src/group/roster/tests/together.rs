//! What members see, by name and by event.

use super::naive::{A, B, Change, O, Op, Y, Z};
use super::people::{Group, accept, id};
use crate::group::{Action, Member, Role, RosterEvent, Setting};

fn role(
    member: Member,
    before: Option<Role>,
    now: Option<Role>,
    by: Option<Member>,
) -> RosterEvent {
    RosterEvent::Role { member, before, now, by }
}

#[test]
fn what_changed_is_told_with_who_did_it() {
    let group = Group::new();
    let [owner, admin, guest] = [O, A, Y].map(|who| group.member(who));
    let mut roster = group.first.clone();
    let member = Some(Role::Member);
    let add = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    let told = accept(&mut roster, &add);
    assert_eq!(told.events, [role(guest.clone(), None, member, Some(admin.clone()))]);
    let grant = group.sign(&Change::new(O, Op::Grant(Y), 0), &[id(&add)]);
    let told = accept(&mut roster, &grant);
    assert_eq!(told.events, [role(guest.clone(), member, Some(Role::Admin), Some(owner))]);
    let title = Setting::Title("Roses".to_owned());
    let named = group.people[A].by_phone(&group, Action::Set(title.clone()), &[id(&grant)]);
    let told = accept(&mut roster, &named);
    assert_eq!(told.events, [RosterEvent::Setting { setting: title, by: Some(admin) }]);
    assert_eq!(roster.settings().title, "Roses");
    let leave = group.sign(&Change::new(Y, Op::Leave, 0), &[id(&named)]);
    let told = accept(&mut roster, &leave);
    assert_eq!(told.events, [role(guest.clone(), Some(Role::Admin), None, Some(guest))]);
}

#[test]
fn a_withheld_end_lets_ghosts_in_and_out_again() {
    let group = Group::new();
    let mut roster = group.first.clone();
    // An admin has been removed, and helps to keep it from others: he backdates ghosts.
    let end = group.sign(&Change::new(O, Op::Del(A), 0), &[group.seal()]);
    let ghost = group.sign(&Change::new(A, Op::Add(Z), 0), &[group.seal()]);
    let again = group.sign(&Change::new(A, Op::Add(Y), 0), &[id(&ghost)]);
    let removed = group.sign(&Change::new(A, Op::Del(Y), 0), &[id(&again)]);
    for update in [&ghost, &again, &removed] {
        accept(&mut roster, update);
    }
    assert_eq!(roster.role(&group.member(Z)), Some(Role::Member));
    // The first message of anybody who knows better names a head that is unknown.
    let mut ahead = group.first.clone();
    accept(&mut ahead, &end);
    assert!(roster.ask_for(&ahead.ask()).is_some());
    let told = accept(&mut roster, &end);
    let member = Some(Role::Member);
    let owner = Some(group.member(O));
    assert!(told.events.contains(&role(group.member(Z), member, None, None)));
    assert!(told.events.contains(&role(group.member(A), Some(Role::Admin), None, owner)));
    let voided = |event: &&RosterEvent| matches!(event, RosterEvent::Voided { .. });
    assert_eq!(told.events.iter().filter(voided).count(), 3);
    assert_eq!(roster.head(), ahead.head());
    // What he signs now is refused by whoever knows the end, or void, wherever he puts it.
    let honest = group.sign(&Change::new(A, Op::Add(Z), 0), &[id(&end)]);
    assert!(roster.insert(&honest).accepted.is_empty());
    let backdated = group.sign(&Change::new(A, Op::Del(B), 0), &[group.seal()]);
    assert!(roster.insert(&backdated).accepted.is_empty());
    let backdated = group.sign(&Change::new(A, Op::Title, 0), &[group.seal()]);
    accept(&mut roster, &backdated);
    assert_eq!(roster.head(), ahead.head());
}

#[test]
fn a_removal_that_becomes_void_brings_its_target_back() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let add = group.sign(&Change::new(O, Op::Add(Y), 0), &[group.seal()]);
    accept(&mut roster, &add);
    let remove = group.sign(&Change::new(A, Op::Del(Y), 0), &[id(&add)]);
    accept(&mut roster, &remove);
    let end = group.sign(&Change::new(O, Op::Demote(A), 0), &[id(&add)]);
    let told = accept(&mut roster, &end);
    let back = role(group.member(Y), None, Some(Role::Member), None);
    assert!(told.events.contains(&back), "{told:?}");
}

#[test]
fn one_user_under_two_keys_is_two_members_and_an_event() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let twin = Member::new(group.member(A).user().clone(), *group.member(Z).key());
    let update = group.people[O].by_phone(&group, Action::Add(vec![twin.clone()]), &[group.seal()]);
    let told = accept(&mut roster, &update);
    let user = twin.user().clone();
    assert!(told.events.contains(&RosterEvent::TwoKeys { user }));
    assert_eq!(roster.role(&twin), Some(Role::Member));
    assert_eq!(roster.role(&group.member(A)), Some(Role::Admin));
}

#[test]
fn several_targets_are_judged_each_alone() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let all = |people: &[usize]| people.iter().map(|who| group.member(*who)).collect();
    let mut two: Vec<Member> = all(&[Y, Z]);
    two.sort();
    let add = group.people[A].by_phone(&group, Action::Add(two.clone()), &[group.seal()]);
    accept(&mut roster, &add);
    // Beside the removal of both one is made an admin: he stays.
    let remove = group.people[A].by_phone(&group, Action::Remove(two), &[id(&add)]);
    accept(&mut roster, &remove);
    let grant = group.sign(&Change::new(O, Op::Grant(Y), 0), &[id(&add)]);
    accept(&mut roster, &grant);
    assert_eq!(roster.role(&group.member(Y)), Some(Role::Admin));
    assert_eq!(roster.role(&group.member(Z)), None);
}
