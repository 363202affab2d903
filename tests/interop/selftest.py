"""Two Python peers: through two post-quantum epochs, with loss and reordering; idle sessions."""

import random
import sys

from checks import Check, Failure, expect, expect_equal, finish, run_checks
from subrosa.errors import ProtocolError
from subrosa.identity import Address
from subrosa.peer import Peer
from subrosa.session import FIRST_CHAIN_LIFETIME, IDLE_LIFETIME

ROUNDS = 400
SEED = 7


class Wire:
    """Carries envelopes one way: a fifth are lost, some come twice, all in a random order."""

    def __init__(self, receiver: Peer, source: random.Random) -> None:
        self.receiver = receiver
        self.source = source
        self.waiting: list[tuple[bytes, bytes]] = []
        self.delivered = 0
        self.duplicates = 0

    def put(self, envelope: bytes, content: bytes) -> None:
        if self.source.random() < 0.8:
            self.waiting.append((envelope, content))

    def flush(self) -> None:
        self.source.shuffle(self.waiting)
        late = [self.waiting.pop()] if len(self.waiting) > 2 else []
        for envelope, content in self.waiting:
            event = self.receiver.receive(envelope)
            expect_equal(event.content, content, "content")
            self.delivered += 1
            if self.source.random() < 0.2:
                self._repeat(envelope)
        self.waiting = late

    def _repeat(self, envelope: bytes) -> None:
        try:
            self.receiver.receive(envelope)
        except ProtocolError as error:
            expect_equal(error.word, "duplicate", "a repeated envelope")
            self.duplicates += 1
        else:
            raise Failure("a repeated envelope was opened")


def check_damage(peer: Peer, envelope: bytes) -> None:
    """An envelope with its last byte changed is refused; the genuine one still opens."""
    damaged = envelope[:-1] + bytes([envelope[-1] ^ 1])
    try:
        peer.receive(damaged)
    except ProtocolError as error:
        expect(error.word in ("not-opened", "refused"), f"a damaged envelope is {error}")
    else:
        raise Failure("a damaged envelope was opened")
    peer.receive(envelope)


def converse(one_time: bool) -> str:
    source = random.Random(SEED)
    alice, bob = Peer(b"alice"), Peer(b"bob")
    to_bob = alice.initiate(b"bob", bob.bundle(one_time))
    to_alice = alice.address
    check_damage(bob, alice.send(to_bob, b"hello").envelope)
    check_damage(alice, bob.send(to_alice, b"hello back").envelope)
    wires = {alice: Wire(bob, source), bob: Wire(alice, source)}
    sides: list[tuple[Peer, Address]] = [(alice, to_bob), (bob, to_alice)]
    for turn in range(ROUNDS):
        sender, to = sides[turn % 2]
        for number in range(source.randint(1, 5)):
            content = f"{turn}.{number}".encode() * source.choice((1, 10, 100))
            send = sender.send if source.random() < 0.8 else sender.notice
            wires[sender].put(send(to, content).envelope, content)
        wires[sender].flush()
        epochs = [peer.status(address)[0] for peer, address in sides]
        if min(epochs) >= 2:
            break
    expect(min(epochs) >= 2, f"after {ROUNDS} turns only {epochs} epochs are mixed in")
    expect_equal(bob.safety(b"alice"), alice.safety(b"bob"), "safety number")
    delivered = sum(wire.delivered for wire in wires.values())
    duplicates = sum(wire.duplicates for wire in wires.values())
    return f"{turn + 1} turns, {delivered} delivered, {duplicates} duplicates refused"


def idle_sessions() -> str:
    """A session that does not send is gone 30 days after it was last used."""
    alice, bob = Peer(b"alice"), Peer(b"bob")
    for _ in range(2):
        to_bob = alice.initiate(b"bob", bob.bundle(True))
        bob.receive(alice.send(to_bob, b"").envelope)
        alice.receive(bob.send(alice.address, b"").envelope)
    expect_equal(alice.status(to_bob)[2], 2, "sessions at first")
    alice.clock_ahead = bob.clock_ahead = IDLE_LIFETIME
    bob.receive(alice.send(to_bob, b"").envelope)
    alice.receive(bob.send(alice.address, b"").envelope)
    expect_equal(alice.status(to_bob)[2], 1, "sessions of alice after 30 days")
    expect_equal(bob.status(alice.address)[2], 1, "sessions of bob after 30 days")
    return ""


def first_chains() -> str:
    """A session whose first chain is over leaves sending to one that was answered."""
    alice, bob = Peer(b"alice"), Peer(b"bob")
    to_bob = alice.initiate(b"bob", bob.bundle(True))
    bob.receive(alice.send(to_bob, b"").envelope)
    alice.receive(bob.send(alice.address, b"").envelope)
    alice.initiate(b"bob", bob.bundle(True))
    expect(not alice.status(to_bob)[1], "the newer session does not send")
    alice.clock_ahead = FIRST_CHAIN_LIFETIME + 1
    expect(alice.status(to_bob)[1], "the newer session sends after 14 days")
    bob.receive(alice.send(to_bob, b"").envelope)
    return ""


def self_checks() -> list[Check]:
    return [
        ("two Python peers, one-time prekey", lambda: converse(one_time=True)),
        ("two Python peers, no one-time prekey", lambda: converse(one_time=False)),
        ("two Python peers, idle sessions", idle_sessions),
        ("two Python peers, a first chain that is over", first_chains),
    ]


if __name__ == "__main__":
    sys.exit(finish(*run_checks(self_checks())))
