"""Awaiting nats-py so that a cancel is never lost.

nats-py waits by `asyncio.wait_for`, which up to Python 3.11 swallows a cancel that comes in the same turn of the loop
as the answer: the cancelled task then goes on for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

AGAIN = 0.1
"""Seconds after which a cancel is repeated."""


async def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`. A cancelled caller stops waiting at once; `work` ends by itself if it misses the cancel."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        raise


async def ended(task: asyncio.Future[Any]) -> None:
    """Cancels `task`, again if it missed it, and returns when it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN)
