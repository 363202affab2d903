//! What somebody can make others keep and compute is bounded, and what breaks a rule of form
//! is refused.

use super::naive::{A, Change as Deed, O, Op, Y};
use super::people::{Group, Person, accept, id};
use crate::crypto::Label;
use crate::group::roster::bits::Bits;
use crate::group::roster::rule::judge;
use crate::group::roster::world::{self, Node, Who, World};
use crate::group::{
    Action, ChangeId, MAX_HELD, MAX_MEMBERS, MAX_PAST, Member, Refused, Role, Roster, RosterError,
    Setting,
};
use crate::wire::{GroupChange, MAX_CHANGE_LEN, SignedChange, Update};

/// What becomes of a change by A whose fields were altered before he signed it.
fn altered(group: &Group, alter: fn(&mut GroupChange)) -> Option<Refused> {
    let admin = &group.people[A];
    let update = group.sign(&Deed::new(A, Op::Add(Y), 0), &[group.seal()]);
    let mut raw = GroupChange::decode(&update.changes[0].change).unwrap();
    alter(&mut raw);
    let change = raw.encode();
    let signature = admin.phone.sign(Label::GROUP_CHANGE, &change).to_bytes();
    let update = Update { changes: vec![SignedChange { change, signature }], ..update };
    group.first.clone().insert(&update).refused.first().map(|(_, why)| *why)
}

#[test]
fn a_change_that_breaks_a_rule_of_form_is_refused() {
    let group = Group::new();
    let form = |why: Option<Refused>| matches!(why, Some(Refused::Form(_)));
    assert_eq!(altered(&group, |_| ()), None);
    assert!(form(altered(&group, |raw| raw.parents = (0..17).map(|n| [n; 32]).collect())));
    assert!(!form(altered(&group, |raw| raw.parents = (0..16).map(|n| [n; 32]).collect())));
    assert!(form(altered(&group, |raw| raw.parents = vec![[2; 32], [1; 32]])));
    assert!(form(altered(&group, |raw| raw.parents = vec![[1; 32], [1; 32]])));
    assert!(form(altered(&group, |raw| raw.parents.clear())));
    assert!(form(altered(&group, |raw| raw.device_id = 0)));
    assert!(form(altered(&group, |raw| raw.device_list = None)));
    assert!(form(altered(&group, |raw| (raw.device_id, raw.device_list) = (0, None))));
    assert!(form(altered(&group, |raw| raw.group = None)));
    assert_eq!(altered(&group, |raw| raw.group = Some([1; 32])), Some(Refused::OtherGroup));
    assert!(form(altered(&group, |raw| {
        let kind = &raw.kind;
        let crate::wire::GroupKind::Add(targets) = kind else { panic!() };
        let twice = [targets.clone(), targets.clone()].concat();
        raw.kind = crate::wire::GroupKind::Add(twice);
    })));
    let long = |raw: &mut GroupChange| raw.kind = crate::wire::GroupKind::Title("a".repeat(257));
    assert!(form(altered(&group, long)));
    let long = |raw: &mut GroupChange| raw.kind = crate::wire::GroupKind::Picture(vec![1; 1025]);
    assert!(form(altered(&group, long)));
    let long = |raw: &mut GroupChange| {
        raw.kind = crate::wire::GroupKind::Title("a".repeat(MAX_CHANGE_LEN));
    };
    assert!(matches!(altered(&group, long), Some(Refused::Decode(_))));
}

#[test]
fn a_member_signs_nothing_on_more_than_16_384_changes_and_the_owner_does() {
    let mut world = World::new();
    let owner = world.meet(Some(Role::Owner), 1, [0; 32]);
    let admin = world.meet(Some(Role::Admin), 1, [1; 32]);
    let node = |author: Who, past: usize| Node {
        author,
        signer: None,
        op: world::Op::Set(0),
        past: Bits::full(past),
        hash: [0; 32],
    };
    let limit = usize::try_from(MAX_PAST).unwrap();
    for number in 0..=limit {
        world.push(node(owner, number));
    }
    assert_eq!(judge(&world, &node(admin, limit)), Ok(()));
    assert_eq!(judge(&world, &node(admin, limit + 1)), Err(Refused::Limit));
    assert_eq!(judge(&world, &node(owner, limit + 1)), Ok(()));
}

#[test]
fn at_most_1_024_changes_wait_and_the_oldest_goes_first() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let mut first = None;
    for number in 0..=u64::try_from(MAX_HELD).unwrap() {
        let mut unknown = [0xff; 32];
        unknown[..8].copy_from_slice(&number.to_be_bytes());
        let update = group.sign(&Deed::new(A, Op::Add(Y), 0), &[ChangeId(unknown)]);
        let told = roster.insert(&update);
        assert_eq!(told.held, usize::try_from(number + 1).unwrap().min(MAX_HELD));
        first.get_or_insert(update);
    }
    let gone = id(&first.unwrap());
    assert!(roster.held.iter().all(|pending| pending.change.id() != gone));
    let ask = roster.ask();
    assert_eq!(ask.wanted.len(), 256);
    assert_eq!(crate::wire::Ask::decode(&ask.encode()), Ok(ask));
    // Nothing of it is a change.
    assert_eq!(roster.head(), group.first.head());
}

