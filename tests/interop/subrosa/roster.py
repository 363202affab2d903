"""The roster of a group, as one client has it: SPEC.md, section 13.

A `Roster` never changes: what takes something in returns the next one.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import MALFORMED, REFUSED, USAGE, ProtocolError
from .group_change import (
    MAX_CHANGE,
    MAX_PARENTS,
    Change,
    Member,
    id_of_signed,
    make_by_account,
    make_change,
    members,
    parse_change,
)
from .group_state import (
    ADMIN,
    ORDINARY,
    OWNER,
    ROLE_NAMES,
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

# A change and its signature: of one that waits it is open which signature is right.
Signed = tuple[bytes, bytes]
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


class NotSigned(ProtocolError):
    """Refused by its list or its signature: the same change may still come under right ones."""


@dataclass(frozen=True)
class Outcome:
    """What came of an update: ids of changes, why some were refused (a roster has no id), what is
    to be asked for."""

    taken: tuple[bytes, ...] = ()
    refused: tuple[tuple[bytes, str], ...] = ()
    wanted: tuple[bytes, ...] = ()
    events: tuple[str, ...] = ()

    def then(self, later: "Outcome") -> "Outcome":
        """This and what came after it."""
        return Outcome(
            self.taken + later.taken, self.refused + later.refused, later.wanted,
            self.events + later.events,
        )


@dataclass(frozen=True)
class Roster:
    """Seals that are followed, and what came since the last and since the one before it.

    `lists` are those that a change names which is kept or held.

    While `base_missing`, the last seal names a roster that is not known, and nothing since it
    can be judged. `choices` are seals of one owner among which a person has to choose.
    """

    seals: tuple[Change, ...]
    current: Epoch
    former: Epoch | None = None
    lists: Mapping[bytes, DeviceList] = field(default_factory=dict)
    held: Mapping[Signed, bytes] = field(default_factory=dict)
    base_missing: bool = False
    choices: tuple[bytes, ...] = ()

    @property
    def group(self) -> bytes:
        return self.seals[0].id

    @property
    def stopped(self) -> bool:
        """Nothing is sent or changed meanwhile."""
        return self.base_missing or bool(self.choices)

    @property
    def shown(self) -> Epoch:
        """What the head stands for: while the last seal's roster is not known, what is since the
        seal before, that seal among it (13.5)."""
        if not self.base_missing:
            return self.current
        assert self.former is not None
        return self.former

    def rule(self) -> Rule:
        return Rule(self.shown, self.shown.everything())

    def state(self) -> State:
        return self.rule().state()

    def tips(self) -> list[bytes]:
        return self.rule().tips()

    def head(self) -> bytes:
        return head_of(self.shown.seal.id, self.tips())

    def counts(self, change: bytes) -> bool:
        """Whether a change of this id counts; a seal if it is followed."""
        if any(change == seal.id for seal in self.seals):
            return True
        index = self.shown.index().get(change)
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
        check_outline(message)
        state = self._learn_lists(message.lists)
        refused: list[tuple[bytes, str]] = []
        if message.HasField("roster"):
            try:
                state = state._learn_base(message.roster)
            except ProtocolError as error:
                refused.append((b"", error.text))
        fresh = [signed.SerializeToString() for signed in message.changes]
        state, outcome = state._take(fresh)
        return state, replace(outcome, refused=(*refused, *outcome.refused))

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
        if base.hash() != seal.roster:
            # Not the one that was asked for: passed over.
            return self
        if base.owner != seal.owner:
            raise ProtocolError(REFUSED, "group update: a roster with another owner")
        return replace(self, current=replace(self.current, base=base), base_missing=False)

    def _take(self, fresh: Sequence[bytes]) -> tuple["Roster", Outcome]:
        """Judge what is new and what was held, as long as something comes of it."""
        state, events = self, []
        waiting: dict[Signed, Change] = {}
        refused: list[tuple[bytes, str]] = []
        taken: list[bytes] = []
        # What is invalid for good, and so all that descends from it.
        invalid: set[bytes] = set()
        for signed in [*self.held.values(), *fresh]:
            try:
                change = parse_change(signed)
                waiting.setdefault((change.id, change.signature), change)
            except ProtocolError as error:
                refused.append((id_of_signed(signed), error.text))
                invalid.add(refused[-1][0])
        wanted: dict[bytes, None] = {}
        progress = True
        while progress:
            progress, wanted = False, {}
            for name, change in list(waiting.items()):
                if state.knows(change.id):
                    del waiting[name]
                    continue
                try:
                    if not invalid.isdisjoint(change.parents):
                        raise ProtocolError(REFUSED, "group change: built on what is invalid")
                    state = state._add(change)
                except Held as held:
                    wanted.update(dict.fromkeys(held.wanted))
                    continue
                except ProtocolError as error:
                    refused.append((change.id, error.text))
                    del waiting[name]
                    if not isinstance(error, NotSigned):
                        invalid.add(change.id)
                        progress = True
                    continue
                taken.append(change.id)
                del waiting[name]
                progress = True
            if not progress:
                state, event = state._follow()
                progress = bool(event)
                events += [event] if event else []
        newest = list(waiting.items())[-MAX_HELD:]
        state = replace(state, held={name: change.signed for name, change in newest})
        state = state._without_lists([change.list_hash for _, change in newest])
        here = {change.id for change in waiting.values()}
        lacking = tuple(lacks for lacks in wanted if lacks not in here)
        return state, Outcome(tuple(taken), tuple(refused), lacking, tuple(events))

    def _without_lists(self, held: Iterable[bytes]) -> "Roster":
        """Without the lists that nothing names which is kept, or held."""
        epochs = [self.current, *([self.former] if self.former else [])]
        kept = {placed.list.hash for epoch in epochs for placed in epoch.changes if placed.list}
        kept.update(held)
        return replace(self, lists={name: one for name, one in self.lists.items() if name in kept})

    def _add(self, change: Change) -> "Roster":
        """Section 13.2, steps 1 to 4. Held, or ProtocolError(refused)."""
        if change.group != self.group:
            raise ProtocolError(REFUSED, "group change: of another group")
        epoch = self._epoch_of(change.parents)
        named = self._list_of(change)
        key = named.devices[change.device].signing_key if named else change.author.key
        try:
            change.check_signature(key)
        except ProtocolError as error:
            raise NotSigned(error.word, error.text) from error
        placed = Placed(change, epoch.past_of(change.parents), named)
        _check_valid(epoch, placed)
        if len(epoch.changes) >= MAX_KEPT:
            raise ProtocolError(REFUSED, "group change: too many since the seal")
        after = replace(epoch, changes=(*epoch.changes, placed))
        if epoch is self.current:
            return replace(self, current=after)
        return replace(self, former=after)

    def _epoch_of(self, parents: Sequence[bytes]) -> Epoch:
        """Step 1: since which seal all the parents are. What is unknown counts before all else."""
        missing, places, is_open, wrong = [], set(), False, ""
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
                    is_open = True
                else:
                    wrong = "behind a seal not followed"
                break
            else:
                if parent in seals:
                    wrong = "behind the seal before the last"
                else:
                    missing.append(parent)
        if missing or is_open:
            raise Held(missing)
        if wrong or len(places) > 1:
            text = wrong or "parents on both sides of a seal"
            raise ProtocolError(REFUSED, f"group change: {text}")
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
            raise NotSigned(REFUSED, "group change: a list without its author's device")
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
        """What somebody gets who is behind; of a group that is known. One that does not go on from
        the seals that are followed is passed over."""
        seals, base = check_welcome(encoded, self.group)
        ours = [seal.id for seal in self.seals]
        theirs = [seal.id for seal in seals]
        common = min(len(ours), len(theirs))
        behind = len(theirs) < len(ours) or len(theirs) == len(ours) and not self.base_missing
        if ours[:common] != theirs[:common] or behind:
            return self, Outcome()
        state, found = self, Outcome()
        for seal in seals[len(ours) :]:
            if not state._knows_what_is_before(seal):
                break
            state, outcome = state._take([seal.signed])
            found = found.then(outcome)
            if not state.counts(seal.id):
                return state, found
        if state.current.seal.id == theirs[-1]:
            if state.base_missing:
                current = replace(state.current, base=base)
                state = replace(state, current=current, base_missing=False)
        else:
            # What is known of before is forgotten, but for the seals.
            state = replace(
                state, seals=tuple(seals), current=Epoch(seals[-1], base), former=None,
                base_missing=False, choices=(),
            )
        state, outcome = state._take([])
        return state, found.then(outcome)

    def _knows_what_is_before(self, seal: Change) -> bool:
        """Whether the next seal of a welcome can be taken as a change like any (13.7)."""
        others = any(placed.change.id != seal.id for placed in self._open_seals())
        return not (self.base_missing or others) and all(map(self.knows, seal.parents))

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

    def _current_rule(self) -> Rule:
        return Rule(self.current, self.current.everything())

    def changes_since(self, tips: Iterable[bytes] = ()) -> bytes:
        """An update of what counts, with its past, but for the past of these tips."""
        wanted = self._current_rule().with_pasts() & ~_behind(self.current, tips)
        return self._encode([p for i, p in enumerate(self.current.changes) if wanted >> i & 1])

    def one_change(self, change: bytes) -> bytes:
        """An update of one change that is known."""
        for epoch in (self.current, self.former):
            if epoch and change in epoch.index():
                return self._encode([epoch.changes[epoch.index()[change]]])
        raise ProtocolError(USAGE, "no such change")

    def ask(self, wanted: Sequence[bytes] = ()) -> Any:
        return pb.GroupAsk(
            seal=self.shown.seal.id, tips=self.tips()[:MAX_ASKED], wanted=wanted[:MAX_ASKED]
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
        wanted = self._current_rule().with_pasts() & ~_behind(self.current, ask.tips)
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

    def told_head(self, seal: bytes, tips: Sequence[bytes]) -> bytes | None:
        """The head that a seal and tips give, if all of them are known here: what is since the
        last two seals, and every seal (13.10)."""
        seals = [followed.id for followed in self.seals]
        known = set(seals)
        for epoch in (self.current, self.former):
            if epoch and epoch.seal.id == seal:
                known.update(epoch.index())
        return head_of(seal, tips) if seal in seals and known.issuperset(tips) else None

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


def check_outline(update: Any) -> None:
    """ProtocolError(malformed) for what makes a `GroupUpdate` count for nothing (13.2)."""

    def require(condition: bool, text: str) -> None:
        if not condition:
            raise ProtocolError(MALFORMED, f"group update: {text}")

    for signed in (*update.changes, *update.lists):
        require(len(signed.signature) == 64, "a signature has 64 bytes")
    for signed in update.changes:
        require(len(signed.change) <= MAX_CHANGE, "a change that is too long")
    for entry in update.roster.entries:
        require(entry.role in ROLE_NAMES, "an unknown role")


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
