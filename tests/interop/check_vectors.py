"""Checks the test vectors, proto/vectors/*.json, against this client."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checks import Check, Failure, expect, expect_equal, finish, run_checks
from subrosa import attachment, backup, chain, content, directory, emoji, erasure, identity
from subrosa import labels, linking
from subrosa import numbering, payload, post_quantum, prekeys, roster, sender_key
from subrosa import handshake as hs
from subrosa import primitives as p
from subrosa.errors import ProtocolError
from subrosa.identity import Address, DeviceKeys
from subrosa.protobuf import content as pbc
from subrosa.protobuf import envelope as pb
from subrosa.protobuf import keys as pbk
from subrosa.protobuf import sender_key as pbs
from subrosa.session import Session, initiated_session, responded_session

FOLDER = Path(__file__).resolve().parents[2] / "proto" / "vectors"
NOW = 1_790_000_000
Vector = dict[str, Any]


def load(name: str) -> Vector:
    return json.loads((FOLDER / name).read_text())


def raw(vector: Vector, name: str) -> bytes:
    return bytes.fromhex(vector[name])


def expect_bytes(vector: Vector, name: str, found: bytes) -> None:
    expect_equal(found, raw(vector, name), name)


def expect_refused(what: Callable[[], object], reason: str) -> None:
    try:
        what()
    except ProtocolError:
        return
    raise Failure(f"accepted: {reason}")


def device_of(party: Vector) -> DeviceKeys:
    """A party with its private keys, whose public halves must be those in the vector."""
    keys = DeviceKeys(
        Address(raw(party, "user_id"), party["device_id"]),
        p.ed25519_pair(raw(party, "account_seed")),
        p.ed25519_pair(raw(party, "signing_seed")),
        p.x25519_pair(raw(party, "identity_private")),
    )
    expect_bytes(party, "account_key", keys.account.public)
    expect_bytes(party, "signing_key", keys.signing.public)
    expect_bytes(party, "identity_key", keys.identity.public)
    return keys


def check_labels() -> str:
    found = {raw(entry, "label") for entry in load("labels.json")["labels"]}
    own = {value for name, value in vars(labels).items() if name.isupper()}
    expect_equal(sorted(found), sorted(own), "labels")
    for entry in load("labels.json")["labels"]:
        expect_bytes(entry, "label", entry["label_text"].encode())
    return f"{len(found)} labels"


def check_identity_derivations() -> str:
    vectors = load("derivations.json")
    v = vectors["device_entry_proof"]
    message = identity.device_entry_message(
        raw(v, "user_id"), raw(v, "account_key"), v["device_id"], raw(v, "identity_key")
    )
    expect_bytes(v, "message", message)
    expect_bytes(v, "signed", labels.DEVICE_ENTRY + b"\0" + message)
    expect_bytes(v, "proof", p.sign(raw(v, "signing_seed"), labels.DEVICE_ENTRY, message))
    v = vectors["device_list_hash"]
    expect_bytes(v, "hash", identity.list_hash(raw(v, "list")))
    v = vectors["view"]
    number = identity.view(raw(v, "sender_list_hash"), raw(v, "recipient_list_hash"))
    expect_bytes(v, "view", number.to_bytes(8, "little"))
    expect_equal(str(number), v["view_number"], "view_number")
    v = vectors["safety_number_half"]
    user, account_key = raw(v, "user_id"), raw(v, "account_key")
    expect_bytes(v, "f", p.sha256(labels.SAFETY_NUMBER + b"\0" + p.lp(user) + account_key))
    expect_equal(identity.safety_half(user, account_key), v["digits_text"], "digits_text")
    return ""


def check_prekey_derivations() -> str:
    vectors = load("derivations.json")
    v = vectors["prekey_halves"]
    x25519_private, mlkem_seed = prekeys.halves(raw(v, "seed"))
    expect_bytes(v, "x25519_private", x25519_private)
    expect_bytes(v, "mlkem768_seed", mlkem_seed)
    expect_bytes(v, "x25519", p.x25519_pair(x25519_private).public)
    expect_bytes(v, "mlkem768", p.mlkem_pair(mlkem_seed)[0])
    v = vectors["prekey_signature"]
    address = Address(raw(v, "user_id"), v["device_id"])
    sp = prekeys.sp_of(address, raw(v, "prekey"))
    part = prekeys.signed_part(address, raw(v, "prekey"))
    expect_bytes(v, "sp", sp)
    expect_bytes(v, "signature", p.sign(raw(v, "signing_seed"), labels.PREKEY, part))
    expect_bytes(v, "id", prekeys.id_of(sp))
    return ""


def check_ratchet_derivations() -> str:
    vectors = load("derivations.json")
    v = vectors["handshake_id"]
    parts = ("ephemeral", "prekey_ids", "kem_ciphertext", "initiator")
    expect_bytes(v, "handshake_id", hs.handshake_id(*(raw(v, part) for part in parts)))
    for v in vectors["root"]:
        found = chain.kdf_rk(raw(v, "root_key"), raw(v, "dh"), raw(v, "pq"))
        for name, value in zip(("next_root_key", "chain_key", "next_header_key"), found):
            expect_bytes(v, name, value)
    chain_key = raw(vectors["chain"], "chain_key")
    for step in vectors["chain"]["steps"]:
        message_key, chain_key = chain.kdf_ck(chain_key)
        expect_bytes(step, "message_key", message_key)
        expect_bytes(step, "next_chain_key", chain_key)
    v = vectors["header_key"]
    header_key = chain.header_key(raw(v, "header_key"))
    expect_bytes(v, "tag_key", header_key.tag_key)
    expect_bytes(v, "mask_key", header_key.mask_key)
    for tag in v["tags"]:
        expect_bytes(tag, "tag", header_key.tag(tag["number"]))
    v = vectors["short_id"]
    expect_equal(numbering.short_id(raw(v, "message_id")), v["short_id_number"], "short id")
    return ""


def check_message_derivation() -> str:
    v = load("derivations.json")["message"]
    key = chain.HeaderKey(raw(v, "tag_key"), raw(v, "mask_key"))
    header = chain.Header(
        raw(v, "ratchet_key"), v["number"], v["previous_length"], v["pq_epoch"]
    )
    expect_bytes(v, "header", header.encode())
    expect_bytes(v, "tag", key.tag(header.number))
    ad, padded = raw(v, "associated_data"), raw(v, "padded_payload")
    message_key = raw(v, "message_key")
    head, sealed = chain.seal_message(key, message_key, ad, raw(v, "salt"), header, padded)
    expect_bytes(v, "head", head)
    expect_bytes(v, "sealed", sealed)
    expect_bytes(v, "message", pb.Message(head=head, sealed=sealed).SerializeToString())
    parts = chain.split_head(head)
    expect_bytes(v, "masked", parts.masked)
    expect_equal(parts.unmask(key.mask_key), header, "unmasked header")
    expect_equal(chain.open_message(message_key, ad, parts, header, sealed), padded, "opened")
    return ""


def check_post_quantum_derivations() -> str:
    vectors = load("derivations.json")["post_quantum"] + load("ratchet.json")["epochs"]
    for v in vectors:
        ek, dk = p.mlkem_pair(raw(v, "mlkem_seed"))
        expect_bytes(v, "encapsulation_key", ek)
        ss, ct = p.encaps(ek, raw(v, "encapsulation_randomness"))
        expect_bytes(v, "ciphertext", ct)
        expect_bytes(v, "shared_secret", ss)
        expect_equal(p.decaps(dk, ct), ss, "decapsulated")
        expect_bytes(v, "confirmation", post_quantum.confirmation(ss, v["epoch"]))
        expect_bytes(v, "pq", post_quantum.epoch_secret(ss, v["epoch"], ek, ct))
    return f"{len(vectors)} epochs"


def check_device_lists() -> str:
    vectors = load("device_lists.json")
    known = {}
    for v in vectors["valid"]:
        checked = identity.check_list(raw(v, "signed_list"))
        expect_bytes(v, "hash", checked.hash)
        expect_bytes(v, "account_key", checked.account_key)
        expect_bytes(v, "previous", checked.previous)
        expect_equal(checked.version, v["version"], "version")
        listed = [identity.ListedDevice(
            d["device_id"], raw(d, "signing_key"), raw(d, "identity_key")
        ) for d in v["devices"]]
        expect_equal(list(checked.devices.values()), listed, v["name_text"])
        signature = p.sign(raw(v, "account_seed"), labels.DEVICE_LIST, raw(v, "list"))
        expect_bytes(v, "signature", signature)
        known[v["name_text"]] = checked
    for v in vectors["successions"]:
        meaning = identity.succession(known[v["known_text"]], known[v["further_text"]])
        what = f"{v['known_text']}, then {v['further_text']}"
        expect_equal(meaning, v["meaning_text"], what)
    for v in vectors["invalid"]:
        expect_refused(lambda v=v: identity.check_list(raw(v, "signed_list")), v["reason"])
    counts = (len(vectors[name]) for name in ("valid", "successions", "invalid"))
    return "{} valid, {} successions, {} invalid".format(*counts)


def private_prekey(owner: DeviceKeys, v: Vector) -> prekeys.PrivatePrekey:
    """A prekey of a vector, made from its seed and compared with all it says."""
    made = prekeys.new_prekey(owner, v["kind"], v["expires_at"], raw(v, "seed"))
    expect_bytes(v, "x25519_private", made.x25519.private)
    expect_bytes(v, "x25519", made.x25519.public)
    expect_bytes(v, "sp", made.sp)
    expect_bytes(v, "id", made.id)
    expect_bytes(v, "signed_prekey", made.signed)
    return made


def check_prekeys() -> str:
    vectors = load("prekeys.json")
    owner = device_of(vectors["owner"])
    for v in vectors["prekeys"]:
        private_prekey(owner, v)
    for v in vectors["bundles"]:
        prekeys.check_bundle(raw(v, "bundle"), raw(v, "asked_user_id"), v["now"])
    for v in vectors["refused_bundles"]:
        expect_refused(
            lambda v=v: prekeys.check_bundle(raw(v, "bundle"), raw(v, "asked_user_id"), v["now"]),
            v["reason"],
        )
    counts = (len(vectors[name]) for name in ("prekeys", "bundles", "refused_bundles"))
    return "{} prekeys, {} bundles, {} refused".format(*counts)


class Draws:
    """Stands in for randomness: gives out what a vector says, in its order."""

    def __init__(self, *values: bytes) -> None:
        self.values = list(values)

    def __call__(self, size: int) -> bytes:
        expect(bool(self.values), f"{size} more random bytes than the vector has")
        value = self.values.pop(0)
        expect_equal(size, len(value), "size of a random value")
        return value

    def finish(self) -> None:
        expect(not self.values, f"{len(self.values)} random values were not drawn")


def compare_transcript(found: list[hs.Step], wanted: list[Vector]) -> None:
    expect_equal(len(found), len(wanted), "operations in the transcript")
    for step, v in zip(found, wanted):
        where = f"step {v['step']}"
        if step.operation:
            expect_equal(step.operation, v["operation_text"], where)
            expect_equal(step.input, raw(v, "input"), f"{where}, input")
        expect_equal(step.h, raw(v, "h"), f"{where}, h")
        expect_equal(step.ck, raw(v, "ck"), f"{where}, ck")
        if "k" in v:
            expect_equal(step.k, raw(v, "k"), f"{where}, k")


def compare_session_keys(found: hs.SessionKeys, v: Vector) -> None:
    expect_bytes(v, "root_key", found.root)
    expect_bytes(v, "header_key_i", found.header_key_i)
    expect_bytes(v, "next_header_key_r", found.next_header_key_r)
    expect_bytes(v, "associated_data", found.ad)


def responder_of(v: Vector) -> tuple[DeviceKeys, dict[bytes, prekeys.PrivatePrekey]]:
    """The responder of a handshake vector, and its private prekeys."""
    keys = device_of(v["responder"])
    wanted = (v["signed_prekey"], v["one_time_prekey"])
    own = [private_prekey(keys, prekey) for prekey in wanted if prekey]
    return keys, {prekey.id: prekey for prekey in own}


def initiate_vector(v: Vector) -> tuple[hs.Initiated, bytes]:
    """The initiator's side of a handshake vector, and the X25519 signed prekey it used."""
    keys, responder = device_of(v["initiator"]), v["responder"]
    bundle = pbk.Bundle(devices=[pbk.DeviceBundle(device_id=responder["device_id"])])
    bundle.device_list.ParseFromString(raw(responder, "signed_list"))
    entry = bundle.devices[0]
    entry.signed_prekey.ParseFromString(raw(v["signed_prekey"], "signed_prekey"))
    if v["one_time_prekey"]:
        entry.one_time_prekey.ParseFromString(raw(v["one_time_prekey"], "signed_prekey"))
    user = raw(responder, "user_id")
    checked = prekeys.check_bundle(bundle.SerializeToString(), user, NOW)
    draws = Draws(raw(v, "ephemeral_private"), raw(v, "encapsulation_randomness"))
    result = hs.initiate(
        keys,
        raw(v["initiator"], "signed_list"),
        v["generation"],
        checked.device_list.account_key,
        user,
        checked.devices[0],
        draws,
    )
    draws.finish()
    return result, checked.devices[0].signed_prekey.x25519


