"""Groups of this client and the reference implementation's test program.

Without the program (`--peer`) the same with this client on both sides.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from checks import Check, expect, expect_equal, finish, run_checks
from converse import deliver, expect_error, expect_word, flip, set_bytes
from remote import RemotePeer
from subrosa import errors, payload
from subrosa import sender_key as sk
from subrosa.errors import ProtocolError
from subrosa.groups import GroupEvent, GroupPeer
from subrosa.identity import Address
from subrosa.peer import Sent
from subrosa.primitives import KeyPair, ed25519_pair
from subrosa.protobuf import content as pbc
from subrosa.protobuf import envelope as pb
from subrosa.protobuf import sender_key as pbs
from subrosa.sender_key import MAX_LENGTH, SendingChain, envelope_of
from subrosa.session import Session

PYTHON, RUST, ALICE, CAROL = b"python", b"rust", b"alice", b"carol"
NEUTRAL_POINT = b"\x01" + bytes(31)
AnyPeer = GroupPeer | RemotePeer


def meet(*peers: AnyPeer) -> None:
    """A confirmed session between each two."""
    for i, one in enumerate(peers):
        for other in peers[i + 1 :]:
            one.initiate(other.address.user, other.bundle(True))
            deliver(one, other, b"")
            deliver(other, one, b"")


def tell(teller: AnyPeer, content: bytes, *hearers: AnyPeer) -> None:
    """News of a group, carried in sessions."""
    for hearer in hearers:
        event = deliver(teller, hearer, content)
        hearer.group_news(teller.address, event.content)


def expect_alike(group: bytes, *peers: AnyPeer) -> tuple[str, dict[bytes, str]]:
    """Everybody has the same state: its title, and the role of each member."""
    wanted = peers[0].group_state(group)
    for other in peers[1:]:
        expect_equal(other.group_state(group), wanted, f"state of {other.address.user!r}")
    return wanted[1], dict(wanted[2])


def hand_over(group: bytes, sender: AnyPeer, *receivers: AnyPeer) -> None:
    """The sender's chain, and the acknowledgement."""
    for receiver in receivers:
        event = receiver.receive(sender.group_key(group, receiver.address))
        expect_equal(event.reports, ("sender-key",), "reports with a sender key")
        event = sender.receive(receiver.group_saved(group, sender.address))
        expect_equal(event.reports, ("sender-key-saved",), "reports with an acknowledgement")


def expect_opened(
    group: bytes, sender: AnyPeer, receiver: AnyPeer, sent: Sent, content: bytes
) -> None:
    wanted = GroupEvent(sender.address, sent.seq, sent.id, content, (), group)
    expect_equal(receiver.receive(sent.envelope), wanted, "a group message")


def say(group: bytes, sender: AnyPeer, content: bytes, *receivers: AnyPeer) -> Sent:
    sent = sender.group_send(group, content)
    for receiver in receivers:
        expect_opened(group, sender, receiver, sent, content)
    return sent


def set_up(creator: AnyPeer, joiner: AnyPeer, *others: AnyPeer) -> bytes:
    """A group of all of them, with all chains handed over."""
    peers = (creator, joiner, *others)
    meet(*peers)
    users = [peer.address.user for peer in peers[1:]]
    group, content = creator.group_create("Roses", users)
    tell(creator, content, *peers[1:])
    for peer in peers:
        hand_over(group, peer, *(other for other in peers if other is not peer))
    return group


def reload(*peers: AnyPeer) -> None:
    for peer in peers:
        if isinstance(peer, RemotePeer):
            peer.reload()


