"""The next AUTO_INCREMENT number: gh-ost sets it when it begins, and does not see what is used up without a row."""

from __future__ import annotations

import re
from typing import Final

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session, Task
from alterd_ghost.tables import OLD, Group
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.sql import ClauseKind, split_alter

LOCK_WAIT: Final = 2
"""Seconds to wait for the table: every new statement on it waits with us."""
_COUNTER: Final = re.compile(r"^\) (?:/\*!.*?\*/ )?ENGINE=\w+ AUTO_INCREMENT=(\d+)", re.MULTILINE)
_GIVEN: Final = re.compile(r"\bAUTO_INCREMENT\s*=?\s*\d", re.IGNORECASE)


def counter_of(definition: str) -> int:
    """Of a SHOW CREATE TABLE; 0 where it shows none. Pure."""
    found = _COUNTER.search(definition)
    return int(found[1]) if found else 0


def is_given(statement: str) -> bool:
    """Whether an ALTER TABLE sets it itself. Pure."""
    clauses = split_alter(statement).clauses
    return any(each.kind is ClauseKind.OPTIONS and _GIVEN.search(each.text) for each in clauses)


async def carry_counter(task: Task, group: Group) -> None:
    """After the swap: numbers that the old table had used up are not given again. What prevents it is told."""
    record = task.migration
    if is_given(record.migration_statement):
        return
    session = await task.primary({"lock_wait_timeout": LOCK_WAIT})
    try:
        old = await _read(session, record.mysql_schema, group.name(OLD))
        new = await _read(session, record.mysql_schema, record.mysql_table)
        if not 0 < new < old:
            return
        await task.check_fence(session)
        await session.execute(
            f"ALTER TABLE {qualified(record.mysql_schema, record.mysql_table)} AUTO_INCREMENT = {old}"
        )
        task.log.info(f"the next AUTO_INCREMENT number is {old}, as it was, and not {new}")
    except StatementFailed as error:
        task.log.warning(f"the next AUTO_INCREMENT number could not be set: {error.message}")
    finally:
        await session.close()


async def _read(session: Session, schema: str, table: str) -> int:
    [row] = await session.query(f"SHOW CREATE TABLE {qualified(schema, table)}")
    return counter_of(str(row.get("Create Table", "")))
