"""Before the copy: the shadow, what fills it, the plan. Or what an earlier attempt had prepared."""

from __future__ import annotations

import asyncio

from alterd_contracts.errors import StatementFailed, UnknownTable
from alterd_contracts.names import ArtifactKind
from alterd_contracts.strategy import Session, Task
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.sidecar import CHECKPOINTS, COPY_STATE, STREAMS
from alterd_runtime.settings import VitessSettings
from alterd_runtime.sql import split_alter
from alterd_vitess.analyzing import analyze_source
from alterd_vitess.disk import check_room
from alterd_vitess.errors import CannotRunOnline, TableChanged
from alterd_vitess.flags import Asked
from alterd_vitess.foreign_keys import foreign_key_obstacles, made_by_the_alter
from alterd_vitess.gtid import GtidSet
from alterd_vitess.mapping import Mapping, map_tables
from alterd_vitess.memory import Plan, forget, read_checkpoint, read_copied, read_plan, write_checkpoint, write_plan
from alterd_vitess.positions import Positions
from alterd_vitess.preflight import server_obstacles, table_obstacles
from alterd_vitess.ranges import CopyPlan
from alterd_vitess.run import Run
from alterd_vitess.sessions import open_rows, show_create, time_zone_of
from alterd_vitess.shadow import make_shadow, marker
from alterd_vitess.shapes import shape_obstacles
from alterd_vitess.statements import Statements
from alterd_vitess.tables import Table, is_empty, read_table

XA_PATIENCE = 60.0
"""Seconds for XA transactions that were prepared before the stream began to be ended."""
LOOK_AGAIN = 0.25
SHOWN = 200
EXECUTED_PATIENCE = 5
"""Seconds for the primary to show what a checkpoint says; a semi-synchronous one shows it late."""


async def prepare(task: Task, settings: VitessSettings) -> Run:
    """Takes up what an earlier attempt of this try prepared, or makes it.

    Raises `CannotRunOnline`, `TableChanged`, `UnknownTable`, `StatementFailed`.
    """
    zone = str(await _value(task, "SELECT @@global.time_zone"))
    session = await open_rows(task, zone)
    try:
        await _check_again(task, session)
        plan, fresh = await read_plan(session, task.migration), False
        checkpoint = await read_checkpoint(session, task.migration)
        there = plan is not None and await read_table(session, task.migration.mysql_schema, plan.shadow)
        if plan is None or checkpoint is None or not there or not await _has_executed(task, session, checkpoint):
            plan, fresh = await _new_plan(task, session, settings), True
            checkpoint = await read_checkpoint(session, task.migration)
        source, shadow, mapping = await _tables(task, session, plan.shadow)
        copied = await read_copied(session, task.migration)
    finally:
        await session.close()
    if copied.rows:
        task.log.info(f"{copied.rows} rows are copied already; the change stream goes on from the last checkpoint")
    return Run(
        task=task,
        settings=settings,
        plan=plan,
        mapping=mapping,
        copy=(CopyPlan if mapping.key.ordered else CopyPlan.chained)(plan.plan_end, copied.ranges),
        positions=Positions(GtidSet.parse(checkpoint or ""), fresh=fresh),
        zone=time_zone_of(source, shadow, mapping, zone),
        rows_copied=copied.rows,
    )


async def _has_executed(task: Task, session: Session, checkpoint: str) -> bool:
    """Whether a checkpoint can be gone on from: not where the promoted server lacks what was applied already.

    A replica that commits out of order, or a binlog that was lost with the power: the shadow is ahead of the table.
    """
    if not await session.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (checkpoint, EXECUTED_PATIENCE)):
        return True
    missing = str(await session.value("SELECT GTID_SUBTRACT(%s, @@global.gtid_executed)", (checkpoint,)))
    task.log.warning(f"the copy begins anew: this primary lacks what is applied already, {missing[:SHOWN]}")
    return False


async def _check_again(task: Task, session: Session) -> None:
    """What may have changed since the check, or since the last attempt."""
    found = await table_obstacles(session, task.migration.mysql_schema, task.statement.table)
    found += await foreign_key_obstacles(
        session, task.migration.mysql_schema, task.statement.table, allowed=Asked.of(task.migration).foreign_keys
    )
    for obstacle in [*found, *await server_obstacles(session)]:
        raise obstacle


