"""What attempts wrote down about their statements: ``_alterd.statements`` on the shard."""

from __future__ import annotations

from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session, Task
from alterd_direct.definitions import Remembered
from alterd_runtime.mysql.sidecar import STATEMENTS


async def remember(task: Task, session: Session, remembered: Remembered) -> None:
    """In a fenced transaction. Raises `Fenced`."""
    record = task.migration
    async with task.fenced(session):
        await session.execute(
            f"INSERT INTO {STATEMENTS} (`keyspace`, `shard`, `migration_uuid`, `attempt`, `table_schema`,"
            " `table_name`, `existed`, `definition_before`, `definition_after`, `held_name`, `created_at`)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (
                record.keyspace,
                record.shard,
                record.migration_uuid,
                remembered.attempt,
                record.mysql_schema,
                record.mysql_table,
                int(remembered.before is not None),
                remembered.before,
                remembered.after,
                remembered.held or None,
            ),
        )


async def take_back(task: Task, session: Session) -> None:
    """What this attempt wrote down: its statement was refused. Raises `Fenced`."""
    record = task.migration
    async with task.fenced(session):
        await session.execute(
            f"DELETE FROM {STATEMENTS} WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s"
            " AND `attempt` = %s",
            (record.keyspace, record.shard, record.migration_uuid, task.attempt),
        )


async def recall(session: Session, record: Migration, last_attempt: int) -> list[Remembered]:
    """What the attempts of this try wrote down, the last one first; earlier tries have nothing to say."""
    rows = await session.query(
        f"SELECT `attempt`, `definition_before`, `definition_after`, `held_name` FROM {STATEMENTS}"
        " WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s AND `attempt` BETWEEN %s AND %s"
        " ORDER BY `attempt` DESC",
        (record.keyspace, record.shard, record.migration_uuid, record.first_attempt, last_attempt),
    )
    return [
        Remembered(
            attempt=row["attempt"],
            before=row["definition_before"],
            after=row["definition_after"],
            held=row["held_name"] or "",
        )
        for row in rows
    ]
