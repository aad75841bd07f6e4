"""Which column of the source fills which column of the shadow, and the key that both are read by. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.sql import Clause, ClauseKind
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.keys import SUPPORTED, Key, KeyColumn
from alterd_vitess.tables import Column, Index, Table

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year"})
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the shadow and what fills it."""

    name: str
    expression: str
    """Over the source's bare columns."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """How rows of the source become rows of the shadow."""

    key: Key
    """Of the source."""
    target_key: tuple[str, ...]
    """The shadow's names of the key's columns."""
    filled: tuple[Filled, ...]
    """Columns of the shadow that are written; the others get their defaults or are computed."""
    unique: tuple[Index, ...]
    """The shadow's unique indexes beside the key."""
    counter: str
    """The shadow's AUTO_INCREMENT column; empty for none."""

    @property
    def same_key(self) -> bool:
        """The key's columns are in the shadow what they are in the source: one order, one meaning of each literal."""
        return True

    @property
    def target(self) -> Key:
        """The source's key under the shadow's names."""
        columns = (
            msgspec.structs.replace(column, name=theirs)
            for column, theirs in zip(self.key.columns, self.target_key, strict=True)
        )
        return Key(name=self.key.name, columns=tuple(columns))

    @property
    def names(self) -> str:
        """The shadow's columns, for INSERT."""
        return ", ".join(identifier(each.name) for each in self.filled)

    @property
    def expressions(self) -> str:
        """What fills them, for SELECT."""
        return ", ".join(each.expression for each in self.filled)


def map_tables(source: Table, shadow: Table, clauses: Sequence[Clause]) -> Mapping:
    """How `source` fills `shadow`, which the ALTER's `clauses` made of it. Raises `CannotRunOnline`."""
    pairs = shared_columns(source, shadow, clauses)
    if not pairs:
        raise CannotRunOnline(
            f"no column of {source.name} is left", hint="create a new table instead", table=source.name
        )
    filled = [Filled(name=theirs, expression=identifier(ours)) for ours, theirs in pairs.items()]
    taken = {each.name for each in filled}
    filled += [
        Filled(name=column.name, expression=implicit_default(column))
        for column in shadow.columns
        if column.name not in taken and _needs_value(column)
    ]
    key, theirs = choose_key(source, shadow, pairs)
    counter = next((column.name for column in shadow.columns if column.auto_increment), "")
    numbered = {counter} - {each.name for each in filled}
    others = tuple(
        each
        for each in shadow.indexes
        # numbers that the server gives out itself never meet
        if each.unique and _lower(each.columns) != _lower(theirs) and not numbered & set(each.columns)
    )
    if any(each.has_expression for each in others):
        raise CannotRunOnline(
            "a unique index on an expression cannot be kept online yet",
            hint="use the strategy mysql, or an index on a generated column",
            table=source.name,
        )
    return Mapping(
        key=key,
        target_key=theirs,
        filled=tuple(filled),
        unique=others,
        counter=counter,
    )


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


def _needs_value(column: Column) -> bool:
    """MySQL's ALTER fills such a column with its type's implicit default; INSERT under strict mode would refuse."""
    computed = column.generated or column.auto_increment
    return not computed and not column.nullable and not column.has_default


def implicit_default(column: Column) -> str:
    """The value that MySQL gives rows in a new column NOT NULL without a default.

    Source: MySQL manual, "Data Type Default Values". Raises `CannotRunOnline`.
    """
    if column.data_type in _NUMBERS:
        return "0"
    if column.data_type in _TEXTS:
        return "''"
    if column.data_type in _BYTES:
        return "x''" if column.data_type != "binary" else f"REPEAT(x'00', {column.length})"
    if column.data_type == "enum":
        return "1"  # a number is the position
    if column.data_type == "time":
        return "'00:00:00'"
    if column.data_type == "json":
        return "CAST('null' AS JSON)"
    raise CannotRunOnline(
        f"the new column {column.name} is NOT NULL and has no default: rows would get no valid {column.data_type}",
        hint="give it a DEFAULT, or let it be NULL",
        column=column.name,
    )


def choose_key(source: Table, shadow: Table, pairs: dict[str, str]) -> tuple[Key, tuple[str, ...]]:
    """The key of the source that both tables are read by. Raises `CannotRunOnline` that says what each lacks."""
    reasons: list[str] = []
    candidates = [each for each in source.indexes if each.unique]
    for index in sorted(candidates, key=lambda each: _rank(source, each)):
        why = _unusable(source, index)
        if not why:
            theirs = tuple(pairs.get(name, "") for name in index.columns)
            why = _lost(source, shadow, index, theirs)
            if not why:
                columns = [source.column(name) for name in index.columns]
                key = Key(name=index.name, columns=tuple(_key_column(each) for each in columns if each is not None))
                return key, theirs
        reasons.append(f"{index.name}: {why}")
    found = "; ".join(reasons) or "there is no unique key"
    raise CannotRunOnline(
        f"{source.name} has no key that an online change can go by ({found})",
        hint="it needs a primary or unique key of integers, decimals, dates and times or binary strings, NOT NULL and "
        "whole, that the ALTER keeps; otherwise use the strategy mysql",
        table=source.name,
    )


def _rank(source: Table, index: Index) -> tuple[bool, bool, int, str]:
    first = source.column(index.columns[0])
    integer = first is not None and first.data_type in _INTEGERS
    return index.name != "PRIMARY", not integer, len(index.columns), index.name


def _unusable(source: Table, index: Index) -> str:
    """Why rows cannot be found by this index; empty for nothing."""
    lacks = (
        (index.has_expression, "is on an expression"),
        (index.nullable, "may hold NULL"),
        (index.prefix, "indexes only a part of a column"),
        (not index.visible, "is invisible"),
    )
    for lacking, why in lacks:
        if lacking:
            return why
    for name in index.columns:
        column = source.column(name)
        if column is None or column.generated:
            return f"{name} is generated"
        if column.data_type not in SUPPORTED:
            return f"{name} is {column.data_type}"
    return ""


def _lost(source: Table, shadow: Table, index: Index, theirs: tuple[str, ...]) -> str:
    """Why the shadow's rows cannot be found by the same values; empty for nothing."""
    for ours, their in zip(index.columns, theirs, strict=True):
        old, new = source.column(ours), shadow.column(their) if their else None
        if new is None or old is None:
            return f"{ours} is dropped"
        if not _same_values(old, new):
            return f"{ours} changes from {old.column_type} to {new.column_type}"
    wanted = set(_lower(theirs))
    kept = any(
        each.unique and not each.prefix and each.visible and set(_lower(each.columns)) == wanted
        for each in shadow.indexes
    )
    return "" if kept else "the ALTER drops it"


def _same_values(old: Column, new: Column) -> bool:
    """Whether equal keys stay equal and different ones different. What does not fit fails by itself."""
    if old.data_type in _INTEGERS and new.data_type in _INTEGERS:
        return True
    if old.data_type == "decimal" and new.data_type == "decimal":
        return new.scale >= old.scale
    if old.data_type == "varbinary" and new.data_type == "varbinary":
        return True
    if old.data_type == "binary":
        return new.data_type == "binary" and new.length == old.length
    return old.data_type == new.data_type and new.fsp >= old.fsp


def _key_column(column: Column) -> KeyColumn:
    return KeyColumn(
        name=column.name,
        data_type=column.data_type,
        unsigned=column.unsigned,
        length=column.length,
        precision=column.precision,
        scale=column.scale,
        fsp=column.fsp,
    )


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)
