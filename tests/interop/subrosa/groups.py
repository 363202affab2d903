"""A device that is in groups, with the operations of PEER.md for them (SPEC.md, 13 and 14).

As `Peer`: a failed call has changed nothing. It says nothing by itself.
"""

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import content, payload
from .errors import (
    REFUSED,
    UNKNOWN_HEAD,
    USAGE,
    ProtocolError,
)
from .group_change import Member
from .group_state import ROLE_NAMES
from .identity import Address
from .peer import MAX_ENVELOPE, Contact, Event, Peer, Sent
from .protobuf import content as pbc
from .protobuf import envelope as pb
from .protobuf import parse
from .protobuf import roster as pbr
from .roster import Roster, create, from_welcome, named
from .sender_key import (
    HALF_HEAD,
    Chains,
    Head,
    SendingChain,
    acknowledgement,
    check_message,
    envelope_of,
    group_view,
    new_chain,
)

MAX_HEADS = 1_024
MAX_OTHER_HEADS = 256


@dataclass(frozen=True)
class GroupEvent(Event):
    """A message to a group, whose iteration is in `seq`; without id and content if it is
    malformed inside."""

    group: bytes


@dataclass(frozen=True)
class Handed:
    """How far the chain has come to a device: `since` is the first iteration sent to it."""

    since: int
    sent: bool = False
    acknowledged: bool = False


@dataclass(frozen=True)
class Earlier:
    """What of the chains before this one did not come to a device (14.4): `missed` messages of the
    replaced chain, and `lost` ones of those between it and the last that was `acknowledged`, of
    which id and length are here."""

    missed: int = 0
    acknowledged: tuple[bytes, int] = (b"", 0)
    lost: int = 0


@dataclass(frozen=True)
class Group:
    """A group, as this device has it.

    `heads` are those that were its own, oldest first, each with who was a member then and has
    been ever since; `others` were told by `GroupNews.state`, and are as if they had been its own
    when they came to be known.
    """

    roster: Roster
    heads: Mapping[bytes, frozenset[Member]]
    others: Mapping[bytes, frozenset[Member]] = field(default_factory=dict)
    chain: SendingChain | None = None
    handed: Mapping[Address, Handed] = field(default_factory=dict)
    earlier: Mapping[Address, Earlier] = field(default_factory=dict)

    def with_roster(self, roster: Roster) -> "Group":
        head, members = roster.head(), frozenset(roster.state().members)
        heads = {h: then & members for h, then in self.heads.items() if h != head}
        heads[head] = members
        others = {h: then & members for h, then in self.others.items()}
        kept = list(heads.items())[-MAX_HEADS:]
        return replace(self, roster=roster, heads=dict(kept), others=others)

    def with_state(self, told: bytes) -> "Group":
        """A head that is none of its own, but of what is known (13.10)."""
        ask = parse(pbr.GroupAsk, told)
        head = self.roster.told_head(ask.seal, list(ask.tips))
        if head is None or head in self.heads or head in self.others:
            return self
        others = {**self.others, head: frozenset(self.roster.state().members)}
        return replace(self, others=dict(list(others.items())[-MAX_OTHER_HEADS:]))

    def named(self, half: bytes) -> tuple[bytes, frozenset[Member]]:
        """The head that begins so, and who has been a member ever since it was the newest."""
        for head, members in {**self.others, **self.heads}.items():
            if head[:HALF_HEAD] == half:
                return head, members
        raise ProtocolError(UNKNOWN_HEAD, "the group has no such head here")


