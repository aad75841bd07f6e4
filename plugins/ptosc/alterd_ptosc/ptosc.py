"""The strategy ``pt-osc``."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase, ToolDeclaration, all_but_alter
from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.flags import ALLOW_ZERO_IN_DATE, QUEUE_FLAGS, RETAIN_ARTIFACTS
from alterd_contracts.migration import Migration
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import (
    AlreadyCompleted,
    Facts,
    Recovery,
    ShardView,
    StartOver,
    Strategy,
    Task,
)
from alterd_ptosc.command import alter_text, check_names
from alterd_ptosc.obstacles import (
    clause_obstacles,
    server_obstacles,
    shape_obstacles,
    table_obstacles,
)
from alterd_ptosc.passing import RESERVED, arguments
from alterd_ptosc.program import check_flags, find
from alterd_ptosc.program import declared as tool_declared
from alterd_ptosc.running import COPY, CUT_OVER, PREPARE, alter
from alterd_ptosc.server import read_server
from alterd_ptosc.tables import TURN, declared, exists, let_parents_go, swapped_to
from alterd_ptosc.triggers import take_off
from alterd_runtime.ddl_strategy import options_of, zero_dates_allowed
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.scratch import as_users_do
from alterd_runtime.mysql.tables import read_table
from alterd_runtime.settings import load
from alterd_runtime.sql import split_alter

TRIED = "_alterd_tried"
"""The new table on an empty copy."""


class PtOsc(Strategy):
    """ALTER TABLE by pt-online-schema-change; CREATE, DROP and views by the common runner."""

    def declare(self) -> Declaration:
        return Declaration(
            strategy="pt-osc",
            version=__version__,
            kinds=(
                *all_but_alter(),
                KindDeclaration(
                    kind=StatementKind.ALTER_TABLE,
                    phases=(Phase(name=PREPARE), Phase(name=COPY, exclusive=True), Phase(name=CUT_OVER)),
                    in_order_completion=True,
                    cuts_over=False,  # the tool swaps by itself: nobody is ended for it, and --tries says how often
                    rebuilds=True,
                ),
            ),
            throttleable=True,
            flags=(*QUEUE_FLAGS, ALLOW_ZERO_IN_DATE, RETAIN_ARTIFACTS),
            reserved_flags=RESERVED,
            passes_unknown_flags=True,
            tools=(tool_declared(),),
        )

    async def tool_version(self, tool: ToolDeclaration) -> str:  # noqa: ARG002
        return (await find(load().ptosc.path)).shown

    async def check(self, change: Migration, shard: ShardView) -> Sequence[AlterdError]:
        passed = arguments(options_of(change, self.declare()))
        check_names(change.mysql_schema, change.mysql_table)
        tool = await find(load().ptosc.path)
        await check_flags(tool, passed)
        session, table = shard.scratch, change.mysql_table
        clauses = split_alter(change.migration_statement).clauses
        found = [
            *await server_obstacles(session, await read_server(session), shard.schema),
            *await table_obstacles(session, shard.schema, table),
            *clause_obstacles(table, clauses),
        ]
        scratch = str(await session.value("SELECT DATABASE()"))
        await as_users_do(session, zero_dates=zero_dates_allowed(change.options))
        try:
            await session.execute(f"CREATE TABLE {TRIED} LIKE {identifier(table)}")
            await session.execute(f"ALTER TABLE {TRIED} {alter_text(change.migration_statement)}")
            source, new = await read_table(session, scratch, table), await read_table(session, scratch, TRIED)
        except StatementFailed:
            return found  # MySQL's own word on it follows
        finally:
            await session.execute(f"DROP TABLE IF EXISTS {TRIED}")
        if source is not None and new is not None:
            found += shape_obstacles(source, new, clauses, tool.version)
        return found

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:  # noqa: ARG002
        tool = await find(load().ptosc.path)
        passed = " ".join(arguments(options_of(change, self.declare())))
        text = alter_text(change.migration_statement)
        digits = change.migration_uuid.replace("_", "")
        return [
            PlanStep(statement=1, action="dry run", sql=f"{tool.path} {passed} --dry-run --alter={text!r}"),
            PlanStep(statement=1, action="run", sql=f"{tool.path} {passed} --execute --alter={text!r}"),
            PlanStep(
                statement=1,
                action="swap",
                sql=f"RENAME TABLE {change.mysql_table} TO _alterd_old_{digits}_<time>, "
                f"_alterd_shd_{digits}_<time> TO {change.mysql_table}",
            ),
        ]

    async def run(self, task: Task) -> Facts:
        facts = await alter(task, options_of(task.migration, self.declare()), load().ptosc.path)
        await _tidy(task, swapped=True)
        await _forget_absent(task)
        return facts

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002 - the facts tell alone
        session = await task.primary()
        try:
            old = await swapped_to(task, session)
        finally:
            await session.close()
        await _tidy(task, swapped=bool(old))
        if old:
            await _forget_absent(task)
            return AlreadyCompleted(facts=Facts(message=f"found swapped; the old table is {old}"))
        return StartOver()

    async def cleanup(self, task: Task) -> None:
        await _forget_absent(task)


async def _tidy(task: Task, *, swapped: bool) -> None:
    """Takes the tool's triggers off first, whatever else is left: without the table that they write to, each write to
    theirs would fail. Then the foreign keys of tables that nobody uses.

    `swapped`: the triggers, if any are left, are the old table's, which nobody writes to.
    """
    schema = task.migration.mysql_schema
    session = await task.primary({"lock_wait_timeout": TURN})
    try:
        names = await declared(task, session)
        try:
            for trigger in await take_off(session, schema, names):
                task.log.info(f"took the trigger {trigger} off")
        except StatementFailed as error:
            if not swapped:
                raise
            task.log.warning(f"the old table keeps its triggers until it is collected: {error.message}")
        for name in names:
            try:
                await let_parents_go(session, schema, name)
            except StatementFailed as error:  # it changes nothing about the ending
                task.log.warning(f"the rows of {name} hold on to their parents until it is collected: {error.message}")
    finally:
        await session.close()


async def _forget_absent(task: Task) -> None:
    session = await task.primary()
    try:
        names = await declared(task, session)
        absent = [name for name in names if not await exists(session, task.migration.mysql_schema, name)]
    finally:
        await session.close()
    for name in absent:
        await task.forget_artifact(name)
