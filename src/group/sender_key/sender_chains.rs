//! All chains that one device sends in to one group (SPEC.md, sections 14.4 and 14.6).

use std::fmt;

use zeroize::Zeroizing;

use super::{Closed, ReceivingChain, SenderKeyError};
use crate::address::Address;
use crate::group::GroupId;
use crate::session::{Tag, TagChange, Unsaved};
use crate::timestamp::Timestamp;
use crate::wire::{ChainId, GroupMessage, SenderKeyDistribution};

/// The most chains that are kept of a device in a group.
///
/// Four a month by age alone, and as many again for members who go.
pub const MAX_CHAINS: usize = 16;

/// A row to be saved for a device that sends to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainRow {
    /// Of which chain.
    pub chain_id: ChainId,
    /// Of which number; `None` is the chain's record.
    pub iteration: Option<u32>,
}

/// What a chain that was handed over has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenIn {
    /// It was known, and nothing has changed. To be acknowledged all the same.
    pub known: bool,
    /// What the ends of the chains show that ended before it, or its own, if it came after
    /// the one that replaces it.
    pub closed: Option<Closed>,
    /// How many messages were missing of a chain that had to go: they are given up.
    pub given_up: u32,
}

/// All chains that one device sends in to one group: mostly one, and those before.
///
/// Here chains begin and end; messages are opened by the chains themselves
/// ([`Self::find`], [`Self::chain_mut`]).
pub struct SenderChains {
    group_id: GroupId,
    sender: Address,
    chains: Vec<ReceivingChain>,
}

impl SenderChains {
    /// None yet.
    #[must_use]
    pub fn new(group_id: GroupId, sender: Address) -> Self {
        Self { group_id, sender, chains: Vec::new() }
    }

    /// Puts back a chain that was loaded.
    ///
    /// # Errors
    ///
    /// [`SenderKeyError::OtherGroup`]: it is of another device, or in another group.
    pub fn restore(&mut self, chain: ReceivingChain) -> Result<(), SenderKeyError> {
        if (chain.group_id(), chain.sender()) != (&self.group_id, &self.sender) {
            return Err(SenderKeyError::OtherGroup);
        }
        self.chains.push(chain);
        Ok(())
    }

    /// Takes in what the device has handed over, in its session: keeps the chain, and ends
    /// the one that it replaces, in whatever order they come. Save the rows, and only then
    /// answer with [`SenderKeyDistribution::acknowledgement`].
    ///
    /// Above [`MAX_CHAINS`] the one goes that has been of no use for longest.
    ///
    /// # Errors
    ///
    /// [`SenderKeyError`]: do not acknowledge it. Nothing has changed.
    pub fn take_in(
        &mut self,
        distribution: &SenderKeyDistribution,
        now: Timestamp,
    ) -> Result<Unsaved<TakenIn, ChainRow>, SenderKeyError> {
        if distribution.group_id() != self.group_id.as_bytes() {
            return Err(SenderKeyError::OtherGroup);
        }
        for chain in &self.chains {
            if chain.is_of(distribution, &self.sender)? {
                let known = TakenIn { known: true, closed: None, given_up: 0 };
                return Ok(Unsaved::new(known, Vec::new(), Vec::new()));
            }
        }
        let mut fresh = ReceivingChain::accept(distribution, self.sender.clone())?;
        let (mut rows, mut tags, mut closed) = (Vec::new(), Vec::new(), None);
        let mut end = |chain: &mut ReceivingChain, length| {
            let (value, iterations, changes) = chain.close(length, now).into_parts();
            rows.extend(rows_of(chain.chain_id(), iterations));
            tags.extend(changes);
            let all: &mut Closed = closed.get_or_insert_default();
            all.passed_over = all.passed_over.saturating_add(value.passed_over);
            all.sender_rolled_back |= value.sender_rolled_back;
        };
        let ended = [distribution.replaced(), distribution.ended()].into_iter().flatten();
        for replaced in ended.filter(|_| !distribution.names_itself()) {
            let before = self.chains.iter_mut().find(|chain| chain.chain_id() == replaced.chain_id);
            if let Some(before) = before.filter(|before| before.closed_at().is_none()) {
                end(before, replaced.length);
            }
        }
        let mut behind = self.chains.iter().filter_map(ReceivingChain::replaced);
        if let Some(replaced) = behind.find(|replaced| replaced.chain_id == fresh.chain_id()) {
            end(&mut fresh, replaced.length);
        }
        for chain in &mut self.chains {
            if chain.supersede(now) {
                rows.extend(rows_of(chain.chain_id(), []));
            }
        }
        rows.extend(rows_of(fresh.chain_id(), []));
        tags.extend(fresh.expected_tags().map(TagChange::Expected));
        self.chains.push(fresh);
        let given_up = match self.chains.len() > MAX_CHAINS {
            true => self.remove(self.first_to_go(), &mut rows, &mut tags),
            false => 0,
        };
        Ok(Unsaved::new(TakenIn { known: false, closed, given_up }, rows, tags))
    }

