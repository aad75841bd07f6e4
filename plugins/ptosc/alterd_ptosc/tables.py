"""Facts about the attempt's tables, and their foreign keys."""

from __future__ import annotations

import asyncio

from alterd_contracts.errors import StatementFailed
from alterd_contracts.names import ArtifactKind
from alterd_contracts.strategy import Session, Task
from alterd_runtime.mysql.artifacts import exists as there_is
from alterd_runtime.mysql.artifacts import listed
from alterd_runtime.mysql.errors import LOCK_WAIT_TIMEOUT
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_runtime.mysql.session import Session as OurSession

PATIENCE = 120.0
"""Seconds for the transactions that keep a table to end."""
TURN = 2
"""Seconds for which a statement waits for a table, and with it all who come behind."""
PAUSE = 0.5
"""Seconds between two turns."""
_FOREIGN_KEYS = """
SELECT CONSTRAINT_NAME AS name FROM information_schema.TABLE_CONSTRAINTS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_TYPE = 'FOREIGN KEY' ORDER BY CONSTRAINT_NAME
"""

_COUNTER = "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"


async def exists(session: Session, schema: str, name: str) -> bool:
    """Whether there is such a table."""
    assert isinstance(session, OurSession)
    return await there_is(session, schema, name)


async def declared(task: Task, session: Session) -> dict[str, ArtifactKind]:
    """Artifacts of the whole migration that may exist."""
    return {each.name: each.kind for each in await listed(session, task.migration) if each.collected_at is None}


async def swapped_to(task: Task, session: Session) -> str:
    """The old table's name once the swap of this try has happened; empty before. Only the swap makes such a table."""
    for each in await listed(session, task.migration):
        of_this_try = each.kind is ArtifactKind.OLD and each.attempt >= task.migration.first_attempt
        if of_this_try and await exists(session, task.migration.mysql_schema, each.name):
            return each.name
    return ""


async def carry_counter(session: Session, schema: str, table: str, new_table: str) -> bool:
    """Lets the new table's AUTO_INCREMENT go on where the table's does: numbers of transactions that were rolled back
    stay given out. False where somebody kept the new table locked.
    """
    await session.execute("SET SESSION information_schema_stats_expiry = 0")
    ours, theirs = [await session.value(_COUNTER, (schema, name)) for name in (table, new_table)]
    if not ours or not theirs or int(ours) <= int(theirs):
        return True
    try:
        await session.execute(f"ALTER TABLE {qualified(schema, new_table)} AUTO_INCREMENT = {int(ours)}")
    except StatementFailed as error:
        if error.where.get("errno") != str(LOCK_WAIT_TIMEOUT):
            raise
        return False
    return True


async def let_parents_go(session: Session, schema: str, name: str) -> None:
    """Drops the foreign keys of a table that nobody uses: its rows would go on restricting writes to the parents.

    Waits for transactions that keep a parent; raises `StatementFailed` when they do not end.
    """
    rows = await session.query(_FOREIGN_KEYS, (schema, name))
    if rows:
        drops = ", ".join(f"DROP FOREIGN KEY {identifier(row['name'])}" for row in rows)
        await patiently(session, f"ALTER TABLE {qualified(schema, name)} {drops}, ALGORITHM=INPLACE")


async def patiently(session: Session, sql: str) -> None:
    """A statement that needs a table for a moment: tried in short turns, between which those behind it get on.

    Raises `StatementFailed`: MySQL's word, or the table was in use all the time.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            await session.execute(sql)
        except StatementFailed as error:
            late = asyncio.get_running_loop().time() > deadline
            if late or error.where.get("errno") != str(LOCK_WAIT_TIMEOUT):
                raise
            await asyncio.sleep(PAUSE)
        else:
            return
