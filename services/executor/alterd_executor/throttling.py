"""Verdicts of the throttler for the runs of this executor: asked for only while a run wants to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Refusal, ThrottleCheck, Verdict
from alterd_executor.protocol import VerdictNow
from alterd_executor.throttle import NO_VERDICT, PAUSED, denied
from alterd_runtime.bus import Bus

log = structlog.get_logger(__name__)

ASK_EVERY = 1.0
"""Seconds between two questions."""
WANTED_FOR = 15.0
"""Seconds after the last sign of interest in a shard after which nothing is asked about it."""

Place = tuple[str, str]
Hear = Callable[[VerdictNow], None]

_reader: Reader[Verdict | Refusal] = Reader(Verdict | Refusal)
_broadcasts: Reader[Verdict] = Reader(Verdict)


class Throttling:
    """What the throttler says of the shards that somebody here wants to write to."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._known: dict[Place, tuple[Verdict, float]] = {}
        self._wanted: dict[Place, float] = {}
        self._apps: dict[Place, str] = {}
        self._paused: dict[tuple[str, str, str], int] = {}
        """The attempt by keyspace, shard and migration."""
        self._hearers: dict[Place, set[Hear]] = {}
        self._asking: dict[Place, asyncio.Task[None]] = {}

    def want(self, keyspace: str, shard: str, app: str) -> None:
        """From now on for a while verdicts about this shard are of use."""
        place = keyspace, shard
        self._wanted[place] = time.monotonic() + WANTED_FOR
        self._apps[place] = app
        if place not in self._asking:
            self._asking[place] = asyncio.create_task(self._ask(place))

    def hear(self, keyspace: str, shard: str, hear: Hear) -> Callable[[], None]:
        """Calls `hear` with each verdict; returns how to stop."""
        place = keyspace, shard
        self._hearers.setdefault(place, set()).add(hear)
        return lambda: self._hearers[place].discard(hear)

    def pause(self, record: Migration, paused: bool) -> None:
        """A paused migration's tools get no go; on other shards the same one may go on.

        What an older attempt says is none of a later one's affair.
        """
        key = record.keyspace, record.shard, record.migration_uuid
        if self._paused.get(key, 0) > record.attempt:
            return
        if paused:
            self._paused[key] = record.attempt
        else:
            self._paused.pop(key, None)

    def now(self, keyspace: str, shard: str) -> VerdictNow:
        """The verdict that holds; without one: wait. Safe in any thread."""
        verdict, until = self._known.get((keyspace, shard), (None, 0.0))
        left = until - time.monotonic()
        if verdict is None or left <= 0:
            return VerdictNow(go=False, reason=NO_VERDICT, valid_seconds=0.0)
        return VerdictNow(go=verdict.go, reason=verdict.reason, valid_seconds=left, denied=verdict.denied)

    def respond(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """``/throttle?keyspace=&shard=&app=``: 200 go, 429 wait. Called in a thread of the HTTP server."""
        keyspace, shard = query.get("keyspace", ""), query.get("shard", "")
        if not keyspace or not shard:
            return 400, {"error": "keyspace and shard are missing"}
        app = query.get("app", "")
        self._loop.call_soon_threadsafe(self.want, keyspace, shard, app)
        verdict = self.now(keyspace, shard)
        reason = verdict.reason if not verdict.go else denied(verdict.denied, app)
        if any((keyspace, shard, part) in self._paused for part in app.split(":")):
            reason = PAUSED
        return (429 if reason or not verdict.go else 200), {"go": verdict.go and not reason, "reason": reason}

    async def close(self) -> None:
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, place: Place) -> None:
        """Asks, and listens to what others are told, until nobody wants to know any more."""
        keyspace, shard = place

        async def on_broadcast(_subject: str, payload: bytes) -> None:
            try:
                self._heard(place, _broadcasts.read(payload))
            except msgspec.DecodeError as error:
                log.warning("throttle.unreadable", keyspace=keyspace, shard=shard, error=str(error))

        stop = None
        try:
            while time.monotonic() < self._wanted[place]:
                try:
                    if stop is None:
                        stop = await self._bus.listen(subjects.throttle(keyspace, shard), on_broadcast)
                    question = ThrottleCheck(keyspace=keyspace, shard=shard, app=self._apps[place])
                    answer = await self._bus.ask(subjects.THROTTLE_CHECK, question, _reader, timeout=ASK_EVERY)
                    if isinstance(answer, Verdict):
                        self._heard(place, answer)
                except (AlterdError, msgspec.DecodeError) as error:
                    log.debug("throttle.no_answer", keyspace=keyspace, shard=shard, error=str(error))
                await asyncio.sleep(ASK_EVERY)
        finally:
            del self._asking[place]
            if stop is not None:
                await stop()

    def _heard(self, place: Place, verdict: Verdict) -> None:
        if (verdict.keyspace, verdict.shard) != place:
            return
        self._known[place] = verdict, time.monotonic() + verdict.valid_seconds
        for hear in list(self._hearers.get(place, ())):
            hear(
                VerdictNow(
                    go=verdict.go, reason=verdict.reason, valid_seconds=verdict.valid_seconds, denied=verdict.denied
                )
            )
