"""Publications, and what a directory checks of them: SPEC.md, section 4.5."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import REFUSED, USAGE, InvalidKey, ProtocolError
from .identity import Address, DeviceList, ListedDevice, check_list, succession
from .prekeys import ONE_TIME, SIGNED, PublicPrekey, check_prekey
from .protobuf import directory as pb
from .protobuf import parse

ID_SIZE = 16
MAX_PUBLICATION = 262_144
MAX_ONE_TIME = 100
ADDED = pb.STOCK_ADDED
WHOLE = pb.STOCK_WHOLE


@dataclass(frozen=True)
class CheckedPublication:
    """A publication that passed all checks; `message` has its prekeys as they came."""

    message: Any
    id: bytes
    device_list: DeviceList
    device: ListedDevice
    signed_prekey: PublicPrekey
    one_time_prekeys: tuple[PublicPrekey, ...]
    stock: int


def make_publication(
    owner: Address, signed_list: bytes, signed: bytes, one_time: Sequence[bytes], stock: int,
    publication_id: bytes | None = None,
) -> bytes:
    """What a device publishes: encoded list and prekeys, under a fresh id or the one given."""
    if len(one_time) > MAX_ONE_TIME:
        raise ProtocolError(USAGE, "publication: more than 100 one-time prekeys")
    publication = pb.Publication(
        id=publication_id or os.urandom(ID_SIZE), device_id=owner.device, stock=stock
    )
    publication.device_list.ParseFromString(signed_list)
    publication.signed_prekey.ParseFromString(signed)
    for prekey in one_time:
        publication.one_time_prekeys.add().ParseFromString(prekey)
    return publication.SerializeToString()


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(REFUSED, f"publication: {text}")


def check_publication(encoded: bytes, known: DeviceList | None = None) -> CheckedPublication:
    """All of a publication, `known` being the list that the directory has of the user.

    Who publishes is authenticated elsewhere. A directory goes by no clock: `expires_at` need
    only be later than 0.
    """
    _require(len(encoded) <= MAX_PUBLICATION, "too long")
    publication = parse(pb.Publication, encoded)
    _require(len(publication.id) == ID_SIZE, "an id has 16 bytes")
    _require(publication.stock in (ADDED, WHOLE), "an unknown `stock`")
    _require(len(publication.one_time_prekeys) <= MAX_ONE_TIME, "more than 100 one-time prekeys")
    device_list = check_list(publication.device_list.SerializeToString())
    if known is not None:
        meaning = succession(known, device_list)
        _require(meaning in ("same", "newer"), f"device list: {meaning}")
    device = device_list.devices.get(publication.device_id)
    if device is None:
        raise ProtocolError(REFUSED, "publication: of a device that is not listed")
    user = device_list.user
    try:
        signed = check_prekey(user, device, publication.signed_prekey, SIGNED)
        one_time = tuple(
            check_prekey(user, device, prekey, ONE_TIME)
            for prekey in publication.one_time_prekeys
        )
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"publication: {error}") from error
    _require(all(prekey.expires_at for prekey in (signed, *one_time)), "`expires_at` of 0")
    _require(len({prekey.id for prekey in one_time}) == len(one_time), "a one-time prekey twice")
    return CheckedPublication(
        publication, publication.id, device_list, device, signed, one_time, publication.stock
    )
