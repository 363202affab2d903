"""Random worlds of changes: two clients that get the same changes have the same group.

Changes are signed here for accounts that exist nowhere else, on whatever parents, as a client
would sign them that is behind, backdates, or breaks the rules.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from checks import Failure, expect, expect_equal
from converse_groups import AnyPeer, meet, note, tell
from remote import RemotePeer
from subrosa import group_change, labels, roster
from subrosa.errors import ProtocolError
from subrosa.group_change import Member
from subrosa.group_state import ROLE_NAMES
from subrosa.groups import GroupPeer
from subrosa.identity import DeviceKeys, DeviceList, check_list, make_list, new_device
from subrosa.primitives import ed25519_pair, sign, x25519_pair
from subrosa.protobuf import content as pbc
from subrosa.protobuf import keys as pbk
from subrosa.protobuf import parse
from subrosa.protobuf import roster as pb


@dataclass(frozen=True)
class Account:
    """An account with its lists, oldest first: some devices come and go."""

    devices: tuple[DeviceKeys, ...]
    lists: tuple[DeviceList, ...]

    @property
    def member(self) -> Member:
        return Member(self.devices[0].address.user, self.devices[0].account.public)


def new_account(user: bytes) -> Account:
    """Two devices; then one of them; then that and a third."""
    first = new_device(user)
    second, third = (
        replace(
            first,
            address=replace(first.address, device=first.address.device % 1_000_000 + 7 + i),
            signing=ed25519_pair(),
            identity=x25519_pair(),
        )
        for i in (1, 2)
    )
    lists: list[DeviceList] = []
    for others in ((second,), (), (third,)):
        previous = lists[-1].hash if lists else b""
        lists.append(check_list(make_list(first, len(lists) + 1, previous, others)))
    return Account((first, second, third), tuple(lists))


class World:
    """The changes of a group, and two that get them: a client here and the other side."""

    def __init__(self, seed: int, teller: GroupPeer, other: AnyPeer, seals: bool) -> None:
        self.source = random.Random(seed)
        self.seals = seals
        self.teller, self.other = teller, other
        self.accounts = [new_account(name) for name in (b"alice", b"bob", b"carol", b"member 4")]
        own = Account((teller.keys,), (teller.list,))
        self.owner = own
        self.group, welcome = teller.group_create("0", [other.address.user])
        tell(teller, welcome, other)
        self.all = teller.groups[self.group].roster
        self.updates: list[bytes] = []
        self.refused = 0
        others_key = teller.lists[other.address.user].account_key
        self.targets = [a.member for a in (*self.accounts, own)]
        self.targets.append(Member(other.address.user, others_key))

    def _parents(self) -> list[bytes]:
        """Whatever has come, mostly the newest, seldom on both sides of a seal."""
        epoch = self.all.current
        if self.all.former and self.source.random() < 0.15:
            epoch = self.all.former
        known = [placed.change.id for placed in epoch.changes]
        if not known or self.source.random() < 0.05:
            return [epoch.seal.id]
        count = self.source.choice((1, 1, 1, 2, 3))
        recent = known[-8:] if self.source.random() < 0.8 else known
        return sorted(set(self.source.choices(recent, k=count)))

    def _kind(self, account: Account) -> dict[str, Any]:
        kind = self.source.choice(
            ("add", "add", "add", "remove", "remove", "grant", "grant", "demote", "title",
             "timer", "picture", "leave")
        )
        if kind in group_change.TARGETED:
            count = self.source.choice((1, 1, 1, 2, 0 if kind == "add" else 3))
            return roster.named(kind, self.source.sample(self.targets, count))
        value: Any = str(self.source.randrange(10_000))
        if kind == "leave":
            value = pb.GroupLeave()
        elif kind == "timer":
            value = int(value)
        elif kind == "picture":
            value = value.encode()
        return {kind: value}

    def sign(self) -> bytes:
        """A `SignedGroupChange` with its list, in an update."""
        source = self.source
        author = source.choice([*self.accounts, self.owner, self.owner])
        parents = self._parents()
        first = author.devices[0]
        named = None
        choice = source.random()
        if self.seals and choice < 0.06:
            signed = self._seal(first, parents)
        elif choice < 0.14 and len(author.lists) > 1:
            told = parse(pbk.SignedDeviceList, source.choice(author.lists[1:]).signed)
            signed = group_change.make_by_account(first, self.group, parents, devices=told)
        else:
            named = source.choice(author.lists)
            devices = [d for d in author.devices if d.address.device in named.devices]
            signed = group_change.make_change(
                source.choice(devices), named, self.group, parents, **self._kind(author)
            )
        update = pb.GroupUpdate()
        update.changes.add().ParseFromString(signed)
        if named:
            update.lists.add().ParseFromString(named.signed)
        return update.SerializeToString()

    def _seal(self, keys: DeviceKeys, parents: list[bytes]) -> bytes:
        """A seal of the last epoch or the one before; its roster is seldom another."""
        state = self.all
        epoch = state.current
        if state.former and parents[0] in {state.former.seal.id, *state.former.index()}:
            epoch = state.former
        owner = self.source.choice([epoch.owner, *self.targets])
        try:
            past = epoch.past_of(parents)
        except KeyError:
            past = 0
        base = roster.Rule(epoch, past).state().handed_to(owner)
        seal = pb.GroupSeal(owner=owner.encode(), roster=base.hash(), previous=epoch.seal.id)
        return group_change.make_by_account(keys, self.group, parents, seal=seal)

    def begin(self) -> None:
        """All accounts are members at first, two of them admins."""
        keys, own_list = self.owner.devices[0], self.owner.lists[0]
        accounts = [account.member for account in self.accounts]
        for kind, found in (("add", accounts), ("grant", accounts[:2])):
            self.all, update = self.all.change(keys, own_list, **roster.named(kind, found))
            self.updates.append(update)

    def grow(self, count: int) -> None:
        """More changes, some of which are refused: these are told too."""
        self.begin()
        while len(self.updates) < count:
            update = self.sign()
            self.all, outcome = self.all.update(update)
            if outcome.refused and self.source.random() < 0.85:
                continue
            self.refused += bool(outcome.refused)
            self.updates.append(update)

    def tell_all(self, burst: int) -> None:
        """To both in one order, and after each the states are compared."""
        here = GroupReceiver(self)
        order = list(self.updates)
        # Locally shuffled, so that something waits and something comes late.
        order.sort(key=lambda update: self.updates.index(update) + self.source.randrange(6))
        for start in range(0, len(order), burst):
            joined = pb.GroupUpdate()
            for update in order[start : start + burst]:
                joined.MergeFromString(update)
            here.hear(joined.SerializeToString())
            here.compare(f"after change {start}")
        if isinstance(self.other, RemotePeer):
            self.other.reload()
            here.compare("after reload")


class GroupReceiver:
    """What a client here makes of the same news, and the comparison with the other side."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.roster = world.teller.groups[world.group].roster
        self.silent = 0

    def hear(self, update: bytes) -> None:
        world = self.world
        try:
            after, outcome = self.roster.update(update)
        except ProtocolError:
            after, outcome = self.roster, roster.Outcome()
        told = note(world.group, pbc.GroupNews(update=update))
        if world.owner.member not in self.roster.state().members:
            # The teller is heard no more.
            self.silent += 1
            return
        try:
            world.other.group_news(world.teller.address, told)
        except ProtocolError as error:
            expect(error.word in ("refused", "malformed"), f"news: {error}")
            expect(bool(outcome.refused), f"the other side refuses news: {error}")
        self.roster = after

    def compare(self, when: str) -> None:
        head, title, members = self.world.other.group_state(self.world.group)
        state = self.roster.state()
        found = [(m.user, ROLE_NAMES[role]) for m, role in sorted(state.members.items())]
        expect_equal((head, title, members), (self.roster.head(), state.title, found), when)


