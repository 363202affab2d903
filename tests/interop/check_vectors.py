"""Checks the test vectors, proto/vectors/*.json, against this client."""

import itertools
import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from checks import Check, Failure, expect, expect_equal, finish, run_checks
from subrosa import (
    attachment,
    backup,
    chain,
    content,
    directory,
    emoji,
    erasure,
    group_change,
    identity,
    labels,
    linking,
    numbering,
    payload,
    post_quantum,
    prekeys,
    roster,
    sender_key,
    shown,
)
from subrosa import handshake as hs
from subrosa import primitives as p
from subrosa.errors import ProtocolError
from subrosa.group_state import ROLE_NAMES
from subrosa.identity import Address, DeviceKeys
from subrosa.protobuf import content as pbc
from subrosa.protobuf import envelope as pb
from subrosa.protobuf import keys as pbk
from subrosa.protobuf import roster as pbr
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
        expect_bytes(v, "user_id", checked.user)
        entries = pbk.DeviceList.FromString(raw(v, "list")).devices
        for d, entry in zip(v["devices"], entries):
            keys = DeviceKeys(
                Address(checked.user, d["device_id"]),
                p.ed25519_pair(raw(v, "account_seed")),
                p.ed25519_pair(raw(d, "signing_seed")),
                p.x25519_pair(raw(d, "identity_private")),
            )
            expect_equal(identity.make_entry(keys), entry, "device entry")
            expect_bytes(d, "proof", entry.proof)
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
    mlkem_seed = prekeys.halves(raw(v, "seed"))[1]
    expect_bytes(v, "mlkem768_seed", mlkem_seed)
    expect_bytes(v, "mlkem768", p.mlkem_pair(mlkem_seed)[0])
    signed = pbk.SignedPrekey.FromString(made.signed)
    expect_bytes(v, "prekey", signed.prekey)
    expect_bytes(v, "signature", signed.signature)
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
        checked = prekeys.check_bundle(raw(v, "bundle"), raw(v, "asked_user_id"), v["now"])
        found = [
            {"device_id": d.device.device, "one_time": d.one_time_prekey is not None}
            for d in checked.devices
        ]
        expect_equal(found, v["devices"], v["name_text"])
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
    ids = [raw(v[name], "id") for name in ("signed_prekey", "one_time_prekey") if v[name]]
    expect_bytes(v, "c1_plaintext", b"".join(ids) + hs.NO_PREKEY * (2 - len(ids)))
    initiator = pb.Initiator(
        device_id=v["initiator"]["device_id"], generation=v["generation"]
    )
    initiator.device_list.ParseFromString(raw(v["initiator"], "signed_list"))
    expect_bytes(v, "initiator_encoded", initiator.SerializeToString())
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


def check_ratchet_steps() -> str:
    """The root chain of ratchet.json by itself: what each step is made of."""
    vectors = load("ratchet.json")
    handshake = vectors["handshake"]
    root, theirs = raw(handshake, "root_key"), raw(handshake["signed_prekey"], "x25519")
    header_keys = [raw(handshake, "header_key_i"), raw(handshake, "next_header_key_r")]
    secrets = [raw(v, "pq") for v in vectors["epochs"]]
    mixed = 0
    for i, v in enumerate(vectors["steps"]):
        expect_equal(v["side_text"], ("initiator", "responder")[i % 2], "side")
        pair = p.x25519_pair(raw(v, "ratchet_private"))
        expect_bytes(v, "ratchet_key", pair.public)
        expect_bytes(v, "dh", p.dh(pair.private, theirs))
        if v["pq"]:
            key_side = vectors["epochs"][mixed]["key_side_text"]
            expect_equal(v["side_text"], key_side, "key side")
            expect_bytes(v, "pq", secrets[mixed])
            mixed += 1
        root, chain_key, next_header_key = chain.kdf_rk(root, raw(v, "dh"), raw(v, "pq"))
        expect_bytes(v, "root_key", root)
        expect_bytes(v, "chain_key", chain_key)
        expect_bytes(v, "next_header_key", next_header_key)
        expect_bytes(v, "header_key", header_keys[i])
        header_keys.append(next_header_key)
        theirs = pair.public
    expect_equal(mixed, len(secrets), "epochs")
    return f"{len(vectors['steps'])} steps, {mixed} epochs"


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


def fill(message: Any, fields: Vector) -> None:
    """Sets the fields of a message from a vector: bytes and strings are hexadecimal."""
    for name, value in fields.items():
        descriptor = message.DESCRIPTOR.fields_by_name[name]
        is_text = descriptor.type == descriptor.TYPE_STRING
        values = value if isinstance(value, list) else [value]

        def scalar(one: Any, is_text: bool = is_text) -> Any:
            if not isinstance(one, str):
                return one
            data = bytes.fromhex(one)
            return data.decode() if is_text else data

        target = getattr(message, name)
        if descriptor.type == descriptor.TYPE_MESSAGE:
            if not isinstance(value, list):
                target.SetInParent()
                fill(target, value)
                continue
            for one in values:
                fill(target.add(), one)
        elif isinstance(value, list):
            target.extend(map(scalar, values))
        elif descriptor.type == descriptor.TYPE_BOOL:
            setattr(message, name, bool(value))
        else:
            setattr(message, name, scalar(value))


