"""Control messages: their form, and those of repair (SPEC.md, sections 7.2 and 7.4)."""

from collections.abc import Sequence

from .errors import MALFORMED, USAGE, ProtocolError
from .protobuf import envelope as pb
from .roster import check_ask

MAX_ENTRIES = 100
NAME_SIZE = 16
EPHEMERAL_SIZE = 32
HASH_SIZE = 32
SIGNATURE_SIZE = 64
GROUP_SIZE = KEY_SIZE = 32
CHAIN_SIZE = 8
HALF_HEAD = 16
Range = tuple[int, int]


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise ProtocolError(MALFORMED, text)


def _check_lists(lists: pb.ListVersions) -> None:
    _require(len(lists.own_hash) == len(lists.their_hash) == HASH_SIZE, "a hash has 32 bytes")
    if lists.HasField("own_list"):
        _require(len(lists.own_list.signature) == SIGNATURE_SIZE, "a signature has 64 bytes")


def _check_ranges(numbers: pb.NumberRanges) -> None:
    _require(len(numbers.ranges) <= MAX_ENTRIES, "more than 100 ranges")
    for entry in numbers.ranges:
        _require(1 <= entry.first <= entry.last, "a range of no numbers")


def _check_not_opened(message: pb.NotOpened) -> None:
    names, names_rest = divmod(len(message.names), NAME_SIZE)
    ephemerals, ephemerals_rest = divmod(len(message.ephemerals), EPHEMERAL_SIZE)
    _require(names_rest == ephemerals_rest == 0, "a part of a name")
    _require(names + ephemerals <= MAX_ENTRIES, "more than 100 envelopes")


def _check_group(kind: str, message: pb.Control) -> None:
    """Lengths alone: what else is wrong with a sender key is refused by who takes it (14.4)."""
    found = getattr(message, kind)
    _require(len(found.group_id) == GROUP_SIZE, "a group id has 32 bytes")
    if kind == "sender_key":
        sizes = (len(found.chain_key), len(found.header_seed), len(found.verifying_key))
        _require(set(sizes) == {KEY_SIZE}, "a part of a sender key has 32 bytes")
        for other in (found.replaced_chain_id, found.ended_chain_id):
            _require(len(other) in (0, CHAIN_SIZE), "a chain id has 8 bytes")
    if kind in ("sender_key", "sender_key_saved", "group_messages_wanted"):
        _require(len(found.chain_id) == CHAIN_SIZE, "a chain id has 8 bytes")
    if kind == "group_messages_wanted":
        _require(len(found.iterations) <= MAX_ENTRIES, "more than 100 iterations")
    elif kind == "group_behind":
        _require(found.HasField("ask"), "a `group_behind` without a `GroupAsk`")
        _require(len(found.head) in (0, HALF_HEAD), "half a head has 16 bytes")
        check_ask(found.ask)


def check(control: pb.Control) -> None:
    """ProtocolError(malformed) as in sections 7.2 and 7.4; an unknown kind passes."""
    kind = control.WhichOneof("kind")
    if kind == "lists":
        _check_lists(control.lists)
    elif kind in ("ask", "unavailable"):
        _check_ranges(getattr(control, kind))
    elif kind == "not_opened":
        _check_not_opened(control.not_opened)
    elif kind in (
        "sender_key", "sender_key_saved", "sender_key_wanted", "group_messages_wanted",
        "group_behind",
    ):
        _check_group(kind, control)


def _own(control: pb.Control) -> pb.Control:
    try:
        check(control)
    except ProtocolError as error:
        raise ProtocolError(USAGE, error.text) from error
    return control


def _ranges(ranges: Sequence[Range]) -> pb.NumberRanges:
    return pb.NumberRanges(ranges=[pb.NumberRange(first=a, last=b) for a, b in ranges])


def ask(ranges: Sequence[Range]) -> pb.Control:
    """Send again what had these numbers; each range is its first and its last."""
    return _own(pb.Control(ask=_ranges(ranges)))


def unavailable(ranges: Sequence[Range]) -> pb.Control:
    """What had these numbers cannot be sent again."""
    return _own(pb.Control(unavailable=_ranges(ranges)))


def not_opened(names: Sequence[bytes], ephemerals: Sequence[bytes] = ()) -> pb.Control:
    """These envelopes did not open: tag and salt of a message, `E` of a first message."""
    whole = all(len(name) == NAME_SIZE for name in names)
    if not whole or any(len(ephemeral) != EPHEMERAL_SIZE for ephemeral in ephemerals):
        raise ProtocolError(USAGE, "a name has 16 bytes, an ephemeral key 32")
    message = pb.NotOpened(names=b"".join(names), ephemerals=b"".join(ephemerals))
    return _own(pb.Control(not_opened=message))


def sign_of_life() -> pb.Control:
    """Answer anything."""
    return pb.Control(sign_of_life=pb.SignOfLife())


def sign() -> pb.Control:
    """The answer to that."""
    return pb.Control(sign=pb.Sign())
