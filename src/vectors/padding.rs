//! Size classes, and what is no padding.

use serde_json::{Value, json};

use super::{hex, model};
use crate::session::padding::{padded_len, shards_that_fit};
use crate::wire::{pad, unpad};

pub(super) fn vectors() -> Value {
    let payloads = [&b""[..], b"payload", b"ends in zeros\0\0", b"ends in \x80"];
    json!({
        "lengths": lengths(),
        "padded": payloads.map(padded),
        "malformed": [
            malformed("zero bytes alone", vec![0; 256]),
            malformed("no bytes at all", Vec::new()),
            malformed("no 0x80 before the zero bytes", [&b"payload"[..], &[0; 249]].concat()),
            malformed("something behind the 0x80", [&b"payload\x80"[..], &[0; 247], &[1]].concat()),
        ],
    })
}

/// Both sides of every border, up to the longest content.
fn lengths() -> Value {
    let longest = 65_536 + 256;
    let borders = (1..longest).filter(|length| {
        let kinds = |length| {
            let count = if length < 600 { model::shards_that_fit(length) } else { 0 };
            (model::padded_length(length), count)
        };
        kinds(length - 1) != kinds(*length)
    });
    let around = borders.flat_map(|length| [length - 1, length]);
    let mut lengths: Vec<usize> = [0].into_iter().chain(around).chain([longest]).collect();
    lengths.dedup();
    let line = |length: &usize| {
        let padded_length = padded_len(*length);
        let count = shards_that_fit(*length, padded_length);
        assert_eq!(padded_length, model::padded_length(*length));
        assert_eq!(count, model::shards_that_fit(*length));
        json!({ "length": length, "padded_length": padded_length, "shards_that_fit": count })
    };
    lengths.iter().map(line).collect()
}

fn padded(payload: &[u8]) -> Value {
    let mut padded = payload.to_vec();
    pad(&mut padded, 256);
    assert_eq!(padded, model::pad(payload, 256));
    assert_eq!(unpad(&padded), Some(payload));
    json!({ "payload": hex(payload), "padded": hex(padded) })
}

fn malformed(reason: &str, padded: Vec<u8>) -> Value {
    assert_eq!(unpad(&padded), None);
    json!({ "reason": reason, "padded": hex(padded) })
}
