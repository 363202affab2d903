//! Signatures of group messages, one by one and many together (SPEC.md, section 14.5).

use std::fmt;

use super::DecryptError;
use super::header::{Header, MessageHead};
use crate::crypto::{Label, Signature, Signed, VerifyingKey, verify_batch};
use crate::group::Head;
use crate::wire::GroupMessage;

/// The most signatures that are verified together.
///
/// From here on more gain little; and one that is wrong costs its batch as much as if all
/// had come alone.
pub const MAX_BATCH: usize = 256;

/// A message of a chain, with what its signature is over; not verified.
pub struct Unverified<'a> {
    pub(super) message: Verified<'a>,
    pub(super) key: VerifyingKey,
    /// What is covered, and what is sealed.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Signature,
}

/// A message that its sender has signed: [`ReceivingChain::open`] opens it.
///
/// [`ReceivingChain::open`]: super::ReceivingChain::open
pub struct Verified<'a> {
    pub(super) message: &'a GroupMessage,
    pub(super) head: MessageHead,
    pub(super) header: Header,
    pub(super) roster: Head,
    /// Names the chain.
    pub(super) associated_data: [u8; 32],
}

impl<'a> Unverified<'a> {
    /// Checks the signature.
    ///
    /// # Errors
    ///
    /// [`DecryptError::NotOpened`]: not signed by the sender.
    pub fn verify(self) -> Result<Verified<'a>, DecryptError> {
        self.key
            .verify(Label::GROUP_MESSAGE, &self.signed, &self.signature)
            .map_err(|_| DecryptError::NotOpened)?;
        Ok(self.message)
    }

    /// Checks many signatures together, of whatever chains and groups: a third of the time.
    /// Gives for each what [`Self::verify`] gives.
    ///
    /// # Security
    ///
    /// What is refused together is verified one by one, so nothing genuine is lost.
    /// Together takes a few signatures that one by one are refused; only who has the
    /// private key of the chain can make such a one, and who has it can show different
    /// members different things anyway.
    #[must_use]
    pub fn verify_batch(messages: Vec<Self>) -> Vec<Result<Verified<'a>, DecryptError>> {
        let mut results = Vec::with_capacity(messages.len());
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let batch: Vec<Self> = messages.by_ref().take(MAX_BATCH).collect();
            let together: Vec<_> = batch.iter().map(Self::signed).collect();
            let right = verify_batch(Label::GROUP_MESSAGE, &together).is_ok();
            results.extend(batch.into_iter().map(|unverified| {
                if right { Ok(unverified.message) } else { unverified.verify() }
            }));
        }
        results
    }

    fn signed(&self) -> Signed<'_> {
        Signed { key: &self.key, message: &self.signed, signature: &self.signature }
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("message", &self.message).finish_non_exhaustive()
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("tag", &self.head.tag)
            .field("iteration", &self.header.iteration)
            .finish_non_exhaustive()
    }
}
