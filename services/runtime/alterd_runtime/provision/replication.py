"""Asynchronous replication with GTID auto-position between servers of ours."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from alterd_contracts.errors import ShardUnreachable, UnsafeShard
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import UNKNOWN_THREAD, MySQLError
from alterd_runtime.mysql.server import read_facts
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.waiting import wait_until

OLDEST = (8, 0, 23)
"""The first version with CHANGE REPLICATION SOURCE; those before it run as single servers."""
FOLLOW_TIMEOUT = 20.0
"""Seconds for both replication threads to run."""


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica says of its replication."""

    source: ServerAddress | None
    """None: it is no replica."""
    running: bool
    """Both threads."""
    seconds_behind: int | None
    """As the server counts; None while it cannot tell."""
    error: str
    """The last one, empty when there is none."""


def read_replication(session: BlockingSession) -> Replication:
    """The default channel's."""
    rows = session.query("SHOW REPLICA STATUS")
    if not rows:
        return Replication(source=None, running=False, seconds_behind=None, error="")
    row: dict[str, Any] = rows[0]
    return Replication(
        source=ServerAddress(row["Source_Host"], int(row["Source_Port"])),
        running=row["Replica_IO_Running"] == "Yes" and row["Replica_SQL_Running"] == "Yes",
        seconds_behind=row["Seconds_Behind_Source"],
        error=row["Last_SQL_Error"] or row["Last_IO_Error"],
    )


def follow(replica: Endpoint, primary: Endpoint, source: ServerAddress) -> None:
    """Makes `replica` read only and a replica of `primary`, which it finds at `source`; returns when both threads run.

    Does nothing when that is so already. Raises `UnsafeShard` before 8.0.23 or for a server with transactions of its
    own, such as a promoted one, `ShardUnreachable` when replication does not start.
    """
    session = replica.open()
    try:
        facts = read_facts(session)
        if facts.version < OLDEST:
            raise UnsafeShard(
                f"MySQL {facts.version_text} is too old for a replica of ours",
                hint="take MySQL 8.0.23 or later, or no replicas",
                server=replica.address,
            )
        now = read_replication(session)
        if now.source == source and now.running and facts.super_read_only:
            return
        _check_history(session, primary)
        account, password = f"alterd_replica_{facts.server_id}", secrets.token_urlsafe(18)
        _make_account(primary, account, password)
        session.execute("STOP REPLICA")
        session.execute(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s, "
            "SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400",
            (source.host, source.port, account, password),
        )
        # persisted: a replica that restarts must not take writes for a moment
        session.execute("SET PERSIST super_read_only = ON, PERSIST read_only = ON")
        session.execute("START REPLICA")
        if not wait_until(lambda: read_replication(session).running, FOLLOW_TIMEOUT):
            reason = read_replication(session).error or "it does not say why"
            raise ShardUnreachable(
                f"{replica.address} does not replicate from {source}: {reason}", server=replica.address
            )
    finally:
        session.close()


def promote(replica: Endpoint, timeout: float = 30.0) -> None:
    """Makes a replica a primary once it has applied what it received; the old primary may be gone.

    Raises `UnsafeShard` when that takes longer than `timeout` seconds or its applier has stopped.
    """
    session = replica.open()
    try:
        session.execute("STOP REPLICA IO_THREAD")
        received = session.value(
            "SELECT RECEIVED_TRANSACTION_SET"
            " FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = ''"
        )
        if received and not _has_executed(session, str(received), timeout):
            raise UnsafeShard(
                f"{replica.address} has not applied all that it received: {read_replication(session).error or 'slow'}",
                server=replica.address,
            )
        session.execute("STOP REPLICA")
        session.execute("RESET REPLICA ALL")
        session.execute("SET PERSIST super_read_only = OFF, PERSIST read_only = OFF")
    finally:
        session.close()


def wait_caught_up(replica: Endpoint, primary: Endpoint, timeout: float = 30.0) -> bool:
    """Whether `replica` has applied, within `timeout` seconds, what `primary` has committed by now."""
    session = primary.open()
    try:
        executed = str(session.value("SELECT @@GLOBAL.gtid_executed"))
    finally:
        session.close()
    session = replica.open()
    try:
        return _has_executed(session, executed, timeout)
    finally:
        session.close()


def _has_executed(session: BlockingSession, gtids: str, timeout: float) -> bool:
    waited: int = session.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (gtids, timeout))
    return waited == 0


def let_go(source: Endpoint) -> None:
    """Ends the streams to replicas that have everything; mysqld's own shutdown waits ten seconds for each.

    They come back by themselves. Raises `ShardUnreachable`, `LostSession`.
    """
    session = source.open(connect_timeout=2.0)
    try:
        idle = session.query(
            "SELECT ID AS id FROM performance_schema.processlist"
            " WHERE COMMAND LIKE 'Binlog Dump%' AND STATE LIKE '%has sent all binlog%'"
        )
        for stream in idle:
            try:
                session.execute("KILL %s", (stream["id"],))
            except MySQLError as error:
                if error.errno != UNKNOWN_THREAD:  # it ended by itself
                    raise
    finally:
        session.close()


def _check_history(replica: BlockingSession, primary: Endpoint) -> None:
    own = str(replica.value("SELECT @@GLOBAL.gtid_executed"))
    session = primary.open()
    try:
        known = session.value("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", (own,))
    finally:
        session.close()
    if not known:
        raise UnsafeShard(
            f"{replica.address} has transactions that {primary.address} lacks: it cannot become its replica",
            hint="was it promoted, or written to? Remove its data, or make it the primary",
            server=replica.address,
        )


def _make_account(primary: Endpoint, account: str, password: str) -> None:
    """An account for one replica, so that a new password breaks no other one."""
    session = primary.open()
    try:
        session.execute("CREATE USER IF NOT EXISTS %s@'%' IDENTIFIED BY %s", (account, password))
        session.execute("ALTER USER %s@'%' IDENTIFIED BY %s", (account, password))
        session.execute("GRANT REPLICATION SLAVE ON *.* TO %s@'%'", (account,))
    finally:
        session.close()
