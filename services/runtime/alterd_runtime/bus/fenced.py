"""The state bucket in the leader's hands: every write proves that nobody else wrote.

The expected sequence is that of the whole stream, so a leader that was paused can write nothing once its successor has
written its epoch, not even to a record that the successor never touched.
"""

from __future__ import annotations

from nats.js import api

from alterd_runtime.bus.bucket import OPERATION, BucketStore

MARKER_TTL = 3600
"""Seconds after which a delete marker vanishes, so that start-up reads open records only."""


class FencedState:
    """Writes of one term of leadership. Any error ends the term: forget everything, compete again."""

    def __init__(self, store: BucketStore) -> None:
        self.store = store
        self._sequence = 0

    async def begin(self, key: str, value: bytes) -> int:
        """Writes the epoch, and fences off whoever led before. Returns its revision."""
        self._sequence = await self.store.put(key, value)
        return self._sequence

    async def put(self, key: str, value: bytes, *, ttl: int = 0) -> int:
        """Raises `StaleWrite`: another one leads. `BusUnreachable`: unknown whether it was written.

        `ttl`: whole seconds after which the key vanishes, which is no write; 0 keeps it.
        """
        self._sequence = await self.store.publish(key, value, self._fence(), ttl)
        return self._sequence

    async def delete(self, key: str) -> None:
        """As `put`, with a marker that vanishes."""
        headers = {**self._fence(), OPERATION: "DEL"}
        self._sequence = await self.store.publish(key, b"", headers, MARKER_TTL)

    def _fence(self) -> dict[str, str]:
        return {api.Header.EXPECTED_LAST_SEQUENCE.value: str(self._sequence)}
