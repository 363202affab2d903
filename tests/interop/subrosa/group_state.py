"""What a set of changes since a seal comes to: SPEC.md, sections 13.3 to 13.6.

Changes are numbered as they came, each after its parents; sets of them are integers, of which
bit i stands for change i.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import labels
from .errors import REFUSED, ProtocolError
from .group_change import MAX_PICTURE, MAX_TITLE, SETTINGS, Change, Member, check_member
from .identity import DeviceList
from .primitives import lp, sha256, u8, u32, u64
from .protobuf import roster as pb

OWNER, ADMIN, ORDINARY = pb.GROUP_ROLE_OWNER, pb.GROUP_ROLE_ADMIN, pb.GROUP_ROLE_MEMBER
ROLE_NAMES = {OWNER: "owner", ADMIN: "admin", ORDINARY: "member"}
NO_SETTINGS: dict[str, Any] = {"title": "", "picture": b"", "timer": 0}


@dataclass(frozen=True)
class State:
    """Members with role, list versions that were told, and settings."""

    members: Mapping[Member, int]
    versions: Mapping[Member, int]
    title: str
    picture: bytes
    timer: int

    @property
    def owner(self) -> Member:
        return next(member for member, role in self.members.items() if role == OWNER)

    def encode(self) -> Any:
        """The `GroupRoster`."""
        entries = [
            pb.GroupEntry(
                member=member.encode(), role=role, list_version=self.versions.get(member, 0)
            )
            for member, role in sorted(self.members.items())
        ]
        return pb.GroupRoster(
            entries=entries, title=self.title, picture=self.picture, timer=self.timer
        )

    def hash(self) -> bytes:
        """The roster hash of section 13.3."""
        title = self.title.encode()
        encoded = lp(title) + lp(self.picture) + u32(self.timer) + u32(len(self.members))
        for member, role in sorted(self.members.items()):
            version = self.versions.get(member, 0)
            encoded += u8(role) + u64(version) + lp(member.user) + member.key
        return sha256(labels.GROUP_ROSTER + b"\0" + encoded)

    def handed_to(self, owner: Member) -> "State":
        """What a seal that names this owner goes on from."""
        members = {**self.members, self.owner: ADMIN}
        members[owner] = OWNER
        versions = {m: v for m, v in self.versions.items() if m in members}
        return State(members, versions, self.title, self.picture, self.timer)


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(REFUSED, f"roster: {text}")


def check_roster(message: Any) -> State:
    """A roster of which the form is right."""
    found = [check_member(entry.member) for entry in message.entries]
    _require(found == sorted(set(found)), "members are sorted, none twice")
    roles = [entry.role for entry in message.entries]
    _require(all(role in ROLE_NAMES for role in roles), "an unknown role")
    _require(roles.count(OWNER) == 1, "not one owner")
    _require(len(message.title.encode()) <= MAX_TITLE, "too long a title")
    _require(len(message.picture) <= MAX_PICTURE, "too long a picture")
    versions = {m: e.list_version for m, e in zip(found, message.entries) if e.list_version}
    return State(
        dict(zip(found, roles)), versions, message.title, message.picture, message.timer
    )


def head_of(seal: bytes, tips: Iterable[bytes]) -> bytes:
    """Section 13.5."""
    return sha256(labels.GROUP_HEAD + b"\0" + seal + b"".join(sorted(tips)))


def bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(frozen=True)
class Placed:
    """A change among those since a seal; `past` leaves out the seal. `list` is the one that
    it names, or none where the account key has signed."""

    change: Change
    past: int
    list: DeviceList | None


@dataclass(frozen=True)
class Epoch:
    """What came since a seal; `base` is the roster that it names."""

    seal: Change
    base: State
    changes: tuple[Placed, ...] = ()

    @property
    def owner(self) -> Member:
        assert self.seal.seal is not None
        return self.seal.seal.owner

    def index(self) -> dict[bytes, int]:
        return {placed.change.id: i for i, placed in enumerate(self.changes)}

    def everything(self) -> int:
        return (1 << len(self.changes)) - 1

    def past_of(self, parents: Iterable[bytes]) -> int:
        """The past that these parents give, which are all here or the seal."""
        index, past = self.index(), 0
        for parent in parents:
            if parent != self.seal.id:
                i = index[parent]
                past |= self.changes[i].past | 1 << i
        return past


class Rule:
    """STATE(K) of section 13.4, for a set of the changes of an epoch."""

    def __init__(self, epoch: Epoch, known: int) -> None:
        self.epoch, self.base, self.owner = epoch, epoch.base, epoch.owner
        # A seal among them is one of several, none of which is followed; it counts as any
        # change of the owner's.
        self.known = list(bits(known))
        self.revocations = [i for i in self.known if self._kind(i) == "devices"]
        self.counted = self._by_owner()
        self.built = 0
        for i in bits(self.counted):
            self.built |= epoch.changes[i].past
        for i in self.known:
            if self._kind(i) in ("leave", "devices"):
                self.counted |= 1 << i
        # Ends and grants are the owner's; those of others never count.
        self.ends, self.grants = self._targets("demote", "remove"), self._targets("grant")
        self.leaves: dict[Member, list[int]] = {}
        for i in self.known:
            if self._kind(i) == "leave":
                self.leaves.setdefault(self._author(i), []).append(i)
        for i in self.known:
            if self._counts_by_admin(i):
                self.counted |= 1 << i

    def _kind(self, i: int) -> str:
        return self.epoch.changes[i].change.kind

    def _author(self, i: int) -> Member:
        return self.epoch.changes[i].change.author

    def _past(self, i: int) -> int:
        return self.epoch.changes[i].past

    def _revoked_by(self, i: int) -> Iterator[int]:
        """The `devices` that take off the device which signed a change (13.6)."""
        placed = self.epoch.changes[i]
        if placed.list is None:
            return
        for v in self.revocations:
            later = self.epoch.changes[v].change.devices
            assert later is not None
            theirs = self._author(v) == placed.change.author
            lower = placed.list.version < later.version
            if theirs and lower and placed.change.device not in later.devices:
                yield v

    def _by_owner(self) -> int:
        """Step 2: every change by the owner counts, but for those of revoked devices."""
        counted = 0
        for i in self.known:
            if self._author(i) == self.owner:
                seen = all(self._past(v) >> i & 1 for v in self._revoked_by(i))
                counted |= seen << i
        return counted

    def _targets(self, *kinds: str) -> dict[Member, list[int]]:
        found: dict[Member, list[int]] = {}
        for i in bits(self.counted):
            if self._kind(i) in kinds:
                for target in self.epoch.changes[i].change.targets:
                    found.setdefault(target, []).append(i)
        return found

    def _grants(self, member: Member) -> Iterator[tuple[int | None, int]]:
        """What made somebody an admin: the base or a grant, with the past of it."""
        if self.base.members.get(member) == ADMIN and member != self.owner:
            yield None, 0
        for g in self.grants.get(member, ()):
            yield g, self._past(g)

    def _counts_by_admin(self, i: int) -> bool:
        """Step 4."""
        author = self._author(i)
        if author == self.owner or self._kind(i) not in ("add", "remove", *SETTINGS):
            return False
        for v in self._revoked_by(i):
            if not (self._past(v) >> i & 1 or self.built >> i & 1):
                return False
        past = self._past(i)
        for g, before in self._grants(author):
            if g is not None and not past >> g & 1:
                continue
            ends = [e for e in self.ends.get(author, ()) if not before >> e & 1]
            leaves = [e for e in self.leaves.get(author, ()) if not before >> e & 1]
            if all(self._past(e) >> i & 1 for e in ends) and all(
                not past >> e & 1 and (self._past(e) >> i & 1 or self.built >> i & 1)
                for e in leaves
            ):
                return True
        return False

    def _is_admin(self, member: Member) -> bool:
        over = [*self.ends.get(member, ()), *self.leaves.get(member, ())]
        return member != self.owner and any(
            all(before >> e & 1 for e in over) for _, before in self._grants(member)
        )

    def state(self) -> State:
        """Steps 5 and 6, and the list versions of section 13.3."""
        joined: dict[Member, list[int]] = {member: [0] for member in self.base.members}
        removed: dict[Member, list[int]] = {m: list(ls) for m, ls in self.leaves.items()}
        for i in bits(self.counted):
            change = self.epoch.changes[i].change
            by_owner = change.author == self.owner
            for target in change.targets:
                if change.kind == "add" or change.kind == "demote" and by_owner:
                    joined.setdefault(target, []).append(self._past(i))
                elif change.kind == "remove":
                    removed.setdefault(target, []).append(i)
        members = {self.owner: OWNER}
        for member in {*joined, *self.grants}:
            if member == self.owner:
                continue
            if self._is_admin(member):
                members[member] = ADMIN
            elif any(
                all(past >> r & 1 for r in removed.get(member, ()))
                for past in joined.get(member, ())
            ):
                members[member] = ORDINARY
        versions = dict(self.base.versions)
        for v in self.revocations:
            told = self.epoch.changes[v].change.devices
            assert told is not None
            author = self._author(v)
            versions[author] = max(versions.get(author, 0), told.version)
        return State(members, versions, **{name: self._setting(name) for name in SETTINGS})

    def _setting(self, name: str) -> Any:
        """Step 6."""
        found = [i for i in bits(self.counted) if self._kind(i) == name]
        newest = [i for i in found if not any(self._past(j) >> i & 1 for j in found)]
        if not newest:
            return getattr(self.base, name)

        def rank(i: int) -> tuple[bool, bytes, bytes]:
            change = self.epoch.changes[i].change
            inverted = bytes(255 - byte for byte in change.author.key)
            return change.author == self.owner, inverted, change.id

        return self.epoch.changes[max(newest, key=rank)].change.setting

    def tips(self) -> list[bytes]:
        """The changes that count and are in the past of no other that counts."""
        behind = 0
        for i in bits(self.counted):
            behind |= self._past(i)
        return sorted(self.epoch.changes[i].change.id for i in bits(self.counted & ~behind))

    def with_pasts(self) -> int:
        """What counts, and what is in the past of what counts."""
        found = self.counted
        for i in bits(self.counted):
            found |= self._past(i)
        return found
