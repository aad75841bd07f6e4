"""Whether a replica's binlog tells all that the primary's does."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.mysql.server import ServerFacts, read_facts
from alterd_vitess.stream.errors import StreamRefused, lost

PATIENCE: Final = 10
"""Seconds for the replica to apply what was executed before the stream's begin."""
_UNKNOWN_VARIABLE: Final = 1193
_LOGS_UPDATES: Final = ("SELECT @@global.log_replica_updates", "SELECT @@global.log_slave_updates")
"""The newer name, and that before 8.0.26."""
_FILTERS: Final = """
SELECT filter_name AS name FROM performance_schema.replication_applier_filters WHERE filter_rule <> ''
UNION SELECT filter_name AS name FROM performance_schema.replication_applier_global_filters WHERE filter_rule <> ''
"""
_CHANNELS: Final = """
SELECT source_uuid AS source, connection.service_state AS receiving, applier.service_state AS applying
FROM performance_schema.replication_connection_status connection
JOIN performance_schema.replication_applier_status applier USING (channel_name)
"""
_ON: Final = "ON"


class ReplicaFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A replica at one moment."""

    server: ServerFacts
    logs_updates: bool
    row_value_options: str
    filters: tuple[str, ...]
    """Of what it applies, and of what it writes to its binlog."""
    channels: tuple[dict[str, Any], ...]
    """source, receiving and applying of each."""


def obstacles(facts: ReplicaFacts, primary: str) -> list[str]:
    """What speaks against its binlog. `primary`: the server_uuid. Pure."""
    server = facts.server
    wanted = {
        "log_bin is OFF": server.log_bin,
        "log_replica_updates is OFF: what it applies is not in its binlog": facts.logs_updates,
        f"gtid_mode is {server.gtid_mode}": server.gtid_mode == _ON,
        f"binlog_row_image is {server.binlog_row_image}": server.binlog_row_image == "FULL",
        f"binlog_row_value_options is {facts.row_value_options}": not facts.row_value_options,
        "it is writable: what is written there is no change of the primary": not server.writable,
        f"it has filters ({', '.join(facts.filters)}): changes may be missing": not facts.filters,
        "it replicates from nobody": facts.channels,
        "its replication is stopped": all(
            channel["receiving"] == _ON and channel["applying"] == _ON for channel in facts.channels
        ),
        "it is the primary itself": server.server_uuid != primary,
    }
    return [words for words, holds in wanted.items() if not holds]


def check_replica(session: BlockingSession, primary: str, start: str) -> str:
    """What it has executed, as a GTID set: all of `start`, so that the table is as it was there.

    Raises `StreamRefused`, which names all that speaks against it; `StreamLost` where it is far behind.
    """
    facts = read_replica(session)
    found = obstacles(facts, primary)
    if found:
        raise StreamRefused(
            f"the replica {session.address} is no source of changes: {'; '.join(found)}",
            hint="mend that, or read the primary's binlog: set binlog_source=primary",
            server=session.address,
        )
    if session.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (start, PATIENCE)):
        raise lost(str(session.address), f"it has not applied within {PATIENCE} s what the primary had executed before")
    return str(session.value("SELECT @@global.gtid_executed"))


def read_replica(session: BlockingSession) -> ReplicaFacts:
    server = read_facts(session)
    return ReplicaFacts(
        server=server,
        logs_updates=_logs_updates(session),
        row_value_options=str(session.value("SELECT @@global.binlog_row_value_options")),
        filters=(*_applier_filters(session), *_binlog_filters(session, server)),
        channels=tuple(session.query(_CHANNELS)),
    )


def _logs_updates(session: BlockingSession) -> bool:
    newer, older = _LOGS_UPDATES
    try:
        return bool(session.value(newer))
    except MySQLError as error:
        if error.errno != _UNKNOWN_VARIABLE:
            raise
        return bool(session.value(older))


def _applier_filters(session: BlockingSession) -> list[str]:
    return sorted({str(row["name"]) for row in session.query(_FILTERS)})


def _binlog_filters(session: BlockingSession, server: ServerFacts) -> list[str]:
    status = "SHOW BINARY LOG STATUS" if server.version >= (8, 2) else "SHOW MASTER STATUS"
    rows = session.query(status)
    return [name for name in ("Binlog_Do_DB", "Binlog_Ignore_DB") if rows and rows[0].get(name)]
