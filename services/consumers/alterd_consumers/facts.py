"""How a consumer reads facts: a durable of its own, an explicit ack for each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec

from alterd_contracts.envelope import Reader
from alterd_contracts.events import Event
from alterd_contracts.subjects import EVENTS, events
from alterd_runtime.bus import Delivery
from alterd_runtime.bus.worker import Unreadable
from alterd_runtime.service import Context

ACK_WAIT = 10.0
"""Seconds after which what a killed consumer had in hand comes again."""

_reader: Reader[Event] = Reader(Event)

Take = Callable[[Event, Delivery], Awaitable[None]]
"""Deals with a fact. It is acknowledged when this returns, and comes again when it raises an AlterdError."""


async def follow(context: Context, durable: str, take: Take, *, concurrency: int = 1) -> None:
    """Hands each fact to `take` until asked to stop; with a `concurrency` of 1 in order.

    What cannot be read goes to the dead letters.
    """

    async def handle(delivery: Delivery) -> None:
        try:
            event = _reader.read(delivery.data)
        except msgspec.DecodeError as error:
            raise Unreadable(f"no event: {error}") from None
        await take(event, delivery)

    worker = context.bus.worker(EVENTS, durable, events(), handle, concurrency=concurrency, ack_wait=ACK_WAIT)
    working = asyncio.create_task(worker.run(), name=durable)
    context.serving()
    stopping = asyncio.create_task(context.stopping.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, stopping):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
