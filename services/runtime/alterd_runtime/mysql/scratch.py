"""Scratch schemas: empty copies on which statements are tried, and definitions as the server shows them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import structlog

from alterd_contracts.errors import InvalidSetting, LostSession, StatementFailed
from alterd_contracts.names import SCRATCH_PREFIX
from alterd_runtime.mysql.quoting import identifier, qualified

log = structlog.get_logger(__name__)

ABANDONED_AFTER = 3600
"""Seconds after which a scratch schema belongs to nobody: a try takes seconds."""

NO_SUCH_SCHEMA = 1049
NO_SUCH_TABLE = 1146
UNKNOWN_TABLE = 1051
_DENIED = frozenset({1227, 3619})
_SPECIAL = re.compile(re.escape(SCRATCH_PREFIX) + r"[0-9a-f]{16}")
_STAMP = "alterd_scratch_stamp"
"""A table whose CREATE_TIME tells the schema's age: schemas have none of their own."""

_MISSING = re.compile(r"(?:Table|Unknown table) '" + re.escape(SCRATCH_PREFIX) + r"[0-9a-f]{16}\.(.+?)'", re.DOTALL)
_AUTO_INCREMENT = re.compile(r"^(\) (?:/\*!.*?\*/ )?ENGINE=\w+) AUTO_INCREMENT=\d+", re.MULTILINE)


class Queries(Protocol):
    """What a session can do, ours or a strategy's."""

    async def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]: ...
    async def value(self, sql: str, params: Sequence[Any] = ()) -> Any: ...
    async def execute(self, sql: str, params: Sequence[Any] = ()) -> int: ...


def without_auto_increment(definition: str) -> str:
    """A SHOW CREATE TABLE without the counter, which says nothing of the table's shape.

    Read under ``sql_mode=''``: then each line is one part of the definition, whatever comments hold.
    """
    return _AUTO_INCREMENT.sub(r"\1", definition, count=1)


async def definition(session: Queries, schema: str, name: str) -> str | None:
    """What the server shows of a table or view, without the counter; None where there is none.

    A view is shown without its schema's name where that is the session's current one. Leaves the session with
    ``sql_mode=''``. Raises `StatementFailed`.
    """
    await session.execute("SET SESSION sql_mode = ''")
    try:
        [row] = await session.query(f"SHOW CREATE TABLE {qualified(schema, name)}")
    except StatementFailed as error:
        if error.where.get("errno") in {str(NO_SUCH_TABLE), str(NO_SUCH_SCHEMA)}:
            return None
        raise
    if "Create View" in row:
        return str(row["Create View"])
    return without_auto_increment(str(row["Create Table"]))


def missing(error: StatementFailed) -> str | None:
    """The table or view of a scratch schema that `error` says is not there."""
    if error.where.get("errno") not in {str(NO_SUCH_TABLE), str(UNKNOWN_TABLE)}:
        return None
    match = _MISSING.search(error.message)
    return match.group(1) if match else None


@contextlib.asynccontextmanager
async def scratch_schema(session: Queries, like: str) -> AsyncIterator[str]:
    """A schema with the defaults of schema `like`, current in `session`; dropped at the end whatever happens.

    The session serves for nothing else: foreign keys are not checked in it, and nothing it does is replicated
    where its account may leave that out. Raises `InvalidSetting` (no schema `like`), `StatementFailed`.
    """
    rows = await session.query(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation"
        " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
        (like,),
    )
    if not rows:
        raise InvalidSetting(f"there is no schema {like!r}", hint="create it, or correct the shard's schema")
    await session.execute("SET SESSION foreign_key_checks = 0, SESSION sql_mode = ''")
    for variable in ("sql_log_bin", "sql_require_primary_key"):
        await _switch_off(session, variable)
    name = SCRATCH_PREFIX + secrets.token_hex(8)
    try:
        await session.execute(
            f"CREATE SCHEMA {identifier(name)} CHARACTER SET {rows[0]['charset']} COLLATE {rows[0]['collation']}"
        )
        await _stamp(session, name)
        await session.execute(f"USE {identifier(name)}")
        yield name
    finally:
        await asyncio.shield(asyncio.ensure_future(_drop(session, name)))