def check_handshake(v: Vector) -> None:
    result, _ = initiate_vector(v)
    compare_transcript(result.transcript.steps, v["transcript"])
    expect_bytes(v, "ephemeral", result.handshake.ephemeral)
    expect_bytes(v, "c1", result.handshake.prekey_ids)
    expect_bytes(v, "ct", result.handshake.kem_ciphertext)
    expect_bytes(v, "ss", result.shared_secret)
    expect_bytes(v, "c2", result.handshake.initiator)
    expect_bytes(v, "handshake", result.handshake.SerializeToString())
    expect_bytes(v, "handshake_id", hs.id_of(result.handshake))
    expect_bytes(v, "c2_plaintext", hs.pad(raw(v, "initiator_encoded")))
    compare_session_keys(result.keys, v)
    keys, own = responder_of(v)
    handshake = pb.Handshake.FromString(raw(v, "handshake"))
    hs.check_form(handshake)
    answer = hs.respond(keys, own, {}, handshake)
    compare_transcript(answer.transcript.steps, v["transcript"])
    compare_session_keys(answer.keys, v)
    expect_equal(answer.generation, v["generation"], "generation")
    wanted = Address(raw(v["initiator"], "user_id"), v["initiator"]["device_id"])
    expect_equal(answer.initiator, wanted, "initiator")