def parsed(kind: Any, encoded: bytes) -> Any:
    """A message as it has to be in a vector: encoded just so."""
    message = kind.FromString(encoded)
    expect_equal(message.SerializeToString(), encoded, f"{kind.__name__}, encoded again")
    return message


def content_of(v: Vector) -> pbc.Content:
    """The content that a vector of `contents` describes."""
    message = pbc.Content(sent_at=v["sent_at"], expires_after=v.get("expires_after", 0))
    message.reply_to = raw(v, "reply_to") if "reply_to" in v else b""
    kind, _, step = v["kind_text"].partition(".")
    part = getattr(message, kind)
    part.SetInParent()
    if step:
        part = getattr(part, step)
        part.SetInParent()
    for name in ("kind", "consent", "at"):
        if name in v:
            setattr(part, name, v[name])
    for name in ("user_id", "message_id", "account_key"):
        if name in v:
            setattr(part, name, raw(v, name))
    if "text" in v:
        part.text = raw(v, "text").decode()
    if "ids" in v:
        part.ids = b"".join(map(bytes.fromhex, v["ids"]))
    if "copied" in v:
        part.content = raw(v, "copied")
        expect(isinstance(content.decode(part.content), content.Known), "the copied content")
    if "account_list" in v:
        part.account_list.ParseFromString(raw(v, "account_list"))
        identity.check_list(raw(v, "account_list"))
        for person in v["contacts"]:
            contact = part.contacts.add(
                user_id=raw(person, "user_id"), consent=person["consent"],
                verified=bool(person["verified"]), at=person["at"],
            )
            if person["device_list"]:
                contact.device_list.ParseFromString(raw(person, "device_list"))
                their_list = identity.check_list(raw(person, "device_list"))
                expect_bytes(person, "user_id", their_list.user)
    used = {
        "name_text", "sent_at", "expires_after", "reply_to", "kind_text", "content", "kind",
        "consent", "at", "user_id", "message_id", "account_key", "text", "ids", "copied",
        "account_list", "contacts",
    }
    expect_equal(sorted(set(v) - used), [], "members that are not used")
    return message


def both_ways(message: pbc.Content, v: Vector) -> None:
    """A content that is known, made and read."""
    expect_equal(content.encode(message), raw(v, "content"), v["name_text"])
    wanted = content.Known(message, raw(v, "content"))
    expect_equal(content.decode(raw(v, "content")), wanted, v["name_text"])


def check_contents() -> str:
    vectors = load("content.json")["contents"]
    for v in vectors:
        both_ways(content_of(v), v)
    return f"{len(vectors)} contents"


def check_unknown_contents() -> str:
    vectors = load("content.json")["unknown"]
    for v in vectors:
        wanted = content.Unknown(raw(v, "content"), raw(v, "fallback").decode())
        expect_equal(content.decode(raw(v, "content")), wanted, v["reason"])
    return f"{len(vectors)} unknown"


def check_kinds() -> str:
    vectors = load("content.json")["kinds"]
    made = 0
    for v in vectors:
        message = pbc.Content(sent_at=v["sent_at"])
        fill(message, v["message"])
        both_ways(message, v)
        # What an app says of attachments is in its own words.
        if message.fallback and not message.HasField("attachments"):
            expect_equal(content.fallback_of(message), message.fallback, v["name_text"])
            made += 1
    return f"{len(vectors)} contents, {made} fallbacks"


def check_broken_contents() -> str:
    vectors = load("content.json")["broken"]
    for v in vectors:
        expect(bool(pbc.Content.FromString(raw(v, "content")).fallback), "there is a fallback")
        wanted = content.Unknown(raw(v, "content"), "")
        expect_equal(content.decode(raw(v, "content")), wanted, v["reason"])
    return f"{len(vectors)} broken"


def check_tally(v: Vector) -> None:
    votes = []
    for one in v["votes"]:
        message = content.decode(raw(one, "content"))
        assert isinstance(message, content.Known)
        expect_equal(message.message.sent_at, one["sent_at"], "sent_at of a vote")
        names = raw(one, "author"), raw(one, "message_id")
        votes.append(content.CastVote(*names, message.message))
    poll = (v["choices"], v["most"], raw(v, "author"), raw(v, "message_id"))
    for order in (votes, votes[::-1]):
        expect_equal(content.tally(*poll, order), v["counts"], "counts")


