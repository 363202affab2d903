//! Whose device signed: lists, and devices that are taken off.

use super::naive::{A, O, Y, Z};
use super::people::{Group, Person, accept, id};
use crate::group::roster::change::Kind;
use crate::group::{Action, ChangeId, MAX_UPDATE_LEN, Refused, Role, Roster, RosterEvent, Update};

fn add(group: &Group, who: usize) -> Action {
    Action::Add(vec![group.member(who)])
}

fn by_laptop(group: &Group, person: &Person, action: Action, parents: &[ChangeId]) -> Update {
    person.by(&person.laptop, &person.lists[0], group, action, parents)
}

/// Takes somebody's laptop off his list, and says so in the group.
fn revoke(group: &mut Group, who: usize, parents: &[ChangeId]) -> Update {
    group.people[who].lose_laptop();
    let person = &group.people[who];
    let list = person.lists.last().unwrap().clone();
    person.by_account(group, Kind::Act(Action::Devices(Box::new(list))), parents)
}

#[test]
fn what_a_revoked_device_did_counts_if_the_revocation_has_seen_it() {
    for (who, seen) in [(A, true), (A, false), (O, true), (O, false)] {
        let mut group = Group::new();
        let mut roster = group.first.clone();
        let update = by_laptop(&group, &group.people[who], add(&group, Y), &[group.seal()]);
        let parent = if seen { id(&update) } else { group.seal() };
        let revocation = revoke(&mut group, who, &[parent]);
        accept(&mut roster, &update);
        assert_eq!(roster.role(&group.member(Y)), Some(Role::Member));
        let told = accept(&mut roster, &revocation);
        assert_eq!(roster.role(&group.member(Y)), seen.then_some(Role::Member));
        let voided = RosterEvent::Voided { change: id(&update), author: group.member(who) };
        assert_eq!(told.events.contains(&voided), !seen);
        // The phone goes on, under the new list.
        let phone = group.people[who].by_phone(&group, add(&group, Z), &[id(&revocation)]);
        accept(&mut roster, &phone);
        assert_eq!(roster.role(&group.member(Z)), Some(Role::Member));
    }
}

#[test]
fn what_the_owner_built_on_stays_although_the_device_is_revoked() {
    let mut group = Group::new();
    let mut roster = group.first.clone();
    let update = by_laptop(&group, &group.people[A], add(&group, Y), &[group.seal()]);
    let seal = group.seal();
    let revocation = revoke(&mut group, A, &[seal]);
    accept(&mut roster, &update);
    accept(&mut roster, &revocation);
    assert_eq!(roster.role(&group.member(Y)), None);
    let built = group.people[O].by_phone(&group, add(&group, Z), &[id(&update)]);
    let told = accept(&mut roster, &built);
    assert_eq!(roster.role(&group.member(Y)), Some(Role::Member));
    let restored = RosterEvent::Restored { change: id(&update), author: group.member(A) };
    assert!(told.events.contains(&restored));
}

#[test]
fn a_later_grant_does_not_excuse_a_revoked_device() {
    let mut group = Group::new();
    let mut roster = group.first.clone();
    let seal = group.seal();
    let revocation = revoke(&mut group, A, &[seal]);
    accept(&mut roster, &revocation);
    let grant = Action::Grant(vec![group.member(A)]);
    let grant = group.people[O].by_phone(&group, grant, &[id(&revocation)]);
    accept(&mut roster, &grant);
    // Whoever knows the revocation cannot go by the old list,
    let late = by_laptop(&group, &group.people[A], add(&group, Y), &[id(&grant)]);
    assert_eq!(roster.insert(&late).refused, [(id(&late), Refused::NotAllowed)]);
    // and who pretends not to know it is cut off.
    let backdated = by_laptop(&group, &group.people[A], add(&group, Y), &[group.seal()]);
    accept(&mut roster, &backdated);
    assert_eq!(roster.role(&group.member(Y)), None);
}

#[test]
fn a_device_that_was_revoked_before_a_seal_stays_revoked() {
    let mut group = Group::new();
    let mut roster = group.first.clone();
    let seal = group.seal();
    accept(&mut roster, &revoke(&mut group, A, &[seal]));
    let owner = &group.people[O];
    let seal = roster.draft_seal(&owner.member, &owner.member).unwrap();
    accept(&mut roster, &seal.sign_as_account(&owner.account).unwrap());
    let late = by_laptop(&group, &group.people[A], add(&group, Y), &[roster.ask_seal()]);
    // For a newcomer, who has never seen the revocation, as well.
    let mut newcomer = Roster::join(&roster.group(), &roster.welcome()).unwrap();
    for roster in [&mut roster, &mut newcomer] {
        assert_eq!(roster.insert(&late).refused, [(id(&late), Refused::NotAllowed)]);
        let phone = group.people[A].by_phone(&group, add(&group, Y), &[roster.ask_seal()]);
        accept(roster, &phone);
    }
}