def check_changes(creator: AnyPeer, joiner: AnyPeer) -> str:
    """Created by one side, joined by the other; changes by both, one after the other."""
    carol, alice = GroupPeer(CAROL), GroupPeer(ALICE)
    meet(creator, joiner, carol, alice)
    name, other = creator.address.user, joiner.address.user
    group, content = creator.group_create("Rosen \U0001f339", [other, CAROL])
    tell(creator, content, joiner, carol)
    title, roles = expect_alike(group, creator, joiner, carol)
    expect_equal(title, "Rosen \U0001f339", "title")
    expect_equal(roles, {name: "owner", other: "member", CAROL: "member"}, "roles")

    def change(by: AnyPeer, hearers: Sequence[AnyPeer], kind: str, what: bytes | str = b"") -> None:
        tell(by, by.group_change(group, kind, what), *hearers)

    for kind, what in (("title", "no"), ("add", ALICE), ("remove", CAROL), ("admin", CAROL)):
        expect_word(
            (errors.USAGE,),
            lambda kind=kind, what=what: joiner.group_change(group, kind, what),
            f"`{kind}` by an ordinary member",
        )
    change(creator, (joiner, carol), "admin", other)
    change(joiner, (creator, carol), "title", "Thorns")
    change(joiner, (creator, carol), "add", ALICE)
    tell(joiner, joiner.group_introduce(group), alice)
    title, roles = expect_alike(group, creator, joiner, carol, alice)
    expect_equal((title, roles[ALICE], roles[other]), ("Thorns", "member", "admin"), "state")
    reload(creator, joiner)
    change(joiner, (creator, carol, alice), "remove", ALICE)
    change(carol, (creator, joiner), "leave")
    title, roles = expect_alike(group, creator, joiner, carol)
    expect_equal(roles, {name: "owner", other: "admin"}, "after a removal and a leave")
    expect_word((errors.USAGE,), lambda: creator.group_change(group, "leave"), "the owner leaves")
    change(creator, (joiner,), "add", CAROL)
    tell(creator, creator.group_introduce(group), carol)
    change(joiner, (creator, carol), "leave")
    title, roles = expect_alike(group, creator, joiner, carol)
    expect_equal(roles, {name: "owner", CAROL: "member"}, "after the admin left")
    change(creator, (joiner, carol), "add", other)
    title, roles = expect_alike(group, creator, joiner, carol)
    expect_equal(roles[other], "member", "the admin who left and was added")
    return ""


def check_crossing_changes(creator: AnyPeer, joiner: AnyPeer) -> str:
    """Changes at the same time: the owner's title, a removal beside an add, an end."""
    carol, alice = GroupPeer(CAROL), GroupPeer(ALICE)
    meet(creator, joiner, carol, alice)
    other = joiner.address.user
    group, content = creator.group_create("first", [other, CAROL])
    tell(creator, content, joiner, carol)
    tell(creator, creator.group_change(group, "admin", other), joiner, carol)

    def cross(theirs: tuple[str, bytes | str], ours: tuple[str, bytes | str]) -> dict[bytes, str]:
        one = joiner.group_change(group, *theirs)
        two = creator.group_change(group, *ours)
        # Nobody hears news of somebody who was removed.
        tell(joiner, one, *([carol] if ours == ("remove", other) else [creator, carol]))
        tell(creator, two, joiner, carol)
        title, roles = expect_alike(group, creator, joiner, carol)
        expect_equal(title, "owner's", "title")
        return roles

    cross(("title", "admin's"), ("title", "owner's"))
    roles = cross(("add", ALICE), ("add", ALICE))
    expect_equal(roles[ALICE], "member", "added twice")
    roles = cross(("remove", ALICE), ("admin", CAROL))
    expect(ALICE not in roles, "removed beside another change")
    roles = cross(("add", ALICE), ("remove", other))
    expect(ALICE not in roles and other not in roles, "an ended admin's last change counts")
    return ""


def check_held_changes(creator: AnyPeer, joiner: AnyPeer) -> str:
    """Changes that come in the wrong order, twice, or after what follows from them."""
    carol = GroupPeer(CAROL)
    meet(creator, joiner, carol)
    group, content = creator.group_create("0", [joiner.address.user, CAROL])
    tell(creator, content, joiner, carol)
    before = joiner.group_state(group)
    made = [creator.group_change(group, "title", str(i)) for i in range(1, 6)]
    for index in (4, 2, 3, 1):
        tell(creator, made[index], joiner)
        expect_equal(joiner.group_state(group), before, "what waits changes nothing")
    reload(joiner)
    tell(creator, made[0], joiner)
    expect_equal(expect_alike(group, creator, joiner)[0], "5", "title")
    tell(creator, made[0], joiner)
    tell(creator, content, joiner)
    expect_equal(expect_alike(group, creator, joiner)[0], "5", "title after a repetition")
    return ""


def check_messages(creator: AnyPeer, joiner: AnyPeer) -> str:
    """Both ways, reordered and repeated, of all sizes."""
    carol = GroupPeer(CAROL)
    group = set_up(creator, joiner, carol)
    source = random.Random(4)
    count = 0
    for sender, receivers in (
        (creator, (joiner, carol)), (joiner, (creator, carol)), (carol, (creator, joiner)),
    ):
        texts = [f"{i}".encode() * size for i, size in enumerate((0, 1, 90, 300, 5_000, 20_000))]
        texts.append(bytes(65_536))
        sent = [(sender.group_send(group, text), text) for text in texts]
        expect_equal([s.seq for s, _ in sent], list(range(len(texts))), "iterations")
        for receiver in receivers:
            source.shuffle(sent)
            for one, text in sent:
                expect_opened(group, sender, receiver, one, text)
                expect_error(errors.DUPLICATE, receiver, one.envelope, "a repetition")
                count += 1
            reload(receiver)
            expect_error(errors.DUPLICATE, receiver, sent[0][0].envelope, "a late repetition")
        reload(sender)
    too_long = bytes(65_537)
    expect_word((errors.USAGE,), lambda: creator.group_send(group, too_long), "65,537 bytes")
    return f"{count} messages"


