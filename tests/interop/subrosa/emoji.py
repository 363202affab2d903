"""Emoji that two people compare: SPEC.md, section 16."""

from dataclasses import dataclass

from . import labels
from . import primitives as p

ACCOUNT_KEY = 1


@dataclass(frozen=True)
class Side:
    user: bytes
    account_key: bytes
    key: bytes

    @property
    def party(self) -> bytes:
        return p.lp(self.user) + self.account_key


@dataclass(frozen=True)
class Shared:
    emoji_bytes: bytes
    mac_key: bytes


def commitment(transaction: bytes, initiator: Side, responder: Side) -> bytes:
    bound = transaction + initiator.party + responder.party + responder.key
    return p.sha256(labels.EMOJI_COMMITMENT + b"\0" + bound)


def shared(transaction: bytes, initiator: Side, responder: Side, secret: bytes) -> Shared:
    sides = b"".join(side.party + side.key for side in (initiator, responder))
    context = transaction + sides
    return Shared(
        p.hkdf(bytes(32), secret, labels.EMOJI + context, 6),
        p.hkdf(bytes(32), secret, labels.EMOJI_MAC + context, 32),
    )


def numbers(emoji_bytes: bytes) -> list[int]:
    bits = int.from_bytes(emoji_bytes, "big")
    return [bits >> 42 - 6 * place & 63 for place in range(7)]


def confirmation(mac_key: bytes, role: int, side: Side) -> bytes:
    """What the initiator (1) or the responder (2) says once its person has compared."""
    return p.hmac_sha256(mac_key, p.u8(role) + p.u8(ACCOUNT_KEY) + side.party)
