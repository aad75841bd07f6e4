"""The clauses of ALTER TABLE: what each one does, and to what."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from alterd_runtime.sql.words import Words


class ClauseKind(StrEnum):
    """What a clause of ALTER TABLE does."""

    ADD_COLUMN = "add_column"
    ADD_COLUMNS = "add_columns"
    """``ADD (a INT, b INT, INDEX (a))``: columns and indexes in parentheses."""
    DROP_COLUMN = "drop_column"
    MODIFY_COLUMN = "modify_column"
    CHANGE_COLUMN = "change_column"
    RENAME_COLUMN = "rename_column"
    ALTER_COLUMN = "alter_column"
    """A default or the visibility."""

    ADD_INDEX = "add_index"
    ADD_UNIQUE = "add_unique"
    ADD_FULLTEXT = "add_fulltext"
    ADD_SPATIAL = "add_spatial"
    ADD_PRIMARY_KEY = "add_primary_key"
    DROP_INDEX = "drop_index"
    DROP_PRIMARY_KEY = "drop_primary_key"
    RENAME_INDEX = "rename_index"
    ALTER_INDEX = "alter_index"
    ENABLE_KEYS = "enable_keys"
    DISABLE_KEYS = "disable_keys"

    ADD_FOREIGN_KEY = "add_foreign_key"
    DROP_FOREIGN_KEY = "drop_foreign_key"
    ADD_CHECK = "add_check"
    DROP_CHECK = "drop_check"
    ALTER_CHECK = "alter_check"
    DROP_CONSTRAINT = "drop_constraint"
    ALTER_CONSTRAINT = "alter_constraint"

    RENAME_TABLE = "rename_table"
    CONVERT_CHARSET = "convert_charset"
    ORDER_BY = "order_by"
    OPTIONS = "options"
    """ENGINE, COMMENT, ROW_FORMAT, …: several may stand in one clause without commas."""
    FORCE = "force"
    ALGORITHM = "algorithm"
    LOCK = "lock"
    VALIDATION = "validation"
    DISCARD_TABLESPACE = "discard_tablespace"
    IMPORT_TABLESPACE = "import_tablespace"
    SECONDARY = "secondary"

    PARTITION_BY = "partition_by"
    REMOVE_PARTITIONING = "remove_partitioning"
    ADD_PARTITION = "add_partition"
    DROP_PARTITION = "drop_partition"
    TRUNCATE_PARTITION = "truncate_partition"
    COALESCE_PARTITION = "coalesce_partition"
    REORGANIZE_PARTITION = "reorganize_partition"
    EXCHANGE_PARTITION = "exchange_partition"
    ANALYZE_PARTITION = "analyze_partition"
    CHECK_PARTITION = "check_partition"
    OPTIMIZE_PARTITION = "optimize_partition"
    REBUILD_PARTITION = "rebuild_partition"
    REPAIR_PARTITION = "repair_partition"
    DISCARD_PARTITION = "discard_partition"
    IMPORT_PARTITION = "import_partition"

    OTHER = "other"
    """Not known here; the server will say."""


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One clause, in the user's own text."""

    kind: ClauseKind
    text: str
    separator: str
    """What stands between the clause before and this one: with it, the texts joined are the statement's again."""
    name: str = ""
    """Of the column, index or constraint it is about; empty where it names none."""
    new_name: str = ""
    """What a column, index or table is renamed to."""
    value: str = ""
    """Of ALGORITHM and LOCK, in capitals."""


_INDEXES: Final = {
    "INDEX": ClauseKind.ADD_INDEX,
    "KEY": ClauseKind.ADD_INDEX,
    "UNIQUE": ClauseKind.ADD_UNIQUE,
    "FULLTEXT": ClauseKind.ADD_FULLTEXT,
    "SPATIAL": ClauseKind.ADD_SPATIAL,
    "PRIMARY": ClauseKind.ADD_PRIMARY_KEY,
    "FOREIGN": ClauseKind.ADD_FOREIGN_KEY,
    "CHECK": ClauseKind.ADD_CHECK,
}
_DROPS: Final = {
    "INDEX": ClauseKind.DROP_INDEX,
    "KEY": ClauseKind.DROP_INDEX,
    "CHECK": ClauseKind.DROP_CHECK,
    "CONSTRAINT": ClauseKind.DROP_CONSTRAINT,
}
_ALTERS: Final = {
    "INDEX": ClauseKind.ALTER_INDEX,
    "CHECK": ClauseKind.ALTER_CHECK,
    "CONSTRAINT": ClauseKind.ALTER_CONSTRAINT,
}
_RENAMES: Final = {
    "COLUMN": ClauseKind.RENAME_COLUMN,
    "INDEX": ClauseKind.RENAME_INDEX,
    "KEY": ClauseKind.RENAME_INDEX,
}
_PARTITIONS: Final = {
    str(kind).removesuffix("_partition").upper(): kind for kind in ClauseKind if kind.endswith("_partition")
}
_PAIRS: Final = {
    ("CONVERT", "TO"): ClauseKind.CONVERT_CHARSET,
    ("ORDER", "BY"): ClauseKind.ORDER_BY,
    ("PARTITION", "BY"): ClauseKind.PARTITION_BY,
    ("REMOVE", "PARTITIONING"): ClauseKind.REMOVE_PARTITIONING,
    ("ENABLE", "KEYS"): ClauseKind.ENABLE_KEYS,
    ("DISABLE", "KEYS"): ClauseKind.DISABLE_KEYS,
    ("DISCARD", "TABLESPACE"): ClauseKind.DISCARD_TABLESPACE,
    ("IMPORT", "TABLESPACE"): ClauseKind.IMPORT_TABLESPACE,
    ("WITH", "VALIDATION"): ClauseKind.VALIDATION,
    ("WITHOUT", "VALIDATION"): ClauseKind.VALIDATION,
}
_SINGLES: Final = {
    "FORCE": ClauseKind.FORCE,
    "ALGORITHM": ClauseKind.ALGORITHM,
    "LOCK": ClauseKind.LOCK,
    "SECONDARY_LOAD": ClauseKind.SECONDARY,
    "SECONDARY_UNLOAD": ClauseKind.SECONDARY,
}
_OPTIONS: Final = frozenset(
    {
        "AUTOEXTEND_SIZE",
        "AUTO_INCREMENT",
        "AVG_ROW_LENGTH",
        "CHARACTER",
        "CHARSET",
        "CHECKSUM",
        "COLLATE",
        "COMMENT",
        "COMPRESSION",
        "CONNECTION",
        "DATA",
        "DEFAULT",
        "DELAY_KEY_WRITE",
        "ENCRYPTION",
        "ENGINE",
        "ENGINE_ATTRIBUTE",
        "INDEX",
        "INSERT_METHOD",
        "KEY_BLOCK_SIZE",
        "MAX_ROWS",
        "MIN_ROWS",
        "PACK_KEYS",
        "PASSWORD",
        "ROW_FORMAT",
        "SECONDARY_ENGINE",
        "SECONDARY_ENGINE_ATTRIBUTE",
        "STATS_AUTO_RECALC",
        "STATS_PERSISTENT",
        "STATS_SAMPLE_PAGES",
        "STORAGE",
        "TABLE_CHECKSUM",
        "TABLESPACE",
        "UNION",
    }
)


