//! The header of a group message, protected as those of sessions are (SPEC.md, sections
//! 6.3 and 14.3).

use crate::group::Head;
use crate::ratchet::{self, HeaderKey, Salt, apply_mask};

/// Iteration, and the start of the roster's head: 4 + 16 bytes.
const HEADER_LEN: usize = 20;

/// What a header says, in the clear.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of the message in its chain.
    pub(super) iteration: u32,
    /// The first half of the head that the sender goes by.
    pub(super) roster: [u8; 16],
}

impl Header {
    // u32(iteration) || roster head[..16]
    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (iteration, roster) = bytes.split_at_mut(4);
        iteration.copy_from_slice(&self.iteration.to_be_bytes());
        roster.copy_from_slice(&self.roster);
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let (mut iteration, mut roster) = ([0; 4], [0; 16]);
        let (first, second) = bytes.split_at(4);
        iteration.copy_from_slice(first);
        roster.copy_from_slice(second);
        Self { iteration: u32::from_be_bytes(iteration), roster }
    }
}

/// Tag, salt and masked header, as they stand in front of a message.
pub(super) type MessageHead = ratchet::MessageHead<HEADER_LEN>;

/// The first half of the roster's head: what a message says of it.
pub(super) fn start_of(roster: &Head) -> [u8; 16] {
    let (start, _) = roster.as_bytes().split_first_chunk().unwrap_or((&[0; 16], &[]));
    *start
}

/// The head of a message.
pub(super) fn protect(key: &HeaderKey, header: &Header, salt: Salt) -> MessageHead {
    let tag = key.tag(header.iteration);
    let mut masked = header.to_bytes();
    apply_mask(key.mask_key(), tag, &salt, &mut masked);
    MessageHead { tag, salt, masked }
}

/// The header behind a head; says nothing yet about whether it is one.
pub(super) fn unmask(key: &HeaderKey, head: &MessageHead) -> Header {
    let mut header = head.masked;
    apply_mask(key.mask_key(), head.tag, &head.salt, &mut header);
    Header::from_bytes(&header)
}
