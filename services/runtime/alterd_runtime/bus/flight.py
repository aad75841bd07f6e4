"""Many messages on their way at once, stored in the order in which they were sent.

nats-py's `publish_async` never says that a stream refused a message, so answers are read here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from alterd_runtime.bus.errors import translated

WINDOW = 256
"""Messages without an answer yet."""
ANSWER_TIMEOUT = 3.0
"""Seconds for the answer to one of them."""
NO_RESPONDERS = "503"

Answer = api.PubAck | Exception


class Parcel(NamedTuple):
    """One message to a stream."""

    subject: str
    payload: bytes
    headers: dict[str, str]
    ttl: int = 0
    """Seconds; 0: none."""


class Sent:
    """Messages on their way."""

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        self._parcels = parcels
        self._answers: list[Answer] = []
        self._waiting: deque[tuple[asyncio.Future[Answer], float]] = deque()
        """Each with the time at which its answer is no longer waited for."""

    async def add(self, future: asyncio.Future[Answer]) -> None:
        """One more; waits for the oldest when too many are on their way."""
        self._waiting.append((future, asyncio.get_running_loop().time() + ANSWER_TIMEOUT))
        if len(self._waiting) == WINDOW:
            self._answers.append(await _answer(*self._waiting.popleft()))

    async def answers(self) -> list[Answer]:
        """What became of each."""
        while self._waiting:
            self._answers.append(await _answer(*self._waiting.popleft()))
        return self._answers

    async def stored(self) -> int:
        """The last one's sequence, when all are stored.

        Raises `StaleWrite`, `BusUnreachable` for the first that is not.
        """
        sequence = 0
        for parcel, answer in zip(self._parcels, await self.answers(), strict=True):
            if isinstance(answer, Exception):
                with translated(f"write {parcel.subject}"):
                    raise answer
            sequence = answer.seq
        return sequence


class Flight:
    """What one connection has on its way."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._prefix = ""
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._opening = asyncio.Lock()

    async def send(self, parcels: Sequence[Parcel]) -> Sent:
        """Sends all, in order; who wants to know waits on what is returned."""
        sent = Sent(parcels)
        for parcel in parcels:
            await sent.add(await self._send(parcel))
        return sent

    async def _send(self, parcel: Parcel) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        headers = {**parcel.headers, api.Header.MSG_TTL.value: str(parcel.ttl)} if parcel.ttl else parcel.headers
        try:
            await self._open()
            token = str(next(self._numbers))
            self._waiting[token] = future
            future.add_done_callback(lambda _: self._waiting.pop(token, None))
            await self._nc.publish(parcel.subject, parcel.payload, reply=self._prefix + token, headers=headers or None)
        except (nats.errors.Error, OSError) as error:
            future.set_result(error)
        return future

    async def _open(self) -> None:
        """One subscription for the answers to all."""
        if self._prefix:
            return
        async with self._opening:
            if not self._prefix:
                prefix = f"{self._nc.new_inbox()}."
                await self._nc.subscribe(f"{prefix}*", cb=self._hear, pending_msgs_limit=-1, pending_bytes_limit=-1)
                self._prefix = prefix

    async def _hear(self, msg: Msg) -> None:
        future = self._waiting.get(msg.subject.removeprefix(self._prefix))
        if future is not None and not future.done():
            future.set_result(_read(msg))


async def _answer(future: asyncio.Future[Answer], until: float) -> Answer:
    """Its answer, or why there is none. A future, so no cancel is lost in it."""
    if not future.done():
        await asyncio.wait({future}, timeout=max(0.0, until - asyncio.get_running_loop().time()))
    if not future.done():
        future.cancel()
        return nats.errors.TimeoutError()
    return future.result()


def _read(msg: Msg) -> Answer:
    if msg.headers and msg.headers.get(api.Header.STATUS.value) == NO_RESPONDERS:
        return nats.js.errors.NoStreamResponseError()
    answer = json.loads(msg.data)
    if "error" not in answer:
        return api.PubAck.from_response(answer)
    try:
        raise nats.js.errors.APIError.from_error(answer["error"])
    except nats.js.errors.APIError as error:  # from_error may raise by itself
        return error
