"""Sender keys: SPEC.md, section 14.

Chains never change: sending, receiving and ending return the next state.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import labels, payload
from .chain import HeaderKey, header_key, kdf_ck
from .errors import (
    DUPLICATE,
    KEY_GONE,
    MALFORMED,
    NOT_OPENED,
    OTHER_ROSTER,
    REFUSED,
    ROLLED_BACK,
    TOO_FAR,
    UNKNOWN,
    USAGE,
    InvalidKey,
    ProtocolError,
)
from .identity import Address
from .primitives import (
    KeyPair,
    aead_open,
    aead_seal,
    check_ed25519,
    ed25519_pair,
    equal,
    expand,
    lp,
    mask,
    sha256,
    sign,
    u32,
    verify,
)
from .protobuf import envelope as pbe
from .protobuf import sender_key as pb

TAG_SIZE = SALT_SIZE = 8
HALF_HEAD = 16
HEADER_SIZE = 4 + HALF_HEAD
HEAD_SIZE = TAG_SIZE + SALT_SIZE + HEADER_SIZE
SIGNATURE_SIZE = 64
MIN_SEALED = 17
MAX_LENGTH = 1_000
TAGS_AHEAD = 8
KEPT_SECONDS = 30 * 24 * 3600
KEPT_UNENDED_SECONDS = 37 * 24 * 3600
MAX_CHAINS = 16
MAX_MISSED_CHAINS = 32


def context(group: bytes, sender: Address, chain_id: bytes) -> bytes:
    """CTX of section 14.2."""
    return group + lp(sender.user) + u32(sender.device) + chain_id


def associated_data(ctx: bytes) -> bytes:
    return sha256(labels.SENDER_CHAIN + b"\0" + ctx)


def header_key_bytes(header_seed: bytes, ctx: bytes) -> bytes:
    """hk of section 14.2."""
    return expand(header_seed, labels.SENDER_HEADER + ctx, 32)


def chain_header_key(header_seed: bytes, ctx: bytes) -> HeaderKey:
    return header_key(header_key_bytes(header_seed, ctx))


def group_view(own_list_hash: bytes) -> int:
    """The number in the field `view` (section 14.3)."""
    return int.from_bytes(sha256(labels.GROUP_VIEW + b"\0" + own_list_hash)[:8], "little")


Name = tuple[bytes, Address, bytes]


@dataclass(frozen=True)
class Header:
    """What a head carries, masked: the iteration and the first half of the roster head."""

    iteration: int
    half: bytes

    def encode(self) -> bytes:
        return u32(self.iteration) + self.half


@dataclass(frozen=True)
class Head:
    """The three parts of `GroupMessage.head`."""

    tag: bytes
    salt: bytes
    masked: bytes

    def unmask(self, mask_key: bytes) -> Header:
        clear = mask(mask_key, self.tag + self.salt + bytes(8), self.masked)
        return Header(int.from_bytes(clear[:4], "big"), clear[4:])


def split_head(head: bytes) -> Head:
    return Head(head[:TAG_SIZE], head[TAG_SIZE:16], head[16:])


def check_message(message: Any) -> Head:
    """The head; ProtocolError(malformed) for lengths that cannot be."""
    lengths = (len(message.head), len(message.signature))
    if lengths != (HEAD_SIZE, SIGNATURE_SIZE) or len(message.sealed) < MIN_SEALED:
        raise ProtocolError(MALFORMED, "a group message field of a wrong length")
    return split_head(message.head)


def covered_part(ad: bytes, roster_head: bytes, head: Head, header: Header) -> bytes:
    return ad + roster_head + head.tag + head.salt + header.encode()


def message_aead(message_key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of a message."""
    return expand(message_key, labels.MESSAGE + salt, 32), bytes(4) + salt