def check_newcomer(creator: AnyPeer, joiner: AnyPeer) -> str:
    """A newcomer reads what comes, and nothing from before."""
    carol = GroupPeer(CAROL)
    meet(creator, joiner, carol)
    group, content = creator.group_create("", [CAROL])
    tell(creator, content, carol)
    hand_over(group, creator, carol)
    before = [say(group, creator, b"before", carol) for _ in range(3)]
    expect_error(errors.UNKNOWN, joiner, before[0].envelope, "a message of an unknown group")
    added = creator.group_change(group, "add", joiner.address.user)
    tell(creator, added, carol)
    tell(creator, creator.group_introduce(group), joiner)
    hand_over(group, creator, joiner)
    expect_error(errors.KEY_GONE, joiner, before[2].envelope, "a message from before")
    say(group, creator, b"after", carol, joiner)
    hand_over(group, joiner, creator, carol)
    say(group, joiner, b"hello", creator, carol)
    return ""


def check_early(creator: AnyPeer, joiner: AnyPeer) -> str:
    """A message before its chain, before its change, and of a chain not acknowledged."""
    carol = GroupPeer(CAROL)
    meet(creator, joiner, carol)
    group, content = creator.group_create("first", [joiner.address.user, CAROL])
    tell(creator, content, joiner, carol)
    expect_word((errors.USAGE,), lambda: creator.group_send(group, b""), "before there is a chain")
    key = creator.group_key(group, joiner.address)
    sent = creator.group_send(group, b"early")
    expect_error(errors.UNKNOWN, joiner, sent.envelope, "a message before its chain")
    expect_equal(joiner.receive(key).reports, ("sender-key",), "reports")
    expect_opened(group, creator, joiner, sent, b"early")
    change = creator.group_change(group, "title", "second")
    sent = creator.group_send(group, b"under the new head")
    expect_error(errors.UNKNOWN_HEAD, joiner, sent.envelope, "a message under an unknown head")
    expect_error(errors.UNKNOWN_HEAD, joiner, sent.envelope, "and again")
    tell(creator, change, joiner)
    expect_opened(group, creator, joiner, sent, b"under the new head")
    late = creator.group_send(group, b"under an older head")
    tell(creator, creator.group_change(group, "title", "third"), joiner)
    reload(joiner)
    expect_opened(group, creator, joiner, late, b"under an older head")
    event = joiner.receive(creator.group_key(group, joiner.address))
    expect_equal(event.reports, ("sender-key",), "handed over again")
    say(group, creator, b"goes on", joiner)
    event = creator.receive(joiner.group_saved(group, creator.address))
    expect_equal(event.reports, ("sender-key-saved",), "reports")
    return ""


def check_told_head(creator: AnyPeer, joiner: AnyPeer) -> str:
    """A head that never was the receiver's own is known by what it stands for."""
    carol = GroupPeer(CAROL)
    group = set_up(creator, joiner, carol)
    tell(creator, creator.group_change(group, "admin", CAROL), joiner, carol)
    one = creator.group_change(group, "title", "creator's")
    two = carol.group_change(group, "title", "carol's")
    sent = carol.group_send(group, b"under a head of carol's alone")
    told = carol.group_introduce(group)
    tell(creator, one, joiner)
    expect_error(errors.UNKNOWN_HEAD, joiner, sent.envelope, "a head of somebody else's")
    tell(carol, two, joiner)
    expect_error(errors.UNKNOWN_HEAD, joiner, sent.envelope, "a head of somebody else's")
    tell(carol, told, joiner)
    expect_opened(group, carol, joiner, sent, b"under a head of carol's alone")
    return ""


def check_rotation(creator: AnyPeer, joiner: AnyPeer) -> str:
    """The end of a chain that is replaced: what is missing comes, and nothing behind it."""
    carol = GroupPeer(CAROL)
    group = set_up(creator, joiner, carol)
    for sender, receiver in ((creator, joiner), (joiner, creator), (carol, joiner)):
        old = [sender.group_send(group, str(i).encode()) for i in range(6)]
        expect_opened(group, sender, receiver, old[1], b"1")
        behind = sender.groups[group] if isinstance(sender, GroupPeer) else None
        sender.group_rotate(group)
        again = receiver.group_saved(group, sender.address)
        expect_equal(sender.receive(again).reports, (), "an acknowledgement of the old chain")
        event = receiver.receive(sender.group_key(group, receiver.address))
        expect_equal(event.reports, ("sender-key",), "reports with the new chain")
        event = sender.receive(receiver.group_saved(group, sender.address))
        expect_equal(event.reports, ("sender-key-saved",), "reports")
        new = [sender.group_send(group, b"new") for _ in range(2)]
        expect_equal([s.seq for s in new], [0, 1], "iterations of the new chain")
        expect_opened(group, sender, receiver, new[1], b"new")
        reload(receiver)
        for index in (5, 0, 2, 4, 3):
            expect_opened(group, sender, receiver, old[index], str(index).encode())
        expect_error(errors.DUPLICATE, receiver, old[1].envelope, "of the ended chain, again")
        expect_opened(group, sender, receiver, new[0], b"new")
        if behind and isinstance(sender, GroupPeer):
            after = sender.groups[group]
            sender.groups[group] = behind
            late = sender.group_send(group, b"behind the end")
            sender.groups[group] = after
            expect_error(errors.ROLLED_BACK, receiver, late.envelope, "behind a chain's end")
    return ""


