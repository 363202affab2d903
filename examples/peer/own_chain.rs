//! The chain that this device sends in to a group, and who has it.

use std::collections::BTreeMap;

use subrosa::group::GroupId;
use subrosa::group::sender_key::{Handover, HandoverState, Outgoing, Rotation, SendingChain, Sent};
use subrosa::wire::{SenderKeyAcknowledgement, SenderKeyDistribution};
use subrosa::{Address, Timestamp};

use crate::failure::Failure;

/// The chain, with how far it has come to each device.
pub(crate) struct OwnChain {
    chain: SendingChain,
    handovers: BTreeMap<Address, Handover>,
}

impl OwnChain {
    /// The first one in a group.
    pub(crate) fn begin(group: GroupId, sender: Address, now: Timestamp) -> Self {
        let chain = SendingChain::begin(group, sender, now, &mut rand::rng());
        Self { chain, handovers: BTreeMap::new() }
    }

    /// The one that takes its place: nobody has it.
    pub(crate) fn rotate(self, now: Timestamp) -> Self {
        let chain = self.chain.rotate(now, &mut rand::rng());
        Self { chain, handovers: BTreeMap::new() }
    }

    /// The chain as it stands, for a device.
    pub(crate) fn distribution(&self) -> SenderKeyDistribution {
        self.chain.distribution()
    }

    /// It is in an envelope for this device.
    pub(crate) fn note_sent(&mut self, to: &Address) {
        let handover = self.handovers.entry(to.clone()).or_insert(Handover::needed());
        *handover = handover.sent();
    }

    /// Whether a device has this chain, after it has said so of one.
    pub(crate) fn note_saved(&mut self, by: &Address, saved: &SenderKeyAcknowledgement) -> bool {
        let Some(handover) = self.handovers.get_mut(by) else { return false };
        *handover = handover.acknowledged(saved, &self.chain);
        saved.chain_id == self.chain.chain_id() && handover.state() == HandoverState::Acknowledged
    }

    /// Whether another one has to take its place; `may_read` says for whom messages are.
    pub(crate) fn rotation_due(
        &self,
        may_read: impl Fn(&Address) -> bool,
        now: Timestamp,
    ) -> Option<Rotation> {
        let holders = self.handovers.iter().filter(|(_, handover)| handover.may_have_arrived());
        self.chain.rotation_due(holders.map(|(address, _)| address), may_read, now)
    }

    /// A message to the group.
    pub(crate) fn encrypt(&mut self, outgoing: &Outgoing<'_>) -> Result<Sent, Failure> {
        Ok(self.chain.encrypt(outgoing, &mut rand::rng())?.saved())
    }

    /// All of it encoded and loaded again.
    pub(crate) fn reloaded(&self) -> Result<Self, Failure> {
        let load = |(address, handover): (&Address, &Handover)| {
            Ok((address.clone(), Handover::from_record(&handover.record())?))
        };
        Ok(Self {
            chain: SendingChain::from_record(&self.chain.record())?,
            handovers: self.handovers.iter().map(load).collect::<Result<_, Failure>>()?,
        })
    }
}
