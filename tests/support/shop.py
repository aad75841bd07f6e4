"""The MySQL side of an end-to-end test: a schema, a table, and sessions that hold or count things."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alterd_runtime.mysql.connect import connect


class Shop:
    """A schema on a primary. `servers` are ``host:port``, the primary first."""

    def __init__(self, servers: tuple[str, ...], user: str, password: str, schema: str = "") -> None:
        self.servers, self.user, self.password, self.schema = servers, user, password, schema

    @contextmanager
    def session(self) -> Iterator[Any]:
        host, _, port = self.servers[0].rpartition(":")
        connection = connect(host, int(port), self.user, self.password, database=self.schema or None)
        try:
            yield connection
        finally:
            connection.close()

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in cursor.fetchall()]

    @contextmanager
    def fresh(self) -> Iterator[Shop]:
        schema = f"shop_{secrets.token_hex(4)}"
        self.run(f"CREATE SCHEMA {schema}")
        shop = Shop(self.servers, self.user, self.password, schema)
        try:
            shop.run(
                "CREATE TABLE customer (id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, a int, name varchar(40))"
            )
            shop.run("INSERT INTO customer (a, name) VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cleo')")
            yield shop
        finally:
            self.run(f"DROP SCHEMA {schema}")

    @contextmanager
    def table_in_use(self, table: str = "customer") -> Iterator[None]:
        """A transaction that read the table and stays open: every ALTER of it waits."""
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute(f"SELECT * FROM {table}")
            cursor.fetchall()
            yield
            cursor.execute("ROLLBACK")

    def indexes(self, table: str = "customer") -> list[str]:
        rows = self.run(
            "SELECT DISTINCT index_name FROM information_schema.statistics"
            f" WHERE table_schema = '{self.schema}' AND table_name = '{table}' ORDER BY 1"
        )
        return sorted(str(row[0]) for row in rows)

    def columns(self, table: str = "customer") -> list[str]:
        rows = self.run(
            "SELECT column_name FROM information_schema.columns"
            f" WHERE table_schema = '{self.schema}' AND table_name = '{table}' ORDER BY ordinal_position"
        )
        return [str(row[0]) for row in rows]

    def accounts(self, uuid: str) -> list[str]:
        """Those that were made for a migration's attempts."""
        whose = f"User_attributes->>'$.metadata.alterd.migration_uuid' = '{uuid}'"
        rows = self.run(f"SELECT User FROM mysql.user WHERE {whose} ORDER BY 1")
        return [str(row[0]) for row in rows]

    def tables(self) -> list[str]:
        rows = self.run(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{self.schema}' ORDER BY 1"
        )
        return [str(row[0]) for row in rows]

    def waiting_alters(self) -> int:
        """Statements that wait for a metadata lock on a table of this schema."""
        rows = self.run(
            "SELECT count(*) FROM performance_schema.processlist"
            f" WHERE db = '{self.schema}' AND state = 'Waiting for table metadata lock'"
        )
        return int(rows[0][0])
