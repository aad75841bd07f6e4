"""When the tables are compared, and what the cut-over asks.

A swap needs one complete pass after the copy in which nothing had to be repaired, in the same attempt. From then on
each change is applied by the engine's rules, so a pass does not age; while the cut-over waits it is repeated all the
same, for what no rule covers (somebody writes to the shadow). An attempt that goes on where another one died compares
anew: it may be on another server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.tables import Index, Table, read_table
from alterd_vitess.applying import Applying
from alterd_vitess.checksum.apart import Apart, Ghosts
from alterd_vitess.checksum.comparing import Alike, Comparison
from alterd_vitess.checksum.passing import Pass
from alterd_vitess.checksum.settling import Settling
from alterd_vitess.checksum.sums import sums_of
from alterd_vitess.errors import ChecksumMismatch, TableChanged
from alterd_vitess.following import Following
from alterd_vitess.run import Run
from alterd_vitess.sessions import open_rows

PASSES = 3
"""In a row in which something had to be repaired."""
SHARE = 10
"""A repetition waits at least so many times as long as the last one took."""


class Far(msgspec.Struct, frozen=True, kw_only=True):
    """How far a pass is."""

    rows: int
    seconds: float


class Checks:
    """The checksum of one attempt."""

    def __init__(self, run: Run, following: Following, applying: Applying) -> None:
        self._run, self._following, self._applying = run, following, applying
        self._settling: Settling | None = None
        self._comparison: Comparison | None = None
        self._ghosts: Ghosts | None = None
        self._now: Pass | None = None
        self._done = asyncio.Event()
        self._gate = asyncio.Lock()
        self._repeating: asyncio.Task[None] | None = None
        self._last = 0.0
        """Seconds of the last pass."""
        self._told = "not compared, as the checksum is switched off"

    @property
    def far(self) -> Far | None:
        """How far the pass before the cut-over is; None where there is none."""
        now = self._now
        return None if now is None or self._done.is_set() else Far(rows=now.rows, seconds=now.seconds)

    @property
    def repaired(self) -> int:
        """Rows that differed and were written anew."""
        return len(self._settling.differences.repaired) if self._settling is not None else 0

    @property
    def told(self) -> str:
        """What was compared, at which cost, and what was repaired."""
        repaired = self._settling.told if self._settling is not None else ""
        return f"{self._told}; {repaired}" if repaired else self._told

    async def complete(self, copying: float) -> None:
        """Compares everything. `copying`: seconds that the copy took, 0 where it was not made by this attempt alone.

        Raises `ChecksumMismatch`, `StatementFailed`.
        """
        run = self._run
        if not run.settings.checksum:
            run.task.log.warning("the checksum is switched off: nobody has compared the new table with the table")
            self._done.set()
            return
        self._settling = await self._prepared()
        repaired = self._settling.differences.repaired
        for _ in range(PASSES):
            before = len(repaired)
            one = await self._pass(self._settling)
            if len(repaired) == before:
                break
            run.task.log.warning("a pass of the checksum had to repair rows: the tables are compared again")
        else:
            raise ChecksumMismatch(
                f"rows of {run.table} differed in the new table in each of {PASSES} passes, other ones each time",
                hint="look who writes to the new table, then retry: it starts over",
                table=run.table,
            )
        self._told = f"{one.rows} rows compared in {one.seconds:.1f} s{_share(one.seconds, copying)}"
        left = len(self._settling.differences.open)
        later = f"; {left} rows that never rest are compared under the lock" if left else ""
        under_way = f"{one.differed} of {one.chunks} chunks had changes under way"
        run.task.log.info(f"checksum: {self._told}; {under_way}{later}")
        self._last = one.seconds
        self._done.set()
        failpoint("vitess.checksummed")

    async def forever(self) -> None:
        """Repeats the comparison while the cut-over waits. Raises `ChecksumMismatch`, `StatementFailed`."""
        await self._done.wait()
        while self._settling is not None:
            await asyncio.sleep(max(self._run.settings.checksum_interval, SHARE * self._last))
            async with self._gate:
                self._repeating = asyncio.create_task(self._repeat(self._settling))
            try:
                await asyncio.wait({self._repeating})
                if not self._repeating.cancelled():
                    self._repeating.result()
            finally:
                await self._stop()

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No comparison is under way within the block, and what is known to differ is repaired before it.

        Raises `ChecksumMismatch`.
        """
        async with self._gate:
            await self._stop()
            if self._settling is not None and not self._settling.may_rest:
                session = await open_rows(self._run.task, self._run.zone, innodb_strict_mode=0)
                try:
                    assert self._comparison is not None
                    await self._comparison.prepare(session)
                    await self._settling.settle(session)
                finally:
                    await session.close()
            yield

    async def under_lock(self, session: Session) -> str:
        """Compares the keys that never rested, all being drained: what speaks against the swap; empty for nothing."""
        return await self._settling.at_rest(session) if self._settling is not None else ""

    async def _pass(self, settling: Settling) -> Pass:
        assert self._comparison is not None
        self._now = one = Pass(self._run, self._comparison, self._ghosts, settling)
        await one.to_the_end()
        return one

    async def _repeat(self, settling: Settling) -> None:
        one = await self._pass(settling)
        self._last = one.seconds
        self._run.task.log.info(f"checksum, while the cut-over waits: {one.rows} rows compared in {one.seconds:.1f} s")

    async def _stop(self) -> None:
        if self._repeating is not None and not self._repeating.done():
            self._repeating.cancel()
            await asyncio.wait({self._repeating})

    async def _prepared(self) -> Settling:
        run = self._run
        session = await open_rows(run.task, run.zone)
        try:
            source = await read_table(session, run.schema, run.table)
            shadow = await read_table(session, run.schema, run.plan.shadow)
        finally:
            await session.close()
        if source is None or shadow is None:
            raise TableChanged(f"{run.table if source is None else run.plan.shadow} is gone", table=run.table)
        sums = sums_of(source, shadow, run.mapping)
        key = run.mapping.target
        alike = index_for(shadow, [column.name for column in key.leading]) if run.mapping.same_key else ""
        if alike:
            self._comparison = Alike(run, sums, alike)
        else:
            located = index_for(shadow, [key.columns[at].name for at in run.mapping.located_by])
            self._comparison, self._ghosts = Apart(run, sums), Ghosts(run, located)
        return Settling(run, self._following, self._applying, self._comparison)


def index_for(table: Table, columns: list[str]) -> str:
    """The index that begins with whole columns in this order, the primary key first; empty for none. Pure."""
    wanted = [name.lower() for name in columns]

    def fits(index: Index) -> bool:
        first = [name.lower() for name in index.columns[: len(wanted)]]
        whole = not any(index.parts[: len(wanted)])
        return index.visible and index.type == "BTREE" and whole and first == wanted

    names = sorted((index.name for index in table.indexes if fits(index)), key=lambda name: name != "PRIMARY")
    return names[0] if names else ""


def _share(seconds: float, copying: float) -> str:
    return f", {100 * seconds / copying:.0f} % of the copy's {copying:.1f} s" if copying > 0 else ""
