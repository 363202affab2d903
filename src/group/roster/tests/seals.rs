//! Seals: what they close, hand over and make void; and two of them.

use super::naive::{A, B, Change, Naive, O, Op, Y, Z, bits, closed_sets};
use super::people::{Group, accept, id};
use crate::group::roster::change::{Kind, Seal};
use crate::group::roster::sealed::Entry;
use crate::group::{
    Action, Answer, ChangeId, Head, MAX_UPDATE_LEN, Refused, Role, Roster, RosterError,
    RosterEvent, Stop, Update,
};

/// With seals, the changes are signed and judged one by one, so there are fewer.
const DEEDS: [(usize, Op); 12] = [
    (O, Op::Seal(O)),
    (O, Op::Seal(A)),
    (A, Op::Seal(A)),
    (O, Op::Demote(A)),
    (O, Op::Del(B)),
    (O, Op::Add(Y)),
    (A, Op::Add(Y)),
    (A, Op::Del(Y)),
    (A, Op::Grant(Y)),
    (A, Op::Leave),
    (B, Op::Add(Z)),
    (O, Op::Leave),
];

fn extend(
    group: &Group,
    changes: &mut Vec<Change>,
    ids: &mut Vec<ChangeId>,
    roster: &Roster,
    length: usize,
) -> usize {
    let all = (0..changes.len()).fold(0, |all, place| all | 1 << place);
    let expected = Naive::new(changes).state(all);
    assert_eq!(group.roles(roster), expected.roles, "{changes:?}");
    let seal = expected.seal.map_or(group.seal(), |seal| ids[seal]);
    assert_eq!(roster.ask_seal(), seal, "{changes:?}");
    if changes.len() == length {
        return 1;
    }
    let mut count = 1;
    for past in closed_sets(changes) {
        for (author, op) in DEEDS {
            let rest = bits(past).fold(0, |all, place| all | changes[place].past);
            let mut parents: Vec<_> = bits(past & !rest).map(|place| ids[place]).collect();
            if parents.is_empty() {
                parents.push(group.seal());
            }
            let change = Change::new(author, op, past);
            // The same again is not another change.
            if changes.contains(&change) {
                continue;
            }
            changes.push(change);
            let update = match op {
                Op::Seal(owner) => group.sign_seal(roster, author, owner, &parents),
                _ => group.sign(changes.last().unwrap(), &parents),
            };
            let mut next = roster.clone();
            let told = next.insert(&update);
            if Naive::new(changes).is_valid(changes.len() - 1) {
                // What builds on a seal that is not followed is refused, what builds on
                // something forgotten waits; both are void.
                let late = told.refused.iter().all(|(_, why)| *why == Refused::OtherSeal);
                assert!(late, "{changes:?} {told:?}");
                if told.accepted == [id(&update)] {
                    ids.push(id(&update));
                    count += extend(group, changes, ids, &next, length);
                    ids.pop();
                } else {
                    let all = (0..changes.len()).fold(0, |all, place| all | 1 << place);
                    let void = Naive::new(changes).state(all);
                    assert_eq!(group.roles(&next), void.roles, "{changes:?} {told:?}");
                }
            } else {
                assert!(told.accepted.is_empty(), "{changes:?} {told:?}");
            }
            changes.pop();
        }
    }
    count
}

#[test]
fn every_small_world_with_seals_is_as_the_rule_says() {
    let group = Group::new();
    let length = std::env::var("ROSTER_CHANGES").map_or(3, |length| length.parse().unwrap());
    let count = extend(&group, &mut Vec::new(), &mut Vec::new(), &group.first, length.min(4));
    println!("{count} worlds");
    assert!(count > 200);
}

#[test]
fn a_seal_closes_what_it_has_seen_and_voids_what_it_has_not() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let seen = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    let unseen = group.sign(&Change::new(B, Op::Add(Z), 0), &[group.seal()]);
    accept(&mut roster, &seen);
    let seal = group.sign_seal(&roster, O, O, &[id(&seen)]);
    accept(&mut roster, &unseen);
    let told = accept(&mut roster, &seal);
    assert_eq!(roster.role(&group.member(Y)), Some(Role::Member));
    assert_eq!(roster.role(&group.member(Z)), None);
    assert_eq!(roster.head(), Head::new(&id(&seal), &[]));
    let author = group.member(B);
    assert!(told.events.contains(&RosterEvent::Voided { change: id(&unseen), author }));
    assert_eq!(roster.void().map(crate::group::Change::id).collect::<Vec<_>>(), [id(&unseen)]);
    // The same for who gets them in another order.
    let mut other = group.first.clone();
    for update in [&seal, &unseen, &seen] {
        other.insert(update);
    }
    assert_eq!(other.head(), roster.head());
}

