"""BINARY, filled up with NULs as it is compared, and VARBINARY, in which every byte counts."""

from __future__ import annotations

from typing import Any, Final

from alterd_vitess.keys.column import At, Image, KeyColumn, Plain

_STRING: Final = 254
_VARCHAR: Final = 15
SHOWN: Final = 64


def _bytes(column: KeyColumn, value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(f"a {column.data_type.upper()} was read as {type(value).__name__}")
    if len(value) > column.length:
        raise ValueError(f"{len(value)} bytes are too many for {column.data_type.upper()}({column.length})")
    return bytes(value)


def _hex(value: bytes) -> str:
    return f"0x{value[:SHOWN].hex()}{'…' * (len(value) > SHOWN)}"


class Binaries(Plain):
    """BINARY(n)."""

    def size(self, column: KeyColumn) -> int:
        return column.length

    def selected(self, _column: KeyColumn, name: str) -> str:
        return name

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        return _bytes(column, value).ljust(column.length, b"\0")

    def literal(self, _column: KeyColumn, piece: bytes) -> str:
        return f"0x{piece.hex()}" if piece else "''"

    def shown(self, _column: KeyColumn, piece: bytes) -> str:
        return _hex(piece)

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_STRING, meta=bytes([_STRING, column.length]))

    def piece_source(self, column: KeyColumn, data: str, at: At, end: str) -> str:
        # the binlog leaves NULs at the end out
        return f"{data}[{at(0)}:{end}].ljust({column.length}, NUL)"


class Varbinaries(Plain):
    """VARBINARY(n): a NUL becomes NUL FF, and NUL NUL ends it, so that what begins alike is shorter first."""

    def size(self, _column: KeyColumn) -> int:
        return 0

    def selected(self, _column: KeyColumn, name: str) -> str:
        return name

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        return _bytes(column, value).replace(b"\0", b"\0\xff") + b"\0\0"

    def _value(self, piece: bytes) -> bytes:
        return piece[:-2].replace(b"\0\xff", b"\0")

    def literal(self, _column: KeyColumn, piece: bytes) -> str:
        value = self._value(piece)
        return f"0x{value.hex()}" if value else "''"

    def shown(self, _column: KeyColumn, piece: bytes) -> str:
        return _hex(self._value(piece))

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_VARCHAR, meta=column.length.to_bytes(2, "little"))

    def piece_source(self, _column: KeyColumn, data: str, at: At, end: str) -> str:
        return f"{data}[{at(0)}:{end}].replace(NUL, ESCAPED) + ENDED"
