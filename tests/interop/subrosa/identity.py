"""Accounts, device lists, view and safety number: SPEC.md, section 3."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import labels
from .errors import REFUSED, InvalidKey, ProtocolError
from .primitives import (
    KeyPair,
    check_ed25519,
    check_x25519,
    ed25519_pair,
    lp,
    sha256,
    sign,
    u32,
    verify,
    x25519_pair,
)
from .protobuf import keys as pb
from .protobuf import parse

MAX_LIST_SIZE = 4027
MAX_DEVICES = 16


@dataclass(frozen=True)
class Address:
    """One device of one account (section 3.1)."""

    user: bytes
    device: int


@dataclass(frozen=True)
class DeviceKeys:
    """The private keys of a device; its account's are with it, as each account here has one."""

    address: Address
    account: KeyPair
    signing: KeyPair
    identity: KeyPair


@dataclass(frozen=True)
class ListedDevice:
    """A device as a list names it."""

    device: int
    signing_key: bytes
    identity_key: bytes


@dataclass(frozen=True)
class DeviceList:
    """A device list that passed all checks of section 3.3."""

    user: bytes
    account_key: bytes
    version: int
    previous: bytes
    devices: Mapping[int, ListedDevice]
    hash: bytes
    signed: bytes


def new_device(user: bytes, device: int | None = None) -> DeviceKeys:
    address = Address(user, device or secrets.randbelow(2**32 - 1) + 1)
    return DeviceKeys(address, ed25519_pair(), ed25519_pair(), x25519_pair())


def device_entry_message(
    user: bytes, account_key: bytes, device: int, identity_key: bytes
) -> bytes:
    """What the proof of a device entry signs (section 3.2)."""
    return lp(user) + account_key + u32(device) + identity_key


def list_hash(encoded: bytes) -> bytes:
    return sha256(labels.DEVICE_LIST + b"\0" + encoded)


def make_entry(device: DeviceKeys) -> pb.DeviceEntry:
    """A device's own entry (section 3.2)."""
    address, account_key = device.address, device.account.public
    message = device_entry_message(
        address.user, account_key, address.device, device.identity.public
    )
    return pb.DeviceEntry(
        device_id=address.device,
        signing_key=device.signing.public,
        identity_key=device.identity.public,
        proof=sign(device.signing.private, labels.DEVICE_ENTRY, message),
    )


def make_list(
    device: DeviceKeys, version: int = 1, previous: bytes = b"", others: Sequence[DeviceKeys] = ()
) -> bytes:
    """The encoded SignedDeviceList of an account with this device, and others of the account."""
    encoded = pb.DeviceList(
        user_id=device.address.user,
        account_key=device.account.public,
        version=version,
        previous=previous,
        devices=map(make_entry, (device, *others)),
    ).SerializeToString()
    signature = sign(device.account.private, labels.DEVICE_LIST, encoded)
    return pb.SignedDeviceList(list=encoded, signature=signature).SerializeToString()


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(REFUSED, f"device list: {text}")


def _check_entries(decoded: pb.DeviceList) -> dict[int, ListedDevice]:
    devices: dict[int, ListedDevice] = {}
    for entry in decoded.devices:
        _require(entry.device_id != 0, "device id zero")
        _require(entry.device_id not in devices, "a device id comes twice")
        check_x25519(entry.identity_key)
        message = device_entry_message(
            decoded.user_id, decoded.account_key, entry.device_id, entry.identity_key
        )
        verify(entry.signing_key, labels.DEVICE_ENTRY, message, entry.proof)
        devices[entry.device_id] = ListedDevice(
            entry.device_id, entry.signing_key, entry.identity_key
        )
    count = len(devices)
    _require(len({d.signing_key for d in devices.values()}) == count, "a signing key comes twice")
    _require(len({d.identity_key for d in devices.values()}) == count, "an identity key twice")
    return devices


def check_list(signed: bytes) -> DeviceList:
    """The list in an encoded SignedDeviceList, after all checks of section 3.3."""
    outer = parse(pb.SignedDeviceList, signed)
    _require(len(outer.list) <= MAX_LIST_SIZE, "too long")
    decoded = parse(pb.DeviceList, outer.list)
    try:
        check_ed25519(decoded.account_key)
        verify(decoded.account_key, labels.DEVICE_LIST, outer.list, outer.signature)
        _require(1 <= len(decoded.user_id) <= 255, "a user id has 1 to 255 bytes")
        _require(decoded.version >= 1, "version 0")
        expected = 0 if decoded.version == 1 else 32
        _require(len(decoded.previous) == expected, "`previous` has a wrong length")
        _require(1 <= len(decoded.devices) <= MAX_DEVICES, "not 1 to 16 devices")
        devices = _check_entries(decoded)
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"device list: {error}") from error
    return DeviceList(
        user=decoded.user_id,
        account_key=decoded.account_key,
        version=decoded.version,
        previous=decoded.previous,
        devices=devices,
        hash=list_hash(outer.list),
        signed=signed,
    )


def succession(known: DeviceList, further: DeviceList) -> str:
    """What a further list means (the table of section 3.3)."""
    if (further.account_key, further.user) != (known.account_key, known.user):
        return "identity changed"
    if further.version == known.version:
        return "same" if further.hash == known.hash else "equivocation"
    if further.version < known.version:
        return "older"
    if further.version == known.version + 1 and further.previous != known.hash:
        return "equivocation"
    return "newer"


def view(sender_hash: bytes, recipient_hash: bytes) -> int:
    """The number in the field `view` (section 3.4)."""
    digest = sha256(labels.VIEW + b"\0" + sender_hash + recipient_hash)
    return int.from_bytes(digest[:8], "little")


def safety_half(user: bytes, account_key: bytes) -> str:
    """The 30 digits of one account (section 3.5)."""
    f = sha256(labels.SAFETY_NUMBER + b"\0" + lp(user) + account_key)
    groups = (int.from_bytes(f[5 * i : 5 * i + 5], "big") % 100_000 for i in range(6))
    return "".join(f"{group:05}" for group in groups)


def safety_number(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> str:
    """The 60 digits of two accounts, each (user id, account key)."""
    return "".join(sorted((safety_half(*one), safety_half(*other))))


def safety_code(shown_by: tuple[bytes, bytes], shown_to: tuple[bytes, bytes]) -> bytes:
    """The QR code that one account shows to another, each (user id, account key)."""
    parties = b"".join(lp(user) + account_key for user, account_key in (shown_by, shown_to))
    return b"subrosa/1 safety code\0" + parties
