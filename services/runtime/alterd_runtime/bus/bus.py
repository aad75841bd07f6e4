"""Publish with an id, ask and answer, read in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import nats.errors
import nats.js.errors
import stamina
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from alterd_contracts.envelope import CONTENT_TYPE, Reader, wrap
from alterd_contracts.errors import AlterdError, ErrorInfo, InvalidInput, ServiceUnreachable
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import Refusal
from alterd_contracts.subjects import REPLY_TO, Bucket, Stream
from alterd_runtime.bus import streams
from alterd_runtime.bus.bucket import AT_ONCE, BucketStore
from alterd_runtime.bus.connection import NatsSettings, close, connect
from alterd_runtime.bus.errors import translated
from alterd_runtime.bus.fenced import FencedState
from alterd_runtime.bus.flight import Flight, Parcel, Sent
from alterd_runtime.bus.interruptible import interruptible
from alterd_runtime.bus.lease import Lease
from alterd_runtime.bus.tail import Message, Tail
from alterd_runtime.bus.worker import Handler, Slots, Worker
from alterd_runtime.metrics import PUBLISHED

log = structlog.get_logger(__name__)

PUBLISH_BUDGET = 30.0
"""Seconds in which a publish is tried again: a cluster's change of leader took 7.2 s when measured."""
PUBLISH_TIMEOUT = 3.0
"""Seconds for one try."""

Reply = TypeVar("Reply")


