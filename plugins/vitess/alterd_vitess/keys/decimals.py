"""DECIMAL, in MySQL's own binary form, which is in order.

Digits stand in groups of nine, most significant first: whole groups in four bytes, the one at each end in as few as it
needs. The first bit is turned over; all bits are for negative numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from alterd_vitess.keys.column import At, Image, KeyColumn, Plain

_DECIMAL: Final = 246
_GROUP: Final = 9
_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""For so many digits."""


def bytes_of(precision: int, scale: int) -> int:
    """Bytes of a DECIMAL(precision, scale) on the disk and in the binlog."""
    return sum(_BYTES[digits] for digits in _groups(precision, scale))


def _groups(precision: int, scale: int) -> Iterator[int]:
    """How many digits stand in each group."""
    whole, left = divmod(precision - scale, _GROUP)
    if left:
        yield left
    yield from (_GROUP,) * whole
    whole, left = divmod(scale, _GROUP)
    yield from (_GROUP,) * whole
    if left:
        yield left


class Decimals(Plain):
    """DECIMAL and NUMERIC."""

    def size(self, column: KeyColumn) -> int:
        return bytes_of(column.precision, column.scale)

    def selected(self, _column: KeyColumn, name: str) -> str:
        return name

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        sign, digits, exponent = Decimal(value).as_tuple()
        if not isinstance(exponent, int) or exponent < -column.scale:
            raise ValueError(f"{value} is no DECIMAL({column.precision},{column.scale})")
        text = "".join(map(str, digits)) + "0" * (exponent + column.scale)
        if len(text) > column.precision and text[: -column.precision].strip("0"):
            raise ValueError(f"{value} is no DECIMAL({column.precision},{column.scale})")
        text = text[-column.precision :].rjust(column.precision, "0")
        found, at = bytearray(), 0
        for count in _groups(column.precision, column.scale):
            found += int(text[at : at + count]).to_bytes(_BYTES[count], "big")
            at += count
        if sign and text.strip("0"):
            found = bytearray(byte ^ 0xFF for byte in found)
        found[0] ^= 0x80
        return bytes(found)

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        negative = not piece[0] & 0x80
        plain = bytearray(piece)
        plain[0] ^= 0x80
        if negative:
            plain = bytearray(byte ^ 0xFF for byte in plain)
        digits, at = "", 0
        for count in _groups(column.precision, column.scale):
            digits += str(int.from_bytes(plain[at : at + _BYTES[count]], "big")).rjust(count, "0")
            at += _BYTES[count]
        whole = digits[: column.precision - column.scale].lstrip("0") or "0"
        fraction = digits[column.precision - column.scale :]
        return f"{'-' * negative}{whole}{'.' * bool(fraction)}{fraction}"

    shown = literal

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_DECIMAL, meta=bytes([column.precision, column.scale]))

    def piece_source(self, column: KeyColumn, data: str, at: At, _end: str) -> str:
        return f"{data}[{at(0)}:{at(self.size(column))}]"
