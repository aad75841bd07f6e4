"""The engine's sessions, and what each of them is set to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session, Task
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.scratch import without_auto_increment
from alterd_runtime.mysql.tables import Table
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.mapping import Mapping

DUPLICATE_ENTRY = 1062
LOCK_WAIT_TIMEOUT = 1205
DEADLOCK = 1213
QUERY_INTERRUPTED = 1317
NO_SUCH_TABLE = 1146
AGAIN = frozenset({LOCK_WAIT_TIMEOUT, DEADLOCK})
"""The server rolled back, and the same may succeed the next time."""

_COUNTER = re.compile(r"^\) (?:/\*!.*?\*/ )?ENGINE=\w+ AUTO_INCREMENT=(\d+)", re.MULTILINE)

UTC = "+00:00"
ROWS: dict[str, str | int] = {
    "transaction_isolation": "READ-COMMITTED",  # the source is read without locks
    "sql_mode": "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO",
    "range_optimizer_max_mem_size": 0,  # long lists of keys stay ranges
    "foreign_key_checks": 0,
    "information_schema_stats_expiry": 0,
}
"""Of every session that moves rows."""


def errno(error: StatementFailed) -> int:
    """MySQL's number, 0 where the error is not the server's."""
    return int(error.where.get("errno", 0))


async def open_rows(task: Task, zone: str, **more: str | int) -> Session:
    """A fenced session that moves rows. `zone`: of `time_zone_of`."""
    return await task.primary({**ROWS, "time_zone": zone, **more})


def time_zone_of(source: Table, shadow: Table, mapping: Mapping, servers: str) -> str:
    """The time zone in which rows are moved. Pure.

    A TIMESTAMP that becomes something else, or is computed with, is converted in the server's own zone, as its own
    ALTER would; but a key of TIMESTAMPs is only exact in UTC. Raises `CannotRunOnline` where both are needed.
    """
    if not any(column.data_type == "timestamp" for column in mapping.key.columns):
        return servers
    stamps = {column.name for column in source.columns if column.data_type == "timestamp"}
    filled = {each.expression: each.name for each in mapping.filled}
    plain = all(
        (target := shadow.column(filled[identifier(name)])) is not None and target.data_type == "timestamp"
        for name in stamps
        if identifier(name) in filled
    )
    if plain and not any(column.generated for column in shadow.columns):
        return UTC
    raise CannotRunOnline(
        f"{source.name} has a TIMESTAMP in its key, and the change converts times in the server's zone",
        hint="change the types of TIMESTAMP columns by the strategy mysql",
        table=source.name,
    )


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What SHOW CREATE TABLE shows."""

    definition: str
    """Without the counter."""
    counter: int
    """The next AUTO_INCREMENT number; 1 where none is shown."""


async def show_create(session: Session, table: str) -> Shown:
    """A table of the session's schema. Raises `StatementFailed`."""
    [row] = await session.query(f"SHOW CREATE TABLE {identifier(table)}")
    text = str(row["Create Table"])
    counter = _COUNTER.search(text)
    return Shown(definition=without_auto_increment(text), counter=int(counter.group(1)) if counter else 1)


async def one_row(session: Session, sql: str, params: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row's values in order."""
    rows = await session.query(sql, params)
    return tuple(rows[0].values()) if rows else None
