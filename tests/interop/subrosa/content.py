"""Contents: SPEC.md, section 10.

A content is known, or it is kept as the bytes that came and shows its fallback, or nothing.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import labels, shown
from .errors import MALFORMED, USAGE, ProtocolError
from .identity import Address
from .primitives import equal, hkdf, lp, sha256, u32
from .protobuf import content as pb
from .protobuf import parse

ID_SIZE = 16
KEY_SIZE = 32
MAX_USER = 255
MAX_CONTENT = 65_536
MAX_COPIED = 65_216
MAX_TEXT = 65_152
MAX_FALLBACK = 256
MAX_EXCERPT = 400
# A sender makes no longer part, and no more of them; a longer one counts all the same.
MAX_PART = 61_440
MAX_PARTS = 40
# What is between devices alone: of these there is never anything to show.
_NEVER_SHOWN = ("sync", "group", "verification")
_SENT_AT, _REPLY_TO, _QUOTE = 1, 4, 5
_UNSEEN = {0x200B, 0xFEFF, *range(0x202A, 0x202F), *range(0x2060, 0x206A)}


@dataclass(frozen=True)
class Known:
    """A content of a kind that this version knows; `encoded` are the bytes that came."""

    message: Any
    encoded: bytes


@dataclass(frozen=True)
class Unknown:
    """The bytes that came, and what is shown in their place; empty: nothing."""

    encoded: bytes
    fallback: str


class _Form:
    """Goes through a content: what breaks a rule is raised, what is not known is noted."""

    def __init__(self) -> None:
        self.unknown = False

    def rule(self, condition: bool, text: str) -> None:
        if not condition:
            raise ProtocolError(MALFORMED, f"content: {text}")

    def known(self, condition: bool) -> None:
        self.unknown |= not condition

    def size(self, value: bytes | str, most: int, what: str, least: int = 0) -> None:
        """The length in bytes, of a string those of UTF-8."""
        length = len(value.encode() if isinstance(value, str) else value)
        self.rule(least <= length <= most, f"{what} of {length} bytes")

    def exact(self, value: bytes, size: int, what: str, optional: bool = False) -> None:
        self.rule(len(value) == size or optional and not value, f"{what} of {len(value)} bytes")

    def part(self, message: Any, name: str) -> Any:
        """A message that has to be there."""
        self.rule(message.HasField(name), f"no `{name}`")
        return getattr(message, name)

    def enum(self, kind: Any, value: int) -> None:
        self.known(value != 0 and value in kind.values())

    def user(self, value: bytes) -> None:
        self.size(value, MAX_USER, "a user id", 1)

    def id(self, value: bytes) -> None:
        self.exact(value, ID_SIZE, "an id")

    def ids(self, value: bytes) -> None:
        self.rule(len(value) % ID_SIZE == 0, "a part of an id")

    def count(self, values: Any, most: int, what: str, least: int = 0) -> None:
        self.rule(least <= len(values) <= most, f"{len(values)} {what}")

    def reference(self, value: Any) -> None:
        self.user(value.author)
        self.id(value.message_id)

    def emoji(self, value: str) -> None:
        self.size(value, 48, "emoji")
        self.rule(not any(map(_is_hidden, value)), "an emoji with what is not seen")

    def pointer(self, value: Any) -> None:
        self.size(value.location, 2048, "a location")
        self.exact(value.key, KEY_SIZE, "a pointer's key")
        self.exact(value.digest, KEY_SIZE, "a pointer's digest")
        self.size(value.media_type, 255, "a media type")

    def text(self, value: Any) -> None:
        encoded = value.text.encode()
        self.size(encoded, MAX_TEXT, "a text")
        self.count(value.mentions, 100, "mentions")
        self.count(value.styles, 500, "styles")
        self.count(value.previews, 4, "previews")
        end = 0
        for mention in value.mentions:
            self._range(encoded, mention)
            self.rule(mention.start >= end, "mentions out of order, or one within another")
            end = mention.start + mention.length
            self.user(mention.user_id)
        start = 0
        for style in value.styles:
            self._range(encoded, style)
            self.rule(style.start >= start, "styles out of order")
            start = style.start
        for preview in value.previews:
            self.size(preview.url, 2048, "a url", 1)
            self.size(preview.title, 300, "a title")
            self.size(preview.description, 1000, "a description")
            self.rule(preview.url in value.text, "a preview of what is not in the text")
            if preview.HasField("image"):
                self.pointer(preview.image)

    def _range(self, text: bytes, value: Any) -> None:
        end = value.start + value.length
        self.rule(value.length >= 1 and end <= len(text), "a range of nothing, or behind the text")
        for place in (value.start, end):
            whole = place == len(text) or text[place] & 0xC0 != 0x80
            self.rule(whole, "a range that parts a character")


def _is_hidden(character: str) -> bool:
    """Whether section 10.1 forbids it in an emoji."""
    control = unicodedata.category(character) == "Cc"
    return control or character.isspace() or ord(character) in _UNSEEN


def _attachments(form: _Form, value: Any) -> None:
    form.count(value.items, 32, "attachments", 1)
    for item in value.items:
        form.pointer(form.part(item, "pointer"))
        form.enum(pb.AttachmentKind, item.kind)
        form.size(item.name, 255, "a name")
        form.size(item.description, 1000, "a description")
        form.size(item.waveform, 256, "a waveform")
        form.size(item.thumbnail, 16_384, "a thumbnail")
        form.size(item.blurhash, 166, "a blurhash")
    if value.HasField("caption"):
        form.text(value.caption)


def _location(form: _Form, value: Any) -> None:
    form.rule(abs(value.latitude) <= 900_000_000, "a place beyond a pole")
    form.rule(abs(value.longitude) <= 1_800_000_000, "a place beyond the date line")
    form.size(value.name, 300, "a name")


def _card(form: _Form, value: Any) -> None:
    form.size(value.name, 255, "a name", 1)
    form.size(value.user_id, MAX_USER, "a user id")
    form.count(value.entries, 32, "entries")
    for entry in value.entries:
        form.size(entry.label, 64, "a label")
        form.size(entry.value, 1000, "a value")


def _sticker(form: _Form, value: Any) -> None:
    form.pointer(form.part(value, "image"))
    form.emoji(value.emoji)


def _reaction(form: _Form, value: Any) -> None:
    form.reference(form.part(value, "to"))
    form.emoji(value.emoji)


def _edit(form: _Form, value: Any) -> None:
    form.id(value.message_id)
    form.text(form.part(value, "text"))


def _poll(form: _Form, value: Any) -> None:
    form.size(value.question, 1000, "a question", 1)
    form.count(value.choices, 32, "choices", 2)
    for choice in value.choices:
        form.size(choice, 300, "a choice", 1)
    form.rule(1 <= value.most <= len(value.choices), f"{value.most} may be chosen")
    form.exact(value.commitment, KEY_SIZE, "a commitment", optional=True)


def _closing(form: _Form, value: Any) -> None:
    form.id(value.message_id)
    form.count(value.counts, 32, "counts")
    form.exact(value.salt, KEY_SIZE, "a salt", optional=True)


def _call(form: _Form, value: Any) -> None:
    form.id(value.call_id)
    step = value.WhichOneof("step")
    form.known(step is not None)
    if step in ("offer", "answer"):
        found = getattr(value, step)
        form.exact(found.secret, KEY_SIZE, "a secret")
        form.size(found.description, 16_384, "a description")
    if step == "offer":
        form.enum(pb.CallMedia, value.offer.media)
    elif step == "candidates":
        form.count(value.candidates.candidates, 32, "candidates")
        for candidate in value.candidates.candidates:
            form.size(candidate, 1024, "a candidate")
    elif step == "end":
        form.enum(pb.CallEndReason, value.end.reason)


def _receipt(form: _Form, value: Any) -> None:
    form.enum(pb.ReceiptKind, value.kind)
    form.ids(value.ids)


def _sync(form: _Form, value: Any) -> None:
    kind = value.WhichOneof("kind")
    form.known(kind is not None)
    if kind is None:
        return
    found = getattr(value, kind)
    if kind == "link_package":
        form.part(found, "account_list")
        for contact in found.contacts:
            form.user(contact.user_id)
            form.enum(pb.Consent, contact.consent)
        return
    form.user(found.user_id)
    if kind == "sent_copy":
        form.id(found.message_id)
    elif kind == "decision":
        form.enum(pb.Consent, found.consent)
    elif kind == "read_marks":
        form.ids(found.ids)
    elif kind == "verified":
        form.exact(found.account_key, KEY_SIZE, "an account key")


def _group(form: _Form, value: Any) -> None:
    form.exact(value.group_id, 32, "a group id")
    kind = value.WhichOneof("kind")
    form.known(kind is not None)
    if kind == "part":
        form.exact(value.part.whole, 8, "the name of a whole")
        form.rule(value.part.number < value.part.count, "a part behind the last")
    elif kind == "copy":
        form.exact(value.copy.chain_id, 8, "a chain id")
        form.id(value.copy.message_id)


def _verification(form: _Form, value: Any) -> None:
    form.id(value.transaction_id)
    step = value.WhichOneof("step")
    form.known(step is not None)
    if step in ("commitment", "key", "reveal", "confirmation"):
        form.exact(getattr(value, step), KEY_SIZE, f"`{step}`")
    elif step == "end":
        form.enum(pb.VerificationEnd, value.end)


_RULES: dict[str, Callable[[_Form, Any], None]] = {
    "text": _Form.text,
    "attachments": _attachments,
    "location": _location,
    "card": _card,
    "sticker": _sticker,
    "reaction": _reaction,
    "edit": _edit,
    "delete": lambda form, value: form.id(value.message_id),
    "poll": _poll,
    "vote": lambda form, value: form.reference(form.part(value, "poll")),
    "closing": _closing,
    "timer": lambda form, value: None,
    "call": _call,
    "receipt": _receipt,
    "typing": lambda form, value: form.enum(pb.TypingKind, value.kind),
    "request": lambda form, value: form.enum(pb.RequestKind, value.kind),
    "sync": _sync,
    "group": _group,
    "verification": _verification,
}


def _is_known(message: Any) -> bool:
    """Whether all of it is known; ProtocolError(malformed) if it breaks a rule."""
    form = _Form()
    form.exact(message.reply_to, ID_SIZE, "`reply_to`", optional=True)
    if message.HasField("quote"):
        form.rule(bool(message.reply_to), "a quote of no message")
        form.user(message.quote.author)
        form.size(message.quote.excerpt, MAX_EXCERPT, "an excerpt")
        form.exact(message.quote.hash, KEY_SIZE, "a quote's hash", optional=True)
    kind = message.WhichOneof("kind")
    form.known(kind is not None)
    if kind is not None:
        _RULES[kind](form, getattr(message, kind))
    return not form.unknown


def decode(encoded: bytes) -> Known | Unknown:
    """What a content is, by section 10.6; nothing is shown of what breaks a rule."""
    try:
        message = parse(pb.Content, encoded)
        known = _is_known(message)
    except ProtocolError:
        return Unknown(encoded, "")
    if known:
        return Known(message, encoded)
    hidden = message.WhichOneof("kind") in _NEVER_SHOWN
    return Unknown(encoded, "" if hidden else message.fallback)


def encode(message: Any) -> bytes:
    """A content of our own; ProtocolError(usage) if a receiver would not take it as known."""
    encoded = message.SerializeToString()
    # What has a content inside: of these two a copy is never made.
    carries = message.WhichOneof("kind") in ("sync", "group")
    most = MAX_CONTENT if carries else MAX_COPIED
    try:
        known = _is_known(message)
    except ProtocolError as error:
        raise ProtocolError(USAGE, error.text) from error
    part = message.group.part
    too_much = len(part.bytes) > MAX_PART or part.count > MAX_PARTS
    if not known or too_much or len(encoded) > most:
        raise ProtocolError(USAGE, "content: unknown, or too long")
    return encoded


def _shortened(text: str) -> str:
    """At most 256 bytes of it, no character parted."""
    return text.encode()[:MAX_FALLBACK].decode(errors="ignore")


def _degrees(value: int) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 10**7}.{abs(value) % 10**7:07}"


def words(message: Any) -> str:
    """What a content says in words (10.3), of whatever length; of no known kind its fallback."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return message.fallback
    value = getattr(message, kind)
    if kind == "text":
        return value.text
    if kind == "edit":
        return value.text.text
    if kind == "attachments":
        names = ", ".join(shown.file_name(item.name) for item in value.items if item.name)
        return value.caption.text or names
    if kind == "location":
        place = f"geo:{_degrees(value.latitude)},{_degrees(value.longitude)}"
        return f"{value.name} {place}" if value.name else place
    if kind == "card":
        return shown.name(value.name)
    if kind in ("sticker", "reaction"):
        return value.emoji
    return value.question if kind == "poll" else ""


