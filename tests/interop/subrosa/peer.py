"""One device of one account, with the operations of PEER.md.

All values inside are immutable; a method replaces them in one place at its end, so a failed
call has changed nothing.
"""

import os
import time
from dataclasses import dataclass, replace

from . import handshake as hs
from . import payload
from .chain import split_head
from .errors import MALFORMED, REFUSED, UNKNOWN, USAGE, ProtocolError
from .identity import (
    Address,
    DeviceKeys,
    DeviceList,
    check_list,
    make_list,
    new_device,
    safety_number,
    succession,
    view,
)
from .numbering import Numbers
from .prekeys import (
    LIFETIME,
    ONE_TIME,
    SIGNED,
    PrivatePrekey,
    check_bundle,
    make_bundle,
    new_prekey,
)
from .protobuf import envelope as pb
from .protobuf import parse
from .session import (
    Delivery,
    Session,
    acceptable_generation,
    add_session,
    check_message,
    initiated_session,
    live_sessions,
    next_generation,
    responded_session,
    sending_session,
)

MAX_ENVELOPE = 131_072


@dataclass(frozen=True)
class Contact:
    """What a device knows of another device."""

    sessions: tuple[Session, ...] = ()
    numbers: Numbers = Numbers()
    highest_generation: int = 0
    met: bool = False
    to_answer: bytes = b""

    def update(self, session: Session) -> "Contact":
        """With a session's next state in place of its old one."""
        sessions = tuple(
            session if old.handshake_id == session.handshake_id else old for old in self.sessions
        )
        return replace(self, sessions=sessions)


@dataclass(frozen=True)
class Event:
    """What `receive` tells the app; a control message has no id."""

    sender: Address
    seq: int
    id: bytes
    content: bytes
    reports: tuple[str, ...]


@dataclass(frozen=True)
class Sent:
    """An encoded Envelope, the number and id of the message in it, and for our own its payload."""

    envelope: bytes
    seq: int
    id: bytes
    payload: bytes = b""