    /// Whose chains these are is no member any more: they are over after a time, as if others
    /// had come. If it comes back, that is longer than it sends in them.
    pub fn leave(&mut self, now: Timestamp) -> Unsaved<(), ChainRow> {
        let left = self
            .chains
            .iter_mut()
            .filter_map(|chain| chain.supersede(now).then(|| rows_of(chain.chain_id(), [])));
        Unsaved::new((), left.flatten().collect(), Vec::new())
    }

    /// Forgets the keys of what has been missing for more than 30 days, and chains that
    /// ended more than 30 days ago; says how many messages are given up. To be called
    /// daily.
    pub fn expire(&mut self, now: Timestamp) -> Unsaved<u32, ChainRow> {
        let (mut count, mut rows, mut tags) = (0, Vec::new(), Vec::new());
        for chain in &mut self.chains {
            let (given_up, iterations, changes) = chain.expire(now).into_parts();
            if given_up > 0 {
                rows.extend(rows_of(chain.chain_id(), iterations));
                tags.extend(changes);
                count += given_up;
            }
        }
        while let Some(place) = self.chains.iter().position(|chain| chain.is_over(now)) {
            count += self.remove(place, &mut rows, &mut tags);
        }
        Unsaved::new(count, rows, tags)
    }

    /// Which chain is to go, never the last: the first that ended, or was followed by another.
    fn first_to_go(&self) -> usize {
        let others = self.chains.len().saturating_sub(1);
        let ended = |(place, chain): (usize, &ReceivingChain)| Some((chain.left_at()?, place));
        let ended = self.chains.iter().take(others).enumerate().filter_map(ended);
        ended.min().map_or(0, |(_, place)| place)
    }

    /// Removes a chain, and says how many of its messages are given up with it.
    fn remove(&mut self, place: usize, rows: &mut Vec<ChainRow>, tags: &mut Vec<TagChange>) -> u32 {
        let chain = self.chains.remove(place);
        rows.extend(rows_of(chain.chain_id(), chain.row_keys()));
        tags.extend(chain.expected_tags().chain(chain.former_tags()).map(TagChange::Gone));
        chain.missing().fold(0, |count, _| count + 1)
    }

    /// The group.
    #[must_use]
    pub fn group_id(&self) -> &GroupId {
        &self.group_id
    }

    /// Who sends.
    #[must_use]
    pub fn sender(&self) -> &Address {
        &self.sender
    }

    /// All chains that are kept.
    #[must_use]
    pub fn chains(&self) -> &[ReceivingChain] {
        &self.chains
    }

    /// How many messages have come, or are missing, of chains that nothing has ended, but for
    /// this one and those before it was handed over.
    #[must_use]
    pub fn left_open(&self, but: ChainId) -> u32 {
        let open = self.chains.iter().filter(|chain| chain.closed_at().is_none());
        let others = open.filter(|chain| chain.chain_id() != but);
        let counts = others.map(|chain| chain.next().saturating_sub(chain.first()));
        counts.fold(0, u32::saturating_add)
    }

    /// Whether the chain that this one replaces is here, or one that replaces it.
    #[must_use]
    pub fn has_neighbour_of(&self, distribution: &SenderKeyDistribution) -> bool {
        let replaced = distribution.replaced().map(|replaced| replaced.chain_id);
        self.chains.iter().any(|chain| {
            let follows = chain.replaced().is_some_and(|c| c.chain_id == distribution.chain_id());
            follows || replaced == Some(chain.chain_id())
        })
    }

    /// The chain that recognises a message.
    #[must_use]
    pub fn find(&self, message: &GroupMessage) -> Option<&ReceivingChain> {
        self.chains.iter().find(|chain| chain.recognises(message))
    }

    /// The chain with this id, for its steps: after each save its record, and the rows that
    /// the step names.
    pub fn chain_mut(&mut self, chain_id: ChainId) -> Option<&mut ReceivingChain> {
        self.chains.iter_mut().find(|chain| chain.chain_id() == chain_id)
    }

    /// The tag of the message that has opened by this row: it is expected no more, and names
    /// whoever sends it again. When the chain goes, all of these are [`TagChange::Gone`].
    #[must_use]
    pub fn used_tag(&self, row: ChainRow) -> Option<Tag> {
        let chain = self.chains.iter().find(|chain| chain.chain_id() == row.chain_id)?;
        chain.used_tag(row.iteration?)
    }

    /// A row as it is now, secret; `None` if there is none any more, so that it is to be
    /// deleted.
    #[must_use]
    pub fn row(&self, row: ChainRow) -> Option<Zeroizing<Vec<u8>>> {
        let chain = self.chains.iter().find(|chain| chain.chain_id() == row.chain_id)?;
        match row.iteration {
            None => Some(chain.record()),
            Some(iteration) => chain.row(iteration),
        }
    }
}

impl fmt::Debug for SenderChains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderChains")
            .field("group_id", &self.group_id)
            .field("sender", &self.sender)
            .field("chains", &self.chains)
            .finish()
    }
}

/// A chain's record, and these rows of it.
fn rows_of(
    chain_id: ChainId,
    iterations: impl IntoIterator<Item = u32>,
) -> impl Iterator<Item = ChainRow> {
    let iterations = iterations.into_iter().map(Some);
    std::iter::once(None).chain(iterations).map(move |iteration| ChainRow { chain_id, iteration })
}
