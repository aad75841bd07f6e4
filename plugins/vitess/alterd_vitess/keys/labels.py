"""ENUM and SET, by number: in the order of their definition, which is the server's."""

from __future__ import annotations

from typing import Any, Final

from alterd_vitess.keys.column import At, Image, KeyColumn

_ENUM: Final = 247
_SET: Final = 248
_STRING: Final = 254
_TWO_BYTES_FROM: Final = 256
_ENUM_SIZE: Final = 2
_SET_SIZE: Final = 8
_LISTED: Final = 4096
"""Values up to which a range is written as a list: MySQL uses an index on ENUM or SET for ``=`` and ``IN`` only."""


class _Numbered:
    """What both are to SQL: numbers."""

    ordered: Final = True
    listed: Final = False

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"{name} + 0"

    def literal(self, _column: KeyColumn, piece: bytes) -> str:
        return str(int.from_bytes(piece, "big"))

    def compared(self, column: KeyColumn, name: str, sign: str, piece: bytes) -> str:
        number, most = int.from_bytes(piece, "big"), self._most(column)
        if most > _LISTED or sign == "=":
            return f"{name} {sign} {number}"
        first = number + (sign == ">") if sign[0] == ">" else 0
        last = most if sign[0] == ">" else number - (sign == "<")
        # 0 stands for what an older sql_mode let in without a label
        return f"{name} IN ({','.join(map(str, range(first, last + 1)))})" if first <= last else "FALSE"

    def _most(self, column: KeyColumn) -> int:
        raise NotImplementedError


class Enums(_Numbered):
    """ENUM: the label's place, from 1."""

    def size(self, _column: KeyColumn) -> int:
        return _ENUM_SIZE

    def from_value(self, _column: KeyColumn, value: Any) -> bytes:
        return int(value).to_bytes(_ENUM_SIZE, "big")

    def shown(self, column: KeyColumn, piece: bytes) -> str:
        place = int.from_bytes(piece, "big")
        return repr(column.labels[place - 1]) if 0 < place <= len(column.labels) else str(place)

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_STRING, meta=bytes([_ENUM, _enum_bytes(column)]))

    def piece_source(self, column: KeyColumn, data: str, at: At, _end: str) -> str:
        if _enum_bytes(column) == 1:
            return f"NUL + {data}[{at(0)}:{at(1)}]"
        return f"{data}[{at(1)}:{at(-1)}:-1]"

    def _most(self, column: KeyColumn) -> int:
        return len(column.labels)


class Sets(_Numbered):
    """SET: a bit for each label, the first one's the lowest."""

    def size(self, _column: KeyColumn) -> int:
        return _SET_SIZE

    def from_value(self, _column: KeyColumn, value: Any) -> bytes:
        return int(value).to_bytes(_SET_SIZE, "big")

    def shown(self, column: KeyColumn, piece: bytes) -> str:
        bits = int.from_bytes(piece, "big")
        return repr(",".join(label for place, label in enumerate(column.labels) if bits >> place & 1))

    def image(self, column: KeyColumn) -> Image:
        return Image(type=_STRING, meta=bytes([_SET, _set_bytes(column)]))

    def piece_source(self, column: KeyColumn, data: str, at: At, _end: str) -> str:
        size = _set_bytes(column)
        turned = f"{data}[{at(size - 1)}:{at(-1)}:-1]"
        return turned if size == _SET_SIZE else f"{turned}.rjust({_SET_SIZE}, NUL)"

    def _most(self, column: KeyColumn) -> int:
        return (1 << len(column.labels)) - 1


def _enum_bytes(column: KeyColumn) -> int:
    return 1 if len(column.labels) < _TWO_BYTES_FROM else 2


def _set_bytes(column: KeyColumn) -> int:
    size = (len(column.labels) + 7) // 8
    return size if size <= 4 else _SET_SIZE