def check_worlds(
    python: GroupPeer, other: AnyPeer, seeds: Sequence[int], count: int, seals: bool, burst: int
) -> str:
    meet(python, other)
    refused = counted = total = epochs = 0
    for seed in seeds:
        world = World(seed, python, other, seals)
        world.grow(count)
        try:
            world.tell_all(burst)
        except Failure as error:
            raise Failure(f"seed {seed}: {error}") from error
        refused += world.refused
        total += len(world.updates)
        counted += world.all.rule().counted.bit_count()
        epochs += len(world.all.seals)
    return f"{total} changes, {refused} refused, {counted} count at last, {epochs} seals"


def raw_change(
    account: Account, group: bytes, parents: Sequence[bytes], key: Any = None, **fields: Any
) -> bytes:
    """A `SignedGroupChange` with any field as the caller says."""
    keys = account.devices[0]
    values: dict[str, Any] = {
        "group": group, "parents": parents, "author": account.member.encode(),
        "device_id": keys.address.device, "device_list": account.lists[0].hash,
    }
    extra = fields.pop("extra", b"")
    values.update(fields)
    encoded = pb.GroupChange(**values).SerializeToString() + extra
    signature = sign((key or keys.signing).private, labels.GROUP_CHANGE, encoded)
    return pb.SignedGroupChange(change=encoded, signature=signature).SerializeToString()


def member(user: bytes, key: bytes | None = None) -> Any:
    key = ed25519_pair().public if key is None else key
    return pb.GroupMember(user_id=user, account_key=key)


def those(*found: Any) -> Any:
    return pb.GroupMembers(members=found)


def group_change_varint(value: int) -> bytes:
    output = b""
    while value >= 0x80:
        output += bytes([value & 0x7F | 0x80])
        value >>= 7
    return output + bytes([value])


