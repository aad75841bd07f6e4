"""When the cut-over is tried, and how long after a failed attempt it is tried again."""

from __future__ import annotations

import asyncio
import contextlib
import time

from alterd_contracts.strategy import Session
from alterd_vitess.blockers import blockers
from alterd_vitess.cutover import CutOver, NotNow, Swapped
from alterd_vitess.run import Run

SMALL = 2000
"""Keys waiting, above which the table is not locked."""
LOOK_AGAIN = 0.5
"""Seconds between two looks at who stands in the way."""
STILL_WAITING = 5.0
"""Seconds between two fresh questions while completion is postponed."""
FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
"""Seconds after a failed attempt, doubling from the first. A failed attempt stalls writers for 0.3 s at most, so it is
tried sooner than Vitess's minutes."""


def back_off(attempts: int) -> float:
    """Seconds to wait after so many failed attempts. Pure."""
    return min(FIRST_BACK_OFF * 2 ** (attempts - 1), LONGEST_BACK_OFF) if attempts > 0 else 0.0


class Completing:
    """From the end of the copy, at which it is made, to the swap."""

    def __init__(self, run: Run, cut_over: CutOver, looker: Session) -> None:
        self._run, self._cut_over = run, cut_over
        self._looker, self._copied_at = looker, time.monotonic()
        self._told = False

    async def to_the_swap(self) -> Swapped:
        """Raises what `CutOver.attempt` raises, but for `NotNow`."""
        run = self._run
        while True:
            await self._caught_up()
            await run.task.ready()
            if not await self._permitted():
                continue
            if await self._blocked():
                await asyncio.sleep(LOOK_AGAIN)
                continue
            run.cutover_attempts += 1
            self._say(f"cut-over attempt {run.cutover_attempts}", "")
            run.tell()
            await run.task.phase("cut-over")
            try:
                return await self._cut_over.attempt()
            except NotNow as error:
                wait = back_off(run.cutover_attempts)
                self._say("waiting", f"cut-over attempt {run.cutover_attempts} failed: {error}; again in {wait:g} s")
                run.task.log.warning(run.message)
                await run.task.phase("catch-up")
                await asyncio.sleep(wait)

    async def _caught_up(self) -> None:
        run = self._run
        while run.lag > run.settings.max_lag or len(run.touched) > SMALL:
            self._say("catching up", run.message)
            await run.bell.heard()

    async def _permitted(self) -> bool:
        run = self._run
        if await run.task.may_complete():
            return True
        self._say("ready to complete", run.message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STILL_WAITING):
                await run.task.wanted_changed()
        return False

    async def _blocked(self) -> bool:
        run = self._run
        found = await blockers(self._looker, run.schema, run.table, time.monotonic() - self._copied_at)
        if found:
            words = f"the cut-over waits: {'; '.join(each.words for each in found[:3])}"
            if run.stage == "blocked" and not self._told:  # what is over at the second look is not worth a line
                run.task.log.warning(words)
                self._told = True
            self._say("blocked", words)
        elif run.stage == "blocked":
            self._told = False
            self._say("ready to complete", "")
        return bool(found)

    def _say(self, stage: str, message: str) -> None:
        self._run.stage, self._run.message = stage, message
