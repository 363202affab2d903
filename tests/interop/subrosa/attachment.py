"""Attachments: SPEC.md, section 15."""

from dataclasses import dataclass

from . import labels
from . import primitives as p
from .errors import REFUSED, InvalidKey, ProtocolError
from .payload import padme

CHUNK_SIZE = 65_536
HEAD_SIZE = 32
TAG_SIZE = 16
MIN_PADDED = 4_096
MAX_SIZE = 2**48


@dataclass(frozen=True)
class Layout:
    padded: int
    chunks: int
    sealed: int


@dataclass(frozen=True)
class Pointer:
    secret: bytes
    digest: bytes
    length: int
    media_type: str


def layout(length: int) -> Layout:
    if length > MAX_SIZE:
        raise ProtocolError(REFUSED, "the attachment is too long")
    padded = max(MIN_PADDED, padme(length)) if length else MIN_PADDED
    chunks = -(-padded // CHUNK_SIZE)
    return Layout(padded, chunks, HEAD_SIZE + padded + TAG_SIZE * chunks)


def keys(secret: bytes, length: int, media_type: str) -> tuple[bytes, bytes]:
    """The key of the chunks, and the head."""
    info = labels.ATTACHMENT + length.to_bytes(8, "big") + p.lp(media_type.encode())
    both = p.expand(secret, info, 64)
    return both[:32], both[32:]


def nonce(index: int, chunks: int) -> bytes:
    return bytes(7) + p.u32(index) + p.u8(index == chunks - 1)


def chunk_of(sealed: bytes, index: int) -> bytes:
    start = HEAD_SIZE + index * (CHUNK_SIZE + TAG_SIZE)
    return sealed[start : start + CHUNK_SIZE + TAG_SIZE]


def seal(secret: bytes, file: bytes, media_type: str) -> bytes:
    shape = layout(len(file))
    key, sealed = keys(secret, len(file), media_type)
    padded = file + bytes(shape.padded - len(file))
    for index in range(shape.chunks):
        chunk = padded[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        sealed += p.aead_seal(key, nonce(index, shape.chunks), b"", chunk)
    return sealed


def open_sealed(pointer: Pointer, sealed: bytes) -> bytes:
    """The whole file; refused where anything is not as the pointer says."""
    shape = layout(pointer.length)
    key, head = keys(pointer.secret, pointer.length, pointer.media_type)
    if len(sealed) != shape.sealed or not p.equal(sealed[:HEAD_SIZE], head):
        raise ProtocolError(REFUSED, "another attachment than the pointer's")
    try:
        opened = b"".join(
            p.aead_open(key, nonce(index, shape.chunks), b"", chunk_of(sealed, index))
            for index in range(shape.chunks)
        )
    except InvalidKey as error:
        raise ProtocolError(REFUSED, "a chunk is not the pointer's") from error
    if p.sha256(sealed) != pointer.digest:
        raise ProtocolError(REFUSED, "not what the sender named")
    return opened[: pointer.length]
