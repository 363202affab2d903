//! A group's roster: what is signed, hashed and computed, change by change.

use serde_json::{Value, json};

use super::model::{cat, lp, sha256};
use super::{Draws, Party, hex};
use crate::UserId;
use crate::crypto::Label;
use crate::group::{
    Action, Answer, Change, ChangeId, Kind, MAX_UPDATE_LEN, Member, Refused, Role, Roster,
    RosterError, Setting, Settings, Update,
};
use crate::identity::{Account, Device, DeviceList};
use crate::wire::{GroupChange, GroupKind, GroupMember, SignedChange};

pub(super) fn vectors() -> Value {
    let mut draws = Draws::new(13);
    let [alice, bob, mut carol] =
        ["alice", "bob", "carol"].map(|name| Party::new(name, &mut draws));
    let members = [&alice, &bob, &carol].map(Party::to_json);
    draws.take();
    let settings = Settings::titled("Roses");
    let mut roster = Roster::create(&alice.account, settings, &mut draws).unwrap();
    let welcome = roster.welcome();
    let joined = Roster::join(&roster.group(), &welcome).unwrap();
    assert_eq!(joined.head(), roster.head());
    let first = state(&roster);

    let [owner, admin, guest] =
        [&alice, &bob, &carol].map(|party| Member::of(party.account.device_list()));
    let mut steps = Vec::new();
    let mut take = |roster: &mut Roster, what: &str, update: &Update| {
        steps.push(step(roster, what, update));
    };
    let by = |party: &Party, roster: &Roster, author: &Member, action: Action| {
        signed(roster.draft(author, action), party)
    };
    let to = |member: &Member| vec![member.clone()];

    let update = by(&alice, &roster, &owner, Action::Add(to(&admin)));
    take(&mut roster, "the owner adds somebody", &update);
    let update = by(&alice, &roster, &owner, Action::Grant(to(&admin)));
    take(&mut roster, "and makes him an admin", &update);
    let before = roster.clone();
    let update = by(&bob, &roster, &admin, Action::Add(to(&guest)));
    take(&mut roster, "who adds somebody", &update);
    let titled = Action::Set(Setting::Title("Thorns".to_owned()));
    let update = by(&bob, &roster, &admin, titled);
    take(&mut roster, "and changes the title", &update);
    let update = by(&alice, &before, &owner, Action::Demote(to(&admin)));
    take(&mut roster, "an end beside both, which makes them void", &update);
    let update = by(&bob, &before, &admin, Action::Set(Setting::Timer(60)));
    take(&mut roster, "what the ended admin backdates is void", &update);
    let update = by(&alice, &roster, &owner, Action::Add(vec![guest.clone(), admin.clone()]));
    take(&mut roster, "the owner adds both", &update);
    let unseen = roster.clone();
    let update = draft_seal(&roster, &alice, &admin);
    take(&mut roster, "the owner seals, and hands the group over", &update);
    let update = by(&carol, &unseen, &guest, Action::Leave);
    take(&mut roster, "a leave that the seal has not seen is void", &update);
    let update = by(&carol, &roster, &guest, Action::Leave);
    take(&mut roster, "signed again it counts", &update);
    let update = by(&alice, &unseen, &owner, Action::Demote(to(&guest)));
    take(&mut roster, "a late change of who was the owner then is valid, and void", &update);

    let people = People { alice: &alice, bob: &bob, owner: &admin, admin: &owner, guest: &guest };
    let devices = people.go_on(&mut roster, &mut carol, &mut draws, &mut take);
    let (refused, held) = people.not_taken(&roster, &carol, &devices);
    let newcomer = introduced(&roster);

    assert_eq!(
        joined.change(&ChangeId::from_bytes(*joined.group().as_bytes())).map(named),
        Some(roster_hash(&joined))
    );
    json!({
        "members": members,
        "group": hex(joined.group().as_bytes()),
        "welcome": hex(welcome.encode()),
        "roster_hash": hex(roster_hash(&joined)),
        "first": first,
        "steps": steps,
        "refused": refused,
        "held": held,
        "newcomer": newcomer,
        "new_device": json!({
            "user_id": hex(&carol.user),
            "device_id": devices.tablet.device_id,
            "signing_seed": hex(devices.tablet.signing_seed),
            "signing_key": hex(devices.tablet.signing_key()),
            "identity_private": hex(devices.tablet.identity_private),
            "identity_key": hex(devices.tablet.identity_key()),
            "signed_list": hex(carol.signed_list()),
        }),
    })
}

