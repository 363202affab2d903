"""Two Python peers: through two post-quantum epochs, with loss and reordering; sessions; groups.

Beside them what proto/vectors leaves out of contents, control messages and publications.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks import Check, Failure, expect, expect_equal, finish, run_checks
from converse_groups import group_checks, meet, tell
from group_worlds import check_orders, check_seals
from subrosa import content, control, directory, payload, shown
from subrosa.errors import ProtocolError
from subrosa.groups import GroupPeer
from subrosa.identity import Address, make_list
from subrosa.labels import PREKEY
from subrosa.numbering import Gap, Numbers
from subrosa.peer import Peer
from subrosa.prekeys import (
    LIFETIME,
    ONE_TIME,
    SIGNED,
    check_bundle,
    new_prekey,
    signed_part,
)
from subrosa.primitives import ed25519_pair, sign, x25519_pair
from subrosa.protobuf import content as pbc
from subrosa.protobuf import directory as pbd
from subrosa.protobuf import envelope as pb
from subrosa.protobuf import keys as pbk
from subrosa.protobuf import roster as pbr
from subrosa.sender_key import (
    Chains,
    SendingChain,
    Taken,
    acknowledgement,
    new_chain,
    split_head,
)
from subrosa.session import (
    FIRST_CHAIN_LIFETIME,
    GENERATION_JUMP,
    IDLE_LIFETIME,
    add_session,
    sending_session,
)

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
    # One that is over goes before an implausible one, and fails; and alone the latter sends.
    contact, now = alice.contacts[to_bob], alice.now()
    over = replace(contact.sessions[-1], started=now - FIRST_CHAIN_LIFETIME - 1)
    ahead = replace(over, started=now, generation=now + 2 * GENERATION_JUMP, last_used=now)
    for confirmed_too in (False, True):
        kept = contact.sessions if confirmed_too else ()
        found = sending_session((*kept[:1], over, ahead), contact.highest_generation, now)
        wanted = kept[0] if confirmed_too else over
        expect(found is wanted, "an implausible session sends")
    given_up = replace(over, given_up=True)
    found = sending_session((given_up, ahead), contact.highest_generation, now)
    expect(found is ahead, "an implausible session alone does not send")
    return ""


def generations() -> str:
    """Which session sends, and what an initiator's generation is (section 5.6)."""
    alice, bob = Peer(b"alice"), Peer(b"bob")
    # One that outlives the leap of the clock.
    bob.signed_prekey = new_prekey(bob.keys, SIGNED, bob.now() + 3 * GENERATION_JUMP)
    bob.prekeys[bob.signed_prekey.id] = bob.signed_prekey
    to_bob = alice.initiate(b"bob", bob.bundle(True))
    first = alice.contacts[to_bob].sessions[0]
    expect_equal(alice.contacts[to_bob].highest_generation, 0, "of the peer's nothing is known")
    bob.receive(alice.send(to_bob, b"").envelope)
    alice.receive(bob.send(alice.address, b"").envelope)
    highest = alice.contacts[to_bob].highest_generation
    expect_equal(highest, first.generation, "something has opened in the first")
    alice.clock_ahead = 2 * GENERATION_JUMP
    alice.initiate(b"bob", bob.bundle(True))
    alice.clock_ahead = 0
    ahead = alice.contacts[to_bob].sessions[-1]
    expect(ahead.generation > highest + GENERATION_JUMP, "the clock was ahead")
    expect(alice.status(to_bob)[1], "what is implausible sends")
    for number in (1, 2):
        alice.initiate(b"bob", bob.bundle(True))
        newest = alice.contacts[to_bob].sessions[-1]
        expect(newest.generation < ahead.generation, "it counts what is implausible")
    expect(newest.generation > alice.contacts[to_bob].sessions[-2].generation, "no own +1")
    event = bob.receive(alice.send(to_bob, b"newest").envelope)
    expect_equal(event.content, b"newest", "content")
    contact = alice.contacts[to_bob]
    alice.contacts[to_bob] = replace(contact, sessions=(ahead,))
    expect_word("usage", lambda: alice.send(to_bob, b""), "a first chain from later on")
    alone = (replace(ahead, started=newest.started),)
    alice.contacts[to_bob] = replace(contact, sessions=alone)
    expect_word("refused", lambda: bob.receive(alice.send(to_bob, b"").envelope), "a leap")
    given_up = tuple(replace(session, given_up=True) for session in contact.sessions)
    alice.contacts[to_bob] = replace(contact, sessions=given_up)
    expect_word("usage", lambda: alice.send(to_bob, b""), "in a session that was given up")
    alice.receive(bob.send(alice.address, b"").envelope)
    return ""