@dataclass(frozen=True)
class SendingChain:
    """A chain of this device's own."""

    group: bytes
    sender: Address
    chain_id: bytes
    key: bytes = field(repr=False)
    header_seed: bytes = field(repr=False)
    signing: KeyPair = field(repr=False)
    iteration: int = 0
    replaced_id: bytes = b""
    replaced_length: int = 0

    @property
    def context(self) -> bytes:
        return context(self.group, self.sender, self.chain_id)

    def distribution(
        self,
        missed: int = 0,
        replaced_missed: int = 0,
        ended: tuple[bytes, int] = (b"", 0),
        lost_before: int = 0,
    ) -> Any:
        """The chain as it stands (section 14.4); `ended` are id and length of the last chain that
        was acknowledged."""
        return pb.SenderKeyDistribution(
            group_id=self.group,
            chain_id=self.chain_id,
            chain_key=self.key,
            header_seed=self.header_seed,
            verifying_key=self.signing.public,
            iteration=self.iteration,
            replaced_chain_id=self.replaced_id,
            replaced_length=self.replaced_length,
            missed=missed,
            replaced_missed=replaced_missed,
            ended_chain_id=ended[0],
            ended_length=ended[1],
            lost_before=lost_before,
        )

    def step(self) -> tuple["SendingChain", bytes]:
        """The chain after one message, and that message's key."""
        if self.iteration >= MAX_LENGTH:
            raise ProtocolError(USAGE, "the chain is full: it has to be replaced")
        message_key, key = kdf_ck(self.key)
        return replace(self, key=key, iteration=self.iteration + 1), message_key

    def seal(
        self, roster_head: bytes, padded: bytes, salt: bytes | None = None
    ) -> tuple["SendingChain", Any]:
        """The chain afterwards, and a `GroupMessage` (section 14.3)."""
        after, message_key = self.step()
        salt = salt or os.urandom(SALT_SIZE)
        ctx = self.context
        keys = chain_header_key(self.header_seed, ctx)
        header = Header(self.iteration, roster_head[:HALF_HEAD])
        tag = keys.tag(self.iteration)
        masked = mask(keys.mask_key, tag + salt + bytes(8), header.encode())
        head = Head(tag, salt, masked)
        covered = covered_part(associated_data(ctx), roster_head, head, header)
        sealed = aead_seal(*message_aead(message_key, salt), covered, padded)
        signature = sign(self.signing.private, labels.GROUP_MESSAGE, covered + sealed)
        message = pb.GroupMessage(
            head=tag + salt + masked, sealed=sealed, signature=signature
        )
        return after, message


def new_chain(group: bytes, sender: Address, before: SendingChain | None = None) -> SendingChain:
    """A fresh chain, in place of the one before if there is one."""
    return SendingChain(
        group,
        sender,
        os.urandom(8),
        os.urandom(32),
        os.urandom(32),
        ed25519_pair(),
        replaced_id=before.chain_id if before else b"",
        replaced_length=before.iteration if before else 0,
    )


def acknowledgement(group: bytes, chain_id: bytes) -> Any:
    return pb.SenderKeyAcknowledgement(group_id=group, chain_id=chain_id)


def check_distribution(distribution: Any) -> None:
    """ProtocolError for what section 14.4 refuses, whoever it comes from; malformed for lengths."""
    wanted = {
        "group_id": 32, "chain_id": 8, "chain_key": 32, "header_seed": 32, "verifying_key": 32,
    }
    for name, size in wanted.items():
        if len(getattr(distribution, name)) != size:
            raise ProtocolError(MALFORMED, f"sender key: `{name}` of a wrong length")
    for name in ("replaced_chain_id", "ended_chain_id"):
        if len(getattr(distribution, name)) not in (0, 8):
            raise ProtocolError(MALFORMED, f"sender key: `{name}` of a wrong length")
    if distribution.iteration > MAX_LENGTH:
        raise ProtocolError(REFUSED, "sender key: an iteration above 1,000")
    try:
        check_ed25519(distribution.verifying_key)
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"sender key: {error}") from error


@dataclass(frozen=True)
class Missing:
    """A message that has not come: its key, and when it was passed over."""

    message_key: bytes = field(repr=False)
    at: int = 0


@dataclass(frozen=True)
class Opened:
    """What a group message gave; no payload if that was malformed."""

    iteration: int
    payload: payload.Opened | None
    passed_over: int


