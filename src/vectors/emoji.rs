//! Emoji that two people compare, and what their devices say to each other.

use serde_json::{Value, json};

use super::model::{self, cat, pb_bytes, pb_fixed32, pb_varint};
use super::{Draws, NOW, Party, hex};
use crate::address::DeviceId;
use crate::content::{Frame, Said, Verification, VerificationSays};
use crate::identity::{Comparison, Emoji, EmojiStep, Heard};
use crate::timestamp::Timestamp;

const SPEC: &str = include_str!("../../proto/SPEC.md");

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(16);
    let [alice, bob] = ["alice", "bob"].map(|name| Party::new(name, draws));
    json!({
        "table": table(),
        "comparisons": [comparison(&alice, &bob, draws), comparison(&bob, &alice, draws)],
    })
}

/// As the crate has them, and as SPEC.md lists them, in rows of eight.
fn table() -> Value {
    let section = SPEC.split("\n### ").find(|text| text.starts_with("16.3")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    let cells: Vec<_> = rows
        .flat_map(|row| row.trim_matches('|').split('|').map(str::trim).skip(1))
        .map(|cell| cell.split_once(' ').unwrap())
        .collect();
    assert_eq!(cells.len(), 64);
    let listed = (0_u8..).zip(&cells).map(|(number, (symbol, name))| {
        let emoji = Emoji::from_numbers(&[number; 7]).unwrap();
        assert_eq!((emoji.symbols()[0], emoji.names()[0]), (*symbol, *name));
        json!({ "number": number, "symbol_text": symbol, "name_text": name })
    });
    listed.collect()
}

fn content(says: VerificationSays, transaction: [u8; 16], to: Option<DeviceId>) -> Value {
    let (field, value) = match says {
        VerificationSays::Step(EmojiStep::Start) => (3, Vec::new()),
        VerificationSays::Step(EmojiStep::Commitment(hash)) => (4, hash.to_vec()),
        VerificationSays::Step(EmojiStep::Key(key)) => (5, key.to_vec()),
        VerificationSays::Step(EmojiStep::Reveal(key)) => (6, key.to_vec()),
        VerificationSays::Step(EmojiStep::Confirmation(mac)) => (7, mac.to_vec()),
        VerificationSays::Cancelled => (8, vec![1]),
        VerificationSays::Mismatch => (8, vec![2]),
    };
    let step = match field {
        8 => pb_varint(8, value[0].into()),
        // A message without fields.
        3 => vec![3 << 3 | 2, 0],
        field => pb_bytes(field, &value),
    };
    let device = to.map(|to| pb_fixed32(2, to.get())).unwrap_or_default();
    let verification = cat(&[&pb_bytes(1, &transaction), &device, &step]);
    let bytes = cat(&[&pb_varint(1, NOW * 1000), &pb_bytes(40, &verification)]);
    let said = Said::Verification(Verification { transaction, to, says });
    let frame = Frame { sent_at: Timestamp::from_millis(NOW * 1000), said };
    assert_eq!(*frame.encode(), bytes);
    assert_eq!(Frame::decode(&bytes), frame);
    hex(bytes)
}

fn comparison(one: &Party, other: &Party, draws: &mut Draws) -> Value {
    let party = |party: &Party| crate::identity::Party {
        user: party.device.address().user.clone(),
        account_key: party.account.key(),
    };
    let bound = [one, other].map(|party| model::emoji_party(&party.user, &party.account_key()));
    let parties = [bound[0].as_slice(), &bound[1]];
    draws.take();
    let mut initiator = Comparison::start(party(one), party(other), draws);
    let drawn = draws.take();
    let transaction = model::array(&drawn[0]);
    let private_i = model::array(&drawn[1]);
    let (mut responder, commitment) =
        Comparison::accept(transaction, party(other), party(one), draws);
    let private_r = model::array(&draws.take()[0]);
    let keys = [private_i, private_r].map(|private| model::dh_public(&private));
    let secret = model::dh(&private_i, &keys[1]);
    let (bytes, mac_key) = model::emoji_keys(&transaction, parties, [&keys[0], &keys[1]], &secret);
    let emoji = Emoji::from_numbers(&model::emoji_numbers(&bytes)).unwrap();
    let hash = model::emoji_commitment(&transaction, parties, &keys[1]);
    assert_eq!(commitment, EmojiStep::Commitment(hash));
    let key = EmojiStep::Key(keys[0]);
    assert_eq!(initiator.hear(commitment), Ok(Heard { say: Some(key), show: None }));
    let reveal = EmojiStep::Reveal(keys[1]);
    let heard = Heard { say: Some(reveal), show: Some(emoji) };
    assert_eq!(responder.hear(key), Ok(heard));
    assert_eq!(initiator.hear(reveal), Ok(Heard { say: None, show: Some(emoji) }));
    let macs = [(1, parties[0]), (2, parties[1])]
        .map(|(role, party)| model::emoji_confirmation(&mac_key, role, party));
    assert_eq!(initiator.confirm(&emoji), Some(EmojiStep::Confirmation(macs[0])));
    assert_eq!(responder.confirm(&emoji), Some(EmojiStep::Confirmation(macs[1])));
    let [to_one, to_other] = [one, other].map(|party| Some(party.device.address().device));
    let said = |step, to| content(VerificationSays::Step(step), transaction, to);
    json!({
        "initiator": one.to_json(),
        "responder": other.to_json(),
        "transaction_id": hex(transaction),
        "initiator_key_private": hex(private_i),
        "initiator_key": hex(keys[0]),
        "responder_key_private": hex(private_r),
        "responder_key": hex(keys[1]),
        "commitment": hex(hash),
        "emoji_bytes": hex(bytes),
        "numbers": emoji.to_numbers(),
        "shown_text": emoji.to_string(),
        "mac_key": hex(mac_key),
        "initiator_confirmation": hex(macs[0]),
        "responder_confirmation": hex(macs[1]),
        "sent_at": NOW * 1000,
        "contents": {
            "start": said(EmojiStep::Start, None),
            "commitment": said(commitment, to_one),
            "key": said(key, to_other),
            "reveal": said(reveal, to_one),
            "initiator_confirmation": said(EmojiStep::Confirmation(macs[0]), to_other),
            "responder_confirmation": said(EmojiStep::Confirmation(macs[1]), to_one),
            "cancelled": content(VerificationSays::Cancelled, transaction, None),
            "mismatch": content(VerificationSays::Mismatch, transaction, to_other),
        },
    })
}
