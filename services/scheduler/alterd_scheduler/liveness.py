"""Which executors live, by one monotonic clock: the leader's own.

Dead is who was silent for his whole TTL while NATS answered all the time. Any doubt (an outage, a pause of this
process, a new term) starts everybody's TTL anew: two wall clocks are never compared.
"""

from __future__ import annotations

import msgspec

from alterd_contracts.work import ExecutorInfo

PAUSED = 3.0
"""Seconds between two ticks from which on this process counts as having been paused."""


class _Sign(msgspec.Struct):
    incarnation: str
    deadline: float
    info: ExecutorInfo | None = None


class Liveness:
    """Signs of life. Times are monotonic seconds."""

    def __init__(self, default_ttl: float, now: float) -> None:
        self._default_ttl = default_ttl
        self._begun = now
        self._last_tick = now
        self._signs: dict[str, _Sign] = {}

    def seen(self, info: ExecutorInfo, now: float) -> None:
        """An executor renewed its lease."""
        self._signs[info.executor] = _Sign(info.incarnation, now + info.lease_ttl, info)

    def granted(self, executor: str, incarnation: str, now: float) -> None:
        """An executor asked for an attempt: a sign of life before its first renewal was heard."""
        sign = self._signs.get(executor)
        if sign is None or sign.incarnation != incarnation:
            self._signs[executor] = _Sign(incarnation, now + self._default_ttl)

    def gone(self, executor: str) -> None:
        """An executor took its leave."""
        self._signs.pop(executor, None)

    def tick(self, now: float, *, connected: bool) -> None:
        """To be called several times within a TTL. An outage or a pause gives everybody a whole TTL again."""
        if not connected or now - self._last_tick > PAUSED:
            self._begun = now
            for sign in self._signs.values():
                ttl = sign.info.lease_ttl if sign.info else self._default_ttl
                sign.deadline = now + ttl
        self._last_tick = now

    def alive(self, executor: str, incarnation: str, now: float) -> bool:
        """False only for who is certainly silent, or was replaced by a new process of the same name."""
        sign = self._signs.get(executor)
        if sign is None:
            return now < self._begun + self._default_ttl
        return sign.incarnation == incarnation and now < sign.deadline

    def offered(self, now: float) -> frozenset[str]:
        """Strategies that some living executor offers."""
        return frozenset(
            name
            for sign in self._signs.values()
            if sign.info is not None and now < sign.deadline
            for declared in sign.info.strategies
            for name in (declared.strategy, *declared.aliases)
        )
