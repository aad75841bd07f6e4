"""Which changes of a column's type gh-ost makes alike in both its ways. Pure.

What is copied the server converts itself; what is written meanwhile gh-ost reads from the binary log and writes as it
understands it. A change that the two could make differently is refused: half of the rows would have other values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from alterd_runtime.mysql.tables import Column, Table

INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
TEXTS: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
BYTES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_UNICODE: Final = frozenset({"utf8mb3", "utf8mb4"})
_CHARSETS: Final = {
    "ascii": frozenset({"latin1", *_UNICODE}),
    "latin1": _UNICODE,
    "utf8mb3": frozenset({"utf8mb4"}),
}
"""From which to which texts are converted alike."""
_ALIKE: Final = frozenset(
    {
        ("float", "double"),
        ("date", "datetime"),
        ("decimal", "double"),
        *((one, other) for one in INTEGERS for other in ("decimal", "double")),
    }
)
_SAME_KIND: Final = frozenset(
    {"float", "double", "date", "datetime", "timestamp", "time", "year", "enum", "json", "bit"}
)
"""Other lengths, precisions or labels of the same type."""


def value_obstacles(source: Table, shadow: Table, renamed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a column, and what to do. `renamed`: old names and new ones."""
    for old in source.columns:
        new = shadow.column(renamed.get(old.name, old.name))
        if new is None or new.generated:
            continue
        if old.generated:
            yield (
                f"{old.name} is a generated column and becomes an ordinary one: gh-ost copies no generated columns",
                "use the strategy vitess",
            )
        elif not _alike(old, new, renamed=old.name in renamed):
            yield (
                f"gh-ost would convert {old.name} from {_shown(old)} to {_shown(new)} in one way where it copies rows,"
                " and in another where it follows writes",
                "use the strategy vitess",
            )


def added_obstacles(
    source: Table, shadow: Table, renamed: Mapping[str, str], computed: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What is wrong with columns that are new. `computed`: those whose default is computed of other columns."""
    known = {renamed.get(column.name, column.name).lower() for column in source.columns}
    for new in shadow.columns:
        if new.name.lower() in known or new.generated or new.auto_increment:
            continue
        if new.name in computed:
            yield (
                f"the default of {new.name} is computed of other columns: gh-ost computes it when it copies a row, and"
                " not again when the row is written",
                "use the strategy vitess, or add the column without it",
            )
        elif not new.nullable and not new.has_default:
            yield (
                f"{new.name} takes no NULL and has no default: gh-ost fails with the first row",
                "give it a default, or use the strategy vitess",
            )


def _alike(old: Column, new: Column, *, renamed: bool) -> bool:
    one, other = old.data_type, new.data_type
    if (old.column_type, old.charset) == (new.column_type, new.charset):
        return True
    recoded = bool(old.charset and new.charset) and old.charset != new.charset
    # it converts texts and times only where the name stays
    if recoded and (renamed or new.charset not in _CHARSETS.get(old.charset, frozenset())):
        return False
    rules = (
        one in TEXTS and (other in TEXTS or other == "enum"),
        one in INTEGERS and other in INTEGERS,
        one in INTEGERS and other in {"char", "varchar"} and not old.zerofill,
        one in BYTES and other in BYTES and (one == other or "binary" not in {one, other}),
        one == "enum" and other in {"enum", "char", "varchar"} and not renamed,
        one == other == "set" and new.labels[: len(old.labels)] == old.labels,
        one == "datetime" and other == "timestamp" and not renamed,
        one == other == "decimal" and new.scale >= old.scale,  # what is rounded has a note, which ends it
        one == other and one in _SAME_KIND,
        (one, other) in _ALIKE,
    )
    return any(rules)


def _shown(column: Column) -> str:
    return f"{column.column_type} {column.charset}".strip()
