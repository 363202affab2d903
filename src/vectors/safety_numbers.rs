//! What two people compare.

use serde_json::{Value, json};

use super::{Draws, Party, hex, model};
use crate::identity::SafetyNumber;

pub(super) fn vectors() -> Value {
    let mut draws = Draws::new(8);
    let long = "a user id of the greatest length that there is ".repeat(6);
    let users = ["alice", "bob", "bobby", &long[..255]].map(|name| Party::new(name, &mut draws));
    let pairs = [(0, 1), (1, 0), (1, 2), (0, 3), (2, 2)];
    let numbers = pairs.map(|(one, other)| number(&users[one], &users[other]));
    json!({ "numbers": numbers })
}

fn number(one: &Party, other: &Party) -> Value {
    let digits = |party: &Party| {
        model::safety_digits(&model::safety_hash(&party.user, &party.account_key()))
    };
    let (ours, theirs) = (digits(one), digits(other));
    let number = SafetyNumber::between(one.account.device_list(), other.account.device_list());
    assert_eq!(
        number.digits(),
        [ours.as_str(), &theirs].into_iter().min().unwrap().to_owned()
            + [ours.as_str(), &theirs].into_iter().max().unwrap()
    );
    let parties = [one, other].map(|party| (party.user.as_slice(), party.account_key()));
    let qr = model::safety_code(parties);
    assert_eq!(number.qr(), qr);
    json!({
        "qr": hex(qr),
        "user_id": hex(&one.user),
        "account_key": hex(one.account_key()),
        "other_user_id": hex(&other.user),
        "other_account_key": hex(other.account_key()),
        "digits_text": ours,
        "other_digits_text": theirs,
        "safety_number_text": number.digits(),
        "shown_text": number.to_string(),
    })
}
