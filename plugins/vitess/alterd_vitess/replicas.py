"""How far the shard's replicas are behind, by GTIDs and this process's monotonic clock: no two clocks are compared."""

from __future__ import annotations

import time
from collections import deque

import msgspec

from alterd_contracts.errors import AlterdError
from alterd_contracts.strategy import Session, Task
from alterd_vitess.gtid import GtidSet

SAMPLES = 240
"""What the primary had executed is remembered that often."""
REOPEN = 60.0
"""Seconds after which a replica that did not answer is tried again."""


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """A replica of which nobody knows that it is near enough."""

    replica: str
    seconds: float
    """At least."""

    @property
    def words(self) -> str:
        return f"replica {self.replica} is more than {self.seconds:.1f} s behind"


class Samples:
    """What the primary had executed, and when that was seen. Pure."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, GtidSet]] = deque(maxlen=SAMPLES)

    def take(self, now: float, executed: GtidSet) -> None:
        self._taken.append((now, executed))

    def behind(self, now: float, has: GtidSet, allowed: float) -> float | None:
        """None where `has` holds all that was executed `allowed` seconds ago; else for how long it is known not to."""
        for taken, executed in reversed(self._taken):
            if has.contains(executed):
                return None if now - taken <= allowed else now - taken
        return now - self._taken[0][0] if self._taken else 0.0


class Replicas:
    """The replicas of one run's shard. One that does not answer holds nothing up: the log says so."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._samples = Samples()
        self._sessions: dict[str, Session] = {}
        self._opened = 0.0
        self._whole = False

    async def behind(self, primary: Session, allowed: float) -> list[Behind]:
        """Those that may be more than `allowed` seconds behind."""
        await self._open()
        if not self._sessions:
            return []
        before = time.monotonic()
        self._samples.take(before, GtidSet.parse(str(await primary.value("SELECT @@global.gtid_executed"))))
        found: list[Behind] = []
        for name, session in list(self._sessions.items()):
            try:
                has = GtidSet.parse(str(await session.value("SELECT @@global.gtid_executed")))
            except AlterdError as error:
                self._task.log.warning(f"the replica {name} does not answer, the swap will not wait for it: {error}")
                self._whole = False
                del self._sessions[name]
                await session.close()
                continue
            seconds = self._samples.behind(time.monotonic(), has, allowed)
            if seconds is not None:
                found.append(Behind(replica=name, seconds=seconds))
        return found

    async def _open(self) -> None:
        """At first, and from time to time while one of them is missing."""
        if self._whole or (self._opened and time.monotonic() - self._opened < REOPEN):
            return
        for session in self._sessions.values():
            await session.close()
        self._sessions = await self._task.replicas()
        self._opened, self._whole = time.monotonic(), True