def check_replacement_first(python: GroupPeer, receiver: AnyPeer) -> str:
    """The chain that replaces another comes before it."""
    group = set_up(python, receiver)
    python.group_rotate(group)
    key = python.group_key(group, receiver.address)
    old = [python.group_send(group, str(i).encode()) for i in range(3)]
    python.group_rotate(group)
    hand_over(group, python, receiver)
    event = receiver.receive(key)
    expect_equal(event.reports, ("sender-key",), "reports with the older chain")
    for index in (2, 0, 1):
        expect_opened(group, python, receiver, old[index], str(index).encode())
    say(group, python, b"goes on", receiver)
    return ""


def check_lost_chains(python: GroupPeer, receiver: AnyPeer) -> str:
    """Chains that were lost: the one after them ends the last that was acknowledged."""
    group = set_up(python, receiver)
    first = [python.group_send(group, str(i).encode()) for i in range(4)]
    expect_opened(group, python, receiver, first[1], b"1")
    kept = python.groups[group]
    lost = []
    for _ in range(3):
        python.group_rotate(group)
        python.group_key(group, receiver.address)
        lost += [python.group_send(group, b"lost") for _ in range(2)]
    python.group_rotate(group)
    given = distribution_to(python, group, receiver.address)
    first_id = kept.chain.chain_id if kept.chain else b""
    found = (given.replaced_missed, given.ended_chain_id, given.ended_length, given.lost_before)
    expect_equal(found, (2, first_id, 4, 4), "what is said of the chains before")
    event = receiver.receive(python.group_key(group, receiver.address))
    expect("sender-key" in event.reports, f"reports with the newest chain: {event.reports}")
    event = python.receive(receiver.group_saved(group, python.address))
    expect_equal(event.reports, ("sender-key-saved",), "reports with an acknowledgement")
    reload(receiver)
    expect_opened(group, python, receiver, first[3], b"3")
    now = python.groups[group]
    python.groups[group] = kept
    behind = python.group_send(group, b"behind the end")
    python.groups[group] = now
    expect_error(errors.ROLLED_BACK, receiver, behind.envelope, "behind the end")
    for one in lost:
        expect_error(errors.UNKNOWN, receiver, one.envelope, "of a lost chain")
    expect_opened(group, python, receiver, first[0], b"0")
    say(group, python, b"goes on", receiver)
    given = distribution_to(python, group, receiver.address)
    expect_equal(given.missed, 0, "missed, once it was acknowledged")
    python.group_rotate(group)
    given = distribution_to(python, group, receiver.address)
    found = (given.replaced_missed, given.ended_chain_id, given.lost_before)
    expect_equal(found, (0, b"", 0), "after a chain that was acknowledged")
    hand_over(group, python, receiver)
    say(group, python, b"and on", receiver)
    return ", ".join(event.reports)


def distribution_to(sender: GroupPeer, group: bytes, to: Address) -> pbs.SenderKeyDistribution:
    """What is said when the chain is handed over."""
    found = []
    original = sender._send_control

    def record(address: Address, session: Session, control: pb.Control) -> bytes:
        found.append(control.sender_key)
        return original(address, session, control)

    sender._send_control = record  # type: ignore[method-assign]
    try:
        sender.group_key(group, to)
    finally:
        del sender._send_control
    return found[0]


