"""What MySQL does at once by itself: an INSTANT change, the rotation of RANGE partitions.

A shadow table would be of no use for the first, and would put the rows of a dropped partition into another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from alterd_contracts.errors import StatementFailed, SyntaxRefused
from alterd_contracts.migration import Migration
from alterd_contracts.requests import PlanStep
from alterd_contracts.strategy import Facts, Session, ShardView, Task
from alterd_direct.definitions import Remembered
from alterd_direct.memory import remember, take_back
from alterd_direct.sending import LOCK_WAIT_TIMEOUT, expected, opened, permitted, send
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.scratch import as_users_do, definition
from alterd_runtime.sql import Alter, ClauseKind, at_once, split_alter
from alterd_runtime.sql.words import Words

PHASE: Final = "prepare"
INSTANT, ROTATION = "instant-ddl", "range-partition"
TRIED: Final = "_alterd_at_once"
"""The table on which an INSTANT change is tried, in a scratch schema."""
PATIENCE: Final = 1
"""Seconds for which an attempt waits for the table; whoever wants it meanwhile waits behind it."""
LONGEST_BACK_OFF: Final = 30.0
_BY_RANGE: Final = re.compile(r"^/\*!\d+ PARTITION BY RANGE\b", re.MULTILINE)
_INSTANT: Final = frozenset(
    {
        ClauseKind.ADD_COLUMN,
        ClauseKind.ADD_COLUMNS,
        ClauseKind.DROP_COLUMN,
        ClauseKind.MODIFY_COLUMN,
        ClauseKind.CHANGE_COLUMN,
        ClauseKind.RENAME_COLUMN,
        ClauseKind.ALTER_COLUMN,
    }
)
"""Of these MySQL is asked whether it can do them at once."""
_HOW: Final = frozenset({ClauseKind.ALGORITHM, ClauseKind.LOCK})


class AtOnce(msgspec.Struct, frozen=True):
    """What is to be sent."""

    operation: str
    sql: str

    @property
    def column(self) -> str:
        """As the record's `special_plan` tells it."""
        return msgspec.json.encode({"operation": self.operation}).decode()


def read_at_once(sql: str, table: str, *, instant: bool) -> AtOnce | None:
    """What of an ALTER may be done at once. `table`: its definition; `instant`: preferred. Pure."""
    try:
        alter = split_alter(sql)
    except SyntaxRefused:
        return None
    if _BY_RANGE.search(table) and _rotates(alter):
        return AtOnce(ROTATION, sql)
    work = [clause for clause in alter.clauses if clause.kind not in _HOW]
    if instant and work and all(clause.kind in _INSTANT for clause in work):
        return AtOnce(INSTANT, at_once(alter.head, alter.clauses))
    return None


def _rotates(alter: Alter) -> bool:
    """Nothing but partitions that go, or one that comes."""
    if len(alter.clauses) != 1:
        return False
    [clause] = alter.clauses
    if clause.kind is ClauseKind.DROP_PARTITION:
        return True
    if clause.kind is not ClauseKind.ADD_PARTITION:
        return False
    words = Words.of(clause.text)
    first = next(words.positions("("), len(words))
    depth, count = 0, 0
    for at in range(first, len(words)):
        depth += (words[at] == "(") - (words[at] == ")")
        count += depth == 1 and words[at] == "PARTITION"
    return count == 1


async def special_plan(change: Migration, shard: ShardView, *, instant: bool, zero_dates: bool = False) -> str:
    """`Strategy.special_plan` of an ALTER: by its text, and for INSTANT by what MySQL says of an empty copy."""
    session = shard.scratch
    scratch = str(await session.value("SELECT DATABASE()"))
    table = await definition(session, scratch, change.mysql_table)
    found = read_at_once(change.migration_statement, table or "", instant=instant)
    if found is None or table is None:
        return ""
    if found.operation == INSTANT and not await _tried(session, change, zero_dates=zero_dates):
        return ""
    return found.column


async def _tried(session: Session, change: Migration, *, zero_dates: bool) -> bool:
    alter = split_alter(change.migration_statement)
    try:
        await session.execute(f"CREATE TABLE {TRIED} LIKE {identifier(change.mysql_table)}")
        await as_users_do(session, zero_dates=zero_dates)
        await session.execute(at_once(f"ALTER TABLE {TRIED}", alter.clauses))
    except StatementFailed:
        return False
    finally:
        await session.execute(f"DROP TABLE IF EXISTS {TRIED}")
    return True


def planned(change: Migration) -> list[PlanStep]:
    """What is done with a change that has a special plan."""
    found = read_at_once(change.migration_statement, "", instant=True)
    sql = found.sql if found and INSTANT in change.special_plan else change.migration_statement
    return [PlanStep(statement=1, action="at once", sql=sql)]


async def carry_out(task: Task, *, instant: bool, clear: Callable[[], Awaitable[None]] | None = None) -> Facts | None:
    """Has MySQL do the ALTER of `task`; None where it cannot at once, and has changed nothing.

    `clear`: called before each attempt, to end what is in its way. Raises `StatementFailed`.
    """
    schema, statement = task.migration.mysql_schema, task.statement
    async with opened(task) as session:
        before = await definition(session, schema, statement.table)
        found = read_at_once(statement.sql, before or "", instant=instant)
        if found is None or before is None:
            return None
        await task.phase(PHASE)
        after = await expected(task, True)
        await remember(task, session, Remembered(attempt=task.attempt, before=before, after=after))
    failpoint("statement.remembered")
    try:
        await _sent(task, found.sql, clear)
    except StatementFailed as error:
        if found.operation != INSTANT:
            raise
        task.log.info(f"MySQL does not do it at once: {error.message}")
        async with opened(task) as session:
            await take_back(task, session)
        await task.ready(False)
        return None
    failpoint("statement.executed")
    return Facts(message=words(found.operation), columns={"special_plan": found.column})


def words(operation: str) -> str:
    """What a completed one tells."""
    return "done at once by MySQL: " + ("ALGORITHM=INSTANT" if operation == INSTANT else "partitions rotated")


async def _sent(task: Task, sql: str, clear: Callable[[], Awaitable[None]] | None) -> None:
    """Until it gets the table: each attempt waits for it for a moment only."""
    tries = 0
    while True:
        await permitted(task)
        if clear is not None:
            await clear()
        session = await task.primary({"lock_wait_timeout": PATIENCE})
        try:
            await send(task, session, sql)
        except StatementFailed as error:
            if error.where.get("errno") != str(LOCK_WAIT_TIMEOUT):
                raise
        else:
            return
        finally:
            await session.close()
        tries += 1
        wait = min(2.0 ** (tries - 1), LONGEST_BACK_OFF)
        message = f"attempt {tries}: {task.statement.table} is in use; again in {wait:g} s"
        task.progress(stage="waiting", message=message, cutover_attempts=task.migration.cutover_attempts + tries)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await task.wanted_changed()
