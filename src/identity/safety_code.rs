//! What one person's QR code says to another's camera (SPEC.md, section 3.5).

use super::{AccountKey, DeviceList};
use crate::address::{UserId, length_prefixed};

/// What every such code begins with.
const BEGINNING: &[u8] = b"subrosa/1 safety code\0";

/// Who shows it, and to whom, as the one who shows it knows both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SafetyCode {
    pub(crate) shown_by: SafetyParty,
    pub(crate) shown_to: SafetyParty,
}

/// A user id and an account key, which need not be one: they are compared and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SafetyParty {
    pub(crate) user: UserId,
    pub(crate) account_key: [u8; 32],
}

impl SafetyParty {
    /// The account of a list.
    pub(crate) fn of(list: &DeviceList) -> Self {
        Self { user: list.user().clone(), account_key: *list.account_key().as_bytes() }
    }

    /// Whether it is of this key.
    pub(crate) fn has_key(&self, key: &AccountKey) -> bool {
        self.account_key == *key.as_bytes()
    }

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (user, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (account_key, rest) = rest.split_first_chunk()?;
        Some((Self { user: UserId::new(user).ok()?, account_key: *account_key }, rest))
    }
}

impl SafetyCode {
    /// What a camera has read; `None` if it is no such code.
    // "subrosa/1 safety code" || 0x00 || party who shows it || party to whom it is shown,
    // where a party is lp(user id) || account key
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (shown_by, rest) = SafetyParty::split(bytes.strip_prefix(BEGINNING)?)?;
        let (shown_to, rest) = SafetyParty::split(rest)?;
        rest.is_empty().then_some(Self { shown_by, shown_to })
    }

    /// The bytes to be shown.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = BEGINNING.to_vec();
        for SafetyParty { user, account_key } in [&self.shown_by, &self.shown_to] {
            bytes.extend_from_slice(&length_prefixed(user));
            bytes.extend_from_slice(account_key);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_made_and_nothing_else_is() {
        let party = |name: &str, byte| SafetyParty {
            user: UserId::new(name).unwrap(),
            account_key: [byte; 32],
        };
        let long = "u".repeat(255);
        for names in [["alice", "bob"], [&long, "b"]] {
            let code = SafetyCode { shown_by: party(names[0], 1), shown_to: party(names[1], 2) };
            let bytes = code.encode();
            assert_eq!(SafetyCode::parse(&bytes), Some(code));
            for length in 0..bytes.len() {
                assert_eq!(SafetyCode::parse(&bytes[..length]), None);
            }
            assert_eq!(SafetyCode::parse(&[&bytes[..], &[0]].concat()), None);
        }
        let nobody = [BEGINNING, &[0; 2 * (2 + 32)]].concat();
        assert_eq!(SafetyCode::parse(&nobody), None);
    }
}
