"""Recovery keys and backups: SPEC.md, section 12.4."""

import os
import unicodedata
from dataclasses import dataclass
from typing import Any

from . import labels
from .errors import REFUSED, InvalidKey, ProtocolError
from .identity import DeviceList, check_list
from .payload import unpad
from .primitives import (
    XAEAD_NONCE_SIZE,
    ed25519_pair,
    equal,
    hkdf,
    sha256,
    u8,
    u16,
    xaead_open,
    xaead_seal,
)
from .protobuf import keys as pbk
from .protobuf import messenger as pb
from .protobuf import parse
from .protobuf import stored as pbs

VERSION = 1
KEY_SIZE = 16
CHECKSUM_SIZE = 2
WORD_LETTERS = 5
BLOCK = 4096
MAX_USER_ID = 255
STRANGER, BLOCKED = 0, 3
CONSONANTS = "bdfghjklmnprstvz"
VOWELS = "aiou"
# The letters of a word and how many bits each has, the highest bits first.
_PLACES = ((CONSONANTS, 4), (VOWELS, 2), (CONSONANTS, 4), (VOWELS, 2), (CONSONANTS, 4))


def checksum(key: bytes) -> bytes:
    return sha256(labels.RECOVERY_KEY + b"\0" + key)[:CHECKSUM_SIZE]


def _word(pair: bytes) -> str:
    value, left, word = int.from_bytes(pair, "big"), 16, ""
    for letters, bits in _PLACES:
        left -= bits
        word += letters[value >> left & (1 << bits) - 1]
    return word


def _value(word: str) -> bytes:
    value = 0
    for letter, (letters, bits) in zip(word, _PLACES):
        place = letters.find(letter)
        if place < 0:
            raise ProtocolError(REFUSED, "recovery key: no such word")
        value = value << bits | place
    return u16(value)


def to_words(key: bytes) -> str:
    data = key + checksum(key)
    return "-".join(_word(data[i : i + 2]) for i in range(0, len(data), 2))


def _counts(character: str) -> bool:
    """Whether it is a letter or a digit, whatever alphabet it is of."""
    return character.isalpha() or unicodedata.category(character)[0] == "N"


def from_words(text: str) -> bytes:
    """The key that these words say; ProtocolError(refused) if they say none."""
    letters = "".join(filter(_counts, text))
    if not letters.isascii() or len(letters) != WORD_LETTERS * (KEY_SIZE + CHECKSUM_SIZE) // 2:
        raise ProtocolError(REFUSED, "recovery key: not nine words")
    letters = letters.lower()
    words = (letters[i : i + WORD_LETTERS] for i in range(0, len(letters), WORD_LETTERS))
    data = b"".join(map(_value, words))
    key = data[:KEY_SIZE]
    if not equal(checksum(key), data[KEY_SIZE:]):
        raise ProtocolError(REFUSED, "recovery key: a word is wrong")
    return key


@dataclass(frozen=True)
class Person:
    """What a backup says of a user; lists as encoded `SignedDeviceList`s, empty for none."""

    user: bytes
    consent: int
    consent_at: int
    device_list: bytes
    moved: bytes
    verified: bool
    verified_at: int
    equivocated: bool


@dataclass(frozen=True)
class Backup:
    """What a backup says: nothing of it but the list has been checked further."""

    account_seed: bytes
    device_list: DeviceList
    made_by: int
    people: tuple[Person, ...]


def sealing_key(key: bytes) -> bytes:
    return hkdf(bytes(32), key, labels.BACKUP, 32)


def pad(content: bytes) -> bytes:
    padded = content + b"\x80"
    return padded + bytes(-len(padded) % BLOCK)


def seal(key: bytes, padded: bytes, nonce: bytes | None = None) -> bytes:
    nonce = nonce or os.urandom(XAEAD_NONCE_SIZE)
    return u8(VERSION) + xaead_seal(sealing_key(key), nonce, u8(VERSION), padded)


def encode(backup: Backup) -> bytes:
    """The encoded `Backup`; people in the order of their ids."""
    signed = parse(pbk.SignedDeviceList, backup.device_list.signed)
    account = pbs.Account(
        seed=backup.account_seed, list=signed.list, list_signature=signed.signature
    )
    message = pb.Backup(account=account.SerializeToString(), device_id=backup.made_by)
    for person in sorted(backup.people, key=lambda person: person.user):
        contact = pb.Contact(
            consent=person.consent,
            consent_at=person.consent_at,
            list=person.device_list,
            moved=person.moved,
            verified=person.verified,
            verified_at=person.verified_at,
            equivocated=person.equivocated,
        )
        message.contacts.add(user_id=person.user, contact=contact)
    return message.SerializeToString()


def _valid_list(signed: bytes) -> bytes:
    try:
        check_list(signed)
    except ProtocolError:
        return b""
    return signed


def _people(contacts: Any) -> tuple[Person, ...]:
    people = []
    for entry in contacts:
        if not 1 <= len(entry.user_id) <= MAX_USER_ID or not entry.HasField("contact"):
            continue
        contact = entry.contact
        people.append(
            Person(
                user=entry.user_id,
                consent=contact.consent if contact.consent <= BLOCKED else STRANGER,
                consent_at=contact.consent_at,
                device_list=_valid_list(contact.list),
                moved=_valid_list(contact.moved),
                verified=contact.verified,
                verified_at=contact.verified_at,
                equivocated=contact.equivocated,
            )
        )
    return tuple(people)


def open_backup(key: bytes, backup: bytes) -> Backup:
    """What is in it; ProtocolError where the section refuses it."""
    if backup[:1] != u8(VERSION):
        raise ProtocolError(REFUSED, "backup: another version")
    try:
        padded = xaead_open(sealing_key(key), u8(VERSION), backup[1:])
    except InvalidKey as error:
        raise ProtocolError(REFUSED, f"backup: {error}") from error
    message = parse(pb.Backup, unpad(padded))
    account = parse(pbs.Account, message.account)
    signed = pbk.SignedDeviceList(list=account.list, signature=account.list_signature)
    device_list = check_list(signed.SerializeToString())
    if len(account.seed) != 32:
        raise ProtocolError(REFUSED, "backup: an account seed has 32 bytes")
    if ed25519_pair(account.seed).public != device_list.account_key:
        raise ProtocolError(REFUSED, "backup: the list of another account")
    if not message.device_id:
        raise ProtocolError(REFUSED, "backup: device id zero")
    return Backup(account.seed, device_list, message.device_id, _people(message.contacts))
