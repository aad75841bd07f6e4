"""The strategy ``vitess``, alias ``online``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase, all_but_alter
from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.migration import Migration
from alterd_contracts.names import ARTIFACT_LENGTH, ArtifactKind
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import (
    AlreadyCompleted,
    Facts,
    Recovery,
    Resume,
    Session,
    ShardView,
    Strategy,
    Task,
)
from alterd_direct.at_once import planned, special_plan
from alterd_runtime.mysql.artifacts import listed
from alterd_runtime.mysql.sidecar import CHECKPOINTS, COPY_STATE, CUTOVERS, STREAMS
from alterd_runtime.mysql.tables import is_empty, read_table
from alterd_runtime.settings import load
from alterd_runtime.sql import split_alter
from alterd_vitess.at_once import done_at_once, found_done
from alterd_vitess.constraints import stays_renamable
from alterd_vitess.disk import check_room
from alterd_vitess.engine import alter
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.flags import FLAGS, Asked
from alterd_vitess.foreign_keys import (
    clause_obstacles,
    foreign_key_obstacles,
    made_by_the_alter,
    read_foreign_keys,
    try_foreign_keys,
)
from alterd_vitess.mapping import Mapping, map_tables
from alterd_vitess.memory import forget, read_copied, read_plan
from alterd_vitess.preflight import server_obstacles, table_obstacles
from alterd_vitess.relations import settle
from alterd_vitess.sessions import show_create, time_zone_of
from alterd_vitess.shadow import make_shadow
from alterd_vitess.shapes import shape_obstacles

TRIED = "_alterd_tried"
"""The shadow on an empty copy."""
PHASES = (
    Phase(name="prepare"),
    Phase(name="copy", exclusive=True),
    Phase(name="checksum"),
    Phase(name="catch-up"),
    Phase(name="cut-over"),
)


class Vitess(Strategy):
    """ALTER TABLE online; CREATE, DROP and views by the common runner."""

    def declare(self) -> Declaration:
        return Declaration(
            strategy="vitess",
            version=__version__,
            aliases=("online",),
            kinds=(
                *all_but_alter(),
                KindDeclaration(
                    kind=StatementKind.ALTER_TABLE,
                    phases=PHASES,
                    concurrent=True,
                    postpone_completion=True,
                    in_order_completion=True,
                    rebuilds=True,
                ),
            ),
            resumable=True,
            throttleable=True,
            flags=FLAGS,
        )

    async def special_plan(self, change: Migration, shard: ShardView) -> str:
        asked = Asked.of(change)
        return await special_plan(change, shard, instant=asked.instant, zero_dates=asked.zero_dates)

    async def check(self, change: Migration, shard: ShardView) -> Sequence[AlterdError]:
        if change.special_plan:  # nothing is copied
            return ()
        found = [
            *await server_obstacles(shard.scratch),
            *await table_obstacles(shard.scratch, shard.schema, change.mysql_table),
            *await foreign_key_obstacles(
                shard.scratch, shard.schema, change.mysql_table, allowed=Asked.of(change).foreign_keys
            ),
        ]
        try:
            await _tried(change, shard)
        except StatementFailed:
            return found  # MySQL's own word on it follows
        except AlterdError as error:
            return [*found, error]
        return found

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:
        if change.special_plan:
            return planned(change)
        mapping = await _tried(change, shard)
        digits = change.migration_uuid.replace("_", "")
        shadow, old = f"_alterd_shd_{digits}_<time>", f"_alterd_old_{digits}_<time>"
        columns = ", ".join(each.name for each in mapping.filled)
        steps = (
            ("shadow", f"CREATE TABLE {shadow} LIKE {change.mysql_table}; {change.migration_statement}"),
            ("copy", f"INSERT INTO {shadow} ({columns}) SELECT … by ranges of {mapping.key.name}"),
            ("swap", f"RENAME TABLE {change.mysql_table} TO {old}, {shadow} TO {change.mysql_table}"),
        )
        return [PlanStep(statement=1, action=action, sql=sql) for action, sql in steps]

    async def run(self, task: Task) -> Facts:
        if not await _begun(task) and (done := await done_at_once(task)) is not None:
            return done
        facts = await alter(task, load().vitess)
        if task.migration.special_plan:
            facts = msgspec.structs.replace(facts, columns={**facts.columns, "special_plan": ""})
        return facts

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        session = await task.primary()
        try:
            old = await _swapped_to(task, session)
            copied = await read_copied(session, task.migration)
            if old:
                if Asked.of(task.migration).foreign_keys:
                    await settle(task, session, old)
                async with task.fenced(session):  # the attempt that swapped has not come to it
                    await forget(session, task.migration)
                # only the swap makes a table of that name
                return AlreadyCompleted(
                    facts=Facts(
                        message=f"found cut over; the old table is {old}",
                        rows_copied=copied.rows,
                        table_rows=copied.rows,
                    )
                )
            plan = await read_plan(session, task.migration)
            there = plan is not None and await read_table(session, task.migration.mysql_schema, plan.shadow)
            return Resume() if there else await found_done(task, session, last_attempt)
        finally:
            await session.close()

    async def cleanup(self, task: Task) -> None:
        session = await task.primary()
        try:
            plan = await read_plan(session, task.migration)
            if plan is not None and Asked.of(task.migration).foreign_keys:
                await settle(task, session, plan.shadow)
            async with task.fenced(session):
                await forget(session, task.migration, (COPY_STATE, CHECKPOINTS, CUTOVERS, STREAMS))
            unused = [
                each.name
                for each in await listed(session, task.migration)
                if each.collected_at is None
                and await read_table(session, task.migration.mysql_schema, each.name) is None
            ]
        finally:
            await session.close()
        for name in unused:
            await task.forget_artifact(name)


async def _begun(task: Task) -> bool:
    """Whether there is a copy to go on with."""
    session = await task.primary()
    try:
        return await read_plan(session, task.migration) is not None
    finally:
        await session.close()


async def _swapped_to(task: Task, session: Session) -> str:
    """The old table's name once the swap of this try has happened; empty before."""
    for artifact in await listed(session, task.migration):
        made_by_this_try = artifact.kind is ArtifactKind.OLD and artifact.attempt >= task.migration.first_attempt
        if made_by_this_try and await read_table(session, task.migration.mysql_schema, artifact.name) is not None:
            return artifact.name
    return ""


