"""Competes for the lease, and leads while it holds."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from alterd_contracts.errors import AlterdError
from alterd_contracts.subjects import SCHEDULER_LEASE
from alterd_runtime.bus import Lease
from alterd_runtime.metrics import LEADING
from alterd_runtime.service import Context
from alterd_scheduler.term import Term

log = structlog.get_logger(__name__)

COMPETE_EVERY = 0.5
"""Seconds between looks at a lease that another one holds; also the pause after a term that failed."""


async def main(context: Context) -> None:
    """Competes and leads until asked to stop."""
    stopping = asyncio.create_task(context.stopping.wait())
    leading = asyncio.create_task(_compete(context))
    context.serving()
    await asyncio.wait({stopping, leading}, return_when=asyncio.FIRST_COMPLETED)
    for task in (leading, stopping):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _compete(context: Context) -> None:
    settings = context.settings.scheduler
    while True:
        lease = context.bus.lease(SCHEDULER_LEASE, context.instance.encode(), settings.lease_ttl)
        try:
            if await lease.acquire():
                await _lead(context, lease)
        except* AlterdError as errors:
            for error in _leaves(errors):
                log.warning("term.ended", code=error.code, why=error.message)
        LEADING.set(0)
        await asyncio.sleep(COMPETE_EVERY)


async def _lead(context: Context, lease: Lease) -> None:
    """One term. The lease only says who should lead; the fence decides who can write."""
    LEADING.set(1)
    term = Term(context.bus, context.settings.scheduler, context.instance)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_renew(lease))
            tasks.create_task(term.lead())
    except asyncio.CancelledError:
        with contextlib.suppress(AlterdError):  # an unreleased lease ends by its TTL
            await lease.release()
        raise


async def _renew(lease: Lease) -> None:
    while True:
        await asyncio.sleep(lease.ttl / 3)
        await lease.renew()


def _leaves(errors: BaseExceptionGroup[AlterdError]) -> list[AlterdError]:
    found: list[AlterdError] = []
    for error in errors.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