class Ack(msgspec.Struct, frozen=True):
    """A stream has stored a message."""

    sequence: int
    duplicate: bool


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be stored, as `Bus.publish` takes it."""

    subject: str
    data: msgspec.Struct
    id: str
    about: str = ""


class Sending:
    """Messages on their way into their streams."""

    def __init__(self, bus: Bus, messages: Sequence[Outgoing], sent: Sent) -> None:
        self._bus, self._messages, self._sent = bus, messages, sent

    async def stored(self) -> None:
        """Returns when all are stored; what was not at the first try is tried again, as by `Bus.publish`.

        Raises `BusUnreachable`: then any of them may be missing.
        """
        for message, answer in zip(self._messages, await self._sent.answers(), strict=True):
            if not isinstance(answer, Exception):
                PUBLISHED.labels(type=_tag(message.data)).inc()
            elif _may_pass(answer):
                await self._bus.publish(message.subject, message.data, id=message.id, about=message.about)
            else:
                with translated(f"publish to {message.subject}"):
                    raise answer


class Bus:
    """One service's connection. `source` names the sender in each message: ``/alterd/<service>/<instance>``."""

    def __init__(self, nc: Client, source: str, replicas: int) -> None:
        self._nc, self._js = nc, nc.jetstream(timeout=PUBLISH_TIMEOUT)
        self.source = source
        self._replicas = replicas
        self._flight = Flight(nc)
        self._answering: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, settings: NatsSettings, service: str, instance: str, *, patience: float | None = None
    ) -> AsyncIterator[Bus]:
        """Connects, and closes at the end. `patience` as in `connection.connect`. Raises `BusUnreachable`."""
        nc = await connect(settings, f"alterd-{service}-{instance}", patience=patience)
        try:
            yield cls(nc, f"/alterd/{service}/{instance}", settings.replicas)
        finally:
            await close(nc)

    @property
    def connected(self) -> bool:
        return bool(self._nc.is_connected)

    @property
    def closed(self) -> bool:
        return bool(self._nc.is_closed)

    async def ensure(self) -> None:
        """Creates all streams and buckets that are missing. Raises `BusUnreachable`."""
        await streams.ensure(self._js, self._replicas)

    async def ping(self, timeout: float = 2.0) -> None:
        """One round trip. Raises `BusUnreachable`."""
        with translated("ping"):
            await interruptible(self._nc.flush(timeout=int(timeout) or 1))

    # Publishing ------------------------------------------------------------------------------------------------

    async def publish(
        self,
        subject: str,
        data: msgspec.Struct,
        *,
        id: str,
        about: str = "",
        reply_to: str = "",
        budget: float = PUBLISH_BUDGET,
    ) -> Ack:
        """Stores a message in the stream of `subject`, tried again with the same id until `budget` seconds are over.

        Raises `BusUnreachable`: then the message may or may not have been stored.
        """
        payload = wrap(data, id=id, source=self.source, subject=about)
        headers = {api.Header.MSG_ID.value: id, "content-type": CONTENT_TYPE}
        if reply_to:
            headers[REPLY_TO] = reply_to
        with translated(f"publish to {subject}"):
            async for attempt in stamina.retry_context(
                on=_may_pass, attempts=None, timeout=budget, wait_initial=0.05, wait_max=1.0
            ):
                with attempt:
                    ack = await interruptible(
                        self._js.publish(subject, payload, headers=headers, timeout=PUBLISH_TIMEOUT)
                    )
        PUBLISHED.labels(type=_tag(data)).inc()
        return Ack(ack.seq, bool(ack.duplicate))

    async def send_all(self, messages: Sequence[Outgoing]) -> Sending:
        """Sends many in their order, none waits for the answer to the one before; `Sending.stored` does."""
        parcels = [
            Parcel(
                message.subject,
                wrap(message.data, id=message.id, source=self.source, subject=message.about),
                {api.Header.MSG_ID.value: message.id, "content-type": CONTENT_TYPE},
            )
            for message in messages
        ]
        return Sending(self, messages, await self._flight.send(parcels))

    async def tell(self, subject: str, data: msgspec.Struct, *, id: str = "", about: str = "") -> None:
        """Core NATS: whoever listens hears it, nobody stores it."""
        payload = wrap(data, id=id or new_request_id(), source=self.source, subject=about)
        with translated(f"tell {subject}"):
            await self._nc.publish(subject, payload)

    # Asking and answering --------------------------------------------------------------------------------------

    async def ask(self, subject: str, data: msgspec.Struct, reader: Reader[Reply], *, timeout: float) -> Reply:
        """One request, one reply; whether it is a `Refusal` is for the caller to see.

        Raises `ServiceUnreachable` when nobody listens or nobody answers in `timeout` seconds.
        """
        payload = wrap(data, id=new_request_id(), source=self.source)
        try:
            msg = await interruptible(self._nc.request(subject, payload, timeout=timeout))
        except nats.errors.NoRespondersError:
            raise ServiceUnreachable(f"nobody answers on {subject}", subject=subject) from None
        except nats.errors.TimeoutError:
            raise ServiceUnreachable(f"no answer on {subject} in {timeout:g} s", subject=subject) from None
        except nats.errors.Error as error:
            with translated(f"ask {subject}"):
                raise error
        return reader.read(msg.data)

    @contextlib.asynccontextmanager
    async def inbox(self, reader: Reader[Reply]) -> AsyncIterator[tuple[str, Callable[[float], Awaitable[Reply]]]]:
        """A subject for `Alterd-Reply-To`, and a function that waits on it (seconds; raises TimeoutError)."""
        subject = self._nc.new_inbox()
        with translated("open an inbox"):
            subscription = await self._nc.subscribe(subject)

        async def wait(timeout: float) -> Reply:
            try:
                msg = await interruptible(subscription.next_msg(timeout=timeout))
            except nats.errors.TimeoutError:
                raise TimeoutError from None
            return reader.read(msg.data)

        try:
            yield subject, wait
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def serve(
        self,
        subject: str,
        reader: Reader[Any],
        handle: Callable[[Any], Awaitable[msgspec.Struct | None]],
        *,
        queue: str = "",
        concurrency: int = 8,
    ) -> Callable[[], Awaitable[None]]:
        """Answers requests on `subject`; with `queue`, one member of the group does. Returns how to stop.

        What `handle` raises becomes a `Refusal`: an AlterdError with its own words, anything else as an internal
        error whose details stay in our log. A handler that returns None stays silent.
        """
        slots = asyncio.Semaphore(concurrency)

        async def answer(msg: Msg) -> None:
            async with slots:
                reply = await _answer(msg, reader, handle)
                if reply is not None and msg.reply:
                    await self.tell(msg.reply, reply)

        async def on_message(msg: Msg) -> None:
            task = asyncio.create_task(answer(msg))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        with translated(f"serve {subject}"):
            subscription = await self._nc.subscribe(subject, queue=queue, cb=on_message)

        async def stop() -> None:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

        return stop

    async def listen(
        self, subject: str, handle: Callable[[str, bytes], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Hears core messages (subject, payload), one at a time. Returns how to stop."""

        async def on_message(msg: Msg) -> None:
            await handle(msg.subject, msg.data)

        with translated(f"listen to {subject}"):
            subscription = await self._nc.subscribe(subject, cb=on_message)

        async def stop() -> None:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

        return stop

    # Reading ---------------------------------------------------------------------------------------------------

    def tail(
        self,
        stream: Stream,
        *filters: str,
        start: int = 1,
        last_per_subject: bool = False,
        new_only: bool = False,
    ) -> Tail:
        """A reader of `stream` in order; see `Tail`."""
        return Tail(
            self._nc,
            self._js,
            stream.name,
            filters or stream.subjects,
            start=start,
            last_per_subject=last_per_subject,
            new_only=new_only,
        )

    async def last(self, stream: Stream, subject: str) -> Message | None:
        """The last message on `subject`, asked of the stream's leader; None where there is none."""
        with translated(f"read {subject}"):
            try:
                raw = await interruptible(self._js.get_last_msg(stream.name, subject))
            except nats.js.errors.NotFoundError:
                return None
        return _raw(raw)

    async def last_ids(self, stream: Stream, subjects: Sequence[str]) -> list[str]:
        """The id of the last message on each subject, empty where there is none; many are asked for at once."""
        found: list[Message | None] = []
        for start in range(0, len(subjects), AT_ONCE):
            some = subjects[start : start + AT_ONCE]
            found += await asyncio.gather(*(self.last(stream, subject) for subject in some))
        return ["" if each is None else each.headers.get(api.Header.MSG_ID.value, "") for each in found]

    async def last_sequence(self, stream: Stream) -> int:
        with translated(f"look at {stream.name}"):
            info = await interruptible(self._js.stream_info(stream.name))
        return int(info.state.last_seq)

    def worker(
        self,
        stream: Stream,
        durable: str,
        subject: str,
        handle: Handler,
        *,
        concurrency: int = 1,
        slots: Slots | None = None,
        ack_wait: float = 30.0,
        max_deliver: int = -1,
    ) -> Worker:
        """A worker on a durable consumer of a work queue; see `Worker`. `slots`: shared with other workers."""
        return Worker(
            self,
            self._js,
            stream,
            durable,
            subject,
            handle,
            slots=slots or Slots(concurrency),
            ack_wait=ack_wait,
            max_deliver=max_deliver,
        )

    # Keys and values -------------------------------------------------------------------------------------------

    def bucket(self, bucket: Bucket) -> BucketStore:
        return BucketStore(self._nc, self._js, bucket)

    def fenced(self, bucket: Bucket) -> FencedState:
        return FencedState(self.bucket(bucket), self._flight)

    def lease(self, key: str, holder: bytes, ttl: int) -> Lease:
        return Lease(self._js, key, holder, ttl)


def _tag(data: msgspec.Struct) -> str:
    return str(data.__struct_config__.tag)


def _raw(raw: api.RawStreamMsg) -> Message:
    time = raw.time if isinstance(raw.time, datetime) else datetime.now(UTC)
    return Message(
        subject=raw.subject or "",
        data=raw.data or b"",
        headers=dict(raw.headers or {}),
        sequence=raw.seq or 0,
        time=time,
        pending=0,
    )


def _may_pass(error: Exception) -> bool:
    """What a change of leader or a restart of NATS makes pass."""
    if isinstance(error, nats.errors.MaxPayloadError):
        return False
    if isinstance(error, nats.js.errors.ServiceUnavailableError | nats.js.errors.NoStreamResponseError):
        return True
    if isinstance(error, nats.js.errors.APIError):
        return (error.code or 0) >= 500
    return isinstance(error, nats.errors.Error | OSError | asyncio.TimeoutError)


async def _answer(
    msg: Msg, reader: Reader[Any], handle: Callable[[Any], Awaitable[msgspec.Struct | None]]
) -> msgspec.Struct | None:
    try:
        data = reader.read(msg.data)
    except msgspec.DecodeError as error:
        return Refusal(errors=(InvalidInput(f"the message cannot be read: {error}", subject=msg.subject).info(),))
    try:
        return await handle(data)
    except AlterdError as error:
        return Refusal(errors=(error.info(),))
    except Exception:
        log.exception("request.failed", subject=msg.subject)
        return Refusal(
            errors=(ErrorInfo(code="internal", message="something went wrong; the service's log says what"),)
        )
