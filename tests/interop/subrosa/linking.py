"""Link codes and link envelopes: SPEC.md, sections 12.1 and 12.2."""

import os
from dataclasses import dataclass
from typing import Any

from . import labels
from .errors import MALFORMED, REFUSED, InvalidKey, ProtocolError
from .identity import Address, DeviceKeys, DeviceList, check_list, device_entry_message
from .payload import unpad
from .primitives import (
    XAEAD_NONCE_SIZE,
    check_x25519,
    expand,
    lp,
    sha256,
    u8,
    u32,
    verify,
    xaead_open,
    xaead_seal,
)
from .protobuf import envelope as pb
from .protobuf import keys as pbk
from .protobuf import parse

VERSION = 1
SECRET_SIZE = 32
HASH_SIZE = 32
MAX_USER_ID = 255
MAX_NAME = 64
PADDED_SIZE = 4352
SEALED_SIZE = 4392


@dataclass(frozen=True)
class LinkCode:
    """What a new device shows, and what it says."""

    address: Address
    secret: bytes
    keys_hash: bytes
    name: bytes
    encoded: bytes


@dataclass(frozen=True)
class Offer:
    """A primary's list, which has passed all checks, and its id."""

    device_list: DeviceList
    primary: int


def keys_hash(signing_key: bytes, identity_key: bytes) -> bytes:
    return sha256(labels.LINK_CODE + b"\0" + signing_key + identity_key)


def make_code(device: DeviceKeys, name: bytes, secret: bytes | None = None) -> LinkCode:
    address = device.address
    secret = secret or os.urandom(SECRET_SIZE)
    hashed = keys_hash(device.signing.public, device.identity.public)
    return parse_code(
        u8(VERSION) + u32(address.device) + secret + hashed + lp(address.user) + lp(name)
    )


class _Reader:
    """Takes parts off the front of a code."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, size: int) -> bytes:
        _require(len(self.rest) >= size, "too short")
        part, self.rest = self.rest[:size], self.rest[size:]
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def prefixed(self) -> bytes:
        return self.take(self.number(2))


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(REFUSED, f"link code: {text}")


def parse_code(encoded: bytes) -> LinkCode:
    """The parts of a code; ProtocolError(refused) unless it keeps all the rules."""
    reader = _Reader(encoded)
    _require(reader.number(1) == VERSION, "another version")
    device = reader.number(4)
    _require(device != 0, "device id zero")
    secret, hashed = reader.take(SECRET_SIZE), reader.take(HASH_SIZE)
    user, name = reader.prefixed(), reader.prefixed()
    _require(1 <= len(user) <= MAX_USER_ID, "a user id has 1 to 255 bytes")
    _require(len(name) <= MAX_NAME, "a name has at most 64 bytes")
    _require(not reader.rest, "bytes behind it")
    try:
        name.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(REFUSED, "link code: a name that is not UTF-8") from error
    return LinkCode(Address(user, device), secret, hashed, name, encoded)


def short(code: LinkCode) -> str:
    """The six digits that people compare."""
    digest = sha256(labels.SHORT_LINK_CODE + b"\0" + code.encoded)
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06}"


def key_to_device(code: LinkCode) -> bytes:
    return expand(code.secret, labels.LINK_TO_DEVICE, 32)


def key_to_primary(code: LinkCode) -> bytes:
    return expand(code.secret, labels.LINK_TO_PRIMARY, 32)


def pad(plaintext: bytes) -> bytes:
    padded = plaintext + b"\x80"
    return padded + bytes(PADDED_SIZE - len(padded))


def seal(key: bytes, padded: bytes, nonce: bytes | None = None) -> bytes:
    """The encoded envelope."""
    sealed = xaead_seal(key, nonce or os.urandom(XAEAD_NONCE_SIZE), b"", padded)
    return pb.Envelope(link=pb.Link(sealed=sealed)).SerializeToString()


def _open(key: bytes, envelope: bytes) -> bytes:
    decoded = parse(pb.Envelope, envelope)
    if decoded.WhichOneof("kind") != "link" or len(decoded.link.sealed) != SEALED_SIZE:
        raise ProtocolError(MALFORMED, "no link envelope")
    try:
        padded = xaead_open(key, b"", decoded.link.sealed)
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"link envelope: {error}") from error
    return unpad(padded)


def make_offer(signed_list: bytes, primary: int) -> bytes:
    offer = pb.LinkOffer(primary=primary)
    offer.device_list.ParseFromString(signed_list)
    return offer.SerializeToString()


def open_offer(code: LinkCode, envelope: bytes) -> Offer:
    """At the new device."""
    offer = parse(pb.LinkOffer, _open(key_to_device(code), envelope))
    device_list = check_list(offer.device_list.SerializeToString())
    if device_list.user != code.address.user:
        raise ProtocolError(REFUSED, "link offer: the list of another user")
    if offer.primary not in device_list.devices:
        raise ProtocolError(REFUSED, "link offer: by a device that is not listed")
    return Offer(device_list, offer.primary)


def make_reply(entry: Any) -> bytes:
    return pb.LinkReply(entry=entry).SerializeToString()


def open_reply(code: LinkCode, account_key: bytes, envelope: bytes) -> Any:
    """At the primary: the device's entry, ready to be listed."""
    entry = parse(pb.LinkReply, _open(key_to_primary(code), envelope)).entry
    if entry.device_id != code.address.device:
        raise ProtocolError(REFUSED, "link reply: another device id than the code's")
    if keys_hash(entry.signing_key, entry.identity_key) != code.keys_hash:
        raise ProtocolError(REFUSED, "link reply: other keys than the code's")
    message = device_entry_message(
        code.address.user, account_key, entry.device_id, entry.identity_key
    )
    try:
        check_x25519(entry.identity_key)
        verify(entry.signing_key, labels.DEVICE_ENTRY, message, entry.proof)
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"link reply: {error}") from error
    return entry


def entry_of(device: DeviceKeys, proof: bytes) -> Any:
    return pbk.DeviceEntry(
        device_id=device.address.device,
        signing_key=device.signing.public,
        identity_key=device.identity.public,
        proof=proof,
    )
