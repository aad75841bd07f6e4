"""Where requests come from: request-reply, and the queue."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.requests import DdlRequest
from alterd_intake.requests import Intake
from alterd_intake.world import World
from alterd_runtime.bus import Delivery
from alterd_runtime.bus.worker import Unreadable
from alterd_runtime.service import Context

log = structlog.get_logger(__name__)

AT_ONCE = 16
"""Requests in hand at the same time, of each way."""
DURABLE = "intake"

_request: Reader[DdlRequest] = Reader(DdlRequest)


async def main(context: Context) -> None:
    """Takes requests until asked to stop; those in hand are brought to their end."""
    async with World(context.bus).watched() as world:
        intake = Intake(context.bus, world, context.settings.intake)

        async def queued(delivery: Delivery) -> None:
            try:
                request = _request.read(delivery.data)
            except msgspec.DecodeError as error:
                raise Unreadable(str(error)) from error
            await intake.take_queued(request, delivery.reply_to)

        stop = await context.bus.serve(subjects.SUBMIT, _request, intake.take, queue="intake", concurrency=AT_ONCE)
        worker = context.bus.worker(
            subjects.REQUESTS, DURABLE, "alterd.request.*", queued, concurrency=AT_ONCE, ack_wait=60.0
        )
        working = asyncio.create_task(worker.run())
        context.serving()
        await context.stopping.wait()
        await stop()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