/// Carol's devices and lists.
struct Devices {
    phone: Device,
    first: DeviceList,
    tablet: Party,
}

/// Who is what, once the group was handed over.
struct People<'a> {
    alice: &'a Party,
    bob: &'a Party,
    owner: &'a Member,
    admin: &'a Member,
    guest: &'a Member,
}

impl People<'_> {
    /// What comes after the group was handed over.
    fn go_on(
        &self,
        roster: &mut Roster,
        carol: &mut Party,
        draws: &mut Draws,
        take: &mut impl FnMut(&mut Roster, &str, &Update),
    ) -> Devices {
        let &Self { alice, bob, owner, admin, guest } = self;
        let draft = |roster: &Roster, author: &Member, action| roster.draft(author, action);
        let by = |party: &Party, roster: &Roster, author: &Member, action: Action| {
            signed(draft(roster, author, action), party)
        };
        let to = |member: &Member| vec![member.clone()];
        let title = |title: &str| Action::Set(Setting::Title(title.to_owned()));

        let update = by(bob, roster, owner, Action::Grant(to(guest)));
        take(roster, "the owner makes her an admin, and so a member", &update);
        let fork = roster.clone();
        let update = by(alice, &fork, admin, title("Violets"));
        take(roster, "one admin changes the title", &update);
        let update = by(carol, &fork, guest, title("Tulips"));
        take(roster, "another does beside it: that of the smaller account key stands", &update);
        let update = by(carol, &fork, guest, Action::Set(Setting::Timer(90)));
        take(roster, "another setting beside both stands by itself", &update);
        let update = by(bob, &fork, owner, title("Lilies"));
        take(roster, "the owner changes the title beside them: that stands", &update);
        let update = by(alice, roster, admin, Action::Set(Setting::Picture(vec![1, 2, 3])));
        take(roster, "a picture, on top of all four", &update);

        let update = by(bob, roster, owner, Action::Demote(to(guest)));
        take(roster, "the owner makes her an ordinary member", &update);
        let fork = roster.clone();
        let update = by(alice, &fork, admin, Action::Remove(to(guest)));
        take(roster, "an admin removes her", &update);
        let update = by(bob, &fork, owner, Action::Add(to(guest)));
        take(roster, "an add beside the removal does not bring her back", &update);
        let update = by(alice, roster, admin, Action::Add(to(guest)));
        take(roster, "one that knew it does", &update);

        let fork = roster.clone();
        let update = by(alice, &fork, admin, title("Asters"));
        take(roster, "an admin changes the title", &update);
        let update = by(bob, roster, owner, Action::Set(Setting::Timer(7)));
        take(roster, "the owner builds on it", &update);
        let update = by(alice, &fork, admin, Action::Set(Setting::Picture(vec![4])));
        take(roster, "the admin changes the picture beside that", &update);
        let update = by(alice, &fork, admin, Action::Leave);
        take(roster, "a leave beside all three: the title stands, the picture is void", &update);
        let update = by(bob, roster, owner, Action::Set(Setting::Timer(8)));
        take(roster, "the owner builds on what counts", &update);
        let update = by(bob, roster, owner, Action::Grant(vec![admin.clone(), guest.clone()]));
        take(roster, "and makes both admins", &update);

        // With an account of its own, that nobody hears of.
        let tablet = Party::new("carol", draws);
        let first = carol.account.device_list().clone();
        let phone = Device::from_record(&carol.device.record()).unwrap();
        let fork = roster.clone();
        let update = by(carol, &fork, guest, title("by the lost phone"));
        take(roster, "a device that will be revoked changes the title", &update);
        carol.account.add(tablet.device.entry(&carol.account.key())).unwrap();
        carol.account.remove(phone.address().device).unwrap();
        let list = carol.account.device_list().clone();
        let devices = draft(&fork, guest, Action::Devices(Box::new(list.clone())));
        let update = devices.unwrap().sign_as_account(&carol.account).unwrap();
        take(roster, "a new device list beside it, of version 3: the title is void", &update);
        let update = draft(roster, guest, title("by the tablet")).unwrap();
        let update = update.sign(&tablet.device, &list).unwrap();
        take(roster, "the new device changes it on top", &update);
        let update = draft_seal(roster, bob, owner);
        take(roster, "the owner seals; the list has version 3 in the roster", &update);
        let seal = roster.change(&ChangeId::from_bytes(roster.ask().seal)).map(named);
        assert_eq!((seal, roster.list_version(guest)), (Some(roster_hash(roster)), 3));
        let update = by(alice, roster, admin, title("Daisies"));
        take(roster, "an admin since the seal changes the title", &update);
        Devices { phone, first, tablet }
    }

    /// What is refused, and what waits, as things stand.
    fn not_taken(&self, roster: &Roster, carol: &Party, devices: &Devices) -> (Value, Value) {
        let &Self { alice, bob, owner, admin, guest } = self;
        let Devices { phone, first, tablet } = devices;
        let list = carol.account.device_list();
        let [alices, bobs] = [alice, bob].map(|party| party.account.device_list());
        let tip = roster.ask().tips[0];
        let template = |author: &Member, device: &Device, list: &DeviceList, kind| GroupChange {
            group: Some(*roster.group().as_bytes()),
            parents: vec![tip],
            author: wire(author),
            device_id: device.address().device.get(),
            device_list: Some(*list.hash()),
            kind,
        };
        let sign = |device: &Device, list: &DeviceList, change: Vec<u8>| {
            let signature = device.sign(Label::GROUP_CHANGE, &change).to_bytes();
            let changes = vec![SignedChange { change, signature }];
            Update { changes, lists: vec![list.signed().clone()], roster: None }
        };
        let named =
            |members: &[&Member]| -> Vec<_> { members.iter().map(|member| wire(member)).collect() };
        let title = || GroupKind::Title("mine".to_owned());
        let alters = |alter: &dyn Fn(&mut GroupChange)| {
            let mut change = template(admin, &alice.device, alices, title());
            alter(&mut change);
            sign(&alice.device, alices, change.encode())
        };
        let by_alice = |kind| alters(&|change| change.kind.clone_from(&kind));
        let [before, oldest] = {
            let seals = roster.welcome().seals;
            let ids = [1, 0].map(|number: usize| &seals[number].change);
            ids.map(|seal| sha256(&[b"subrosa/1 group change\0", seal]))
        };
        let by_phone = template(guest, phone, first, title()).encode();
        let by_lost_phone = template(guest, phone, list, title()).encode();
        let by_tablet = template(guest, &tablet.device, list, title()).encode();
        let sorted = |mut parents: Vec<[u8; 32]>| {
            parents.sort_unstable();
            parents
        };
        let refused = [
            ("an admin removes the owner", by_alice(GroupKind::Remove(named(&[owner])))),
            ("an admin removes an admin", by_alice(GroupKind::Remove(named(&[guest])))),
            ("an admin makes an admin", by_alice(GroupKind::Grant(named(&[guest])))),
            (
                "the owner leaves",
                sign(
                    &bob.device,
                    bobs,
                    template(owner, &bob.device, bobs, GroupKind::Leave).encode(),
                ),
            ),
            ("a device that was revoked before the seal", sign(phone, first, by_phone)),
            ("a device that is not on the list", sign(phone, list, by_lost_phone)),
            ("signed by another member's device", sign(&bob.device, list, by_tablet)),
            ("another group", alters(&|change| change.group = Some([1; 32]))),
            ("no parents", alters(&|change| change.parents.clear())),
            ("a parent twice", alters(&|change| change.parents = vec![tip, tip])),
            (
                "17 parents",
                alters(&|change| change.parents = (0..17).map(|number| [number; 32]).collect()),
            ),
            (
                "parents on both sides of a seal",
                alters(&|change| change.parents = sorted(vec![tip, before])),
            ),
            ("a seal before the last two as a parent", alters(&|c| c.parents = vec![oldest])),
            ("no device", alters(&|change| change.device_id = 0)),
            ("no device list", alters(&|change| change.device_list = None)),
            ("a target twice", by_alice(GroupKind::Add(named(&[guest, guest])))),
            ("targets out of order", by_alice(GroupKind::Add(named(&[guest, owner])))),
            (
                "a target whose key is of order 4",
                by_alice(GroupKind::Add(vec![GroupMember { account_key: [0; 32], ..wire(guest) }])),
            ),
            ("a title of 257 bytes", by_alice(GroupKind::Title("a".repeat(257)))),
            ("no kind", {
                let change =
                    template(admin, &alice.device, alices, GroupKind::Title(String::new()));
                let change = change.encode();
                // Field 13, empty, stands last.
                sign(&alice.device, alices, change[..change.len() - 2].to_vec())
            }),
        ];
        let refused = refused.map(|(reason, update)| {
            let told = roster.clone().insert(&update);
            let [(id, why)] = told.refused.as_slice() else { panic!("{reason}: {told:?}") };
            assert!(told.accepted.is_empty() && told.held == 0);
            assert!(reason != "a target twice" || matches!(why, Refused::Form(_)));
            json!({
                "reason": reason, "update": hex(update.encode()), "id": hex(id.as_bytes()),
            })
        });
        let without_list = |update: Update| Update { lists: Vec::new(), ..update };
        let new_list = {
            let mut bobs = Account::from_record(&bob.account.record()).unwrap();
            bobs.add(tablet_of(bob).entry(&bobs.key())).unwrap();
            bobs.device_list().clone()
        };
        let by_bob =
            sign(&bob.device, &new_list, template(owner, &bob.device, &new_list, title()).encode());
        let mut spoilt = by_bob.clone();
        spoilt.lists[0].signature[0] ^= 1;
        let held = [
            ("a parent that is unknown", alters(&|c| c.parents = vec![[1; 32]])),
            (
                "one parent that is unknown, one that is not",
                alters(&|c| c.parents = sorted(vec![[2; 32], tip])),
            ),
            ("a list that did not come", without_list(by_bob)),
            ("a list that came and is not valid", spoilt),
        ];
        let held = held.map(|(what, update)| {
            let mut roster = roster.clone();
            let told = roster.insert(&update);
            assert!(told.accepted.is_empty() && told.refused.is_empty(), "{what}: {told:?}");
            let wanted = roster.ask().wanted;
            assert_eq!((told.held, wanted.len()), (1, 1), "{what}");
            json!({ "what_text": what, "update": hex(update.encode()), "wanted": hex(wanted[0]) })
        });
        (refused.into_iter().collect(), held.into_iter().collect())
    }
}