def eight_sessions() -> str:
    """With a ninth session one goes: given up, else not confirmed, else the lowest."""
    alice, bob = Peer(b"alice"), Peer(b"bob")
    for _ in range(8):
        to_bob = alice.initiate(b"bob", bob.bundle(True))
    sessions = alice.contacts[to_bob].sessions
    made = tuple(
        replace(s, confirmed=i != 3, given_up=i == 5) for i, s in enumerate(sessions)
    )
    gone = []
    for _ in range(3):
        new = replace(sessions[0], handshake_id=bytes([len(gone)]), confirmed=True, generation=0)
        after = add_session(made, new)
        expect_equal(len(after), 8, "sessions")
        gone += [sessions.index(replace(s, confirmed=False, given_up=False))
                 for s in made if s not in after]
        made = (*after[:-1], replace(new, generation=2**40))
    expect_equal(gone, [5, 3, 0], "sessions that went")
    return ""


def expired_bundles() -> str:
    """What has expired in a bundle is left out; a false part of it still is one."""
    alice, bob = Peer(b"alice"), Peer(b"bob")
    bundle = bob.bundle(True)
    now = bob.now()
    later = now + LIFETIME
    checked = check_bundle(bundle, b"bob", now).devices[0]
    expect(checked.one_time_prekey is not None, "the one-time prekey is missing")
    expect_word("refused", lambda: check_bundle(bundle, b"bob", later + 9), "all has expired")
    old = new_prekey(bob.keys, ONE_TIME, now - 1)

    def with_one_time(signed: bytes) -> bytes:
        changed = pbk.Bundle.FromString(bundle)
        changed.devices[0].one_time_prekey.ParseFromString(signed)
        return changed.SerializeToString()

    expired = with_one_time(old.signed)
    expect_equal(
        check_bundle(expired, b"bob", now).devices[0].one_time_prekey, None, "what has expired"
    )
    false = old.signed[:-1] + bytes([old.signed[-1] ^ 1])
    expect_word("refused", lambda: check_bundle(with_one_time(false), b"bob", now), "a false part")
    # Of what has expired the halves are not looked at; its kind is.
    weak = pbk.Prekey(kind=ONE_TIME, x25519=bytes(32), mlkem768=b"", expires_at=now)
    found = check_bundle(with_one_time(signed_by(bob, weak)), b"bob", now)
    expect_equal(found.devices[0].one_time_prekey, None, "an expired one of weak halves")
    alive = pbk.Prekey.FromString(weak.SerializeToString())
    alive.expires_at = now + 1
    other_kind = pbk.Prekey.FromString(weak.SerializeToString())
    other_kind.kind = SIGNED
    for bad in (alive, other_kind):
        changed = with_one_time(signed_by(bob, bad))
        expect_word("refused", lambda c=changed: check_bundle(c, b"bob", now), "a false part")
    # A device that is left out: its one-time prekey is not looked at.
    second = replace(
        bob.keys, address=replace(bob.address, device=bob.address.device % 1_000_000 + 7),
        signing=ed25519_pair(), identity=x25519_pair(),
    )
    both = pbk.Bundle.FromString(bundle)
    both.device_list.ParseFromString(make_list(bob.keys, 1, b"", (second,)))
    entry = both.devices.add(device_id=second.address.device)
    entry.signed_prekey.ParseFromString(new_prekey(second, SIGNED, now).signed)
    entry.one_time_prekey.ParseFromString(false)
    found = check_bundle(both.SerializeToString(), b"bob", now)
    expect_equal([d.device.device for d in found.devices], [bob.address.device], "left out")
    entry.signed_prekey.ParseFromString(new_prekey(second, SIGNED, now + 1).signed)
    expect_word("refused", lambda: check_bundle(both.SerializeToString(), b"bob", now), "alive")
    listed = pbk.Bundle.FromString(bundle)
    del listed.devices[:]
    found = check_bundle(listed.SerializeToString(), b"bob", now)
    expect_equal((found.devices, found.device_list.user), ((), b"bob"), "a list alone")
    alice.initiate(b"bob", expired)
    return ""


