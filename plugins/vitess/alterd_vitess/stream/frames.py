"""What the run and its reader say to each other: messages behind their length, four bytes, big-endian.

The run sends one `Watch` as JSON, the reader `Opened`, then `Frame`s, then `Ended`, as MessagePack.

A frame is some whole transactions, or a part of a large one: then it has keys and no `gtids`, and the frame with the
transaction's GTID among its `gtids` follows unless the stream is lost, or the server died while it wrote it.
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
    fresh: bool = True
    """Nothing was read from `start` on before, so prepared XA transactions may be older than it."""
    replica_of: str = ""
    """The primary's server_uuid, where the server is a replica of it."""
    folder: str = ""
    """For files; the system's temporary one unless given."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__} | {"password": "***"}
        return f"Watch({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __rich_repr__(self) -> Any:
        for name in self.__struct_fields__:
            yield name, "***" if name == "password" else getattr(self, name)


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="opened"):
    """The server sends its binlog."""

    executed: str = ""
    """A GTID set: what it had executed before, where it is a replica."""


class Frame(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """What some transactions touched."""

    gtids: list[Interval]
    """Of all transactions that are over with it: a prepared one's when it is committed or rolled back."""
    touching: list[Interval]
    """Those which must be visible before its keys are read again."""
    keys: list[bytes]
    """Touched ones, before- and after-images, each once."""
    rows: int
    """Rows of the table that were inserted, updated or deleted."""
    prepared: list[Interval] = []
    """Of XA transactions in it that were prepared and touched the table: they are open."""


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