def check_removed(creator: AnyPeer, joiner: AnyPeer) -> str:
    """Who was removed reads nothing new and is not heard; nothing is sent before a rotation."""
    carol = GroupPeer(CAROL)
    group = set_up(creator, joiner, carol)
    early = carol.group_send(group, b"not received in time")
    change = creator.group_change(group, "remove", CAROL)
    expect_word((errors.USAGE,), lambda: creator.group_send(group, b""), "before a rotation")
    tell(creator, change, joiner)
    expect_word((errors.USAGE,), lambda: joiner.group_send(group, b""), "before a rotation")
    expect_word(
        (errors.USAGE,), lambda: creator.group_key(group, carol.address), "a chain for carol"
    )
    for sender, receiver in ((creator, joiner), (joiner, creator)):
        sender.group_rotate(group)
        hand_over(group, sender, receiver)
        sent = say(group, sender, b"without carol", receiver)
        expect_error(errors.UNKNOWN, carol, sent.envelope, "a message after the removal")
    for receiver in (creator, joiner):
        expect_error(errors.REFUSED, receiver, early.envelope, "a message of who was removed")
        late = carol.group_send(group, b"under the old head")
        expect_error(errors.REFUSED, receiver, late.envelope, "a message of who was removed")
        event = receiver.receive(carol.group_key(group, receiver.address))
        expect_equal(event.reports, ("sender-key-refused",), "a chain of who was removed")
    tell(creator, change, carol)
    expect_word((errors.USAGE,), lambda: carol.group_send(group, b""), "by who was removed")
    tell(creator, creator.group_change(group, "add", CAROL), joiner)
    tell(creator, creator.group_introduce(group), carol)
    hand_over(group, creator, carol)
    say(group, creator, b"welcome back", joiner, carol)
    for receiver in (creator, joiner):
        # There was a break since its head was the newest.
        expect_error(errors.REFUSED, receiver, early.envelope, "of before the removal")
    hand_over(group, carol, creator, joiner)
    say(group, carol, b"thanks", creator, joiner)
    return ""


def stolen_chain(thief: GroupPeer, group: bytes, owner: AnyPeer, key: KeyPair) -> SendingChain:
    """What a receiver of a chain can send in it: all but its signature."""
    chain = thief.chains.of(group, owner.address)[-1]
    return SendingChain(
        group, owner.address, chain.chain_id, chain.key, chain.header_seed, key, chain.next
    )


def check_forgery(creator: AnyPeer, joiner: AnyPeer) -> str:
    """Who has a chain can send nothing in it; what is altered changes nothing."""
    carol = GroupPeer(CAROL)
    group = set_up(creator, joiner, carol)
    say(group, creator, b"genuine", joiner, carol)
    head = carol.groups[group].roster.head()
    body = bytes(16) + b"forged"
    padded = payload.pad(pb.Payload(body=body).SerializeToString(), b"")
    count = 0
    chain = carol.groups[group].chain
    assert chain is not None
    for key in (ed25519_pair(), carol.keys.signing, chain.signing):
        _, message = stolen_chain(carol, group, creator, key).seal(head, padded)
        expect_error(errors.NOT_OPENED, joiner, envelope_of(message), "carol's signature")
        neutral = pbs.GroupMessage.FromString(message.SerializeToString())
        neutral.signature = NEUTRAL_POINT + bytes(32)
        expect_error(errors.NOT_OPENED, joiner, envelope_of(neutral), "R of small order")
        count += 2
    sent = creator.group_send(group, b"genuine again")

    def altered(name: str, index: int) -> bytes:
        def change(decoded: pb.Envelope) -> None:
            message = decoded.group_message
            setattr(message, name, flip(getattr(message, name), index))

        return set_bytes(sent.envelope, change)

    def shorter(name: str, size: int) -> bytes:
        def change(decoded: pb.Envelope) -> None:
            message = decoded.group_message
            setattr(message, name, getattr(message, name)[:size])

        return set_bytes(sent.envelope, change)

    bad: list[tuple[str, tuple[str, ...], bytes]] = [
        ("another tag", (errors.UNKNOWN,), altered("head", 0)),
        ("another salt", (errors.NOT_OPENED,), altered("head", 8)),
        ("another iteration", (errors.NOT_OPENED,), altered("head", 19)),
        ("another roster head", (errors.UNKNOWN_HEAD,), altered("head", 35)),
        ("another ciphertext", (errors.NOT_OPENED,), altered("sealed", 0)),
        ("another AEAD tag", (errors.NOT_OPENED,), altered("sealed", -1)),
        ("another R", (errors.NOT_OPENED,), altered("signature", 0)),
        ("another S", (errors.NOT_OPENED,), altered("signature", 32)),
        ("a head of 35 bytes", (errors.MALFORMED,), shorter("head", 35)),
        ("a signature of 63 bytes", (errors.MALFORMED,), shorter("signature", 63)),
        ("16 bytes sealed", (errors.MALFORMED,), shorter("sealed", 16)),
    ]
    for receiver in (joiner, carol):
        for what, words, envelope in bad:
            expect_word(words, lambda e=envelope, to=receiver: to.receive(e), what)
            count += 1
        expect_opened(group, creator, receiver, sent, b"genuine again")
        # Of what has opened, and so of what is missing, the tag alone is known.
        for what, index in (("another salt", 8), ("another iteration", 19)):
            expect_error(errors.UNKNOWN, receiver, altered("head", index), f"{what}, opened")
    sent = creator.group_send(group, b"missing")
    say(group, creator, b"later", joiner, carol)
    for receiver in (joiner, carol):
        for what, index in (("another salt", 8), ("another iteration", 19)):
            expect_error(errors.UNKNOWN, receiver, altered("head", index), f"{what}, missing")
        expect_opened(group, creator, receiver, sent, b"missing")
    return f"{count} refused"


