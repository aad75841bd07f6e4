"""How far behind the run is, its checkpoints, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from alterd_contracts.errors import ShardUnreachable
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.errors import ReadOnlyServer
from alterd_vitess.gtid import GtidSet
from alterd_vitess.memory import write_checkpoint
from alterd_vitess.run import Run
from alterd_vitess.sessions import open_rows

if TYPE_CHECKING:
    from alterd_vitess.checksum.checks import Far

LOOK_EVERY = 0.25
"""Seconds between two looks at what the primary has executed."""
SILENCE = 30.0
"""Seconds without an answer after which the attempt is given back: a primary that hangs keeps its connections."""
TELL_EVERY = 0.5
"""Seconds between two words about the progress."""


class Lag:
    """Seconds between a transaction's execution and its place in the shadow, by this process's monotonic clock.

    It asks all the time, so it is the one that sees when the primary is the primary no more.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._samples: deque[tuple[float, GtidSet]] = deque()

    async def forever(self) -> None:
        run = self._run
        session = await open_rows(run.task, run.zone)
        try:
            while True:
                await self.look(session)
                await asyncio.sleep(LOOK_EVERY)
        finally:
            await session.close()

    async def look(self, session: Session) -> None:
        """One sample, and what it says. Raises `ReadOnlyServer`, `ShardUnreachable`."""
        run = self._run
        before = time.monotonic()
        self._samples.append((before, await self._executed(session)))
        applied = run.positions.settled(run.touched.unapplied_since())
        while self._samples and applied.contains(self._samples[0][1]):
            self._samples.popleft()
        run.lag = time.monotonic() - self._samples[0][0] if self._samples else 0.0
        run.bell.ring()

    async def _executed(self, session: Session) -> GtidSet:
        server = f"{self._run.task.login().host}:{self._run.task.login().port}"
        try:
            async with asyncio.timeout(SILENCE):
                [row] = await session.query("SELECT @@global.gtid_executed AS executed, @@global.read_only AS demoted")
        except TimeoutError as error:
            raise ShardUnreachable(f"{server} has not answered for {SILENCE:g} s", server=server) from error
        if row["demoted"]:
            raise ReadOnlyServer(f"{server} is read only: it is not the primary any more", server=server)
        return GtidSet.parse(str(row["executed"]))


class Checkpoints:
    """Up to where the change stream need not be read again by the next attempt."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._written = ""

    async def forever(self) -> None:
        run = self._run
        session = await open_rows(run.task, run.zone)
        try:
            while True:
                await asyncio.sleep(run.settings.checkpoint_interval)
                await self.write(session)
        finally:
            await session.close()

    async def write(self, session: Session) -> None:
        run = self._run
        applied = str(run.positions.applied(run.touched.unapplied_since()))
        if applied != self._written:
            async with run.task.fenced(session):
                await write_checkpoint(session, run.record, applied)
            self._written = applied
            failpoint("vitess.checkpoint_written")


class Telling:
    """Progress, for whoever looks."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._began, self._rows = time.monotonic(), run.rows_copied

    async def forever(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(TELL_EVERY)

    def tell(self) -> None:
        """What is known now."""
        run = self._run
        if (far := run.checks.far) is not None:
            self._tell_checksum(far)
            return
        finished = run.copy.finished
        rows = max(run.plan.table_rows, run.rows_copied) if not finished else run.rows_copied
        share = run.rows_copied / rows if rows else 1.0
        run.task.progress(
            rows_copied=run.rows_copied,
            table_rows=rows,
            percent=100.0 if finished else min(99.0, 100.0 * share),
            eta_seconds=0 if finished else self._eta(rows - run.rows_copied),
            lag_seconds=run.lag,
            stage=run.stage,
            cutover_attempts=run.cutover_attempts,
            keys_waiting=len(run.touched),
            message=run.message,
            rows_repaired=run.checks.repaired,
        )

    def _tell_checksum(self, far: Far) -> None:
        """The copy's rows stay what they are; the share and the rest are those of the comparison."""
        run = self._run
        rows = run.rows_copied
        compared = min(far.rows, rows)
        share = compared / rows if rows else 0.0
        run.task.progress(
            rows_copied=rows,
            table_rows=rows,
            percent=min(99.0, 100.0 * share),
            eta_seconds=round((rows - compared) * far.seconds / compared) if compared else -1,
            lag_seconds=run.lag,
            stage=run.stage,
            cutover_attempts=run.cutover_attempts,
            keys_waiting=len(run.touched),
            message=f"{far.rows} rows compared",
            rows_repaired=run.checks.repaired,
        )

    def _eta(self, left: int) -> int:
        """Seconds at the rate of this attempt so far; -1 before anything is known."""
        done, took = self._run.rows_copied - self._rows, time.monotonic() - self._began
        return round(left * took / done) if done > 0 else -1