class Peer:
    """A device in memory."""

    def __init__(self, user: bytes, device: int | None = None) -> None:
        self.clock_ahead = 0
        self.keys: DeviceKeys = new_device(user, device)
        self.list: DeviceList = check_list(make_list(self.keys))
        self.signed_prekey = new_prekey(self.keys, SIGNED, self.now() + LIFETIME)
        self.prekeys: dict[bytes, PrivatePrekey] = {self.signed_prekey.id: self.signed_prekey}
        self.replays: dict[bytes, dict[bytes, bytes]] = {}
        self.lists: dict[bytes, DeviceList] = {user: self.list}
        self.contacts: dict[Address, Contact] = {}

    def now(self) -> int:
        return int(time.time()) + self.clock_ahead

    @property
    def address(self) -> Address:
        return self.keys.address

    def bundle(self, one_time: bool) -> bytes:
        """An encoded Bundle, with a fresh one-time prekey or without."""
        prekey = None
        if one_time:
            prekey = new_prekey(self.keys, ONE_TIME, self.now() + LIFETIME)
            self.prekeys[prekey.id] = prekey
        return make_bundle(self.keys, self.list.signed, self.signed_prekey, prekey)

    def initiate(self, user: bytes, bundle: bytes) -> Address:
        """Begin a session with the first device of a bundle."""
        now = self.now()
        self._drop_idle_sessions(now)
        checked = check_bundle(bundle, user, now)
        if not checked.devices:
            raise ProtocolError(REFUSED, "bundle: no device")
        their_list = self._newest_list(checked.device_list)
        target = checked.devices[0]
        address = Address(user, target.device.device)
        if address == self.address:
            raise ProtocolError(REFUSED, "bundle: of this device itself")
        if their_list.devices.get(address.device) != target.device:
            raise ProtocolError(REFUSED, "bundle: the newest list lacks this device")
        contact = self.contacts.get(address, Contact())
        generation = next_generation(contact.sessions, contact.highest_generation, now)
        result = hs.initiate(
            self.keys, self.list.signed, generation, their_list.account_key, user, target
        )
        session = initiated_session(
            result,
            address,
            target.signed_prekey.x25519,
            generation,
            bool(contact.sessions),
            now,
            contact.numbers.arrivals,
        )
        self.lists[user] = their_list
        self.contacts[address] = replace(
            contact, sessions=add_session(contact.sessions, session)
        )
        return address

    def _drop_idle_sessions(self, now: int) -> None:
        self.contacts = {
            address: replace(
                contact,
                sessions=live_sessions(contact.sessions, contact.highest_generation, now),
            )
            for address, contact in self.contacts.items()
        }

    def _newest_list(self, further: DeviceList) -> DeviceList:
        """The list to go by when a further one of this user comes (section 3.3)."""
        known = self.lists.get(further.user)
        if known is None:
            return further
        meaning = succession(known, further)
        if meaning in ("identity changed", "equivocation"):
            raise ProtocolError(REFUSED, meaning)
        return further if meaning == "newer" else known

    def send(self, to: Address, content: bytes) -> Sent:
        """A numbered message."""
        return self._send_content(to, content, numbered=True)

    def notice(self, to: Address, content: bytes) -> Sent:
        """A message without a number."""
        return self._send_content(to, content, numbered=False)

    def _send_content(self, to: Address, content: bytes, numbered: bool) -> Sent:
        if len(content) > payload.MAX_CONTENT:
            raise ProtocolError(USAGE, "the content is too long")
        contact = self._contact(to)
        session = self._sending_session(contact)
        message_id = os.urandom(payload.ID_SIZE)
        message = self._payload(to, contact)
        message.body = message_id + content
        numbers = contact.numbers
        if numbered:
            numbers, message.seq = numbers.send(message_id)
        encoded = message.SerializeToString()
        session, envelope = session.send(encoded, self.now())
        self.contacts[to] = replace(contact.update(session), numbers=numbers)
        return Sent(envelope, message.seq, message_id, encoded)

    def send_again(self, to: Address, sent: Sent) -> Sent:
        """A message once more, with its id, number and `last` as before (section 7.3)."""
        contact = self._contact(to)
        message = parse(pb.Payload, sent.payload)
        current = self._payload(to, contact)
        message.seen_seq, message.seen_id = current.seen_seq, current.seen_id
        message.view = current.view
        session, envelope = self._sending_session(contact).send(
            message.SerializeToString(), self.now()
        )
        self.contacts[to] = contact.update(session)
        return replace(sent, envelope=envelope)

    def answer(self, to: Address) -> bytes:
        """The control message that an `answer` report asked for."""
        contact = self._contact(to)
        session = next(
            (s for s in contact.sessions if s.handshake_id == contact.to_answer), None
        )
        if session is None:
            raise ProtocolError(USAGE, "nothing asks for an answer")
        sending = self._sending_session(contact)
        highest = max(
            contact.highest_generation, sending.generation, session.generation + 1
        )
        control = pb.Control(highest_generation=highest)
        envelope = self._send_control(to, session, control)
        self.contacts[to] = replace(self.contacts[to], to_answer=b"")
        return envelope

    def renew_list(self) -> None:
        """The next version of this device's own list."""
        signed = make_list(self.keys, self.list.version + 1, self.list.hash)
        self.list = check_list(signed)
        self.lists[self.address.user] = self.list

    def push_list(self, to: Address) -> bytes:
        """`Control.lists` with the own list (section 3.4)."""
        theirs = self.lists[to.user]
        versions = pb.ListVersions(
            own_version=self.list.version,
            own_hash=self.list.hash,
            their_version=theirs.version,
            their_hash=theirs.hash,
        )
        versions.own_list.ParseFromString(self.list.signed)
        session = self._sending_session(self._contact(to))
        return self._send_control(to, session, pb.Control(lists=versions))

    def _send_control(self, to: Address, session: Session, control: pb.Control) -> bytes:
        contact = self._contact(to)
        message = self._payload(to, contact)
        message.control.CopyFrom(control)
        session, envelope = session.send(message.SerializeToString(), self.now())
        self.contacts[to] = contact.update(session)
        return envelope

    def _contact(self, address: Address) -> Contact:
        if address not in self.contacts:
            raise ProtocolError(USAGE, "no session with this device")
        return self.contacts[address]

    def _sending_session(self, contact: Contact) -> Session:
        session = sending_session(contact.sessions, contact.highest_generation, self.now())
        if session is None:
            raise ProtocolError(USAGE, "no session to send in")
        return session

    def _payload(self, to: Address, contact: Contact) -> pb.Payload:
        last_seq, last_id = contact.numbers.last()
        seen_seq, seen_id = contact.numbers.seen()
        return pb.Payload(
            last_seq=last_seq,
            last_id=last_id,
            seen_seq=seen_seq,
            seen_id=seen_id,
            view=view(self.list.hash, self.lists[to.user].hash),
        )

    def receive(self, encoded: bytes) -> Event:
        """Open an envelope."""
        if len(encoded) > MAX_ENVELOPE:
            raise ProtocolError(MALFORMED, "the envelope is too long")
        self._drop_idle_sessions(self.now())
        envelope = parse(pb.Envelope, encoded)
        kind = envelope.WhichOneof("kind")
        if kind == "message":
            sessions = [s for c in self.contacts.values() for s in c.sessions]
            return self._receive_in(sessions, envelope.message, with_handshake=False)
        if kind != "first_message":
            raise ProtocolError(MALFORMED, "an empty envelope")
        first = envelope.first_message
        hs.check_form(first.handshake)
        handshake_id = hs.id_of(first.handshake)
        for contact in self.contacts.values():
            for session in contact.sessions:
                if session.handshake_id == handshake_id:
                    return self._receive_in([session], first.message, with_handshake=True)
        return self._receive_handshake(first)

    def _receive_in(
        self, sessions: list[Session], message: pb.Message, with_handshake: bool
    ) -> Event:
        check_message(message)
        now = self.now()
        head = split_head(message.head)
        for session in sessions:
            place = session.ratchet.locate(head, now)
            if place:
                contact = self.contacts[session.peer]
                updated, delivery = session.receive(message, now, place)
                # Something of the peer's has opened in it: its generation is known (5.6).
                contact = replace(
                    contact.update(updated),
                    highest_generation=max(contact.highest_generation, updated.generation),
                )
                return self._deliver(contact, updated, delivery, with_handshake)
        raise ProtocolError(UNKNOWN, "no session has this tag")

    def _receive_handshake(self, first: pb.FirstMessage) -> Event:
        """Steps 3 to 6 of section 5.3; whatever fails is one error."""
        check_message(first.message)
        now = self.now()
        result = hs.respond(self.keys, self.prekeys, self.replays, first.handshake)
        newest = self._newest_list(result.device_list)
        device = result.initiator.device
        if newest.devices.get(device) != result.device_list.devices[device]:
            raise ProtocolError(REFUSED, "handshake: the newest list lacks this device")
        contact = self.contacts.get(result.initiator, Contact())
        highest = contact.highest_generation
        if not acceptable_generation(result.generation, highest, contact.met, now):
            raise ProtocolError(REFUSED, "handshake: generation too high")
        session = responded_session(result, first.handshake, now, contact.numbers.arrivals)
        try:
            place = session.ratchet.locate(split_head(first.message.head), now)
            if place is None:
                raise ProtocolError(REFUSED, "handshake: the message is of another session")
            session, delivery = session.receive(first.message, now, place)
        except ProtocolError as error:
            raise ProtocolError(REFUSED, error.text) from error
        contact = replace(
            contact,
            sessions=add_session(contact.sessions, session),
            highest_generation=max(result.generation, highest),
            met=True,
        )
        self.lists[newest.user] = newest
        if result.one_time_prekey:
            del self.prekeys[result.one_time_prekey.id]
        else:
            record = self.replays.setdefault(result.signed_prekey.id, {})
            record[first.handshake.ephemeral] = session.handshake_id
        return self._deliver(contact, session, delivery, with_handshake=True)

    def _asks_for_answer(self, contact: Contact, session: Session) -> bool:
        """Whether a message with a handshake, opened in this session, does so (section 5.6)."""
        highest, now = contact.highest_generation, self.now()
        sending = sending_session(contact.sessions, highest, now)
        if sending is None or sending.handshake_id == session.handshake_id:
            return False
        higher = sending.generation >= session.generation
        return not session.initiator and higher and not sending.is_implausible(highest, now)

    def _deliver(
        self, contact: Contact, session: Session, delivery: Delivery, with_handshake: bool
    ) -> Event:
        """The end of every receive that succeeded: all that it changed is put in place."""
        sender = session.peer
        reports: list[str] = []
        if with_handshake and self._asks_for_answer(contact, session):
            reports = ["answer"]
            contact = replace(contact, to_answer=session.handshake_id)
        if delivery.lost:
            reports = [*reports, f"lost:{delivery.lost}"]
        if delivery.rolled_back:
            reports = [*reports, "peer-rolled-back"]
        opened = delivery.payload
        if opened is None:
            self.contacts[sender] = contact
            return Event(sender, 0, b"", b"", (*reports, "malformed"))
        numbers, more = contact.numbers.receive(opened, session.since)
        reports = [*reports, *more]
        contact = replace(contact, numbers=numbers)
        if opened.message.HasField("control"):
            contact, more = self._hear_control(contact, sender, opened.message.control)
            reports += more
        if opened.message.view != view(self.lists[sender.user].hash, self.list.hash):
            reports.append("view")
        self.contacts[sender] = contact
        return Event(sender, opened.message.seq, opened.id, opened.content, tuple(reports))

    def _hear_control(
        self, contact: Contact, sender: Address, control: pb.Control
    ) -> tuple[Contact, list[str]]:
        if control.HasField("lists") and control.lists.HasField("own_list"):
            self._hear_list(sender, control.lists)
        if not control.HasField("highest_generation"):
            return contact, []
        generation, highest = control.highest_generation, contact.highest_generation
        acceptable = acceptable_generation(generation, highest, contact.met, self.now())
        if generation <= highest or not acceptable:
            return contact, []
        contact = replace(contact, highest_generation=generation, met=True)
        return contact, ["initiate-again"]

    def _hear_list(self, sender: Address, versions: pb.ListVersions) -> None:
        """Adopt a list given in-band; one that is refused changes nothing."""
        try:
            further = check_list(versions.own_list.SerializeToString())
            if further.user == sender.user:
                self.lists[sender.user] = self._newest_list(further)
        except ProtocolError:
            return

    def status(self, address: Address) -> tuple[int, bool, int]:
        """Epochs mixed in the sending session, whether it is confirmed, number of sessions."""
        contact = self._contact(address)
        session = self._sending_session(contact)
        return session.ratchet.epochs_mixed, session.confirmed, len(contact.sessions)

    def safety(self, user: bytes) -> str:
        """The safety number with another account."""
        if user not in self.lists:
            raise ProtocolError(USAGE, "this user is not known")
        own = (self.address.user, self.keys.account.public)
        return safety_number(own, (user, self.lists[user].account_key))