@dataclass(frozen=True)
class ReceivingChain:
    """A chain of another device's; without a key once it has ended.

    `ends` are the id and the length of the chains that it ends, that which it replaces first. Of
    what is in `copied`, all of it reached, a copy has come, and so the key is gone.
    """

    group: bytes
    sender: Address
    chain_id: bytes
    header_seed: bytes = field(repr=False)
    verifying_key: bytes
    ad: bytes
    header_key: HeaderKey
    first: int
    next: int
    key: bytes = field(repr=False)
    missing: Mapping[int, Missing] = field(default_factory=dict)
    opened: Mapping[int, bytes] = field(default_factory=dict)
    ended_at: int = 0
    superseded_at: int = 0
    replaced_id: bytes = b""
    ends: tuple[tuple[bytes, int], ...] = ()
    copied: frozenset[int] = frozenset()

    @property
    def name(self) -> Name:
        return self.group, self.sender, self.chain_id

    @property
    def is_open(self) -> bool:
        return bool(self.key)

    def tags_ahead(self) -> set[bytes]:
        """Those of the next 8."""
        ahead = range(self.next, self.next + TAGS_AHEAD) if self.is_open else ()
        return {self.header_key.tag(i) for i in ahead}

    def kept_tags(self) -> set[bytes]:
        """Those of what is missing and of what has opened."""
        return {self.header_key.tag(i) for i in (*self.missing, *self.opened)}

    def unmasked(self, head: Head) -> Header | None:
        """The header, if its iteration gives the tag."""
        header = head.unmask(self.header_key.mask_key)
        return header if equal(self.header_key.tag(header.iteration), head.tag) else None

    def check_iteration(self, header: Header, head: Head) -> None:
        """Step 2 of section 14.5."""
        iteration = header.iteration
        if iteration >= MAX_LENGTH:
            raise ProtocolError(TOO_FAR, "behind the last message that a chain can have")
        if iteration in self.opened:
            if self.opened[iteration] == head.salt:
                raise ProtocolError(DUPLICATE, "this group message was opened before")
        elif iteration in self.missing:
            return
        elif iteration < self.next:
            raise ProtocolError(KEY_GONE, "the key of this group message is not kept")

    def receive(
        self, message: Any, head: Head, header: Header, roster_head: bytes, now: int
    ) -> tuple["ReceivingChain", Opened]:
        """Steps 2 and 4 to 7; `roster_head` is the one that the header's half names."""
        self.check_iteration(header, head)
        if roster_head[:HALF_HEAD] != header.half:
            raise ProtocolError(OTHER_ROSTER, "the message names another state of the roster")
        covered = covered_part(self.ad, roster_head, head, header)
        try:
            verify(
                self.verifying_key,
                labels.GROUP_MESSAGE,
                covered + message.sealed,
                message.signature,
            )
        except InvalidKey as error:
            raise ProtocolError(NOT_OPENED, f"group message: {error}") from error
        iteration = header.iteration
        behind_end = not self.is_open and iteration >= self.next
        if iteration in self.opened or behind_end:
            raise ProtocolError(ROLLED_BACK, "the sender used an iteration again")
        state, passed_over = self, 0
        if iteration in self.missing:
            message_key = self.missing[iteration].message_key
            missing = {i: m for i, m in self.missing.items() if i != iteration}
            state = replace(self, missing=missing)
        else:
            state = self._pass_over(iteration, now)
            passed_over = len(state.missing) - len(self.missing)
            message_key, key = kdf_ck(state.key)
            state = replace(state, key=key, next=iteration + 1)
        try:
            aead = message_aead(message_key, head.salt)
            padded = aead_open(*aead, covered, message.sealed)
        except InvalidKey as error:
            raise ProtocolError(NOT_OPENED, f"group message: {error}") from error
        opened = {**state.opened, iteration: head.salt}
        state = replace(state, opened=opened)
        return state, Opened(iteration, _decode(padded), passed_over)

    def _pass_over(self, until: int, now: int) -> "ReceivingChain":
        missing, key = dict(self.missing), self.key
        for iteration in range(self.next, until):
            message_key, key = kdf_ck(key)
            missing[iteration] = Missing(message_key, now)
        return replace(self, missing=missing, key=key, next=max(self.next, until))

    def end(self, length: int, now: int) -> tuple["ReceivingChain", int, bool]:
        """Ended by the chain that replaces it: (state, messages passed over, rolled back)."""
        if not self.is_open:
            return self, 0, False
        state = self._pass_over(length, now)
        passed_over = len(state.missing) - len(self.missing)
        return replace(state, key=b"", ended_at=now), passed_over, length < self.next

    def forget(self, now: int) -> "ReceivingChain":
        """Without the keys of what has been missing for 30 days."""
        missing = {i: m for i, m in self.missing.items() if now - m.at < KEPT_SECONDS}
        return replace(self, missing=missing)

    def is_over(self, now: int) -> bool:
        ended = self.ended_at and now - self.ended_at >= KEPT_SECONDS
        superseded = self.superseded_at and now - self.superseded_at >= KEPT_UNENDED_SECONDS
        return bool(ended or superseded)


def _decode(padded: bytes) -> payload.Opened | None:
    """The payload; None if it is malformed, as one with a control message is."""
    try:
        opened = payload.decode(padded)
    except ProtocolError as error:
        if error.word != MALFORMED:
            raise
        return None
    return None if opened.message.HasField("control") else opened


