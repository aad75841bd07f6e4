"""Work that is waited for only so long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from alterd_contracts.errors import ShardUnreachable

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a measurement waits for one server."""
GIVEN_UP = 5.0
"""Seconds after which work that does not answer is ended."""


class Silent(ShardUnreachable):
    """The server has not answered in time."""


class Bounded(Generic[T]):
    """One piece of work at a time. `cut` ends what it waits for, so that it fails by itself."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut = cut
        self._task: asyncio.Task[T] | None = None
        self._since = 0.0

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` returns or raises. Raises `Silent` after `PATIENCE` seconds, or while earlier work goes on."""
        if self._task is not None and not self._task.done():
            silent_for = time.monotonic() - self._since
            if silent_for > GIVEN_UP:
                self._cut()
            if silent_for > 2 * GIVEN_UP:
                self._task.cancel()
            raise Silent(f"no answer for {silent_for:.1f} s")
        self._task, self._since = asyncio.create_task(work()), time.monotonic()
        self._task.add_done_callback(_heard)
        await asyncio.wait({self._task}, timeout=PATIENCE)
        if not self._task.done():
            raise Silent(f"no answer in {PATIENCE:g} s")
        return self._task.result()

    async def close(self) -> None:
        """Ends the work; returns soon, whatever hangs."""
        if self._task is None or self._task.done():
            return
        self._cut()
        await asyncio.wait({self._task}, timeout=PATIENCE)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=PATIENCE)


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # whoever still waits sees it; nobody else must