def signed_by(peer: Peer, prekey: pbk.Prekey) -> bytes:
    """A `SignedPrekey` of a device, whatever is in it."""
    encoded = prekey.SerializeToString()
    signature = sign(peer.keys.signing.private, PREKEY, signed_part(peer.address, encoded))
    return pbk.SignedPrekey(prekey=encoded, signature=signature).SerializeToString()


def given_up_gaps() -> str:
    """Of missing ids that were given up, the one with the highest number is not missed again."""

    def told(numbers: Numbers, seq: int, short: int) -> tuple[Numbers, list[str]]:
        return numbers._hear_last(seq, short)

    numbers = Numbers()
    for seq in (1, 2, 3):
        message = pb.Payload(body=bytes([seq]) * 16, seq=seq)
        numbers, _ = numbers.receive(payload.Opened(message, bytes([seq]) * 16, b""), 0)
    # Given up in this order: of the two under number 2 the last one counts.
    gaps = (Gap(2, 2, 7), Gap(1, 1, 8), Gap(2, 2, 9))
    many = tuple(Gap(i, i) for i in range(10, 1_010))
    numbers, reports = replace(numbers, gaps=(*gaps, *many))._limit_gaps([])
    expect_equal(reports, ["given-up:2-2", "given-up:1-1", "given-up:2-2"], "given up")
    for seq, short, again in ((2, 9, []), (2, 7, ["gap:2-2"]), (1, 8, ["gap:1-1"])):
        expect_equal(told(numbers, seq, short)[1], again, f"{seq} of {short}")
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
    encoded = pb.Payload(**{**numbers, **ids, "view": 2**64 - 1, **fields}).SerializeToString()
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
    wanted = pb.GroupMessagesWanted(
        group_id=bytes(32), chain_id=bytes(8), iterations=[999] * 40
    )
    expect(is_smallest(control=pb.Control(group_messages_wanted=wanted)), "40 iterations")
    wanted.iterations.extend([999] * 24)
    expect(not is_smallest(control=pb.Control(group_messages_wanted=wanted)), "64 iterations fit")
    chain = new_chain(bytes(32), Address(b"a" * 255, 1))
    chain = replace(chain, iteration=1_000, replaced_id=bytes(8), replaced_length=1_000)
    given = pb.Control(sender_key=chain.distribution(1_000, 1_000, lost_before=2**21 - 1))
    expect(is_smallest(control=given), "a sender key does not fit")
    # Whatever the numbers are.
    for name in ("iteration", "replaced_length", "missed", "replaced_missed"):
        setattr(given.sender_key, name, 2**14 - 1)
    expect(is_smallest(control=given), "a sender key of great numbers does not fit")
    given.sender_key.MergeFrom(chain.distribution(1_000, 1_000, (bytes(8), 1_000), 2**21 - 1))
    short_numbers = {"last_seq": 2**21 - 1, "seen_seq": 2**21 - 1}
    expect(is_smallest(control=given, **short_numbers), "with an ended chain it does not fit")
    saved = pb.Control(sender_key_saved=acknowledgement(bytes(32), bytes(8)))
    expect(is_smallest(control=saved), "an acknowledgement does not fit")
    named = pbc.Reference(author=bytes(60), message_id=bytes(16))
    text = pbc.Text(text="a" * 100)
    small: list[dict[str, object]] = [
        {"typing": pbc.Typing(kind=1)}, {"request": pbc.Request(kind=3)},
        {"reaction": pbc.Reaction(to=named, emoji="a" * 48)},
        {"vote": pbc.Vote(poll=named, choices=2**32 - 1)},
        {"delete": pbc.Delete(message_id=bytes(16))}, {"timer": pbc.Timer(expires_after=2**32 - 1)},
        {"call": pbc.Call(call_id=bytes(16), end=pbc.CallEnd(reason=4))},
        {"edit": pbc.Edit(message_id=bytes(16), text=text)}, {"text": text},
    ]
    for fields in small:
        message = pbc.Content(sent_at=2**42, **fields)
        body = bytes(16) + content.encode(message)
        # Its own number is the greatest there can be, too.
        fits = is_smallest(body=body, seq=2**64 - 1)
        expect(fits, f"{next(iter(fields))} does not fit")
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
        pb.Control(group_behind=pb.GroupBehind(group_id=bytes(32))),
        pb.Control(
            group_behind=pb.GroupBehind(group_id=bytes(32), ask=pbr.GroupAsk(seal=bytes(31)))
        ),
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
    later = pbc.Content(
        sent_at=1, expires_after=5, reply_to=bytes(16), fallback="a hologram",
        quote=pbc.Quote(author=b"bob", excerpt="what"),
    )
    unknown = b"\xa2\x38\x05holo!"
    sent = content.pass_on(later.SerializeToString() + unknown, 300)
    expect(unknown in sent, "what was passed on has lost bytes")
    expect_equal(content.decode(sent), content.Unknown(sent, "a hologram"), "passed on")
    read = pbc.Content.FromString(sent)
    expect_equal((read.sent_at, read.expires_after, read.reply_to), (300, 0, b""), "fields")
    expect(read.forwarded and not read.HasField("quote"), "passed on, but not as such")
    again = content.pass_on(sent, 400, fallback="")
    expect_equal(content.decode(again), content.Unknown(again, ""), "passed on without a fallback")
    answer = content.pass_on(sent, 400, reply_to=bytes([1]) * 16)
    expect_equal(pbc.Content.FromString(answer).reply_to, bytes([1]) * 16, "passed on as an answer")
    check_hidden_kinds()
    check_words()
    one, two = (content.quote_hash(b"bob", bytes(16), data) for data in (sent, sent + b"\x08\x01"))
    expect_equal(one, two, "hashes of a quote, whenever it was sent")
    return f"{len(broken)} broken"


