"""One connection to one MySQL server. It never reconnects: a session that ended is gone."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import msgspec
import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alterd_contracts.errors import AlterdError, InvalidSetting, ShardUnreachable
from alterd_runtime.mysql.errors import errno_of, text_of

CONNECT_TIMEOUT = 5.0
"""Seconds for the network and, again, for each answer of the handshake."""

# A host that vanishes without a word is noticed after a minute; statements themselves may take hours.
KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000))

ACCESS_DENIED = frozenset({1045, 1698, 1820, 1862, 3118, 3955, 4052})
SCHEMA_DENIED = frozenset({1044, 1049})
CROWDED = frozenset({1040, 1129, 1203, 1226})


class Credentials(msgspec.Struct, frozen=True):
    """An account; its text form hides the password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password=***)"

    def __rich_repr__(self) -> Any:
        yield "user", self.user
        yield "password", "***"


class _Connection(Connection):
    """Speaks TLS where the server offers it, as PyMySQL does by itself."""

    def _create_ssl_ctx(self, sslp: Mapping[str, Any]) -> ssl.SSLContext:
        return _unverified() if not sslp else super()._create_ssl_ctx(sslp)  # type: ignore[misc]


@functools.cache
def _unverified() -> ssl.SSLContext:
    """One for all: PyMySQL reads the system's certificates for each connection, 40 ms, and then asks none of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(
    host: str,
    port: int,
    user: str,
    password: str,
    *,
    database: str | None = None,
    program_name: str = "alterd",
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float | None = None,
) -> Connection[Cursor]:
    """A connection with autocommit on and utf8mb4, visible on the server by `program_name`. Blocks.

    `read_timeout`: seconds for each answer once connected, None waits for ever.
    Raises `ShardUnreachable` (network, account), `InvalidSetting` (schema).
    """
    connection = _Connection(
        host=host,
        port=port,
        user=user,
        # bytes: PyMySQL would encode text as latin-1, and its error would quote the password
        password=password.encode("utf-8", "surrogateescape"),
        database=database,
        charset="utf8mb4",
        autocommit=True,
        program_name=program_name,
        connect_timeout=connect_timeout,
        read_timeout=connect_timeout,
        write_timeout=connect_timeout,
        defer_connect=True,
    )
    try:
        wire = socket.create_connection((host, port), connect_timeout)
    except OSError as error:
        raise _no_network(host, port, error) from error
    try:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            if hasattr(socket, option):
                wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        connection.connect(wire)
    except pymysql.MySQLError as error:
        wire.close()
        raise _refused(host, port, user, database, error) from error
    except OSError as error:
        wire.close()
        raise _no_network(host, port, error) from error
    # the handshake was bounded, what follows is bounded by the caller
    connection._read_timeout = read_timeout  # type: ignore[attr-defined]
    connection._write_timeout = read_timeout  # type: ignore[attr-defined]
    return connection


def _no_network(host: str, port: int, error: OSError) -> ShardUnreachable:
    return ShardUnreachable(
        f"no MySQL answers at {host}:{port}: {error}",
        hint="is the server up, and is the address right?",
        server=f"{host}:{port}",
    )


def _refused(host: str, port: int, user: str, database: str | None, error: pymysql.MySQLError) -> AlterdError:
    number, text = errno_of(error), text_of(error)
    place = f"{host}:{port}"
    said = f"MySQL error {number}: {text}" if number else text
    if number in SCHEMA_DENIED:
        return InvalidSetting(
            f"{place} has no schema {database!r} for user {user!r}: {said}",
            hint="create the schema, grant it to the user, or correct the shard's schema",
            server=place,
            setting="schema",
        )
    if number in ACCESS_DENIED:
        hint = f"check the password and the grants of {user!r} for this client's host"
    elif number in CROWDED:
        hint = "the server takes no more connections from here: raise its limits or wait"
    else:
        hint = "is this a MySQL server, and is it healthy?"
    return ShardUnreachable(f"{place} refused user {user!r}: {said}", hint=hint, server=place, user=user)
