//! What a peer's message says beside its content.

use super::numbering::NumberReport;
use super::payload::Content;
use crate::handshake::HandshakeId;
use crate::identity::View;
use crate::wire::Mark;

/// A message of the peer's that has opened.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The session that it came in.
    pub session: HandshakeId,
    /// What it said.
    pub content: Content,
    /// Its number; 0 if it has none.
    pub seq: u64,
    /// It was received before, in this or another envelope: acknowledge it again, do
    /// not show it.
    pub repeated: bool,
    /// The highest numbered message that the sender has from us. Not a receipt: lower
    /// ones may still be missing.
    pub seen: Option<Mark>,
    /// Which device lists the sender goes by; of no meaning if the content is
    /// malformed. If this is not `View::new(their_list, our_list)`, one side is behind:
    /// send [`Control::Lists`](crate::wire::Control::Lists) (SPEC.md, section 3.4).
    pub view: View,
    /// What the numbers showed that is new; [`Peer::gaps`](super::Peer::gaps) has all
    /// that is missing.
    pub numbers: Vec<NumberReport>,
    /// How many messages of this session this one showed to be lost for ever, because
    /// more were passed over than keys are kept for. Those that come later than that are
    /// not counted: they stay in [`Peer::gaps`](super::Peer::gaps).
    pub lost: u32,
    /// The session showed that the peer was rolled back.
    pub peer_rolled_back: bool,
    /// The peer still sends its handshake, in a session with a generation that is not
    /// above the one that we send in, as after a restore: to be sent with
    /// [`Peer::answer`](super::Peer::answer). Else it may never hear from us.
    pub answer: Option<Answer>,
    /// The peer says that it knows a generation that we do not have: initiate again.
    pub initiate_again: bool,
}

/// Tells a peer, in the session that it began, which generation is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub(super) session: HandshakeId,
    pub(super) generation: u64,
}
