//! What goes into a message and what comes out (SPEC.md, section 7).

use std::fmt;

use super::EncryptError;
use crate::crypto::SecretBytes;
use crate::identity::View;
use crate::wire::{Control, DecodeError, Mark, MessageId, Payload};

/// The longest content of one message, in bytes; what is longer takes several.
pub const MAX_CONTENT_LEN: usize = 64 * 1024;

/// What is to be said in a message.
#[derive(Clone)]
pub enum Body<'a> {
    /// Content of the layer above, with the id that names it for ever.
    Content {
        /// Made once by the author, kept when sent again.
        id: MessageId,
        /// At most [`MAX_CONTENT_LEN`] bytes.
        content: &'a [u8],
    },
    /// Something between two session layers.
    Control(Control),
}

/// A message to be encrypted: body, numbers and view.
///
/// [`Peer`](super::Peer) fills in the numbers by itself.
#[derive(Clone)]
pub struct Outgoing<'a> {
    /// What is said.
    pub body: Body<'a>,
    /// Its number; 0 if it is never sent again.
    pub seq: u64,
    /// The newest numbered message before it.
    pub last: Option<Mark>,
    /// The highest numbered message that we have from the receiver.
    pub seen: Option<Mark>,
    /// Which device lists we go by.
    pub view: View,
}

impl Outgoing<'_> {
    pub(super) fn check(&self) -> Result<(), EncryptError> {
        match &self.body {
            Body::Content { content, .. } if content.len() > MAX_CONTENT_LEN => {
                Err(EncryptError::TooLong { limit: MAX_CONTENT_LEN })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn to_payload(&self) -> Payload {
        let (body, control) = match &self.body {
            Body::Content { id, content } => {
                (SecretBytes::new([id.as_bytes(), *content].concat()), None)
            }
            Body::Control(control) => (SecretBytes::default(), Some(control.clone())),
        };
        Payload {
            body,
            seq: self.seq,
            last: self.last,
            seen: self.seen,
            view: self.view.0,
            control,
            shards: Vec::new(),
        }
    }
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("seq", &self.seq).finish_non_exhaustive()
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content { id, content: _ } => {
                f.debug_struct("Content").field("id", id).finish_non_exhaustive()
            }
            Self::Control(_) => f.write_str("Control(..)"),
        }
    }
}

/// Decrypted content: wiped on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Plaintext {
    /// Message id and content.
    body: SecretBytes,
}

impl Plaintext {
    /// The content.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.body.get(MessageId::LEN..).unwrap_or_default()
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes)", self.as_bytes().len())
    }
}

/// What a message said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Content for the layer above.
    Message {
        /// Names it for ever.
        id: MessageId,
        /// What was said.
        plaintext: Plaintext,
    },
    /// Something between two session layers.
    Control(Control),
    /// The peer made a message that breaks the rules; its key is used up.
    Malformed(DecodeError),
}

/// A message that has opened.
#[derive(Debug, Clone)]
pub struct Received {
    /// What it said.
    pub content: Content,
    /// Its number; 0 if it has none.
    pub seq: u64,
    /// The newest numbered message that the sender had sent before it.
    pub last: Option<Mark>,
    /// The highest numbered message that the sender has from us.
    pub seen: Option<Mark>,
    /// Which device lists the sender goes by; says nothing if the content is malformed.
    pub view: View,
    /// How many messages this one showed to be lost for ever.
    pub lost: u32,
    /// This message showed that the peer was rolled back to an old state.
    pub peer_rolled_back: bool,
}

