//! How an encrypted store names and seals its rows.
//!
//! ```text
//! wrapping key = Expand(given key, or Argon2id(passphrase, salt), "store wrap" || salt)
//! head         = kind || salt || Seal(wrapping key, ad = kind || salt, store's own key)
//! row's name   = HMAC(name key, 0 || table)[..8] || HMAC(name key, 1 || table || key)[..24]
//! row's value  = Seal(value key, ad = table || name, lp(key) || lp(value) || zeros)
//! ```
//!
//! The name key and the value key are expanded from the store's own key, which is
//! random: two stores under one key have nothing in common. `lp` puts the length before
//! the bytes, as a u32.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroize;
#[cfg(feature = "passphrase")]
use zeroize::Zeroizing;

use super::{StoreError, Table};
#[cfg(feature = "passphrase")]
use crate::crypto::stretch;
use crate::crypto::{
    AT_REST_NONCE_LEN, HmacKey, Label, Secret, SecretBytes, expand, hmac_tag, open_at_rest,
    seal_at_rest,
};

/// Bytes of what all rows of a table have in front: enough to tell 256 tables apart.
pub(super) const PREFIX_LEN: usize = 8;

/// Bytes of a row's name, its table's prefix included.
pub(super) const NAME_LEN: usize = 32;

/// Bytes of a salt.
const SALT_LEN: usize = 16;

/// The head of a store that has a key.
const KIND_KEY: u8 = 1;

/// The head of a store that has a passphrase, stretched as `crypto` does it.
const KIND_PASSPHRASE: u8 = 2;

/// Room of the smallest values.
const SMALLEST: usize = 128;

/// Up to here values take the room of a power of two.
const POWERS_UP_TO: usize = 4096;

/// What opens an [`EncryptedStore`](super::EncryptedStore). Never printed, wiped on
/// drop.
pub struct StoreKey(Given);

enum Given {
    Key(Secret<32>),
    #[cfg(feature = "passphrase")]
    Passphrase(Zeroizing<Vec<u8>>),
}

