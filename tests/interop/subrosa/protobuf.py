"""The protobuf modules, generated when this module is imported (SPEC.md, section 2.1)."""

import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from grpc_tools import protoc

from .errors import MALFORMED, ProtocolError

PROTO_FOLDER = Path(__file__).resolve().parents[3] / "proto"
FILES = (
    "keys", "sender_key", "roster", "envelope", "content", "directory", "stored", "messenger",
)

AnyMessage = TypeVar("AnyMessage", bound=Message)


def _generate() -> list[ModuleType]:
    with tempfile.TemporaryDirectory(prefix="subrosa-proto-") as folder:
        arguments = ["protoc", f"-I{PROTO_FOLDER}", f"--python_out={folder}"]
        if protoc.main(arguments + [f"{name}.proto" for name in FILES]) != 0:
            raise RuntimeError(f"protoc failed on the files in {PROTO_FOLDER}")
        sys.path.insert(0, folder)
        try:
            return [importlib.import_module(f"{name}_pb2") for name in FILES]
        finally:
            sys.path.remove(folder)


keys, sender_key, roster, envelope, content, directory, stored, messenger = _generate()


def parse(kind: type[AnyMessage], data: bytes) -> AnyMessage:
    """Decode one message; ProtocolError(malformed) where protobuf cannot."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ProtocolError(MALFORMED, f"{kind.__name__}: {error}") from error
    return message
