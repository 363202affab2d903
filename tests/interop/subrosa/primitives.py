"""The one suite of SPEC.md, section 2.2."""

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from kyber_py.ml_kem import ML_KEM_768

from .errors import InvalidKey

FIELD_PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
XAEAD_NONCE_SIZE = 24
MLKEM_EK_SIZE = 1184
MLKEM_CT_SIZE = 1088
_LOW_BITS = 2**255 - 1
# The y coordinates of the eight Ed25519 points of small order.
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = {0, 1, FIELD_PRIME - 1, _ORDER_8_Y, FIELD_PRIME - _ORDER_8_Y}
_ANY_SCALAR = X25519PrivateKey.from_private_bytes(b"\x01" * 32)


def u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def lp(data: bytes) -> bytes:
    """A byte string with its length in front (section 2.1)."""
    return u16(len(data)) + data


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def equal(left: bytes, right: bytes) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(left, right)


def expand(prk: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Expand (RFC 5869)."""
    output, block = b"", b""
    for counter in range(1, (size + 31) // 32 + 1):
        block = hmac_sha256(prk, block + info + u8(counter))
        output += block
    return output[:size]


def hkdf(salt: bytes, ikm: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Extract, then Expand."""
    return expand(hmac_sha256(salt, ikm), info, size)


def aead_seal(key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, ad)


def aead_open(key: bytes, nonce: bytes, ad: bytes, ciphertext: bytes) -> bytes:
    """The plaintext; InvalidKey where the tag is wrong."""
    if len(ciphertext) < 16:
        raise InvalidKey("ciphertext shorter than its tag")
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, ad)
    except InvalidTag as error:
        raise InvalidKey("the tag is wrong") from error


def _quarter_round(x: list[int], a: int, b: int, c: int, d: int) -> None:
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[first] = (x[first] + x[second]) & 0xFFFFFFFF
        mixed = x[third] ^ x[first]
        x[third] = ((mixed << bits) | (mixed >> (32 - bits))) & 0xFFFFFFFF


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The subkey of XChaCha20 for the first 16 bytes of its nonce."""
    x = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            _quarter_round(x, column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            _quarter_round(
                x,
                diagonal,
                4 + (diagonal + 1) % 4,
                8 + (diagonal + 2) % 4,
                12 + (diagonal + 3) % 4,
            )
    return struct.pack("<8I", *x[:4], *x[12:])


def xaead_seal(key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
    """XAEAD of section 2.2: nonce, ciphertext and tag."""
    sealed = aead_seal(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], ad, plaintext)
    return nonce + sealed


def xaead_open(key: bytes, ad: bytes, sealed: bytes) -> bytes:
    """The plaintext of nonce, ciphertext and tag; InvalidKey where the tag is wrong."""
    if len(sealed) < XAEAD_NONCE_SIZE:
        raise InvalidKey("shorter than its nonce")
    nonce, sealed = sealed[:XAEAD_NONCE_SIZE], sealed[XAEAD_NONCE_SIZE:]
    return aead_open(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], ad, sealed)


def mask(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """XOR with XChaCha20's key stream from block 0; its own inverse."""
    subkey = hchacha20(key, nonce[:16])
    counter_and_nonce = bytes(4) + bytes(4) + nonce[16:]
    return Cipher(ChaCha20(subkey, counter_and_nonce), mode=None).encryptor().update(data)


@dataclass(frozen=True)
class KeyPair:
    """An X25519 or Ed25519 key pair, both halves as 32 bytes."""

    private: bytes
    public: bytes


def x25519_pair(private: bytes | None = None) -> KeyPair:
    """The pair of a private key, or a fresh one."""
    private = private or os.urandom(32)
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return KeyPair(private, public)


