"""Keys that differed are compared again until a difference is explained, repaired, or fails the migration.

A round waits until the stream has brought all that the primary has executed, and all of it is applied; then it
compares. What has touched one of the keys since is known once the stream has brought a transaction of our own that was
committed after the comparison: all that the comparison could see stands before it in the binlog. (`gtid_executed` alone
would not tell: rows are visible a moment before their GTID is in it.)
"""

from __future__ import annotations

import asyncio

from alterd_contracts.strategy import Session
from alterd_vitess.applying import Applying
from alterd_vitess.checksum.comparing import Comparison
from alterd_vitess.checksum.differing import Differences, Verdict, judged
from alterd_vitess.errors import ChecksumMismatch
from alterd_vitess.following import Following
from alterd_vitess.gtid import GtidSet
from alterd_vitess.run import Run
from alterd_vitess.watching import Checkpoints

ROUNDS = 6
"""Comparisons after which a hot key is left to the lock."""
FIRST_PAUSE = 0.05
"""Seconds before a hot key is compared again, doubling each time."""
LONGEST_PAUSE = 5.0
CROWDED = 2000
"""Open keys from which on no chunk is compared before they are settled."""
FEW = 200
"""Keys that may be left to be compared under the lock: a few milliseconds."""
MOST_REPAIRS = 1000
"""Rows of one attempt. More of them are no accident any more."""
NAMED = 10
"""Keys that a message or the log names."""
LOOK_AGAIN = 0.01
"""Seconds between two looks whether all is applied, at least."""


class Settling:
    """The open differences of one attempt, and a session to look into them."""

    def __init__(self, run: Run, following: Following, applying: Applying, comparison: Comparison) -> None:
        self._run, self._following, self._applying, self._comparison = run, following, applying, comparison
        self._turn = asyncio.Lock()
        self.differences = Differences()

    @property
    def crowded(self) -> bool:
        return len(self.differences.open) >= CROWDED

    @property
    def may_rest(self) -> bool:
        """Whether what is open can be left to the lock."""
        return len(self.differences.open) <= FEW and not self.differences.known

    async def settle(self, session: Session) -> None:
        """Returns when no difference is left but at a few keys that never rest. Raises `ChecksumMismatch`."""
        async with self._turn:
            rounds, pause = 0, FIRST_PAUSE
            await self._repair()
            while self.differences.open and (rounds < ROUNDS or len(self.differences.open) > FEW):
                rounds += 1
                await self._round(session)
                if self.differences.known:
                    await self._repair()
                elif self.differences.open:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)

    async def at_rest(self, session: Session) -> str:
        """Compares what is open while nobody writes and everything is applied: what speaks against the swap; or ""."""
        asked = frozenset(self.differences.open)
        if not asked:
            return ""
        await self._comparison.prepare(session)
        differing = await self._comparison.differing(session, asked)
        # no touch can explain anything here, nor another spelling
        self.differences.compared(asked, Verdict(hot=frozenset(), real=frozenset(differing)))
        return f"the checksum finds {self._named(sorted(differing))} different" if differing else ""

    async def _round(self, session: Session) -> None:
        run = self._run
        asked = frozenset(self.differences.open)
        with run.touched.watched() as touched:
            await self._following.reached(await _executed(session))
            sequence = run.positions.sequence
            touched.clear()
            await self._all_applied(sequence)
            differing = await self._comparison.differing(session, asked)
            if differing:
                await Checkpoints(run).write(session)
                await self._following.reached(await _executed(session))
            verdict = judged(asked, differing, touched)
        self.differences.compared(asked, verdict)

    async def _all_applied(self, sequence: int) -> None:
        """Returns when no key waits any more as frame `sequence`, or one before it, had touched it."""
        run = self._run
        while (since := run.touched.unapplied_since()) is not None and since <= sequence:
            await run.bell.heard()
            await asyncio.sleep(LOOK_AGAIN)

    async def _repair(self) -> None:
        """Raises `ChecksumMismatch` where it was done before, or is too much."""
        differences, run = self.differences, self._run
        if again := differences.again:
            raise ChecksumMismatch(
                f"{self._named(again)} of {run.table} differ in the new table again, after a repair",
                hint="look who writes to the new table or changes rows of the table past the binlog "
                "(sql_log_bin=0), then retry: it starts over",
                table=run.table,
                rows=self._named(again),
            )
        keys = sorted(differences.known)
        if not keys:
            return
        if len(differences.repaired) + len(keys) > MOST_REPAIRS:
            raise ChecksumMismatch(
                f"{len(differences.repaired) + len(keys)} rows of {run.table} differ in the new table, "
                f"{self._named(keys)} among them: too many to be repaired",
                hint="this is no single row that went astray; retry the migration: it starts over",
                table=run.table,
                rows=self._named(keys),
            )
        run.task.log.warning(
            f"the checksum found {self._named(keys)} of {run.table} different in the new table, though nothing had "
            "changed there; written anew, and compared again"
        )
        await self._applying.together(keys)
        differences.mended(keys)  # not before: who stops this pass meanwhile must not leave them unmended

    def _named(self, keys: list[bytes]) -> str:
        key = self._run.mapping.key
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        rows = "the row" if len(keys) == 1 else f"{len(keys)} rows"
        return f"{rows} {'; '.join(key.shown(each) for each in keys[:NAMED])}{more}"

    @property
    def told(self) -> str:
        """What was repaired, for the migration's message; empty for nothing."""
        repaired = list(self.differences.repaired)
        return f"REPAIRED {self._named(repaired)}" if repaired else ""


async def _executed(session: Session) -> GtidSet:
    return GtidSet.parse(str(await session.value("SELECT @@global.gtid_executed")))
