//! What the length of an envelope tells of its content: of what is short, nothing.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::address::UserId;
use crate::content::call::{Call, CallId, EndReason, Step};
use crate::content::poll::{Answer, Choices};
use crate::content::*;
use crate::crypto::SecretBytes;
use crate::session::padding::padded_len;
use crate::timestamp::Timestamp;
use crate::wire::{Mark, MessageId, Payload, ShortId};

const ID: MessageId = MessageId::from_bytes([7; 16]);

/// The longest user id with which short interactions look like short texts.
const NAME_LEN: usize = 60;

/// The length of the payload that carries this, with the longest numbers.
fn payload_len(content: &Content, seq: u64) -> usize {
    let mark = Some(Mark { seq: u64::MAX, id: ShortId(u32::MAX) });
    let frame = content.encode_at(Timestamp::from_millis(u64::MAX));
    let payload = Payload {
        body: SecretBytes::new([ID.as_bytes(), frame.as_slice()].concat()),
        seq,
        last: mark,
        seen: mark,
        view: u64::MAX,
        control: None,
        shards: Vec::new(),
    };
    payload.encode(|len| len).len()
}

#[test]
fn short_interactions_are_as_long_as_a_short_text() {
    let name = Reference::new(UserId::new([b'u'; NAME_LEN]).unwrap(), ID);
    let every = Choices::from_bits(u32::MAX);
    let numbered = [
        Content::text("x".repeat(100)),
        Content::reaction(name.clone(), "x".repeat(MAX_EMOJI_LEN)),
        Content::reaction(name.clone(), ""),
        Content::vote(name.clone(), every),
        Content::edit(ID, "x".repeat(100)),
        Content::delete(ID),
        Content::timer(Some(Duration::MAX)),
        Content::request(Request::Ask),
        Content::call(Call::next(CallId::from_bytes([3; 16]), Step::End(EndReason::HungUp))),
        Content::close(
            ID,
            &[u32::from(u16::MAX); 4],
            Some(&Answer::new(every, &mut ChaCha8Rng::seed_from_u64(5))),
        ),
    ];
    let smallest = padded_len(0);
    for content in &numbered {
        assert_eq!(padded_len(payload_len(content, u64::MAX)), smallest, "{content:?}");
    }
    let receipt = |ids| Content::viewed(&vec![ID; ids]);
    for content in [receipt(1), receipt(RECEIPT_IDS), Content::typing(Typing::Started)] {
        assert_eq!(padded_len(payload_len(&content, 0)), smallest, "{content:?}");
    }
}

#[test]
fn a_receipt_of_that_many_ids_is_in_the_smallest_class_and_no_more() {
    // With a shard's room and 0x80.
    const SMALLEST: usize = 256 - 36 - 1;
    assert!(payload_len(&Content::read(&[ID; RECEIPT_IDS]), 0) <= SMALLEST);
    assert!(payload_len(&Content::read(&[ID; RECEIPT_IDS + 1]), 0) > SMALLEST);
}
