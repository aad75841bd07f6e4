"""A MySQL server and the account to use there."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import msgspec

from alterd_contracts.errors import InvalidSetting
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials


class Endpoint(msgspec.Struct, frozen=True):
    """Where and who; its text form hides the password."""

    address: ServerAddress
    credentials: Credentials

    @classmethod
    def of_url(cls, url: str) -> Endpoint:
        """``mysql://user:password@host:port``. Raises `InvalidSetting`, which shows nothing of it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 3306
        except ValueError:
            host, port = None, 0
        if not host or parts.scheme.partition("+")[0] != "mysql" or not parts.username:
            raise InvalidSetting(
                "the URL of the MySQL server is malformed", hint="write mysql://user:password@host:port"
            )
        credentials = Credentials(unquote(parts.username), unquote(parts.password or ""))
        return cls(ServerAddress(host, port), credentials)

    @property
    def url(self) -> str:
        """With the password: for programs, never for a log."""
        user, password = quote(self.credentials.user, safe=""), quote(self.credentials.password, safe="")
        return f"mysql://{user}:{password}@{self.address}"

    def open(
        self, *, database: str | None = None, name: str = "alterd", connect_timeout: float = 5.0
    ) -> BlockingSession:
        """A session. Raises `ShardUnreachable`, `InvalidSetting` (schema)."""
        return BlockingSession.open(
            self.address, self.credentials, database=database, name=name, connect_timeout=connect_timeout
        )
