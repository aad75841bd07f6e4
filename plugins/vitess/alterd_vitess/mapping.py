"""Which column of the source fills which column of the shadow, and the key that both are read by. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.sql import Clause, ClauseKind
from alterd_vitess.choosing import choose_key
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.keys import Key
from alterd_vitess.reading import read_column
from alterd_vitess.tables import Column, Index, Table

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year"})
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set"})
_DATES = frozenset({"date", "datetime", "timestamp"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_ZEROS = {
    **dict.fromkeys(_NUMBERS, "0"),
    **dict.fromkeys(_TEXTS, "''"),
    **dict.fromkeys(_BYTES, "x''"),
    "enum": "1",  # a number is the position
    "time": "'00:00:00'",
    "json": "CAST('null' AS JSON)",
}
"""Implicit defaults."""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the shadow and what fills it."""

    name: str
    expression: str
    """Over the source's bare columns."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """How rows of the source become rows of the shadow."""

    key: Key
    """Of the source."""
    target: Key
    """The same columns as the shadow has them."""
    same_key: bool
    """The key's columns are in the shadow what they are in the source: one order, one meaning of each literal."""
    located_by: tuple[int, ...]
    """Positions of the key's columns by which the shadow's index finds rows."""
    filled: tuple[Filled, ...]
    """Columns of the shadow that are written; the others get their defaults or are computed."""
    unique: tuple[Index, ...]
    """The shadow's unique indexes in which rows may collide."""
    counter: str
    """The shadow's AUTO_INCREMENT column; empty for none."""

    @property
    def target_key(self) -> tuple[str, ...]:
        """The shadow's names of the key's columns."""
        return tuple(column.name for column in self.target.columns)

    @property
    def names(self) -> str:
        """The shadow's columns, for INSERT."""
        return ", ".join(identifier(each.name) for each in self.filled)

    @property
    def expressions(self) -> str:
        """What fills them, for SELECT."""
        return ", ".join(each.expression for each in self.filled)


def map_tables(
    source: Table, shadow: Table, clauses: Sequence[Clause], *, zero_dates: bool = False, empty: bool = False
) -> Mapping:
    """How `source` fills `shadow`, which the ALTER's `clauses` made of it.

    `zero_dates`: rows may get the date zero in new columns. `empty`: there is no row yet; one that comes meanwhile and
    finds no value for a new column fails the change. Raises `CannotRunOnline`.
    """
    pairs = shared_columns(source, shadow, clauses)
    if not pairs:
        raise CannotRunOnline(
            f"no column of {source.name} is left", hint="create a new table instead", table=source.name
        )
    filled = [Filled(name=theirs, expression=_read(source, shadow, ours, theirs)) for ours, theirs in pairs.items()]
    taken = {each.name for each in filled}
    filled += [
        Filled(name=column.name, expression=implicit_default(column, zero_dates, empty))
        for column in shadow.columns
        if column.name not in taken and _needs_value(column)
    ]
    chosen = choose_key(source, shadow, pairs)
    own = {column.name.lower() for column in chosen.target.columns} if chosen.same else set()
    counter = next((column.name for column in shadow.columns if column.auto_increment), "")
    numbered = {counter} - {each.name for each in filled}
    others = tuple(
        each
        for each in shadow.indexes
        # numbers that the server gives out itself never meet
        if each.unique and not _is_key(each, own) and not numbered & set(each.columns)
    )
    if any(" array)" in expression.lower() for each in others for expression in each.expressions):
        raise CannotRunOnline(
            "a unique index on an array cannot be kept online",
            hint="use the strategy mysql",
            table=source.name,
        )
    return Mapping(
        key=chosen.key,
        target=chosen.target,
        same_key=chosen.same,
        located_by=chosen.located_by,
        filled=tuple(filled),
        unique=others,
        counter=counter,
    )


def _is_key(index: Index, key: set[str]) -> bool:
    """Whether the index is on the whole columns of a key, and no more."""
    return not index.prefix and not index.has_expression and {name.lower() for name in index.columns} == key


def shared_columns(source: Table, shadow: Table, clauses: Sequence[Clause]) -> dict[str, str]:
    """Columns of the source and the shadow's names for them. A column dropped and added anew is another column."""
    renamed = {
        clause.name.lower(): clause.new_name
        for clause in clauses
        if clause.kind in (ClauseKind.CHANGE_COLUMN, ClauseKind.RENAME_COLUMN)
    }
    dropped = {clause.name.lower() for clause in clauses if clause.kind is ClauseKind.DROP_COLUMN}
    pairs: dict[str, str] = {}
    for column in source.columns:
        if column.name.lower() in dropped:
            continue
        target = shadow.column(renamed.get(column.name.lower(), column.name))
        if target is not None and not target.generated:
            pairs[column.name] = target.name
    return pairs


def _read(source: Table, shadow: Table, ours: str, theirs: str) -> str:
    old, new = source.column(ours), shadow.column(theirs)
    assert old is not None
    assert new is not None
    return read_column(old, new)


def _needs_value(column: Column) -> bool:
    """MySQL's ALTER fills such a column with its type's implicit default; INSERT under strict mode would refuse."""
    computed = column.generated or column.auto_increment
    return not computed and not column.nullable and not column.has_default


def implicit_default(column: Column, zero_dates: bool, empty: bool = False) -> str:
    """The value that MySQL gives rows in a new column NOT NULL without a default; of no rows none is asked.

    Source: MySQL manual, "Data Type Default Values". Raises `CannotRunOnline`.
    """
    if column.data_type == "binary":
        return f"REPEAT(x'00', {column.length})"
    if column.data_type in _ZEROS:
        return _ZEROS[column.data_type]
    if column.data_type in _DATES and zero_dates:
        return "'0000-00-00'"
    if empty:
        return "NULL"  # which strict mode refuses, for any row
    raise CannotRunOnline(
        f"the new column {column.name} is NOT NULL and has no default: rows would get no valid {column.data_type}",
        hint="give it a DEFAULT, or let it be NULL" + " (or add --allow-zero-in-date)" * (column.data_type in _DATES),
        column=column.name,
    )
