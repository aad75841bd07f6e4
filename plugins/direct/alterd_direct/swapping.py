"""A view that is replaced: its new definition is made under an artifact's name, and one RENAME exchanges the two."""

from __future__ import annotations

from alterd_contracts.errors import StatementFailed
from alterd_contracts.names import ArtifactKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Session, StartOver, Task
from alterd_direct.asis import RUNNING, unclear
from alterd_direct.definitions import Remembered
from alterd_direct.memory import recall, remember
from alterd_direct.sending import opened, permitted, send
from alterd_direct.views import read_view, shown_as, shown_head
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.mysql.scratch import as_users_do, definition

VIEW_RECURSION = 1462

_USED = """
SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS `name` FROM information_schema.VIEW_TABLE_USAGE
WHERE VIEW_SCHEMA = %s AND VIEW_NAME = %s
"""


def third_name(held: str) -> str:
    """The name that one of the two has inside of the RENAME, which is atomic: it is never seen."""
    return held.replace(f"_{ArtifactKind.HELD}_", f"_{ArtifactKind.SENTRY}_", 1)


def exchange(schema: str, view: str, held: str) -> str:
    """The statement that exchanges the two."""
    one, other, third = (qualified(schema, name) for name in (view, held, third_name(held)))
    return f"RENAME TABLE {one} TO {third}, {other} TO {one}, {third} TO {other}"


async def swap(task: Task, before: str) -> Facts:
    """Replaces a view that looks like `before`. Raises `StatementFailed`, with the view as it was."""
    await task.phase(RUNNING)
    schema, view = task.migration.mysql_schema, task.statement.table
    text = read_view(task.statement.sql)
    async with opened(task) as session:
        held = await _name_for(task, session) or await task.artifact(ArtifactKind.HELD)
        await as_users_do(session)
        await session.execute(text.create(held, shown_head(before)))
        failpoint("statement.view_made")
        made = await definition(session, schema, held)
        if made is None:
            raise StatementFailed(f"the view {held} is gone: somebody dropped it", table=held)
        await _check_recursion(session, schema, held, view)
        after = shown_as(made, view)
        await remember(task, session, Remembered(attempt=task.attempt, before=before, after=after, held=held))
    failpoint("statement.remembered")
    async with opened(task) as session:
        await permitted(task)
        if await definition(session, schema, view) != before:
            raise StatementFailed(
                f"the view {view} was changed by somebody else meanwhile",
                hint="look who changed it, then retry the migration",
                table=view,
            )
        await send(task, session, exchange(schema, view, held))
    failpoint("statement.executed")
    return _swapped(task, held)


async def recover_swap(task: Task, last: Remembered) -> Recovery:
    """What the attempt that wrote `last` has done. Raises `Ambiguous`."""
    schema, view = task.migration.mysql_schema, task.statement.table
    async with opened(task) as session:
        present = await definition(session, schema, view)
        shown = await definition(session, schema, last.held)
    held = shown_as(shown, view) if shown is not None else None
    if present == last.after and held is not None:
        return AlreadyCompleted(facts=_swapped(task, last.held))
    if held in (last.after, None) and present == last.before:
        return StartOver()
    raise unclear(task, last, present)


async def _name_for(task: Task, session: Session) -> str:
    """The artifact of an earlier attempt that swapped nothing; empty for none."""
    return next((one.held for one in await recall(session, task.migration, task.attempt) if one.held), "")


async def _check_recursion(session: Session, schema: str, made: str, view: str) -> None:
    """Under its own name the new definition would select from itself: MySQL sees that only where it has that name."""
    folded = bool(await session.value("SELECT @@lower_case_table_names"))

    def key(schema_name: str, name: str) -> tuple[str, str]:
        return (schema_name.lower(), name.lower()) if folded else (schema_name, name)

    left, seen = [(schema, made)], {key(schema, made)}
    while left:
        for row in await session.query(_USED, left.pop()):
            used = str(row["schema"]), str(row["name"])
            if key(*used) == key(schema, view):
                raise StatementFailed(
                    f"MySQL error {VIEW_RECURSION} (HY000): `{schema}`.`{view}` contains view recursion",
                    table=view,
                    errno=VIEW_RECURSION,
                )
            if key(*used) not in seen:
                seen.add(key(*used))
                left.append(used)


def _swapped(task: Task, held: str) -> Facts:
    return Facts(message=f"the view {task.statement.table} is replaced; what it was is held as {held}")