def check_payloads(python: GroupPeer, receiver: AnyPeer) -> str:
    """What is malformed inside uses up its key; nothing but body and view counts."""
    group = set_up(python, receiver)

    def send(**fields: object) -> bytes:
        known = python.groups[group]
        padded = payload.pad(pb.Payload(**fields).SerializeToString(), b"")
        return python._send_padded(known, padded, b"", b"").envelope

    control = pb.Control(sign_of_life=pb.SignOfLife())
    malformed: list[dict[str, object]] = [
        {"control": control}, {"body": bytes(15)}, {}, {"control": control, "body": bytes(20)},
    ]
    for fields in malformed:
        envelope = send(**fields)
        event = receiver.receive(envelope)
        expect_equal((event.id, event.content), (b"", b""), f"malformed: {fields}")
        expect_error(errors.DUPLICATE, receiver, envelope, "a malformed one again")
    event = receiver.receive(send(body=bytes(16) + b"said", seq=7, last_seq=70_000, seen_seq=9))
    expect_equal((event.id, event.content), (bytes(16), b"said"), "with numbers")
    expect_equal(deliver(python, receiver, b"").reports, (), "reports in the session")
    say(group, python, b"goes on", receiver)
    return ""


def check_rolled_back(python: GroupPeer, receiver: AnyPeer) -> str:
    """A sender that uses an iteration again is noticed, whatever it sends."""
    group = set_up(python, receiver)
    say(group, python, b"before", receiver)
    before = python.groups[group]
    say(group, python, b"once", receiver)
    passed = python.group_send(group, b"passed over")
    say(group, python, b"later", receiver)
    python.groups[group] = before
    sent = python.group_send(group, b"again")
    expect_error(errors.ROLLED_BACK, receiver, sent.envelope, "an iteration again")
    expect_opened(group, python, receiver, passed, b"passed over")
    python.group_rotate(group)
    event = receiver.receive(python.group_key(group, receiver.address))
    expect("sender-key" in event.reports, f"a chain after that: {event.reports}")
    say(group, python, b"healed", receiver)
    return ", ".join(event.reports)


def check_whole_chain(sender: AnyPeer, receiver: AnyPeer) -> str:
    """A chain has 1,000 messages; the last may come first."""
    group = set_up(sender, receiver)
    sent = [sender.group_send(group, b"") for _ in range(MAX_LENGTH)]
    expect_word((errors.USAGE,), lambda: sender.group_send(group, b""), "1,001 messages")
    expect_opened(group, sender, receiver, sent[-1], b"")
    for index in (0, 500, 998):
        expect_opened(group, sender, receiver, sent[index], b"")
    if isinstance(sender, GroupPeer):
        known = sender.groups[group]
        assert known.chain is not None
        # As if there were one more: its tag is right.
        before = replace(known.chain, iteration=MAX_LENGTH)
        keys = before.distribution()
        beyond = _beyond(before, known.roster.head())
        expect_equal(keys.iteration, MAX_LENGTH, "iteration")
        expect_error(errors.TOO_FAR, receiver, beyond, "behind the last iteration")
    event = receiver.receive(sender.group_key(group, receiver.address))
    expect_equal(event.reports, ("sender-key",), "a full chain handed over")
    sender.group_rotate(group)
    hand_over(group, sender, receiver)
    say(group, sender, b"another chain", receiver)
    expect_opened(group, sender, receiver, sent[1], b"")
    return ""


def _beyond(chain: SendingChain, head: bytes) -> bytes:
    """A message of an iteration that a chain cannot have."""
    wide = replace(chain, iteration=0)
    _, message = wide.seal(head, b"\x80" + bytes(255))
    keys = sk.chain_header_key(chain.header_seed, chain.context)
    salt = message.head[8:16]
    tag = keys.tag(chain.iteration)
    header = sk.Header(chain.iteration, head[:16]).encode()
    message.head = tag + salt + sk.mask(keys.mask_key, tag + salt + bytes(8), header)
    return envelope_of(message)


def give_chain(
    giver: GroupPeer, receiver: AnyPeer, chain: SendingChain, **fields: object
) -> tuple[str, ...]:
    """Hand over a chain with some fields changed; the receiver's reports."""
    message = chain.distribution()
    for name, value in fields.items():
        setattr(message, name, value)
    control = pb.Control(sender_key=message)
    session = giver._sending_session(giver._contact(receiver.address))
    return receiver.receive(giver._send_control(receiver.address, session, control)).reports


