//! Some of a poll's choices.

/// How many choices a poll can have: more than a person reads.
pub const MAX_CHOICES: usize = 32;

/// Some of a poll's choices, by their places from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Choices(u32);

impl Choices {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Only the one at this place; none if there cannot be one.
    #[must_use]
    pub fn one(place: usize) -> Self {
        Self::NONE.and(place)
    }

    /// These and the one at this place.
    #[must_use]
    pub fn and(self, place: usize) -> Self {
        let bit = u32::try_from(place).ok().and_then(|place| 1_u32.checked_shl(place));
        Self(self.0 | bit.unwrap_or_default())
    }

    /// Whether the one at this place is among them.
    #[must_use]
    pub fn contains(self, place: usize) -> bool {
        let one = Self::one(place);
        one != Self::NONE && self.0 & one.0 == one.0
    }

    /// The places, in their order.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..MAX_CHOICES).filter(move |place| self.contains(*place))
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> usize {
        self.places().count()
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> u32 {
        self.0
    }
}