def received_chain(distribution: Any, sender: Address) -> ReceivingChain:
    """The chain that was handed over in a session with its sender."""
    check_distribution(distribution)
    ctx = context(distribution.group_id, sender, distribution.chain_id)
    first = distribution.iteration
    return ReceivingChain(
        group=distribution.group_id,
        sender=sender,
        chain_id=distribution.chain_id,
        header_seed=distribution.header_seed,
        verifying_key=distribution.verifying_key,
        ad=associated_data(ctx),
        header_key=chain_header_key(distribution.header_seed, ctx),
        first=first,
        next=first,
        key=distribution.chain_key,
        replaced_id=distribution.replaced_chain_id,
        ends=_ends(distribution),
    )


def _ends(distribution: Any) -> tuple[tuple[bytes, int], ...]:
    """What a chain ends; that is nothing if it names itself as replaced (14.4)."""
    own, replaced = distribution.chain_id, distribution.replaced_chain_id
    if replaced == own:
        return ()
    ends = (
        (replaced, min(distribution.replaced_length, MAX_LENGTH)),
        (distribution.ended_chain_id, min(distribution.ended_length, MAX_LENGTH)),
    )
    return tuple(end for end in ends if end[0] not in (b"", own))


@dataclass(frozen=True)
class Taken:
    """What came of a chain that was handed over: `known` if it was here already. `missed` are the
    iterations of each chain that were missed without a key; `lost` is how many more are lost."""

    chain_id: bytes
    passed_over: int = 0
    rolled_back: bool = False
    known: bool = False
    missed: tuple[tuple[bytes, tuple[int, ...]], ...] = ()
    lost: int = 0


@dataclass(frozen=True)
class Found:
    """Where a message belongs."""

    chain: ReceivingChain
    header: Header