impl StoreKey {
    /// A key of 32 random bytes, which the app keeps in the system's key store; it wipes
    /// its own copy.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Secret::copy_from(&bytes);
        bytes.zeroize();
        Self(Given::Key(key))
    }

    /// A passphrase, taken byte by byte as it is: the app decides about Unicode's normal
    /// forms and about spaces around it.
    ///
    /// Opening a store with it takes 64 MiB of memory and a fraction of a second
    /// (Argon2id, three passes). The salt is random and stands in the store.
    ///
    /// # Security
    ///
    /// Whoever has the store can try passphrases, each at that price. Six random words
    /// are out of reach; a PIN is not.
    #[cfg(feature = "passphrase")]
    #[must_use]
    pub fn from_passphrase(passphrase: impl AsRef<[u8]>) -> Self {
        Self(Given::Passphrase(Zeroizing::new(passphrase.as_ref().to_vec())))
    }

    /// The keys of a new store, and its head.
    pub(super) fn seal_head(&self) -> Result<(StoreKeys, Vec<u8>), StoreError> {
        let own = try_secret()?;
        let mut head = vec![self.kind()];
        let salt = random::<SALT_LEN>()?;
        head.extend_from_slice(&salt);
        let sealed = seal_at_rest(&self.wrapping_key(&salt)?, &random()?, &head, own.expose());
        head.extend_from_slice(&sealed);
        Ok((StoreKeys::new(&own), head))
    }

    /// The keys of the store with this head.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it was sealed under another key.
    pub(super) fn open_head(&self, head: &[u8]) -> Result<StoreKeys, StoreError> {
        let corrupt = |reason: &'static str| StoreError::Corrupt(reason.into());
        let (kind, rest) = head.split_first().ok_or_else(|| corrupt("the head is empty"))?;
        match *kind {
            kind if kind == self.kind() => {}
            KIND_KEY => return Err(corrupt("this store has a key, not a passphrase")),
            KIND_PASSPHRASE => return Err(corrupt("this store has a passphrase, not a key")),
            _ => return Err(corrupt("neither a key nor a passphrase of this version")),
        }
        let (salt, sealed) =
            rest.split_first_chunk().ok_or_else(|| corrupt("the head is cut short"))?;
        let (ad, _) = head.split_at(head.len().saturating_sub(sealed.len()));
        let own = open_at_rest(&self.wrapping_key(salt)?, ad, sealed)
            .map_err(|_| corrupt("this is not its key"))?;
        let own =
            Secret::from_slice(&own).ok_or_else(|| corrupt("its own key has a wrong length"))?;
        Ok(StoreKeys::new(&own))
    }

    fn kind(&self) -> u8 {
        match &self.0 {
            Given::Key(_) => KIND_KEY,
            #[cfg(feature = "passphrase")]
            Given::Passphrase(_) => KIND_PASSPHRASE,
        }
    }

    fn wrapping_key(&self, salt: &[u8; SALT_LEN]) -> Result<Secret<32>, StoreError> {
        match &self.0 {
            Given::Key(key) => Ok(expand(key, Label::STORE_WRAP, &[salt])),
            #[cfg(feature = "passphrase")]
            Given::Passphrase(passphrase) => {
                let stretched = stretch(passphrase, salt)
                    .map_err(|error| StoreError::Unavailable(error.into()))?;
                Ok(expand(&stretched, Label::STORE_WRAP, &[salt]))
            }
        }
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// Names and seals the rows of one store.
pub(super) struct StoreKeys {
    name: HmacKey,
    value: Secret<32>,
}

impl StoreKeys {
    fn new(own: &Secret<32>) -> Self {
        Self {
            name: HmacKey::from(&expand(own, Label::STORE_NAME, &[])),
            value: expand(own, Label::STORE_VALUE, &[]),
        }
    }

    /// What the names of all rows of this table begin with.
    pub(super) fn prefix(&self, table: Table) -> [u8; PREFIX_LEN] {
        let mut prefix = [0; PREFIX_LEN];
        let hash = hmac_tag(&self.name, &[0, table.get()]);
        prefix.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        prefix
    }

    /// A row's name.
    pub(super) fn name(&self, table: Table, key: &[u8]) -> [u8; NAME_LEN] {
        let hash = hmac_tag(&self.name, &[&[1, table.get()], key].concat());
        let mut name = [0; NAME_LEN];
        let bytes = self.prefix(table).into_iter().chain(hash);
        name.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        name
    }

    /// Seals a row's key and value.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if there is no randomness, or the row has more than
    /// 4 GiB.
    pub(super) fn seal(
        &self,
        table: Table,
        name: &[u8; NAME_LEN],
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let mut plain = SecretBytes::default();
        let length = key.len().saturating_add(value.len()).saturating_add(8);
        plain.reserve_exact(room(length));
        for part in [key, value] {
            let length =
                u32::try_from(part.len()).map_err(|error| StoreError::Unavailable(error.into()))?;
            plain.extend_from_slice(&length.to_be_bytes());
            plain.extend_from_slice(part);
        }
        plain.resize(room(length), 0);
        Ok(seal_at_rest(&self.value, &random::<AT_REST_NONCE_LEN>()?, &ad(table, name), &plain))
    }

    /// Opens what stands under this name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it was altered, or belongs under another name.
    pub(super) fn open(
        &self,
        table: Table,
        name: &[u8],
        sealed: &[u8],
    ) -> Result<Opened, StoreError> {
        let plain = open_at_rest(&self.value, &ad(table, name), sealed)
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        Ok(Opened(plain))
    }
}

fn ad(table: Table, name: &[u8]) -> Vec<u8> {
    [&[table.get()], name].concat()
}

/// A row as it was sealed.
pub(super) struct Opened(SecretBytes);

impl Opened {
    /// Its key and its value.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if they do not fit.
    pub(super) fn parts(&self) -> Result<(&[u8], &[u8]), StoreError> {
        let parts = take(&self.0).and_then(|(key, rest)| Some((key, take(rest)?.0)));
        parts.ok_or_else(|| StoreError::Corrupt("a row's parts do not fit into it".into()))
    }
}

/// The bytes behind their length, and what is behind them.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The room that so many bytes take: powers of two up to 4 KiB; above, eight steps for
/// each doubling, so that at most an eighth is wasted.
fn room(length: usize) -> usize {
    let length = length.max(SMALLEST);
    match length.checked_next_power_of_two() {
        Some(power) if power <= POWERS_UP_TO => power,
        Some(power) => length.next_multiple_of((power / 16).max(1)),
        None => length,
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| StoreError::Unavailable(error.into()))?;
    Ok(bytes)
}

fn try_secret() -> Result<Secret<32>, StoreError> {
    let mut result = Ok(());
    let secret = Secret::init_with(|bytes| result = SysRng.try_fill_bytes(bytes));
    result.map(|()| secret).map_err(|error| StoreError::Unavailable(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_value_grows_in_few_steps() {
        let steps = [(0, 128), (128, 128), (129, 256), (4000, 4096), (4097, 4608), (4609, 5120)];
        for (length, expected) in steps {
            assert_eq!(room(length), expected, "{length}");
        }
        for length in (1..2_000_000).step_by(997) {
            let room = room(length);
            assert!(room >= length && (room <= length.max(64) * 2));
            assert!(length <= 4096 || room - length <= length / 8);
        }
        let all: std::collections::BTreeSet<_> = (0..1 << 20).map(room).collect();
        assert_eq!(all.len(), 6 + 8 * 8);
    }

    #[test]
    fn names_of_one_table_begin_alike_and_tell_nothing_else() {
        let (keys, _) = StoreKey::from_bytes([1; 32]).seal_head().unwrap();
        let name = keys.name(Table(1), b"key");
        assert!(name.starts_with(&keys.prefix(Table(1))));
        assert!(!keys.name(Table(2), b"key").starts_with(&keys.prefix(Table(1))));
        assert_ne!(name, keys.name(Table(1), b"kez"));
        // The same key again, but another store.
        let (others, _) = StoreKey::from_bytes([1; 32]).seal_head().unwrap();
        assert_ne!(name, others.name(Table(1), b"key"));
    }

    #[test]
    fn no_byte_of_a_head_can_be_altered() {
        let key = StoreKey::from_bytes([1; 32]);
        let (_, head) = key.seal_head().unwrap();
        assert_eq!(head.len(), 1 + 16 + 24 + 32 + 16);
        assert!(key.open_head(&head).is_ok());
        for byte in 0..head.len() {
            let mut altered = head.clone();
            altered[byte] ^= 1;
            assert!(matches!(key.open_head(&altered), Err(StoreError::Corrupt(_))));
            assert!(matches!(key.open_head(&head[..byte]), Err(StoreError::Corrupt(_))));
        }
    }
}