def check_hidden_kinds() -> None:
    """Of a sync, a `group` and a `verification` nothing is ever shown; long parts count."""
    step = pbc.Verification(transaction_id=bytes(16), end=7)
    never = [
        pbc.Content(fallback="a", sync=pbc.Sync()),
        pbc.Content(fallback="a", group=pbc.GroupNote(group_id=bytes(32))),
        pbc.Content(fallback="a", verification=pbc.Verification(transaction_id=bytes(16))),
        pbc.Content(fallback="a", verification=step),
        pbc.Content(fallback="a", group=pbc.GroupNote(group_id=bytes(31))),
    ]
    for message in never:
        encoded = message.SerializeToString()
        expect_equal(content.decode(encoded), content.Unknown(encoded, ""), str(message)[:80])
    for size, number, count, known in (
        (61_441, 0, 1, True), (1, 0, 41, True), (1, 1, 1, False), (1, 0, 0, False),
    ):
        part = pbc.GroupPart(whole=bytes(8), number=number, count=count, bytes=bytes(size))
        message = pbc.Content(group=pbc.GroupNote(group_id=bytes(32), part=part))
        found = content.decode(message.SerializeToString())
        expect_equal(isinstance(found, content.Known), known, f"part {number} of {count}")
        expect_word("usage", lambda m=message: content.encode(m), "a part of our own")