def strange_changes(world: World) -> list[tuple[str, bytes]]:
    """(what, change), all on the tips that there are."""
    group, owner = world.group, world.owner
    alice, bob, carol, _ = world.accounts
    tips = world.all.parents()
    older = [placed.change.id for placed in world.all.current.changes]
    account = owner.devices[0].account
    zero: dict[str, Any] = {"device_id": 0, "device_list": b""}
    good_seal = {
        "owner": owner.member.encode(), "previous": world.all.current.seal.id,
        "roster": world.all.state().handed_to(owner.member).hash(),
    }
    many = [member(bytes([65]) * 200 + bytes([i])) for i in range(80)]

    def by_owner(parents: Sequence[bytes] = tips, key: Any = None, **fields: Any) -> bytes:
        return raw_change(owner, group, parents, key, **fields)

    def seal(**fields: Any) -> bytes:
        return by_owner(key=account, **zero, seal=pb.GroupSeal(**{**good_seal, **fields}))

    def devices(of: Account, by: Account, version: int, **fields: Any) -> bytes:
        told = parse(pbk.SignedDeviceList, of.lists[version].signed)
        values = {**zero, "devices": told, **fields}
        return raw_change(by, group, tips, by.devices[0].account, **values)

    def of_size(size: int, framing: bool) -> bytes:
        """A change of so many bytes with its signature, and the framing of both or without."""
        room = size - 500
        while True:
            length = group_change_varint(room)
            signed = by_owner(title=str(size), extra=b"\x9a\x06" + length + bytes(room))
            outer = parse(pb.SignedGroupChange, signed)
            found = len(signed) if framing else len(outer.change) + len(outer.signature)
            if found == size:
                return signed
            room += size - found

    return [
        ("16,384 bytes with framing", of_size(16_384, True)),
        ("16,385 bytes with framing", of_size(16_385, True)),
        ("16,384 bytes without framing", of_size(16_384, False)),
        ("16,385 bytes without framing", of_size(16_385, False)),
        ("no parents", by_owner((), title="a")),
        ("a parent of 31 bytes", by_owner([tips[0][:31]], title="a")),
        ("an unknown parent", by_owner([bytes(32)], title="a")),
        ("parents unsorted", by_owner(sorted(older[:3], reverse=True), title="a")),
        ("a parent twice", by_owner([tips[0]] * 2, title="a")),
        ("a parent and its parent", by_owner(sorted([*older[:2], *tips]), title="b")),
        ("17 parents", by_owner(sorted(older[:17]), title="a")),
        ("16 parents", by_owner(sorted(older[:16]), title="c")),
        ("device id 0", by_owner(device_id=0, title="a")),
        ("another device id", by_owner(device_id=7, title="a")),
        ("a list's hash of 31 bytes", by_owner(device_list=bytes(31), title="a")),
        ("an unknown list", by_owner(device_list=bytes(32), title="a")),
        ("another's list", by_owner(device_list=alice.lists[0].hash, title="a")),
        ("signed by the account key", by_owner(key=account, title="a")),
        ("signed by another's device", by_owner(key=alice.devices[0].signing, title="a")),
        ("signed by the account, of no device", by_owner(key=account, **zero, title="a")),
        ("no kind", by_owner()),
        ("a kind of a later version", by_owner(extra=b"\x9a\x06\x01a")),
        ("a field of a later version", by_owner(title="d", extra=b"\x9a\x06\x01a")),
        ("two kinds", by_owner(title="a", extra=b"\x78\x05")),
        ("of another group", raw_change(owner, bytes(32), tips, title="a")),
        ("of a group of 31 bytes", raw_change(owner, group[:31], tips, title="a")),
        ("of no group", raw_change(owner, b"", tips, title="a")),
        ("a title of 256 bytes", by_owner(title="a" * 256)),
        ("a title of 257 bytes", by_owner(title="a" * 257)),
        ("a title that is not UTF-8", by_owner(extra=b"\x6a\x01\xff")),
        ("an empty title", by_owner(title="")),
        ("a picture of 1,024 bytes", by_owner(picture=bytes(1_024))),
        ("a picture of 1,025 bytes", by_owner(picture=bytes(1_025))),
        ("an add of nobody", by_owner(add=those())),
        ("a remove of nobody", by_owner(remove=those())),
        ("a grant of nobody", by_owner(grant=those())),
        ("a demote of nobody", by_owner(demote=those())),
        ("targets unsorted", by_owner(add=those(member(b"z"), member(b"y")))),
        ("a target twice", by_owner(add=those(*[member(b"z", alice.member.key)] * 2))),
        ("one user under two keys, sorted by them",
         by_owner(add=those(*sorted((member(b"z"), member(b"z")), key=lambda m: m.account_key)))),
        ("a target of no user id", by_owner(add=those(member(b"")))),
        ("a target of 255 bytes", by_owner(add=those(member(b"u" * 255)))),
        ("a target of 256 bytes", by_owner(add=those(member(b"u" * 256)))),
        ("a target's key of 31 bytes", by_owner(add=those(member(b"x", bytes(31))))),
        ("a target's key of small order", by_owner(add=those(member(b"x", b"\x01" + bytes(31))))),
        ("a target's key not canonical", by_owner(add=those(member(b"x", b"\xff" * 32)))),
        ("a target's key that is no point", by_owner(add=those(member(b"x", b"\x02" + bytes(31))))),
        ("an author's key of small order",
         by_owner(author=member(owner.member.user, b"\x01" + bytes(31)), title="a")),
        ("80 targets, too long", by_owner(add=those(*many))),
        ("the owner demotes himself", by_owner(demote=those(owner.member.encode()))),
        ("the owner removes himself", by_owner(remove=those(owner.member.encode()))),
        ("the owner is made an admin", by_owner(grant=those(owner.member.encode()))),
        ("the owner leaves", by_owner(leave=pb.GroupLeave())),
        ("an ordinary member's title", raw_change(carol, group, tips, title="a")),
        ("an admin's title", raw_change(alice, group, tips, title="e")),
        ("an admin's grant", raw_change(alice, group, tips, grant=those(carol.member.encode()))),
        ("an admin's demote", raw_change(alice, group, tips, demote=those(bob.member.encode()))),
        ("an admin removes an admin",
         raw_change(alice, group, tips, remove=those(bob.member.encode()))),
        ("an admin removes the owner",
         raw_change(alice, group, tips, remove=those(owner.member.encode()))),
        ("the owner demotes who was removed by an admin, unseen",
         by_owner(demote=those(bob.member.encode()))),
        ("devices of the same version", devices(alice, alice, 0)),
        ("devices of another account", devices(bob, alice, 1)),
        ("devices signed by a device",
         raw_change(
             alice, group, tips, devices=parse(pbk.SignedDeviceList, alice.lists[1].signed))),
        ("devices with a device id", devices(alice, alice, 1, device_id=5)),
        ("devices", devices(alice, alice, 1)),
        ("by a list that is too old", raw_change(alice, group, [group_change.change_id(
            parse(pb.SignedGroupChange, devices(alice, alice, 1)).change)], title="a")),
        ("a seal with a nonce", seal(nonce=bytes(32))),
        ("a seal after another", seal(previous=bytes(32))),
        ("a seal after none", seal(previous=b"")),
        ("a seal of a roster of 31 bytes", seal(roster=bytes(31))),
        ("a seal for an owner of no user id", seal(owner=member(b""))),
        ("a seal for an owner of a weak key", seal(owner=member(b"x", b"\x01" + bytes(31)))),
        ("a seal by a device", by_owner(seal=pb.GroupSeal(**good_seal))),
        ("a seal by an admin", raw_change(
            alice, group, tips, alice.devices[0].account, **zero, seal=pb.GroupSeal(**good_seal))),
        ("a first seal", raw_change(
            owner, b"", (), account, **zero,
            seal=pb.GroupSeal(owner=owner.member.encode(), roster=bytes(32), nonce=bytes(32)))),
    ]


