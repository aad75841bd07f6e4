"""The metrics that plugins bring, asked on the primary in a session of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import structlog

from alterd_contracts.errors import AlterdError
from alterd_contracts.hookspecs import Metric
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.session import Session
from alterd_throttler.bounded import Bounded
from alterd_throttler.judge import Reading
from alterd_throttler.probe import NAME, SILENCE, why

log = structlog.get_logger(__name__)


class PluginMetrics:
    """Asks one plugin after the other; one that hangs leaves all of them without a value, nothing else."""

    def __init__(self, metrics: Sequence[Metric], credentials: Callable[[], Credentials]) -> None:
        self._metrics, self._credentials = tuple(metrics), credentials
        self._session: Session | None = None
        self._work: Bounded[list[Reading]] = Bounded(self._cut)

    async def measure(self, primary: ServerAddress) -> list[Reading]:
        """One reading for each metric, without a value where there was no answer in time."""
        if not self._metrics:
            return []
        try:
            return await self._work.run(lambda: self._ask_all(primary))
        except AlterdError as error:
            return [_unknown(metric, primary, why(error)) for metric in self._metrics]

    async def close(self) -> None:
        await self._work.close()
        await self._drop()

    async def _ask_all(self, primary: ServerAddress) -> list[Reading]:
        session = await self._open(primary)
        return [await _ask(metric, session) for metric in self._metrics]

    async def _open(self, primary: ServerAddress) -> Session:
        session = self._session
        if session is not None and session.is_open and session.address == primary:
            return session
        await self._drop()
        self._session = await Session.open(primary, self._credentials(), name=NAME, connect_timeout=SILENCE)
        return self._session

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _cut(self) -> None:
        if self._session is not None:
            self._session.blocking.abandon()


async def _ask(metric: Metric, session: Session) -> Reading:
    try:
        value = float(await metric.measure(session))
    except AlterdError as error:
        return _unknown(metric, session.address, why(error))
    except Exception as error:  # noqa: BLE001 - a foreign plugin may fail in any way
        log.warning("metric.failed", metric=metric.name, error=f"{type(error).__name__}: {error}")
        return _unknown(metric, session.address, f"the plugin failed with {type(error).__name__}")
    if math.isnan(value):
        return _unknown(metric, session.address, "the plugin's answer is not a number")
    return Reading(name=metric.name, server=str(session.address), value=value)


def _unknown(metric: Metric, server: ServerAddress, reason: str) -> Reading:
    return Reading(name=metric.name, server=str(server), value=None, why=reason)
