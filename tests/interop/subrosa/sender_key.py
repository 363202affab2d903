"""Sender keys: SPEC.md, section 14."""

from dataclasses import dataclass, field

from . import labels
from .chain import HeaderKey, header_key, kdf_ck
from .errors import (
    DUPLICATE,
    KEY_GONE,
    MALFORMED,
    NOT_OPENED,
    OTHER_ROSTER,
    REFUSED,
    ROLLED_BACK,
    TOO_FAR,
    UNKNOWN,
    InvalidKey,
    ProtocolError,
)
from .identity import Address
from .payload import Opened, decode
from .primitives import (
    aead_open,
    aead_seal,
    check_ed25519,
    expand,
    lp,
    mask,
    sha256,
    sign,
    u32,
    verify,
)
from .protobuf import envelope as pb
from .protobuf import parse
from .protobuf import sender_key as pbs

MAX_LENGTH = 1000
HEAD_SIZE = 36


def context(group_id: bytes, sender: Address, chain_id: bytes) -> bytes:
    """CTX."""
    return group_id + lp(sender.user) + u32(sender.device) + chain_id


def associated_data(ctx: bytes) -> bytes:
    """AD."""
    return sha256(labels.SENDER_CHAIN + b"\0" + ctx)


def chain_header_key(seed: bytes, ctx: bytes) -> bytes:
    """hk."""
    return expand(seed, labels.SENDER_HEADER + ctx, 32)


def view(list_hash: bytes) -> bytes:
    return sha256(labels.GROUP_VIEW + b"\0" + list_hash)[:8]


def decode_message(envelope: bytes) -> pbs.GroupMessage:
    outer = parse(pb.Envelope, envelope)
    message = outer.group_message
    lengths = (len(message.head), len(message.signature))
    if outer.WhichOneof("kind") != "group_message" or lengths != (HEAD_SIZE, 64):
        raise ProtocolError(MALFORMED, "not a group message")
    if len(message.sealed) < 17:
        raise ProtocolError(MALFORMED, "nothing is sealed")
    return message


def seal(
    chain: "ReceivingChain", signing_seed: bytes, roster: bytes, salt: bytes, padded: bytes
) -> bytes:
    """The envelope of the next message of a chain, by whoever has its private key."""
    header = u32(chain.next) + roster[:16]
    tag = chain.keys.tag(chain.next)
    masked = mask(chain.keys.mask_key, tag + salt + bytes(8), header)
    covered = chain.ad + roster + tag + salt + header
    message_key, chain.chain_key = kdf_ck(chain.chain_key)
    chain.next += 1
    key = expand(message_key, labels.MESSAGE + salt, 32)
    sealed = aead_seal(key, bytes(4) + salt, covered, padded)
    signature = sign(signing_seed, labels.GROUP_MESSAGE, covered + sealed)
    message = pbs.GroupMessage(head=tag + salt + masked, sealed=sealed, signature=signature)
    return pb.Envelope(group_message=message).SerializeToString()


@dataclass
class ReceivingChain:
    """A chain that was handed over."""

    chain_id: bytes
    ad: bytes
    keys: HeaderKey
    verifying_key: bytes
    chain_key: bytes = field(repr=False)
    next: int
    is_open: bool = True
    missing: dict[int, bytes] = field(default_factory=dict, repr=False)
    salts: dict[int, bytes] = field(default_factory=dict)

    def pass_over(self, end: int) -> int:
        """Keeps the keys up to `end`; how many they are."""
        count = 0
        while self.next < end:
            self.missing[self.next], self.chain_key = kdf_ck(self.chain_key)
            self.next += 1
            count += 1
        return count

    def close(self, length: int) -> int:
        """Ends the chain; how many are missing at its end."""
        count = self.pass_over(length) if self.is_open else 0
        self.is_open = False
        return count

    def decrypt(self, message: pbs.GroupMessage, roster: bytes) -> tuple[int, int, Opened]:
        """(iteration, passed over, payload), by the steps of 14.5."""
        tag, salt, masked = message.head[:8], message.head[8:16], message.head[16:]
        header = mask(self.keys.mask_key, tag + salt + bytes(8), masked)
        iteration = int.from_bytes(header[:4], "big")
        if self.keys.tag(iteration) != tag:
            ahead = range(self.next, self.next + 8) if self.is_open else ()
            known = tag in [self.keys.tag(number) for number in ahead]
            raise ProtocolError(NOT_OPENED if known else UNKNOWN, "the tag is another's")
        if iteration >= MAX_LENGTH:
            raise ProtocolError(TOO_FAR, "no chain is so long")
        used = self.salts.get(iteration)
        if used == salt:
            raise ProtocolError(DUPLICATE, "it has opened")
        if iteration < self.next and used is None and iteration not in self.missing:
            raise ProtocolError(KEY_GONE, "its key is not kept")
        if header[4:] != roster[:16]:
            raise ProtocolError(OTHER_ROSTER, "another head")
        covered = self.ad + roster + tag + salt + header
        signed = covered + message.sealed
        try:
            verify(self.verifying_key, labels.GROUP_MESSAGE, signed, message.signature)
        except InvalidKey as error:
            raise ProtocolError(NOT_OPENED, str(error)) from error
        if used is not None or (iteration >= self.next and not self.is_open):
            raise ProtocolError(ROLLED_BACK, "a number used again")
        message_key = self.missing.get(iteration) or self._key_ahead(iteration)
        key = expand(message_key, labels.MESSAGE + salt, 32)
        try:
            padded = aead_open(key, bytes(4) + salt, covered, message.sealed)
        except InvalidKey as error:
            raise ProtocolError(NOT_OPENED, str(error)) from error
        passed_over = 0
        if iteration >= self.next:
            passed_over = self.pass_over(iteration + 1) - 1
        del self.missing[iteration]
        self.salts[iteration] = salt
        opened = decode(padded)
        if opened.message.HasField("control"):
            raise ProtocolError(MALFORMED, "a control message")
        return iteration, passed_over, opened

    def _key_ahead(self, iteration: int) -> bytes:
        message_key, chain_key = kdf_ck(self.chain_key)
        for _ in range(iteration - self.next):
            message_key, chain_key = kdf_ck(chain_key)
        return message_key


def accept(distribution: bytes, sender: Address) -> ReceivingChain:
    """The chain in a `SenderKeyDistribution` that came in a session with `sender`."""
    raw = parse(pbs.SenderKeyDistribution, distribution)
    lengths = [
        len(part)
        for part in (
            raw.group_id, raw.chain_id, raw.chain_key, raw.header_seed, raw.verifying_key
        )
    ]
    if lengths != [32, 8, 32, 32, 32] or len(raw.replaced_chain_id) not in (0, 8):
        raise ProtocolError(MALFORMED, "a field has another length")
    if raw.iteration > MAX_LENGTH:
        raise ProtocolError(REFUSED, "no chain is so long")
    try:
        check_ed25519(raw.verifying_key)
    except InvalidKey as error:
        raise ProtocolError(REFUSED, str(error)) from error
    ctx = context(raw.group_id, sender, raw.chain_id)
    keys = header_key(chain_header_key(raw.header_seed, ctx))
    return ReceivingChain(
        raw.chain_id, associated_data(ctx), keys, raw.verifying_key, raw.chain_key, raw.iteration
    )
