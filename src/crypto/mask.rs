//! The header mask: XChaCha20 as RFC 9001 section 5.4.4 uses ChaCha20
//! (draft-irtf-cfrg-xchacha-03, section 2.3).

use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use super::Secret;

/// XORs the header with the key stream of this key and nonce, from block 0.
#[inline]
pub(crate) fn mask<const N: usize>(key: &Secret<32>, nonce: &[u8; 24], header: &mut [u8; N]) {
    XChaCha20::new(key.expose().into(), nonce.into()).apply_keystream(header);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draft_xchacha_03_a_3_2_key_stream() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.2, whose counter starts at 1: the
        // block before it masks with the same key and nonce.
        let key = Secret::init_with(|key| {
            for (value, byte) in (0x80..).zip(key.iter_mut()) {
                *byte = value;
            }
        });
        let mut nonce = [0; 24];
        for (value, byte) in (0x40..).zip(nonce.iter_mut()) {
            *byte = value;
        }
        nonce[23] = 0x58;
        let mut ours = [0; 44];
        mask(&key, &nonce, &mut ours);
        let mut whole = [0; 128];
        XChaCha20::new(key.expose().into(), (&nonce).into()).apply_keystream(&mut whole);
        assert_eq!(ours, whole[..44]);
        let plain = b"The dhole (pronounced \"dole\") is also known as the Asiatic wild dog";
        let sealed: Vec<u8> = whole[64..].iter().zip(plain).map(|(a, b)| a ^ b).collect();
        assert_eq!(sealed[..8], [0x7d, 0x0a, 0x2e, 0x6b, 0x7f, 0x7c, 0x65, 0xa2]);
    }
}
