"""What the run and its reader say to each other: messages behind their length, four bytes, big-endian.

The run sends one `Watch` as JSON, the reader `Opened`, then `Frame`s, then `Ended`, as MessagePack.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from alterd_vitess.keys import Key

LENGTH: Final = struct.Struct(">I")

Interval = tuple[str, int, int]
"""Sid, first and last number."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What to read. Its text form hides the password."""

    host: str
    port: int
    user: str
    password: str
    session_name: str
    """`program_name` of the dump's connection, by which a later attempt finds it."""
    server_id: int
    """Not used by any other reader of this server."""
    start: str
    """A GTID set: all of it has been seen."""
    table_schema: str
    table: str
    key: Key
    marker: str
    """DDL that begins with this text, a comment, is our own and passed over."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__} | {"password": "***"}
        return f"Watch({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __rich_repr__(self) -> Any:
        for name in self.__struct_fields__:
            yield name, "***" if name == "password" else getattr(self, name)


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="opened"):
    """The server sends its binlog."""


class Frame(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """Some whole transactions."""

    gtids: list[Interval]
    """Of all transactions in it."""
    touching: list[Interval]
    """Of those that touched the table."""
    keys: list[bytes]
    """Touched ones, before- and after-images, each once."""
    rows: int
    """Rows of the table that were inserted, updated or deleted."""


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    """Why there is no more."""

    code: str
    message: str
    hint: str
    where: dict[str, str]


FromReader = Opened | Frame | Ended

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(FromReader)


def packed(message: FromReader) -> bytes:
    """The message behind its length."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def unpacked(body: bytes) -> FromReader:
    """Raises msgspec.MsgspecError."""
    message: FromReader = _decoder.decode(body)
    return message


def packed_watch(watch: Watch) -> bytes:
    body = msgspec.json.encode(watch)
    return LENGTH.pack(len(body)) + body


def unpacked_watch(body: bytes) -> Watch:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(body, type=Watch)