impl Received {
    /// What a payload says, and its field `shards`; nothing of it counts if it breaks
    /// the rules.
    pub(crate) fn from_payload(payload: Result<Payload, DecodeError>) -> (Self, Vec<u8>) {
        let malformed = |error| {
            let received = Self {
                content: Content::Malformed(error),
                seq: 0,
                last: None,
                seen: None,
                view: View(0),
                lost: 0,
                peer_rolled_back: false,
            };
            (received, Vec::new())
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return malformed(error),
        };
        let Payload { body, seq, last, seen, view, control, shards } = payload;
        let content = match (control, body.split_first_chunk()) {
            (Some(control), None) if body.is_empty() => Content::Control(control),
            (None, Some((id, content))) if content.len() <= MAX_CONTENT_LEN => {
                Content::Message { id: MessageId::from_bytes(*id), plaintext: Plaintext { body } }
            }
            _ => return malformed(DecodeError::Malformed("payload")),
        };
        let view = View(view);
        (Self { content, seq, last, seen, view, lost: 0, peer_rolled_back: false }, shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;
    use crate::session::padding::{SMALLEST, padded_len};
    use crate::wire::{
        ChainId, EnvelopeName, NotOpened, NumberRange, Replaced, SenderKeyDistribution, ShortId,
    };

    fn padded(control: Control) -> usize {
        padded_at(u64::MAX, control)
    }

    /// With marks of this number.
    fn padded_at(seq: u64, control: Control) -> usize {
        let mark = Some(Mark { seq, id: ShortId::from_bytes([0xff; 4]) });
        let body = Body::Control(control);
        let outgoing = Outgoing { body, seq: 0, last: mark, seen: mark, view: View(u64::MAX) };
        let payload = outgoing.to_payload().encode(padded_len);
        let decoded = Payload::decode(&payload).unwrap();
        assert_eq!(decoded.control, outgoing.to_payload().control);
        padded_len(payload.len())
    }

    fn not_opened(names: usize, ephemerals: usize) -> Control {
        let name = EnvelopeName { tag: [0xff; 8], salt: [0xfe; 8] };
        let ephemerals = vec![[0xfd; 32]; ephemerals];
        Control::NotOpened(NotOpened { names: vec![name; names], ephemerals })
    }

    #[test]
    fn control_messages_of_repair_fit_the_smallest_class_as_far_as_they_say() {
        let far = NumberRange::new(u64::MAX - 1, u64::MAX).unwrap();
        let near = NumberRange::new((1 << 21) - 2, (1 << 21) - 1).unwrap();
        for make in [Control::Ask, Control::Unavailable] {
            assert_eq!(padded(make(vec![far; 7])), SMALLEST);
            assert!(padded(make(vec![far; 8])) > SMALLEST);
            assert_eq!(padded(make(vec![near; 17])), SMALLEST);
        }
        assert_eq!(padded(not_opened(10, 0)), SMALLEST);
        assert!(padded(not_opened(11, 0)) > SMALLEST);
        assert_eq!(padded(not_opened(0, 5)), SMALLEST);
        assert!(padded(not_opened(0, 6)) > SMALLEST);
        assert_eq!([Control::SignOfLife, Control::Sign].map(padded), [SMALLEST; 2]);
    }

    #[test]
    fn a_sender_key_and_its_acknowledgement_fit_the_smallest_class() {
        let chain_id = ChainId::from_bytes([0xff; 8]);
        let key = SenderKeyDistribution {
            group_id: [0xff; 32],
            chain_id,
            chain_key: Secret::copy_from(&[0xff; 32]),
            header_seed: Secret::copy_from(&[0xff; 32]),
            verifying_key: [0xff; 32],
            iteration: 1000,
            replaced: Some(Replaced { chain_id, length: 1000 }),
            missed: 1000,
            replaced_missed: 1000,
            ended: None,
            lost_before: (1 << 21) - 1,
        };
        let saved = Control::SenderKeySaved(key.acknowledgement());
        let ended = SenderKeyDistribution { ended: key.replaced, ..key.clone() };
        let [key, ended] = [key, ended].map(|key| Control::SenderKey(Box::new(key)));
        assert_eq!([key, saved].map(padded), [SMALLEST; 2]);
        assert_eq!(padded_at((1 << 21) - 1, ended), SMALLEST);
    }
}