def check_strange_changes(python: GroupPeer, other: AnyPeer) -> str:
    """What is refused here is refused there, and what is taken here is taken there."""
    meet(python, other)
    world = World(1, python, other, seals=False)
    world.begin()
    keys, own_list = world.owner.devices[0], world.owner.lists[0]
    for number in range(20):
        world.all, update = world.all.change(keys, own_list, timer=number)
        world.updates.append(update)
    here = GroupReceiver(world)
    for update in world.updates:
        here.hear(update)
    here.compare("at first")
    lists = [account.lists[0] for account in (world.owner, *world.accounts)]
    taken, differ = 0, []
    for what, signed in strange_changes(world):
        update = pb.GroupUpdate()
        update.changes.add().ParseFromString(signed)
        for known in lists:
            update.lists.add().ParseFromString(known.signed)
        before = here.roster
        try:
            after, outcome = before.update(update.SerializeToString())
        except ProtocolError:
            after, outcome = before, roster.Outcome(refused=((b"", "malformed"),))
        word = "taken" if outcome.taken else "refused" if outcome.refused else "held"
        told = note(world.group, pbc.GroupNews(update=update.SerializeToString()))
        found = "accepted"
        try:
            other.group_news(python.address, told)
        except ProtocolError as error:
            found = error.word
        head = other.group_state(world.group)[0]
        here.roster = after
        taken += word == "taken"
        if head != after.head() or (word == "refused") != (found in ("refused", "malformed")):
            differ.append(f"{what}: {word} here, {found} there, head {head == after.head()}")
            if head == before.head():
                here.roster = before
    expect(not differ, "; ".join(differ))
    return f"{len(strange_changes(world))} changes, {taken} taken"


