"""Statistics: of the table before it is copied, where that is asked for; of the new one before it takes its place."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session, Task
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.blockers import blockers
from alterd_vitess.run import Run
from alterd_vitess.shadow import marker

QUIET_WITHIN = 10.0
"""Seconds in which no statement or transaction of a second or more may be found on the table, or it is left alone."""
PATIENCE = 60.0
"""Seconds that an ANALYZE may take; it reads a few pages of each index."""
LOOK_AGAIN = 0.25


async def analyze_source(task: Task, session: Session, schema: str, table: str) -> None:
    """ANALYZE of the table itself, on this server alone. Never an error: an estimate is all that it is for.

    Servers before 8.0.24 flush the table after it, and everybody waits for whoever uses it by then: so it is only
    sent while nobody has used the table for long, and is not given to replicas, where nobody looks.
    """
    deadline = asyncio.get_running_loop().time() + QUIET_WITHIN
    while found := await blockers(session, [(schema, table)], QUIET_WITHIN * 1e6):
        if asyncio.get_running_loop().time() > deadline:
            task.log.warning(f"{table} was not analyzed: {found[0].words}")
            return
        task.progress(stage="waiting to analyze the table")
        await asyncio.sleep(LOOK_AGAIN)
    await _analyze(task, session, f"ANALYZE NO_WRITE_TO_BINLOG TABLE {identifier(table)}")


async def analyze_shadow(run: Run, session: Session) -> None:
    """ANALYZE of the new table; nobody else uses it yet. Replicas do the same, by the binlog."""
    mark = marker(run.record.migration_uuid)
    await _analyze(run.task, session, f"{mark} ANALYZE TABLE {identifier(run.plan.shadow)}")
    await run.task.shadow_analyzed()


async def _analyze(task: Task, session: Session, sql: str) -> None:
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            try:
                rows = await session.query(sql)
            except StatementFailed as error:
                task.log.warning(f"no new statistics: {error.message}")
                return
    if not any(row["Msg_text"] == "OK" for row in rows):
        why = "; ".join(str(row["Msg_text"]) for row in rows) or f"no answer within {PATIENCE:g} s"
        task.log.warning(f"no new statistics: {why}")
