"""A key of a table: its rows' keys as bytes, and the SQL that names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.keys.codecs import CODECS
from alterd_vitess.keys.column import KeyColumn
from alterd_vitess.keys.texts import Texts, text_of

_END = b"\0\0"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a unique key without NULLs, whose types are all `SUPPORTED`; perhaps more columns behind these.

    Equal keys as bytes name the same row; ``b""`` is less than all. Where the key is `ordered`, of two keys the lesser
    one is the one that the server sorts first, and different ones are different rows; otherwise several may name one
    row (``a`` and ``A``), and nothing but equality may be asked. Columns are written bare, without table or alias.
    """

    name: str
    """Of the index."""
    columns: tuple[KeyColumn, ...]
    more: int = 0
    """Columns at the end that do not belong to the index. The other ones alone say where a row lies."""

    @property
    def ordered(self) -> bool:
        """Whether Python may compare keys."""
        return not self.more and all(CODECS[column.data_type].ordered for column in self.columns)

    @property
    def leading(self) -> tuple[KeyColumn, ...]:
        """The index's own columns."""
        return self.columns[: len(self.columns) - self.more]

    def selected(self) -> str:
        """The list to select for `of_row`, whatever the session's time zone."""
        return ", ".join(self.selections())

    def selections(self) -> list[str]:
        """Its members."""
        return [CODECS[column.data_type].selected(column, identifier(column.name)) for column in self.columns]

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

    def where_in(
        self,
        keys: Sequence[bytes],
        names: Sequence[str] | None = None,
        *,
        first: Sequence[int] = (),
        exact: bool = False,
    ) -> str:
        """A condition for the rows with these keys. `names`: the key's columns as another table calls them.

        `first`: positions of the columns of the index that is to be used, where it has not all of the key's columns.
        `exact`: texts are compared by their bytes. Raises ValueError without keys.
        """
        if not keys:
            raise ValueError("a condition for no keys")
        quoted = [identifier(name) for name in (names or [column.name for column in self.columns])]
        if len(quoted) != len(self.columns):
            raise ValueError(f"{len(quoted)} names for {len(self.columns)} columns")
        if len(quoted) == 1 and not exact:
            [column] = self.columns
            literal = CODECS[column.data_type].literal
            return f"{quoted[0]} IN ({','.join([literal(column, key) for key in keys])})"
        rows = [self.literals(key) for key in keys]
        everything = range(len(quoted))
        listed = _in if all(CODECS[column.data_type].listed for column in self.columns) else _either
        conditions = [listed(quoted, rows, first)] if first and set(first) != set(everything) else []
        conditions.append(listed(quoted, rows, everything))
        if exact and (texts := [at for at in everything if isinstance(CODECS[self.columns[at].data_type], Texts)]):
            bytewise = [f"CAST({name} AS BINARY)" if at in texts else name for at, name in enumerate(quoted)]
            plain = [self._bytewise(key, texts) for key in keys]
            conditions.append(listed(bytewise, plain, everything))
        return " AND ".join(conditions)

    def where_between(self, low: bytes, high: bytes) -> str:
        """A condition for the rows with ``low < key <= high``; `low` ``b""``: from the first one on.

        Expanded, for MySQL reads the whole index for a row constructor beside ``<`` or ``>``.
        """
        highs = self._bounds(high)
        if not low:
            return _bounded(highs, "<", "<=")
        lows = self._bounds(low)
        same = next((at for at, pair in enumerate(zip(lows, highs, strict=True)) if pair[0] != pair[1]), 0)
        parts = [_compared(bound, "=") for bound in lows[:same]]
        parts.append(_bounded(lows[same:], ">", ">"))
        parts.append(_bounded(highs[same:], "<", "<="))
        return " AND ".join(parts)

    def order_by(self, descending: bool = False) -> str:
        """The key's order, for ORDER BY."""
        return ", ".join(identifier(column.name) + " DESC" * descending for column in self.leading)

    def _bounds(self, key: bytes) -> list[tuple[KeyColumn, bytes]]:
        return list(self._pieces(key))[: len(self.leading)]

    def _bytewise(self, key: bytes, texts: Sequence[int]) -> tuple[str, ...]:
        literals = list(self.literals(key))
        for at, (_, piece) in enumerate(self._pieces(key)):
            if at in texts:
                value = text_of(piece)
                literals[at] = f"0x{value.hex()}" if value else "''"
        return tuple(literals)

    def _pieces(self, key: bytes) -> Iterator[tuple[KeyColumn, bytes]]:
        at = 0
        for column, size in zip(self.columns, _sizes(self.columns), strict=True):
            # a VARBINARY or text ends with two NULs, and has no two of them before
            end = at + size if size else key.index(_END, at) + len(_END)
            yield column, key[at:end]
            at = end
        if at != len(key):
            raise ValueError(f"{key!r} is no key of {self.name}")


@lru_cache(maxsize=64)
def _sizes(columns: tuple[KeyColumn, ...]) -> tuple[int, ...]:
    return tuple(CODECS[column.data_type].size(column) for column in columns)


def _in(names: Sequence[str], rows: Sequence[tuple[str, ...]], positions: Sequence[int]) -> str:
    if len(positions) == 1:
        [at] = positions
        return f"{names[at]} IN ({','.join([row[at] for row in rows])})"
    values = ",".join([f"({','.join([row[at] for at in positions])})" for row in rows])
    return f"({','.join([names[at] for at in positions])}) IN ({values})"


def _either(names: Sequence[str], rows: Sequence[tuple[str, ...]], positions: Sequence[int]) -> str:
    """The same in long."""
    if len(positions) == 1:
        return _in(names, rows, positions)
    return f"({' OR '.join(' AND '.join(f'{names[at]} = {row[at]}' for at in positions) for row in rows)})"


def _compared(bound: tuple[KeyColumn, bytes], sign: str) -> str:
    column, piece = bound
    return CODECS[column.data_type].compared(column, identifier(column.name), sign, piece)


def _bounded(bounds: Sequence[tuple[KeyColumn, bytes]], beyond: str, at_last: str) -> str:
    """``(a > 1 OR (a = 1 AND b > 2))``, for any number of columns.

    ``(a >= 1 AND (a > 1 OR b > 2))`` says the same, and MySQL reads every row with ``a = 1`` for it.
    """
    condition = _compared(bounds[-1], at_last)
    for bound in reversed(bounds[:-1]):
        condition = f"({_compared(bound, beyond)} OR ({_compared(bound, '=')} AND {condition}))"
    return condition
