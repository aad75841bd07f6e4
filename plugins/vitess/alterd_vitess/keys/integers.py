"""TINYINT to BIGINT, BIT and YEAR: most significant byte first, the sign's bit turned over."""

from __future__ import annotations

from typing import Any, Final

from alterd_vitess.keys.column import At, Image, KeyColumn, Plain

WIDTHS: Final = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
_TYPES: Final = {"tinyint": 1, "smallint": 2, "mediumint": 9, "int": 3, "bigint": 8}
_YEAR: Final = 13
_BIT: Final = 16
_FIRST_YEAR: Final = 1900
"""Year 0 is 0, all others are kept as years after this one."""

FLIPPED: Final = tuple(bytes([byte ^ 0x80]) for byte in range(256))


class Integers(Plain):
    """Signed and unsigned numbers."""

    def size(self, column: KeyColumn) -> int:
        return WIDTHS[column.data_type]

    def selected(self, _column: KeyColumn, name: str) -> str:
        return name

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        return (int(value) + self._offset(column)).to_bytes(self.size(column), "big")

    def _offset(self, column: KeyColumn) -> int:
        return 0 if column.unsigned else 1 << (8 * WIDTHS[column.data_type] - 1)

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        return str(int.from_bytes(piece, "big") - self._offset(column))

    shown = literal

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_TYPES[column.data_type], meta=b"")

    def piece_source(self, column: KeyColumn, data: str, at: At, _end: str) -> str:
        width = WIDTHS[column.data_type]
        if column.unsigned:
            return f"{data}[{at(width - 1)}:{at(-1)}:-1]"
        first = f"FLIPPED[{data}[{at(width - 1)}]]"
        return first if width == 1 else f"{first} + {data}[{at(width - 2)}:{at(-1)}:-1]"


class Years(Plain):
    """0000 and 1901 to 2155."""

    def size(self, _column: KeyColumn) -> int:
        return 1

    def selected(self, _column: KeyColumn, name: str) -> str:
        return name

    def from_value(self, _column: KeyColumn, value: Any) -> bytes:
        return bytes([int(value) and int(value) - _FIRST_YEAR])

    def literal(self, _column: KeyColumn, piece: bytes) -> str:
        return str(piece[0] and piece[0] + _FIRST_YEAR)

    shown = literal

    def image(self, _column: KeyColumn) -> Image:
        return Image(type=_YEAR, meta=b"")

    def piece_source(self, _column: KeyColumn, data: str, at: At, _end: str) -> str:
        return f"{data}[{at(0)}:{at(1)}]"


class Bits(Plain):
    """BIT(n), a number without a sign."""

    def size(self, column: KeyColumn) -> int:
        return (column.precision + 7) // 8

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"{name} + 0"

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        return int(value).to_bytes(self.size(column), "big")

    def literal(self, _column: KeyColumn, piece: bytes) -> str:
        return str(int.from_bytes(piece, "big"))

    shown = literal

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_BIT, meta=bytes([column.precision % 8, column.precision // 8]))

    def piece_source(self, column: KeyColumn, data: str, at: At, _end: str) -> str:
        return f"{data}[{at(0)}:{at(self.size(column))}]"