#[test]
fn what_descends_from_something_invalid_is_not_kept() {
    let group = Group::new();
    let mut roster = group.first.clone();
    let invalid = group.sign(&Deed::new(Y, Op::Add(A), 0), &[group.seal()]);
    let child = group.sign(&Deed::new(A, Op::Add(Y), 0), &[id(&invalid)]);
    let grandchild = group.sign(&Deed::new(A, Op::Del(Y), 0), &[id(&child)]);
    roster.insert(&grandchild);
    assert_eq!(roster.insert(&child).held, 2);
    let told = roster.insert(&invalid);
    assert_eq!((told.held, told.accepted.len()), (0, 0));
    assert_eq!(told.refused, [(id(&invalid), Refused::NotAllowed)]);
}

#[test]
fn more_tips_than_a_change_can_name_are_gathered_first() {
    let group = Group::new();
    let mut roster = group.first.clone();
    for number in 0..40 {
        let action = Action::Set(Setting::Timer(number));
        accept(&mut roster, &group.people[A].by_phone(&group, action, &[group.seal()]));
    }
    let admin = &group.people[A];
    let add = Action::Add(vec![group.member(Y)]);
    assert_eq!(roster.draft(&admin.member, add.clone()).err(), Some(RosterError::TooManyTips));
    let owner = &group.people[O];
    assert_eq!(
        roster.draft_seal(&owner.member, &owner.member).err(),
        Some(RosterError::TooManyTips)
    );
    while let Some(draft) = roster.gather(&admin.member).unwrap() {
        accept(&mut roster, &draft.sign(&admin.phone, &admin.lists[0]).unwrap());
    }
    let draft = roster.draft(&admin.member, add).unwrap();
    accept(&mut roster, &draft.sign(&admin.phone, &admin.lists[0]).unwrap());
    let ask = roster.ask();
    assert_eq!(ask.tips.len(), 1);
}

#[test]
fn a_thousand_members_are_enough() {
    let group = Group::new();
    let mut rng = <rand::rngs::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(1);
    let mut roster = group.first.clone();
    let key = *group.people[Y].member.key();
    let crowd: Vec<Member> = (0..MAX_MEMBERS)
        .map(|n| Member::new(crate::UserId::new(format!("{n:04}")).unwrap(), key))
        .collect();
    let owner = &group.people[O];
    for part in crowd.chunks(200) {
        let action = Action::Add(part.to_vec());
        let full = roster.members().count() + part.len() > MAX_MEMBERS;
        match roster.draft(&owner.member, action) {
            Ok(draft) => {
                let update = draft.sign(&owner.phone, &owner.lists[0]).unwrap();
                accept(&mut roster, &update);
                assert!(!full);
            }
            Err(why) => {
                assert_eq!(why, RosterError::TooManyMembers);
                assert!(full);
            }
        }
    }
    assert_eq!(roster.members().count(), 803);
    // All at once is too long for a change.
    let rest = Person::new("rest", &mut rng);
    let many = crowd.iter().map(|m| Member::new(m.user().clone(), *rest.member.key()));
    let draft = group.first.draft(&owner.member, Action::Add(many.take(900).collect())).unwrap();
    let signed = draft.sign(&owner.phone, &owner.lists[0]);
    assert_eq!(signed.err(), Some(RosterError::TooLong("the change")));
    let reloaded = Roster::from_record(&roster.record()).unwrap();
    assert_eq!(reloaded.head(), roster.head());
}

#[test]
fn only_whose_key_it_is_signs() {
    let group = Group::new();
    let [owner, admin] = [O, A].map(|who| &group.people[who]);
    let draft = || group.first.draft(&admin.member, Action::Leave).unwrap();
    assert!(draft().sign(&admin.phone, &admin.lists[0]).is_ok());
    let wrong = Some(RosterError::WrongSigner);
    assert_eq!(draft().sign(&owner.phone, &admin.lists[0]).err(), wrong);
    assert_eq!(draft().sign(&admin.phone, &owner.lists[0]).err(), wrong);
    assert_eq!(draft().sign_as_account(&admin.account).err(), wrong);
    let seal = || group.first.draft_seal(&owner.member, &admin.member).unwrap();
    assert_eq!(seal().sign(&owner.phone, &owner.lists[0]).err(), wrong);
    assert_eq!(seal().sign_as_account(&admin.account).err(), wrong);
    assert!(seal().sign_as_account(&owner.account).is_ok());
}

#[test]
fn a_change_of_16_384_bytes_is_taken_and_none_longer() {
    let signed = |len: usize| SignedChange { change: vec![0; len], signature: [0; 64] };
    let longest = signed(MAX_CHANGE_LEN - 3 - 66);
    assert_eq!(longest.encode().len(), MAX_CHANGE_LEN);
    let update = |change| Update { changes: vec![change], ..Update::default() }.encode();
    assert_eq!(SignedChange::decode(&longest.encode()), Ok(longest.clone()));
    assert!(Update::decode(&update(longest)).is_ok());
    let longer = signed(MAX_CHANGE_LEN - 3 - 66 + 1);
    assert!(SignedChange::decode(&longer.encode()).is_err());
    assert!(Update::decode(&update(longer)).is_err());
}
