"""The executor's lease: a key that says it lives and what it offers. It fences nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from alterd_contracts.errors import AlterdError
from alterd_contracts.work import ExecutorInfo
from alterd_runtime.bus import BucketStore

log = structlog.get_logger(__name__)

RETRY_PAUSE = 0.5
"""Seconds before a renewal that failed is tried again."""
MARKER_TTL = 60
"""Seconds for which watchers can see that the executor took its leave."""


class Presence:
    """Writes the key again and again. An expired key is simply taken again: outages of NATS end no run."""

    def __init__(self, store: BucketStore, info: Callable[[], ExecutorInfo], ttl: int) -> None:
        self._store, self._info, self._ttl = store, info, ttl

    async def renew(self) -> None:
        """Raises `BusUnreachable`."""
        info = self._info()
        await self._store.put(info.executor, msgspec.json.encode(info), ttl=self._ttl)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.renew()
            except AlterdError as error:
                log.warning("executor.lease_not_renewed", error=error.message)
                await asyncio.sleep(RETRY_PAUSE)
            else:
                await asyncio.sleep(self._ttl / 3)

    async def leave(self) -> None:
        """Says that this executor is gone, so that nobody waits for its TTL."""
        try:
            await self._store.delete(self._info().executor, marker_ttl=MARKER_TTL)
        except AlterdError as error:
            log.warning("executor.lease_not_deleted", error=error.message)
