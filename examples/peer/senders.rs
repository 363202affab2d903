//! The chains in which others send to a group.

use std::collections::BTreeMap;

use subrosa::group::sender_key::{
    ChainRow, DecryptError, Peek, Received, ReceivingChain, SenderChains, SenderKeyError,
};
use subrosa::group::{GroupId, Head};
use subrosa::wire::{ChainId, GroupMessage, SenderKeyDistribution};
use subrosa::{Address, Timestamp};

use crate::disk::Disk;
use crate::failure::Failure;

/// All devices that have handed over a chain.
#[derive(Default)]
pub(crate) struct Senders(BTreeMap<Address, Sender>);

/// What names the chain of a message.
pub(crate) struct Place {
    /// Who sends in it.
    pub(crate) sender: Address,
    chain_id: ChainId,
    /// What the message says of itself.
    pub(crate) peek: Peek,
}

impl Senders {
    /// Takes in the chain that a device has handed over.
    pub(crate) fn take_in(
        &mut self,
        sender: &Address,
        distribution: &SenderKeyDistribution,
        now: Timestamp,
    ) -> Result<(), SenderKeyError> {
        if let Some(known) = self.0.get_mut(sender) {
            return known.take_in(distribution, now);
        }
        let group = GroupId::from_bytes(*distribution.group_id());
        let mut fresh = Sender::new(group, sender.clone());
        fresh.take_in(distribution, now)?;
        self.0.insert(sender.clone(), fresh);
        Ok(())
    }

    /// The chain that a device has handed over last.
    pub(crate) fn last_of(&self, sender: &Address) -> Option<ChainId> {
        self.0.get(sender)?.chains.chains().last().map(ReceivingChain::chain_id)
    }

    /// Where a message belongs, if it is of one of these chains.
    pub(crate) fn find(&self, message: &GroupMessage) -> Result<Place, DecryptError> {
        for (sender, known) in &self.0 {
            if let Some(chain) = known.chains.find(message) {
                let peek = chain.peek(message)?;
                return Ok(Place { sender: sender.clone(), chain_id: chain.chain_id(), peek });
            }
        }
        Err(DecryptError::Unknown)
    }

    /// Decrypts a message that was found there, and goes by this head.
    pub(crate) fn decrypt(
        &mut self,
        place: &Place,
        message: &GroupMessage,
        head: &Head,
        now: Timestamp,
    ) -> Result<Received, DecryptError> {
        let sender = self.0.get_mut(&place.sender).ok_or(DecryptError::Unknown)?;
        sender.decrypt(place.chain_id, message, head, now)
    }

    /// All of them as they are on disk.
    pub(crate) fn reloaded(&self) -> Result<Self, Failure> {
        let load =
            |(address, sender): (&Address, &Sender)| Ok((address.clone(), sender.reloaded()?));
        self.0.iter().map(load).collect::<Result<_, _>>().map(Self)
    }
}

/// The chains of one device.
struct Sender {
    chains: SenderChains,
    disk: Disk<ChainRow>,
}

impl Sender {
    fn new(group: GroupId, address: Address) -> Self {
        Self { chains: SenderChains::new(group, address), disk: Disk::default() }
    }

    fn take_in(
        &mut self,
        distribution: &SenderKeyDistribution,
        now: Timestamp,
    ) -> Result<(), SenderKeyError> {
        let unsaved = self.chains.take_in(distribution, now)?;
        self.save(unsaved.rows());
        Ok(())
    }

    fn decrypt(
        &mut self,
        chain_id: ChainId,
        message: &GroupMessage,
        head: &Head,
        now: Timestamp,
    ) -> Result<Received, DecryptError> {
        let chain = self.chains.chain_mut(chain_id).ok_or(DecryptError::Unknown)?;
        let unsaved = chain.decrypt(message, head, now)?;
        let changed = unsaved.rows().iter().copied().map(Some);
        let rows = [None].into_iter().chain(changed);
        self.save(&rows.map(|iteration| ChainRow { chain_id, iteration }).collect::<Vec<_>>());
        Ok(unsaved.saved())
    }

    fn save(&self, rows: &[ChainRow]) {
        self.disk.save(rows, |row| self.chains.row(row));
    }

    fn reloaded(&self) -> Result<Self, Failure> {
        let (group, sender) = (*self.chains.group_id(), self.chains.sender().clone());
        let mut loaded = Self { chains: SenderChains::new(group, sender), disk: self.disk.clone() };
        for chain in self.chains.chains() {
            let chain_id = chain.chain_id();
            let record = self.disk.find(ChainRow { chain_id, iteration: None }).unwrap_or_default();
            let disk = self.disk.clone();
            let rows = move |number| disk.find(ChainRow { chain_id, iteration: Some(number) });
            let chain = ReceivingChain::from_record(&record, rows)?;
            loaded.chains.restore(chain).map_err(Failure::refused)?;
        }
        Ok(loaded)
    }
}
