"""Prekeys and bundles: SPEC.md, section 4."""

import os
from dataclasses import dataclass

from . import labels
from .errors import REFUSED, InvalidKey, ProtocolError
from .identity import Address, DeviceKeys, DeviceList, ListedDevice, check_list
from .primitives import (
    KeyPair,
    check_mlkem,
    check_x25519,
    expand,
    lp,
    mlkem_pair,
    sha256,
    sign,
    u32,
    verify,
    x25519_pair,
)
from .protobuf import keys as pb
from .protobuf import parse

MAX_DIRECTORY_ANSWER = 262_144
MAX_PREKEY = 4096
MAX_SIGNED_PREKEY = 4200
LIFETIME = 90 * 24 * 3600
SIGNED = pb.PREKEY_KIND_SIGNED
ONE_TIME = pb.PREKEY_KIND_ONE_TIME


@dataclass(frozen=True)
class PrivatePrekey:
    """A prekey of our own."""

    kind: int
    x25519: KeyPair
    mlkem_private: bytes
    sp: bytes
    id: bytes
    signed: bytes


@dataclass(frozen=True)
class PublicPrekey:
    """A prekey that passed all checks of section 4.3 or 4.5; one that has expired passed those of
    signature and kind alone."""

    x25519: bytes
    mlkem: bytes
    sp: bytes
    id: bytes
    expires_at: int


@dataclass(frozen=True)
class CheckedDevice:
    """A device of a bundle."""

    device: ListedDevice
    signed_prekey: PublicPrekey
    one_time_prekey: PublicPrekey | None


@dataclass(frozen=True)
class CheckedBundle:
    """A bundle that passed all checks of section 4.3."""

    device_list: DeviceList
    devices: tuple[CheckedDevice, ...]


def halves(seed: bytes) -> tuple[bytes, bytes]:
    """X25519 private key and ML-KEM seed of a prekey's seed (section 4.1)."""
    s = expand(seed, labels.PREKEY_HALVES, 96)
    return s[:32], s[32:]


def signed_part(address: Address, encoded: bytes) -> bytes:
    """What a prekey's signature covers, without the label (section 4.2)."""
    return lp(address.user) + u32(address.device) + encoded


def sp_of(address: Address, encoded: bytes) -> bytes:
    return labels.PREKEY + b"\0" + signed_part(address, encoded)


def id_of(sp: bytes) -> bytes:
    return sha256(sp)[:8]


def new_prekey(
    owner: DeviceKeys, kind: int, expires_at: int, seed: bytes | None = None
) -> PrivatePrekey:
    """A prekey from a fresh seed, or from the one given."""
    x25519_private, mlkem_seed = halves(seed or os.urandom(32))
    x25519 = x25519_pair(x25519_private)
    mlkem_public, mlkem_private = mlkem_pair(mlkem_seed)
    encoded = pb.Prekey(
        kind=kind, x25519=x25519.public, mlkem768=mlkem_public, expires_at=expires_at
    ).SerializeToString()
    part = signed_part(owner.address, encoded)
    signature = sign(owner.signing.private, labels.PREKEY, part)
    sp = sp_of(owner.address, encoded)
    signed = pb.SignedPrekey(prekey=encoded, signature=signature).SerializeToString()
    return PrivatePrekey(kind, x25519, mlkem_private, sp, id_of(sp), signed)


def make_bundle(
    owner: DeviceKeys, signed_list: bytes, signed: PrivatePrekey, one_time: PrivatePrekey | None
) -> bytes:
    """What a directory would answer for an account with this one device."""
    entry = pb.DeviceBundle(device_id=owner.address.device)
    entry.signed_prekey.ParseFromString(signed.signed)
    if one_time:
        entry.one_time_prekey.ParseFromString(one_time.signed)
    bundle = pb.Bundle(devices=[entry])
    bundle.device_list.ParseFromString(signed_list)
    return bundle.SerializeToString()


def check_prekey(
    user: bytes, device: ListedDevice, signed: pb.SignedPrekey, kind: int, now: int = -1
) -> PublicPrekey:
    """One prekey of a listed device; InvalidKey or ProtocolError if it is not good.

    Of one that has expired by `now` the halves are not looked at; a directory goes by no clock.
    """
    if len(signed.prekey) > MAX_PREKEY or signed.ByteSize() > MAX_SIGNED_PREKEY:
        raise ProtocolError(REFUSED, "a prekey is too long")
    address = Address(user, device.device)
    part = signed_part(address, signed.prekey)
    verify(device.signing_key, labels.PREKEY, part, signed.signature)
    prekey = parse(pb.Prekey, signed.prekey)
    if prekey.kind != kind:
        raise ProtocolError(REFUSED, "a prekey of another kind")
    sp = sp_of(address, signed.prekey)
    if prekey.expires_at > now:
        check_x25519(prekey.x25519)
        check_mlkem(prekey.mlkem768)
    return PublicPrekey(prekey.x25519, prekey.mlkem768, sp, id_of(sp), prekey.expires_at)


def check_bundle(encoded: bytes, user: bytes, now: int) -> CheckedBundle:
    """All of a bundle for the user that was asked for, or ProtocolError."""
    if len(encoded) > MAX_DIRECTORY_ANSWER:
        raise ProtocolError(REFUSED, "bundle: too long")
    bundle = parse(pb.Bundle, encoded)
    device_list = check_list(bundle.device_list.SerializeToString())
    if device_list.user != user:
        raise ProtocolError(REFUSED, "bundle: of another user")
    devices: dict[int, CheckedDevice | None] = {}
    for entry in bundle.devices:
        listed = device_list.devices.get(entry.device_id)
        if listed is None or entry.device_id in devices:
            raise ProtocolError(REFUSED, "bundle: a device that is not listed, or comes twice")
        try:
            signed = check_prekey(user, listed, entry.signed_prekey, SIGNED, now)
            alive = signed.expires_at > now
            one_time = None
            if alive and entry.HasField("one_time_prekey"):
                one_time = check_prekey(user, listed, entry.one_time_prekey, ONE_TIME, now)
        except InvalidKey as error:
            raise ProtocolError(REFUSED, f"bundle: {error}") from error
        if one_time and one_time.expires_at <= now:
            one_time = None
        devices[entry.device_id] = CheckedDevice(listed, signed, one_time) if alive else None
    found = tuple(device for device in devices.values() if device)
    if devices and not found:
        raise ProtocolError(REFUSED, "bundle: every signed prekey has expired")
    return CheckedBundle(device_list, found)
