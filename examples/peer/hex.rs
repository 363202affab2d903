//! Bytes as one word: lower-case hex, and `-` for none.

use std::fmt::Write as _;

use crate::failure::Failure;

/// The word for these bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut word, byte| {
        // Writing to a string cannot fail.
        let _ = write!(word, "{byte:02x}");
        word
    })
}

/// The bytes of a word.
pub(crate) fn decode(word: &str) -> Result<Vec<u8>, Failure> {
    let (pairs, rest) = match word {
        "-" => return Ok(Vec::new()),
        _ => word.as_bytes().as_chunks(),
    };
    let whole = !pairs.is_empty() && rest.is_empty();
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<_>>()
        .filter(|_| whole)
        .ok_or_else(|| Failure::usage("bytes are lower-case hex, or - if there are none"))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
