"""Attempts that are only to be cancelled: taken beside the slots, so that no cancel waits for others' long runs."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Work
from alterd_executor.receiving import Receiver
from alterd_executor.told import told
from alterd_executor.watching import read_fresh
from alterd_executor.world import World

log = structlog.get_logger(__name__)

FACTS = (Fact.CANCEL_REQUESTED, Fact.RELEASED, Fact.LOST)
"""After each of these an attempt may wait for an executor that ends it."""
AT_ONCE = 8
"""Attempts of one executor beside its slots; each takes as long as it takes to look at the shard and clean up."""
LOOK_AGAIN = 1.0
"""Seconds before the open records are read again while NATS does not answer."""


class Canceller:
    """Follows the facts, and looks at all open records once at its start.

    The work queue brings such an attempt as well, as soon as a slot is free: whoever asks first is granted it.
    """

    def __init__(self, world: World, receiver: Receiver, strategies: frozenset[str]) -> None:
        self._world, self._receiver, self._strategies = world, receiver, strategies
        self._places = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; then what is in hand is brought to its end."""
        try:
            async for event in told(self._world.bus, *FACTS, new_only=True):
                if event is None:
                    await self._look()
                elif event.strategy in self._strategies:
                    key = subjects.open_key(event.keyspace, event.shard, event.migration_uuid)
                    self._begin(key, waits=event.fact is Fact.RELEASED)
        finally:
            if self._running:
                await asyncio.gather(*self._running, return_exceptions=True)

    async def _look(self) -> None:
        """What was asked before this executor began to listen."""
        while True:
            try:
                entries = await self._world.records.list(subjects.open_key("*", "*", "*"))
                break
            except AlterdError as error:
                log.info("records.read_again", why=error.message)
                await asyncio.sleep(LOOK_AGAIN)
        for entry in entries:
            if entry.value is not None and b'"cancel_requested":true' in entry.value:
                self._begin(entry.key)

    def _begin(self, key: str, *, waits: bool = False) -> None:
        task = asyncio.create_task(self._end(key, waits=waits))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _end(self, key: str, *, waits: bool) -> None:
        """`waits`: an attempt that was given back for a reason is left alone for as long as the scheduler wants."""
        try:
            record = await read_fresh(self._world.records, key)
            if waits and record is not None and self._wanted(record) and record.dispatch_delay:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(record.dispatch_delay):
                        await self._world.stopping.wait()
                record = await read_fresh(self._world.records, key)
            if record is None or not self._wanted(record):
                return
            async with self._places:
                await self._receiver.take(_work(record), record, _nothing)
        except AlterdError as error:  # the queue brings it
            log.warning("cancel.not_taken", key=key, error=error.message)
        except Exception:  # the boundary: one attempt must not end the listening; the queue brings it, too
            log.exception("cancel.broke", key=key)

    def _wanted(self, record: Migration) -> bool:
        return (
            record.migration_status is Status.READY
            and record.cancel_requested
            and record.strategy in self._strategies
            and not self._world.stopping.is_set()
        )


def _work(record: Migration) -> Work:
    return Work(
        keyspace=record.keyspace,
        shard=record.shard,
        migration_uuid=record.migration_uuid,
        attempt=record.attempt,
        strategy=record.strategy,
    )


async def _nothing() -> None:
    """No delivery is to be acked: the queue's own finds the attempt granted."""
