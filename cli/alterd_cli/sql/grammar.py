"""Reads one statement: which one it is, and what it says. Pure."""

from __future__ import annotations

from typing import Final

from alterd_cli.sql import orders, queries
from alterd_cli.sql.cursor import Cursor, migration_uuid
from alterd_cli.sql.script import Piece
from alterd_cli.sql.statements import (
    Ddl,
    Query,
    Revert,
    SelectVariables,
    SetVariables,
    ShowLogs,
    ShowMigrations,
    ShowThrottledApps,
    ShowThrottler,
    Statement,
    Use,
    Variable,
)
from alterd_contracts import names
from alterd_contracts.errors import InvalidName, InvalidSetting, UnsupportedStatement
from alterd_contracts.states import Status
from alterd_runtime.sql.words import shown

TAKEN: Final = (
    "there are schema changes, SET and SELECT of @@ddl_strategy and @@migration_context, ALTER VITESS_MIGRATION, "
    "REVERT VITESS_MIGRATION, SHOW VITESS_MIGRATIONS, SHOW VITESS_MIGRATION '…' LOGS, SHOW VITESS_THROTTLED_APPS, "
    "SHOW VITESS_THROTTLER STATUS, "
    "SELECT from _vt.schema_migrations, and USE"
)
_CHANGES: Final = frozenset({"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "DELIMITER", ""})
"""First words of what intake reads; it says what is wrong with them. Empty: an executable comment."""
_SET_EXAMPLE: Final = "set @@ddl_strategy='vitess --postpone-completion'"
_SHOW_EXAMPLE: Final = "show vitess_migrations like '9e8a9249_3976_11ed_9442_0a43f95f28a3'"
_LOGS_EXAMPLE: Final = "show vitess_migration '9e8a9249_3976_11ed_9442_0a43f95f28a3' logs"
_REVERT_EXAMPLE: Final = "revert vitess_migration '9e8a9249_3976_11ed_9442_0a43f95f28a3'"


def read(piece: Piece) -> Statement:
    """Raises `SyntaxRefused`, `UnsupportedStatement`, `InvalidName`, `InvalidSetting`, `InvalidInput`."""
    cursor = Cursor(piece)
    first, second = piece.words[0], piece.words[1]
    if second.startswith("VITESS_") and first in ("ALTER", "REVERT", "SHOW"):
        cursor.at = 2
        return _of_vitess(cursor, first, second)
    if first == "SET":
        cursor.at = 1
        return _set(cursor)
    if first == "SELECT":
        if second == "@":
            cursor.at = 1
            return _select_variables(cursor)
        return queries.select(piece)
    if first == "USE":
        cursor.at = 1
        return _use(cursor)
    if first == "UPDATE":
        raise UnsupportedStatement(
            "records are not updated here", hint="`alterd vexec` has UPDATE; or ALTER VITESS_MIGRATION"
        )
    if first in _CHANGES:
        return Ddl(piece.text)
    raise UnsupportedStatement(f"{shown(piece.words.tokens[0])} begins no statement that is taken here", hint=TAKEN)


def _of_vitess(cursor: Cursor, first: str, second: str) -> Statement:
    if second == "VITESS_MIGRATION":
        if first == "ALTER":
            return orders.read(cursor)
        if first == "REVERT":
            revert = Revert(cursor.uuid(_REVERT_EXAMPLE))
            cursor.end(_REVERT_EXAMPLE)
            return revert
        logs = ShowLogs(cursor.uuid(_LOGS_EXAMPLE))
        cursor.expect("LOGS", example=_LOGS_EXAMPLE)
        cursor.end(_LOGS_EXAMPLE)
        return logs
    if first == "SHOW" and second == "VITESS_MIGRATIONS":
        return _show_migrations(cursor)
    if first == "SHOW" and second == "VITESS_THROTTLED_APPS":
        cursor.end("show vitess_throttled_apps")
        return ShowThrottledApps()
    if first == "SHOW" and second == "VITESS_THROTTLER":
        cursor.expect("STATUS", example="show vitess_throttler status")
        cursor.end("show vitess_throttler status")
        return ShowThrottler()
    raise UnsupportedStatement(f"{first} {second} is not taken here", hint=TAKEN)


def _show_migrations(cursor: Cursor) -> ShowMigrations:
    keyspace = _keyspace(cursor) if cursor.take("FROM") or cursor.take("IN") else ""
    if cursor.take("LIKE"):
        pattern = cursor.string("a pattern", _SHOW_EXAMPLE)
        cursor.end(_SHOW_EXAMPLE)
        # the name of a state means the state alone, as in `alterd show running`
        status = Status(pattern.lower()) if pattern.lower() in set(Status) else None
        return ShowMigrations(query=queries.like(pattern), keyspace=keyspace, uuid=_whole_uuid(pattern), status=status)
    if cursor.take("WHERE"):
        if cursor.over:
            cursor.refuse("a condition is missing", "show vitess_migrations where migration_status = 'running'")
        query = queries.where(cursor.words, cursor.at)
        return ShowMigrations(query=query, keyspace=keyspace, uuid=queries.only_uuid(cursor.words, cursor.at))
    cursor.end("show vitess_migrations where migration_status = 'running'")
    return ShowMigrations(query=Query(queries.ALL), keyspace=keyspace)


def _whole_uuid(pattern: str) -> str:
    """The uuid that a LIKE asks for; empty where it has wildcards beside what a uuid has."""
    try:
        return migration_uuid(pattern)
    except InvalidName:
        return ""


def _set(cursor: Cursor) -> SetVariables:
    values: list[tuple[Variable, str | None]] = []
    while True:
        variable = _variable(cursor)
        if not cursor.take("=") and not cursor.take(":", "="):
            cursor.refuse("= is missing", _SET_EXAMPLE)
        values.append((variable, _value(cursor, variable)))
        if not cursor.take(","):
            cursor.end(_SET_EXAMPLE)
            return SetVariables(tuple(values))


def _value(cursor: Cursor, variable: Variable) -> str | None:
    if cursor.take("DEFAULT"):
        return None
    bare = cursor.words.identifier(cursor.at)
    if bare is not None and bare[0] not in "‘’“”":  # as MySQL takes it: set @@ddl_strategy = direct
        cursor.at += 1
        following = cursor.words.tokens[cursor.at : cursor.at + 1]
        if following and following[0].text in ("-", "."):
            cursor.refuse("a value with signs needs quotes", _SET_EXAMPLE)
        value = bare
    else:
        value = cursor.string(f"the value of @@{variable}", _SET_EXAMPLE)
    return names.check_context(value) if variable is Variable.MIGRATION_CONTEXT else value


def _variable(cursor: Cursor) -> Variable:
    """``@@ddl_strategy``, ``@@session.ddl_strategy``, ``session ddl_strategy`` or ``ddl_strategy``."""
    if cursor.take("@"):
        if not cursor.take("@"):
            cursor.refuse("user variables are not kept: write @@", _SET_EXAMPLE)
        scoped = cursor.words[cursor.at + 1] == "."
    else:
        scoped = cursor.word in ("SESSION", "LOCAL", "GLOBAL", "PERSIST", "PERSIST_ONLY")
    if scoped:
        if cursor.word not in ("SESSION", "LOCAL"):
            raise InvalidSetting(
                f"{cursor.word.lower()} variables cannot be set here",
                hint="a keyspace's default strategy stands in its file: `alterd keyspace apply`",
            )
        cursor.at += 1
        cursor.take(".")
    name = cursor.words.identifier(cursor.at)
    if name is None:
        cursor.refuse("the name of a variable is missing", _SET_EXAMPLE)
    try:
        found = Variable(name.lower())
    except ValueError:
        raise InvalidSetting(
            f"there is no variable @@{name[:64]}",
            hint="there are @@ddl_strategy and @@migration_context",
            variable=name[:64],
        ) from None
    cursor.at += 1
    return found


def _select_variables(cursor: Cursor) -> SelectVariables:
    columns: list[tuple[Variable, str]] = []
    while True:
        first = cursor.at
        variable = _variable(cursor)
        title = cursor.words.slice(first, cursor.at)
        if cursor.take("AS"):
            name = cursor.words.identifier(cursor.at)
            if name is None:
                cursor.refuse("a name is missing")
            cursor.at, title = cursor.at + 1, name
        columns.append((variable, title))
        if not cursor.take(","):
            cursor.end("select @@ddl_strategy")
            return SelectVariables(tuple(columns))


def _use(cursor: Cursor) -> Use:
    found = Use(_keyspace(cursor))
    cursor.end("use commerce")
    return found


def _keyspace(cursor: Cursor) -> str:
    """A keyspace's name; bare ones may hold hyphens."""
    first = cursor.at
    name = cursor.words.identifier(first)
    if name is None:
        cursor.refuse("the name of a keyspace is missing", "use commerce")
    cursor.at += 1
    tokens = cursor.words.tokens
    while cursor.at < len(tokens) and tokens[cursor.at].start == tokens[cursor.at - 1].end + 1:
        name += tokens[cursor.at].text
        cursor.at += 1
    return names.check_keyspace(name)
