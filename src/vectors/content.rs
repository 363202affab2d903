//! Contents of every kind, and publications good and bad.

use serde_json::{Value, json};

use super::model::{cat, pb_bytes, pb_fixed32, pb_varint};
use super::prekeys::Prekey;
use super::{Draws, Party, hex, with};
use crate::address::{DeviceId, UserId};
use crate::content::{
    Consent, Contact, Content, Frame, LinkPackage, Receipt, ReceiptKind, Request, Said, Sync,
    Typing,
};
use crate::directory::{self, Publication, Stock};
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

/// When everything is said, in milliseconds.
const SENT_AT: u64 = super::NOW * 1000 + 7;

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(8);
    let bob = &Party::new("bob", draws);
    with(contents(bob, draws), publications(bob, draws))
}

/// `said` by the crate, `kind` (the field of the oneof) by the model: the same bytes.
fn content(name: &str, said: Said, kind: &[u8], fields: Value) -> Value {
    let frame = Frame { sent_at: Timestamp::from_millis(SENT_AT), said };
    let encoded = cat(&[&pb_varint(1, SENT_AT), kind]);
    assert_eq!(*frame.encode(), encoded, "{name}");
    assert_eq!(Frame::decode(&encoded), frame, "{name}");
    with(json!({ "name_text": name, "sent_at": SENT_AT, "content": hex(encoded) }), fields)
}

