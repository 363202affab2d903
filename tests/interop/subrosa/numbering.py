"""Numbers of messages, gaps and duplicates: SPEC.md, section 7.3.

A `Numbers` never changes: sending and receiving return the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .payload import Opened

WINDOW = 1_000
MAX_JUMP = 2**16
MAX_GAPS = 1_000
Range = tuple[int, int]


def short_id(message_id: bytes) -> int:
    """The first four bytes, little-endian (section 2.1)."""
    return int.from_bytes(message_id[:4], "little")


@dataclass(frozen=True)
class Received:
    """The ids received under one number, and which arrival the first of them was."""

    arrival: int
    ids: tuple[bytes, ...]

    def has(self, short: int) -> bool:
        return any(short_id(message_id) == short for message_id in self.ids)


@dataclass(frozen=True)
class Numbers:
    """What one device remembers of the numbers to and from another."""

    sent: Mapping[int, bytes] = field(default_factory=dict)
    sent_highest: int = 0
    received: Mapping[int, Received] = field(default_factory=dict)
    highest: int = 0
    gaps: tuple[Range, ...] = ()
    arrivals: int = 0

    def last(self) -> tuple[int, int]:
        """`last_seq` and `last_id` of a message sent now."""
        newest = max(self.sent, default=0)
        return (newest, short_id(self.sent[newest])) if newest else (0, 0)

    def seen(self) -> tuple[int, int]:
        """`seen_seq` and `seen_id`."""
        newest = max(self.received, default=0)
        return (newest, short_id(self.received[newest].ids[0])) if newest else (0, 0)

    def send(self, message_id: bytes) -> tuple["Numbers", int]:
        """One more numbered message."""
        seq = self.sent_highest + 1
        sent = {s: i for s, i in self.sent.items() if s > seq - WINDOW}
        return replace(self, sent={**sent, seq: message_id}, sent_highest=seq), seq

    def receive(self, opened: Opened, since: int) -> tuple["Numbers", list[str]]:
        """A payload came in a session begun after `since` arrivals; the reports of PEER.md."""
        message = opened.message
        state = self
        reports: list[str] = []
        if message.seq:
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
        in_gap = any(first <= seq <= last for first, last in self.gaps)
        if seq <= self.highest - WINDOW and not in_gap:
            return self, ["repeated"]
        if seq > self.highest + MAX_JUMP:
            return self, ["far-ahead"]
        if known:
            reports = ["peer-rolled-back"] if since <= known.arrival else []
            ids = Received(known.arrival, known.ids + (message_id,))
            state = replace(self, received={**self.received, seq: ids})
            return state._close_gap(seq), reports
        reports = []
        state = self._close_gap(seq)
        if seq > self.highest:
            state, reports = state._raise_highest(seq, seq - 1)
        entry = Received(self.arrivals, (message_id,))
        received = {**state.received, seq: entry}
        kept = {s: ids for s, ids in received.items() if s > state.highest - WINDOW}
        return replace(state, received=kept, arrivals=self.arrivals + 1), reports

    def _raise_highest(self, highest: int, gap_end: int) -> tuple["Numbers", list[str]]:
        """A new highest known number; from the old one to `gap_end` is a gap, if anything is."""
        first = self.highest + 1
        state = replace(self, highest=highest)
        if gap_end < first:
            return state, []
        return replace(state, gaps=self.gaps + ((first, gap_end),)), [f"gap:{first}-{gap_end}"]

    def _close_gap(self, seq: int) -> "Numbers":
        gaps: list[Range] = []
        for first, last in self.gaps:
            if first <= seq <= last:
                gaps += [r for r in ((first, seq - 1), (seq + 1, last)) if r[0] <= r[1]]
            else:
                gaps.append((first, last))
        return replace(self, gaps=tuple(gaps))

    def _hear_last(self, seq: int, short: int) -> tuple["Numbers", list[str]]:
        known = self.received.get(seq)
        if known and known.has(short):
            return self, []
        if seq <= self.highest - WINDOW or seq > self.highest + MAX_JUMP:
            return self, []
        if seq > self.highest:
            return self._raise_highest(seq, seq)
        if any(first <= seq <= last for first, last in self.gaps):
            return self, []
        return replace(self, gaps=self.gaps + ((seq, seq),)), [f"gap:{seq}-{seq}"]

    def _hear_seen(self, seq: int, short: int) -> tuple["Numbers", list[str]]:
        if seq > self.sent_highest + MAX_JUMP:
            return self, []
        if seq > self.sent_highest:
            return replace(self, sent_highest=seq), ["rolled-back"]
        known = self.sent.get(seq)
        if known is not None and short_id(known) != short:
            return self, ["rolled-back"]
        return self, []

    def _limit_gaps(self, reports: list[str]) -> tuple["Numbers", list[str]]:
        excess = max(0, len(self.gaps) - MAX_GAPS)
        given_up = [f"given-up:{first}-{last}" for first, last in self.gaps[:excess]]
        return replace(self, gaps=self.gaps[excess:]), reports + given_up