def check_strange_welcomes(python: GroupPeer, other: AnyPeer) -> str:
    """Welcomes of which something is false, and a first roster that has more than the owner."""
    meet(python, other)
    them = Member(other.address.user, python.lists[other.address.user].account_key)
    keys, own_list = python.keys, python.list
    owner = Member(keys.address.user, keys.account.public)

    def welcome(
        state: roster.State, nonce: bytes, said: roster.State | None = None, **fields: Any
    ) -> tuple[bytes, bytes, roster.Roster]:
        seal = pb.GroupSeal(owner=owner.encode(), roster=state.hash(), nonce=nonce)
        signed = group_change.make_by_account(keys, b"", (), seal=seal)
        change = group_change.parse_change(signed)
        message = pb.GroupWelcome(roster=(said or state).encode())
        message.seals.add().ParseFromString(signed)
        epoch = roster.Epoch(change, state)
        begun = roster.Roster((change,), epoch, lists={own_list.hash: own_list})
        return change.id, message.SerializeToString(), begun

    alone = roster.State({owner: roster.OWNER}, {owner: 1}, "", b"", 0)
    cases: list[tuple[str, roster.State, roster.State | None]] = [
        ("the owner alone", alone, None),
        ("all settings", replace(alone, title="t", picture=b"p", timer=9), None),
        ("another title than the seal's", alone, replace(alone, title="t")),
        ("no list version", replace(alone, versions={}), None),
        ("a list version of later", replace(alone, versions={owner: 5}), None),
        ("a member from the start",
         replace(alone, members={owner: roster.OWNER, them: roster.ORDINARY}), None),
    ]
    found = []
    for number, (what, state, said) in enumerate(cases):
        group, encoded, begun = welcome(state, bytes([number]) * 32, said)
        update = b""
        try:
            if them not in state.members:
                begun, update = begun.change(keys, own_list, **roster.named("add", [them]))
        except ProtocolError:
            pass
        news = note(group, pbc.GroupNews(welcome=encoded, update=update))
        words = []
        for hearer in (GroupPeer(them.user), other):
            if isinstance(hearer, GroupPeer) and hearer is not other:
                # A stranger under the same key, so that the same news make it a member.
                hearer.keys = replace(
                    hearer.keys, account=replace(hearer.keys.account, public=them.key)
                )
                hearer.lists[owner.user] = own_list
            try:
                _, head = hearer.group_news(python.address, news)
                words.append(head.hex()[:8])
            except ProtocolError as error:
                words.append(error.word)
        found.append((what, *words))
    differ = [f"{what}: {here} here, {there} there" for what, here, there in found if here != there]
    expect(not differ, "; ".join(differ))
    return f"{len(cases)} welcomes"


def check_orders() -> str:
    """In whatever order the same changes come, and come twice, the group is the same."""
    python, other = GroupPeer(b"python"), GroupPeer(b"other")
    meet(python, other)
    changes = orders = 0
    for seed in range(6):
        world = World(seed, python, other, seals=False)
        world.grow(40)
        begun = python.groups[world.group].roster
        for _ in range(4):
            world.source.shuffle(world.updates)
            found = begun
            for update in world.updates + world.updates[:10]:
                found, _ = found.update(update)
            expect_equal(found.head(), world.all.head(), f"head, seed {seed}")
            expect_equal(found.state(), world.all.state(), f"state, seed {seed}")
            orders += 1
        behind = begun
        welcome, update = world.all.answer(behind.ask())
        expect_equal(welcome, b"", "a welcome without a seal between")
        behind, outcome = behind.update(update)
        expect_equal((outcome.refused, outcome.wanted), ((), ()), "what an answer leaves open")
        expect_equal(behind.head(), world.all.head(), f"head after an answer, seed {seed}")
        newcomer = roster.from_welcome(world.all.make_welcome(), world.group)
        newcomer, _ = newcomer.update(world.all.changes_since())
        expect_equal(newcomer.head(), world.all.head(), f"head of a newcomer, seed {seed}")
        changes += len(world.updates)
    return f"{changes} changes, {orders} orders"


