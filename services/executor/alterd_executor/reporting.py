"""Reports to the scheduler: in order, each with an id of its own, tried again until they are stored."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import tag
from alterd_contracts.errors import AlterdError
from alterd_contracts.inputs import Collected, Report
from alterd_contracts.work import Work
from alterd_executor.identity import Identity
from alterd_runtime.bus import Bus
from alterd_runtime.metrics import REPORTS

log = structlog.get_logger(__name__)

PAUSE = 1.0
"""Seconds between two budgets of tries."""


async def publish(bus: Bus, report: Report, *, suffix: str = "") -> None:
    """Stores `report` in the log of inputs; tries for ever, as an ending must never be lost."""
    kind = tag(report)
    whose = f"{report.keyspace}.{report.shard}.{report.migration_uuid}:{report.attempt}"
    number = f"{whose}:{kind}:{suffix}" if suffix else f"{whose}:{kind}"
    while True:
        try:
            await bus.publish(subjects.report(report.keyspace), report, id=number, about=report.migration_uuid)
        except AlterdError as error:
            log.warning("report.again", id=number, error=error.message)
            await asyncio.sleep(PAUSE)
        else:
            REPORTS.labels(type=kind).inc()
            return


class Reporter:
    """The reports of one attempt, published one after the other in the background."""

    def __init__(self, bus: Bus, work: Work, identity: Identity) -> None:
        self._bus = bus
        self._common: dict[str, Any] = {
            "keyspace": work.keyspace,
            "shard": work.shard,
            "migration_uuid": work.migration_uuid,
            "attempt": work.attempt,
            "executor": identity.executor,
            "incarnation": identity.incarnation,
        }
        self._waiting: asyncio.Queue[tuple[Report, str]] = asyncio.Queue()
        self._told: dict[str, int] = {}
        self._publishing = asyncio.create_task(self._publish())

    def tell(self, kind: type[Report], **facts: Any) -> None:
        """Queues a report of a kind that may be told several times."""
        number = self._told[kind.__name__] = self._told.get(kind.__name__, 0) + 1
        self._waiting.put_nowait((kind(**self._common, **facts), str(number)))

    def collected(self, name: str) -> None:
        """Queues the report that an artifact does not exist."""
        self._waiting.put_nowait((Collected(**self._common, names=(name,)), name))

    async def once(self, kind: type[Report], **facts: Any) -> None:
        """Publishes a report that an attempt makes once, after all that are queued."""
        await self._waiting.join()
        await publish(self._bus, kind(**self._common, **facts))

    def close(self) -> None:
        self._publishing.cancel()

    async def _publish(self) -> None:
        while True:
            report, suffix = await self._waiting.get()
            await publish(self._bus, report, suffix=suffix)
            self._waiting.task_done()
