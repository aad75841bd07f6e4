"""Artifacts: the tables and views a migration leaves behind. Each is written down before it exists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from alterd_contracts.errors import Refused
from alterd_contracts.names import Artifact, ArtifactKind, check_ending
from alterd_runtime.mysql.errors import DUPLICATE_ENTRY, MySQLError
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.mysql.scratch import Queries
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.sidecar import ARTIFACTS, Owner

_SELECT = f"""
SELECT `name`, `table_schema`, `keyspace`, `shard`, `migration_uuid`, `attempt`, `kind`,
       `created_at`, `collect_after`, `collected_at` FROM {ARTIFACTS}
"""
_INSERT = f"""
INSERT INTO {ARTIFACTS}
  (`name`, `table_schema`, `keyspace`, `shard`, `migration_uuid`, `attempt`, `kind`, `created_at`)
VALUES (%s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))
"""
_TAKE = f"""
UPDATE {ARTIFACTS} SET `keyspace` = %s, `shard` = %s, `migration_uuid` = %s, `attempt` = %s,
  `kind` = 'tul', `created_at` = UTC_TIMESTAMP(6), `collect_after` = NULL, `collected_at` = NULL
WHERE `name` = %s AND `table_schema` = %s
"""


class ListedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact as the shard's sidecar has it. Times are UTC, of the server's clock."""

    name: str
    table_schema: str
    keyspace: str
    shard: str
    migration_uuid: str
    attempt: int
    kind: ArtifactKind
    created_at: datetime
    collect_after: datetime | None
    """None: still in use."""
    collected_at: datetime | None
    """None: may exist."""


async def declare(session: Session, fence: Fence, table_schema: str, kind: ArtifactKind) -> Artifact:
    """A name that may be used from now on, in a fenced transaction of its own.

    Raises `Fenced`, `ReadOnlyServer`.
    """
    [artifact] = await _declare(session, fence, table_schema, kind, ("",))
    return artifact


async def declare_tools(
    session: Session, fence: Fence, table_schema: str, endings: Sequence[str]
) -> tuple[Artifact, ...]:
    """Names of a tool's tables, alike but for `endings`; as `declare`. Raises `InvalidName`."""
    for ending in endings:
        check_ending(ending)
    return await _declare(session, fence, table_schema, ArtifactKind.TOOL, endings)


async def declare_foreign(session: Session, fence: Fence, table_schema: str, names: Sequence[str]) -> None:
    """Names that a tool gives its tables by itself, all of them or none, in a fenced transaction of its own.

    Those that this migration has declared before it keeps, whatever stands there. Raises `Refused`: there is a table or
    view that this migration has not declared, or another one uses the name; `Fenced`, `ReadOnlyServer`.
    """
    owner = (fence.keyspace, fence.shard, fence.migration_uuid)
    async with fence.transaction(session):
        for name in names:
            left_by = ""
            try:
                await session.execute(_INSERT, (name, table_schema, *owner, fence.attempt, ArtifactKind.TOOL.value))
            except MySQLError as error:
                if error.errno != DUPLICATE_ENTRY:
                    raise
                ours, left_by = await _taken(session, owner, table_schema, name)
                await session.execute(_TAKE, (*owner, fence.attempt, name, table_schema))
                if ours:
                    continue
            if await exists(session, table_schema, name):
                raise Refused(
                    f"{table_schema}.{name} is there already, and a tool would take it for its own",
                    hint=f"`alterd cleanup {left_by}`: that migration left it" if left_by else "rename or drop it",
                    table=f"{table_schema}.{name}",
                )


async def _taken(session: Session, owner: tuple[str, str, str], table_schema: str, name: str) -> tuple[bool, str]:
    """Of a name on the list: whether it is the owner's, and else which migration may have left a table there.

    Raises `Refused`: another migration uses it.
    """
    [row] = await session.query(
        "SELECT `keyspace`, `shard`, `migration_uuid`, `collected_at` IS NULL AS `may_exist`,"
        f" `collect_after` IS NULL AS `in_use` FROM {ARTIFACTS} WHERE `name` = %s AND `table_schema` = %s FOR UPDATE",
        (name, table_schema),
    )
    if not row["may_exist"]:
        return False, ""
    if (row["keyspace"], row["shard"], row["migration_uuid"]) == owner:
        return True, ""
    if row["in_use"]:
        raise Refused(
            f"the migration {row['migration_uuid']} uses the name {table_schema}.{name}",
            hint="wait for its end",
            table=f"{table_schema}.{name}",
        )
    return False, str(row["migration_uuid"])


async def _declare(
    session: Session, fence: Fence, table_schema: str, kind: ArtifactKind, endings: Sequence[str]
) -> tuple[Artifact, ...]:
    async with fence.transaction(session):
        now: datetime = await session.value("SELECT UTC_TIMESTAMP(0)")
        second = now.replace(tzinfo=UTC)
        await session.execute("SAVEPOINT `none`")
        while True:
            made = tuple(Artifact(kind, fence.migration_uuid, second, ending) for ending in endings)
            try:
                for artifact in made:
                    await session.execute(
                        _INSERT,
                        (
                            artifact.name,
                            table_schema,
                            fence.keyspace,
                            fence.shard,
                            fence.migration_uuid,
                            fence.attempt,
                            kind.value,
                        ),
                    )
            except MySQLError as error:
                if error.errno != DUPLICATE_ENTRY:
                    raise
                await session.execute("ROLLBACK TO SAVEPOINT `none`")
                second += timedelta(seconds=1)  # a second of its kind within one second
            else:
                return made


