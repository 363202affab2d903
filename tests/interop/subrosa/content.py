"""Contents: SPEC.md, section 10. What is not known keeps its bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import labels
from . import primitives as p
from .errors import USAGE, ProtocolError
from .protobuf import content as pb
from .protobuf import parse

ID_SIZE = 16
KEY_SIZE = 32
MAX_USER_ID = 255
MAX_TEXT = 65_152
MAX_COPIED = 65_216
MAX_CONTENT = 65_536
MAX_EXCERPT = 400
MAX_CHOICES = 32


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


def _check_most(value: Any, most: int, what: str, least: int = 0) -> None:
    length = len(value.encode()) if isinstance(value, str) else len(value)
    _require(least <= length <= most, f"{what}: {least} to {most}")


def _check_fixed(value: bytes, size: int, what: str, empty: bool = False) -> None:
    _require(len(value) == size or (empty and not value), f"{what} has {size} bytes")


def _check_all(checks: Iterable[Callable[[], None]]) -> None:
    """All of them: one that breaks a rule counts more than one that is unknown."""
    unknown = False
    for check in checks:
        try:
            check()
        except _UnknownKind:
            unknown = True
    if unknown:
        raise _UnknownKind


def _check_ranges(text: bytes, ranges: Any) -> None:
    def is_boundary(at: int) -> bool:
        return at == len(text) or text[at] & 0xC0 != 0x80

    before = 0
    for part in ranges:
        start, end = part.start, part.start + part.length
        _require(before <= start < end <= len(text), "a range that is none")
        _require(is_boundary(start) and is_boundary(end), "a range cuts a character")
        before = start


def _check_pointer(pointer: pb.Pointer) -> None:
    _check_most(pointer.location, 2048, "location")
    _check_fixed(pointer.key, KEY_SIZE, "key")
    _check_fixed(pointer.digest, KEY_SIZE, "digest")
    _check_most(pointer.media_type, 255, "media type")


def _check_text(text: pb.Text) -> None:
    encoded = text.text.encode()
    _require(len(encoded) <= MAX_TEXT, "the text is too long")
    _check_most(text.mentions, 100, "mentions")
    _check_most(text.styles, 500, "styles")
    _check_most(text.previews, 4, "previews")
    _check_ranges(encoded, text.mentions)
    _check_ranges(encoded, text.styles)
    end = 0
    for mention in text.mentions:
        _require(end <= mention.start, "a mention within another")
        end = mention.start + mention.length
        _check_user(mention.user_id)
    for preview in text.previews:
        _check_most(preview.url, 2048, "address", 1)
        _check_most(preview.title, 300, "title")
        _check_most(preview.description, 1000, "description")
        _require(preview.url in text.text, "a preview of what is not in the text")
        if preview.HasField("image"):
            _check_pointer(preview.image)


def _check_attachment(item: pb.Attachment) -> None:
    _require(item.HasField("pointer"), "an attachment without a pointer")
    _check_pointer(item.pointer)
    _check_most(item.name, 255, "name")
    _check_most(item.description, 1000, "description")
    _check_most(item.waveform, 256, "waveform")
    _check_most(item.thumbnail, 16_384, "thumbnail")
    _check_most(item.blurhash, 166, "blurhash")
    _check_enum(item.kind, pb.AttachmentKind)


def _check_attachments(attachments: pb.Attachments) -> None:
    _check_text(attachments.caption)
    _check_most(attachments.items, 32, "attachments", 1)
    _check_all(lambda item=item: _check_attachment(item) for item in attachments.items)


def _check_location(location: pb.Location) -> None:
    _require(abs(location.latitude) <= 900_000_000, "latitude")
    _require(abs(location.longitude) <= 1_800_000_000, "longitude")
    _check_most(location.name, 300, "name")


def _check_card(card: pb.Card) -> None:
    _check_most(card.name, 255, "name", 1)
    _check_most(card.user_id, MAX_USER_ID, "user id")
    _check_most(card.entries, 32, "entries")
    for entry in card.entries:
        _check_most(entry.label, 64, "label")
        _check_most(entry.value, 1000, "value")


def _check_emoji(emoji: str) -> None:
    _check_most(emoji, 48, "emoji")
    for character in emoji:
        code = ord(character)
        _require(not character.isspace() and not (code < 0x20 or 0x7F <= code < 0xA0), "emoji")
        _require(code not in (0x200B, 0xFEFF), "emoji")
        _require(not (0x202A <= code <= 0x202E or 0x2060 <= code <= 0x2069), "emoji")


def _check_sticker(sticker: pb.Sticker) -> None:
    _check_pointer(sticker.image)
    _check_emoji(sticker.emoji)


def _check_reference(reference: pb.Reference) -> None:
    _check_user(reference.author)
    _check_fixed(reference.message_id, ID_SIZE, "message id")


def _check_reaction(reaction: pb.Reaction) -> None:
    _check_reference(reaction.to)
    _check_emoji(reaction.emoji)


def _check_edit(edit: pb.Edit) -> None:
    _check_fixed(edit.message_id, ID_SIZE, "message id")
    _require(edit.HasField("text"), "an edit without a text")
    _check_text(edit.text)


def _check_delete(delete: pb.Delete) -> None:
    _check_fixed(delete.message_id, ID_SIZE, "message id")


def _check_poll(poll: pb.Poll) -> None:
    _check_most(poll.question, 1000, "question", 1)
    _check_most(poll.choices, MAX_CHOICES, "choices", 2)
    for choice in poll.choices:
        _check_most(choice, 300, "choice", 1)
    _require(1 <= poll.most <= len(poll.choices), "how many are chosen")
    _check_fixed(poll.commitment, KEY_SIZE, "commitment", empty=True)


def _check_vote(vote: pb.Vote) -> None:
    _check_reference(vote.poll)


def _check_closing(closing: pb.Closing) -> None:
    _check_fixed(closing.message_id, ID_SIZE, "message id")
    _check_most(closing.counts, MAX_CHOICES, "counts")
    _check_fixed(closing.salt, KEY_SIZE, "salt", empty=True)


def _check_timer(timer: pb.Timer) -> None:
    pass


def _check_call(call: pb.Call) -> None:
    _check_fixed(call.call_id, ID_SIZE, "call id")
    step = call.WhichOneof("step")
    if step is None:
        raise _UnknownKind
    if step in ("offer", "answer"):
        said = getattr(call, step)
        _check_fixed(said.secret, KEY_SIZE, "secret")
        _check_most(said.description, 16_384, "description")
    if step == "offer":
        _check_enum(call.offer.media, pb.CallMedia)
    elif step == "candidates":
        _check_most(call.candidates.candidates, 32, "candidates")
        for candidate in call.candidates.candidates:
            _check_most(candidate, 1024, "candidate")
    elif step == "end":
        _check_enum(call.end.reason, pb.CallEndReason)


def _check_quote(quote: pb.Quote) -> None:
    _check_user(quote.author)
    _check_most(quote.excerpt, MAX_EXCERPT, "excerpt")
    _check_fixed(quote.hash, KEY_SIZE, "hash", empty=True)


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
    "attachments": _check_attachments,
    "location": _check_location,
    "card": _check_card,
    "sticker": _check_sticker,
    "reaction": _check_reaction,
    "edit": _check_edit,
    "delete": _check_delete,
    "poll": _check_poll,
    "vote": _check_vote,
    "closing": _check_closing,
    "timer": _check_timer,
    "call": _check_call,
    "receipt": _check_receipt,
    "typing": _check_typing,
    "request": _check_request,
    "sync.sent_copy": _check_sent_copy,
    "sync.decision": _check_decision,
    "sync.read_marks": _check_read_marks,
    "sync.verified": _check_verified,
    "sync.link_package": _check_link_package,
}


_WITH_FALLBACK = ("attachments", "location", "card", "sticker", "poll")


def _check(message: pb.Content) -> str:
    """The kind of a content that is known and breaks no rule."""
    _require(len(message.reply_to) in (0, ID_SIZE), "`reply_to` has 16 bytes, or none")
    if message.HasField("quote"):
        _require(len(message.reply_to) == ID_SIZE, "a quote of no message")
        _check_quote(message.quote)
    parent, kind = message, message.WhichOneof("kind")
    if kind in (None, "group", "verification"):
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
    if message.fallback and kind not in _WITH_FALLBACK:
        raise ProtocolError(USAGE, f"content: {kind} has no fallback")
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
        hidden = any(map(message.HasField, ("sync", "group", "verification")))
        return Unknown(encoded, "" if hidden else message.fallback)
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


def _fields(encoded: bytes) -> Iterable[tuple[int, bytes]]:
    """The fields of a message as they stand there, with their numbers."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = encoded[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(encoded):
        start, key = at, varint()
        match key & 7:
            case 0:
                varint()
            case 1:
                at += 8
            case 2:
                length = varint()
                at += length
            case 5:
                at += 4
            case _:
                raise ProtocolError(USAGE, "content: a group")
        yield key >> 3, encoded[start:at]


