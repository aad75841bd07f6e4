"""What a try of an online change must remember to go on: in the sidecar of the shard's own primary."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session
from alterd_runtime.mysql.sidecar import CHECKPOINTS, COPY_STATE, CUTOVERS, STREAMS
from alterd_vitess.ranges import Range

_MINE = "`keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s AND `first_attempt` = %s"
_WHOSE = "`keyspace`, `shard`, `migration_uuid`, `first_attempt`"
KEPT_CHECKPOINTS = 3


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a try works on; fixed before the copy begins."""

    shadow: str
    definition: str
    """Of the source, as it must still be at the swap."""
    shadow_definition: str
    plan_end: bytes
    """The greatest key when the copy began, as ordered bytes; empty for an empty table."""
    carries_counter: bool
    """The AUTO_INCREMENT counter is the source's, as the ALTER does not set it."""
    table_rows: int
    """Estimated when the copy began."""


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """How far the copy is."""

    ranges: tuple[Range, ...]
    rows: int


def whose(record: Migration) -> tuple[str, str, str, int]:
    """The columns that name a try."""
    return record.keyspace, record.shard, record.migration_uuid, record.first_attempt


async def write_plan(session: Session, record: Migration, plan: Plan) -> None:
    """Inside a fenced transaction, with the first checkpoint."""
    await session.execute(
        f"INSERT INTO {STREAMS} ({_WHOSE}, `table_schema`, `table_name`, `shadow`, `definition`,"
        " `shadow_definition`, `plan_end`, `carries_counter`, `table_rows`, `created_at`)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
        (
            *whose(record),
            record.mysql_schema,
            record.mysql_table,
            plan.shadow,
            plan.definition,
            plan.shadow_definition,
            plan.plan_end,
            int(plan.carries_counter),
            plan.table_rows,
        ),
    )


async def read_plan(session: Session, record: Migration) -> Plan | None:
    """None where the copy never began."""
    rows = await session.query(
        f"SELECT `shadow`, `definition`, `shadow_definition`, `plan_end`, `carries_counter`, `table_rows`"
        f" FROM {STREAMS} WHERE {_MINE}",
        whose(record),
    )
    if not rows:
        return None
    [row] = rows
    return Plan(**{**row, "plan_end": bytes(row["plan_end"]), "carries_counter": bool(row["carries_counter"])})


async def write_chunk(session: Session, record: Migration, chunk: Range, rows: int) -> None:
    """Inside the transaction that copied it."""
    await session.execute(
        f"INSERT INTO {COPY_STATE} ({_WHOSE}, `low`, `high`, `rows_copied`) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (*whose(record), chunk.low, chunk.high, rows),
    )


async def read_copied(session: Session, record: Migration) -> Copied:
    """What is committed."""
    rows = await session.query(f"SELECT `low`, `high`, `rows_copied` FROM {COPY_STATE} WHERE {_MINE}", whose(record))
    return Copied(
        ranges=tuple(Range(bytes(row["low"]), bytes(row["high"])) for row in rows),
        rows=sum(int(row["rows_copied"]) for row in rows),
    )


async def write_checkpoint(session: Session, record: Migration, gtid_set: str) -> None:
    """Inside a fenced transaction. A new row each time; all but the last few go."""
    await session.execute(
        f"INSERT INTO {CHECKPOINTS} ({_WHOSE}, `attempt`, `gtid_set`, `created_at`)"
        " VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
        (*whose(record), record.attempt, gtid_set),
    )
    newest = await session.query(
        f"SELECT `id` FROM {CHECKPOINTS} WHERE {_MINE} ORDER BY `id` DESC LIMIT {KEPT_CHECKPOINTS}", whose(record)
    )
    await session.execute(f"DELETE FROM {CHECKPOINTS} WHERE {_MINE} AND `id` < %s", (*whose(record), newest[-1]["id"]))


async def read_checkpoint(session: Session, record: Migration) -> str | None:
    """The GTID set up to which the change stream need not be read again."""
    found: str | None = await session.value(
        f"SELECT `gtid_set` FROM {CHECKPOINTS} WHERE {_MINE} ORDER BY `id` DESC LIMIT 1", whose(record)
    )
    return found


async def forget(
    session: Session, record: Migration, tables: Sequence[str] = (COPY_STATE, CHECKPOINTS, CUTOVERS)
) -> None:
    """Removes what an ended try needs no more; idempotent."""
    for table in tables:
        await session.execute(f"DELETE FROM {table} WHERE {_MINE}", whose(record))
