"""A session: its ratchet, its handshake and its place among others (SPEC.md, 5.4 to 5.6)."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import handshake as hs
from . import payload
from .chain import HEAD_SIZE
from .errors import MALFORMED, USAGE, ProtocolError
from .identity import Address
from .protobuf import envelope as pb
from .ratchet import Place, Ratchet, initiator_ratchet, responder_ratchet

MAX_SESSIONS = 8
MIN_SEALED = 17
IDLE_LIFETIME = 30 * 24 * 3600
FIRST_CHAIN_LIFETIME = 14 * 24 * 3600
FIRST_GENERATION_LIMIT = 2**34
GENERATION_JUMP = 2**24
Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Delivery:
    """What came of a message that opened; no payload if that was malformed."""

    payload: payload.Opened | None
    lost: int
    rolled_back: bool


@dataclass(frozen=True)
class Session:
    """One session with one device. `handshake` is what is still put in front of messages."""

    peer: Address
    ratchet: Ratchet
    handshake_id: bytes
    generation: int
    initiator: bool
    confirmed: bool
    replacement: bool
    started: int
    since: int
    last_used: int
    handshake: pb.Handshake | None = None
    given_up: bool = False

    def is_over(self, now: int) -> bool:
        """Whether it is still in its first chain, and too late to send in it (4.4)."""
        return self.handshake is not None and abs(now - self.started) > FIRST_CHAIN_LIFETIME

    def is_implausible(self, highest: int, now: int) -> bool:
        """Whether a clock that was ahead has begun it: the peer refuses it (5.6)."""
        own = self.initiator and not self.confirmed
        return own and self.generation > max(now, highest) + GENERATION_JUMP

    def rank(self, highest: int, now: int) -> tuple[bool, bool, int, bytes]:
        """The order in which sessions are chosen for sending, the greatest first (5.6)."""
        inverted_ad = bytes(255 - byte for byte in self.ratchet.ad)
        preferred = self.confirmed or self.replacement
        return not self.is_implausible(highest, now), preferred, self.generation, inverted_ad

    def send(
        self, encoded: bytes, now: int, random: Random = os.urandom
    ) -> tuple["Session", bytes]:
        """The session afterwards, and an encoded Envelope with this payload."""
        if self.is_over(now):
            raise ProtocolError(USAGE, "the bundle of this session is too old to send")
        ratchet, head, sealed = self.ratchet.send(encoded, random)
        message = pb.Message(head=head, sealed=sealed)
        if self.handshake:
            first = pb.FirstMessage(handshake=self.handshake, message=message)
            envelope = pb.Envelope(first_message=first)
        else:
            envelope = pb.Envelope(message=message)
        return replace(self, ratchet=ratchet, last_used=now), envelope.SerializeToString()

    def receive(
        self, message: pb.Message, now: int, place: Place
    ) -> tuple["Session", Delivery]:
        """The session afterwards, and what the message said."""
        ratchet, opened = self.ratchet.receive(message.head, message.sealed, now, place)
        decoded = None
        try:
            decoded = payload.decode(opened.padded)
            if place.header.pq_epoch == ratchet.epochs_mixed:
                ratchet = ratchet.take_shards(decoded.message.shards)
        except ProtocolError as error:
            if error.word != MALFORMED:
                raise
        session = replace(
            self, ratchet=ratchet, confirmed=True, handshake=None, last_used=now
        )
        return session, Delivery(decoded, opened.lost, opened.rolled_back)


def check_message(message: pb.Message) -> None:
    """ProtocolError(malformed) for a message whose fields have lengths that cannot be."""
    if len(message.head) != HEAD_SIZE or len(message.sealed) < MIN_SEALED:
        raise ProtocolError(MALFORMED, "a message field of a wrong length")


def initiated_session(
    result: hs.Initiated, peer: Address, prekey: bytes, generation: int, replacement: bool,
    now: int, since: int,
) -> Session:
    """The initiator's new session; `prekey` is the responder's X25519 signed prekey."""
    return Session(
        peer=peer,
        ratchet=initiator_ratchet(result.keys, prekey),
        handshake_id=hs.id_of(result.handshake),
        generation=generation,
        initiator=True,
        confirmed=False,
        replacement=replacement,
        started=now,
        since=since,
        last_used=now,
        handshake=result.handshake,
    )


def responded_session(
    result: hs.Responded, handshake: pb.Handshake, now: int, since: int
) -> Session:
    """The responder's new session, to be kept only if the ratchet message opens."""
    return Session(
        peer=result.initiator,
        ratchet=responder_ratchet(result.keys, result.signed_prekey.x25519),
        handshake_id=hs.id_of(handshake),
        generation=result.generation,
        initiator=False,
        confirmed=True,
        replacement=False,
        started=now,
        since=since,
        last_used=now,
    )


def sending_session(
    sessions: tuple[Session, ...], highest: int, now: int
) -> Session | None:
    """Which session sends (5.6); `highest` is the highest known generation.

    One whose first chain is over may be the one: then sending fails.
    """
    able = [session for session in sessions if not session.given_up]
    # What is implausible sends only if there is no other, whatever state that is in.
    able = [session for session in able if not session.is_implausible(highest, now)] or able
    usable = [s for s in able if not s.is_over(now) and now - s.last_used < IDLE_LIFETIME]
    best = max(able, key=lambda session: session.rank(highest, now), default=None)
    if best and best.is_over(now) and usable:
        return max(usable, key=lambda session: session.rank(highest, now))
    return best


def live_sessions(
    sessions: tuple[Session, ...], highest: int, now: int
) -> tuple[Session, ...]:
    """The one that sends, those used within 30 days, and the newest that the peer may send in."""
    theirs = max((s.generation for s in sessions if s.confirmed), default=0)
    sends = sending_session(sessions, highest, now)
    return tuple(
        s for s in sessions
        if now - s.last_used < IDLE_LIFETIME or s is sends or s.generation >= theirs
    )


def add_session(sessions: tuple[Session, ...], new: Session) -> tuple[Session, ...]:
    """With a ninth session, one that was given up goes, else one that is not confirmed, else any;
    never the new one."""
    if len(sessions) >= MAX_SESSIONS:
        worst = min(sessions, key=lambda s: (not s.given_up, s.confirmed, s.generation))
        sessions = tuple(session for session in sessions if session is not worst)
    return sessions + (new,)


def next_generation(sessions: tuple[Session, ...], highest: int, now: int) -> int:
    """An initiator's generation."""
    own = [
        s.generation + 1 for s in sessions
        if s.initiator and not s.confirmed and not s.is_implausible(highest, now)
    ]
    return max(highest + 1, now, *own)


def acceptable_generation(generation: int, highest: int, met: bool, now: int) -> bool:
    """Whether the peer's generation is plausible; `met` if an earlier one has been accepted."""
    if not met:
        return generation < FIRST_GENERATION_LIMIT
    return generation <= max(now, highest) + GENERATION_JUMP