async def listed(session: Queries, owner: Owner) -> list[ListedArtifact]:
    """All artifacts of a shard migration, oldest first, also those collected."""
    rows = await session.query(
        f"{_SELECT} WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s ORDER BY `created_at`, `name`",
        (owner.keyspace, owner.shard, owner.migration_uuid),
    )
    return [_listed(row) for row in rows]


async def collect_after(session: Session, table_schema: str, name: str, seconds: float) -> None:
    """Lets the collector drop it `seconds` from now, by the server's clock."""
    await session.execute(
        f"UPDATE {ARTIFACTS} SET `collect_after` = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND"
        " WHERE `name` = %s AND `table_schema` = %s",
        (round(seconds * 1_000_000), name, table_schema),
    )


async def due(
    session: Session, limit: int, *, keyspace: str | None = None, shard: str | None = None
) -> list[ListedArtifact]:
    """Up to `limit` artifacts past their time, longest due first; of all shards on the server, or of one."""
    rows = await session.query(
        f"{_SELECT} WHERE `collected_at` IS NULL AND `collect_after` <= UTC_TIMESTAMP(6)"
        " AND `keyspace` = COALESCE(%s, `keyspace`) AND `shard` = COALESCE(%s, `shard`)"
        " ORDER BY `collect_after`, `name` LIMIT %s",
        (keyspace, shard, limit),
    )
    return [_listed(row) for row in rows]


async def is_left(session: Session, artifact: ListedArtifact) -> bool:
    """Whether a name that a tool makes itself is still on the list for the same migration, and due.

    Such names are used again: by now it may be another migration's.
    """
    if artifact.kind is not ArtifactKind.TOOL:
        return False
    found = await session.value(
        f"SELECT COUNT(*) FROM {ARTIFACTS} WHERE `name` = %s AND `table_schema` = %s AND `migration_uuid` = %s"
        " AND `collected_at` IS NULL AND `collect_after` <= UTC_TIMESTAMP(6)",
        (artifact.name, artifact.table_schema, artifact.migration_uuid),
    )
    return bool(found)


async def mark_collected(session: Session, table_schema: str, name: str) -> None:
    """It does not exist (any more)."""
    await session.execute(
        f"UPDATE {ARTIFACTS} SET `collected_at` = UTC_TIMESTAMP(6)"
        " WHERE `name` = %s AND `table_schema` = %s AND `collected_at` IS NULL",
        (name, table_schema),
    )


async def release(session: Session, fence: Fence, seconds: float) -> None:
    """What its migration is done with: to be collected after so many seconds. Within a fenced transaction."""
    await session.execute(
        f"UPDATE {ARTIFACTS} SET `collect_after` = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND"
        " WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s"
        " AND `collected_at` IS NULL AND `collect_after` IS NULL",
        (round(1e6 * seconds), fence.keyspace, fence.shard, fence.migration_uuid),
    )


async def mark_dropped(session: Session, artifact: ListedArtifact) -> None:
    """The same by the collector: unless a migration has begun to use the name since it was found due."""
    await session.execute(
        f"UPDATE {ARTIFACTS} SET `collected_at` = UTC_TIMESTAMP(6) WHERE `name` = %s AND `table_schema` = %s"
        " AND `migration_uuid` = %s AND `collected_at` IS NULL AND `collect_after` <= UTC_TIMESTAMP(6)",
        (artifact.name, artifact.table_schema, artifact.migration_uuid),
    )


async def table_type(session: Session, table_schema: str, name: str) -> str | None:
    """``BASE TABLE`` or ``VIEW``; None where there is none."""
    found: str | None = await session.value(
        "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (table_schema, name),
    )
    return found


async def exists(session: Session, table_schema: str, name: str) -> bool:
    """Whether there is a table or view of that name."""
    return await table_type(session, table_schema, name) is not None


async def drop(session: Session, table_schema: str, name: str) -> bool:
    """Drops the table or view and marks it collected: whether there was one. Idempotent.

    Raises `Refused` unless the name is an artifact's and the sidecar lists it.
    """
    count = await session.value(
        f"SELECT COUNT(*) FROM {ARTIFACTS} WHERE `name` = %s AND `table_schema` = %s", (name, table_schema)
    )
    if Artifact.parse(name) is None or not count:
        raise Refused(
            f"{table_schema}.{name} is no artifact of alterd's: it is not dropped", table=f"{table_schema}.{name}"
        )
    kind = await table_type(session, table_schema, name)
    if kind is not None:
        what = "VIEW" if kind == "VIEW" else "TABLE"
        await session.execute(f"DROP {what} IF EXISTS {qualified(table_schema, name)}")
    await mark_collected(session, table_schema, name)
    return kind is not None


def _listed(row: dict[str, Any]) -> ListedArtifact:
    times = {
        column: row[column].replace(tzinfo=UTC) if row[column] is not None else None
        for column in ("created_at", "collect_after", "collected_at")
    }
    return ListedArtifact(**{**row, **times, "kind": ArtifactKind(row["kind"])})