def check_seals() -> str:
    """Seals: who is behind one or more, a late change, two seals, another roster."""
    python, other = GroupPeer(b"python"), GroupPeer(b"other")
    meet(python, other)
    world = World(1, python, other, seals=False)
    world.grow(20)
    keys = python.keys
    first = world.all
    second, one = first.seal(keys)
    expect_equal(second.tips(), [], "tips after a seal")
    late, _ = first.change(keys, python.list, title="late")
    voided, outcome = second.update(late.one_change(late.tips()[0]))
    expect_equal((voided.head(), outcome.refused), (second.head(), ()), "a late change")
    third, two = second.change(keys, python.list, title="after")
    third, three = third.seal(keys)
    for behind, welcomed in ((first, True), (second, False), (voided, False)):
        welcome, update = third.answer(behind.ask())
        expect_equal(bool(welcome), welcomed, "a welcome")
        found = behind.welcome(welcome)[0] if welcome else behind
        found = found.update(update)[0]
        expect_equal(found.head(), third.head(), "head of who was behind")
    found, outcome = first.update(three)
    expect_equal(found.head(), first.head(), "what waits changes nothing")
    found, _ = found.update(two)
    found, _ = found.update(one)
    expect_equal(found.head(), third.head(), "seals in another order")
    both, another = first.change(keys, python.list, timer=77)
    both, rival = both.seal(keys)
    kept, outcome = second.update(another)
    kept, outcome = kept.update(rival)
    expect_equal(kept.head(), second.head(), "two seals, one of which is followed")
    joined = pb.GroupUpdate()
    for part in (one, another, rival, two):
        joined.MergeFromString(part)
    stopped, outcome = first.update(joined.SerializeToString())
    expect(stopped.stopped and "two seals" in outcome.events, "two seals, and it goes on")
    chosen, _ = stopped.choose(both.current.seal.id)
    expect_equal(chosen.head(), both.head(), "the seal that was chosen")
    chosen, _ = stopped.choose(second.current.seal.id)
    expect_equal(chosen.tips(), second.update(two)[0].tips(), "the other, and what waited")
    false = pb.GroupSeal(
        owner=third.state().owner.encode(),
        roster=replace(third.state(), title="another").hash(), previous=third.current.seal.id,
    )
    signed = group_change.make_by_account(keys, world.group, third.parents(), seal=false)
    update = pb.GroupUpdate()
    update.changes.add().ParseFromString(signed)
    astray, _ = third.update(update.SerializeToString())
    expect(astray.stopped, "another roster is followed, and it goes on")
    update = pb.GroupUpdate(roster=replace(third.state(), title="another").encode())
    astray, _ = astray.update(update.SerializeToString())
    expect_equal((astray.stopped, astray.state().title), (False, "another"), "the roster has come")
    return ""


class Story:
    """Changes one after the other, each on all before it, and an order in which they are told."""

    def __init__(self, python: GroupPeer, other: AnyPeer) -> None:
        meet(python, other)
        self.world = World(1, python, other, seals=True)
        self.last = self.world.all
        self.told: list[bytes] = []

    def _take(self, update: bytes) -> None:
        self.last, outcome = self.last.update(update)
        expect(bool(outcome.taken), f"a change of the story: {outcome.refused}")
        self.told.append(update)

    def change(self, by: Account, version: int = 0, **kind: Any) -> None:
        named = by.lists[version]
        signed = raw_change(
            by, self.world.group, self.last.parents(), device_list=named.hash, **kind
        )
        update = pb.GroupUpdate()
        update.changes.add().ParseFromString(signed)
        update.lists.add().ParseFromString(named.signed)
        self._take(update.SerializeToString())

    def seal(self, by: Account, owner: Account) -> None:
        _, update = self.last.seal(by.devices[0], owner.member)
        self._take(update)

    def tell(self) -> None:
        here = GroupReceiver(self.world)
        for number, update in enumerate(self.told):
            here.roster, _ = here.roster.update(update)
            told = note(self.world.group, pbc.GroupNews(update=update))
            self.world.other.group_news(self.world.teller.address, told)
            here.compare(f"after change {number} of the story")


def accounts_of(*found: Account) -> Any:
    return those(*[member.encode() for member in sorted(a.member for a in found)])


def check_shared_list(python: GroupPeer, other: AnyPeer) -> str:
    """A list that a change names which is held, and one of an epoch that is dropped."""
    story = Story(python, other)
    owner, (alice, bob, *_) = story.world.owner, story.world.accounts
    story.change(owner, add=accounts_of(alice, bob))
    story.change(owner, grant=accounts_of(alice))
    story.change(alice, 2, title="by the list that is shared")
    story.seal(owner, owner)
    story.change(owner, timer=1)
    story.seal(owner, owner)
    story.change(alice, 2, title="held until the seal comes")
    story.told[-2:] = story.told[:-3:-1]
    story.tell()
    return ""


def check_new_owner(python: GroupPeer, other: AnyPeer) -> str:
    """Who was no member tells the seal by which he is the owner."""
    story = Story(python, other)
    owner, (alice, *_) = story.world.owner, story.world.accounts
    story.change(owner, add=accounts_of(alice))
    story.seal(owner, alice)
    story.change(owner, leave=pb.GroupLeave())
    story.seal(alice, owner)
    story.tell()
    return ""


class Told:
    """News told to both sides, whose states must be the same then, also after a `reload`."""

    def __init__(self, python: GroupPeer, other: AnyPeer) -> None:
        meet(python, other)
        self.world = World(1, python, other, seals=True)
        self.here = GroupReceiver(self.world)

    def tell(self, what: str, update: bytes = b"", welcome: bytes = b"") -> str:
        """What the other side answers: `ok`, or the word of its error."""
        roster_here = self.here.roster
        if welcome:
            roster_here, _ = roster_here.welcome(welcome)
        try:
            roster_here, _ = roster_here.update(update)
        except ProtocolError:
            pass
        self.here.roster, found = roster_here, "ok"
        told = note(self.world.group, pbc.GroupNews(update=update, welcome=welcome))
        try:
            self.world.other.group_news(self.world.teller.address, told)
        except ProtocolError as error:
            found = error.word
        self.here.compare(what)
        if isinstance(self.world.other, RemotePeer):
            self.world.other.reload()
            self.here.compare(f"{what}, after reload")
        return found


