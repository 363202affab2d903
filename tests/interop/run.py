"""Runs the self test's conversation, the test vectors and the conversations with the program."""

import argparse
import sys
from pathlib import Path

from check_vectors import vector_checks
from checks import finish, run_checks
from converse import conversation_checks
from converse_groups import group_checks
from selftest import self_checks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="path of the test program's binary")
    path = str(Path(parser.parse_args().peer).resolve())
    checks = self_checks() + vector_checks() + conversation_checks(path) + group_checks(path)
    return finish(*run_checks(checks))


if __name__ == "__main__":
    sys.exit(main())
