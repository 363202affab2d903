//! Sets of changes, by their places in a world. Most of the rule is algebra of such sets.

const WORD: usize = 64;

/// A set of small numbers; costs a bit for each number up to the largest.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn insert(&mut self, number: usize) {
        let index = number / WORD;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        if let Some(word) = self.0.get_mut(index) {
            *word |= 1 << (number % WORD);
        }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0.get(number / WORD).is_some_and(|word| (word >> (number % WORD)) & 1 == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let set = move |bit: &usize| (word >> bit) & 1 == 1;
            let bits = if *word == 0 { 0..0 } else { 0..WORD };
            bits.filter(set).map(move |bit| index * WORD + bit)
        })
    }

    /// Adds what is in `other`.
    pub(super) fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, theirs)| *word |= theirs);
    }

    /// Takes out what is not in `other`.
    pub(super) fn intersect(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        self.0.iter_mut().zip(&other.0).for_each(|(word, theirs)| *word &= theirs);
    }

    /// Takes out what is in `other`.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, theirs)| *word &= !theirs);
    }

    /// Whether all of it is in `other`.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let theirs = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(theirs).all(|(word, theirs)| word & !theirs == 0)
    }

    /// Whether both have something in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(word, theirs)| word & theirs != 0)
    }

    pub(super) fn full(length: usize) -> Self {
        (0..length).collect()
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut bits = Self::default();
        numbers.into_iter().for_each(|number| bits.insert(number));
        bits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Bits;

    fn numbers() -> impl Strategy<Value = BTreeSet<usize>> {
        proptest::collection::btree_set(0_usize..200, 0..40)
    }

    proptest! {
        #[test]
        fn bits_are_sets(ours in numbers(), theirs in numbers(), probe in 0_usize..300) {
            let bits = |set: &BTreeSet<usize>| set.iter().copied().collect::<Bits>();
            let list = |bits: &Bits| bits.iter().collect::<BTreeSet<_>>();
            let (a, b) = (bits(&ours), bits(&theirs));
            let changed = |change: fn(&mut Bits, &Bits)| {
                let mut a = a.clone();
                change(&mut a, &b);
                list(&a)
            };
            prop_assert_eq!(changed(Bits::unite), &ours | &theirs);
            prop_assert_eq!(changed(Bits::intersect), &ours & &theirs);
            prop_assert_eq!(changed(Bits::subtract), &ours - &theirs);
            prop_assert_eq!(a.is_within(&b), ours.is_subset(&theirs));
            prop_assert_eq!(a.meets(&b), !ours.is_disjoint(&theirs));
            prop_assert_eq!(a.contains(probe), ours.contains(&probe));
            prop_assert_eq!(usize::try_from(a.len()).unwrap(), ours.len());
            prop_assert_eq!(a.is_empty(), ours.is_empty());
            prop_assert!(a.iter().rev().eq(ours.iter().rev().copied()));
        }
    }
}
