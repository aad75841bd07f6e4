"""By which key gh-ost tells rows apart, and whether it can rely on it. Pure.

Rows that have a value of that key in the new table already are, for it, rows that it has copied before: it passes over
them in silence. So two rows must never become one in that key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alterd_runtime.mysql.tables import Column, Index, Table

_RANKS: Final = {"tinyint": 0, "smallint": 1, "int": 2, "bigint": 3}
_INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS: Final = frozenset({"char", "varchar"})
_CHARSETS: Final = frozenset({"ascii", "utf8mb3", "utf8mb4"})
_KINDS: Final = frozenset(
    {*_INTEGERS, *_TEXTS, "decimal", "date", "time", "datetime", "timestamp", "year", "enum", "binary", "varbinary"}
)
"""Of a key's columns, and the character sets of texts: with others it was seen to pass over rows."""
_NO_KEYS: Final = frozenset({"float", "json"})
_Rank = tuple[bool, bool, bool, int, int]


def shared_keys(source: Table, shadow: Table) -> list[Index]:
    """Those that it may choose, best first: with columns that a unique key of the new table has all of."""
    wide = [set(each.columns) for each in shadow.indexes if each.unique]
    found = [
        each
        for each in source.indexes
        if each.unique
        and each.columns[0]
        and any(set(filter(None, each.columns)) <= columns for columns in wide)
        and not any(column.data_type in _NO_KEYS for column in _columns(source, each))
    ]
    return sorted(found, key=lambda each: _rank(source, each))


def key_obstacles(source: Table, shadow: Table) -> Iterator[tuple[str, str]]:
    """What is wrong with the key, and what to do."""
    shared = shared_keys(source, shadow)
    if not shared:
        yield (
            "gh-ost finds no unique key that the table has before the change and after it",
            "keep the primary key, or use the strategy vitess",
        )
        return
    first = _rank(source, shared[0])
    for key in (each for each in shared if _rank(source, each) == first):
        if key.nullable:
            yield (
                f"gh-ost would copy by the key {key.name}, which takes NULLs: rows that have one would be lost",
                "declare its columns NOT NULL first, or use the strategy mysql",
            )
        if key.prefix or key.has_expression or not key.visible:
            what = "parts of columns" if key.prefix else "an expression" if key.has_expression else "an invisible index"
            yield (
                f"gh-ost would copy by the key {key.name}, which is {what}",
                "give the table a primary key, or use the strategy vitess",
            )
        if not _reported_first(key, shadow):
            yield (
                f"gh-ost would copy by the key {key.name}, and the new table has other unique keys that MySQL looks at"
                " before: it would take rows that are there already for duplicates",
                "keep the primary key as it is, or use the strategy vitess",
            )
        for column in _columns(source, key):
            if column.data_type not in _KINDS or (column.data_type in _TEXTS and column.charset not in _CHARSETS):
                yield (
                    f"gh-ost would copy by {column.name}, {column.column_type} {column.charset}".rstrip()
                    + ": it does not read such values as they are, and would leave rows out",
                    "use the strategy vitess",
                )
            target = shadow.column(column.name)
            if target is not None and not _tells_as_many(column, target):
                yield (
                    f"gh-ost copies by the key {key.name}: after the change of {column.name} from {column.column_type}"
                    f" to {target.column_type} two rows could become one, which it would not notice",
                    "use the strategy vitess, which compares the rows",
                )


def _reported_first(key: Index, shadow: Table) -> bool:
    """Whether a row that is there already is told as a duplicate of this key, and of no other."""
    unique = [each for each in shadow.indexes if each.unique]
    named = set(filter(None, key.columns))
    theirs = next((each for each in unique if named <= set(each.columns)), None)
    return theirs is not None and (theirs.name == "PRIMARY" or len(unique) == 1)


def _tells_as_many(old: Column, new: Column) -> bool:
    """Whether values that differ before the change do so after it."""
    same_text = (old.charset, old.collation) == (new.charset, new.collation)
    if old.column_type == new.column_type:
        return same_text
    if old.data_type in _INTEGERS and new.data_type in _INTEGERS:
        return True  # what does not fit has a warning of its own: it is that of a duplicate that is passed over
    if old.data_type == new.data_type == "decimal":
        return new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale
    return old.data_type == new.data_type == "varchar" and same_text and new.length >= old.length


def _columns(table: Table, key: Index) -> list[Column]:
    return [column for name in key.columns if name and (column := table.column(name)) is not None]


def _rank(table: Table, key: Index) -> _Rank:
    """In the order in which gh-ost asks the server for them."""
    first = table.column(key.columns[0])
    text, kind = (first.charset, first.data_type) if first is not None else ("", "")
    named = sum(1 for name in key.columns if name)
    return key.name != "PRIMARY", key.nullable, bool(text), _RANKS.get(kind, 100), named
