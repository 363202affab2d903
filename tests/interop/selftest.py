"""Two Python peers: through two post-quantum epochs, with loss and reordering; idle sessions.

Beside them what proto/vectors leaves out of contents, control messages and publications.
"""

import random
import sys
from collections.abc import Callable

from checks import Check, Failure, expect, expect_equal, finish, run_checks
from subrosa import content, control, directory, payload
from subrosa.errors import ProtocolError
from subrosa.identity import Address
from subrosa.peer import Peer
from subrosa.prekeys import ONE_TIME, new_prekey
from subrosa.protobuf import content as pbc
from subrosa.protobuf import directory as pbd
from subrosa.protobuf import envelope as pb
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


def expect_word(word: str, what: Callable[[], object], text: str) -> None:
    try:
        what()
    except ProtocolError as error:
        expect_equal(error.word, word, text)
        return
    raise Failure(f"accepted: {text}")


def is_smallest(**fields: object) -> bool:
    """Whether a payload has the smallest size class, whatever `last`, `seen` and `view` say."""
    numbers = {"last_seq": 2**64 - 1, "seen_seq": 2**64 - 1}
    ids = {"last_id": 2**32 - 1, "seen_id": 2**32 - 1}
    encoded = pb.Payload(**numbers, **ids, view=2**64 - 1, **fields).SerializeToString()
    return payload.padded_length(len(encoded)) == payload.MIN_PADDED


def check_sizes() -> str:
    """As many fit the smallest size class as the tables of sections 7.4 and 10 say."""
    long, short = (2**64 - 1, 2**64 - 1), (2**21 - 1, 2**21 - 1)

    def receipt(count: int) -> bytes:
        told = pbc.Receipt(kind=pbc.RECEIPT_KIND_READ, ids=bytes(16 * count))
        return bytes(16) + content.encode(pbc.Content(sent_at=2**42, receipt=told))

    for made, limit in (
        (lambda n: {"control": control.ask([long] * n)}, 7),
        (lambda n: {"control": control.unavailable([short] * n)}, 17),
        (lambda n: {"control": control.not_opened([bytes(16)] * n)}, 10),
        (lambda n: {"control": control.not_opened([], [bytes(32)] * n)}, 5),
        (lambda n: {"body": receipt(n)}, 8),
    ):
        expect(is_smallest(**made(limit)), f"{limit} do not fit")
        expect(not is_smallest(**made(limit + 1)), f"{limit + 1} fit")
    return ""


def check_repair() -> str:
    """Control messages of repair, at their limits and beyond them."""

    def decode(message: pb.Control) -> payload.Opened:
        return payload.decode(payload.pad(pb.Payload(control=message).SerializeToString(), b""))

    last = 2**64 - 1
    good = [
        control.ask([]), control.ask([(1, last)] * 100), control.unavailable([(last, last)]),
        control.not_opened([bytes(16)] * 60, [bytes(32)] * 40), control.not_opened([]),
        control.sign_of_life(), control.sign(),
    ]
    for message in good:
        expect_equal(decode(message).message.control, message, "control message")
    zero, back = pb.NumberRange(last=1), pb.NumberRange(first=2, last=1)
    bad = [
        pb.Control(ask=pb.NumberRanges(ranges=[zero])),
        pb.Control(unavailable=pb.NumberRanges(ranges=[back])),
        pb.Control(ask=pb.NumberRanges(ranges=[pb.NumberRange(first=1, last=1)] * 101)),
        pb.Control(not_opened=pb.NotOpened(names=bytes(17))),
        pb.Control(not_opened=pb.NotOpened(ephemerals=bytes(48))),
        pb.Control(not_opened=pb.NotOpened(names=bytes(16 * 61), ephemerals=bytes(32 * 40))),
    ]
    for message in bad:
        expect_word("malformed", lambda message=message: decode(message), str(message)[:80])
    for ranges in ([(0, 1)], [(2, 1)], [(1, 1)] * 101):
        expect_word("usage", lambda ranges=ranges: control.ask(ranges), "ranges of our own")
    return f"{len(good)} well formed, {len(bad)} malformed"