#[test]
fn a_device_that_was_revoked_stays_revoked_for_an_owner_who_was_no_member() {
    let mut group = Group::new();
    let mut roster = group.first.clone();
    let seal = group.seal();
    let revocation = revoke(&mut group, A, &[seal]);
    accept(&mut roster, &revocation);
    let leave = group.people[A].by_phone(&group, Action::Leave, &[id(&revocation)]);
    accept(&mut roster, &leave);
    let seal = group.sign_seal(&roster, O, A, &[id(&leave)]);
    accept(&mut roster, &seal);
    assert_eq!(roster.role(&group.member(A)), Some(Role::Owner));
    let late = by_laptop(&group, &group.people[A], add(&group, Y), &[id(&seal)]);
    assert_eq!(roster.insert(&late).refused, [(id(&late), Refused::NotAllowed)]);
}

#[test]
fn a_change_is_signed_by_a_device_on_a_list_of_its_author() {
    let group = Group::new();
    let roster = &group.first;
    let [admin, owner] = [A, O].map(|who| &group.people[who]);
    let genuine = admin.by_phone(&group, add(&group, Y), &[group.seal()]);
    let refused = |update: &Update| {
        let told = roster.clone().insert(update);
        told.refused.first().map(|(_, why)| *why)
    };
    assert_eq!(refused(&genuine), None);
    // Another's signature over the same bytes.
    let mut forged = genuine.clone();
    forged.changes[0].signature =
        owner.by_phone(&group, add(&group, Y), &[group.seal()]).changes[0].signature;
    assert_eq!(refused(&forged), Some(Refused::Forged));
    // Under the list of another account.
    let forged = admin.by(&admin.phone, &owner.lists[0], &group, add(&group, Y), &[group.seal()]);
    assert_eq!(refused(&forged), Some(Refused::Forged));
    // A device that is not on the list.
    let forged = admin.by(&owner.phone, &admin.lists[0], &group, add(&group, Y), &[group.seal()]);
    assert_eq!(refused(&forged), Some(Refused::Forged));
    // Another's devices, a list that is not newer, and who is no member.
    let list = |person: &Person| Box::new(person.lists[0].clone());
    let kinds =
        [(admin, list(owner)), (admin, list(admin)), (&group.people[Z], list(&group.people[Z]))];
    for (author, list) in kinds {
        let kind = Kind::Act(Action::Devices(list));
        assert!(refused(&author.by_account(&group, kind, &[group.seal()])).is_some());
    }
}

#[test]
fn a_change_whose_list_is_unknown_waits_for_it() {
    let group = Group::new();
    let update = group.people[A].by_phone(&group, add(&group, Y), &[group.seal()]);
    let bare = Update { lists: Vec::new(), ..update.clone() };
    let mut roster = group.first.clone();
    assert_eq!(roster.insert(&bare).held, 1);
    let hash = *group.people[A].lists[0].hash();
    assert_eq!(roster.ask().wanted, [hash]);
    // Who has the change has the list.
    let mut other = group.first.clone();
    accept(&mut other, &update);
    let crate::group::Answer::Update(answer) = other.answer(&roster.ask(), MAX_UPDATE_LEN) else {
        panic!()
    };
    assert_eq!(roster.insert(&answer).accepted, [id(&update)]);
    assert_eq!(roster.ask().wanted, [[0; 32]; 0]);
    // A wrong list under that hash is no list at all.
    let mut roster = group.first.clone();
    let wrong = Update {
        lists: group.people[O].lists.iter().map(|l| l.signed().clone()).collect(),
        ..bare
    };
    assert_eq!(roster.insert(&wrong).held, 1);
}

#[test]
fn a_change_that_waits_keeps_its_list_though_the_epoch_that_named_it_goes() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let [admin, owner] = [A, O].map(|who| &group.people[who]);
    accept(&mut roster, &admin.by_phone(&group, add(&group, Y), &[group.seal()]));
    let mut ahead = roster.clone();
    let seals = [(); 2].map(|()| {
        let seal = ahead.draft_seal(&owner.member, &owner.member).unwrap();
        let seal = seal.sign_as_account(&owner.account).unwrap();
        accept(&mut ahead, &seal);
        seal
    });
    let parent = owner.by_phone(&group, add(&group, Z), &[ahead.ask_seal()]);
    let waits = admin.by_phone(&group, Action::Leave, &[id(&parent)]);
    assert_eq!(roster.insert(&waits).held, 1);
    for seal in &seals {
        accept(&mut roster, seal);
    }
    assert_eq!(roster.insert(&parent).accepted, [id(&parent), id(&waits)]);
    assert_eq!(roster.role(&admin.member), None);
}
