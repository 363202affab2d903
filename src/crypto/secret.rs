//! Secret bytes: wiped, never printed, never copied unasked.

use std::fmt;
use std::ops::{Deref, DerefMut};

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `N` secret bytes, wiped on drop and never printed.
///
/// Boxed so that a move copies a pointer, not key bytes. There is no `Clone`,
/// `Copy` or `PartialEq`: a second copy of a secret must be asked for by name
/// (`duplicate`), so that `grep` finds every one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Fills a new secret in place.
    #[inline]
    pub(crate) fn init_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// Fresh random bytes.
    pub(crate) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::init_with(|bytes| rng.fill_bytes(bytes))
    }

    /// A secret with these bytes; the caller wipes its own copy.
    pub(crate) fn copy_from(bytes: &[u8; N]) -> Self {
        Self::init_with(|own| own.copy_from_slice(bytes))
    }

    /// A secret with these bytes, if there are `N` of them.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::copy_from)
    }

    /// The bytes, for a primitive or a stored record.
    #[inline]
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// A second copy.
    pub(crate) fn duplicate(&self) -> Self {
        Self::copy_from(&self.0)
    }

    /// Whether these are the same bytes, in constant time.
    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        self.0.as_slice().ct_eq(bytes).into()
    }

    /// The first `A` bytes and the `B` bytes behind them; `A + B` must be `N`, which
    /// the compiler checks.
    pub(crate) fn split<const A: usize, const B: usize>(self) -> (Secret<A>, Secret<B>) {
        const { assert!(A + B == N) };
        let (first, second) = self.0.split_at(A);
        (
            Secret::init_with(|bytes| bytes.copy_from_slice(first)),
            Secret::init_with(|bytes| bytes.copy_from_slice(second)),
        )
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Plaintext and the like: secret bytes of any length, wiped on drop in one sweep and
/// never printed. (`Zeroizing` wipes a vector byte by byte, at 0.1 µs a message.)
///
/// Grows only within its capacity; what a vector leaves behind when it moves is not
/// wiped.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// These bytes, from now on secret.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(std::mem::take(&mut *bytes))
    }
}

impl From<SecretBytes> for Zeroizing<Vec<u8>> {
    fn from(mut bytes: SecretBytes) -> Self {
        Self::new(std::mem::take(&mut bytes.0))
    }
}

impl Deref for SecretBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // An empty vector points to nowhere, and some processors take 50 ns to find out that
        // there is nothing to write.
        if !self.0.is_empty() {
            self.0.as_mut_slice().zeroize();
        }
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_and_splits_where_it_is_told() {
        let secret = Secret::copy_from(&[1, 2, 3, 4]);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert!(secret.matches(&[1, 2, 3, 4]) && !secret.matches(&[1, 2, 3]));
        let (first, second) = secret.split::<1, 3>();
        assert_eq!((first.expose(), second.expose()), (&[1], &[2, 3, 4]));
    }
}
