"""The roster of a group, as one client has it: SPEC.md, section 13.

A `Roster` never changes: what takes something in returns the next one.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import MALFORMED, REFUSED, USAGE, ProtocolError
from .group_change import (
    MAX_PARENTS,
    Change,
    Member,
    make_by_account,
    make_change,
    members,
    parse_change,
)
from .group_state import (
    ADMIN,
    ORDINARY,
    OWNER,
    Epoch,
    Placed,
    Rule,
    State,
    check_roster,
    head_of,
)
from .identity import DeviceKeys, DeviceList, check_list
from .protobuf import keys as pbk
from .protobuf import parse
from .protobuf import roster as pb

MAX_UPDATE = 1_048_576
MAX_PAST = 16_384
MAX_HELD = 1_024
MAX_KEPT = 32_768
MAX_SEALS = 1_024
MAX_ASKED = 256
_ROLES = {
    "seal": (OWNER,),
    "grant": (OWNER,),
    "demote": (OWNER,),
    "leave": (ADMIN, ORDINARY),
    "devices": (OWNER, ADMIN, ORDINARY),
}
_MANAGERS = (OWNER, ADMIN)


class Held(Exception):
    """A change cannot be judged yet; `wanted` names what it lacks."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        super().__init__("held")
        self.wanted = tuple(wanted)


