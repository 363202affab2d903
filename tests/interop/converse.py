"""Conversations between this client and the reference implementation's test program."""

import argparse
import hashlib
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from checks import Check, Failure, expect, expect_equal, finish, run_checks
from remote import RemotePeer
from subrosa import errors, labels
from subrosa.chain import Chain, header_key, kdf_rk
from subrosa.errors import ProtocolError
from subrosa.identity import Address, device_entry_message, view
from subrosa.numbering import short_id
from subrosa.peer import Event, Peer, Sent
from subrosa.primitives import GROUP_ORDER, KeyPair, sign
from subrosa.session import FIRST_GENERATION_LIMIT, GENERATION_JUMP
from subrosa.protobuf import envelope as pb
from subrosa.protobuf import keys as pbk

MAX_TURNS = 400
EPOCHS = 2
PYTHON, RUST = b"python", b"rust"
NEUTRAL_POINT = b"\x01" + bytes(31)
# R is the base point, S is 1: R = S·B - h·A for every h, where A is the neutral point.
ANY_MESSAGE_SIGNATURE = b"\x58" + b"\x66" * 31 + b"\x01" + bytes(31)
AnyPeer = Peer | RemotePeer


def expect_error(word: str, receiver: AnyPeer, envelope: bytes, what: str) -> None:
    """The receiver refuses an envelope with this word."""
    expect_word((word,), lambda: receiver.receive(envelope), what)


def expect_word(words: tuple[str, ...], action: Callable[[], object], what: str) -> None:
    try:
        action()
    except ProtocolError as error:
        expect(error.word in words, f"{what}: `{error}` instead of {' or '.join(words)}")
    else:
        raise Failure(f"{what}: accepted")


def expect_event(event: Event, sender: Address, sent: Sent, content: bytes) -> None:
    expect_equal(event.sender, sender, "sender")
    expect_equal(event.seq, sent.seq, "number")
    expect_equal(event.id, sent.id, "message id")
    expect_equal(event.content, content, "content")


def deliver(sender: AnyPeer, receiver: AnyPeer, content: bytes) -> Event:
    """Send one numbered message and receive it."""
    sent = sender.send(receiver.address, content)
    event = receiver.receive(sent.envelope)
    expect_event(event, sender.address, sent, content)
    return event


@dataclass
class Wire:
    """Carries one side's envelopes: loses some, keeps some for later, repeats some."""

    sender: AnyPeer
    receiver: AnyPeer
    source: random.Random
    waiting: list[tuple[Sent, bytes]] = field(default_factory=list)
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0

    def burst(self, count: int, label: str) -> None:
        for number in range(count):
            content = f"{label}.{number}".encode() * self.source.choice((0, 1, 5, 60))
            numbered = self.source.random() < 0.8
            send = self.sender.send if numbered else self.sender.notice
            sent = send(self.receiver.address, content)
            expect((sent.seq > 0) == numbered, f"a message has the number {sent.seq}")
            if self.source.random() < 0.15:
                self.lost += 1
            else:
                self.waiting.append((sent, content))

    def flush(self) -> None:
        self.source.shuffle(self.waiting)
        later = [item for item in self.waiting if self.source.random() < 0.15]
        for sent, content in self.waiting:
            if any(sent is item[0] for item in later):
                continue
            event = self.receiver.receive(sent.envelope)
            expect_event(event, self.sender.address, sent, content)
            strange = [r for r in event.reports if not r.startswith("gap:")]
            expect_equal(strange, [], "reports besides gaps")
            self.delivered += 1
            if self.source.random() < 0.2:
                expect_error(errors.DUPLICATE, self.receiver, sent.envelope, "a repetition")
                self.duplicates += 1
        self.waiting = later


def converse(
    initiator: AnyPeer, responder: AnyPeer, remote: RemotePeer, one_time: bool, burst: int
) -> str:
    """Converse until both sides have mixed in two epochs."""
    source = random.Random(f"{burst} {one_time}")
    address = initiator.initiate(responder.address.user, responder.bundle(one_time))
    expect_equal(address, responder.address, "address of the responder")
    expect_equal(initiator.status(address), (0, False, 1), "status before any answer")
    forth = Wire(initiator, responder, source)
    back = Wire(responder, initiator, source)
    deliver(initiator, responder, b"")
    expect_equal(responder.status(initiator.address), (0, True, 1), "status of the responder")
    for turn in range(MAX_TURNS):
        wire = forth if turn % 2 == 0 else back
        wire.burst(source.randint(1, burst), str(turn))
        wire.flush()
        if source.random() < 0.1:
            remote.reload()
        sides = ((initiator, responder.address), (responder, initiator.address))
        states = [side.status(to) for side, to in sides]
        if min(state[0] for state in states) >= EPOCHS:
            break
    expect(min(s[0] for s in states) >= EPOCHS, f"after {MAX_TURNS} turns only {states}")
    expect_equal(states[0][1:], (True, 1), "the initiator is confirmed, with one session")
    number = initiator.safety(responder.address.user)
    expect_equal(responder.safety(initiator.address.user), number, "safety number")
    counts = [
        f"{sum(getattr(wire, name) for wire in (forth, back))} {name}"
        for name in ("delivered", "lost", "duplicates")
    ]
    return f"{turn + 1} turns, {', '.join(counts)}"


