"""One pass: every row of both tables is compared, chunk by chunk, side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_vitess.checksum.apart import Ghosts
from alterd_vitess.checksum.comparing import Comparison
from alterd_vitess.checksum.parts import Part
from alterd_vitess.checksum.settling import Settling
from alterd_vitess.checksum.walking import Walk
from alterd_vitess.run import Run
from alterd_vitess.servo import next_size
from alterd_vitess.sessions import open_rows

APP = "checksum"
"""What the throttler knows it as."""


class Pass:
    """Compares what both tables have; what differs is settled before it returns."""

    def __init__(self, run: Run, comparison: Comparison, ghosts: Ghosts | None, settling: Settling) -> None:
        self._run, self._comparison, self._ghosts, self._settling = run, comparison, ghosts, settling
        self._size = min(run.settings.chunk_rows, comparison.most)
        self._began = time.monotonic()
        self.rows = 0
        """Of the source, compared so far."""
        self.chunks = 0
        self.differed = 0
        """Chunks in which something was different at first."""

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    async def to_the_end(self) -> None:
        """Raises `ChecksumMismatch`, `StatementFailed`."""
        run = self._run
        walk = Walk(run.mapping.key, run.statements.source)
        await self._side_by_side(walk, self._compare, self._comparison.most)
        if self._ghosts is not None:
            await self._side_by_side(Walk(self._ghosts.key, self._ghosts.table), self._look, self._ghosts.most)
        session = await self._open()
        try:
            await self._settling.settle(session)
        finally:
            await session.close()

    async def _side_by_side(
        self, walk: Walk, work: Callable[[Session, Part], Coroutine[None, None, int]], most: int
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._run.settings.copy_sessions):
                group.create_task(self._work(walk, work, most))

    async def _work(self, walk: Walk, work: Callable[[Session, Part], Coroutine[None, None, int]], most: int) -> None:
        run = self._run
        session = await self._open()
        try:
            while True:
                await run.task.throttle.wait(APP)
                part = await walk.next(session, self._size)
                if part is None:
                    return
                began = time.monotonic()
                rows = await _finished(work(session, part))
                failpoint("vitess.chunk_summed")
                took = time.monotonic() - began
                self._size = next_size(self._size, rows, took, wanted=run.settings.chunk_time, largest=most)
                self.chunks += 1
                if self._settling.crowded:
                    await self._settling.settle(session)
        except StatementFailed as error:
            error.where |= {"table": run.table}
            error.hint = error.hint or "a row does not fit the new table: correct it, then retry"
            raise
        finally:
            await session.close()

    async def _compare(self, session: Session, part: Part) -> int:
        found = await self._comparison.chunk(session, part)
        self.rows += found.rows
        if not found.same:
            self.differed += 1
            self._settling.differences.suspect(await self._comparison.suspects(session, part))
        return found.rows

    async def _look(self, session: Session, part: Part) -> int:
        assert self._ghosts is not None
        found = await self._ghosts.suspects(session, part)
        self._settling.differences.suspect(found)
        return self._size

    async def _open(self) -> Session:
        run = self._run
        session = await open_rows(run.task, run.zone, innodb_strict_mode=0)
        await self._comparison.prepare(session)
        return session


async def _finished(work: Coroutine[None, None, int]) -> int:
    """A chunk that was found different is never dropped: who cancels the pass waits until its keys are known."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
