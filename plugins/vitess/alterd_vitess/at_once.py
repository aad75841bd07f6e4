"""An ALTER that MySQL does at once: what is in its way is ended where that is forced; afterwards the facts tell."""

from __future__ import annotations

import asyncio

from alterd_contracts.migration import Migration
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Session, StartOver, Task
from alterd_direct.asis import unclear
from alterd_direct.at_once import carry_out, words
from alterd_direct.definitions import Present, judge, repeatable
from alterd_direct.memory import recall
from alterd_direct.sending import opened
from alterd_runtime.mysql.scratch import definition
from alterd_vitess.completing import ENDING
from alterd_vitess.flags import Asked
from alterd_vitess.forcing import NO_SNAPSHOT, Forcing


class _Own:
    """What the forcing of a statement needs to know of its run."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @property
    def record(self) -> Migration:
        return self.task.migration


async def done_at_once(task: Task) -> Facts | None:
    """None where it is to be copied. Raises `StatementFailed`."""

    async def clear() -> None:
        asked = Asked.of(task.migration)
        if not task.wanted.force_cutover and not asked.force_after:
            return
        async with opened(task) as session:
            forcing = Forcing(_Own(task), session)
            forcing.places = [(task.migration.mysql_schema, task.statement.table)]
            found = await forcing.look(NO_SNAPSHOT, older=0.0)
            if found and not await forcing.end(found):
                await asyncio.sleep(ENDING)

    return await carry_out(task, instant=Asked.of(task.migration).instant, clear=clear)


async def found_done(task: Task, session: Session, last_attempt: int) -> Recovery:
    """What a dead attempt left that had not begun to copy. Raises `Ambiguous`."""
    remembered = await recall(session, task.migration, last_attempt)
    if not remembered:
        return StartOver()
    present = await definition(session, task.migration.mysql_schema, task.statement.table)
    match judge(remembered[0], present, again=repeatable(task.statement.sql)):
        case Present.UNCHANGED:
            return StartOver()
        case Present.CHANGED:
            return AlreadyCompleted(facts=_facts(task.migration))
        case Present.UNCLEAR:
            raise unclear(task, remembered[0], present)


def _facts(record: Migration) -> Facts:
    operation = "instant-ddl" if "instant" in record.special_plan else "range-partition"
    columns: dict[str, str | int | bool] = {"special_plan": record.special_plan} if record.special_plan else {}
    return Facts(message=f"{words(operation)}; found done", columns=columns)