class GroupPeer(Peer):
    """A device in memory that is in groups."""

    def __init__(self, user: bytes, device: int | None = None) -> None:
        super().__init__(user, device)
        self.groups: dict[bytes, Group] = {}
        self.chains = Chains()
        self.to_save: dict[tuple[bytes, Address], bytes] = {}

    @property
    def member(self) -> Member:
        return Member(self.address.user, self.keys.account.public)

    def _group(self, group: bytes) -> Group:
        if group not in self.groups:
            raise ProtocolError(USAGE, "no such group")
        return self.groups[group]

    def _known(self, user: bytes) -> Member:
        if user not in self.lists:
            raise ProtocolError(USAGE, "this user is not known")
        return Member(user, self.lists[user].account_key)

    def _is_device_of(self, members: Container[Member], address: Address) -> bool:
        """Whether it is a device, on the newest list of its user, of one of these members."""
        known = self.lists.get(address.user)
        if known is None or address.device not in known.devices:
            return False
        return Member(address.user, known.account_key) in members

    # Rosters.

    def group_create(self, title: str, users: Sequence[bytes]) -> tuple[bytes, bytes]:
        """A new group: its id, and all that a newcomer needs."""
        added = [self._known(user) for user in users]
        roster = create(self.keys, self.list, title)
        roster, _ = roster.change(self.keys, self.list, **named("add", added))
        self.groups[roster.group] = Group(roster, {}).with_roster(roster)
        return roster.group, self.group_introduce(roster.group)

    def group_change(self, group: bytes, kind: str, argument: bytes | str = b"") -> bytes:
        """The signed change, for all who are or were members by it."""
        known = self._group(group)
        if isinstance(argument, str):
            change: dict[str, Any] = {kind: argument}
        elif kind == "leave":
            change = {"leave": pbr.GroupLeave()}
        else:
            member = self._target(known, argument)
            change = named("grant" if kind == "admin" else kind, [member])
        roster, update = known.roster.change(self.keys, self.list, **change)
        self.groups[group] = known.with_roster(roster)
        return self._note(group, pbc.GroupNews(update=update))

    def group_seal(self, group: bytes, owner: bytes | None = None) -> bytes:
        """A checkpoint, or the group handed over."""
        known = self._group(group)
        to = self._target(known, owner) if owner else None
        roster, update = known.roster.seal(self.keys, to)
        self.groups[group] = known.with_roster(roster)
        return self._note(group, pbc.GroupNews(update=update))

    def _target(self, known: Group, user: bytes) -> Member:
        """Under the key that is known, but a member by that of the roster."""
        found = [m for m in known.roster.state().members if m.user == user]
        return found[0] if len(found) == 1 else self._known(user)

    def group_introduce(self, group: bytes) -> bytes:
        """All that a newcomer needs, and what the head stands for."""
        roster = self._group(group).roster
        state = roster.ask()
        news = pbc.GroupNews(
            welcome=roster.make_welcome(),
            update=roster.changes_since(),
            state=state.SerializeToString(),
        )
        return self._note(group, news)

    @staticmethod
    def _note(group: bytes, news: Any) -> bytes:
        part = pbc.GroupPart(whole=os.urandom(8), count=1, bytes=news.SerializeToString())
        note = pbc.GroupNote(group_id=group, part=part)
        return content.encode(pbc.Content(group=note))

    def group_news(self, sender: Address, encoded: bytes) -> tuple[bytes, bytes]:
        """Take in what a device said of a group: the group, and the head that follows."""
        found = content.decode(encoded)
        if isinstance(found, content.Unknown) or not found.message.HasField("group"):
            raise ProtocolError(REFUSED, "no news of a group")
        note = found.message.group
        if note.WhichOneof("kind") != "part" or note.part.count != 1:
            raise ProtocolError(USAGE, "news in parts, or none")
        news = parse(pbc.GroupNews, note.part.bytes)
        known = self.groups.get(note.group_id)
        after = self._learn(known, note.group_id, news)
        self._check_teller(known, after, sender, news.update)
        if known is None and self.member not in after.roster.state().members:
            raise ProtocolError(REFUSED, "news of a group that this account is not in")
        self.groups[note.group_id] = after
        return note.group_id, after.roster.head()

    @staticmethod
    def _learn(known: Group | None, group: bytes, news: Any) -> Group:
        refused: list[ProtocolError] = []
        if known is not None:
            roster = known.roster
            if news.welcome:
                try:
                    roster, _ = roster.welcome(news.welcome)
                except ProtocolError as error:
                    refused.append(error)
        elif news.welcome:
            roster = from_welcome(news.welcome, group)
            known = Group(roster, {})
        else:
            raise ProtocolError(REFUSED, "news of an unknown group without a welcome")
        if news.update:
            try:
                roster, outcome = roster.update(news.update)
                refused += [ProtocolError(REFUSED, text) for _, text in outcome.refused]
            except ProtocolError as error:
                refused.append(error)
        before = known.roster
        waits = {change for change, _ in roster.held} - {change for change, _ in before.held}
        followed = (roster.seals, roster.current, roster.former, roster.base_missing)
        new = waits or followed != (
            before.seals, before.current, before.former, before.base_missing
        )
        if refused and not new:
            raise refused[0]
        after = known.with_roster(roster)
        return after.with_state(news.state) if news.state else after

    def _check_teller(
        self, before: Group | None, after: Group, sender: Address, update: bytes
    ) -> None:
        """News count from the own account, from members before or by the news, and from
        somebody who says by them that he has left."""
        known = [after, *([before] if before else [])]
        states = [group.roster.state().members for group in known]
        if sender.user == self.address.user:
            return
        if any(self._is_device_of(state, sender) for state in states):
            return
        for signed in parse(pbr.GroupUpdate, update).changes:
            change = parse(pbr.GroupChange, signed.change)
            if change.HasField("leave") and change.author.user_id == sender.user:
                return
        raise ProtocolError(REFUSED, "news by a device of nobody who is a member")

    def group_state(self, group: bytes) -> tuple[bytes, str, list[tuple[bytes, str]]]:
        """Head, title, and each member's user id and role."""
        roster = self._group(group).roster
        state = roster.state()
        members = [(m.user, ROLE_NAMES[role]) for m, role in sorted(state.members.items())]
        return roster.head(), state.title, members

    # Sender keys.

    def _reading(self, known: Group) -> list[Address]:
        """The readers of whom a list is known (14.4)."""
        found = []
        for member in known.roster.state().members:
            their_list = self.lists.get(member.user)
            if their_list and their_list.account_key == member.key:
                found += [Address(member.user, device) for device in their_list.devices]
        return [address for address in found if address != self.address]

    def _must_rotate(self, known: Group) -> bool:
        """Whether a device has the chain, or may have it, that is no device of a member's."""
        members = known.roster.state().members
        return any(
            handed.sent and not self._is_device_of(members, address)
            for address, handed in known.handed.items()
        )

    def group_key(self, group: bytes, to: Address) -> bytes:
        """Hand over the chain as it stands; the first time it is made."""
        known = self._group(group)
        members = known.roster.state().members
        if self.member not in members or not self._is_device_of(members, to):
            raise ProtocolError(USAGE, "a chain is between devices of members")
        chain = known.chain or new_chain(group, self.address)
        handed = known.handed.get(to, Handed(chain.iteration))
        missed = 0 if handed.acknowledged else chain.iteration - handed.since
        earlier = known.earlier.get(to, Earlier())
        ended = earlier.acknowledged
        if ended[0] == chain.replaced_id:
            ended = (b"", 0)
        distribution = chain.distribution(missed, earlier.missed, ended, earlier.lost)
        control = pb.Control(sender_key=distribution)
        contact = self._contact(to)
        envelope = self._send_control(to, self._sending_session(contact), control)
        now_handed = {**known.handed, to: replace(handed, sent=True)}
        self.groups[group] = replace(known, chain=chain, handed=now_handed)
        return envelope

    def group_saved(self, group: bytes, to: Address) -> bytes:
        """Acknowledge the chain that this device handed over last."""
        chain_id = self.to_save.get((group, to))
        if chain_id is None:
            raise ProtocolError(USAGE, "no chain to acknowledge")
        control = pb.Control(sender_key_saved=acknowledgement(group, chain_id))
        return self._send_control(to, self._sending_session(self._contact(to)), control)

    def group_rotate(self, group: bytes) -> None:
        """Another chain, which has to be handed over again."""
        known = self._group(group)
        chain = new_chain(group, self.address, known.chain)
        self.groups[group] = replace(
            known, chain=chain, handed={}, earlier=self._earlier(known)
        )

    @staticmethod
    def _earlier(known: Group) -> dict[Address, Earlier]:
        """What the next chain has to say to each device of this one and those before."""
        chain, found = known.chain, {}
        if chain is None:
            return {}
        for to in {*known.handed, *known.earlier}:
            handed, before = known.handed.get(to), known.earlier.get(to, Earlier())
            if handed and handed.acknowledged:
                found[to] = Earlier(acknowledged=(chain.chain_id, chain.iteration))
            else:
                missed = chain.iteration - handed.since if handed else 0
                found[to] = Earlier(missed, before.acknowledged, before.lost + before.missed)
        return found

    def group_send(self, group: bytes, said: bytes) -> Sent:
        """A message to the group; `seq` of what comes back is its iteration."""
        if len(said) > payload.MAX_CONTENT:
            raise ProtocolError(USAGE, "the content is too long")
        known = self._group(group)
        if known.chain is None or known.roster.stopped:
            raise ProtocolError(USAGE, "no chain yet, or the group is stopped")
        if self.member not in known.roster.state().members or self._must_rotate(known):
            raise ProtocolError(USAGE, "no member any more, or the chain has to be replaced")
        message_id = os.urandom(payload.ID_SIZE)
        encoded = pb.Payload(
            body=message_id + said, view=group_view(self.list.hash)
        ).SerializeToString()
        return self._send_padded(known, payload.pad(encoded, b""), message_id, encoded)

    def _send_padded(
        self, known: Group, padded: bytes, message_id: bytes, encoded: bytes
    ) -> Sent:
        assert known.chain is not None
        iteration = known.chain.iteration
        chain, message = known.chain.seal(known.roster.head(), padded)
        reading = self._reading(known)
        handed = {
            address: known.handed.get(address, Handed(iteration)) for address in reading
        }
        self.groups[chain.group] = replace(known, chain=chain, handed=handed)
        return Sent(envelope_of(message), iteration, message_id, encoded)

    def receive(self, encoded: bytes) -> Event:
        """Open an envelope of a session or of a group."""
        if len(encoded) <= MAX_ENVELOPE:
            envelope = parse(pb.Envelope, encoded)
            if envelope.WhichOneof("kind") == "group_message":
                return self._receive_group(envelope.group_message)
        return super().receive(encoded)

    def _receive_group(self, message: Any) -> GroupEvent:
        head: Head = check_message(message)
        chains = self.chains.forget(self.now())
        found = chains.find(head)
        found.chain.check_iteration(found.header, head)
        group, sender = found.chain.group, found.chain.sender
        # Who is in this set has been a member without a break until now.
        roster_head, members = self._group(group).named(found.header.half)
        if not self._is_device_of(members, sender):
            raise ProtocolError(REFUSED, "a group message by somebody who is no member")
        chain, opened = found.chain.receive(
            message, head, found.header, roster_head, self.now()
        )
        self.chains = chains.put(chain)
        if opened.payload is None:
            return GroupEvent(sender, opened.iteration, b"", b"", (), group)
        said = opened.payload
        return GroupEvent(sender, opened.iteration, said.id, said.content, (), group)

    def _hear_control(
        self, contact: Contact, sender: Address, control: pb.Control
    ) -> tuple[Contact, list[str]]:
        contact, reports = super()._hear_control(contact, sender, control)
        if control.HasField("sender_key"):
            reports = [*reports, *self._hear_sender_key(sender, control.sender_key)]
        elif control.HasField("sender_key_saved"):
            reports = [*reports, *self._hear_saved(sender, control.sender_key_saved)]
        return contact, reports

    def _hear_sender_key(self, sender: Address, distribution: Any) -> list[str]:
        known = self.groups.get(distribution.group_id)
        if known is None or not self._is_device_of(known.roster.state().members, sender):
            return ["sender-key-refused"]
        try:
            self.chains, taken = self.chains.take(distribution, sender, self.now())
        except ProtocolError:
            return ["sender-key-refused"]
        self.to_save[distribution.group_id, sender] = taken.chain_id
        return ["sender-key"]

    def _hear_saved(self, sender: Address, saved: Any) -> list[str]:
        known = self.groups.get(saved.group_id)
        if known is None or known.chain is None or known.chain.chain_id != saved.chain_id:
            return []
        handed = known.handed.get(sender)
        if handed is None or not handed.sent:
            return []
        now_handed = {**known.handed, sender: replace(handed, acknowledged=True)}
        self.groups[saved.group_id] = replace(known, handed=now_handed)
        return ["sender-key-saved"]

    def missing(self, group: bytes, sender: Address) -> list[tuple[bytes, list[int]]]:
        """What has not come of each chain of a device (14.6)."""
        return [
            (chain.chain_id, self.chains.wanted(chain.name))
            for chain in self.chains.of(group, sender)
        ]