@dataclass(frozen=True)
class Chains:
    """The chains that a device has of others, oldest first; group, sender and id name one.

    `asked` are iterations that were missed before a chain was handed over: no key is here.
    `copied` are those of chains that are not here, of which a copy has come: of what was missed
    it is not missing then.
    """

    chains: tuple[ReceivingChain, ...] = ()
    asked: Mapping[Name, frozenset[int]] = field(default_factory=dict)
    copied: Mapping[Name, frozenset[int]] = field(default_factory=dict)

    def of(self, group: bytes, sender: Address) -> list[ReceivingChain]:
        return [c for c in self.chains if (c.group, c.sender) == (group, sender)]

    def take(self, distribution: Any, sender: Address, now: int) -> tuple["Chains", Taken]:
        """A chain that was handed over (14.4); who its sender is the caller has checked."""
        new = received_chain(distribution, sender)
        own = self.of(new.group, sender)
        known = next((c for c in own if c.chain_id == new.chain_id), None)
        if known is not None:
            if (known.header_seed, known.verifying_key) != (new.header_seed, new.verifying_key):
                raise ProtocolError(REFUSED, "sender key: the id of another chain")
            return self, Taken(new.chain_id, known=True)
        state = self._add(new, own, now)
        passed_over, rolled_back = 0, False
        for before in state.of(new.group, sender):
            # The chain that ends it may have come first.
            length = _end_of(before, (*own, new))
            if length is not None and before.is_open:
                ended, passed, back = before.end(length, now)
                state = state.put(ended)
                passed_over += passed
                rolled_back |= back
        missed, too_many = [], 0
        for chain_id, end, count in _missed_parts(distribution):
            name = (new.group, sender, chain_id)
            state, iterations, beyond = state._ask(name, range(end - min(count, end), end))
            too_many += beyond
            if iterations:
                missed.append((chain_id, iterations))
        lost = too_many + state._lost_before(distribution, new, own)
        return state, Taken(new.chain_id, passed_over, rolled_back, False, tuple(missed), lost)

    def _lost_before(
        self, distribution: Any, new: ReceivingChain, own: list[ReceivingChain]
    ) -> int:
        """How many messages are lost with chains that never came (14.4)."""
        replaced = new.replaced_id
        here = any(c.chain_id == replaced or c.replaced_id == new.chain_id for c in own)
        if here or replaced in (b"", new.chain_id):
            return 0
        still_open = [c for c in self.of(new.group, new.sender) if c.is_open and c.name != new.name]
        have = sum(
            len({*c.opened, *c.missing, *self.asked.get(c.name, ())}) for c in still_open
        )
        return max(0, distribution.lost_before - have)

    def _chain(self, name: Name) -> ReceivingChain | None:
        return next((c for c in self.chains if c.name == name), None)

    def _ask(self, name: Name, missed: Iterable[int]) -> tuple["Chains", tuple[int, ...], int]:
        """What was missed, but for what has come and what would open: what of it is looked for,
        and how many are lost, since too many chains are looked for."""
        chain = self._chain(name)
        here = set(self.copied.get(name, ()))
        if chain:
            here.update(chain.missing, chain.opened, chain.copied)
        iterations = tuple(sorted(set(missed) - here))
        asked = [n for n, found in self.asked.items() if n[:2] == name[:2] and found]
        if not iterations or name not in asked and len(asked) >= MAX_MISSED_CHAINS:
            return self, (), len(iterations)
        more = self.asked.get(name, frozenset()) | set(iterations)
        return replace(self, asked={**self.asked, name: more}), iterations, 0

    def wanted(self, name: Name) -> list[int]:
        """What is missing of a chain, with a key or without one (section 14.6)."""
        chain, asked = self._chain(name), self.asked.get(name, frozenset())
        return sorted({*chain.missing, *asked} - {*chain.opened} if chain else asked)

    def found(self, name: Name, iteration: int) -> "Chains":
        """A copy of a message has come: it is looked for no longer. Of what its chain has not
        reached nothing is noted."""
        asked = self.asked.get(name, frozenset()) - {iteration}
        state = replace(self, asked={**self.asked, name: asked})
        chain = self._chain(name)
        if chain is None:
            copied = self.copied.get(name, frozenset()) | {iteration}
            return replace(state, copied={**self.copied, name: copied})
        if iteration >= chain.next:
            return state
        missing = {i: m for i, m in chain.missing.items() if i != iteration}
        copied = chain.copied | {iteration}
        return state.put(replace(chain, missing=missing, copied=copied))

    def _add(self, new: ReceivingChain, own: list[ReceivingChain], now: int) -> "Chains":
        state = self
        is_late = any(name == new.chain_id for c in own for name, _ in c.ends)
        for before in own:
            if before.is_open and not before.superseded_at and not is_late:
                state = state.put(replace(before, superseded_at=now))
        reached = {i for i in self.copied.get(new.name, ()) if i < new.first}
        new = replace(new, copied=frozenset(reached))
        copied = {name: found for name, found in self.copied.items() if name != new.name}
        state = replace(state, chains=(*state.chains, new), copied=copied)
        own = [c for c in state.of(new.group, new.sender) if c is not new]
        if len(own) >= MAX_CHAINS:
            gone = min(own, key=lambda c: c.ended_at or c.superseded_at or now)
            state = replace(state, chains=tuple(c for c in state.chains if c is not gone))
        return state

    def put(self, chain: ReceivingChain) -> "Chains":
        """With a chain's next state in place of its old one."""
        chains = tuple(chain if c.name == chain.name else c for c in self.chains)
        return replace(self, chains=chains)

    def find(self, head: Head) -> Found:
        """The chain of a message: by its tag, then by unmasking (step 1 of section 14.5)."""
        for chain in self.chains:
            is_ahead = head.tag in chain.tags_ahead()
            if not is_ahead and head.tag not in chain.kept_tags():
                continue
            header = chain.unmasked(head)
            if header is None:
                word = NOT_OPENED if is_ahead else UNKNOWN
                raise ProtocolError(word, "the iteration does not give the tag")
            return Found(chain, header)
        for chain in self.chains:
            header = chain.unmasked(head)
            if header:
                return Found(chain, header)
        raise ProtocolError(UNKNOWN, "no chain has this tag")

    def forget(self, now: int) -> "Chains":
        chains = tuple(c.forget(now) for c in self.chains if not c.is_over(now))
        return replace(self, chains=chains)


def _end_of(chain: ReceivingChain, others: Iterable[ReceivingChain]) -> int | None:
    """The length that others say it has: the one that replaces it before all."""
    said = [
        (name != c.replaced_id, length)
        for c in others for name, length in c.ends if name == chain.chain_id
    ]
    return min(said, key=lambda end: end[0])[1] if said else None


def _missed_parts(distribution: Any) -> list[tuple[bytes, int, int]]:
    """Chain id, end and number of what was sent to this device before it had the chain, and in
    the replaced chain (14.4); a chain that names itself ends nothing."""
    parts = [(distribution.chain_id, distribution.iteration, distribution.missed)]
    replaced = distribution.replaced_chain_id
    if replaced not in (b"", distribution.chain_id):
        end = min(distribution.replaced_length, MAX_LENGTH)
        parts.append((replaced, end, distribution.replaced_missed))
    return parts


def envelope_of(message: Any) -> bytes:
    return pbe.Envelope(group_message=message).SerializeToString()
