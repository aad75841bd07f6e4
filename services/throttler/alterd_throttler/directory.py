"""Which shards there are, as the operator last said."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from alterd_contracts.errors import UnknownKeyspace
from alterd_contracts.names import check_keyspace, check_shard
from alterd_contracts.subjects import TOPOLOGY
from alterd_contracts.topology import Keyspace, Shard
from alterd_runtime.bus import Bus

log = structlog.get_logger(__name__)

_decoder = msgspec.json.Decoder(Keyspace)


class Directory:
    """The topology in memory, kept up to date by `run`."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.bucket(TOPOLOGY)
        self._keyspaces: dict[str, Keyspace] = {}
        self.loaded = asyncio.Event()

    async def run(self) -> None:
        async for entry in self._bucket.watch():
            if entry is None:
                self.loaded.set()
            else:
                self._learn(entry.key, entry.value)

    def shard(self, keyspace: str, shard: str) -> Shard | None:
        """As last heard."""
        known = self._keyspaces.get(keyspace)
        return known.shard(shard) if known else None

    async def find(self, keyspace: str, shard: str) -> Shard:
        """What is not known is asked afresh. Raises `InvalidName`, `UnknownKeyspace`, `BusUnreachable`."""
        found = self.shard(check_keyspace(keyspace), check_shard(shard))
        if found is None:
            entry = await self._bucket.get(keyspace)
            self._learn(keyspace, entry.value if entry else None)
            found = self.shard(keyspace, shard)
        if found is not None:
            return found
        if keyspace in self._keyspaces:
            raise UnknownKeyspace(f"keyspace {keyspace!r} has no shard {shard!r}", keyspace=keyspace, shard=shard)
        raise UnknownKeyspace(f"there is no keyspace {keyspace!r}", keyspace=keyspace)

    async def check(self, keyspace: str) -> None:
        """Raises `InvalidName`, `UnknownKeyspace`, `BusUnreachable`."""
        if check_keyspace(keyspace) not in self._keyspaces:
            entry = await self._bucket.get(keyspace)
            self._learn(keyspace, entry.value if entry else None)
        if keyspace not in self._keyspaces:
            raise UnknownKeyspace(f"there is no keyspace {keyspace!r}", keyspace=keyspace)

    def _learn(self, keyspace: str, value: bytes | None) -> None:
        if value is None:
            self._keyspaces.pop(keyspace, None)
            return
        try:
            self._keyspaces[keyspace] = _decoder.decode(value)
        except msgspec.DecodeError as error:
            self._keyspaces.pop(keyspace, None)  # an unreadable keyspace is unknown, not an old one
            log.error("topology.unreadable", keyspace=keyspace, error=str(error))