def fallback_of(message: Any) -> str:
    """The fallback that a sender makes (the tables of section 10.1)."""
    kind = message.WhichOneof("kind")
    if kind in ("text", "edit", "reaction"):
        return ""
    if kind == "card":
        return _shortened(message.card.name)
    return _shortened(words(message))


def _fields(encoded: bytes) -> Iterable[tuple[int, bytes]]:
    """The number and the bytes of each field of a protobuf message."""
    place = 0

    def skip(key: int) -> None:
        """What stands behind the key of a field; of an old group all up to its end."""
        nonlocal place
        wire = key & 7
        if wire == 0:
            varint()
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        elif wire == 2:
            length = varint()
            place += length
        elif wire == 3:
            while (inner := varint()) != key + 1:
                skip(inner)
        else:
            raise ProtocolError(MALFORMED, "content: no protobuf")

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            if place >= len(encoded) or shift > 63:
                raise ProtocolError(MALFORMED, "content: no protobuf")
            byte = encoded[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(encoded):
        start = place
        key = varint()
        skip(key)
        if place > len(encoded):
            raise ProtocolError(MALFORMED, "content: no protobuf")
        yield key >> 3, encoded[start:place]


def _without(encoded: bytes, numbers: set[int]) -> bytes:
    return b"".join(part for number, part in _fields(encoded) if number not in numbers)


def pass_on(
    encoded: bytes, sent_at: int, expires_after: int = 0, fallback: str | None = None,
    reply_to: bytes = b"",
) -> bytes:
    """A content for another conversation, there maybe as an answer: the bytes that came, our own
    fields behind them."""
    own = _varint_field(_SENT_AT, sent_at) + _varint_field(2, expires_after)
    if fallback is not None:
        text = fallback.encode()
        own += b"\x1a" + _varint(len(text)) + text
    if reply_to:
        own += b"\x22" + _varint(len(reply_to)) + reply_to
    return _without(encoded, {_REPLY_TO, _QUOTE}) + own + _varint_field(6, 1)


def _varint(value: int) -> bytes:
    output = b""
    while value >= 0x80:
        output += bytes([value & 0x7F | 0x80])
        value >>= 7
    return output + bytes([value])


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def quote_hash(author: bytes, message_id: bytes, encoded: bytes) -> bytes:
    """Section 10.3."""
    said = _without(encoded, {_SENT_AT})
    return sha256(labels.QUOTED + b"\0" + lp(author) + message_id + said)


def quote_matches(quote: Any, message_id: bytes, encoded: bytes) -> bool:
    """Whether a quote is of this content of the author's that it names."""
    if not quote.hash or not equal(quote.hash, quote_hash(quote.author, message_id, encoded)):
        return False
    found = decode(encoded)
    said = words(found.message) if isinstance(found, Known) else found.fallback
    return said.startswith(quote.excerpt)


def quiz_commitment(salt: bytes, answer: int) -> bytes:
    """Section 10.4."""
    return sha256(labels.QUIZ_ANSWER + b"\0" + salt + u32(answer))


def call_keys(
    call_id: bytes, offer_secret: bytes, answer_secret: bytes, caller: Address, callee: Address
) -> tuple[bytes, bytes]:
    """The caller's key and the callee's (section 10.5)."""
    info = labels.CALL_MEDIA + call_id
    for address in (caller, callee):
        info += lp(address.user) + u32(address.device)
    output = hkdf(offer_secret, answer_secret, info, 64)
    return output[:32], output[32:]


@dataclass(frozen=True)
class CastVote:
    """A vote as it came: who has cast it, the id of the message, and its content."""

    author: bytes
    message_id: bytes
    message: Any


def tally(
    choices: int, most: int, author: bytes, message_id: bytes, votes: Iterable[CastVote]
) -> list[int]:
    """How often each choice of a poll was chosen: each account's newest vote that is valid."""
    newest: dict[bytes, tuple[tuple[int, bytes], int]] = {}
    for cast in votes:
        vote = cast.message.vote
        poll = (vote.poll.author, vote.poll.message_id)
        valid = vote.choices >> choices == 0 and vote.choices.bit_count() <= most
        if not cast.message.HasField("vote") or poll != (author, message_id) or not valid:
            continue
        rank = (cast.message.sent_at, cast.message_id)
        if cast.author not in newest or newest[cast.author][0] < rank:
            newest[cast.author] = (rank, vote.choices)
    chosen = [choice for _, choice in newest.values()]
    return [sum(choice >> i & 1 for choice in chosen) for i in range(choices)]