fn wire(member: &Member) -> GroupMember {
    GroupMember {
        user_id: member.user().as_bytes().to_vec(),
        account_key: *member.key().as_bytes(),
    }
}

/// A device of which nobody has heard.
fn tablet_of(party: &Party) -> Device {
    Device::generate(UserId::new(&party.user).unwrap(), &mut Draws::new(14))
}

/// What a newcomer gets, and what he asks then.
fn introduced(roster: &Roster) -> Value {
    let (welcome, update) = (roster.welcome(), roster.news(MAX_UPDATE_LEN));
    let mut joined = Roster::join(&roster.group(), &welcome).unwrap();
    joined.insert(&update);
    assert_eq!(joined.head(), roster.head());
    let ask = joined.ask();
    let up_to_date = Answer::Update(Update::default());
    assert_eq!(roster.answer(&ask, MAX_UPDATE_LEN), up_to_date);
    json!({
        "welcome": hex(welcome.encode()),
        "update": hex(update.encode()),
        "ask": hex(ask.encode()),
    })
}

fn signed(draft: Result<crate::group::Draft, RosterError>, party: &Party) -> Update {
    draft.unwrap().sign(&party.device, party.account.device_list()).unwrap()
}

fn draft_seal(roster: &Roster, party: &Party, next: &Member) -> Update {
    let author = Member::of(party.account.device_list());
    roster.draft_seal(&author, next).unwrap().sign_as_account(&party.account).unwrap()
}

