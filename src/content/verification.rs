//! What two devices say to each other so that their people can compare emoji.

use crate::address::DeviceId;
use crate::identity::{EmojiStep, TransactionId};
use crate::wire::content as raw;
use crate::wire::content::verification::Step;

/// A step of a comparison (SPEC.md, section 16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verification {
    pub(crate) transaction: TransactionId,
    /// The one device that it is for; `None`: all of the other account.
    pub(crate) to: Option<DeviceId>,
    pub(crate) says: VerificationSays,
}

/// What is said in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerificationSays {
    Step(EmojiStep),
    /// It has ended: a person said so.
    Cancelled,
    /// It has ended: what was said does not fit together.
    Mismatch,
}

impl Verification {
    /// What a record says; `None` if it breaks the rules, or this version does not know it.
    pub(super) fn from_raw(raw: &raw::Verification) -> Option<Self> {
        let raw::Verification { transaction_id, device_id, step } = raw;
        let fixed = |bytes: &[u8]| bytes.try_into().ok();
        let says = match step.as_ref()? {
            Step::Start(raw::VerificationStart {}) => VerificationSays::Step(EmojiStep::Start),
            Step::Commitment(hash) => VerificationSays::Step(EmojiStep::Commitment(fixed(hash)?)),
            Step::Key(key) => VerificationSays::Step(EmojiStep::Key(fixed(key)?)),
            Step::Reveal(key) => VerificationSays::Step(EmojiStep::Reveal(fixed(key)?)),
            Step::Confirmation(mac) => VerificationSays::Step(EmojiStep::Confirmation(fixed(mac)?)),
            Step::End(number) => match raw::VerificationEnd::try_from(*number).ok()? {
                raw::VerificationEnd::Unspecified => return None,
                raw::VerificationEnd::Cancelled => VerificationSays::Cancelled,
                raw::VerificationEnd::Mismatch => VerificationSays::Mismatch,
            },
        };
        let transaction = transaction_id.as_slice().try_into().ok()?;
        Some(Self { transaction, to: DeviceId::new(*device_id), says })
    }

    /// The record.
    pub(super) fn to_raw(&self) -> raw::Verification {
        let Self { transaction, to, says } = self;
        let step = match says {
            VerificationSays::Step(step) => match step {
                EmojiStep::Start => Step::Start(raw::VerificationStart {}),
                EmojiStep::Commitment(hash) => Step::Commitment(hash.to_vec()),
                EmojiStep::Key(key) => Step::Key(key.to_vec()),
                EmojiStep::Reveal(key) => Step::Reveal(key.to_vec()),
                EmojiStep::Confirmation(mac) => Step::Confirmation(mac.to_vec()),
            },
            VerificationSays::Cancelled => Step::End(raw::VerificationEnd::Cancelled.into()),
            VerificationSays::Mismatch => Step::End(raw::VerificationEnd::Mismatch.into()),
        };
        raw::Verification {
            transaction_id: transaction.to_vec(),
            device_id: to.map_or(0, DeviceId::get),
            step: Some(step),
        }
    }
}
