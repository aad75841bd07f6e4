"""Signs of life of a run, by the executor's monotonic clock. Pure."""

from __future__ import annotations

from enum import Enum, auto

PAUSED = 5.0
"""Seconds between two looks from which on this process itself was paused: then nobody is blamed."""


class Pulse(Enum):
    """What the signs say."""

    WELL = auto()
    WARN = auto()
    """No sign for long; said once for each silence."""
    DEAD = auto()


class Signs:
    """Judges a silence. All times in seconds."""

    def __init__(self, now: float, *, warn: float, fail: float) -> None:
        self._last = self._looked = now
        self._warn, self._fail = warn, fail
        self._warned = False

    def seen(self, now: float) -> None:
        self._last = now
        self._warned = False

    def silence(self, now: float) -> float:
        return now - self._last

    def judge(self, now: float) -> Pulse:
        """To be asked about once a second."""
        if now - self._looked > PAUSED:
            self.seen(now)
        self._looked = now
        if self.silence(now) >= self._fail:
            return Pulse.DEAD
        if self.silence(now) >= self._warn and not self._warned:
            self._warned = True
            return Pulse.WARN
        return Pulse.WELL
