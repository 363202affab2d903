"""Rosters of groups: SPEC.md, section 13, but for what waits, `devices` and two seals."""

from dataclasses import dataclass

from . import labels
from .errors import REFUSED, InvalidKey, ProtocolError
from .identity import check_list, list_hash
from .primitives import lp, sha256, u8, u32, verify
from .protobuf import parse
from .protobuf import roster as pb

Member = tuple[bytes, bytes]
OWNER, ADMIN, MEMBER = 1, 2, 3
SETTINGS = ("title", "picture", "timer")
RIGHTS = ("add", "remove", *SETTINGS)


@dataclass(frozen=True)
class Change:
    """One change, with the ids of all that its author had seen since the last seal."""

    id: bytes
    author: Member
    kind: str
    targets: tuple[Member, ...]
    fields: pb.GroupChange
    past: frozenset[bytes]


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(REFUSED, f"change: {text}")


def _member(raw: pb.GroupMember) -> Member:
    return (raw.user_id, raw.account_key)


def change_id(encoded: bytes) -> bytes:
    return sha256(labels.GROUP_CHANGE + b"\0" + encoded)


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


class Roster:
    """A group, as a member holds it."""

    def __init__(self, welcome: bytes) -> None:
        raw = parse(pb.GroupWelcome, welcome)
        _require(len(raw.seals) == 1, "one seal")
        seal = parse(pb.GroupChange, raw.seals[0].change)
        self._verify_account(seal, raw.seals[0])
        self.group = self.seal = change_id(raw.seals[0].change)
        self.owner = _member(seal.seal.owner)
        _require(_member(seal.author) == self.owner, "the first owner")
        self.base = {_member(entry.member): entry.role for entry in raw.roster.entries}
        self.versions = {_member(entry.member): entry.list_version for entry in raw.roster.entries}
        self.settings = {name: getattr(raw.roster, name) for name in SETTINGS}
        self.changes: dict[bytes, Change] = {}
        _require(self.roster_hash() == seal.seal.roster, "the roster that the seal names")

    def _verify_account(self, change: pb.GroupChange, signed: pb.SignedGroupChange) -> None:
        try:
            key = change.author.account_key
            verify(key, labels.GROUP_CHANGE, signed.change, signed.signature)
        except InvalidKey as error:
            raise ProtocolError(REFUSED, f"change: {error}") from error

    def roster_hash(self) -> bytes:
        """Of what is at the seal (section 13.3)."""
        title, picture = self.settings["title"].encode(), self.settings["picture"]
        data = lp(title) + lp(picture) + u32(self.settings["timer"]) + u32(len(self.base))
        for user, key in sorted(self.base):
            version = self.versions.get((user, key), 0)
            data += u8(self.base[user, key]) + _u64(version) + lp(user) + key
        return sha256(labels.GROUP_ROSTER + b"\0" + data)

    def take(self, update: bytes) -> bool:
        """Takes the only change of an update; says whether it counts then."""
        raw = parse(pb.GroupUpdate, update)
        signed = raw.changes[0]
        change = parse(pb.GroupChange, signed.change)
        _require(change.group == self.group, "its group")
        _require(list(change.parents) == sorted(set(change.parents)), "the order of its parents")
        if change.device_id == 0:
            self._verify_account(change, signed)
        else:
            lists = {list_hash(signed_list.list): signed_list for signed_list in raw.lists}
            listed = check_list(lists[change.device_list].SerializeToString())
            _require((listed.user, listed.account_key) == _member(change.author), "whose list")
            key = listed.devices[change.device_id].signing_key
            verify(key, labels.GROUP_CHANGE, signed.change, signed.signature)
        if any(p != self.seal and p not in self.changes for p in change.parents):
            return False  # late: void
        past: set[bytes] = set()
        for parent in change.parents:
            if parent != self.seal:
                past |= {parent} | self.changes[parent].past
        kind = change.WhichOneof("kind")
        targets: tuple[Member, ...] = ()
        if kind in ("grant", "demote", "add", "remove"):
            targets = tuple(_member(target) for target in getattr(change, kind).members)
        new = Change(
            change_id(signed.change), _member(change.author), kind, targets, change,
            frozenset(past),
        )
        self._judge(new)
        if kind == "seal":
            self._follow(new)
            return True
        self.changes[new.id] = new
        return new.id in self.counted(self.changes)

    def _judge(self, change: Change) -> None:
        known = {place: self.changes[place] for place in change.past}
        role = self.role(change.author, known)
        if change.kind in ("seal", "grant", "demote"):
            _require(role == OWNER, "for the owner")
        elif change.kind in RIGHTS:
            _require(role in (OWNER, ADMIN), "for admins")
            if change.kind == "remove" and role == ADMIN:
                ranks = [self.role(target, known) for target in change.targets]
                _require(OWNER not in ranks and ADMIN not in ranks, "over his own")
        else:
            _require(role in (ADMIN, MEMBER), "for members")

    def _follow(self, seal: Change) -> None:
        known = {place: self.changes[place] for place in seal.past}
        base = self.members(known)
        settings = {name: self.setting(name, known) for name in SETTINGS}
        base = {who: ADMIN if role == OWNER else role for who, role in base.items()}
        self.owner = _member(seal.fields.seal.owner)
        base[self.owner] = OWNER
        self.base, self.settings, self.changes = base, settings, {}
        _require(seal.fields.seal.previous == self.seal, "the seal before")
        self.seal = seal.id
        _require(self.roster_hash() == seal.fields.seal.roster, "the roster of the seal")

    # The rule of section 13.4, over the changes that are known.

    def _ends(self, who: Member, known: dict[bytes, Change]) -> set[bytes]:
        return {
            c.id
            for c in known.values()
            if c.author == self.owner and c.kind in ("demote", "remove") and who in c.targets
        }

    def _leaves(self, who: Member, known: dict[bytes, Change]) -> set[bytes]:
        return {c.id for c in known.values() if c.author == who and c.kind == "leave"}

    def _origins(self, who: Member, known: dict[bytes, Change]) -> list[Change | None]:
        grants = [
            c
            for c in known.values()
            if c.author == self.owner and c.kind == "grant" and who in c.targets
        ]
        return [*([None] if self.base.get(who) == ADMIN else []), *grants]

    def counted(self, known: dict[bytes, Change]) -> set[bytes]:
        built = {p for c in known.values() if c.author == self.owner for p in c.past}

        def counts(x: Change) -> bool:
            if x.author == self.owner or x.kind == "leave":
                return True
            for grant in self._origins(x.author, known):
                past = grant.past if grant else frozenset()
                ends = self._ends(x.author, known) - past
                leaves = self._leaves(x.author, known) - past
                if (
                    (grant is None or grant.id in x.past)
                    and all(x.id in known[e].past for e in ends)
                    and all(
                        left not in x.past and (x.id in known[left].past or x.id in built)
                        for left in leaves
                    )
                ):
                    return True
            return False

        return {x.id for x in known.values() if counts(x)}

    def role(self, who: Member, known: dict[bytes, Change]) -> int | None:
        if who == self.owner:
            return OWNER
        leaves = self._leaves(who, known)
        over = self._ends(who, known) | leaves
        if any(over <= (g.past if g else frozenset()) for g in self._origins(who, known)):
            return ADMIN
        about = [known[c] for c in self.counted(known) if who in known[c].targets]
        gone = leaves | {c.id for c in about if c.kind == "remove"}
        stands = any(gone <= c.past for c in about if c.kind in ("add", "demote"))
        return MEMBER if stands or (who in self.base and not gone) else None

    def members(self, known: dict[bytes, Change] | None = None) -> dict[Member, int]:
        known = self.changes if known is None else known
        everybody = set(self.base) | {who for c in known.values() for who in c.targets}
        roles = {who: self.role(who, known) for who in everybody}
        return {who: role for who, role in roles.items() if role is not None}

    def setting(self, name: str, known: dict[bytes, Change] | None = None) -> str | bytes | int:
        known = self.changes if known is None else known
        counted = [known[c] for c in self.counted(known) if known[c].kind == name]
        last = [c for c in counted if not any(c.id in other.past for other in counted)]
        if not last:
            return self.settings[name]
        smallest = min(c.author[1] for c in last)
        best = [c for c in last if c.author == self.owner]
        best = best or [c for c in last if c.author[1] == smallest]
        return getattr(max(best, key=lambda c: c.id).fields, name)

    def tips(self) -> list[bytes]:
        counted = self.counted(self.changes)
        return sorted(c for c in counted if not any(c in self.changes[x].past for x in counted))

    def head(self) -> bytes:
        return sha256(labels.GROUP_HEAD + b"\0" + self.seal + b"".join(self.tips()))
