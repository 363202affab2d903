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

    def distribution(self, missed: int = 0, replaced_missed: int = 0) -> Any:
        """The chain as it stands (section 14.4)."""
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
    """ProtocolError(refused) for what section 14.4 refuses, whoever it comes from."""
    wanted = {
        "group_id": 32, "chain_id": 8, "chain_key": 32, "header_seed": 32, "verifying_key": 32,
    }
    for name, size in wanted.items():
        if len(getattr(distribution, name)) != size:
            raise ProtocolError(REFUSED, f"sender key: `{name}` of a wrong length")
    if len(distribution.replaced_chain_id) not in (0, 8):
        raise ProtocolError(REFUSED, "sender key: the id of the replaced chain")
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
    """A chain of another device's; without a key once it has ended."""

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
    replaced_length: int = 0

    @property
    def name(self) -> Name:
        return self.group, self.sender, self.chain_id

    @property
    def is_open(self) -> bool:
        return bool(self.key)

    def known_tags(self) -> dict[bytes, int]:
        """The next 8, those of what is missing and of what has opened."""
        ahead = range(self.next, self.next + TAGS_AHEAD) if self.is_open else ()
        return {self.header_key.tag(i): i for i in (*ahead, *self.missing, *self.opened)}

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
        elif iteration < self.first or iteration < self.next and iteration not in self.missing:
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
            passed_over = iteration - self.next
            state = self._pass_over(iteration, now)
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
        length = min(length, MAX_LENGTH)
        state = self._pass_over(length, now)
        passed_over = max(0, length - self.next)
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
        replaced_length=distribution.replaced_length,
    )


@dataclass(frozen=True)
class Taken:
    """What came of a chain that was handed over."""

    chain_id: bytes
    passed_over: int = 0
    rolled_back: bool = False


@dataclass(frozen=True)
class Found:
    """Where a message belongs."""

    chain: ReceivingChain
    header: Header


@dataclass(frozen=True)
class Chains:
    """The chains that a device has of others, oldest first; group, sender and id name one.

    `asked` are iterations that were missed before a chain was handed over: no key is here.
    `copied` are those of which a copy has come.
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
        state = self
        if known is None:
            state = state._add(new, own, now)
        elif (known.header_seed, known.verifying_key) != (new.header_seed, new.verifying_key):
            raise ProtocolError(REFUSED, "sender key: the id of another chain")
        passed_over, rolled_back = 0, False
        for before in state.of(new.group, sender):
            # The chain that replaces it may have come first.
            later = next((c for c in own + [new] if c.replaced_id == before.chain_id), None)
            if later and before.is_open:
                ended, passed, back = before.end(later.replaced_length, now)
                state = state.put(ended)
                passed_over += passed
                rolled_back |= back
        missed = range(max(0, new.first - distribution.missed), new.first)
        state = state._ask(new.name, missed)
        end = distribution.replaced_length
        missed = range(max(0, end - distribution.replaced_missed), end)
        if new.replaced_id:
            state = state._ask((new.group, sender, new.replaced_id), missed)
        return state, Taken(new.chain_id, passed_over, rolled_back)

    def _ask(self, name: Name, missed: Iterable[int]) -> "Chains":
        """What was missed, but for what has come and what would open."""
        chain = next((c for c in self.chains if c.name == name), None)
        here = {*self.copied.get(name, ()), *((*chain.missing, *chain.opened) if chain else ())}
        more = {i for i in missed if i < MAX_LENGTH} - here
        iterations = self.asked.get(name, frozenset()) | more
        return replace(self, asked={**self.asked, name: iterations}) if iterations else self

    def wanted(self, name: Name) -> list[int]:
        """What is missing of a chain, with a key or without one (section 14.6)."""
        chain = next((c for c in self.chains if c.name == name), None)
        return sorted({*(chain.missing if chain else ()), *self.asked.get(name, ())})

    def found(self, name: Name, iteration: int) -> "Chains":
        """A copy of a message has come: it is looked for no longer."""
        asked = self.asked.get(name, frozenset()) - {iteration}
        copied = self.copied.get(name, frozenset()) | {iteration}
        state = replace(
            self, asked={**self.asked, name: asked}, copied={**self.copied, name: copied}
        )
        chain = next((c for c in self.chains if c.name == name), None)
        if chain and iteration in chain.missing:
            missing = {i: m for i, m in chain.missing.items() if i != iteration}
            state = state.put(replace(chain, missing=missing))
        return state

    def _add(self, new: ReceivingChain, own: list[ReceivingChain], now: int) -> "Chains":
        state = self
        for before in own:
            if before.is_open and not before.superseded_at:
                state = state.put(replace(before, superseded_at=now))
        state = replace(state, chains=(*state.chains, new))
        own = [c for c in state.of(new.group, new.sender) if c is not new]
        if len(own) >= MAX_CHAINS:
            gone = min(own, key=lambda c: c.ended_at or c.superseded_at)
            state = replace(state, chains=tuple(c for c in state.chains if c is not gone))
        return state

    def put(self, chain: ReceivingChain) -> "Chains":
        """With a chain's next state in place of its old one."""
        chains = tuple(chain if c.name == chain.name else c for c in self.chains)
        return replace(self, chains=chains)

    def find(self, head: Head) -> Found:
        """The chain of a message: by its tag, then by unmasking (steps 1 of section 14.5)."""
        for chain in self.chains:
            iteration = chain.known_tags().get(head.tag)
            if iteration is not None:
                header = head.unmask(chain.header_key.mask_key)
                if header.iteration != iteration:
                    raise ProtocolError(NOT_OPENED, "another iteration than the tag's")
                return Found(chain, header)
        return self.find_by_header(head)

    def find_by_header(self, head: Head) -> Found:
        """By unmasking alone."""
        for chain in self.chains:
            header = chain.unmasked(head)
            if header:
                return Found(chain, header)
        raise ProtocolError(UNKNOWN, "no chain has this tag")

    def forget(self, now: int) -> "Chains":
        chains = tuple(c.forget(now) for c in self.chains if not c.is_over(now))
        return replace(self, chains=chains)


def envelope_of(message: Any) -> bytes:
    return pbe.Envelope(group_message=message).SerializeToString()