def check_handshakes() -> str:
    vectors = load("handshakes.json")["handshakes"]
    for v in vectors:
        try:
            check_handshake(v)
        except (Failure, ProtocolError) as error:
            raise Failure(f"{v['name_text']}: {error}") from error
    return "; ".join(v["name_text"] for v in vectors)


def check_handshake_refusals() -> str:
    vectors = load("handshakes.json")
    keys, own = responder_of(vectors["handshakes"][0])

    def respond(encoded: bytes) -> None:
        handshake = pb.Handshake.FromString(encoded)
        hs.check_form(handshake)
        hs.respond(keys, own, {}, handshake)

    respond(raw(vectors["handshakes"][0], "handshake"))
    passed = []
    for v in vectors["refused"]:
        try:
            respond(raw(v, "handshake"))
        except ProtocolError:
            continue
        passed.append(v["reason"])
    expect(not passed, f"accepted: {', '.join(passed)}")
    return f"{len(vectors['refused'])} refused"


class Side:
    """One side of the conversation in ratchet.json."""

    def __init__(self, session: Session | None, view: bytes) -> None:
        self.session = session
        self.numbers = numbering.Numbers()
        self.view = int.from_bytes(view, "little")


class Replay:
    """The conversation of ratchet.json, event by event."""

    def __init__(self) -> None:
        self.vectors = load("ratchet.json")
        handshake = self.vectors["handshake"]
        result, prekey = initiate_vector(handshake)
        keys, self.own = responder_of(handshake)
        self.responder = keys
        initiated = initiated_session(
            result, keys.address, prekey, handshake["generation"], False, NOW, 0
        )
        self.sides = {
            "initiator": Side(initiated, raw(self.vectors, "view_of_initiator")),
            "responder": Side(None, raw(self.vectors, "view_of_responder")),
        }
        self.envelopes: dict[int, bytes] = {}
        self.steps = 0

    def play(self) -> str:
        for index, event in enumerate(self.vectors["events"]):
            try:
                self._event(event)
            except (Failure, ProtocolError) as error:
                raise Failure(f"event {index} ({event['event_text']}): {error}") from error
        expect_equal(self.steps, len(self.vectors["steps"]), "ratchet steps seen")
        return f"{len(self.vectors['events'])} events, {self.steps} ratchet steps"

    def _event(self, event: Vector) -> None:
        if event["event_text"] == "send":
            self._send(self.sides[event["side_text"]], event)
        elif event["event_text"] == "receive":
            self._receive(self.sides[event["side_text"]], event)
        if "envelope" in event:
            self.envelopes[event["envelope_number"]] = raw(event, "envelope")

    def _payload(self, side: Side, event: Vector) -> pb.Payload:
        """The payload as this client would make it; its numbers are compared."""
        last, seen = side.numbers.last(), side.numbers.seen()
        if not event["seq"] or event["seq"] == side.numbers.sent_highest + 1:
            expect_equal(last, (event["last_seq"], event["last_id"]), "last")
        expect_equal(seen, (event["seen_seq"], event["seen_id"]), "seen")
        message = pb.Payload(
            seq=event["seq"],
            last_seq=event["last_seq"],
            last_id=event["last_id"],
            seen_seq=event["seen_seq"],
            seen_id=event["seen_id"],
            view=side.view,
        )
        if "highest_generation" in event:
            message.control.highest_generation = event["highest_generation"]
        else:
            message.body = raw(event, "message_id") + raw(event, "content")
        return message

    def _send(self, side: Side, event: Vector) -> None:
        assert side.session is not None
        message = self._payload(side, event)
        if event["seq"] > side.numbers.sent_highest:
            side.numbers, seq = side.numbers.send(raw(event, "message_id"))
            expect_equal(seq, event["seq"], "seq")
        encoded = message.SerializeToString()
        padded = payload.pad(encoded, raw(event, "shards"))
        expect_bytes(event, "padded_payload", padded)
        draws = Draws(*(raw(value, "bytes") for value in event["random"]))
        steps = side.session.ratchet.sending is None
        side.session, envelope = side.session.send(encoded, NOW, draws)
        draws.finish()
        if steps:
            self._compare_step(side.session, event["chain"])
        ratchet = side.session.ratchet
        assert ratchet.sending is not None
        expect_equal(ratchet.sending.number - 1, event["number"], "number")
        expect_equal(ratchet.previous, event["previous_length"], "previous length")
        expect_equal(ratchet.sending_epoch, event["pq_epoch"], "pq_epoch")
        expect_bytes(event, "envelope", envelope)

    def _compare_step(self, session: Session, index: int) -> None:
        v, ratchet = self.vectors["steps"][index], session.ratchet
        expect_equal(index, self.steps, "ratchet step")
        expect_bytes(v, "root_key", ratchet.root)
        expect_bytes(v, "ratchet_key", ratchet.sending_key)
        expect_bytes(v, "next_header_key", ratchet.next_sending)
        self.steps += 1

    def _receive(self, side: Side, event: Vector) -> None:
        try:
            session, delivery = self._open(side, self.envelopes[event["envelope_number"]])
        except ProtocolError as error:
            expect_equal(error.word, event["outcome_text"], error.text)
            return
        side.session, opened = session, delivery.payload
        outcome = "opened" if opened else "malformed"
        expect_equal(outcome, event["outcome_text"], "outcome")
        expect_equal(delivery.lost, event["lost"], "lost")
        reports: list[str] = ["peer-rolled-back"] if delivery.rolled_back else []
        if opened:
            side.numbers, more = side.numbers.receive(opened, session.since)
            reports += more
            if not opened.message.HasField("control"):
                expect_equal("repeated" in reports, event["repeated"], "repeated")
                expect_bytes(event, "content", opened.content)
        numbered = sorted(report for report in reports if report != "repeated")
        expect_equal(numbered, sorted(event["reports"]), "reports")
        expect_equal(session.ratchet.epochs_mixed, event["epochs_mixed"], "epochs mixed")

    def _open(self, side: Side, encoded: bytes) -> tuple[Session, Any]:
        envelope = pb.Envelope.FromString(encoded)
        session, message = side.session, envelope.message
        if envelope.WhichOneof("kind") == "first_message":
            message, handshake = envelope.first_message.message, envelope.first_message.handshake
            if session is None:
                answer = hs.respond(self.responder, self.own, {}, handshake)
                session = responded_session(answer, handshake, NOW, 0)
            expect_equal(hs.id_of(handshake), session.handshake_id, "handshake id")
        if session is None:
            raise Failure("a message before the first one")
        place = session.ratchet.locate(chain.split_head(message.head), NOW)
        if place is None:
            raise ProtocolError("unknown", "no session has this tag")
        return session.receive(message, NOW, place)


