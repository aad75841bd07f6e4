"""Where the table is."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.quoting import qualified


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A table on a primary and the account to use there; its text form hides the password."""

    address: ServerAddress
    credentials: Credentials
    schema: str
    table: str = "customer"

    @classmethod
    def of(cls, address: str, user: str, password: str, schema: str, table: str = "customer") -> Place:
        """`address`: ``host:port``. Raises `InvalidSetting`."""
        server, account = ServerAddress.parse(address), Credentials(user, password)
        return cls(address=server, credentials=account, schema=schema, table=table)

    @property
    def name(self) -> str:
        """Of the table, for SQL. Raises `InvalidName`."""
        return qualified(self.schema, self.table)

    @property
    def journal(self) -> str:
        """Of the second table, which is not altered, for SQL. Raises `InvalidName`."""
        return qualified(self.schema, f"{self.table}_visit")

    def open(
        self, name: str = "alterd:demo", variables: Mapping[str, str | int | None] | None = None
    ) -> BlockingSession:
        """A session. Raises `ShardUnreachable`, `InvalidSetting` (schema), `MySQLError` (a variable)."""
        return BlockingSession.open(self.address, self.credentials, database=self.schema, name=name, init=variables)
