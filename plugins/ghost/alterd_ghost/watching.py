"""gh-ost while it runs: its status told as progress, its cut-over held and let go."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from alterd_contracts.strategy import Task
from alterd_ghost.asking import ask
from alterd_ghost.flags import STRATEGY
from alterd_ghost.holding import Holding
from alterd_ghost.status import COPIED, ERROR, Status
from alterd_tools.output import Output

LOOK_EVERY: Final = 0.5
"""Seconds between two looks."""
_HTTP: Final = "http="
"""In what gh-ost says when it is throttled by us, and not by a limit that its user gave."""


class Watching:
    """One run of gh-ost."""

    def __init__(self, task: Task, user: str, output: Output, *, rows_before: int = 0, estimate: int = 0) -> None:
        self._task, self._workdir, self._output = task, task.workdir, output
        self.holding = Holding(task, task.workdir, user)
        self.last: Status | None = None
        self.rows, self._estimate = rows_before, estimate
        self._copied = asyncio.Event()
        self._error = ""
        self._waiting: asyncio.Task[float] | None = None

    def hear(self, line: str) -> None:
        """One line of its output."""
        self._task.alive()
        self._output.hear(line)
        self.holding.hear(line)
        if COPIED in line:
            self._copied.set()
        if found := ERROR.match(line):
            self._error = found[1]

    async def forever(self) -> None:
        """Until cancelled."""
        in_copy = True
        try:
            while True:
                if in_copy and self._copied.is_set():
                    in_copy = False
                    await self._task.phase("catch-up")
                asked = time.monotonic()
                status = await ask(self._workdir)
                if status is not None:
                    if status.postponed:
                        self.holding.waits(asked)
                    self._tell(status)
                    await self._decide(status)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._task.wanted_changed()
                await self.holding.look()
        finally:
            if self._waiting is not None:
                self._waiting.cancel()

    async def _decide(self, status: Status) -> None:
        if status.postponed and not self.holding.open:
            await self._task.ready()
            await self.holding.offer()

    def _tell(self, status: Status) -> None:
        self.last, self.rows = status, max(self.rows, status.copied)
        self._show_throttled(status.throttled)
        copied = self._copied.is_set()
        whole = max(status.rows, self._estimate, self.rows)
        stage, message = self._words(status)
        self._task.progress(
            rows_copied=self.rows,
            table_rows=self.rows if copied else whole,
            percent=100.0 if copied else min(99.0, 100.0 * self.rows / whole if whole else 0.0),
            eta_seconds=0 if copied else status.eta if status.rows else -1,
            lag_seconds=status.lag,
            stage=stage,
            cutover_attempts=self.holding.attempts,
            message=message,
        )

    def _words(self, status: Status) -> tuple[str, str]:
        """The stage, and what it waits for."""
        if status.throttled:
            return "throttled", f"gh-ost is throttled: {status.throttled}"
        if self.holding.open:
            return f"cut-over attempt {self.holding.attempts}", self._error
        if status.postponed:
            return "ready to complete", self._error if self.holding.attempts else ""
        return ("catching up" if self._copied.is_set() else "copying"), ""

    def _show_throttled(self, why: str) -> None:
        """Users see who throttles it as with any other strategy."""
        waits = self._waiting is not None and not self._waiting.done()
        if _HTTP in why and not waits:
            self._waiting = asyncio.create_task(self._task.throttle.wait(STRATEGY))
        elif not why and waits and self._waiting is not None:
            self._waiting.cancel()