def update_of(*parts: bytes) -> Any:
    joined = pb.GroupUpdate()
    for part in parts:
        joined.MergeFromString(part)
    return joined


def check_strange_updates(python: GroupPeer, other: AnyPeer) -> str:
    """What makes all of an update count for nothing, and what only a part; what builds on that."""
    story = Told(python, other)
    keys, own_list = story.world.owner.devices[0], story.world.owner.lists[0]
    alice = story.world.accounts[0]
    refused = ("refused", "malformed")
    base = story.here.roster.state().encode()
    role = pb.GroupRoster()
    role.CopyFrom(base)
    role.entries[0].role = 7
    wrong_roster = replace(story.here.roster.state(), title="wrong").encode()
    # (what, is all of it lost, what is done to an update with a good change)
    short_list = pbk.SignedDeviceList.FromString(alice.lists[0].signed)
    short_list.signature = short_list.signature[:63]
    false_list = pbk.SignedDeviceList.FromString(alice.lists[0].signed)
    false_list.signature = bytes(64)
    cases: list[tuple[str, bool, dict[str, Any]]] = [
        ("a list's signature of 63 bytes", True, {"lists": [short_list]}),
        ("a list's signature that is wrong", False, {"lists": [false_list]}),
        ("an unknown role", True, {"roster": role}),
        ("a roster that nobody needs", False, {"roster": wrong_roster}),
        ("a change's signature of 63 bytes", True, {"changes": [
            pb.SignedGroupChange(change=b"", signature=bytes(63))]}),
        ("a change of 16,316 bytes", True, {"changes": [
            pb.SignedGroupChange(change=bytes(16_316), signature=bytes(64))]}),
        ("a change that is nothing", False, {"changes": [
            pb.SignedGroupChange(change=b"\xff", signature=bytes(64))]}),
    ]
    for number, (what, is_lost, fields) in enumerate(cases):
        _, good = story.here.roster.change(keys, own_list, title=f"{number}")
        update = update_of(good)
        update.MergeFrom(pb.GroupUpdate(**fields))
        before = story.here.roster.head()
        word = story.tell(what, update.SerializeToString())
        expect_equal(story.here.roster.head() == before, is_lost, f"{what}: lost")
        expect(word in (refused if is_lost else ("ok",)), f"{what}: {word}")
    # A child of what is invalid is refused with it; one of what has a wrong signature waits.
    roster_now = story.here.roster
    parents = roster_now.parents()
    account = story.world.owner

    def signed(parents: Sequence[bytes], **fields: Any) -> Any:
        made = raw_change(account, story.world.group, parents, **fields)
        return pb.SignedGroupChange.FromString(made)

    lists = [pbk.SignedDeviceList.FromString(own_list.signed)]
    invalid = signed(parents, leave=pb.GroupLeave())
    child = signed([group_change.change_id(invalid.change)], title="child of what is invalid")
    update = pb.GroupUpdate(changes=[child, invalid], lists=lists)
    word = story.tell("a child of what is invalid", update.SerializeToString())
    expect(word in refused, f"a child of what is invalid: {word}")
    expect_equal(len(story.here.roster.held), 0, "held children of what is invalid")
    right = signed(parents, title="signed")
    wrong = pb.SignedGroupChange(change=right.change, signature=bytes(64))
    child = signed([group_change.change_id(right.change)], title="child")
    update = pb.GroupUpdate(changes=[child, wrong], lists=lists)
    story.tell("a child of what is not rightly signed", update.SerializeToString())
    expect_equal(len(story.here.roster.held), 1, "held")
    update = pb.GroupUpdate(changes=[right], lists=lists)
    expect_equal(story.tell("and rightly", update.SerializeToString()), "ok", "and rightly")
    expect_equal(story.here.roster.state().title, "child", "title")
    # Of one that waits, a copy under a wrong signature costs the genuine one nothing.
    for first in (0, 1):
        parent = signed(story.here.roster.parents(), timer=first)
        right = signed([group_change.change_id(parent.change)], title=f"genuine {first}")
        wrong = pb.SignedGroupChange(change=right.change, signature=bytes(64))
        for change in ((wrong, right)[first], (right, wrong)[first], parent):
            update = pb.GroupUpdate(changes=[change], lists=lists)
            story.tell("two copies", update.SerializeToString())
        expect_equal(story.here.roster.state().title, f"genuine {first}", "title")
    # A list that came with what was refused, or that a `devices` carries, is not known by that.
    update = update_of(story.here.roster.change(keys, own_list, **roster.named(
        "add", [alice.member]))[1])
    story.tell("an add", update.SerializeToString())
    parents = story.here.roster.parents()
    told = parse(pbk.SignedDeviceList, alice.lists[1].signed)
    devices = group_change.make_by_account(
        alice.devices[0], story.world.group, parents, devices=told)
    update = pb.GroupUpdate(changes=[pb.SignedGroupChange.FromString(devices)])
    expect_equal(story.tell("devices", update.SerializeToString()), "ok", "devices")
    left = pb.SignedGroupChange.FromString(raw_change(
        alice, story.world.group, story.here.roster.parents(), leave=pb.GroupLeave(),
        device_list=alice.lists[1].hash))
    update = pb.GroupUpdate(changes=[left])
    before = story.here.roster.head()
    story.tell("by a list that came with `devices` alone", update.SerializeToString())
    expect_equal(story.here.roster.head(), before, "by a list that came with `devices` alone")
    update = pb.GroupUpdate(lists=[told])
    story.tell("the list", update.SerializeToString())
    expect(alice.member not in story.here.roster.state().members, "once the list has come")
    return f"{len(cases)} updates"