def check_erasure() -> str:
    vectors = load("erasure.json")
    for code in vectors["codes"]:
        data = raw(code, "data")
        for v in code["shards"]:
            expect_equal(erasure.shard(data, v["index"]), raw(v, "shard"), f"shard {v['index']}")
        for v in code["recoveries"]:
            parts = erasure.split(raw(v, "shards"))
            shards = {index: parts[i] for i, index in enumerate(v["indices"])}
            expect_equal(erasure.join(shards, code["data_shards"]), data, "recovered data")
    data = raw(vectors["codes"][0], "data")
    for v in vectors["fields"]:
        content = post_quantum.make_field(v["epoch"], v["first"], data, v["count"])
        expect_bytes(v, "field", content)
    return f"{len(vectors['codes'])} codes, {len(vectors['fields'])} fields"


def check_padding() -> str:
    vectors = load("padding.json")
    for v in vectors["lengths"]:
        length = v["length"]
        expect_equal(payload.padded_length(length), v["padded_length"], f"length {length}")
        expect_equal(payload.shard_capacity(length), v["shards_that_fit"], f"shards {length}")
    for v in vectors["padded"]:
        expect_bytes(v, "padded", payload.pad(raw(v, "payload"), b""))
        expect_bytes(v, "payload", payload.unpad(raw(v, "padded")))
    for v in vectors["malformed"]:
        expect_refused(lambda v=v: payload.unpad(raw(v, "padded")), v["reason"])
    return f"{len(vectors['lengths'])} lengths"


def check_safety_numbers() -> str:
    vectors = load("safety_numbers.json")["numbers"]
    for v in vectors:
        one = (raw(v, "user_id"), raw(v, "account_key"))
        other = (raw(v, "other_user_id"), raw(v, "other_account_key"))
        expect_equal(identity.safety_half(*one), v["digits_text"], "digits_text")
        expect_equal(identity.safety_half(*other), v["other_digits_text"], "other_digits_text")
        for number in (identity.safety_number(one, other), identity.safety_number(other, one)):
            expect_equal(number, v["safety_number_text"], "safety number")
        expect_bytes(v, "qr", identity.safety_code(one, other))
        groups = " ".join(number[i : i + 5] for i in range(0, 60, 5))
        expect_equal(groups.split(), v["shown_text"].split(), "groups of five")
    return f"{len(vectors)} pairs"


def contact_of(v: Vector) -> pbc.Contact:
    """A contact of a link package; its list must be valid."""
    signed = raw(v, "device_list")
    expect_equal(identity.check_list(signed).user, raw(v, "user_id"), "user of the list")
    return pbc.Contact(
        user_id=raw(v, "user_id"),
        device_list=pbk.SignedDeviceList.FromString(signed),
        consent=v["consent"],
        verified=bool(v["verified"]),
        at=v["at"],
    )