async def _tried(change: Migration, shard: ShardView) -> Mapping:
    """The change on an empty copy. Raises `CannotRunOnline`; `StatementFailed` where MySQL refuses it."""
    session, table = shard.scratch, change.mysql_table
    scratch = str(await session.value("SELECT DATABASE()"))
    definition = (await show_create(session, table)).definition
    clauses = split_alter(change.migration_statement).clauses
    for obstacle in clause_obstacles(table, clauses, await read_foreign_keys(session, scratch, table)):
        raise obstacle
    try:
        await make_shadow(
            session,
            definition,
            change.migration_statement,
            TRIED,
            uuid=change.migration_uuid,
            zero_dates=Asked.of(change).zero_dates,
        )
        source, shadow = await read_table(session, scratch, table), await read_table(session, scratch, TRIED)
        if source is None or shadow is None:
            raise StatementFailed(f"{table} is no table")
        for obstacle in shape_obstacles(source, shadow, clauses):
            raise obstacle
        if not stays_renamable(definition, table, ARTIFACT_LENGTH):
            raise CannotRunOnline(
                f"{table} has constraints without names of their own, whose names would be too long after the swap",
                hint="give them names, or use the strategy mysql",
                table=table,
            )
        for obstacle in await made_by_the_alter(session, scratch, TRIED, table):
            raise obstacle
        if Asked.of(change).foreign_keys:
            await try_foreign_keys(session, shard.schema, table, TRIED)
        empty = await is_empty(session, shard.schema, table)
        mapping = map_tables(source, shadow, clauses, zero_dates=Asked.of(change).zero_dates, empty=empty)
        time_zone_of(source, shadow, mapping, "SYSTEM")
        if told := await check_room(session, shard.schema, source, shadow, definition, load().vitess):
            shard.warn(told)
        return mapping
    finally:
        await session.execute(f"DROP TABLE IF EXISTS {TRIED}")