def check_words() -> None:
    """What a quote may begin with (10.3)."""
    pointer = pbc.Pointer(key=bytes(32), digest=bytes(32))
    items = [
        pbc.Attachment(pointer=pointer, kind=1, name=name)
        for name in ("a\u202e.b", "", "c\nd/e", "\u200b")
    ]
    named = pbc.Reference(author=b"bob", message_id=bytes(16))
    place = pbc.Location(latitude=-5, longitude=10**7, name="here")
    cases = [
        ({"attachments": pbc.Attachments(items=items)}, "a.b, c d_e, file"),
        ({"reaction": pbc.Reaction(to=named, emoji="!")}, "!"),
        ({"location": place}, "here geo:-0.0000005,1.0000000"),
        ({"edit": pbc.Edit(message_id=bytes(16), text=pbc.Text(text="new"))}, "new"),
        ({"card": pbc.Card(name=" b\u200bob\n\u00ad\tc/d")}, "bob c/d"),
        ({"vote": pbc.Vote(poll=named)}, ""),
    ]
    for fields, wanted in cases:
        message = pbc.Content(sent_at=1, fallback="own words", **fields)
        expect_equal(content.words(message), wanted, "words")
        encoded = message.SerializeToString()
        quote = pbc.Quote(author=b"bob", hash=content.quote_hash(b"bob", bytes(16), encoded))
        for excerpt, matches in ((wanted, True), ("own", False)):
            quote.excerpt = excerpt
            found = content.quote_matches(quote, bytes(16), encoded)
            expect_equal(found, matches, f"a quote of {excerpt!r}")
    # An old group (wire types 3 and 4) is a field as any; one of number 1 is left out too.
    old, first = b"\xa3\x38\x08\x01\xa4\x38", b"\x0b\x10\x01\x0c"
    hashes = {
        content.quote_hash(b"bob", bytes(16), part) for part in (old, old + first, first + old)
    }
    expect_equal(len(hashes), 1, "hashes with old groups")
    for broken in (b"\x0b\x10\x01", b"\x0c", b"\x0a\x05a"):
        expect_word(
            "malformed", lambda b=broken: content.quote_hash(b"bob", bytes(16), b), "no protobuf"
        )