def check_x25519(public: bytes) -> bytes:
    """The key itself, if it has 32 bytes, is canonical and not of low order."""
    if len(public) != 32:
        raise InvalidKey("an X25519 key has 32 bytes")
    if int.from_bytes(public, "little") >= FIELD_PRIME:
        raise InvalidKey("the X25519 key is not canonical")
    _exchange(_ANY_SCALAR, public)
    return public


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise InvalidKey("the X25519 key is of low order") from error
    if equal(shared, bytes(32)):
        raise InvalidKey("the X25519 output is zero")
    return shared


def dh(private: bytes, public: bytes) -> bytes:
    """X25519 with both checks of section 2.2."""
    check_x25519(public)
    return _exchange(X25519PrivateKey.from_private_bytes(private), public)


def ed25519_pair(private: bytes | None = None) -> KeyPair:
    """The pair of a private key (RFC 8032's 32-byte seed), or a fresh one."""
    private = private or os.urandom(32)
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return KeyPair(private, public)


def check_ed25519(public: bytes) -> bytes:
    """The key itself, if it has 32 bytes, is canonical, on the curve, not of small order."""
    if len(public) != 32:
        raise InvalidKey("an Ed25519 key has 32 bytes")
    y = int.from_bytes(public, "little") & _LOW_BITS
    if y >= FIELD_PRIME:
        raise InvalidKey("the Ed25519 key is not canonical")
    if y in _SMALL_ORDER_Y:
        raise InvalidKey("the Ed25519 key is of small order")
    d = -121665 * pow(121666, -1, FIELD_PRIME)
    x_squared = (y * y - 1) * pow(d * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    if pow(x_squared, (FIELD_PRIME - 1) // 2, FIELD_PRIME) != 1:
        raise InvalidKey("the Ed25519 key is not on the curve")
    return public


def sign(private: bytes, label: bytes, message: bytes) -> bytes:
    """Sign(key, label, m) of section 2.2."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(label + b"\0" + message)


def verify(public: bytes, label: bytes, message: bytes, signature: bytes) -> None:
    """InvalidKey unless key and signature are good.

    OpenSSL's equation is cofactorless, and compares R's encoding, which refuses one that is
    not canonical.
    """
    check_ed25519(public)
    if len(signature) != 64:
        raise InvalidKey("an Ed25519 signature has 64 bytes")
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        raise InvalidKey("the signature's S is not reduced")
    if int.from_bytes(signature[:32], "little") & _LOW_BITS in _SMALL_ORDER_Y:
        raise InvalidKey("the signature's R is of small order")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, label + b"\0" + message)
    except InvalidSignature as error:
        raise InvalidKey("the signature is wrong") from error


def mlkem_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Encapsulation and decapsulation key of the 64-byte seed d || z."""
    return ML_KEM_768.key_derive(seed)


def check_mlkem(ek: bytes) -> bytes:
    """The encapsulation key itself, if it passes FIPS 203, section 7.2."""
    if len(ek) != MLKEM_EK_SIZE:
        raise InvalidKey("an ML-KEM-768 encapsulation key has 1,184 bytes")
    for i in range(0, MLKEM_EK_SIZE - 32, 3):
        pair = int.from_bytes(ek[i : i + 3], "little")
        if pair & 0xFFF >= 3329 or pair >> 12 >= 3329:
            raise InvalidKey("the ML-KEM encapsulation key fails the modulus check")
    return ek


def encaps(ek: bytes, randomness: bytes | None = None) -> tuple[bytes, bytes]:
    """(shared secret, ciphertext); the 32 bytes of randomness are for test vectors."""
    check_mlkem(ek)
    return ML_KEM_768._encaps_internal(ek, randomness or os.urandom(32))


def decaps(dk: bytes, ct: bytes) -> bytes:
    """The shared secret; with a wrong ciphertext a pseudo-random one (FIPS 203)."""
    if len(ct) != MLKEM_CT_SIZE:
        raise InvalidKey("an ML-KEM-768 ciphertext has 1,088 bytes")
    return ML_KEM_768.decaps(dk, ct)
