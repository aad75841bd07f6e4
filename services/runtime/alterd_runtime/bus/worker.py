"""Takes work from a work queue: one durable pull consumer, a bounded number of messages at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import nats.errors
import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from alterd_contracts.errors import AlterdError
from alterd_contracts.names import new_request_id
from alterd_contracts.subjects import REPLY_TO, Stream, dead
from alterd_contracts.work import DeadLetter
from alterd_runtime.bus.errors import translated
from alterd_runtime.bus.interruptible import ended, interruptible

if TYPE_CHECKING:
    from alterd_runtime.bus.bus import Bus

log = structlog.get_logger(__name__)

FETCH_TIMEOUT = 20.0
"""Seconds of one idle pull; an idle worker says nothing else to the server."""
PAUSE = 0.5
"""Seconds to wait when the consumer does not answer."""
CROWDED_DELAY = 0.5
"""Seconds before a message that found no free slot comes again, here or elsewhere."""
RETRY_DELAY = 2.0
"""Seconds before a message whose handler failed for a passing reason comes again."""


class Slots:
    """Places for messages in hand; several workers may share them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._taken = 0
        self._given = asyncio.Event()

    @property
    def taken(self) -> int:
        return self._taken

    async def some(self) -> None:
        """Returns when a place is free; it may be gone when it is wanted."""
        while self._taken >= self.count:
            self._given.clear()
            await self._given.wait()

    def take(self) -> bool:
        """A place, if one is free."""
        if self._taken >= self.count:
            return False
        self._taken += 1
        return True

    def give(self) -> None:
        self._taken -= 1
        self._given.set()

    def take_back(self) -> None:
        """A place for what had one and rested; where none is free, one more than there are is taken."""
        self._taken += 1


class Place:
    """A slot in the hands of one message, which can do without it while it only waits."""

    def __init__(self, slots: Slots) -> None:
        self._slots, self._held = slots, True

    def rest(self) -> None:
        """Others may have it."""
        if self._held:
            self._held = False
            self._slots.give()

    def go_on(self) -> None:
        """It is needed again, and nobody waits for it."""
        if not self._held:
            self._held = True
            self._slots.take_back()


class Delivery:
    """A message in a worker's hands. It is acked when the handler says so, or when it returns."""

    def __init__(self, msg: Msg, place: Place) -> None:
        self._msg, self.place = msg, place
        self.subject: str = msg.subject
        self.data: bytes = msg.data
        self.sequence: int = msg.metadata.sequence.stream
        self.reply_to: str = (msg.headers or {}).get(REPLY_TO, "")
        self.settled = False

    async def ack(self) -> None:
        """Done: never comes again."""
        self.settled = True
        with translated(f"ack {self.subject}"):
            await interruptible(self._msg.ack_sync(timeout=5))

    async def back(self, delay: float = 0.0) -> None:
        """Not now, or not here: comes again after `delay` seconds."""
        self.settled = True
        with translated(f"nak {self.subject}"):
            await self._msg.nak(delay=delay or None)

    async def drop(self) -> None:
        """Can never be done: leaves the queue."""
        self.settled = True
        with translated(f"term {self.subject}"):
            await self._msg.term()

    async def keep(self) -> None:
        """Still working on it."""
        with translated(f"keep {self.subject}"):
            await self._msg.in_progress()


Handler = Callable[[Delivery], Awaitable[None]]


class Unreadable(AlterdError):
    """The message cannot be read; it goes to the dead letters."""

    code = "unreadable"