#[test]
fn who_is_handed_the_group_owns_it_and_who_did_it_stays_as_an_admin() {
    let group = Group::new();
    // Also if it was no member.
    let mut roster = group.first.clone();
    let stranger = group.member(Y);
    let owner = &group.people[O];
    let draft = roster.draft_seal(&owner.member, &stranger).unwrap();
    accept(&mut roster, &draft.sign_as_account(&owner.account).unwrap());
    assert_eq!((roster.owner(), roster.stopped()), (Some(&stranger), None));
    let mut roster = group.first.clone();
    let [owner, admin] = [O, A].map(|who| &group.people[who]);
    let draft = roster.draft_seal(&owner.member, &admin.member).unwrap();
    accept(&mut roster, &draft.sign_as_account(&owner.account).unwrap());
    assert_eq!(roster.owner(), Some(&admin.member));
    assert_eq!(roster.role(&owner.member), Some(Role::Admin));
    let grant = Action::Grant(vec![group.member(Y)]);
    assert_eq!(roster.draft(&owner.member, grant.clone()).err(), Some(RosterError::NotAllowed));
    assert!(roster.draft(&admin.member, grant).is_ok());
    assert!(roster.draft_seal(&owner.member, &owner.member).is_err());
}

/// Two seals by O beside each other, of which the second hands the group to A.
fn two_seals(group: &Group) -> [Update; 2] {
    let seals = [O, A].map(|owner| group.sign_seal(&group.first, O, owner, &[group.seal()]));
    assert_ne!(id(&seals[0]), id(&seals[1]));
    seals
}

#[test]
fn who_follows_one_of_two_seals_stays_with_it_and_is_told() {
    let group = Group::new();
    for [first, second] in [[0, 1], [1, 0]] {
        let seals = two_seals(&group);
        let mut roster = group.first.clone();
        accept(&mut roster, &seals[first]);
        let told = accept(&mut roster, &seals[second]);
        let [followed, other] = [first, second].map(|number| id(&seals[number]));
        let rival = RosterEvent::TwoSeals { followed: Some(followed), other };
        assert_eq!(told.events, [rival]);
        assert_eq!((roster.ask_seal(), roster.stopped()), (followed, None));
        // What builds on the other is not for this roster.
        let update = group.sign(&Change::new(O, Op::Add(Y), 0), &[other]);
        assert_eq!(roster.insert(&update).refused, [(id(&update), Refused::OtherSeal)]);
    }
}

#[test]
fn who_follows_another_seal_is_found_out_by_asking() {
    let group = Group::new();
    let seals = two_seals(&group);
    let [mut one, mut other] = seals.each_ref().map(|seal| {
        let mut roster = group.first.clone();
        accept(&mut roster, seal);
        roster
    });
    let ask = one.ask_for(&other.ask()).unwrap();
    let Answer::Update(answer) = other.answer(&ask, MAX_UPDATE_LEN) else { panic!() };
    let rival = RosterEvent::TwoSeals { followed: Some(one.ask_seal()), other: other.ask_seal() };
    assert_eq!(one.insert(&answer).events, [rival]);
    assert_eq!(one.ask_for(&other.ask()), None);
    // Nor is what builds on the other seal.
    let on = other.ask_seal();
    accept(&mut other, &group.sign(&Change::new(O, Op::Add(Y), 0), &[on]));
    assert_eq!(one.ask_for(&other.ask()), None);
}

