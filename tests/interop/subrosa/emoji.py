"""Comparing emoji: SPEC.md, section 16."""

from dataclasses import dataclass, field

from . import labels
from .errors import REFUSED, InvalidKey, ProtocolError
from .primitives import KeyPair, check_x25519, dh, equal, hkdf, hmac_sha256, lp, sha256, u8

INITIATOR, RESPONDER = 1, 2
ACCOUNT_KEY = 1
SHOWN = 7
# Section 16.3: symbol and name.
TABLE = (
    ("🐶", "dog"), ("🐱", "cat"), ("🦁", "lion"), ("🐴", "horse"),
    ("🐮", "cow"), ("🐷", "pig"), ("🐘", "elephant"), ("🐰", "rabbit"),
    ("🐸", "frog"), ("🐔", "hen"), ("🐧", "penguin"), ("🐢", "turtle"),
    ("🐟", "fish"), ("🐙", "octopus"), ("🦋", "butterfly"), ("🐝", "bee"),
    ("🐌", "snail"), ("🦀", "crab"), ("🐍", "snake"), ("🦉", "owl"),
    ("🌲", "tree"), ("🌵", "cactus"), ("🌹", "rose"), ("🍄", "mushroom"),
    ("🌙", "moon"), ("⭐", "star"), ("🔥", "fire"), ("🌈", "rainbow"),
    ("🍎", "apple"), ("🍌", "banana"), ("🍓", "strawberry"), ("🍇", "grapes"),
    ("🍒", "cherries"), ("🌽", "corn"), ("🥕", "carrot"), ("🍞", "bread"),
    ("🧀", "cheese"), ("🎂", "cake"), ("🎩", "hat"), ("👓", "glasses"),
    ("👟", "shoe"), ("👑", "crown"), ("⏰", "clock"), ("🔔", "bell"),
    ("🔑", "key"), ("🔒", "lock"), ("🔨", "hammer"), ("📎", "paperclip"),
    ("📕", "book"), ("💡", "lamp"), ("🎁", "gift"), ("🎈", "balloon"),
    ("⚽", "ball"), ("🎲", "dice"), ("🎸", "guitar"), ("🥁", "drum"),
    ("🚲", "bicycle"), ("🚗", "car"), ("🚂", "train"), ("🚀", "rocket"),
    ("⛵", "boat"), ("⚓", "anchor"), ("🏠", "house"), ("☔", "umbrella"),
)


@dataclass(frozen=True)
class Party:
    """One side, by the account key that the other side knows."""

    user: bytes
    account_key: bytes

    def encode(self) -> bytes:
        return lp(self.user) + self.account_key


@dataclass(frozen=True)
class Comparison:
    """What both sides know once keys were exchanged (section 16.2)."""

    initiator: Party
    responder: Party
    emoji_bytes: bytes
    mac_key: bytes = field(repr=False)

    def numbers(self) -> tuple[int, ...]:
        """Seven numbers of six bits, from the left."""
        bits = int.from_bytes(self.emoji_bytes, "big")
        return tuple(bits >> 42 - 6 * i & 63 for i in range(SHOWN))

    def shown(self) -> str:
        return " ".join(TABLE[number][0] for number in self.numbers())

    def confirmation(self, side: int) -> bytes:
        """What this side says once its person has compared."""
        party = self.initiator if side == INITIATOR else self.responder
        return hmac_sha256(self.mac_key, u8(side) + u8(ACCOUNT_KEY) + party.encode())

    def check_confirmation(self, side: int, found: bytes) -> None:
        """ProtocolError unless this is what that side has to say."""
        if not equal(self.confirmation(side), found):
            raise ProtocolError(REFUSED, "emoji: the confirmation is not right")


def commitment(transaction: bytes, initiator: Party, responder: Party, key: bytes) -> bytes:
    """To the responder's key, before the initiator has said its own."""
    parties = initiator.encode() + responder.encode()
    return sha256(labels.EMOJI_COMMITMENT + b"\0" + transaction + parties + key)


def compare(
    transaction: bytes,
    initiator: Party,
    responder: Party,
    own: KeyPair,
    theirs: bytes,
    own_side: int,
) -> Comparison:
    """From the own key pair and the other side's key; ProtocolError if 2.2 refuses that."""
    try:
        secret = dh(own.private, check_x25519(theirs))
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"emoji: {error}") from error
    initiator_key, responder_key = own.public, theirs
    if own_side == RESPONDER:
        initiator_key, responder_key = theirs, own.public
    c = transaction + initiator.encode() + initiator_key + responder.encode() + responder_key
    return Comparison(
        initiator,
        responder,
        hkdf(bytes(32), secret, labels.EMOJI + c, 6),
        hkdf(bytes(32), secret, labels.EMOJI_MAC + c, 32),
    )


def check_commitment(
    committed: bytes, transaction: bytes, initiator: Party, responder: Party, key: bytes
) -> None:
    """ProtocolError unless the responder has committed to this key."""
    if not equal(committed, commitment(transaction, initiator, responder, key)):
        raise ProtocolError(REFUSED, "emoji: another key than the one committed to")
