"""What is shown of names, file names and texts: SPEC.md, section 10.2."""

_FIRST_TAG, _LAST_TAG, _FLAG = 0xE0020, 0xE007F, 0x1F3F4
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_JOINERS = "\u200c\u200d"
# Of these the first two are category Cc.
_UNSEEN = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
    (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)
# White_Space; `str.isspace` has four control characters more.
_WHITE = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)
_LINE_ENDS = "\u2028\u2029"
_STAY_IN_TEXTS = "\n\t\u200e\u200f\u061c"
_NOT_IN_FILE_NAMES = '/\\:*?"<>|'
_MAX = 64
_FILE_NAME_END = 16


def _is_in(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


def _is_unseen(character: str) -> bool:
    return _is_in(character, _UNSEEN)


def _is_white(character: str) -> bool:
    return _is_in(character, _WHITE)


def _one_line(written: str) -> str:
    """Without what nobody sees; each run of white space one space, none at the ends."""
    kept = (c for c in written if _is_white(c) or not _is_unseen(c))
    parts = "".join(" " if _is_white(c) else c for c in kept).split(" ")
    return " ".join(part for part in parts if part)


def name(written: str) -> str:
    line = _one_line(written)
    return line if len(line) <= _MAX else f"{line[: _MAX - 1]}…"


def file_name(written: str) -> str:
    line = "".join("_" if c in _NOT_IN_FILE_NAMES else c for c in _one_line(written))
    line = line.strip(". ") or "file"
    if len(line) <= _MAX:
        return line
    return f"{line[: _MAX - 1 - _FILE_NAME_END]}…{line[-_FILE_NAME_END:]}"


def text(written: str) -> str:
    kept = ""
    for character in written:
        if character in _LINE_ENDS:
            character = "\n"
        stays = not _is_unseen(character) or character in _STAY_IN_TEXTS
        if stays or kept and _belongs(character, kept[-1]):
            kept += character
    return kept


def _belongs(character: str, before: str) -> bool:
    """Whether an unseen character stays behind one that has stayed."""
    if character in _JOINERS:
        seen = not before.isascii() and not _is_unseen(before)
        return seen or _is_in(before, _SELECTORS)
    if _is_in(character, _SELECTORS):
        return not _is_white(before) and not _is_unseen(before)
    if _FIRST_TAG <= ord(character) <= _LAST_TAG:
        return ord(before) == _FLAG or _FIRST_TAG <= ord(before) <= _LAST_TAG
    return False
