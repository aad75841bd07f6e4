"""The strategy ``gh-ost``."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase, ToolDeclaration, all_but_alter
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import (
    AlreadyCompleted,
    Facts,
    Recovery,
    Resume,
    ShardView,
    StartOver,
    Strategy,
    Task,
)
from alterd_ghost.command import clauses_of
from alterd_ghost.counter import carry_counter
from alterd_ghost.flags import FLAGS, RESERVED, STRATEGY, Asked
from alterd_ghost.limits import account_limits, server_limits, table_limits
from alterd_ghost.running import alter, forget_unused
from alterd_ghost.tables import CHANGELOG, CHECKPOINTS, OLD, drop_tables, read_checkpoints, read_groups, resumable
from alterd_ghost.tool import check_flags, declared, locate
from alterd_ghost.trial import change_limits
from alterd_runtime.settings import load
from alterd_runtime.sql import split_alter

TRIED = "_alterd_tried"
"""The new table on an empty copy."""
PHASES = (
    Phase(name="prepare"),
    Phase(name="copy", exclusive=True),
    Phase(name="catch-up"),
    Phase(name="cut-over"),
)


class Ghost(Strategy):
    """ALTER TABLE by gh-ost; CREATE, DROP and views by the common runner."""

    def declare(self) -> Declaration:
        return Declaration(
            strategy=STRATEGY,
            version=__version__,
            kinds=(
                *all_but_alter(),
                KindDeclaration(
                    kind=StatementKind.ALTER_TABLE,
                    phases=PHASES,
                    postpone_completion=True,
                    in_order_completion=True,
                    cuts_over=False,  # by itself: nobody is ended for it, and its limits are flags of its own
                    rebuilds=True,
                ),
            ),
            resumable=True,
            throttleable=True,
            flags=FLAGS,
            reserved_flags=RESERVED,
            passes_unknown_flags=True,
            tools=(declared(),),
        )

    async def tool_version(self, tool: ToolDeclaration) -> str:  # noqa: ARG002
        return (await locate(load().ghost)).shown

    async def check(self, change: Migration, shard: ShardView) -> Sequence[AlterdError]:
        asked = Asked.of(change)
        found: list[AlterdError] = []
        try:
            await check_flags(await locate(load().ghost), asked.passed)
        except AlterdError as error:
            found.append(error)
        found += await account_limits(shard.scratch, shard.schema)
        found += await server_limits(shard.scratch, asked)
        found += await table_limits(shard.scratch, shard.schema, change.mysql_table)
        judged = await change_limits(shard.scratch, change, TRIED)
        for text in judged.warnings:
            shard.warn(text)
        return [*found, *judged.obstacles]

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:  # noqa: ARG002
        table = change.mysql_table
        prefix = f"_alterd_{change.migration_uuid.replace('_', '')}_<time>"
        ghost, old = f"{prefix}_gho", f"{prefix}_del"
        text = clauses_of(split_alter(change.migration_statement).clauses)
        steps = (
            ("ghost", f"CREATE TABLE {ghost} LIKE {table}; ALTER TABLE {ghost} {text}"),
            ("copy", f"INSERT IGNORE INTO {ghost} SELECT … by ranges, any warning ends it"),
            ("swap", f"RENAME TABLE {table} TO {old}, {ghost} TO {table}"),
        )
        return [PlanStep(statement=1, action=action, sql=sql) for action, sql in steps]

    async def run(self, task: Task) -> Facts:
        return await alter(task, load().ghost)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002 - the facts tell alone
        session = await task.primary()
        try:
            groups = await read_groups(session, task.migration)
            for group in groups:
                if not group.swapped:
                    continue
                copied = max((each.rows_copied for each in await read_checkpoints(session, group)), default=0)
                rows = max(copied, task.migration.rows_copied)
                await task.check_fence(session)
                await drop_tables(session, group, (CHANGELOG, CHECKPOINTS))
                await forget_unused(task, session, group)
                await carry_counter(task, group)
                message = f"found cut over; the old table is {group.name(OLD)}"
                return AlreadyCompleted(facts=Facts(message=message, rows_copied=rows, table_rows=rows))
            for group in groups:
                if await resumable(session, group) is not None:
                    return Resume()
            return StartOver()
        finally:
            await session.close()

    async def cleanup(self, task: Task) -> None:
        """The ghost table is the collector's: it may be large."""
        session = await task.primary()
        try:
            for group in await read_groups(session, task.migration):
                await task.check_fence(session)
                await drop_tables(session, group, (CHANGELOG, CHECKPOINTS, OLD))
                await forget_unused(task, session, group)
        finally:
            await session.close()