fn contents(bob: &Party, draws: &mut Draws) -> Value {
    let [one, other]: [[u8; 16]; 2] = [draws.bytes(), draws.bytes()];
    let ids = [one, other].map(MessageId::from_bytes);
    let joined = cat(&[&one, &other]);
    let user = UserId::new(&bob.user).unwrap();
    let at = Timestamp::from_millis(SENT_AT - 1000);
    let text = Content::text("At eight.");
    let text_kind = pb_bytes(16, &pb_bytes(1, b"At eight."));
    let day = std::time::Duration::from_secs(86_400);
    let reply = text.clone().reply_to(ids[0]).disappearing(day);
    let reply_kind = cat(&[&pb_varint(2, 86_400), &pb_bytes(4, &one), &text_kind]);
    let receipt = |kind| Said::Receipt(Receipt { kind, ids: ids.to_vec() });
    let receipt_kind = |kind| pb_bytes(17, &cat(&[&pb_varint(1, kind), &pb_bytes(2, &joined)]));
    let ids_json = json!({ "ids": ids.map(|id| hex(id.as_bytes())) });
    let copied = cat(&[&pb_varint(1, SENT_AT - 1000), &text_kind]);
    let copy = cat(&[&pb_bytes(1, &bob.user), &pb_bytes(2, &one), &pb_bytes(3, &copied)]);
    let decided = cat(&[&pb_bytes(1, &bob.user), &pb_varint(2, 2), &pb_varint(3, SENT_AT - 1000)]);
    let read = cat(&[&pb_bytes(1, &bob.user), &pb_bytes(2, &joined)]);
    let verified = cat(&[
        &pb_bytes(1, &bob.user),
        &pb_bytes(2, &bob.account_key()),
        &pb_varint(3, SENT_AT - 1000),
    ]);
    let contact = cat(&[
        &pb_bytes(1, &bob.user),
        &pb_bytes(2, &bob.signed_list()),
        &pb_varint(3, 2),
        &pb_varint(4, 1),
        &pb_varint(5, SENT_AT - 1000),
    ]);
    let alice = Party::new("alice", draws);
    let package = cat(&[&pb_bytes(1, &alice.signed_list()), &pb_bytes(2, &contact)]);
    let sync = |field, record: &[u8]| pb_bytes(20, &pb_bytes(field, record));
    let list = |party: &Party| party.account.device_list().signed().clone();
    let of_bob = json!({ "user_id": hex(&bob.user) });
    let contents = vec![
        content(
            "text",
            Said::Content(text.clone()),
            &text_kind,
            json!({ "kind_text": "text", "text": hex("At eight.") }),
        ),
        content(
            "an answer that disappears",
            Said::Content(reply),
            &reply_kind,
            json!({
                "kind_text": "text", "text": hex("At eight."),
                "expires_after": 86_400, "reply_to": hex(one),
            }),
        ),
        content(
            "delivered",
            receipt(ReceiptKind::Delivered),
            &receipt_kind(1),
            with(json!({ "kind_text": "receipt", "kind": 1 }), ids_json.clone()),
        ),
        content(
            "read",
            receipt(ReceiptKind::Read),
            &receipt_kind(2),
            with(json!({ "kind_text": "receipt", "kind": 2 }), ids_json.clone()),
        ),
        content(
            "typing",
            Said::Typing(Typing::Started),
            &pb_bytes(18, &pb_varint(1, 1)),
            json!({ "kind_text": "typing", "kind": 1 }),
        ),
        content(
            "no longer typing",
            Said::Typing(Typing::Stopped),
            &pb_bytes(18, &pb_varint(1, 2)),
            json!({ "kind_text": "typing", "kind": 2 }),
        ),
        content(
            "a request",
            Said::Content(Content::request(Request::Ask)),
            &pb_bytes(19, &pb_varint(1, 1)),
            json!({ "kind_text": "request", "kind": 1 }),
        ),
        content(
            "a request accepted",
            Said::Content(Content::request(Request::Accepted)),
            &pb_bytes(19, &pb_varint(1, 2)),
            json!({ "kind_text": "request", "kind": 2 }),
        ),
        content(
            "a request declined",
            Said::Content(Content::request(Request::Declined)),
            &pb_bytes(19, &pb_varint(1, 3)),
            json!({ "kind_text": "request", "kind": 3 }),
        ),
        content(
            "the copy of what was sent",
            Said::Sync(Sync::SentCopy {
                user: user.clone(),
                message: ids[0],
                sent_at: at,
                content: text,
            }),
            &sync(1, &copy),
            with(
                of_bob.clone(),
                json!({
                    "kind_text": "sync.sent_copy", "message_id": hex(one), "copied": hex(copied),
                }),
            ),
        ),
        content(
            "a decision",
            Said::Sync(Sync::Decision { user: user.clone(), consent: Consent::Accepted, at }),
            &sync(2, &decided),
            with(
                of_bob.clone(),
                json!({ "kind_text": "sync.decision", "consent": 2, "at": at.as_millis() }),
            ),
        ),
        content(
            "read on another device",
            Said::Sync(Sync::ReadMarks { user: user.clone(), ids: ids.to_vec() }),
            &sync(3, &read),
            with(with(of_bob.clone(), json!({ "kind_text": "sync.read_marks" })), ids_json),
        ),
        content(
            "verified",
            Said::Sync(Sync::Verified { user: user.clone(), account_key: bob.account_key(), at }),
            &sync(4, &verified),
            with(
                of_bob,
                json!({
                    "kind_text": "sync.verified", "account_key": hex(bob.account_key()),
                    "at": at.as_millis(),
                }),
            ),
        ),
        content(
            "what a linked device is given",
            Said::Sync(Sync::LinkPackage(LinkPackage {
                account_list: list(&alice),
                contacts: vec![Contact {
                    user,
                    device_list: Some(list(bob)),
                    consent: Consent::Accepted,
                    verified: true,
                    at,
                }],
            })),
            &sync(5, &package),
            json!({
                "kind_text": "sync.link_package", "account_list": hex(alice.signed_list()),
                "contacts": [{
                    "user_id": hex(&bob.user), "device_list": hex(bob.signed_list()),
                    "consent": 2, "verified": 1, "at": at.as_millis(),
                }],
            }),
        ),
    ];
    let later = cat(&[&pb_varint(1, SENT_AT), &pb_bytes(3, "A poll: when?".as_bytes())]);
    let unknown = [
        ("a kind of a later version", cat(&[&later, &pb_bytes(900, b"when?")]), "A poll: when?"),
        ("no kind", later.clone(), "A poll: when?"),
        (
            "a receipt of a later version",
            cat(&[&later, &pb_bytes(17, &cat(&[&pb_varint(1, 9), &pb_bytes(2, &one)]))]),
            "A poll: when?",
        ),
        (
            "a receipt with a part of an id",
            pb_bytes(17, &cat(&[&pb_varint(1, 2), &pb_bytes(2, &one[..15])])),
            "",
        ),
        ("typing of no kind", cat(&[&later, &[0x92, 0x01, 0]]), "A poll: when?"),
        ("an answer to 15 bytes", cat(&[&later, &pb_bytes(4, &one[..15]), &text_kind]), ""),
        ("a text that is not UTF-8", pb_bytes(16, &pb_bytes(1, b"\xff")), ""),
        ("no protobuf at all", b"plain".to_vec(), ""),
    ];
    json!({
        "contents": contents,
        "unknown": unknown.map(|(reason, bytes, fallback)| {
            let Said::Content(content) = Frame::decode(&bytes).said else { panic!("{reason}") };
            assert_eq!(content.to_string(), fallback, "{reason}");
            assert!(content.as_text().is_none() && content.to_bytes() == bytes, "{reason}");
            json!({ "reason": reason, "fallback": hex(fallback), "content": hex(bytes) })
        }),
    })
}