@dataclass(frozen=True)
class Outcome:
    """What came of an update: ids of changes, why some were refused, what is to be asked for."""

    taken: tuple[bytes, ...] = ()
    refused: tuple[tuple[bytes, str], ...] = ()
    wanted: tuple[bytes, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roster:
    """Seals that are followed, and what came since the last and since the one before it.

    While `base_missing`, the last seal names a roster that is not known, and nothing since it
    can be judged. `choices` are seals of one owner among which a person has to choose.
    """

    seals: tuple[Change, ...]
    current: Epoch
    former: Epoch | None = None
    lists: Mapping[bytes, DeviceList] = field(default_factory=dict)
    held: Mapping[bytes, bytes] = field(default_factory=dict)
    base_missing: bool = False
    choices: tuple[bytes, ...] = ()

    @property
    def group(self) -> bytes:
        return self.seals[0].id

    @property
    def stopped(self) -> bool:
        """Nothing is sent or changed meanwhile."""
        return self.base_missing or bool(self.choices)

    def rule(self) -> Rule:
        return Rule(self.current, self.current.everything())

    def state(self) -> State:
        return self.rule().state()

    def tips(self) -> list[bytes]:
        return self.rule().tips()

    def head(self) -> bytes:
        return head_of(self.current.seal.id, self.tips())

    def counts(self, change: bytes) -> bool:
        """Whether a change of this id counts; a seal if it is followed."""
        if any(change == seal.id for seal in self.seals):
            return True
        index = self.current.index().get(change)
        return index is not None and bool(self.rule().counted >> index & 1)

    def knows(self, change: bytes) -> bool:
        epochs = [self.current, *([self.former] if self.former else [])]
        if any(change == seal.id for seal in self.seals):
            return True
        return any(change in epoch.index() for epoch in epochs)

    # Taking in.

    def update(self, encoded: bytes) -> tuple["Roster", Outcome]:
        """Everything in an encoded `GroupUpdate` that can be judged, and what was held."""
        if len(encoded) > MAX_UPDATE:
            raise ProtocolError(REFUSED, "group update: too long")
        message = parse(pb.GroupUpdate, encoded)
        state = self._learn_lists(message.lists)
        if message.HasField("roster"):
            state = state._learn_base(message.roster)
        fresh = [signed.SerializeToString() for signed in message.changes]
        return state._take(fresh)

    def _learn_lists(self, signed_lists: Iterable[Any]) -> "Roster":
        lists = dict(self.lists)
        for signed in signed_lists:
            try:
                checked = check_list(signed.SerializeToString())
            except ProtocolError:
                continue
            lists[checked.hash] = checked
        return replace(self, lists=lists)

    def _learn_base(self, message: Any) -> "Roster":
        seal = self.current.seal.seal
        assert seal is not None
        if not self.base_missing:
            return self
        base = check_roster(message)
        if base.hash() != seal.roster or base.owner != seal.owner:
            raise ProtocolError(REFUSED, "group update: another roster than the seal's")
        return replace(self, current=replace(self.current, base=base), base_missing=False)

    def _take(self, fresh: Sequence[bytes]) -> tuple["Roster", Outcome]:
        """Judge what is new and what was held, as long as something comes of it."""
        state, events = self, []
        waiting: dict[bytes, Change] = {}
        refused: list[tuple[bytes, str]] = []
        taken: list[bytes] = []
        for signed in [*self.held.values(), *fresh]:
            try:
                change = parse_change(signed)
                waiting.setdefault(change.id, change)
            except ProtocolError as error:
                refused.append((b"", error.text))
        wanted: dict[bytes, None] = {}
        progress = True
        while progress:
            progress, wanted = False, {}
            for change in list(waiting.values()):
                if state.knows(change.id):
                    del waiting[change.id]
                    continue
                try:
                    state = state._add(change)
                except Held as held:
                    wanted.update(dict.fromkeys(held.wanted))
                    continue
                except ProtocolError as error:
                    refused.append((change.id, error.text))
                    del waiting[change.id]
                    continue
                taken.append(change.id)
                del waiting[change.id]
                progress = True
            if not progress:
                state, event = state._follow()
                progress = bool(event)
                events += [event] if event else []
        newest = list(waiting.items())[-MAX_HELD:]
        state = replace(state, held={name: change.signed for name, change in newest})
        lacking = tuple(name for name in wanted if name not in waiting)
        return state, Outcome(tuple(taken), tuple(refused), lacking, tuple(events))

    def _add(self, change: Change) -> "Roster":
        """Section 13.2, steps 1 to 4. Held, or ProtocolError(refused)."""
        if change.group != self.group:
            raise ProtocolError(REFUSED, "group change: of another group")
        epoch = self._epoch_of(change.parents)
        named = self._list_of(change)
        key = named.devices[change.device].signing_key if named else change.author.key
        change.check_signature(key)
        placed = Placed(change, epoch.past_of(change.parents), named)
        _check_valid(epoch, placed)
        if len(epoch.changes) >= MAX_KEPT:
            raise ProtocolError(REFUSED, "group change: too many since the seal")
        after = replace(epoch, changes=(*epoch.changes, placed))
        state = self
        if change.devices:
            state = replace(state, lists={**state.lists, change.devices.hash: change.devices})
        if epoch is self.current:
            return replace(state, current=after)
        return replace(state, former=after)

    def _epoch_of(self, parents: Sequence[bytes]) -> Epoch:
        """Step 1: since which seal all the parents are."""
        missing, places = [], set()
        seals = {seal.id for seal in self.seals}
        for parent in parents:
            for epoch in (self.current, self.former):
                if epoch is None:
                    continue
                if parent == epoch.seal.id:
                    places.add(epoch is self.current)
                    break
                i = epoch.index().get(parent)
                if i is None:
                    continue
                if epoch.changes[i].change.kind != "seal":
                    places.add(epoch is self.current)
                elif epoch is self.current:
                    raise Held(())
                else:
                    raise ProtocolError(REFUSED, "group change: behind a seal not followed")
                break
            else:
                if parent in seals:
                    raise ProtocolError(REFUSED, "group change: behind the seal before the last")
                missing.append(parent)
        if len(places) > 1:
            raise ProtocolError(REFUSED, "group change: parents on both sides of a seal")
        if missing:
            raise Held(missing)
        if places == {True}:
            if self.base_missing:
                assert self.current.seal.seal is not None
                raise Held([self.current.seal.seal.roster])
            return self.current
        assert self.former is not None
        return self.former

    def _list_of(self, change: Change) -> DeviceList | None:
        """Step 2: the device list that a change names."""
        if not change.list_hash:
            return None
        named = self.lists.get(change.list_hash)
        if named is None:
            raise Held([change.list_hash])
        if (named.user, named.account_key) != change.author or change.device not in named.devices:
            raise ProtocolError(REFUSED, "group change: a list without its author's device")
        return named

    def _open_seals(self) -> list[Placed]:
        return [placed for placed in self.current.changes if placed.change.kind == "seal"]

    def _follow(self) -> tuple["Roster", str]:
        """Section 13.4, step 1: follow the only seal there is; of several none by itself."""
        found = self._open_seals()
        if len(found) == 1 and not self.base_missing and not self.choices:
            return self._begin(found[0]), "seal"
        choices = tuple(placed.change.id for placed in found)
        if len(found) > 1 and choices != self.choices:
            return replace(self, choices=choices), "two seals"
        return self, ""

    def choose(self, seal: bytes) -> tuple["Roster", Outcome]:
        """What a person decides about two seals."""
        placed = next((p for p in self._open_seals() if p.change.id == seal), None)
        if placed is None or not self.choices:
            raise ProtocolError(USAGE, "no such seal to choose")
        return self._begin(placed)._take([])

    def _begin(self, placed: Placed) -> "Roster":
        """What goes on from a seal of this epoch."""
        seal = placed.change.seal
        assert seal is not None
        base = Rule(self.current, placed.past).state().handed_to(seal.owner)
        return replace(
            self,
            seals=(*self.seals, placed.change),
            former=self.current,
            current=Epoch(placed.change, base),
            base_missing=base.hash() != seal.roster,
            choices=(),
        )

    def welcome(self, encoded: bytes) -> tuple["Roster", Outcome]:
        """What somebody gets who is behind; of a group that is known."""
        seals, base = check_welcome(encoded, self.group)
        ours = [seal.id for seal in self.seals]
        theirs = [seal.id for seal in seals]
        common = min(len(ours), len(theirs))
        if ours[:common] != theirs[:common]:
            raise ProtocolError(REFUSED, "group welcome: of seals that are not followed")
        if len(theirs) < len(ours) or len(theirs) == len(ours) and not self.base_missing:
            return self, Outcome()
        current = replace(self.current, base=base)
        former = self.former
        if len(theirs) > len(ours):
            former = self.current if len(theirs) == len(ours) + 1 else None
            current = Epoch(seals[-1], base)
        state = replace(
            self, seals=tuple(seals), current=current, former=former, base_missing=False,
            choices=(),
        )
        return state._take([])

    # Telling others.

    def make_welcome(self) -> bytes:
        """All that a newcomer needs besides `changes_since`."""
        if self.base_missing:
            raise ProtocolError(USAGE, "the roster of the last seal is not known")
        message = pb.GroupWelcome(roster=self.current.base.encode())
        for seal in self.seals:
            message.seals.add().ParseFromString(seal.signed)
        return message.SerializeToString()

    def _encode(self, found: Sequence[Placed]) -> bytes:
        message = pb.GroupUpdate()
        lists: dict[bytes, DeviceList] = {}
        for placed in found:
            message.changes.add().ParseFromString(placed.change.signed)
            if placed.list:
                lists[placed.list.hash] = placed.list
        for named in lists.values():
            message.lists.add().ParseFromString(named.signed)
        return message.SerializeToString()

    def changes_since(self, tips: Iterable[bytes] = ()) -> bytes:
        """An update of what counts, with its past, but for the past of these tips."""
        wanted = self.rule().with_pasts() & ~_behind(self.current, tips)
        return self._encode([p for i, p in enumerate(self.current.changes) if wanted >> i & 1])

    def one_change(self, change: bytes) -> bytes:
        """An update of one change that is known."""
        for epoch in (self.current, self.former):
            if epoch and change in epoch.index():
                return self._encode([epoch.changes[epoch.index()[change]]])
        raise ProtocolError(USAGE, "no such change")

    def ask(self, wanted: Sequence[bytes] = ()) -> Any:
        return pb.GroupAsk(
            seal=self.current.seal.id, tips=self.tips()[:MAX_ASKED], wanted=wanted[:MAX_ASKED]
        )

    def answer(self, ask: Any) -> tuple[bytes, bytes]:
        """(welcome, update) for somebody who says what it has; empty where there is nothing."""
        check_ask(ask)
        welcome, found = b"", []
        seals = [seal.id for seal in self.seals]
        if ask.seal not in seals:
            return b"", b""
        named = set(ask.wanted)
        if self.former and ask.seal == self.former.seal.id:
            index = self.former.index().get(self.current.seal.id)
            if index is None:
                welcome = self.make_welcome()
            else:
                last = self.former.changes[index].past | 1 << index
                last &= ~_behind(self.former, ask.tips)
                found += [p for i, p in enumerate(self.former.changes) if last >> i & 1]
        elif ask.seal != self.current.seal.id:
            welcome = self.make_welcome()
        wanted = self.rule().with_pasts() & ~_behind(self.current, ask.tips)
        found += [p for i, p in enumerate(self.current.changes) if wanted >> i & 1]
        here = {placed.change.id for placed in found}
        for epoch in (self.former, self.current):
            for placed in epoch.changes if epoch else ():
                if placed.change.id in named - here:
                    found.insert(0, placed)
        message = parse(pb.GroupUpdate, self._encode(found))
        for name in named:
            if name in self.lists:
                message.lists.add().ParseFromString(self.lists[name].signed)
        assert self.current.seal.seal is not None
        if self.current.seal.seal.roster in named and not self.base_missing:
            message.roster.CopyFrom(self.current.base.encode())
        return welcome, message.SerializeToString()

    def told_state(self, seal: bytes, tips: Sequence[bytes]) -> tuple[bytes, State] | None:
        """The head that a seal and tips give, and who was a member by these, if all of them are
        known here (13.10)."""
        for epoch in (self.current, self.former):
            if epoch and epoch.seal.id == seal and all(tip in epoch.index() for tip in tips):
                return head_of(seal, tips), Rule(epoch, _behind(epoch, tips)).state()
        return None

    # Changing.

    def parents(self) -> list[bytes]:
        """What a change of our own has as parents."""
        return self.tips()[:MAX_PARENTS] or [self.current.seal.id]

    def change(
        self, keys: DeviceKeys, own_list: DeviceList, **kind: Any
    ) -> tuple["Roster", bytes]:
        """A change of our own: the state afterwards, and the update with it."""
        if self.stopped:
            raise ProtocolError(USAGE, "the group is stopped")
        signed = make_change(keys, own_list, self.group, self.parents(), **kind)
        state = self._learn_lists([parse(pbk.SignedDeviceList, own_list.signed)])
        return state._own(signed)

    def seal(self, keys: DeviceKeys, owner: Member | None = None) -> tuple["Roster", bytes]:
        """A seal of our own, in which another owner may be named."""
        if self.stopped:
            raise ProtocolError(USAGE, "the group is stopped")
        state = self.state()
        owner = owner or state.owner
        seal = pb.GroupSeal(
            owner=owner.encode(), roster=state.handed_to(owner).hash(),
            previous=self.current.seal.id,
        )
        return self._own(make_by_account(keys, self.group, self.parents(), seal=seal))

    def tell_devices(self, keys: DeviceKeys, own_list: DeviceList) -> tuple["Roster", bytes]:
        """`devices`: the own list, which has lost a device."""
        signed = parse(pbk.SignedDeviceList, own_list.signed)
        made = make_by_account(keys, self.group, self.parents(), devices=signed)
        return self._own(made)

    def _own(self, signed: bytes) -> tuple["Roster", bytes]:
        change = parse_change(signed)
        state, outcome = self._take([signed])
        if outcome.refused or change.id not in outcome.taken:
            text = outcome.refused[-1][1] if outcome.refused else "it cannot be judged"
            raise ProtocolError(USAGE, f"a change of our own is not taken: {text}")
        return state, state.one_change(change.id)


def _behind(epoch: Epoch, tips: Iterable[bytes]) -> int:
    """These changes and their pasts, as far as they are known."""
    index = epoch.index()
    found = 0
    for tip in tips:
        if tip in index:
            found |= epoch.changes[index[tip]].past | 1 << index[tip]
    return found


def _check_valid(epoch: Epoch, placed: Placed) -> None:
    """Section 13.2, step 4, and what 13.6 says of lists."""
    change, past = placed.change, placed.past

    def require(condition: bool, text: str) -> None:
        if not condition:
            raise ProtocolError(REFUSED, f"group change: {text}")

    before = Rule(epoch, past).state()
    role = before.members.get(change.author)
    require(
        change.author == epoch.owner or past.bit_count() <= MAX_PAST, "too much in its past"
    )
    require(role in _ROLES.get(change.kind, _MANAGERS), f"its author may not `{change.kind}`")
    if change.kind == "remove" and role == ADMIN:
        over = [target for target in change.targets if before.members.get(target) in _MANAGERS]
        require(not over, "an admin removes no owner and no admin")
    if change.seal:
        require(change.seal.previous == epoch.seal.id, "a seal after another one")
        return
    told = before.versions.get(change.author, 0)
    if change.devices:
        require(change.devices.version > told, "devices that were told already")
    if placed.list:
        require(placed.list.version >= told, "by an older list than was told")
    index = len(epoch.changes)
    after = replace(epoch, changes=(*epoch.changes, placed))
    require(bool(Rule(after, past | 1 << index).counted >> index & 1), "it does not count itself")


def check_ask(ask: Any) -> None:
    """ProtocolError(malformed) for lengths that cannot be."""
    hashes = [*ask.tips, *ask.wanted]
    if max(len(ask.tips), len(ask.wanted)) > MAX_ASKED:
        raise ProtocolError(MALFORMED, "group ask: more than 256 hashes")
    if any(len(name) != 32 for name in [ask.seal, *hashes]):
        raise ProtocolError(MALFORMED, "group ask: a hash has 32 bytes")


def check_welcome(encoded: bytes, group: bytes) -> tuple[list[Change], State]:
    """The seals and the roster of a `GroupWelcome` (section 13.7)."""
    if len(encoded) > MAX_UPDATE:
        raise ProtocolError(REFUSED, "group welcome: too long")
    message = parse(pb.GroupWelcome, encoded)
    if not 1 <= len(message.seals) <= MAX_SEALS:
        raise ProtocolError(REFUSED, "group welcome: number of seals")
    seals: list[Change] = []
    for signed in message.seals:
        change = parse_change(signed.SerializeToString())
        if change.seal is None:
            raise ProtocolError(REFUSED, "group welcome: something else than a seal")
        change.check_signature(change.author.key)
        if not seals:
            right = change.is_first and change.id == group
        else:
            last = seals[-1]
            assert last.seal is not None
            right = change.group == group and change.seal.previous == last.id
            right = right and change.author == last.seal.owner
        if not right:
            raise ProtocolError(REFUSED, "group welcome: a seal that does not follow")
        seals.append(change)
    base, last_seal = check_roster(message.roster), seals[-1].seal
    assert last_seal is not None
    if base.hash() != last_seal.roster or base.owner != last_seal.owner:
        raise ProtocolError(REFUSED, "group welcome: another roster than the seal's")
    return seals, base


def from_welcome(encoded: bytes, group: bytes) -> Roster:
    """A group that was not known."""
    seals, base = check_welcome(encoded, group)
    return Roster(tuple(seals), Epoch(seals[-1], base))


def create(
    keys: DeviceKeys, own_list: DeviceList, title: str, nonce: bytes | None = None
) -> Roster:
    """A new group of which this account is the owner, and nobody else a member yet."""
    owner = Member(keys.address.user, keys.account.public)
    base = State({owner: OWNER}, {owner: own_list.version}, title, b"", 0)
    seal = pb.GroupSeal(owner=owner.encode(), roster=base.hash(), nonce=nonce or os.urandom(32))
    change = parse_change(make_by_account(keys, b"", (), seal=seal))
    return Roster((change,), Epoch(change, base), lists={own_list.hash: own_list})


def named(kind: str, found: Iterable[Member]) -> dict[str, Any]:
    """The argument of `change` for a kind with targets."""
    return {kind: members(found)}
