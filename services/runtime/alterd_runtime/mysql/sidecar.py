"""The schema ``_alterd`` on each shard's primary: what an engine must remember fails over with the data.

All times are the server's ``UTC_TIMESTAMP(6)``. What is a name is compared by its bytes.
"""

from __future__ import annotations

from typing import Protocol

from alterd_contracts.names import SIDECAR_SCHEMA
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_runtime.mysql.session import Session

FENCE = qualified(SIDECAR_SCHEMA, "fence")
MIGRATIONS = qualified(SIDECAR_SCHEMA, "migrations")
ARTIFACTS = qualified(SIDECAR_SCHEMA, "artifacts")
STATEMENTS = qualified(SIDECAR_SCHEMA, "statements")
HEARTBEAT = qualified(SIDECAR_SCHEMA, "heartbeat")
STREAMS = qualified(SIDECAR_SCHEMA, "streams")
COPY_STATE = qualified(SIDECAR_SCHEMA, "copy_state")
CHECKPOINTS = qualified(SIDECAR_SCHEMA, "checkpoints")
CUTOVERS = qualified(SIDECAR_SCHEMA, "cutovers")

_WORD = "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
_UUID = "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
_NAME = "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin"
_WHO = "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL"
_WHOSE = f"`keyspace` {_WORD}, `shard` {_WORD}, `migration_uuid` {_UUID}"
_TRY = f"{_WHOSE}, `first_attempt` INT UNSIGNED NOT NULL"

TABLES: dict[str, str] = {
    # who may write for a migration: one row, raised by each claim
    "fence": f"""
        {_WHOSE}, `attempt` INT UNSIGNED NOT NULL, `executor` {_WHO}, `claimed_at` DATETIME(6) NOT NULL,
        PRIMARY KEY (`keyspace`, `shard`, `migration_uuid`)""",
    # enough of each migration to rebuild the queue
    "migrations": f"""
        {_WHOSE}, `attempt` INT UNSIGNED NOT NULL, `record` JSON NOT NULL, `updated_at` DATETIME(6) NOT NULL,
        PRIMARY KEY (`keyspace`, `shard`, `migration_uuid`)""",
    # every table and view a migration may leave behind, from before it exists; shards that share a server share
    # uuids and so may share names, hence the schema in the key
    "artifacts": f"""
        `name` {_NAME} NOT NULL, `table_schema` {_NAME} NOT NULL, {_WHOSE},
        `attempt` INT UNSIGNED NOT NULL, `kind` CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        `created_at` DATETIME(6) NOT NULL, `collect_after` DATETIME(6) NULL, `collected_at` DATETIME(6) NULL,
        PRIMARY KEY (`name`, `table_schema`),
        KEY `migration` (`keyspace`, `shard`, `migration_uuid`),
        KEY `due` (`collected_at`, `collect_after`)""",
    # what a CREATE or DROP found and made, so that the next attempt can tell what happened
    "statements": f"""
        {_WHOSE}, `attempt` INT UNSIGNED NOT NULL, `table_schema` {_NAME} NOT NULL, `table_name` {_NAME} NOT NULL,
        `existed` TINYINT(1) NOT NULL, `definition_before` LONGTEXT NULL, `definition_after` LONGTEXT NULL,
        `held_name` {_NAME} NULL, `created_at` DATETIME(6) NOT NULL,
        PRIMARY KEY (`keyspace`, `shard`, `migration_uuid`, `attempt`)""",
    # what a try of an online change works on: one row, written before the copy begins
    "streams": f"""
        {_TRY}, `table_schema` {_NAME} NOT NULL, `table_name` {_NAME} NOT NULL, `shadow` {_NAME} NOT NULL,
        `definition` LONGTEXT NOT NULL, `shadow_definition` LONGTEXT NOT NULL, `plan_end` BLOB NOT NULL,
        `carries_counter` TINYINT(1) NOT NULL,
        `table_rows` BIGINT UNSIGNED NOT NULL, `created_at` DATETIME(6) NOT NULL,
        PRIMARY KEY (`keyspace`, `shard`, `migration_uuid`, `first_attempt`)""",
    # the chunks of the copy, each written in the transaction that copied it
    "copy_state": f"""
        `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, {_TRY}, `low` BLOB NOT NULL, `high` BLOB NOT NULL,
        `rows_copied` BIGINT UNSIGNED NOT NULL, PRIMARY KEY (`id`),
        KEY `try` (`keyspace`, `shard`, `migration_uuid`, `first_attempt`)""",
    # up to where the change stream need not be read again; always a new row, the last one counts
    "checkpoints": f"""
        `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, {_TRY}, `attempt` INT UNSIGNED NOT NULL,
        `gtid_set` LONGTEXT NOT NULL, `created_at` DATETIME(6) NOT NULL, PRIMARY KEY (`id`),
        KEY `try` (`keyspace`, `shard`, `migration_uuid`, `first_attempt`)""",
    # when the cut-over of a try was due first: from then on patience is counted, also over dead attempts
    "cutovers": f"""
        {_TRY}, `first_due_at` DATETIME(6) NOT NULL,
        PRIMARY KEY (`keyspace`, `shard`, `migration_uuid`, `first_attempt`)""",
    # written and read by one throttler, so that lag never compares two clocks
    "heartbeat": f"""
        `keyspace` {_WORD}, `shard` {_WORD}, `writer` {_WHO}, `written_ns` BIGINT NOT NULL,
        PRIMARY KEY (`keyspace`, `shard`)""",
}


class Owner(Protocol):
    """Whatever names a shard migration."""

    @property
    def keyspace(self) -> str: ...
    @property
    def shard(self) -> str: ...
    @property
    def migration_uuid(self) -> str: ...


async def ensure(session: Session) -> None:
    """Creates what is missing. Safe to call from many places at once.

    Raises `MySQLError` (grants), `ReadOnlyServer`.
    """
    rows = await session.query(
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (SIDECAR_SCHEMA,)
    )
    missing = TABLES.keys() - {row["name"] for row in rows}
    if not missing:
        return  # CREATE … IF NOT EXISTS would go to the binlog each time
    await session.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(SIDECAR_SCHEMA)} DEFAULT CHARACTER SET utf8mb4")
    for name, body in TABLES.items():
        if name in missing:
            await session.execute(
                f"CREATE TABLE IF NOT EXISTS {qualified(SIDECAR_SCHEMA, name)} ({body}\n)"
                " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin"
            )
