"""Reads a stream in order, for ever, from where it was left.

An own push consumer without acks: nats-py's ordered consumer stops for good when its reset meets a closed
connection. Order is proved by the consumer's sequence; a gap, a missed heartbeat or a restarted server begins a new
consumer right behind the last message that was handed out.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext, api

from alterd_runtime.bus.interruptible import interruptible

log = structlog.get_logger(__name__)

HEARTBEAT = 1.0
"""Seconds between the server's signs of life on an idle consumer."""
SILENCE = 3 * HEARTBEAT
"""Seconds after which a consumer is taken for dead."""
PAUSE = 0.25
"""Seconds between attempts to begin a new consumer."""

UNKNOWN = sys.maxsize

Arrived = asyncio.Queue[Msg]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A stored message."""

    subject: str
    data: bytes
    headers: dict[str, str]
    sequence: int
    """In the stream."""
    time: datetime
    """When the stream's leader stored it."""
    pending: int
    """How many came after it when it was sent."""


class Tail:
    """One reader of one stream.

    `start`: the first sequence wanted. `last_per_subject`: begin with the last message of each subject instead.
    """

    def __init__(
        self,
        nc: Client,
        js: JetStreamContext,
        stream: str,
        filters: tuple[str, ...],
        *,
        start: int = 1,
        last_per_subject: bool = False,
        new_only: bool = False,
    ) -> None:
        self._nc, self._js, self._stream, self._filters = nc, js, stream, filters
        self._next = start
        self._last_per_subject = last_per_subject
        self._new_only = new_only
        self._caught_up = False

    async def __aiter__(self) -> AsyncIterator[Message | None]:
        """Each message; None once, when all that was there at the beginning has been handed out."""
        while True:
            subscription: Subscription | None = None
            arrived: Arrived = asyncio.Queue()
            try:
                subscription = await self._subscribe(arrived)
                consumer = await self._begin(subscription.subject)
                unknown = self._caught_up or consumer.num_pending
                seen, there = 0, UNKNOWN if unknown else await self._there(consumer)
                if there == 0:
                    self._caught_up = True
                    yield None
                async for message in self._follow(arrived):
                    if message is not None:
                        seen += 1
                        self._next = message.sequence + 1
                        self._last_per_subject = False
                        yield message
                    if self._caught_up:
                        continue
                    if message is None or (there == UNKNOWN and message.pending == 0):
                        there = await self._there(consumer)
                    if seen >= there:
                        self._caught_up = True
                        yield None
            except (nats.errors.Error, nats.js.errors.Error, OSError) as error:  # a TimeoutError among them
                if self._nc.is_closed:  # by ourselves: nobody reads on
                    return
                log.info("tail.again", stream=self._stream, next=self._next, why=type(error).__name__)
                await asyncio.sleep(PAUSE)
            finally:
                if subscription is not None:
                    with suppress(nats.errors.Error):
                        await subscription.unsubscribe()
                        # else the server keeps it until `inactive_threshold`; nobody waits for its answer
                        delete = f"{self._js._prefix}.CONSUMER.DELETE.{self._stream}.{_name(subscription.subject)}"
                        await self._nc.publish(delete)

    async def _subscribe(self, arrived: Arrived) -> Subscription:
        inbox = self._nc.new_inbox()
        return await self._nc.subscribe(inbox, cb=arrived.put, pending_msgs_limit=-1, pending_bytes_limit=-1)

    async def _there(self, consumer: api.ConsumerInfo) -> int:
        """How many messages the consumer has delivered and will deliver, of those that are in the stream now.

        Asked apart. While a subject's last message is replaced, the one before is no longer counted and the new one
        not yet: in that moment nothing seems to be pending, and a key that is there seems to be gone.
        """
        now = await interruptible(self._js.consumer_info(self._stream, consumer.name))
        return (now.delivered.consumer_seq if now.delivered else 0) + (now.num_pending or 0)

    async def _begin(self, inbox: str) -> api.ConsumerInfo:
        """A new consumer that delivers to `inbox`."""
        if self._last_per_subject:
            policy, start = api.DeliverPolicy.LAST_PER_SUBJECT, None
        elif self._new_only:
            last = (await interruptible(self._js.stream_info(self._stream))).state.last_seq
            policy, start, self._new_only, self._next = (
                api.DeliverPolicy.BY_START_SEQUENCE,
                last + 1,
                False,
                last + 1,
            )
        else:
            policy, start = api.DeliverPolicy.BY_START_SEQUENCE, max(1, self._next)
        wanted = api.ConsumerConfig(
            name=_name(inbox),
            deliver_subject=inbox,
            deliver_policy=policy,
            opt_start_seq=start,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=list(self._filters),
            idle_heartbeat=HEARTBEAT,
            flow_control=True,
            inactive_threshold=30.0,
            mem_storage=True,
            num_replicas=1,
            max_deliver=1,
        )
        return await interruptible(self._js.add_consumer(self._stream, wanted))

    async def _follow(self, arrived: Arrived) -> AsyncIterator[Message | None]:
        """Messages of one consumer, None for a sign of life; until something is wrong (then a TimeoutError)."""
        seen = 0
        while True:
            async with asyncio.timeout(SILENCE):
                msg = await arrived.get()
            if JetStreamContext.is_status_msg(msg):
                if msg.reply:  # flow control: the server waits for this answer
                    await self._nc.publish(msg.reply)
                last = (msg.headers or {}).get(api.Header.LAST_CONSUMER.value)
                if last is not None and int(last) != seen:
                    raise TimeoutError
                yield None
                continue
            metadata = msg.metadata
            if metadata.sequence.consumer != seen + 1:
                raise TimeoutError
            seen += 1
            yield message_of(msg)


def _name(inbox: str) -> str:
    """Of the consumer: known before the server has answered."""
    return inbox.rpartition(".")[2]


def message_of(msg: Msg) -> Message:
    metadata = msg.metadata
    return Message(
        subject=msg.subject,
        data=msg.data,
        headers=dict(msg.headers or {}),
        sequence=metadata.sequence.stream,
        time=metadata.timestamp,
        pending=metadata.num_pending,
    )
