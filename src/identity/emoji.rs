//! Seven emoji that two people compare (SPEC.md, section 16).

use std::fmt;

/// What may be shown, with its name: of one code point each, so that it looks the same
/// wherever there is a font for it.
const TABLE: [(&str, &str); 64] = [
    ("🐶", "dog"),
    ("🐱", "cat"),
    ("🦁", "lion"),
    ("🐴", "horse"),
    ("🐮", "cow"),
    ("🐷", "pig"),
    ("🐘", "elephant"),
    ("🐰", "rabbit"),
    ("🐸", "frog"),
    ("🐔", "hen"),
    ("🐧", "penguin"),
    ("🐢", "turtle"),
    ("🐟", "fish"),
    ("🐙", "octopus"),
    ("🦋", "butterfly"),
    ("🐝", "bee"),
    ("🐌", "snail"),
    ("🦀", "crab"),
    ("🐍", "snake"),
    ("🦉", "owl"),
    ("🌲", "tree"),
    ("🌵", "cactus"),
    ("🌹", "rose"),
    ("🍄", "mushroom"),
    ("🌙", "moon"),
    ("⭐", "star"),
    ("🔥", "fire"),
    ("🌈", "rainbow"),
    ("🍎", "apple"),
    ("🍌", "banana"),
    ("🍓", "strawberry"),
    ("🍇", "grapes"),
    ("🍒", "cherries"),
    ("🌽", "corn"),
    ("🥕", "carrot"),
    ("🍞", "bread"),
    ("🧀", "cheese"),
    ("🎂", "cake"),
    ("🎩", "hat"),
    ("👓", "glasses"),
    ("👟", "shoe"),
    ("👑", "crown"),
    ("⏰", "clock"),
    ("🔔", "bell"),
    ("🔑", "key"),
    ("🔒", "lock"),
    ("🔨", "hammer"),
    ("📎", "paperclip"),
    ("📕", "book"),
    ("💡", "lamp"),
    ("🎁", "gift"),
    ("🎈", "balloon"),
    ("⚽", "ball"),
    ("🎲", "dice"),
    ("🎸", "guitar"),
    ("🥁", "drum"),
    ("🚲", "bicycle"),
    ("🚗", "car"),
    ("🚂", "train"),
    ("🚀", "rocket"),
    ("⛵", "boat"),
    ("⚓", "anchor"),
    ("🏠", "house"),
    ("☔", "umbrella"),
];

/// How many are shown.
const SHOWN: usize = 7;

/// Seven emoji, the same for both people unless somebody sits in between.
///
/// `Display` shows them; where there is no font for them, their [`names`](Self::names) do.
///
/// # Security
///
/// 42 bits: somebody in between has one chance in four million million each time that two
/// people compare, and is seen when it fails. They mean something only if they are compared
/// over a channel that cannot be forged: a call, in person.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Emoji([u8; SHOWN]);

impl Emoji {
    /// The emoji that 48 bits stand for, of which the first 42 count.
    pub(super) fn of(bits: &[u8; 6]) -> Self {
        let bits = bits.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        Self(std::array::from_fn(|place| {
            let behind = 42_usize.saturating_sub(6 * place);
            let [.., number] = (bits >> behind).to_be_bytes();
            number & 63
        }))
    }

    /// The seven, in order.
    #[must_use]
    pub fn symbols(&self) -> [&'static str; SHOWN] {
        self.0.map(|number| entry(number).0)
    }

    /// What they are called in English: for who reads them out, or has them translated.
    #[must_use]
    pub fn names(&self) -> [&'static str; SHOWN] {
        self.0.map(|number| entry(number).1)
    }

    /// Their numbers in the table, as they are stored.
    pub(crate) fn to_numbers(self) -> [u8; SHOWN] {
        self.0
    }

    /// Those with these numbers; `None` if a number is of none.
    pub(crate) fn from_numbers(numbers: &[u8]) -> Option<Self> {
        let numbers: [u8; SHOWN] = numbers.try_into().ok()?;
        numbers.iter().all(|number| *number < 64).then_some(Self(numbers))
    }
}

fn entry(number: u8) -> (&'static str, &'static str) {
    TABLE.get(usize::from(number)).copied().unwrap_or(("", ""))
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.symbols().join(" "))
    }
}

impl fmt::Debug for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Emoji({})", self.names().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_are_different_and_of_one_code_point() {
        let symbols: HashSet<_> = TABLE.iter().map(|(symbol, _)| symbol).collect();
        let names: HashSet<_> = TABLE.iter().map(|(_, name)| name).collect();
        assert_eq!((symbols.len(), names.len()), (64, 64));
        for (symbol, name) in TABLE {
            assert_eq!(symbol.chars().count(), 1, "{name}");
        }
    }

    #[test]
    fn each_takes_six_bits_from_the_left() {
        let numbers = |bits| Emoji::of(&bits).to_numbers();
        assert_eq!(numbers([0; 6]), [0; 7]);
        assert_eq!(numbers([0xff; 6]), [63; 7]);
        assert_eq!(
            numbers([0b0000_0100, 0b0010_0000, 0b1100_0100, 0, 0, 0x3f])[..5],
            [1, 2, 3, 4, 0]
        );
        assert_eq!(numbers([0, 0, 0, 0, 0, 0x40]), [0, 0, 0, 0, 0, 0, 1]);
        let dogs = Emoji::of(&[0; 6]);
        assert_eq!(dogs.to_string(), "🐶 🐶 🐶 🐶 🐶 🐶 🐶");
        assert_eq!(format!("{dogs:?}"), "Emoji(dog dog dog dog dog dog dog)");
        assert_eq!(Emoji::from_numbers(&[0; 7]), Some(dogs));
        assert_eq!(Emoji::from_numbers(&[64; 7]), None);
        assert_eq!(Emoji::from_numbers(&[0; 6]), None);
    }
}
