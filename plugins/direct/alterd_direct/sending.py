"""Sending one statement: what it will make, when it may go, and signs of life while it works."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.strategy import Session, Task
from alterd_direct.definitions import UNKNOWN
from alterd_runtime.ddl_strategy import zero_dates_allowed
from alterd_runtime.mysql.scratch import as_users_do, copy_empty, definition, missing, scratch_schema

LOOK_EVERY = 2.0
"""Seconds between two looks at a statement that works."""
STILL_WAITING = 5.0
"""Seconds between two signs of life while completion is postponed."""
LOCK_WAIT_TIMEOUT = 1205

_LOOK = """
SELECT t.PROCESSLIST_COMMAND AS command, t.PROCESSLIST_STATE AS state,
       s.WORK_COMPLETED AS done, s.WORK_ESTIMATED AS whole
FROM performance_schema.threads t
LEFT JOIN performance_schema.events_stages_current s ON s.THREAD_ID = t.THREAD_ID
WHERE t.PROCESSLIST_ID = %s
"""


@contextlib.asynccontextmanager
async def opened(task: Task) -> AsyncIterator[Session]:
    """A fenced session on the primary, closed at the end."""
    session = await task.primary()
    try:
        yield session
    finally:
        await session.close()


async def expected(task: Task, existed: bool) -> str | None:
    """The definition that the statement will leave, made on an empty copy; `UNKNOWN` where it cannot be made."""
    schema, table = task.migration.mysql_schema, task.statement.table
    considered = {table}
    async with opened(task) as session, scratch_schema(session, schema) as scratch:
        try:
            if existed:
                await copy_empty(session, schema, table)
            while True:
                await as_users_do(session, zero_dates=zero_dates_allowed(task.migration.options))
                try:
                    await session.execute(task.statement.sql)
                except StatementFailed as error:
                    name = missing(error)
                    if name is None or name in considered:
                        raise
                    considered.add(name)
                    await copy_empty(session, schema, name)
                else:
                    return await definition(session, scratch, table)
        except StatementFailed as error:
            # the real statement has the last word: a copy lacks what a view or a default may call
            task.log.info(f"on an empty copy: {error.message}")
            return UNKNOWN


async def permitted(task: Task) -> None:
    """Returns when the point of no return may be passed, by a fresh read."""
    while not await task.may_complete():
        await task.ready()
        if not task.wanted.may_complete:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STILL_WAITING):
                    await task.wanted_changed()
        else:
            await asyncio.sleep(STILL_WAITING / 10)  # a cancel is on its way
        task.alive()


async def send(task: Task, session: Session, sql: str) -> None:
    """Runs the statement as a user's client would; cancelling kills it on the server. Raises `StatementFailed`."""
    await as_users_do(session, zero_dates=zero_dates_allowed(task.migration.options))
    watching = asyncio.create_task(_watch(task, session.connection_id))
    try:
        await session.execute(sql)
    except StatementFailed as error:
        if error.where.get("errno") == str(LOCK_WAIT_TIMEOUT) and not error.hint:
            error.hint = (
                "another session has used the table for longer than executor.lock_wait_timeout: "
                "see performance_schema.metadata_locks, then retry"
            )
        raise
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(task: Task, connection: int) -> None:
    """Signs of life as long as the server works on the statement, and what it says of its progress."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            async with opened(task) as session:
                rows = await session.query(_LOOK, (connection,))
        except AlterdError as error:
            task.log.warning(f"cannot look at the statement: {error.message}")
            continue
        if rows and rows[0]["command"] != "Sleep":
            done, whole = rows[0]["done"] or 0, rows[0]["whole"] or 0
            percent = min(100.0, 100.0 * done / whole) if whole else None
            task.progress(percent=percent, stage=str(rows[0]["state"] or ""))
