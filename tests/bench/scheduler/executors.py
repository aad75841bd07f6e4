"""Executors that do everything but MySQL: they take work from the queue, ask for the grant, follow the record, report.

They are made of the executor's own parts; a run is a while of waiting. What a run writes while it works (its progress,
each second) is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.inputs import Completed, PhaseEntered, ReadyToComplete, Started
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Wanted
from alterd_contracts.work import Reached, Work
from alterd_executor.granting import Standing, standing
from alterd_executor.identity import Identity
from alterd_executor.presence import Presence
from alterd_executor.reporting import Reporter
from alterd_executor.watching import Following, read_record
from alterd_runtime.bus import Bus, Delivery, NatsSettings, Slots
from alterd_runtime.plugins import Plugins
from alterd_runtime.settings import ExecutorSettings

STRATEGY = "vitess"
SLOTS = 20
"""Of one executor."""
ACK_WAIT = 30.0

_work: Reader[Work] = Reader(Work)


class Crew:
    """All executors, and what they saw."""

    def __init__(self, url: str, runs_at_once: int, seconds: float) -> None:
        """`runs_at_once`: at least so many slots. `seconds`: how long a run takes on average."""
        self._url = url
        self._count = -(-runs_at_once // SLOTS)
        self.seconds = seconds
        self.spread = 0
        """How many runs to come last anything up to twice as long, so that not all of them end at one moment."""
        self.ended: dict[tuple[str, str], float] = {}
        """Keyspace and shard → when the last run reported its end, monotonic; taken away by who looks."""
        self.granted = 0
        self.ready = 0
        self.completed = 0

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Executors take work within the block."""
        async with contextlib.AsyncExitStack() as stack:
            tasks = []
            for number in range(self._count):
                settings = NatsSettings(servers=(self._url,))
                bus = await stack.enter_async_context(Bus.open(settings, "executor", f"sim-{number}", patience=10))
                tasks.append(asyncio.create_task(_Executor(self, bus, f"sim-{number}").run()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for task in tasks:
                    if not task.cancelled() and (error := task.exception()):
                        raise error


class _Executor:
    def __init__(self, crew: Crew, bus: Bus, name: str) -> None:
        self._crew, self._bus = crew, bus
        self._identity = Identity.new(name)
        self._records = bus.bucket(subjects.STATE)
        self._following = Following(self._records)
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        slots = Slots(SLOTS)
        ttl = ExecutorSettings().lease_ttl
        declared = Plugins().load().strategies().declarations()
        offered = tuple(one for one in declared if one.strategy == STRATEGY)

        def info() -> Any:
            return self._identity.info(
                slots=SLOTS, running=slots.taken, lease_ttl=ttl, strategies=offered, broken_plugins={}
            )

        presence = Presence(self._bus.bucket(subjects.EXECUTORS), info, ttl)
        await presence.renew()
        renewing = asyncio.create_task(presence.run())
        worker = self._bus.worker(
            subjects.WORK,
            f"executor-{STRATEGY}",
            subjects.work_of(STRATEGY),
            self._take,
            slots=slots,
            ack_wait=ACK_WAIT,
        )
        working = asyncio.create_task(worker.run())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (working, renewing):
                if task.done():
                    task.result()
        finally:
            self._stopping = True
            for task in (working, renewing, *self._running):
                task.cancel()
            await asyncio.gather(working, renewing, *self._running, return_exceptions=True)

    async def _take(self, delivery: Delivery) -> None:
        """In a task of its own, so that a worker that is stopped does not wait for all runs to end."""
        work = _work.read(delivery.data)
        record = await read_record(self._records, subjects.open_key(work.keyspace, work.shard, work.migration_uuid))
        if self._stopping:
            await delivery.back()
            return
        if record is None or standing(record, work, self._identity) is not Standing.OFFERED:
            return
        run = asyncio.create_task(self._run(delivery, work, record))
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        await asyncio.wait({run})
        if not run.cancelled():
            run.result()

    async def _run(self, delivery: Delivery, work: Work, record: Migration) -> None:
        crew = self._crew
        reporter = Reporter(self._bus, work, self._identity)
        heard = asyncio.Condition()
        latest: list[Migration | None] = [record]

        async def listen() -> None:
            async with contextlib.aclosing(self._following.follow(record.open_key)) as changes:  # type: ignore[type-var]
                async for each in changes:
                    async with heard:
                        latest[0] = each
                        heard.notify_all()

        def ours(row: Migration | None) -> bool:
            return standing(row, work, self._identity) is not Standing.OFFERED

        listening = asyncio.create_task(listen())
        try:
            await reporter.once(Started)
            await delivery.ack()
            async with heard:
                await heard.wait_for(lambda: ours(latest[0]))
            if standing(latest[0], work, self._identity) is not Standing.OURS:
                return
            crew.granted += 1
            reporter.tell(PhaseEntered, phase="copy", reached=Reached(table_rows=1_000_000))
            await asyncio.sleep(self._duration())
            reporter.tell(ReadyToComplete, ready=True, reached=Reached(rows_copied=1_000_000, table_rows=1_000_000))
            crew.ready += 1
            async with heard:
                await heard.wait_for(lambda: latest[0] is not None and Wanted.of(latest[0]).may_complete)
            crew.ended[(work.keyspace, work.shard)] = time.monotonic()
            await reporter.once(Completed, rows_copied=1_000_000, table_rows=1_000_000)
            crew.completed += 1
        finally:
            listening.cancel()
            reporter.close()
            await asyncio.gather(listening, return_exceptions=True)

    def _duration(self) -> float:
        crew = self._crew
        if crew.spread:
            crew.spread -= 1
            return random.uniform(0.0, 2 * crew.seconds)
        return random.uniform(0.5, 1.5) * crew.seconds
