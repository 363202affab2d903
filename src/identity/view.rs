//! Which device lists a message goes by (SPEC.md, section 3.4).

use super::DeviceList;
use crate::crypto::{Label, sha256};

/// 8 bytes that name the pair of device lists a sender goes by: its own and the
/// recipient's.
///
/// Both sides compute it from what they know; where it differs one of them is
/// behind, or a server shows different lists to different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View(pub(crate) u64);

impl View {
    /// The view of a message from a device of `sender` to one of `recipient`: with our
    /// list first for what we send, with theirs first to compare with what came.
    #[must_use]
    pub fn new(sender: &DeviceList, recipient: &DeviceList) -> Self {
        let [a, b, c, d, e, f, g, h, ..] =
            sha256(&[Label::VIEW.as_bytes(), &[0], sender.hash(), recipient.hash()]);
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The view of a message to a group, which goes by the sender's own list alone.
    #[must_use]
    pub fn of_group_message(sender: &DeviceList) -> Self {
        let [a, b, c, d, e, f, g, h, ..] =
            sha256(&[Label::GROUP_VIEW.as_bytes(), &[0], sender.hash()]);
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}
