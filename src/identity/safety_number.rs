//! The number that two people compare (SPEC.md, section 3.5).

use std::fmt;

use super::DeviceList;
use crate::address::length_prefixed;
use crate::crypto::{Label, sha256};

/// 60 digits over both user ids and account keys, the same on both sides.
///
/// `Display` shows twelve groups of five digits.
///
/// # Security
///
/// Equal numbers, compared over a channel that cannot be forged (a call, in
/// person), mean that nobody sits in between. To find an account key that shows
/// the same half as another takes about 2⁹⁹ tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    digits: String,
}

impl SafetyNumber {
    /// The safety number of two accounts, in either order.
    #[must_use]
    pub fn between(one: &DeviceList, other: &DeviceList) -> Self {
        let (one, other) = (half(one), half(other));
        let digits = if one <= other { one + &other } else { other + &one };
        Self { digits }
    }

    /// The 60 digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

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
