//! A key from a passphrase: Argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::Secret;

/// Memory for one guess, in KiB. RFC 9106, section 4, second recommendation: 64 MiB.
const MEMORY_KIB: u32 = 64 * 1024;

/// Passes over the memory, as recommended there.
const PASSES: u32 = 3;

/// Lanes, as recommended there; they are filled one after the other.
const LANES: u32 = 4;

/// The memory could not be had, or the passphrase has 4 GiB or more.
#[derive(Debug, thiserror::Error)]
#[error("no key could be made from the passphrase: {0}")]
pub(crate) struct PassphraseFailed(argon2::Error);

/// The key that a passphrase and a salt of 16 bytes give: a third of a second or so,
/// and 64 MiB, for whoever guesses too.
///
/// # Errors
///
/// [`PassphraseFailed`].
pub(crate) fn stretch(passphrase: &[u8], salt: &[u8; 16]) -> Result<Secret<32>, PassphraseFailed> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(PassphraseFailed)?;
    argon2id(passphrase, salt, params)
}

fn argon2id(
    passphrase: &[u8],
    salt: &[u8],
    params: Params,
) -> Result<Secret<32>, PassphraseFailed> {
    // The blocks are wiped: the last ones give the key away.
    let mut memory = Zeroizing::new(Vec::new());
    let blocks = params.block_count();
    memory.try_reserve_exact(blocks).map_err(|_| PassphraseFailed(argon2::Error::OutOfMemory))?;
    memory.resize(blocks, Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut result = Ok(());
    let key = Secret::init_with(|key| {
        let memory = memory.as_mut_slice();
        result = argon2.hash_password_into_with_memory(passphrase, salt, key, memory);
    });
    result.map(|()| key).map_err(PassphraseFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_implementation_vector() {
        // phc-winner-argon2, src/test.c: Argon2id, version 0x13, t=2, m=2^16, p=1.
        let params = Params::new(1 << 16, 2, 1, Some(32)).unwrap();
        let key = argon2id(b"password", b"somesalt", params).unwrap();
        let expected = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7";
        let hex: String = key.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }
}
