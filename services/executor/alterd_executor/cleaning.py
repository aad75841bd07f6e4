"""Obeys ``cleanup``: what the user wants no more is collected now, and not when its retention is over."""

from __future__ import annotations

import asyncio

import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_contracts.events import Fact, MigrationEvent
from alterd_executor.collector import Collector
from alterd_executor.told import told
from alterd_executor.watching import decoded
from alterd_executor.world import World

log = structlog.get_logger(__name__)

AGAIN = 60.0
"""Seconds before a shard that did not answer, or that another executor tends just now, is tried again."""


class Cleaner:
    """Follows the events that ask for it, from the oldest that is kept: what was asked while no executor ran counts."""

    def __init__(self, world: World, collector: Collector) -> None:
        self._world, self._collector = world, collector
        self._retrying: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async for event in told(self._world.bus, Fact.CLEANUP_REQUESTED):
                if event is not None and not await self._obeyed(event):
                    self._later(event)
        finally:
            for task in self._retrying:
                task.cancel()

    def _later(self, event: MigrationEvent) -> None:
        task = asyncio.create_task(self._again(event))
        self._retrying.add(task)
        task.add_done_callback(self._retrying.discard)

    async def _again(self, event: MigrationEvent) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            if await self._obeyed(event):
                return

    async def _obeyed(self, event: MigrationEvent) -> bool:
        """Whether nothing is left to do: the record says that all of it is gone, or it was retried meanwhile."""
        try:
            entry = await self._world.records.get(subjects.done_key(event.keyspace, event.shard, event.migration_uuid))
            if entry is None or entry.value is None:
                return True
            record = decoded(entry.value, entry.key)
            if not record.artifacts or record.retain_artifacts_seconds >= 0:
                return True
            left = await self._collector.collect(record)
        except AlterdError as error:
            log.warning("cleanup.not_done", migration=event.migration_uuid, shard=event.shard, error=error.message)
            return False
        return left == 0