def content_of(v: Vector) -> pbc.Content:
    """The content that a vector describes."""
    message = pbc.Content(sent_at=v["sent_at"], expires_after=v.get("expires_after", 0))
    message.reply_to = bytes.fromhex(v.get("reply_to", ""))
    target = message
    for name in v["kind_text"].split("."):
        target = getattr(target, name)
        target.SetInParent()
    for name in ("kind", "consent", "at", "user_id", "message_id", "account_key"):
        if name in v:
            setattr(target, name, v[name] if isinstance(v[name], int) else raw(v, name))
    if "text" in v:
        target.text = raw(v, "text").decode()
    if "ids" in v:
        target.ids = b"".join(map(bytes.fromhex, v["ids"]))
    if "copied" in v:
        target.content = raw(v, "copied")
    if "account_list" in v:
        target.account_list.ParseFromString(identity.check_list(raw(v, "account_list")).signed)
        target.contacts.extend(map(contact_of, v["contacts"]))
    return message


def check_contents() -> str:
    vectors = load("content.json")["contents"]
    for v in vectors:
        made = content_of(v)
        expect_equal(content.encode(made), raw(v, "content"), v["name_text"])
        wanted = content.Known(made, v["kind_text"], raw(v, "content"))
        expect_equal(content.decode(raw(v, "content")), wanted, v["name_text"])
        if "copied" in v:
            copied = content.decode(raw(v, "copied"))
            expect(isinstance(copied, content.Known), f"{v['name_text']}: unknown inside")
    return "; ".join(v["name_text"] for v in vectors)


def check_unknown_contents() -> str:
    vectors = load("content.json")["unknown"]
    for v in vectors:
        wanted = content.Unknown(raw(v, "content"), raw(v, "fallback").decode())
        expect_equal(content.decode(raw(v, "content")), wanted, v["reason"])
    return "; ".join(v["reason"] for v in vectors)


def fill(message: Any, fields: Vector) -> None:
    """Sets the fields of a message by their names."""
    message.SetInParent()
    for name, value in fields.items():
        kind = message.DESCRIPTOR.fields_by_name[name]
        values = value if isinstance(value, list) else [value]
        for part in values:
            if kind.type == kind.TYPE_MESSAGE:
                field = getattr(message, name)
                fill(field.add() if isinstance(value, list) else field, part)
                continue
            if kind.type in (kind.TYPE_STRING, kind.TYPE_BYTES):
                part = bytes.fromhex(part)
            if kind.type == kind.TYPE_STRING:
                part = part.decode()
            if isinstance(value, list):
                getattr(message, name).append(part)
            else:
                setattr(message, name, part)


def check_kinds() -> str:
    vectors = load("content.json")["kinds"]
    for v in vectors:
        made = pbc.Content()
        fill(made, v["message"])
        made.sent_at = v["sent_at"]
        expect_equal(content.encode(made), raw(v, "content"), v["name_text"])
        found = content.decode(raw(v, "content"))
        expect(isinstance(found, content.Known), f"{v['name_text']}: unknown")
        expect_equal(found.message, made, v["name_text"])
    return "; ".join(v["name_text"] for v in vectors)


def check_broken_contents() -> str:
    vectors = load("content.json")["broken"]
    for v in vectors:
        wanted = content.Unknown(raw(v, "content"), "")
        expect_equal(content.decode(raw(v, "content")), wanted, v["reason"])
    return "; ".join(v["reason"] for v in vectors)


def check_what_follows_from_contents() -> str:
    vectors = load("content.json")
    for v in vectors["quotes"]:
        found = content.quote_hash(raw(v, "author"), raw(v, "message_id"), raw(v, "content"))
        expect_bytes(v, "hash", found)
    for v in vectors["quizzes"]:
        expect_bytes(v, "commitment", content.commitment(v["answer"], raw(v, "salt")))
    for v in vectors["calls"]:
        secrets = raw(v, "offer_secret"), raw(v, "answer_secret")
        ends = (
            content.Device(raw(v[end], "user_id"), v[end]["device_id"])
            for end in ("caller", "callee")
        )
        keys = content.media_keys(raw(v, "call_id"), *secrets, *ends)
        expect_equal(keys, (raw(v, "caller_key"), raw(v, "callee_key")), "keys")
    for v in vectors["tallies"]:
        poll = pbc.Poll(choices=["a"] * v["choices"], most=v["most"])
        votes = [
            content.Cast(
                raw(vote, "author"), vote["sent_at"], raw(vote, "message_id"),
                content.decode(raw(vote, "content")).message.vote,
            )
            for vote in v["votes"]
        ]
        for some_order in (votes, votes[::-1], votes * 2):
            found = content.tally(poll, raw(v, "author"), raw(v, "message_id"), some_order)
            expect_equal(found, v["counts"], "counts")
    return "quotes, quizzes, calls, tallies"


def check_publications() -> str:
    vectors = load("content.json")
    owner = device_of(vectors["owner"])
    signed_list = raw(vectors["owner"], "signed_list")
    signed = private_prekey(owner, vectors["signed_prekey"])
    for v in vectors["publications"]:
        one_time = [bytes.fromhex(prekey) for prekey in v["one_time_prekeys"]]
        made = directory.make_publication(
            owner.address, signed_list, signed.signed, one_time, v["stock"], raw(v, "id")
        )
        expect_bytes(v, "publication", made)
        checked = directory.check_publication(made, identity.check_list(signed_list))
        expect_bytes(v, "id", checked.id)
        expect_equal(checked.stock, v["stock"], "stock")
        expect_equal(checked.device_list.signed, signed_list, "device list")
        expect_equal(checked.device.device, owner.address.device, "device")
        expect_equal(checked.signed_prekey.id, signed.id, "signed prekey")
        kept = [prekey.SerializeToString() for prekey in checked.message.one_time_prekeys]
        expect_equal(kept, one_time, "one-time prekeys")
    for v in vectors["refused_publications"]:
        expect_refused(
            lambda v=v: directory.check_publication(raw(v, "publication")), v["reason"]
        )
    counts = (len(vectors[name]) for name in ("publications", "refused_publications"))
    return "{} publications, {} refused".format(*counts)