#[test]
fn who_follows_neither_of_two_seals_stops_until_a_person_chooses() {
    let group = Group::new();
    let [one, other] = two_seals(&group);
    let mut both = one.clone();
    both.changes.extend(other.changes.clone());
    let mut roster = group.first.clone();
    let told = roster.insert(&both);
    assert_eq!(told.events.len(), 2, "{told:?}");
    assert!(matches!(roster.stopped(), Some(Stop::TwoSeals { seals }) if seals.len() == 2));
    let owner = &group.people[O].member;
    assert_eq!(roster.owner(), Some(owner));
    assert_eq!(roster.draft(owner, Action::Add(vec![])).err(), Some(RosterError::Stopped));
    // What builds on one of them waits, and a record stops as well.
    let update = group.sign(&Change::new(A, Op::Add(Y), 0), &[id(&other)]);
    assert_eq!(roster.insert(&update).held, 1);
    let mut roster = Roster::from_record(&roster.record()).unwrap();
    assert!(matches!(roster.stopped(), Some(Stop::TwoSeals { .. })));
    assert_eq!(roster.follow(&group.seal()).err(), Some(RosterError::NotAllowed));
    roster.follow(&id(&other)).unwrap();
    assert_eq!(roster.owner(), Some(&group.people[A].member));
    assert_eq!(roster.role(&group.member(Y)), Some(Role::Member));
    assert_eq!(roster.stopped(), None);
}

#[test]
fn a_newcomer_follows_the_seals_that_he_was_given() {
    let group = Group::new();
    let seals = two_seals(&group);
    let newcomers = seals.each_ref().map(|seal| {
        let mut roster = group.first.clone();
        accept(&mut roster, seal);
        Roster::join(&roster.group(), &roster.welcome()).unwrap()
    });
    let owners = newcomers.each_ref().map(|roster| roster.owner().cloned());
    assert_eq!(owners, [Some(group.member(O)), Some(group.member(A))]);
}

/// A seal over something else than what the changes amount to: Y is in.
fn odd_seal(group: &Group) -> (Update, Update) {
    let mut sealed = group.first.current.sealed(&super::super::bits::Bits::new(), &group.member(O));
    sealed.entries.insert(group.member(Y), Entry { role: Role::Member, list_version: 0 });
    let seal = Seal {
        owner: group.member(O),
        roster: sealed.hash(),
        previous: Some(group.seal()),
        nonce: None,
    };
    let seal = group.people[O].by_account(group, Kind::Seal(Box::new(seal)), &[group.seal()]);
    (seal, Update { roster: Some(sealed.to_wire()), ..Update::default() })
}

#[test]
fn a_seal_over_another_roster_stands_once_that_roster_is_known() {
    let group = Group::new();
    let (seal, sealed) = odd_seal(&group);
    let mut roster = group.first.clone();
    let told = accept(&mut roster, &seal);
    assert_eq!(told.events, [RosterEvent::RosterDiffers { seal: id(&seal) }]);
    assert_eq!(roster.stopped(), Some(&Stop::RosterMissing { seal: id(&seal) }));
    // Another seal beside it does not take its place.
    let rival = group.sign_seal(&roster, O, A, &[group.seal()]);
    let told = accept(&mut roster, &rival);
    assert_eq!(
        told.events,
        [RosterEvent::TwoSeals { followed: Some(id(&seal)), other: id(&rival) }]
    );
    let mut roster = Roster::from_record(&roster.record()).unwrap();
    assert_eq!(roster.stopped(), Some(&Stop::RosterMissing { seal: id(&seal) }));
    // Some other roster does not do; whoever has it answers what is asked for.
    let wrong = Update { roster: Some(group.first.welcome().roster), ..Update::default() };
    roster.insert(&wrong);
    assert!(roster.stopped().is_some());
    let mut knowing = group.first.clone();
    let mut together = seal.clone();
    together.roster.clone_from(&sealed.roster);
    knowing.insert(&together);
    assert_eq!(knowing.role(&group.member(Y)), Some(Role::Member));
    let Answer::Update(answer) = knowing.answer(&roster.ask(), MAX_UPDATE_LEN) else { panic!() };
    roster.insert(&answer);
    assert_eq!((roster.stopped(), roster.head()), (None, knowing.head()));
    assert_eq!(roster.role(&group.member(Y)), Some(Role::Member));
}

#[test]
fn a_seal_that_names_another_before_it_is_refused() {
    let group = Group::new();
    let sealed = group.first.current.sealed(&super::super::bits::Bits::new(), &group.member(O));
    let seal = Seal {
        owner: group.member(O),
        roster: sealed.hash(),
        previous: Some(ChangeId([1; 32])),
        nonce: None,
    };
    let update = group.people[O].by_account(&group, Kind::Seal(Box::new(seal)), &[group.seal()]);
    let told = group.first.clone().insert(&update);
    assert_eq!(told.refused, [(id(&update), Refused::OtherSeal)]);
}

