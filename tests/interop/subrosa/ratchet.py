"""The Double Ratchet with header encryption: SPEC.md, sections 6.1, 6.4 and 6.5.

A `Ratchet` never changes: sending and receiving return the next one.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .chain import (
    Chain,
    Head,
    Header,
    HeaderKey,
    header_key,
    kdf_rk,
    open_message,
    seal_message,
    split_head,
)
from .errors import (
    DUPLICATE,
    KEY_GONE,
    NOT_OPENED,
    ROLLED_BACK,
    TOO_FAR,
    USAGE,
    InvalidKey,
    ProtocolError,
)
from .handshake import SessionKeys
from .payload import pad, shard_capacity
from .post_quantum import PostQuantum, Stage, first_epoch
from .primitives import KeyPair, check_x25519, dh, equal, x25519_pair

Random = Callable[[int], bytes]
TAGS_AHEAD = 8
TAGS_OF_NEXT = 2
MAX_STEPS = 25_000
MAX_SKIPPED_JUMP = 1_000
MAX_SKIPPED = 2_000
MAX_CHAIN = 2**24 - 1
KEPT_MESSAGES = 1_000
KEPT_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Remembered:
    """What a used tag or a skipped key keeps; `made` counts a session's skipped keys."""

    number: int
    mask_key: bytes = field(repr=False)
    opened: int
    time: int
    salt: bytes | None = None
    message_key: bytes = field(default=b"", repr=False)
    made: int = 0


@dataclass(frozen=True)
class Place:
    """Where a message belongs: a skipped key, the receiving chain, or the next header key."""

    header: Header
    skipped: Remembered | None = None
    next_chain: bool = False


@dataclass(frozen=True)
class Opened:
    """The padded payload of a message, and what the message showed."""

    padded: bytes
    lost: int
    rolled_back: bool


@dataclass(frozen=True)
class _Skips:
    """Skipped keys and lost messages, while one message is received."""

    kept: Mapping[bytes, Remembered]
    made: int
    lost: int = 0