def check_unknown_roster(python: GroupPeer, other: AnyPeer) -> str:
    """A seal of a roster that nobody computes: the head is that of before, that seal a tip."""
    story = Told(python, other)
    keys, own_list = python.keys, python.list
    sealed = story.here.roster
    beside, change = sealed.change(keys, own_list, timer=5)
    other_base = replace(sealed.state(), title="another")
    seal = pb.GroupSeal(
        owner=sealed.state().owner.encode(), roster=other_base.hash(),
        previous=sealed.current.seal.id,
    )
    signed = group_change.make_by_account(keys, story.world.group, sealed.parents(), seal=seal)
    update = pb.GroupUpdate(changes=[pb.SignedGroupChange.FromString(signed)])
    expect_equal(story.tell("a seal of another roster", update.SerializeToString()), "ok", "seal")
    found = story.here.roster
    expect(found.stopped, "it goes on")
    expect_equal(found.tips(), [group_change.change_id(update.changes[0].change)], "tips")
    expect_equal(found.ask().seal, sealed.current.seal.id, "the seal that is asked with")
    story.tell("a change beside the seal", change)
    expect_equal(len(story.here.roster.tips()), 2, "tips with a change beside the seal")
    since = raw_change(
        story.world.owner, story.world.group, found.tips(), title="since the seal"
    )
    waiting = pb.GroupUpdate(changes=[pb.SignedGroupChange.FromString(since)])
    waiting.lists.add().ParseFromString(own_list.signed)
    before = story.here.roster.head()
    story.tell("a change since the seal", waiting.SerializeToString())
    expect_equal(story.here.roster.head(), before, "head with what waits")
    wrong = pb.GroupUpdate(roster=replace(other_base, title="a third").encode())
    word = story.tell("yet another roster", wrong.SerializeToString())
    expect_equal((word, story.here.roster.head()), ("ok", before), "yet another roster")
    twice = pb.GroupUpdate(roster=other_base.encode())
    twice.roster.entries.append(twice.roster.entries[-1])
    word = story.tell("a roster with a member twice", twice.SerializeToString())
    expect(word in ("ok", "refused") and story.here.roster.stopped, f"a member twice: {word}")
    right = pb.GroupUpdate(roster=other_base.encode())
    expect_equal(story.tell("the roster", right.SerializeToString()), "ok", "the roster")
    expect_equal(story.here.roster.state().title, "since the seal", "title at last")
    return ""


def check_known_welcomes(python: GroupPeer, other: AnyPeer) -> str:
    """Welcomes that go on by a seal whose past is known or not, that go back, or elsewhere."""
    story = Told(python, other)
    keys, own_list = python.keys, python.list
    start = story.here.roster
    one, first = start.change(keys, own_list, title="one")
    two, seal = one.seal(keys)
    rival, _ = start.seal(keys)
    expect_equal(story.tell("of the seals that are known", welcome=start.make_welcome()), "ok", "w")
    story.tell("a change", first)
    story.tell("by a seal whose past is known", welcome=two.make_welcome())
    expect_equal(story.here.roster.head(), two.head(), "head")
    late, update = one.change(keys, own_list, timer=3)
    word = story.tell("a late change, whose parents are known", update)
    expect_equal(word, "ok", "a late change")
    expect(story.here.roster.former is not None, "what was before is forgotten")
    story.tell("that goes back", welcome=start.make_welcome())
    before = story.here.roster.head()
    word = story.tell("of another seal", welcome=rival.make_welcome())
    expect_equal((word, story.here.roster.head()), ("ok", before), "of another seal")
    three, _ = two.change(keys, own_list, title="never told")
    three, _ = three.seal(keys)
    _, more = three.change(keys, own_list, timer=9)
    story.tell("by a seal whose past is not known", more, three.make_welcome())
    expect_equal(story.here.roster.state().timer, 9, "timer")
    expect(story.here.roster.former is None, "what was before is kept")
    _, late = two.change(keys, own_list, picture=b"late")
    before = story.here.roster.head()
    story.tell("a late change after that", late)
    expect_equal(story.here.roster.head(), before, "head after a late change")
    return ""