def check_link_codes() -> str:
    vectors = load("links.json")
    for v in vectors["codes"]:
        device = device_of({**vectors["account"], **v})
        code = linking.make_code(device, raw(v, "device_name"), raw(v, "secret"))
        expect_bytes(v, "code", code.encoded)
        expect_bytes(v, "keys_hash", code.keys_hash)
        expect_equal(linking.parse_code(raw(v, "code")), code, v["name_text"])
        expect_equal(linking.short(code), v["short_text"], "short_text")
    for v in vectors["refused_codes"]:
        expect_refused(lambda v=v: linking.parse_code(raw(v, "code")), v["reason"])
    return f"{len(vectors['codes'])} codes, {len(vectors['refused_codes'])} refused"


def open_link(code: linking.LinkCode, account_key: bytes, v: Vector) -> object:
    """Opens a link envelope at the side that it goes to."""
    if v["way_text"] == "to device":
        return linking.open_offer(code, raw(v, "envelope"))
    return linking.open_reply(code, account_key, raw(v, "envelope"))


def check_link_envelopes() -> str:
    vectors = load("links.json")
    account_key = raw(vectors["account"], "account_key")
    shown = vectors["codes"][0]
    device = device_of({**vectors["account"], **shown})
    code = linking.parse_code(raw(shown, "code"))
    for v in vectors["envelopes"]:
        opened = open_link(code, account_key, v)
        if v["way_text"] == "to device":
            key = linking.key_to_device(code)
            signed_list = raw(v, "signed_list")
            plaintext = linking.make_offer(signed_list, v["primary"])
            wanted: object = linking.Offer(identity.check_list(signed_list), v["primary"])
        else:
            key = linking.key_to_primary(code)
            message = identity.device_entry_message(
                code.address.user, account_key, code.address.device, device.identity.public
            )
            proof = p.sign(device.signing.private, labels.DEVICE_ENTRY, message)
            wanted = linking.entry_of(device, proof)
            plaintext = linking.make_reply(wanted)
        expect_bytes(v, "key", key)
        expect_bytes(v, "plaintext", plaintext)
        envelope = linking.seal(key, linking.pad(plaintext), raw(v, "nonce"))
        expect_bytes(v, "envelope", envelope)
        expect_equal(opened, wanted, v["name_text"])
    for v in vectors["refused_envelopes"]:
        expect_refused(lambda v=v: open_link(code, account_key, v), v["reason"])
    counts = (len(vectors[name]) for name in ("envelopes", "refused_envelopes"))
    return "{} envelopes, {} refused".format(*counts)


def check_recovery_keys() -> str:
    vectors = load("backups.json")
    for v in vectors["recovery_keys"]:
        key = raw(v, "key")
        expect_bytes(v, "checksum", backup.checksum(key))
        expect_equal(backup.to_words(key), v["words_text"], "words_text")
        for typed in [v["words_text"], *v["typed_text"]]:
            expect_equal(backup.from_words(typed), key, repr(typed))
    for v in vectors["refused_words"]:
        expect_refused(lambda v=v: backup.from_words(v["words_text"]), v["reason"])
    counts = (len(vectors[name]) for name in ("recovery_keys", "refused_words"))
    return "{} keys, {} refused".format(*counts)


def person_of(v: Vector) -> backup.Person:
    return backup.Person(
        user=raw(v, "user_id"),
        consent=v["consent"],
        consent_at=v["consent_at"],
        device_list=raw(v, "signed_list"),
        moved=raw(v, "moved"),
        verified=bool(v["verified"]),
        verified_at=v["verified_at"],
        equivocated=bool(v["equivocated"]),
    )


def check_backups() -> str:
    vectors = load("backups.json")
    for v in vectors["backups"]:
        key = raw(v, "key")
        expect_bytes(v, "sealing_key", backup.sealing_key(key))
        opened = backup.open_backup(key, raw(v, "backup"))
        wanted = backup.Backup(
            raw(v, "account_seed"),
            identity.check_list(raw(v, "signed_list")),
            v["device_id"],
            tuple(map(person_of, v["contacts"])),
        )
        expect_equal(opened, wanted, v["name_text"])
        padded = backup.pad(raw(v, "content"))
        expect_bytes(v, "backup", backup.seal(key, padded, raw(v, "nonce")))
        if not v["left_out_text"]:
            expect_bytes(v, "content", backup.encode(opened))
    key = raw(vectors["backups"][0], "key")
    for v in vectors["refused_backups"]:
        expect_refused(lambda v=v: backup.open_backup(key, raw(v, "backup")), v["reason"])
    counts = (len(vectors[name]) for name in ("backups", "refused_backups"))
    return "{} backups, {} refused".format(*counts)
def check_sender_keys() -> str:
    vectors = load("sender_keys.json")
    address = device_of(vectors["sender"]).address
    v, group_id = vectors["derivations"], raw(vectors, "group_id")
    ctx = sender_key.context(group_id, address, raw(vectors["chains"][0], "chain_id"))
    expect_bytes(v, "context", ctx)
    expect_bytes(v, "associated_data", sender_key.associated_data(ctx))
    hk = sender_key.chain_header_key(raw(v, "header_seed"), ctx)
    expect_bytes(v, "header_key", hk)
    keys = chain.header_key(hk)
    expect_bytes(v, "tag_key", keys.tag_key)
    expect_bytes(v, "mask_key", keys.mask_key)
    for tag in v["tags"]:
        expect_bytes(tag, "tag", keys.tag(tag["number"]))
    expect_bytes(v, "view", sender_key.view(raw(v, "list_hash")))
    for v in vectors["distributions"]:
        key = pbs.SenderKeyDistribution.FromString(raw(v, "distribution"))
        expect_equal(key.iteration, v["iteration"], "iteration")
        expect_equal(sender_key.accept(raw(v, "distribution"), address).next, key.iteration, "next")
        control = pb.Control(sender_key=key)
        expect_bytes(v, "control", control.SerializeToString())
        saved = pbs.SenderKeyAcknowledgement(group_id=key.group_id, chain_id=key.chain_id)
        expect_bytes(v, "acknowledgement", saved.SerializeToString())
        control = pb.Control(sender_key_saved=saved)
        expect_bytes(v, "acknowledgement_control", control.SerializeToString())
    for v in vectors["refused_distributions"]:
        expect_refused(
            lambda v=v: sender_key.accept(raw(v, "distribution"), address), v["reason"]
        )
    counts = (len(vectors[name]) for name in ("distributions", "refused_distributions"))
    return "{} distributions, {} refused".format(*counts)


