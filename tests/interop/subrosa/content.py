"""Contents: SPEC.md, section 10. What is not known keeps its bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import USAGE, ProtocolError
from .protobuf import content as pb
from .protobuf import parse

ID_SIZE = 16
KEY_SIZE = 32
MAX_USER_ID = 255
MAX_TEXT = 65_152
MAX_COPIED = 65_216
MAX_CONTENT = 65_536


@dataclass(frozen=True)
class Known:
    """A content of a known kind that breaks no rule; `kind` is `text`, `sync.decision`, ..."""

    message: Any
    kind: str
    encoded: bytes


@dataclass(frozen=True)
class Unknown:
    """Any other: the bytes that came, and what is shown in their place, if not empty."""

    encoded: bytes
    fallback: str


class _UnknownKind(Exception):
    """No kind, or a value of an enum, that this version knows."""


class _BrokenRule(Exception):
    """A rule of section 10 does not hold."""


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise _BrokenRule(text)


def _check_user(user: bytes) -> None:
    _require(1 <= len(user) <= MAX_USER_ID, "a user id has 1 to 255 bytes")


def _check_ids(ids: bytes) -> None:
    _require(len(ids) % ID_SIZE == 0, "a part of an id")


def _check_enum(value: int, known: Any) -> None:
    if value == 0 or value not in known.values():
        raise _UnknownKind


def _check_text(text: pb.Text) -> None:
    _require(len(text.text.encode()) <= MAX_TEXT, "the text is too long")


def _check_receipt(receipt: pb.Receipt) -> None:
    _check_ids(receipt.ids)
    _check_enum(receipt.kind, pb.ReceiptKind)


def _check_typing(typing: pb.Typing) -> None:
    _check_enum(typing.kind, pb.TypingKind)


def _check_request(request: pb.Request) -> None:
    _check_enum(request.kind, pb.RequestKind)


def _check_sent_copy(copy: pb.SentCopy) -> None:
    _check_user(copy.user_id)
    _require(len(copy.message_id) == ID_SIZE, "a message id has 16 bytes")


def _check_decision(decision: pb.Decision) -> None:
    _check_user(decision.user_id)
    _check_enum(decision.consent, pb.Consent)


def _check_read_marks(marks: pb.ReadMarks) -> None:
    _check_user(marks.user_id)
    _check_ids(marks.ids)


def _check_verified(verified: pb.Verified) -> None:
    _check_user(verified.user_id)
    _require(len(verified.account_key) == KEY_SIZE, "an account key has 32 bytes")


def _check_link_package(package: pb.LinkPackage) -> None:
    """Its form alone: whoever uses one of the lists verifies it, as any."""
    _require(package.HasField("account_list"), "no list of the account")
    for contact in package.contacts:
        _check_user(contact.user_id)
        _check_enum(contact.consent, pb.Consent)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "text": _check_text,
    "receipt": _check_receipt,
    "typing": _check_typing,
    "request": _check_request,
    "sync.sent_copy": _check_sent_copy,
    "sync.decision": _check_decision,
    "sync.read_marks": _check_read_marks,
    "sync.verified": _check_verified,
    "sync.link_package": _check_link_package,
}


def _check(message: pb.Content) -> str:
    """The kind of a content that is known and breaks no rule."""
    _require(len(message.reply_to) in (0, ID_SIZE), "`reply_to` has 16 bytes, or none")
    parent, kind = message, message.WhichOneof("kind")
    if kind is None:
        raise _UnknownKind
    field = kind
    if kind == "sync":
        parent, field = message.sync, message.sync.WhichOneof("kind")
        if field is None:
            raise _UnknownKind
        kind = f"sync.{field}"
    _CHECKS[kind](getattr(parent, field))
    return kind


def encode(message: pb.Content) -> bytes:
    """A content of ours; a sync alone may be longer than what fits a `sent_copy`."""
    try:
        kind = _check(message)
    except (_UnknownKind, _BrokenRule) as error:
        raise ProtocolError(USAGE, f"content: {error or 'no known kind'}") from error
    if message.fallback:
        raise ProtocolError(USAGE, "content: a known kind has no fallback")
    encoded = message.SerializeToString()
    if len(encoded) > (MAX_CONTENT if kind.startswith("sync.") else MAX_COPIED):
        raise ProtocolError(USAGE, "content: too long")
    return encoded


def decode(encoded: bytes) -> Known | Unknown:
    """What came; never an error. Nothing is shown of a sync, nor of what breaks a rule."""
    try:
        message = parse(pb.Content, encoded)
    except ProtocolError:
        return Unknown(encoded, "")
    try:
        return Known(message, _check(message), encoded)
    except _UnknownKind:
        return Unknown(encoded, "" if message.HasField("sync") else message.fallback)
    except _BrokenRule:
        return Unknown(encoded, "")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def pass_on(encoded: bytes, sent_at: int, expires_after: int = 0, reply_to: bytes = b"") -> bytes:
    """The bytes that came with these fields behind them, defaults too: the last one counts."""
    if len(reply_to) not in (0, ID_SIZE):
        raise ProtocolError(USAGE, "content: `reply_to` has 16 bytes, or none")
    own = b"\x08" + _varint(sent_at) + b"\x10" + _varint(expires_after)
    return encoded + own + b"\x22" + bytes([len(reply_to)]) + reply_to
