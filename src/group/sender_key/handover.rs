//! Whether a device has a chain (SPEC.md, section 14.4).

use super::SendingChain;
use crate::wire::SenderKeyAcknowledgement;

/// How far a chain has come to one device of a member's: one for each chain and device.
///
/// ```text
///  needed --sent----> sent --acknowledged--> acknowledged
///     \                ^ ^                      |
///      +-> failed --sent  +--------asked--------+
/// ```
///
/// What is not acknowledged goes along with the messages 1, 2, 4, 8, … since it was needed:
/// a device that is away for long costs ten of them a chain, and one that lost the first
/// misses one message.
///
/// # Security
///
/// Nothing but the device's own word makes it acknowledged; what was put into an envelope
/// has not arrived, and what could not be put into one was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    pub(super) state: State,
    /// Messages to the group since it was needed.
    pub(super) messages: u32,
}

/// How far a chain has come to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The device lacks it.
    Needed,
    /// The device lacks it, and it could not be sent the last time: no session, or one that
    /// must not be used.
    Failed,
    /// It was sent, and may have arrived.
    Sent,
    /// The device says that it has it.
    Acknowledged,
}

impl Handover {
    /// That of a device which lacks the chain.
    #[must_use]
    pub const fn needed() -> Self {
        Self { state: State::Needed, messages: 0 }
    }

    /// How far it has come.
    #[must_use]
    pub const fn state(self) -> State {
        self.state
    }

    /// Whether the device may have the chain: what is sent in it may be read there.
    #[must_use]
    pub const fn may_have_arrived(self) -> bool {
        matches!(self.state, State::Sent | State::Acknowledged)
    }

    /// Counts a message to the group.
    #[must_use]
    pub const fn with_message(self) -> Self {
        Self { messages: self.messages.saturating_add(1), ..self }
    }

    /// Whether the chain goes to the device along with the message that was counted last.
    #[must_use]
    pub const fn is_due(self) -> bool {
        !matches!(self.state, State::Acknowledged) && self.messages.is_power_of_two()
    }

    /// The distribution is in an envelope that will be saved together with this.
    #[must_use]
    pub const fn sent(self) -> Self {
        match self.state {
            State::Acknowledged => self,
            State::Needed | State::Failed | State::Sent => Self { state: State::Sent, ..self },
        }
    }

    /// The distribution could not be put into an envelope.
    #[must_use]
    pub const fn failed(self) -> Self {
        match self.state {
            State::Needed => Self { state: State::Failed, ..self },
            // One before that may have arrived.
            State::Failed | State::Sent | State::Acknowledged => self,
        }
    }

    /// The device, in whose session it came, says that it has a chain. Counts if it is
    /// this one, and was sent to it.
    #[must_use]
    pub fn acknowledged(self, by: &SenderKeyAcknowledgement, chain: &SendingChain) -> Self {
        let of_this =
            (&by.group_id, by.chain_id) == (chain.group_id().as_bytes(), chain.chain_id());
        match self.state {
            State::Sent if of_this => Self { state: State::Acknowledged, ..self },
            _ => self,
        }
    }

    /// The device says that it lacks the chain: it is due with the next message.
    #[must_use]
    pub const fn asked(self) -> Self {
        let state = match self.state {
            State::Acknowledged => State::Sent,
            state => state,
        };
        Self { state, messages: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::address::{Address, DeviceId, UserId};
    use crate::group::GroupId;
    use crate::timestamp::Timestamp;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Message { goes: bool },
        Acknowledged { of_this: bool },
        Asked,
        Reload,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => any::<bool>().prop_map(|goes| Step::Message { goes }),
            1 => any::<bool>().prop_map(|of_this| Step::Acknowledged { of_this }),
            1 => Just(Step::Asked),
            1 => Just(Step::Reload),
        ]
    }

    fn chain(seed: u64) -> SendingChain {
        let sender =
            Address { user: UserId::new("alice").unwrap(), device: DeviceId::new(7).unwrap() };
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        SendingChain::begin(GroupId::from_bytes([1; 32]), sender, Timestamp::default(), rng)
    }

    proptest! {
        #[test]
        fn nothing_but_its_own_word_says_that_a_device_has_a_chain(
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let (ours, other) = (chain(1), chain(2));
            let mut handover = Handover::needed();
            let (mut sent, mut has, mut since_needed) = (false, false, 0_u32);
            for step in steps {
                match step {
                    Step::Message { goes } => {
                        handover = handover.with_message();
                        since_needed += 1;
                        let turn = [1, 2, 4, 8, 16, 32, 64, 128].contains(&since_needed);
                        prop_assert_eq!(handover.is_due(), turn && !has);
                        if handover.is_due() {
                            handover = if goes { handover.sent() } else { handover.failed() };
                            sent |= goes;
                        }
                    }
                    Step::Acknowledged { of_this } => {
                        let chain = if of_this { &ours } else { &other };
                        let by = chain.distribution().acknowledgement();
                        handover = handover.acknowledged(&by, &ours);
                        has |= of_this && sent;
                    }
                    Step::Asked => {
                        handover = handover.asked();
                        (has, since_needed) = (false, 0);
                    }
                    Step::Reload => {
                        prop_assert_eq!(Handover::from_record(&handover.record()), Ok(handover));
                    }
                }
                prop_assert_eq!(handover.state() == State::Acknowledged, has);
                prop_assert_eq!(handover.may_have_arrived(), sent);
            }
        }
    }
}
