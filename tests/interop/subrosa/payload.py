"""Payload and padding: SPEC.md, sections 7.1 and 7.2."""

from dataclasses import dataclass
from typing import Any

from . import control
from .erasure import SHARD_SIZE
from .errors import MALFORMED, ProtocolError
from .protobuf import envelope as pb
from .protobuf import parse

ID_SIZE = 16
MAX_CONTENT = 65_536
MIN_PADDED = 256
ONE_SHARD_FIELD = 36


def padme(x: int) -> int:
    """Padmé: at most about 12 % more, and few different lengths."""
    if x < 2:
        return x
    e = x.bit_length() - 1
    step = 1 << (e - e.bit_length())
    return (x + step - 1) // step * step


def padded_length(length: int) -> int:
    """P, for a payload of `length` bytes without shards."""
    return max(MIN_PADDED, padme(length + ONE_SHARD_FIELD + 1))


def field_size(shards: int) -> int:
    """Bytes that the field `shards` takes with so many shards."""
    content = 2 + SHARD_SIZE * shards
    return 1 + (1 if content < 128 else 2) + content


def shard_capacity(length: int) -> int:
    """How many shards fit beside a payload of `length` bytes."""
    room = padded_length(length) - length - 1
    count = room // SHARD_SIZE
    while field_size(count) > room:
        count -= 1
    return count


def pad(encoded: bytes, shards: bytes) -> bytes:
    """The plaintext of a message; `shards` is empty or the content of that field."""
    size = padded_length(len(encoded))
    if shards:
        encoded += pb.Payload(shards=shards).SerializeToString()
    return encoded + b"\x80" + bytes(size - len(encoded) - 1)


def unpad(padded: bytes) -> bytes:
    """Take off zero bytes, then one 0x80."""
    stripped = padded.rstrip(b"\0")
    if not stripped.endswith(b"\x80"):
        raise ProtocolError(MALFORMED, "the padding has no 0x80")
    return stripped[:-1]


@dataclass(frozen=True)
class Opened:
    """A payload that is well formed: the message, and its body in two parts."""

    message: Any
    id: bytes
    content: bytes


def decode(padded: bytes) -> Opened:
    """A payload from its padded bytes; ProtocolError(malformed) as in sections 7.1, 7.2, 7.4."""
    message = parse(pb.Payload, unpad(padded))
    body = message.body
    if message.HasField("control"):
        if body:
            raise ProtocolError(MALFORMED, "a control message with a body")
        control.check(message.control)
        return Opened(message, b"", b"")
    if len(body) < ID_SIZE:
        raise ProtocolError(MALFORMED, "neither a body with an id nor control")
    if len(body) > ID_SIZE + MAX_CONTENT:
        raise ProtocolError(MALFORMED, "the content is too long")
    return Opened(message, body[:ID_SIZE], body[ID_SIZE:])
