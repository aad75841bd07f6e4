"""A key of a table: its rows' keys as ordered bytes, and the SQL that names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.keys.codecs import CODECS
from alterd_vitess.keys.column import KeyColumn

_END = b"\0\0"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A unique key without NULLs whose columns' types are all `SUPPORTED`.

    Of two keys as bytes the lesser one is the one that the server sorts first; equal ones name the same row; ``b""``
    is less than all. Columns are written bare, without table or alias.
    """

    name: str
    """Of the index."""
    columns: tuple[KeyColumn, ...]

    def selected(self) -> str:
        """The list to select for `of_row`, whatever the session's time zone."""
        return ", ".join(CODECS[column.data_type].selected(column, identifier(column.name)) for column in self.columns)

    def of_row(self, values: Sequence[Any]) -> bytes:
        """The key of a row, from what PyMySQL returned for `selected`. Raises ValueError or TypeError."""
        return b"".join(
            CODECS[column.data_type].from_value(column, value)
            for column, value in zip(self.columns, values, strict=True)
        )

    def literals(self, key: bytes) -> tuple[str, ...]:
        """SQL of each column's value, for sessions with time_zone '+00:00' that allow zero dates."""
        return tuple(CODECS[column.data_type].literal(column, piece) for column, piece in self._pieces(key))

    def shown(self, key: bytes) -> str:
        """``id=5``, ``a=1, b=0x00ff``."""
        return ", ".join(
            f"{column.name}={CODECS[column.data_type].shown(column, piece)}" for column, piece in self._pieces(key)
        )

    def where_in(self, keys: Sequence[bytes], names: Sequence[str] | None = None) -> str:
        """A condition for the rows with these keys. `names`: the key's columns as another table calls them.

        Raises ValueError without keys.
        """
        if not keys:
            raise ValueError("a condition for no keys")
        quoted = [identifier(name) for name in (names or [column.name for column in self.columns])]
        if len(quoted) != len(self.columns):
            raise ValueError(f"{len(quoted)} names for {len(self.columns)} columns")
        if len(quoted) == 1:
            column = self.columns[0]
            literal = CODECS[column.data_type].literal
            return f"{quoted[0]} IN ({','.join([literal(column, key) for key in keys])})"
        rows = ",".join([f"({','.join(self.literals(key))})" for key in keys])
        return f"({','.join(quoted)}) IN ({rows})"

    def where_between(self, low: bytes, high: bytes) -> str:
        """A condition for the rows with ``low < key <= high``; `low` ``b""``: from the first one on.

        Expanded, for MySQL reads the whole index for a row constructor beside ``<`` or ``>``.
        """
        names = [identifier(column.name) for column in self.columns]
        highs = self.literals(high)
        if not low:
            return _bounded(names, highs, "<", "<=")
        lows = self.literals(low)
        same = next((at for at, pair in enumerate(zip(lows, highs, strict=True)) if pair[0] != pair[1]), 0)
        parts = [f"{name} = {value}" for name, value in zip(names[:same], lows[:same], strict=True)]
        parts.append(_bounded(names[same:], lows[same:], ">", ">"))
        parts.append(_bounded(names[same:], highs[same:], "<", "<="))
        return " AND ".join(parts)

    def order_by(self, descending: bool = False) -> str:
        """The key's order, for ORDER BY."""
        return ", ".join(identifier(column.name) + " DESC" * descending for column in self.columns)

    def _pieces(self, key: bytes) -> Iterator[tuple[KeyColumn, bytes]]:
        at = 0
        for column, size in zip(self.columns, _sizes(self.columns), strict=True):
            # a VARBINARY ends with two NULs, and has no two of them before
            end = at + size if size else key.index(_END, at) + len(_END)
            yield column, key[at:end]
            at = end
        if at != len(key):
            raise ValueError(f"{key!r} is no key of {self.name}")


@lru_cache(maxsize=64)
def _sizes(columns: tuple[KeyColumn, ...]) -> tuple[int, ...]:
    return tuple(CODECS[column.data_type].size(column) for column in columns)


def _bounded(names: Sequence[str], values: Sequence[str], beyond: str, at_last: str) -> str:
    """``(a > 1 OR (a = 1 AND b > 2))``, for any number of columns.

    ``(a >= 1 AND (a > 1 OR b > 2))`` says the same, and MySQL reads every row with ``a = 1`` for it.
    """
    condition = f"{names[-1]} {at_last} {values[-1]}"
    for name, value in zip(reversed(names[:-1]), reversed(values[:-1]), strict=True):
        condition = f"({name} {beyond} {value} OR ({name} = {value} AND {condition}))"
    return condition
