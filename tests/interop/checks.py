"""Running checks and counting them: one line a check."""

import traceback
from collections.abc import Callable, Iterable

from subrosa.errors import ProtocolError

Check = tuple[str, Callable[[], str]]


class Failure(Exception):
    """A check found something wrong."""


def expect(condition: bool, text: str) -> None:
    if not condition:
        raise Failure(text)


def expect_equal(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Failure(f"{what}: {_shown(found)} instead of {_shown(wanted)}")


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 160 else f"{text[:160]}... ({len(text)} characters)"


def run_checks(checks: Iterable[Check]) -> tuple[int, int]:
    """How many passed and how many failed. A check returns a remark, or raises."""
    passed = failed = 0
    for name, check in checks:
        try:
            remark = check()
        except (Failure, ProtocolError, OSError) as error:
            failed += 1
            print(f"FAIL  {name}: {error}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {name}: this client failed\n{traceback.format_exc()}", flush=True)
        else:
            passed += 1
            print(f"ok    {name}" + (f" ({remark})" if remark else ""), flush=True)
    return passed, failed


def finish(passed: int, failed: int) -> int:
    """The closing line; the exit code."""
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
