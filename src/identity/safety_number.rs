//! The number that two people compare (SPEC.md, section 3.5).

use std::fmt;

use super::safety_code::SafetyParty;
use super::{DeviceList, SafetyCode};
use crate::address::length_prefixed;
use crate::crypto::{Label, sha256};

/// 60 digits over both user ids and account keys, the same on both sides.
///
/// `Display` shows twelve groups of five digits. The [`qr`](Self::qr) code of either side says
/// the same to the other's camera.
///
/// # Security
///
/// Equal numbers, compared over a channel that cannot be forged (a call, in
/// person), mean that nobody sits in between. To find an account key that shows
/// the same half as another takes about 2⁹⁹ tries.
#[derive(Debug, Clone)]
pub struct SafetyNumber {
    digits: String,
    /// Of the first of the two.
    code: SafetyCode,
}

impl SafetyNumber {
    /// The safety number of two accounts, in either order; the QR code is the one that the
    /// first account shows.
    #[must_use]
    pub fn between(one: &DeviceList, other: &DeviceList) -> Self {
        let code = SafetyCode { shown_by: SafetyParty::of(one), shown_to: SafetyParty::of(other) };
        let (one, other) = (half(one), half(other));
        let digits = if one <= other { one + &other } else { other + &one };
        Self { digits, code }
    }

    /// What the first account shows as a QR code, for the other one to scan.
    #[must_use]
    pub fn qr(&self) -> Vec<u8> {
        self.code.encode()
    }

    /// The 60 digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

/// The numbers are the same: which of the two shows it does not count.
impl PartialEq for SafetyNumber {
    fn eq(&self, other: &Self) -> bool {
        self.digits == other.digits
    }
}

impl Eq for SafetyNumber {}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits.char_indices().try_for_each(|(index, digit)| {
            let gap = if index != 0 && index % 5 == 0 { " " } else { "" };
            write!(f, "{gap}{digit}")
        })
    }
}

/// Six groups of five bytes, each modulo 100,000.
fn half(list: &DeviceList) -> String {
    let hash = sha256(&[
        Label::SAFETY_NUMBER.as_bytes(),
        &[0],
        &length_prefixed(list.user()),
        list.account_key().as_bytes(),
    ]);
    hash.chunks_exact(5)
        .take(6)
        .map(|group| {
            let number = group.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect()
}
