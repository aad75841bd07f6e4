"""Reads what ``alterd vexec`` is given: ``commerce.<uuid>`` and one statement. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from alterd_cli.sql import queries
from alterd_cli.sql.cursor import Cursor, migration_uuid
from alterd_cli.sql.script import Piece
from alterd_cli.sql.statements import SCHEMA, TABLE, Query, SelectRecords, UpdateRecords
from alterd_contracts import names
from alterd_contracts.errors import InvalidInput, UnknownTable, UnsupportedStatement
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_runtime.sql.words import shown

_EXAMPLE: Final = f"update {SCHEMA}.{TABLE} set migration_status='retry' where shard='40-80'"
_COMMANDS: Final = {"retry": Command.RETRY, "cancel": Command.CANCEL}


class Target(msgspec.Struct, frozen=True):
    """What is asked about."""

    keyspace: str
    uuid: str = ""
    """Empty: all of the keyspace."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """``commerce`` or ``commerce.9e8a9249_3976_11ed_9442_0a43f95f28a3``. Raises `InvalidName`."""
        keyspace, dot, uuid = text.partition(".")
        return cls(names.check_keyspace(keyspace), migration_uuid(uuid) if dot else "")


class Chosen(msgspec.Struct, frozen=True):
    """A record that an UPDATE is about."""

    uuid: str
    shard: str
    tablet: str
    status: str


def read(piece: Piece) -> SelectRecords | UpdateRecords:
    """Raises `SyntaxRefused`, `UnsupportedStatement`, `UnknownTable`, `InvalidInput`."""
    first = piece.words[0]
    if first == "SELECT":
        return queries.select(piece, tablet_first=True)
    if first == "UPDATE":
        return _update(Cursor(piece, 1))
    what = shown(piece.words.tokens[0]) if piece.words.tokens else "this"
    raise UnsupportedStatement(
        f"{what} is not supported on {SCHEMA}.{TABLE}",
        hint="SELECT is, and UPDATE of migration_status to 'retry' or 'cancel'",
    )


def _update(cursor: Cursor) -> UpdateRecords:
    name = cursor.words.name(cursor.at)
    if name.schema not in ("", SCHEMA) or name.table != TABLE:
        raise UnknownTable(f"there is no table {name.table}", hint=f"there is one: {SCHEMA}.{TABLE}", table=name.table)
    cursor.at = name.end
    cursor.expect("SET", example=_EXAMPLE)
    column = cursor.words.identifier(cursor.at)
    if column is None:
        cursor.refuse("the name of a column is missing", _EXAMPLE)
    if column.lower() != "migration_status":
        raise UnsupportedStatement(
            f"{column} cannot be set", hint="migration_status can, to 'retry' or 'cancel'", column=column
        )
    cursor.at += 1
    cursor.expect("=", example=_EXAMPLE)
    status = cursor.string("'retry' or 'cancel'", _EXAMPLE)
    if status.lower() not in _COMMANDS:
        raise InvalidInput(f"migration_status cannot be set to {status[:64]!r}", hint="to 'retry' or 'cancel'")
    if cursor.word == ",":
        raise UnsupportedStatement("only migration_status can be set", hint=f"write it like {_EXAMPLE}")
    bounded = cursor.take("WHERE")
    if bounded and cursor.over:
        cursor.refuse("a condition is missing", _EXAMPLE)
    if not bounded:
        cursor.end(_EXAMPLE)
    return UpdateRecords(
        command=_COMMANDS[status.lower()],
        rows=queries.chosen(cursor.words, cursor.at),
        bounded=bounded,
        alone=not any(cursor.words.positions("SELECT", cursor.at)),
    )


def only_in(rows: Query, statuses: Iterable[Status]) -> Query:
    """Of the records that an UPDATE is about those in one of these states."""
    wanted = tuple(sorted(statuses))
    marks = ", ".join("?" * len(wanted))
    return Query(f"SELECT * FROM ({rows.sql}) WHERE migration_status IN ({marks})", (*rows.parameters, *wanted))