#[test]
fn who_missed_seals_catches_up_by_a_welcome_of_the_same_owners_only() {
    let group = Group::new();
    let mut ahead = group.first.clone();
    for _ in 0..3 {
        let owner = &group.people[O];
        let draft = ahead.draft_seal(&owner.member, &owner.member).unwrap();
        accept(&mut ahead, &draft.sign_as_account(&owner.account).unwrap());
    }
    let add = group.sign(&Change::new(A, Op::Add(Y), 0), &[ahead.ask_seal()]);
    accept(&mut ahead, &add);
    let mut behind = group.first.clone();
    assert!(behind.ask_for(&ahead.ask()).is_some());
    let Answer::Welcome(welcome, news) = ahead.answer(&behind.ask(), MAX_UPDATE_LEN) else {
        panic!("the changes before the last seal but one are not kept")
    };
    behind.catch_up(&welcome).unwrap();
    behind.insert(&news);
    assert_eq!(behind.head(), ahead.head());
    assert_eq!(behind.catch_up(&welcome).err(), Some(RosterError::NotAllowed));
    // A seal that another than the owner has made leads nowhere.
    let mut forged = welcome.clone();
    let fake = group.sign_seal(&group.first, A, A, &[group.seal()]);
    forged.seals[1] = fake.changes[0].clone();
    assert!(group.first.clone().catch_up(&forged).is_err());
    assert!(Roster::join(&behind.group(), &forged).is_err());
    // Nor does one whose roster is not the one that it names.
    let mut forged = welcome;
    forged.roster.title = "mine".to_owned();
    assert!(Roster::join(&behind.group(), &forged).is_err());
}

#[test]
fn who_learns_of_a_seal_by_a_welcome_forgets_nothing_that_it_has_not_seen() {
    let group = Group::new();
    let mut behind = group.first.clone();
    let unseen = group.sign(&Change::new(B, Op::Add(Z), 0), &[group.seal()]);
    accept(&mut behind, &unseen);
    let mut ahead = group.first.clone();
    for length in 1..3 {
        let seal = group.sign_seal(&ahead, O, O, &[ahead.ask_seal()]);
        accept(&mut ahead, &seal);
        let newcomer = Roster::join(&ahead.group(), &ahead.welcome()).unwrap();
        let Answer::Welcome(welcome, _) = newcomer.answer(&behind.ask(), MAX_UPDATE_LEN) else {
            panic!("a newcomer has nothing of before the last seal")
        };
        let mut caught_up = behind.clone();
        let told = caught_up.catch_up(&welcome).unwrap();
        assert_eq!((told.accepted.len(), caught_up.head()), (length, ahead.head()));
        let author = group.member(B);
        assert!(told.events.contains(&RosterEvent::Voided { change: id(&unseen), author }));
        // It is known to be late, as it is to those who have seen every seal.
        let again = caught_up.reissue(&group.member(B));
        assert_eq!(again.len(), usize::from(length == 1), "{again:?}");
        assert!(caught_up.insert(&unseen).refused.len() == usize::from(length > 1));
    }
}

#[test]
fn what_builds_on_a_seal_before_the_last_two_is_refused() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let update = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    for number in 0..3 {
        let told = roster.clone().insert(&update);
        let refused = (number > 1).then_some((id(&update), Refused::OtherSeal));
        assert_eq!((told.held, told.refused), (0, Vec::from_iter(refused)));
        let seal = group.sign_seal(&roster, O, O, &[roster.ask_seal()]);
        accept(&mut roster, &seal);
    }
}

#[test]
fn who_is_sealed_out_is_gone() {
    // Z was added beside the seal: gone from the roster, and only by what knows the seal back.
    let group = Group::new();
    let mut roster = group.first.clone();
    let add = group.sign(&Change::new(A, Op::Add(Z), 0), &[group.seal()]);
    accept(&mut roster, &add);
    let seal = group.sign_seal(&group.first, O, O, &[group.seal()]);
    let told = accept(&mut roster, &seal);
    let gone = RosterEvent::Role {
        member: group.member(Z),
        before: Some(Role::Member),
        now: None,
        by: Some(group.member(O)),
    };
    assert!(told.events.contains(&gone));
    // A change in the past of which both stand goes by no one seal.
    let both = group.sign(&Change::new(A, Op::Add(Y), 0), &[id(&add), id(&seal)]);
    assert_eq!(roster.insert(&both).refused, [(id(&both), Refused::OtherSeal)]);
}