async def _new_plan(task: Task, session: Session, settings: VitessSettings) -> Plan:
    schema, table = task.migration.mysql_schema, task.statement.table
    await forget(session, task.migration, (COPY_STATE, CHECKPOINTS, STREAMS))
    definition = await _definition(session, table)
    if Asked.of(task.migration).analyze_source:
        await analyze_source(task, session, schema, table)
    name = await task.artifact(ArtifactKind.SHADOW)
    making = await task.primary()
    try:
        await make_shadow(
            making,
            definition,
            task.statement.sql,
            name,
            uuid=task.migration.migration_uuid,
            mark=marker(task.migration.migration_uuid),
            zero_dates=Asked.of(task.migration).zero_dates,
        )
    finally:
        await making.close()
    failpoint("vitess.shadow_made")
    for obstacle in await made_by_the_alter(session, schema, name, table):
        raise obstacle
    source, shadow, mapping = await _tables(task, session, name)
    if told := await check_room(session, schema, source, shadow, definition, settings):
        task.log.warning(told)
    made = await show_create(session, name)
    # what is in this set is visible, but for transactions that were prepared only
    start = str(await session.value("SELECT @@global.gtid_executed"))
    await _await_prepared(task, session)
    statements = Statements(table=table, shadow=name, mapping=mapping)
    greatest = await session.query(statements.greatest())
    plan = Plan(
        shadow=name,
        definition=definition,
        shadow_definition=made.definition,
        plan_end=mapping.key.of_row(tuple(greatest[0].values())) if greatest else b"",
        carries_counter=bool(mapping.counter) and made.counter == 1,
        table_rows=source.estimate,
    )
    if await _definition(session, table) != definition:
        raise TableChanged(f"{table} was altered by somebody else just now", table=table)
    async with task.fenced(session):
        await write_plan(session, task.migration, plan)
        await write_checkpoint(session, task.migration, start)
    failpoint("vitess.plan_written")
    return plan


async def _tables(task: Task, session: Session, shadow_name: str) -> tuple[Table, Table, Mapping]:
    schema, table = task.migration.mysql_schema, task.statement.table
    clauses = split_alter(task.statement.sql).clauses
    source = await read_table(session, schema, table)
    shadow = await read_table(session, schema, shadow_name)
    if source is None or shadow is None:
        raise TableChanged(f"{table if source is None else shadow_name} is gone", table=table)
    for obstacle in shape_obstacles(source, shadow, clauses):
        raise obstacle
    zero_dates = Asked.of(task.migration).zero_dates
    empty = await is_empty(session, schema, table)
    return source, shadow, map_tables(source, shadow, clauses, zero_dates=zero_dates, empty=empty)


async def _definition(session: Session, table: str) -> str:
    try:
        return (await show_create(session, table)).definition
    except StatementFailed as error:
        raise UnknownTable(f"there is no table {table}: {error.message}", table=table) from error


async def _await_prepared(task: Task, session: Session) -> None:
    """The rows of a transaction that was prepared before the stream begins come by no event at all."""
    try:
        waiting = {row["data"] for row in await session.query("XA RECOVER CONVERT XID")}
    except StatementFailed as error:
        raise CannotRunOnline(
            f"prepared XA transactions cannot be seen: {error.message}",
            hint="grant XA_RECOVER_ADMIN on *.* to the shard's account",
        ) from error
    deadline = asyncio.get_running_loop().time() + XA_PATIENCE
    while waiting:
        if asyncio.get_running_loop().time() > deadline:
            raise CannotRunOnline(
                f"{len(waiting)} prepared XA transactions are older than the change and do not end",
                hint="see XA RECOVER CONVERT XID: commit or roll them back, then retry",
            )
        task.progress(stage="waiting for prepared XA transactions")
        await asyncio.sleep(LOOK_AGAIN)
        waiting &= {row["data"] for row in await session.query("XA RECOVER CONVERT XID")}


async def _value(task: Task, sql: str) -> object:
    session = await task.primary()
    try:
        return await session.value(sql)
    finally:
        await session.close()
