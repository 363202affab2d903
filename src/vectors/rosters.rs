//! A group's roster: what is signed, hashed and computed, change by change.

use serde_json::{Value, json};

use super::model::{cat, lp, sha256};
use super::{Draws, Party, hex};
use crate::group::{
    Action, Change, Kind, Member, Role, Roster, RosterError, Setting, Settings, Update,
};

pub(super) fn vectors() -> Value {
    let mut draws = Draws::new(13);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| Party::new(name, &mut draws));
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
    take(&mut roster, "who was the owner has no more right than an admin", &update);

    assert_eq!(
        joined.change(&crate::group::ChangeId::from_bytes(*joined.group().as_bytes())).map(named),
        Some(roster_hash(&joined))
    );
    let members = [&alice, &bob, &carol].map(Party::to_json);
    json!({
        "members": members,
        "group": hex(joined.group().as_bytes()),
        "welcome": hex(welcome.encode()),
        "roster_hash": hex(roster_hash(&joined)),
        "first": first,
        "steps": steps,
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
    let Settings { title, picture: _, timer } = roster.settings();
    json!({
        "seal": hex(ask.seal),
        "tips": tips.iter().map(hex).collect::<Vec<_>>(),
        "head": hex(roster.head().as_bytes()),
        "members": roster.members().map(member).collect::<Vec<_>>(),
        "title": hex(title),
        "timer": timer,
    })
}

/// What the first seal names.
fn named(seal: &Change) -> [u8; 32] {
    let fields = crate::wire::GroupChange::decode(&seal.signed().change).unwrap();
    let crate::wire::GroupKind::Seal(seal) = fields.kind else { panic!("a seal") };
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
        // Nobody has told of a newer list than the first.
        let version = 1_u64.to_be_bytes();
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
