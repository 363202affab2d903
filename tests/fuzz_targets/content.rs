//! What a peer, or an app's own table, may give as a content.

use std::time::Duration;

use subrosa::content::{Content, Kind, Quote, Reference};
use subrosa::{MessageId, UserId};

const ID: MessageId = MessageId::from_bytes([5; 16]);

pub(crate) fn run(data: &[u8]) {
    let content = Content::from_bytes(data);
    let bytes = content.to_bytes();
    let again = Content::from_bytes(&bytes);
    assert_eq!(again, content);
    assert_eq!(again.to_bytes(), bytes);
    match content.kind() {
        Kind::Text(text) => {
            assert_eq!(content.to_string(), text.as_str());
            let shown = text.pieces().iter().map(|piece| piece.text.len()).sum::<usize>();
            assert!(shown <= text.as_str().len());
        }
        Kind::Unknown => {
            assert_eq!(bytes, data);
            assert_eq!(content.to_string(), content.fallback());
        }
        _ => {}
    }
    let changed = content.clone().disappearing(Duration::from_secs(5));
    let changed = changed.reply_to(ID);
    let kept = Content::from_bytes(&changed.to_bytes());
    // What is no content at all cannot be changed either.
    if changed == content {
        assert_eq!(kept, content);
    } else {
        assert_eq!(kept.replied_to(), Some(ID));
        assert_eq!(kept.expires_after(), Some(Duration::from_secs(5)));
        assert_eq!(kept.kind(), content.kind());
        assert_eq!(kept.fallback(), content.fallback());
        assert!(kept.quote().is_none());
        let quote = Quote::new(Reference::new(UserId::new("bob").unwrap(), ID), &content);
        let answer = Content::from_bytes(&changed.quoting(quote).to_bytes());
        assert_eq!(answer.quote().map(|quote| quote.matches(&content)), Some(true));
        let forwarded = Content::from_bytes(&answer.forward().to_bytes());
        assert!(forwarded.is_forwarded() && forwarded.quote().is_none());
        assert_eq!((forwarded.replied_to(), forwarded.kind()), (None, content.kind()));
    }
}
