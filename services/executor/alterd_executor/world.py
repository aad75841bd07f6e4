"""What all attempts of one executor share."""

from __future__ import annotations

import asyncio

import msgspec

from alterd_contracts.errors import UnsupportedStatement
from alterd_contracts.migration import Migration
from alterd_contracts.requests import ONLINE_DDL
from alterd_executor.identity import Identity
from alterd_executor.nursery import Nursery
from alterd_executor.throttling import Throttling
from alterd_executor.watching import Following
from alterd_runtime.bus import BucketStore, Bus
from alterd_runtime.plugins import Strategies
from alterd_runtime.settings import ExecutorSettings


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The executor around an attempt."""

    bus: Bus
    identity: Identity
    settings: ExecutorSettings
    strategies: Strategies
    records: BucketStore
    following: Following
    topology: BucketStore
    progress: BucketStore
    nursery: Nursery
    throttling: Throttling
    http_url: str
    """Empty without an HTTP server."""
    stopping: asyncio.Event

    def runner(self, record: Migration) -> str:
        """The strategy that runs `record`. Raises `UnknownStrategy`, `UnsupportedStatement`."""
        declared = self.strategies.get(record.strategy).declare()
        kind = declared.kind(record.statement_kind)
        if kind is None:
            raise UnsupportedStatement(
                f"the strategy {declared.strategy} {declared.version} does not run {record.statement_kind}",
                strategy=declared.strategy,
            )
        return kind.runner or declared.strategy

    def throttle_url(self, record: Migration) -> str:
        """For tools on this host; empty without an HTTP server."""
        if not self.http_url:
            return ""
        app = f"{record.migration_uuid}:{record.strategy}:{ONLINE_DDL}"
        return f"{self.http_url}/throttle?keyspace={record.keyspace}&shard={record.shard}&app={app}"