fn step(roster: &mut Roster, what: &str, update: &Update) -> Value {
    let told = roster.insert(update);
    let [id] = told.accepted.as_slice() else { panic!("{what}: {told:?}") };
    let signed = &update.changes[0];
    // H("subrosa/1 group change" || 0x00 || the bytes)
    assert_eq!(*id.as_bytes(), sha256(&[b"subrosa/1 group change\0", &signed.change]));
    let change = roster.change(id).unwrap();
    let void = roster.void().any(|void| void.id() == *id);
    super::with(
        json!({
            "what_text": what,
            "update": hex(update.encode()),
            "change": hex(&signed.change),
            "signature": hex(signed.signature),
            "id": hex(id.as_bytes()),
            "kind_text": kind(change),
            "counts": !void,
        }),
        state(roster),
    )
}

fn state(roster: &Roster) -> Value {
    let ask = roster.ask();
    let mut tips = ask.tips.clone();
    tips.sort();
    // H("subrosa/1 group head" || 0x00 || seal || tips)
    let named = cat(&[b"subrosa/1 group head\0", &ask.seal, &tips.concat()]);
    assert_eq!(*roster.head().as_bytes(), sha256(&[&named]));
    let member = |(member, role): (&Member, Role)| {
        json!({
            "user_id": hex(member.user().as_bytes()),
            "account_key": hex(member.key().as_bytes()),
            "role_text": format!("{role:?}").to_lowercase(),
        })
    };
    let Settings { title, picture, timer } = roster.settings();
    json!({
        "seal": hex(ask.seal),
        "tips": tips.iter().map(hex).collect::<Vec<_>>(),
        "head": hex(roster.head().as_bytes()),
        "members": roster.members().map(member).collect::<Vec<_>>(),
        "title": hex(title),
        "picture": hex(picture),
        "timer": timer,
    })
}

