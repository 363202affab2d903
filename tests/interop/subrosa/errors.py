"""The errors that SPEC.md, section 8, distinguishes, by the words of PEER.md."""

MALFORMED = "malformed"
UNKNOWN = "unknown"
DUPLICATE = "duplicate"
ROLLED_BACK = "rolled-back"
KEY_GONE = "key-gone"
TOO_FAR = "too-far"
NOT_OPENED = "not-opened"
OTHER_ROSTER = "other-roster"
UNKNOWN_HEAD = "unknown-head"
REFUSED = "refused"
USAGE = "usage"


class ProtocolError(Exception):
    """Something was refused; nothing has changed."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(f"{word}: {text}")
        self.word = word
        self.text = text


class InvalidKey(ValueError):
    """A key, a signature or a tag that SPEC.md, section 2.2, refuses."""