def check_content_rules() -> str:
    """Lengths, and what is passed on."""
    text = pbc.Content(text=pbc.Text(text="a" * content.MAX_TEXT))
    encoded = content.encode(text)
    expect(isinstance(content.decode(encoded), content.Known), "the longest text is unknown")
    copy = pbc.SentCopy(
        user_id=bytes(255), message_id=bytes(16), content=bytes(content.MAX_COPIED)
    )
    message = pbc.Content(sent_at=2**42, sync=pbc.Sync(sent_copy=copy))
    expect(isinstance(content.decode(content.encode(message)), content.Known), "the longest copy")
    longer = pbc.Content(text=pbc.Text(text="a" * (content.MAX_TEXT + 1)))
    broken = [
        longer,
        pbc.Content(sync=pbc.Sync(read_marks=pbc.ReadMarks())),
        pbc.Content(sync=pbc.Sync(verified=pbc.Verified(user_id=b"a", account_key=bytes(31)))),
        pbc.Content(sync=pbc.Sync(decision=pbc.Decision(user_id=b"a")), fallback="a"),
        pbc.Content(sync=pbc.Sync(), fallback="a"),
    ]
    for message in broken:
        expect_word("usage", lambda message=message: content.encode(message), "own content")
        found = content.decode(message.SerializeToString())
        expect_equal(found, content.Unknown(message.SerializeToString(), ""), "what is shown")
    later = pbc.Content(sent_at=1, expires_after=5, reply_to=bytes(16), fallback="a poll")
    came = later.SerializeToString() + b"\xc2\x3e\x01a"
    sent = content.pass_on(came, 300)
    expect(sent.startswith(came), "what was passed on has lost bytes")
    expect_equal(content.decode(sent), content.Unknown(sent, "a poll"), "passed on")
    read = pbc.Content.FromString(sent)
    expect_equal((read.sent_at, read.expires_after, read.reply_to), (300, 0, b""), "fields")
    return f"{len(broken)} broken"


def check_directory() -> str:
    """A whole stock; one prekey too many; a list that is behind."""
    peer = Peer(b"alice")
    *prekeys, extra = (new_prekey(peer.keys, ONE_TIME, 1) for _ in range(101))
    one_time = [prekey.signed for prekey in prekeys]

    def publish(stock: list[bytes]) -> bytes:
        return directory.make_publication(
            peer.address, peer.list.signed, peer.signed_prekey.signed, stock, directory.WHOLE
        )

    old, whole = peer.list, publish(one_time)
    checked = directory.check_publication(whole)
    found = [prekey.id for prekey in checked.one_time_prekeys]
    expect_equal(found, [prekey.id for prekey in prekeys], "one-time prekeys")
    expect_word("usage", lambda: publish([*one_time, extra.signed]), "101 of our own")
    one_more = pbd.Publication()
    one_more.one_time_prekeys.add().ParseFromString(extra.signed)
    too_many = whole + one_more.SerializeToString()
    expect_word("refused", lambda: directory.check_publication(too_many), "101 prekeys")
    peer.renew_list()
    directory.check_publication(publish([]), old)
    expect_word("refused", lambda: directory.check_publication(whole, peer.list), "an older list")
    other = Peer(b"alice").list
    expect_word("refused", lambda: directory.check_publication(whole, other), "another account")
    return ""


def self_checks() -> list[Check]:
    return [
        ("two Python peers, one-time prekey", lambda: converse(one_time=True)),
        ("two Python peers, no one-time prekey", lambda: converse(one_time=False)),
        ("two Python peers, idle sessions", idle_sessions),
        ("two Python peers, a first chain that is over", first_chains),
        ("sizes of control messages and receipts", check_sizes),
        ("control messages of repair", check_repair),
        ("rules of contents", check_content_rules),
        ("what a directory checks", check_directory),
    ]


if __name__ == "__main__":
    sys.exit(finish(*run_checks(self_checks())))
