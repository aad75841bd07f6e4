"""The migration records as a table from which SQLite selects, as MySQL would."""

from __future__ import annotations

import contextlib
import difflib
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec

from alterd_cli.output import moment
from alterd_cli.sql.functions import register
from alterd_cli.sql.patterns import BadPattern, Searcher, TookTooLong
from alterd_cli.sql.statements import SCHEMA, TABLE, Query
from alterd_contracts.errors import InvalidInput, SyntaxRefused, UnknownTable
from alterd_contracts.migration import COLUMNS, Migration

Value = str | int | float | None
LONGEST: Final = 60.0
"""Seconds that one SELECT may take."""
_STEPS: Final = 100_000
"""Of SQLite's machine between two looks at the clock."""
_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_UNKNOWN_COLUMN: Final = re.compile(r"no such column: (.+)")
_UNKNOWN_TABLE: Final = re.compile(r"no such table: (.+)|access to (?:main\.|temp\.)?([^.\s]+)\S* is prohibited")
_SYNTAX: Final = re.compile(r'near "(.*)": syntax error|incomplete input|unrecognized token.*')


class Result(msgspec.Struct, frozen=True):
    """What a SELECT gives."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def column_types() -> dict[str, str]:
    """Each column with the type under which SQLite compares it. Texts compare without regard to case, as in MySQL."""
    types = {bool: "INTEGER", int: "INTEGER", float: "REAL"}
    found = {field.name: field.type for field in msgspec.structs.fields(Migration)}
    return {name: types.get(found[name], "TEXT COLLATE NOCASE") for name in COLUMNS} | {
        "vreplication_lag_seconds": "NUMERIC"
    }


def value_of(record: Migration, column: str) -> Value:
    """What the column holds, as the table keeps it."""
    value = getattr(record, column)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, int | float) else str(value)


class RecordTable:
    """The records, ready to be asked. Lasts for one block."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._searcher = Searcher()
        self._failure: Exception | None = None
        self._until = 0.0

    @classmethod
    @contextlib.contextmanager
    def of(cls, records: Iterable[Migration], now: datetime) -> Iterator[RecordTable]:
        with cls.empty(now) as table:
            table.add(records)
            yield table

    @classmethod
    @contextlib.contextmanager
    def empty(cls, now: datetime) -> Iterator[RecordTable]:
        """In a file of SQLite's own, which it removes again: so memory stays small. One thread at a time."""
        connection = sqlite3.connect("", check_same_thread=False)
        try:
            connection.execute(f"ATTACH '' AS {SCHEMA}")
            connection.execute(f"PRAGMA {SCHEMA}.journal_mode = OFF")
            columns = ", ".join(f"{name} {kind}" for name, kind in column_types().items())
            connection.execute(f"CREATE TABLE {SCHEMA}.{TABLE} ({columns})")
            table = cls(connection)
            register(connection, now, table._told, table._found)
            with contextlib.closing(table._searcher):
                yield table
        finally:
            connection.close()

    def add(self, records: Iterable[Migration]) -> None:
        """What is not in it yet."""
        self._connection.set_authorizer(None)
        self._connection.set_progress_handler(None, 0)
        marks = ", ".join("?" * len(COLUMNS))
        self._connection.executemany(
            f"INSERT INTO {SCHEMA}.{TABLE} VALUES ({marks})",
            (tuple(value_of(record, column) for column in COLUMNS) for record in records),
        )

    def remove(self, keys: Iterable[tuple[str, str, str]]) -> None:
        """By keyspace, shard and uuid."""
        self._connection.set_authorizer(None)
        self._connection.set_progress_handler(None, 0)
        self._connection.execute(
            f"CREATE INDEX IF NOT EXISTS {SCHEMA}.by_uuid ON {TABLE} (migration_uuid COLLATE BINARY)"
        )
        self._connection.executemany(
            f"DELETE FROM {SCHEMA}.{TABLE} WHERE keyspace = ? COLLATE BINARY AND shard = ? COLLATE BINARY"
            " AND migration_uuid = ? COLLATE BINARY",
            keys,
        )

    def select(self, query: Query) -> Result:
        """Raises `SyntaxRefused`, `UnknownTable`, `InvalidInput`."""
        self._connection.set_authorizer(self._authorize)
        self._connection.set_progress_handler(self._too_long, _STEPS)
        self._failure, self._until = None, time.monotonic() + LONGEST
        try:
            cursor = self._connection.execute(query.sql, query.parameters)
            rows = tuple(tuple(row) for row in cursor)
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            raise self._explained(error) from None
        return Result(tuple(column[0] for column in cursor.description or ()), rows)

    def _found(self, pattern: str, text: str) -> bool:
        return self._searcher.search(pattern, text, until=self._until)

    def _told(self, failure: Exception) -> None:
        self._failure = failure

    def _too_long(self) -> bool:
        return time.monotonic() > self._until

    @staticmethod
    def _authorize(action: int, what: str | None, _column: str | None, _schema: str | None, _by: str | None) -> int:
        reads = action == sqlite3.SQLITE_READ and what not in _PRIVATE
        forbidden = action == sqlite3.SQLITE_FUNCTION and _column in _DANGEROUS
        return sqlite3.SQLITE_OK if reads or (action in _ALLOWED and not forbidden) else sqlite3.SQLITE_DENY

    def _explained(self, error: Exception) -> InvalidInput | UnknownTable:
        text = str(error)
        if found := _UNKNOWN_COLUMN.search(text):
            return unknown_column(found[1])
        if found := _UNKNOWN_TABLE.search(text):
            name = found[1] or found[2]
            return UnknownTable(f"there is no table {name}", hint=f"there is one: {SCHEMA}.{TABLE}", table=name)
        if found := _SYNTAX.search(text):
            near = f" near {found[1]}" if found[1] else ""
            return SyntaxRefused(f"the SELECT cannot be read{'' if near == ' near ?' else near}")
        if "interrupted" in text or isinstance(self._failure, TookTooLong):
            return InvalidInput(
                f"the SELECT was ended: it took longer than {LONGEST:g} s", hint="ask for less, or by a simpler pattern"
            )
        if self._failure is not None:
            why = str(self._failure) if isinstance(self._failure, BadPattern) else "a function's arguments are wrong"
            return InvalidInput(why)
        return InvalidInput(text)


_PRIVATE: Final = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})
_DANGEROUS: Final = frozenset({"load_extension"})


def unknown_column(name: str) -> InvalidInput:
    close = difflib.get_close_matches(name.rpartition(".")[2].strip('`"').lower(), COLUMNS, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`show vitess_migrations\\G` shows all columns"
    return InvalidInput(f"there is no column {name}", hint=hint, column=name)
