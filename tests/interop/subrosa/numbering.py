"""Numbers of messages, gaps and duplicates: SPEC.md, section 7.3.

A `Numbers` never changes: sending and receiving return the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .payload import Opened

WINDOW = 1_000
MAX_JUMP = 2**16
MAX_GAPS = 1_000
MAX_IDS = 16
MAX_NUMBER = 2**48


def short_id(message_id: bytes) -> int:
    """The first four bytes, little-endian (section 2.1)."""
    return int.from_bytes(message_id[:4], "little")


@dataclass(frozen=True)
class Gap:
    """The numbers that are missing, or the one id that is missing under a known number."""

    first: int
    last: int
    short: int | None = None

    def has(self, seq: int) -> bool:
        return self.first <= seq <= self.last

    def without(self, seq: int, message_id: bytes) -> list["Gap"]:
        """What is left of it when this message has come."""
        if not self.has(seq) or self.short not in (None, short_id(message_id)):
            return [self]
        parts = (Gap(self.first, seq - 1), Gap(seq + 1, self.last))
        return [part for part in parts if part.first <= part.last]


@dataclass(frozen=True)
class Received:
    """The ids received under one number, and which arrival the first of them was."""

    arrival: int
    ids: tuple[bytes, ...]

    def has(self, short: int) -> bool:
        return any(short_id(message_id) == short for message_id in self.ids)


@dataclass(frozen=True)
class Numbers:
    """What one device remembers of the numbers to and from another.

    `sent` has short ids, `latest` names what was sent last. `arrivals` counts new messages and
    rises of `highest`, the last of which was number `raised`. `given_up` is the missing id of a
    known number, of those that were given up the one with the highest number.
    """

    sent: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sent_highest: int = 0
    latest: tuple[int, int] = (0, 0)
    received: Mapping[int, Received] = field(default_factory=dict)
    highest: int = 0
    newest: tuple[int, int] = (0, 0)
    gaps: tuple[Gap, ...] = ()
    arrivals: int = 0
    raised: int = 0
    given_up: tuple[int, int] = (0, 0)

    def last(self) -> tuple[int, int]:
        """`last_seq` and `last_id` of a message sent now."""
        return self.latest

    def seen(self) -> tuple[int, int]:
        """`seen_seq` and `seen_id`."""
        return self.newest

    def send(self, message_id: bytes) -> tuple["Numbers", int]:
        """One more numbered message."""
        seq = self.sent_highest + 1
        latest = (seq, short_id(message_id))
        return replace(self._remember_sent(*latest), latest=latest), seq

    def _remember_sent(self, seq: int, short: int) -> "Numbers":
        highest = max(seq, self.sent_highest)
        sent = {s: shorts for s, shorts in self.sent.items() if s > highest - WINDOW}
        return replace(
            self, sent={**sent, seq: (*sent.get(seq, ()), short)}, sent_highest=highest
        )

    def receive(self, opened: Opened, since: int) -> tuple["Numbers", list[str]]:
        """A payload came in a session begun after `since` arrivals; the reports of PEER.md."""
        message = opened.message
        state = self
        reports: list[str] = []
        if message.seq and opened.id:
            state, reports = state._receive_number(message.seq, opened.id, since)
        if message.last_seq:
            state, more = state._hear_last(message.last_seq, message.last_id)
            reports += more
        if message.seen_seq:
            state, more = state._hear_seen(message.seen_seq, message.seen_id)
            reports += more
        return state._limit_gaps(reports)

    def _receive_number(
        self, seq: int, message_id: bytes, since: int
    ) -> tuple["Numbers", list[str]]:
        known = self.received.get(seq)
        if known and message_id in known.ids:
            return self, ["repeated"]
        short = short_id(message_id)
        behind = seq <= self.highest - WINDOW and not self._is_missing(seq, short)
        if behind and since <= self.raised:
            return self, ["repeated"]
        if known:
            reports = ["peer-rolled-back"] if since <= known.arrival else []
            ids = Received(known.arrival, (*known.ids, message_id)[:MAX_IDS])
            state = replace(self, received={**self.received, seq: ids})
            return state._close_gap(seq, message_id), reports
        state, reports = self._begin(seq, seq - 1)
        if seq > state.highest + MAX_JUMP:
            return self, ["far-ahead"]
        if behind:
            reports = ["far-behind"]
        state = state._close_gap(seq, message_id)
        if seq > state.highest:
            state, more = state._raise_highest(seq, seq - 1)
            reports += more
        received = dict(state.received)
        if seq > state.highest - WINDOW:
            received[seq] = Received(state.arrivals, (message_id,))
        newest = max(state.newest, (seq, short), key=lambda named: named[0])
        state = replace(
            state, received=received, newest=newest, arrivals=state.arrivals + 1
        )
        return state, reports

    def _begin(self, seq: int, highest: int) -> tuple["Numbers", list[str]]:
        """Where nothing is known yet, a first high number makes `highest` known, without a gap."""
        if self.highest or not MAX_JUMP < seq <= MAX_NUMBER:
            return self, []
        return self._raise_highest(highest, 0)[0], ["far-ahead"]

    def _is_missing(self, seq: int, short: int) -> bool:
        return any(gap.has(seq) and gap.short in (None, short) for gap in self.gaps)

    def _raise_highest(self, highest: int, gap_end: int) -> tuple["Numbers", list[str]]:
        """A new highest known number; from the old one to `gap_end` is a gap, if anything is."""
        first = self.highest + 1
        received = {s: ids for s, ids in self.received.items() if s > highest - WINDOW}
        state = replace(
            self,
            highest=highest,
            received=received,
            raised=self.arrivals,
            arrivals=self.arrivals + 1,
        )
        return state._add_gap(Gap(first, gap_end)) if first <= gap_end else (state, [])

    def _add_gap(self, gap: Gap) -> tuple["Numbers", list[str]]:
        return replace(self, gaps=(*self.gaps, gap)), [f"gap:{gap.first}-{gap.last}"]

    def _close_gap(self, seq: int, message_id: bytes) -> "Numbers":
        gaps = (part for gap in self.gaps for part in gap.without(seq, message_id))
        return replace(self, gaps=tuple(gaps))

    def _hear_last(self, seq: int, short: int) -> tuple["Numbers", list[str]]:
        known = self.received.get(seq)
        if known and known.has(short):
            return self, []
        state, reports = self._begin(seq, seq)
        if reports:
            return state, reports
        if seq <= self.highest - WINDOW or seq > self.highest + MAX_JUMP:
            return self, []
        if seq > self.highest:
            return self._raise_highest(seq, seq)
        given_up = (seq, short) == self.given_up
        if not known or given_up or self._is_missing(seq, short):
            return self, []
        return self._add_gap(Gap(seq, seq, short))

    def _hear_seen(self, seq: int, short: int) -> tuple["Numbers", list[str]]:
        if seq > MAX_NUMBER or short in self.sent.get(seq, ()):
            return self, []
        if seq > self.sent_highest or seq in self.sent:
            return self._remember_sent(seq, short), ["rolled-back"]
        return self, []

    def _limit_gaps(self, reports: list[str]) -> tuple["Numbers", list[str]]:
        excess = max(0, len(self.gaps) - MAX_GAPS)
        given_up = [f"given-up:{gap.first}-{gap.last}" for gap in self.gaps[:excess]]
        # Every message of the peer's goes on naming the newest of one id that was given up.
        one_id = [(g.first, g.short) for g in self.gaps[:excess] if g.short is not None]
        # Of one number the last.
        newest = max([*reversed(one_id), self.given_up], key=lambda named: named[0])
        state = replace(self, gaps=self.gaps[excess:], given_up=newest)
        return state, reports + given_up
