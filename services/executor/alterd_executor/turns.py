"""Which turns of a run are told as facts: few, however fast it turns. Pure.

A wait for the throttler is told once it has lasted, its end once it stays away, and no more than one such pair in
`PAIR_EVERY` seconds; attempts to cut over are told when asked what is due, the latest with what was in its way.
"""

from __future__ import annotations

import math

import msgspec

LASTING = 2.0
"""Seconds for which a run must wait until that is told; the first verdict alone takes a moment."""
OVER = 2.0
"""Seconds without waiting after which a wait is over: between two chunks there is often a moment of go."""
PAIR_EVERY = 10.0
"""Seconds from one told beginning of a wait to the next, at least."""


class ThrottleTurn(msgspec.Struct, frozen=True, kw_only=True):
    """The run waits for the throttler, or no longer does."""

    throttled: bool
    component: str = ""
    reason: str = ""


class CutoverTurn(msgspec.Struct, frozen=True, kw_only=True):
    """The run tried to cut over."""

    attempts: int
    message: str = ""


Turn = ThrottleTurn | CutoverTurn


class Turns:
    """All times in seconds of one clock. `cutover_attempts`: how many are told already."""

    def __init__(self, *, cutover_attempts: int = 0) -> None:
        self._since = math.inf
        """When the wait began; infinite without one."""
        self._free_since = -math.inf
        """When the wait paused; infinite while it lasts."""
        self._component = self._reason = ""
        self._told = False
        self._told_at = -math.inf
        self._attempts = self._attempts_told = cutover_attempts
        self._message = ""

    def throttled(self, now: float, component: str, reason: str) -> None:
        """The run waits."""
        if self._over(now):
            self._since = now
        self._free_since = math.inf
        self._component, self._reason = component, reason

    def free(self, now: float) -> None:
        """The run does not wait."""
        self._free_since = min(self._free_since, now)

    def attempted(self, attempts: int, message: str) -> None:
        """The run has tried to cut over so many times; what it waits for now."""
        if attempts > self._attempts:
            self._attempts, self._message = attempts, ""
        self._message = message or self._message

    def due(self, now: float) -> list[Turn]:
        """What is to be told now; to be asked about once a second."""
        turns: list[Turn] = []
        if self._told and self._over(now):
            turns.append(self._end())
        waits = self._free_since == math.inf
        if not self._told and waits and now >= max(self._since + LASTING, self._told_at + PAIR_EVERY):
            self._told, self._told_at = True, now
            turns.append(ThrottleTurn(throttled=True, component=self._component, reason=self._reason))
        return turns + self._attempt()

    def last(self) -> list[Turn]:
        """What is to be told when the run has ended: it waits no more."""
        return [*([self._end()] if self._told else []), *self._attempt()]

    def _over(self, now: float) -> bool:
        return now >= self._free_since + OVER

    def _end(self) -> Turn:
        self._told = False
        return ThrottleTurn(throttled=False)

    def _attempt(self) -> list[Turn]:
        if self._attempts == self._attempts_told:
            return []
        self._attempts_told = self._attempts
        return [CutoverTurn(attempts=self._attempts, message=self._message)]
