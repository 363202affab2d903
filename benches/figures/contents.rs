//! What people say, above bare protobuf.

use std::hint::black_box;

use prost::Message;
use subrosa::Content;

use crate::Run;
use crate::clock::{each, medians, timed};
use crate::figure::{Bound, Figure};

/// Texts a batch.
const BATCH: usize = 1000;

/// A content of `content.proto`, as far as a text goes.
#[derive(Clone, PartialEq, Message)]
struct Raw {
    #[prost(uint64, tag = "1")]
    sent_at: u64,
    #[prost(uint32, tag = "2")]
    expires_after: u32,
    #[prost(string, tag = "3")]
    fallback: String,
    #[prost(bytes = "vec", tag = "4")]
    reply_to: Vec<u8>,
    #[prost(message, optional, tag = "16")]
    text: Option<RawText>,
}

/// A text of `content.proto`.
#[derive(Clone, PartialEq, Message)]
struct RawText {
    #[prost(string, tag = "1")]
    text: String,
}

/// A text of 100 bytes encoded and decoded again.
pub(crate) fn roundtrip_text(run: &Run) -> Vec<Figure> {
    let said = "x".repeat(100);
    let text = Some(RawText { text: said.clone() });
    let (content, raw) = (Content::text(said), Raw { text, ..Raw::default() });
    assert_eq!(content.to_bytes(), raw.encode_to_vec());
    let times = medians(run.rounds(300), || {
        let ours = timed(BATCH, || {
            black_box(Content::from_bytes(&black_box(&content).to_bytes()));
        });
        let bare = timed(BATCH, || {
            let bytes = black_box(&raw).encode_to_vec();
            black_box(Raw::decode(bytes.as_slice()).expect("an honest message"));
        });
        [ours, bare].map(|took| each(took, BATCH))
    });
    vec![Figure::against("content_roundtrip_text", Some(times), Bound::Ratio(2.0))]
}
