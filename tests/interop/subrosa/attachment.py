"""Attachments: SPEC.md, section 15."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import labels
from .errors import NOT_OPENED, USAGE, InvalidKey, ProtocolError
from .payload import padme
from .primitives import aead_open, aead_seal, equal, expand, lp, u8, u32, u64

CHUNK = 65_536
TAG = 16
HEAD = 32
MIN_PADDED = 4096
MAX_LENGTH = 2**48
MAX_MEDIA_TYPE = 255


def padded_length(length: int) -> int:
    """P of section 15.1."""
    return max(MIN_PADDED, padme(length))


def chunk_count(length: int) -> int:
    return -(-padded_length(length) // CHUNK)


def sealed_length(length: int) -> int:
    return HEAD + padded_length(length) + TAG * chunk_count(length)


def chunk_offset(index: int) -> int:
    """Where a chunk begins in what is sealed."""
    return HEAD + (CHUNK + TAG) * index


def nonce(index: int, count: int) -> bytes:
    return bytes(7) + u32(index) + u8(1 if index == count - 1 else 0)


@dataclass(frozen=True)
class Keys:
    """What follows from a secret, a length and a media type."""

    key: bytes = field(repr=False)
    head: bytes
    length: int

    def _size(self, index: int) -> int:
        return min(CHUNK, padded_length(self.length) - CHUNK * index)

    def seal_chunk(self, index: int, part: bytes) -> bytes:
        """A chunk of the file, with zero bytes up to its size."""
        padded = part + bytes(self._size(index) - len(part))
        return aead_seal(self.key, nonce(index, chunk_count(self.length)), b"", padded)

    def open_chunk(self, index: int, sealed: bytes) -> bytes:
        """What of the file is in this chunk; ProtocolError before anything is given out."""
        try:
            padded = aead_open(self.key, nonce(index, chunk_count(self.length)), b"", sealed)
        except InvalidKey as error:
            raise ProtocolError(NOT_OPENED, f"attachment, chunk {index}: {error}") from error
        return padded[: max(0, self.length - CHUNK * index)]


def derive(secret: bytes, length: int, media_type: bytes) -> Keys:
    """`key` and `head` (section 15.2)."""
    if length > MAX_LENGTH or len(media_type) > MAX_MEDIA_TYPE:
        raise ProtocolError(USAGE, "attachment: a length or a media type beyond the limit")
    output = expand(secret, labels.ATTACHMENT + u64(length) + lp(media_type), 64)
    return Keys(output[:32], output[32:], length)


def sealed_parts(keys: Keys, file: Iterator[bytes]) -> Iterator[bytes]:
    """The head, then each chunk; `file` gives 65,536 bytes at a time, and what is left."""
    yield keys.head
    for index in range(chunk_count(keys.length)):
        yield keys.seal_chunk(index, next(file, b""))


def in_chunks(data: bytes) -> Iterator[bytes]:
    return (data[i : i + CHUNK] for i in range(0, len(data), CHUNK))


def seal(data: bytes, media_type: bytes, secret: bytes | None = None) -> tuple[bytes, bytes, bytes]:
    """(secret, sealed, digest) of a file in memory, under a fresh secret or the one given."""
    secret = secret or os.urandom(32)
    sealed = b"".join(sealed_parts(derive(secret, len(data), media_type), in_chunks(data)))
    return secret, sealed, hashlib.sha256(sealed).digest()


def check_head(keys: Keys, head: bytes) -> None:
    if not equal(keys.head, head):
        raise ProtocolError(NOT_OPENED, "attachment: another head")


def open_all(secret: bytes, length: int, media_type: bytes, digest: bytes, sealed: bytes) -> bytes:
    """The whole file; the digest is compared before anything is given out.

    A caller that gives chunks out one by one goes by `derive`, `check_head` and `open_chunk`.
    """
    keys = derive(secret, length, media_type)
    if len(sealed) != sealed_length(length):
        raise ProtocolError(NOT_OPENED, "attachment: another length than it has to be")
    check_head(keys, sealed[:HEAD])
    parts = []
    for index in range(chunk_count(length)):
        start = chunk_offset(index)
        parts.append(keys.open_chunk(index, sealed[start : start + CHUNK + TAG]))
    if not equal(hashlib.sha256(sealed).digest(), digest):
        raise ProtocolError(NOT_OPENED, "attachment: another digest")
    return b"".join(parts)