def quote_hash(author: bytes, message_id: bytes, encoded: bytes) -> bytes:
    """Names a content that is quoted (10.3)."""
    kept = b"".join(field for number, field in _fields(encoded) if number != 1)
    return p.sha256(labels.QUOTED + b"\0" + p.lp(author) + message_id + kept)


def commitment(answer: int, salt: bytes) -> bytes:
    """What a quiz says of its answer (10.4)."""
    return p.sha256(labels.QUIZ_ANSWER + b"\0" + salt + p.u32(answer))


@dataclass(frozen=True)
class Cast:
    """A vote, and the message that it came in."""

    author: bytes
    sent_at: int
    message_id: bytes
    vote: pb.Vote


def tally(poll: pb.Poll, author: bytes, message_id: bytes, votes: Iterable[Cast]) -> list[int]:
    """How often each choice of a poll was chosen: the newest of each account (10.4)."""
    newest: dict[bytes, tuple[int, bytes, int]] = {}
    for cast in votes:
        chosen = cast.vote.choices
        here = (cast.vote.poll.author, cast.vote.poll.message_id) == (author, message_id)
        if here and chosen < 1 << len(poll.choices) and chosen.bit_count() <= poll.most:
            this = (cast.sent_at, cast.message_id, chosen)
            newest[cast.author] = max(this, newest.get(cast.author, this))
    counted = [chosen for _, _, chosen in newest.values()]
    return [sum(chosen >> place & 1 for chosen in counted) for place in range(len(poll.choices))]


@dataclass(frozen=True)
class Device:
    """One end of a call."""

    user: bytes
    device: int


def media_keys(
    call_id: bytes, offer_secret: bytes, answer_secret: bytes, caller: Device, callee: Device
) -> tuple[bytes, bytes]:
    """The keys of what the caller sends, and of what the callee sends (10.5)."""
    ends = b"".join(p.lp(end.user) + p.u32(end.device) for end in (caller, callee))
    keys = p.hkdf(offer_secret, answer_secret, labels.CALL_MEDIA + call_id + ends, 64)
    return keys[:32], keys[32:]
