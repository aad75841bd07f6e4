"""One row per shard, written on the primary and read on the replicas by the same process's clock."""

from __future__ import annotations

import time

import msgspec

from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.mysql.sidecar import HEARTBEAT

NOT_THERE_YET = frozenset({1049, 1146})
"""Unknown schema, unknown table: on a replica that has not come so far."""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Whose row it is. `writer` is new for each stretch of measuring: another one's time is never read as ours."""

    keyspace: str
    shard: str
    writer: str


def beat(session: BlockingSession, heartbeat: Heartbeat) -> float:
    """Writes the row, unless the server has become read only meanwhile; how many threads are running.

    Blocks. Raises `MySQLError`, `LostSession`, `ReadOnlyServer`.
    """
    session.execute(
        f"INSERT INTO {HEARTBEAT} (keyspace, shard, writer, written_ns)"
        " SELECT %s, %s, %s, %s FROM DUAL WHERE @@global.read_only = 0"
        " ON DUPLICATE KEY UPDATE writer = VALUES(writer), written_ns = VALUES(written_ns)",
        (heartbeat.keyspace, heartbeat.shard, heartbeat.writer, time.monotonic_ns()),
    )
    [row] = session.query("SHOW GLOBAL STATUS LIKE 'Threads_running'")
    return float(row["Value"])


def seen(session: BlockingSession, heartbeat: Heartbeat) -> float | None:
    """The seconds since the row that has arrived here was written; None where none of this writer's has.

    Blocks. Raises `MySQLError`, `LostSession`.
    """
    try:
        rows = session.query(
            f"SELECT writer, written_ns FROM {HEARTBEAT} WHERE keyspace = %s AND shard = %s",
            (heartbeat.keyspace, heartbeat.shard),
        )
    except MySQLError as error:
        if error.errno in NOT_THERE_YET:
            return None
        raise
    if not rows or rows[0]["writer"] != heartbeat.writer:
        return None
    return max(0.0, (time.monotonic_ns() - int(rows[0]["written_ns"])) / 1e9)
