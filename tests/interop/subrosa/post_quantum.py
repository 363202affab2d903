"""The post-quantum ratchet: SPEC.md, section 6.6."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from . import labels
from .erasure import SHARD_SIZE, TOTAL_SHARDS, join, shard
from .errors import InvalidKey
from .primitives import (
    MLKEM_CT_SIZE,
    check_mlkem,
    decaps,
    encaps,
    equal,
    expand,
    hmac_sha256,
    mlkem_pair,
    sha256,
    u8,
    u32,
)

Random = Callable[[int], bytes]
EK_SHARDS = 37
CT_SHARDS = 35


class Stage(Enum):
    """The states of the two diagrams: three of the key side, three of the other side."""

    IDLE = auto()
    OFFERING = auto()
    AGREED = auto()
    COLLECTING = auto()
    RECEIVED = auto()
    ANSWERING = auto()


def confirmation(ss: bytes, epoch: int) -> bytes:
    return hmac_sha256(ss, labels.PQ_CONFIRM + u32(epoch))


def epoch_secret(ss: bytes, epoch: int, ek: bytes, ct: bytes) -> bytes:
    """The `pq` that an epoch gives."""
    return expand(ss, labels.PQ_SECRET + u32(epoch) + sha256(ek) + sha256(ct), 32)


def make_field(epoch: int, first: int, data: bytes, count: int) -> bytes:
    """The field `shards` with `count` shards of `data` from index `first` on."""
    shards = (shard(data, (first + i) % TOTAL_SHARDS) for i in range(count))
    return u8(epoch % 256) + u8(first) + b"".join(shards)


@dataclass(frozen=True)
class PostQuantum:
    """One side's state in the epoch in progress."""

    epoch: int
    stage: Stage
    ek: bytes = field(default=b"", repr=False)
    dk: bytes = field(default=b"", repr=False)
    sending: bytes = field(default=b"", repr=False)
    next_index: int = 0
    received: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    heard: bool = False
    secret: bytes = field(default=b"", repr=False)

    def send(self, count: int, random: Random = os.urandom) -> tuple["PostQuantum", bytes]:
        """The state after a send with room for `count` shards, and the field (maybe empty)."""
        state = self
        if self.stage is Stage.IDLE:
            ek, dk = mlkem_pair(random(64))
            state = replace(self, stage=Stage.OFFERING, ek=ek, dk=dk, sending=ek)
        elif self.stage is Stage.RECEIVED:
            ss, ct = encaps(self.ek, random(32))
            state = replace(
                self,
                stage=Stage.ANSWERING,
                sending=ct + confirmation(ss, self.epoch),
                secret=epoch_secret(ss, self.epoch, self.ek, ct),
            )
        offering = state.stage is Stage.OFFERING and not state.heard
        if count < 1 or not (offering or state.stage is Stage.ANSWERING):
            return state, b""
        content = make_field(state.epoch, state.next_index, state.sending, count)
        return replace(state, next_index=(state.next_index + count) % TOTAL_SHARDS), content

    def receive(self, content: bytes) -> "PostQuantum":
        """The state after the field `shards` of a message that opened."""
        if self.stage not in (Stage.OFFERING, Stage.COLLECTING):
            return self
        count, rest = divmod(len(content) - 2, SHARD_SIZE)
        if count < 1 or rest or content[0] != self.epoch % 256 or content[1] >= TOTAL_SHARDS:
            return self
        received = dict(self.received)
        for i in range(count):
            start = 2 + SHARD_SIZE * i
            index = (content[1] + i) % TOTAL_SHARDS
            received.setdefault(index, content[start : start + SHARD_SIZE])
        state = replace(self, received=received, heard=True)
        if state.stage is Stage.COLLECTING:
            return state._collect() if len(received) >= EK_SHARDS else state
        return state._agree() if len(received) >= CT_SHARDS else state

    def _collect(self) -> "PostQuantum":
        try:
            ek = check_mlkem(join(self.received, EK_SHARDS))
        except InvalidKey:
            return replace(self, received={})
        return replace(self, stage=Stage.RECEIVED, ek=ek, received={})

    def _agree(self) -> "PostQuantum":
        answer = join(self.received, CT_SHARDS)
        ct = answer[:MLKEM_CT_SIZE]
        ss = decaps(self.dk, ct)
        if not equal(answer[MLKEM_CT_SIZE:], confirmation(ss, self.epoch)):
            return replace(self, received={})
        secret = epoch_secret(ss, self.epoch, self.ek, ct)
        return replace(self, stage=Stage.AGREED, dk=b"", sending=b"", received={}, secret=secret)

    def mixed(self) -> "PostQuantum":
        """The next epoch, with the roles swapped."""
        stage = Stage.COLLECTING if self.stage is Stage.AGREED else Stage.IDLE
        return PostQuantum(self.epoch + 1, stage)


def first_epoch(initiator: bool) -> PostQuantum:
    return PostQuantum(1, Stage.IDLE if initiator else Stage.COLLECTING)
