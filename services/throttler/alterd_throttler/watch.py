"""Keeps one shard measured for as long as somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from alterd_contracts.errors import AlterdError, BusUnreachable
from alterd_contracts.hookspecs import Metric
from alterd_contracts.requests import Verdict
from alterd_contracts.subjects import throttle
from alterd_contracts.topology import Shard
from alterd_runtime.bus import Bus, Lease
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import LAG_SECONDS, THROTTLED
from alterd_runtime.settings import ThrottlerSettings
from alterd_throttler.directory import Directory
from alterd_throttler.judge import LAG, THREADS_RUNNING, Measurements, judge
from alterd_throttler.meter import Meter

log = structlog.get_logger(__name__)

FIRST_ANSWER = 2.0
"""Seconds for which the first question of an idle shard waits until everything is known."""
FIRST_INTERVAL = 0.05
"""Seconds between measurements until then."""


class Watch:
    """One shard while its lease is ours: a task that measures and broadcasts, and the last verdict."""

    def __init__(
        self,
        keyspace: str,
        shard: Shard,
        *,
        bus: Bus,
        lease: Lease,
        directory: Directory,
        settings: ThrottlerSettings,
        metrics: Sequence[Metric],
        throttler: str,
        denied: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._keyspace, self._shard = keyspace, shard
        self._bus, self._lease, self._directory = bus, lease, directory
        self._settings, self._metrics, self._throttler = settings, metrics, throttler
        self._denied = denied
        self._thresholds = thresholds(settings, metrics)
        self._valid = max(1.0, 4 * settings.interval)
        self._last: Verdict | None = None
        self._decided_at = self._asked_at = self._begun_at = time.monotonic()
        self._settled = asyncio.Event()
        self._lagging: set[str] = set()
        self._log = log.bind(keyspace=keyspace, shard=shard.name)
        self.ending = False
        self.task = asyncio.create_task(self._run(), name=f"watch {keyspace}.{shard.name}")

    async def verdict(self) -> Verdict:
        """The last verdict, valid for what is left of its time; the first one is waited for."""
        self._asked_at = time.monotonic()
        if not self._settled.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_ANSWER):
                    await self._settled.wait()
        age = time.monotonic() - self._decided_at
        if self._last is None:
            return self._verdict(go=False, reason="not measured yet", metrics={})
        if age >= self._valid:
            return self._verdict(go=False, reason=f"not measured for {age:.1f} s", metrics=self._last.metrics)
        return msgspec.structs.replace(self._last, valid_seconds=self._valid - age, denied=self._denied())

    async def stop(self) -> None:
        """Ends at once, and gives the lease up."""
        self.task.cancel()
        await asyncio.wait({self.task})

    async def _run(self) -> None:
        self._log.info("shard.watched")
        renewing, measuring = asyncio.create_task(self._renew()), asyncio.create_task(self._measure())
        try:
            done, _ = await asyncio.wait({renewing, measuring}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except AlterdError as error:
            self._log.warning("shard.given_up", code=error.code, error=error.message)
        except Exception:  # noqa: BLE001 - one shard must not end the others; the next question begins again
            self._log.exception("shard.given_up")
        finally:
            self.ending = True
            renewing.cancel()
            measuring.cancel()
            await asyncio.gather(renewing, measuring, return_exceptions=True)
            self._forget()
            with contextlib.suppress(AlterdError):  # an unreleased lease ends by its TTL; a lost one is not ours
                await self._lease.release()
            self._log.info("shard.left")

    async def _renew(self) -> None:
        """Until the lease is lost; an outage shorter than its TTL changes nothing. Raises `LeaseLost`."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._lease.ttl / 3)
            try:
                await self._lease.renew()
                renewed = time.monotonic()
            except BusUnreachable:
                if time.monotonic() - renewed > self._lease.ttl:
                    raise

    async def _measure(self) -> None:
        """Until nobody asks any more, or the shard is gone from the topology."""
        meter = Meter(self._keyspace, self._shard, self._metrics, self._throttler)
        try:
            while time.monotonic() - self._asked_at < self._settings.idle_after:
                shard = self._directory.shard(self._keyspace, self._shard.name)
                if shard is None:
                    return
                if shard != meter.shard:
                    await meter.close()
                    meter = Meter(self._keyspace, shard, self._metrics, self._throttler)
                begun = time.monotonic()
                await self._decide(await meter.measure())
                interval = self._settings.interval if self._settled.is_set() else FIRST_INTERVAL
                await asyncio.sleep(max(0.0, begun + interval - time.monotonic()))
        finally:
            await meter.close()

    async def _decide(self, measurements: Measurements) -> None:
        try:
            failpoint("throttler.measured")
            decision = judge(measurements, self._thresholds)
            before = self._last
            self._last = self._verdict(go=decision.go, reason=decision.reason, metrics=measurements.worst())
            self._decided_at = time.monotonic()
            if decision.go or self._decided_at - self._begun_at > FIRST_ANSWER or complete(measurements):
                self._settled.set()
            self._show(measurements, decision.go)
            if before is None or before.go != decision.go:
                self._log.info("verdict.changed", go=decision.go, reason=decision.reason)
            if self._bus.connected:  # never kept for later: a verdict is believed from its receipt on
                await self._bus.tell(throttle(self._keyspace, self._shard.name), self._last)
        except AlterdError as error:
            self._log.warning("verdict.not_told", code=error.code, error=error.message)

    def _verdict(self, *, go: bool, reason: str, metrics: dict[str, float]) -> Verdict:
        return Verdict(
            keyspace=self._keyspace,
            shard=self._shard.name,
            go=go,
            reason=reason,
            metrics=metrics,
            thresholds=dict(self._thresholds),
            valid_seconds=self._valid,
            throttler=self._throttler,
            denied=self._denied(),
        )

    def _show(self, measurements: Measurements, go: bool) -> None:
        THROTTLED.labels(self._keyspace, self._shard.name).set(0 if go else 1)
        lags = {r.server: r.value for r in measurements.readings if r.name == LAG and r.value is not None}
        for server in self._lagging - lags.keys():
            LAG_SECONDS.remove(self._keyspace, self._shard.name, server)
        for server, lag in lags.items():
            LAG_SECONDS.labels(self._keyspace, self._shard.name, server).set(lag)
        self._lagging = set(lags)

    def _forget(self) -> None:
        for server in self._lagging:
            LAG_SECONDS.remove(self._keyspace, self._shard.name, server)
        self._lagging = set()
        if self._last is not None:
            THROTTLED.remove(self._keyspace, self._shard.name)


def thresholds(settings: ThrottlerSettings, metrics: Sequence[Metric]) -> Mapping[str, float]:
    """By metric's name. alterd's own cannot be loosened by a plugin of that name."""
    own = {LAG: settings.max_lag, THREADS_RUNNING: float(settings.max_threads_running)}
    return {metric.name: metric.threshold for metric in metrics} | own


def complete(measurements: Measurements) -> bool:
    """Everything that was to be measured is known, good or bad."""
    return not measurements.trouble and all(reading.value is not None for reading in measurements.readings)