def check_what_follows_from_contents() -> str:
    vectors = load("content.json")
    for v in vectors["quotes"]:
        author, message_id, encoded = (raw(v, n) for n in ("author", "message_id", "content"))
        expect_bytes(v, "hash", content.quote_hash(author, message_id, encoded))
        found = content.decode(encoded)
        unknown = isinstance(found, content.Unknown)
        said = found.fallback if unknown else content.words(found.message)
        quote = pbc.Quote(author=author, excerpt=said[:3], hash=raw(v, "hash"))
        expect(content.quote_matches(quote, message_id, encoded), f"{v['name_text']}: no match")
        for change in ({"excerpt": "no " + said}, {"author": b"carol"}, {"hash": bytes(32)}):
            other = pbc.Quote(**{"author": author, "excerpt": "", "hash": raw(v, "hash"), **change})
            expect(not content.quote_matches(other, message_id, encoded), f"a match: {change}")
    for v in vectors["quizzes"]:
        expect_bytes(v, "commitment", content.quiz_commitment(raw(v, "salt"), v["answer"]))
    for v in vectors["calls"]:
        ends = [Address(raw(v[n], "user_id"), v[n]["device_id"]) for n in ("caller", "callee")]
        secrets = raw(v, "offer_secret"), raw(v, "answer_secret")
        keys = content.call_keys(raw(v, "call_id"), *secrets, *ends)
        expect_bytes(v, "caller_key", keys[0])
        expect_bytes(v, "callee_key", keys[1])
    for v in vectors["tallies"]:
        check_tally(v)
    counts = (len(vectors[name]) for name in ("quotes", "quizzes", "calls", "tallies"))
    return "{} quotes, {} quizzes, {} calls, {} tallies".format(*counts)


def sending_chain(vectors: Vector, index: int, iteration: int = 0) -> sender_key.SendingChain:
    """A chain of sender_keys.json, as it stands at an iteration."""
    v, sender = vectors["chains"][index], device_of(vectors["sender"])
    made = sender_key.SendingChain(
        raw(vectors, "group_id"),
        sender.address,
        raw(v, "chain_id"),
        raw(v, "chain_key"),
        raw(v, "header_seed"),
        p.ed25519_pair(raw(v, "signing_seed")),
        replaced_id=raw(v, "replaced_chain_id"),
        replaced_length=v["replaced_length"],
    )
    expect_bytes(v, "verifying_key", made.signing.public)
    for _ in range(iteration):
        made, _ = made.step()
    return made


def check_sender_keys() -> str:
    vectors = load("sender_keys.json")
    v, first = vectors["derivations"], sending_chain(vectors, 0)
    expect_bytes(v, "context", first.context)
    expect_bytes(v, "associated_data", sender_key.associated_data(first.context))
    expect_bytes(v, "header_seed", first.header_seed)
    header_seed = raw(v, "header_seed")
    expect_bytes(v, "header_key", sender_key.header_key_bytes(header_seed, first.context))
    keys = sender_key.chain_header_key(header_seed, first.context)
    expect_bytes(v, "tag_key", keys.tag_key)
    expect_bytes(v, "mask_key", keys.mask_key)
    for tag in v["tags"]:
        expect_bytes(tag, "tag", keys.tag(tag["number"]))
    own_list = identity.check_list(raw(vectors["sender"], "signed_list"))
    expect_bytes(v, "list_hash", own_list.hash)
    view = sender_key.group_view(own_list.hash).to_bytes(8, "little")
    expect_bytes(v, "view", view)
    expect_bytes(vectors, "view", view)
    for before, after in itertools.pairwise(vectors["chains"]):
        expect_bytes(after, "replaced_chain_id", raw(before, "chain_id"))
        expect_equal(after["replaced_length"], before["length"], "replaced_length")
    ids = [raw(v, "chain_id") for v in vectors["chains"]]
    for v in vectors["distributions"]:
        message = parsed(pbs.SenderKeyDistribution, raw(v, "distribution"))
        index = ids.index(message.chain_id)
        standing = sending_chain(vectors, index, v["iteration"])
        expect_bytes(v, "distribution", standing.distribution().SerializeToString())
        answer = sender_key.acknowledgement(standing.group, standing.chain_id)
        expect_bytes(v, "acknowledgement", answer.SerializeToString())
        given = pb.Control(sender_key=message)
        taken = pb.Control(sender_key_saved=answer)
        expect_bytes(v, "control", given.SerializeToString())
        expect_bytes(v, "acknowledgement_control", taken.SerializeToString())
        sender_key.received_chain(message, standing.sender)
        room = payload.padded_length(len(pb.Payload(control=given).SerializeToString()))
        expect_equal(room, payload.MIN_PADDED, "size class of a sender key")
    for v in vectors["refused_distributions"]:
        expect_refused(
            lambda v=v: sender_key.Chains().take(
                pbs.SenderKeyDistribution.FromString(raw(v, "distribution")), first.sender, NOW
            ),
            v["reason"],
        )
    counts = (len(vectors[name]) for name in ("chains", "distributions", "refused_distributions"))
    return "{} chains, {} distributions, {} refused".format(*counts)