def check_named_chains(python: GroupPeer, receiver: AnyPeer) -> str:
    """A chain that names itself ends nothing; of two lengths the one of what is replaced counts."""
    group = set_up(python, receiver)

    def next_chain(count: int) -> tuple[SendingChain, list[Sent]]:
        """The next chain as it begins, and what is sent in it."""
        python.group_rotate(group)
        chain = python.groups[group].chain
        assert chain is not None
        return chain, [python.group_send(group, str(i).encode()) for i in range(count)]

    def give(chain: SendingChain, **fields: object) -> None:
        found = give_chain(python, receiver, chain, **fields)
        expect_equal(found, ("sender-key",), f"reports with {list(fields)}")
        reload(receiver)

    first, of_first = next_chain(4)
    give(first)
    # Whether it ends another by `ended_chain_id` only selftest.py asks.
    second, of_second = next_chain(4)
    give(second, replaced_chain_id=second.chain_id, replaced_length=1, lost_before=9)
    expect_opened(group, python, receiver, of_first[3], b"3")
    expect_opened(group, python, receiver, of_second[3], b"3")
    third, of_third = next_chain(4)
    give(
        third, replaced_chain_id=first.chain_id, replaced_length=4,
        ended_chain_id=third.chain_id, ended_length=1,
    )
    expect_opened(group, python, receiver, of_third[3], b"3")
    for late in (False, True):
        before, sent = next_chain(4)
        if not late:
            give(before, replaced_chain_id=b"")
        after, _ = next_chain(0)
        ended: dict[str, object] = {"ended_chain_id": before.chain_id, "ended_length": 1}
        if late:
            # The two lengths are of two chains, which both come before that one.
            last, _ = next_chain(0)
            give(last, **ended)
            give(after, replaced_length=3)
            give(before, replaced_chain_id=b"")
        else:
            give(after, replaced_length=3, **ended)
        expect_opened(group, python, receiver, sent[2], b"2")
        expect_error(errors.ROLLED_BACK, receiver, sent[3].envelope, "behind the end")
    return ""


def check_distributions(python: GroupPeer, receiver: AnyPeer) -> str:
    """Chains that are refused are not kept, and the genuine one still is."""
    alice = GroupPeer(ALICE)
    meet(python, receiver, alice)
    group, content = python.group_create("", [receiver.address.user])
    tell(python, content, receiver)
    python.group_key(group, receiver.address)
    chain = python.groups[group].chain
    assert chain is not None

    def give(giver: GroupPeer, **fields: object) -> tuple[str, ...]:
        return give_chain(giver, receiver, chain, **fields)

    order_4 = bytes(32)
    malformed: list[dict[str, object]] = [
        {"group_id": group[:31]}, {"chain_id": bytes(7)}, {"chain_key": bytes(33)},
        {"header_seed": b""}, {"verifying_key": bytes(31)}, {"replaced_chain_id": bytes(9)},
        {"ended_chain_id": bytes(7)},
    ]
    for fields in malformed:
        expect_equal(give(python, **fields), ("malformed",), f"{fields}")
    bad: list[dict[str, object]] = [
        {"group_id": bytes(32)}, {"verifying_key": NEUTRAL_POINT}, {"verifying_key": order_4},
        {"verifying_key": b"\xff" * 32}, {"iteration": 1_001},
    ]
    for fields in bad:
        expect_equal(give(python, **fields), ("sender-key-refused",), f"{fields}")
    expect_equal(give(alice), ("sender-key-refused",), "a chain by no member")
    expect_equal(give(python), ("sender-key",), "the genuine chain")
    expect_equal(give(python), ("sender-key",), "the genuine chain again")
    others: list[dict[str, object]] = [
        {"header_seed": bytes(32)}, {"verifying_key": python.keys.signing.public},
    ]
    for fields in others:
        expect_equal(give(python, **fields), ("sender-key-refused",), f"the same id, {fields}")
    event = python.receive(receiver.group_saved(group, python.address))
    expect_equal(event.reports, ("sender-key-saved",), "reports")
    say(group, python, b"opens", receiver)
    return f"{len(bad) + 3} refused, {len(malformed)} malformed"


def note(group: bytes, news: pbc.GroupNews, number: int = 0, count: int = 1) -> bytes:
    part = pbc.GroupPart(
        whole=bytes(8), number=number, count=count, bytes=news.SerializeToString()
    )
    return pbc.Content(group=pbc.GroupNote(group_id=group, part=part)).SerializeToString()


