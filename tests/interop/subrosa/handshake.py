"""The handshake: SPEC.md, sections 5.2 to 5.5."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import labels
from .errors import MALFORMED, REFUSED, InvalidKey, ProtocolError
from .identity import Address, DeviceKeys, DeviceList, check_list
from .prekeys import ONE_TIME, SIGNED, CheckedDevice, PrivatePrekey
from .primitives import (
    aead_open,
    aead_seal,
    check_x25519,
    decaps,
    dh,
    encaps,
    expand,
    hkdf,
    lp,
    sha256,
    u32,
    x25519_pair,
)
from .protobuf import envelope as pb
from .protobuf import parse

Random = Callable[[int], bytes]
PAD_BLOCK = 512
MAX_REPLAY_ENTRIES = 65_536
NO_PREKEY = bytes(8)


@dataclass(frozen=True)
class SessionKeys:
    """What step 10 gives."""

    root: bytes
    header_key_i: bytes
    next_header_key_r: bytes
    ad: bytes


@dataclass(frozen=True)
class Step:
    """The transcript after one operation; test vectors are compared with it."""

    operation: str
    input: bytes
    h: bytes
    ck: bytes
    k: bytes


class Transcript:
    """h, ck and k of section 5.2."""

    def __init__(self) -> None:
        self.h = self.ck = sha256(labels.SUITE)
        self.k = b""
        self.steps: list[Step] = [Step("", labels.SUITE, self.h, self.ck, b"")]

    def mix_hash(self, data: bytes) -> None:
        self.h = sha256(self.h + data)
        self.steps.append(Step("MixHash", data, self.h, self.ck, b""))

    def mix_key(self, ikm: bytes) -> None:
        output = hkdf(self.ck, ikm, labels.HANDSHAKE_KEY, 64)
        self.ck, self.k = output[:32], output[32:]
        self.steps.append(Step("MixKey", ikm, self.h, self.ck, self.k))

    def seal(self, plaintext: bytes) -> bytes:
        ciphertext = aead_seal(self.k, bytes(12), self.h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def open(self, ciphertext: bytes) -> bytes:
        plaintext = aead_open(self.k, bytes(12), self.h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def session_keys(self) -> SessionKeys:
        s = expand(self.ck, labels.SESSION + self.h, 96)
        return SessionKeys(s[:32], s[32:64], s[64:], self.h)


def pad(data: bytes) -> bytes:
    """0x80, then zero bytes up to the next multiple of 512 (section 5.2)."""
    padded = data + b"\x80"
    return padded + bytes(-len(padded) % PAD_BLOCK)


def unpad(data: bytes) -> bytes:
    stripped = data.rstrip(b"\0")
    if not stripped.endswith(b"\x80"):
        raise ProtocolError(REFUSED, "handshake: c2 has no 0x80")
    return stripped[:-1]


def handshake_id(ephemeral: bytes, c1: bytes, ct: bytes, c2: bytes) -> bytes:
    """Section 5.4."""
    return sha256(labels.HANDSHAKE_ID + b"\0" + ephemeral + c1 + ct + c2)


def id_of(handshake: pb.Handshake) -> bytes:
    """The id of a handshake message."""
    return handshake_id(
        handshake.ephemeral, handshake.prekey_ids, handshake.kem_ciphertext, handshake.initiator
    )


def responder_identity(
    address: Address, account_key: bytes, signing_key: bytes, identity_key: bytes
) -> bytes:
    """The input of step 1."""
    return lp(address.user) + u32(address.device) + account_key + signing_key + identity_key


@dataclass(frozen=True)
class Initiated:
    """The initiator's result; `transcript` and `shared_secret` are for test vectors."""

    keys: SessionKeys
    handshake: pb.Handshake
    transcript: Transcript
    shared_secret: bytes


def initiate(
    own: DeviceKeys,
    own_list: bytes,
    generation: int,
    account_key: bytes,
    user: bytes,
    target: CheckedDevice,
    random: Random = os.urandom,
) -> Initiated:
    """The initiator's side of section 5.2. Draws E's private key, then Encaps' randomness."""
    signed, one_time = target.signed_prekey, target.one_time_prekey
    device = target.device
    t = Transcript()
    address = Address(user, device.device)
    t.mix_hash(
        responder_identity(address, account_key, device.signing_key, device.identity_key)
    )
    ephemeral = x25519_pair(random(32))
    t.mix_hash(ephemeral.public)
    t.mix_key(dh(ephemeral.private, device.identity_key))
    c1 = t.seal(signed.id + (one_time.id if one_time else NO_PREKEY))
    t.mix_hash(signed.sp)
    t.mix_hash(one_time.sp if one_time else labels.NO_ONE_TIME_PREKEY)
    ss, ct = encaps((one_time or signed).mlkem, random(32))
    t.mix_hash(ct)
    shared = dh(ephemeral.private, signed.x25519)
    if one_time:
        shared += dh(ephemeral.private, one_time.x25519)
    t.mix_key(shared + ss)
    initiator = pb.Initiator(device_id=own.address.device, generation=generation)
    initiator.device_list.ParseFromString(own_list)
    c2 = t.seal(pad(initiator.SerializeToString()))
    t.mix_key(dh(own.identity.private, signed.x25519))
    message = pb.Handshake(
        ephemeral=ephemeral.public, prekey_ids=c1, kem_ciphertext=ct, initiator=c2
    )
    return Initiated(t.session_keys(), message, t, ss)