class Worker:
    """Runs `handle` for each message, as many at once as there are `slots`.

    A handler that raises `Unreadable` sends the message to the dead letters; any other error brings it back after a
    pause, and says so in the log.
    """

    def __init__(
        self,
        bus: Bus,
        js: JetStreamContext,
        stream: Stream,
        durable: str,
        subject: str,
        handle: Handler,
        *,
        slots: Slots,
        ack_wait: float,
        max_deliver: int,
    ) -> None:
        self._bus, self._js, self._stream, self._durable, self._subject = bus, js, stream, durable, subject
        self._handle, self._ack_wait, self._max_deliver = handle, ack_wait, max_deliver
        self._slots = slots
        self._running: set[asyncio.Task[None]] = set()
        self._log = log.bind(stream=stream.name, durable=durable)

    async def run(self) -> None:
        """Until cancelled; then what is in hand is brought to its end."""
        try:
            while True:
                try:
                    await self._pull()
                except (nats.errors.Error, nats.js.errors.Error, OSError) as error:
                    self._log.warning("worker.again", why=f"{type(error).__name__} {error}".strip())
                    await asyncio.sleep(PAUSE)
        finally:
            if self._running:
                await asyncio.gather(*self._running, return_exceptions=True)

    async def _pull(self) -> None:
        """Binds, then takes messages until something fails."""
        wanted = api.ConsumerConfig(
            name=self._durable,
            durable_name=self._durable,
            filter_subject=self._subject,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            max_deliver=self._max_deliver,
            max_ack_pending=-1,
        )
        await interruptible(self._js.add_consumer(self._stream.name, wanted))
        subscription = await self._js.pull_subscribe_bind(self._durable, self._stream.name)
        try:
            while True:
                await self._slots.some()
                try:
                    msg = await _fetched(subscription)
                except nats.errors.TimeoutError:
                    if self._bus.connected:
                        continue
                    raise
                if not self._slots.take():  # another worker was faster while this pull was open
                    await msg.nak(delay=CROWDED_DELAY)
                    continue
                delivery = Delivery(msg, Place(self._slots))
                task = asyncio.create_task(self._process(delivery))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _process(self, delivery: Delivery) -> None:
        beat = asyncio.create_task(self._keep(delivery))
        try:
            await self._handle(delivery)
            if not delivery.settled:
                await delivery.ack()
        except Unreadable as error:
            await self._bury(delivery, error.message)
        except AlterdError as error:
            self._log.warning("work.again", subject=delivery.subject, code=error.code, error=error.message)
            await self._again(delivery)
        except Exception:  # noqa: BLE001 - the boundary: one message must not end the worker
            self._log.exception("work.failed", subject=delivery.subject)
            await self._again(delivery)
        finally:
            beat.cancel()
            delivery.place.rest()

    async def _keep(self, delivery: Delivery) -> None:
        while not delivery.settled:
            await asyncio.sleep(self._ack_wait / 3)
            if delivery.settled:
                return
            try:
                await delivery.keep()
            except AlterdError as error:
                self._log.warning("work.not_kept", subject=delivery.subject, error=error.message)

    async def _again(self, delivery: Delivery) -> None:
        if delivery.settled:
            return
        with contextlib.suppress(AlterdError):  # then it comes again by itself after ack_wait
            await delivery.back(RETRY_DELAY)

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        self._log.error("work.unreadable", subject=delivery.subject, reason=reason)
        await bury(self._bus, self._stream, delivery.subject, delivery.sequence, delivery.data, reason)
        await delivery.drop()


async def _fetched(subscription: JetStreamContext.PullSubscription) -> Msg:
    """The next message. One that comes as the worker is told to stop goes back at once, not after its ack_wait."""
    fetching = asyncio.ensure_future(subscription.fetch(1, timeout=FETCH_TIMEOUT))
    try:
        [msg] = await asyncio.shield(fetching)
    except asyncio.CancelledError:
        await ended(fetching)
        if not fetching.cancelled() and fetching.exception() is None:
            for late in fetching.result():
                await late.nak()
        raise
    return msg


async def bury(bus: Bus, stream: Stream, subject: str, sequence: int, data: bytes, reason: str) -> None:
    """Keeps what could not be read, with the reason."""
    letter = DeadLetter(
        stream=stream.name,
        subject=subject,
        sequence=sequence,
        reason=reason,
        payload=data[: 64 * 1024].decode(errors="replace"),
    )
    await bus.publish(dead(stream.name), letter, id=f"{stream.name}:{sequence}:{new_request_id()[:8]}")
