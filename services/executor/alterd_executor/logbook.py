"""The log of one attempt, published line by line in the background; a silent NATS costs lines, never the run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_contracts.work import LogLine, Work
from alterd_executor.identity import Identity
from alterd_runtime.bus import Bus

log = structlog.get_logger(__name__)

WAITING_LINES = 10_000
"""Lines kept while NATS does not answer."""
LINE = 16 * 1024
"""Characters of one line; a tool may print anything."""
DRAIN = 5.0
"""Seconds for the last lines after the ending."""


class Logbook:
    """Lines for ``alterd logs``."""

    def __init__(self, bus: Bus, work: Work, identity: Identity) -> None:
        self._bus, self._work, self._identity = bus, work, identity
        self._subject = subjects.log(work.keyspace, work.shard, work.migration_uuid)
        self._lines: asyncio.Queue[LogLine] = asyncio.Queue(WAITING_LINES)
        self._number = 0
        self._lost = 0
        self._publishing = asyncio.create_task(self._publish())

    def info(self, text: str) -> None:
        self.write("info", text)

    def warning(self, text: str) -> None:
        self.write("warning", text)

    def error(self, text: str) -> None:
        self.write("error", text)

    def write(self, level: str, text: str) -> None:
        line = LogLine(
            time=datetime.now(UTC),
            level=level,
            text=text[:LINE],
            attempt=self._work.attempt,
            executor=self._identity.executor,
        )
        try:
            self._lines.put_nowait(line)
        except asyncio.QueueFull:
            self._lost += 1

    async def close(self) -> None:
        """Waits a moment for the last lines."""
        try:
            async with asyncio.timeout(DRAIN):
                await self._lines.join()
        except TimeoutError:
            self._lost += self._lines.qsize()
        self._publishing.cancel()
        if self._lost:
            log.warning("run.log_lines_lost", migration=self._work.migration_uuid, lines=self._lost)

    async def _publish(self) -> None:
        while True:
            line = await self._lines.get()
            self._number += 1
            name = f"{self._subject}:{self._work.attempt}:{self._identity.incarnation}:{self._number}"
            try:
                await self._bus.publish(self._subject, line, id=name, about=self._work.migration_uuid)
            except AlterdError as error:
                self._lost += 1
                log.debug("run.log_line_lost", error=error.message)
            self._lines.task_done()