def check_news(python: GroupPeer, receiver: AnyPeer) -> str:
    """News of nobody who is a member, of no group, in parts, or of nothing."""
    alice = GroupPeer(ALICE)
    meet(python, receiver, alice)
    user = receiver.address.user
    alice_group, alice_news = alice.group_create("without the receiver", [PYTHON])
    expect_word(
        (errors.REFUSED,), lambda: receiver.group_news(alice.address, alice_news), "no member"
    )
    group, welcome = python.group_create("", [user])
    change = python.group_change(group, "title", "before")
    expect_word(
        (errors.REFUSED,), lambda: receiver.group_news(python.address, change), "no welcome"
    )
    expect_word(
        (errors.REFUSED,), lambda: receiver.group_news(alice.address, welcome), "by an outsider"
    )
    tell(python, welcome, receiver)
    tell(python, change, receiver)
    before = expect_alike(group, python, receiver)
    more = python.group_change(group, "title", "after")
    expect_word(
        (errors.REFUSED,), lambda: receiver.group_news(alice.address, more), "by an outsider"
    )
    news = pbc.GroupNews.FromString(pbc.Content.FromString(more).group.part.bytes)
    in_parts = note(group, news, 0, 2)
    expect_word((errors.USAGE,), lambda: receiver.group_news(python.address, in_parts), "in parts")
    damaged = pbc.GroupNews.FromString(news.SerializeToString())
    damaged.update = flip(damaged.update, damaged.update.index(group) + 40)
    try:
        receiver.group_news(python.address, note(group, damaged))
    except ProtocolError as error:
        expect_equal(error.word, errors.REFUSED, "a damaged change")
    expect_equal(receiver.group_state(group)[1], before[0], "title after what was refused")
    receiver.group_news(python.address, more)
    expect_equal(expect_alike(group, python, receiver)[0], "after", "title")
    return ""


def group_checks(path: str | None) -> list[Check]:
    """All checks of groups; without a path this client is on both sides."""

    def with_peers(check: Callable[[GroupPeer, AnyPeer], str]) -> Callable[[], str]:
        def run() -> str:
            if path is None:
                return check(GroupPeer(PYTHON), GroupPeer(RUST))
            with RemotePeer(path, RUST) as rust:
                return check(GroupPeer(PYTHON), rust)

        return run

    other = "Python" if path is None else "Rust"
    both_ways: list[tuple[str, Callable[[AnyPeer, AnyPeer], str]]] = [
        ("changes", check_changes),
        ("changes at the same time", check_crossing_changes),
        ("changes out of order", check_held_changes),
        ("messages", check_messages),
        ("a newcomer", check_newcomer),
        ("what comes early", check_early),
        ("a head that was told", check_told_head),
        ("rotation", check_rotation),
        ("who was removed", check_removed),
        ("forgeries", check_forgery),
        ("a whole chain", check_whole_chain),
    ]
    found: list[Check] = []
    for name, check in both_ways:
        found.append((f"groups: {name}, Python to {other}", with_peers(check)))
        if path is not None:
            found.append(
                (f"groups: {name}, Rust to Python", with_peers(lambda p, r, c=check: c(r, p)))
            )
    to_other: list[tuple[str, Callable[[GroupPeer, AnyPeer], str]]] = [
        ("a chain after the one that replaces it", check_replacement_first),
        ("chains that were lost", check_lost_chains),
        ("chains that name others", check_named_chains),
        ("payloads", check_payloads),
        ("rolled-back state", check_rolled_back),
        ("sender keys refused", check_distributions),
        ("news refused", check_news),
    ]
    for name, check in to_other:
        found.append((f"groups: {name}, Python to {other}", with_peers(check)))
    if path is not None:
        import group_worlds as gw

        found += [
            ("groups: strange changes", with_peers(gw.check_strange_changes)),
            ("groups: strange welcomes", with_peers(gw.check_strange_welcomes)),
            ("groups: a list that is named twice", with_peers(gw.check_shared_list)),
            ("groups: a new owner who was no member", with_peers(gw.check_new_owner)),
            ("groups: strange updates", with_peers(gw.check_strange_updates)),
            ("groups: a seal of another roster", with_peers(gw.check_unknown_roster)),
            ("groups: welcomes of a group that is known", with_peers(gw.check_known_welcomes)),
        ]
        for name, seals, burst in (
            ("", False, 1), (", some at once", False, 5),
            (" with seals", True, 1), (" with seals, some at once", True, 5),
        ):

            def worlds(
                python: GroupPeer, rust: AnyPeer, seals: bool = seals, burst: int = burst
            ) -> str:
                return gw.check_worlds(python, rust, range(1, 9), 40, seals, burst)

            found.append((f"groups: random worlds{name}", with_peers(worlds)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="path of the test program's binary")
    return finish(*run_checks(group_checks(parser.parse_args().peer)))


if __name__ == "__main__":
    sys.exit(main())