def check_shown() -> str:
    """What is shown (10.2) of what proto/vectors leave out: neighbours, flags, empty names."""
    unseen = (
        (0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F),
        (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
        (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    )
    white = (
        (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680),
        (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
    )
    for number in [n for first, last in (*unseen, *white) for n in range(first - 1, last + 2)]:
        if number < 0:
            continue
        kept = {False: chr(number), True: ""}[any(a <= number <= b for a, b in unseen)]
        kept = " " if any(a <= number <= b for a, b in white) else kept
        if kept and kept in '/\\:*?"<>|':
            continue
        for make in (shown.name, shown.file_name):
            expect_equal(make(f"a{chr(number)}b"), f"a{kept}b", f"a name with U+{number:04X}")
    flag = "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in "gbsct") + "\U000e007f"
    heart = "\u2764\ufe0f\u200d\U0001f525"
    for stays in (flag, heart, "1\ufe0f\u20e3", "\u0646\u200c\u0647", "a\U000e0100\u200d"):
        expect_equal(shown.text(stays), stays, f"a text {ascii(stays)}")
    for written, wanted in (
        ("\U0001f3f4\u200b\U000e0067", "\U0001f3f4\U000e0067"),
        ("\U0001f3f3\U000e0067", "\U0001f3f3"), ("\U0001f3f4\U000e001f", "\U0001f3f4"),
        ("\u200e\ufe0f\u200d", "\u200e"), ("\n\ufe0f", "\n"), ("\u200d", ""),
        ("\u00e9\u200d\u200c", "\u00e9\u200d"), ("\u00e9\ufe0f\ufe0e", "\u00e9\ufe0f"),
        ("\u00e9\U000e00ff", "\u00e9"), ("\u00e9\U000e01f0", "\u00e9"),
        ("\u00a0\u200d", "\u00a0\u200d"), ("\u00a0\ufe0f", "\u00a0"), ("a\r\n", "a\n"),
    ):
        expect_equal(shown.text(written), wanted, f"a text {ascii(written)}")
    for written in ("", ".", " . ..\u200b. ", "\u202e"):
        expect_equal(shown.file_name(written), "file", f"a file name {ascii(written)}")
    expect_equal(shown.file_name(" .\u200b.\u3000a. .b .\n"), "a. .b", "ends of a file name")
    for size in (64, 65):
        written = f" {'b' * (size - 1)}\u200bc "
        name = written.strip().replace("\u200b", "")
        whole = size == 64
        expect_equal(shown.name(written), name if whole else f"{'b' * 63}…", "a long name")
        cut = f"{'b' * 47}…{'b' * 15}c"
        expect_equal(shown.file_name(written), name if whole else cut, "a long file name")
    return ""


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


def missed_messages() -> str:
    """What was sent before a chain was acknowledged is missing, until a copy comes (14.6)."""
    alice, bob = GroupPeer(b"alice"), GroupPeer(b"bob")
    meet(alice, bob)
    group, news = alice.group_create("", [b"bob"])
    tell(alice, news, bob)
    lost = alice.group_key(group, bob.address)
    sent = [alice.group_send(group, b"") for _ in range(3)]
    bob.receive(alice.group_key(group, bob.address))
    chain_id = alice.groups[group].chain.chain_id
    expect_equal(bob.missing(group, alice.address), [(chain_id, [0, 1, 2])], "missed")
    expect_word("key-gone", lambda: bob.receive(sent[1].envelope), "sent before")
    bob.chains = bob.chains.found((group, alice.address, chain_id), 1)
    expect_equal(bob.missing(group, alice.address), [(chain_id, [0, 2])], "after a copy")
    bob.receive(lost)
    sent.append(alice.group_send(group, b""))
    alice.group_rotate(group)
    bob.receive(alice.group_key(group, bob.address))
    newest = alice.groups[group].chain.chain_id
    wanted = [(chain_id, [0, 2, 3]), (newest, [])]
    expect_equal(bob.missing(group, alice.address), wanted, "missed at the end")
    bob.receive(sent[3].envelope)
    alice.receive(bob.group_saved(group, alice.address))
    bob.receive(alice.group_send(group, b"").envelope)
    late = alice.group_send(group, b"")
    bob.receive(alice.group_key(group, bob.address))
    wanted = [(chain_id, [0, 2]), (newest, [])]
    expect_equal(bob.missing(group, alice.address), wanted, "nothing once it was acknowledged")
    bob.receive(late.envelope)
    return ""


def lost_chains() -> str:
    """What a receiver makes of `ended_chain_id`, `lost_before` and impossible numbers (14.4)."""
    sender, group = Address(b"alice", 1), bytes(32)
    chains: list[SendingChain] = []
    for _ in range(5):
        made = new_chain(group, sender, chains[-1] if chains else None)
        padded = payload.pad(b"", b"")
        for _ in range(3):
            made, _ = made.seal(bytes(32), padded)
        chains.append(made)
    first = replace(chains[0], iteration=0)
    known, _ = Chains().take(first.distribution(), sender, 1)
    ended = (chains[0].chain_id, 3)

    def take(state: Chains, index: int, *numbers: Any, **fields: Any) -> tuple[Chains, Taken]:
        given = chains[index].distribution(*numbers)
        for name, value in fields.items():
            setattr(given, name, value)
        return state.take(given, sender, 2)

    # The second and third chain were lost, the fourth has come: of the third, three are missed.
    state, taken = take(known, 3, 0, 3, ended, 3)
    expect_equal((taken.passed_over, taken.lost), (3, 3), "passed over, and lost")
    expect_equal(taken.missed, ((chains[2].chain_id, (0, 1, 2)),), "missed")
    # Less what is here of chains that nothing has ended.
    open_too, _ = take(known, 1, 2)
    _, taken = take(open_too, 3, 0, 3, ended, 3)
    # The second ends the first; of the second two are missed, and may be among the lost.
    expect_equal((taken.passed_over, taken.lost), (0, 1), "lost, less what is looked for")
    # Nothing is told where the replaced chain is here, or the one after this.
    state, _ = take(known, 2)
    expect_equal(take(state, 3, 0, 3, ended, 9)[1].lost, 0, "the replaced one is here")
    state, _ = take(known, 4, 0, 0, ended, 0)
    state, taken = take(state, 3, 0, 3, ended, 9)
    expect_equal((taken.lost, taken.rolled_back), (0, False), "the one after it is here")
    expect(not any(c.is_open for c in state.chains[:1]), "the first is open")
    expect_equal([c.is_open for c in state.chains], [False, True, False], "open chains")
    # By two lengths the one of what it replaces counts, also if the two came with two chains.
    _, taken = take(known, 1, 0, 0, (chains[0].chain_id, 1), 0)
    expect_equal((taken.passed_over, taken.rolled_back), (3, False), "two lengths in one")
    later, _ = take(Chains(), 2, 0, 0, (chains[0].chain_id, 1), 0)
    later, _ = take(later, 1)
    _, taken = later.take(first.distribution(), sender, 2)
    expect_equal(taken.passed_over, 3, "two lengths in two")
    check_subtracted(chains, take(known, 1, 2)[0], take)
    # Cut to what there can be; without a replaced chain, or with itself, nothing counts.
    _, taken = take(known, 3, 9, 9, (b"", 0), 0, iteration=2)
    wanted = ((chains[3].chain_id, (0, 1)), (chains[2].chain_id, (0, 1, 2)))
    expect_equal(taken.missed, wanted, "numbers above what there can be")
    for replaced in (b"", chains[3].chain_id):
        _, taken = take(known, 3, 0, 3, (b"", 0), 5, replaced_chain_id=replaced)
        expect_equal((taken.missed, taken.lost, taken.passed_over), ((), 0, 0), "of no chain")
    # What names itself as replaced does not even end another; `missed` counts.
    itself = {"replaced_chain_id": chains[3].chain_id}
    both, taken = take(known, 3, 2, 3, ended, 5, **itself)
    expect_equal(taken.missed, ((chains[3].chain_id, (1, 2)),), "missed of what names itself")
    expect_equal((taken.lost, taken.passed_over), (0, 0), "by what names itself")
    expect(all(c.is_open for c in both.chains), "what names itself ends another")
    # What does so as the other one ends what it replaces.
    _, taken = take(known, 1, 0, 0, (chains[1].chain_id, 9), 0)
    expect_equal((taken.passed_over, taken.rolled_back), (3, False), "itself, but not replaced")
    again, taken = take(state, 3, 3, 3, ended, 9)
    expect_equal((again, taken), (state, Taken(chains[3].chain_id, known=True)), "known already")
    # 32 chains of a device at once.
    state = Chains()
    for number in range(40):
        made = replace(new_chain(group, sender), replaced_id=bytes([number]) * 8, replaced_length=1)
        state, taken = state.take(made.distribution(0, 1), sender, 3)
        expect_equal(bool(taken.missed), number < 32, f"missed of chain {number}")
        expect_equal(taken.lost, int(number >= 32), f"lost of chain {number}")
    return ""


def check_subtracted(chains: list[SendingChain], state: Chains, take: Callable[..., Any]) -> None:
    """What is subtracted from `lost_before`; of the second chain, two are missing in `state`."""
    sender, group = chains[0].sender, chains[0].group
    second = (group, sender, chains[1].chain_id)
    ended = (chains[0].chain_id, 3)

    def lost(before: Chains) -> int:
        found: int = take(before, 3, 0, 3, ended, 3)[1].lost
        return found

    expect_equal(lost(state), 1, "lost, less what is missing")
    # A copy is counted by the sender: what came so is neither here nor missing.
    expect_equal(lost(state.found(second, 1)), 2, "lost, with a copy")
    expect_equal(lost(state.found(second, 1).found(second, 2)), 3, "lost, with two copies")
    # What has come counts, and what was passed over before it.
    begun = replace(chains[1], iteration=0)
    whole, _ = Chains().take(begun.distribution(), sender, 1)
    _, message = begun.step()[0].seal(bytes(32), payload.pad(b"", b""))
    head = split_head(message.head)
    place = whole.find(head)
    after, _ = place.chain.receive(message, head, place.header, bytes(32), 1)
    opened = whole.put(after)
    expect_equal(lost(opened), 1, "lost, less what has come and what was passed over")
    expect_equal(lost(opened.found(second, 0)), 2, "lost, less what has come alone")
    # Not what is of another device, or of another group.
    for other in (Address(b"alice", 2), Address(b"bob", 1)):
        elsewhere, _ = Chains().take(begun.distribution(0, 0), other, 1)
        expect_equal(lost(elsewhere), 3, "lost, whatever another device has sent")
    elsewhere, _ = Chains().take(
        replace(begun, group=bytes([1]) * 32, iteration=3).distribution(3), sender, 1
    )
    expect_equal(lost(elsewhere), 3, "lost, whatever was sent to another group")
    # Nor what is of the chains that this one ends: they are judged by what is open afterwards.
    first, _ = Chains().take(replace(chains[0], iteration=2).distribution(2), sender, 1)
    expect_equal(lost(first), 3, "lost, whatever the ended chain has")


def copies() -> str:
    """Of what came as a copy the key goes, but for what the chain has not reached (14.6)."""
    alice, bob = GroupPeer(b"alice"), GroupPeer(b"bob")
    meet(alice, bob)
    group, news = alice.group_create("", [b"bob"])
    tell(alice, news, bob)
    key = alice.group_key(group, bob.address)
    chain = alice.groups[group].chain
    assert chain is not None
    name = (group, alice.address, chain.chain_id)
    sent = [alice.group_send(group, b"") for _ in range(5)]
    bob.chains = bob.chains.found(name, 0)
    bob.receive(key)
    # Neither before the chain nor ahead in it anything was noted.
    bob.chains = bob.chains.found(name, 2)
    bob.chains = bob.chains.found(name, 4)
    bob.receive(sent[3].envelope)
    expect_equal(bob.missing(group, alice.address), [(chain.chain_id, [0, 1, 2])], "passed over")
    bob.receive(sent[0].envelope)
    bob.chains = bob.chains.found(name, 2)
    expect_equal(bob.missing(group, alice.address), [(chain.chain_id, [1])], "after a copy")
    expect_word("key-gone", lambda: bob.receive(sent[2].envelope), "came as a copy")
    bob.receive(sent[1].envelope)
    bob.chains = bob.chains.found(name, 1)
    expect_word("duplicate", lambda: bob.receive(sent[1].envelope), "came, and then as a copy")
    bob.receive(sent[4].envelope)
    # At the end of a chain the same.
    sent += [alice.group_send(group, b"") for _ in range(2)]
    bob.chains = bob.chains.found(name, 5)
    alice.group_rotate(group)
    later = [alice.group_send(group, b"") for _ in range(3)]
    newest = alice.groups[group].chain
    assert newest is not None
    # What was missed in a chain is not missing if a copy of it came first, the rest is as it was.
    for iteration in (1, 3):
        bob.chains = bob.chains.found((group, alice.address, newest.chain_id), iteration)
    bob.receive(alice.group_key(group, bob.address))
    wanted = [(chain.chain_id, [5, 6]), (newest.chain_id, [0, 2])]
    expect_equal(bob.missing(group, alice.address), wanted, "at the end of a chain")
    bob.receive(sent[5].envelope)
    expect_word("key-gone", lambda: bob.receive(later[1].envelope), "missed, but for a copy")
    later += [alice.group_send(group, b"") for _ in range(2)]
    bob.receive(later[4].envelope)
    wanted = [(chain.chain_id, [6]), (newest.chain_id, [0, 2, 3])]
    expect_equal(bob.missing(group, alice.address), wanted, "passed over in the next chain")
    bob.receive(later[3].envelope)
    return ""


def self_checks() -> list[Check]:
    return [
        ("two Python peers, one-time prekey", lambda: converse(one_time=True)),
        ("two Python peers, no one-time prekey", lambda: converse(one_time=False)),
        ("two Python peers, idle sessions", idle_sessions),
        ("two Python peers, a first chain that is over", first_chains),
        ("two Python peers, generations", generations),
        ("two Python peers, eight sessions", eight_sessions),
        ("bundles of which something has expired", expired_bundles),
        ("missing ids that were given up", given_up_gaps),
        ("sizes of control messages and receipts", check_sizes),
        ("control messages of repair", check_repair),
        ("rules of contents", check_content_rules),
        ("what is shown", check_shown),
        ("what a directory checks", check_directory),
        *group_checks(None),
        ("groups: missed messages", missed_messages),
        ("groups: what is said of lost chains", lost_chains),
        ("groups: copies", copies),
        ("groups: any order of changes", check_orders),
        ("groups: seals", check_seals),
    ]


if __name__ == "__main__":
    sys.exit(finish(*run_checks(self_checks())))