/// What the first seal names.
fn named(seal: &Change) -> [u8; 32] {
    let fields = GroupChange::decode(&seal.signed().change).unwrap();
    let GroupKind::Seal(seal) = fields.kind else { panic!("a seal") };
    seal.roster
}

/// Of a roster without changes since its seal.
fn roster_hash(roster: &Roster) -> [u8; 32] {
    let Settings { title, picture, timer } = roster.settings();
    let members: Vec<_> = roster.members().collect();
    let mut bytes = cat(&[&lp(title.as_bytes()), &lp(&picture), &timer.to_be_bytes()]);
    bytes.extend(u32::try_from(members.len()).unwrap().to_be_bytes());
    for (member, role) in members {
        let role = match role {
            Role::Owner => 1,
            Role::Admin => 2,
            Role::Member => 3,
        };
        let version = roster.list_version(member).to_be_bytes();
        let key = member.key().as_bytes();
        bytes.extend(cat(&[&[role], &version, &lp(member.user().as_bytes()), key]));
    }
    sha256(&[b"subrosa/1 group roster\0", &bytes])
}

fn kind(change: &Change) -> &'static str {
    match change.kind() {
        Kind::Seal(_) => "seal",
        Kind::Act(Action::Grant(_)) => "grant",
        Kind::Act(Action::Demote(_)) => "demote",
        Kind::Act(Action::Add(_)) => "add",
        Kind::Act(Action::Remove(_)) => "remove",
        Kind::Act(Action::Leave) => "leave",
        Kind::Act(Action::Devices(_)) => "devices",
        Kind::Act(Action::Set(Setting::Title(_))) => "title",
        Kind::Act(Action::Set(Setting::Picture(_))) => "picture",
        Kind::Act(Action::Set(Setting::Timer(_))) => "timer",
    }
}