@dataclass(frozen=True)
class Responded:
    """The responder's result, to be kept only if the ratchet message opens (section 5.3)."""

    keys: SessionKeys
    device_list: DeviceList
    initiator: Address
    generation: int
    signed_prekey: PrivatePrekey
    one_time_prekey: PrivatePrekey | None
    transcript: Transcript


def check_form(handshake: pb.Handshake) -> None:
    """Step 1 of section 5.3."""
    blocks, rest = divmod(len(handshake.initiator) - 16, PAD_BLOCK)
    lengths = (
        len(handshake.ephemeral),
        len(handshake.prekey_ids),
        len(handshake.kem_ciphertext),
    )
    if lengths != (32, 32, 1088) or rest or not 1 <= blocks <= 9:
        raise ProtocolError(MALFORMED, "handshake: a field of a wrong length")
    try:
        check_x25519(handshake.ephemeral)
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"handshake: {error}") from error


def _check_replay(recorded: Mapping[bytes, bytes], ephemeral: bytes) -> None:
    """Section 5.5; `recorded` is of one signed prekey, from E to handshake id."""
    if ephemeral in recorded:
        raise ProtocolError(REFUSED, "handshake: a replay")
    if len(recorded) >= MAX_REPLAY_ENTRIES:
        raise ProtocolError(REFUSED, "handshake: the replay record is full")


def _respond(
    own: DeviceKeys,
    prekeys: Mapping[bytes, PrivatePrekey],
    replays: Mapping[bytes, Mapping[bytes, bytes]],
    handshake: pb.Handshake,
) -> Responded:
    t = Transcript()
    t.mix_hash(
        responder_identity(
            own.address, own.account.public, own.signing.public, own.identity.public
        )
    )
    ephemeral = handshake.ephemeral
    t.mix_hash(ephemeral)
    t.mix_key(dh(own.identity.private, ephemeral))
    ids = t.open(handshake.prekey_ids)
    signed = prekeys.get(ids[:8])
    if signed is None or signed.kind != SIGNED:
        raise ProtocolError(REFUSED, "handshake: unknown signed prekey")
    one_time = None
    if ids[8:] == NO_PREKEY:
        _check_replay(replays.get(signed.id, {}), ephemeral)
    else:
        one_time = prekeys.get(ids[8:])
        if one_time is None or one_time.kind != ONE_TIME:
            raise ProtocolError(REFUSED, "handshake: unknown one-time prekey")
    t.mix_hash(signed.sp)
    t.mix_hash(one_time.sp if one_time else labels.NO_ONE_TIME_PREKEY)
    ss = decaps((one_time or signed).mlkem_private, handshake.kem_ciphertext)
    t.mix_hash(handshake.kem_ciphertext)
    shared = dh(signed.x25519.private, ephemeral)
    if one_time:
        shared += dh(one_time.x25519.private, ephemeral)
    t.mix_key(shared + ss)
    initiator = parse(pb.Initiator, unpad(t.open(handshake.initiator)))
    device_list = check_list(initiator.device_list.SerializeToString())
    address = Address(device_list.user, initiator.device_id)
    device = device_list.devices.get(initiator.device_id)
    if device is None or address == own.address:
        raise ProtocolError(REFUSED, "handshake: not a device that may initiate")
    t.mix_key(dh(signed.x25519.private, device.identity_key))
    return Responded(
        t.session_keys(), device_list, address, initiator.generation, signed, one_time, t
    )


def respond(
    own: DeviceKeys,
    prekeys: Mapping[bytes, PrivatePrekey],
    replays: Mapping[bytes, Mapping[bytes, bytes]],
    handshake: pb.Handshake,
) -> Responded:
    """Steps 3 to 5 of section 5.3; whatever fails is one error."""
    try:
        return _respond(own, prekeys, replays, handshake)
    except (InvalidKey, ProtocolError) as error:
        text = error.text if isinstance(error, ProtocolError) else f"handshake: {error}"
        raise ProtocolError(REFUSED, text) from error
