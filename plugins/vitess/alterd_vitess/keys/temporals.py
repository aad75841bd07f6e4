"""DATE, DATETIME, TIMESTAMP and TIME, in the forms of the binlog, which are in order once DATE is turned around.

They are selected as text, and TIMESTAMP as seconds since 1970, so that neither the session's time zone nor Python's
ideas of dates and times have a part in it: zero dates, days without a month, negative times. Their literals need a
session whose sql_mode allows zero dates; one of a date like February 30th (ALLOW_INVALID_DATES) is refused by MySQL.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from alterd_vitess.keys.column import At, Image, KeyColumn, Plain

_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_DATETIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_TIME: Final = re.compile(r"(-?)(\d{2,3}):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS: Final = 10**6
_UNITS: Final = (_MICROS, 10_000, 100, 1)
"""Microseconds in the unit of a fraction of so many bytes."""


def _match(pattern: re.Pattern[str], column: KeyColumn, value: Any) -> tuple[str, ...]:
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no {column.data_type.upper()} as text")
    return found.groups("")


def _fraction_bytes(column: KeyColumn) -> int:
    return (column.fsp + 1) // 2


def _fraction(column: KeyColumn, micros: int) -> int:
    """The fraction in units of its bytes: hundredths, ten-thousandths or millionths."""
    return micros // _UNITS[_fraction_bytes(column)]


def _micros(column: KeyColumn, fraction: int) -> str:
    """A point and as many digits as the column has; nothing for none."""
    digits = str(fraction).rjust(2 * _fraction_bytes(column), "0")[: column.fsp]
    return f".{digits}" if column.fsp else ""


class Dates(Plain):
    """DATE: five bits of day, four of month, the rest is the year."""

    def size(self, _column: KeyColumn) -> int:
        return 3

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"CAST({name} AS CHAR)"

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        year, month, day = map(int, _match(_DATE, column, value))
        return (year << 9 | month << 5 | day).to_bytes(3, "big")

    def shown(self, _column: KeyColumn, piece: bytes) -> str:
        packed = int.from_bytes(piece, "big")
        return f"{packed >> 9:04}-{packed >> 5 & 15:02}-{packed & 31:02}"

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        return f"DATE'{self.shown(column, piece)}'"

    def image(self, _column: KeyColumn) -> Image:
        return Image(type=10, meta=b"")

    def piece_source(self, _column: KeyColumn, data: str, at: At, _end: str) -> str:
        return f"{data}[{at(2)}:{at(-1)}:-1]"


class _Fractional(Plain):
    """Types with a fraction of the second behind `_whole` bytes."""

    _whole: int
    _type: int

    def size(self, column: KeyColumn) -> int:
        return self._whole + _fraction_bytes(column)

    def image(self, column: KeyColumn) -> Image:
        return Image(type=self._type, meta=bytes([column.fsp]))

    def piece_source(self, column: KeyColumn, data: str, at: At, _end: str) -> str:
        return f"{data}[{at(0)}:{at(self.size(column))}]"

    def _joined(self, column: KeyColumn, whole: int, micros: int) -> bytes:
        size = _fraction_bytes(column)
        return whole.to_bytes(self._whole, "big") + _fraction(column, micros).to_bytes(size, "big")

    def _parted(self, piece: bytes) -> tuple[int, int]:
        return int.from_bytes(piece[: self._whole], "big"), int.from_bytes(piece[self._whole :], "big")


class Datetimes(_Fractional):
    """DATETIME: months, days, hours, minutes and seconds packed."""

    _whole = 5
    _type = 18
    _offset = 1 << 39

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"CAST({name} AS CHAR)"

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        *parts, fraction = _match(_DATETIME, column, value)
        year, month, day, hour, minute, second = map(int, parts)
        date = (year * 13 + month) << 5 | day
        whole = date << 17 | hour << 12 | minute << 6 | second
        return self._joined(column, whole + self._offset, int(fraction.ljust(6, "0")))

    def shown(self, column: KeyColumn, piece: bytes) -> str:
        whole, fraction = self._parted(piece)
        date, time = divmod(whole - self._offset, 1 << 17)
        year, month = divmod(date >> 5, 13)
        shown = f"{year:04}-{month:02}-{date & 31:02} {time >> 12:02}:{time >> 6 & 63:02}:{time & 63:02}"
        return shown + _micros(column, fraction)

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        return f"TIMESTAMP'{self.shown(column, piece)}'"


class Timestamps(_Fractional):
    """TIMESTAMP: seconds since 1970, 0 is the zero date. Literals are UTC."""

    _whole = 4
    _type = 17

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"UNIX_TIMESTAMP({name})"

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        if not isinstance(value, (int, Decimal)):
            raise TypeError(f"{value!r} is no TIMESTAMP in seconds")
        seconds, micros = divmod(int(value * _MICROS), _MICROS)
        return self._joined(column, seconds, micros)

    def shown(self, column: KeyColumn, piece: bytes) -> str:
        seconds, fraction = self._parted(piece)
        day = "0000-00-00 00:00:00"
        if seconds or fraction:
            day = f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
        return day + _micros(column, fraction)

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        return f"TIMESTAMP'{self.shown(column, piece)}'"


class Times(_Fractional):
    """TIME: hours, minutes, seconds and fraction packed into one number, negative ones below the offset."""

    _whole = 3
    _type = 19
    _offset = 1 << 23

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"CAST({name} AS CHAR)"

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        sign, hours, minutes, seconds, fraction = _match(_TIME, column, value)
        whole = int(hours) << 12 | int(minutes) << 6 | int(seconds)
        bits = 8 * _fraction_bytes(column)
        packed = (whole << bits) + _fraction(column, int(fraction.ljust(6, "0")))
        signed = -packed if sign else packed
        return ((self._offset << bits) + signed).to_bytes(self.size(column), "big")

    def shown(self, column: KeyColumn, piece: bytes) -> str:
        bits = 8 * _fraction_bytes(column)
        signed = int.from_bytes(piece, "big") - (self._offset << bits)
        whole, fraction = divmod(abs(signed), 1 << bits)
        shown = f"{whole >> 12:02}:{whole >> 6 & 63:02}:{whole & 63:02}{_micros(column, fraction)}"
        return "-" * (signed < 0) + shown

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        return f"TIME'{self.shown(column, piece)}'"
