//! A step towards a call, or its end.

use rand_core::CryptoRng;

use super::super::ContentError;
use super::super::refusal::{Refusal, fixed};
use super::{Answer, CallId, MediaKeys, Offer};
use crate::address::Address;
use crate::wire::content as raw;

/// How many ways to reach a device are said at once: more than one has.
pub const MAX_CANDIDATES: usize = 32;

/// The longest of them, in bytes: a line of SDP.
const MAX_CANDIDATE_LEN: usize = 1024;

/// A step towards a call, or its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    id: CallId,
    step: Step,
}

/// What is said of a call.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Somebody calls.
    Offer(Offer),
    /// A device takes the call.
    Answer(Answer),
    /// More ways to reach a device, at most [`MAX_CANDIDATES`]. Never sent again: what is
    /// lost is found anew by the apps.
    Candidates(Vec<Vec<u8>>),
    /// There is no call (any more).
    End(EndReason),
}

/// Why there is no call (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Somebody has hung up.
    HungUp,
    /// There is another call.
    Busy,
    /// It is not wanted.
    Declined,
    /// It could not be made, or broke off.
    Failed,
}

impl Call {
    /// A new call.
    #[must_use]
    pub fn begin(offer: Offer, rng: &mut impl CryptoRng) -> Self {
        Self { id: CallId::generate(rng), step: Step::Offer(offer) }
    }

    /// What comes next in a call.
    #[must_use]
    pub fn next(id: CallId, step: Step) -> Self {
        Self { id, step }
    }

    /// What names it, together with the two who are in it.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.id
    }

    /// What is said.
    #[must_use]
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The keys of its sound and pictures, between the device that called and the one that
    /// took the call.
    #[must_use]
    pub fn media_keys(
        &self,
        [caller, callee]: [&Address; 2],
        offer: &Offer,
        answer: &Answer,
    ) -> MediaKeys {
        MediaKeys::derive(self.id, [caller, callee], offer, answer)
    }

    /// Whether it is worth nothing when it comes late.
    pub(in crate::content) fn is_fleeting(&self) -> bool {
        matches!(self.step, Step::Candidates(_))
    }

    pub(in crate::content) fn check(&self) -> Result<(), ContentError> {
        match &self.step {
            Step::Offer(offer) => offer.check(),
            Step::Answer(answer) => answer.check(),
            Step::Candidates(candidates) => {
                ContentError::check("candidates", candidates.len(), MAX_CANDIDATES)?;
                let longest = candidates.iter().map(Vec::len).max().unwrap_or_default();
                ContentError::check("bytes of a candidate", longest, MAX_CANDIDATE_LEN)
            }
            Step::End(_) => Ok(()),
        }
    }

    pub(in crate::content) fn from_raw(raw: &raw::Call) -> Result<Self, Refusal> {
        let id = CallId::from_bytes(fixed(&raw.call_id)?);
        let step = match raw.step.as_ref().ok_or(Refusal::Unknown)? {
            raw::call::Step::Offer(offer) => Step::Offer(Offer::from_raw(offer)?),
            raw::call::Step::Answer(answer) => Step::Answer(Answer::from_raw(answer)?),
            raw::call::Step::Candidates(said) => Step::Candidates(said.candidates.clone()),
            raw::call::Step::End(raw::CallEnd { reason }) => {
                Step::End(match raw::CallEndReason::try_from(*reason) {
                    Err(_) | Ok(raw::CallEndReason::Unspecified) => return Err(Refusal::Unknown),
                    Ok(raw::CallEndReason::HungUp) => EndReason::HungUp,
                    Ok(raw::CallEndReason::Busy) => EndReason::Busy,
                    Ok(raw::CallEndReason::Declined) => EndReason::Declined,
                    Ok(raw::CallEndReason::Failed) => EndReason::Failed,
                })
            }
        };
        Ok(Self { id, step })
    }

    pub(in crate::content) fn to_raw(&self) -> raw::Call {
        let step = match &self.step {
            Step::Offer(offer) => raw::call::Step::Offer(offer.to_raw()),
            Step::Answer(answer) => raw::call::Step::Answer(answer.to_raw()),
            Step::Candidates(candidates) => {
                let candidates = candidates.clone();
                raw::call::Step::Candidates(raw::CallCandidates { candidates })
            }
            Step::End(reason) => {
                let reason = match reason {
                    EndReason::HungUp => raw::CallEndReason::HungUp,
                    EndReason::Busy => raw::CallEndReason::Busy,
                    EndReason::Declined => raw::CallEndReason::Declined,
                    EndReason::Failed => raw::CallEndReason::Failed,
                };
                raw::call::Step::End(raw::CallEnd { reason: reason.into() })
            }
        };
        raw::Call { call_id: self.id.as_bytes().to_vec(), step: Some(step) }
    }
}
