"""The state bucket in the leader's hands: every write proves that nobody else wrote.

The expected sequence is that of the whole stream, so a leader that was paused can write nothing once its successor has
written its epoch, not even to a record that the successor never touched.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from nats.js import api

from alterd_runtime.bus.bucket import OPERATION, BucketStore
from alterd_runtime.bus.flight import Flight, Parcel, Sent

MARKER_TTL = 3600
"""Seconds after which a delete marker vanishes, so that start-up reads open records only."""


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One write to a key."""

    key: str
    value: bytes | None
    """None deletes, with a marker that vanishes."""
    ttl: int = 0
    """Whole seconds after which the key vanishes, which is no write; 0 keeps it."""


class FencedState:
    """Writes of one term of leadership. Any error ends the term: forget everything, compete again.

    One write is on its way at a time. A second one would have to expect a sequence that is only foreseen: where the
    first is refused, because another leader has written, that writer's own count makes the second one's expectation
    right. (Expecting the predecessor by its message id instead stops a replicated stream of nats-server 2.15 for good.)
    """

    def __init__(self, store: BucketStore, flight: Flight) -> None:
        self.store, self._flight = store, flight
        self._sequence = 0
        self._under_way: Sent | None = None

    async def begin(self, key: str, value: bytes) -> int:
        """Writes the epoch, and fences off whoever led before. Returns its revision."""
        self._sequence = await self.store.put(key, value)
        return self._sequence

    async def put(self, key: str, value: bytes, *, ttl: int = 0) -> None:
        """As `write`, of one."""
        await self.write([Write(key=key, value=value, ttl=ttl)])

    async def delete(self, key: str) -> None:
        """As `write`, of one."""
        await self.write([Write(key=key, value=None)])

    async def write(self, writes: Iterable[Write]) -> None:
        """All of them, in order: when it fails, a beginning of them is stored.

        Raises `StaleWrite`: another one leads. `BusUnreachable`: unknown whether the last one was written.
        """
        await self.send(writes)
        await self.stored()

    async def send(self, writes: Iterable[Write]) -> None:
        """As `write`, but for the last one, which is on its way when this returns: see `stored`."""
        for write in writes:
            await self.stored()
            self._under_way = await self._flight.send([self._parcel(write)])

    async def stored(self) -> None:
        """Returns when all that was sent is stored. Raises as `write` does."""
        if self._under_way is not None:
            sent, self._under_way = self._under_way, None
            self._sequence = await sent.stored()

    def _parcel(self, write: Write) -> Parcel:
        headers = {api.Header.EXPECTED_LAST_SEQUENCE.value: str(self._sequence)}
        if write.value is None:
            headers[OPERATION] = "DEL"
        ttl = MARKER_TTL if write.value is None else write.ttl
        return Parcel(self.store.subject(write.key), write.value or b"", headers, ttl)
