"""Answers who asks: over NATS if this instance holds the shard, over HTTP whoever holds it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import structlog

from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError, InvalidInput, NotFound, Unreachable
from alterd_contracts.hookspecs import Metric
from alterd_contracts.requests import Refusal, ThrottleCheck, Verdict
from alterd_contracts.subjects import THROTTLE_CHECK, throttler_lease
from alterd_runtime.bus import Bus
from alterd_runtime.settings import ThrottlerSettings
from alterd_throttler.directory import Directory
from alterd_throttler.rules import Rules
from alterd_throttler.watch import FIRST_ANSWER, Watch

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT = FIRST_ANSWER + 1.0
"""Seconds in which the holder of a shard answers."""

_replies: Reader[Verdict | Refusal] = Reader(Verdict | Refusal)


class Throttler:
    """The shards of one instance."""

    def __init__(
        self,
        bus: Bus,
        directory: Directory,
        settings: ThrottlerSettings,
        metrics: Sequence[Metric],
        instance: str,
        rules: Rules | None = None,
    ) -> None:
        self._bus, self._directory, self._settings = bus, directory, settings
        self._metrics, self._instance = metrics, instance
        self._rules = rules or Rules(bus, directory)
        self._watches: dict[tuple[str, str], Watch] = {}
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stopped = False

    async def check(self, request: ThrottleCheck) -> Verdict | None:
        """The verdict; None where another instance holds the shard and will answer.

        Raises `InvalidName`, `UnknownKeyspace`.
        """
        shard = await self._directory.find(request.keyspace, request.shard)
        key = request.keyspace, shard.name
        async with self._turns[key]:
            watch = self._watches.get(key)
            if watch is not None and watch.ending:
                await asyncio.wait({watch.task})
                watch = None
            if watch is None and not self._stopped:
                watch = await self._take(*key)
        return await watch.verdict() if watch else None

    async def ask(self, request: ThrottleCheck) -> Verdict:
        """The verdict of whichever instance holds the shard. Raises what `check` raises, and `ServiceUnreachable`."""
        verdict = await self.check(request)
        if verdict is not None:
            return verdict
        reply = await self._bus.ask(THROTTLE_CHECK, request, _replies, timeout=ANSWER_TIMEOUT)
        if isinstance(reply, Refusal):
            raise AlterdError.of(reply.errors[0])
        return reply

    async def respond(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """For tools that ask over HTTP: 200 go, 429 wait, 404 unknown, 400 malformed."""
        missing = [name for name in ("keyspace", "shard", "app") if not query.get(name)]
        try:
            if missing:
                raise InvalidInput(
                    f"the query lacks {', '.join(missing)}", hint="/throttle?keyspace=NAME&shard=NAME&app=NAME"
                )
            verdict = await self.ask(ThrottleCheck(keyspace=query["keyspace"], shard=query["shard"], app=query["app"]))
        except InvalidInput as error:
            return 400, {"error": msgspec.to_builtins(error.info())}
        except NotFound as error:
            return 404, {"error": msgspec.to_builtins(error.info())}
        except AlterdError as error:
            # nobody can say go: that means wait
            if not isinstance(error, Unreachable):
                log.warning("throttle.refused", code=error.code, error=error.message)
            return 429, {"go": False, "reason": error.message, "error": msgspec.to_builtins(error.info())}
        return (200 if verdict.go else 429), msgspec.to_builtins(verdict)

    async def stop(self) -> None:
        """Leaves all shards to others."""
        self._stopped = True
        await asyncio.gather(*(watch.stop() for watch in list(self._watches.values())))

    async def _take(self, keyspace: str, name: str) -> Watch | None:
        """The shard in our hands, if nobody else has it."""
        lease = self._bus.lease(throttler_lease(keyspace, name), self._instance.encode(), self._settings.lease_ttl)
        try:
            if not await lease.acquire():
                return None
        except Unreachable as error:
            log.warning("lease.not_reachable", keyspace=keyspace, shard=name, error=error.message)
            return None
        shard = self._directory.shard(keyspace, name)
        if shard is None:
            await lease.release()
            return None
        watch = Watch(
            keyspace,
            shard,
            bus=self._bus,
            lease=lease,
            directory=self._directory,
            settings=self._settings,
            metrics=self._metrics,
            throttler=self._instance,
            denied=partial(self._rules.denied, keyspace, name),
        )
        key = keyspace, name
        self._watches[key] = watch
        watch.task.add_done_callback(lambda _: self._left(key, watch))
        return watch

    def _left(self, key: tuple[str, str], watch: Watch) -> None:
        if self._watches.get(key) is watch:
            del self._watches[key]
