//! Attachments: where everything stands, keys, and sealed bytes.

use std::io::{Cursor, Read};

use serde_json::{Value, json};

use super::{Draws, hex, model, with};
use crate::attachment::{MAX_LEN, Sealer, open};
use crate::content::Pointer;
use crate::crypto::Secret;

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(15);
    let cases = [
        ("nothing", 0, ""),
        ("a few bytes", 5, "text/plain"),
        ("the smallest with two chunks", 65_537, "image/png"),
        ("chunks, the last of padding alone", 4_194_305, "video/mp4"),
        ("a whole number of chunks", 131_072, "application/octet-stream"),
    ];
    let attachments = cases.map(|(name, length, media_type)| {
        let secret = draws.bytes();
        with(json!({ "name_text": name }), attachment(&secret, length, media_type))
    });
    json!({
        "layouts": layouts(),
        "attachments": attachments,
        "refused": refused(draws),
    })
}

fn file(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((7 * i + i / 251) % 256) as u8).collect()
}

fn layouts() -> Value {
    let lengths = (12..48)
        .step_by(4)
        .flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1])
        .chain([0, 1, 65_000, 1_000_000, 3_333_333_333, MAX_LEN]);
    lengths
        .map(|length| {
            let (padded, chunks, sealed) = model::attachment_layout(length);
            let secret = Secret::copy_from(&[0; 32]);
            assert_eq!(Sealer::with_secret(secret, length, "").unwrap().sealed_len(), sealed);
            json!({
                "length": length,
                "padded_length": padded,
                "chunks": chunks,
                "sealed_length": sealed,
            })
        })
        .collect()
}

fn seal(secret: &[u8; 32], file: &[u8], media_type: &str) -> (Pointer, Vec<u8>) {
    let (length, mut file) = (file.len() as u64, file);
    let mut sealer = Sealer::with_secret(Secret::copy_from(secret), length, media_type).unwrap();
    let mut sealed = Vec::new();
    while let Some(mut chunk) = sealer.next_chunk() {
        file.read_exact(chunk.plain()).unwrap();
        sealed.extend_from_slice(chunk.seal());
    }
    (sealer.finish().unwrap(), sealed)
}

fn attachment(secret: &[u8; 32], length: usize, media_type: &str) -> Value {
    let file = file(length);
    let (pointer, sealed) = seal(secret, &file, media_type);
    let (key, head) = model::attachment_keys(secret, length as u64, media_type.as_bytes());
    let chunks = model::attachment_chunks(&key, &file);
    assert_eq!(sealed, model::cat(&[&head, &chunks.concat()]));
    assert_eq!(*pointer.digest(), model::sha256(&[&sealed]));
    let mut opened = Vec::new();
    open(&pointer, Cursor::new(&sealed)).unwrap().read_to_end(&mut opened).unwrap();
    assert_eq!(opened, file);
    let count = chunks.len() as u64;
    let numbered = chunks.iter().zip(0..);
    let listed = numbered.filter(|(_, index)| *index < 2 || index + 1 == count);
    let listed = listed.map(|(chunk, index)| {
        json!({
            "index": index,
            "nonce": hex(model::attachment_nonce(index, count)),
            "tag": hex(&chunk[chunk.len() - 16..]),
        })
    });
    json!({
        "secret": hex(secret),
        "length": length,
        "media_type": hex(media_type),
        "key": hex(key),
        "head": hex(head),
        "chunks": listed.collect::<Value>(),
        "digest": hex(pointer.digest()),
    })
}

/// All of them said of the same sealed bytes, but for one.
fn refused(draws: &mut Draws) -> Value {
    let [secret, other]: [[u8; 32]; 2] = [draws.bytes(), draws.bytes()];
    let file = file(4096);
    let (pointer, genuine) = seal(&secret, &file, "a");
    let mut altered = file.clone();
    altered[0] ^= 1;
    let (_, another) = seal(&secret, &altered, "a");
    let refused = |reason: &str, secret: &[u8; 32], length, media_type: &str, cut: usize| {
        let again = reason == "sealed again under the same secret";
        let sealed = if again { &another } else { &genuine };
        let own = Secret::copy_from(secret);
        let claimed = Pointer::new(own, *pointer.digest(), length, media_type.to_owned());
        let opened = open(&claimed, Cursor::new(&sealed[..sealed.len() - cut]));
        assert!(opened.and_then(|mut opened| opened.read_to_end(&mut Vec::new())).is_err());
        json!({
            "reason": reason,
            "secret": hex(secret),
            "length": length,
            "media_type": hex(media_type),
            "again": again,
            "cut": cut,
        })
    };
    json!({
        "sealed": hex(&genuine),
        "sealed_again": hex(&another),
        "digest": hex(pointer.digest()),
        "pointers": [
            refused("of another secret", &other, 4096, "a", 0),
            refused("sealed again under the same secret", &secret, 4096, "a", 0),
            refused("a length that has the same layout", &secret, 4095, "a", 0),
            refused("another media type", &secret, 4096, "b", 0),
            refused("cut", &secret, 4096, "a", 1),
        ],
    })
}
