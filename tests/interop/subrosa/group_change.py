"""Changes of a group: their form, id and signature (SPEC.md, section 13.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import labels
from .errors import REFUSED, InvalidKey, ProtocolError
from .identity import DeviceKeys, DeviceList, check_list
from .primitives import KeyPair, check_ed25519, sha256, sign, verify
from .protobuf import parse
from .protobuf import roster as pb

# With its signature, as a `SignedGroupChange`, 16,384.
MAX_CHANGE = 16_315
MAX_PARENTS = 16
MAX_TITLE = 256
MAX_PICTURE = 1_024
HASH = 32
TARGETED = ("grant", "demote", "add", "remove")
SETTINGS = ("title", "picture", "timer")
# What the account key signs.
BY_ACCOUNT = ("seal", "devices")


class Member(NamedTuple):
    """A user under an account key; ordered as rosters are."""

    user: bytes
    key: bytes

    def encode(self) -> Any:
        return pb.GroupMember(user_id=self.user, account_key=self.key)


@dataclass(frozen=True)
class Seal:
    """What a seal says."""

    owner: Member
    roster: bytes
    previous: bytes


@dataclass(frozen=True)
class Change:
    """A change whose form is right; nothing else of it has been checked."""

    id: bytes
    signed: bytes
    encoded: bytes
    signature: bytes
    group: bytes
    parents: tuple[bytes, ...]
    author: Member
    device: int
    list_hash: bytes
    kind: str
    targets: tuple[Member, ...] = ()
    seal: Seal | None = None
    devices: DeviceList | None = None
    setting: Any = None

    @property
    def is_first(self) -> bool:
        return self.seal is not None and not self.seal.previous

    def check_signature(self, key: bytes) -> None:
        try:
            verify(key, labels.GROUP_CHANGE, self.encoded, self.signature)
        except InvalidKey as error:
            raise ProtocolError(REFUSED, f"group change: {error}") from error


def change_id(encoded: bytes) -> bytes:
    return sha256(labels.GROUP_CHANGE + b"\0" + encoded)


def id_of_signed(signed: bytes) -> bytes:
    """The id of what is in an encoded `SignedGroupChange`, whatever its form."""
    return change_id(parse(pb.SignedGroupChange, signed).change)


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(REFUSED, f"group change: {text}")


def check_member(message: Any) -> Member:
    """A member whose user id and key are as in 3.1 and 2.2."""
    _require(1 <= len(message.user_id) <= 255, "a user id has 1 to 255 bytes")
    try:
        return Member(message.user_id, check_ed25519(message.account_key))
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"group change: {error}") from error


def _check_seal(decoded: Any, author: Member) -> Seal:
    seal = decoded.seal
    owner = check_member(seal.owner)
    _require(len(seal.roster) == HASH, "the hash of a roster has 32 bytes")
    if decoded.group:
        _require(len(seal.previous) == HASH and not seal.nonce, "no `previous`, or a nonce beside")
    else:
        _require(len(seal.nonce) == HASH and not seal.previous, "no nonce, or `previous` beside")
        _require(owner == author, "a first seal by somebody else than the owner")
    return Seal(owner, seal.roster, seal.previous)


def parse_change(signed: bytes) -> Change:
    """A change from an encoded `SignedGroupChange`; ProtocolError unless its form is right."""
    outer = parse(pb.SignedGroupChange, signed)
    _require(len(outer.change) <= MAX_CHANGE, "too long")
    _require(len(outer.signature) == 64, "a signature has 64 bytes")
    decoded = parse(pb.GroupChange, outer.change)
    kind = decoded.WhichOneof("kind")
    if kind is None:
        raise ProtocolError(REFUSED, "group change: of no kind")
    author = check_member(decoded.author)
    parents = tuple(decoded.parents)
    first = kind == "seal" and not decoded.group
    _require(first or len(decoded.group) == HASH, "a group id has 32 bytes")
    _require(all(len(parent) == HASH for parent in parents), "a parent has 32 bytes")
    _require(list(parents) == sorted(set(parents)), "parents are sorted, none twice")
    _require(not parents if first else 1 <= len(parents) <= MAX_PARENTS, "number of parents")
    if kind in BY_ACCOUNT:
        _require(not decoded.device_id and not decoded.device_list, "a device beside the account")
    else:
        _require(decoded.device_id != 0 and len(decoded.device_list) == HASH, "no device")
    targets: tuple[Member, ...] = ()
    devices = seal = setting = None
    if kind in TARGETED:
        targets = tuple(map(check_member, getattr(decoded, kind).members))
        _require(list(targets) == sorted(set(targets)), "targets are sorted, none twice")
    elif kind == "seal":
        seal = _check_seal(decoded, author)
    elif kind == "devices":
        devices = check_list(decoded.devices.SerializeToString())
        _require((devices.user, devices.account_key) == author, "another's device list")
    elif kind in SETTINGS:
        setting = getattr(decoded, kind)
        _require(kind != "title" or len(setting.encode()) <= MAX_TITLE, "too long a title")
        _require(kind != "picture" or len(setting) <= MAX_PICTURE, "too long a picture")
    return Change(
        change_id(outer.change), signed, outer.change, outer.signature, decoded.group, parents,
        author, decoded.device_id, decoded.device_list, kind, targets, seal, devices, setting,
    )


def _sign(decoded: Any, key: KeyPair) -> bytes:
    encoded = decoded.SerializeToString()
    signature = sign(key.private, labels.GROUP_CHANGE, encoded)
    return pb.SignedGroupChange(change=encoded, signature=signature).SerializeToString()


def _author(keys: DeviceKeys) -> Any:
    return Member(keys.address.user, keys.account.public).encode()


def members(found: Iterable[Member]) -> Any:
    return pb.GroupMembers(members=[member.encode() for member in sorted(set(found))])


def make_change(
    keys: DeviceKeys, own_list: DeviceList, group: bytes, parents: Sequence[bytes], **kind: Any
) -> bytes:
    """An encoded change signed by this device; `kind` is one field of the `oneof`."""
    decoded = pb.GroupChange(
        group=group, parents=sorted(parents), author=_author(keys),
        device_id=keys.address.device, device_list=own_list.hash, **kind,
    )
    return _sign(decoded, keys.signing)


def make_by_account(
    keys: DeviceKeys, group: bytes, parents: Sequence[bytes], **kind: Any
) -> bytes:
    """An encoded change signed by the account key: a seal, or `devices`."""
    decoded = pb.GroupChange(group=group, parents=sorted(parents), author=_author(keys), **kind)
    return _sign(decoded, keys.account)
