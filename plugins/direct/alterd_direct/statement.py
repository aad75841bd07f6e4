"""CREATE, DROP and views of all managed strategies.

What a DROP or a replaced view takes away is held under another name until it is collected.
"""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.migration import Migration
from alterd_contracts.names import ArtifactKind
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, ShardView, Task
from alterd_direct.asis import DROPS, RUNNING, AsItIs, unclear
from alterd_direct.definitions import Remembered, is_table
from alterd_direct.holding import (
    check_children,
    droppable,
    exists,
    facts_held,
    nothing_to_drop,
    renaming,
    unused_name,
)
from alterd_direct.memory import recall, remember
from alterd_direct.sending import opened, permitted, send
from alterd_direct.swapping import exchange, recover_swap, swap
from alterd_direct.views import read_view, shown_head
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.scratch import definition

KINDS = tuple(kind for kind in StatementKind if kind is not StatementKind.ALTER_TABLE)
"""What this runner runs for the others."""


def managed_kinds() -> tuple[KindDeclaration, ...]:
    """What a managed strategy declares beside its ALTER TABLE."""
    return tuple(
        KindDeclaration(
            kind=kind,
            phases=(Phase(name=RUNNING),),
            concurrent=True,
            postpone_completion=True,
            in_order_completion=True,
            immediate=True,
            cuts_over=False,
            runner="statement",
        )
        for kind in KINDS
    )


class StatementRunner(AsItIs):
    """CREATE as it is, DROP as RENAME to a held artifact, a view that is replaced as an exchange with one."""

    def declare(self) -> Declaration:
        phases = (Phase(name=RUNNING),)
        return Declaration(
            strategy="statement",
            version=__version__,
            kinds=tuple(KindDeclaration(kind=kind, phases=phases, concurrent=True) for kind in KINDS),
            hidden=True,
        )

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:
        held = f"_alterd_{ArtifactKind.HELD}_{change.migration_uuid.replace('_', '')}_<time>"
        if change.statement_kind in DROPS:
            return (PlanStep(statement=1, action="hold", sql=f"RENAME TABLE {change.mysql_table} TO {held}"),)
        before = await shard.definition(change.mysql_table) if change.statement_kind.is_view else None
        if before is None or is_table(before) or not _replaces(change.migration_statement):
            return await super().plan(change, shard)
        made = read_view(change.migration_statement).create(held, shown_head(before))
        swapped = exchange(change.mysql_schema, change.mysql_table, held)
        return (
            PlanStep(statement=1, action="make", sql=made),
            PlanStep(statement=1, action="swap", sql=swapped),
        )

    async def run(self, task: Task) -> Facts:
        if task.statement.kind in DROPS:
            return await _hold(task)
        if task.statement.is_view and _replaces(task.statement.sql):
            async with opened(task) as session:
                before = await definition(session, task.migration.mysql_schema, task.statement.table)
            if before is not None and not is_table(before):
                return await swap(task, before)
        return await super().run(task)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        async with opened(task) as session:
            remembered = await recall(session, task.migration, last_attempt)
            if task.statement.kind in DROPS and (facts := await _found_held(task, remembered)) is not None:
                return AlreadyCompleted(facts=facts)
        if task.statement.kind not in DROPS and remembered and remembered[0].held:
            return await recover_swap(task, remembered[0])
        return await super().recover(task, last_attempt)

    async def cleanup(self, task: Task) -> None:
        async with opened(task) as session:
            unused = await unused_name(task, session)
        if unused:
            await task.forget_artifact(unused)


def _replaces(sql: str) -> bool:
    text = read_view(sql)
    return text.alters or text.replaces


async def _hold(task: Task) -> Facts:
    await task.phase(RUNNING)
    schema, name = task.migration.mysql_schema, task.statement.table
    async with opened(task) as session:
        before = await definition(session, schema, name)
        if not droppable(task, before):
            return nothing_to_drop(task, before)
        if not task.statement.is_view:
            await check_children(session, schema, name)
        held = await unused_name(task, session) or await task.artifact(ArtifactKind.HELD)
        await remember(task, session, Remembered(attempt=task.attempt, before=before, after=None, held=held))
    failpoint("statement.remembered")
    async with opened(task) as session:
        await permitted(task)
        await send(task, session, await renaming(session, schema, name, held))
    failpoint("statement.executed")
    return facts_held(task, held)


async def _found_held(task: Task, remembered: Sequence[Remembered]) -> Facts | None:
    """What a DROP tells that has happened. Raises `Ambiguous` where what it drops went another way."""
    schema = task.migration.mysql_schema
    async with opened(task) as session:
        for one in remembered:
            # only the rename makes a table or view of that name
            if one.held and await exists(session, schema, one.held):
                return facts_held(task, one.held)
        if remembered and await definition(session, schema, task.statement.table) is None:
            raise unclear(task, remembered[0], None)
    return None
