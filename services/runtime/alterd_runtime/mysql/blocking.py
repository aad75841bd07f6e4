"""A named session as blocking code sees it: for threads of their own, and under `Session`."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor, DictCursor

from alterd_contracts.errors import LostSession
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.binding import bind
from alterd_runtime.mysql.connect import CONNECT_TIMEOUT, Credentials, connect
from alterd_runtime.mysql.errors import alterd_error, is_lost

DEFAULTS: Mapping[str, str | int | None] = {
    "time_zone": "+00:00",
    "sql_quote_show_create": 1,
    "wait_timeout": 28_800,  # a run may wait for hours; a server may be set to seconds
}
"""Session variables unless the opener says otherwise."""

_VARIABLE = re.compile(r"[a-z_][a-z0-9_]*")
_IN_TRANSACTION = 0x0001


class BlockingSession:
    """One connection, one thread at a time. Ends once, never reconnects."""

    def __init__(self, connection: Connection[Cursor], address: ServerAddress, name: str) -> None:
        self.connection = connection
        self.address = address
        self.name = name
        self.connection_id = int(connection.thread_id())  # type: ignore[no-untyped-call]

    @classmethod
    def open(
        cls,
        address: ServerAddress,
        credentials: Credentials,
        *,
        database: str | None = None,
        name: str = "alterd",
        init: Mapping[str, str | int | None] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float | None = None,
    ) -> BlockingSession:
        """A session whose `program_name` is `name`. `init`: session variables, None takes the server's global value.

        Raises `ShardUnreachable`, `InvalidSetting` (schema), `MySQLError` (a variable).
        """
        connection = connect(
            address.host,
            address.port,
            credentials.user,
            credentials.password,
            database=database,
            program_name=name,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )
        session = cls(connection, address, name)
        try:
            session._set({**DEFAULTS, **(init or {})})
        except BaseException:
            session.close()
            raise
        return session

    def __str__(self) -> str:
        return f"{self.name} on {self.address}"

    @property
    def is_open(self) -> bool:
        return self.connection.open

    @property
    def in_transaction(self) -> bool:
        """As the server said with its last answer."""
        status: int = self.connection.server_status  # type: ignore[attr-defined]
        return bool(status & _IN_TRANSACTION)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows, by column name."""
        with self._errors(), self.connection.cursor(DictCursor) as cursor:
            cursor.execute(bind(self.connection, sql, params))
            return list(cursor.fetchall())

    def value(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """The first column of the first row, None without rows."""
        with self._errors(), self.connection.cursor() as cursor:
            cursor.execute(bind(self.connection, sql, params))
            row = cursor.fetchone()
        return row[0] if row else None

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Runs a statement: the number of rows it changed."""
        with self._errors(), self.connection.cursor() as cursor:
            return cursor.execute(bind(self.connection, sql, params))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """START TRANSACTION … COMMIT, or ROLLBACK when the block raises. Never under LOCK TABLES: it would unlock.

        When COMMIT raises `LostSession` nobody knows whether it happened.
        """
        self.check_no_transaction()
        self.execute("START TRANSACTION")
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.execute("COMMIT")

    def check_no_transaction(self) -> None:
        """START TRANSACTION would commit an open transaction in silence."""
        if self.in_transaction:
            raise RuntimeError(f"the session {self} is in a transaction already")

    def rollback(self) -> None:
        """Never raises for a lost session: the server rolls back by itself then."""
        try:
            if self.is_open:
                self.execute("ROLLBACK")
        except LostSession:
            return
        except BaseException:
            self.close()  # an open transaction must not be found by the next user of the session
            raise

    def close(self) -> None:
        """Ends the session. Idempotent."""
        with contextlib.suppress(pymysql.Error):
            self.connection.close()

    def abandon(self) -> None:
        """Cuts the network under a thread that waits for an answer, which then sees `LostSession`.

        What it ran goes on at the server.
        """
        wire: socket.socket | None = self.connection._sock  # type: ignore[attr-defined]
        if wire is not None:
            with contextlib.suppress(OSError):
                # not SSLSocket's own: that pulls the TLS object from under the reading thread
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    def _set(self, variables: Mapping[str, str | int | None]) -> None:
        parts: list[str] = []
        for variable, value in variables.items():
            if not _VARIABLE.fullmatch(variable):
                raise ValueError(f"{variable!r} is no session variable")
            shown = "DEFAULT" if value is None else self.connection.escape(value)
            parts.append(f"SESSION {variable} = {shown}")
        self.execute("SET " + ", ".join(parts))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except pymysql.MySQLError as error:
            if is_lost(error):
                self.close()
            raise alterd_error(error, str(self)) from error
