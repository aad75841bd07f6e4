"""The forced cut-over: who stands in the way is ended, and it is told who that was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from alterd_contracts.errors import StatementFailed
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session, Task
from alterd_runtime.mysql.sidecar import CUTOVERS
from alterd_vitess.blockers import Blocker, End, Place, blockers
from alterd_vitess.flags import AT_ONCE, Asked
from alterd_vitess.memory import whose
from alterd_vitess.sessions import errno

UNKNOWN_THREAD = 1094
GRACE = 0.1
"""Seconds for which those that hold the table are left alone once they hold up the lock itself."""
NO_SNAPSHOT = 1e9
"""Seconds: older than any."""
LOOK_AGAIN = 0.05
"""Seconds between two looks while the lock is waited for."""


class Forced(Protocol):
    """What wants its way."""

    @property
    def task(self) -> Task: ...
    @property
    def record(self) -> Migration: ...


class Forcing:
    """Ends blockers of one run. `session` looks and kills."""

    def __init__(self, run: Forced, session: Session) -> None:
        self._run, self._session = run, session
        self.places: list[Place] = []
        """The tables that are to be locked."""
        self._asked = Asked.of(run.record)
        self._due_since: float | None = None
        self.ended: set[int] = set()
        """Connections that were killed, or whose statements were."""

    async def look(self, since_copied: float, **limits: float) -> list[Blocker]:
        return await blockers(self._session, self.places, since_copied, **limits)

    async def wanted(self) -> bool:
        """Whether the cut-over, which is due, is to be forced."""
        return self._asked.forced(self._run.task.wanted, await self._due_for())

    async def patience(self) -> float | None:
        """Seconds until it will be forced; None for never."""
        after = self._asked.force_after
        return max(0.0, after - await self._due_for()) if after else None

    async def end(self, found: Sequence[Blocker]) -> list[Blocker]:
        """Ends them all, or nobody where one must not be ended: those that are left in the way."""
        kept = [each for each in found if each.end is End.NOTHING]
        if kept:
            return kept
        return [each for each in found if not await self._end(each)]

    async def beside_the_lock(self, stop: asyncio.Event) -> None:
        """While the locks are waited for nobody new gets the table: those who have it are ended, until `stop`."""
        await asyncio.sleep(GRACE)
        while not stop.is_set():
            for each in await self.look(NO_SNAPSHOT, older=0.0):
                if each.end is not End.NOTHING and not stop.is_set():
                    await self._end(each)
            await asyncio.sleep(LOOK_AGAIN)

    async def _end(self, blocker: Blocker) -> bool:
        log = self._run.task.log
        try:
            await self._session.execute(f"{blocker.end} {blocker.id}")
        except StatementFailed as error:
            if errno(error) != UNKNOWN_THREAD:
                log.warning(f"{blocker.words}: it could not be killed: {error.message}")
                return False
        else:
            if blocker.id not in self.ended:
                what = "the statement" if blocker.end is End.STATEMENT else "the session"
                log.warning(f"the cut-over is forced: killed {what} of what was in its way: {blocker.words}")
            self.ended.add(blocker.id)
        return True

    async def _due_for(self) -> float:
        """Seconds since a cut-over of this try was due first, whatever attempt that was: the server remembers."""
        if self._asked.force_after <= AT_ONCE:
            return 0.0
        if self._due_since is None:
            self._due_since = time.monotonic() - await _remembered(self._run, self._session)
        return time.monotonic() - self._due_since


async def _remembered(run: Forced, session: Session) -> float:
    """Seconds since the try's cut-over was due first, by the server's clock; from now on, unless it is known."""
    keys = "`keyspace`, `shard`, `migration_uuid`, `first_attempt`"
    mine = "`keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s AND `first_attempt` = %s"
    async with run.task.fenced(session):
        ago = await session.value(
            f"SELECT TIMESTAMPDIFF(MICROSECOND, `first_due_at`, UTC_TIMESTAMP(6)) FROM {CUTOVERS} WHERE {mine}",
            whose(run.record),
        )
        if ago is None:
            await session.execute(
                f"INSERT INTO {CUTOVERS} ({keys}, `first_due_at`) VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6))",
                whose(run.record),
            )
    return max(0, int(ago or 0)) / 1e6
