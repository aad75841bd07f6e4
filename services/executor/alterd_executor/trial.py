"""A script tried on empty copies: every statement on what the earlier ones left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog

from alterd_contracts.errors import AlterdError, StatementFailed, StatementRefused, UnknownTable
from alterd_contracts.statement import Statement, StatementKind
from alterd_runtime.mysql.scratch import as_users_do, copy_empty, definition, missing
from alterd_runtime.mysql.session import Session
from alterd_runtime.sql import by_copy, split_alter

log = structlog.get_logger(__name__)

REFERENCED = 3730
"""MySQL's error number for dropping a table that a foreign key needs."""

ONE_FULLTEXT = 1795
"""For more than one FULLTEXT index in an ALTER, unless it copies the table."""

_CHILDREN = """
SELECT DISTINCT CONSTRAINT_SCHEMA AS `schema`, TABLE_NAME AS `table`, CONSTRAINT_NAME AS `constraint`
FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
  AND NOT (CONSTRAINT_SCHEMA = UNIQUE_CONSTRAINT_SCHEMA AND TABLE_NAME = REFERENCED_TABLE_NAME)
"""


class Trial:
    """A scratch schema in which a script is tried; also the `ShardView` that checks and plans see."""

    def __init__(self, session: Session, scratch_schema: str, *, keyspace: str, shard: str, schema: str) -> None:
        self._session, self._scratch = session, scratch_schema
        self._keyspace, self._shard, self._schema = keyspace, shard, schema
        self._considered: set[str] = set()
        self.untried: list[str] = []
        """Tables that could not be copied, with the reason."""
        self.warnings: list[str] = []

    @property
    def keyspace(self) -> str:
        return self._keyspace

    @property
    def shard(self) -> str:
        return self._shard

    @property
    def schema(self) -> str:
        return self._schema

    @property
    def scratch(self) -> Session:
        return self._session

    async def definition(self, table: str) -> str | None:
        return await definition(self._session, self._schema, table)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    async def children(self, table: str) -> list[str]:
        """Tables of this schema whose foreign keys need `table`."""
        rows = await self._session.query(_CHILDREN, (self._schema, table))
        return [row["table"] for row in rows if row["schema"] == self._schema]

    async def copy(self, names: Iterable[str]) -> None:
        """Copies what is there and has not been considered yet: an earlier statement may have dropped it."""
        for name in names:
            if name not in self._considered:
                self._considered.add(name)
                try:
                    await copy_empty(self._session, self._schema, name)
                except StatementFailed as error:
                    self.untried.append(f"{name} could not be copied to try statements on it: {error.message}")

    async def apply(self, statement: Statement, *, zero_dates: bool = False, rebuilt: bool = False) -> None:
        """Runs a statement on the copies; `zero_dates`: as --allow-zero-in-date asks.

        `rebuilt`: the strategy makes an ALTER on an empty table.

        Raises `StatementRefused`, `UnknownTable` and what ends the session.
        """
        await self.copy((statement.table, *statement.tables))
        if any(text.startswith(f"{statement.table} ") for text in self.untried):
            return
        if statement.kind is StatementKind.DROP_TABLE:
            await self._check_references(statement)
        sql = statement.sql
        while True:
            await as_users_do(self._session, zero_dates=zero_dates)
            try:
                await self._session.execute(sql)
            except StatementFailed as error:
                if rebuilt and sql is statement.sql and error.where.get("errno") == str(ONE_FULLTEXT):
                    alter = split_alter(sql)
                    sql = by_copy(alter.head, alter.clauses)
                    continue
                name = missing(error)
                if name is None or name in self._considered:
                    raise self._refusal(statement, error, name) from error
                await self.copy((name,))
            else:
                return

    async def _check_references(self, statement: Statement) -> None:
        """Foreign keys are not checked here, as parents need not be copied; but DROP would be refused."""
        await self.copy(await self.children(statement.table))
        rows = await self._session.query(_CHILDREN, (self._scratch, statement.table))
        rows += [
            row
            for row in await self._session.query(_CHILDREN, (self._schema, statement.table))
            if row["schema"] != self._schema
        ]
        if rows:
            raise StatementRefused(
                f"MySQL error {REFERENCED} (HY000): Cannot drop table '{statement.table}' referenced by a foreign key "
                f"constraint '{rows[0]['constraint']}' on table '{rows[0]['table']}'.",
                hint="drop the foreign key or the other table first",
                statement=statement.label,
                table=statement.table,
                errno=REFERENCED,
            )

    def _refusal(self, statement: Statement, error: StatementFailed, absent: str | None) -> AlterdError:
        where: dict[str, Any] = {"statement": statement.label, "table": statement.table}
        if absent is not None and absent.lower() == statement.table.lower():
            kind = "view" if statement.is_view else "table"
            return UnknownTable(f"{kind} {statement.table} does not exist in {self._keyspace}/{self._shard}", **where)
        text = error.message.replace(self._scratch, self._schema)
        return StatementRefused(text, errno=error.where.get("errno", "0"), **where)
