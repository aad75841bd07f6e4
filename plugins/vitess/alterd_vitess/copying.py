"""The copy: key ranges by `INSERT … SELECT`, side by side, each with its record in one fenced transaction."""

from __future__ import annotations

import asyncio
import time

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_vitess.applying import Applying
from alterd_vitess.memory import write_chunk
from alterd_vitess.ranges import Range
from alterd_vitess.run import Run
from alterd_vitess.servo import next_size
from alterd_vitess.sessions import AGAIN, DUPLICATE_ENTRY, errno, one_row, open_rows
from alterd_vitess.unfit import in_chunk

APP = "vcopier"
"""What the throttler knows the copy as; Vitess's name."""
TOGETHER = 2
"""Chunks side by side where copy and apply take turns."""
PATIENCE = 100
"""Times a chunk is tried again after a deadlock or a lock wait."""
PAUSE = 0.01
"""Seconds before that, growing to a second."""


class Copying:
    """Copies what the plan has pending."""

    def __init__(self, run: Run, applying: Applying) -> None:
        self._run, self._applying = run, applying
        self._cutting = asyncio.Lock()
        self._size = run.settings.chunk_rows

    async def to_the_end(self) -> None:
        """Returns when every chunk is committed. Raises `StatementFailed`, `DuplicateRows`."""
        run = self._run
        if not run.mapping.key.ordered:
            await self._in_turns()
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(run.settings.copy_sessions):
                group.create_task(self._work())

    async def _work(self) -> None:
        run = self._run
        session = await open_rows(run.task, run.zone)
        try:
            while run.copy.pending:
                await run.task.throttle.wait(APP)
                chunk = await self._cut(session)
                if chunk is not None:
                    await self._copy(session, chunk)
        finally:
            await session.close()

    async def _in_turns(self) -> None:
        """Some chunks, then the apply's turn: keys that cannot be compared."""
        run = self._run
        sessions = [await open_rows(run.task, run.zone) for _ in range(min(run.settings.copy_sessions, TOGETHER))]
        try:
            while run.copy.pending:
                await run.task.throttle.wait(APP)
                async with run.turn, asyncio.TaskGroup() as group:
                    # one alone while an earlier attempt's gap is filled: one gap is what a later attempt can tell
                    for session in sessions if len(run.copy.pending) == 1 else sessions[:1]:
                        chunk = await self._cut(session)
                        if chunk is not None:
                            group.create_task(self._copy(session, chunk))
        finally:
            for session in sessions:
                await session.close()

    async def _cut(self, session: Session) -> Range | None:
        """The next chunk, under way from now on; None where another session took the last one."""
        run = self._run
        async with self._cutting:
            if not run.copy.pending:
                return None
            first = run.copy.pending[0]
            last = await one_row(session, run.statements.boundary(first, self._size))
            high = first.high if last is None else run.mapping.key.of_row(last)
            # registered before its statement is sent: what is touched from here on is held
            return run.copy.dispatch(high)

    async def _copy(self, session: Session, chunk: Range) -> None:
        run = self._run
        pause = PAUSE
        for tries in range(PATIENCE + 1):
            began = time.monotonic()
            try:
                rows = await self._once(session, chunk)
                break
            except StatementFailed as error:
                if errno(error) not in AGAIN or tries == PATIENCE:
                    raise await in_chunk(run, session, error, chunk) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)
        took = time.monotonic() - began
        run.rows_copied += rows
        run.touched.landed(chunk)
        run.bell.ring()
        wanted, largest = run.settings.chunk_time, run.settings.max_chunk_rows
        self._size = next_size(self._size, rows, took, wanted=wanted, largest=largest)

    async def _once(self, session: Session, chunk: Range) -> int:
        run = self._run
        try:
            async with run.task.fenced(session):
                rows = await session.execute(run.statements.insert((), chunk))
                await write_chunk(session, run.record, chunk, rows)
                failpoint("vitess.chunk_copied")
        except StatementFailed as error:
            if errno(error) != DUPLICATE_ENTRY:
                raise
            rows = await self._applying.copy_through(chunk)
        failpoint("vitess.chunk_committed")
        return rows
