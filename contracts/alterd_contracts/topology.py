"""Keyspaces, their shards and their servers, as the operator describes them. No secrets: only where they are."""

from __future__ import annotations

import re
from typing import Self

import msgspec

from alterd_contracts.errors import InvalidSetting

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")


class ServerAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """Where a MySQL server listens; as text ``host:port``, IPv6 in brackets."""

    host: str
    port: int = 3306

    @classmethod
    def parse(cls, text: str) -> Self:
        """``db1:3307``, ``db1``, ``[::1]:3306``. Raises `InvalidSetting`, which shows no text that may be secret."""
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            good = bool(bracket) and ":" in host and _IPV6.fullmatch(host) is not None
            port, well_formed = rest[1:], not rest or rest.startswith(":")
        else:
            host, colon, port = text.partition(":")
            good, well_formed = _HOST.fullmatch(host) is not None, not colon or bool(port)
            rest = colon
        if good and well_formed:
            if not rest:
                return cls(host)
            if port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536:
                return cls(host, int(port))
        shown = "" if "@" in text else f" {text[:80]!r}"
        raise InvalidSetting(
            f"the address{shown} is malformed",
            hint="write host:port, with an IPv6 address in brackets; user and password stand elsewhere",
        )

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SecretRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a secret is: exactly one of the two."""

    env: str | None = None
    """Name of an environment variable."""
    file: str | None = None
    """Path of a file; one newline at its end does not count."""

    def __str__(self) -> str:
        return f"environment variable {self.env}" if self.env is not None else f"file {self.file}"


class Shard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A MySQL replication group that holds one schema of a keyspace."""

    name: str
    schema: str
    servers: tuple[ServerAddress, ...]
    """All of the group; which one is the primary is found out."""
    user: str
    password: SecretRef


class Keyspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One logical database, spread over shards."""

    name: str
    shards: tuple[Shard, ...]
    default_ddl_strategy: str = "vitess"

    def shard(self, name: str) -> Shard | None:
        """The shard of that name; None where there is none."""
        return next((shard for shard in self.shards if shard.name == name), None)
