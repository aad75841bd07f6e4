"""The strategy ``spirit``."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts.declaration import Declaration, KindDeclaration, Phase, ToolDeclaration, all_but_alter
from alterd_contracts.errors import AlterdError, Ambiguous, InvalidStrategy, StatementFailed
from alterd_contracts.migration import Migration
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Resume, ShardView, StartOver, Strategy, Task

from alterd_spirit import __version__
from alterd_spirit.clauses import metadata_only, with_algorithm
from alterd_spirit.command import identifier
from alterd_spirit.errors import SpiritMissing, SpiritVersion
from alterd_spirit.flags import FLAGS, RESERVED, STRATEGY, names_of, passed_on
from alterd_spirit.memory import Verdict, forget, recall
from alterd_spirit.obstacles import (
    account_obstacles,
    names_taken,
    server_obstacles,
    statement_obstacles,
    table_obstacles,
)
from alterd_spirit.program import declared, locate
from alterd_spirit.running import alter, look, resumable
from alterd_spirit.tables import Names, tidy

TRIED = "_alterd_tried"
"""A second empty copy, in the scratch schema."""
PHASES = (
    Phase(name="prepare", exclusive=True),
    Phase(name="copy", exclusive=True),
    Phase(name="cut-over", exclusive=True),
)
"""All exclusive: one sentinel holds every spirit of a schema, and letting one go would let all go."""


class Spirit(Strategy):
    """ALTER TABLE by spirit; CREATE, DROP and views by the common runner."""

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
                    cuts_over=False,  # it ends blocking sessions by itself, after a time that is a flag of its own
                    rebuilds=True,
                ),
            ),
            resumable=True,
            # it asks nobody whether to write, and a stopped process may hold the table's lock: so it is not throttled
            throttleable=False,
            flags=FLAGS,
            reserved_flags=RESERVED,
            passes_unknown_flags=True,
            tools=(declared(),),
        )

    async def tool_version(self, tool: ToolDeclaration) -> str:  # noqa: ARG002
        return (await locate()).shown

    async def special_plan(self, change: Migration, shard: ShardView) -> str:
        """Tried on an empty copy, as spirit tries it on the table."""
        if change.statement_kind is not StatementKind.ALTER_TABLE:
            return ""
        table, copy = change.mysql_table, identifier(TRIED)
        tries = [("instant-ddl", "INSTANT")]
        if metadata_only(change.migration_statement):
            tries.append(("inplace-ddl", "INPLACE"))
        statement = change.migration_statement
        for operation, algorithm in tries:
            try:
                await shard.scratch.execute(f"CREATE TABLE {copy} LIKE {identifier(table)}")
                await shard.scratch.execute(with_algorithm(statement, algorithm, copy))
            except StatementFailed:
                continue
            else:
                return f'{{"operation":"{operation}"}}'
            finally:
                await shard.scratch.execute(f"DROP TABLE IF EXISTS {copy}")
        return ""

    async def check(self, change: Migration, shard: ShardView) -> Sequence[AlterdError]:
        found: list[AlterdError] = []
        try:
            passed = passed_on(change.options)
            program = await locate()
            if unknown := sorted(set(names_of(passed)) - program.flags):
                raise InvalidStrategy(
                    f"spirit {program.shown} has no --{', --'.join(unknown)}",
                    hint="`spirit migrate --help` shows its flags",
                    flag=" ".join(f"--{name}" for name in unknown),
                )
        except (InvalidStrategy, SpiritMissing, SpiritVersion) as error:
            found.append(error)
        found += statement_obstacles(change.mysql_table, change.migration_statement)
        found += await account_obstacles(shard.scratch)
        found += await server_obstacles(shard.scratch)
        found += await table_obstacles(shard.scratch, shard.schema, change.mysql_table)
        for name in await names_taken(shard.scratch, shard.schema, change.mysql_table):
            shard.warn(f"there is a table {name}: unless it is gone by then, the migration fails when it begins")
        if not change.special_plan:
            shard.warn(f"spirit drops the old {change.mysql_table} right after its cut-over: nothing of it is retained")
        return found

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:  # noqa: ARG002
        if change.special_plan:
            return (PlanStep(statement=1, action="run", sql=change.migration_statement),)
        names = Names(table=change.mysql_table)
        steps = (
            ("shadow", f"CREATE TABLE {names.new} LIKE {names.table}; {change.migration_statement}"),
            ("copy", f"REPLACE INTO {names.new} … by ranges, and what changes meanwhile; then compared"),
            (
                "swap",
                f"RENAME TABLE {names.table} TO {names.old}, {names.new} TO {names.table}; DROP TABLE {names.old}",
            ),
        )
        return [PlanStep(statement=1, action=action, sql=sql) for action, sql in steps]

    async def run(self, task: Task) -> Facts:
        return await alter(task)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        record = task.migration
        session = await task.primary()
        try:
            memory = await recall(session, record)
            if memory is None:
                return StartOver()  # it is written down before spirit begins
            match await look(session, record, memory):
                case Verdict.UNCLEAR:
                    raise Ambiguous(
                        f"nothing tells whether {record.mysql_table} is the table that it was or spirit's new one",
                        hint="compare its definition with what the change asks for; retry the migration if it lacks it",
                        table=record.mysql_table,
                    )
                case Verdict.AS_IT_WAS:
                    try:
                        program = await locate()
                    except (SpiritMissing, SpiritVersion):
                        return StartOver()
                    return Resume() if await resumable(session, record, memory, program) else StartOver()
                case Verdict.SWAPPED:
                    words = "found cut over by spirit"
                case Verdict.AT_ONCE:
                    words = "found done in place by MySQL"
        finally:
            await session.close()
        await tidy(task)
        rows = record.rows_copied
        return AlreadyCompleted(
            facts=Facts(message=f"{words}, in attempt {last_attempt}", rows_copied=rows, table_rows=rows)
        )

    async def cleanup(self, task: Task) -> None:
        """The new table is the collector's: it may be large."""
        await tidy(task)
        session = await task.primary()
        try:
            await forget(task, session)
        finally:
            await session.close()
