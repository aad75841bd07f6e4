"""From the row events of one table map to keys, by code made for it.

For each set of NULLs that is seen a function of its own walks over the rows, so that fixed columns beside each other
cost one addition; beyond `MANY` sets one function for all of them takes over, which looks at each nullable column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.keys.codecs import CODECS, NAMES
from alterd_vitess.stream.events import read_packed
from alterd_vitess.stream.tablemaps import Field, TableMap

MANY: Final = 64
"""Sets of NULLs with a function of their own."""

Walk = Callable[[bytes, int, int, dict[bytes, None]], tuple[int, int]]
"""(data, at, end, keys): puts keys in, and says where it stopped and how many images it walked over."""

_NO_KEY: Final = "raise ValueError('a column of the key is NULL')"


class Mismatch(Exception):
    """The table map is not that of the table that the key belongs to."""


class NotFull(Exception):
    """A row event does not hold all columns."""


class Decoder:
    """Row events of one table map."""

    def __init__(self, key: Key, table: TableMap, positions: tuple[int, ...]) -> None:
        """`positions`: of the key's columns, from 0. Raises `Mismatch`."""
        for column, position in zip(key.columns, positions, strict=True):
            image = CODECS[column.data_type].image(column)
            field = table.fields[position]
            if (field.type, field.meta) != (image.type, image.meta):
                raise Mismatch(f"its column {column.name} has another type")
        self._key, self._fields, self._positions = key, table.fields, positions
        self._size = (len(table.fields) + 7) // 8
        self._all = (1 << len(table.fields)) - 1
        self._walks: dict[bytes, Walk] = {}
        self._any: Walk | None = None

    def read(self, data: bytes, at: int, end: int, keys: dict[bytes, None], updates: bool) -> int:
        """Puts the keys of a row event's images into `keys`: the number of rows.

        `at`: behind the event's own heads. Raises `NotFull`, ValueError where an image does not end as it should.
        """
        count, at = read_packed(data, at)
        if count != len(self._fields):
            raise ValueError(f"a row event has {count} columns, its table map {len(self._fields)}")
        for _ in range(1 + updates):
            if int.from_bytes(data[at : at + self._size], "little") & self._all != self._all:
                raise NotFull
            at += self._size
        images = 0
        while at < end:
            nulls = data[at : at + self._size]
            at, walked = (self._walks.get(nulls) or self._walk(nulls))(data, at, end, keys)
            images += walked
        if at != end:
            raise ValueError("a row event ends within a row")
        return images // (1 + updates)

    def _walk(self, nulls: bytes) -> Walk:
        if len(self._walks) < MANY:
            found = self._walks[nulls] = self._made(nulls)
            return found
        if self._any is None:
            self._any = self._made(None)
        return self._any

    def _made(self, nulls: bytes | None) -> Walk:
        names = {**NAMES, "NULLS": nulls, "from_bytes": int.from_bytes}
        exec(_source(self._key, self._fields, self._positions, nulls), names)  # noqa: S102 - made of numbers only
        walk: Walk = names["walk"]
        return walk


class _Source:
    """Statements that move `p`, the place in `d`, over an image; what is behind by constants alone is added late."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._behind = 0

    def at(self, offset: int) -> str:
        place = self._behind + offset
        return f"p + {place}" if place > 0 else f"p - {-place}" if place else "p"

    def _length(self, field: Field) -> str:
        """Of a content behind a prefix."""
        match field.prefix:
            case 1:
                return f"d[{self.at(0)}]"
            case 2:
                return f"(d[{self.at(0)}] | d[{self.at(1)}] << 8)"
            case _:
                return f"from_bytes(d[{self.at(0)}:{self.at(field.prefix)}], 'little')"

    def catch_up(self) -> None:
        if self._behind:
            self.lines.append(f"p += {self._behind}")
            self._behind = 0

    def skip(self, field: Field, condition: str = "") -> None:
        if condition:
            self.catch_up()
        if field.prefix:
            self.lines.append(f"{condition}p += {self._length(field)} + {self._behind + field.prefix}")
            self._behind = 0
        elif condition:
            self.lines.append(f"{condition}p += {field.fixed}")
        else:
            self._behind += field.fixed

    def take(self, name: str, column: KeyColumn, field: Field) -> None:
        """Puts a piece of the key into the variable `name`."""
        source = CODECS[column.data_type].piece_source
        if not field.prefix:
            self.lines.append(f"{name} = {source(column, 'd', self.at, self.at(field.fixed))}")
            self._behind += field.fixed
            return
        self.lines.append(f"e = {self.at(field.prefix)} + {self._length(field)}")
        self._behind += field.prefix
        self.lines.append(f"{name} = {source(column, 'd', self.at, 'e')}")
        self.lines.append("p = e")
        self._behind = 0

    def pass_bitmap(self, size: int) -> None:
        self._behind += size


def _source(key: Key, fields: tuple[Field, ...], positions: tuple[int, ...], nulls: bytes | None) -> str:
    """Python of a `Walk`; `nulls` None: for any set of NULLs."""
    size = (len(fields) + 7) // 8
    source = _Source()
    source.pass_bitmap(size)
    for position, field in enumerate(fields):
        byte, bit = position // 8, 1 << position % 8
        is_null = f"d[n + {byte}] & {bit}"
        if position in positions:
            part = positions.index(position)
            if nulls is not None and nulls[byte] & bit:
                source.lines.append(_NO_KEY)
            if nulls is None and field.nullable:
                source.lines.append(f"if {is_null}: {_NO_KEY}")
            source.take(f"k{part}", key.columns[part], field)
        elif nulls is None and field.nullable:
            source.skip(field, f"if not {is_null}: ")
        elif nulls is None or not nulls[byte] & bit:
            source.skip(field)
    source.catch_up()
    same = "" if nulls is None else f" and d[p] == {nulls[0]}" if size == 1 else f" and d[p:p + {size}] == NULLS"
    found = " + ".join(f"k{part}" for part in range(len(positions)))
    lines = [
        "def walk(d, p, end, keys):",
        " images = 0",
        f" while p < end{same}:",
        *(["  n = p"] if nulls is None else []),
        *[f"  {line}" for line in source.lines],
        f"  keys[{found}] = None",
        "  images += 1",
        " return p, images",
    ]
    return "\n".join(lines)
