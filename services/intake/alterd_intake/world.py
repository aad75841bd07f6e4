"""What intake knows: the keyspaces, and what living executors declare."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.declaration import Declaration
from alterd_contracts.subjects import Bucket
from alterd_contracts.topology import Keyspace
from alterd_contracts.work import ExecutorInfo
from alterd_runtime.bus import BucketStore, Bus
from alterd_runtime.ddl_strategy import offered

log = structlog.get_logger(__name__)

_keyspace = msgspec.json.Decoder(Keyspace)
_executor = msgspec.json.Decoder(ExecutorInfo)


class World:
    """Two buckets, watched: a request needs no look-up."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._keyspaces: dict[str, Keyspace] = {}
        self._executors: dict[str, ExecutorInfo] = {}

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[World]:
        """Known from here on, and kept true."""
        loaded = [asyncio.Event(), asyncio.Event()]
        tasks = [
            asyncio.create_task(self._watch(subjects.TOPOLOGY, self._put_keyspace, self._keyspaces, loaded[0])),
            asyncio.create_task(self._watch(subjects.EXECUTORS, self._put_executor, self._executors, loaded[1])),
        ]
        try:
            for event in loaded:
                await event.wait()
            yield self
        finally:
            for task in tasks:
                task.cancel()

    def keyspace(self, name: str) -> Keyspace | None:
        return self._keyspaces.get(name)

    @property
    def keyspaces(self) -> tuple[str, ...]:
        return tuple(sorted(self._keyspaces))

    def declarations(self) -> dict[str, Declaration]:
        """By name and alias, of all living executors; where versions differ, of the newest."""
        return offered(self._executors.values())

    async def look_again(self) -> None:
        """Before anything is called unknown: what was written a moment ago may not have been heard of yet.

        Raises `BusUnreachable`.
        """
        for bucket, put in ((subjects.TOPOLOGY, self._put_keyspace), (subjects.EXECUTORS, self._put_executor)):
            for entry in await self._bus.bucket(bucket).list():
                if entry.value is not None:
                    self._put(bucket, put, entry.key, entry.value)

    async def _watch(
        self, bucket: Bucket, put: Callable[[str, bytes], None], known: dict[str, Any], loaded: asyncio.Event
    ) -> None:
        store: BucketStore = self._bus.bucket(bucket)
        async for entry in store.watch():
            if entry is None:
                loaded.set()
            elif entry.value is None:
                known.pop(entry.key, None)
            else:
                self._put(bucket, put, entry.key, entry.value)

    def _put(self, bucket: Bucket, put: Callable[[str, bytes], None], key: str, value: bytes) -> None:
        try:
            put(key, value)
        except msgspec.DecodeError as error:
            log.error("world.unreadable", bucket=bucket.name, key=key, error=str(error))

    def _put_keyspace(self, key: str, value: bytes) -> None:
        self._keyspaces[key] = _keyspace.decode(value)

    def _put_executor(self, key: str, value: bytes) -> None:
        self._executors[key] = _executor.decode(value)