class Group:
    """The transcript of sender_keys.json, event by event."""

    def __init__(self) -> None:
        self.vectors = load("sender_keys.json")
        self.address = device_of(self.vectors["sender"]).address
        self.receivers: dict[str, list[sender_key.ReceivingChain]] = {}
        self.envelopes: dict[int, bytes] = {}

    def play(self) -> str:
        for event in self.vectors["events"]:
            getattr(self, event["event_text"].replace(" ", "_"))(event)
        return f"{len(self.vectors['events'])} events"

    def rotate(self, event: Vector) -> None:
        before, after = (self.vectors["chains"][event["chain"] - back] for back in (1, 0))
        expect_equal(after["replaced_chain_id"], before["chain_id"], "replaced chain")

    def send(self, event: Vector) -> None:
        made, group_id = self.vectors["chains"][event["chain"]], raw(self.vectors, "group_id")
        key = pbs.SenderKeyDistribution(
            group_id=group_id,
            chain_id=raw(made, "chain_id"),
            chain_key=raw(made, "chain_key"),
            header_seed=raw(made, "header_seed"),
            verifying_key=raw(made, "verifying_key"),
        )
        sending = sender_key.accept(key.SerializeToString(), self.address)
        sending.pass_over(event["iteration"])
        said = pb.Payload(
            body=raw(event, "message_id") + raw(event, "content"),
            view=int.from_bytes(raw(self.vectors, "view"), "little"),
        )
        padded = payload.pad(said.SerializeToString(), b"")
        expect_bytes(event, "padded_payload", padded)
        seed, roster = raw(made, "signing_seed"), raw(event, "roster_head")
        envelope = sender_key.seal(sending, seed, roster, raw(event, "salt"), padded)
        expect_bytes(event, "envelope", envelope)
        self.forge(event)

    def forge(self, event: Vector) -> None:
        self.envelopes[event["envelope_number"]] = raw(event, "envelope")

    def hand_over(self, event: Vector) -> None:
        chains = self.receivers.setdefault(event["receiver_text"], [])
        key = pbs.SenderKeyDistribution.FromString(raw(event, "distribution"))
        ended = [known for known in chains if known.chain_id == key.replaced_chain_id]
        passed_over = sum(known.close(key.replaced_length) for known in ended)
        expect_equal(passed_over, event["passed_over"], "passed over")
        chains.append(sender_key.accept(raw(event, "distribution"), self.address))
        self.check_missing(event)

    def receive(self, event: Vector) -> None:
        found, result = "unknown", None
        message = sender_key.decode_message(self.envelopes[event["envelope_number"]])
        for known in self.receivers[event["receiver_text"]]:
            try:
                found, result = "opened", known.decrypt(message, raw(event, "roster_head"))
            except ProtocolError as error:
                found = error.word
            if found != "unknown":
                break
        expect_equal(found, event["outcome_text"], f"envelope {event['envelope_number']}")
        if result is not None:
            iteration, passed_over, opened = result
            expect_equal(iteration, event["iteration"], "iteration")
            expect_equal(passed_over, event["passed_over"], "passed over")
            expect_bytes(event, "content", opened.content)
        self.check_missing(event)

    def check_missing(self, event: Vector) -> None:
        found = [
            {"chain_id": known.chain_id.hex(), "iterations": sorted(known.missing)}
            for known in self.receivers[event["receiver_text"]]
        ]
        expect_equal(found, event["missing"], "missing")


def check_group() -> str:
    return Group().play()


def expect_roster(vector: Vector, found: roster.Roster) -> None:
    expect_bytes(vector, "seal", found.seal)
    expect_equal([tip.hex() for tip in found.tips()], vector["tips"], "tips")
    expect_bytes(vector, "head", found.head())
    names = {"owner": roster.OWNER, "admin": roster.ADMIN, "member": roster.MEMBER}
    wanted = {
        (raw(m, "user_id"), raw(m, "account_key")): names[m["role_text"]] for m in vector["members"]
    }
    expect_equal(found.members(), wanted, "members")
    expect_bytes(vector, "title", str(found.setting("title")).encode())
    expect_equal(found.setting("timer"), vector["timer"], "timer")


def check_rosters() -> str:
    vectors = load("rosters.json")
    for party in vectors["members"]:
        device_of(party)
    group = roster.Roster(raw(vectors, "welcome"))
    expect_bytes(vectors, "group", group.group)
    expect_bytes(vectors, "roster_hash", group.roster_hash())
    expect_roster(vectors["first"], group)
    for v in vectors["steps"]:
        expect_bytes(v, "id", roster.change_id(raw(v, "change")))
        expect_equal(group.take(raw(v, "update")), v["counts"], v["what_text"])
        expect_roster(v, group)
    return f"{len(vectors['steps'])} changes"


def check_attachment_layouts() -> str:
    vectors = load("attachment.json")["layouts"]
    for v in vectors:
        found = attachment.layout(v["length"])
        wanted = attachment.Layout(v["padded_length"], v["chunks"], v["sealed_length"])
        expect_equal(found, wanted, f"layout of {v['length']} bytes")
    return f"{len(vectors)} layouts"