class Group:
    """The events of sender_keys.json."""

    def __init__(self) -> None:
        self.vectors = load("sender_keys.json")
        self.chain = sending_chain(self.vectors, 0)
        self.sender = self.chain.sender
        self.view = int.from_bytes(raw(self.vectors, "view"), "little")
        names = ("member", "newcomer", "returned")
        self.receivers = {name: sender_key.Chains() for name in names}
        self.handed: dict[str, list[bytes]] = {name: [] for name in self.receivers}
        self.envelopes: dict[int, bytes] = {}
        self.forged: set[int] = set()

    def play(self) -> str:
        events = self.vectors["events"]
        steps = {
            "send": self._send, "rotate": self._rotate, "hand over": self._hand_over,
            "receive": self._receive, "forge": self._forge, "refuse": self._refuse,
        }
        for index, event in enumerate(events):
            try:
                steps[event["event_text"]](event)
            except (Failure, ProtocolError) as error:
                raise Failure(f"event {index} ({event['event_text']}): {error}") from error
            if "envelope" in event:
                self.envelopes[event["envelope_number"]] = raw(event, "envelope")
        for name, chains in self.receivers.items():
            expect(len(chains.chains) in (2, 3), f"chains of {name}")
        return f"{len(events)} events"

    def _send(self, event: Vector) -> None:
        expect_bytes(self.vectors["chains"][event["chain"]], "chain_id", self.chain.chain_id)
        expect_equal(self.chain.iteration, event["iteration"], "iteration")
        body = raw(event, "message_id") + raw(event, "content")
        encoded = pb.Payload(body=body, view=self.view).SerializeToString()
        padded = payload.pad(encoded, b"")
        expect_bytes(event, "padded_payload", padded)
        roster_head, salt = raw(event, "roster_head"), raw(event, "salt")
        before = self.chain
        expect_bytes(event, "message_key", before.step()[1])
        self.chain, message = before.seal(roster_head, padded, salt)
        head = sender_key.split_head(message.head)
        header = sender_key.Header(event["iteration"], roster_head[:16])
        expect_bytes(event, "header", header.encode())
        expect_bytes(event, "tag", head.tag)
        expect_bytes(event, "salt", head.salt)
        expect_bytes(event, "masked", head.masked)
        expect_bytes(event, "key", sender_key.message_aead(raw(event, "message_key"), salt)[0])
        ad = sender_key.associated_data(before.context)
        covered = sender_key.covered_part(ad, roster_head, head, header)
        expect_bytes(event, "aead_associated_data", covered)
        expect_bytes(event, "sealed", message.sealed)
        expect_bytes(event, "signature", message.signature)
        expect_bytes(event, "envelope", sender_key.envelope_of(message))

    def _forge(self, event: Vector) -> None:
        self.forged.add(event["envelope_number"])

    def _rotate(self, event: Vector) -> None:
        length = self.vectors["chains"][event["chain"] - 1]["length"]
        # The forged ones that count were made with the chain's own keys.
        expect(self.chain.iteration <= length, "a chain longer than the vectors say")
        self.chain = sending_chain(self.vectors, event["chain"])

    def _refuse(self, event: Vector) -> None:
        chains = self.receivers[event["receiver_text"]]
        message = parsed(pbs.SenderKeyDistribution, raw(event, "distribution"))
        expect_refused(lambda: chains.take(message, self.sender, NOW), event["what_text"])
        self._compare_missing(event)

    def _hand_over(self, event: Vector) -> None:
        name = event["receiver_text"]
        standing = sending_chain(self.vectors, event["chain"], event["iteration"])
        if event["rolled_back"]:
            # Of this one the vectors alone know how many it says.
            said = pbs.SenderKeyDistribution.FromString(raw(event, "distribution"))
            standing = replace(standing, replaced_length=said.replaced_length)
        message = parsed(pbs.SenderKeyDistribution, raw(event, "distribution"))
        ended = next(
            ((raw(v, "chain_id"), v["length"]) for v in self.vectors["chains"]
             if v["chain_id"] == message.ended_chain_id.hex()),
            (b"", 0),
        )
        wanted = standing.distribution(message.missed, message.replaced_missed, ended)
        expect_equal(message, wanted, "distribution")
        before = self.receivers[name]
        chains, taken = before.take(message, self.sender, NOW)
        expect_equal(taken.known, event["known"], "known")
        if taken.known:
            expect_equal(chains, before, "what is known stays as it is")
        else:
            self.handed[name].append(taken.chain_id)
        again, repeated = chains.take(message, self.sender, NOW)
        expect_equal((again, repeated.known), (chains, True), "handed over twice")
        expect_equal(taken.passed_over, event["passed_over"], "passed over")
        expect_equal(taken.rolled_back, event["rolled_back"], "rolled back")
        expect_equal(taken.lost, 0, "lost")
        missed = [{"chain_id": c.hex(), "iterations": list(i)} for c, i in taken.missed]
        expect_equal(missed, event["missed"], "missed")
        self.receivers[name] = chains
        self._compare_missing(event)
        for chain_id, iterations in taken.missed:
            name_of = (standing.group, self.sender, chain_id)
            expect_equal(chains.wanted(name_of), list(iterations), "what is asked for")

    def _compare_missing(self, event: Vector) -> None:
        chains, group = self.receivers[event["receiver_text"]], raw(self.vectors, "group_id")
        kept = {c.chain_id: sorted(c.missing) for c in chains.of(group, self.sender)}
        found = [(name, kept[name]) for name in self.handed[event["receiver_text"]]]
        wanted = [(raw(v, "chain_id"), v["iterations"]) for v in event["missing"]]
        expect_equal(found, wanted, "missing")

    def _receive(self, event: Vector) -> None:
        name = event["receiver_text"]
        message = pb.Envelope.FromString(self.envelopes[event["envelope_number"]]).group_message
        try:
            head = sender_key.check_message(message)
            found = self.receivers[name].find(head)
            after, opened = found.chain.receive(
                message, head, found.header, raw(event, "roster_head"), NOW
            )
        except ProtocolError as error:
            expect_equal(error.word, event["outcome_text"], error.text)
        else:
            self.receivers[name] = self.receivers[name].put(after)
            outcome = "opened" if opened.payload else "malformed"
            expect_equal(outcome, event["outcome_text"], "outcome")
            expect_equal(opened.iteration, event["iteration"], "iteration")
            expect_equal(opened.passed_over, event["passed_over"], "passed over")
            if opened.payload:
                expect_bytes(event, "content", opened.payload.content)
                if event["envelope_number"] not in self.forged:
                    expect_equal(opened.payload.message.view, self.view, "view")
        self._compare_missing(event)


