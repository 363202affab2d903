//! The key of a backup, in words that can be written down (SPEC.md, section 12.4).
//!
//! The words are [proquints]: five letters that can be spoken, for 16 bits each.
//!
//! [proquints]: https://arxiv.org/html/0901.4016

use std::fmt;

use zeroize::Zeroizing;

use super::Error;
use super::options::Options;
use super::work::randomness;
use crate::crypto::{Label, Secret, sha256};

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// Bytes of a key.
const KEY_LEN: usize = 16;

/// Bytes that find a mistyped word: one in 65,536 is missed.
const CHECKSUM_LEN: usize = 2;

/// Letters of a word.
const WORD_LEN: usize = 5;

/// What opens a backup: 128 random bits, as nine words.
///
/// ```
/// use subrosa::RecoveryKey;
///
/// let key = RecoveryKey::generate()?;
/// let words = key.to_words();
/// // As a person types them.
/// let typed = words.replace('-', " ").to_uppercase();
/// assert_eq!(RecoveryKey::from_words(&typed).unwrap().to_words(), words);
/// assert_eq!(format!("{key:?}"), "RecoveryKey(..)");
/// # Ok::<(), subrosa::Error>(())
/// ```
///
/// # Security
///
/// Whoever has it and a backup can be the account. It belongs on paper, or into a password
/// manager, and not beside the backup.
pub struct RecoveryKey(Secret<KEY_LEN>);

impl RecoveryKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the system has no randomness: try again.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(Secret::random(&mut randomness(&Options::default())?)))
    }

    /// Nine words with hyphens between them, for a person to keep; wiped when dropped.
    #[must_use]
    pub fn to_words(&self) -> Zeroizing<String> {
        let checksum = self.checksum();
        let (pairs, _) = self.0.expose().as_chunks::<2>();
        // Never moves, so that nothing is left behind.
        let mut words = Zeroizing::new(String::with_capacity(64));
        for pair in pairs.iter().chain([&checksum]) {
            if !words.is_empty() {
                words.push('-');
            }
            push_word(&mut words, u16::from_be_bytes(*pair));
        }
        words
    }

    /// The key in these words, whatever case they are in and whatever is between them but
    /// letters and digits; `None` if a word is wrong.
    #[must_use]
    pub fn from_words(words: &str) -> Option<Self> {
        if words.chars().any(|c| c.is_alphanumeric() && !c.is_ascii_alphabetic()) {
            return None;
        }
        let mut letters = Zeroizing::new(Vec::with_capacity(words.len()));
        letters.extend(words.bytes().filter(u8::is_ascii_alphabetic));
        letters.make_ascii_lowercase();
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + CHECKSUM_LEN));
        let (words, []) = letters.as_chunks::<WORD_LEN>() else { return None };
        if words.len() * 2 != KEY_LEN + CHECKSUM_LEN {
            return None;
        }
        for word in words {
            bytes.extend_from_slice(&word_value(word)?.to_be_bytes());
        }
        let (key, checksum) = bytes.split_at_checked(KEY_LEN)?;
        let key = Self(Secret::from_slice(key)?);
        (key.checksum() == checksum).then_some(key)
    }

    /// The key's bytes.
    pub(super) fn secret(&self) -> &Secret<KEY_LEN> {
        &self.0
    }

    // H("subrosa/1 recovery key" || 0x00 || key)[..2]
    fn checksum(&self) -> [u8; CHECKSUM_LEN] {
        let [a, b, ..] = sha256(&[Label::RECOVERY_KEY.as_bytes(), &[0], self.0.expose()]);
        [a, b]
    }
}

// From the highest bits: 4 for a consonant, 2 for a vowel, 4, 2, 4.
fn push_word(words: &mut String, value: u16) {
    for (shift, letters) in places() {
        let index = usize::from(value >> shift) & (letters.len() - 1);
        words.extend(letters.get(index).map(|letter| char::from(*letter)));
    }
}

fn word_value(word: &[u8; WORD_LEN]) -> Option<u16> {
    let mut value = 0;
    for (letter, (shift, letters)) in word.iter().zip(places()) {
        let index = letters.iter().position(|known| known == letter)?;
        value |= u16::try_from(index).ok()? << shift;
    }
    Some(value)
}

fn places() -> [(u16, &'static [u8]); WORD_LEN] {
    [(12, CONSONANTS), (10, VOWELS), (6, CONSONANTS), (4, VOWELS), (0, CONSONANTS)]
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_proquint_proposal() {
        // Its own examples: 127.0.0.1 and 63.84.220.193.
        for (value, word) in [(0x7f00, "lusab"), (1, "babad"), (0x3f54, "gutih"), (0xdcc1, "tugad")]
        {
            let mut words = String::new();
            push_word(&mut words, value);
            assert_eq!(words, word);
        }
        for value in 0..=u16::MAX {
            let mut word = String::new();
            push_word(&mut word, value);
            assert_eq!(word_value(word.as_bytes().try_into().unwrap()), Some(value));
        }
    }

    #[test]
    fn a_mistyped_word_is_noticed() {
        let key = RecoveryKey(Secret::copy_from(&[0x5a; 16]));
        let words = key.to_words();
        assert!(RecoveryKey::from_words(&words).unwrap().0.matches(&[0x5a; 16]));
        let mut missed = 0;
        for place in 0..words.len() {
            for letter in "bdfghjklmnprstvzaiou".bytes() {
                let mut typed = words.as_bytes().to_vec();
                if typed[place] != b'-' && typed[place] != letter {
                    typed[place] = letter;
                    let typed = String::from_utf8(typed).unwrap();
                    missed += usize::from(RecoveryKey::from_words(&typed).is_some());
                }
            }
        }
        assert_eq!(missed, 0);
        let longer = format!("{}-babab", words.as_str());
        for wrong in ["", "lusab", longer.as_str(), "lusab-babad-7", &words[1..]] {
            assert!(RecoveryKey::from_words(wrong).is_none(), "{wrong}");
        }
    }
}