fn publications(bob: &Party, draws: &mut Draws) -> Value {
    let [signed, first, second] = [1, 2, 2].map(|kind| Prekey::new(bob, kind, draws));
    let other = &Party::new("carol", draws);
    let theirs = Prekey::new(other, 1, draws);
    let id: [u8; 16] = draws.bytes();
    let (list, device) = (bob.signed_list(), bob.device_id);
    let publication = |list: &[u8], device, signed: &[u8], one_time: &[Vec<u8>], stock| {
        let one_time: Vec<u8> = one_time.iter().flat_map(|prekey| pb_bytes(5, prekey)).collect();
        cat(&[
            &pb_bytes(1, &id),
            &pb_bytes(2, list),
            &pb_fixed32(3, device),
            &pb_bytes(4, signed),
            &one_time,
            &pb_varint(6, stock),
        ])
    };
    let (s, one_time) = (signed.signed(), [first.signed(), second.signed()]);
    let mut spoilt = one_time.clone();
    *spoilt[1].last_mut().unwrap() ^= 1;
    let full = publication(&list, device, &s, &one_time, 2);
    let by_the_crate = Publication::encode(
        id,
        bob.account.device_list().signed(),
        DeviceId::new(device).unwrap(),
        signed.secret.public(),
        &[first.secret.public(), second.secret.public()],
        Stock::Whole,
    );
    assert_eq!(by_the_crate, full);
    let accepted = [
        ("everything", full, 2, &one_time[..]),
        ("one prekey more", publication(&list, device, &s, &one_time[..1], 1), 1, &one_time[..1]),
        ("a signed prekey alone", publication(&list, device, &s, &[], 1), 1, &[]),
    ];
    let twice = [one_time[0].clone(), one_time[0].clone()];
    let refused = [
        ("a device that is not listed", publication(&list, device ^ 1, &s, &one_time, 2)),
        ("another user's list", publication(&other.signed_list(), device, &s, &one_time, 2)),
        ("another's prekey", publication(&list, device, &theirs.signed(), &one_time, 2)),
        ("no signed prekey", publication(&list, device, b"", &one_time, 2)),
        (
            "the two kinds exchanged",
            publication(&list, device, &one_time[0], std::slice::from_ref(&s), 2),
        ),
        ("a one-time prekey's signature is wrong", publication(&list, device, &s, &spoilt, 2)),
        ("a one-time prekey twice", publication(&list, device, &s, &twice, 2)),
        ("no stock", publication(&list, device, &s, &one_time, 0)),
        ("a stock of a later version", publication(&list, device, &s, &one_time, 3)),
        ("an id of 15 bytes", {
            let whole = publication(&list, device, &s, &one_time, 2);
            cat(&[&pb_bytes(1, &id[..15]), &whole[18..]])
        }),
    ];
    json!({
        "owner": bob.to_json(),
        "signed_prekey": signed.to_json(),
        "publications": accepted.map(|(name, bytes, stock, one_time)| {
            let read = directory::read(&bytes).unwrap();
            assert_eq!(read.address.user.as_bytes(), bob.user);
            assert_eq!(read.address.device.get(), device);
            assert_eq!(read.account_key.as_bytes(), &bob.account_key());
            assert_eq!((read.id, read.list_version), (id, 1));
            assert_eq!((read.device_list, read.signed_prekey), (list.clone(), s.clone()));
            assert_eq!(read.one_time_prekeys, one_time);
            assert_eq!(read.stock == Stock::Whole, stock == 2);
            json!({
                "name_text": name, "id": hex(id), "stock": stock,
                "one_time_prekeys": one_time.iter().map(hex).collect::<Vec<_>>(),
                "publication": hex(bytes),
            })
        }),
        "refused_publications": refused.map(|(reason, bytes)| {
            assert!(directory::read(&bytes).is_err(), "{reason}");
            json!({ "reason": reason, "publication": hex(bytes) })
        }),
    })
}
