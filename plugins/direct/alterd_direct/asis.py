"""One statement sent as it is, and how to tell afterwards whether it has run."""

from __future__ import annotations

from alterd_contracts.errors import Ambiguous
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, StartOver, Strategy, Task
from alterd_direct.definitions import Present, Remembered, judge, repeatable
from alterd_direct.memory import recall, remember
from alterd_direct.sending import expected, opened, permitted, send
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.scratch import definition

DROPS = frozenset({StatementKind.DROP_TABLE, StatementKind.DROP_VIEW})
RUNNING = "running"
"""The one phase."""


class AsItIs(Strategy):
    """Remembers the definition before and after, sends the statement, compares."""

    async def run(self, task: Task) -> Facts:
        await task.phase(RUNNING)
        schema, statement = task.migration.mysql_schema, task.statement
        async with opened(task) as session:
            before = await definition(session, schema, statement.table)
            after = None if statement.kind in DROPS else await expected(task, before is not None)
            await remember(task, session, Remembered(attempt=task.attempt, before=before, after=after))
        failpoint("statement.remembered")
        async with opened(task) as session:
            await permitted(task)
            await send(task, session, statement.sql)
        failpoint("statement.executed")
        return Facts(message=_nothing_to_do(task, before))

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        async with opened(task) as session:
            remembered = await recall(session, task.migration, last_attempt)
            if not remembered:
                return StartOver()
            present = await definition(session, task.migration.mysql_schema, task.statement.table)
        match judge(remembered[0], present, again=repeatable(task.statement.sql)):
            case Present.UNCHANGED:
                return StartOver()
            case Present.CHANGED:
                return AlreadyCompleted(facts=Facts(message=f"sent by attempt {remembered[0].attempt}, found done"))
            case Present.UNCLEAR:
                raise unclear(task, remembered[0], present)


def unclear(task: Task, remembered: Remembered, present: str | None) -> Ambiguous:
    """The error that says what to look at."""
    kind = "view" if task.statement.is_view else "table"
    name = f"{task.migration.mysql_schema}.{task.statement.table}"
    if present == remembered.before:
        what = f"the {kind} {name} looks as before, as it does when the statement has run"
        hint = "look at the data: if the statement has not run, retry the migration"
    else:
        state = "is not there" if present is None else "looks neither as before the statement nor as after it"
        what = f"the {kind} {name} {state}"
        hint = (
            f"compare SHOW CREATE {kind.upper()} with definition_before and definition_after of attempt "
            f"{remembered.attempt} in _alterd.statements"
        )
    return Ambiguous(f"{what}: nobody can tell whether attempt {remembered.attempt} ran", hint=hint, table=name)


def _nothing_to_do(task: Task, before: str | None) -> str:
    kind = "view" if task.statement.is_view else "table"
    if task.statement.if_exists and before is None:
        return f"the {kind} {task.statement.table} did not exist"
    if task.statement.if_not_exists and before is not None:
        return f"the {kind} {task.statement.table} existed already"
    return ""
