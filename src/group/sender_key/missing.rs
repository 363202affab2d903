//! Which iterations of a chain were passed over, and may still come.

use super::MAX_CHAIN_LEN;

/// Eight iterations a byte.
const LEN: usize = 125;
const _: () = assert!(MAX_CHAIN_LEN.div_ceil(8) == 125);

/// A set of iterations, all below [`MAX_CHAIN_LEN`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Missing([u8; LEN]);

impl Missing {
    pub(super) const fn none() -> Self {
        Self([0; LEN])
    }

    /// The set that [`Self::to_bytes`] wrote, if all of it is below `end`.
    pub(super) fn from_bytes(bytes: &[u8], end: u32) -> Option<Self> {
        let mut set = Self::none();
        set.0.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let fits = set.iter().all(|iteration| iteration < end);
        fits.then_some(set)
    }

    /// The bytes up to the last that is not zero.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let end = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.0.iter().take(end).copied().collect()
    }

    pub(super) fn contains(&self, iteration: u32) -> bool {
        let (place, bit) = place(iteration);
        self.0.get(place).is_some_and(|byte| byte & bit != 0)
    }

    pub(super) fn insert(&mut self, iteration: u32) {
        let (place, bit) = place(iteration);
        if let Some(byte) = self.0.get_mut(place) {
            *byte |= bit;
        }
    }

    pub(super) fn remove(&mut self, iteration: u32) {
        let (place, bit) = place(iteration);
        if let Some(byte) = self.0.get_mut(place) {
            *byte &= !bit;
        }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..MAX_CHAIN_LEN).filter(|iteration| self.contains(*iteration))
    }
}

fn place(iteration: u32) -> (usize, u8) {
    let place = usize::try_from(iteration / 8).unwrap_or(usize::MAX);
    (place, 1 << (iteration % 8))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_and_comes_back_from_its_bytes(
            steps in prop::collection::vec((any::<bool>(), 0..MAX_CHAIN_LEN), 0..60),
        ) {
            let (mut ours, mut model) = (Missing::none(), BTreeSet::new());
            for (insert, iteration) in steps {
                if insert {
                    ours.insert(iteration);
                    model.insert(iteration);
                } else {
                    ours.remove(iteration);
                    model.remove(&iteration);
                }
            }
            prop_assert!(ours.iter().eq(model.iter().copied()));
            let bytes = ours.to_bytes();
            prop_assert!(bytes.last() != Some(&0));
            let end = model.last().map_or(0, |last| last + 1);
            prop_assert!(Missing::from_bytes(&bytes, end) == Some(ours));
            prop_assert!(end == 0 || Missing::from_bytes(&bytes, end - 1).is_none());
        }
    }
}
