//! Whoever is ahead can tell whoever is behind, in bytes.

use super::naive::{A, B, Change, O, Op, Y, Z};
use super::people::{Group, accept, id};
use crate::group::{Answer, Ask, MAX_UPDATE_LEN, Roster, Update, Welcome};

#[test]
fn what_is_said_survives_its_encoding() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let add = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    accept(&mut roster, &add);
    assert_eq!(Update::decode(&add.encode()), Ok(add.clone()));
    let welcome = roster.welcome();
    assert_eq!(Welcome::decode(&welcome.encode()), Ok(welcome.clone()));
    let ask = roster.ask();
    assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
    let mut newcomer = Roster::join(&roster.group(), &welcome).unwrap();
    newcomer.insert(&Update::decode(&roster.news(MAX_UPDATE_LEN).encode()).unwrap());
    assert_eq!(newcomer.head(), roster.head());
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused_or_changes_nothing() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let add = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    let bytes = add.encode();
    let head = roster.head();
    for at in 0..bytes.len() {
        if let Ok(cut) = Update::decode(&bytes[..at]) {
            // Cut between two fields: the list is missing.
            assert_eq!(roster.clone().insert(&cut).accepted, []);
        }
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let Ok(flipped) = Update::decode(&flipped) else { continue };
            let mut roster = roster.clone();
            // An unknown field, or one that came to nothing, leaves the change as it was.
            if roster.insert(&flipped).accepted.is_empty() {
                assert_eq!(roster.head(), head);
            } else {
                assert_eq!(flipped.changes, add.changes);
            }
        }
    }
    accept(&mut roster, &add);
}

#[test]
fn a_damaged_copy_that_waits_does_not_displace_the_genuine_change() {
    let group = Group::new();
    let parent = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    let genuine = group.sign(&Change::new(B, Op::Add(Z), 0), &[id(&parent)]);
    let child = group.sign(&Change::new(B, Op::Del(Y), 0), &[id(&genuine)]);
    let mut wrong_signature = genuine.clone();
    wrong_signature.changes[0].signature[5] ^= 1;
    let mut wrong_list = genuine.clone();
    wrong_list.lists[0].signature[5] ^= 1;
    for damaged in [wrong_signature, wrong_list] {
        for updates in [[&damaged, &genuine], [&genuine, &damaged]] {
            let mut roster = group.first.clone();
            roster.insert(&child);
            for update in updates {
                roster.insert(update);
            }
            roster = Roster::from_record(&roster.record()).unwrap();
            let told = roster.insert(&parent);
            assert_eq!((told.accepted.len(), told.held), (3, 0), "{told:?}");
        }
    }
}

#[test]
fn who_is_behind_gets_what_it_lacks_and_no_more() {
    let group = Group::new();
    let mut ahead = group.first.clone();
    let first = group.sign(&Change::new(A, Op::Add(Y), 0), &[group.seal()]);
    accept(&mut ahead, &first);
    let mut behind = ahead.clone();
    let second = group.sign(&Change::new(B, Op::Add(Z), 0), &[id(&first)]);
    accept(&mut ahead, &second);
    assert!(behind.ask_for(&ahead.ask()).is_some());
    assert!(ahead.ask_for(&behind.ask()).is_none());
    let Answer::Update(answer) = ahead.answer(&behind.ask(), MAX_UPDATE_LEN) else { panic!() };
    assert_eq!(answer.changes, second.changes);
    behind.insert(&answer);
    assert_eq!(behind.head(), ahead.head());
    let Answer::Update(nothing) = ahead.answer(&behind.ask(), MAX_UPDATE_LEN) else { panic!() };
    assert!(nothing.is_empty());
    // A head that was never one's own is known by its tips.
    let mut other = group.first.clone();
    let beside = group.sign(&Change::new(O, Op::Title, 0), &[group.seal()]);
    accept(&mut other, &beside);
    accept(&mut ahead, &beside);
    assert!(ahead.ask_for(&other.ask()).is_none());
    assert_eq!(other.ask().head(), other.head());
    assert_ne!(ahead.head(), other.head());
}

#[test]
fn what_does_not_fit_is_asked_for_again() {
    let group = Group::new();
    let mut ahead = group.first.clone();
    let mut parent = group.seal();
    for number in 0..40 {
        let deed = if number % 2 == 0 { Op::Add(Y) } else { Op::Del(Y) };
        let update = group.sign(&Change::new(A, deed, 0), &[parent]);
        accept(&mut ahead, &update);
        parent = id(&update);
    }
    let mut behind = group.first.clone();
    let mut rounds = 0;
    while behind.head() != ahead.head() {
        let Answer::Update(answer) = ahead.answer(&behind.ask(), 2_000) else { panic!() };
        assert!(answer.encode().len() <= 2_000);
        assert!(!behind.insert(&answer).accepted.is_empty());
        rounds += 1;
    }
    assert!(rounds > 4);
}

#[test]
fn what_is_held_asks_for_what_it_names() {
    let group = Group::new();
    let mut ahead = group.first.clone();
    let mut parent = group.seal();
    let mut last = None;
    for number in 0..5 {
        let deed = if number % 2 == 0 { Op::Add(Y) } else { Op::Del(Y) };
        let update = group.sign(&Change::new(A, deed, 0), &[parent]);
        accept(&mut ahead, &update);
        parent = id(&update);
        last = Some(update);
    }
    let mut behind = group.first.clone();
    assert_eq!(behind.insert(&last.unwrap()).held, 1);
    let ask = behind.ask();
    assert_eq!(ask.wanted.len(), 1);
    let Answer::Update(answer) = ahead.answer(&ask, MAX_UPDATE_LEN) else { panic!() };
    assert_eq!(behind.insert(&answer).held, 0);
    assert_eq!(behind.head(), ahead.head());
}
