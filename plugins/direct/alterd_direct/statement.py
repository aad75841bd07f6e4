"""CREATE and DROP of all managed strategies: a dropped table is held under another name until it is collected."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.errors import StatementFailed
from alterd_contracts.migration import Migration
from alterd_contracts.names import ArtifactKind
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Session, ShardView, Task
from alterd_direct.asis import RUNNING, AsItIs, unclear
from alterd_direct.definitions import Remembered, is_table
from alterd_direct.memory import recall, remember
from alterd_direct.sending import opened, permitted, send
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_runtime.mysql.scratch import definition

UNKNOWN_TABLE = 1051
REFERENCED = 3730

_CHILDREN = """
SELECT TABLE_NAME AS `table`, CONSTRAINT_NAME AS `constraint` FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
  AND NOT (CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s)
"""
_CONSTRAINTS = """
SELECT CONSTRAINT_NAME AS name, CONSTRAINT_TYPE AS type FROM information_schema.TABLE_CONSTRAINTS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_TYPE IN ('FOREIGN KEY', 'CHECK')
"""


class StatementRunner(AsItIs):
    """CREATE TABLE as it is; DROP TABLE as RENAME TABLE to a held artifact."""

    def declare(self) -> Declaration:
        phases = (Phase(name=RUNNING),)
        return Declaration(
            strategy="statement",
            version=__version__,
            kinds=(
                KindDeclaration(kind=StatementKind.CREATE_TABLE, phases=phases, concurrent=True),
                KindDeclaration(kind=StatementKind.DROP_TABLE, phases=phases, concurrent=True),
            ),
            hidden=True,
        )

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:
        if change.statement_kind is not StatementKind.DROP_TABLE:
            return await super().plan(change, shard)
        held = f"_alterd_{ArtifactKind.HELD}_{change.migration_uuid.replace('_', '')}_<time>_"
        return (PlanStep(statement=1, action="hold", sql=f"RENAME TABLE {change.mysql_table} TO {held}"),)

    async def run(self, task: Task) -> Facts:
        if task.statement.kind is not StatementKind.DROP_TABLE:
            return await super().run(task)
        await task.phase(RUNNING)
        schema, table = task.migration.mysql_schema, task.statement.table
        async with opened(task) as session:
            before = await definition(session, schema, table)
            if not is_table(before):
                return _nothing_to_drop(task, before)
            await _check_children(session, schema, table)
            held = await _unused_name(task, session) or await task.artifact(ArtifactKind.HELD)
            await remember(task, session, Remembered(attempt=task.attempt, before=before, after=None, held=held))
        failpoint("statement.remembered")
        async with opened(task) as session:
            await permitted(task)
            await send(task, session, await _renaming(session, schema, table, held))
        failpoint("statement.executed")
        return _held(task, held)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        if task.statement.kind is not StatementKind.DROP_TABLE:
            return await super().recover(task, last_attempt)
        schema, table = task.migration.mysql_schema, task.statement.table
        async with opened(task) as session:
            remembered = await recall(session, task.migration, last_attempt)
            for one in remembered:
                # only the rename makes a table of that name
                if one.held and await _exists(session, schema, one.held):
                    return AlreadyCompleted(facts=_held(task, one.held))
            if remembered and await definition(session, schema, table) is None:
                raise unclear(task, remembered[0], None)
        return await super().recover(task, last_attempt)

    async def cleanup(self, task: Task) -> None:
        async with opened(task) as session:
            held = await _unused_name(task, session)
        if held:
            await task.forget_artifact(held)


def _nothing_to_drop(task: Task, before: str | None) -> Facts:
    name = f"{task.migration.mysql_schema}.{task.statement.table}"
    if task.statement.if_exists:
        what = "is a view, no table: it was left alone" if before is not None else "did not exist"
        return Facts(message=f"the table {task.statement.table} {what}")
    raise StatementFailed(
        f"MySQL error {UNKNOWN_TABLE} (42S02): Unknown table '{name}'", table=name, errno=UNKNOWN_TABLE
    )


async def _check_children(session: Session, schema: str, table: str) -> None:
    """RENAME would make the foreign keys of others follow the held table, where DROP is refused."""
    rows = await session.query(_CHILDREN, (schema, table, schema, table))
    if rows:
        raise StatementFailed(
            f"MySQL error {REFERENCED} (HY000): Cannot drop table '{table}' referenced by a foreign key constraint "
            f"'{rows[0]['constraint']}' on table '{rows[0]['table']}'.",
            hint="drop the foreign key or the other table first",
            table=table,
            errno=REFERENCED,
        )


async def _exists(session: Session, schema: str, name: str) -> bool:
    count = await session.value(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", (schema, name)
    )
    return bool(count)


async def _unused_name(task: Task, session: Session) -> str:
    """A name that an earlier attempt declared and did not use; empty for none."""
    for one in await recall(session, task.migration, task.attempt):
        if one.held and not await _exists(session, task.migration.mysql_schema, one.held):
            return one.held
    return ""


async def _renaming(session: Session, schema: str, table: str, held: str) -> str:
    """One atomic statement that holds the table, without the constraints that others would still feel.

    Its foreign keys would go on restricting the parents, the names of CHECKs are taken in the whole schema, and names
    that MySQL made from the table's (``t_ibfk_1``) would become too long. `_alterd.statements` has the definition.
    """
    rows = await session.query(_CONSTRAINTS, (schema, table))
    if not rows:
        return f"RENAME TABLE {qualified(schema, table)} TO {qualified(schema, held)}"
    parts = [
        f"DROP {'FOREIGN KEY' if row['type'] == 'FOREIGN KEY' else 'CHECK'} {identifier(row['name'])}" for row in rows
    ]
    # INPLACE: rather refused than a copy of the table
    return (
        f"ALTER TABLE {qualified(schema, table)} {', '.join(parts)}, RENAME TO {qualified(schema, held)},"
        " ALGORITHM=INPLACE"
    )


def _held(task: Task, held: str) -> Facts:
    return Facts(message=f"the table {task.statement.table} is held as {held}")