def classify(words: Words, start: int, end: int, separator: str) -> Clause:
    """The clause of the words from `start` to before `end`. Never raises: what is unknown is `OTHER`."""
    verb, second = words[start], words[start + 1] if start + 1 < end else ""
    kind, name, new_name, value = ClauseKind.OTHER, "", "", ""
    at = start + 1
    if verb in _PARTITIONS and second == "PARTITION":
        kind = _PARTITIONS[verb]
    elif (verb, second) in _PAIRS:
        kind = _PAIRS[verb, second]
    elif verb == "ADD":
        kind, name = _added(words, at)
    elif verb == "DROP":
        kind, name = _dropped(words, at)
    elif verb == "RENAME":
        kind, name, new_name = _renamed(words, at, end)
    elif verb in ("MODIFY", "CHANGE"):
        kind = ClauseKind.MODIFY_COLUMN if verb == "MODIFY" else ClauseKind.CHANGE_COLUMN
        at = words.skip(at, "COLUMN")
        name = _at(words, at)
        new_name = _at(words, at + 1) if verb == "CHANGE" else ""
    elif verb == "ALTER":
        kind = _ALTERS.get(second, ClauseKind.ALTER_COLUMN)
        name = _at(words, words.skip(at, "COLUMN") if kind is ClauseKind.ALTER_COLUMN else at + 1)
    elif verb in _SINGLES:
        kind = _SINGLES[verb]
        value = words[words.skip(at, "=")] if verb in ("ALGORITHM", "LOCK") else ""
    elif verb in _OPTIONS:
        kind = ClauseKind.OPTIONS
    return Clause(
        kind=kind, text=words.slice(start, end), separator=separator, name=name, new_name=new_name, value=value
    )


def _at(words: Words, index: int) -> str:
    return words.identifier(index) or ""


def _added(words: Words, at: int) -> tuple[ClauseKind, str]:
    """What ADD adds, and its name."""
    name = ""
    if words[at] == "CONSTRAINT":
        at += 1
        if words[at] not in _INDEXES:
            name, at = _at(words, at), at + 1
    elif words[at] not in _INDEXES:
        at = words.skip(at, "COLUMN")
        return (ClauseKind.ADD_COLUMNS, "") if words[at] == "(" else (ClauseKind.ADD_COLUMN, _at(words, at))
    kind = _INDEXES.get(words[at], ClauseKind.OTHER)
    if kind in (ClauseKind.OTHER, ClauseKind.ADD_CHECK, ClauseKind.ADD_PRIMARY_KEY):
        return kind, name
    if words[at] not in ("INDEX", "KEY"):
        at += 1
    if words[at] in ("INDEX", "KEY"):
        at += 1
    # The index's own name wins over the constraint's, as in the server; USING (reserved) is no name.
    own = "" if words[at] in ("(", "USING") else _at(words, at)
    return kind, (name or own) if kind is ClauseKind.ADD_FOREIGN_KEY else (own or name)


def _dropped(words: Words, at: int) -> tuple[ClauseKind, str]:
    if words.are(at, "PRIMARY", "KEY"):
        return ClauseKind.DROP_PRIMARY_KEY, ""
    if words.are(at, "FOREIGN", "KEY"):
        return ClauseKind.DROP_FOREIGN_KEY, _at(words, at + 2)
    if words[at] in _DROPS:
        return _DROPS[words[at]], _at(words, at + 1)
    return ClauseKind.DROP_COLUMN, _at(words, words.skip(at, "COLUMN"))


def _renamed(words: Words, at: int, end: int) -> tuple[ClauseKind, str, str]:
    if words[at] in _RENAMES:
        return _RENAMES[words[at]], _at(words, at + 1), _at(words, at + 3)
    return ClauseKind.RENAME_TABLE, "", _at(words, end - 1)
