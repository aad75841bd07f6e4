"""What a server says of itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from alterd_contracts.errors import UnsafeShard
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError

OLDEST = (8, 0, 19)
"""The first version with row aliases in INSERT … ON DUPLICATE KEY UPDATE."""

# Each speaks the protocol and calls itself something like MySQL, and none keeps MySQL's promises about DDL.
_OTHERS = ("mariadb", "tidb", "vitess", "singlestore", "oceanbase", "doris", "starrocks", "clickhouse")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_UNKNOWN_VARIABLE = 1193

_FACTS = """
SELECT @@version AS version, @@version_comment AS comment, @@server_uuid AS server_uuid,
       @@global.server_id AS server_id, @@hostname AS hostname, @@port AS port,
       @@global.read_only AS read_only, @@global.super_read_only AS super_read_only,
       @@global.gtid_mode AS gtid_mode, @@global.log_bin AS log_bin, @@global.binlog_format AS binlog_format,
       @@global.binlog_row_image AS binlog_row_image, @@global.performance_schema AS performance_schema,
       UTC_TIMESTAMP(6) AS utc_now
"""


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A server at one moment."""

    version: tuple[int, int, int]
    version_text: str
    server_uuid: str
    server_id: int
    hostname: str
    """As the server calls itself."""
    port: int
    read_only: bool
    super_read_only: bool
    gtid_mode: str
    log_bin: bool
    binlog_format: str
    binlog_row_image: str
    performance_schema: bool
    utc_now: datetime
    """The server's clock."""

    @property
    def writable(self) -> bool:
        return not (self.read_only or self.super_read_only)

    @property
    def identity(self) -> tuple[str, str, int]:
        """The same for two addresses of one server."""
        return self.server_uuid, self.hostname, self.port


def read_facts(session: BlockingSession) -> ServerFacts:
    """Raises `UnsafeShard` for anything but a MySQL of a version that alterd knows."""
    greeting = str(session.connection.get_server_info())  # type: ignore[no-untyped-call]
    check_supported(greeting, "", session.address)
    try:
        row: dict[str, Any] = session.query(_FACTS)[0]
    except MySQLError as error:
        if error.errno == _UNKNOWN_VARIABLE:
            raise unsupported(greeting, session.address) from error
        raise
    return ServerFacts(
        version=check_supported(row["version"], row["comment"], session.address),
        version_text=row["version"],
        server_uuid=row["server_uuid"],
        server_id=row["server_id"],
        hostname=row["hostname"],
        port=row["port"],
        read_only=bool(row["read_only"]),
        super_read_only=bool(row["super_read_only"]),
        gtid_mode=row["gtid_mode"],
        log_bin=bool(row["log_bin"]),
        binlog_format=row["binlog_format"],
        binlog_row_image=row["binlog_row_image"],
        performance_schema=bool(row["performance_schema"]),
        utc_now=row["utc_now"].replace(tzinfo=UTC),
    )


def check_supported(version: str, comment: str, address: ServerAddress) -> tuple[int, int, int]:
    """The version's numbers. Raises `UnsafeShard` for another flavour or an old version."""
    words = f"{version} {comment}".lower()
    match = _VERSION.match(version)
    if match is None or any(other in words for other in _OTHERS):
        raise unsupported(version, address)
    major, minor, patch = (int(part) for part in match.groups())
    if (major, minor, patch) < OLDEST:
        raise unsupported(version, address)
    return major, minor, patch


def unsupported(version: str, address: ServerAddress) -> UnsafeShard:
    """The error that names the server and what it runs."""
    return UnsafeShard(
        f"{address} runs {version}; alterd needs MySQL {'.'.join(map(str, OLDEST))} or later",
        hint="correct the shard's servers, or upgrade this one",
        server=address,
    )