def check_group() -> str:
    return Group().play()


def test_file(length: int) -> bytes:
    """The file of attachment.json."""
    return bytes((7 * i + i // 251) % 256 for i in range(length))


def check_attachment_layouts() -> str:
    vectors = load("attachment.json")["layouts"]
    for v in vectors:
        length = v["length"]
        expect_equal(attachment.padded_length(length), v["padded_length"], f"P of {length}")
        expect_equal(attachment.chunk_count(length), v["chunks"], f"chunks of {length}")
        expect_equal(attachment.sealed_length(length), v["sealed_length"], f"sealed, {length}")
    return f"{len(vectors)} layouts"


def check_attachments() -> str:
    vectors = load("attachment.json")
    for v in vectors["attachments"]:
        file, media_type, secret = test_file(v["length"]), raw(v, "media_type"), raw(v, "secret")
        keys = attachment.derive(secret, v["length"], media_type)
        expect_bytes(v, "key", keys.key)
        expect_bytes(v, "head", keys.head)
        _, sealed, digest = attachment.seal(file, media_type, secret)
        expect_bytes(v, "digest", digest)
        expect_equal(len(sealed), attachment.sealed_length(v["length"]), "sealed length")
        count = attachment.chunk_count(v["length"])
        for chunk_vector in v["chunks"]:
            index = chunk_vector["index"]
            expect_bytes(chunk_vector, "nonce", attachment.nonce(index, count))
            end = min(attachment.chunk_offset(index + 1), len(sealed))
            expect_bytes(chunk_vector, "tag", sealed[end - attachment.TAG : end])
        opened = attachment.open_all(secret, v["length"], media_type, digest, sealed)
        expect_equal(opened, file, v["name_text"])
    refused = vectors["refused"]
    digest = raw(refused, "digest")
    expect_equal(p.sha256(raw(refused, "sealed")), digest, "digest")
    good = next(v for v in refused["pointers"] if v["again"])
    for again in (False, True):
        # Each chunk of both opens: the digest alone tells them apart.
        sealed = raw(refused, "sealed_again" if again else "sealed")
        pointer = (raw(good, "secret"), good["length"], raw(good, "media_type"))
        attachment.open_all(*pointer, p.sha256(sealed), sealed)
    for v in refused["pointers"]:
        sealed = raw(refused, "sealed_again" if v["again"] else "sealed")
        sealed = sealed[: len(sealed) - v["cut"]]
        pointer = (raw(v, "secret"), v["length"], raw(v, "media_type"))
        expect_refused(
            lambda sealed=sealed, pointer=pointer: attachment.open_all(*pointer, digest, sealed),
            v["reason"],
        )
    return f"{len(vectors['attachments'])} attachments, {len(refused['pointers'])} refused"


def check_emoji_contents(v: Vector, found: emoji.Comparison) -> None:
    """Each step as a content, from its sender to the device that it is for."""
    to_initiator, to_responder = v["initiator"]["device_id"], v["responder"]["device_id"]
    steps: dict[str, tuple[int, dict[str, Any]]] = {
        "start": (0, {"start": pbc.VerificationStart()}),
        "commitment": (to_initiator, {"commitment": raw(v, "commitment")}),
        "key": (to_responder, {"key": raw(v, "initiator_key")}),
        "reveal": (to_initiator, {"reveal": raw(v, "responder_key")}),
        "initiator_confirmation": (
            to_responder, {"confirmation": found.confirmation(emoji.INITIATOR)}
        ),
        "responder_confirmation": (
            to_initiator, {"confirmation": found.confirmation(emoji.RESPONDER)}
        ),
        "cancelled": (0, {"end": pbc.VERIFICATION_END_CANCELLED}),
        "mismatch": (to_responder, {"end": pbc.VERIFICATION_END_MISMATCH}),
    }
    expect_equal(sorted(steps), sorted(v["contents"]), "steps")
    for name, (device, step) in steps.items():
        verification = pbc.Verification(
            transaction_id=raw(v, "transaction_id"), device_id=device, **step
        )
        message = pbc.Content(sent_at=v["sent_at"], verification=verification)
        both_ways(message, {"name_text": name, "content": v["contents"][name]})


def check_comparison(v: Vector) -> None:
    devices = [device_of(v[name]) for name in ("initiator", "responder")]
    parties = [emoji.Party(d.address.user, d.account.public) for d in devices]
    names = ("initiator_key", "responder_key")
    keys = [p.x25519_pair(raw(v, f"{name}_private")) for name in names]
    for name, key in zip(names, keys, strict=True):
        expect_bytes(v, name, key.public)
    transaction = raw(v, "transaction_id")
    committed = emoji.commitment(transaction, *parties, keys[1].public)
    expect_bytes(v, "commitment", committed)
    emoji.check_commitment(committed, transaction, *parties, keys[1].public)
    expect_refused(
        lambda: emoji.check_commitment(committed, transaction, *parties, keys[0].public),
        "a key that was not committed to",
    )
    confirmed = (
        (emoji.INITIATOR, raw(v, "initiator_confirmation")),
        (emoji.RESPONDER, raw(v, "responder_confirmation")),
    )
    sides = ((keys[0], keys[1], emoji.INITIATOR), (keys[1], keys[0], emoji.RESPONDER))
    for own, theirs, side in sides:
        found = emoji.compare(transaction, *parties, own, theirs.public, side)
        expect_bytes(v, "emoji_bytes", found.emoji_bytes)
        expect_bytes(v, "mac_key", found.mac_key)
        expect_equal(list(found.numbers()), v["numbers"], "numbers")
        expect_equal(found.shown(), v["shown_text"], "what is shown")
        for other, confirmation in confirmed:
            expect_equal(found.confirmation(other), confirmation, "confirmation")
            found.check_confirmation(other, confirmation)
            expect_refused(
                lambda f=found, o=other, c=confirmation: f.check_confirmation(3 - o, c),
                "a confirmation of the other side",
            )
    expect_refused(
        lambda: emoji.compare(transaction, *parties, keys[0], bytes(32), emoji.INITIATOR),
        "a key of low order",
    )
    check_emoji_contents(v, found)


def check_emoji() -> str:
    vectors = load("emoji.json")
    table = [(v["symbol_text"], v["name_text"]) for v in vectors["table"]]
    expect_equal(list(emoji.TABLE), table, "table")
    expect_equal([v["number"] for v in vectors["table"]], list(range(64)), "numbers of the table")
    for v in vectors["comparisons"]:
        check_comparison(v)
    return f"{len(vectors['comparisons'])} comparisons"


def check_shown() -> str:
    vectors = load("shown.json")["shown"]
    for v in vectors:
        written = raw(v, "written").decode()
        for kind, make in (
            ("name", shown.name), ("file_name", shown.file_name), ("text", shown.text),
        ):
            found, wanted = make(written), raw(v, kind).decode()
            expect_equal(ascii(found), ascii(wanted), f"{ascii(written)} as {kind}")
    return f"{len(vectors)} written"


def compare_roster(v: Vector, found: roster.Roster) -> None:
    """A state of rosters.json."""
    state = found.state()
    expect_bytes(v, "seal", found.current.seal.id)
    expect_equal(found.tips(), [bytes.fromhex(tip) for tip in v["tips"]], "tips")
    expect_bytes(v, "head", found.head())
    members = [
        {"user_id": m.user.hex(), "account_key": m.key.hex(), "role_text": ROLE_NAMES[role]}
        for m, role in sorted(state.members.items())
    ]
    expect_equal(members, v["members"], "members")
    expect_equal(state.title, raw(v, "title").decode(), "title")
    expect_equal(state.picture, raw(v, "picture"), "picture")
    expect_equal(state.timer, v["timer"], "timer")


class Signers:
    """Who signs in rosters.json: by user the device with the account key, or the one that takes
    its place on the newer list."""

    def __init__(self, vectors: Vector) -> None:
        self.devices: dict[int, DeviceKeys] = {}
        self.lists: dict[int, identity.DeviceList] = {}
        self.accounts: dict[bytes, DeviceKeys] = {}
        for v in vectors["members"]:
            keys = device_of(v)
            self.accounts[keys.address.user] = keys
            self._add(keys, raw(v, "signed_list"))
        v = vectors["new_device"]
        account = self.accounts[raw(v, "user_id")].account
        party = {**v, "account_seed": account.private.hex(), "account_key": account.public.hex()}
        self._add(device_of(party), raw(v, "signed_list"))
        self.new = self.lists[v["device_id"]]
        expect_equal((self.new.version, list(self.new.devices)), (3, [v["device_id"]]), "new list")

    def _add(self, keys: DeviceKeys, signed_list: bytes) -> None:
        self.devices[keys.address.device] = keys
        self.lists[keys.address.device] = identity.check_list(signed_list)

    def of(self, change: Any) -> tuple[DeviceKeys, identity.DeviceList]:
        """The device that signs a change, and the list that it goes by."""
        if not change.device_id:
            keys = self.accounts[change.author.user_id]
            if change.HasField("devices"):
                return keys, self.new
            return keys, self.lists[keys.address.device]
        return self.devices[change.device_id], self.lists[change.device_id]


def check_step(v: Vector, signers: Signers) -> None:
    """A change and the update with it, made anew from what they say."""
    change = parsed(pbr.GroupChange, raw(v, "change"))
    author, own_list = signers.of(change)
    by_account = v["kind_text"] in group_change.BY_ACCOUNT
    key = author.account if by_account else author.signing
    signature = p.sign(key.private, labels.GROUP_CHANGE, raw(v, "change"))
    expect_bytes(v, "signature", signature)
    expect_bytes(v, "id", group_change.change_id(raw(v, "change")))
    expect_equal(change.WhichOneof("kind"), v["kind_text"], "kind")
    update = pbr.GroupUpdate()
    update.changes.add(change=raw(v, "change"), signature=signature)
    if by_account:
        expect_equal((change.device_id, change.device_list), (0, b""), "device")
    else:
        update.lists.add().ParseFromString(own_list.signed)
        device = (author.address.device, own_list.hash)
        expect_equal((change.device_id, change.device_list), device, "device")
    expect_bytes(v, "update", update.SerializeToString())


def own_step(before: roster.Roster, v: Vector, signers: Signers) -> bool:
    """A change on top of all that counts is what this client would have signed."""
    change = pbr.GroupChange.FromString(raw(v, "change"))
    if list(change.parents) != before.parents():
        return False
    kind = v["kind_text"]
    keys, own_list = signers.of(change)
    if kind == "seal":
        owner = group_change.check_member(change.seal.owner)
        _, update = before.seal(keys, owner)
    elif kind == "devices":
        _, update = before.tell_devices(keys, own_list)
    elif v["counts"]:
        _, update = before.change(keys, own_list, **{kind: getattr(change, kind)})
    else:
        return False
    expect_bytes(v, "update", update)
    return True


def expect_no_part(before: roster.Roster, v: Vector) -> None:
    """A change of which one bit is another, or whose list is not there, is not taken."""
    update = pbr.GroupUpdate.FromString(raw(v, "update"))
    for name in ("change", "signature"):
        damaged = pbr.GroupUpdate.FromString(raw(v, "update"))
        value = bytearray(getattr(damaged.changes[0], name))
        value[-1] ^= 1
        setattr(damaged.changes[0], name, bytes(value))
        after, outcome = before.update(damaged.SerializeToString())
        expect(not outcome.taken and after.head() == before.head(), f"{name} altered, and taken")
    if update.lists:
        own_list = identity.check_list(update.lists[0].SerializeToString())
        del update.lists[:]
        known = {name: one for name, one in before.lists.items() if name != own_list.hash}
        waiting, outcome = replace(before, lists=known).update(update.SerializeToString())
        expect_equal(outcome.wanted, (own_list.hash,), "the list that is asked for")
        lists = pbr.GroupUpdate()
        lists.lists.add().ParseFromString(own_list.signed)
        _, outcome = waiting.update(lists.SerializeToString())
        expect_equal(outcome.taken, (raw(v, "id"),), "taken once the list has come")


def check_rosters() -> str:
    vectors = load("rosters.json")
    signers = Signers(vectors)
    owner = device_of(vectors["members"][0])
    group = raw(vectors, "group")
    welcome = parsed(pbr.GroupWelcome, raw(vectors, "welcome"))
    first = pbr.GroupChange.FromString(welcome.seals[0].change)
    title = raw(vectors["first"], "title").decode()
    own_list = signers.lists[owner.address.device]
    created = roster.create(owner, own_list, title, first.seal.nonce)
    expect_equal(created.group, group, "group")
    expect_equal(created.make_welcome(), raw(vectors, "welcome"), "welcome")
    expect_bytes(vectors, "roster_hash", created.current.base.hash())
    state = roster.from_welcome(raw(vectors, "welcome"), group)
    expect_refused(lambda: roster.from_welcome(raw(vectors, "welcome"), bytes(32)), "another group")
    compare_roster(vectors["first"], state)
    made = 0
    for v in vectors["steps"]:
        try:
            check_step(v, signers)
            before = state
            expect_no_part(before, v)
            state, outcome = before.update(raw(v, "update"))
            expect_equal(outcome.refused, (), "refused")
            expect_equal(outcome.taken, (raw(v, "id"),), "taken")
            expect_equal(state.counts(raw(v, "id")), v["counts"], "counts")
            compare_roster(v, state)
            made += own_step(before, v, signers)
        except (Failure, ProtocolError) as error:
            raise Failure(f"{v['what_text']}: {error}") from error
    refuse_and_hold(vectors, state)
    check_newcomer(vectors, state)
    shuffle_steps(vectors, state)
    steps, refused, held = (len(vectors[name]) for name in ("steps", "refused", "held"))
    return f"{steps} changes, {made} of them signed here too; {refused} refused, {held} held"


def refuse_and_hold(vectors: Vector, state: roster.Roster) -> None:
    """What is refused after the last step, and what waits; neither changes the state."""
    last = vectors["steps"][-1]
    for v in vectors["refused"]:
        message = parsed(pbr.GroupUpdate, raw(v, "update"))
        expect_bytes(v, "id", group_change.change_id(message.changes[0].change))
        after, outcome = state.update(raw(v, "update"))
        refused = [name for name, _ in outcome.refused]
        expect_equal((outcome.taken, refused), ((), [raw(v, "id")]), v["reason"])
        expect_equal(after, state, f"state after: {v['reason']}")
    waiting = state
    for v in vectors["held"]:
        parsed(pbr.GroupUpdate, raw(v, "update"))
        after, outcome = state.update(raw(v, "update"))
        found = (outcome.taken, outcome.refused, outcome.wanted, len(after.held))
        expect_equal(found, ((), (), (raw(v, "wanted"),), 1), v["what_text"])
        compare_roster(last, after)
        waiting, outcome = waiting.update(raw(v, "update"))
        expect(raw(v, "wanted") in outcome.wanted, f"{v['what_text']}, beside the others")
        compare_roster(last, waiting)


def check_newcomer(vectors: Vector, wanted: roster.Roster) -> None:
    """Who knows nothing, and is told all that a newcomer needs."""
    v, group = vectors["newcomer"], raw(vectors, "group")
    parsed(pbr.GroupWelcome, raw(v, "welcome"))
    parsed(pbr.GroupUpdate, raw(v, "update"))
    found = roster.from_welcome(raw(v, "welcome"), group)
    found, outcome = found.update(raw(v, "update"))
    expect_equal((outcome.refused, outcome.wanted), ((), ()), "what the newcomer's update leaves")
    compare_roster(vectors["steps"][-1], found)
    expect_equal(found.state(), wanted.state(), "the newcomer's state")
    for side in (found, wanted):
        expect_bytes(v, "ask", side.ask().SerializeToString())
        expect_bytes(v, "welcome", side.make_welcome())
        expect_bytes(v, "update", side.changes_since())
    # Who has the first seal alone gets the same, since two have come since.
    behind = roster.from_welcome(raw(vectors, "welcome"), group)
    expect_equal(wanted.answer(behind.ask()), (raw(v, "welcome"), raw(v, "update")), "an answer")
    behind, _ = behind.welcome(raw(v, "welcome"))
    behind, _ = behind.update(raw(v, "update"))
    compare_roster(vectors["steps"][-1], behind)


def shuffle_steps(vectors: Vector, wanted: roster.Roster) -> None:
    """In whatever order the changes come, the state is the same."""
    source = random.Random(1)
    for _ in range(30):
        steps = list(vectors["steps"])
        source.shuffle(steps)
        state = roster.from_welcome(raw(vectors, "welcome"), raw(vectors, "group"))
        for v in steps:
            state, _ = state.update(raw(v, "update"))
        expect_equal(state.head(), wanted.head(), "head after another order")
        expect_equal(state.state(), wanted.state(), "state after another order")


def vector_checks() -> list[Check]:
    """All checks of the vectors; every file in the folder is used by one."""
    wanted = {
        "labels", "derivations", "device_lists", "prekeys", "handshakes", "ratchet", "erasure",
        "padding", "safety_numbers", "content", "links", "backups", "rosters", "sender_keys",
        "attachment", "emoji", "shown",
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
        ("vectors: ratchet steps", check_ratchet_steps),
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
        ("vectors: what is shown", check_shown),
    ]


if __name__ == "__main__":
    sys.exit(finish(*run_checks(vector_checks())))
