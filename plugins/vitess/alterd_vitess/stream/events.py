"""Binlog events: their types, and the few facts that are read from their heads. Pure."""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

HEAD: Final = 19
"""Bytes of an event's head: time, type, server, size, position, flags."""
TYPE_BEFORE: Final = HEAD - 4
"""Bytes before an event's body where its type stands, and where its flags do."""
FLAGS_BEFORE: Final = 2
IGNORABLE: Final = 0x80
"""In the flags: who does not know the event may pass over it."""
CRC: Final = 4
"""Bytes of a checksum at an event's end."""


class EventType(IntEnum):
    """Those that are told apart."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    TABLE_MAP = 19
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS = 30
    UPDATE_ROWS = 31
    DELETE_ROWS = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    TAGGED_GTID = 42


PASSED_OVER: Final = (
    EventType.STOP,
    EventType.INTVAR,
    EventType.RAND,
    EventType.USER_VAR,
    EventType.HEARTBEAT,
    EventType.IGNORABLE,
    EventType.ROWS_QUERY,
    EventType.PREVIOUS_GTIDS,
    EventType.TRANSACTION_CONTEXT,
    EventType.VIEW_CHANGE,
    EventType.HEARTBEAT_V2,
)
"""They change no row; statements that follow a variable are judged by themselves."""

ROW_EVENTS: Final = (
    EventType.WRITE_ROWS_V1,
    EventType.UPDATE_ROWS_V1,
    EventType.DELETE_ROWS_V1,
    EventType.WRITE_ROWS,
    EventType.UPDATE_ROWS,
    EventType.DELETE_ROWS,
)

_VERSION: Final = 4
_GNO: Final = struct.Struct("<q")
_CRC: Final = struct.Struct("<I")
# before the lengths of post-headers: format, server's version, time, length of heads
_FORMAT: Final = struct.Struct("<H50sIB")
_POST_HEADERS: Final = {
    EventType.QUERY: 13,
    EventType.TABLE_MAP: 8,
    EventType.WRITE_ROWS: 10,
    EventType.UPDATE_ROWS: 10,
    EventType.DELETE_ROWS: 10,
}
_UUID: Final = 16
_PACKED: Final = {252: 2, 253: 3, 254: 8}
"""Bytes of a length behind one of these."""


class Format(msgspec.Struct, frozen=True):
    """What a binlog file says of itself."""

    version: int
    """Of its server: 90704 is 9.7.4."""
    crc: int
    """Bytes of checksum behind each event: 0 or 4."""


class Gtid(NamedTuple):
    sid: str
    gno: int


def read_format(body: bytes) -> Format:
    """`body`: a format description event without its head. Raises ValueError for another format than ours."""
    version, server, _, head = _FORMAT.unpack_from(body)
    if version != _VERSION or head != HEAD:
        raise ValueError(f"the binlog has format {version} with heads of {head} bytes")
    lengths = body[_FORMAT.size : -CRC - 1]
    for kind, length in _POST_HEADERS.items():
        if lengths[kind - 1] != length:
            raise ValueError(f"events of type {kind.name} have a head of {lengths[kind - 1]} bytes, not {length}")
    algorithm = body[-CRC - 1]
    if algorithm > 1:
        raise ValueError(f"the binlog has checksums of an unknown kind, {algorithm}")
    return Format(_number(server), CRC if algorithm else 0)


def _number(server: bytes) -> int:
    parts = server.rstrip(b"\0").decode("ascii", "replace").partition("-")[0].split(".")
    major, minor, patch = (int(part) for part in parts)
    return major * 10000 + minor * 100 + patch


def check(data: bytes, start: int, end: int) -> None:
    """Raises ValueError unless the checksum at the event's end is its own."""
    if zlib.crc32(memoryview(data)[start : end - CRC]) != _CRC.unpack_from(data, end - CRC)[0]:
        raise ValueError("its checksum is wrong")


def read_gtid(data: bytes, at: int) -> Gtid:
    """`at`: where the body of a GTID event begins."""
    gno: int = _GNO.unpack_from(data, at + 1 + _UUID)[0]
    return Gtid(str(UUID(bytes=data[at + 1 : at + 1 + _UUID])), gno)


def read_tagged_gtid(data: bytes, at: int) -> Gtid:
    """The same of a tagged GTID event: numbered fields, in order: flags, uuid, number, tag, and others."""
    version, at = read_number(data, at)
    if version != 1:
        raise ValueError(f"a tagged GTID event has version {version}")
    _, at = read_number(data, at)  # its size
    _, at = read_number(data, at)  # up to which field all must be known
    at = _field(data, at, 0)
    _, at = read_number(data, at)
    at = _field(data, at, 1)
    source = bytearray()
    for _ in range(_UUID):
        byte, at = read_number(data, at)
        source.append(byte)
    at = _field(data, at, 2)
    number, at = read_number(data, at)
    at = _field(data, at, 3)
    length, at = read_number(data, at)
    tag = data[at : at + length].decode("ascii")
    sid = str(UUID(bytes=bytes(source)))
    # signed numbers have their sign in the last bit; those of transactions are positive
    return Gtid(f"{sid}:{tag}" if tag else sid, number >> 1)


def _field(data: bytes, at: int, number: int) -> int:
    found, at = read_number(data, at)
    if found != number:
        raise ValueError(f"a tagged GTID event has field {found} in the place of {number}")
    return at


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends: ones at the low end of its first byte count those that follow."""
    first = data[at]
    more = (~first & (first + 1)).bit_length() - 1
    end = at + 1 + more
    if end > len(data):
        raise ValueError("a number is cut off")
    return int.from_bytes(data[at:end], "little") >> min(more + 1, 8), end


def read_packed(data: bytes, at: int) -> tuple[int, int]:
    """A length as MySQL's protocol packs it, and where it ends."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = _PACKED.get(first)
    if size is None:
        raise ValueError(f"a length begins with {first}")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def is_one_phase(data: bytes, at: int) -> bool:
    """Of an XA prepare event: whether it is XA COMMIT … ONE PHASE, an ordinary commit."""
    return data[at] != 0