def set_bytes(envelope: bytes, change: Callable[[pb.Envelope], None]) -> bytes:
    """An envelope with something changed inside."""
    decoded = pb.Envelope.FromString(envelope)
    change(decoded)
    return decoded.SerializeToString()


def flip(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


def message_of(envelope: pb.Envelope) -> pb.Message:
    if envelope.HasField("message"):
        return envelope.message
    return envelope.first_message.message


def damaged_messages(envelope: bytes) -> list[tuple[str, str, bytes]]:
    """(what, word, envelope) for a message of a session that the receiver has."""

    def with_head(index: int) -> bytes:
        def change(decoded: pb.Envelope) -> None:
            message_of(decoded).head = flip(message_of(decoded).head, index)

        return set_bytes(envelope, change)

    def with_sealed(index: int) -> bytes:
        def change(decoded: pb.Envelope) -> None:
            message_of(decoded).sealed = flip(message_of(decoded).sealed, index)

        return set_bytes(envelope, change)

    def short_head(decoded: pb.Envelope) -> None:
        message_of(decoded).head = message_of(decoded).head[:-1]

    return [
        ("another tag", errors.UNKNOWN, with_head(0)),
        ("another salt", errors.NOT_OPENED, with_head(8)),
        ("another ratchet key", errors.NOT_OPENED, with_head(16)),
        ("another number", errors.NOT_OPENED, with_head(51)),
        ("another PN", errors.NOT_OPENED, with_head(55)),
        ("another pq_epoch", errors.NOT_OPENED, with_head(59)),
        ("another ciphertext", errors.NOT_OPENED, with_sealed(0)),
        ("another AEAD tag", errors.NOT_OPENED, with_sealed(-1)),
        ("a head of 59 bytes", errors.MALFORMED, set_bytes(envelope, short_head)),
        ("an envelope cut short", errors.MALFORMED, envelope[:-1]),
        ("an empty envelope", errors.MALFORMED, b""),
        ("131,073 bytes", errors.MALFORMED, bytes(131_073)),
    ]


def damaged_handshakes(envelope: bytes) -> list[tuple[str, bytes]]:
    """(what, envelope) for a first message of a session that the receiver does not have."""
    found = []
    for name in ("ephemeral", "prekey_ids", "kem_ciphertext", "initiator"):

        def change(decoded: pb.Envelope, name: str = name) -> None:
            handshake = decoded.first_message.handshake
            setattr(handshake, name, flip(getattr(handshake, name), 0))

        found.append((f"another {name}", set_bytes(envelope, change)))

    def low_order(decoded: pb.Envelope) -> None:
        decoded.first_message.handshake.ephemeral = bytes(32)

    found.append(("an E of low order", set_bytes(envelope, low_order)))
    for what, word, damaged in damaged_messages(envelope):
        if word in (errors.UNKNOWN, errors.NOT_OPENED):
            found.append((f"{what} in the message", damaged))
    return found


def check_damage(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Damaged envelopes change nothing; the genuine ones open afterwards."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    count = 0
    first = sender.send(receiver.address, b"first")
    for what, damaged in damaged_handshakes(first.envelope):
        expect_error(errors.REFUSED, receiver, damaged, f"first message, {what}")
        count += 1
    expect_event(receiver.receive(first.envelope), sender.address, first, b"first")
    for what, damaged in damaged_handshakes(first.envelope)[:4]:
        expect_error(errors.REFUSED, receiver, damaged, f"known first message, {what}")
        count += 1
    deliver(receiver, sender, b"answer")
    for number, content in enumerate((b"new chain", b"same chain")):
        sent = sender.send(receiver.address, content)
        for what, word, damaged in damaged_messages(sent.envelope):
            expect_error(word, receiver, damaged, f"message {number}, {what}")
            count += 1
        expect_event(receiver.receive(sent.envelope), sender.address, sent, content)
        expect_error(errors.DUPLICATE, receiver, sent.envelope, "a repetition")
    return f"{count} damaged envelopes"


def check_gaps(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Gaps are reported when they open, and close without a word."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    sent = [sender.send(receiver.address, b"") for _ in range(6)]
    expect_equal([s.seq for s in sent], [1, 2, 3, 4, 5, 6], "numbers")
    notice = sender.notice(receiver.address, b"")
    expect_equal(notice.seq, 0, "number of a notice")
    wanted = [(0, ()), (3, ("gap:2-3",)), (1, ()), (2, ())]
    for index, reports in wanted:
        event = receiver.receive(sent[index].envelope)
        expect_equal(event.reports, reports, f"reports with number {index + 1}")
    expect_equal(receiver.receive(notice.envelope).reports, ("gap:5-6",), "with the notice")
    expect_equal(receiver.receive(sent[5].envelope).reports, (), "with number 6")
    return ""


def check_loss(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Of 1,100 messages passed over in one chain, the keys of 1,000 are kept."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    sent = [sender.send(receiver.address, b"") for _ in range(1_102)]
    receiver.receive(sent[0].envelope)
    event = receiver.receive(sent[1_101].envelope)
    expect_equal(sorted(event.reports), ["gap:2-1101", "lost:100"], "reports")
    expect_error(errors.KEY_GONE, receiver, sent[100].envelope, "the newest lost message")
    event = receiver.receive(sent[101].envelope)
    expect_event(event, sender.address, sent[101], b"")
    return ""


def check_closed_chain(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Messages of a closed chain still open, through two more steps."""
    sender.initiate(receiver.address.user, receiver.bundle(False))
    deliver(sender, receiver, b"begin")
    late = [sender.send(receiver.address, bytes([i])) for i in range(3)]
    deliver(receiver, sender, b"step")
    deliver(sender, receiver, b"step")
    deliver(receiver, sender, b"step")
    deliver(sender, receiver, b"step")
    for index in (2, 0, 1):
        event = receiver.receive(late[index].envelope)
        expect_event(event, sender.address, late[index], bytes([index]))
        expect_error(errors.DUPLICATE, receiver, late[index].envelope, "a repetition")
    return ""


def check_skipped_limit(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Of 2,500 skipped keys the first 500 go, though 500 others have been used."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    deliver(sender, receiver, b"")
    sent = [sender.notice(receiver.address, b"") for _ in range(2_503)]

    def lost(index: int) -> tuple[str, ...]:
        return receiver.receive(sent[index].envelope).reports

    expect_equal(lost(1_000), (), "reports after 1,000 skipped keys")
    for index in range(500, 1_000):
        receiver.receive(sent[index].envelope)
    expect_equal(lost(2_001), (), "reports after 2,000 skipped keys")
    expect_equal(lost(2_502), ("lost:500",), "reports after 2,500 skipped keys")
    expect_error(errors.KEY_GONE, receiver, sent[499].envelope, "the newest lost message")
    receiver.receive(sent[1_001].envelope)
    return ""


def fast_forward(peer: Peer, to: Address, count: int) -> None:
    """Pass over numbers in the sending chain, as if messages had been lost."""
    contact = peer.contacts[to]
    session = contact.sessions[0]
    sending = session.ratchet.sending
    assert sending is not None
    for _ in range(count):
        sending, _ = sending.step()
    session = replace(session, ratchet=replace(session.ratchet, sending=sending))
    peer.contacts[to] = contact.update(session)


def check_far(python: Peer, rust: RemotePeer) -> str:
    """25,001 numbers ahead is too far, 1,600 loses 600, 25,000 is allowed."""
    to = python.initiate(RUST, rust.bundle(True))
    deliver(python, rust, b"begin")
    before = dict(python.contacts)
    fast_forward(python, to, 25_001)
    expect_error(errors.TOO_FAR, rust, python.send(to, b"").envelope, "25,001 ahead")
    python.contacts = dict(before)
    fast_forward(python, to, 1_600)
    expect_equal(deliver(python, rust, b"").reports, ("lost:600",), "1,600 ahead")
    fast_forward(python, to, 25_000)
    expect_equal(deliver(python, rust, b"").reports, ("lost:24000",), "25,000 ahead")
    return ""


def check_rolled_back(python: Peer, rust: RemotePeer) -> str:
    """A client that went back to an older state is noticed, and heals with the next step."""
    to = python.initiate(RUST, rust.bundle(True))
    deliver(python, rust, b"begin")
    deliver(rust, python, b"answer")
    deliver(python, rust, b"new chain")
    before = dict(python.contacts)
    deliver(python, rust, b"once")
    python.contacts = before
    sent = python.send(to, b"again")
    expect_error(errors.ROLLED_BACK, rust, sent.envelope, "the same number again")
    fast_forward(python, to, 3)
    event = rust.receive(python.send(to, b"later").envelope)
    expect("peer-rolled-back" not in event.reports, "a new number counts as rolled back")
    event = python.receive(rust.send(python.address, b"healing").envelope)
    expect_equal(event.content, b"healing", "content")
    return ", ".join(event.reports)


def check_short_chain(python: Peer, rust: RemotePeer) -> str:
    """A chain that ends before a number that has come shows that its client went back."""
    to = python.initiate(RUST, rust.bundle(True))
    deliver(python, rust, b"begin")
    deliver(rust, python, b"answer")
    deliver(python, rust, b"new chain")
    before = dict(python.contacts)
    sent = [python.send(to, b"") for _ in range(4)]
    for message in sent[:3]:
        rust.receive(message.envelope)
    python.contacts = before
    event = python.receive(rust.send(python.address, b"step").envelope)
    expect_equal(event.reports, ("rolled-back",), "reports on the Python side")
    event = deliver(python, rust, b"")
    expect_equal(event.reports, ("peer-rolled-back",), "reports with the next chain")
    after = sent[3].envelope
    expect_error(errors.ROLLED_BACK, rust, after, "the next number of the closed chain")
    return ""


def send_payload(peer: Peer, to: Address, **fields: object) -> bytes:
    """An envelope with a payload as the caller says."""
    contact = peer.contacts[to]
    hashes = view(peer.list.hash, peer.lists[to.user].hash)
    encoded = pb.Payload(view=hashes, **fields).SerializeToString()
    session, envelope = contact.sessions[-1].send(encoded, peer.now())
    peer.contacts[to] = contact.update(session)
    return envelope


def check_payloads(python: Peer, receiver: AnyPeer) -> str:
    """Nothing of a malformed payload counts; an unknown control message says nothing."""
    to = python.initiate(receiver.address.user, receiver.bundle(True))
    deliver(python, receiver, b"begin")
    deliver(receiver, python, b"answer")
    highest = pb.Control(highest_generation=python.now() + 1_000)
    lists = pb.ListVersions(own_hash=bytes(32), their_hash=bytes(32))
    lists.own_list.signature = bytes(63)
    one, back = pb.NumberRange(first=1, last=1), pb.NumberRange(first=2, last=1)
    malformed: list[dict[str, object]] = [
        {"seq": 9, "body": bytes(17), "control": highest},
        {"last_seq": 9},
        {"seq": 9, "body": bytes(15)},
        {"control": pb.Control(lists=pb.ListVersions(own_version=2)), "seen_seq": 9},
        {"control": pb.Control(lists=lists)},
        {"control": pb.Control(ask=pb.NumberRanges(ranges=[pb.NumberRange(last=1)]))},
        {"control": pb.Control(unavailable=pb.NumberRanges(ranges=[back]))},
        {"control": pb.Control(ask=pb.NumberRanges(ranges=[one] * 101))},
        {"control": pb.Control(not_opened=pb.NotOpened(names=bytes(17)))},
        {"control": pb.Control(not_opened=pb.NotOpened(ephemerals=bytes(31)))},
        {"control": pb.Control(not_opened=pb.NotOpened(names=bytes(96), ephemerals=bytes(3040)))},
    ]
    for fields in malformed:
        envelope = send_payload(python, to, **fields)
        expect_equal(receiver.receive(envelope).reports, ("malformed",), f"reports, {fields}")
        expect_error(errors.DUPLICATE, receiver, envelope, "a malformed one again")
    for control in (pb.Control(), pb.Control.FromString(b"\x78\x01")):
        envelope = send_payload(python, to, seq=9, control=control)
        expect_equal(receiver.receive(envelope).reports, (), "reports, unknown control message")
    expect_equal(deliver(python, receiver, b"").reports, (), "reports afterwards")

    def shorten(envelope: pb.Envelope) -> None:
        envelope.message.sealed = envelope.message.sealed[:16]

    sent = python.send(to, b"")
    short = set_bytes(sent.envelope, shorten)
    expect_error(errors.MALFORMED, receiver, short, "`sealed` of 16 bytes")
    receiver.receive(sent.envelope)
    return f"{len(malformed)} malformed"


def check_ids(python: Peer, receiver: AnyPeer) -> str:
    """An id that is missing under a known number is missing until just that id has come."""
    to = python.initiate(receiver.address.user, receiver.bundle(True))
    first, second, third = (bytes([i]) * 16 for i in range(1, 4))
    missing = {"last_seq": 1, "last_id": short_id(second)}
    payloads: list[tuple[dict[str, object], tuple[str, ...]]] = [
        ({"seq": 1, "body": first}, ()),
        ({"body": third, **missing}, ("gap:1-1",)),
        ({"seq": 1, "body": third}, ("peer-rolled-back",)),
        ({"body": third, **missing}, ()),
        ({"seq": 1, "body": second}, ("peer-rolled-back",)),
        ({"seq": 1, "body": second, **missing}, ("repeated",)),
        ({"body": third, "last_seq": 2_000}, ("gap:2-2000",)),
        ({"seq": 1, "body": second}, ("repeated",)),
        ({"seq": 2, "body": first}, ()),
        ({"seq": 2, "body": first}, ("repeated",)),
    ]
    for number, (fields, reports) in enumerate(payloads):
        event = receiver.receive(send_payload(python, to, **fields))
        expect_equal(event.reports, reports, f"reports with payload {number}")
    return ""


def check_restored(python: Peer, receiver: AnyPeer) -> str:
    """A restored device that counts anew is heard, and goes on above what the peer has."""
    to = python.initiate(RUST, receiver.bundle(True))
    first = bytes(16)
    event = receiver.receive(send_payload(python, to, seq=70_000, body=first))
    expect_equal(event.reports, ("far-ahead",), "reports with a first high number")
    event = receiver.receive(send_payload(python, to, body=bytes([1]) * 16, last_seq=69_999))
    expect_equal(event.reports, (), "reports with `last` below the first high number")
    other = Peer(b"other")
    to_receiver = other.initiate(RUST, receiver.bundle(True))
    for reports in (("far-ahead",), ()):
        event = receiver.receive(send_payload(other, to_receiver, body=first, last_seq=70_000))
        expect_equal(event.reports, reports, "reports with a first high `last`, then again")
    event = receiver.receive(send_payload(python, to, seq=1, body=first))
    expect_equal(event.reports, ("repeated",), "reports with number 1 in the same session")
    python.contacts.clear()
    python.clock_ahead = 1_000
    python.initiate(RUST, receiver.bundle(True))
    event = deliver(python, receiver, b"restored")
    expect_equal(event.reports, ("far-behind",), "reports with number 1 in a younger session")
    event = deliver(receiver, python, b"")
    expect_equal(event.reports, ("rolled-back",), "reports on the restored side")
    expect_equal(python.send(to, b"").seq, 70_001, "the next number")
    expect_equal(deliver(receiver, python, b"").reports, (), "reports afterwards")
    return ""


def check_reflection(sender: AnyPeer, receiver: AnyPeer) -> str:
    """A first message that comes back to its author is of a session that it knows."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    sent = sender.send(receiver.address, b"")
    expect_error(errors.UNKNOWN, sender, sent.envelope, "the own first message")
    receiver.receive(sent.envelope)
    return ""


def check_sent_again(python: Peer, rust: RemotePeer) -> str:
    """A message that is sent again is known by its number, or closes its gap."""
    to = python.initiate(RUST, rust.bundle(True))
    deliver(python, rust, b"begin")
    known, lost = python.send(to, b"known"), python.send(to, b"lost")
    rust.receive(known.envelope)
    expect_equal(deliver(python, rust, b"").reports, ("gap:3-3",), "reports after the lost one")
    event = rust.receive(python.send_again(to, known).envelope)
    expect_equal(event.reports, ("repeated",), "reports with a known message")
    again = python.send_again(to, lost)
    event = rust.receive(again.envelope)
    expect_event(event, python.address, again, b"lost")
    expect_equal(event.reports, (), "reports with the lost one")
    event = rust.receive(lost.envelope)
    expect_equal(event.reports, ("repeated",), "reports with its first envelope")
    return ""


def check_random_damage(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Any one bit of an envelope changed: refused, and the genuine one still opens."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    source = random.Random(3)
    words: dict[str, int] = {}
    for turn in range(4):
        sent = sender.send(receiver.address, b"content")
        for _ in range(60):
            damaged = bytearray(sent.envelope)
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
            try:
                receiver.receive(bytes(damaged))
            except ProtocolError as error:
                words[error.word] = words.get(error.word, 0) + 1
            else:
                raise Failure(f"accepted: {bytes(damaged).hex()}")
        expect_event(receiver.receive(sent.envelope), sender.address, sent, b"content")
        if turn == 1:
            deliver(receiver, sender, b"answer")
    return ", ".join(f"{count} {word}" for word, count in sorted(words.items()))


def check_sizes(sender: AnyPeer, receiver: AnyPeer) -> str:
    """Every size of content up to the limit, which is the limit."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    for size in (0, 1, 150, 200, 255, 256, 4_096, 65_535, 65_536):
        deliver(sender, receiver, b"\x80" + bytes(size - 1) if size else b"")
    too_long = bytes(65_537)
    expect_word(
        (errors.USAGE,), lambda: sender.send(receiver.address, too_long), "65,537 bytes"
    )
    deliver(sender, receiver, b"afterwards")
    return ""


def check_crossing(python: Peer, rust: RemotePeer) -> str:
    """Both initiate at once; after one exchange both send in the same session."""
    to_rust = python.initiate(RUST, rust.bundle(True))
    to_python = rust.initiate(PYTHON, python.bundle(True))
    forth = python.send(to_rust, b"from python")
    back = rust.send(to_python, b"from rust")
    expect_event(rust.receive(forth.envelope), python.address, forth, b"from python")
    expect_event(python.receive(back.envelope), rust.address, back, b"from rust")
    for turn in range(4):
        deliver(python, rust, f"{turn}".encode())
        deliver(rust, python, f"{turn}".encode())
    expect_equal(python.status(to_rust)[1:], (True, 2), "status on the Python side")
    expect_equal(rust.status(to_python)[1:], (True, 2), "status on the Rust side")
    return ""


def check_replacement(sender: AnyPeer, receiver: AnyPeer) -> str:
    """A second session replaces the first for sending; numbers go on across both."""
    sender.initiate(receiver.address.user, receiver.bundle(True))
    deliver(sender, receiver, b"one")
    deliver(receiver, sender, b"one")
    late = sender.send(receiver.address, b"late")
    sender.initiate(receiver.address.user, receiver.bundle(True))
    sent = sender.send(receiver.address, b"three")
    expect_equal(sent.seq, 3, "number in the second session")
    kind = pb.Envelope.FromString(sent.envelope).WhichOneof("kind")
    expect_equal(kind, "first_message", "form of a message in the second session")
    expect_equal(receiver.receive(sent.envelope).reports, ("gap:2-2",), "reports")
    expect_event(receiver.receive(late.envelope), sender.address, late, b"late")
    deliver(receiver, sender, b"two")
    deliver(sender, receiver, b"four")
    for side, to in ((sender, receiver.address), (receiver, sender.address)):
        expect_equal(side.status(to), (0, True, 2), "status")
    return ""


def check_one_time_prekey_once(sender: AnyPeer, other: Peer, receiver: AnyPeer) -> str:
    """A one-time prekey serves one handshake; one that fails does not use it up."""
    bundle = receiver.bundle(True)
    to = sender.initiate(receiver.address.user, bundle)
    other.initiate(receiver.address.user, bundle)
    receiver.receive(sender.send(to, b"").envelope)
    second = other.send(to, b"").envelope
    expect_error(errors.REFUSED, receiver, second, "a one-time prekey for the second time")
    other.initiate(receiver.address.user, receiver.bundle(True))
    return ""


def check_bundles(initiator: AnyPeer, other: AnyPeer) -> str:
    """A bundle with one false part is refused whole."""
    user, good = other.address.user, other.bundle(True)

    def changed(change: Callable[[pbk.Bundle], None]) -> bytes:
        bundle = pbk.Bundle.FromString(good)
        change(bundle)
        return bundle.SerializeToString()

    def damage(part: pbk.SignedPrekey | pbk.SignedDeviceList) -> None:
        part.signature = flip(part.signature, 0)

    def swap(bundle: pbk.Bundle) -> None:
        bundle.devices[0].signed_prekey.CopyFrom(bundle.devices[0].one_time_prekey)

    def repeat(bundle: pbk.Bundle) -> None:
        bundle.devices.append(bundle.devices[0])

    refused = [
        ("of another user", b"another", good),
        ("list signature", user, changed(lambda b: damage(b.device_list))),
        ("signed prekey", user, changed(lambda b: damage(b.devices[0].signed_prekey))),
        ("one-time prekey", user, changed(lambda b: damage(b.devices[0].one_time_prekey))),
        ("wrong kind", user, changed(swap)),
        ("a device twice", user, changed(repeat)),
    ]
    for what, asked, bundle in refused:
        expect_word(
            (errors.REFUSED,),
            lambda asked=asked, bundle=bundle: initiator.initiate(asked, bundle),
            f"bundle, {what}",
        )
    initiator.initiate(user, good)
    deliver(initiator, other, b"")
    return f"{len(refused)} refused"


def small_order_bundle(owner: Peer, account: bool) -> bytes:
    """A bundle whose account key or signing key is the neutral point.

    Under such a key one signature verifies for every message, where the key is not refused.
    """
    bundle = pbk.Bundle.FromString(owner.bundle(True))
    device_list = pbk.DeviceList.FromString(bundle.device_list.list)
    entry, keys = device_list.devices[0], owner.keys
    if account:
        device_list.account_key = NEUTRAL_POINT
    else:
        entry.signing_key = NEUTRAL_POINT
        bundle.devices[0].signed_prekey.signature = ANY_MESSAGE_SIGNATURE
        bundle.devices[0].one_time_prekey.signature = ANY_MESSAGE_SIGNATURE
    message = device_entry_message(
        device_list.user_id, device_list.account_key, entry.device_id, entry.identity_key
    )
    entry.proof = ANY_MESSAGE_SIGNATURE
    if account:
        entry.proof = sign(keys.signing.private, labels.DEVICE_ENTRY, message)
    bundle.device_list.list = device_list.SerializeToString()
    bundle.device_list.signature = ANY_MESSAGE_SIGNATURE
    if not account:
        bundle.device_list.signature = sign(
            keys.account.private, labels.DEVICE_LIST, bundle.device_list.list
        )
    return bundle.SerializeToString()


def neutral_signature(key: KeyPair, label: bytes, message: bytes) -> bytes:
    """A signature that the equation fulfils, with R the neutral point."""
    signed = label + b"\0" + message
    digest = hashlib.sha512(key.private).digest()
    secret = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    challenge = hashlib.sha512(NEUTRAL_POINT + key.public + signed).digest()
    s = int.from_bytes(challenge, "little") * secret % GROUP_ORDER
    signature = NEUTRAL_POINT + s.to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)
    return signature


def small_order_signature_bundle(owner: Peer) -> bytes:
    """A bundle whose list is signed with an R of small order."""
    bundle = pbk.Bundle.FromString(owner.bundle(True))
    signed_list = bundle.device_list
    signed_list.signature = neutral_signature(
        owner.keys.account, labels.DEVICE_LIST, signed_list.list
    )
    return bundle.SerializeToString()


def check_small_order(python: Peer, rust: RemotePeer) -> str:
    """Points of small order, each where everything else about it would pass."""
    Ed25519PublicKey.from_public_bytes(NEUTRAL_POINT).verify(ANY_MESSAGE_SIGNATURE, b"anything")
    bundles = (
        ("account key", small_order_bundle(python, account=True)),
        ("signing key", small_order_bundle(python, account=False)),
        ("R of a signature", small_order_signature_bundle(python)),
    )
    for what, bundle in bundles:
        expect_word(
            (errors.REFUSED,),
            lambda bundle=bundle: rust.initiate(PYTHON, bundle),
            f"{what} of small order",
        )
    to = python.initiate(RUST, rust.bundle(True))
    deliver(python, rust, b"begin")
    deliver(rust, python, b"answer")
    before = python.contacts[to]
    session = before.sessions[0]
    ratchet = session.ratchet
    root, chain_key, _ = kdf_rk(ratchet.root, bytes(32), b"")
    forged = replace(
        ratchet,
        root=root,
        sending=Chain(chain_key, header_key(ratchet.next_sending)),
        sending_key=bytes(32),
    )
    python.contacts[to] = before.update(replace(session, ratchet=forged))
    sent = python.send(to, b"")
    expect_error(errors.NOT_OPENED, rust, sent.envelope, "a ratchet key of low order")
    python.contacts[to] = before
    deliver(python, rust, b"genuine")
    return ""


def check_identity(python: Peer, receiver: AnyPeer) -> str:
    """Another account key is refused for a user who is known, and under the same address."""
    to = python.initiate(RUST, receiver.bundle(True))
    deliver(python, receiver, b"")
    for device in (None, python.address.device):
        impostor = Peer(PYTHON, device)
        impostor.initiate(RUST, receiver.bundle(True))
        sent = impostor.send(to, b"")
        what = "another account key, " + ("the same address" if device else "another device")
        expect_error(errors.REFUSED, receiver, sent.envelope, f"a handshake, {what}")
        expect_word(
            (errors.REFUSED,),
            lambda impostor=impostor: receiver.initiate(PYTHON, impostor.bundle(True)),
            f"a bundle, {what}",
        )
    deliver(receiver, python, b"to the one who is known")
    return ""


def hear_generations(
    python: Peer, receiver: AnyPeer, heard: list[tuple[int, tuple[str, ...]]]
) -> None:
    """Answers with these generations, and what the receiver reports with each."""
    for generation, reports in heard:
        control = pb.Control(highest_generation=generation)
        event = receiver.receive(send_payload(python, receiver.address, control=control))
        expect_equal(event.reports, reports, f"reports with generation {generation}")


def check_first_answer(python: Peer, receiver: AnyPeer) -> str:
    """While no generation of the peer's has been accepted, any answer below 2^34 is."""
    receiver.initiate(PYTHON, python.bundle(True))
    python.receive(receiver.send(python.address, b"").envelope)
    heard = [
        (FIRST_GENERATION_LIMIT, ()),
        (FIRST_GENERATION_LIMIT - 1, ("initiate-again",)),
        (FIRST_GENERATION_LIMIT + GENERATION_JUMP, ()),
        (FIRST_GENERATION_LIMIT + GENERATION_JUMP - 1, ("initiate-again",)),
    ]
    hear_generations(python, receiver, heard)
    return ""


def check_generation(python: Peer, rust: AnyPeer) -> str:
    """A device that forgot all and whose clock is slow is told the highest generation."""
    python.clock_ahead = 1_000
    to = python.initiate(RUST, rust.bundle(True))
    deliver(python, rust, b"")
    deliver(rust, python, b"")
    python.clock_ahead = 0
    python.contacts.clear()
    python.initiate(RUST, rust.bundle(True))
    for _ in range(2):
        event = rust.receive(python.send(to, b"").envelope)
        expect("answer" in event.reports, f"the peer reports {event.reports} and not `answer`")
    event = python.receive(rust.answer(python.address))
    expect("initiate-again" in event.reports, f"its answer gives {event.reports}")
    python.initiate(RUST, rust.bundle(True))
    rust.receive(python.send(to, b"again").envelope)
    deliver(rust, python, b"in the newest session")
    expect_equal(python.status(to)[1:], (True, 2), "status on the Python side")
    highest = python.contacts[to].highest_generation
    heard = [
        (highest, ()),
        (highest + GENERATION_JUMP + 1, ()),
        (highest + 1, ("initiate-again",)),
        (highest + 1, ()),
    ]
    hear_generations(python, rust, heard)
    return ""


def check_lists(python: Peer, rust: RemotePeer) -> str:
    """A new device list shows in the view; given in-band, it is adopted."""
    to = python.initiate(RUST, rust.bundle(True))
    expect_equal(deliver(python, rust, b"").reports, (), "reports at first")
    deliver(rust, python, b"")
    python.renew_list()
    expect_equal(deliver(python, rust, b"").reports, ("view",), "with the new view")
    rust.receive(python.push_list(to))
    expect_equal(deliver(python, rust, b"").reports, (), "after the list was given")
    expect_equal(deliver(rust, python, b"").reports, (), "reports of the Python side")
    return ""


def check_program(python: Peer, rust: RemotePeer) -> str:
    """`usage`, and the end of the program."""
    nobody = Address(b"nobody", 1)
    expect_word((errors.USAGE,), lambda: rust.send(nobody, b""), "send without a session")
    expect_word((errors.USAGE,), lambda: rust.safety(b"nobody"), "safety of nobody")
    python.initiate(RUST, rust.bundle(False))
    deliver(python, rust, b"")
    rust.reload()
    deliver(rust, python, b"")
    expect_equal(rust.quit(), 0, "exit code")
    return ""


def conversation_checks(path: str) -> list[Check]:
    """All checks that need the program; each starts its own."""

    def with_peers(check: Callable[[Peer, RemotePeer], str]) -> Callable[[], str]:
        def run() -> str:
            with RemotePeer(path, RUST) as rust:
                return check(Peer(PYTHON), rust)

        return run

    found: list[Check] = []
    for one_time in (True, False):
        prekey = "one-time prekey" if one_time else "no one-time prekey"
        for burst in (1, 6):
            manner = "in turns" if burst == 1 else "in bursts"

            def python_first(
                python: Peer, rust: RemotePeer, one_time: bool = one_time, burst: int = burst
            ) -> str:
                return converse(python, rust, rust, one_time, burst)

            def rust_first(
                python: Peer, rust: RemotePeer, one_time: bool = one_time, burst: int = burst
            ) -> str:
                return converse(rust, python, rust, one_time, burst)

            found.append((f"Python initiates, {prekey}, {manner}", with_peers(python_first)))
            found.append((f"Rust initiates, {prekey}, {manner}", with_peers(rust_first)))
    both_ways: list[tuple[str, Callable[[AnyPeer, AnyPeer], str]]] = [
        ("damaged envelopes", check_damage),
        ("random damage", check_random_damage),
        ("gaps", check_gaps),
        ("lost messages", check_loss),
        ("skipped keys of a session", check_skipped_limit),
        ("messages of a closed chain", check_closed_chain),
        ("sizes of content", check_sizes),
        ("a second session", check_replacement),
        ("an own first message", check_reflection),
        ("bundles", check_bundles),
        (
            "a one-time prekey serves once",
            lambda sender, receiver: check_one_time_prekey_once(
                sender, Peer(b"other"), receiver
            ),
        ),
    ]
    for name, check in both_ways:
        found.append((f"{name}, Python to Rust", with_peers(check)))
        found.append(
            (f"{name}, Rust to Python", with_peers(lambda p, r, check=check: check(r, p)))
        )
    to_both: list[tuple[str, Callable[[Peer, AnyPeer], str]]] = [
        ("payloads", check_payloads),
        ("ids under one number", check_ids),
        ("a device that was restored", check_restored),
        ("another account key", check_identity),
        ("generations", check_generation),
        ("a first answer", check_first_answer),
    ]
    for name, check in to_both:
        found.append((f"{name}, Python to Rust", with_peers(check)))
        found.append(
            (f"{name}, Python to Python", lambda check=check: check(Peer(PYTHON), Peer(RUST)))
        )
    found += [
        ("far ahead in a chain", with_peers(check_far)),
        ("messages sent again", with_peers(check_sent_again)),
        ("rolled-back state", with_peers(check_rolled_back)),
        ("a chain closed too early", with_peers(check_short_chain)),
        ("both initiate at once", with_peers(check_crossing)),
        ("points of small order", with_peers(check_small_order)),
        ("device lists in-band", with_peers(check_lists)),
        ("the program itself", with_peers(check_program)),
    ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="path of the test program's binary")
    return finish(*run_checks(conversation_checks(parser.parse_args().peer)))


if __name__ == "__main__":
    sys.exit(main())