async def copy_empty(session: Queries, schema: str, name: str) -> bool:
    """Makes an empty copy of a table in the current schema; of a view one with its columns. False: not there.

    Leaves the session with ``sql_mode=''``, so that old definitions (zero dates) can be made again.
    """
    text = await definition(session, schema, name)
    if text is None:
        return False
    if not text.startswith("CREATE TABLE"):
        text = await _stand_in(session, schema, name)
    await session.execute("SET SESSION innodb_strict_mode = 0")
    await session.execute(text)
    await session.execute("SET SESSION innodb_strict_mode = @@global.innodb_strict_mode")
    return True


ZERO_DATE_MODES = frozenset({"NO_ZERO_DATE", "NO_ZERO_IN_DATE", "TRADITIONAL"})
"""And the mode that means them among others; the others are listed beside it."""


async def as_users_do(session: Queries, *, zero_dates: bool = False) -> None:
    """The session's settings that decide what a statement means become the server's own.

    `zero_dates`: but for the modes that refuse zero dates, as --allow-zero-in-date asks.
    """
    await session.execute("SET SESSION sql_mode = @@global.sql_mode, SESSION time_zone = @@global.time_zone")
    if zero_dates:
        modes = str(await session.value("SELECT @@session.sql_mode")).split(",")
        await session.execute("SET SESSION sql_mode = %s", (",".join(m for m in modes if m not in ZERO_DATE_MODES),))


async def sweep(session: Queries) -> int:
    """Drops scratch schemas that a dead process left behind: how many. For a session that serves for nothing else."""
    rows = await session.query(
        "SELECT s.SCHEMA_NAME AS name, t.CREATE_TIME IS NOT NULL AS stamped,"
        " COALESCE(t.CREATE_TIME < NOW() - INTERVAL %s SECOND, FALSE) AS abandoned"
        " FROM information_schema.SCHEMATA s LEFT JOIN information_schema.TABLES t"
        " ON t.TABLE_SCHEMA = s.SCHEMA_NAME AND t.TABLE_NAME = %s WHERE s.SCHEMA_NAME LIKE %s",
        (ABANDONED_AFTER, _STAMP, SCRATCH_PREFIX.replace("_", r"\_") + "%"),
    )
    await _switch_off(session, "sql_log_bin")
    swept = 0
    for row in rows:
        name = row["name"]
        if not _SPECIAL.fullmatch(name):
            continue
        if row["abandoned"]:
            await session.execute(f"DROP SCHEMA IF EXISTS {identifier(name)}")
            log.info("mysql.scratch_swept", schema=name)
            swept += 1
        elif not row["stamped"]:
            await _stamp(session, name)  # made a moment ago, or by a process that died then: from now on it has an age
    return swept


async def _stand_in(session: Queries, schema: str, view: str) -> str:
    """A view with the same columns that depends on nothing."""
    columns = await session.query(
        "SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        (schema, view),
    )
    parts = [f"NULL AS {identifier(column['name'])}" for column in columns] or ["NULL AS `broken`"]
    return f"CREATE VIEW {identifier(view)} AS SELECT {', '.join(parts)}"


async def _stamp(session: Queries, name: str) -> None:
    try:
        await session.execute(f"CREATE TABLE IF NOT EXISTS {qualified(name, _STAMP)} (`id` INT PRIMARY KEY)")
    except StatementFailed as error:
        if error.where.get("errno") != str(NO_SUCH_SCHEMA):
            raise


async def _switch_off(session: Queries, variable: str) -> None:
    try:
        await session.execute(f"SET SESSION {variable} = 0")
    except StatementFailed as error:
        if int(error.where.get("errno", 0)) not in _DENIED:
            raise


async def _drop(session: Queries, name: str) -> None:
    try:
        await session.execute(f"DROP SCHEMA IF EXISTS {identifier(name)}")
    except LostSession:
        log.warning("mysql.scratch_left", schema=name, hint="it is swept an hour after its creation")
