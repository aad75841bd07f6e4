"""What speaks against an online change, each with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.sql import Clause, ClauseKind
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.tables import Table

EVENTS = ("events_transactions_current", "transaction", "wait/lock/metadata/sql/mdl")
"""What of performance_schema must be on; it is by default."""
USE_ANOTHER = "use the strategy mysql, or gh-ost and pt-osc where they are offered"

_SERVER = """
SELECT @@global.gtid_mode AS gtid_mode, @@global.log_bin AS log_bin, @@global.binlog_format AS binlog_format,
       @@global.binlog_row_image AS row_image, @@global.binlog_row_value_options AS partial, @@version AS version
"""
_PRIMARIES = """
SELECT COUNT(*) FROM performance_schema.replication_group_members
WHERE MEMBER_ROLE = 'PRIMARY' AND MEMBER_STATE = 'ONLINE'
"""
_EVENTS = """
SELECT (SELECT COUNT(*) FROM performance_schema.setup_consumers
        WHERE NAME = 'events_transactions_current' AND ENABLED = 'YES')
     + (SELECT COUNT(*) FROM performance_schema.setup_instruments
        WHERE NAME IN ('transaction', 'wait/lock/metadata/sql/mdl') AND ENABLED = 'YES')
"""
_TRIGGERS = """
SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s ORDER BY TRIGGER_NAME
"""
_FOREIGN_KEYS = """
SELECT CONSTRAINT_NAME AS name, TABLE_NAME AS `table` FROM information_schema.KEY_COLUMN_USAGE
WHERE REFERENCED_TABLE_NAME IS NOT NULL
  AND ((TABLE_SCHEMA = %s AND TABLE_NAME = %s) OR (REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s))
