"""What is kept of a migration on its shard, and for how long."""

from __future__ import annotations

import msgspec

from alterd_contracts.migration import Migration
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.sidecar import MIGRATIONS


def retention(record: Migration, default: float) -> float:
    """Seconds for which the artifacts of `record` are kept."""
    if record.retain_artifacts_seconds < 0:
        return 0.0
    return float(record.retain_artifacts_seconds or default)


async def write_record(session: Session, record: Migration) -> None:
    """Enough of the migration to rebuild the queue; inside a fenced transaction."""
    await session.execute(
        f"INSERT INTO {MIGRATIONS} (`keyspace`, `shard`, `migration_uuid`, `attempt`, `record`, `updated_at`)"
        " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6)) AS `new`"
        " ON DUPLICATE KEY UPDATE `attempt` = `new`.`attempt`, `record` = `new`.`record`,"
        " `updated_at` = `new`.`updated_at`",
        (
            record.keyspace,
            record.shard,
            record.migration_uuid,
            record.attempt,
            msgspec.json.encode(record.evolve(event=None)).decode(),
        ),
    )
