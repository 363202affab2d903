//! SHA-256, HMAC-SHA-256 and HKDF (FIPS 180-4, RFC 2104, RFC 5869).
//!
//! HKDF is spelled out over HMAC for the one case that the protocol has, a pseudo-random
//! key of 32 bytes: so a keyed HMAC can be shared between steps, and no output passes
//! through memory that is not wiped.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::digest::FixedOutput;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::label::{CHAIN_KEY_INPUT, MESSAGE_KEY_INPUT};
use super::{Label, Secret};

/// Bytes of an output of SHA-256 and HMAC.
const HASH_LEN: usize = 32;

/// SHA-256 of the parts put together.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// A keyed HMAC, kept between calls: a third cheaper than keying it anew.
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("any length"))
    }

    /// HMAC over the parts put together, written into place; the key is used up.
    #[inline]
    fn mac_into(self, parts: &[&[u8]], out: &mut [u8; HASH_LEN]) {
        let mut mac = self.0;
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize_into(out.into());
    }
}

impl From<&Secret<32>> for HmacKey {
    fn from(key: &Secret<32>) -> Self {
        Self::new(key.expose())
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// HMAC-SHA-256 under a kept key; for outputs that are not secret.
#[inline]
pub(crate) fn hmac_tag(key: &HmacKey, data: &[u8]) -> [u8; HASH_LEN] {
    let mut out = [0; HASH_LEN];
    key.clone().mac_into(&[data], &mut out);
    out
}

/// HMAC-SHA-256 over the parts put together.
pub(crate) fn hmac_parts(key: &Secret<32>, parts: &[&[u8]]) -> Secret<32> {
    Secret::init_with(|out| HmacKey::from(key).mac_into(parts, out))
}

/// A message key, and the chain key after it.
pub(crate) struct ChainStep {
    pub(crate) message_key: Secret<32>,
    pub(crate) chain_key: Secret<32>,
}

/// `KDF_CK` (SPEC.md, section 6.2).
// KDF_CK(ck) = HMAC(ck, 0x01) -> message key, HMAC(ck, 0x02) -> next chain key
pub(crate) fn chain_step(chain_key: &Secret<32>) -> ChainStep {
    let key = HmacKey::from(chain_key);
    ChainStep {
        message_key: Secret::init_with(|out| key.clone().mac_into(&[MESSAGE_KEY_INPUT], out)),
        chain_key: Secret::init_with(|out| key.mac_into(&[CHAIN_KEY_INPUT], out)),
    }
}

/// HKDF-Expand with `label || context` as info; `N` is at most 255 · 32 bytes.
pub(crate) fn expand<const N: usize>(
    key: &Secret<32>,
    label: Label,
    context: &[&[u8]],
) -> Secret<N> {
    expand_keyed(HmacKey::from(key), label.as_bytes(), context)
}

/// HKDF: Extract with this salt and input, then Expand with `label || context`.
pub(crate) fn hkdf<const N: usize>(
    salt: &Secret<32>,
    input: &[&[u8]],
    label: Label,
    context: &[&[u8]],
) -> Secret<N> {
    expand(&hmac_parts(salt, input), label, context)
}

pub(super) fn expand_keyed<const N: usize>(
    key: HmacKey,
    label: &[u8],
    context: &[&[u8]],
) -> Secret<N> {
    Secret::init_with(|out| expand_into(key, label, context, out))
}

/// HKDF-Expand for a key of 32 bytes that is used at once: it stays on the stack.
pub(crate) fn with_expanded<T>(
    key: &Secret<32>,
    label: Label,
    context: &[&[u8]],
    use_key: impl FnOnce(&[u8; 32]) -> T,
) -> T {
    let mut out = Zeroizing::new([0; 32]);
    expand_into(HmacKey::from(key), label.as_bytes(), context, &mut out);
    use_key(&out)
}

// T(i) = HMAC(PRK, T(i-1) || info || i); the output is T(1) || T(2) || ...
fn expand_into<const N: usize>(key: HmacKey, label: &[u8], context: &[&[u8]], out: &mut [u8; N]) {
    const { assert!(0 < N && N <= 255 * HASH_LEN) };
    let mut block = Zeroizing::new([0; HASH_LEN]);
    let mut key = Some(key);
    let blocks = N.div_ceil(HASH_LEN);
    for (number, place) in (1_u8..=255).zip(out.chunks_mut(HASH_LEN)) {
        // The last block uses the keyed state up.
        let last = usize::from(number) == blocks;
        let Some(HmacKey(mut mac)) = (if last { key.take() } else { key.clone() }) else {
            break;
        };
        if number > 1 {
            mac.update(block.as_slice());
        }
        mac.update(label);
        context.iter().for_each(|part| mac.update(part));
        mac.update(&[number]);
        mac.finalize_into((&mut *block).into());
        if let Some(bytes) = block.get(..place.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use hkdf::Hkdf;

    use super::*;

    #[test]
    fn chain_step_is_two_hmacs() {
        let key = Secret::copy_from(&[3; 32]);
        let step = chain_step(&key);
        assert!(step.message_key.matches(hmac_parts(&key, &[&[1]]).expose()));
        assert!(step.chain_key.matches(hmac_parts(&key, &[&[2]]).expose()));
    }

    #[test]
    fn hkdf_gives_what_the_hkdf_crate_gives() {
        fn check<const N: usize>() {
            let salt = Secret::copy_from(&[1; 32]);
            let ours: Secret<N> = hkdf(&salt, &[b"in", b"put"], Label::ROOT, &[b"con", b"text"]);
            let info = [Label::ROOT.as_bytes(), b"context"].concat();
            let mut theirs = [0; N];
            Hkdf::<Sha256>::new(Some(&[1; 32]), b"input").expand(&info, &mut theirs).unwrap();
            assert_eq!(ours.expose(), &theirs);
        }
        check::<31>();
        check::<32>();
        check::<33>();
        check::<64>();
        check::<96>();
    }
}
