"""Table map events: how a row's columns follow each other. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from alterd_vitess.keys.decimals import bytes_of
from alterd_vitess.stream.events import read_packed


class Field(msgspec.Struct, frozen=True):
    """A column of a row in the binlog."""

    type: int
    """MySQL's number."""
    meta: bytes
    fixed: int
    """Bytes, unless a length stands before the content."""
    prefix: int
    """Bytes of that length; 0 for none."""
    nullable: bool


class TableMap(msgspec.Struct, frozen=True):
    fields: tuple[Field, ...]


def read_table_map(body: bytes) -> TableMap:
    """`body`: of the event, from behind the table's id and flags, without checksum. Raises ValueError."""
    at = 0
    for _ in range(2):  # schema and table, each behind its length and before a NUL
        at += body[at] + 2
    count, at = read_packed(body, at)
    types = body[at : at + count]
    length, at = read_packed(body, at + count)
    metas = body[at : at + length]
    nulls = body[at + length : at + length + (count + 7) // 8]
    fields = []
    used = 0
    for position, kind in enumerate(types):
        size = _meta_size(kind)
        meta = metas[used : used + size]
        used += size
        fixed, prefix = _extent(kind, meta)
        nullable = bool(nulls[position // 8] >> position % 8 & 1)
        fields.append(Field(kind, meta, fixed, prefix, nullable))
    if len(types) != count or used != length:
        raise ValueError(f"a table map of {count} columns has metadata of {length} bytes, not {used}")
    return TableMap(tuple(fields))


# bytes of metadata; types that are not here are not known
_META_SIZES: Final[dict[int, int]] = {
    **dict.fromkeys((1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14), 0),
    **dict.fromkeys((4, 5, 17, 18, 19, 242, 245, 249, 250, 251, 252, 255), 1),
    **dict.fromkeys((15, 16, 246, 247, 248, 253, 254), 2),
}
_FIXED: Final[dict[int, int]] = {1: 1, 2: 2, 3: 4, 6: 0, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3}


def _meta_size(kind: int) -> int:
    size = _META_SIZES.get(kind)
    if size is None:
        raise ValueError(f"a column has a type that is not known, {kind}")
    return size


def _fraction(meta: bytes) -> int:
    return (meta[0] + 1) // 2


def _length_bytes(longest: int) -> int:
    return 1 if longest < 256 else 2


def _string(meta: bytes) -> tuple[int, int]:
    """CHAR, BINARY, ENUM and SET: two bits of the length are hidden, turned over, in the type."""
    kind, longest = meta[0], meta[1]
    if kind & 0x30 != 0x30:
        longest |= ((kind & 0x30) ^ 0x30) << 4
        kind |= 0x30
    if kind in (_ENUM, _SET):
        return meta[1], 0
    return 0, _length_bytes(longest)


_ENUM: Final = 247
_SET: Final = 248
_BLOBS: Final = (242, 245, 249, 250, 251, 252, 255)
_EXTENTS: Final[dict[int, Callable[[bytes], tuple[int, int]]]] = {
    4: lambda meta: (meta[0], 0),  # FLOAT
    5: lambda meta: (meta[0], 0),  # DOUBLE
    15: lambda meta: (0, _length_bytes(int.from_bytes(meta, "little"))),  # VARCHAR, VARBINARY
    16: lambda meta: (meta[1] + (meta[0] > 0), 0),  # BIT
    17: lambda meta: (4 + _fraction(meta), 0),  # TIMESTAMP
    18: lambda meta: (5 + _fraction(meta), 0),  # DATETIME
    19: lambda meta: (3 + _fraction(meta), 0),  # TIME
    246: lambda meta: (bytes_of(meta[0], meta[1]), 0),  # DECIMAL
    _ENUM: lambda meta: (meta[1], 0),
    _SET: lambda meta: (meta[1], 0),
    253: _string,
    254: _string,
    **dict.fromkeys(_BLOBS, lambda meta: (0, meta[0])),  # BLOB, TEXT, JSON, GEOMETRY, VECTOR
}


def _extent(kind: int, meta: bytes) -> tuple[int, int]:
    """(fixed bytes, bytes of a length before the content)."""
    if kind in _FIXED:
        return _FIXED[kind], 0
    return _EXTENTS[kind](meta)