ORDER BY CONSTRAINT_NAME
"""
_CONSTRAINTS = """
SELECT CONSTRAINT_NAME AS name, CONSTRAINT_TYPE AS type FROM information_schema.TABLE_CONSTRAINTS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_TYPE IN ('FOREIGN KEY', 'CHECK') ORDER BY CONSTRAINT_NAME
"""

_CLAUSES: dict[ClauseKind, str] = {
    kind: "its partitions are another thing on an empty copy"
    for kind in ClauseKind
    if kind.endswith("_partition") or kind is ClauseKind.PARTITION_BY
} | {
    ClauseKind.REMOVE_PARTITIONING: "partitioned tables cannot be changed online yet",
    ClauseKind.ADD_FOREIGN_KEY: "foreign keys cannot be kept online",
    ClauseKind.DROP_FOREIGN_KEY: "foreign keys cannot be kept online",
    ClauseKind.ADD_CHECK: "CHECK constraints cannot be changed online yet",
    ClauseKind.DROP_CHECK: "CHECK constraints cannot be changed online yet",
    ClauseKind.ALTER_CHECK: "CHECK constraints cannot be changed online yet",
    ClauseKind.DROP_CONSTRAINT: "constraints cannot be changed online yet",
    ClauseKind.ALTER_CONSTRAINT: "constraints cannot be changed online yet",
    ClauseKind.RENAME_TABLE: "the table keeps its name",
    ClauseKind.SECONDARY: "it concerns another engine",
    ClauseKind.OTHER: "nobody here knows what it does",
}


async def server_obstacles(session: Session) -> list[AlterdError]:
    """What the server lacks for a change stream."""
    row: dict[str, Any] = (await session.query(_SERVER))[0]
    found: list[AlterdError] = []

    def needs(setting: str, wanted: str, is_value: object) -> None:
        found.append(
            CannotRunOnline(
                f"an online change needs {setting}={wanted}, the primary has {is_value}",
                hint=f"set it, or {USE_ANOTHER}",
                setting=setting,
            )
        )

    if not row["log_bin"]:
        needs("log_bin", "ON", "OFF")
        return found
    if row["gtid_mode"] != "ON":
        needs("gtid_mode", "ON", row["gtid_mode"])
    if row["binlog_format"] != "ROW":
        needs("binlog_format", "ROW", row["binlog_format"])
    if row["row_image"] != "FULL":
        needs("binlog_row_image", "FULL", row["row_image"])
    if row["partial"]:
        needs("binlog_row_value_options", "''", row["partial"])
    if int(await session.value(_EVENTS)) < len(EVENTS):
        found.append(
            CannotRunOnline(
                f"the primary does not show who holds a table or a snapshot ({', '.join(EVENTS)}): "
                "a swap could block writers or show half a table to a backup",
                hint="switch these on in performance_schema.setup_consumers and setup_instruments",
            )
        )
    found += await _filters(session, str(row["version"]))
    if int(await session.value(_PRIMARIES)) > 1:
        found.append(
            CannotRunOnline(
                "group replication runs with several primaries: no one of them sees all writes in order",
                hint="switch to single-primary mode",
            )
        )
    return found


async def _filters(session: Session, version: str) -> list[AlterdError]:
    status = "SHOW BINARY LOG STATUS" if _numbers(version) >= (8, 2) else "SHOW MASTER STATUS"
    try:
        rows = await session.query(status)
    except StatementFailed as error:
        return [
            CannotRunOnline(
                f"the state of the binary log cannot be read: {error.message}",
                hint="grant REPLICATION CLIENT and REPLICATION SLAVE on *.* to the shard's account",
            )
        ]
    names = [name for name in ("Binlog_Do_DB", "Binlog_Ignore_DB") if rows and rows[0].get(name)]
    return [
        CannotRunOnline(
            f"the primary filters its binary log by {name}: changes may be missing from it",
            hint="remove the filter",
            setting=name,
        )
        for name in names
    ]


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


async def table_obstacles(session: Session, schema: str, table: str) -> list[AlterdError]:
    """What hangs on the real table and would be left behind by a swap."""
    found: list[AlterdError] = []
    triggers = [row["name"] for row in await session.query(_TRIGGERS, (schema, table))]
    if triggers:
        found.append(
            CannotRunOnline(
                f"{table} has triggers ({', '.join(triggers)}): they would stay on the old table",
                hint=f"drop them, or {USE_ANOTHER}",
                table=table,
            )
        )
    keys = await session.query(_FOREIGN_KEYS, (schema, table, schema, table))
    if keys:
        names = ", ".join(sorted({f"{row['name']} of {row['table']}" for row in keys}))
        found.append(
            CannotRunOnline(
                f"{table} takes part in foreign keys ({names}): they would follow the old table",
                hint="drop them, or use the strategy mysql",
                table=table,
            )
        )
    return found


async def constraint_obstacles(session: Session, schema: str, name: str, table: str) -> list[AlterdError]:
    """Constraints of the copy `name` whose names cannot stand twice in a schema; errors speak of `table`."""
    rows = await session.query(_CONSTRAINTS, (schema, name))
    if not rows:
        return []
    return [
        CannotRunOnline(
            f"{table} has or gets constraints of the types {', '.join(sorted({row['type'] for row in rows}))}: "
            "they cannot be carried over online yet",
            hint="drop them, or use the strategy mysql",
            table=table,
        )
    ]


def shape_obstacles(source: Table, shadow: Table, clauses: Sequence[Clause]) -> list[AlterdError]:
    """What the ALTER asks for that cannot be done online. Pure."""
    found: list[AlterdError] = [
        CannotRunOnline(
            f"{clause.kind.replace('_', ' ').upper()} cannot be run online: {_CLAUSES[clause.kind]}",
            hint=USE_ANOTHER,
            table=source.name,
        )
        for clause in clauses
        if clause.kind in _CLAUSES
    ]
    for which, table in (("is", source), ("becomes", shadow)):
        if table.engine != "innodb":
            found.append(
                CannotRunOnline(
                    f"{source.name} {which} a table of the engine {table.engine}: only InnoDB keeps transactions",
                    hint="use the strategy mysql",
                    table=source.name,
                )
            )
    if source.partitioned or shadow.partitioned:
        found.append(
            CannotRunOnline(
                f"{source.name} is partitioned: that cannot be changed online yet", hint=USE_ANOTHER, table=source.name
            )
        )
    return found
