"""Chains, header keys and the form of a message: SPEC.md, sections 6.2 and 6.3."""

from dataclasses import dataclass, field

from . import labels
from .errors import NOT_OPENED, InvalidKey, ProtocolError
from .primitives import aead_open, aead_seal, expand, hkdf, hmac_sha256, mask, u32

TAG_SIZE = SALT_SIZE = 8
HEADER_SIZE = 44
HEAD_SIZE = TAG_SIZE + SALT_SIZE + HEADER_SIZE


def kdf_rk(root: bytes, dh: bytes, pq: bytes) -> tuple[bytes, bytes, bytes]:
    """Root key, chain key, next header key."""
    output = hkdf(root, dh + pq, labels.ROOT, 96)
    return output[:32], output[32:64], output[64:]


def kdf_ck(chain_key: bytes) -> tuple[bytes, bytes]:
    """Message key, next chain key."""
    return hmac_sha256(chain_key, b"\x01"), hmac_sha256(chain_key, b"\x02")


@dataclass(frozen=True)
class Header:
    """What a head carries, masked."""

    ratchet_key: bytes
    number: int
    previous: int
    pq_epoch: int

    def encode(self) -> bytes:
        return self.ratchet_key + u32(self.number) + u32(self.previous) + u32(self.pq_epoch)


def decode_header(clear: bytes) -> Header:
    numbers = (int.from_bytes(clear[i : i + 4], "big") for i in (32, 36, 40))
    return Header(clear[:32], *numbers)


@dataclass(frozen=True)
class Head:
    """The three parts of `Message.head`."""

    tag: bytes
    salt: bytes
    masked: bytes

    def unmask(self, mask_key: bytes) -> Header:
        return decode_header(mask(mask_key, self.tag + self.salt + bytes(8), self.masked))


def split_head(head: bytes) -> Head:
    """The parts of a head of 60 bytes."""
    return Head(head[:TAG_SIZE], head[TAG_SIZE:16], head[16:])


@dataclass(frozen=True)
class HeaderKey:
    """A header key, expanded."""

    tag_key: bytes = field(repr=False)
    mask_key: bytes = field(repr=False)

    def tag(self, number: int) -> bytes:
        return hmac_sha256(self.tag_key, u32(number))[:TAG_SIZE]


def header_key(key: bytes) -> HeaderKey:
    output = expand(key, labels.HEADER, 64)
    return HeaderKey(output[:32], output[32:])


@dataclass(frozen=True)
class Chain:
    """A chain key, a header key and the next message number."""

    key: bytes = field(repr=False)
    header_key: HeaderKey
    number: int = 0

    def step(self) -> tuple["Chain", bytes]:
        """The chain after one message, and that message's key."""
        message_key, next_key = kdf_ck(self.key)
        return Chain(next_key, self.header_key, self.number + 1), message_key


def _message_aead(message_key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    return expand(message_key, labels.MESSAGE + salt, 32), bytes(4) + salt


def seal_message(
    key: HeaderKey, message_key: bytes, ad: bytes, salt: bytes, header: Header, padded: bytes
) -> tuple[bytes, bytes]:
    """(head, sealed) of one message."""
    tag, clear = key.tag(header.number), header.encode()
    masked = mask(key.mask_key, tag + salt + bytes(8), clear)
    aead_key, nonce = _message_aead(message_key, salt)
    sealed = aead_seal(aead_key, nonce, ad + tag + salt + clear, padded)
    return tag + salt + masked, sealed


def open_message(
    message_key: bytes, ad: bytes, head: Head, header: Header, sealed: bytes
) -> bytes:
    """The padded payload; ProtocolError(not-opened) where the AEAD does not open."""
    aead_key, nonce = _message_aead(message_key, head.salt)
    try:
        return aead_open(aead_key, nonce, ad + head.tag + head.salt + header.encode(), sealed)
    except InvalidKey as error:
        raise ProtocolError(NOT_OPENED, str(error)) from error