@dataclass(frozen=True)
class Ratchet:
    """One side of a session (section 6.1)."""

    ad: bytes
    root: bytes = field(repr=False)
    ours: KeyPair | None = field(repr=False)
    theirs: bytes | None
    next_sending: bytes = field(repr=False)
    next_receiving: HeaderKey
    pq: PostQuantum
    sending: Chain | None = None
    sending_key: bytes = b""
    sending_epoch: int = 0
    receiving: Chain | None = None
    previous: int = 0
    opened: int = 0
    skipped: Mapping[bytes, Remembered] = field(default_factory=dict, repr=False)
    skipped_made: int = 0
    used: Mapping[bytes, Remembered] = field(default_factory=dict, repr=False)

    @property
    def epochs_mixed(self) -> int:
        return self.pq.epoch - 1

    def send(self, encoded: bytes, random: Random = os.urandom) -> tuple["Ratchet", bytes, bytes]:
        """The next state, and (head, sealed) for a payload encoded without shards."""
        state = self._sending_half(random) if self.sending is None else self
        assert state.sending is not None
        number = state.sending.number
        if number >= MAX_CHAIN:
            raise ProtocolError(USAGE, "the chain is full until the peer answers")
        pq, shards = state.pq.send(shard_capacity(len(encoded)), random)
        chain, message_key = state.sending.step()
        header = Header(state.sending_key, number, state.previous, state.sending_epoch)
        padded, salt = pad(encoded, shards), random(8)
        head, sealed = seal_message(
            chain.header_key, message_key, state.ad, salt, header, padded
        )
        return replace(state, sending=chain, pq=pq), head, sealed

    def _sending_half(self, random: Random) -> "Ratchet":
        if self.theirs is None:
            raise ProtocolError(USAGE, "a responder cannot send before it has received")
        ours = x25519_pair(random(32))
        agreed = self.pq.stage is Stage.AGREED
        pq = self.pq.mixed() if agreed else self.pq
        root, chain_key, next_header = kdf_rk(
            self.root, dh(ours.private, self.theirs), self.pq.secret if agreed else b""
        )
        return replace(
            self,
            root=root,
            ours=ours,
            pq=pq,
            sending=Chain(chain_key, header_key(self.next_sending)),
            sending_key=ours.public,
            sending_epoch=pq.epoch - 1,
            next_sending=next_header,
        )

    def locate(self, head: Head, now: int) -> Place | None:
        """Section 6.4: where a message belongs; None if this session does not know it."""
        used = self._current(self.used, head.tag, now)
        if used:
            self._refuse_used(used, head)
            return None
        skipped = self._current(self.skipped, head.tag, now)
        if skipped:
            header = head.unmask(skipped.mask_key)
            self._require(header.number == skipped.number, "another number than the tag's")
            return Place(header, skipped=skipped)
        return self._locate_by_tag(head) or self._locate_by_header(head)

    def _refuse_used(self, used: Remembered, head: Head) -> None:
        if used.salt == head.salt:
            raise ProtocolError(DUPLICATE, "this message was opened before")
        header = head.unmask(used.mask_key)
        plausible = header.number == used.number and header.previous < 2**24
        if plausible and header.pq_epoch <= self.epochs_mixed + 1:
            raise ProtocolError(ROLLED_BACK, "the peer used a message number again")

    def _locate_by_tag(self, head: Head) -> Place | None:
        """Steps 3 and 4."""
        if self.receiving:
            first = self.receiving.number
            for number in range(first, first + TAGS_AHEAD):
                if equal(self.receiving.header_key.tag(number), head.tag):
                    header = head.unmask(self.receiving.header_key.mask_key)
                    self._require(header.number == number, "another number than the tag's")
                    return Place(header)
        for number in range(TAGS_OF_NEXT):
            if equal(self.next_receiving.tag(number), head.tag):
                header = head.unmask(self.next_receiving.mask_key)
                self._require(header.number == number, "another number than the tag's")
                return Place(header, next_chain=True)
        return None

    def _locate_by_header(self, head: Head) -> Place | None:
        """Step 5."""
        if self.receiving:
            header = head.unmask(self.receiving.header_key.mask_key)
            if equal(self.receiving.header_key.tag(header.number), head.tag):
                if header.number < self.receiving.number:
                    raise ProtocolError(KEY_GONE, "the key of this message is not kept")
                return Place(header)
        header = head.unmask(self.next_receiving.mask_key)
        if equal(self.next_receiving.tag(header.number), head.tag):
            return Place(header, next_chain=True)
        return None

    def receive(
        self, head: bytes, sealed: bytes, now: int, place: Place
    ) -> tuple["Ratchet", Opened]:
        """Section 6.5: the next state and the payload; `place` is from `locate`."""
        parts = split_head(head)
        skips = _Skips(self.skipped, self.skipped_made)
        rolled_back = False
        used: dict[bytes, Remembered] = {}
        state = self
        if place.skipped:
            message_key = place.skipped.message_key
            mask_key = place.skipped.mask_key
            kept = {tag: s for tag, s in self.skipped.items() if tag != parts.tag}
            skips = replace(skips, kept=kept)
        else:
            if place.next_chain:
                state, skips, used, rolled_back = self._receiving_half(place.header, now)
            else:
                self._require(place.header.ratchet_key == self.theirs, "another ratchet key")
                self._check_steps(place.header.number - self._receiving_number())
            assert state.receiving is not None
            chain, skips = state._skip(state.receiving, place.header.number, skips, now)
            chain, message_key = chain.step()
            mask_key = chain.header_key.mask_key
            state = replace(state, receiving=chain)
        padded = open_message(message_key, self.ad, parts, place.header, sealed)
        used[parts.tag] = Remembered(
            place.header.number, mask_key, self.opened + 1, now, salt=parts.salt
        )
        state = state._remember(skips.kept, used, now)
        oldest = skips.made - MAX_SKIPPED
        kept = {tag: s for tag, s in state.skipped.items() if s.made > oldest}
        lost = skips.lost + len(state.skipped) - len(kept)
        state = replace(state, skipped=kept, skipped_made=skips.made)
        return state, Opened(padded, lost, rolled_back)

    def take_shards(self, content: bytes) -> "Ratchet":
        """The state after the field `shards` of a message that opened."""
        return replace(self, pq=self.pq.receive(content))

    def _receiving_half(
        self, header: Header, now: int
    ) -> tuple["Ratchet", _Skips, dict[bytes, Remembered], bool]:
        mixes = header.pq_epoch == self.epochs_mixed + 1 and self.pq.stage is Stage.ANSWERING
        self._require(self.ours is not None, "no ratchet key of ours to answer")
        self._require(header.ratchet_key != self.theirs, "the same ratchet key again")
        self._require(mixes or header.pq_epoch == self.epochs_mixed, "another pq_epoch")
        self._check_steps(header.number)
        assert self.ours is not None
        try:
            check_x25519(header.ratchet_key)
            shared = dh(self.ours.private, header.ratchet_key)
        except InvalidKey as error:
            raise ProtocolError(NOT_OPENED, str(error)) from error
        skips, used, rolled_back = self._close_chain(header, now)
        root, chain_key, next_header = kdf_rk(
            self.root, shared, self.pq.secret if mixes else b""
        )
        state = replace(
            self,
            root=root,
            ours=None,
            theirs=header.ratchet_key,
            receiving=Chain(chain_key, self.next_receiving),
            next_receiving=header_key(next_header),
            previous=self.sending.number if self.sending else 0,
            sending=None,
            sending_key=b"",
            pq=self.pq.mixed() if mixes else self.pq,
        )
        return state, skips, used, rolled_back

    def _close_chain(
        self, header: Header, now: int
    ) -> tuple[_Skips, dict[bytes, Remembered], bool]:
        skips = _Skips(self.skipped, self.skipped_made)
        if self.receiving is None:
            return skips, {}, False
        key, tail = self.receiving.header_key, header.previous - self.receiving.number
        if tail > MAX_STEPS - header.number:
            skips = replace(skips, lost=tail)
        elif tail > 0:
            _, skips = self._skip(self.receiving, header.previous, skips, now)
        end = max(header.previous, self.receiving.number)
        used = {key.tag(end): Remembered(end, key.mask_key, self.opened + 1, now)}
        return skips, used, tail < 0

    def _skip(
        self, chain: Chain, until: int, skips: _Skips, now: int
    ) -> tuple[Chain, _Skips]:
        """Pass over the numbers from the chain's next to `until` - 1."""
        kept, made, lost = dict(skips.kept), skips.made, skips.lost
        while chain.number < until:
            number = chain.number
            chain, message_key = chain.step()
            if until - number > MAX_SKIPPED_JUMP:
                lost += 1
                continue
            made += 1
            kept[chain.header_key.tag(number)] = Remembered(
                number,
                chain.header_key.mask_key,
                self.opened + 1,
                now,
                message_key=message_key,
                made=made,
            )
        return chain, _Skips(kept, made, lost)

    def _receiving_number(self) -> int:
        assert self.receiving is not None
        return self.receiving.number

    def _current(
        self, entries: Mapping[bytes, Remembered], tag: bytes, now: int
    ) -> Remembered | None:
        entry = entries.get(tag)
        return entry if entry and self._is_current(entry, self.opened, now) else None

    @staticmethod
    def _is_current(entry: Remembered, opened: int, now: int) -> bool:
        return opened - entry.opened < KEPT_MESSAGES and now - entry.time < KEPT_SECONDS

    def _remember(
        self, skipped: Mapping[bytes, Remembered], used: Mapping[bytes, Remembered], now: int
    ) -> "Ratchet":
        """One more message has opened; what is too old is forgotten."""
        opened = self.opened + 1

        def current(entries: Mapping[bytes, Remembered]) -> dict[bytes, Remembered]:
            return {t: e for t, e in entries.items() if self._is_current(e, opened, now)}

        return replace(
            self, opened=opened, skipped=current(skipped), used=current({**self.used, **used})
        )

    @staticmethod
    def _check_steps(count: int) -> None:
        if count > MAX_STEPS:
            raise ProtocolError(TOO_FAR, f"the message passes over {count} numbers")

    @staticmethod
    def _require(condition: bool, text: str) -> None:
        if not condition:
            raise ProtocolError(NOT_OPENED, text)


def initiator_ratchet(keys: SessionKeys, their_prekey: bytes) -> Ratchet:
    return Ratchet(
        ad=keys.ad,
        root=keys.root,
        ours=None,
        theirs=their_prekey,
        next_sending=keys.header_key_i,
        next_receiving=header_key(keys.next_header_key_r),
        pq=first_epoch(initiator=True),
    )


def responder_ratchet(keys: SessionKeys, our_prekey: KeyPair) -> Ratchet:
    return Ratchet(
        ad=keys.ad,
        root=keys.root,
        ours=our_prekey,
        theirs=None,
        next_sending=keys.next_header_key_r,
        next_receiving=header_key(keys.header_key_i),
        pq=first_epoch(initiator=False),
    )
