"""The reference implementation's test program, driven as PEER.md says."""

import socket
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType

from subrosa.errors import ProtocolError
from subrosa.groups import GroupEvent
from subrosa.identity import Address
from subrosa.peer import Event, Sent

START_SECONDS = 30
ANSWER_SECONDS = 60


class BrokenPeer(OSError):
    """The program does not start, does not answer, or answers something else than PEER.md says."""


def _word(data: bytes) -> str:
    return data.hex() or "-"


def _data(word: str) -> bytes:
    return b"" if word == "-" else bytes.fromhex(word)


class RemotePeer:
    """One process of the program; a context manager that ends it."""

    def __init__(self, path: str, user: bytes) -> None:
        self.process = subprocess.Popen(
            [path, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        )
        try:
            self._connect()
            device, signed_list = self._request("create", _word(user), words=2)
        except BaseException:
            self.close()
            raise
        self.address = Address(user, int(device))
        self.signed_list = _data(signed_list)

    def _connect(self) -> None:
        assert self.process.stdout is not None
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        line = self.process.stdout.readline().split()
        timer.cancel()
        if len(line) != 2 or line[0] != "listening":
            raise BrokenPeer(f"the peer says {line} where it should say that it listens")
        host, port = line[1].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), START_SECONDS)
        self.socket.settimeout(ANSWER_SECONDS)
        self.lines = self.socket.makefile("r", encoding="ascii", newline="\n")

    def _request(self, *request: str, words: int) -> list[str]:
        """The words after `ok`; ProtocolError with the word after `error`."""
        try:
            self.socket.sendall(" ".join(request).encode() + b"\n")
            answer = self.lines.readline().split()
        except OSError as error:
            raise BrokenPeer(f"no answer to {request[0]}: {error}") from error
        if len(answer) >= 2 and answer[0] == "error":
            raise ProtocolError(answer[1], "peer: " + " ".join(answer[2:]))
        if not answer or answer[0] != "ok":
            raise BrokenPeer(f"the answer to {request[0]} is {answer[:3]}")
        if words >= 0 and len(answer) != words + 1:
            raise BrokenPeer(f"the answer to {request[0]} has {len(answer) - 1} words")
        return answer[1:]

    def bundle(self, one_time: bool) -> bytes:
        return _data(self._request("bundle", "one-time" if one_time else "none", words=1)[0])

    def initiate(self, user: bytes, bundle: bytes) -> Address:
        device = self._request("initiate", _word(user), _word(bundle), words=1)[0]
        return Address(user, int(device))

    def send(self, to: Address, content: bytes) -> Sent:
        return self._send("send", to, content)

    def notice(self, to: Address, content: bytes) -> Sent:
        return self._send("notice", to, content)

    def _send(self, request: str, to: Address, content: bytes) -> Sent:
        envelope, seq, message_id = self._request(
            request, _word(to.user), str(to.device), _word(content), words=3
        )
        return Sent(_data(envelope), int(seq), _data(message_id))

    def answer(self, to: Address) -> bytes:
        return _data(self._request("answer", _word(to.user), str(to.device), words=1)[0])

    def group_create(self, title: str, users: Sequence[bytes]) -> tuple[bytes, bytes]:
        words = [_word(title.encode()), *map(_word, users)]
        group, content = self._request("group-create", *words, words=2)
        return _data(group), _data(content)

    def group_change(self, group: bytes, kind: str, argument: bytes | str = b"") -> bytes:
        data = argument.encode() if isinstance(argument, str) else argument
        words = [] if kind == "leave" else [_word(data)]
        return _data(self._request("group-change", _word(group), kind, *words, words=1)[0])

    def group_introduce(self, group: bytes) -> bytes:
        return _data(self._request("group-introduce", _word(group), words=1)[0])

    def group_news(self, sender: Address, content: bytes) -> tuple[bytes, bytes]:
        words = [_word(sender.user), str(sender.device), _word(content)]
        group, head = self._request("group-news", *words, words=2)
        return _data(group), _data(head)

    def group_state(self, group: bytes) -> tuple[bytes, str, list[tuple[bytes, str]]]:
        head, title, members = self._request("group-state", _word(group), words=3)
        found = [member.rsplit(":", 1) for member in members.split(",")]
        return _data(head), _data(title).decode(), [(_data(u), role) for u, role in found]

    def group_key(self, group: bytes, to: Address) -> bytes:
        words = [_word(group), _word(to.user), str(to.device)]
        return _data(self._request("group-key", *words, words=1)[0])

    def group_saved(self, group: bytes, to: Address) -> bytes:
        words = [_word(group), _word(to.user), str(to.device)]
        return _data(self._request("group-saved", *words, words=1)[0])

    def group_rotate(self, group: bytes) -> None:
        self._request("group-rotate", _word(group), words=0)

    def group_send(self, group: bytes, content: bytes) -> Sent:
        words = [_word(group), _word(content)]
        envelope, iteration, message_id = self._request("group-send", *words, words=3)
        return Sent(_data(envelope), int(iteration), _data(message_id))

    def receive(self, envelope: bytes) -> Event:
        kind, user, device, *rest = self._request("receive", _word(envelope), words=-1)
        if kind == "group":
            # The group comes first.
            if len(rest) != 4:
                raise BrokenPeer(f"the answer to receive is a group with {len(rest)} words more")
            sender = Address(_data(device), int(rest[0]))
            said = (int(rest[1]), _data(rest[2]), _data(rest[3]))
            return GroupEvent(sender, *said, (), _data(user))
        sender = Address(_data(user), int(device))
        if (kind, len(rest)) not in (("message", 4), ("control", 1)):
            raise BrokenPeer(f"the answer to receive is a {kind} with {len(rest)} words more")
        reports = () if rest[-1] == "-" else tuple(rest[-1].split(","))
        if kind == "control":
            return Event(sender, 0, b"", b"", reports)
        return Event(sender, int(rest[0]), _data(rest[1]), _data(rest[2]), reports)

    def status(self, address: Address) -> tuple[int, bool, int]:
        epochs, confirmed, sessions = self._request(
            "status", _word(address.user), str(address.device), words=3
        )
        return int(epochs), confirmed == "1", int(sessions)

    def safety(self, user: bytes) -> str:
        return self._request("safety", _word(user), words=1)[0]

    def reload(self) -> None:
        self._request("reload", words=0)

    def quit(self) -> int:
        """End as PEER.md says; the exit code."""
        self._request("quit", words=0)
        try:
            return self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise BrokenPeer("the peer does not end after quit") from error

    def close(self) -> None:
        if hasattr(self, "socket"):
            self.lines.close()
            self.socket.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> "RemotePeer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