def check_attachments() -> str:
    vectors = load("attachment.json")
    for v in vectors["attachments"]:
        file = bytes((7 * i + i // 251) % 256 for i in range(v["length"]))
        media_type = raw(v, "media_type").decode()
        key, head = attachment.keys(raw(v, "secret"), v["length"], media_type)
        expect_bytes(v, "key", key)
        expect_bytes(v, "head", head)
        sealed = attachment.seal(raw(v, "secret"), file, media_type)
        expect_bytes(v, "digest", p.sha256(sealed))
        for chunk in v["chunks"]:
            chunks = attachment.layout(v["length"]).chunks
            expect_bytes(chunk, "nonce", attachment.nonce(chunk["index"], chunks))
            expect_bytes(chunk, "tag", attachment.chunk_of(sealed, chunk["index"])[-16:])
        pointer = attachment.Pointer(raw(v, "secret"), raw(v, "digest"), v["length"], media_type)
        expect_equal(attachment.open_sealed(pointer, sealed), file, v["name_text"])
    refused = vectors["refused"]
    for v in refused["pointers"]:
        sealed = raw(refused, "sealed_again" if v["again"] else "sealed")
        sealed = sealed[: len(sealed) - v["cut"]]
        digest, media_type = raw(refused, "digest"), raw(v, "media_type").decode()
        pointer = attachment.Pointer(raw(v, "secret"), digest, v["length"], media_type)
        expect_refused(
            lambda of=pointer, sealed=sealed: attachment.open_sealed(of, sealed), v["reason"]
        )
    return f"{len(vectors['attachments'])} attachments, {len(refused['pointers'])} refused"


def check_emoji() -> str:
    vectors = load("emoji.json")
    table = {v["number"]: v["symbol_text"] for v in vectors["table"]}
    expect_equal(sorted(table), list(range(64)), "numbers in the table")
    for v in vectors["comparisons"]:
        sides = []
        for side in ("initiator", "responder"):
            keys = device_of(v[side])
            pair = p.x25519_pair(raw(v, f"{side}_key_private"))
            expect_bytes(v, f"{side}_key", pair.public)
            sides.append(emoji.Side(keys.address.user, keys.account.public, pair.public))
        transaction = raw(v, "transaction_id")
        expect_bytes(v, "commitment", emoji.commitment(transaction, *sides))
        for own, other in (("initiator", "responder"), ("responder", "initiator")):
            pair = p.x25519_pair(raw(v, f"{own}_key_private"))
            secret = p.dh(pair.private, raw(v, f"{other}_key"))
            shared = emoji.shared(transaction, *sides, secret)
            expect_bytes(v, "emoji_bytes", shared.emoji_bytes)
            expect_bytes(v, "mac_key", shared.mac_key)
            expect_equal(emoji.numbers(shared.emoji_bytes), v["numbers"], "numbers")
        shown = " ".join(table[number] for number in v["numbers"])
        expect_equal(shown, v["shown_text"], "shown_text")
        for role, (name, side) in enumerate(zip(("initiator", "responder"), sides), 1):
            found = emoji.confirmation(raw(v, "mac_key"), role, side)
            expect_bytes(v, f"{name}_confirmation", found)
        check_emoji_contents(v)
    return f"{len(vectors['comparisons'])} comparisons"


def check_emoji_contents(v: Vector) -> None:
    one, other = v["initiator"]["device_id"], v["responder"]["device_id"]
    steps = {
        "start": (0, {"start": pbc.VerificationStart()}),
        "commitment": (one, {"commitment": raw(v, "commitment")}),
        "key": (other, {"key": raw(v, "initiator_key")}),
        "reveal": (one, {"reveal": raw(v, "responder_key")}),
        "initiator_confirmation": (other, {"confirmation": raw(v, "initiator_confirmation")}),
        "responder_confirmation": (one, {"confirmation": raw(v, "responder_confirmation")}),
        "cancelled": (0, {"end": pbc.VERIFICATION_END_CANCELLED}),
        "mismatch": (other, {"end": pbc.VERIFICATION_END_MISMATCH}),
    }
    expect_equal(sorted(v["contents"]), sorted(steps), "steps")
    for name, (device, step) in steps.items():
        said = pbc.Verification(
            transaction_id=raw(v, "transaction_id"), device_id=device, **step
        )
        content_of = pbc.Content(sent_at=v["sent_at"], verification=said)
        expect_bytes(v["contents"], name, content_of.SerializeToString())


def vector_checks() -> list[Check]:
    """All checks of the vectors; every file in the folder is used by one."""
    wanted = {
        "labels", "derivations", "device_lists", "prekeys", "handshakes", "ratchet", "erasure",
        "padding", "safety_numbers", "content", "links", "backups", "rosters", "sender_keys",
        "attachment", "emoji",
    }

    def check_folder() -> str:
        found = {path.stem for path in FOLDER.glob("*.json")}
        expect_equal(sorted(found), sorted(wanted), "files in the vectors' folder")
        return f"{len(found)} files"

    return [
        ("vectors: all files are known", check_folder),
        ("vectors: labels", check_labels),
        ("vectors: derivations of identity", check_identity_derivations),
        ("vectors: derivations of prekeys", check_prekey_derivations),
        ("vectors: derivations of the ratchet", check_ratchet_derivations),
        ("vectors: derivation of a message", check_message_derivation),
        ("vectors: post-quantum derivations", check_post_quantum_derivations),
        ("vectors: device lists", check_device_lists),
        ("vectors: prekeys and bundles", check_prekeys),
        ("vectors: handshakes", check_handshakes),
        ("vectors: handshakes refused", check_handshake_refusals),
        ("vectors: ratchet", lambda: Replay().play()),
        ("vectors: erasure code", check_erasure),
        ("vectors: padding", check_padding),
        ("vectors: safety numbers", check_safety_numbers),
        ("vectors: rosters", check_rosters),
        ("vectors: contents", check_contents),
        ("vectors: unknown contents", check_unknown_contents),
        ("vectors: contents of all kinds", check_kinds),
        ("vectors: contents that break a rule", check_broken_contents),
        ("vectors: what follows from contents", check_what_follows_from_contents),
        ("vectors: publications", check_publications),
        ("vectors: link codes", check_link_codes),
        ("vectors: link envelopes", check_link_envelopes),
        ("vectors: recovery keys", check_recovery_keys),
        ("vectors: backups", check_backups),
        ("vectors: sender keys", check_sender_keys),
        ("vectors: group", check_group),
        ("vectors: layouts of attachments", check_attachment_layouts),
        ("vectors: attachments", check_attachments),
        ("vectors: emoji", check_emoji),
    ]


if __name__ == "__main__":
    sys.exit(finish(*run_checks(vector_checks())))
