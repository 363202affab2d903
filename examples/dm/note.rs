//! What this app puts into messages: text, pieces of files, receipts.

use std::ops::RangeInclusive;

const TEXT: u8 = 0;
const PIECE: u8 = 1;
const RECEIPT: u8 = 2;

/// The most ranges that a receipt asks for; the rest waits for the next one.
const MAX_RANGES: usize = 1000;

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// Something said.
    Text(String),
    /// A piece of a file.
    Piece(Piece),
    /// What has come, and what is to be sent again.
    Receipt(Receipt),
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The file's name, at most 255 bytes.
    pub(crate) name: String,
    /// Which piece it is, from 0.
    pub(crate) index: u32,
    /// How many there are.
    pub(crate) count: u32,
    /// The piece.
    pub(crate) bytes: Vec<u8>,
}

/// Everything up to `have` is here, but for `missing`: please send that again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// The highest number that has come.
    pub(crate) have: u64,
    /// The numbers that have not, oldest first.
    pub(crate) missing: Vec<RangeInclusive<u64>>,
}

impl Receipt {
    /// Whether this number is asked for.
    pub(crate) fn asks_for(&self, seq: u64) -> bool {
        self.missing.iter().any(|range| range.contains(&seq))
    }

    /// Whether this number has come.
    pub(crate) fn confirms(&self, seq: u64) -> bool {
        seq <= self.have && !self.asks_for(seq)
    }
}

impl Note {
    /// The bytes to encrypt.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => [&[TEXT], text.as_bytes()].concat(),
            Self::Piece(Piece { name, index, count, bytes }) => {
                let (name, length) = cut_name(name);
                let numbers = [index.to_be_bytes(), count.to_be_bytes()].concat();
                [&[PIECE, length][..], name, &numbers, bytes].concat()
            }
            Self::Receipt(Receipt { have, missing }) => {
                let ends = missing.iter().take(MAX_RANGES).flat_map(|range| {
                    [range.start(), range.end()].map(|end| end.to_be_bytes()).concat()
                });
                [RECEIPT].into_iter().chain(have.to_be_bytes()).chain(ends).collect()
            }
        }
    }

    /// What these bytes say; `None` if they break the rules.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            TEXT => Some(Self::Text(str::from_utf8(rest).ok()?.to_owned())),
            PIECE => decode_piece(rest).map(Self::Piece),
            RECEIPT => decode_receipt(rest).map(Self::Receipt),
            _ => None,
        }
    }
}

/// As much of a name as its length byte can say.
fn cut_name(name: &str) -> (&[u8], u8) {
    let name = &name[..name.floor_char_boundary(u8::MAX.into())];
    (name.as_bytes(), u8::try_from(name.len()).unwrap_or(u8::MAX))
}

fn decode_piece(bytes: &[u8]) -> Option<Piece> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked((*length).into())?;
    let (index, rest) = rest.split_first_chunk()?;
    let (count, bytes) = rest.split_first_chunk()?;
    let name = str::from_utf8(name).ok()?.to_owned();
    let (index, count) = (u32::from_be_bytes(*index), u32::from_be_bytes(*count));
    (index < count).then(|| Piece { name, index, count, bytes: bytes.to_vec() })
}

fn decode_receipt(bytes: &[u8]) -> Option<Receipt> {
    let (numbers, []) = bytes.as_chunks::<8>() else { return None };
    let (have, ends) = numbers.split_first()?;
    let (ranges, []) = ends.as_chunks::<2>() else { return None };
    let range =
        |[first, last]: &[[u8; 8]; 2]| (u64::from_be_bytes(*first))..=(u64::from_be_bytes(*last));
    let missing = ranges.iter().take(MAX_RANGES).map(range).collect();
    Some(Receipt { have: u64::from_be_bytes(*have), missing })
}
